//! What a stream and a consumer report of themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::skip::is_default;
use crate::stream_config::{ExternalStream, SubjectTransformConfig};
use crate::{ConsumerConfig, StreamConfig, Timestamp};

/// Messages known to be lost to damage, never counted as deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostStreamData {
    /// Sequences that can no longer be read.
    pub msgs: Vec<u64>,
    /// Bytes set aside.
    pub bytes: u64,
}

/// Content of a stream (`server/store.go` `StreamState`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamState {
    /// Messages held.
    #[serde(rename = "messages")]
    pub msgs: u64,
    /// Bytes held, record overhead included.
    pub bytes: u64,
    /// Sequence of the first message; last + 1 when empty.
    pub first_seq: u64,
    /// Time of the first message.
    pub first_ts: Timestamp,
    /// Highest sequence ever given out.
    pub last_seq: u64,
    /// Time of the last message.
    pub last_ts: Timestamp,
    /// Distinct subjects held.
    #[serde(skip_serializing_if = "is_default")]
    pub num_subjects: u64,
    /// Messages by subject, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<BTreeMap<String, u64>>,
    /// Interior deletes.
    #[serde(skip_serializing_if = "is_default")]
    pub num_deleted: u64,
    /// Deleted sequences, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<u64>,
    /// Lost messages, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostStreamData>,
    /// Consumers of the stream.
    pub consumer_count: u64,
}

/// Leader information; on a standalone server only the leader's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterInfo {
    /// Cluster name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Leading server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub leader: String,
}

/// How far a mirror or source has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSourceInfo {
    /// Origin stream.
    pub name: String,
    /// Its account or domain, if another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// Messages still to come.
    pub lag: u64,
    /// Ns since something was heard; -1 is never.
    #[serde(rename = "active")]
    pub active_ns: i64,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// Filter in use.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Transforms in use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransformConfig>,
}

/// Another stream with the same subjects, offered as an alternate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamAlternate {
    /// Stream name.
    pub name: String,
    /// Its domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Its cluster.
    pub cluster: String,
}

/// Reply part that describes a stream (`server/stream.go` `StreamInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamInfo {
    /// Configuration, with the response-only metadata.
    pub config: StreamConfig,
    /// Creation time.
    pub created: Timestamp,
    /// Content.
    pub state: StreamState,
    /// JetStream domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Progress as a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSourceInfo>,
    /// Progress per source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StreamSourceInfo>,
    /// Streams with the same subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<StreamAlternate>,
    /// When this was gathered.
    pub ts: Timestamp,
    /// Why it cannot store at present. Not in the reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub store_error: String,
}

/// A consumer sequence with the stream sequence it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencePair {
    /// Delivery count of the consumer.
    #[serde(rename = "consumer_seq")]
    pub consumer: u64,
    /// Stream sequence.
    #[serde(rename = "stream_seq")]
    pub stream: u64,
}

/// A [`SequencePair`] with the time something last happened to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceInfo {
    /// Delivery count of the consumer.
    pub consumer_seq: u64,
    /// Stream sequence.
    pub stream_seq: u64,
    /// Last delivery or ack, if any since the server started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
}

/// State of one priority group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriorityGroupState {
    /// Group name.
    pub group: String,
    /// Client that is pinned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pinned_client_id: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_ts: Option<Timestamp>,
}

/// Reply part that describes a consumer (`server/consumer.go` `ConsumerInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerInfo {
    /// Stream name.
    pub stream_name: String,
    /// Consumer name.
    pub name: String,
    /// Creation time.
    pub created: Timestamp,
    /// Configuration, with the response-only metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ConsumerConfig>,
    /// Last delivered.
    pub delivered: SequenceInfo,
    /// All up to here is acknowledged.
    pub ack_floor: SequenceInfo,
    /// Delivered, not acknowledged.
    pub num_ack_pending: u64,
    /// Of these, delivered more than once.
    pub num_redelivered: u64,
    /// Waiting pull requests.
    pub num_waiting: u64,
    /// Matching messages not yet delivered.
    pub num_pending: u64,
    /// Leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// A client listens on the deliver subject.
    #[serde(skip_serializing_if = "is_default")]
    pub push_bound: bool,
    /// Delivery is paused.
    #[serde(skip_serializing_if = "is_default")]
    pub paused: bool,
    /// For that many ns more.
    #[serde(rename = "pause_remaining", skip_serializing_if = "is_default")]
    pub pause_remaining_ns: i64,
    /// When this was gathered.
    pub ts: Timestamp,
    /// State of the priority groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<PriorityGroupState>,
}
