//! `/varz`: the server at a glance.

use std::collections::BTreeMap;

use serde::Serialize;
use types::{EngineStats, Timestamp};

use crate::text::{go_float, is_default};

/// The answer (`server/monitor.go` `Varz`).
#[derive(Debug, Clone, Serialize)]
pub struct Varz {
    /// Server id.
    pub server_id: String,
    /// Server name.
    pub server_name: String,
    /// Version of nats-server that this server is compatible with.
    pub version: String,
    /// Protocol level of clients.
    pub proto: i32,
    /// Commit the program was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// What the program is built with; here its own name and version.
    pub go: String,
    /// Address for clients.
    pub host: String,
    /// Port for clients.
    pub port: u16,
    /// Clients must authenticate.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_required: bool,
    /// Most connections.
    pub max_connections: i64,
    /// Most subscriptions of a connection.
    #[serde(skip_serializing_if = "is_default")]
    pub max_subscriptions: i64,
    /// Nanoseconds between pings.
    #[serde(rename = "ping_interval")]
    pub ping_interval_ns: u64,
    /// Unanswered pings of a stale connection.
    pub ping_max: u32,
    /// Address of this endpoint.
    pub http_host: String,
    /// Port of this endpoint.
    pub http_port: u16,
    /// Path in front of this endpoint.
    pub http_base_path: String,
    /// Port of this endpoint with TLS; 0 is none.
    pub https_port: u16,
    /// Seconds to authenticate.
    #[serde(serialize_with = "go_float")]
    pub auth_timeout: f64,
    /// Longest protocol line.
    pub max_control_line: u32,
    /// Largest payload.
    pub max_payload: i64,
    /// Most bytes waiting for a client.
    pub max_pending: i64,
    /// Clustering, as far as it is configured.
    pub cluster: ClusterVarz,
    /// Gateways: not there yet, so empty.
    pub gateway: Empty,
    /// Leaf nodes: not there yet, so empty.
    pub leaf: Empty,
    /// MQTT: not there yet, so empty.
    pub mqtt: Empty,
    /// WebSocket: not there yet, so empty.
    pub websocket: Empty,
    /// JetStream; empty when it is off.
    pub jetstream: JetStreamVarz,
    /// Seconds for a TLS handshake.
    #[serde(serialize_with = "go_float")]
    pub tls_timeout: f64,
    /// Nanoseconds that a write may take.
    #[serde(rename = "write_deadline")]
    pub write_deadline_ns: u64,
    /// What a missed write deadline does, when configured.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub write_timeout: String,
    /// When the server started.
    pub start: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Time since the start.
    pub uptime: String,
    /// Resident bytes.
    pub mem: u64,
    /// Processors.
    pub cores: usize,
    /// Processors in use.
    pub gomaxprocs: usize,
    /// Percent of a processor in use.
    #[serde(serialize_with = "go_float")]
    pub cpu: f64,
    /// Clients connected.
    pub connections: usize,
    /// Clients ever connected.
    pub total_connections: u64,
    /// Routes.
    pub routes: usize,
    /// Servers known through routes.
    pub remotes: usize,
    /// Leaf nodes.
    pub leafnodes: usize,
    /// Messages received.
    pub in_msgs: u64,
    /// Messages sent.
    pub out_msgs: u64,
    /// Payload bytes received.
    pub in_bytes: u64,
    /// Payload bytes sent.
    pub out_bytes: u64,
    /// Connections closed because they read too slowly.
    pub slow_consumers: u64,
    /// Connections closed because they stopped answering.
    pub stale_connections: u64,
    /// Publishers held up by slow readers.
    pub stalled_clients: u64,
    /// Subscriptions of all accounts.
    pub subscriptions: u64,
    /// Requests to each path of this endpoint.
    pub http_req_stats: BTreeMap<String, u64>,
    /// When the configuration was loaded.
    pub config_load_time: Timestamp,
    /// Digest of the configuration.
    pub config_digest: String,
    /// Tags of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Metadata of the server.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Feature switches and their state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_flags: BTreeMap<String, bool>,
    /// Name of the system account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system_account: String,
    /// Slow consumers by kind.
    pub slow_consumer_stats: ByKind,
    /// Stale connections by kind.
    pub stale_connection_stats: ByKind,
}

/// An object without fields.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Empty {}

/// Clustering, as far as it is configured (`ClusterOptsVarz`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClusterVarz {
    /// Cluster name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// Counts by kind of connection (`SlowConsumersStats`, `StaleConnectionStats`).
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ByKind {
    /// Clients.
    pub clients: u64,
    /// Routes.
    pub routes: u64,
    /// Gateways.
    pub gateways: u64,
    /// Leaf nodes.
    pub leafs: u64,
}

/// JetStream in `/varz` (`JetStreamVarz`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct JetStreamVarz {
    /// Configuration in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<JetStreamConfig>,
    /// Usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<EngineStats>,
    /// Limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<JetStreamLimits>,
}

/// The JetStream configuration in effect (`server/jetstream.go` `JetStreamConfig`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamConfig {
    /// Bytes for memory streams.
    pub max_memory: i64,
    /// Bytes for file streams.
    pub max_storage: i64,
    /// Where streams are stored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub store_dir: String,
    /// Nanoseconds between background syncs.
    #[serde(rename = "sync_interval", skip_serializing_if = "is_default")]
    pub sync_interval_ns: i64,
    /// Every write is synced.
    #[serde(skip_serializing_if = "is_default")]
    pub sync_always: bool,
    /// Domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Compression may be used between servers.
    #[serde(skip_serializing_if = "is_default")]
    pub compress_ok: bool,
    /// Tag that must differ between replicas.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unique_tag: String,
    /// Unknown fields in API requests are refused.
    #[serde(skip_serializing_if = "is_default")]
    pub strict: bool,
}

/// Server-wide JetStream limits (`JSLimitOpts`); 0 is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JetStreamLimits {
    /// Largest pull request.
    #[serde(skip_serializing_if = "is_default")]
    pub max_request_batch: i64,
    /// Unacknowledged messages of a consumer.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
    /// Replicated streams and consumers.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ha_assets: i64,
    /// Longest duplicate window, nanoseconds.
    #[serde(rename = "max_duplicate_window", skip_serializing_if = "is_default")]
    pub max_duplicate_window_ns: u64,
    /// Open batches of a stream.
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_inflight_per_stream: i64,
    /// Open batches of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_inflight_total: i64,
    /// Messages of a batch.
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch_size: i64,
    /// Nanoseconds until a batch must be committed.
    #[serde(rename = "max_batch_timeout", skip_serializing_if = "is_default")]
    pub max_batch_timeout_ns: u64,
}
