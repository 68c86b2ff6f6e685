//! A stream with a clock and clients that subscribe, and effects as text.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use std::path::Path;

use env::{Crash, SimDisk};
use js_account::{ServerLimits, ServerUsage, StreamReservation};
use store::{
    ConsumerMeta, ConsumerState, ConsumerStore, Durability, Erase, Filter, MemStore, MsgRef,
    NewMsg, OnRemoved, Purge, RecoveredConsumer, StoreError, StreamStore, Totals,
};
use types::api::ConsumerAction;
use types::{
    AccountLimits, AckPolicy, ApiError, ConsumerConfig, ConsumerInfo, StreamConfig, Timestamp,
};

use crate::{
    AckMsg, AckSubject, BatchLimits, ConsumerCreate, Ctx, DirectGet, Effects, Interest, Publish,
    Ready, Stream, StreamEnv, StreamParts, SyncPolicy,
};

pub(crate) const ACCOUNT_DIR: &str = "/js/A";
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SEC: u64 = 1_000 * MS;
/// 2026-01-02T03:04:05Z
pub(crate) const EPOCH: i64 = 1_767_323_045_000_000_000;

/// Subjects that somebody listens on.
#[derive(Default)]
pub(crate) struct Subs(RefCell<BTreeSet<(Vec<u8>, Vec<u8>)>>);

impl Interest for Subs {
    fn has_interest(&self, subject: &[u8]) -> bool {
        self.0.borrow().iter().any(|(pattern, _)| subject::matches(subject, pattern))
    }
    fn has_listener(&self, subject: &[u8], queue: &[u8]) -> bool {
        self.0.borrow().contains(&(subject.to_vec(), queue.to_vec()))
    }
}

/// Progress that survives a restart of the stream, by consumer.
pub(crate) type Saved =
    Arc<parking::Mutex<BTreeMap<String, (ConsumerMeta, Option<ConsumerState>)>>>;

