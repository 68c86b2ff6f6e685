//! What a stream is told from outside: the time, who listens, and the server's settings.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use types::Timestamp;

/// Time and interest as of one round of the shard.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// Wall clock.
    pub now: Timestamp,
    /// Monotonic clock in ns; all deadlines are on it.
    pub mono_ns: u64,
    /// Who listens in the stream's account.
    pub interest: &'a dyn Interest,
}

/// Answers whether somebody listens in the stream's account.
pub trait Interest {
    /// Whether a message on this subject reaches anybody.
    fn has_interest(&self, subject: &[u8]) -> bool;
    /// Whether somebody subscribed to exactly this subject, as a member of this queue group or,
    /// where that is empty, of none. Wildcards do not count: an onlooker on `>` must not make a
    /// push consumer deliver (`server/sublist.go` `registerNotification`).
    fn has_listener(&self, subject: &[u8], queue: &[u8]) -> bool;
}

/// When a publish is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// After a sync (group commit).
    Always,
    /// After the operating system has it; synced every so many ns.
    Interval(u64),
}

/// How much may be staged in atomic batches (`server/stream.go` `streamMaxAtomicBatch*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Open batches of one stream.
    pub per_stream: usize,
    /// Open batches of the server.
    pub total: usize,
    /// Messages of one batch.
    pub msgs: u64,
    /// Time until the next message of a batch, in ns.
    pub timeout_ns: u64,
    /// Bytes that may wait in the open batches of one stream. The reference keeps them on disk;
    /// here they are in memory until their batch is committed.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits {
            per_stream: 50,
            total: 1000,
            msgs: 1000,
            timeout_ns: 10_000_000_000,
            bytes: 256 << 20,
        }
    }
}

/// Settings of the server that streams need.
#[derive(Clone, Debug)]
pub struct StreamEnv {
    /// Server name, shown as leader.
    pub server_name: String,
    /// JetStream domain; empty for none.
    pub domain: String,
    /// When publishes are acknowledged.
    pub sync: SyncPolicy,
    /// Largest payload a client may send; the burst of rate limits.
    pub max_payload: u64,
    /// Most bytes one direct-get request is answered with (the server's `max_pending`).
    pub max_pending: u64,
    /// Limits of atomic batches.
    pub batch: BatchLimits,
    /// Atomic batches that are open in all streams of the server.
    pub open_batches: Arc<AtomicUsize>,
    /// Start of the pseudo random numbers for jitter, sampling, flow control and pin ids.
    pub seed: u64,
}
