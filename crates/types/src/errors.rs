//! The JetStream API error table.
//!
//! Wire source: `server/errors.json`. A description may hold `{name}` placeholders, filled by
//! [`ApiErrorDef::with`].

use crate::error::ApiErrorDef;

/// `JSAccountResourcesExceededErr`, err_code 10002.
pub const ACCOUNT_RESOURCES_EXCEEDED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10002, description: "resource limits exceeded for account" };
/// `JSBadRequestErr`, err_code 10003.
pub const BAD_REQUEST: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10003, description: "bad request" };
/// `JSClusterIncompleteErr`, err_code 10004.
pub const CLUSTER_INCOMPLETE: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10004, description: "incomplete results" };
/// `JSClusterNoPeersErrF`, err_code 10005.
pub const CLUSTER_NO_PEERS: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10005, description: "{err}" };
/// `JSClusterNotActiveErr`, err_code 10006.
pub const CLUSTER_NOT_ACTIVE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10006, description: "JetStream not in clustered mode" };
/// `JSClusterNotAssignedErr`, err_code 10007.
pub const CLUSTER_NOT_ASSIGNED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10007,
    description: "JetStream cluster not assigned to this server",
};
/// `JSClusterNotAvailErr`, err_code 10008.
pub const CLUSTER_NOT_AVAIL: ApiErrorDef = ApiErrorDef {
    code: 503,
    err_code: 10008,
    description: "JetStream system temporarily unavailable",
};
/// `JSClusterNotLeaderErr`, err_code 10009.
pub const CLUSTER_NOT_LEADER: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10009,
    description: "JetStream cluster can not handle request",
};
/// `JSClusterRequiredErr`, err_code 10010.
pub const CLUSTER_REQUIRED: ApiErrorDef = ApiErrorDef {
    code: 503,
    err_code: 10010,
    description: "JetStream clustering support required",
};
/// `JSClusterTagsErr`, err_code 10011.
pub const CLUSTER_TAGS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10011,
    description: "tags placement not supported for operation",
};
/// `JSConsumerCreateErrF`, err_code 10012.
pub const CONSUMER_CREATE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10012, description: "{err}" };
/// `JSConsumerNameExistErr`, err_code 10013.
pub const CONSUMER_NAME_EXIST: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10013, description: "consumer name already in use" };
/// `JSConsumerNotFoundErr`, err_code 10014.
pub const CONSUMER_NOT_FOUND: ApiErrorDef =
    ApiErrorDef { code: 404, err_code: 10014, description: "consumer not found" };
/// `JSSnapshotDeliverSubjectInvalidErr`, err_code 10015.
pub const SNAPSHOT_DELIVER_SUBJECT_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10015, description: "deliver subject not valid" };
/// `JSConsumerDurableNameNotInSubjectErr`, err_code 10016.
pub const CONSUMER_DURABLE_NAME_NOT_IN_SUBJECT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10016,
    description: "consumer expected to be durable but no durable name set in subject",
};
/// `JSConsumerDurableNameNotMatchSubjectErr`, err_code 10017.
pub const CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10017,
    description: "consumer name in subject does not match durable name in request",
};
/// `JSConsumerDurableNameNotSetErr`, err_code 10018.
pub const CONSUMER_DURABLE_NAME_NOT_SET: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10018,
    description: "consumer expected to be durable but a durable name was not set",
};
/// `JSConsumerEphemeralWithDurableInSubjectErr`, err_code 10019.
pub const CONSUMER_EPHEMERAL_WITH_DURABLE_IN_SUBJECT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10019,
    description: "consumer expected to be ephemeral but detected a durable name set in subject",
};
/// `JSConsumerEphemeralWithDurableNameErr`, err_code 10020.
pub const CONSUMER_EPHEMERAL_WITH_DURABLE_NAME: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10020,
    description: "consumer expected to be ephemeral but a durable name was set in request",
};
/// `JSStreamExternalApiOverlapErrF`, err_code 10021.
pub const STREAM_EXTERNAL_API_OVERLAP: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10021,
    description: "stream external api prefix {prefix} must not overlap with {subject}",
};
/// `JSStreamExternalDelPrefixOverlapsErrF`, err_code 10022.
pub const STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10022,
    description: "stream external delivery prefix {prefix} overlaps with stream subject {subject}",
};
/// `JSInsufficientResourcesErr`, err_code 10023.
pub const INSUFFICIENT_RESOURCES: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10023, description: "insufficient resources" };
/// `JSStreamInvalidExternalDeliverySubjErrF`, err_code 10024.
pub const STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10024,
    description: "stream external delivery prefix {prefix} must not contain wildcards",
};
/// `JSInvalidJSONErr`, err_code 10025.
pub const INVALID_JSON: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10025, description: "invalid JSON: {err}" };
/// `JSMaximumConsumersLimitErr`, err_code 10026.
pub const MAXIMUM_CONSUMERS_LIMIT: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10026, description: "maximum consumers limit reached" };
/// `JSMaximumStreamsLimitErr`, err_code 10027.
pub const MAXIMUM_STREAMS_LIMIT: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10027, description: "maximum number of streams reached" };
/// `JSMemoryResourcesExceededErr`, err_code 10028.
pub const MEMORY_RESOURCES_EXCEEDED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10028,
    description: "insufficient memory resources available",
};
/// `JSMirrorConsumerSetupFailedErrF`, err_code 10029.
pub const MIRROR_CONSUMER_SETUP_FAILED: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10029, description: "{err}" };
/// `JSMirrorMaxMessageSizeTooBigErr`, err_code 10030.
pub const MIRROR_MAX_MESSAGE_SIZE_TOO_BIG: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10030,
    description: "stream mirror must have max message size >= source",
};
/// `JSMirrorWithSourcesErr`, err_code 10031.
pub const MIRROR_WITH_SOURCES: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10031,
    description: "stream mirrors can not also contain other sources",
};
/// `JSMirrorWithStartSeqAndTimeErr`, err_code 10032.
pub const MIRROR_WITH_START_SEQ_AND_TIME: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10032,
    description: "stream mirrors can not have both start seq and start time configured",
};
/// `JSMirrorWithSubjectFiltersErr`, err_code 10033.
pub const MIRROR_WITH_SUBJECT_FILTERS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10033,
    description: "stream mirrors can not contain filtered subjects",
};
/// `JSMirrorWithSubjectsErr`, err_code 10034.
pub const MIRROR_WITH_SUBJECTS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10034,
    description: "stream mirrors can not contain subjects",
};
/// `JSNoAccountErr`, err_code 10035.
pub const NO_ACCOUNT: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10035, description: "account not found" };
/// `JSClusterUnSupportFeatureErr`, err_code 10036.
pub const CLUSTER_UN_SUPPORT_FEATURE: ApiErrorDef = ApiErrorDef {
    code: 503,
    err_code: 10036,
    description: "not currently supported in clustered mode",
};
/// `JSNoMessageFoundErr`, err_code 10037.
pub const NO_MESSAGE_FOUND: ApiErrorDef =
    ApiErrorDef { code: 404, err_code: 10037, description: "no message found" };
