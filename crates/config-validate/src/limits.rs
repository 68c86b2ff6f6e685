//! JetStream limits of a server that does not set them: a share of what the machine has.

use std::path::{Path, PathBuf};

use crate::options::JetStreamOptions;

/// Disk limit when the file system does not tell its free space, bytes (1 TiB).
pub const UNKNOWN_DISK: i64 = 1 << 40;
/// Memory limit when the system does not tell its memory, bytes (256 MiB).
pub const UNKNOWN_MEMORY: i64 = 256 << 20;

/// What was measured of the machine; `None` where it could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// Memory of the system, bytes, or a lower limit set for this process.
    pub memory: Option<u64>,
    /// Bytes free for ordinary users on the file system of the store.
    pub disk_available: Option<u64>,
}

/// Memory and disk JetStream may use, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Memory streams.
    pub memory: i64,
    /// File streams.
    pub store: i64,
}

/// The limits in effect: as configured, 0 included, or three quarters of what the machine has.
///
/// Wire source: `dynJetStreamConfig` in `server/jetstream.go`, and the choice before it in
/// `EnableJetStream`: a server with one limit missing takes the other one only when it was written
/// in the config file, which here is always the case.
pub fn server_limits(options: &JetStreamOptions, machine: Machine) -> ServerLimits {
    let configured = |limit: Option<i64>| limit.filter(|limit| *limit >= 0);
    ServerLimits {
        memory: configured(options.max_memory).unwrap_or_else(|| dynamic_memory(machine.memory)),
        store: configured(options.max_store)
            .unwrap_or_else(|| dynamic_store(machine.disk_available)),
    }
}

/// Three quarters of the memory.
pub fn dynamic_memory(memory: Option<u64>) -> i64 {
    share(memory).unwrap_or(UNKNOWN_MEMORY)
}

/// Three quarters of the free disk.
pub fn dynamic_store(available: Option<u64>) -> i64 {
    share(available).unwrap_or(UNKNOWN_DISK)
}

fn share(total: Option<u64>) -> Option<i64> {
    let total = i64::try_from(total?).unwrap_or(i64::MAX);
    (total > 0).then_some(total / 4 * 3)
}

/// Whether nothing decides the limits but the machine, so that the server logs the dynamic
/// configuration (`JetStream creating dynamic configuration - ...`).
pub fn is_dynamic(options: &JetStreamOptions) -> bool {
    options.max_memory.is_none_or(|limit| limit <= 0)
        || options.max_store.is_none_or(|limit| limit <= 0)
}

/// Asks the machine what it has.
pub trait Probe {
    /// The directory for temporary files.
    fn temp_dir(&self) -> PathBuf;

    /// Memory of the system, bytes.
    fn memory(&self) -> Option<u64>;

    /// A lower limit set for this process (`GOMEMLIMIT`), bytes.
    fn memory_limit(&self) -> Option<u64>;

    /// Bytes free for ordinary users where the directory is, which is made for that; that it
    /// cannot be made is no error here.
    fn disk_available(&self, dir: &Path) -> Option<u64>;
}

/// What [`dynamic_config`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicConfig {
    /// The directory of JetStream itself.
    pub store_dir: PathBuf,
    /// Nobody named a directory: data lies where the system may remove it.
    pub temporary: bool,
    /// Memory and disk, bytes.
    pub limits: ServerLimits,
    /// The limit of this process was lower than the system's memory, and counts instead, bytes.
    pub process_limit: Option<u64>,
    /// Refuse unknown fields.
    pub strict: bool,
}

/// A configuration for a server without complete limits: those written in the options count, 0
/// included; the rest is a share of what the machine has. The directory exists afterwards where
/// its size was asked for.
///
/// Wire source: `dynJetStreamConfig` in `server/jetstream.go`.
pub fn dynamic_config(
    store_dir: Option<&Path>,
    options: &JetStreamOptions,
    probe: &dyn Probe,
) -> DynamicConfig {
    mark::hit!(F1444);
    let dir = match store_dir {
        Some(dir) => dir.join("jetstream"),
        None => probe.temp_dir().join("nats").join("jetstream"),
    };
    let written = |limit: Option<i64>| limit.filter(|limit| *limit >= 0);
    let store =
        written(options.max_store).unwrap_or_else(|| dynamic_store(probe.disk_available(&dir)));
    let (mut process_limit, mut memory) = (None, written(options.max_memory).unwrap_or_default());
    if written(options.max_memory).is_none() {
        let system = probe.memory().filter(|system| *system > 0);
        let limit = probe.memory_limit().filter(|limit| system.is_some_and(|s| *limit < s));
        process_limit = limit;
        memory = dynamic_memory(limit.or(system));
    }
    DynamicConfig {
        store_dir: dir,
        temporary: store_dir.is_none(),
        limits: ServerLimits { memory, store },
        process_limit,
        strict: options.strict,
    }
}
