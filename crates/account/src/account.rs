//! One account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config_validate::options::{AccountLimits, AccountOptions, JetStreamAccountLimits};
use routing::SubjectSpace;

/// One tenant: a subject space of its own (`server/accounts.go` `Account`).
pub struct Account {
    name: Box<str>,
    space: Arc<SubjectSpace>,
    limits: AccountLimits,
    jetstream: Option<JetStreamAccountLimits>,
    connections: AtomicU64,
    total_connections: AtomicU64,
    stats: AccountStats,
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

/// A client's place in its account; dropping it gives the place back.
pub struct Membership {
    account: Arc<Account>,
}

impl Account {
    /// An account without limits, and without JetStream.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self::with_limits(name, AccountLimits::default(), None))
    }

    pub(crate) fn from_options(options: &AccountOptions) -> Arc<Self> {
        Arc::new(Self::with_limits(&options.name, options.limits, options.jetstream))
    }

    fn with_limits(
        name: &str,
        limits: AccountLimits,
        jetstream: Option<JetStreamAccountLimits>,
    ) -> Self {
        Account {
            name: name.into(),
            space: SubjectSpace::new(name),
            limits,
            jetstream,
            connections: AtomicU64::new(0),
            total_connections: AtomicU64::new(0),
            stats: AccountStats::default(),
        }
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
    pub fn limits(&self) -> &AccountLimits {
        &self.limits
    }

    /// JetStream limits as configured; `None` when the account did not ask for JetStream.
    pub fn jetstream_limits(&self) -> Option<&JetStreamAccountLimits> {
        self.jetstream.as_ref()
    }

    /// Its traffic.
    pub fn stats(&self) -> &AccountStats {
        &self.stats
    }

    /// Clients it has now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
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
        let max = self.limits.max_connections.map_or(u64::MAX, u64::from);
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