/// `JSNotEmptyRequestErr`, err_code 10038.
pub const NOT_EMPTY_REQUEST: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10038, description: "expected an empty request payload" };
/// `JSNotEnabledForAccountErr`, err_code 10039.
pub const NOT_ENABLED_FOR_ACCOUNT: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10039, description: "JetStream not enabled for account" };
/// `JSClusterPeerNotMemberErr`, err_code 10040.
pub const CLUSTER_PEER_NOT_MEMBER: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10040, description: "peer not a member" };
/// `JSRaftGeneralErrF`, err_code 10041.
pub const RAFT_GENERAL: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10041, description: "{err}" };
/// `JSRestoreSubscribeFailedErrF`, err_code 10042.
pub const RESTORE_SUBSCRIBE_FAILED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10042,
    description: "JetStream unable to subscribe to restore snapshot {subject}: {err}",
};
/// `JSSequenceNotFoundErrF`, err_code 10043.
pub const SEQUENCE_NOT_FOUND: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10043, description: "sequence {seq} not found" };
/// `JSClusterServerNotMemberErr`, err_code 10044.
pub const CLUSTER_SERVER_NOT_MEMBER: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10044,
    description: "server is not a member of the cluster",
};
/// `JSSourceConsumerSetupFailedErrF`, err_code 10045.
pub const SOURCE_CONSUMER_SETUP_FAILED: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10045, description: "{err}" };
/// `JSSourceMaxMessageSizeTooBigErr`, err_code 10046.
pub const SOURCE_MAX_MESSAGE_SIZE_TOO_BIG: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10046,
    description: "stream source must have max message size >= target",
};
/// `JSStorageResourcesExceededErr`, err_code 10047.
pub const STORAGE_RESOURCES_EXCEEDED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10047,
    description: "insufficient storage resources available",
};
/// `JSStreamAssignmentErrF`, err_code 10048.
pub const STREAM_ASSIGNMENT: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10048, description: "{err}" };
/// `JSStreamCreateErrF`, err_code 10049.
pub const STREAM_CREATE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10049, description: "{err}" };
/// `JSStreamDeleteErrF`, err_code 10050.
pub const STREAM_DELETE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10050, description: "{err}" };
/// `JSStreamGeneralErrorF`, err_code 10051.
pub const STREAM_GENERAL_ERROR: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10051, description: "{err}" };
/// `JSStreamInvalidConfigF`, err_code 10052.
pub const STREAM_INVALID_CONFIG: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10052, description: "{err}" };
/// `JSStreamLimitsErrF`, err_code 10053.
pub const STREAM_LIMITS: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10053, description: "{err}" };
/// `JSStreamMessageExceedsMaximumErr`, err_code 10054.
pub const STREAM_MESSAGE_EXCEEDS_MAXIMUM: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10054, description: "message size exceeds maximum allowed" };
/// `JSStreamMirrorNotUpdatableErr`, err_code 10055.
pub const STREAM_MIRROR_NOT_UPDATABLE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10055,
    description: "stream mirror configuration can not be updated",
};
/// `JSStreamMismatchErr`, err_code 10056.
pub const STREAM_MISMATCH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10056,
    description: "stream name in subject does not match request",
};
/// `JSStreamMsgDeleteFailedF`, err_code 10057.
pub const STREAM_MSG_DELETE_FAILED: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10057, description: "{err}" };
/// `JSStreamNameExistErr`, err_code 10058.
pub const STREAM_NAME_EXIST: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10058,
    description: "stream name already in use with a different configuration",
};
/// `JSStreamNotFoundErr`, err_code 10059.
pub const STREAM_NOT_FOUND: ApiErrorDef =
    ApiErrorDef { code: 404, err_code: 10059, description: "stream not found" };
/// `JSStreamNotMatchErr`, err_code 10060.
pub const STREAM_NOT_MATCH: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10060, description: "expected stream does not match" };
/// `JSStreamReplicasNotUpdatableErr`, err_code 10061.
pub const STREAM_REPLICAS_NOT_UPDATABLE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10061,
    description: "Replicas configuration can not be updated",
};
/// `JSStreamRestoreErrF`, err_code 10062.
pub const STREAM_RESTORE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10062, description: "restore failed: {err}" };
/// `JSStreamSequenceNotMatchErr`, err_code 10063.
pub const STREAM_SEQUENCE_NOT_MATCH: ApiErrorDef = ApiErrorDef {
    code: 503,
    err_code: 10063,
    description: "expected stream sequence does not match",
};
/// `JSStreamSnapshotErrF`, err_code 10064.
pub const STREAM_SNAPSHOT: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10064, description: "snapshot failed: {err}" };
/// `JSStreamSubjectOverlapErr`, err_code 10065.
pub const STREAM_SUBJECT_OVERLAP: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10065,
    description: "subjects overlap with an existing stream",
};
/// `JSStreamTemplateCreateErrF`, err_code 10066.
pub const STREAM_TEMPLATE_CREATE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10066, description: "{err}" };
/// `JSStreamTemplateDeleteErrF`, err_code 10067.
pub const STREAM_TEMPLATE_DELETE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10067, description: "{err}" };
/// `JSStreamTemplateNotFoundErr`, err_code 10068.
pub const STREAM_TEMPLATE_NOT_FOUND: ApiErrorDef =
    ApiErrorDef { code: 404, err_code: 10068, description: "template not found" };
/// `JSStreamUpdateErrF`, err_code 10069.
pub const STREAM_UPDATE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10069, description: "{err}" };
/// `JSStreamWrongLastMsgIDErrF`, err_code 10070.
pub const STREAM_WRONG_LAST_MSG_ID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10070, description: "wrong last msg ID: {id}" };
/// `JSStreamWrongLastSequenceErrF`, err_code 10071.
pub const STREAM_WRONG_LAST_SEQUENCE: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10071, description: "wrong last sequence: {seq}" };
/// `JSTempStorageFailedErr`, err_code 10072.
pub const TEMP_STORAGE_FAILED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10072,
    description: "JetStream unable to open temp storage for restore",
};
/// `JSTemplateNameNotMatchSubjectErr`, err_code 10073.
pub const TEMPLATE_NAME_NOT_MATCH_SUBJECT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10073,
    description: "template name in subject does not match request",
};
/// `JSStreamReplicasNotSupportedErr`, err_code 10074.
pub const STREAM_REPLICAS_NOT_SUPPORTED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10074,
    description: "replicas > 1 not supported in non-clustered mode",
};
/// `JSPeerRemapErr`, err_code 10075.
pub const PEER_REMAP: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10075, description: "peer remap failed" };
/// `JSNotEnabledErr`, err_code 10076.
pub const NOT_ENABLED: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10076, description: "JetStream not enabled" };
/// `JSStreamStoreFailedF`, err_code 10077.
pub const STREAM_STORE_FAILED: ApiErrorDef =
    ApiErrorDef { code: 503, err_code: 10077, description: "{err}" };
