//! The stream: its store, its consumers, and the order in which things happen.

mod batch;
mod commit;
mod consumers;
mod control;
pub(crate) mod dedup;
mod direct;
mod info;
mod markers;
mod origins;
mod publish;
mod registry;
mod retention;
mod round;
mod schedules;
mod serve;
mod snapshot;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;

use js_account::StreamQuota;
use store::{Purge, StreamStore};
use subject::Transform;
use types::advisory::{Action, Advisory};
use types::{ApiError, PersistMode, Retention, StreamConfig, Timestamp, errors};

pub use direct::DirectGet;
pub use origins::GoneReader;
pub use publish::Publish;
pub use round::Ready;
pub use snapshot::{SnapshotConsumers, SnapshotStart};

use crate::consumer::{Cause, Io, Notes, Rng};
use crate::ctx::{Ctx, StreamEnv};
use crate::effects::Effects;
use crate::errors::store_failed;
use crate::origins::Origins;
use crate::schedule::Schedules;
use batch::Batches;
use dedup::Dedup;
use registry::Consumers;

/// A deadline that never comes.
const NEVER: u64 = u64::MAX;

/// What makes a stream.
pub struct StreamParts {
    /// Account name.
    pub account: String,
    /// Checked configuration.
    pub config: StreamConfig,
    /// Creation time.
    pub created: Timestamp,
    /// Its messages.
    pub store: Box<dyn StreamStore>,
    /// What it charges to its account and server.
    pub quota: StreamQuota,
    /// Settings of the server.
    pub env: Arc<StreamEnv>,
}

/// One stream with its consumers. One owner calls it; see the crate's documentation.
pub struct Stream {
    account: String,
    config: StreamConfig,
    created: Timestamp,
    pub(crate) store: Box<dyn StreamStore>,
    quota: StreamQuota,
    env: Arc<StreamEnv>,
    consumers: Consumers,
    /// `{"stream":"S","seq":`
    ack_prefix: Vec<u8>,
    /// What goes out with the next commit.
    held: Effects,
    /// Consumers whose progress must be stored with the next commit, with the reply subjects of
    /// their acks in `confirms`.
    confirming: Vec<u32>,
    confirms: Effects,
    advisories: Vec<Advisory>,
    dedup: Dedup,
    batches: Batches,
    schedules: Schedules,
    pub(crate) origins: Origins,
    gone_readers: Vec<GoneReader>,
    last_msg_id: Vec<u8>,
    last_seq: u64,
    last_ts: Timestamp,
    /// Highest sequence that consumers may see.
    committed: u64,
    /// The store could neither write nor take back what is above `committed`.
    failed: bool,
    /// Something that a client waits for was written since the last commit.
    needs_sync: bool,
    sync_at: u64,
    /// When a store that failed is asked to go on.
    heal_at: u64,
    /// The store failed when it was last looked at.
    troubled: bool,
    /// Nothing expires before: a marker could not be stored.
    expire_from: u64,
    input: Option<Transform>,
    republish: Option<Transform>,
    /// Consumers that may have something to deliver.
    ready: VecDeque<u32>,
    wake: u64,
    settled: Vec<u64>,
    scratch: Vec<u8>,
    rng: Rng,
    closed: bool,
}

impl Stream {
    /// A new stream; its store must be fresh.
    ///
    /// # Errors
    /// 10077 if the store fails, 10155/10156 for a transform that cannot be made.
    pub fn new(ctx: &Ctx<'_>, parts: StreamParts, fx: &mut Effects) -> Result<Self, ApiError> {
        let mut stream = Stream::open(parts)?;
        let first = stream.config.first_seq;
        if first > stream.store.totals().first_seq {
            let purge = Purge { below_seq: first, ..Purge::default() };
            stream.store.purge(&purge, &mut |_| {}).map_err(|e| store_failed(&e))?;
        }
        stream.note_last();
        stream.committed = stream.last_seq;
        stream.tell(Action::Create, fx);
        stream.plan_wake(ctx);
        Ok(stream)
    }

