//! The JetStream configuration in effect: options with sizes and directory filled in.

use std::path::{Path, PathBuf};

use config_validate::Options;
use config_validate::limits::{self, Machine, ServerLimits};
use monitor::JetStreamConfig;

/// Directory inside the store directory that JetStream owns (`JetStreamStoreDir`).
pub(crate) const STORE_NAME: &str = "jetstream";
/// What [`resolve`] found.
pub(crate) struct Resolved {
    /// The configuration in effect.
    pub(crate) config: JetStreamConfig,
    /// Sizes were taken from the machine.
    pub(crate) dynamic: bool,
    /// No store directory was configured: data lies where the system may remove it.
    pub(crate) temporary: bool,
}

/// Fills in what the options leave open (`server/jetstream.go` `EnableJetStream`,
/// `dynJetStreamConfig`). Creates the store directory where its size decides a limit.
pub(crate) fn resolve(options: &Options) -> Resolved {
    let js = &options.jetstream;
    let dynamic = limits::is_dynamic(js);
    let temporary = options.store_dir.is_none();
    let store_dir = match (&options.store_dir, dynamic) {
        (Some(dir), _) => dir.join(STORE_NAME),
        (None, true) => std::env::temp_dir().join("nats").join(STORE_NAME),
        (None, false) => std::env::temp_dir().join(STORE_NAME),
    };
    let machine = if dynamic { measure(&store_dir) } else { Machine::default() };
    let ServerLimits { memory: max_memory, store: max_storage } =
        limits::server_limits(js, machine);
    let config = JetStreamConfig {
        max_memory,
        max_storage,
        store_dir: store_dir.to_string_lossy().into_owned(),
        sync_interval_ns: nanoseconds(js.sync.interval),
        sync_always: js.sync.always,
        domain: js.domain.clone().unwrap_or_default(),
        compress_ok: !dynamic,
        unique_tag: js.unique_tag.clone().unwrap_or_default(),
        strict: js.strict,
    };
    Resolved { config, dynamic, temporary }
}

/// The directory as a path.
pub(crate) fn store_dir(config: &JetStreamConfig) -> PathBuf {
    PathBuf::from(&config.store_dir)
}

fn nanoseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What the machine has; makes the store directory to be able to ask for free space.
fn measure(dir: &Path) -> Machine {
    let info = rustix::system::sysinfo();
    let memory = info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)));
    // If this fails, so does the check of the directory, with its own error.
    let _ = super::store_dir::create(dir);
    let disk = rustix::fs::statvfs(dir).ok();
    Machine {
        memory: Some(memory),
        disk_available: disk.map(|fs| fs.f_bavail.saturating_mul(fs.f_bsize)),
    }
}
