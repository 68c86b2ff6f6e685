//! What the whole server uses, and how much of it accounts may claim.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use types::{AccountLimits, ApiError, EngineStats, Storage, errors};

use crate::account::AccountUsage;
use crate::api_counters::ApiCounters;
use crate::gauge::{ByteLimits, Bytes, Gauge, PerKind};

/// Limits of the server itself (`server/jetstream.go` `JetStreamConfig`, `opts.go` `JSLimitOpts`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of memory streams; negative is no limit.
    pub max_memory: i64,
    /// Bytes of file streams; negative is no limit.
    pub max_storage: i64,
    /// Most unacknowledged messages of a consumer; 0 is no limit.
    pub max_ack_pending: i64,
}

/// The server's counters; shared by all accounts.
#[derive(Debug)]
pub struct ServerUsage {
    pub(crate) limits: ByteLimits,
    max_ack_pending: i64,
    pub(crate) used: PerKind<Bytes>,
    pub(crate) reserved: PerKind<Gauge>,
    clustered: AtomicBool,
    accounts: Mutex<BTreeMap<String, Arc<AccountUsage>>>,
    api: ApiCounters,
}

impl ServerUsage {
    /// Counters at zero under these limits.
    pub fn new(limits: ServerLimits) -> Arc<Self> {
        Arc::new(ServerUsage {
            limits: ByteLimits::new(limits.max_memory, limits.max_storage),
            max_ack_pending: limits.max_ack_pending,
            used: PerKind::default(),
            reserved: PerKind::default(),
            clustered: AtomicBool::new(false),
            accounts: Mutex::new(BTreeMap::new()),
            api: ApiCounters::default(),
        })
    }

    /// Sets the server's byte limits; negative is no limit. What is stored beyond them stays.
    pub fn set_limits(&self, max_memory: i64, max_storage: i64) {
        self.limits.set(max_memory, max_storage);
    }

    /// Enrols an account with its limits per tier (`""` is the flat tier).
    ///
    /// Refused with 10028 or 10047 where the limits of all accounts together would pass what the
    /// server has (`server/jetstream.go` `sufficientResources`). An account already enrolled
    /// takes the new limits.
    pub fn enrol(
        self: &Arc<Self>,
        name: &Arc<str>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Result<Arc<AccountUsage>, ApiError> {
        let mut accounts = self.accounts.lock();
        self.check_sufficient(&accounts, name, limits)?;
        if let Some(account) = accounts.get(&**name) {
            account.set_limits(limits);
            return Ok(Arc::clone(account));
        }
        let account = AccountUsage::new(Arc::clone(name), Arc::clone(self), limits);
        accounts.insert(name.to_string(), Arc::clone(&account));
        Ok(account)
    }

    /// Takes an account off the list; what its streams still hold goes back when they drop.
    pub fn remove(&self, name: &str) {
        self.accounts.lock().remove(name);
    }

    fn check_sufficient(
        &self,
        accounts: &BTreeMap<String, Arc<AccountUsage>>,
        name: &str,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Result<(), ApiError> {
        for (kind, error) in [
            (Storage::Memory, errors::MEMORY_RESOURCES_EXCEEDED),
            (Storage::File, errors::STORAGE_RESOURCES_EXCEEDED),
        ] {
            let wanted = claimed(limits, kind);
            let Some(max) = self.limits.of(kind) else { continue };
            if wanted == 0 {
                continue;
            }
            let others = accounts.values().filter(|a| a.name() != name);
            let (mut claims, mut reserved) = (wanted, wanted);
            for other in others {
                claims = claims.saturating_add(claimed(&other.limits(), kind));
                reserved = reserved.saturating_add(other.reserved(kind));
            }
            if claims > max || reserved > max {
                return Err(error.err());
            }
        }
        Ok(())
    }

    /// Most unacknowledged messages of a consumer; 0 is no limit.
    pub fn max_ack_pending(&self) -> i64 {
        self.max_ack_pending
    }

    /// Says that the server runs in a cluster; it stays so.
    pub fn set_clustered(&self) {
        self.clustered.store(true, Ordering::Release);
    }

    /// Whether the server runs in a cluster.
    pub fn is_clustered(&self) -> bool {
        self.clustered.load(Ordering::Acquire)
    }

    /// API counters of the server.
    pub fn api(&self) -> &ApiCounters {
        &self.api
    }

    /// Accounts that are enrolled, by name.
    pub fn accounts(&self) -> Vec<Arc<AccountUsage>> {
        self.accounts.lock().values().cloned().collect()
    }

    /// Bytes in use.
    pub fn used(&self, kind: Storage) -> u64 {
        u64::try_from(self.used.of(kind).get()).unwrap_or(0)
    }

    /// Bytes reserved by streams' `max_bytes`.
    pub fn reserved(&self, kind: Storage) -> u64 {
        self.reserved.of(kind).get()
    }

    /// The report of `/varz` and `/jsz` (`server/jetstream.go` `usageStats`).
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            memory: self.used(Storage::Memory),
            storage: self.used(Storage::File),
            reserved_memory: self.reserved(Storage::Memory),
            reserved_storage: self.reserved(Storage::File),
            accounts: self.accounts.lock().len() as u64,
            ha_assets: 0,
            api: self.api.stats(),
        }
    }
}

/// What limits per tier claim of the server; unlimited claims nothing.
fn claimed(limits: &BTreeMap<String, AccountLimits>, kind: Storage) -> u64 {
    limits.values().fold(0u64, |sum, l| {
        let bytes = match kind {
            Storage::Memory => l.max_memory,
            Storage::File => l.max_storage,
        };
        sum.saturating_add(u64::try_from(bytes).unwrap_or(0))
    })
}
