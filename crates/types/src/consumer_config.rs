//! A consumer's configuration, as `$JS.API.CONSUMER.CREATE` takes it and `meta.inf` stores it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::skip::{is_default, null_as_default};

/// Where in the stream a new consumer starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliverPolicy {
    /// The first message.
    #[default]
    All,
    /// The last message.
    Last,
    /// What is published from now on.
    New,
    /// `opt_start_seq`.
    ByStartSequence,
    /// `opt_start_time`.
    ByStartTime,
    /// The last message of each subject.
    LastPerSubject,
    /// Not set (written by the reference for some recovered consumers).
    Undefined,
}

/// What counts as an acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckPolicy {
    /// Delivery is enough.
    #[default]
    None,
    /// An ack covers all before it.
    All,
    /// Each message by itself.
    Explicit,
    /// Acknowledged through flow control (2.14 sourcing).
    FlowControl,
}

/// At which pace stored messages are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayPolicy {
    /// As fast as possible.
    #[default]
    Instant,
    /// As they came in.
    Original,
}

/// How several pull clients share a consumer with priority groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorityPolicy {
    /// No groups.
    #[default]
    #[serde(alias = "")]
    None,
    /// Serve a client only when enough is waiting.
    Overflow,
    /// One client at a time.
    PinnedClient,
    /// By the request's priority.
    Prioritized,
}

/// A consumer's configuration (`server/consumer.go` `ConsumerConfig`), with the wire's sentinels
/// as they are sent. Field order is the order of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Durable name; empty for an ephemeral.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub durable_name: String,
    /// Consumer name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where to start.
    pub deliver_policy: DeliverPolicy,
    /// First sequence, with `by_start_sequence`.
    #[serde(skip_serializing_if = "is_default")]
    pub opt_start_seq: u64,
    /// First time, with `by_start_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<Timestamp>,
    /// What counts as an ack.
    pub ack_policy: AckPolicy,
    /// Redeliver after that many ns without an ack.
    #[serde(rename = "ack_wait", skip_serializing_if = "is_default")]
    pub ack_wait_ns: i64,
    /// Most deliveries of one message; -1 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_deliver: i64,
    /// Redelivery delays in ns, instead of `ack_wait`.
    #[serde(
        rename = "backoff",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub backoff_ns: Vec<i64>,
    /// One filter subject; empty is all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// Several filter subjects.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub filter_subjects: Vec<String>,
    /// At which pace.
    pub replay_policy: ReplayPolicy,
    /// Push: most bits per second; 0 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_limit_bps: u64,
    /// Share of acks that are sampled, such as `100` or `30%`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_freq: String,
    /// Pull: most waiting requests.
    #[serde(skip_serializing_if = "is_default")]
    pub max_waiting: i64,
    /// Most unacknowledged messages; -1 is no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
    /// Push: flow control.
    #[serde(skip_serializing_if = "is_default")]
    pub flow_control: bool,
    /// Leave payloads out.
    #[serde(skip_serializing_if = "is_default")]
    pub headers_only: bool,
    /// Pull: largest batch of a request.
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch: i64,
    /// Pull: longest expiry of a request, in ns.
    #[serde(rename = "max_expires", skip_serializing_if = "is_default")]
    pub max_expires_ns: i64,
    /// Pull: most bytes of a request.
    #[serde(skip_serializing_if = "is_default")]
    pub max_bytes: i64,
    /// Push: where to deliver; empty for pull.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_subject: String,
    /// Push: queue group of the deliver subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deliver_group: String,
    /// Push: heartbeat interval in ns.
    #[serde(rename = "idle_heartbeat", skip_serializing_if = "is_default")]
    pub idle_heartbeat_ns: i64,
    /// Delete the consumer after that many ns without a client.
    #[serde(rename = "inactive_threshold", skip_serializing_if = "is_default")]
    pub inactive_threshold_ns: i64,
    /// Replica count; 0 inherits the stream's.
    pub num_replicas: i64,
    /// Keep the state in memory.
    #[serde(skip_serializing_if = "is_default")]
    pub mem_storage: bool,
    /// Made by a mirror or source.
    #[serde(skip_serializing_if = "is_default")]
    pub direct: bool,
    /// Made for sourcing.
    #[serde(skip_serializing_if = "is_default")]
    pub sourcing: bool,
    /// Free key-value pairs; `_nats.*` keys are the server's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub metadata: BTreeMap<String, String>,
    /// Deliver nothing until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_until: Option<Timestamp>,
    /// Names of the priority groups.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub priority_groups: Vec<String>,
    /// How the groups share.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_policy: PriorityPolicy,
    /// How long a client stays pinned, in ns.
    #[serde(rename = "priority_timeout", skip_serializing_if = "is_default")]
    pub priority_timeout_ns: i64,
}

impl ConsumerConfig {
    /// Whether clients ask for messages (no deliver subject).
    pub fn is_pull(&self) -> bool {
        self.deliver_subject.is_empty()
    }

    /// Whether the consumer outlives its clients.
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// All filter subjects, whichever of the two fields holds them; empty is all subjects.
    pub fn filters(&self) -> Vec<&str> {
        if self.filter_subject.is_empty() {
            self.filter_subjects.iter().map(String::as_str).collect()
        } else {
            vec![self.filter_subject.as_str()]
        }
    }
}
