//! JetStream advisories and metrics (`server/jetstream_events.go`).

use serde::Serialize;

use crate::Timestamp;
use crate::skip::is_default;
use crate::state::StreamState;

/// What was done to a stream or consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was created.
    Create,
    /// It was deleted.
    Delete,
    /// Its configuration was changed.
    Modify,
}

/// One advisory, without its envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Advisory {
    /// A stream was created, changed or deleted.
    StreamAction {
        /// Stream name.
        stream: String,
        /// What was done.
        action: Action,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A consumer was created or deleted.
    ConsumerAction {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// What was done.
        action: Action,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A consumer was paused or resumed.
    ConsumerPause {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// Whether it is paused now.
        paused: bool,
        /// Until when.
        pause_until: Timestamp,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A sampled ack.
    ConsumerAck {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// Consumer sequence of the delivery.
        consumer_seq: u64,
        /// Stream sequence.
        stream_seq: u64,
        /// Ns between delivery and ack.
        #[serde(rename = "ack_time")]
        ack_time_ns: i64,
        /// Delivery count.
        deliveries: u64,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A message reached `max_deliver`.
    MaxDeliver {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// Stream sequence.
        stream_seq: u64,
        /// Delivery count.
        deliveries: u64,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A message was refused with `-NAK`.
    Nak {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// Consumer sequence of the delivery.
        consumer_seq: u64,
        /// Stream sequence.
        stream_seq: u64,
        /// Delivery count.
        deliveries: u64,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A message was given up with `+TERM`, or could not be read.
    Terminated {
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// Consumer sequence of the delivery.
        consumer_seq: u64,
        /// Stream sequence.
        stream_seq: u64,
        /// Delivery count.
        deliveries: u64,
        /// Why, in the client's words.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// Damage on disk was found. Not in the reference.
    StreamDamage {
        /// Stream name.
        stream: String,
        /// What was found, or done about it.
        reason: String,
        /// How many messages are lost.
        lost: u64,
        /// Their sequences; the first thousand.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        lost_seqs: Vec<u64>,
        /// Damaged bytes.
        bytes: u64,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A stream cannot store any more, or can again. Not in the reference.
    StreamStore {
        /// Stream name.
        stream: String,
        /// Whether it stores now.
        storing: bool,
        /// Why it does not.
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A priority group got a pinned client.
    GroupPinned {
        /// Account name.
        account: String,
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
        /// Group name.
        group: String,
        /// Pin id that the client was given.
        pinned_id: String,
    },
    /// A priority group let go of its pinned client.
    GroupUnpinned {
        /// Account name.
        account: String,
        /// Stream name.
        stream: String,
        /// Consumer name.
        consumer: String,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
        /// Group name.
        group: String,
        /// `admin` or `timeout`.
        reason: &'static str,
    },
    /// A snapshot of a stream began.
    SnapshotCreate {
        /// Stream name.
        stream: String,
        /// Its content, as of the beginning.
        state: Box<StreamState>,
        /// Who asked.
        client: Box<ClientInfo>,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A snapshot of a stream ended, also where it failed.
    SnapshotComplete {
        /// Stream name.
        stream: String,
        /// When it began.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// Who asked.
        client: Box<ClientInfo>,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A restore of a stream began.
    RestoreCreate {
        /// Stream name.
        stream: String,
        /// Who asked.
        client: Box<ClientInfo>,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// A restore of a stream ended, also where it failed.
    RestoreComplete {
        /// Stream name.
        stream: String,
        /// When it began.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// Bytes that were sent for it.
        bytes: u64,
        /// Who asked.
        client: Box<ClientInfo>,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
    },
    /// An atomic batch came to nothing (`JSStreamBatchAbandonedAdvisory`).
    BatchAbandoned {
        /// Stream name.
        stream: String,
        /// JetStream domain.
        #[serde(skip_serializing_if = "String::is_empty")]
        domain: String,
        /// Batch id.
        batch: String,
        /// `timeout`, `large`, `incomplete` or `unsupported`.
        reason: &'static str,
    },
}

impl Advisory {
    /// The `type` text.
    pub fn kind(&self) -> &'static str {
        match self {
            Advisory::StreamAction { .. } => "io.nats.jetstream.advisory.v1.stream_action",
            Advisory::ConsumerAction { .. } => "io.nats.jetstream.advisory.v1.consumer_action",
            Advisory::ConsumerPause { .. } => "io.nats.jetstream.advisory.v1.consumer_pause",
            Advisory::ConsumerAck { .. } => "io.nats.jetstream.metric.v1.consumer_ack",
            Advisory::MaxDeliver { .. } => "io.nats.jetstream.advisory.v1.max_deliver",
            Advisory::Nak { .. } => "io.nats.jetstream.advisory.v1.nak",
            Advisory::Terminated { .. } => "io.nats.jetstream.advisory.v1.terminated",
            Advisory::StreamDamage { .. } => "io.nats.jetstream.advisory.v1.stream_damage",
            Advisory::StreamStore { .. } => "io.nats.jetstream.advisory.v1.stream_store",
            Advisory::GroupPinned { .. } => "io.nats.jetstream.advisory.v1.consumer_group_pinned",
            Advisory::GroupUnpinned { .. } => {
                "io.nats.jetstream.advisory.v1.consumer_group_unpinned"
            }
            Advisory::SnapshotCreate { .. } => "io.nats.jetstream.advisory.v1.snapshot_create",
            Advisory::SnapshotComplete { .. } => "io.nats.jetstream.advisory.v1.snapshot_complete",
            Advisory::RestoreCreate { .. } => "io.nats.jetstream.advisory.v1.restore_create",
            Advisory::RestoreComplete { .. } => "io.nats.jetstream.advisory.v1.restore_complete",
            Advisory::BatchAbandoned { .. } => {
                "io.nats.jetstream.advisory.v1.stream_batch_abandoned"
            }
        }
    }

    /// The subject it is published on (`JSAdvisory*Pre`, `JSMetric*Pre` in
    /// `server/jetstream_api.go`).
    pub fn subject(&self) -> String {
        let verb = |action: &Action| match action {
            Action::Create => "CREATED",
            Action::Delete => "DELETED",
            Action::Modify => "UPDATED",
        };
        match self {
            Advisory::StreamAction { stream, action, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.{}.{stream}", verb(action))
            }
            Advisory::ConsumerAction { stream, consumer, action, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.{}.{stream}.{consumer}", verb(action))
            }
            Advisory::ConsumerPause { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.{stream}.{consumer}")
            }
            Advisory::ConsumerAck { stream, consumer, .. } => {
                format!("$JS.EVENT.METRIC.CONSUMER.ACK.{stream}.{consumer}")
            }
            Advisory::MaxDeliver { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream}.{consumer}")
            }
            Advisory::Nak { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.{stream}.{consumer}")
            }
            Advisory::Terminated { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.{stream}.{consumer}")
            }
            Advisory::StreamDamage { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.DAMAGE.{stream}")
            }
            Advisory::StreamStore { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.STORE.{stream}")
            }
            Advisory::GroupPinned { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.PINNED.{stream}.{consumer}")
            }
            Advisory::GroupUnpinned { stream, consumer, .. } => {
                format!("$JS.EVENT.ADVISORY.CONSUMER.UNPINNED.{stream}.{consumer}")
            }
            Advisory::SnapshotCreate { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_CREATE.{stream}")
            }
            Advisory::SnapshotComplete { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.{stream}")
            }
            Advisory::RestoreCreate { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.RESTORE_CREATE.{stream}")
            }
            Advisory::RestoreComplete { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.RESTORE_COMPLETE.{stream}")
            }
            Advisory::BatchAbandoned { stream, .. } => {
                format!("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.{stream}")
            }
        }
    }

    /// The JSON with its envelope: `type`, `id`, `timestamp`, then the fields.
    pub fn to_json(&self, id: &str, timestamp: Timestamp) -> Vec<u8> {
        #[derive(Serialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            id: &'a str,
            timestamp: Timestamp,
            #[serde(flatten)]
            advisory: &'a Advisory,
        }
        let event = Event { kind: self.kind(), id, timestamp, advisory: self };
        serde_json::to_vec(&event).unwrap_or_default()
    }
}

/// The client that made an API request (`server/events.go` `ClientInfo`), as far as advisories
/// and `Nats-Request-Info` show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientInfo {
    /// When it connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Connection id.
    #[serde(skip_serializing_if = "is_default")]
    pub id: u64,
    /// Account name.
    #[serde(rename = "acc", skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// User name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Connection name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Client language.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lang: String,
    /// Client version.
    #[serde(rename = "ver", skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Round trip in ns.
    #[serde(rename = "rtt", skip_serializing_if = "is_default")]
    pub rtt_ns: i64,
    /// Server name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// `Client`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// `nats`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_type: String,
}
