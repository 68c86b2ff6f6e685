//! Requests and replies of `$JS.API.*` (`server/jetstream_api.go`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::ApiError;
use crate::skip::{is_default, null_as_default};
use crate::{ConsumerConfig, ConsumerInfo, StreamConfig, StreamInfo, StreamState, Timestamp};

/// Most names in one page of a NAMES reply.
pub const NAMES_LIMIT: usize = 1024;
/// Most entries in one page of a LIST reply.
pub const LIST_LIMIT: usize = 256;
/// Most subjects in one page of a STREAM.INFO reply.
pub const MAX_SUBJECT_DETAILS: usize = 100_000;

/// `type` texts of the replies.
pub mod reply_type {
    macro_rules! reply_types {
        ($($name:ident = $text:literal;)*) => {
            $(#[doc = concat!("`io.nats.jetstream.api.v1.", $text, "`")]
            pub const $name: &str = concat!("io.nats.jetstream.api.v1.", $text);)*
        };
    }
    reply_types! {
        ACCOUNT_INFO = "account_info_response";
        ACCOUNT_PURGE = "account_purge_response";
        STREAM_CREATE = "stream_create_response";
        STREAM_UPDATE = "stream_update_response";
        STREAM_DELETE = "stream_delete_response";
        STREAM_INFO = "stream_info_response";
        STREAM_NAMES = "stream_names_response";
        STREAM_LIST = "stream_list_response";
        STREAM_PURGE = "stream_purge_response";
        STREAM_SNAPSHOT = "stream_snapshot_response";
        STREAM_RESTORE = "stream_restore_response";
        STREAM_LEADER_STEPDOWN = "stream_leader_stepdown_response";
        STREAM_REMOVE_PEER = "stream_remove_peer_response";
        MSG_GET = "stream_msg_get_response";
        MSG_DELETE = "stream_msg_delete_response";
        CONSUMER_CREATE = "consumer_create_response";
        CONSUMER_DELETE = "consumer_delete_response";
        CONSUMER_INFO = "consumer_info_response";
        CONSUMER_NAMES = "consumer_names_response";
        CONSUMER_LIST = "consumer_list_response";
        CONSUMER_PAUSE = "consumer_pause_response";
        CONSUMER_UNPIN = "consumer_unpin_response";
        CONSUMER_RESET = "consumer_reset_response";
        CONSUMER_LEADER_STEPDOWN = "consumer_leader_stepdown_response";
        META_LEADER_STEPDOWN = "meta_leader_stepdown_response";
        META_SERVER_REMOVE = "meta_server_remove_response";
        SYSTEM = "system_response";
    }
}

/// A reply: its type, then an error or a body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply<T> {
    /// One of [`reply_type`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Why the request was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// The answer.
    #[serde(flatten)]
    pub body: Option<T>,
}

impl<T> Reply<T> {
    /// A reply that says yes.
    pub fn ok(kind: &str, body: T) -> Self {
        Reply { kind: kind.to_owned(), error: None, body: Some(body) }
    }

    /// A reply that says no.
    pub fn failed(kind: &str, error: impl Into<ApiError>) -> Self {
        Reply { kind: kind.to_owned(), error: Some(error.into()), body: None }
    }

    /// Either, from a result.
    pub fn from_result(kind: &str, result: Result<T, ApiError>) -> Self {
        match result {
            Ok(body) => Reply::ok(kind, body),
            Err(error) => Reply::failed(kind, error),
        }
    }
}

/// Page position and size of a paged reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paged {
    /// All entries.
    pub total: usize,
    /// Index of the first entry of this page.
    pub offset: usize,
    /// Most entries of a page.
    pub limit: usize,
}

/// `STREAM.CREATE` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamCreated {
    /// The stream.
    #[serde(flatten)]
    pub info: StreamInfo,
    /// False where the same stream was there already.
    #[serde(default, skip_serializing_if = "is_default")]
    pub did_create: bool,
}

