//! JetStream of a server: what is checked and logged before it runs, and which accounts have it.

mod api;
pub(crate) mod config;
pub(crate) mod store_dir;
mod stores;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use account::Accounts;
use config_validate::Options;
use config_validate::bytes::friendly_bytes;
use config_validate::options::{Cipher, StoreKey};
use connection::ServerCtx;
use env::{OsClock, OsRng};
use js_account::ServerLimits;
use js_engine::{EnableError, Engine, EngineParts, EngineSettings, InboxLimits};
use monitor::{JetStreamConfig, go_duration};
use store::{Encryption, MasterKey, StoreCipher};
use stream::{BatchLimits, SyncPolicy};
use types::AccountLimits;

pub use store_dir::StoreDirError;

use api::ApiServices;
use config::Resolved;
use stores::DiskStores;

/// Why JetStream cannot be started (`server/jetstream.go` `EnableJetStream`).
#[derive(Debug, thiserror::Error)]
pub enum JetStreamError {
    /// The store directory is of no use.
    #[error("{0}")]
    StoreDir(#[from] StoreDirError),
    /// A key in a trusted platform module is asked for.
    #[error("TPM functionality is not supported on this platform")]
    Tpm,
    /// Both a key and a trusted platform module are asked for.
    #[error("JetStream encryption key may not be used with TPM options")]
    KeyAndTpm,
    /// The operating system gives no thread or no randomness.
    #[error("could not start the engine: {0}")]
    Engine(std::io::Error),
    /// An account cannot be enabled.
    #[error("Error enabling jetstream on configured accounts: {account}: {cause}")]
    Account {
        /// The account.
        account: String,
        /// What is wrong.
        cause: EnableError,
    },
    /// The task that starts it was stopped.
    #[error("the start was cut short: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

/// JetStream of a running server.
pub(crate) struct JetStream {
    engine: Arc<Engine>,
    config: JetStreamConfig,
    services: ApiServices,
    /// Says that the store directory is taken.
    _held: Option<File>,
}

impl JetStream {
    /// Starts it: checks the store directory, starts the engine, recovers the streams of every
    /// account that has JetStream.
    pub(crate) async fn start(
        options: &Arc<Options>,
        ctx: &Arc<ServerCtx>,
    ) -> Result<Self, JetStreamError> {
        tracing::info!("Starting JetStream");
        let begun = Instant::now();
        let (options, ctx) = (Arc::clone(options), Arc::clone(ctx));
        // Recovery reads the disk and waits for shards.
        let started = tokio::task::spawn_blocking(move || start(&options, &ctx)).await;
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        tracing::info!("Took {} to start JetStream", go_duration(ns));
        started?
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The configuration in effect.
    pub(crate) fn config(&self) -> &JetStreamConfig {
        &self.config
    }

    /// Follows reloaded accounts: enables and disables, and takes over their limits. What cannot
    /// be done is logged; the rest is done all the same. Blocks (`server/jetstream.go`
    /// `configAllJetStreamAccounts`).
    pub(crate) fn follow(&mut self, accounts: &Accounts) {
        let wanted: Vec<_> = accounts.with_jetstream().collect();
        for enabled in self.engine.accounts() {
            if !wanted.iter().any(|(account, _)| account.name() == enabled.name()) {
                // Somebody else may have been faster.
                let _ = self.engine.disable_account(enabled.name());
            }
        }
        for (account, limits) in wanted {
            if let Err(cause) = account.enable_jetstream(&self.engine, limits) {
                let account = account.name().to_owned();
                tracing::error!("{}", JetStreamError::Account { account, cause });
            }
        }
        self.services.follow(accounts);
    }

    /// Raises the server's limits, bytes (`server/reload.go` `jetStreamLimitsOption`).
    pub(crate) fn raise_limits(&mut self, max_memory: Option<i64>, max_store: Option<i64>) {
        let config = &mut self.config;
        config.max_memory = max_memory.unwrap_or(config.max_memory);
        config.max_storage = max_store.unwrap_or(config.max_storage);
        self.engine.usage().set_limits(config.max_memory, config.max_storage);
    }

    /// Flushes and closes all streams; false if that took too long. Blocks.
    pub(crate) fn stop(self, within: Duration) -> bool {
        // Nobody can ask any more.
        drop(self.services);
        self.engine.stop(within)
    }
}

fn start(options: &Options, ctx: &Arc<ServerCtx>) -> Result<JetStream, JetStreamError> {
    let Resolved { config, dynamic, temporary } = config::resolve(options);
    if temporary {
        tracing::warn!("Temporary storage directory used, data could be lost on system reboot");
    }
    if dynamic {
        tracing::debug!(
            "JetStream creating dynamic configuration - {} memory, {} disk",
            size(config.max_memory),
            size(config.max_storage)
        );
    }
    let dir = config::store_dir(&config);
    let accounts = ctx.accounts.load_full();
    for (from, to) in store_dir::repair(&dir, |name| accounts.get(name).is_some())? {
        tracing::info!(
            "JetStream relocated account {:?} to {:?}",
            from.to_string_lossy(),
            to.to_string_lossy()
        );
    }
    store_dir::prepare(&dir)?;
    let held = store_dir::hold(&dir)?;
    let encryption = encryption(options)?;
    log_config(&config, encryption.map(|encryption| encryption.cipher));
    let engine = start_engine(options, ctx, &config, DiskStores::new(&dir, encryption))?;
    if let Err(error) = enable_accounts(&engine, &accounts) {
        engine.stop(Duration::from_secs(10));
        return Err(error);
    }
    let mut services = ApiServices::new(&engine, &accounts, options, ctx);
    services.follow(&accounts);
    Ok(JetStream { engine, config, services, _held: held })
}

fn size(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
    friendly_bytes(bytes as f64)
}

/// Resolves the key of the store (`initJetStreamEncryption`); none leaves the store plain.
fn encryption(options: &Options) -> Result<Option<Encryption>, JetStreamError> {
    let js = &options.jetstream;
    let master = |key: &Option<StoreKey>| MasterKey::new(key.as_ref()?.0.as_bytes());
    match (master(&js.key), js.tpm.as_ref().and_then(|tpm| tpm.keys_file.as_ref())) {
        (Some(_), Some(_)) => Err(JetStreamError::KeyAndTpm),
        (None, Some(_)) => Err(JetStreamError::Tpm),
        (None, None) => Ok(None),
        (Some(key), None) => {
            let cipher = match js.cipher {
                Cipher::ChaCha => StoreCipher::ChaCha,
                Cipher::Aes => StoreCipher::Aes,
            };
            mark::hit!(F1372);
            Ok(Some(Encryption { cipher, key, previous: master(&js.prev_key) }))
        }
    }
}

fn log_config(config: &JetStreamConfig, cipher: Option<StoreCipher>) {
    tracing::info!("---------------- JETSTREAM ----------------");
    if config.strict {
        tracing::info!("  Strict:          true");
    }
    tracing::info!("  Max Memory:      {}", size(config.max_memory));
    tracing::info!("  Max Storage:     {}", size(config.max_storage));
    tracing::info!("  Store Directory: {:?}", config.store_dir);
    if !config.domain.is_empty() {
        tracing::info!("  Domain:          {}", config.domain);
    }
    if let Some(cipher) = cipher {
        tracing::info!("  Encryption:      {cipher}");
    }
    tracing::info!("  API Level:       {}", types::API_LEVEL);
    tracing::info!("-------------------------------------------");
}

fn start_engine(
    options: &Options,
    ctx: &ServerCtx,
    config: &JetStreamConfig,
    stores: DiskStores,
) -> Result<Arc<Engine>, JetStreamError> {
    let js = &options.jetstream;
    let defaults = InboxLimits::default();
    let or_default = |value: i64, default| match usize::try_from(value) {
        Ok(0) | Err(_) => default,
        Ok(value) => value,
    };
    let settings = EngineSettings {
        server_name: ctx.info.load().server_name.clone(),
        domain: config.domain.clone(),
        limits: ServerLimits {
            max_memory: config.max_memory,
            max_storage: config.max_storage,
            max_ack_pending: js.limits.max_ack_pending,
        },
        max_duplicate_window_ns: i64::try_from(js.limits.duplicate_window.as_nanos())
            .unwrap_or(i64::MAX),
        max_request_batch: js.limits.max_request_batch,
        batch: batch_limits(&js.limits.batch),
        // The reference acknowledges before the sync unless told `sync_interval: always`. Here
        // what is acknowledged is on disk, unless an interval is asked for.
        sync: if js.sync.relaxed {
            SyncPolicy::Interval(u64::try_from(js.sync.interval.as_nanos()).unwrap_or(u64::MAX))
        } else {
            SyncPolicy::Always
        },
        max_payload: options.limits.max_payload.map_or(u64::MAX, u64::from),
        max_pending: u64::try_from(options.limits.max_pending).unwrap_or(0),
        shards: 0,
        inbox: InboxLimits {
            msgs: or_default(js.max_buffered_msgs, defaults.msgs),
            bytes: or_default(js.max_buffered_size, defaults.bytes),
        },
    };
    let parts =
        EngineParts { clock: Arc::new(OsClock), rng: Arc::new(OsRng), stores: Arc::new(stores) };
    Engine::start(settings, parts).map_err(JetStreamError::Engine)
}

/// 0 is the default of each (`server/stream.go` `streamMaxAtomicBatch*`).
fn batch_limits(asked: &config_validate::options::BatchLimits) -> BatchLimits {
    let mut limits = BatchLimits::default();
    let positive = |value: i64| usize::try_from(value).ok().filter(|&value| value > 0);
    limits.per_stream = positive(asked.max_inflight_per_stream).unwrap_or(limits.per_stream);
    limits.total = positive(asked.max_inflight_total).unwrap_or(limits.total);
    limits.msgs = positive(asked.max_msgs).map_or(limits.msgs, |msgs| msgs as u64);
    if !asked.timeout.is_zero() {
        limits.timeout_ns = u64::try_from(asked.timeout.as_nanos()).unwrap_or(u64::MAX);
    }
    limits
}

/// Enables every account that is to have JetStream (`enableJetStreamAccounts`): the global one
/// when no others are configured, otherwise those with limits.
fn enable_accounts(engine: &Arc<Engine>, accounts: &Accounts) -> Result<(), JetStreamError> {
    let alone = accounts.global_only();
    for account in accounts.iter().filter(|account| !accounts.is_system(account)) {
        let limits = match account.jetstream_limits() {
            Some(limits) => limits,
            None if alone => AccountLimits::UNLIMITED,
            None => continue,
        };
        let name = account.name();
        tracing::debug!("Enabled JetStream for account {name:?}");
        tracing::debug!("  Max Memory:      {}", size(limits.max_memory));
        tracing::debug!("  Max Storage:     {}", size(limits.max_storage));
        tracing::debug!("Recovering JetStream state for account {name:?}");
        let tiers = BTreeMap::from([(String::new(), limits)]);
        let enabled = engine.enable_account(name, account.space(), &tiers);
        enabled.map_err(|cause| JetStreamError::Account { account: name.to_owned(), cause })?;
        tracing::debug!("JetStream state for account {name:?} recovered");
    }
    Ok(())
}