/// `JSConsumerConfigRequiredErr`, err_code 10078.
pub const CONSUMER_CONFIG_REQUIRED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10078, description: "consumer config required" };
/// `JSConsumerDeliverToWildcardsErr`, err_code 10079.
pub const CONSUMER_DELIVER_TO_WILDCARDS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10079,
    description: "consumer deliver subject has wildcards",
};
/// `JSConsumerPushMaxWaitingErr`, err_code 10080.
pub const CONSUMER_PUSH_MAX_WAITING: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10080,
    description: "consumer in push mode can not set max waiting",
};
/// `JSConsumerDeliverCycleErr`, err_code 10081.
pub const CONSUMER_DELIVER_CYCLE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10081,
    description: "consumer deliver subject forms a cycle",
};
/// `JSConsumerMaxPendingAckPolicyRequiredErr`, err_code 10082.
pub const CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10082,
    description: "consumer requires ack policy for max ack pending",
};
/// `JSConsumerSmallHeartbeatErr`, err_code 10083.
pub const CONSUMER_SMALL_HEARTBEAT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10083,
    description: "consumer idle heartbeat needs to be >= 100ms",
};
/// `JSConsumerPullRequiresAckErr`, err_code 10084.
pub const CONSUMER_PULL_REQUIRES_ACK: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10084,
    description: "consumer in pull mode requires explicit ack policy on workqueue stream",
};
/// `JSConsumerPullNotDurableErr`, err_code 10085.
pub const CONSUMER_PULL_NOT_DURABLE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10085,
    description: "consumer in pull mode requires a durable name",
};
/// `JSConsumerPullWithRateLimitErr`, err_code 10086.
pub const CONSUMER_PULL_WITH_RATE_LIMIT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10086,
    description: "consumer in pull mode can not have rate limit set",
};
/// `JSConsumerMaxWaitingNegativeErr`, err_code 10087.
pub const CONSUMER_MAX_WAITING_NEGATIVE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10087,
    description: "consumer max waiting needs to be positive",
};
/// `JSConsumerHBRequiresPushErr`, err_code 10088.
pub const CONSUMER_HB_REQUIRES_PUSH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10088,
    description: "consumer idle heartbeat requires a push based consumer",
};
/// `JSConsumerFCRequiresPushErr`, err_code 10089.
pub const CONSUMER_FC_REQUIRES_PUSH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10089,
    description: "consumer flow control requires a push based consumer",
};
/// `JSConsumerDirectRequiresPushErr`, err_code 10090.
pub const CONSUMER_DIRECT_REQUIRES_PUSH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10090,
    description: "consumer direct requires a push based consumer",
};
/// `JSConsumerDirectRequiresEphemeralErr`, err_code 10091.
pub const CONSUMER_DIRECT_REQUIRES_EPHEMERAL: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10091,
    description: "consumer direct requires an ephemeral consumer",
};
/// `JSConsumerOnMappedErr`, err_code 10092.
pub const CONSUMER_ON_MAPPED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10092, description: "consumer direct on a mapped consumer" };
/// `JSConsumerFilterNotSubsetErr`, err_code 10093.
pub const CONSUMER_FILTER_NOT_SUBSET: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10093,
    description: "consumer filter subject is not a valid subset of the interest subjects",
};
/// `JSConsumerInvalidPolicyErrF`, err_code 10094.
pub const CONSUMER_INVALID_POLICY: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10094, description: "{err}" };
/// `JSConsumerInvalidSamplingErrF`, err_code 10095.
pub const CONSUMER_INVALID_SAMPLING: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10095,
    description: "failed to parse consumer sampling configuration: {err}",
};
/// `JSStreamInvalidErr`, err_code 10096.
pub const STREAM_INVALID: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10096, description: "stream not valid" };
/// `JSStreamHeaderExceedsMaximumErr`, err_code 10097.
pub const STREAM_HEADER_EXCEEDS_MAXIMUM: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10097,
    description: "header size exceeds maximum allowed of 64k",
};
/// `JSConsumerWQRequiresExplicitAckErr`, err_code 10098.
pub const CONSUMER_WQ_REQUIRES_EXPLICIT_ACK: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10098,
    description: "workqueue stream requires explicit ack",
};
/// `JSConsumerWQMultipleUnfilteredErr`, err_code 10099.
pub const CONSUMER_WQ_MULTIPLE_UNFILTERED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10099,
    description: "multiple non-filtered consumers not allowed on workqueue stream",
};
/// `JSConsumerWQConsumerNotUniqueErr`, err_code 10100.
pub const CONSUMER_WQ_CONSUMER_NOT_UNIQUE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10100,
    description: "filtered consumer not unique on workqueue stream",
};
/// `JSConsumerWQConsumerNotDeliverAllErr`, err_code 10101.
pub const CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10101,
    description: "consumer must be deliver all on workqueue stream",
};
/// `JSConsumerNameTooLongErrF`, err_code 10102.
pub const CONSUMER_NAME_TOO_LONG: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10102,
    description: "consumer name is too long, maximum allowed is {max}",
};
/// `JSConsumerBadDurableNameErr`, err_code 10103.
pub const CONSUMER_BAD_DURABLE_NAME: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10103,
    description: "durable name can not contain '.', '*', '>'",
};
/// `JSConsumerStoreFailedErrF`, err_code 10104.
pub const CONSUMER_STORE_FAILED: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10104,
    description: "error creating store for consumer: {err}",
};
/// `JSConsumerExistingActiveErr`, err_code 10105.
pub const CONSUMER_EXISTING_ACTIVE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10105,
    description: "consumer already exists and is still active",
};
/// `JSConsumerReplacementWithDifferentNameErr`, err_code 10106.
pub const CONSUMER_REPLACEMENT_WITH_DIFFERENT_NAME: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10106,
    description: "consumer replacement durable config not the same",
};
/// `JSConsumerDescriptionTooLongErrF`, err_code 10107.
pub const CONSUMER_DESCRIPTION_TOO_LONG: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10107,
    description: "consumer description is too long, maximum allowed is {max}",
};
/// `JSConsumerWithFlowControlNeedsHeartbeats`, err_code 10108.
pub const CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10108,
    description: "consumer with flow control also needs heartbeats",
};
/// `JSStreamSealedErr`, err_code 10109.
pub const STREAM_SEALED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10109, description: "invalid operation on sealed stream" };
/// `JSStreamPurgeFailedF`, err_code 10110.
pub const STREAM_PURGE_FAILED: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10110, description: "{err}" };
/// `JSStreamRollupFailedF`, err_code 10111.
pub const STREAM_ROLLUP_FAILED: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10111, description: "{err}" };
/// `JSConsumerInvalidDeliverSubject`, err_code 10112.
pub const CONSUMER_INVALID_DELIVER_SUBJECT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10112,
    description: "invalid push consumer deliver subject",
};
/// `JSStreamMaxBytesRequired`, err_code 10113.
pub const STREAM_MAX_BYTES_REQUIRED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10113,
    description: "account requires a stream config to have max bytes set",
};
/// `JSConsumerMaxRequestBatchNegativeErr`, err_code 10114.
pub const CONSUMER_MAX_REQUEST_BATCH_NEGATIVE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10114,
    description: "consumer max request batch needs to be > 0",
};
/// `JSConsumerMaxRequestExpiresTooSmall`, err_code 10115.
pub const CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10115,
    description: "consumer max request expires needs to be >= 1ms",
};
/// `JSConsumerMaxDeliverBackoffErr`, err_code 10116.
pub const CONSUMER_MAX_DELIVER_BACKOFF: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10116,
    description: "max deliver is required to be > length of backoff values",
};
/// `JSStreamInfoMaxSubjectsErr`, err_code 10117.
pub const STREAM_INFO_MAX_SUBJECTS: ApiErrorDef = ApiErrorDef {
    code: 500,
    err_code: 10117,
    description: "subject details would exceed maximum allowed",
};
/// `JSStreamOfflineErr`, err_code 10118.
pub const STREAM_OFFLINE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10118, description: "stream is offline" };
/// `JSConsumerOfflineErr`, err_code 10119.
pub const CONSUMER_OFFLINE: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10119, description: "consumer is offline" };
/// `JSNoLimitsErr`, err_code 10120.
pub const NO_LIMITS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10120,
    description: "no JetStream default or applicable tiered limit present",
};
/// `JSConsumerMaxPendingAckExcessErrF`, err_code 10121.
pub const CONSUMER_MAX_PENDING_ACK_EXCESS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10121,
    description: "consumer max ack pending exceeds system limit of {limit}",
};
/// `JSStreamMaxStreamBytesExceeded`, err_code 10122.
pub const STREAM_MAX_STREAM_BYTES_EXCEEDED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10122,
    description: "stream max bytes exceeds account limit max stream bytes",
};
/// `JSStreamMoveAndScaleErr`, err_code 10123.
pub const STREAM_MOVE_AND_SCALE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10123,
    description: "can not move and scale a stream in a single update",
};
/// `JSStreamMoveInProgressF`, err_code 10124.
pub const STREAM_MOVE_IN_PROGRESS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10124,
    description: "stream move already in progress: {msg}",
};
/// `JSConsumerMaxRequestBatchExceededF`, err_code 10125.
pub const CONSUMER_MAX_REQUEST_BATCH_EXCEEDED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10125,
    description: "consumer max request batch exceeds server limit of {limit}",
};
/// `JSConsumerReplicasExceedsStream`, err_code 10126.
pub const CONSUMER_REPLICAS_EXCEEDS_STREAM: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10126,
    description: "consumer config replica count exceeds parent stream",
};
/// `JSConsumerNameContainsPathSeparatorsErr`, err_code 10127.
pub const CONSUMER_NAME_CONTAINS_PATH_SEPARATORS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10127,
    description: "Consumer name can not contain path separators",
};
/// `JSStreamNameContainsPathSeparatorsErr`, err_code 10128.
pub const STREAM_NAME_CONTAINS_PATH_SEPARATORS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10128,
    description: "Stream name can not contain path separators",
};
/// `JSStreamMoveNotInProgress`, err_code 10129.
pub const STREAM_MOVE_NOT_IN_PROGRESS: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10129, description: "stream move not in progress" };
/// `JSStreamNameExistRestoreFailedErr`, err_code 10130.
pub const STREAM_NAME_EXIST_RESTORE_FAILED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10130,
    description: "stream name already in use, cannot restore",
};
/// `JSConsumerCreateFilterSubjectMismatchErr`, err_code 10131.
pub const CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10131,
    description: "Consumer create request did not match filtered subject from create subject",
};
/// `JSConsumerCreateDurableAndNameMismatch`, err_code 10132.
pub const CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10132,
    description: "Consumer Durable and Name have to be equal if both are provided",
};
/// `JSReplicasCountCannotBeNegative`, err_code 10133.
pub const REPLICAS_COUNT_CANNOT_BE_NEGATIVE: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10133, description: "replicas count cannot be negative" };
/// `JSConsumerReplicasShouldMatchStream`, err_code 10134.
pub const CONSUMER_REPLICAS_SHOULD_MATCH_STREAM: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10134,
    description: "consumer config replicas must match interest retention stream's replicas",
};
/// `JSConsumerMetadataLengthErrF`, err_code 10135.
pub const CONSUMER_METADATA_LENGTH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10135,
    description: "consumer metadata exceeds maximum size of {limit}",
};
/// `JSConsumerDuplicateFilterSubjects`, err_code 10136.
pub const CONSUMER_DUPLICATE_FILTER_SUBJECTS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10136,
    description: "consumer cannot have both FilterSubject and FilterSubjects specified",
};
/// `JSConsumerMultipleFiltersNotAllowed`, err_code 10137.
pub const CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10137,
    description: "consumer with multiple subject filters cannot use subject based API",
};
/// `JSConsumerOverlappingSubjectFilters`, err_code 10138.
pub const CONSUMER_OVERLAPPING_SUBJECT_FILTERS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10138,
    description: "consumer subject filters cannot overlap",
};
/// `JSConsumerEmptyFilter`, err_code 10139.
pub const CONSUMER_EMPTY_FILTER: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10139,
    description: "consumer filter in FilterSubjects cannot be empty",
};
/// `JSSourceDuplicateDetected`, err_code 10140.
pub const SOURCE_DUPLICATE_DETECTED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10140,
    description: "duplicate source configuration detected",
};
/// `JSSourceInvalidStreamName`, err_code 10141.
pub const SOURCE_INVALID_STREAM_NAME: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10141, description: "sourced stream name is invalid" };
/// `JSMirrorInvalidStreamName`, err_code 10142.
pub const MIRROR_INVALID_STREAM_NAME: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10142, description: "mirrored stream name is invalid" };
/// `JSMirrorWithFirstSeqErr`, err_code 10143.
pub const MIRROR_WITH_FIRST_SEQ: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10143,
    description: "stream mirrors can not have first sequence configured",
};
/// `JSSourceMultipleFiltersNotAllowed`, err_code 10144.
pub const SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10144,
    description: "source with multiple subject transforms cannot also have a single subject filter",
};
/// `JSSourceInvalidSubjectFilter`, err_code 10145.
pub const SOURCE_INVALID_SUBJECT_FILTER: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10145, description: "source transform source: {err}" };
/// `JSSourceInvalidTransformDestination`, err_code 10146.
pub const SOURCE_INVALID_TRANSFORM_DESTINATION: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10146, description: "source transform: {err}" };
/// `JSSourceOverlappingSubjectFilters`, err_code 10147.
pub const SOURCE_OVERLAPPING_SUBJECT_FILTERS: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10147, description: "source filters can not overlap" };
/// `JSConsumerAlreadyExists`, err_code 10148.
pub const CONSUMER_ALREADY_EXISTS: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10148, description: "consumer already exists" };
/// `JSConsumerDoesNotExist`, err_code 10149.
pub const CONSUMER_DOES_NOT_EXIST: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10149, description: "consumer does not exist" };
/// `JSMirrorMultipleFiltersNotAllowed`, err_code 10150.
pub const MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10150,
    description: "mirror with multiple subject transforms cannot also have a single subject filter",
};
/// `JSMirrorInvalidSubjectFilter`, err_code 10151.
pub const MIRROR_INVALID_SUBJECT_FILTER: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10151, description: "mirror transform source: {err}" };
/// `JSMirrorOverlappingSubjectFilters`, err_code 10152.
pub const MIRROR_OVERLAPPING_SUBJECT_FILTERS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10152,
    description: "mirror subject filters can not overlap",
};
/// `JSConsumerInactiveThresholdExcess`, err_code 10153.
pub const CONSUMER_INACTIVE_THRESHOLD_EXCESS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10153,
    description: "consumer inactive threshold exceeds system limit of {limit}",
};
/// `JSMirrorInvalidTransformDestination`, err_code 10154.
pub const MIRROR_INVALID_TRANSFORM_DESTINATION: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10154, description: "mirror transform: {err}" };
/// `JSStreamTransformInvalidSource`, err_code 10155.
pub const STREAM_TRANSFORM_INVALID_SOURCE: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10155, description: "stream transform source: {err}" };
/// `JSStreamTransformInvalidDestination`, err_code 10156.
pub const STREAM_TRANSFORM_INVALID_DESTINATION: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10156, description: "stream transform: {err}" };
/// `JSPedanticErrF`, err_code 10157.
pub const PEDANTIC: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10157, description: "pedantic mode: {err}" };
/// `JSStreamDuplicateMessageConflict`, err_code 10158.
pub const STREAM_DUPLICATE_MESSAGE_CONFLICT: ApiErrorDef =
    ApiErrorDef { code: 409, err_code: 10158, description: "duplicate message id is in process" };
