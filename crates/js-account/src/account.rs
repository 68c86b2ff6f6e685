//! What one account uses, by tier.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use types::{AccountLimits, AccountStats, ApiError, Storage, StreamConfig, errors};

use crate::api_counters::ApiCounters;
use crate::cluster::Link;
use crate::correction::Recount;
use crate::listing::Listing;
use crate::remote::NodeUsage;
use crate::reservation::StreamReservation;
use crate::server::ServerUsage;
use crate::tier::{Tier, tier_name};

/// The counters and limits of one account (`server/jetstream.go` `jsAccount`).
#[derive(Debug)]
pub struct AccountUsage {
    name: Arc<str>,
    pub(crate) server: Arc<ServerUsage>,
    tiers: RwLock<BTreeMap<String, Arc<Tier>>>,
    pub(crate) listing: Mutex<Listing>,
    api: ApiCounters,
    /// What other servers reported; totals in the tiers change under this lock only.
    pub(crate) nodes: Mutex<BTreeMap<String, NodeUsage>>,
    pub(crate) link: Mutex<Option<Link>>,
    /// Whether there may be a link: spares a standalone server the lock.
    linked: AtomicBool,
    pub(crate) syncing: AtomicBool,
    recount: OnceLock<Arc<dyn Recount>>,
    expired: AtomicBool,
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
        name: Arc<str>,
        server: Arc<ServerUsage>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Arc<Self> {
        let tier = |(name, limits): (&String, &AccountLimits)| {
            (name.clone(), Arc::new(Tier::new(name, Some(*limits))))
        };
        Arc::new(AccountUsage {
            name,
            server,
            tiers: RwLock::new(limits.iter().map(tier).collect()),
            listing: Mutex::default(),
            api: ApiCounters::default(),
            nodes: Mutex::default(),
            link: Mutex::default(),
            linked: AtomicBool::new(false),
            syncing: AtomicBool::new(false),
            recount: OnceLock::new(),
            expired: AtomicBool::new(false),
        })
    }

