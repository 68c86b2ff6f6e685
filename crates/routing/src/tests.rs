//! Tests of the routing: who gets what, exactly as bytes.

mod imports;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use wire::{Outbox, Transport};

use crate::{
    ClientSink, ConnId, DenyList, IngestBatch, IngestKind, IngestSink, InterestWatcher, Msg,
    Pushed, RouteBatch, Service, StreamTarget, SubjectSpace, Subscription, Target,
};

#[derive(Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Transport for Wire {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn wake(&self) {}
}

struct Client {
    sink: Arc<ClientSink>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Client {
    fn new(id: ConnId) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let outbox = Outbox::new(1 << 20);
        outbox.attach(Box::new(Wire(Arc::clone(&received))));
        Client { sink: ClientSink::new(id, outbox), received }
    }

    fn subscribe(
        &self,
        space: &Arc<SubjectSpace>,
        pattern: &str,
        queue: Option<&str>,
        sid: &str,
    ) -> Arc<Subscription> {
        let sub = Subscription::client(
            pattern.as_bytes(),
            queue.map(str::as_bytes),
            sid.as_bytes(),
            Arc::clone(&self.sink),
        );
        space.subscribe(&sub).unwrap();
        sub
    }

    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.received.lock())).unwrap()
    }
}

fn msg<'a>(subject: &'a str, reply: &'a str, payload: &'a str) -> Msg<'a> {
    Msg {
        subject: subject.as_bytes(),
        reply: reply.as_bytes(),
        headers: b"",
        payload: payload.as_bytes(),
    }
}

#[test]
fn a_message_reaches_every_plain_subscription_once_and_in_order() {
    let space = SubjectSpace::new("A");
    let (one, two) = (Client::new(1), Client::new(2));
    one.subscribe(&space, "a.*", None, "7");
    two.subscribe(&space, "a.b", None, "8");
    two.subscribe(&space, ">", None, "9");
    let mut batch = RouteBatch::new();
    assert_eq!(batch.publish(&space, &msg("a.b", "r", "x"), 3), 3);
    assert_eq!(batch.publish(&space, &msg("a.c", "", "yy"), 3), 2);
    assert_eq!(one.text(), "", "nothing is sent before finish");
    batch.finish();
    assert_eq!(one.text(), "MSG a.b 7 r 1\r\nx\r\nMSG a.c 7 2\r\nyy\r\n");
    let two = two.text();
    assert!(two.contains("MSG a.b 8 r 1\r\nx\r\n"), "{two}");
    assert!(two.contains("MSG a.b 9 r 1\r\nx\r\n"), "{two}");
    assert!(two.ends_with("MSG a.c 9 2\r\nyy\r\n"), "{two}");
}

#[test]
fn a_queue_group_gets_one_copy_and_all_members_get_some() {
    let space = SubjectSpace::new("A");
    let clients: Vec<_> = (1..=3).map(Client::new).collect();
    for client in &clients {
        client.subscribe(&space, "q", Some("g"), "1");
    }
    let mut batch = RouteBatch::new();
    for _ in 0..300 {
        assert_eq!(batch.publish(&space, &msg("q", "", ""), 9), 1);
    }
    batch.finish();
    let counts: Vec<_> = clients.iter().map(|c| c.text().matches("MSG q 1 0").count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 300);
    assert!(counts.iter().all(|n| *n > 30), "{counts:?}");
}

#[test]
fn a_limited_subscription_ends_after_its_last_message() {
    let space = SubjectSpace::new("A");
    let client = Client::new(1);
    let sub = client.subscribe(&space, "a", None, "1");
    assert!(!sub.limit(2));
    let mut batch = RouteBatch::new();
    let got: Vec<_> = (0..4).map(|_| batch.publish(&space, &msg("a", "", ""), 9)).collect();
    assert_eq!(got, [1, 1, 0, 0]);
    assert!(sub.is_closed());
    assert!(space.is_empty());
    batch.finish();
    assert_eq!(client.text(), "MSG a 1 0\r\n\r\n".repeat(2));
    let late = client.subscribe(&space, "b", None, "2");
    batch.publish(&space, &msg("b", "", ""), 9);
    assert!(late.limit(1), "the limit was reached before it was set");
}

