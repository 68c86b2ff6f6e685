//! A client in a subject space that sends requests and reads what comes back.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use routing::{ClientSink, Msg, RouteBatch, SubjectSpace, Subscription};
use wire::{Outbox, Transport};

pub(super) const WAIT: Duration = Duration::from_secs(20);

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

    fn send(&mut self, subject: &str, reply: &str, headers: &str, payload: &str) -> usize {
        let msg = Msg {
            subject: subject.as_bytes(),
            reply: reply.as_bytes(),
            headers: headers.as_bytes(),
            payload: payload.as_bytes(),
        };
        let count = self.route.publish(&self.space, &msg, self.sink.id);
        self.route.finish();
        count
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
    pub(super) fn request(&mut self, subject: &str, payload: &str) -> String {
        self.request_with(subject, "", payload)
    }

    /// As [`request`](Self::request), with a header block.
    pub(super) fn request_with(&mut self, subject: &str, headers: &str, payload: &str) -> String {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let inbox = format!("inbox.{n}");
        let sub = self.subscribe(&inbox);
        let heard = self.send(subject, &inbox, headers, payload);
        assert!(heard > 0, "nobody listens on {subject}");
        let got = loop {
            let got = self.next();
            if got.subject == inbox {
                break got;
            }
        };
        self.space.unsubscribe(&sub);
        got.body
    }

    /// Whether anybody would take a request.
    pub(super) fn is_heard(&mut self, subject: &str) -> bool {
        self.send(subject, "inbox.none", "", "") > 0
    }
}

fn parse(bytes: &[u8]) -> Option<(Got, usize)> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")?;
    let line = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let tokens: Vec<&str> = line.split(' ').collect();
    let size: usize = tokens.last()?.parse().ok()?;
    let body = bytes.get(end + 2..end + 2 + size)?;
    bytes.get(end + 2 + size..end + 4 + size)?;
    let subject = tokens.get(1)?.to_string();
    let body = String::from_utf8_lossy(body).into_owned();
    Some((Got { subject, body }, end + 4 + size))
}