/// A mutex without poisoning, for tests.
pub(crate) mod parking {
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);
    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(std::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

/// A memory store whose consumers' progress outlives it, and whose flush can be made to fail.
pub(crate) struct TestStore {
    inner: MemStore,
    saved: Saved,
    recovered: bool,
    fail: Arc<AtomicBool>,
    dirty: bool,
}

struct TestConsumer {
    name: String,
    saved: Saved,
}

impl ConsumerStore for TestConsumer {
    fn save(&mut self, state: &ConsumerState, _: Durability) -> Result<(), StoreError> {
        assert!(state.ack_floor.consumer <= state.delivered.consumer, "{state:?}");
        assert!(state.ack_floor.stream <= state.delivered.stream, "{state:?}");
        for p in &state.pending {
            assert!(p.stream_seq > state.ack_floor.stream, "{state:?}");
            assert!(p.stream_seq <= state.delivered.stream, "{state:?}");
        }
        if let Some(entry) = self.saved.lock().get_mut(&self.name) {
            entry.1 = Some(state.clone());
        }
        Ok(())
    }
    fn update_config(&mut self, meta: &ConsumerMeta) -> Result<(), StoreError> {
        if let Some(entry) = self.saved.lock().get_mut(&self.name) {
            entry.0 = meta.clone();
        }
        Ok(())
    }
    fn delete(&mut self) -> Result<(), StoreError> {
        self.saved.lock().remove(&self.name);
        Ok(())
    }
}

impl StreamStore for TestStore {
    fn append(&mut self, msg: NewMsg<'_>, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        self.dirty = true;
        self.inner.append(msg, removed)
    }
    fn skip_to(&mut self, next: u64) -> Result<(), StoreError> {
        self.dirty = true;
        self.inner.skip_to(next)
    }
    fn get(&mut self, seq: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        self.inner.get(seq)
    }
    fn next_match(&mut self, f: &Filter, from: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        self.inner.next_match(f, from)
    }
    fn last_match(&mut self, f: &Filter, up_to: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        self.inner.last_match(f, up_to)
    }
    fn last_seq_of(&mut self, subject: &[u8]) -> u64 {
        self.inner.last_seq_of(subject)
    }
    fn last_per_subject(&mut self, f: &Filter, up_to: u64) -> Vec<u64> {
        self.inner.last_per_subject(f, up_to)
    }
    fn count_from(&mut self, from: u64, f: &Filter) -> u64 {
        self.inner.count_from(from, f)
    }
    fn subject_totals(&mut self, f: &Filter, each: &mut dyn FnMut(&[u8], u64)) {
        self.inner.subject_totals(f, each);
    }
    fn seq_at_time(&mut self, ts: Timestamp) -> u64 {
        self.inner.seq_at_time(ts)
    }
    fn remove(&mut self, seq: u64, e: Erase, r: OnRemoved<'_>) -> Result<bool, StoreError> {
        self.dirty = true;
        self.inner.remove(seq, e, r)
    }
    fn purge(&mut self, p: &Purge, r: OnRemoved<'_>) -> Result<u64, StoreError> {
        self.dirty = true;
        self.inner.purge(p, r)
    }
    fn expire(&mut self, n: Timestamp, r: OnRemoved<'_>) -> Result<Option<Timestamp>, StoreError> {
        self.inner.expire(n, r)
    }
    fn next_due(&mut self, now: Timestamp) -> Result<Option<u64>, StoreError> {
        self.inner.next_due(now)
    }
    fn mortal(&self) -> usize {
        self.inner.mortal()
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.inner.next_expiry()
    }
    fn totals(&self) -> Totals {
        self.inner.totals()
    }
    fn deleted_runs(&self, each: &mut dyn FnMut(Range<u64>) -> ControlFlow<()>) {
        self.inner.deleted_runs(each)
    }
    fn lost(&self) -> Option<types::LostStreamData> {
        None
    }
    fn size_of(&self, s: usize, h: usize, p: usize) -> u64 {
        self.inner.size_of(s, h, p)
    }
    fn update_config(&mut self, c: &StreamConfig, r: OnRemoved<'_>) -> Result<(), StoreError> {
        self.inner.update_config(c, r)
    }
    fn is_dirty(&self) -> bool {
        self.dirty
    }
    fn flush(&mut self, d: Durability) -> Result<(), StoreError> {
        if self.fail.load(Ordering::Relaxed) {
            return Err(StoreError::NoSpace);
        }
        self.dirty = false;
        self.inner.flush(d)
    }
    fn create_consumer(
        &mut self,
        m: &ConsumerMeta,
        s: &ConsumerState,
    ) -> Result<Box<dyn ConsumerStore>, StoreError> {
        self.saved.lock().insert(m.name.clone(), (m.clone(), Some(s.clone())));
        Ok(Box::new(TestConsumer { name: m.name.clone(), saved: Arc::clone(&self.saved) }))
    }
    fn take_recovered_consumers(&mut self) -> Vec<RecoveredConsumer> {
        if std::mem::replace(&mut self.recovered, true) {
            return Vec::new();
        }
        let saved = self.saved.lock();
        let recover = |(meta, state): &(ConsumerMeta, Option<ConsumerState>)| RecoveredConsumer {
            meta: meta.clone(),
            state: state.clone(),
            store: Box::new(TestConsumer {
                name: meta.name.clone(),
                saved: Arc::clone(&self.saved),
            }),
        };
        saved.values().map(recover).collect()
    }
    fn stop(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
    fn delete(&mut self) -> Result<(), StoreError> {
        self.inner.delete()
    }
}

/// A stream and the world around it.
pub(crate) struct World {
    pub(crate) stream: Stream,
    pub(crate) subs: Subs,
    pub(crate) fx: Effects,
    pub(crate) mono: u64,
    pub(crate) fail: Arc<AtomicBool>,
    pub(crate) server: Arc<ServerUsage>,
    saved: Saved,
    disk: Option<SimDisk>,
    sync: SyncPolicy,
    reservation: StreamReservation,
}

pub(crate) fn config(subjects: &[&str]) -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        num_replicas: 1,
        duplicate_window_ns: 120_000_000_000,
        storage: types::Storage::Memory,
        ..StreamConfig::default()
    }
}

/// An explicit-ack durable pull consumer with the reference's defaults.
pub(crate) fn pull(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        durable_name: name.into(),
        name: name.into(),
        ack_policy: AckPolicy::Explicit,
        ack_wait_ns: 30_000_000_000,
        max_deliver: -1,
        max_ack_pending: 1000,
        max_waiting: 512,
        ..ConsumerConfig::default()
    }
}

/// A push consumer without acks.
pub(crate) fn push(name: &str, deliver: &str) -> ConsumerConfig {
    ConsumerConfig {
        ack_policy: AckPolicy::None,
        ack_wait_ns: 0,
        max_ack_pending: 0,
        max_waiting: 0,
        deliver_subject: deliver.into(),
        ..pull(name)
    }
}

fn env() -> Arc<StreamEnv> {
    env_with(SyncPolicy::Always)
}