/// `JSConsumerPriorityPolicyWithoutGroup`, err_code 10159.
pub const CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10159,
    description: "Setting PriorityPolicy requires at least one PriorityGroup to be set",
};
/// `JSConsumerInvalidPriorityGroupErr`, err_code 10160.
pub const CONSUMER_INVALID_PRIORITY_GROUP: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10160,
    description: "Provided priority group does not exist for this consumer",
};
/// `JSConsumerEmptyGroupName`, err_code 10161.
pub const CONSUMER_EMPTY_GROUP_NAME: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10161, description: "Group name cannot be an empty string" };
/// `JSConsumerInvalidGroupNameErr`, err_code 10162.
pub const CONSUMER_INVALID_GROUP_NAME: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10162,
    description: "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters",
};
/// `JSStreamExpectedLastSeqPerSubjectNotReady`, err_code 10163.
pub const STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY: ApiErrorDef = ApiErrorDef {
    code: 503,
    err_code: 10163,
    description: "expected last sequence per subject temporarily unavailable",
};
/// `JSStreamWrongLastSequenceConstantErr`, err_code 10164.
pub const STREAM_WRONG_LAST_SEQUENCE_CONSTANT: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10164, description: "wrong last sequence" };
/// `JSMessageTTLInvalidErr`, err_code 10165.
pub const MESSAGE_TTL_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10165, description: "invalid per-message TTL" };
/// `JSMessageTTLDisabledErr`, err_code 10166.
pub const MESSAGE_TTL_DISABLED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10166, description: "per-message TTL is disabled" };
/// `JSStreamTooManyRequests`, err_code 10167.
pub const STREAM_TOO_MANY_REQUESTS: ApiErrorDef =
    ApiErrorDef { code: 429, err_code: 10167, description: "too many requests" };
