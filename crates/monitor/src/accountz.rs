//! `/accountz` and `/accstatz`: the accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::subsz::SublistStats;
use crate::text::is_default;
use crate::varz::Empty;

/// The answer of `/accountz` (`server/monitor.go` `Accountz`).
#[derive(Debug, Clone, Serialize)]
pub struct Accountz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// Name of the system account.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub system_account: String,
    /// Names of all accounts, unless one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The account that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_detail: Option<AccountInfo>,
}

/// One account (`AccountInfo`). Imports, exports and mappings are not listed yet.
#[derive(Debug, Clone, Serialize)]
pub struct AccountInfo {
    /// Its name.
    pub account_name: String,
    /// When it was last changed from outside: never.
    pub update_time: Timestamp,
    /// It is the system account.
    #[serde(skip_serializing_if = "is_default")]
    pub is_system: bool,
    /// Its claims have expired.
    pub expired: bool,
    /// All it imports was found.
    pub complete: bool,
    /// It has JetStream.
    pub jetstream_enabled: bool,
    /// Leaf nodes.
    pub leafnode_connections: usize,
    /// Clients.
    pub client_connections: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Its token, in operator mode.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwt: String,
    /// The key that signed that token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer_key: String,
    /// Its name for people, or its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_tag: String,
    /// Tags of that token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Users that are turned away if they were issued up to then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revoked_user: BTreeMap<String, Timestamp>,
    /// Figures of its subject space.
    pub sublist_stats: SublistStats,
}

/// What is asked for at `/accountz` (`AccountzOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountzOptions {
    /// The account to describe; empty lists names.
    pub account: String,
}

/// The answer of `/accstatz` (`AccountStatz`).
#[derive(Debug, Clone, Serialize)]
pub struct AccountStatz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// The accounts.
    pub account_statz: Vec<AccountStat>,
}

/// Traffic of one account (`server/events.go` `AccountStat`).
#[derive(Debug, Clone, Serialize)]
pub struct AccountStat {
    /// Its name.
    pub acc: String,
    /// Its name tag: none, so its name.
    pub name: String,
    /// Clients.
    pub conns: u64,
    /// Leaf nodes.
    pub leafnodes: u64,
    /// Both.
    pub total_conns: u64,
    /// Subscriptions.
    pub num_subscriptions: u64,
    /// To clients.
    pub sent: DataStats,
    /// From clients.
    pub received: DataStats,
    /// Clients that read too slowly.
    pub slow_consumers: u64,
}

/// Messages and bytes, by where they come from or go to (`DataStats`).
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct DataStats {
    /// Messages of all connections.
    pub msgs: u64,
    /// Bytes of all connections.
    pub bytes: u64,
    /// Of these, gateways.
    pub gateways: MsgBytes,
    /// Of these, routes.
    pub routes: MsgBytes,
    /// Of these, leaf nodes.
    pub leafs: MsgBytes,
}

/// Messages and bytes (`MsgBytes`).
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct MsgBytes {
    /// Messages.
    pub msgs: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What is asked for at `/accstatz` (`AccountStatzOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountStatzOptions {
    /// Only these accounts.
    pub accounts: Vec<String>,
    /// Accounts without connections too.
    pub include_unused: bool,
}

/// The answer of `/routez` (`Routez`): routes are not there yet, so there are none.
#[derive(Debug, Clone, Serialize)]
pub struct Routez {
    /// Server id.
    pub server_id: String,
    /// Server name.
    pub server_name: String,
    /// Now.
    pub now: Timestamp,
    /// Routes.
    pub num_routes: usize,
    /// The routes.
    pub routes: Vec<Empty>,
}

/// The answer of `/gatewayz` (`Gatewayz`): gateways are not there yet, so there are none.
#[derive(Debug, Clone, Serialize)]
pub struct Gatewayz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// Gateways this server connected to.
    pub outbound_gateways: BTreeMap<String, Empty>,
    /// Gateways that connected to this server.
    pub inbound_gateways: BTreeMap<String, Empty>,
}

/// The answer of `/leafz` (`Leafz`): leaf nodes are not there yet, so there are none.
#[derive(Debug, Clone, Serialize)]
pub struct Leafz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// Leaf nodes.
    pub leafnodes: usize,
    /// The leaf nodes.
    pub leafs: Vec<Empty>,
}
