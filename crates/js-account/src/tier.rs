//! The counters of one tier of an account.

use parking_lot::RwLock;
use types::{AccountLimits, Storage, TierStats};

use crate::gauge::{ByteLimits, Gauge, Gauges};

/// Usage and limits of one tier; the flat tier is named `""`.
#[derive(Debug)]
pub(crate) struct Tier {
    /// `None` where the account has no limits for this tier: nothing may be stored.
    limits: RwLock<Option<AccountLimits>>,
    pub(crate) bytes: ByteLimits,
    pub(crate) used: Gauges,
    pub(crate) reserved: Gauges,
    pub(crate) streams: Gauge,
    pub(crate) consumers: Gauge,
}

impl Tier {
    pub(crate) fn new(limits: Option<AccountLimits>) -> Self {
        let tier = Tier {
            limits: RwLock::new(None),
            bytes: ByteLimits::new(0, 0),
            used: Gauges::default(),
            reserved: Gauges::default(),
            streams: Gauge::default(),
            consumers: Gauge::default(),
        };
        tier.set_limits(limits);
        tier
    }

    pub(crate) fn set_limits(&self, limits: Option<AccountLimits>) {
        let mut held = self.limits.write();
        let (memory, storage) = limits.map_or((0, 0), |l| (l.max_memory, l.max_storage));
        self.bytes.set(memory, storage);
        *held = limits;
    }

    pub(crate) fn limits(&self) -> Option<AccountLimits> {
        *self.limits.read()
    }

    pub(crate) fn stats(&self, limits: AccountLimits) -> TierStats {
        TierStats {
            memory: self.used.of(Storage::Memory).get(),
            storage: self.used.of(Storage::File).get(),
            reserved_memory: self.reserved.of(Storage::Memory).get(),
            reserved_storage: self.reserved.of(Storage::File).get(),
            streams: self.streams.get(),
            consumers: self.consumers.get(),
            limits,
        }
    }
}
