//! Mirrors and sources: what is asked, what is stored, and each message once.

use std::collections::BTreeMap;

use env::{Crash, DiskOp, Fault};
use store::Filter;
use types::{Discard, Retention, StreamConfig, StreamSource, SubjectTransformConfig, errors};

use super::harness::{MS, SEC, World, acks_to, config, headers, pull};
use crate::consumer::Rng;

fn origin(name: &str, subject: &str) -> World {
    World::new(StreamConfig { name: name.into(), ..config(&[subject]) })
}

fn from(name: &str) -> StreamSource {
    StreamSource { name: name.into(), ..StreamSource::default() }
}

fn sourcing(sources: Vec<StreamSource>) -> StreamConfig {
    StreamConfig { sources, duplicate_window_ns: 0, ..config(&[]) }
}

fn mirror(source: StreamSource) -> StreamConfig {
    StreamConfig { mirror: Some(source), duplicate_window_ns: 0, ..config(&[]) }
}

/// One round of a stream: it asks, the origins answer, it stores and commits. Whether it asked.
fn round(w: &mut World, origins: &mut [&mut World]) -> bool {
    let reads = w.with_ctx(|stream, ctx| stream.origin_reads(ctx));
    let asked = !reads.is_empty();
    for mut read in reads {
        let found = origins.iter_mut().find(|origin| *origin.stream.name() == *read.stream);
        let answer = match found {
            None => Err(errors::STREAM_NOT_FOUND.err()),
            Some(origin) => {
                origin.run();
                let mut fx = crate::Effects::new();
                let answer = origin
                    .with_ctx(|stream, ctx| stream.read_origin(ctx, &mut read, &mut fx))
                    .transpose();
                match answer {
                    Some(answer) => answer,
                    // Nothing yet: the question stays open.
                    None => continue,
                }
            }
        };
        w.with_ctx(|stream, ctx| stream.take_origin(ctx, read.ticket, answer));
    }
    w.run();
    asked
}

/// As many rounds as there is something to ask.
fn settle(w: &mut World, origins: &mut [&mut World]) {
    for _ in 0..50 {
        if !round(w, origins) {
            return;
        }
    }
    panic!("it asks and asks");
}

/// Makes the open questions be asked again, as a new message at the origin would have them
/// answered.
fn ask_again(w: &mut World, origins: &mut [&mut World]) {
    w.with_ctx(|stream, ctx| {
        for feed in 0..8 {
            stream.origins.ask_again_in_test(feed, ctx);
        }
    });
    settle(w, origins);
}

/// Sequence, subject, headers and payload of everything stored.
fn stored(w: &mut World) -> Vec<String> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(msg) = w.stream.store.next_match(&Filter::all(), at).unwrap() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
        all.push(format!(
            "{} {} [{}] {}",
            msg.seq,
            text(msg.subject),
            text(msg.headers).trim_end_matches('|'),
            text(msg.payload)
        ));
        at = msg.seq + 1;
    }
    all
}

#[test]
fn sources_say_where_their_messages_are_from() {
    let (mut a, mut b) = (origin("A", "a.>"), origin("B", "b.>"));
    let mut w = World::new(sourcing(vec![
        from("A"),
        StreamSource { filter_subject: "b.1".into(), ..from("B") },
        StreamSource {
            subject_transforms: vec![
                SubjectTransformConfig { src: "b.2.*".into(), dest: "t.$1".into() },
                SubjectTransformConfig { src: "b.3".into(), dest: String::new() },
            ],
            ..from("B")
        },
    ]));
    a.publish("a.x", "one");
    a.publish_with(
        "a.y",
        "X: 1|Nats-Expected-Last-Sequence: 1|Nats-Stream-Source: Q 1 > > q",
        "",
        "",
    );
    a.publish_with("a.y", "Nats-Expected-Stream: A", "", "");
    b.publish("b.1", "two");
    b.publish("b.2.z", "three");
    b.publish("b.3", "four");
    b.publish("b.4", "nobody's");
    settle(&mut w, &mut [&mut a, &mut b]);
    assert_eq!(
        stored(&mut w),
        [
            "1 a.x [NATS/1.0|Nats-Stream-Source: A 1 > > a.x] one",
            "2 a.y [NATS/1.0|X: 1|Nats-Stream-Source: A 2 > > a.y] ",
            "3 a.y [NATS/1.0|Nats-Stream-Source: A 3 > > a.y] ",
            "4 b.1 [NATS/1.0|Nats-Stream-Source: B 1 b.1 > b.1] two",
            "5 t.z [NATS/1.0|Nats-Stream-Source: B 2 b.2.*\u{c}b.3 t.$1\u{c}> b.2.z] three",
            "6 b.3 [NATS/1.0|Nats-Stream-Source: B 3 b.2.*\u{c}b.3 t.$1\u{c}> b.3] four",
        ]
    );
    let infos = w.with_ctx(|stream, ctx| stream.brief_info(ctx)).sources;
    let shown: Vec<_> = infos.iter().map(|s| (s.name.as_str(), s.lag, s.active_ns)).collect();
    assert_eq!(shown, [("A", 0, 0), ("B", 0, 0), ("B", 0, 0)]);
    // Nobody else knows how far the origins were read: a restart finds it in the messages.
    w.restart(u64::MAX);
    a.publish("a.x", "five");
    settle(&mut w, &mut [&mut a, &mut b]);
    assert_eq!(stored(&mut w).len(), 7);
}

