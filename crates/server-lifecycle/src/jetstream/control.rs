//! JetStream of a server, on or off: what is known of it at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use account::{Account, AccountResolver, Accounts, JetStreamHost};
use arc_swap::{ArcSwap, ArcSwapOption};
use config_validate::Options;
use connection::ServerCtx;
use env::OsRng;
use js_engine::{Engine, Ids};
use monitor::{JetStreamConfig, Monitor};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::watch;
use types::{ApiError, Storage, errors};

use super::{Clustering, MetaGroup, Running};
use crate::server::{Stage, update_info};

/// Another server, as far as JetStream cares (`server/server.go` `nodeInfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownServer {
    /// It runs JetStream.
    pub jetstream: bool,
    /// It has not been heard of for a while.
    pub offline: bool,
}

/// Switches JetStream on and off, and answers how it stands.
pub(crate) struct Control {
    pub(super) ctx: Arc<ServerCtx>,
    pub(super) options: Arc<ArcSwap<Options>>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) host: Arc<JetStreamHost>,
    /// There from the engine's publication until all its streams are stopped.
    pub(super) running: ArcSwapOption<Running>,
    /// Held while JetStream is switched on or off.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) runtime: Handle,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) ids: Ids,
    pub(super) clustering: RwLock<Option<Arc<dyn Clustering>>>,
    pub(super) meta: RwLock<Option<Arc<dyn MetaGroup>>>,
    pub(super) clustered: AtomicBool,
    /// Other servers by the short hash of their name.
    known: Mutex<BTreeMap<String, KnownServer>>,
    /// When the lack of resources was last reported, monotonic nanoseconds.
    pub(super) exceeded_at: Mutex<Option<u64>>,
}

impl Control {
    pub(crate) fn new(
        ctx: &Arc<ServerCtx>,
        options: &Arc<ArcSwap<Options>>,
        monitor: &Arc<Monitor>,
        stage: watch::Receiver<Stage>,
    ) -> Arc<Self> {
        let control = Control {
            ctx: Arc::clone(ctx),
            options: Arc::clone(options),
            monitor: Arc::clone(monitor),
            host: JetStreamHost::new(),
            running: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::default(),
            runtime: Handle::current(),
            stage,
            ids: Ids::new(Arc::new(OsRng)),
            clustering: RwLock::default(),
            meta: RwLock::default(),
            clustered: AtomicBool::new(false),
            known: Mutex::default(),
            exceeded_at: Mutex::default(),
        };
        control.host.set_running(true);
        control.adopt(&ctx.accounts.load());
        Arc::new(control)
    }

    /// Registers accounts with this server.
    pub(crate) fn adopt(&self, accounts: &Accounts) {
        self.host.set_system(accounts.system().cloned());
        self.host.set_domain(self.options.load().jetstream.domain.clone());
        for account in accounts.iter() {
            self.register(account);
        }
    }

    /// Says who knows accounts that are not in the registry yet.
    pub(crate) fn set_resolver(&self, resolver: Arc<dyn AccountResolver>) {
        self.host.set_resolver(Some(resolver));
    }

    /// Registers an account with this server.
    pub(crate) fn register(&self, account: &Account) {
        account.register(&self.host);
    }

    /// The published engine; one atomic read. Whoever holds it may go on using it after it was
    /// taken back: it finds no accounts then.
    ///
    /// Wire source: `getJetStream` in `server/jetstream.go`.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        mark::hit!(F1400);
        self.host.engine()
    }

    /// Whether JetStream is on, from the moment the engine is there, before accounts are
    /// recovered.
    ///
    /// Wire source: `(*Server).JetStreamEnabled` in `server/jetstream.go`.
    pub(crate) fn is_enabled(&self) -> bool {
        mark::hit!(F1391);
        Engine::is_enabled(self.engine().as_deref())
    }

    /// Whether any server of the domain runs JetStream, on line or not.
    ///
    /// Wire source: `JetStreamEnabledForDomain` in `server/jetstream.go`.
    pub(crate) fn is_enabled_for_domain(&self) -> bool {
        mark::hit!(F1392);
        self.is_enabled() || self.known.lock().values().any(|server| server.jetstream)
    }

    /// Notes what another server says of itself.
    pub(crate) fn note_server(&self, node: &str, server: KnownServer) {
        self.known.lock().insert(node.to_owned(), server);
    }

    /// A copy of the configuration in effect.
    ///
    /// Wire source: `JetStreamConfig` in `server/jetstream.go`.
    pub(crate) fn config(&self) -> Option<JetStreamConfig> {
        mark::hit!(F1396);
        self.running.load().as_ref().map(|running| running.config())
    }

    /// The directory in effect; empty while JetStream is off.
    ///
    /// Wire source: `StoreDir` in `server/jetstream.go`.
    pub(crate) fn store_dir(&self) -> String {
        mark::hit!(F1397);
        self.config().map(|config| config.store_dir).unwrap_or_default()
    }

    /// Accounts that have JetStream here.
    ///
    /// Wire source: `JetStreamNumAccounts` in `server/jetstream.go`.
    pub(crate) fn num_accounts(&self) -> usize {
        mark::hit!(F1398);
        self.engine().map_or(0, |engine| engine.accounts().len())
    }

    /// Bytes of memory and storage that streams have reserved by `max_bytes`.
    ///
    /// Wire source: `JetStreamReservedResources` in `server/jetstream.go`.
    pub(crate) fn reserved_resources(&self) -> Result<(i64, i64), ApiError> {
        mark::hit!(F1399);
        let engine = self.engine().ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())?;
        let reserved = |kind| i64::try_from(engine.usage().reserved(kind)).unwrap_or(i64::MAX);
        Ok((reserved(Storage::Memory), reserved(Storage::File)))
    }

    /// Whether the meta group runs.
    pub(super) fn is_clustered(&self) -> bool {
        self.clustered.load(Ordering::Acquire)
    }

    /// Whether JetStream runs alone: neither in a cluster nor extending a domain.
    pub(crate) fn is_standalone(&self) -> bool {
        self.running.load().as_ref().is_some_and(|running| running.standalone)
    }

    /// Bytes that may be on the way to servers that catch up.
    pub(crate) fn max_catchup(&self) -> Option<i64> {
        self.running.load().as_ref().map(|running| running.max_catchup)
    }

    /// What starts a cluster, from the next enabling on.
    pub(crate) fn set_clustering(&self, clustering: Option<Arc<dyn Clustering>>) {
        *self.clustering.write() = clustering;
    }

    /// Sets what INFO says in `jetstream` from now on; nobody is told.
    ///
    /// Wire source: `updateJetStreamInfoStatus` in `server/jetstream.go`.
    pub(super) fn update_info_status(&self, on: Availability) {
        mark::hit!(F1375);
        update_info(&self.ctx, |info| info.jetstream = on == Availability::On);
    }

    /// Takes over changed limits of the server.
    pub(crate) fn raise_limits(&self, max_memory: Option<i64>, max_store: Option<i64>) {
        let running = self.running.load_full();
        if let Some(running) = running {
            running.raise_limits(max_memory, max_store);
            self.monitor.set_jetstream(Some((Arc::clone(running.engine()), running.config())));
        }
    }
}

/// What clients are told of JetStream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    On,
    Off,
}
