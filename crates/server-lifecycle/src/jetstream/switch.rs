//! JetStream switched on, off, and on again, while clients stay connected.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use account::API_EXPORT;
use arc_swap::ArcSwap;
use config_validate::Options;
use config_validate::options::is_account_key;
use js_api::AccountPurge;
use js_engine::Engine;
use monitor::{JetStreamConfig, go_duration};

use super::api::ServedApi;
use super::cluster::{AssignedByGroup, can_extend_other_domain};
use super::config::{self, Resolved};
use super::control::Availability;
use super::encryption::{init_encryption, load_tpm_key};
use super::stores::DiskStores;
use super::{
    Control, DEFAULT_CATCHUP, JetStreamError, Running, log_config, size, start_engine, store_dir,
};
use crate::server::Stage;

/// Longest that streams may take to be flushed and closed.
const STREAMS_DEADLINE: Duration = Duration::from_secs(60);
/// How long a meta leader waits for another one before it leaves.
const LEADER_TRANSFER: Duration = Duration::from_secs(2);

impl Control {
    /// Switches JetStream on: checks the store directory, starts the engine, recovers the streams
    /// of every account that is to have it. `None` takes the sizes from the machine. What is asked
    /// for is not changed.
    ///
    /// Wire source: `EnableJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// See [`JetStreamError`]; JetStream is off then, unless it was on.
    pub(crate) async fn enable(
        self: &Arc<Self>,
        asked: Option<JetStreamConfig>,
    ) -> Result<(), JetStreamError> {
        let _turn = self.turn.lock().await;
        self.enable_in_turn(asked).await
    }

    async fn enable_in_turn(
        self: &Arc<Self>,
        asked: Option<JetStreamConfig>,
    ) -> Result<(), JetStreamError> {
        mark::hit!(F1368);
        if self.is_enabled() {
            return Err(JetStreamError::AlreadyEnabled);
        }
        tracing::info!("Starting JetStream");
        let begun = Instant::now();
        let control = Arc::clone(self);
        // Recovery reads the disk and waits for shards.
        let log = tracing::dispatcher::get_default(Clone::clone);
        let started = tokio::task::spawn_blocking(move || {
            tracing::dispatcher::with_default(&log, || control.start(asked.as_ref()))
        });
        let started = started.await;
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        tracing::info!("Took {} to start JetStream", go_duration(ns));
        started??;
        self.update_info_status(Availability::On);
        Ok(())
    }

    fn start(&self, asked: Option<&JetStreamConfig>) -> Result<(), JetStreamError> {
        let options = self.options.load_full();
        let Resolved { config, dynamic, temporary, process_limit } =
            config::resolve(asked, &options);
        if temporary {
            tracing::warn!("Temporary storage directory used, data could be lost on system reboot");
        }
        if let Some(limit) = process_limit {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            tracing::debug!("JetStream detected GOMEMLIMIT of {}", size(limit));
        }
        if dynamic {
            tracing::debug!(
                "JetStream creating dynamic configuration - {} memory, {} disk",
                size(config.max_memory),
                size(config.max_storage)
            );
        }
        let accounts = self.ctx.accounts.load_full();
        let resolver = self.host.has_resolver();
        store_dir::repair(&config::store_dir(&config), |name| {
            accounts.get(name).is_some() || (resolver && is_account_key(name))
        })?;
        self.start_with(&options, config)
    }

    /// Starts the engine with a configuration that is complete. It is published before accounts
    /// are recovered, and taken back if that fails.
    ///
    /// Wire source: `enableJetStream` in `server/jetstream.go`.
    fn start_with(&self, options: &Options, config: JetStreamConfig) -> Result<(), JetStreamError> {
        mark::hit!(F1373);
        let dir = config::store_dir(&config);
        store_dir::prepare(&dir)?;
        let held = store_dir::hold(&dir)?;
        let encryption = init_encryption(&options.jetstream, &load_tpm_key)?;
        let system = Arc::clone(self.ctx.accounts.load().ensure_system());
        self.adopt(&self.ctx.accounts.load());
        log_config(&config, encryption.map(|encryption| encryption.cipher));
        let engine = start_engine(options, &self.ctx, &config, DiskStores::new(&dir, encryption))?;
        let configured = options.jetstream.max_outstanding_catchup.filter(|max| *max != 0);
        let standalone = options.cluster.port.is_none();
        let may_extend = self.may_extend(options, standalone, system.name());
        self.running.store(Some(Arc::new(Running {
            engine: Arc::clone(&engine),
            config: ArcSwap::from_pointee(config.clone()),
            max_catchup: configured.unwrap_or(DEFAULT_CATCHUP),
            standalone: standalone && !may_extend,
            _held: held,
        })));
        self.host.publish(Some(Arc::clone(&engine)));
        self.host.set_api(Some(ServedApi::new(&engine, Some(&system), options, &self.ctx)));
        self.monitor.set_jetstream(Some((Arc::clone(&engine), config)));
        tracing::debug!("  Exports:");
        tracing::debug!("     {API_EXPORT}");
        self.setup_jetstream_exports();
        let requests = AccountPurge::new(&engine, Some(Arc::clone(system.space())));
        Engine::set_standalone(Some(&engine), standalone && !may_extend, &requests);
        let clustering = self.clustering.read().clone().filter(|_| !standalone || may_extend);
        self.host.set_link(clustering.map(|clustering| clustering.link()));
        let started = self.enable_accounts().and_then(|()| {
            if standalone && !may_extend { Ok(()) } else { self.start_clustering() }
        });
        match (&started, self.engine()) {
            (Ok(()), Some(engine)) => engine.set_started(),
            _ => drop(self.stop_engine(STREAMS_DEADLINE)),
        }
        started
    }

