//! Limits of accounts and inboxes, with many publishers at once.

use harness::{World, config, settings, stores};
use routing::{IngestBatch, IngestKind, IngestSink, Msg, Pushed};
use types::{AccountLimits, Storage, StreamConfig};

use super::harness;
use crate::settings::InboxLimits;
use crate::shard::Inbox;

#[test]
fn an_account_limit_is_exact_with_many_publishers() {
    const LIMIT: i64 = 20_000;
    let dir = tempfile::tempdir().expect("a directory");
    let limits = AccountLimits { max_storage: LIMIT, ..AccountLimits::UNLIMITED };
    let world = World::with(settings(), stores(dir.path()), limits);
    for name in ["A", "B", "C", "D"] {
        world.create(config(name, &[name])).expect("created");
    }
    let stored: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = ["A", "B", "C", "D"]
            .into_iter()
            .map(|subject| {
                let world = &world;
                scope.spawn(move || {
                    let mut client = world.client();
                    client.subscribe(&format!("inbox.{subject}.>"));
                    for n in 0..500 {
                        client.publish(subject, &format!("inbox.{subject}.{n}"), "0123456789");
                        if n % 10 == 9 {
                            assert_eq!(client.flush(), 0);
                        }
                        assert!(world.account.usage().used(Storage::File) <= LIMIT as u64);
                    }
                    let mut stored = 0;
                    for _ in 0..500 {
                        let ack = client.next().body;
                        if ack.contains("error") {
                            assert!(ack.contains("10002"), "{ack}");
                        } else {
                            stored += 1;
                        }
                    }
                    stored
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("publisher")).sum()
    });
    let views = ["A", "B", "C", "D"].map(|name| world.info(name).expect("there").state);
    let msgs: u64 = views.iter().map(|s| s.msgs).sum();
    let bytes: u64 = views.iter().map(|s| s.bytes).sum();
    assert_eq!(msgs, stored as u64, "what was acknowledged is stored, and nothing else");
    assert_eq!(world.account.usage().used(Storage::File), bytes, "counts equal a recount");
    let one = bytes / msgs;
    assert!(bytes + one > LIMIT as u64, "no room for one more: {bytes} of {LIMIT}");
    assert!(bytes <= LIMIT as u64);
}

#[test]
fn room_that_is_freed_can_be_used_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = AccountLimits { max_storage: 100, ..AccountLimits::UNLIMITED };
    let world = World::with(settings(), stores(dir.path()), limits);
    world.create(StreamConfig { max_bytes: -1, ..config("S", &["s"]) }).expect("created");
    let mut client = world.client();
    let body = "x".repeat(30);
    assert!(client.request("s", &body).body.ends_with("\"seq\":1}"));
    assert!(client.request("s", &body).body.contains("10002"));
    harness::wait(|reply| {
        world.account.with_stream(
            "S",
            |stream, ctx, _| stream.purge(ctx, &types::api::PurgeRequest::default()),
            reply,
        );
    })
    .expect("purged");
    assert!(client.request("s", &body).body.ends_with("\"seq\":2}"));
}

fn batch(messages: usize, payload: &[u8]) -> IngestBatch {
    let mut batch = IngestBatch::default();
    for _ in 0..messages {
        let msg = Msg { subject: b"s", reply: b"", headers: b"", payload };
        batch.add(0, IngestKind::Publish, 1, &msg);
    }
    batch
}

#[test]
fn an_inbox_is_bounded_in_messages_and_bytes() {
    // (limits, batches already in: messages and payload bytes, new batch, outcome)
    let msgs = InboxLimits { msgs: 10, bytes: 1 << 20 };
    let bytes = InboxLimits { msgs: 1 << 20, bytes: 100 };
    let rows = [
        (msgs, 0, 5, 0, "accepted"),
        (msgs, 5, 5, 0, "accepted"),
        (msgs, 6, 4, 0, "pressed"),
        (msgs, 6, 5, 0, "refused"),
        (msgs, 10, 1, 0, "refused"),
        (msgs, 0, 11, 0, "accepted"),
        (bytes, 1, 1, 98, "accepted"),
        (bytes, 1, 1, 99, "refused"),
        (bytes, 51, 1, 10, "pressed"),
    ];
    for (i, (limits, held, new, payload, want)) in rows.into_iter().enumerate() {
        let (inbox, rx) = Inbox::new(7, limits);
        if held > 0 {
            assert!(matches!(inbox.push(batch(held, b"")), Pushed::Accepted), "row {i}");
        }
        let got = match inbox.push(batch(new, &vec![b'x'; payload])) {
            Pushed::Accepted => "accepted",
            Pushed::Pressed => "pressed",
            Pushed::Refused(back) => {
                assert_eq!(back.len(), new, "row {i}: nothing was taken");
                "refused"
            }
        };
        assert_eq!(got, want, "row {i}");
        assert_eq!(inbox.inbox_id(), 7);
        drop(rx);
        assert!(matches!(inbox.push(batch(1, b"")), Pushed::Refused(_)), "row {i}: it has ended");
    }
}

#[test]
fn what_was_taken_out_makes_room() {
    let (inbox, _rx) = Inbox::new(0, InboxLimits { msgs: 10, bytes: 1 << 20 });
    assert!(matches!(inbox.push(batch(10, b"")), Pushed::Accepted));
    assert!(matches!(inbox.push(batch(10, b"")), Pushed::Refused(_)));
    inbox.taken(&batch(10, b""));
    assert!(matches!(inbox.push(batch(10, b"")), Pushed::Accepted));
}

#[test]
fn a_full_inbox_refuses_and_the_publisher_learns_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let tight = InboxLimits { msgs: 100, bytes: 1 << 20 };
    let tight = crate::EngineSettings { inbox: tight, shards: 1, ..settings() };
    let world = World::with(tight, stores(dir.path()), AccountLimits::UNLIMITED);
    world.create(config("S", &["s"])).expect("created");
    let (entered, is_in) = crossbeam_channel::bounded::<()>(1);
    let (go, gate) = crossbeam_channel::bounded::<()>(1);
    world.account.with_stream(
        "S",
        move |_, _, _| {
            let _ = entered.send(());
            let _ = gate.recv_timeout(harness::WAIT);
            Ok(())
        },
        |_: Result<(), _>| {},
    );
    is_in.recv_timeout(harness::WAIT).expect("the shard is held up");
    let mut client = world.client();
    let mut refused = 0;
    for _ in 0..15 {
        for _ in 0..10 {
            client.publish("s", "", "x");
        }
        refused += client.flush();
    }
    assert_eq!(refused, 50, "the bound is exact");
    go.send(()).expect("the shard waits");
    let info = world.info("S").expect("there");
    assert_eq!(info.state.msgs, 100, "everything accepted is stored");
}
