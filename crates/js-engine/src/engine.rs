//! The engine of a server: its shards, its limits, its accounts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use env::{Clock, Rng};
use js_account::{AccountUsage, ServerUsage};
use parking_lot::{Mutex, RwLock};
use routing::SubjectSpace;
use store::StoreError;
use stream::StreamEnv;
use types::{AccountLimits, ApiError, EngineStats, Timestamp, errors};

use crate::account::JsAccount;
use crate::assigned::Assignments;
use crate::capacity::{Statistics, diff_checked_limits, sufficient_resources};
use crate::ids::Ids;
use crate::recount::Recounter;
use crate::settings::EngineSettings;
use crate::shard::{Inbox, Input, Shard};
use crate::standalone::Standing;
use crate::stores::Stores;

/// What the engine takes from outside.
#[derive(Clone)]
pub struct EngineParts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where streams are stored.
    pub stores: Arc<dyn Stores>,
}

/// Why an account could not be enabled.
#[derive(Debug, thiserror::Error)]
pub enum EnableError {
    /// Its limits do not fit into the server's.
    #[error("{0}")]
    Limits(ApiError),
    /// What is stored for it cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What accounts and shards share.
pub(crate) struct Core {
    pub(crate) settings: EngineSettings,
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) stream_env: Arc<StreamEnv>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    inboxes: Vec<(Arc<Inbox>, AtomicU32)>,
    next_shard: AtomicUsize,
    pub(crate) statistics: OnceLock<Arc<dyn Statistics>>,
    pub(crate) assignments: OnceLock<Arc<dyn Assignments>>,
    /// Enabled accounts, for streams that read those of other accounts.
    accounts: Mutex<Vec<Weak<JsAccount>>>,
    /// Held to count usage again; shared by whoever charges on no shard.
    pub(crate) recounting: RwLock<()>,
}

impl Core {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ns(self.clock.wall_ns())
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Lets all shards rest while `work` runs. Not for a shard's own thread; one caller at a time,
    /// or two would wait for each other.
    pub(crate) fn while_paused(&self, work: impl FnOnce()) {
        let (resume, until) = crossbeam_channel::bounded(0);
        let (paused, rests) = crossbeam_channel::unbounded();
        for (inbox, _) in &self.inboxes {
            inbox.send(Input::Pause { paused: paused.clone(), until: until.clone() });
        }
        drop(paused);
        // A shard that has ended drops its sender unused.
        rests.iter().take(self.inboxes.len()).for_each(drop);
        work();
        drop(resume);
    }

    /// The enabled account with these subscriptions.
    pub(crate) fn account_of(&self, space: &Arc<SubjectSpace>) -> Option<Arc<JsAccount>> {
        let mut accounts =
            self.accounts.lock().iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
        accounts.retain(|account| Arc::ptr_eq(account.space(), space));
        accounts.pop()
    }

    /// An account comes, or one of the same name is gone.
    fn note_account(&self, name: &str, account: Option<&Arc<JsAccount>>) {
        let mut accounts = self.accounts.lock();
        accounts.retain(|held| held.upgrade().is_some_and(|held| held.name() != name));
        accounts.extend(account.map(Arc::downgrade));
    }

    /// A place for one more stream: shards take turns.
    pub(crate) fn place(&self) -> (Arc<Inbox>, u32) {
        let turn = self.next_shard.fetch_add(1, Ordering::Relaxed);
        let at = turn % self.inboxes.len().max(1);
        match self.inboxes.get(at) {
            Some((inbox, slots)) => (Arc::clone(inbox), slots.fetch_add(1, Ordering::Relaxed)),
            // There is always at least one shard; an inbox that nobody reads answers nothing.
            None => (Inbox::new(usize::MAX, self.settings.inbox).0, 0),
        }
    }
}

/// JetStream of one server.
pub struct Engine {
    core: Arc<Core>,
    usage: Arc<ServerUsage>,
    accounts: Mutex<BTreeMap<String, Arc<JsAccount>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    started: OnceLock<Timestamp>,
    disabled: AtomicBool,
    shutting_down: AtomicBool,
    out_of_space: AtomicBool,
    pub(crate) standing: Standing,
    /// Held while an account is enabled or disabled, or all are torn down.
    enrolling: Mutex<Torn>,
}

/// Whether the registry was torn down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Torn {
    No,
    Yes,
}

