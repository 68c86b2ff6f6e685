//! An account's streams: created, found, changed, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use config_validate::asset_version;
use config_validate::consumer_config::ConsumerLimits;
use config_validate::repair::{SubjectRepair, clear_mirror_duplicate_window, repair_subjects};
use config_validate::stream_config::{
    StreamLimits, Strictness, check_stream_config_among, check_stream_create,
    check_stream_update_among, unsupported_feature,
};
use js_account::AccountUsage;
use parking_lot::{Mutex, MutexGuard};
use routing::SubjectSpace;
use stream::{Ctx, Effects, Stream, StreamParts};
use types::{
    AccountStats, ApiError, Storage, StreamConfig, StreamConfigRequest, StreamInfo, Timestamp,
    errors,
};

use crate::assigned::count_assigned;
use crate::capacity::check_all_limits;
use crate::engine::Core;
use crate::registry::{EntryParts, Knowledge, Standing, StreamEntry};
use crate::shard::{Close, Ending, Input, Open, TypedCall};
use crate::stores::Found;

/// Called once with the outcome, on a shard's thread or at once: must not block.
pub type Reply<R> = Box<dyn FnOnce(Result<R, ApiError>) + Send>;

/// Outcome of a create.
#[derive(Clone, Debug)]
pub struct CreatedStream {
    /// The stream.
    pub info: StreamInfo,
    /// False where the same stream was there already.
    pub is_new: bool,
}

/// What is known of a stream without asking its shard.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// Stream name.
    pub name: String,
    /// Configuration in force.
    pub config: Arc<StreamConfig>,
    /// When it was created.
    pub created: Timestamp,
    /// Why it is not served; `None` where it is.
    pub offline: Option<String>,
}

/// An account with JetStream.
pub struct JsAccount {
    name: String,
    core: Arc<Core>,
    space: Arc<SubjectSpace>,
    usage: Arc<AccountUsage>,
    streams: Mutex<BTreeMap<String, Arc<StreamEntry>>>,
}

impl JsAccount {
    pub(crate) fn new(
        name: &str,
        core: Arc<Core>,
        space: Arc<SubjectSpace>,
        usage: Arc<AccountUsage>,
    ) -> Arc<Self> {
        let streams = Mutex::new(BTreeMap::new());
        Arc::new(JsAccount { name: name.to_owned(), core, space, usage, streams })
    }

    /// Account name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account's subscriptions.
    pub fn space(&self) -> &Arc<SubjectSpace> {
        &self.space
    }

    /// Usage and limits.
    pub fn usage(&self) -> &Arc<AccountUsage> {
        &self.usage
    }

    /// The report of `$JS.API.INFO`.
    pub fn stats(&self) -> AccountStats {
        let mut stats = self.usage.stats(&self.core.settings.domain);
        if self.usage.server().is_clustered()
            && let Some(assignments) = self.core.assignments.get()
        {
            let is_flat = self.usage.limits().contains_key("");
            count_assigned(&mut stats, is_flat, &assignments.of_account(&self.name));
        }
        stats
    }

    /// Limits for the consumers of a stream.
    pub fn consumer_limits(&self, replicas: i64) -> Result<ConsumerLimits, ApiError> {
        Ok(ConsumerLimits {
            max_ack_pending: self.core.settings.limits.max_ack_pending,
            max_request_batch: self.core.settings.max_request_batch,
            account: self.usage.limits_for(replicas)?,
        })
    }

    /// All streams by name, those included that are not served.
    pub fn streams(&self) -> Vec<StreamView> {
        let entries = self.entries();
        let live = |e: &Arc<StreamEntry>| match e.standing() {
            Standing::Live => Some(None),
            Standing::Offline(reason) => Some(Some(reason)),
            Standing::Opening | Standing::Closing => None,
        };
        entries
            .iter()
            .filter_map(|e| {
                let (name, config) = (e.name().to_owned(), e.config());
                Some(StreamView { name, config, created: e.created(), offline: live(e)? })
            })
            .collect()
    }

    /// One stream by name.
    pub fn stream(&self, name: &str) -> Option<StreamView> {
        let entry = self.find(name).ok()?;
        Some(StreamView {
            name: name.to_owned(),
            config: entry.config(),
            created: entry.created(),
            offline: None,
        })
    }

