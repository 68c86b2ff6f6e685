//! An engine with one account, and clients that publish and listen in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use env::{Disk, OsClock, OsDisk, OsRng};
use js_account::ServerLimits;
use parking_lot::{Condvar, Mutex, MutexGuard};
use routing::{ClientSink, Msg, RouteBatch, SubjectSpace, Subscription};
use store::{FileStore, FileStoreOptions, MemStore, Opening, StoreError, StreamStore};
use stream::SyncPolicy;
use types::{
    AccountLimits, ApiError, Storage, StreamConfig, StreamConfigRequest, StreamInfo, Timestamp,
};
use wire::{Outbox, Transport};

use crate::{
    CreatedStream, Engine, EngineParts, EngineSettings, Found, InboxLimits, JsAccount, Stores,
};

pub(super) const WAIT: Duration = Duration::from_secs(20);

pub(super) fn settings() -> EngineSettings {
    EngineSettings {
        batch: stream::BatchLimits::default(),
        server_name: "test".into(),
        domain: String::new(),
        limits: ServerLimits { max_memory: 1 << 30, max_storage: 1 << 30, max_ack_pending: 0 },
        max_duplicate_window_ns: 0,
        max_request_batch: 0,
        sync: SyncPolicy::Always,
        max_payload: 1 << 20,
        max_pending: 64 << 20,
        shards: 2,
        inbox: InboxLimits::default(),
    }
}

/// Streams below a directory, or in memory.
struct DirStores(PathBuf);

impl Stores for DirStores {
    fn open_account(&self, account: &str) -> Result<Vec<Found>, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let dir = self.0.join(account);
        let opened = store::open_account(&disk, &dir, FileStoreOptions::default())
            .map_err(|source| StoreError::Io { context: "listing".into(), source })?;
        let found = opened.into_iter().map(|stream| match stream.opening {
            Opening::Ready { created, config, store } => Found::Stream { config, created, store },
            Opening::Offline { config, reason, consumers, .. } => {
                Found::Broken { name: stream.name, config, reason, consumers }
            }
        });
        Ok(found.collect())
    }

    fn create(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        if config.storage == Storage::Memory {
            return Ok(Box::new(MemStore::new(config)));
        }
        let (disk, dir) = (Arc::new(OsDisk), self.0.join(account));
        let options = FileStoreOptions::default();
        Ok(Box::new(FileStore::create(disk, &dir, created, config, options)?))
    }

    fn discard(&self, account: &str, name: &str) -> Result<(), StoreError> {
        match store::remove_stream(&OsDisk, &self.0.join(account), name) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Io { context: "removing".into(), source })
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn stores(dir: &Path) -> Arc<dyn Stores> {
    Arc::new(DirStores(dir.to_owned()))
}

pub(super) fn start(settings: EngineSettings, stores: Arc<dyn Stores>) -> Arc<Engine> {
    let parts = EngineParts { clock: Arc::new(OsClock), rng: Arc::new(OsRng), stores };
    Engine::start(settings, parts).expect("threads")
}

pub(super) fn flat(limits: AccountLimits) -> BTreeMap<String, AccountLimits> {
    BTreeMap::from([(String::new(), limits)])
}

/// An engine with account `A` on a directory.
pub(super) struct World {
    pub(super) engine: Arc<Engine>,
    pub(super) account: Arc<JsAccount>,
    pub(super) space: Arc<SubjectSpace>,
}

impl World {
    pub(super) fn open(dir: &Path) -> Self {
        World::with(settings(), stores(dir), AccountLimits::UNLIMITED)
    }

    pub(super) fn with(
        settings: EngineSettings,
        stores: Arc<dyn Stores>,
        limits: AccountLimits,
    ) -> Self {
        let engine = start(settings, stores);
        let space = SubjectSpace::new("A");
        let account = engine.enable_account("A", &space, &flat(limits)).expect("enabled");
        World { engine, account, space }
    }

    pub(super) fn create(&self, config: StreamConfig) -> Result<CreatedStream, ApiError> {
        let request = StreamConfigRequest { config, pedantic: false };
        wait(|reply| self.account.create_stream(request, reply))
    }

    pub(super) fn update(&self, config: StreamConfig) -> Result<StreamInfo, ApiError> {
        let request = StreamConfigRequest { config, pedantic: false };
        wait(|reply| self.account.update_stream(request, reply))
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), ApiError> {
        wait(|reply| self.account.delete_stream(name, reply))
    }

    pub(super) fn info(&self, name: &str) -> Result<StreamInfo, ApiError> {
        wait(|reply| {
            self.account.with_stream(name, |stream, ctx, _| Ok(stream.brief_info(ctx)), reply);
        })
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.space)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.engine.stop(WAIT);
    }
}

