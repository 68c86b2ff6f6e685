//! A disk that fails: what was acknowledged stays, what was refused was never there.

use std::collections::{BTreeMap, BTreeSet};

use env::{Crash, DiskOp, Fault};

use super::harness::{MS, SEC, World, acks_to, config, pull, seqs_to};
use crate::SyncPolicy;
use crate::consumer::Rng;

#[test]
fn a_failing_disk_never_lies() {
    for seed in 0..40 {
        run(seed);
    }
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed + 1);
    let mut w = World::on_disk(config(&["a"]));
    w.create(pull("c"));
    w.sub("in");
    let mut acked: BTreeMap<u64, String> = BTreeMap::new();
    let mut published = BTreeSet::new();
    let mut delivered = 0;
    let mut number = 0;
    for _ in 0..30 {
        if rng.below(3) == 0 {
            let op = [DiskOp::Write, DiskOp::Sync, DiskOp::Any][rng.below(3) as usize];
            let (after, once) = (rng.below(4), rng.below(2) == 0);
            w.disk().inject(Fault { op, after, kind: std::io::ErrorKind::Other, once });
        }
        let mut sent = Vec::new();
        for _ in 0..=rng.below(3) {
            number += 1;
            let payload = format!("message {number}");
            w.publish_with("a", "", &payload, &format!("ack.{number}"));
            published.insert(payload.clone());
            sent.push((number, payload));
        }
        w.next("c", "in", "100");
        let out = w.round();
        for (number, payload) in sent {
            let prefix = format!("ack.{number} <- ");
            let answer: Vec<&str> =
                out.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
            assert_eq!(answer.len(), 1, "seed {seed}: one answer to each publish: {out:?}");
            let ack: types::api::PubAck = serde_json::from_str(answer[0]).unwrap();
            match ack.error {
                None => assert_eq!(acked.insert(ack.seq, payload), None, "seed {seed}"),
                Some(error) => assert_eq!(error.err_code, 10077, "seed {seed}"),
            }
        }
        for seq in seqs_to(&out, "in") {
            assert!(acked.contains_key(&seq), "seed {seed}: {seq} delivered, not acknowledged");
            assert!(seq > delivered, "seed {seed}: {seq} again");
            delivered = seq;
        }
        let bytes = w.stream.state().bytes;
        assert_eq!(w.server.used(types::Storage::File), bytes, "seed {seed}");
        if rng.below(6) == 0 {
            w.disk().clear_faults();
            w.crash(Crash::Torn(rng.next()));
            for (seq, payload) in &acked {
                let msg = w.stream.store.get(*seq).unwrap();
                let found = msg.map(|m| String::from_utf8_lossy(m.payload).into_owned());
                assert_eq!(found.as_deref(), Some(payload.as_str()), "seed {seed}: {seq}");
            }
            // What failed to sync may have reached the disk nevertheless: it counts now.
            for seq in 1..=w.stream.state().last_seq {
                let msg = w.stream.store.get(seq).unwrap();
                let Some(msg) = msg else { continue };
                let payload = String::from_utf8_lossy(msg.payload).into_owned();
                assert!(published.contains(&payload), "seed {seed}: {seq} was never sent");
                acked.insert(seq, payload);
            }
            delivered = w.stream.consumer("c").delivered.stream;
        }
    }
}

const STORE: &str = "! $JS.EVENT.ADVISORY.STREAM.STORE.S";

fn broken(op: DiskOp) -> Fault {
    Fault { op, after: 0, kind: std::io::ErrorKind::Other, once: false }
}

