//! Telling the other servers of a cluster what this one uses.

use std::any::Any;
use std::fmt::Debug;
use std::sync::{Arc, Weak};

use crate::account::AccountUsage;
use crate::remote::RemoteUsageError;

/// Least time between two updates, nanoseconds.
pub const MIN_UPDATE_GAP_NS: u64 = 250_000_000;
/// An update is due at least this often, nanoseconds.
pub const UPDATE_INTERVAL_NS: u64 = 1_500_000_000;

/// Takes a message of another server by its subject and payload; what it says against it is for
/// the log.
pub type TakeMessage = Box<dyn Fn(&str, &[u8]) -> Result<(), RemoteUsageError> + Send + Sync>;

/// Ends what it stands for when it is dropped.
pub type Ends = Box<dyn Any + Send + Sync>;

/// Carries messages between the servers of a cluster.
///
/// All of it may be called with locks held: nothing here may block, or call back before it
/// returns.
pub trait SystemMessages: Debug + Send + Sync {
    /// Hands a message over: to the other servers only, without reply.
    fn send(&self, subject: &str, payload: Vec<u8>);

    /// Monotonic time, nanoseconds.
    fn now_ns(&self) -> u64;

    /// Gives `take` what other servers send under subjects that match `pattern`, until the answer
    /// is dropped.
    fn listen(&self, pattern: &str, take: TakeMessage) -> Ends;

    /// Calls once when [`now_ns`](Self::now_ns) has come so far, unless the answer is dropped
    /// before.
    fn call_at(&self, at_ns: u64, call: Box<dyn FnOnce() + Send>) -> Ends;
}

/// How an account's usage reaches the other servers.
#[derive(Debug)]
pub(crate) struct Link {
    subject: String,
    messages: Arc<dyn SystemMessages>,
    /// When an update was last due to be sent, whether there was anything to send or not.
    last_ns: Option<u64>,
    /// What the other servers send.
    _listening: Ends,
    /// The next update that is due anyway.
    timer: Ends,
}

impl AccountUsage {
    /// Joins the cluster: from now on changes are told to the other servers, under
    /// `$JSC.ARU.<account>.<node>`, and theirs are taken in. `node` is this server's short hash.
    pub fn join_cluster(self: &Arc<Self>, node: &str, messages: Arc<dyn SystemMessages>) {
        let account = Arc::downgrade(self);
        let take: TakeMessage = Box::new(move |subject, payload| match account.upgrade() {
            Some(account) => account.remote_update(subject, payload),
            None => Ok(()),
        });
        let _listening = messages.listen(&format!("$JSC.ARU.{}.*", self.name()), take);
        let due = messages.now_ns().saturating_add(UPDATE_INTERVAL_NS);
        let timer = self.call_timer(&*messages, due);
        let subject = format!("$JSC.ARU.{}.{node}", self.name());
        let link = Link { subject, messages, last_ns: None, _listening, timer };
        *self.link.lock() = Some(link);
        self.set_linked();
    }

    fn call_timer(self: &Arc<Self>, messages: &dyn SystemMessages, at_ns: u64) -> Ends {
        let account = Arc::downgrade(self);
        messages.call_at(at_ns, Box::new(move || Self::on_timer(&account)))
    }

    fn on_timer(account: &Weak<Self>) {
        let Some(account) = account.upgrade() else { return };
        let Some(next) = account.usage_timer() else { return };
        if let Some(link) = account.link.lock().as_mut() {
            link.timer = account.call_timer(&*link.messages, next);
        }
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
        let link = self.link.lock().take();
        // What ends with it may wait for a message that is being taken in.
        drop(link);
        let names = self.stream_names();
        for name in &names {
            stop(name);
        }
    }
}
