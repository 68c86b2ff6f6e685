//! What one account uses, by tier.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use types::{AccountLimits, AccountStats, ApiError, Storage, StreamConfig, errors};

use crate::api_counters::ApiCounters;
use crate::reservation::StreamReservation;
use crate::server::ServerUsage;
use crate::tier::Tier;

/// The counters and limits of one account (`server/jetstream.go` `jsAccount`).
#[derive(Debug)]
pub struct AccountUsage {
    name: String,
    pub(crate) server: Arc<ServerUsage>,
    tiers: RwLock<BTreeMap<String, Arc<Tier>>>,
    api: ApiCounters,
}

/// Limits as reported for an account whose limits are per tier.
const NO_TOTALS: AccountLimits = AccountLimits {
    max_memory: 0,
    max_storage: 0,
    max_streams: 0,
    max_consumers: 0,
    max_ack_pending: 0,
    memory_max_stream_bytes: 0,
    storage_max_stream_bytes: 0,
    max_bytes_required: false,
};

impl AccountUsage {
    pub(crate) fn new(
        name: &str,
        server: Arc<ServerUsage>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Arc<Self> {
        let tiers =
            limits.iter().map(|(n, l)| (n.clone(), Arc::new(Tier::new(Some(*l))))).collect();
        Arc::new(AccountUsage {
            name: name.to_owned(),
            server,
            tiers: RwLock::new(tiers),
            api: ApiCounters::default(),
        })
    }

    /// Account name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// API counters of the account.
    pub fn api(&self) -> &ApiCounters {
        &self.api
    }

    /// The counters of the whole server.
    pub fn server(&self) -> &Arc<ServerUsage> {
        &self.server
    }

    pub(crate) fn set_limits(&self, limits: &BTreeMap<String, AccountLimits>) {
        let mut tiers = self.tiers.write();
        for (name, tier) in tiers.iter() {
            tier.set_limits(limits.get(name).copied());
        }
        for (name, limits) in limits {
            tiers.entry(name.clone()).or_insert_with(|| Arc::new(Tier::new(Some(*limits))));
        }
    }

    /// Limits by tier.
    pub fn limits(&self) -> BTreeMap<String, AccountLimits> {
        let tiers = self.tiers.read();
        tiers.iter().filter_map(|(n, t)| Some((n.clone(), t.limits()?))).collect()
    }

    /// The limits that a stream with so many replicas falls under; 10120 where there are none
    /// (`server/jetstream.go` `selectLimits`).
    pub fn limits_for(&self, replicas: i64) -> Result<AccountLimits, ApiError> {
        let (_, tier) = self.select(replicas);
        tier.and_then(|t| t.limits()).ok_or_else(|| errors::NO_LIMITS.err())
    }

    fn select(&self, replicas: i64) -> (String, Option<Arc<Tier>>) {
        let tiers = self.tiers.read();
        if let Some(flat) = tiers.get("").filter(|t| t.limits().is_some()) {
            return (String::new(), Some(Arc::clone(flat)));
        }
        let name = format!("R{}", replicas.max(1));
        let tier = tiers.get(&name).map(Arc::clone);
        (name, tier)
    }

    /// Reserves a new stream: counts it and its `max_bytes`, or refuses and changes nothing.
    ///
    /// Errors: 10120 no limits, 10027 streams, 10026 consumers, 10028 memory, 10047 storage
    /// (`server/jetstream.go` `checkAllLimits`). The guard gives everything back when it drops.
    pub fn reserve_stream(
        self: &Arc<Self>,
        config: &StreamConfig,
    ) -> Result<StreamReservation, ApiError> {
        let (_, tier) = self.select(config.num_replicas);
        let tier = tier.ok_or_else(|| errors::NO_LIMITS.err())?;
        StreamReservation::take(Arc::clone(self), tier, config)
    }

    /// Counts a stream that is already on disk, whatever the limits say.
    pub fn adopt_stream(self: &Arc<Self>, config: &StreamConfig) -> StreamReservation {
        let (name, tier) = self.select(config.num_replicas);
        let tier = tier.unwrap_or_else(|| {
            let mut tiers = self.tiers.write();
            Arc::clone(tiers.entry(name).or_insert_with(|| Arc::new(Tier::new(None))))
        });
        StreamReservation::adopt(Arc::clone(self), tier, config)
    }

    /// Bytes in use, over all tiers.
    pub fn used(&self, kind: Storage) -> u64 {
        self.tiers.read().values().fold(0, |sum, t| sum.saturating_add(t.used.of(kind).get()))
    }

    /// Bytes reserved by streams' `max_bytes`, over all tiers.
    pub fn reserved(&self, kind: Storage) -> u64 {
        self.tiers.read().values().fold(0, |sum, t| sum.saturating_add(t.reserved.of(kind).get()))
    }

    /// Streams, over all tiers.
    pub fn streams(&self) -> u64 {
        self.tiers.read().values().map(|t| t.streams.get()).sum()
    }

    /// The report of `$JS.API.INFO` (`server/jetstream.go` `JetStreamUsage`).
    pub fn stats(&self, domain: &str) -> AccountStats {
        let tiers = self.tiers.read();
        let flat = tiers.get("").and_then(|t| t.limits());
        let mut totals = Tier::new(None).stats(flat.unwrap_or(NO_TOTALS));
        let mut by_tier = BTreeMap::new();
        for (name, tier) in tiers.iter() {
            let own = tier.stats(tier.limits().unwrap_or(NO_TOTALS));
            totals.memory = totals.memory.saturating_add(own.memory);
            totals.storage = totals.storage.saturating_add(own.storage);
            totals.reserved_memory = totals.reserved_memory.saturating_add(own.reserved_memory);
            totals.reserved_storage = totals.reserved_storage.saturating_add(own.reserved_storage);
            totals.streams += own.streams;
            totals.consumers += own.consumers;
            let idle = own.streams == 0 && own.memory == 0 && own.storage == 0;
            if flat.is_none() && (tier.limits().is_some() || !idle) {
                by_tier.insert(name.clone(), own);
            }
        }
        let mut api = self.api.stats();
        api.inflight = 0;
        AccountStats { totals, domain: domain.to_owned(), api, tiers: by_tier }
    }
}