#[test]
fn a_failing_disk_refuses_at_once_tells_once_and_heals_by_itself() {
    for op in [DiskOp::Write, DiskOp::Sync] {
        let mut w = World::on_disk(config(&["a"]));
        assert_eq!(w.ack_of("a", "", "one"), r#"{"stream":"S","seq":1}"#);
        w.disk().inject(broken(op));
        let mut told = 0;
        for _ in 0..3 {
            w.publish_with("a", "", "refused", "ack");
            let out = w.round();
            assert!(out.iter().any(|line| line.contains("10077")), "{out:?}");
            told += out.iter().filter(|line| *line == STORE).count();
            w.pass(300 * MS);
            told += w.take().iter().filter(|line| *line == STORE).count();
        }
        assert_eq!(told, 1, "of the failure");
        let info = w.stream.brief_info(&w.ctx());
        assert!(!info.store_error.is_empty());
        assert_eq!((info.state.msgs, info.state.last_seq), (1, 1));
        w.disk().clear_faults();
        w.pass(SEC);
        assert_eq!(w.take(), [STORE], "of the recovery");
        assert_eq!(w.stream.brief_info(&w.ctx()).store_error, "");
        assert_eq!(w.ack_of("a", "", "two"), r#"{"stream":"S","seq":2}"#);
        w.crash(Crash::DropUnsynced);
        assert_eq!(w.stream.state().msgs, 2);
    }
}

#[test]
fn a_full_disk_takes_back_what_a_timer_was_to_sync() {
    // The timer's flush comes between the publish and the commit of its round.
    let mut w = World::on_disk_with(config(&["a"]), SyncPolicy::Interval(SEC));
    assert_eq!(w.ack_of("a", "", "one"), r#"{"stream":"S","seq":1}"#);
    let used = w.disk().used();
    w.disk().set_capacity(Some(used));
    w.publish_with("a", "", "two", "ack");
    w.pass(SEC);
    let out = w.take();
    assert!(out.iter().any(|line| line.contains("10077")), "{out:?}");
    assert!(!out.iter().any(|line| line.contains("\"seq\":2")), "{out:?}");
    assert_eq!(w.stream.state().msgs, 1);
    w.disk().set_capacity(None);
    assert_eq!(w.ack_of("a", "", "three"), r#"{"stream":"S","seq":2}"#);
}

#[test]
fn relaxed_acks_survive_a_failed_sync() {
    let mut w = World::on_disk_with(config(&["a"]), SyncPolicy::Interval(SEC));
    for number in 1..=5 {
        assert_eq!(w.ack_of("a", "", "x"), format!("{{\"stream\":\"S\",\"seq\":{number}}}"));
    }
    w.disk().inject(Fault { once: true, ..broken(DiskOp::Sync) });
    w.pass(SEC);
    assert_eq!(w.take(), [STORE]);
    w.pass(SEC);
    assert_eq!(w.take(), [STORE]);
    w.crash(Crash::DropUnsynced);
    assert_eq!(w.stream.state().msgs, 5);
}

#[test]
fn a_confirmed_ack_survives_a_power_cut() {
    for (sync, floor) in [(SyncPolicy::Always, 2), (SyncPolicy::Interval(SEC), 0)] {
        let mut w = World::on_disk_with(config(&["a"]), sync);
        w.create(pull("c"));
        for _ in 0..3 {
            w.ack_of("a", "", "x");
        }
        w.pass(SEC);
        w.next("c", "in", "3");
        let replies = acks_to(&w.round(), "in");
        w.ack(&replies[0], "", "done");
        w.ack(&replies[1], "", "done");
        let out = w.round();
        assert_eq!(out.iter().filter(|line| line.starts_with("done <-")).count(), 2, "{out:?}");
        w.crash(Crash::DropUnsynced);
        assert_eq!(w.stream.consumer("c").ack_floor.stream, floor, "{sync:?}");
    }
}

#[test]
fn damage_found_while_reading_is_told_and_counted_out() {
    let mut w = World::on_disk(config(&["a"]));
    for number in 1..=4 {
        w.ack_of("a", "", &format!("message {number}"));
    }
    w.stream.stop(&mut crate::Effects::new()).unwrap();
    let path = std::path::Path::new(super::harness::ACCOUNT_DIR).join("streams/S/msgs/1.blk");
    let bytes = env::Disk::read(w.disk(), &path).unwrap();
    let at = bytes.windows(9).position(|window| window == b"message 2").unwrap();
    w.disk().flip_bit(&path, at, 0);
    w.disk().flip_bit(&path, at + 1, 0);
    w.crash(Crash::KeepAll);
    w.create(pull("c"));
    w.next("c", "in", "10");
    let out = w.round();
    assert_eq!(seqs_to(&out, "in"), [1, 3, 4], "{out:?}");
    assert!(out.iter().any(|line| line == "! $JS.EVENT.ADVISORY.STREAM.DAMAGE.S"), "{out:?}");
    let state = w.stream.state();
    assert_eq!(state.lost.map(|lost| lost.msgs), Some(vec![2]));
    assert_eq!(state.msgs, 3);
    assert_eq!(w.server.used(types::Storage::File), state.bytes);
    // Told once, remembered always.
    w.crash(Crash::KeepAll);
    assert!(!w.round().iter().any(|line| line.contains("DAMAGE")));
    assert_eq!(w.stream.state().lost.map(|lost| lost.msgs), Some(vec![2]));
}
