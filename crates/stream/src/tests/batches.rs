//! Atomic batches: staged, checked and stored as one; limits, errors and advisories.

use std::sync::atomic::Ordering;

use env::{Crash, DiskOp, Fault};
use types::{Discard, StreamConfig};

use super::harness::{MS, SEC, World, config};

fn error(err_code: u16, text: &str) -> String {
    format!(
        "{{\"error\":{{\"code\":400,\"err_code\":{err_code},\"description\":\"{text}\"}},\
         \"stream\":\"S\",\"seq\":0}}"
    )
}

fn atomic(subjects: &[&str]) -> StreamConfig {
    StreamConfig { allow_atomic: true, allow_rollup_hdrs: true, ..config(subjects) }
}

fn part(w: &mut World, id: &str, seq: u64, more: &str) -> String {
    let lines = format!("Nats-Batch-Id: {id}|Nats-Batch-Sequence: {seq}{more}");
    w.ack_of(&format!("a.{seq}"), &lines, &format!("{id} {seq}"))
}

const COMMIT: &str = "|Nats-Batch-Commit: 1";
const INCOMPLETE: &str = "atomic publish batch is incomplete";

#[test]
fn a_batch_is_stored_with_its_commit() {
    let mut w = World::new(atomic(&["a.*"]));
    w.publish("a.0", "before");
    assert_eq!(part(&mut w, "b", 1, ""), "");
    assert_eq!(part(&mut w, "b", 2, ""), "");
    assert_eq!(w.stream.state().msgs, 1);
    w.publish("a.9", "between");
    let ack = part(&mut w, "b", 3, COMMIT);
    assert_eq!(ack, "{\"stream\":\"S\",\"seq\":5,\"batch\":\"b\",\"count\":3}");
    assert_eq!(w.stream.state().msgs, 5);
    // The id is free again.
    let ack = part(&mut w, "b", 1, COMMIT);
    assert_eq!(ack, "{\"stream\":\"S\",\"seq\":6,\"batch\":\"b\",\"count\":1}");
}

#[test]
fn an_end_mark_is_not_stored() {
    let mut w = World::new(atomic(&["a.*"]));
    part(&mut w, "b", 1, "");
    part(&mut w, "b", 2, "");
    let ack = part(&mut w, "b", 3, "|Nats-Batch-Commit: eob");
    assert_eq!(ack, "{\"stream\":\"S\",\"seq\":2,\"batch\":\"b\",\"count\":2}");
    let last = w.stream.store.get(2).unwrap().unwrap().headers.to_vec();
    assert_eq!(wire::headers::get(&last, "Nats-Batch-Commit"), Some(&b"1"[..]));
    assert_eq!(part(&mut w, "c", 1, "|Nats-Batch-Commit: eob"), error(10176, INCOMPLETE));
}

#[test]
fn broken_batches_leave_nothing() {
    let mut w = World::new(atomic(&["a.*"]));
    let abandoned = "! $JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S";
    assert_eq!(part(&mut w, "b", 2, ""), error(10176, INCOMPLETE));
    assert_eq!(
        part(&mut w, "b", 1001, ""),
        error(10199, "atomic publish batch is too large: 1000")
    );
    part(&mut w, "b", 1, "");
    w.publish_with("a.3", "Nats-Batch-Id: b|Nats-Batch-Sequence: 3", "", "ack");
    let out = w.round();
    assert_eq!(out, [format!("ack <- {}", error(10176, INCOMPLETE)), abandoned.to_owned()]);
    assert_eq!(part(&mut w, "b", 2, COMMIT), error(10176, INCOMPLETE));
    assert_eq!(
        part(&mut w, "b", 1, "|Nats-Batch-Commit: yes"),
        error(10200, "atomic publish batch commit is invalid")
    );
    let lines = "Nats-Batch-Id: b";
    assert_eq!(w.ack_of("a.1", lines, ""), error(10175, "atomic publish sequence is missing"));
    let (longest, longer) = ("x".repeat(64), "x".repeat(65));
    assert_eq!(part(&mut w, &longest, 1, ""), "");
    assert_eq!(part(&mut w, &longer, 1, ""), error(10179, "atomic publish batch ID is invalid"));
    assert_eq!(w.stream.state().last_seq, 0);
    let mut plain = World::new(config(&["a.*"]));
    assert_eq!(part(&mut plain, "b", 1, ""), error(10174, "atomic publish is disabled"));
}

