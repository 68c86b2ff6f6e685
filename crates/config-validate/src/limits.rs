//! JetStream limits of a server that does not set them: a share of what the machine has.

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
