//! `/subsz`: the subscriptions.

use account::Account;
use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::connz::SubDetail;
use crate::query::{BadRequest, Query};
use crate::text::go_float;

/// Subscriptions listed when no limit is given (`DefaultSubListSize`).
const DEFAULT_LIMIT: usize = 1024;

/// The answer (`server/monitor.go` `Subsz`).
#[derive(Debug, Clone, Serialize)]
pub struct Subsz {
    /// Server id.
    pub server_id: String,
    /// Now.
    pub now: Timestamp,
    /// Figures of all accounts together.
    #[serde(flatten)]
    pub stats: SublistStats,
    /// Subscriptions that match, when they are listed.
    pub total: usize,
    /// Subscriptions left out at the start.
    pub offset: usize,
    /// Most subscriptions listed.
    pub limit: usize,
    /// The subscriptions, when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list: Vec<SubDetail>,
}

/// Figures of a subject space (`server/sublist.go` `SublistStats`). This server has no cache per
/// account, each connection has its own; so what counts a cache is 0.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SublistStats {
    /// Subscriptions.
    pub num_subscriptions: u64,
    /// Cached lookups.
    pub num_cache: u64,
    /// Subscriptions ever added.
    pub num_inserts: u64,
    /// Subscriptions ever removed.
    pub num_removes: u64,
    /// Lookups.
    pub num_matches: u64,
    /// Share of lookups answered from the cache.
    #[serde(serialize_with = "go_float")]
    pub cache_hit_rate: f64,
    /// Most receivers of a cached lookup.
    pub max_fanout: u64,
    /// Average receivers of a cached lookup.
    #[serde(serialize_with = "go_float")]
    pub avg_fanout: f64,
}

impl SublistStats {
    pub(crate) fn add(&mut self, account: &Account) {
        let stats = account.space().stats();
        let surplus = account.jetstream_api_surplus() as u64;
        self.num_subscriptions += stats.num_subscriptions.saturating_sub(surplus);
        self.num_inserts += stats.num_inserts;
        self.num_removes += stats.num_removes;
    }
}

/// What is asked for (`SubszOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SubszOptions {
    /// Subscriptions to leave out at the start.
    pub offset: i64,
    /// Most subscriptions to list; 0 is the default.
    pub limit: i64,
    /// List subscriptions.
    pub subscriptions: bool,
    /// Only this account.
    pub account: String,
    /// Only subscriptions that get messages on this subject.
    pub test: String,
}

impl SubszOptions {
    pub(crate) fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(SubszOptions {
            subscriptions: query.flag("subs")?,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            test: query.text("test"),
            account: query.text("acc"),
        })
    }
}

/// Refuses a test subject that nobody can publish to.
pub(crate) fn check(options: &SubszOptions) -> Result<(), BadRequest> {
    let test = &options.test;
    if test.is_empty() || subject::is_valid_literal(test.as_bytes()) {
        return Ok(());
    }
    let text = format!("invalid test subject, must be valid publish subject: {test}");
    Err(BadRequest(text))
}

/// Cuts and wraps the subscriptions that were picked.
pub(crate) fn page(
    server_id: &str,
    now: Timestamp,
    options: &SubszOptions,
    stats: SublistStats,
    picked: Vec<SubDetail>,
) -> Subsz {
    let offset = usize::try_from(options.offset).unwrap_or(0);
    let limit = match usize::try_from(options.limit) {
        Ok(0) | Err(_) => DEFAULT_LIMIT,
        Ok(limit) => limit,
    };
    Subsz {
        server_id: server_id.to_owned(),
        now,
        stats,
        total: picked.len(),
        offset,
        limit,
        subscriptions_list: picked.into_iter().skip(offset).take(limit).collect(),
    }
}