#[test]
fn a_mirror_has_what_its_origin_has() {
    let mut a = origin("A", "a.>");
    for n in 1..=9 {
        a.mono += SEC;
        a.publish(&format!("a.{}", n % 2), &n.to_string());
    }
    a.run();
    for seq in [1, 4, 5] {
        let request = types::api::MsgDeleteRequest { seq, no_erase: true };
        a.with_ctx(|stream, ctx| stream.delete_msg(ctx, request)).unwrap();
    }
    let mut w = World::on_disk(mirror(from("A")));
    settle(&mut w, &mut [&mut a]);
    let state = w.stream.state();
    assert_eq!((state.first_seq, state.last_seq, state.msgs, state.num_deleted), (2, 9, 6, 2));
    let theirs = a.stream.store.get(7).unwrap().unwrap().ts;
    assert_eq!(w.stream.store.get(7).unwrap().unwrap().ts, theirs, "the origin's time");
    w.crash(Crash::DropUnsynced);
    assert_eq!(w.stream.state(), state);
    a.publish("a.1", "ten");
    settle(&mut w, &mut [&mut a]);
    assert_eq!(w.stream.state().last_seq, 10);
    // With a filter the others are gaps, wherever they are.
    let mut w = World::on_disk(mirror(StreamSource { filter_subject: "a.1".into(), ..from("A") }));
    settle(&mut w, &mut [&mut a]);
    let kept: Vec<String> = stored(&mut w).iter().map(|line| line[..1].to_owned()).collect();
    assert_eq!(kept, ["3", "7", "9", "1"]);
    w.crash(Crash::DropUnsynced);
    assert_eq!(w.stream.state().last_seq, 10);
    assert_eq!(w.stream.state().num_deleted, 4);
}

#[test]
fn an_origin_that_is_not_there_is_asked_for_again() {
    let mut w = World::new(mirror(from("A")));
    let info = |w: &mut World| w.with_ctx(|stream, ctx| stream.brief_info(ctx)).mirror.unwrap();
    assert_eq!((info(&mut w).active_ns, info(&mut w).error), (-1, None));
    settle(&mut w, &mut []);
    assert_eq!(info(&mut w).active_ns, -1);
    assert_eq!(info(&mut w).error, Some(errors::STREAM_NOT_FOUND.err()));
    assert!(!round(&mut w, &mut []), "not at once");
    w.mono = w.stream.next_deadline_ns().expect("a timer");
    let mut a = origin("A", "a");
    a.publish("a", "x");
    settle(&mut w, &mut [&mut a]);
    assert_eq!((info(&mut w).active_ns, info(&mut w).error), (0, None));
    assert_eq!(w.stream.state().msgs, 1);
    // A living origin is heard of every second, whether it says anything or not.
    w.mono += 3 * SEC + 5 * MS;
    assert_eq!(info(&mut w).active_ns, 5_000_000);
}

