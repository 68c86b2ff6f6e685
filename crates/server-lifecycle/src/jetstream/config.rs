//! The JetStream configuration in effect: options with sizes and directory filled in.

use std::path::{Path, PathBuf};

use config_validate::Options;
use config_validate::limits::{self, DynamicConfig, Probe};
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
    /// A limit of this process stands in for the system's memory, bytes.
    pub(crate) process_limit: Option<u64>,
}

/// What a server asks for when it starts (`server/server.go` `Start`).
pub(crate) fn at_start(options: &Options) -> JetStreamConfig {
    let js = &options.jetstream;
    JetStreamConfig {
        compress_ok: true,
        unique_tag: js.unique_tag.clone().unwrap_or_default(),
        ..at_restart(options)
    }
}

/// What it asks for when JetStream comes back: no tag, no compression (`restartJetStream`).
pub(crate) fn at_restart(options: &Options) -> JetStreamConfig {
    let js = &options.jetstream;
    let dir = options.store_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
    JetStreamConfig {
        max_memory: js.max_memory.unwrap_or(-1),
        max_storage: js.max_store.unwrap_or(-1),
        store_dir: dir.unwrap_or_default(),
        sync_interval_ns: nanoseconds(js.sync.interval),
        sync_always: js.sync.always,
        domain: js.domain.clone().unwrap_or_default(),
        compress_ok: false,
        unique_tag: String::new(),
        strict: js.strict,
    }
}

/// Fills in what is left open; what was asked for stays as it is (`server/jetstream.go`
/// `EnableJetStream`). With one limit missing all but limits, domain and tag come from the
/// options, and the store directory is made, for its size decides.
pub(crate) fn resolve(asked: Option<&JetStreamConfig>, options: &Options) -> Resolved {
    let explicit = asked.filter(|asked| asked.max_memory > 0 && asked.max_storage > 0);
    let Some(asked) = explicit else { return dynamic(asked, options) };
    let temporary = asked.store_dir.is_empty();
    let dir = match temporary {
        true => std::env::temp_dir().join(STORE_NAME),
        false => Path::new(&asked.store_dir).join(STORE_NAME),
    };
    let store_dir = dir.to_string_lossy().into_owned();
    let config = JetStreamConfig { store_dir, ..asked.clone() };
    Resolved { config, dynamic: false, temporary, process_limit: None }
}

fn dynamic(asked: Option<&JetStreamConfig>, options: &Options) -> Resolved {
    let dir = asked.map(|asked| Path::new(&asked.store_dir));
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    let js = &options.jetstream;
    let DynamicConfig { store_dir, temporary, limits, process_limit, strict } =
        limits::dynamic_config(dir, js, &Machine);
    let max_memory = asked.map(|asked| asked.max_memory).filter(|max| *max > 0);
    let config = JetStreamConfig {
        max_memory: max_memory.unwrap_or(limits.memory),
        max_storage: limits.store,
        store_dir: store_dir.to_string_lossy().into_owned(),
        sync_interval_ns: nanoseconds(js.sync.interval),
        sync_always: js.sync.always,
        domain: asked.map(|asked| asked.domain.clone()).unwrap_or_default(),
        compress_ok: false,
        unique_tag: asked.map(|asked| asked.unique_tag.clone()).unwrap_or_default(),
        strict,
    };
    Resolved { config, dynamic: true, temporary, process_limit }
}

/// The directory as a path.
pub(crate) fn store_dir(config: &JetStreamConfig) -> PathBuf {
    PathBuf::from(&config.store_dir)
}

fn nanoseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// This machine.
struct Machine;

impl Probe for Machine {
    fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn memory(&self) -> Option<u64> {
        let info = rustix::system::sysinfo();
        Some(info.totalram.saturating_mul(u64::from(info.mem_unit.max(1))))
    }

    fn memory_limit(&self) -> Option<u64> {
        parse_memory_limit(&std::env::var("GOMEMLIMIT").ok()?)
    }

    fn disk_available(&self, dir: &Path) -> Option<u64> {
        // If this fails, so does the check of the directory, with its own error.
        let _ = super::store_dir::create(dir);
        let disk = rustix::fs::statvfs(dir).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_bsize))
    }
}

/// A size as the environment of Go programs has it: a number with `B`, `KiB`, `MiB`, `GiB`, `TiB`
/// or nothing behind it.
pub(crate) fn parse_memory_limit(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