    /// A stream whose store was recovered, with the consumers that the store found.
    ///
    /// # Errors
    /// As [`Stream::new`].
    pub fn recover(ctx: &Ctx<'_>, parts: StreamParts, fx: &mut Effects) -> Result<Self, ApiError> {
        let mut stream = Stream::open(parts)?;
        // A restore has charged the quota already.
        stream.settle_quota();
        stream.note_last();
        stream.committed = stream.last_seq;
        // Before anything else goes: it looks at what is stored.
        stream.recover_origins()?;
        stream.rebuild_dedup(ctx)?;
        stream.recover_consumers(ctx, fx)?;
        stream.finish_cut_batch(ctx)?;
        stream.committed = stream.last_seq;
        stream.drop_unneeded(ctx)?;
        stream.recover_schedules(ctx)?;
        stream.expire_at_recovery(ctx);
        stream.watch_store(ctx);
        stream.plan_wake(ctx);
        Ok(stream)
    }

    fn open(parts: StreamParts) -> Result<Self, ApiError> {
        let StreamParts { account, config, created, store, quota, env } = parts;
        let mut stream = Stream {
            account,
            created,
            store,
            quota,
            consumers: Consumers::default(),
            ack_prefix: Vec::new(),
            held: Effects::new(),
            confirming: Vec::new(),
            confirms: Effects::new(),
            advisories: Vec::new(),
            dedup: Dedup::new(config.duplicate_window_ns),
            batches: Batches::new(Arc::clone(&env.open_batches)),
            schedules: Schedules::default(),
            origins: Origins::default(),
            gone_readers: Vec::new(),
            last_msg_id: Vec::new(),
            last_seq: 0,
            last_ts: Timestamp::ZERO,
            committed: 0,
            failed: false,
            needs_sync: false,
            sync_at: NEVER,
            heal_at: NEVER,
            troubled: false,
            expire_from: 0,
            input: None,
            republish: None,
            ready: VecDeque::new(),
            wake: NEVER,
            settled: Vec::new(),
            scratch: Vec::new(),
            rng: Rng::new(env.seed ^ created.unix_ns().unsigned_abs()),
            closed: false,
            config,
            env,
        };
        stream.ack_prefix = ack_prefix(&stream.config.name, &stream.env.domain);
        stream.make_transforms()?;
        stream.make_feeds()?;
        Ok(stream)
    }

    fn make_transforms(&mut self) -> Result<(), ApiError> {
        let input = match &self.config.subject_transform {
            Some(t) => Some(
                Transform::new(&t.src, &t.dest)
                    .map_err(|e| errors::STREAM_TRANSFORM_INVALID_DESTINATION.with(e))?,
            ),
            None => None,
        };
        let republish = match &self.config.republish {
            Some(r) => {
                let or_all = |s: &str| if s.is_empty() { ">".to_owned() } else { s.to_owned() };
                Some(
                    Transform::new(&or_all(&r.src), &or_all(&r.dest))
                        .map_err(|e| errors::STREAM_INVALID_CONFIG.with(e))?,
                )
            }
            None => None,
        };
        self.input = input;
        self.republish = republish;
        Ok(())
    }

    /// Stream name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Account name.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Configuration.
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// Creation time.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What it charges.
    pub fn quota(&self) -> &StreamQuota {
        &self.quota
    }

    /// Whether [`Stream::commit`] has anything to do.
    pub fn is_dirty(&self) -> bool {
        !self.held.is_empty()
            || !self.confirming.is_empty()
            || !self.advisories.is_empty()
            || self.needs_sync
            || self.origins.is_due()
            || self.store.is_dirty()
    }