    /// One stream by name, also where it is not served.
    pub fn lookup(&self, name: &str) -> Option<StreamView> {
        let entry = self.streams.lock().get(name).cloned()?;
        let offline = match entry.standing() {
            Standing::Live => None,
            Standing::Offline(reason) => Some(reason),
            Standing::Opening | Standing::Closing => return None,
        };
        let (name, config) = (name.to_owned(), entry.config());
        Some(StreamView { name, config, created: entry.created(), offline })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// All entries, locked.
    pub(crate) fn registered(&self) -> MutexGuard<'_, BTreeMap<String, Arc<StreamEntry>>> {
        self.streams.lock()
    }

    /// Whether the account still has this very entry.
    pub(crate) fn is_registered(&self, entry: &Arc<StreamEntry>) -> bool {
        self.streams.lock().get(entry.name()).is_some_and(|held| Arc::ptr_eq(held, entry))
    }

    fn entries(&self) -> Vec<Arc<StreamEntry>> {
        self.streams.lock().values().cloned().collect()
    }

    /// A stream that is served; 10059 where there is none, 10194 where it is out of service.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<StreamEntry>, ApiError> {
        let entry = self.streams.lock().get(name).cloned();
        let entry = entry.ok_or_else(|| errors::STREAM_NOT_FOUND.err())?;
        match entry.standing() {
            Standing::Live => Ok(entry),
            Standing::Offline(reason) => Err(errors::STREAM_OFFLINE_REASON.with(reason)),
            Standing::Opening | Standing::Closing => Err(errors::STREAM_NOT_FOUND.err()),
        }
    }

    /// Does something with a stream on its shard; `reply` gets the result once everything that
    /// happened in the same round is committed and sent.
    pub fn with_stream<R: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Stream, &Ctx<'_>, &mut Effects) -> Result<R, ApiError> + Send + 'static,
        reply: impl FnOnce(Result<R, ApiError>) + Send + 'static,
    ) {
        match self.find(name) {
            Err(error) => reply(Err(error)),
            Ok(entry) => {
                let call = Box::new(TypedCall::new(work, reply));
                entry.inbox().send(Input::Call { slot: entry.slot(), call });
            }
        }
    }

    /// Asks several streams the same; `reply` gets the answers in the order of `names`, without
    /// those of streams that are gone or refuse.
    pub fn with_streams<R: Send + 'static>(
        &self,
        names: Vec<String>,
        work: impl Fn(&mut Stream, &Ctx<'_>, &mut Effects) -> Result<R, ApiError>
        + Clone
        + Send
        + 'static,
        reply: impl FnOnce(Vec<R>) + Send + 'static,
    ) {
        if names.is_empty() {
            return reply(Vec::new());
        }
        let gather = Arc::new(Gather {
            left: Mutex::new((names.len(), Some(reply))),
            answers: Mutex::new(names.iter().map(|_| None).collect()),
        });
        for (i, name) in names.iter().enumerate() {
            let gather = Arc::clone(&gather);
            self.with_stream(name, work.clone(), move |answer| gather.take(i, answer.ok()));
        }
    }

    pub(crate) fn limits(&self, replicas: i64) -> Result<StreamLimits, ApiError> {
        Ok(StreamLimits {
            max_duplicate_window_ns: self.core.settings.max_duplicate_window_ns,
            account: self.usage.limits_for(replicas)?,
        })
    }

    /// Creates a stream (`server/stream.go` `addStreamWithAssignment`).
    ///
    /// A refused request leaves nothing behind: it is checked, then everything it needs is
    /// reserved, then it is made. Asking for a stream that is there just the same is no error.
    pub fn create_stream(
        self: &Arc<Self>,
        request: StreamConfigRequest,
        reply: impl FnOnce(Result<CreatedStream, ApiError>) + Send + 'static,
    ) {
        match self.claim_new(request) {
            Err(error) => reply(Err(error)),
            Ok(Claimed::Same(name)) => self.with_stream(
                &name,
                |stream, ctx, _| Ok(stream.brief_info(ctx)),
                |info| reply(info.map(|info| CreatedStream { info, is_new: false })),
            ),
            Ok(Claimed::New(entry)) => self.open_new(entry, None, Box::new(reply)),
            Ok(Claimed::Again { entry, before }) => {
                self.open_new(entry, Some(before), Box::new(reply));
            }
        }
    }

    /// Checks a new stream and reserves its name, subjects and bytes.
    fn claim_new(self: &Arc<Self>, request: StreamConfigRequest) -> Result<Claimed, ApiError> {
        let mut config = request.config;
        asset_version::mark_stream(&mut config);
        check_stream_create(&config)?;
        let limits = self.limits(config.num_replicas)?;
        let strictness = Strictness::from_pedantic(request.pedantic);
        let others = |name: &str| self.config_of(name);
        let mut config = check_stream_config_among(config, &limits, strictness, &others)?;
        check_supported(&config)?;
        self.check_origins(&config)?;
        let mut streams = self.streams.lock();
        let before = streams.get(&config.name).cloned();
        let adopts =
            |entry: &Arc<StreamEntry>| entry.is_unconfigured() && config.storage == Storage::File;
        if let Some(entry) = before.as_ref().filter(|entry| !adopts(entry)) {
            let held = entry.config();
            asset_version::take_over(&mut config.metadata, &held.metadata);
            let same = *held == config && entry.standing() == Standing::Live;
            return if same {
                Ok(Claimed::Same(config.name))
            } else {
                Err(errors::STREAM_NAME_EXIST.err())
            };
        }
        self.check_stream_count(&config)?;
        self.check_room(&config, 0)?;
        let reservation = self.core.reserve_stream_resources(&self.usage, &config)?;
        if streams.values().any(|other| other.overlaps(&config.subjects)) {
            return Err(errors::STREAM_SUBJECT_OVERLAP.err());
        }
        let (inbox, slot) = self.core.place();
        let entry = StreamEntry::new(EntryParts {
            account: Arc::downgrade(self),
            space: Arc::clone(&self.space),
            inbox,
            slot,
            created: self.core.now(),
            config,
            reservation,
            standing: Standing::Opening,
            knowledge: Knowledge::Configured,
            offline_consumers: BTreeMap::new(),
        });
        streams.insert(entry.name().to_owned(), Arc::clone(&entry));
        Ok(match before {
            None => Claimed::New(entry),
            Some(before) => Claimed::Again { entry, before },
        })
    }

    /// Whether the account may have one more stream.
    fn check_stream_count(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let limits = self.usage.select_limits(config.num_replicas);
        let (limits, tier) = limits.ok_or_else(|| errors::NO_LIMITS.err())?;
        let max = u64::try_from(limits.max_streams).unwrap_or(0);
        if max > 0 && self.usage.count_streams(&tier, config) >= max {
            return Err(errors::MAXIMUM_STREAMS_LIMIT.err());
        }
        Ok(())
    }

    /// Whether account and server have room for a stream beside the others, which with `own`
    /// reserve what they do. The guard that is taken next decides for good.
    fn check_room(&self, config: &StreamConfig, own: u64) -> Result<(), ApiError> {
        let limits = self.usage.select_limits(config.num_replicas);
        let (limits, tier) = limits.ok_or_else(|| errors::NO_LIMITS.err())?;
        let (memory, storage) = self.usage.reserved_by_others(&tier, &config.name);
        let reserved = match config.storage {
            Storage::Memory => memory,
            Storage::File => storage,
        };
        let reserved = reserved.saturating_add(own);
        check_all_limits(&limits, config, self.usage.server(), reserved, 0)
    }

    /// Makes the claimed stream on its shard; in place of one that lost its configuration, with
    /// what is stored of it.
    fn open_new(
        self: &Arc<Self>,
        entry: Arc<StreamEntry>,
        before: Option<Arc<StreamEntry>>,
        reply: Reply<CreatedStream>,
    ) {
        let account = Arc::clone(self);
        let making = Arc::clone(&entry);
        let adopts = before.is_some();
        let build = Box::new(move |ctx: &Ctx<'_>, fx: &mut Effects| {
            let config = (*making.config()).clone();
            let (stores, created) = (&account.core.stores, making.created());
            let store = match adopts {
                false => stores.create(&account.name, &config, created),
                true => stores.configure(&account.name, &config, created),
            };
            let store = store.map_err(|error| {
                tracing::warn!(account = account.name, stream = making.name(), %error,
                    "stream create failed");
                match adopts {
                    false => errors::STREAM_CREATE.with("error creating store for stream"),
                    true => errors::STREAM_NAME_EXIST.err(),
                }
            })?;
            let quota = making.quota()?;
            let parts = StreamParts {
                account: account.name.clone(),
                config,
                created: making.created(),
                store,
                quota,
                env: Arc::clone(&account.core.stream_env),
            };
            match adopts {
                false => Stream::new(ctx, parts, fx),
                true => Stream::recover(ctx, parts, fx),
            }
        });
        let account = Arc::clone(self);
        let made = Arc::clone(&entry);
        let opened =
            Box::new(move |outcome: Result<(&mut Stream, &Ctx<'_>, &mut Effects), ApiError>| {
                let outcome = outcome.map(|(stream, ctx, _)| {
                    made.go_live();
                    CreatedStream { info: stream.brief_info(ctx), is_new: true }
                });
                match (&outcome, before) {
                    (Ok(_), None) => {}
                    (Ok(_), Some(before)) => drop(before.give_back()),
                    (Err(_), None) => account.forget(&made),
                    (Err(_), Some(before)) => account.put_back(&made, before),
                }
                Box::new(move || reply(outcome)) as Box<dyn FnOnce() + Send>
            });
        let inbox = Arc::clone(entry.inbox());
        inbox.send(Input::Open(Open { entry, build, opened }));
    }

    /// Registers an entry again in place of one that did not come to be.
    fn put_back(&self, failed: &Arc<StreamEntry>, before: Arc<StreamEntry>) {
        let mut streams = self.streams.lock();
        if let Some(held) = streams.get_mut(failed.name())
            && Arc::ptr_eq(held, failed)
        {
            *held = before;
        }
        drop(streams);
        self.core.release_stream_resources(failed.give_back());
    }

    /// Takes an entry off the register; its reservation goes with it.
    pub(crate) fn forget(&self, entry: &Arc<StreamEntry>) {
        let mut streams = self.streams.lock();
        if streams.get(entry.name()).is_some_and(|held| Arc::ptr_eq(held, entry)) {
            streams.remove(entry.name());
        }
        drop(streams);
        self.core.release_stream_resources(entry.give_back());
    }

    /// Changes a stream (`server/stream.go` `updateWithAdvisory`); refused changes change nothing.
    pub fn update_stream(
        self: &Arc<Self>,
        request: StreamConfigRequest,
        reply: impl FnOnce(Result<StreamInfo, ApiError>) + Send + 'static,
    ) {
        let entry = match self.find(&request.config.name) {
            Ok(entry) => entry,
            Err(error) => return reply(Err(error)),
        };
        let account = Arc::clone(self);
        let changing = Arc::clone(&entry);
        let work = move |stream: &mut Stream, ctx: &Ctx<'_>, fx: &mut Effects| {
            account.apply_update(&changing, request, stream, ctx, fx)
        };
        let call = Box::new(TypedCall::new(work, reply));
        entry.inbox().send(Input::Call { slot: entry.slot(), call });
    }

    /// Runs on the stream's shard, so that updates of one stream come one after the other.
    fn apply_update(
        &self,
        entry: &Arc<StreamEntry>,
        request: StreamConfigRequest,
        stream: &mut Stream,
        ctx: &Ctx<'_>,
        fx: &mut Effects,
    ) -> Result<StreamInfo, ApiError> {
        let strictness = Strictness::from_pedantic(request.pedantic);
        let limits = self.limits(request.config.num_replicas)?;
        let held = entry.config();
        let others = |name: &str| self.config_of(name);
        let new = request.config;
        let mut config = check_stream_update_among(&held, new, &limits, strictness, &others)?;
        check_supported(&config)?;
        self.check_origins(&config)?;
        asset_version::mark_stream(&mut config);
        {
            let streams = self.streams.lock();
            let mut others = streams.values().filter(|other| !Arc::ptr_eq(other, entry));
            if others.any(|other| other.overlaps(&config.subjects)) {
                return Err(errors::STREAM_SUBJECT_OVERLAP.err());
            }
            entry.claim_too(&config.subjects);
        }
        let growth = config.max_bytes.max(0).saturating_sub(held.max_bytes.max(0));
        if growth > 0 {
            let grown = StreamConfig { max_bytes: growth, ..config.clone() };
            let before = u64::try_from(held.max_bytes).unwrap_or(0);
            if let Err(error) = self.check_room(&grown, before) {
                entry.settle_claims();
                return Err(error);
            }
        }
        let outcome =
            entry.with_reserved(config.max_bytes, || stream.update(ctx, config.clone(), fx));
        match outcome {
            Err(error) => {
                entry.settle_claims();
                Err(error)
            }
            Ok(()) => {
                if config.max_bytes != held.max_bytes {
                    self.core.reservations_changed(self.usage.server());
                }
                entry.changed(config);
                Ok(stream.brief_info(ctx))
            }
        }
    }

    /// Deletes a stream with all that is in it; `reply` comes when its files are gone.
    pub fn delete_stream(
        self: &Arc<Self>,
        name: &str,
        reply: impl FnOnce(Result<(), ApiError>) + Send + 'static,
    ) {
        let entry = self.streams.lock().get(name).cloned();
        let begun = entry.and_then(|entry| entry.begin_closing().map(|stood| (entry, stood)));
        let Some((entry, stood)) = begun else {
            return reply(Err(errors::STREAM_NOT_FOUND.err()));
        };
        entry.unsubscribe();
        let account = Arc::clone(self);
        let gone = Arc::clone(&entry);
        let closed = Box::new(move |outcome: Result<(), ApiError>| {
            let outcome = outcome.and_then(|()| match stood {
                // Nobody had opened what is stored of it.
                Standing::Offline(_) => account.discard(gone.name()),
                _ => Ok(()),
            });
            match &outcome {
                Ok(()) => account.forget(&gone),
                Err(error) => gone.closing_failed(&error.description),
            }
            Box::new(move || reply(outcome)) as Box<dyn FnOnce() + Send>
        });
        let close = Close { slot: entry.slot(), ending: Ending::Delete, closed };
        entry.inbox().send(Input::Close(close));
    }

    /// Removes what is stored of a stream that is not served.
    fn discard(&self, name: &str) -> Result<(), ApiError> {
        self.core.stores.discard(&self.name, name).map_err(|error| {
            tracing::error!(account = self.name, stream = name, %error, "stream delete failed");
            errors::STREAM_DELETE.with(error.to_string())
        })
    }

    /// Takes over what is stored for the account; `recovered` is told per stream.
    pub(crate) fn recover(
        self: &Arc<Self>,
        found: Found,
        recovered: crossbeam_channel::Sender<()>,
    ) {
        let knowledge = match &found {
            Found::Broken { config: None, .. } => Knowledge::NameOnly,
            Found::Broken { .. } | Found::Stream { .. } => Knowledge::Configured,
        };
        let mut offline_consumers = BTreeMap::new();
        let (mut config, created, store) = match found {
            Found::Stream { config, created, store } => (*config, created, Ok(store)),
            Found::Broken { name, config, reason, consumers } => {
                let bare = StreamConfig { name, num_replicas: 1, ..StreamConfig::default() };
                let config = config.map_or(bare, |config| *config);
                offline_consumers = consumers.into_iter().map(|c| (c.name, c.reason)).collect();
                (config, Timestamp::ZERO, Err(reason))
            }
        };
        let store = store.and_then(|store| match unsupported_feature(&config) {
            Some(feature) => Err(format!("unsupported - {feature}")),
            None => self.repair(&mut config).map(|()| store),
        });
        let reservation = match &store {
            Ok(_) => self.usage.adopt_stream(&config),
            // What is not served takes nothing.
            Err(_) => self.usage.list_stream(&config),
        };
        let (inbox, slot) = self.core.place();
        let standing = match &store {
            Ok(_) => Standing::Opening,
            Err(reason) => Standing::Offline(reason.clone()),
        };
        let entry = StreamEntry::new(EntryParts {
            account: Arc::downgrade(self),
            space: Arc::clone(&self.space),
            inbox,
            slot,
            created,
            config: config.clone(),
            reservation,
            standing,
            knowledge,
            offline_consumers,
        });
        self.streams.lock().insert(entry.name().to_owned(), Arc::clone(&entry));
        let store = match store {
            Ok(store) => store,
            Err(reason) => {
                tracing::error!(
                    account = self.name,
                    stream = entry.name(),
                    reason,
                    "stream is offline"
                );
                let _ = recovered.send(());
                return;
            }
        };
        let account = Arc::clone(self);
        let recovering = Arc::clone(&entry);
        let build = Box::new(move |ctx: &Ctx<'_>, fx: &mut Effects| {
            let quota = recovering.quota()?;
            let parts = StreamParts {
                account: account.name.clone(),
                config,
                created: recovering.created(),
                store,
                quota,
                env: Arc::clone(&account.core.stream_env),
            };
            Stream::recover(ctx, parts, fx)
        });
        let done = Arc::clone(&entry);
        let opened =
            Box::new(move |outcome: Result<(&mut Stream, &Ctx<'_>, &mut Effects), ApiError>| {
                match outcome {
                    Ok(_) => done.go_live(),
                    Err(error) => {
                        tracing::error!(stream = done.name(), %error, "stream is offline");
                        done.failed(&error.description);
                    }
                }
                let _ = recovered.send(());
                Box::new(|| {}) as Box<dyn FnOnce() + Send>
            });
        let inbox = Arc::clone(entry.inbox());
        inbox.send(Input::Open(Open { entry, build, opened }));
    }

    /// Mends what an old defect left in a stored configuration, and says so in the log.
    fn repair(&self, config: &mut StreamConfig) -> Result<(), String> {
        let name = config.name.clone();
        clear_mirror_duplicate_window(config);
        let repaired = repair_subjects(config).map_err(|bad| {
            tracing::warn!("  Detected bad subject {bad:?} while adding stream {name:?}, will attempt to repair");
            tracing::warn!("  Error recreating stream {name:?}: invalid subject");
            format!("invalid subject {bad:?}")
        })?;
        for SubjectRepair { was, is } in &repaired.subjects {
            tracing::warn!(
                "  Detected bad subject {was:?} while adding stream {name:?}, will attempt to repair"
            );
            tracing::warn!("  Bad subject {was:?} repaired to {is:?}");
        }
        if repaired.mirror {
            tracing::warn!("  Detected subjects on a mirrored stream {name:?}, will remove");
        }
        Ok(())
    }

    /// The consumers of a stream that is not served which themselves cannot be, with the reason;
    /// `None` for any other stream.
    pub fn offline_consumers(&self, stream: &str) -> Option<BTreeMap<String, String>> {
        let entry = self.streams.lock().get(stream).cloned()?;
        let offline = matches!(entry.standing(), Standing::Offline(_));
        offline.then(|| entry.offline_consumers().clone())
    }

    /// Stops all streams of the account and forgets them; what is stored stays. Waits.
    pub(crate) fn stop(&self) {
        let entries = self.detach();
        let (tx, rx) = crossbeam_channel::unbounded();
        for entry in &entries {
            let tx = tx.clone();
            let name = entry.name().to_owned();
            let closed = Box::new(move |outcome: Result<(), ApiError>| {
                if let Err(error) = outcome {
                    tracing::error!(stream = name, %error, "stopping");
                }
                Box::new(move || drop(tx)) as Box<dyn FnOnce() + Send>
            });
            let close = Close { slot: entry.slot(), ending: Ending::Stop, closed };
            entry.inbox().send(Input::Close(close));
        }
        drop(tx);
        let _: Result<(), _> = rx.recv();
        for entry in &entries {
            entry.give_back();
        }
    }

    /// Takes all streams off their subjects and off the register; what they do goes on.
    pub(crate) fn detach(&self) -> Vec<Arc<StreamEntry>> {
        let entries: Vec<_> = std::mem::take(&mut *self.streams.lock()).into_values().collect();
        for entry in &entries {
            entry.unsubscribe();
        }
        entries
    }
}

