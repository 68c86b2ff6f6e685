//! Where subjects begin and end, as an opening knows it without reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use env::{Rng as _, SeededRng};
use types::{StreamConfig, Timestamp};

use crate::file_store::checkpoint::{self, CHECKPOINT, Checkpoint};
use crate::file_store::{FileStore, FileStoreOptions, push_u};
use crate::tests::{World, config, msg};
use crate::{Durability, Erase, Filter, Purge, StreamStore};

/// Checks that no exact bound is wrong, and that no other leaves a message out; answers how many
/// are not exact.
#[track_caller]
pub(super) fn loose_bounds(store: &FileStore, messages: &[(u64, String)]) -> usize {
    let mut held: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
    for (seq, subject) in messages {
        held.entry(subject.as_bytes()).or_default().push(*seq);
    }
    let mut loose = 0;
    store.subjects.tree().for_each(|literal, entry| {
        let info = store.subjects.info(entry);
        let seqs = held.remove(literal).expect("a subject without a message");
        let (first, last) = (seqs[0], seqs[seqs.len() - 1]);
        assert_eq!(info.total, seqs.len() as u64);
        for (bound, seq, holds) in [
            (info.first, first, info.first.seq() <= first),
            (info.last, last, info.last.seq() >= last),
        ] {
            loose += usize::from(!bound.is_exact());
            assert!(
                if bound.is_exact() { bound.seq() == seq } else { holds },
                "{info:?}: {seqs:?}"
            );
        }
    });
    assert!(held.is_empty(), "{held:?}");
    loose
}

/// A store on a simulated disk.
struct Bench {
    world: World,
    config: StreamConfig,
}

impl Bench {
    fn new(config: StreamConfig) -> (Self, FileStore) {
        let world = World::new(1_000);
        let store = world.create(&config);
        (Bench { world, config }, store)
    }

    fn dir(&self) -> PathBuf {
        self.world.account.join("streams").join(&self.config.name)
    }

    /// Opens what a store left that is gone, as far as the blocks go.
    fn recovered(&self) -> FileStore {
        let options = FileStoreOptions { block_bytes: 1_000, ..self.world.options };
        let (disk, dir) = (self.world.dyn_disk(), self.dir());
        let mut store = FileStore::empty(disk, dir, Timestamp::ZERO, &self.config, options, None);
        store.recover().unwrap();
        store
    }

    fn opened(&self) -> FileStore {
        let mut store = self.recovered();
        store.finish_recovery(0).unwrap();
        store
    }

    /// Puts another checkpoint in the place of the one there is.
    fn change_checkpoint(&self, change: impl FnOnce(&mut Vec<u8>)) {
        self.world.edit(&format!("msgs/{CHECKPOINT}"), change);
    }
}

fn append(store: &mut FileStore, subject: &str, number: i64) {
    store.append(msg(subject, "payload", number), &mut |_| {}).unwrap();
}

fn messages(store: &mut FileStore) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    let mut from = 0;
    while let Some(found) = store.next_match(&Filter::all(), from).unwrap() {
        messages.push((found.seq, String::from_utf8_lossy(found.subject).into_owned()));
        from = found.seq + 1;
    }
    messages
}

/// A stream of many subjects, stopped: how many blocks it has, and what it holds.
fn stopped() -> (Bench, Vec<(u64, String)>) {
    let (bench, mut store) = Bench::new(config());
    for number in 0..200 {
        append(&mut store, &format!("s.{}", number * 7 % 31), number);
    }
    append(&mut store, "s.only", 200);
    store.flush(Durability::Synced).unwrap();
    let held = messages(&mut store);
    assert!(store.blocks.len() > 5);
    store.stop().unwrap();
    (bench, held)
}

#[test]
fn bounds_are_exact_after_a_clean_stop() {
    let (bench, held) = stopped();
    let mut store = bench.opened();
    assert_eq!(loose_bounds(&store, &held), 0);
    let loads = store.loads;
    assert_eq!(store.last_seq_of(b"s.5"), held.iter().rfind(|(_, s)| s == "s.5").unwrap().0);
    assert_eq!(store.last_per_subject(&Filter::any_of(["s.*"]), 201).len(), 32);
    assert_eq!(store.loads, loads, "blocks were read");
}