#[test]
fn what_is_refused_waits_for_room() {
    let mut a = origin("A", "a");
    for n in 1..=5 {
        a.publish("a", &n.to_string());
    }
    let full = StreamConfig {
        discard: Discard::New,
        max_msgs: 3,
        retention: Retention::WorkQueue,
        ..sourcing(vec![from("A")])
    };
    for mirrors in [false, true] {
        let config = match mirrors {
            false => full.clone(),
            true => StreamConfig {
                sources: vec![],
                ..StreamConfig { mirror: Some(from("A")), ..full.clone() }
            },
        };
        let mut w = World::new(config);
        settle(&mut w, &mut [&mut a]);
        assert_eq!(w.stream.state().msgs, 3);
        let info = w.with_ctx(|stream, ctx| stream.brief_info(ctx));
        let feed = info.mirror.or(info.sources.into_iter().next()).unwrap();
        assert_eq!(feed.lag, 2);
        let request = types::api::MsgDeleteRequest { seq: 1, no_erase: true };
        w.with_ctx(|stream, ctx| stream.delete_msg(ctx, request)).unwrap();
        // There is room at once, and nothing is read twice.
        w.pass(MS);
        settle(&mut w, &mut [&mut a]);
        let kept: Vec<String> = stored(&mut w).iter().map(|line| line[..1].to_owned()).collect();
        assert_eq!(kept, ["2", "3", "4"], "in order, none left out");
    }
}

#[test]
fn ids_are_known_in_the_window() {
    let mut a = origin("A", "a");
    for id in ["x", "y", "z"] {
        a.publish_with("a", &format!("Nats-Msg-Id: {id}"), "", "");
    }
    let mut w = World::new(StreamConfig {
        subjects: vec!["s".into()],
        duplicate_window_ns: 120_000_000_000,
        ..sourcing(vec![from("A")])
    });
    w.publish_with("s", "Nats-Msg-Id: y", "", "");
    settle(&mut w, &mut [&mut a]);
    assert_eq!(w.stream.state().msgs, 3, "y was there already");
    // A mirror does not judge: it has what its origin has.
    let mut w = World::new(mirror(from("A")));
    settle(&mut w, &mut [&mut a]);
    assert_eq!(w.stream.state().msgs, 3);
}

#[test]
fn answers_to_earlier_questions_do_not_count() {
    let mut a = origin("A", "a");
    a.publish("a", "x");
    a.run();
    let mut w = World::new(sourcing(vec![from("A")]));
    let mut read = w.with_ctx(|stream, ctx| stream.origin_reads(ctx)).remove(0);
    let mut fx = crate::Effects::new();
    let answer = a.with_ctx(|stream, ctx| stream.read_origin(ctx, &mut read, &mut fx));
    let answer = answer.unwrap().expect("the first read is answered");
    let refused = Err(errors::STREAM_NOT_FOUND.err());
    w.with_ctx(|stream, ctx| stream.take_origin(ctx, read.ticket, refused));
    w.with_ctx(|stream, ctx| stream.take_origin(ctx, read.ticket, Ok(answer)));
    w.run();
    assert_eq!(w.stream.state().msgs, 0, "the first answer is the one");
    w.pass(SEC);
    settle(&mut w, &mut [&mut a]);
    assert_eq!(w.stream.state().msgs, 1);
}

#[test]
fn answers_find_their_source_over_a_change() {
    let mut origins = ["A", "B", "C"].map(|name| {
        let mut origin = origin(name, &name.to_lowercase());
        origin.publish(&name.to_lowercase(), name);
        origin.run();
        origin
    });
    let mut w = World::on_disk(sourcing(vec![from("A"), from("B")]));
    let reads = w.with_ctx(|stream, ctx| stream.origin_reads(ctx));
    assert_eq!(reads.len(), 2);
    let mut fx = crate::Effects::new();
    let change = sourcing(vec![from("B"), from("C")]);
    let config = StreamConfig { storage: types::Storage::File, ..change };
    w.with_ctx(|stream, ctx| stream.update(ctx, config, &mut fx)).expect("updated");
    let [a, b, c] = &mut origins;
    for mut read in reads {
        let origin = if *read.stream == *"A" { &mut *a } else { &mut *b };
        let answer = origin.with_ctx(|stream, ctx| stream.read_origin(ctx, &mut read, &mut fx));
        let answer = answer.map(|batch| batch.expect("the first read is answered"));
        w.with_ctx(|stream, ctx| stream.take_origin(ctx, read.ticket, answer));
    }
    w.run();
    assert_eq!(stored(&mut w), ["1 b [NATS/1.0|Nats-Stream-Source: B 1 > > b] B"]);
    settle(&mut w, &mut [&mut *a, &mut *b, &mut *c]);
    assert_eq!(stored(&mut w).len(), 2);
    // A source that comes back goes on where it was, also after a restart without it.
    for sources in [vec![from("C")], vec![from("C"), from("B"), from("A")]] {
        let config = StreamConfig { storage: types::Storage::File, ..sourcing(sources) };
        w.with_ctx(|stream, ctx| stream.update(ctx, config, &mut fx)).expect("updated");
        w.run();
        w.crash(Crash::DropUnsynced);
        settle(&mut w, &mut [&mut *a, &mut *b, &mut *c]);
    }
    let from_a = "3 a [NATS/1.0|Nats-Stream-Source: A 1 > > a] A";
    assert_eq!(stored(&mut w).last().map(String::as_str), Some(from_a));
    assert_eq!(stored(&mut w).len(), 3, "each once");
}