#[test]
fn a_new_subscription_is_seen_at_once_and_a_removed_one_no_more() {
    let space = SubjectSpace::new("A");
    let client = Client::new(1);
    let mut batch = RouteBatch::new();
    assert_eq!(batch.publish(&space, &msg("a", "", ""), 9), 0);
    let sub = client.subscribe(&space, "a", None, "1");
    assert_eq!(batch.publish(&space, &msg("a", "", ""), 9), 1);
    assert!(space.unsubscribe(&sub));
    assert!(!space.unsubscribe(&sub));
    assert_eq!(batch.publish(&space, &msg("a", "", ""), 9), 0);
}

#[test]
fn echo_headers_and_deny_list_are_the_receivers_choice() {
    let space = SubjectSpace::new("A");
    let client = Client::new(1);
    client.subscribe(&space, "*", None, "1");
    let mut batch = RouteBatch::new();
    client.sink.set_echo(false);
    assert_eq!(batch.publish(&space, &msg("a", "", "own"), 1), 0);
    assert_eq!(batch.publish(&space, &msg("a", "", "other"), 2), 1);
    let with_headers = Msg { headers: b"NATS/1.0\r\nA: b\r\n\r\n", ..msg("a", "", "x") };
    batch.publish(&space, &with_headers, 2);
    client.sink.set_headers(false);
    batch.publish(&space, &with_headers, 2);
    client.sink.set_deny(Some(DenyList::new(vec![b"b".as_slice().into()])));
    assert_eq!(batch.publish(&space, &msg("b", "", "denied"), 2), 0);
    batch.finish();
    assert_eq!(
        client.text(),
        "MSG a 1 5\r\nother\r\nHMSG a 1 18 19\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\nMSG a 1 1\r\nx\r\n"
    );
}

#[test]
fn publish_to_reaches_only_that_client() {
    let space = SubjectSpace::new("A");
    let (one, two) = (Client::new(1), Client::new(2));
    one.subscribe(&space, "_INBOX.x.*", None, "1");
    two.subscribe(&space, "_INBOX.x.*", None, "2");
    let mut batch = RouteBatch::new();
    assert!(batch.publish_to(&space, &msg("_INBOX.x.1", "", "503"), &two.sink));
    assert!(!batch.publish_to(&space, &msg("_INBOX.y.1", "", "503"), &two.sink));
    batch.finish();
    assert_eq!((one.text().as_str(), two.text().as_str()), ("", "MSG _INBOX.x.1 2 3\r\n503\r\n"));
}

#[derive(Default)]
struct Inbox {
    room: usize,
    got: Mutex<Vec<String>>,
    hand_overs: AtomicUsize,
}

impl IngestSink for Inbox {
    fn push(&self, batch: IngestBatch) -> Pushed {
        self.hand_overs.fetch_add(1, Ordering::Relaxed);
        if batch.len() > self.room {
            return Pushed::Refused(batch);
        }
        for m in batch.iter() {
            let [subject, reply, headers, payload] =
                [m.msg.subject, m.msg.reply, m.msg.headers, m.msg.payload]
                    .map(String::from_utf8_lossy);
            self.got.lock().push(format!(
                "{}/{:?} {} {subject}|{reply}|{headers}|{payload}",
                m.slot, m.kind, m.from
            ));
        }
        if batch.len() == self.room { Pushed::Pressed } else { Pushed::Accepted }
    }