/// `JSMessageIncrDisabledErr`, err_code 10168.
pub const MESSAGE_INCR_DISABLED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10168, description: "message counters is disabled" };
/// `JSMessageIncrMissingErr`, err_code 10169.
pub const MESSAGE_INCR_MISSING: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10169, description: "message counter increment is missing" };
/// `JSMessageIncrPayloadErr`, err_code 10170.
pub const MESSAGE_INCR_PAYLOAD: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10170, description: "message counter has payload" };
/// `JSMessageIncrInvalidErr`, err_code 10171.
pub const MESSAGE_INCR_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10171, description: "message counter increment is invalid" };
/// `JSMessageCounterBrokenErr`, err_code 10172.
pub const MESSAGE_COUNTER_BROKEN: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10172, description: "message counter is broken" };
/// `JSMirrorWithCountersErr`, err_code 10173.
pub const MIRROR_WITH_COUNTERS: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10173,
    description: "stream mirrors can not also calculate counters",
};
/// `JSAtomicPublishDisabledErr`, err_code 10174.
pub const ATOMIC_PUBLISH_DISABLED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10174, description: "atomic publish is disabled" };
/// `JSAtomicPublishMissingSeqErr`, err_code 10175.
pub const ATOMIC_PUBLISH_MISSING_SEQ: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10175, description: "atomic publish sequence is missing" };
/// `JSAtomicPublishIncompleteBatchErr`, err_code 10176.
pub const ATOMIC_PUBLISH_INCOMPLETE_BATCH: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10176, description: "atomic publish batch is incomplete" };
/// `JSAtomicPublishUnsupportedHeaderBatchErr`, err_code 10177.
pub const ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10177,
    description: "atomic publish unsupported header used: {header}",
};
/// `JSConsumerPushWithPriorityGroupErr`, err_code 10178.
pub const CONSUMER_PUSH_WITH_PRIORITY_GROUP: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10178,
    description: "priority groups can not be used with push consumers",
};
/// `JSAtomicPublishInvalidBatchIDErr`, err_code 10179.
pub const ATOMIC_PUBLISH_INVALID_BATCH_ID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10179, description: "atomic publish batch ID is invalid" };
/// `JSStreamMinLastSeqErr`, err_code 10180.
pub const STREAM_MIN_LAST_SEQ: ApiErrorDef =
    ApiErrorDef { code: 412, err_code: 10180, description: "min last sequence" };
