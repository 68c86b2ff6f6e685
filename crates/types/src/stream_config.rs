//! A stream's configuration, as `$JS.API.STREAM.CREATE` takes it and `meta.inf` stores it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Timestamp;
use crate::skip::{is_default, null_as_default};

/// When a stored message goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// When a limit of the stream says so.
    #[default]
    Limits,
    /// When every consumer that wanted it has acknowledged it.
    Interest,
    /// When its one consumer has acknowledged it.
    WorkQueue,
}

/// What happens to a publish that would break a limit of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// The oldest messages go.
    #[default]
    Old,
    /// The new message is refused.
    New,
}

/// Where a stream keeps its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In blocks in the store directory.
    #[default]
    File,
    /// In memory only.
    Memory,
}

/// How sealed blocks are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they were written.
    #[default]
    None,
    /// As an S2 stream.
    S2,
}

/// How soon a publish ack means "on disk".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersistMode {
    /// As the server's `sync_interval` says.
    #[default]
    #[serde(alias = "")]
    Default,
    /// Acknowledge first, write behind.
    Async,
}

/// Where a clustered stream should live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Cluster name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Server tags that must all be there.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Preferred leader.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preferred: String,
}

/// A source-to-destination subject mapping (`server/subject_transform.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubjectTransformConfig {
    /// Pattern that incoming subjects must match.
    pub src: String,
    /// Destination template.
    pub dest: String,
}

/// Access to a stream of another account or domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExternalStream {
    /// API subject prefix.
    pub api: String,
    /// Delivery subject prefix.
    pub deliver: String,
}

/// Names the pre-made consumer that a mirror or source reads with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConsumerSource {
    /// Consumer name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it delivers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
}

/// The origin of a mirror, or one origin of a sourcing stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSource {
    /// Origin stream.
    pub name: String,
    /// First sequence wanted; 0 is "from the start".
    #[serde(skip_serializing_if = "is_default")]
    pub opt_start_seq: u64,
    /// First time wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<Timestamp>,
    /// Subjects wanted; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Filters with new subjects.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub subject_transforms: Vec<SubjectTransformConfig>,
    /// Set where the origin is in another account or domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// A pre-made consumer to read with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<StreamConsumerSource>,
}

/// Republishes every stored message on another subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RePublish {
    /// Which subjects; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// Destination template.
    pub dest: String,
    /// Leave the payload out.
    #[serde(skip_serializing_if = "is_default")]
    pub headers_only: bool,
}

/// Limits and defaults for the stream's consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConsumerLimits {
    /// Longest inactivity, in ns.
    #[serde(rename = "inactive_threshold", skip_serializing_if = "is_default")]
    pub inactive_threshold_ns: i64,
    /// Most unacknowledged messages.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
}

/// A stream's configuration (`server/stream.go` `StreamConfig`).
///
/// Holds the wire's sentinels as they are sent (-1 or 0 for "no limit"); `config_validate` fills
/// in the defaults and checks it. Field order is the order of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Stream name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Subjects (patterns) that the stream takes in.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub subjects: Vec<String>,
    /// When messages go.
    pub retention: Retention,
    /// Most consumers; -1 is no limit.
    pub max_consumers: i64,
    /// Most messages; -1 is no limit.
    pub max_msgs: i64,
    /// Most bytes, headers and record overhead included; -1 is no limit.
    pub max_bytes: i64,
    /// Oldest age in ns; 0 is no limit.
    #[serde(rename = "max_age")]
    pub max_age_ns: i64,
    /// Most messages per subject; -1 is no limit.
    pub max_msgs_per_subject: i64,
    /// Largest message in bytes (headers included); -1 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_msg_size: i32,
    /// What a full stream does.
    pub discard: Discard,
    /// Where messages are kept.
    pub storage: Storage,
    /// Replica count.
    pub num_replicas: i64,
    /// Send no publish acks.
    #[serde(skip_serializing_if = "is_default")]
    pub no_ack: bool,
    /// How long message ids are remembered, in ns.
    #[serde(rename = "duplicate_window", skip_serializing_if = "is_default")]
    pub duplicate_window_ns: i64,
    /// Where a clustered stream lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The stream that this one mirrors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<StreamSource>,
    /// The streams that this one gathers from.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub sources: Vec<StreamSource>,
    /// How sealed blocks are stored.
    pub compression: Compression,
    /// Sequence of the first message; 0 is 1.
    #[serde(skip_serializing_if = "is_default")]
    pub first_seq: u64,
    /// Renames incoming subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_transform: Option<SubjectTransformConfig>,
    /// Republishes stored messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub republish: Option<RePublish>,
    /// Serve `$JS.API.DIRECT.GET`.
    pub allow_direct: bool,
    /// Serve direct gets for the mirrored stream too.
    pub mirror_direct: bool,
    /// With discard new: refuse per subject.
    #[serde(skip_serializing_if = "is_default")]
    pub discard_new_per_subject: bool,
    /// Nothing goes in or out any more.
    pub sealed: bool,
    /// Refuse message deletes.
    pub deny_delete: bool,
    /// Refuse purges.
    pub deny_purge: bool,
    /// Honour `Nats-Rollup`.
    pub allow_rollup_hdrs: bool,
    /// Limits for consumers.
    pub consumer_limits: StreamConsumerLimits,
    /// Honour `Nats-TTL`.
    pub allow_msg_ttl: bool,
    /// Life of delete markers in ns; 0 is none.
    #[serde(rename = "subject_delete_marker_ttl", skip_serializing_if = "is_default")]
    pub subject_delete_marker_ttl_ns: i64,
    /// Counter stream.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_msg_counter: bool,
    /// Atomic batches.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_atomic: bool,
    /// Message schedules.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_msg_schedules: bool,
    /// How soon an ack means "on disk".
    #[serde(skip_serializing_if = "is_default")]
    pub persist_mode: PersistMode,
    /// Fast batch publishing.
    #[serde(skip_serializing_if = "is_default")]
    pub allow_batched: bool,
    /// Free key-value pairs; `_nats.*` keys are the server's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub metadata: BTreeMap<String, String>,
}

impl StreamConfig {
    /// Whether `subject_transforms` and the like name another server-side origin.
    pub fn has_origin(&self) -> bool {
        self.mirror.is_some() || !self.sources.is_empty()
    }
}

/// A stream create or update request: the configuration plus the request's own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamConfigRequest {
    /// The wanted configuration.
    pub config: StreamConfig,
    /// Refuse instead of filling in what contradicts limits (`pedantic`).
    pub pedantic: bool,
}

impl<'de> Deserialize<'de> for StreamConfigRequest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut map = serde_json::Map::deserialize(d)?;
        let pedantic = match map.remove("pedantic") {
            None | Some(serde_json::Value::Null) => false,
            Some(value) => bool::deserialize(value).map_err(serde::de::Error::custom)?,
        };
        let config = StreamConfig::deserialize(serde_json::Value::Object(map))
            .map_err(serde::de::Error::custom)?;
        Ok(StreamConfigRequest { config, pedantic })
    }
}
