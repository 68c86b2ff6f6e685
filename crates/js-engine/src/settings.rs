//! What the engine is told once, at its start.

use js_account::ServerLimits;
use stream::{BatchLimits, SyncPolicy};

/// Settings of the server that JetStream runs by (`server/opts.go`, `jetstream {}`).
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Server name; shown as leader and in advisories.
    pub server_name: String,
    /// JetStream domain; empty for none.
    pub domain: String,
    /// Limits of the server.
    pub limits: ServerLimits,
    /// Longest duplicate window of a stream in ns; 0 is no limit.
    pub max_duplicate_window_ns: i64,
    /// Largest batch of a pull request; 0 is no limit.
    pub max_request_batch: i64,
    /// Limits of atomic batches.
    pub batch: BatchLimits,
    /// When publishes are acknowledged.
    pub sync: SyncPolicy,
    /// Largest payload that a client may send.
    pub max_payload: u64,
    /// Most bytes that may wait for a client.
    pub max_pending: u64,
    /// Threads that run streams; 0 chooses by the machine.
    pub shards: usize,
    /// Bound of each shard's inbox.
    pub inbox: InboxLimits,
}

/// How much may wait for a shard before publishes are refused with 10167
/// (`max_buffered_msgs`, `max_buffered_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxLimits {
    /// Messages.
    pub msgs: usize,
    /// Bytes of subjects, headers and payloads.
    pub bytes: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        InboxLimits { msgs: 100_000, bytes: 128 << 20 }
    }
}

/// Most shards that are made without being asked for.
const MAX_DEFAULT_SHARDS: usize = 4;

impl EngineSettings {
    /// The number of shards to run.
    pub(crate) fn shard_count(&self) -> usize {
        if self.shards > 0 {
            return self.shards;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.clamp(1, MAX_DEFAULT_SHARDS)
    }
}