#[test]
fn checks_see_the_messages_before() {
    let mut w = World::new(atomic(&["a.*"]));
    w.publish_with("a.0", "Nats-Msg-Id: old", "x", "");
    let wrong = |last: u64| error(10071, &format!("wrong last sequence: {last}"));
    let twice = "atomic publish batch contains duplicate message id";
    let cases = [
        ("|Nats-Expected-Last-Sequence: 1", "", None),
        ("|Nats-Expected-Last-Sequence: 0", "", Some(wrong(3))),
        ("", "|Nats-Expected-Last-Sequence: 1", Some(wrong(4))),
        ("", "|Nats-Expected-Last-Sequence: 4", Some(error(10164, "wrong last sequence"))),
        ("|Nats-Msg-Id: new", "|Nats-Msg-Id: new", Some(error(10201, twice))),
        ("|Nats-Msg-Id: old", "", Some(error(10201, twice))),
        (
            "|Nats-Expected-Last-Msg-Id: old",
            "",
            Some(error(10177, "atomic publish unsupported header used: Nats-Expected-Last-Msg-Id")),
        ),
        (
            "",
            "|Nats-Expected-Last-Subject-Sequence: 0|Nats-Expected-Last-Subject-Sequence-Subject: a.1",
            Some(error(10164, "wrong last sequence")),
        ),
        (
            "",
            "|Nats-Rollup: all",
            Some(error(10111, "batch rollup all invalid").replace("400", "500")),
        ),
    ];
    for (first, second, want) in cases {
        let stored = w.stream.state().msgs;
        part(&mut w, "b", 1, first);
        let ack = part(&mut w, "b", 2, &format!("{second}{COMMIT}"));
        match want {
            Some(want) => {
                assert_eq!(ack, want, "{first} {second}");
                assert_eq!(w.stream.state().msgs, stored);
            }
            None => assert!(ack.contains("\"count\":2"), "{first} {second}: {ack}"),
        }
    }
}

#[test]
fn discard_new_counts_the_whole_batch() {
    let mut c = atomic(&["a.*"]);
    (c.discard, c.max_msgs) = (Discard::New, 3);
    let mut w = World::new(c);
    w.publish("a.0", "x");
    for (count, fits) in [(3, false), (2, true)] {
        for seq in 1..count {
            part(&mut w, "b", seq, "");
        }
        let ack = part(&mut w, "b", count, COMMIT);
        assert_eq!(ack.contains("\"count\""), fits, "{ack}");
        assert!(fits || ack == error(10077, "maximum messages exceeded").replace("400", "503"));
    }
    assert_eq!(w.stream.state().msgs, 3);
}

#[test]
fn open_batches_are_limited_and_time_out() {
    let mut w = World::new(atomic(&["a.*"]));
    for number in 0..50 {
        assert_eq!(part(&mut w, &format!("b{number}"), 1, ""), "");
    }
    let full = error(10210, "atomic publish too many inflight");
    let refused = part(&mut w, "more", 1, "");
    assert!(refused.contains("too many inflight"), "{refused} {full}");
    w.pass(10 * SEC - MS);
    assert_eq!(part(&mut w, "b0", 2, ""), "");
    w.pass(MS);
    let out = w.round();
    let abandoned = out.iter().filter(|line| line.contains("BATCH_ABANDONED")).count();
    assert_eq!(abandoned, 49, "{out:?}");
    assert!(part(&mut w, "b0", 3, COMMIT).contains("\"count\":3"));
    assert_eq!(part(&mut w, "b1", 2, COMMIT), error(10176, INCOMPLETE));
}

#[test]
fn a_failed_commit_leaves_nothing() {
    let mut w = World::new(atomic(&["a.*"]));
    part(&mut w, "b", 1, "");
    w.fail.store(true, Ordering::Relaxed);
    let ack = part(&mut w, "b", 2, COMMIT);
    assert!(ack.contains("10077"), "{ack}");
}

/// Cut anywhere, a batch is there as a whole or not at all.
#[test]
fn a_crash_leaves_all_or_nothing() {
    let (mut all, mut nothing) = (0, 0);
    for seed in 0..300 {
        let mut w = World::on_disk(atomic(&["a.*"]));
        assert!(w.ack_of("a.0", "", "before").contains("\"seq\":1"));
        for seq in 1..6 {
            part(&mut w, "b", seq, "");
        }
        let op = [DiskOp::Sync, DiskOp::Any][seed as usize % 2];
        let after = seed / 2 % 12;
        w.disk().inject(Fault { op, after, kind: std::io::ErrorKind::Other, once: false });
        let lines = format!("Nats-Batch-Id: b|Nats-Batch-Sequence: 6{COMMIT}|Nats-Rollup: sub");
        let acked = w.ack_of("a.0", &lines, "b 6").contains("\"count\":6");
        w.disk().clear_faults();
        w.crash(Crash::Torn(seed));
        let state = w.stream.state();
        match state.msgs {
            1 => {
                assert!(!acked, "seed {seed}");
                nothing += 1;
                assert_eq!(w.stream.store.get(1).unwrap().unwrap().payload, b"before");
            }
            6 => {
                all += 1;
                let last = w.stream.store.get(state.last_seq).unwrap().unwrap();
                assert_eq!((last.subject, last.payload), (&b"a.0"[..], &b"b 6"[..]));
                assert!(w.stream.store.get(1).unwrap().is_none());
            }
            other => panic!("seed {seed}: {other} messages"),
        }
        assert!(w.stream.store.lost().is_none(), "seed {seed}");
        let bytes = w.stream.state().bytes;
        assert_eq!(w.server.used(types::Storage::File), bytes, "seed {seed}");
        // The batch is finished for good.
        w.crash(Crash::KeepAll);
        assert_eq!(w.stream.state().msgs, state.msgs, "seed {seed}");
    }
    assert!(all > 20 && nothing > 20, "{all} {nothing}");
}