/// `success: true`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Success {
    /// True on success, left out otherwise.
    #[serde(default, skip_serializing_if = "is_default")]
    pub success: bool,
}

/// `STREAM.INFO` request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamInfoRequest {
    /// First subject of the page.
    pub offset: usize,
    /// List deleted sequences and lost messages.
    pub deleted_details: bool,
    /// Count messages of the subjects that match.
    pub subjects_filter: String,
}

/// `STREAM.INFO` answer; the page is of `state.subjects`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamInfoReply {
    /// Page of subjects; zeros where none were asked for.
    #[serde(flatten)]
    pub page: Paged,
    /// The stream.
    #[serde(flatten)]
    pub info: StreamInfo,
}

/// `STREAM.NAMES` and `STREAM.LIST` request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamListRequest {
    /// First entry of the page.
    pub offset: usize,
    /// Only streams with subjects that overlap this pattern.
    pub subject: String,
}

/// `STREAM.NAMES` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamNames {
    /// The page.
    #[serde(flatten)]
    pub page: Paged,
    /// Names in order; `null` where there are none.
    #[serde(serialize_with = "empty_as_null", deserialize_with = "null_as_default")]
    pub streams: Vec<String>,
}

/// `STREAM.LIST` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamList {
    /// The page.
    #[serde(flatten)]
    pub page: Paged,
    /// Streams by name.
    pub streams: Vec<StreamInfo>,
    /// Streams that cannot be served, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
}

/// `STREAM.PURGE` request; `seq` and `keep` exclude each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurgeRequest {
    /// Purge below this sequence; 0 is all.
    pub seq: u64,
    /// Only these subjects; empty is all.
    pub filter: String,
    /// Keep that many of the newest.
    pub keep: u64,
}

/// `STREAM.PURGE` answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Purged {
    /// True on success.
    #[serde(default, skip_serializing_if = "is_default")]
    pub success: bool,
    /// Messages removed.
    pub purged: u64,
}

/// `STREAM.MSG.DELETE` request.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MsgDeleteRequest {
    /// Which message.
    pub seq: u64,
    /// Leave the bytes on disk until they are compacted away.
    pub no_erase: bool,
}

/// `STREAM.MSG.GET` and `DIRECT.GET` request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MsgGetRequest {
    /// By sequence, or the first sequence to look at.
    pub seq: u64,
    /// Last message of this subject.
    pub last_by_subj: String,
    /// First message at or after `seq` whose subject matches.
    pub next_by_subj: String,
    /// Direct: up to that many messages.
    pub batch: usize,
    /// Direct: stop after that many bytes.
    pub max_bytes: usize,
    /// Start at this time.
    pub start_time: Option<Timestamp>,
    /// Direct: the last message of each matching subject.
    #[serde(deserialize_with = "null_as_default")]
    pub multi_last: Vec<String>,
    /// Direct: as of this sequence.
    pub up_to_seq: u64,
    /// Direct: as of this time.
    pub up_to_time: Option<Timestamp>,
    /// Leave the stored headers out.
    pub no_hdr: bool,
}

/// A stored message in a `STREAM.MSG.GET` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMsg {
    /// Subject as stored.
    pub subject: String,
    /// Stream sequence.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// Header block, base64 in JSON.
    #[serde(
        default,
        rename = "hdrs",
        with = "base64_bytes",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub headers: Vec<u8>,
    /// Payload, base64 in JSON.
    #[serde(default, with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<u8>,
    /// When it was stored.
    pub time: Timestamp,
}

/// `STREAM.MSG.GET` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MsgGot {
    /// The message.
    pub message: StoredMsg,
}

/// What a `CONSUMER.CREATE` request means to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumerAction {
    /// Create it, or update the one that is there.
    #[default]
    #[serde(rename = "")]
    CreateOrUpdate,
    /// Only create.
    #[serde(rename = "create")]
    Create,
    /// Only update.
    #[serde(rename = "update")]
    Update,
}

