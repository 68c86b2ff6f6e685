//! The counters of one tier of an account.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use types::{AccountLimits, Storage, StreamConfig, TierStats};

use crate::gauge::{ByteLimits, Bytes, Gauge, PerKind};

/// The tier that a number of replicas belongs to: `R` and the number, 0 counting as 1.
///
/// Wire source: `tierName` in `server/jetstream.go`.
pub fn tier_name(replicas: i64) -> String {
    mark::hit!(F1425);
    let replicas = if replicas == 0 { 1 } else { replicas };
    format!("R{replicas}")
}

/// Whether two streams are of one tier: their replicas as stored, where 0 and 1 differ.
///
/// Wire source: `isSameTier` in `server/jetstream.go`.
pub fn is_same_tier(a: &StreamConfig, b: &StreamConfig) -> bool {
    mark::hit!(F1426);
    a.num_replicas == b.num_replicas
}

/// Usage and limits of one tier; the flat tier is named `""`.
#[derive(Debug)]
pub(crate) struct Tier {
    name: String,
    /// `None` where the account has no limits for this tier: nothing may be stored.
    limits: RwLock<Option<AccountLimits>>,
    pub(crate) bytes: ByteLimits,
    /// What all streams of the tier may hold by the limit of one stream; not positive is none.
    stream_bytes: ByteLimits,
    /// Bytes on this server.
    pub(crate) own: PerKind<Bytes>,
    /// Bytes that other servers reported.
    pub(crate) remote: PerKind<Bytes>,
    /// Whether usage was ever counted here.
    touched: AtomicBool,
    pub(crate) reserved: PerKind<Gauge>,
    pub(crate) consumers: Gauge,
    /// What each stream took of `own`, by a number of its own.
    quotas: PerKind<Mutex<BTreeMap<u64, Arc<AtomicU64>>>>,
    next_quota: AtomicU64,
}

impl Tier {
    pub(crate) fn new(name: &str, limits: Option<AccountLimits>) -> Self {
        let tier = Tier {
            name: name.to_owned(),
            limits: RwLock::new(None),
            bytes: ByteLimits::new(0, 0),
            stream_bytes: ByteLimits::new(0, 0),
            own: PerKind::default(),
            remote: PerKind::default(),
            touched: AtomicBool::new(false),
            reserved: PerKind::default(),
            consumers: Gauge::default(),
            quotas: PerKind::default(),
            next_quota: AtomicU64::new(0),
        };
        tier.set_limits(limits);
        tier
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set_limits(&self, limits: Option<AccountLimits>) {
        let mut held = self.limits.write();
        let (memory, storage) = limits.map_or((0, 0), |l| (l.max_memory, l.max_storage));
        self.bytes.set(memory, storage);
        let (memory, storage) =
            limits.map_or((0, 0), |l| (l.memory_max_stream_bytes, l.storage_max_stream_bytes));
        self.stream_bytes.set(memory, storage);
        *held = limits;
    }

    pub(crate) fn limits(&self) -> Option<AccountLimits> {
        *self.limits.read()
    }

    /// Usage was counted here: from now on it is an entry of reports.
    pub(crate) fn touch(&self) {
        // Read first: a shared line stays shared.
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Release);
        }
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }

    /// Registers the counter of one more stream; answers the number to take it off by.
    pub(crate) fn add_quota(&self, kind: Storage, used: &Arc<AtomicU64>) -> u64 {
        let number = self.next_quota.fetch_add(1, Ordering::Relaxed);
        self.quotas.of(kind).lock().insert(number, Arc::clone(used));
        number
    }

    pub(crate) fn remove_quota(&self, kind: Storage, number: u64) {
        self.quotas.of(kind).lock().remove(&number);
    }

    /// What all streams took together.
    pub(crate) fn taken(&self, kind: Storage) -> u64 {
        let quotas = self.quotas.of(kind).lock();
        quotas.values().fold(0, |sum, used| sum.saturating_add(used.load(Ordering::Acquire)))
    }

    /// Own and reported bytes together.
    pub(crate) fn total(&self, kind: Storage) -> i64 {
        self.own.of(kind).get().saturating_add(self.remote.of(kind).get())
    }

    /// What own usage may grow to for a stream with so many replicas; `None` is without end.
    ///
    /// A flat account pays for replicas, limits of a tier are per replica. The limit of a stream
    /// holds for the tier as a whole, as in the reference.
    pub(crate) fn ceiling(&self, kind: Storage, replicas: i64) -> Option<i64> {
        let factor = if self.name.is_empty() { 1 } else { replicas.max(1) };
        let (account, stream) = (self.bytes.raw(kind), self.stream_bytes.raw(kind));
        let account = (account >= 0).then_some(account);
        let stream = (stream > 0).then_some(stream);
        let limit = match (account, stream) {
            (Some(account), Some(stream)) => account.min(stream),
            (one, other) => one.or(other)?,
        };
        Some(limit.saturating_mul(factor).saturating_sub(self.remote.of(kind).get()))
    }

    /// The report of this tier; the streams are counted elsewhere.
    pub(crate) fn stats(&self, limits: AccountLimits, streams: u64) -> TierStats {
        let used = |kind| u64::try_from(self.total(kind)).unwrap_or(0);
        TierStats {
            memory: used(Storage::Memory),
            storage: used(Storage::File),
            reserved_memory: self.reserved.of(Storage::Memory).get(),
            reserved_storage: self.reserved.of(Storage::File).get(),
            streams,
            consumers: self.consumers.get(),
            limits,
        }
    }
}