pub(super) fn config(name: &str, subjects: &[&str]) -> StreamConfig {
    StreamConfig {
        name: name.into(),
        subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
        ..StreamConfig::default()
    }
}

/// Calls something that answers by callback, and waits for the answer.
pub(super) fn wait<R: Send + 'static>(call: impl FnOnce(Box<dyn FnOnce(R) + Send>)) -> R {
    let (tx, rx) = crossbeam_channel::bounded(1);
    call(Box::new(move |answer| drop(tx.send(answer))));
    rx.recv_timeout(WAIT).expect("an answer in time")
}

#[derive(Default)]
struct Received {
    state: Mutex<ReceivedState>,
    more: Condvar,
}

#[derive(Default)]
struct ReceivedState {
    bytes: Vec<u8>,
    /// The outbox wants its writer, which is whoever reads here.
    woken: bool,
}

struct Wire(Arc<Received>);

impl Transport for Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.state.lock().bytes.extend_from_slice(bytes);
        self.0.more.notify_all();
        Ok(bytes.len())
    }

    fn wake(&self) {
        self.0.state.lock().woken = true;
        self.0.more.notify_all();
    }
}

/// A message that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) subject: String,
    pub(super) reply: String,
    pub(super) body: String,
}

/// A client that listens on `inbox.>` and what else it subscribes.
pub(super) struct Client {
    space: Arc<SubjectSpace>,
    sink: Arc<ClientSink>,
    received: Arc<Received>,
    seen: usize,
    route: RouteBatch,
}

impl Client {
    pub(super) fn new(space: &Arc<SubjectSpace>) -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let received = Arc::new(Received::default());
        let outbox = Outbox::new(64 << 20);
        outbox.attach(Box::new(Wire(Arc::clone(&received))));
        let sink = ClientSink::new(id, outbox);
        Client { space: Arc::clone(space), sink, received, seen: 0, route: RouteBatch::new() }
    }

    pub(super) fn subscribe(&self, pattern: &str) -> Arc<Subscription> {
        let sink = Arc::clone(&self.sink);
        let sub = Subscription::client(pattern.as_bytes(), None, b"1", sink);
        self.space.subscribe(&sub).expect("a valid pattern");
        sub
    }

    /// Queues a message; answers how many take it.
    pub(super) fn publish(&mut self, subject: &str, reply: &str, payload: &str) -> usize {
        let msg = Msg {
            subject: subject.as_bytes(),
            reply: reply.as_bytes(),
            headers: b"",
            payload: payload.as_bytes(),
        };
        self.route.publish(&self.space, &msg, self.sink.id)
    }

    /// Sends what is queued; answers how many messages a full shard refused.
    pub(super) fn flush(&mut self) -> usize {
        self.route.finish();
        self.route.take_refused().iter().map(routing::IngestBatch::len).sum()
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Got {
        let deadline = Instant::now() + WAIT;
        let mut state = self.received.state.lock();
        loop {
            let unread = state.bytes.get(self.seen..).unwrap_or_default();
            if let Some((got, len)) = parse(unread) {
                self.seen += len;
                return got;
            }
            if std::mem::take(&mut state.woken) {
                MutexGuard::unlocked(&mut state, || self.sink.outbox.resume());
                continue;
            }
            assert!(
                !self.received.more.wait_until(&mut state, deadline).timed_out(),
                "no message in time"
            );
        }
    }

    /// Sends a request and waits for the reply's body.
    pub(super) fn request(&mut self, subject: &str, payload: &str) -> Got {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let inbox = format!("inbox.{n}");
        let sub = self.subscribe(&inbox);
        assert!(self.publish(subject, &inbox, payload) > 0, "nobody listens on {subject}");
        assert_eq!(self.flush(), 0, "refused");
        let got = self.next();
        self.space.unsubscribe(&sub);
        got
    }
}

fn parse(bytes: &[u8]) -> Option<(Got, usize)> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let line = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let tokens: Vec<&str> = line.split(' ').collect();
    let size: usize = tokens.last()?.parse().ok()?;
    let reply_at = 3;
    let fixed = if tokens.first() == Some(&"HMSG") { 5 } else { 4 };
    let reply =
        if tokens.len() > fixed { tokens.get(reply_at)?.to_string() } else { String::new() };
    let body = bytes.get(end + 2..end + 2 + size)?;
    bytes.get(end + 2 + size..end + 4 + size)?;
    let got = Got {
        subject: tokens.get(1)?.to_string(),
        reply,
        body: String::from_utf8_lossy(body).into_owned(),
    };
    Some((got, end + 4 + size))
}