#[test]
fn what_is_not_committed_is_not_read() {
    let mut a = origin("A", "a");
    a.publish("a", "x");
    let mut w = World::new(sourcing(vec![from("A")]));
    let mut read = w.with_ctx(|stream, ctx| stream.origin_reads(ctx)).remove(0);
    let mut fx = crate::Effects::new();
    let answer = a.with_ctx(|stream, ctx| stream.read_origin(ctx, &mut read, &mut fx));
    assert!(answer.unwrap().expect("an answer").is_empty());
}

#[test]
fn headers_of_sources_are_read_back() {
    let read = |value: &str| {
        let block = headers(&format!("A: b|Nats-Stream-Source: {value}"));
        crate::origins::index_of(&block).map(|o| (o.stream, o.index, o.seq))
    };
    let some = |stream: &str, index: Option<&str>, seq| {
        Some((stream.to_owned(), index.map(str::to_owned), seq))
    };
    assert_eq!(read("A 7 > > a.b"), some("A", Some("A > >"), 7));
    assert_eq!(read("A:x 7 f t"), some("A:x", Some("A:x f t"), 7));
    assert_eq!(read("A 7"), some("A", None, 7));
    assert_eq!(read("$JS.ACK.A.C.1.7.2.3.4"), some("A", None, 7));
    assert_eq!(read("$JS.ACK.d.h.A.C.1.7.2.3.4.t"), some("A", None, 7));
    for bad in ["A", "A x > >", "A 7 >", "$JS.ACK.A", "$JS.ACK.A.C.1.x.2.3.4", ""] {
        assert_eq!(read(bad), None, "{bad}");
    }
    assert!(crate::origins::index_of(b"").is_none());
}

/// Which message of which origin was stored where; a message must not be in two places.
#[derive(Default)]
struct Places(BTreeMap<(String, u64), u64>);

impl Places {
    fn look(&mut self, w: &mut World, seed: u64) {
        let mut at = 0;
        // A store in trouble may show what it could not write.
        let mut last = w.stream.state().last_seq;
        while !w.stream.has_committed(last) {
            last -= 1;
        }
        while let Some(msg) = w.stream.store.next_match(&Filter::all(), at).unwrap() {
            if msg.seq > last {
                break;
            }
            at = msg.seq + 1;
            let from = crate::origins::index_of(msg.headers).expect("it is from a source");
            let key = (from.stream, from.seq);
            let before = self.0.insert(key.clone(), msg.seq);
            assert!(
                before.is_none_or(|before| before == msg.seq),
                "seed {seed}: {key:?} is {before:?} and {}",
                msg.seq
            );
        }
    }
}

/// What a run gathers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gatherer {
    /// Its consumer acknowledges at once.
    Queue,
    /// Most go by a limit before anybody sees them.
    Short,
    /// It drops what nobody wants.
    Interest,
}

#[test]
fn each_message_is_stored_once_over_crashes_and_failures() {
    for seed in 0..15 {
        for kind in [Gatherer::Queue, Gatherer::Short, Gatherer::Interest] {
            once(seed, kind);
        }
    }
}

/// Lets the disk fail now and then.
fn hinder(w: &World, rng: &mut Rng) {
    if rng.below(4) == 0 {
        let op = [DiskOp::Write, DiskOp::Sync, DiskOp::Rename, DiskOp::Any];
        let (after, once) = (rng.below(6), rng.below(2) == 0);
        let op = op[rng.below(4) as usize];
        w.disk().inject(Fault { op, after, kind: std::io::ErrorKind::Other, once });
    }
}