/// What a create request comes down to.
enum Claimed {
    /// It is there already, just so.
    Same(String),
    /// Its place is reserved.
    New(Arc<StreamEntry>),
    /// So is that of one that is there without a configuration.
    Again { entry: Arc<StreamEntry>, before: Arc<StreamEntry> },
}

/// Refuses what this server cannot do.
pub(crate) fn check_supported(config: &StreamConfig) -> Result<(), ApiError> {
    if config.num_replicas > 1 {
        return Err(errors::STREAM_REPLICAS_NOT_SUPPORTED.err());
    }
    match unsupported_feature(config) {
        Some(feature) => {
            Err(errors::STREAM_INVALID_CONFIG.with(format!("{feature} is not supported yet")))
        }
        None => Ok(()),
    }
}

/// Collects answers until the last one is in.
struct Gather<R, P> {
    left: Mutex<(usize, Option<P>)>,
    answers: Mutex<Vec<Option<R>>>,
}

impl<R, P: FnOnce(Vec<R>)> Gather<R, P> {
    fn take(&self, at: usize, answer: Option<R>) {
        if let Some(place) = self.answers.lock().get_mut(at) {
            *place = answer;
        }
        let reply = {
            let mut left = self.left.lock();
            left.0 = left.0.saturating_sub(1);
            if left.0 == 0 { left.1.take() } else { None }
        };
        if let Some(reply) = reply {
            let answers = std::mem::take(&mut *self.answers.lock());
            reply(answers.into_iter().flatten().collect());
        }
    }
}