    /// Account name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account that this is the record of: the very name it was enrolled with.
    ///
    /// Wire source: `(*jsAccount).acc` in `server/jetstream.go`.
    pub fn account(&self) -> &Arc<str> {
        mark::hit!(F1437);
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

    /// The server's counters, and whether it runs in a cluster; not yet while it recovers.
    ///
    /// Wire source: `jetStreamAndClustered` in `server/jetstream.go`.
    pub fn server_and_clustered(&self) -> (&Arc<ServerUsage>, bool) {
        mark::hit!(F1427);
        (&self.server, self.server.is_clustered())
    }

    /// Says whether the account's claims have expired: an expired account is promised nothing.
    pub fn set_expired(&self, expired: bool) {
        self.expired.store(expired, Ordering::Release);
    }

    /// Whether the account's claims have expired.
    pub fn is_expired(&self) -> bool {
        self.expired.load(Ordering::Acquire)
    }

    /// Names who counts again when usage drifts; the first one stays.
    pub fn recount_by(&self, recount: Arc<dyn Recount>) {
        let _ = self.recount.set(recount);
    }

    pub(crate) fn set_limits(&self, limits: &BTreeMap<String, AccountLimits>) {
        let mut tiers = self.tiers.write();
        for (name, tier) in tiers.iter() {
            tier.set_limits(limits.get(name).copied());
        }
        for (name, limits) in limits {
            tiers.entry(name.clone()).or_insert_with(|| Arc::new(Tier::new(name, Some(*limits))));
        }
    }

    /// Limits by tier.
    pub fn limits(&self) -> BTreeMap<String, AccountLimits> {
        let tiers = self.tiers.read();
        tiers.iter().filter_map(|(n, t)| Some((n.clone(), t.limits()?))).collect()
    }

    /// The limits that a stream with so many replicas falls under; 10120 where there are none.
    pub fn limits_for(&self, replicas: i64) -> Result<AccountLimits, ApiError> {
        let found = self.select_limits(replicas);
        found.map(|(limits, _)| limits).ok_or_else(|| errors::NO_LIMITS.err())
    }

    pub(crate) fn select(&self, replicas: i64) -> (String, Option<Arc<Tier>>) {
        let tiers = self.tiers.read();
        if let Some(flat) = tiers.get("").filter(|t| t.limits().is_some()) {
            return (String::new(), Some(Arc::clone(flat)));
        }
        let name = tier_name(replicas);
        let tier = tiers.get(&name).map(Arc::clone);
        (name, tier)
    }

    pub(crate) fn known_tier(&self, name: &str) -> Option<Arc<Tier>> {
        self.tiers.read().get(name).map(Arc::clone)
    }

    /// The tier of that name, made without limits if it is not there.
    pub(crate) fn tier(&self, name: &str) -> Arc<Tier> {
        if let Some(tier) = self.known_tier(name) {
            return tier;
        }
        let mut tiers = self.tiers.write();
        let tier = tiers.entry(name.to_owned());
        Arc::clone(tier.or_insert_with(|| Arc::new(Tier::new(name, None))))
    }

    pub(crate) fn touched_tiers(&self) -> Vec<Arc<Tier>> {
        self.tiers.read().values().filter(|tier| tier.is_touched()).map(Arc::clone).collect()
    }

    /// Adds to own usage of a tier and kind, its total and the server's counter, whatever the
    /// limits say; makes the tier's entry if there is none, also for 0. Below zero a recount is
    /// asked for.
    ///
    /// Wire source: `(*jsAccount).updateUsage` in `server/jetstream.go`.
    pub fn update_usage(&self, tier: &str, kind: Storage, delta: i64) {
        let tier = self.tier(tier);
        self.add_usage(&tier, kind, delta);
    }

    pub(crate) fn add_usage(&self, tier: &Tier, kind: Storage, delta: i64) {
        mark::hit!(F1420);
        tier.touch();
        let now = tier.own.of(kind).add(delta);
        self.server.used.of(kind).add(delta);
        self.changed();
        if now < 0 {
            self.ask_recount(tier, kind);
        }
    }

    /// Own usage is below zero, so something was counted wrong.
    pub(crate) fn ask_recount(&self, tier: &Tier, kind: Storage) {
        if let Some(recount) = self.recount.get() {
            recount.request(&self.name, tier.name(), kind);
        }
    }

    /// Own usage changed: a cluster is told.
    pub(crate) fn changed(&self) {
        if self.linked.load(Ordering::Relaxed) {
            self.send_usage_update();
        }
    }

    pub(crate) fn set_linked(&self) {
        self.linked.store(true, Ordering::Release);
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
        let tier = tier.unwrap_or_else(|| self.tier(&name));
        StreamReservation::adopt(Arc::clone(self), tier, config)
    }

    /// Registers a stream that is on disk and not served: it reserves nothing.
    pub fn list_stream(self: &Arc<Self>, config: &StreamConfig) -> StreamReservation {
        let (name, tier) = self.select(config.num_replicas);
        let tier = tier.unwrap_or_else(|| self.tier(&name));
        StreamReservation::list(Arc::clone(self), tier, config)
    }

    /// Bytes that the streams of a tier took and did not give back: what own usage is, where
    /// nothing went wrong. Exact while none of them charges or credits.
    pub fn taken(&self, tier: &str, kind: Storage) -> u64 {
        self.known_tier(tier).map_or(0, |tier| tier.taken(kind))
    }

    /// Bytes in use over all tiers, those that other servers reported included.
    pub fn used(&self, kind: Storage) -> u64 {
        let total =
            self.tiers.read().values().fold(0i64, |sum, t| sum.saturating_add(t.total(kind)));
        u64::try_from(total).unwrap_or(0)
    }

    /// Memory and storage in use over all tiers, those that other servers reported included;
    /// a negative sum is 0.
    ///
    /// Wire source: `storageTotals` in `server/jetstream.go`.
    pub fn storage_totals(&self) -> (u64, u64) {
        mark::hit!(F1430);
        (self.used(Storage::Memory), self.used(Storage::File))
    }

    /// Bytes reserved by streams' `max_bytes`, over all tiers.
    pub fn reserved(&self, kind: Storage) -> u64 {
        self.tiers.read().values().fold(0, |sum, t| sum.saturating_add(t.reserved.of(kind).get()))
    }

    /// Sum of `max_bytes` of the registered streams, offline ones included, as memory and
    /// storage: of all, or of those whose configured replicas make `tier`. For reports.
    ///
    /// Wire source: `(*jsAccount).reservedStorage` in `server/jetstream.go`.
    pub fn reserved_storage(&self, tier: &str) -> (u64, u64) {
        mark::hit!(F1410);
        self.listing.lock().reserved(tier)
    }

    /// Sum of `max_bytes` of the streams of a tier (`""`: of the account) but one, as memory and
    /// storage; in a flat account each counts once per replica.
    pub fn reserved_by_others(&self, tier: &str, name: &str) -> (u64, u64) {
        self.listing.lock().reserved_by_others(tier, name)
    }

    /// Streams that compete with `config` for `max_streams` of `tier` (`""`: of the account);
    /// one of the same name does not count.
    ///
    /// Wire source: `countStreams` in `server/jetstream.go`.
    pub fn count_streams(&self, tier: &str, config: &StreamConfig) -> u64 {
        self.listing.lock().competitors(tier, config)
    }

    /// Streams, over all tiers.
    pub fn streams(&self) -> u64 {
        self.listing.lock().len() as u64
    }

    pub(crate) fn stream_names(&self) -> Vec<String> {
        self.listing.lock().names()
    }

    /// The report of `$JS.API.INFO` (`server/jetstream.go` `JetStreamUsage`).
    pub fn stats(&self, domain: &str) -> AccountStats {
        let tiers = self.tiers.read();
        let flat = tiers.get("").and_then(|t| t.limits());
        let mut totals = Tier::new("", None).stats(flat.unwrap_or(NO_TOTALS), 0);
        let mut by_tier = BTreeMap::new();
        for (name, tier) in tiers.iter() {
            let streams = self.listing.lock().in_tier(name);
            let own = tier.stats(tier.limits().unwrap_or(NO_TOTALS), streams);
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
