//! The subscriptions of one account.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use subject::{InvalidSubject, MatchResult, Stats, Sublist};

use crate::Subscription;

/// The subscriptions of one account.
///
/// Readers cache matches by [`generation`](Self::generation), which moves with every change.
pub struct SubjectSpace {
    name: Box<str>,
    subs: RwLock<Sublist<Arc<Subscription>>>,
    generation: AtomicU64,
    watches: Mutex<Vec<Watch>>,
    // Lets `subscribe` skip the lock where nobody watches, which is the rule.
    watch_count: AtomicUsize,
    next_watch: AtomicU64,
}

struct Watch {
    id: WatchId,
    subject: Box<[u8]>,
    watcher: Arc<dyn InterestWatcher>,
}

/// Names one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchId(u64);

/// Told when interest in a subject may have changed. Called on the client's thread: must not
/// block.
pub trait InterestWatcher: Send + Sync {
    /// Someone subscribed or unsubscribed a pattern that covers the watched subject.
    fn changed(&self);
}

impl SubjectSpace {
    /// An empty space for the account of that name.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(SubjectSpace {
            name: name.into(),
            subs: RwLock::new(Sublist::new()),
            generation: AtomicU64::new(1),
            watches: Mutex::new(Vec::new()),
            watch_count: AtomicUsize::new(0),
            next_watch: AtomicU64::new(1),
        })
    }

    /// The account's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Moves with every change of the subscriptions.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds a subscription.
    ///
    /// # Errors
    /// When its pattern is no valid subject; nothing is added.
    pub fn subscribe(&self, sub: &Arc<Subscription>) -> Result<(), InvalidSubject> {
        {
            let mut subs = self.subs.write();
            subs.insert(&sub.pattern, sub.queue.as_deref(), Arc::clone(sub))?;
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.notify(&sub.pattern);
        Ok(())
    }

    /// Removes a subscription; false if it was not there.
    pub fn unsubscribe(&self, sub: &Arc<Subscription>) -> bool {
        sub.close();
        let removed = {
            let mut subs = self.subs.write();
            let removed =
                subs.remove(&sub.pattern, sub.queue.as_deref(), |other| Arc::ptr_eq(other, sub));
            if removed.is_some() {
                self.generation.fetch_add(1, Ordering::Release);
            }
            removed
        };
        if removed.is_some() {
            self.notify(&sub.pattern);
        }
        removed.is_some()
    }

    /// Removes many at once (a client that leaves).
    pub fn unsubscribe_all<'a>(&self, gone: impl IntoIterator<Item = &'a Arc<Subscription>>) {
        let mut removed = Vec::new();
        {
            let mut subs = self.subs.write();
            for sub in gone {
                sub.close();
                if let Some(sub) =
                    subs.remove(&sub.pattern, sub.queue.as_deref(), |other| Arc::ptr_eq(other, sub))
                {
                    removed.push(sub);
                }
            }
            self.generation.fetch_add(1, Ordering::Release);
        }
        if self.watch_count.load(Ordering::Acquire) > 0 {
            removed.iter().for_each(|sub| self.notify(&sub.pattern));
        }
    }

    /// Everyone who gets a message on this subject.
    pub fn match_into(&self, subject: &[u8], result: &mut MatchResult<Arc<Subscription>>) {
        self.subs.read().match_into(subject, result);
    }

    /// Whether anyone gets messages on this subject.
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        self.subs.read().has_interest(subject)
    }

    /// Whether a member of that queue group gets messages on this subject.
    pub fn has_queue_interest(&self, subject: &[u8], queue: &[u8]) -> bool {
        let mut result = MatchResult::default();
        self.match_into(subject, &mut result);
        result.queues.iter().any(|q| &*q.name == queue)
    }

    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.subs.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Figures for `/subsz`.
    pub fn stats(&self) -> Stats {
        self.subs.read().stats()
    }

    /// All subscriptions, in no order.
    pub fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        let mut all = Vec::new();
        self.subs.read().for_each(|_, _, sub| all.push(Arc::clone(sub)));
        all
    }

    /// Asks to be told when interest in a literal subject may have changed.
    pub fn watch(&self, subject: &[u8], watcher: Arc<dyn InterestWatcher>) -> WatchId {
        let id = WatchId(self.next_watch.fetch_add(1, Ordering::Relaxed));
        let mut watches = self.watches.lock();
        watches.push(Watch { id, subject: subject.into(), watcher });
        self.watch_count.store(watches.len(), Ordering::Release);
        id
    }

    /// Ends a watch.
    pub fn unwatch(&self, id: WatchId) {
        let mut watches = self.watches.lock();
        watches.retain(|watch| watch.id != id);
        self.watch_count.store(watches.len(), Ordering::Release);
    }

    fn notify(&self, pattern: &[u8]) {
        if self.watch_count.load(Ordering::Acquire) == 0 {
            return;
        }
        let told: Vec<_> = self
            .watches
            .lock()
            .iter()
            .filter(|watch| subject::matches(&watch.subject, pattern))
            .map(|watch| Arc::clone(&watch.watcher))
            .collect();
        told.iter().for_each(|watcher| watcher.changed());
    }
}
