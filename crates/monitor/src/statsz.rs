//! The figures that a server gives when it is pinged in the system account.

use serde::Serialize;
use types::Timestamp;

use crate::accountz::MsgBytes;
use crate::text::{go_float, is_default};
use crate::varz::{ByKind, JetStreamVarz};

/// The figures (`server/events.go` `ServerStats`).
#[derive(Debug, Clone, Serialize)]
pub struct Statsz {
    /// When the server started.
    pub start: Timestamp,
    /// Resident bytes.
    pub mem: u64,
    /// Processors.
    pub cores: usize,
    /// Percent of a processor in use.
    #[serde(serialize_with = "go_float")]
    pub cpu: f64,
    /// Clients connected.
    pub connections: usize,
    /// Clients ever connected.
    pub total_connections: u64,
    /// Accounts with clients.
    pub active_accounts: usize,
    /// Subscriptions of all accounts.
    pub subscriptions: u64,
    /// To clients.
    pub sent: MsgBytes,
    /// From clients.
    pub received: MsgBytes,
    /// Clients that read too slowly.
    pub slow_consumers: u64,
    /// The same by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_consumer_stats: Option<ByKind>,
    /// Clients that stopped answering.
    #[serde(skip_serializing_if = "is_default")]
    pub stale_connections: u64,
    /// The same by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_connection_stats: Option<ByKind>,
    /// Publishers held up by slow readers.
    #[serde(skip_serializing_if = "is_default")]
    pub stalled_clients: u64,
    /// Servers known, this one included.
    pub active_servers: usize,
    /// JetStream, without its directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jetstream: Option<JetStreamVarz>,
    /// Processors in use.
    pub gomaxprocs: usize,
}
