//! Telling the other servers of a cluster what this one uses.

use std::fmt::Debug;
use std::sync::Arc;

use crate::account::AccountUsage;

/// Least time between two updates, nanoseconds.
pub const MIN_UPDATE_GAP_NS: u64 = 250_000_000;
/// An update is due at least this often, nanoseconds.
pub const UPDATE_INTERVAL_NS: u64 = 1_500_000_000;

/// Carries messages between the servers of a cluster.
pub trait SystemMessages: Debug + Send + Sync {
    /// Hands a message over: to the other servers only, without reply. Must not block.
    fn send(&self, subject: &str, payload: Vec<u8>);

    /// Monotonic time, nanoseconds.
    fn now_ns(&self) -> u64;
}

/// How an account's usage reaches the other servers.
#[derive(Debug)]
pub(crate) struct Link {
    subject: String,
    messages: Arc<dyn SystemMessages>,
    /// When an update was last due to be sent, whether there was anything to send or not.
    last_ns: Option<u64>,
}

impl AccountUsage {
    /// Joins the cluster: from now on changes are told to the other servers, under
    /// `$JSC.ARU.<account>.<node>`. `node` is this server's short hash.
    pub fn join_cluster(&self, node: &str, messages: Arc<dyn SystemMessages>) {
        let subject = format!("$JSC.ARU.{}.{node}", self.name());
        *self.link.lock() = Some(Link { subject, messages, last_ns: None });
        self.set_linked();
    }

    /// Tells the other servers what this one uses, unless it did so less than
    /// [`MIN_UPDATE_GAP_NS`] ago. Does nothing on a standalone server.
    ///
    /// Wire source: `sendClusterUsageUpdate` in `server/jetstream.go`.
    pub fn send_usage_update(&self) {
        let mut link = self.link.lock();
        if let Some(link) = link.as_mut() {
            self.send_over(link);
        }
    }

    fn send_over(&self, link: &mut Link) {
        let now = link.messages.now_ns();
        if link.last_ns.is_some_and(|last| now.saturating_sub(last) < MIN_UPDATE_GAP_NS) {
            return;
        }
        // An account without usage consumes the window too.
        link.last_ns = Some(now);
        mark::hit!(F1422);
        if let Some(update) = self.encode_update() {
            link.messages.send(&link.subject, update);
        }
    }

    /// The timer of a clustered account: sends an update and answers when to call again;
    /// `None` once the account is torn down or where there is no cluster.
    ///
    /// Wire source: `sendClusterUsageUpdateTimer` in `server/jetstream.go`.
    pub fn usage_timer(&self) -> Option<u64> {
        let mut link = self.link.lock();
        let link = link.as_mut()?;
        mark::hit!(F1421);
        self.send_over(link);
        Some(link.messages.now_ns().saturating_add(UPDATE_INTERVAL_NS))
    }

    /// Tears the account's record down without touching data: no update is sent any more, then
    /// each stream that was registered is handed to `stop`, by name and without a lock held.
    /// Running it again is harmless.
    ///
    /// Wire source: `(*jsAccount).delete` in `server/jetstream.go`.
    pub fn tear_down(&self, mut stop: impl FnMut(&str)) {
        mark::hit!(F1438);
        *self.link.lock() = None;
        let names = self.stream_names();
        for name in &names {
            stop(name);
        }
    }
}
