//! A disk that fails: what was acknowledged stays, what was refused was never there.

use std::collections::{BTreeMap, BTreeSet};

use env::{Crash, DiskOp, Fault};

use super::harness::{World, config, pull, seqs_to};
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