/// `JSConsumerAckPolicyInvalidErr`, err_code 10181.
pub const CONSUMER_ACK_POLICY_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10181, description: "consumer ack policy invalid" };
/// `JSConsumerReplayPolicyInvalidErr`, err_code 10182.
pub const CONSUMER_REPLAY_POLICY_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10182, description: "consumer replay policy invalid" };
/// `JSConsumerAckWaitNegativeErr`, err_code 10183.
pub const CONSUMER_ACK_WAIT_NEGATIVE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10183,
    description: "consumer ack wait needs to be positive",
};
/// `JSConsumerBackOffNegativeErr`, err_code 10184.
pub const CONSUMER_BACK_OFF_NEGATIVE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10184,
    description: "consumer backoff needs to be positive",
};
/// `JSRequiredApiLevelErr`, err_code 10185.
pub const REQUIRED_API_LEVEL: ApiErrorDef =
    ApiErrorDef { code: 412, err_code: 10185, description: "JetStream minimum api level required" };
/// `JSMirrorWithMsgSchedulesErr`, err_code 10186.
pub const MIRROR_WITH_MSG_SCHEDULES: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10186,
    description: "stream mirrors can not also schedule messages",
};
/// `JSSourceWithMsgSchedulesErr`, err_code 10187.
pub const SOURCE_WITH_MSG_SCHEDULES: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10187,
    description: "stream source can not also schedule messages",
};
/// `JSMessageSchedulesDisabledErr`, err_code 10188.
pub const MESSAGE_SCHEDULES_DISABLED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10188, description: "message schedules is disabled" };
/// `JSMessageSchedulesPatternInvalidErr`, err_code 10189.
pub const MESSAGE_SCHEDULES_PATTERN_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10189, description: "message schedules pattern is invalid" };
/// `JSMessageSchedulesTargetInvalidErr`, err_code 10190.
pub const MESSAGE_SCHEDULES_TARGET_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10190, description: "message schedules target is invalid" };
/// `JSMessageSchedulesTTLInvalidErr`, err_code 10191.
pub const MESSAGE_SCHEDULES_TTL_INVALID: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10191,
    description: "message schedules invalid per-message TTL",
};
/// `JSMessageSchedulesRollupInvalidErr`, err_code 10192.
pub const MESSAGE_SCHEDULES_ROLLUP_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10192, description: "message schedules invalid rollup" };
/// `JSStreamExpectedLastSeqPerSubjectInvalid`, err_code 10193.
pub const STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10193,
    description: "missing sequence for expected last sequence per subject",
};
/// `JSStreamOfflineReasonErrF`, err_code 10194.
pub const STREAM_OFFLINE_REASON: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10194, description: "stream is offline: {err}" };
/// `JSConsumerOfflineReasonErrF`, err_code 10195.
pub const CONSUMER_OFFLINE_REASON: ApiErrorDef =
    ApiErrorDef { code: 500, err_code: 10195, description: "consumer is offline: {err}" };
/// `JSConsumerPriorityGroupWithPolicyNone`, err_code 10196.
pub const CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10196,
    description: "consumer can not have priority groups when policy is none",
};
/// `JSConsumerPinnedTTLWithoutPriorityPolicyNone`, err_code 10197.
pub const CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10197,
    description: "PinnedTTL cannot be set when PriorityPolicy is none",
};
/// `JSMirrorWithAtomicPublishErr`, err_code 10198.
pub const MIRROR_WITH_ATOMIC_PUBLISH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10198,
    description: "stream mirrors can not also use atomic publishing",
};
/// `JSAtomicPublishTooLargeBatchErrF`, err_code 10199.
pub const ATOMIC_PUBLISH_TOO_LARGE_BATCH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10199,
    description: "atomic publish batch is too large: {size}",
};
/// `JSAtomicPublishInvalidBatchCommitErr`, err_code 10200.
pub const ATOMIC_PUBLISH_INVALID_BATCH_COMMIT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10200,
    description: "atomic publish batch commit is invalid",
};
/// `JSAtomicPublishContainsDuplicateMessageErr`, err_code 10201.
pub const ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10201,
    description: "atomic publish batch contains duplicate message id",
};
/// `JSClusterServerMemberChangeInflightErr`, err_code 10202.
pub const CLUSTER_SERVER_MEMBER_CHANGE_INFLIGHT: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10202, description: "cluster member change is in progress" };
/// `JSMessageSchedulesSourceInvalidErr`, err_code 10203.
pub const MESSAGE_SCHEDULES_SOURCE_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10203, description: "message schedules source is invalid" };
/// `JSConsumerInvalidResetErr`, err_code 10204.
pub const CONSUMER_INVALID_RESET: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10204, description: "invalid reset: {err}" };
/// `JSBatchPublishDisabledErr`, err_code 10205.
pub const BATCH_PUBLISH_DISABLED: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10205, description: "batch publish is disabled" };
/// `JSBatchPublishInvalidPatternErr`, err_code 10206.
pub const BATCH_PUBLISH_INVALID_PATTERN: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10206, description: "batch publish pattern is invalid" };
/// `JSBatchPublishInvalidBatchIDErr`, err_code 10207.
pub const BATCH_PUBLISH_INVALID_BATCH_ID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10207, description: "batch publish ID is invalid" };
/// `JSBatchPublishUnknownBatchIDErr`, err_code 10208.
pub const BATCH_PUBLISH_UNKNOWN_BATCH_ID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10208, description: "batch publish ID unknown" };
/// `JSMirrorWithBatchPublishErr`, err_code 10209.
pub const MIRROR_WITH_BATCH_PUBLISH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10209,
    description: "stream mirrors can not also use batch publishing",
};
/// `JSAtomicPublishTooManyInflight`, err_code 10210.
pub const ATOMIC_PUBLISH_TOO_MANY_INFLIGHT: ApiErrorDef =
    ApiErrorDef { code: 429, err_code: 10210, description: "atomic publish too many inflight" };
/// `JSBatchPublishTooManyInflight`, err_code 10211.
pub const BATCH_PUBLISH_TOO_MANY_INFLIGHT: ApiErrorDef =
    ApiErrorDef { code: 429, err_code: 10211, description: "batch publish too many inflight" };
/// `JSMessageSchedulesSchedulerInvalidErr`, err_code 10212.
pub const MESSAGE_SCHEDULES_SCHEDULER_INVALID: ApiErrorDef =
    ApiErrorDef { code: 400, err_code: 10212, description: "message schedules invalid scheduler" };
