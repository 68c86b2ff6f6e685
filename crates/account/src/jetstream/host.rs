//! The server as its accounts know it for JetStream.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use js_account::SystemMessages;
use js_engine::Engine;
use parking_lot::RwLock;
use routing::Service;

use crate::Account;

/// Serves the JetStream API in accounts.
pub trait JetStreamApi: Send + Sync {
    /// What the API of an account is subscribed to.
    fn subjects(&self) -> &'static [&'static str];

    /// The API for requests of this account.
    fn service(&self, account: &str) -> Arc<dyn Service>;
}

/// How the usage of accounts reaches the other servers of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterLink {
    /// Short hash of this server's name.
    pub node: String,
    /// Carries the messages.
    pub messages: Arc<dyn SystemMessages>,
}

/// Finds accounts that are not configured here (`AccountResolver` in `server/accounts.go`).
pub trait AccountResolver: Send + Sync {
    /// The account of that name, with its limits; `None` where nobody knows it. Blocks.
    fn fetch(&self, name: &str) -> Option<Arc<Account>>;
}

/// The server that accounts belong to: its engine while JetStream runs, its system account, its
/// domain. Accounts refer to it weakly.
#[derive(Default)]
pub struct JetStreamHost {
    engine: ArcSwapOption<Engine>,
    api: RwLock<Option<Arc<dyn JetStreamApi>>>,
    system: RwLock<Option<Arc<Account>>>,
    domain: RwLock<Option<String>>,
    link: RwLock<Option<ClusterLink>>,
    running: AtomicBool,
    resolver: RwLock<Option<Arc<dyn AccountResolver>>>,
}

impl JetStreamHost {
    /// A server that does not run yet.
    pub fn new() -> Arc<Self> {
        Arc::new(JetStreamHost::default())
    }

    /// The published engine; one atomic read.
    pub fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.load_full()
    }

    /// Publishes an engine, or takes it back.
    pub fn publish(&self, engine: Option<Arc<Engine>>) {
        self.engine.store(engine);
    }

    /// The API that accounts import; `None` while there is none.
    pub fn api(&self) -> Option<Arc<dyn JetStreamApi>> {
        self.api.read().clone()
    }

    /// Offers an API to accounts that import it from now on, or none.
    pub fn set_api(&self, api: Option<Arc<dyn JetStreamApi>>) {
        *self.api.write() = api;
    }

    /// The system account.
    pub fn system(&self) -> Option<Arc<Account>> {
        self.system.read().clone()
    }

    /// Names the system account.
    pub fn set_system(&self, system: Option<Arc<Account>>) {
        *self.system.write() = system;
    }

    /// The domain of the options, whether JetStream runs here or not.
    pub fn domain(&self) -> Option<String> {
        self.domain.read().clone()
    }

    /// Sets the domain; an empty one is none.
    pub fn set_domain(&self, domain: Option<String>) {
        *self.domain.write() = domain.filter(|domain| !domain.is_empty());
    }

    /// The cluster, for accounts enabled from now on.
    pub fn set_link(&self, link: Option<ClusterLink>) {
        *self.link.write() = link;
    }

    /// How to reach the other servers; `None` on a standalone server.
    pub fn link(&self) -> Option<ClusterLink> {
        self.link.read().clone()
    }

    /// Says who knows further accounts.
    pub fn set_resolver(&self, resolver: Option<Arc<dyn AccountResolver>>) {
        *self.resolver.write() = resolver;
    }

    /// Whether somebody knows further accounts.
    pub fn has_resolver(&self) -> bool {
        self.resolver.read().is_some()
    }

    /// An account that is not configured here.
    pub fn resolve(&self, name: &str) -> Option<Arc<Account>> {
        let resolver = self.resolver.read().clone();
        resolver?.fetch(name)
    }

    /// The system services run, or do not any more.
    pub fn set_running(&self, running: bool) {
        self.running.store(running, Ordering::Release);
    }

    /// Whether the system services run.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }
}

impl Debug for JetStreamHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStreamHost").field("domain", &self.domain()).finish_non_exhaustive()
    }
}