#[test]
fn bounds_are_exact_after_a_kill_but_for_what_changed() {
    let (bench, _) = stopped();
    let mut store = bench.opened();
    for number in 201..220 {
        append(&mut store, &format!("s.{}", number * 7 % 31), number);
    }
    store.remove(1, Erase::Keep, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    let held = messages(&mut store);
    drop(store);
    let store = bench.opened();
    // The first of the subject of sequence 1, and of what was in the block that was the last one,
    // at most one bound each.
    let loose = loose_bounds(&store, &held);
    assert!((1..8).contains(&loose), "{loose}");
}

#[test]
fn older_checkpoints_are_read() {
    for version in [1, 2] {
        let (bench, held) = stopped();
        let hasher = bench.recovered().hasher();
        bench.change_checkpoint(|file| {
            let (trailer, now) = checkpoint::decode(file, &hasher).unwrap();
            let mut old = vec![0x6a, version];
            old.extend_from_slice(&trailer);
            push_u(&mut old, now.seals.len() as u64);
            for seal in &now.seals {
                push_u(&mut old, seal.index);
                push_u(&mut old, seal.len);
                old.extend_from_slice(&seal.sum);
            }
            if version == 2 {
                push_u(&mut old, now.bounds.len() as u64);
                old.extend_from_slice(&now.bounds);
            }
            old.extend_from_slice(&hasher.sum(&[&old]));
            let (_, read) = checkpoint::decode(&old, &hasher).unwrap();
            assert!(
                read.seals.iter().zip(&now.seals).all(|(a, b)| (a.len, a.sum) == (b.len, b.sum))
            );
            *file = old;
        });
        let mut store = bench.opened();
        assert_eq!(loose_bounds(&store, &held), if version == 1 { 64 } else { 0 });
        assert_eq!(messages(&mut store), held);
    }
}

#[test]
fn bounds_of_a_damaged_checkpoint_are_not_used() {
    let (bench, held) = stopped();
    let whole = bench.world.disk.files(&bench.dir());
    let whole = whole.iter().find(|(path, _)| path.ends_with(CHECKPOINT)).unwrap().1.clone();
    for at in (0..whole.len()).rev().step_by(7) {
        bench.change_checkpoint(|file| {
            *file = whole.clone();
            file[at] ^= 4;
        });
        let store = bench.recovered();
        assert_eq!(loose_bounds(&store, &held), 64, "byte {at}");
    }
    bench.change_checkpoint(|file| *file = whole);
    assert_eq!(loose_bounds(&bench.recovered(), &held), 0);
}

#[test]
fn bounds_that_make_no_sense_are_not_used() {
    let (bench, held) = stopped();
    let hasher = bench.recovered().hasher();
    let original = bench.world.disk.files(&bench.dir());
    let original = original.iter().find(|(path, _)| path.ends_with(CHECKPOINT)).unwrap().1.clone();
    let (trailer, sound) = checkpoint::decode(&original, &hasher).unwrap();
    for bounds in [
        Vec::new(),
        vec![0xff; 200],
        vec![0x7f; 200],
        [vec![0xff; 9], vec![1], sound.bounds.clone()].concat(),
    ] {
        let bad = Checkpoint { bounds, ..sound.clone() };
        bench.change_checkpoint(|file| *file = checkpoint::encode(trailer, &bad, &hasher));
        let mut store = bench.recovered();
        store.subjects.tree().for_each(|_, entry| {
            let first = store.subjects.info(entry).first;
            assert!(!first.is_exact() || store.locate(first.seq()).is_some());
        });
        assert_eq!(messages(&mut store), held);
    }
}

#[test]
fn a_cut_tail_leaves_no_wrong_bound() {
    for cut in [1, 30, 60, 200, 400] {
        let (bench, held) = stopped();
        let tail = bench.recovered().blocks.back().unwrap().index;
        bench.world.edit(&format!("msgs/{tail}.blk"), |file| {
            file.truncate(file.len().saturating_sub(cut));
        });
        let mut store = bench.opened();
        store.flush(Durability::Synced).unwrap();
        let left = messages(&mut store);
        assert!(left.len() < held.len());
        loose_bounds(&store, &left);
        drop(store);
        loose_bounds(&bench.opened(), &left);
    }
}

#[test]
fn a_lost_message_leaves_no_wrong_bound() {
    let (bench, held) = stopped();
    for (seq, subject) in held.iter().step_by(9) {
        let (bench, store) = (stopped().0, bench.recovered());
        let at = store.locate(*seq).unwrap();
        let index = store.blocks[at].index;
        bench.world.edit(&format!("msgs/{index}.blk"), |file| {
            let nth = seq - store.blocks[at].first_seq;
            let len = file.len() / store.blocks[at].msgs as usize;
            // Somewhere in its payload, two bits at least.
            let place = file.windows(7).enumerate().filter(|(_, bytes)| bytes == b"payload");
            let (place, _) = place.collect::<Vec<_>>()[nth as usize];
            assert!(len > 20);
            file[place] ^= 0x33;
            file[place + 1] ^= 0x33;
        });
        let mut store = bench.opened();
        let _ = store.get(*seq).unwrap();
        let last = store.last_seq_of(subject.as_bytes());
        let left: Vec<_> = held.iter().filter(|(other, _)| other != seq).cloned().collect();
        let want = left.iter().rfind(|(_, other)| other == subject).map_or(0, |(seq, _)| *seq);
        assert_eq!(last, want);
        assert_eq!(messages(&mut store), left);
        store.flush(Durability::Synced).unwrap();
        loose_bounds(&store, &left);
        drop(store);
        loose_bounds(&bench.opened(), &left);
    }
}

/// All that may happen to a stream, with openings in between.
fn run(seed: u64, config: StreamConfig) {
    let rng = SeededRng::new(seed);
    let below = |end: u64| rng.next_u64().unwrap() % end;
    let (bench, mut store) = Bench::new(config);
    for step in 0..250 {
        let subject = format!("s.{}", below(12));
        match below(20) {
            0..=9 => {
                for more in 0..below(8) {
                    append(&mut store, &format!("s.{}", below(12)), step * 10 + more as i64);
                }
            }
            10 | 11 => append(&mut store, &subject, step * 10),
            12..=14 => {
                let totals = store.totals();
                let seq = totals.first_seq + below(totals.last_seq + 2 - totals.first_seq);
                let erase = if below(4) == 0 { Erase::Overwrite } else { Erase::Keep };
                store.remove(seq, erase, &mut |_| {}).unwrap();
            }
            15 => {
                let purge = match below(4) {
                    0 => Purge { filter: Filter::any_of([subject]), ..Purge::default() },
                    1 => Purge { filter: Filter::any_of([subject]), keep: 2, ..Purge::default() },
                    2 => Purge { below_seq: store.totals().first_seq + 9, ..Purge::default() },
                    _ if below(4) == 0 => Purge::default(),
                    _ => continue,
                };
                store.purge(&purge, &mut |_| {}).unwrap();
            }
            16 => {
                store.flush(Durability::Synced).unwrap();
                store.rest();
            }
            17 => {
                // Finds bounds.
                store.last_seq_of(subject.as_bytes());
                store.next_match(&Filter::any_of([subject]), 0).unwrap();
            }
            _ => {
                store.flush(Durability::Synced).unwrap();
                let held = messages(&mut store);
                if below(2) == 0 {
                    store.stop().unwrap();
                }
                drop(store);
                store = bench.opened();
                let now = messages(&mut store);
                let live: BTreeSet<u64> = now.iter().map(|(seq, _)| *seq).collect();
                assert!(held.iter().all(|(seq, _)| live.contains(seq)), "seed {seed}");
                loose_bounds(&store, &now);
            }
        }
        if below(3) == 0 {
            store.flush(Durability::Synced).unwrap();
            if below(4) == 0 {
                let now = messages(&mut store);
                loose_bounds(&store, &now);
            }
        }
    }
}

#[test]
fn whatever_happens_no_exact_bound_is_wrong() {
    for seed in 0..60 {
        run(seed, config());
        for max_msgs_per_subject in [1, 5] {
            run(seed, StreamConfig { max_msgs_per_subject, ..config() });
        }
        run(seed, StreamConfig { max_msgs: 60, ..config() });
        run(seed, StreamConfig { max_msgs: 40, max_msgs_per_subject: 2, ..config() });
    }
}