impl Engine {
    /// Starts the shards; no account is enabled yet.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn start(settings: EngineSettings, parts: EngineParts) -> std::io::Result<Arc<Self>> {
        let ids = Arc::new(Ids::new(Arc::clone(&parts.rng)));
        let mut inboxes = Vec::new();
        let mut threads = Vec::new();
        for n in 0..settings.shard_count() {
            let (inbox, rx) = Inbox::new(n, settings.inbox);
            let shard =
                Shard::new(Arc::clone(&inbox), rx, Arc::clone(&parts.clock), Arc::clone(&ids));
            let thread = std::thread::Builder::new().name(format!("shard-{n}"));
            threads.push(thread.spawn(move || shard.run())?);
            inboxes.push((inbox, AtomicU32::new(0)));
        }
        let stream_env = Arc::new(StreamEnv {
            server_name: settings.server_name.clone(),
            domain: settings.domain.clone(),
            sync: settings.sync,
            max_payload: settings.max_payload,
            max_pending: settings.max_pending,
            batch: settings.batch,
            open_batches: Arc::default(),
            seed: parts.rng.next_u64()?,
        });
        let usage = ServerUsage::new(settings.limits);
        let core = Arc::new(Core {
            settings,
            stores: parts.stores,
            stream_env,
            clock: parts.clock,
            ids,
            inboxes,
            next_shard: AtomicUsize::new(0),
            statistics: OnceLock::new(),
            assignments: OnceLock::new(),
            accounts: Mutex::default(),
            recounting: RwLock::default(),
        });
        Ok(Arc::new(Engine {
            core,
            usage,
            accounts: Mutex::new(BTreeMap::new()),
            threads: Mutex::new(threads),
            started: OnceLock::new(),
            disabled: AtomicBool::new(false),
            shutting_down: AtomicBool::new(false),
            out_of_space: AtomicBool::new(false),
            standing: Standing::default(),
            enrolling: Mutex::new(Torn::No),
        }))
    }

    /// Settings it was started with.
    pub fn settings(&self) -> &EngineSettings {
        &self.core.settings
    }

    /// Says that the start is done: every account is enabled. Only the first call counts.
    ///
    /// Wire source: `setStarted` in `server/jetstream.go`.
    pub fn set_started(&self) {
        mark::hit!(F1388);
        let _ = self.started.set(self.now());
    }

    /// When the start was done; `None` before that, and for ever where it failed.
    pub fn started(&self) -> Option<Timestamp> {
        self.started.get().copied()
    }

    /// Whether there is an engine that may be used, started or not.
    ///
    /// Wire source: `isEnabled` in `server/jetstream.go`.
    pub fn is_enabled(engine: Option<&Engine>) -> bool {
        mark::hit!(F1389);
        engine.is_some_and(|engine| !engine.disabled.load(Ordering::Acquire))
    }

    /// Says that the engine is not to be used any more.
    pub fn set_disabled(&self) {
        self.disabled.store(true, Ordering::Release);
    }

    /// Whether somebody reacts to a full disk already; from now on somebody does.
    pub fn test_and_set_out_of_space(&self) -> bool {
        self.out_of_space.swap(true, Ordering::AcqRel)
    }

    /// Whether the engine is being stopped, or was.
    ///
    /// Wire source: `isShuttingDown` in `server/jetstream.go`.
    pub fn is_shutting_down(&self) -> bool {
        mark::hit!(F1394);
        self.shutting_down.load(Ordering::Acquire)
    }

    /// Names who tells other servers of changed reservations; the first one stays.
    pub fn tell_statistics(&self, statistics: Arc<dyn Statistics>) {
        let _ = self.core.statistics.set(statistics);
    }

    /// Names who knows what the cluster assigned; the first one stays.
    pub fn assigned_by(&self, assignments: Arc<dyn Assignments>) {
        let _ = self.core.assignments.set(assignments);
    }

    /// Usage and limits of the server.
    pub fn usage(&self) -> &Arc<ServerUsage> {
        &self.usage
    }

    /// The report of `/varz` and `/jsz`.
    ///
    /// Wire source: `usageStats` in `server/jetstream.go`.
    pub fn stats(&self) -> EngineStats {
        mark::hit!(F1440);
        self.usage.stats()
    }

    /// Maker of unique ids.
    pub fn ids(&self) -> &Arc<Ids> {
        &self.core.ids
    }

    /// The wall clock as the engine sees it.
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Enables JetStream for an account and recovers what is stored for it. Waits until every
    /// stream is served or known to be broken; not for a thread that must not block.
    ///
    /// Of an account that is enabled already nothing changes.
    ///
    /// # Errors
    /// See [`EnableError`]; nothing is enabled then.
    pub fn enable_account(
        &self,
        name: &str,
        space: &Arc<SubjectSpace>,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Result<Arc<JsAccount>, EnableError> {
        let torn = self.enrolling.lock();
        if *torn == Torn::Yes {
            return Err(EnableError::Limits(errors::NOT_ENABLED.err()));
        }
        let known = self.accounts.lock().get(name).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let usage = self.enrol(name, limits).map_err(EnableError::Limits)?;
        usage.recount_by(Recounter::new(&self.core, &usage));
        let found = match self.core.stores.open_account(name) {
            Ok(found) => found,
            Err(error) => {
                self.usage.remove(name);
                return Err(error.into());
            }
        };
        let account = JsAccount::new(name, Arc::clone(&self.core), Arc::clone(space), usage);
        self.core.note_account(name, Some(&account));
        let (tx, rx) = crossbeam_channel::unbounded();
        let expected = found.len();
        for found in found {
            account.recover(found, tx.clone());
        }
        drop(tx);
        for () in rx.iter().take(expected) {}
        self.accounts.lock().insert(name.to_owned(), Arc::clone(&account));
        Ok(account)
    }

    /// Enrols an account, or changes its limits, if the server has so much.
    fn enrol(
        &self,
        name: &str,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Result<Arc<AccountUsage>, ApiError> {
        self.usage.enrol_if(&name.into(), limits, |accounts| {
            let none = BTreeMap::new();
            let held = accounts.get(name).map_or(none, |account| account.limits());
            let ask = diff_checked_limits(&held, limits);
            sufficient_resources(&self.usage, accounts, &ask)
        })
    }

    /// Replaces the limits of an enabled account; check and change are one step.
    ///
    /// # Errors
    /// 10039 where it is not enabled; 10028 or 10047 where the server has not so much, and
    /// nothing changes.
    pub fn update_account_limits(
        &self,
        name: &str,
        limits: &BTreeMap<String, AccountLimits>,
    ) -> Result<(), ApiError> {
        let _turn = self.enrolling.lock();
        let known = self.accounts.lock().contains_key(name);
        if !known {
            return Err(errors::NOT_ENABLED_FOR_ACCOUNT.err());
        }
        self.enrol(name, limits).map(drop)
    }

    /// Takes an account off the register, then stops its streams; what is stored stays. Waits.
    ///
    /// Wire source: `disableJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// 10039 where the account is not enabled.
    pub fn disable_account(&self, name: &str) -> Result<(), ApiError> {
        let _turn = self.enrolling.lock();
        let account = self.accounts.lock().remove(name);
        let account = account.ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())?;
        mark::hit!(F1415);
        self.core.note_account(name, None);
        self.usage.remove(name);
        account.usage().tear_down(|_| {});
        account.stop();
        Ok(())
    }

    /// An enabled account.
    ///
    /// Wire source: `lookupAccount` in `server/jetstream.go`.
    pub fn account(&self, name: &str) -> Option<Arc<JsAccount>> {
        mark::hit!(F1439);
        self.accounts.lock().get(name).cloned()
    }

    /// Removes everything that is stored for an account.
    pub(crate) fn discard_account(&self, name: &str) -> Result<(), StoreError> {
        self.core.stores.discard_account(name)
    }

    /// All enabled accounts by name.
    pub fn accounts(&self) -> Vec<Arc<JsAccount>> {
        self.accounts.lock().values().cloned().collect()
    }

    /// Flushes and stops every stream and ends the shards; true if all did so in time. No account
    /// is enabled after that, and none can be.
    pub fn stop(&self, within: Duration) -> bool {
        self.shutting_down.store(true, Ordering::Release);
        self.stop_listening();
        *self.enrolling.lock() = Torn::Yes;
        let accounts = std::mem::take(&mut *self.accounts.lock());
        for account in accounts.values() {
            account.usage().tear_down(|_| {});
        }
        // From here on nothing reaches the streams.
        let entries: Vec<_> = accounts.values().flat_map(|account| account.detach()).collect();
        for (inbox, _) in &self.core.inboxes {
            inbox.send(Input::Stop);
        }
        let deadline = Instant::now() + within;
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            while !thread.is_finished() {
                if Instant::now() >= deadline {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.join().is_err() {
                tracing::error!("a shard ended with a panic");
            }
        }
        for entry in &entries {
            entry.give_back();
        }
        for name in accounts.keys() {
            self.usage.remove(name);
        }
        true
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for (inbox, _) in &self.core.inboxes {
            inbox.send(Input::Stop);
        }
    }
}