fn env_with(sync: SyncPolicy) -> Arc<StreamEnv> {
    Arc::new(StreamEnv {
        server_name: "srv".into(),
        domain: String::new(),
        sync,
        max_payload: 1024 * 1024,
        max_pending: 64 * 1024 * 1024,
        seed: 7,
        batch: BatchLimits::default(),
        open_batches: Arc::default(),
    })
}

impl World {
    pub(crate) fn new(config: StreamConfig) -> Self {
        World::limited(config, AccountLimits::UNLIMITED)
    }

    pub(crate) fn limited(config: StreamConfig, limits: AccountLimits) -> Self {
        let server =
            ServerUsage::new(ServerLimits { max_memory: -1, max_storage: -1, max_ack_pending: 0 });
        let account = server.enrol(&"A".into(), &BTreeMap::from([(String::new(), limits)]));
        let reservation = account.adopt_stream(&config);
        let saved: Saved = Arc::new(parking::Mutex::new(BTreeMap::new()));
        let fail = Arc::new(AtomicBool::new(false));
        let store = TestStore {
            inner: MemStore::new(&config),
            saved: Arc::clone(&saved),
            recovered: true,
            fail: Arc::clone(&fail),
            dirty: false,
        };
        let subs = Subs::default();
        let ctx = Ctx { now: Timestamp::from_unix_ns(EPOCH), mono_ns: SEC, interest: &subs };
        let parts = StreamParts {
            account: "A".into(),
            config,
            created: Timestamp::from_unix_ns(EPOCH),
            store: Box::new(store),
            quota: reservation.quota(),
            env: env(),
        };
        let mut fx = Effects::new();
        let stream = Stream::new(&ctx, parts, &mut fx).unwrap();
        let sync = SyncPolicy::Always;
        let (mono, disk) = (SEC, None);
        let mut world =
            World { stream, subs, fx, mono, fail, server, saved, disk, sync, reservation };
        world.fx.clear();
        world
    }

    /// A stream in files on a simulated disk.
    pub(crate) fn on_disk(config: StreamConfig) -> Self {
        World::on_disk_with(config, SyncPolicy::Always)
    }

    /// As [`World::on_disk`], where acks need not wait for syncs.
    pub(crate) fn on_disk_with(mut config: StreamConfig, sync: SyncPolicy) -> Self {
        config.storage = types::Storage::File;
        let mut world = World::new(config);
        world.sync = sync;
        let disk = SimDisk::new();
        let created = world.stream.created();
        let options = store::FileStoreOptions::default();
        let store = store::FileStore::create(
            Arc::new(disk.clone()),
            Path::new(ACCOUNT_DIR),
            created,
            world.stream.config(),
            options,
        );
        let config = world.stream.config().clone();
        let parts = world.parts(config, created, Box::new(store.unwrap()));
        let mut fx = Effects::new();
        world.stream = Stream::new(&world.ctx(), parts, &mut fx).unwrap();
        world.disk = Some(disk);
        world
    }

    pub(crate) fn disk(&self) -> &SimDisk {
        self.disk.as_ref().expect("a stream on disk")
    }

    fn parts(
        &self,
        config: StreamConfig,
        created: Timestamp,
        store: Box<dyn StreamStore>,
    ) -> StreamParts {
        let quota = self.reservation.quota();
        let env = env_with(self.sync);
        StreamParts { account: "A".into(), config, created, store, quota, env }
    }

    /// The process or the machine dies, and the stream is opened again from its files.
    pub(crate) fn crash(&mut self, crash: Crash) {
        let disk = self.disk.clone().expect("a stream on disk");
        disk.crash(crash);
        let shared: Arc<dyn env::Disk> = Arc::new(disk);
        let options = store::FileStoreOptions::default();
        let dir = Path::new(ACCOUNT_DIR);
        let opened = store::open_stream(&shared, dir, "S".into(), options).opening;
        let store::Opening::Ready { created, config, store } = opened else {
            panic!("the stream does not open");
        };
        let parts = self.parts(*config, created, store);
        self.fx.clear();
        let mut fx = Effects::new();
        self.stream = Stream::recover(&self.ctx(), parts, &mut fx).unwrap();
    }

