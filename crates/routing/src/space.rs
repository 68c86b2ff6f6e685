//! The subscriptions of one account.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use subject::{InvalidSubject, MatchResult, Stats, Sublist};

use crate::responses::{Response, Responses};
use crate::{Mappings, ServiceExport, StreamImport, Subscription, Target, shadow};

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
    // What is not used costs one relaxed load each.
    importing: AtomicBool,
    imports: Mutex<StreamImports>,
    mapping: AtomicBool,
    mappings: ArcSwapOption<Mappings>,
    responses: Responses,
}

/// Messages of other accounts, and the images of this account's subscriptions there.
#[derive(Default)]
struct StreamImports {
    all: Vec<Arc<StreamImport>>,
    /// By the address of the subscription.
    images: HashMap<usize, Vec<Image>, RandomState>,
}

struct Image {
    exporter: Weak<SubjectSpace>,
    sub: Arc<Subscription>,
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

impl Image {
    fn end(self) {
        self.sub.close();
        if let Some(exporter) = self.exporter.upgrade() {
            exporter.remove(&self.sub);
        }
    }
}

impl std::fmt::Debug for SubjectSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubjectSpace").field("name", &self.name).finish_non_exhaustive()
    }
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
            importing: AtomicBool::new(false),
            imports: Mutex::default(),
            mapping: AtomicBool::new(false),
            mappings: ArcSwapOption::empty(),
            responses: Responses::new(),
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
    pub fn subscribe(self: &Arc<Self>, sub: &Arc<Subscription>) -> Result<(), InvalidSubject> {
        self.insert(sub)?;
        if self.importing.load(Ordering::SeqCst) {
            self.add_images(&mut self.imports.lock(), sub);
        }
        Ok(())
    }

    fn insert(&self, sub: &Arc<Subscription>) -> Result<(), InvalidSubject> {
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
        if self.importing.load(Ordering::SeqCst) {
            self.remove_images(&mut self.imports.lock(), sub);
        }
        self.remove(sub)
    }

    fn remove(&self, sub: &Arc<Subscription>) -> bool {
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
        let importing = self.importing.load(Ordering::SeqCst);
        {
            let mut imports = importing.then(|| self.imports.lock());
            let mut subs = self.subs.write();
            for sub in gone {
                sub.close();
                if let Some(imports) = &mut imports {
                    self.remove_images(imports, sub);
                }
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

    /// Ends some subscriptions of the server's own and adds others in one step: no message meets
    /// both, or neither.
    pub fn replace_all(&self, old: &[Arc<Subscription>], fresh: &[Arc<Subscription>]) {
        if old.is_empty() && fresh.is_empty() {
            return;
        }
        {
            let mut subs = self.subs.write();
            for sub in fresh {
                // What is no subject has no messages.
                let _ = subs.insert(&sub.pattern, sub.queue.as_deref(), Arc::clone(sub));
            }
            for sub in old {
                sub.close();
                subs.remove(&sub.pattern, sub.queue.as_deref(), |other| Arc::ptr_eq(other, sub));
            }
            self.generation.fetch_add(1, Ordering::Release);
        }
        old.iter().chain(fresh).for_each(|sub| self.notify(&sub.pattern));
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

    /// Where a request goes that another account serves: its subjects, and the subject there.
    /// `None` where it stays here. Imports may lead on to further accounts, up to a few.
    pub fn served_by(self: &Arc<Self>, subject: &[u8]) -> Option<(Arc<SubjectSpace>, Vec<u8>)> {
        /// Longer chains are taken for cycles.
        const MOST_STEPS: usize = 8;
        let (mut space, mut subject) = (Arc::clone(self), subject.to_vec());
        for step in 0..MOST_STEPS {
            let mut found = MatchResult::default();
            space.match_into(&subject, &mut found);
            let import = found.plain.iter().find_map(|sub| match &sub.target {
                Target::Import(import) => Some(Arc::clone(import)),
                _ => None,
            });
            let Some(import) = import else {
                return (step > 0).then_some((space, subject));
            };
            space = import.exporter.upgrade()?;
            subject = import.rewrite.apply(&subject).unwrap_or(subject);
        }
        None
    }

    /// Whether messages on this subject are imported from that account.
    pub fn imports_from(&self, exporter: &Arc<SubjectSpace>, subject: &[u8]) -> bool {
        let imports = self.imports.lock();
        imports.all.iter().any(|import| {
            let theirs = import.exporter.upgrade();
            theirs.is_some_and(|space| Arc::ptr_eq(&space, exporter))
                && subject::is_subset(subject, &import.to)
        })
    }

    /// Replaces what is imported from other accounts; images of all subscriptions follow
    /// (`server/client.go` `processSubsOnConfigReload`).
    pub fn set_stream_imports(self: &Arc<Self>, imports: Vec<StreamImport>) {
        let mut state = self.imports.lock();
        if imports.is_empty() && state.all.is_empty() {
            return;
        }
        state.all = imports.into_iter().map(Arc::new).collect();
        // Before the subscriptions are looked through: whoever subscribes now sees it, or is seen.
        self.importing.store(true, Ordering::SeqCst);
        let old = std::mem::take(&mut state.images);
        for sub in self.subscriptions() {
            self.add_images(&mut state, &sub);
        }
        // New ones first, so that no message falls between.
        for image in old.into_values().flatten() {
            image.end();
        }
        if state.all.is_empty() {
            self.importing.store(false, Ordering::SeqCst);
        }
    }

    fn add_images(self: &Arc<Self>, state: &mut StreamImports, sub: &Arc<Subscription>) {
        let key = Arc::as_ptr(sub) as usize;
        // Whoever ends it takes the lock afterwards.
        if sub.is_shadow() || sub.is_closed() || state.images.contains_key(&key) {
            return;
        }
        let mut images = Vec::new();
        for import in &state.all {
            let Some(pattern) = shadow::pattern_in_exporter(import, &sub.pattern) else { continue };
            let Some(exporter) = import.exporter.upgrade() else { continue };
            let Some(image) = Subscription::shadow_of(sub, self, import, &pattern) else { break };
            // An import's subjects were checked; a pattern that is none has no messages either.
            if exporter.insert(&image).is_ok() {
                images.push(Image { exporter: Weak::clone(&import.exporter), sub: image });
            }
        }
        if !images.is_empty() {
            state.images.insert(key, images);
        }
    }

    fn remove_images(&self, state: &mut StreamImports, sub: &Arc<Subscription>) {
        let images = state.images.remove(&(Arc::as_ptr(sub) as usize));
        images.into_iter().flatten().for_each(Image::end);
    }

    /// Replaces the mappings of what is published here.
    pub fn set_mappings(&self, mappings: Mappings) {
        let some = !mappings.is_empty();
        self.mappings.store(some.then(|| Arc::new(mappings)));
        self.mapping.store(some, Ordering::Release);
    }

    /// Whether anything published here may go elsewhere.
    #[inline]
    pub fn has_mappings(&self) -> bool {
        self.mapping.load(Ordering::Relaxed)
    }

    pub(crate) fn mappings(&self) -> Option<Arc<Mappings>> {
        self.mappings.load_full()
    }

    /// A reply subject of this account that stands for `to` in the account that asks.
    pub(crate) fn owe_response(
        self: &Arc<Self>,
        asker: &Arc<SubjectSpace>,
        to: &[u8],
        export: &Arc<ServiceExport>,
    ) -> Vec<u8> {
        let (reply, first) = self.responses.add(Arc::downgrade(asker), to, export);
        if first {
            let all = Subscription::internal(&self.responses.pattern(), Target::Responses);
            // The pattern is made of digits and letters.
            let _ = self.insert(&all);
        }
        reply
    }

    pub(crate) fn response(&self, reply: &[u8]) -> Option<Response> {
        self.responses.get(reply)
    }

    pub(crate) fn touch_response(&self, reply: &[u8]) {
        self.responses.touch(reply);
    }

    pub(crate) fn settle_response(&self, reply: &[u8]) {
        self.responses.remove(reply);
    }

    /// Answers to other accounts that are still owed (`server/accounts.go`
    /// `NumPendingAllResponses`).
    pub fn pending_responses(&self) -> usize {
        self.responses.len()
    }

    /// Forgets answers that are overdue (`server/accounts.go` `checkExpiredResponses`).
    pub fn expire_responses(&self) {
        self.responses.expire();
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