/// `JSMirrorDurableConsumerCfgInvalid`, err_code 10213.
pub const MIRROR_DURABLE_CONSUMER_CFG_INVALID: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10213,
    description: "stream mirror consumer config is invalid",
};
/// `JSMirrorConsumerRequiresAckFCErr`, err_code 10214.
pub const MIRROR_CONSUMER_REQUIRES_ACK_FC: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10214,
    description: "stream mirror consumer requires flow control ack policy",
};
/// `JSSourceDurableConsumerCfgInvalid`, err_code 10215.
pub const SOURCE_DURABLE_CONSUMER_CFG_INVALID: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10215,
    description: "stream source consumer config is invalid",
};
/// `JSSourceDurableConsumerDuplicateDetected`, err_code 10216.
pub const SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10216,
    description: "duplicate stream source consumer detected",
};
/// `JSSourceConsumerRequiresAckFCErr`, err_code 10217.
pub const SOURCE_CONSUMER_REQUIRES_ACK_FC: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10217,
    description: "stream source consumer requires flow control ack policy",
};
/// `JSConsumerAckFCRequiresPushErr`, err_code 10218.
pub const CONSUMER_ACK_FC_REQUIRES_PUSH: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10218,
    description: "flow control ack policy requires a push based consumer",
};
/// `JSConsumerAckFCRequiresFCErr`, err_code 10219.
pub const CONSUMER_ACK_FC_REQUIRES_FC: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10219,
    description: "flow control ack policy requires flow control",
};
/// `JSConsumerAckFCRequiresMaxAckPendingErr`, err_code 10220.
pub const CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10220,
    description: "flow control ack policy requires max ack pending",
};
/// `JSConsumerAckFCRequiresNoAckWaitErr`, err_code 10221.
pub const CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10221,
    description: "flow control ack policy requires unset ack wait",
};
/// `JSConsumerAckFCRequiresNoMaxDeliverErr`, err_code 10222.
pub const CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10222,
    description: "flow control ack policy requires unset max deliver",
};
/// `JSMessageSchedulesTimeZoneInvalidErr`, err_code 10223.
pub const MESSAGE_SCHEDULES_TIME_ZONE_INVALID: ApiErrorDef = ApiErrorDef {
    code: 400,
    err_code: 10223,
    description: "message schedules time zone is invalid",
};