/// Now and then the process is killed, or the power goes; true if so.
fn crash(w: &mut World, rng: &mut Rng) -> bool {
    let now = rng.below(5) == 0;
    if now {
        let seed = rng.next();
        // After a failed sync the system may show what the disk does not have: that a process
        // that starts anew cannot know.
        let kill = match w.stream.store.trouble() {
            None => Crash::KeepAll,
            Some(_) => Crash::DropUnsynced,
        };
        let kinds = [Crash::DropUnsynced, kill, Crash::Torn(seed), Crash::Scattered(seed)];
        w.disk().clear_faults();
        w.crash(kinds[rng.below(4) as usize]);
    }
    now
}

/// A stream gathers from two origins; the disk fails, and the power goes at any call.
fn once(seed: u64, kind: Gatherer) {
    let mut rng = Rng::new(seed + 1);
    let (mut a, mut b) = (origin("A", "a"), origin("B", "b"));
    let config = sourcing(vec![from("A"), from("B")]);
    let mut w = World::on_disk(match kind {
        Gatherer::Queue => StreamConfig { retention: Retention::WorkQueue, ..config },
        Gatherer::Short => StreamConfig { max_msgs: 2, ..config },
        Gatherer::Interest => StreamConfig { retention: Retention::Interest, ..config },
    });
    w.create(types::ConsumerConfig { filter_subject: "a".into(), ..pull("c") });
    if kind == Gatherer::Queue {
        w.create(types::ConsumerConfig { filter_subject: "b".into(), ..pull("d") });
    }
    let mut places = Places::default();
    let mut published = [0, 0];
    for _ in 0..40 {
        for _ in 0..rng.below(4) {
            published[0] += 1;
            a.publish("a", "x");
        }
        if rng.below(3) == 0 {
            published[1] += 1;
            b.publish("b", "x");
        }
        a.run();
        b.run();
        hinder(&w, &mut rng);
        w.next("c", "in", "100");
        if kind == Gatherer::Queue {
            w.next("d", "in", "100");
        }
        ask_again(&mut w, &mut [&mut a, &mut b]);
        places.look(&mut w, seed);
        for reply in acks_to(&w.take(), "in") {
            w.ack(&reply, "", "ok");
        }
        w.run();
        w.pass(SEC);
        if crash(&mut w, &mut rng) {
            places.look(&mut w, seed);
        }
    }
    w.disk().clear_faults();
    w.pass(10 * SEC);
    ask_again(&mut w, &mut [&mut a, &mut b]);
    places.look(&mut w, seed);
    let seen: Vec<u64> = w.stream.origins.feeds().map(|feed| feed.committed).collect();
    assert_eq!(seen, published, "seed {seed}, {kind:?}");
    let wanted = match kind {
        Gatherer::Queue => published,
        // Nobody wants those of B.
        Gatherer::Interest => [published[0], 0],
        Gatherer::Short => [0, 0],
    };
    for (name, count) in [("A", wanted[0]), ("B", wanted[1])] {
        for seq in 1..=count {
            let place = places.0.get(&(name.to_owned(), seq));
            assert!(place.is_some(), "seed {seed}, {kind:?}: {name} {seq} is nowhere");
        }
    }
}

#[test]
fn a_mirror_is_the_same_over_crashes_and_failures() {
    for seed in 0..15 {
        let mut rng = Rng::new(seed + 1);
        let mut a = origin("A", "a");
        let mut w = World::on_disk(mirror(from("A")));
        for _ in 0..40 {
            for _ in 0..rng.below(4) {
                a.publish("a", &rng.next().to_string());
            }
            a.run();
            let last = a.stream.state().last_seq;
            if rng.below(3) == 0 && last > 0 {
                let seq = last - rng.below(3).min(last - 1);
                let request = types::api::MsgDeleteRequest { seq, no_erase: true };
                // It may be gone already.
                let _gone = a.with_ctx(|stream, ctx| stream.delete_msg(ctx, request));
                a.run();
            }
            hinder(&w, &mut rng);
            ask_again(&mut w, &mut [&mut a]);
            w.pass(SEC);
            crash(&mut w, &mut rng);
        }
        w.disk().clear_faults();
        a.publish("a", "the last one");
        a.run();
        w.pass(10 * SEC);
        ask_again(&mut w, &mut [&mut a]);
        assert_eq!(w.stream.state().last_seq, a.stream.state().last_seq, "seed {seed}");
        let mirrored = stored(&mut w);
        // What the origin deleted later the mirror keeps.
        for line in stored(&mut a) {
            assert!(mirrored.contains(&line), "seed {seed}: {line} is missing");
        }
    }
}