    /// A crash and restart: what was stored of messages and consumers is all there is.
    pub(crate) fn restart(&mut self, drop_above: u64) {
        let config = self.stream.config().clone();
        let mut inner = MemStore::new(&config);
        let last = self.stream.state().last_seq.min(drop_above);
        for seq in 1..=last {
            let (subject, headers, payload, ts) = match self.stream.store.get(seq).unwrap() {
                Some(m) => (m.subject.to_vec(), m.headers.to_vec(), m.payload.to_vec(), Some(m.ts)),
                None => (b"x".to_vec(), vec![], vec![], None),
            };
            let new = NewMsg {
                subject: &subject,
                headers: &headers,
                payload: &payload,
                ts: ts.unwrap_or(Timestamp::from_unix_ns(EPOCH)),
                ttl_seconds: 0,
            };
            inner.append(new, &mut |_| {}).unwrap();
            if ts.is_none() {
                inner.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
            }
        }
        let store = TestStore {
            inner,
            saved: Arc::clone(&self.saved),
            recovered: false,
            fail: Arc::clone(&self.fail),
            dirty: false,
        };
        let parts = StreamParts {
            account: "A".into(),
            config,
            created: self.stream.created(),
            store: Box::new(store),
            quota: self.reservation.quota(),
            env: env(),
        };
        self.fx.clear();
        let mut fx = Effects::new();
        self.stream = Stream::recover(&self.ctx(), parts, &mut fx).unwrap();
    }

    pub(crate) fn ctx(&self) -> Ctx<'_> {
        ctx_of(self.mono, &self.subs)
    }

    /// Calls the stream at the present time.
    pub(crate) fn with_ctx<R>(&mut self, call: impl FnOnce(&mut Stream, &Ctx<'_>) -> R) -> R {
        let ctx = ctx_of(self.mono, &self.subs);
        call(&mut self.stream, &ctx)
    }

    pub(crate) fn sub(&mut self, subject: &str) {
        self.sub_queue(subject, "");
    }

    pub(crate) fn sub_queue(&mut self, subject: &str, queue: &str) {
        self.subs.0.borrow_mut().insert((subject.into(), queue.into()));
    }

    pub(crate) fn unsub(&mut self, subject: &str) {
        self.subs.0.borrow_mut().retain(|(s, _)| s != subject.as_bytes());
    }

    pub(crate) fn publish(&mut self, subject: &str, payload: &str) {
        self.publish_with(subject, "", payload, "");
    }

    /// Publishes with headers given as `Key: value` lines joined by `|`.
    pub(crate) fn publish_with(&mut self, subject: &str, lines: &str, payload: &str, reply: &str) {
        let headers = headers(lines);
        let ctx = ctx_of(self.mono, &self.subs);
        let msg = Publish {
            subject: subject.as_bytes(),
            reply: reply.as_bytes(),
            headers: &headers,
            payload: payload.as_bytes(),
        };
        self.stream.publish(&ctx, msg);
    }

    /// Publishes and answers the ack.
    #[track_caller]
    pub(crate) fn ack_of(&mut self, subject: &str, lines: &str, payload: &str) -> String {
        self.publish_with(subject, lines, payload, "ack");
        let out = self.round();
        let mut acks = out.iter().filter_map(|line| line.strip_prefix("ack <- "));
        let ack = acks.next().unwrap_or("").to_owned();
        assert_eq!(acks.next(), None, "{out:?}");
        ack
    }

    pub(crate) fn create(&mut self, config: ConsumerConfig) -> ConsumerInfo {
        self.try_create(config, ConsumerAction::CreateOrUpdate).unwrap()
    }

    pub(crate) fn try_create(
        &mut self,
        config: ConsumerConfig,
        action: ConsumerAction,
    ) -> Result<ConsumerInfo, ApiError> {
        let name =
            if config.name.is_empty() { config.durable_name.clone() } else { config.name.clone() };
        let ctx = ctx_of(self.mono, &self.subs);
        let wanted = ConsumerCreate { name, config, action };
        self.stream.create_consumer(&ctx, wanted, &mut self.fx)
    }

    pub(crate) fn info(&mut self, name: &str) -> ConsumerInfo {
        let ctx = ctx_of(self.mono, &self.subs);
        self.stream.consumer_info(&ctx, name, &mut self.fx).unwrap()
    }

    pub(crate) fn next(&mut self, consumer: &str, reply: &str, payload: &str) {
        self.sub(reply);
        let ctx = ctx_of(self.mono, &self.subs);
        self.stream.next(
            &ctx,
            consumer.as_bytes(),
            reply.as_bytes(),
            payload.as_bytes(),
            &mut self.fx,
        );
    }

    /// Acknowledges a delivery by its reply subject.
    pub(crate) fn ack(&mut self, subject: &str, payload: &str, reply: &str) {
        let read = AckSubject::parse(subject.as_bytes()).unwrap();
        let ctx = ctx_of(self.mono, &self.subs);
        let msg = AckMsg {
            consumer: read.consumer,
            delivered: read.delivered,
            stream_seq: read.stream_seq,
            consumer_seq: read.consumer_seq,
            reply: reply.as_bytes(),
            payload: payload.as_bytes(),
        };
        self.stream.ack(&ctx, msg, &mut self.fx);
    }

    pub(crate) fn direct(&mut self, subject: Option<&str>, payload: &str) -> Vec<String> {
        let ctx = ctx_of(self.mono, &self.subs);
        let get = DirectGet {
            last_by_subject: subject.map(str::as_bytes),
            headers: b"",
            payload: payload.as_bytes(),
            reply: b"r",
        };
        self.stream.direct_get(&ctx, get, &mut self.fx);
        self.take()
    }

    /// Time passes; timers that are due fire in order.
    pub(crate) fn pass(&mut self, ns: u64) {
        let end = self.mono + ns;
        while let Some(at) = self.stream.next_deadline_ns().filter(|at| *at <= end) {
            self.mono = at.max(self.mono);
            self.tick_once();
            if self.stream.next_deadline_ns().is_some_and(|next| next <= self.mono) {
                // A deadline that does not move would never end.
                self.mono += MS;
                if self.mono > end {
                    break;
                }
            }
        }
        self.mono = end;
        self.tick_once();
    }

    fn tick_once(&mut self) {
        let ctx = ctx_of(self.mono, &self.subs);
        self.stream.tick(&ctx, &mut self.fx);
        self.run();
    }

    /// Commit and delivery, as the shard does them.
    pub(crate) fn run(&mut self) {
        let ctx = ctx_of(self.mono, &self.subs);
        loop {
            self.stream.commit(&ctx, &mut self.fx);
            if self.stream.deliver(&ctx, &mut self.fx) == Ready::Idle {
                break;
            }
        }
        self.stream.commit(&ctx, &mut self.fx);
    }

    /// Commits, delivers, and answers all effects as text.
    pub(crate) fn round(&mut self) -> Vec<String> {
        self.run();
        self.take()
    }

    /// The effects as text: `dest <- payload`, with `subject`, `reply` and headers where given.
    pub(crate) fn take(&mut self) -> Vec<String> {
        let mut out: Vec<String> = self.fx.iter().map(|o| show(&o)).collect();
        for advisory in self.fx.advisories() {
            out.push(format!("! {}", advisory.subject()));
        }
        out.extend(self.fx.gone_consumers().iter().map(|name| format!("gone {name}")));
        self.fx.clear();
        out
    }
}