/// Every entry of the table, by ascending err_code.
pub const ALL: &[ApiErrorDef] = &[
    ACCOUNT_RESOURCES_EXCEEDED,
    BAD_REQUEST,
    CLUSTER_INCOMPLETE,
    CLUSTER_NO_PEERS,
    CLUSTER_NOT_ACTIVE,
    CLUSTER_NOT_ASSIGNED,
    CLUSTER_NOT_AVAIL,
    CLUSTER_NOT_LEADER,
    CLUSTER_REQUIRED,
    CLUSTER_TAGS,
    CONSUMER_CREATE,
    CONSUMER_NAME_EXIST,
    CONSUMER_NOT_FOUND,
    SNAPSHOT_DELIVER_SUBJECT_INVALID,
    CONSUMER_DURABLE_NAME_NOT_IN_SUBJECT,
    CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT,
    CONSUMER_DURABLE_NAME_NOT_SET,
    CONSUMER_EPHEMERAL_WITH_DURABLE_IN_SUBJECT,
    CONSUMER_EPHEMERAL_WITH_DURABLE_NAME,
    STREAM_EXTERNAL_API_OVERLAP,
    STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS,
    INSUFFICIENT_RESOURCES,
    STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ,
    INVALID_JSON,
    MAXIMUM_CONSUMERS_LIMIT,
    MAXIMUM_STREAMS_LIMIT,
    MEMORY_RESOURCES_EXCEEDED,
    MIRROR_CONSUMER_SETUP_FAILED,
    MIRROR_MAX_MESSAGE_SIZE_TOO_BIG,
    MIRROR_WITH_SOURCES,
    MIRROR_WITH_START_SEQ_AND_TIME,
    MIRROR_WITH_SUBJECT_FILTERS,
    MIRROR_WITH_SUBJECTS,
    NO_ACCOUNT,
    CLUSTER_UN_SUPPORT_FEATURE,
    NO_MESSAGE_FOUND,
    NOT_EMPTY_REQUEST,
    NOT_ENABLED_FOR_ACCOUNT,
    CLUSTER_PEER_NOT_MEMBER,
    RAFT_GENERAL,
    RESTORE_SUBSCRIBE_FAILED,
    SEQUENCE_NOT_FOUND,
    CLUSTER_SERVER_NOT_MEMBER,
    SOURCE_CONSUMER_SETUP_FAILED,
    SOURCE_MAX_MESSAGE_SIZE_TOO_BIG,
    STORAGE_RESOURCES_EXCEEDED,
    STREAM_ASSIGNMENT,
    STREAM_CREATE,
    STREAM_DELETE,
    STREAM_GENERAL_ERROR,
    STREAM_INVALID_CONFIG,
    STREAM_LIMITS,
    STREAM_MESSAGE_EXCEEDS_MAXIMUM,
    STREAM_MIRROR_NOT_UPDATABLE,
    STREAM_MISMATCH,
    STREAM_MSG_DELETE_FAILED,
    STREAM_NAME_EXIST,
    STREAM_NOT_FOUND,
    STREAM_NOT_MATCH,
    STREAM_REPLICAS_NOT_UPDATABLE,
    STREAM_RESTORE,
    STREAM_SEQUENCE_NOT_MATCH,
    STREAM_SNAPSHOT,
    STREAM_SUBJECT_OVERLAP,
    STREAM_TEMPLATE_CREATE,
    STREAM_TEMPLATE_DELETE,
    STREAM_TEMPLATE_NOT_FOUND,
    STREAM_UPDATE,
    STREAM_WRONG_LAST_MSG_ID,
    STREAM_WRONG_LAST_SEQUENCE,
    TEMP_STORAGE_FAILED,
    TEMPLATE_NAME_NOT_MATCH_SUBJECT,
    STREAM_REPLICAS_NOT_SUPPORTED,
    PEER_REMAP,
    NOT_ENABLED,
    STREAM_STORE_FAILED,
    CONSUMER_CONFIG_REQUIRED,
    CONSUMER_DELIVER_TO_WILDCARDS,
    CONSUMER_PUSH_MAX_WAITING,
    CONSUMER_DELIVER_CYCLE,
    CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED,
    CONSUMER_SMALL_HEARTBEAT,
    CONSUMER_PULL_REQUIRES_ACK,
    CONSUMER_PULL_NOT_DURABLE,
    CONSUMER_PULL_WITH_RATE_LIMIT,
    CONSUMER_MAX_WAITING_NEGATIVE,
    CONSUMER_HB_REQUIRES_PUSH,
    CONSUMER_FC_REQUIRES_PUSH,
    CONSUMER_DIRECT_REQUIRES_PUSH,
    CONSUMER_DIRECT_REQUIRES_EPHEMERAL,
    CONSUMER_ON_MAPPED,
    CONSUMER_FILTER_NOT_SUBSET,
    CONSUMER_INVALID_POLICY,
    CONSUMER_INVALID_SAMPLING,
    STREAM_INVALID,
    STREAM_HEADER_EXCEEDS_MAXIMUM,
    CONSUMER_WQ_REQUIRES_EXPLICIT_ACK,
    CONSUMER_WQ_MULTIPLE_UNFILTERED,
    CONSUMER_WQ_CONSUMER_NOT_UNIQUE,
    CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL,
    CONSUMER_NAME_TOO_LONG,
    CONSUMER_BAD_DURABLE_NAME,
    CONSUMER_STORE_FAILED,
    CONSUMER_EXISTING_ACTIVE,
    CONSUMER_REPLACEMENT_WITH_DIFFERENT_NAME,
    CONSUMER_DESCRIPTION_TOO_LONG,
    CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS,
    STREAM_SEALED,
    STREAM_PURGE_FAILED,
    STREAM_ROLLUP_FAILED,
    CONSUMER_INVALID_DELIVER_SUBJECT,
    STREAM_MAX_BYTES_REQUIRED,
    CONSUMER_MAX_REQUEST_BATCH_NEGATIVE,
    CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL,
    CONSUMER_MAX_DELIVER_BACKOFF,
    STREAM_INFO_MAX_SUBJECTS,
    STREAM_OFFLINE,
    CONSUMER_OFFLINE,
    NO_LIMITS,
    CONSUMER_MAX_PENDING_ACK_EXCESS,
    STREAM_MAX_STREAM_BYTES_EXCEEDED,
    STREAM_MOVE_AND_SCALE,
    STREAM_MOVE_IN_PROGRESS,
    CONSUMER_MAX_REQUEST_BATCH_EXCEEDED,
    CONSUMER_REPLICAS_EXCEEDS_STREAM,
    CONSUMER_NAME_CONTAINS_PATH_SEPARATORS,
    STREAM_NAME_CONTAINS_PATH_SEPARATORS,
    STREAM_MOVE_NOT_IN_PROGRESS,
    STREAM_NAME_EXIST_RESTORE_FAILED,
    CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH,
    CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH,
    REPLICAS_COUNT_CANNOT_BE_NEGATIVE,
    CONSUMER_REPLICAS_SHOULD_MATCH_STREAM,
    CONSUMER_METADATA_LENGTH,
    CONSUMER_DUPLICATE_FILTER_SUBJECTS,
    CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED,
    CONSUMER_OVERLAPPING_SUBJECT_FILTERS,
    CONSUMER_EMPTY_FILTER,
    SOURCE_DUPLICATE_DETECTED,
    SOURCE_INVALID_STREAM_NAME,
    MIRROR_INVALID_STREAM_NAME,
    MIRROR_WITH_FIRST_SEQ,
    SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED,
    SOURCE_INVALID_SUBJECT_FILTER,
    SOURCE_INVALID_TRANSFORM_DESTINATION,
    SOURCE_OVERLAPPING_SUBJECT_FILTERS,
    CONSUMER_ALREADY_EXISTS,
    CONSUMER_DOES_NOT_EXIST,
    MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED,
    MIRROR_INVALID_SUBJECT_FILTER,
    MIRROR_OVERLAPPING_SUBJECT_FILTERS,
    CONSUMER_INACTIVE_THRESHOLD_EXCESS,
    MIRROR_INVALID_TRANSFORM_DESTINATION,
    STREAM_TRANSFORM_INVALID_SOURCE,
    STREAM_TRANSFORM_INVALID_DESTINATION,
    PEDANTIC,
    STREAM_DUPLICATE_MESSAGE_CONFLICT,
    CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP,
    CONSUMER_INVALID_PRIORITY_GROUP,
    CONSUMER_EMPTY_GROUP_NAME,
    CONSUMER_INVALID_GROUP_NAME,
    STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY,
    STREAM_WRONG_LAST_SEQUENCE_CONSTANT,
    MESSAGE_TTL_INVALID,
    MESSAGE_TTL_DISABLED,
    STREAM_TOO_MANY_REQUESTS,
    MESSAGE_INCR_DISABLED,
    MESSAGE_INCR_MISSING,
    MESSAGE_INCR_PAYLOAD,
    MESSAGE_INCR_INVALID,
    MESSAGE_COUNTER_BROKEN,
    MIRROR_WITH_COUNTERS,
    ATOMIC_PUBLISH_DISABLED,
    ATOMIC_PUBLISH_MISSING_SEQ,
    ATOMIC_PUBLISH_INCOMPLETE_BATCH,
    ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH,
    CONSUMER_PUSH_WITH_PRIORITY_GROUP,
    ATOMIC_PUBLISH_INVALID_BATCH_ID,
    STREAM_MIN_LAST_SEQ,
    CONSUMER_ACK_POLICY_INVALID,
    CONSUMER_REPLAY_POLICY_INVALID,
    CONSUMER_ACK_WAIT_NEGATIVE,
    CONSUMER_BACK_OFF_NEGATIVE,
    REQUIRED_API_LEVEL,
    MIRROR_WITH_MSG_SCHEDULES,
    SOURCE_WITH_MSG_SCHEDULES,
    MESSAGE_SCHEDULES_DISABLED,
    MESSAGE_SCHEDULES_PATTERN_INVALID,
    MESSAGE_SCHEDULES_TARGET_INVALID,
    MESSAGE_SCHEDULES_TTL_INVALID,
    MESSAGE_SCHEDULES_ROLLUP_INVALID,
    STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID,
    STREAM_OFFLINE_REASON,
    CONSUMER_OFFLINE_REASON,
    CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE,
    CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE,
    MIRROR_WITH_ATOMIC_PUBLISH,
    ATOMIC_PUBLISH_TOO_LARGE_BATCH,
    ATOMIC_PUBLISH_INVALID_BATCH_COMMIT,
    ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE,
    CLUSTER_SERVER_MEMBER_CHANGE_INFLIGHT,
    MESSAGE_SCHEDULES_SOURCE_INVALID,
    CONSUMER_INVALID_RESET,
    BATCH_PUBLISH_DISABLED,
    BATCH_PUBLISH_INVALID_PATTERN,
    BATCH_PUBLISH_INVALID_BATCH_ID,
    BATCH_PUBLISH_UNKNOWN_BATCH_ID,
    MIRROR_WITH_BATCH_PUBLISH,
    ATOMIC_PUBLISH_TOO_MANY_INFLIGHT,
    BATCH_PUBLISH_TOO_MANY_INFLIGHT,
    MESSAGE_SCHEDULES_SCHEDULER_INVALID,
    MIRROR_DURABLE_CONSUMER_CFG_INVALID,
    MIRROR_CONSUMER_REQUIRES_ACK_FC,
    SOURCE_DURABLE_CONSUMER_CFG_INVALID,
    SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED,
    SOURCE_CONSUMER_REQUIRES_ACK_FC,
    CONSUMER_ACK_FC_REQUIRES_PUSH,
    CONSUMER_ACK_FC_REQUIRES_FC,
    CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING,
    CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT,
    CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER,
    MESSAGE_SCHEDULES_TIME_ZONE_INVALID,
];
