//! JetStream of a server: what is checked and logged before it runs, and the engine's settings.

mod accounts;
mod api;
mod cluster;
pub(crate) mod config;
mod control;
mod encryption;
mod faults;
pub(crate) mod store_dir;
mod stores;
mod switch;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use account::EnrolError;
use arc_swap::ArcSwap;
use config_validate::Options;
use config_validate::bytes::friendly_bytes;
use connection::ServerCtx;
use env::{OsClock, OsRng};
use js_account::ServerLimits;
use js_engine::{Engine, EngineParts, EngineSettings, InboxLimits};
use monitor::JetStreamConfig;
use store::StoreCipher;
use stream::{BatchLimits, SyncPolicy};

pub use cluster::{Clustering, MetaGroup};
pub(crate) use control::Control;
pub use control::KnownServer;
pub use store_dir::StoreDirError;

use stores::DiskStores;

/// Bytes on the way to servers that catch up, unless configured (`defaultMaxTotalCatchupOutBytes`
/// in `server/jetstream_cluster.go`).
const DEFAULT_CATCHUP: i64 = 64 << 20;

/// Why JetStream cannot be started (`server/jetstream.go` `EnableJetStream`).
#[derive(Debug, thiserror::Error)]
pub enum JetStreamError {
    /// It runs.
    #[error("jetstream already enabled")]
    AlreadyEnabled,
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
    /// The global account cannot be enabled.
    #[error("{0}")]
    Account(EnrolError),
    /// One of several accounts cannot be enabled.
    #[error("Error enabling jetstream on configured accounts: {0}")]
    Accounts(EnrolError),
    /// The meta group cannot be started.
    #[error("{0}")]
    Clustering(String),
    /// The task that starts it was stopped.
    #[error("the start was cut short: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

/// JetStream while it runs.
pub(crate) struct Running {
    engine: Arc<Engine>,
    config: ArcSwap<JetStreamConfig>,
    /// Bytes that may be on the way to servers that catch up.
    max_catchup: i64,
    /// Neither part of a cluster nor extending one.
    standalone: bool,
    /// Says that the store directory is taken.
    _held: Option<File>,
}

impl Running {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The configuration in effect.
    pub(crate) fn config(&self) -> JetStreamConfig {
        JetStreamConfig::clone(&self.config.load())
    }

    /// Raises the server's limits, bytes (`server/reload.go` `jetStreamLimitsOption`).
    fn raise_limits(&self, max_memory: Option<i64>, max_store: Option<i64>) {
        let mut config = self.config();
        config.max_memory = max_memory.unwrap_or(config.max_memory);
        config.max_storage = max_store.unwrap_or(config.max_storage);
        self.engine.usage().set_limits(config.max_memory, config.max_storage);
        self.config.store(Arc::new(config));
    }

    /// Flushes and closes all streams; false if that took too long. Blocks.
    fn stop(&self, within: Duration) -> bool {
        self.engine.stop(within)
    }
}

fn size(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
    friendly_bytes(bytes as f64)
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