fn ctx_of(mono: u64, subs: &Subs) -> Ctx<'_> {
    let now = EPOCH + i64::try_from(mono - SEC).unwrap();
    Ctx { now: Timestamp::from_unix_ns(now), mono_ns: mono, interest: subs }
}

pub(crate) fn headers(lines: &str) -> Vec<u8> {
    if lines.is_empty() {
        return Vec::new();
    }
    let mut block = b"NATS/1.0\r\n".to_vec();
    for line in lines.split('|') {
        block.extend_from_slice(line.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    block.extend_from_slice(b"\r\n");
    block
}

fn show(o: &crate::Outgoing<'_>) -> String {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let mut line = text(o.dest);
    line.push_str(" <-");
    if o.subject != o.dest {
        line.push_str(&format!(" {}", text(o.subject)));
    }
    if !o.reply.is_empty() {
        line.push_str(&format!(" ({})", text(o.reply)));
    }
    if !o.headers.is_empty() {
        let lines = text(o.headers);
        let lines = lines.strip_suffix("\r\n\r\n").expect("a block ends with an empty line");
        line.push_str(&format!(" [{}]", lines.replace("\r\n", "|")));
    }
    if !o.payload.is_empty() {
        line.push_str(&format!(" {}", text(o.payload)));
    }
    line
}

/// Reply subjects of the deliveries to `dest`, in order.
pub(crate) fn acks_to(out: &[String], dest: &str) -> Vec<String> {
    let prefix = format!("{dest} <- ");
    out.iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .filter_map(|line| Some(line.split_once('(')?.1.split_once(')')?.0.to_owned()))
        .filter(|reply| reply.starts_with("$JS.ACK."))
        .collect()
}

/// Stream sequences of the deliveries to `dest`, in order.
pub(crate) fn seqs_to(out: &[String], dest: &str) -> Vec<u64> {
    acks_to(out, dest).iter().map(|a| AckSubject::parse(a.as_bytes()).unwrap().stream_seq).collect()
}
