//! What a stream is told from outside: the time, who listens, and the server's settings.

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
    /// Start of the pseudo random numbers for jitter, sampling, flow control and pin ids.
    pub seed: u64,
}
