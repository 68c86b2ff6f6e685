//! How many API requests were handled, and how many of them failed.

use std::sync::atomic::{AtomicU64, Ordering};

use types::{API_LEVEL, ApiStats};

/// Request counters of an account or a server (`server/jetstream.go` `apiTotal`, `apiErrors`).
#[derive(Debug, Default)]
pub struct ApiCounters {
    total: AtomicU64,
    errors: AtomicU64,
    inflight: AtomicU64,
    /// What other servers reported.
    remote_total: AtomicU64,
    remote_errors: AtomicU64,
}

impl ApiCounters {
    /// Counts a request that was taken up.
    pub fn started(&self) {
        self.inflight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that was answered, by its outcome.
    pub fn finished<T, E>(&self, outcome: &Result<T, E>) {
        self.inflight.fetch_sub(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that was dropped unanswered.
    pub fn dropped(&self) {
        self.inflight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests that this server handled, and how many of them failed.
    pub fn own(&self) -> (u64, u64) {
        (self.total.load(Ordering::Relaxed), self.errors.load(Ordering::Relaxed))
    }

    /// Another server's numbers took the place of what it reported before.
    pub(crate) fn replace_remote(&self, before: (u64, u64), now: (u64, u64)) {
        self.remote_total.fetch_add(now.0.wrapping_sub(before.0), Ordering::Relaxed);
        self.remote_errors.fetch_add(now.1.wrapping_sub(before.1), Ordering::Relaxed);
    }

    /// The counters as INFO reports them; accounts report no `inflight`.
    pub fn stats(&self) -> ApiStats {
        let (total, errors) = self.own();
        ApiStats {
            level: API_LEVEL,
            total: total.wrapping_add(self.remote_total.load(Ordering::Relaxed)),
            errors: errors.wrapping_add(self.remote_errors.load(Ordering::Relaxed)),
            inflight: self.inflight.load(Ordering::Relaxed),
        }
    }
}
