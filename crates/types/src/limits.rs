//! JetStream limits and usage of accounts and servers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::skip::is_default;

/// Limits of one account (or one tier of it), with the wire's -1 for "no limit"
/// (`server/jetstream.go` `JetStreamAccountLimits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLimits {
    /// Bytes of memory streams.
    pub max_memory: i64,
    /// Bytes of file streams.
    pub max_storage: i64,
    /// Streams; 0 is no limit too.
    pub max_streams: i64,
    /// Consumers per stream; 0 is no limit too.
    pub max_consumers: i64,
    /// Unacknowledged messages per consumer.
    pub max_ack_pending: i64,
    /// `max_bytes` of a memory stream; 0 is no limit too.
    pub memory_max_stream_bytes: i64,
    /// `max_bytes` of a file stream; 0 is no limit too.
    pub storage_max_stream_bytes: i64,
    /// Streams must set `max_bytes`.
    pub max_bytes_required: bool,
}

impl AccountLimits {
    /// No limit at all.
    pub const UNLIMITED: AccountLimits = AccountLimits {
        max_memory: -1,
        max_storage: -1,
        max_streams: -1,
        max_consumers: -1,
        max_ack_pending: -1,
        memory_max_stream_bytes: -1,
        storage_max_stream_bytes: -1,
        max_bytes_required: false,
    };
}

/// API request counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiStats {
    /// API level of the server.
    pub level: u32,
    /// Requests handled.
    pub total: u64,
    /// Of these, answered with an error.
    pub errors: u64,
    /// In progress.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inflight: u64,
}

/// Usage and limits of one tier, or the totals of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierStats {
    /// Bytes in memory streams.
    pub memory: u64,
    /// Bytes in file streams.
    pub storage: u64,
    /// Bytes that memory streams have reserved by `max_bytes`.
    pub reserved_memory: u64,
    /// Bytes that file streams have reserved by `max_bytes`.
    pub reserved_storage: u64,
    /// Streams.
    pub streams: u64,
    /// Consumers.
    pub consumers: u64,
    /// The limits.
    pub limits: AccountLimits,
}

/// Usage of an account, as `$JS.API.INFO` reports it (`JetStreamAccountStats`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStats {
    /// Totals.
    #[serde(flatten)]
    pub totals: TierStats,
    /// JetStream domain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// API counters.
    pub api: ApiStats,
    /// By tier; empty for a flat account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, TierStats>,
}

impl Default for AccountStats {
    /// All zero: what an account without JetStream reports.
    fn default() -> Self {
        let limits = AccountLimits {
            max_memory: 0,
            max_storage: 0,
            max_streams: 0,
            max_consumers: 0,
            max_ack_pending: 0,
            memory_max_stream_bytes: 0,
            storage_max_stream_bytes: 0,
            max_bytes_required: false,
        };
        let totals = TierStats {
            memory: 0,
            storage: 0,
            reserved_memory: 0,
            reserved_storage: 0,
            streams: 0,
            consumers: 0,
            limits,
        };
        let (domain, api, tiers) = Default::default();
        AccountStats { totals, domain, api, tiers }
    }
}

/// Usage of a server, as `/varz` and `/jsz` report it (`JetStreamStats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStats {
    /// Bytes in memory streams.
    pub memory: u64,
    /// Bytes in file streams.
    pub storage: u64,
    /// Bytes reserved in memory.
    pub reserved_memory: u64,
    /// Bytes reserved on disk.
    pub reserved_storage: u64,
    /// Accounts with JetStream.
    pub accounts: u64,
    /// Replicated assets.
    pub ha_assets: u64,
    /// API counters.
    pub api: ApiStats,
}