    fn inbox_id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

#[test]
fn streams_of_one_shard_get_one_batch_in_order() {
    let space = SubjectSpace::new("A");
    let inbox = Arc::new(Inbox { room: 3, ..Inbox::default() });
    for (pattern, slot, kind) in
        [("s.>", 4, IngestKind::Publish), ("$JS.ACK.S.>", 5, IngestKind::Ack)]
    {
        let sink: Arc<dyn IngestSink> = Arc::clone(&inbox) as _;
        let target = Target::Stream(StreamTarget { sink, slot, kind });
        space.subscribe(&Subscription::internal(pattern.as_bytes(), target)).unwrap();
    }
    let mut batch = RouteBatch::new();
    batch.publish(&space, &msg("s.1", "r1", "one"), 7);
    batch.publish(&space, &msg("$JS.ACK.S.C.1.1.1.1.0", "", "+ACK"), 8);
    batch.finish();
    assert!(!batch.should_pause());
    assert_eq!(
        *inbox.got.lock(),
        ["4/Publish 7 s.1|r1||one", "5/Ack 8 $JS.ACK.S.C.1.1.1.1.0|||+ACK"]
    );
    assert_eq!(inbox.hand_overs.load(Ordering::Relaxed), 1);
    (0..3).for_each(|_| assert_eq!(batch.publish(&space, &msg("s.2", "", ""), 7), 1));
    batch.finish();
    assert!(batch.should_pause(), "the inbox said that it is nearly full");
    assert!(!batch.should_pause(), "and says so once");
    (0..4).for_each(|_| assert_eq!(batch.publish(&space, &msg("s.3", "r", ""), 7), 1));
    batch.finish();
    let refused = batch.take_refused();
    assert_eq!(refused.iter().map(IngestBatch::len).sum::<usize>(), 4);
    assert!(batch.take_refused().is_empty());
}

struct Counter(AtomicUsize);

impl InterestWatcher for Counter {
    fn changed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Service for Counter {
    fn call(&self, _: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        assert_eq!((msg.subject, from), (b"svc.x".as_slice(), 5));
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_watcher_hears_of_covering_patterns_only() {
    let space = SubjectSpace::new("A");
    let client = Client::new(1);
    let watcher = Arc::new(Counter(AtomicUsize::new(0)));
    let id = space.watch(b"deliver.x", Arc::clone(&watcher) as _);
    let heard = || watcher.0.load(Ordering::Relaxed);
    let other = client.subscribe(&space, "deliver.y", None, "1");
    assert_eq!(heard(), 0);
    let sub = client.subscribe(&space, "deliver.*", None, "2");
    assert_eq!(heard(), 1);
    space.unsubscribe_all([&sub, &other]);
    assert_eq!(heard(), 2);
    space.unwatch(id);
    client.subscribe(&space, "deliver.x", None, "3");
    assert_eq!(heard(), 2);
}

#[test]
fn a_service_is_called_at_once() {
    let space = SubjectSpace::new("A");
    let service = Arc::new(Counter(AtomicUsize::new(0)));
    let target = Target::Service(Arc::clone(&service) as _);
    space.subscribe(&Subscription::internal(b"svc.*", target)).unwrap();
    assert_eq!(RouteBatch::new().publish(&space, &msg("svc.x", "", ""), 5), 1);
    assert_eq!(service.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_shown_subject_is_what_clients_see_and_not_what_routes() {
    let space = SubjectSpace::new("A");
    let (one, two) = (Client::new(1), Client::new(2));
    one.subscribe(&space, "deliver.here", None, "1");
    two.subscribe(&space, "orders.*", None, "2");
    let mut batch = RouteBatch::new();
    let count = batch.publish_shown(&space, &msg("deliver.here", "ack", "x"), b"orders.1", 0);
    batch.finish();
    assert_eq!(count, 1);
    assert_eq!(one.text(), "MSG orders.1 1 ack 1\r\nx\r\n");
    assert_eq!(two.text(), "");
}

/// A service that looks into an inbox.
struct Looker(Arc<Inbox>, Mutex<Vec<usize>>);

impl Service for Looker {
    fn call(&self, _: &Arc<SubjectSpace>, _: &Msg<'_>, _: ConnId) {
        self.1.lock().push(self.0.got.lock().len());
    }
}

#[test]
fn a_service_finds_what_was_published_before_it_was_asked() {
    let space = SubjectSpace::new("A");
    let inbox = Arc::new(Inbox { room: 10, ..Inbox::default() });
    let sink: Arc<dyn IngestSink> = Arc::clone(&inbox) as _;
    let target = Target::Stream(StreamTarget { sink, slot: 1, kind: IngestKind::Publish });
    space.subscribe(&Subscription::internal(b"s", target)).unwrap();
    let looker = Arc::new(Looker(Arc::clone(&inbox), Mutex::default()));
    let target = Target::Service(Arc::clone(&looker) as _);
    space.subscribe(&Subscription::internal(b"svc", target)).unwrap();
    let mut batch = RouteBatch::new();
    for subject in ["s", "s", "svc", "s", "svc"] {
        batch.publish(&space, &msg(subject, "", ""), 7);
    }
    batch.finish();
    assert_eq!(*looker.1.lock(), [2, 3]);
}