    /// Earliest time, on the monotonic clock, at which [`Stream::tick`] has something to do. May
    /// be earlier than necessary, never later.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        (self.wake != NEVER).then_some(self.wake)
    }

    fn durability(&self) -> store::Durability {
        match (self.env.sync, self.config.persist_mode) {
            (crate::SyncPolicy::Always, PersistMode::Default) => store::Durability::Synced,
            _ => store::Durability::Written,
        }
    }

    fn note_last(&mut self) {
        let totals = self.store.totals();
        self.last_seq = totals.last_seq;
        self.last_ts = totals.last_ts;
    }

    /// Brings the quota to what the store holds, after calls that change much at once.
    fn settle_quota(&self) {
        let (held, charged) = (self.store.totals().bytes, self.quota.used());
        if held > charged {
            self.quota.adopt(held - charged);
        } else {
            self.quota.credit(charged - held);
        }
    }

    fn tell(&self, action: Action, fx: &mut Effects) {
        fx.advisory(Advisory::StreamAction {
            stream: self.config.name.clone(),
            action,
            domain: self.env.domain.clone(),
        });
    }

    /// Calls one consumer with everything else of the stream at hand, then sees to what it
    /// settled and whether it wants to be served.
    fn with_consumer<R>(
        &mut self,
        slot: u32,
        ctx: &Ctx<'_>,
        fx: &mut Effects,
        call: impl FnOnce(&mut crate::consumer::Consumer, &mut Io<'_, '_>) -> R,
    ) -> Option<R> {
        let consumer = self.consumers.get_mut(slot)?;
        let mut io = Io {
            store: &mut *self.store,
            ctx,
            fx,
            env: &self.env,
            account: &self.account,
            stream: &self.config.name,
            retention: self.config.retention,
            settled: &mut self.settled,
            last: self.committed,
            rng: &mut self.rng,
        };
        let result = call(consumer, &mut io);
        self.wake = self.wake.min(consumer.wake);
        if std::mem::take(&mut consumer.wake_for_delivery) && consumer.wants_messages() {
            mark_ready(consumer, slot, &mut self.ready);
        }
        Some(result)
    }

    /// Tells consumers and quota about messages that leave, while `call` works on the store.
    fn with_removals<R>(
        &mut self,
        cause: Cause,
        ctx: &Ctx<'_>,
        call: impl FnOnce(&mut dyn StreamStore, store::OnRemoved<'_>) -> R,
    ) -> R {
        let Stream {
            store,
            consumers,
            schedules,
            origins,
            quota,
            advisories,
            config,
            env,
            ready,
            ..
        } = self;
        let mut notes = Notes {
            advisories,
            stream: &config.name,
            domain: &env.domain,
            now: ctx.now,
            mono_ns: ctx.mono_ns,
        };
        let (mut wake, mut woken) = (NEVER, false);
        let result = call(&mut **store, &mut |gone| {
            quota.credit(gone.bytes);
            schedules.removed(gone.seq, gone.subject);
            origins.removed(gone.seq);
            for consumer in consumers.iter_mut() {
                consumer.removed(&gone, cause, &mut notes);
                wake = wake.min(consumer.wake);
                woken |= consumer.wake_for_delivery;
            }
        });
        if woken {
            for (slot, consumer) in consumers.slots_mut() {
                if std::mem::take(&mut consumer.wake_for_delivery) && consumer.wants_messages() {
                    mark_ready(consumer, slot, ready);
                }
            }
        }
        self.wake = self.wake.min(wake);
        if self.origins.take_room() {
            self.wake = 0;
        }
        result
    }

    fn is_interest_based(&self) -> bool {
        self.config.retention != Retention::Limits
    }
}

/// Puts a consumer into the list of those to serve.
fn mark_ready(consumer: &mut crate::consumer::Consumer, slot: u32, ready: &mut VecDeque<u32>) {
    if !consumer.ready {
        consumer.ready = true;
        ready.push_back(slot);
    }
}

/// The start of every publish ack.
fn ack_prefix(stream: &str, domain: &str) -> Vec<u8> {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut prefix = format!("{{\"stream\":{}", quoted(stream));
    if !domain.is_empty() {
        prefix.push_str(&format!(",\"domain\":{}", quoted(domain)));
    }
    prefix.push_str(",\"seq\":");
    prefix.into_bytes()
}
