//! Wall and monotonic time.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Where time comes from.
pub trait Clock: Debug + Send + Sync {
    /// Wall clock: nanoseconds since the Unix epoch, UTC. May jump.
    fn wall_ns(&self) -> i64;

    /// Monotonic nanoseconds from an arbitrary start. Never goes back.
    fn mono_ns(&self) -> u64;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock;

impl Clock for OsClock {
    fn wall_ns(&self) -> i64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
    }

    fn mono_ns(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let ns = now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec);
        u64::try_from(ns).unwrap_or(0)
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    wall_ns: AtomicI64,
    mono_ns: AtomicU64,
}

impl ManualClock {
    /// A clock whose wall time is `wall_ns`; its monotonic time starts at 0.
    #[must_use]
    pub fn new(wall_ns: i64) -> Self {
        ManualClock { wall_ns: AtomicI64::new(wall_ns), mono_ns: AtomicU64::new(0) }
    }

    /// Lets `ns` nanoseconds pass on both clocks.
    pub fn advance(&self, ns: u64) {
        self.mono_ns.fetch_add(ns, Ordering::SeqCst);
        self.wall_ns.fetch_add(i64::try_from(ns).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Makes the wall clock jump by `ns`, the monotonic one not.
    pub fn jump_wall(&self, ns: i64) {
        self.wall_ns.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ns(&self) -> i64 {
        self.wall_ns.load(Ordering::SeqCst)
    }

    fn mono_ns(&self) -> u64 {
        self.mono_ns.load(Ordering::SeqCst)
    }
}