    fn may_extend(&self, options: &Options, standalone: bool, system: &str) -> bool {
        let may = can_extend_other_domain(&options.leaf_remotes, Some(system));
        // Lower case is asked for only where it was made so.
        if !may || !standalone || options.jetstream.extension_hint == "will_extend" {
            return may;
        }
        tracing::info!(
            "Standalone server started in clustered mode do not support extending domains"
        );
        tracing::info!(
            "Manually disable standalone mode by setting the JetStream Option \"extension_hint: \
             will_extend\""
        );
        false
    }

    /// The meta group starts when accounts are recovered, never before.
    fn start_clustering(&self) -> Result<(), JetStreamError> {
        // Without clusters in this server there is nothing to start.
        let Some(clustering) = self.clustering.read().clone() else { return Ok(()) };
        let meta = clustering.start().map_err(JetStreamError::Clustering)?;
        if let Some(engine) = self.engine() {
            engine.assigned_by(Arc::new(AssignedByGroup(Arc::clone(&meta))));
            engine.usage().set_clustered();
        }
        *self.meta.write() = Some(meta);
        self.clustered.store(true, Ordering::Release);
        Ok(())
    }

    /// Switches JetStream on again by the options of now, after it was switched off. A failed
    /// start is logged, and leaves it off. Where it runs, it goes on running.
    ///
    /// Wire source: `restartJetStream` in `server/jetstream.go`.
    pub(crate) async fn restart(self: &Arc<Self>) {
        let _turn = self.turn.lock().await;
        mark::hit!(F1376);
        if self.is_enabled() {
            return;
        }
        let asked = config::at_restart(&self.options.load());
        tracing::info!("Restarting JetStream");
        match self.enable_in_turn(Some(asked)).await {
            Ok(()) => self.update_info_status(Availability::On),
            Err(error) => {
                tracing::warn!("Can't start JetStream: {error}");
                self.disable_in_turn().await;
            }
        }
    }

    /// Switches JetStream off; what is stored stays, clients stay connected. Nothing where it is
    /// off.
    ///
    /// Wire source: `DisableJetStream` in `server/jetstream.go`.
    pub(crate) async fn disable(self: &Arc<Self>) {
        let _turn = self.turn.lock().await;
        self.disable_in_turn().await;
    }

    async fn disable_in_turn(self: &Arc<Self>) {
        if !self.is_enabled() {
            return;
        }
        mark::hit!(F1382);
        self.set_jetstream_disabled();
        let meta = self.meta.write().take();
        if self.is_clustered() {
            if self.is_stopping() {
                return self.shut_down_engine().await;
            }
            if let Some(meta) = &meta {
                if meta.is_leader() {
                    tracing::warn!("JetStream initiating meta leader transfer");
                    meta.step_down();
                    let mut stage = self.stage.clone();
                    tokio::select! {
                        () = tokio::time::sleep(LEADER_TRANSFER) => {}
                        // The sender may be gone with the server: that is its end, too.
                        _ = stage.wait_for(|stage| *stage >= Stage::Stopping) => return,
                    }
                    if !meta.is_current() {
                        tracing::warn!("JetStream timeout waiting for meta leader transfer");
                    }
                }
                meta.delete();
            }
        }
        self.update_info_status(Availability::Off);
        self.shut_down_engine().await;
        if let Some(meta) = meta {
            meta.stop_groups();
        }
        self.clustered.store(false, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        *self.stage.borrow() >= Stage::Stopping
    }

    /// Stops the engine as part of the server's end.
    pub(crate) async fn shut_down(self: &Arc<Self>) {
        let _turn = self.turn.lock().await;
        self.host.set_running(false);
        self.shut_down_engine().await;
    }

    async fn shut_down_engine(self: &Arc<Self>) {
        if self.running.load().is_none() {
            return;
        }
        tracing::info!("Initiating JetStream Shutdown...");
        let control = Arc::clone(self);
        let log = tracing::dispatcher::get_default(Clone::clone);
        let stopped = tokio::task::spawn_blocking(move || {
            tracing::dispatcher::with_default(&log, || control.stop_engine(STREAMS_DEADLINE))
        });
        match stopped.await {
            Ok(true) => tracing::info!("JetStream Shutdown"),
            Ok(false) => tracing::error!("JetStream did not stop in time"),
            Err(error) => tracing::error!("JetStream did not stop: {error}"),
        }
    }

    /// Takes the API away, stops all streams, and takes the engine back; false if streams took too
    /// long. Blocks.
    pub(crate) fn stop_now(&self) -> bool {
        self.host.set_running(false);
        self.stop_engine(STREAMS_DEADLINE)
    }

    fn stop_engine(&self, within: Duration) -> bool {
        let Some(running) = self.running.load_full() else { return true };
        running.engine().set_disabled();
        self.host.set_api(None);
        self.monitor.set_jetstream(None);
        let accounts = self.ctx.accounts.load_full();
        for account in accounts.iter() {
            account.leave_jetstream_api();
            account.detach_jetstream();
        }
        let stopped = running.stop(within);
        self.host.publish(None);
        self.running.store(None);
        stopped
    }
}