/// `CONSUMER.CREATE` request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerCreateRequest {
    /// Must name the stream of the subject.
    pub stream_name: String,
    /// The wanted configuration.
    pub config: ConsumerConfig,
    /// Create, update, or either.
    pub action: ConsumerAction,
    /// Refuse instead of filling in what contradicts limits.
    pub pedantic: bool,
}

/// A page request without filters (`CONSUMER.NAMES`, `CONSUMER.LIST`).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageRequest {
    /// First entry of the page.
    pub offset: usize,
}

/// `CONSUMER.NAMES` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsumerNames {
    /// The page.
    #[serde(flatten)]
    pub page: Paged,
    /// Names in order.
    pub consumers: Vec<String>,
}

/// `CONSUMER.LIST` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsumerList {
    /// The page.
    #[serde(flatten)]
    pub page: Paged,
    /// Consumers by name.
    pub consumers: Vec<ConsumerInfo>,
    /// Consumers that cannot be served, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<String, String>,
    /// The same by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// `CONSUMER.PAUSE` request.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    /// Until when; a past or missing time resumes.
    pub pause_until: Option<Timestamp>,
}

/// `CONSUMER.PAUSE` answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Paused {
    /// Whether delivery is paused now.
    pub paused: bool,
    /// Until when.
    pub pause_until: Timestamp,
    /// For that many ns more.
    #[serde(default, rename = "pause_remaining", skip_serializing_if = "is_default")]
    pub pause_remaining_ns: i64,
}

/// `CONSUMER.MSG.NEXT` request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NextRequest {
    /// Wait that many ns; 0 is for ever (or not at all with `no_wait`).
    #[serde(rename = "expires")]
    pub expires_ns: i64,
    /// That many messages; 0 is 1.
    pub batch: i64,
    /// At most that many bytes; 0 is no limit.
    pub max_bytes: i64,
    /// Answer at once, with 404 where nothing is there.
    pub no_wait: bool,
    /// Heartbeat interval in ns while waiting.
    #[serde(rename = "idle_heartbeat")]
    pub idle_heartbeat_ns: i64,
    /// Priority group.
    pub group: String,
    /// Overflow: only when that many are pending.
    pub min_pending: i64,
    /// Overflow: only when that many are unacknowledged.
    pub min_ack_pending: i64,
    /// Pin id of the client.
    pub id: String,
    /// Prioritized: 0 is served first.
    pub priority: i64,
}

/// Options of a `-NAK` with JSON.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NakOptions {
    /// Redeliver after that many ns.
    #[serde(rename = "delay")]
    pub delay_ns: i64,
}

/// `STREAM.SNAPSHOT` request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotRequest {
    /// Where chunks go.
    pub deliver_subject: String,
    /// Leave consumers out.
    pub no_consumers: bool,
    /// Bytes of a chunk.
    pub chunk_size: i64,
    /// Bytes in flight.
    pub window_size: i64,
    /// Check every message first.
    pub jsck: bool,
}

/// `STREAM.SNAPSHOT` answer; the chunks follow it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotStarted {
    /// Configuration of the stream.
    pub config: StreamConfig,
    /// Its content, as of the beginning.
    pub state: StreamState,
}

/// `STREAM.RESTORE` answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestoreStarted {
    /// Where the chunks are to be sent.
    pub deliver_subject: String,
}

/// `STREAM.RESTORE` request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RestoreRequest {
    /// Wanted configuration.
    pub config: StreamConfig,
    /// State at snapshot time.
    pub state: StreamState,
}

/// A publish ack (`server/stream.go` `PubAck`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PubAck {
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// The stream.
    pub stream: String,
    /// Sequence given; 0 on refusal.
    pub seq: u64,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// The message id was known: nothing was stored.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate: bool,
}

fn empty_as_null<S: Serializer>(names: &[String], s: S) -> Result<S::Ok, S::Error> {
    if names.is_empty() { s.serialize_none() } else { s.collect_seq(names) }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}
