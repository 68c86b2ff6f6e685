//! Counters that never pass their limit.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use types::Storage;

/// A counter that is raised only where it stays within a limit.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Raises by `n` unless that passes `limit`; nothing changes on refusal.
    pub(crate) fn try_add(&self, n: u64, limit: Option<u64>) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                let next = now.checked_add(n)?;
                if limit.is_some_and(|limit| next > limit) { None } else { Some(next) }
            })
            .is_ok()
    }

    /// Whether `n` more stay within `limit`.
    pub(crate) fn would_fit(&self, n: u64, limit: Option<u64>) -> bool {
        let next = self.get().checked_add(n);
        next.is_some_and(|next| limit.is_none_or(|limit| next <= limit))
    }

    /// Raises without asking; stays at the maximum instead of wrapping.
    pub(crate) fn add(&self, n: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_add(n)));
    }

    /// Lowers; stays at zero instead of wrapping.
    pub(crate) fn sub(&self, n: u64) {
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            debug_assert!(now >= n, "gave back {n} of {now}");
            Some(now.saturating_sub(n))
        });
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Bytes in use. Signed, because a drift may make it negative until it is corrected.
#[derive(Debug, Default)]
pub(crate) struct Bytes(AtomicI64);

impl Bytes {
    /// Raises by `n` if `need` more would stay within `limit`; nothing changes on refusal.
    pub(crate) fn try_add(&self, n: u64, need: u64, limit: Option<i64>) -> bool {
        let Ok(n) = i64::try_from(n) else { return false };
        let need = i64::try_from(need).unwrap_or(i64::MAX);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                let next = now.checked_add(n)?;
                let fits = limit.is_none_or(|limit| now.saturating_add(need) <= limit);
                fits.then_some(next)
            })
            .is_ok()
    }

    /// Adds without asking, stops at the ends instead of wrapping; answers the new value.
    pub(crate) fn add(&self, delta: i64) -> i64 {
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            Some(now.saturating_add(delta))
        });
        before.unwrap_or_default().saturating_add(delta)
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

/// One value per storage kind.
#[derive(Debug, Default)]
pub(crate) struct PerKind<T> {
    memory: T,
    storage: T,
}

impl<T> PerKind<T> {
    pub(crate) fn of(&self, kind: Storage) -> &T {
        match kind {
            Storage::Memory => &self.memory,
            Storage::File => &self.storage,
        }
    }
}

/// One limit per storage kind; negative is none.
#[derive(Debug)]
pub(crate) struct ByteLimits {
    memory: AtomicI64,
    storage: AtomicI64,
}

impl ByteLimits {
    pub(crate) fn new(memory: i64, storage: i64) -> Self {
        ByteLimits { memory: AtomicI64::new(memory), storage: AtomicI64::new(storage) }
    }

    pub(crate) fn set(&self, memory: i64, storage: i64) {
        self.memory.store(memory, Ordering::Release);
        self.storage.store(storage, Ordering::Release);
    }

    /// As configured: negative is none.
    pub(crate) fn raw(&self, kind: Storage) -> i64 {
        let limit = match kind {
            Storage::Memory => &self.memory,
            Storage::File => &self.storage,
        };
        limit.load(Ordering::Acquire)
    }

    pub(crate) fn of(&self, kind: Storage) -> Option<u64> {
        u64::try_from(self.raw(kind)).ok()
    }
}
