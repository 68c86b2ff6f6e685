//! One account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config_validate::options::{AccountLimits, AccountOptions, JetStreamAccountLimits};
use parking_lot::{Mutex, RwLock};
use routing::{SubjectSpace, Subscription};

use crate::elsewhere::{Elsewhere, RemoteConnections};
use crate::jetstream::{Access, Enrolment, TierLimits};

/// One tenant: a subject space of its own (`server/accounts.go` `Account`).
pub struct Account {
    name: Box<str>,
    space: Arc<SubjectSpace>,
    settings: RwLock<Settings>,
    connections: AtomicU64,
    total_connections: AtomicU64,
    elsewhere: Elsewhere,
    stats: AccountStats,
    /// Subscriptions that lead requests into other accounts.
    pub(crate) service_imports: Mutex<Vec<Arc<Subscription>>>,
    pub(crate) enrolment: RwLock<Enrolment>,
    pub(crate) access: Mutex<Access>,
    /// Subjects of services that the server itself exports from here.
    exports: Mutex<BTreeSet<String>>,
    /// Sources of its subject mappings.
    mapped: RwLock<Vec<String>>,
}

/// What a reload may change.
#[derive(Clone, Copy, Default)]
struct Settings {
    limits: AccountLimits,
    jetstream: Option<JetStreamAccountLimits>,
}

/// Traffic of an account; relaxed counters.
#[derive(Debug, Default)]
pub struct AccountStats {
    /// Messages received from clients.
    pub in_msgs: AtomicU64,
    /// Their headers and payloads, bytes.
    pub in_bytes: AtomicU64,
    /// Messages sent to clients that are gone; those still here count themselves.
    pub out_msgs: AtomicU64,
    /// Their headers and payloads, bytes.
    pub out_bytes: AtomicU64,
    /// Clients cut off because they read too slowly.
    pub slow_consumers: AtomicU64,
}

/// The account takes no more clients (`server/errors.go` `ErrTooManyAccountConnections`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("maximum account active connections exceeded")]
pub struct TooManyConnections;

/// Something that is not a subject cannot be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid subject")]
pub struct InvalidExport;

/// A client's place in its account; dropping it gives the place back.
pub struct Membership {
    account: Arc<Account>,
}

impl Account {
    /// An account without limits, and without JetStream.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Account {
            name: name.into(),
            space: SubjectSpace::new(name),
            settings: RwLock::default(),
            connections: AtomicU64::new(0),
            total_connections: AtomicU64::new(0),
            elsewhere: Elsewhere::default(),
            stats: AccountStats::default(),
            service_imports: Mutex::default(),
            enrolment: RwLock::default(),
            access: Mutex::default(),
            exports: Mutex::default(),
            mapped: RwLock::default(),
        })
    }

    /// Takes over limits; clients and messages there are stay.
    pub(crate) fn configure(&self, options: Option<&AccountOptions>) {
        self.set_settings(options);
        let tiers = self.jetstream_limits().map(|limits| BTreeMap::from([(String::new(), limits)]));
        self.configure_jetstream(tiers);
    }

    /// As [`configure`](Self::configure), with limits for JetStream by tier.
    pub(crate) fn configure_tiers(
        &self,
        options: Option<&AccountOptions>,
        tiers: Option<TierLimits>,
    ) {
        self.set_settings(options);
        self.configure_jetstream(tiers);
    }

    fn set_settings(&self, options: Option<&AccountOptions>) {
        *self.settings.write() = options
            .map(|options| Settings { limits: options.limits, jetstream: options.jetstream })
            .unwrap_or_default();
    }

    /// Exports a service of the server from this account, to all; once (`AddServiceExport`).
    ///
    /// # Errors
    /// Where it is no subject.
    pub fn add_service_export(&self, subject: &str) -> Result<(), InvalidExport> {
        if !subject::is_valid_pattern(subject.as_bytes()) {
            return Err(InvalidExport);
        }
        self.exports.lock().insert(subject.to_owned());
        Ok(())
    }

    /// Whether a service that the server exports from here covers this subject
    /// (`hasServiceExportMatching`).
    pub fn exports_service(&self, subject: &str) -> bool {
        let covers = |export: &String| subject::is_subset(subject.as_bytes(), export.as_bytes());
        self.exports.lock().iter().any(covers)
    }

    /// Subjects of the services that the server exports from here.
    pub fn service_exports(&self) -> Vec<String> {
        self.exports.lock().iter().cloned().collect()
    }

    pub(crate) fn set_mapped_subjects(&self, sources: Vec<String>) {
        *self.mapped.write() = sources;
    }

    /// Sources of the account's subject mappings.
    pub fn mapped_subjects(&self) -> Vec<String> {
        self.mapped.read().clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its subscriptions.
    pub fn space(&self) -> &Arc<SubjectSpace> {
        &self.space
    }

    /// Limits for its clients.
    pub fn limits(&self) -> AccountLimits {
        self.settings.read().limits
    }

    /// Sets the limits for its clients. Whoever does so then closes what is
    /// [beyond them](Self::excess_connections).
    pub fn set_limits(&self, limits: AccountLimits) {
        self.settings.write().limits = limits;
    }

    /// JetStream limits as configured; `None` when the account did not ask for JetStream.
    pub fn jetstream_limits(&self) -> Option<JetStreamAccountLimits> {
        self.settings.read().jetstream
    }

    /// Its traffic.
    pub fn stats(&self) -> &AccountStats {
        &self.stats
    }

    /// Clients it has now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Clients it has on other servers, as these report.
    pub fn remote_connections(&self) -> u64 {
        self.elsewhere.connections()
    }

    /// Takes a report of another server; one of the same server replaces the last
    /// (`server/accounts.go` `updateRemoteServer`).
    pub fn report_remote(&self, server_id: &str, report: RemoteConnections) {
        self.elsewhere.report(server_id, report);
    }

    /// Forgets a server that has gone (`server/accounts.go` `removeRemoteServer`).
    pub fn forget_remote(&self, server_id: &str) {
        self.elsewhere.forget(server_id);
    }

    /// How many of its clients here are beyond `max_connections`, counting those elsewhere.
    pub fn excess_connections(&self) -> u64 {
        let Some(max) = self.limits().max_connections else { return 0 };
        let local = self.connections();
        let all = local.saturating_add(self.remote_connections());
        all.saturating_sub(u64::from(max)).min(local)
    }

    /// Clients it has had.
    pub fn total_connections(&self) -> u64 {
        self.total_connections.load(Ordering::Relaxed)
    }

    /// Takes a client in, exactly up to `max_connections` at once.
    ///
    /// # Errors
    /// When the account is full; nothing is counted.
    pub fn join(self: &Arc<Self>) -> Result<Membership, TooManyConnections> {
        let max = self.limits().max_connections.map_or(u64::MAX, u64::from);
        let max = max.saturating_sub(self.remote_connections());
        self.connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < max).then_some(now + 1)
            })
            .map_err(|_| TooManyConnections)?;
        self.total_connections.fetch_add(1, Ordering::Relaxed);
        Ok(Membership { account: Arc::clone(self) })
    }
}

impl Membership {
    /// The account.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.account.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}
