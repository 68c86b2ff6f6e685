//! Streams that keep so many messages of each subject: which goes next, and what is read for that.

use std::collections::BTreeMap;

use env::{Crash, Rng as _, SeededRng};
use types::StreamConfig;

use crate::file_store::FileStore;
use crate::tests::{World, at, config, msg, seqs};
use crate::{Durability, Erase, StreamStore};

const SUBJECTS: u64 = 25;
const KEPT: u64 = 40;

fn limited(limit: i64) -> StreamConfig {
    StreamConfig { max_msgs_per_subject: limit, ..config() }
}

fn open(world: &World, config: &StreamConfig) -> FileStore {
    let dir = world.account.join("streams/S");
    let mut store = FileStore::empty(world.dyn_disk(), dir, at(0), config, world.options, None);
    store.open().unwrap();
    store
}

/// A message of a subject; answers what went for it.
fn append(store: &mut FileStore, subject: u64) -> Vec<u64> {
    let mut gone = Vec::new();
    let subject = format!("s.{subject}");
    store.append(msg(&subject, "payload", 1), &mut |removed| gone.push(removed.seq)).unwrap();
    gone
}

/// As many messages of each subject as may be, in turn, opened after a stop.
fn full() -> (World, FileStore) {
    let world = World::new(1_000);
    let config = limited(KEPT as i64);
    let mut store = world.create(&config);
    for number in 0..SUBJECTS * KEPT {
        append(&mut store, number % SUBJECTS);
    }
    store.stop().unwrap();
    let store = open(&world, &config);
    assert!(store.blocks.len() > 40, "{}", store.blocks.len());
    (world, store)
}

#[test]
fn what_goes_next_is_found_without_reading_all() {
    let (_world, mut store) = full();
    for (round, most) in [(0, 1), (1, 4), (2, 6)] {
        assert_eq!(append(&mut store, 7), [8 + round * SUBJECTS]);
        let loads = store.cache_usage().loads;
        assert!(loads <= most, "{loads} blocks were read for {} messages", round + 1);
    }
    // What another subject has there is known by now.
    let loads = store.cache_usage().loads;
    assert_eq!(append(&mut store, 8), [9]);
    assert_eq!(append(&mut store, 8), [9 + SUBJECTS]);
    assert!(store.cache_usage().loads <= loads + 2);
}

#[test]
fn no_block_is_read_twice_for_what_goes_next() {
    let (_world, mut store) = full();
    let blocks = store.blocks.len() as u64;
    for round in 0..KEPT {
        for subject in (0..SUBJECTS).rev() {
            assert_eq!(append(&mut store, subject), [1 + round * SUBJECTS + subject]);
        }
    }
    let loads = store.cache_usage().loads;
    assert!(loads <= blocks * 2, "{loads} reads of {blocks} blocks");
}

/// Messages as they should be, by subject.
#[derive(Default)]
struct Model {
    held: BTreeMap<u64, Vec<u64>>,
    limit: usize,
    last_seq: u64,
}

impl Model {
    fn enforce(&mut self) {
        for seqs in self.held.values_mut() {
            seqs.drain(..seqs.len().saturating_sub(self.limit));
        }
    }

    fn seqs(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.held.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }
}

fn run(seed: u64) {
    let rng = SeededRng::new(seed);
    let below = |end: u64| rng.next_u64().unwrap() % end;
    let limits = [(-1, usize::MAX), (1, 1), (2, 2), (3, 3), (8, 8)];
    let world = World::new(600);
    let mut model = Model { limit: 8, ..Model::default() };
    let mut config = limited(8);
    let mut store = world.create(&config);
    for _ in 0..120 {
        match below(12) {
            0..=5 => {
                for _ in 0..below(12) {
                    // Some subjects are busier than others.
                    let subject = below(1 + below(9));
                    append(&mut store, subject);
                    model.last_seq += 1;
                    model.held.entry(subject).or_default().push(model.last_seq);
                    model.enforce();
                }
            }
            6 | 7 => {
                let seq = 1 + below(model.last_seq + 1);
                store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
                model.held.values_mut().for_each(|seqs| seqs.retain(|&other| other != seq));
            }
            8 => {
                let (limit, kept) = limits[below(5) as usize];
                config = limited(limit);
                model.limit = kept;
                store.flush(Durability::Synced).unwrap();
                store.update_config(&config, &mut |_| {}).unwrap();
                model.enforce();
            }
            9 => {
                let subject = below(9);
                let last = model.held.get(&subject).and_then(|seqs| seqs.last());
                let found = store.last_seq_of(format!("s.{subject}").as_bytes());
                assert_eq!(found, last.copied().unwrap_or(0));
            }
            what => {
                store.flush(Durability::Synced).unwrap();
                if what == 10 {
                    store.stop().unwrap();
                }
                drop(store);
                world.disk.crash(Crash::DropUnsynced);
                store = open(&world, &config);
            }
        }
        assert_eq!(seqs(&mut store), model.seqs(), "seed {seed}");
    }
}

#[test]
fn each_subject_keeps_its_newest() {
    for seed in 0..100 {
        run(seed);
    }
}
