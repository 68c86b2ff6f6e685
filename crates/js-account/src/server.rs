//! What the whole server uses, and how much of it accounts may claim.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use types::{AccountLimits, ApiError, EngineStats, Storage};

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
    alone: AtomicBool,
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
            alone: AtomicBool::new(true),
            accounts: Mutex::new(BTreeMap::new()),
            api: ApiCounters::default(),
        })
    }

    /// Sets the server's byte limits; negative is no limit. What is stored beyond them stays.
    pub fn set_limits(&self, max_memory: i64, max_storage: i64) {
        self.limits.set(max_memory, max_storage);
    }

    /// Enrols an account with its limits per tier (`""` is the flat tier). An account already
    /// enrolled takes the new limits.
    pub fn enrol(
        self: &Arc<Self>,
        name: &Arc<str>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Arc<AccountUsage> {
        let mut accounts = self.accounts.lock();
        self.take_in(&mut accounts, name, limits)
    }

    /// As [`enrol`](Self::enrol) if `check` has nothing against it, who is shown all accounts;
    /// nobody else is enrolled meanwhile.
    ///
    /// # Errors
    /// What `check` said; nothing changed then.
    pub fn enrol_if(
        self: &Arc<Self>,
        name: &Arc<str>,
        limits: &BTreeMap<String, AccountLimits>,
        check: impl FnOnce(&BTreeMap<String, Arc<AccountUsage>>) -> Result<(), ApiError>,
    ) -> Result<Arc<AccountUsage>, ApiError> {
        let mut accounts = self.accounts.lock();
        check(&accounts)?;
        Ok(self.take_in(&mut accounts, name, limits))
    }

    fn take_in(
        self: &Arc<Self>,
        accounts: &mut BTreeMap<String, Arc<AccountUsage>>,
        name: &Arc<str>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Arc<AccountUsage> {
        if let Some(account) = accounts.get(&**name) {
            account.set_limits(limits);
            return Arc::clone(account);
        }
        let account = AccountUsage::new(Arc::clone(name), Arc::clone(self), limits);
        accounts.insert(name.to_string(), Arc::clone(&account));
        account
    }

    /// Takes an account off the list; what its streams still hold goes back when they drop.
    pub fn remove(&self, name: &str) {
        self.accounts.lock().remove(name);
    }

    /// Most unacknowledged messages of a consumer; 0 is no limit.
    pub fn max_ack_pending(&self) -> i64 {
        self.max_ack_pending
    }

    /// Says that the server runs in a cluster; it stays so.
    pub fn set_clustered(&self) {
        self.clustered.store(true, Ordering::Release);
    }

    /// Says whether the server runs alone: it neither is part of a cluster nor extends one. It is
    /// taken to, until this is called.
    pub fn set_standalone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Release);
    }

    /// Whether the server runs alone, which is known before a cluster is there.
    pub fn is_standalone(&self) -> bool {
        self.alone.load(Ordering::Acquire) && !self.is_clustered()
    }

    /// Whether the server runs in a cluster.
    pub fn is_clustered(&self) -> bool {
        self.clustered.load(Ordering::Acquire)
    }

    /// Most bytes that the server may hold; `None` is without end.
    pub fn limit(&self, kind: Storage) -> Option<u64> {
        self.limits.of(kind)
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
