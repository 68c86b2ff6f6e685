//! Recovery by the last checkpoint and what came after it.

use std::path::Path;
use std::sync::Arc;

use env::{Disk, OsDisk};
use types::{Retention, StreamConfig, Timestamp};

use super::super::record::WITNESS;
use super::super::{FileStore, FileStoreOptions};
use super::bounds::loose_bounds;
use crate::tests::{config, msg};
use crate::{Durability, Erase, Filter, Purge, StoreEvent, StreamStore, Totals, Upkeep};

fn options() -> FileStoreOptions {
    FileStoreOptions { cache_bytes: 1 << 20, block_bytes: 2_000, ..FileStoreOptions::default() }
}

fn create(base: &Path, config: &StreamConfig) -> FileStore {
    FileStore::create(Arc::new(OsDisk), base, Timestamp::ZERO, config, options()).unwrap()
}

/// Opens as after a kill; says also how many blocks were not read for it.
fn reopen(base: &Path, config: &StreamConfig) -> (FileStore, usize) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let dir = base.join("streams").join(&config.name);
    let mut store = FileStore::empty(disk, dir, Timestamp::ZERO, config, options(), None);
    store.recover().unwrap();
    let unread = store.blocks.iter().filter(|block| block.unread).count();
    store.finish_recovery(0).unwrap();
    (store, unread)
}

fn fill(store: &mut FileStore, from: u64, to: u64) {
    for number in from..to {
        let subject = format!("s.{}", number % 7);
        store.append(msg(&subject, "payload", number as i64), &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
    }
}

type State = (Totals, Vec<u64>, Vec<(String, u64)>, Vec<(u64, String)>);

fn state(store: &mut FileStore) -> State {
    let mut subjects = Vec::new();
    store.subject_totals(&Filter::all(), &mut |subject, total| {
        subjects.push((String::from_utf8_lossy(subject).into_owned(), total));
    });
    let mut messages = Vec::new();
    let mut from = 0;
    while let Some(found) = store.next_match(&Filter::all(), from).unwrap() {
        messages.push((found.seq, String::from_utf8_lossy(found.subject).into_owned()));
        from = found.seq + 1;
    }
    (store.totals(), store.deleted(10_000), subjects, messages)
}

/// What was there before a kill is there after it, and so many blocks at least were not read.
#[track_caller]
fn check(config: StreamConfig, unread: usize, change: impl FnOnce(&mut FileStore)) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(dir.path(), &config);
    fill(&mut store, 0, 400);
    change(&mut store);
    store.flush(Durability::Synced).unwrap();
    let before = state(&mut store);
    drop(store);
    let (mut store, found) = reopen(dir.path(), &config);
    loose_bounds(&store, &before.3);
    assert_eq!(state(&mut store), before);
    assert!(found >= unread, "{found} blocks were not read");
    fill(&mut store, 400, 410);
    let before = state(&mut store);
    drop(store);
    let (mut store, _) = reopen(dir.path(), &config);
    loose_bounds(&store, &before.3);
    assert_eq!(state(&mut store), before);
}

fn remove(store: &mut FileStore, seq: u64, erase: Erase) {
    assert!(store.remove(seq, erase, &mut |_| {}).unwrap());
}

#[test]
fn sealed_blocks_are_not_read_after_a_kill() {
    check(config(), 6, |_| {});
}

#[test]
fn tombstones_since_the_checkpoint_count() {
    check(config(), 6, |store| {
        for seq in [1, 2, 60, 61, 62, 200, 399] {
            remove(store, seq, Erase::Keep);
        }
    });
}

#[test]
fn blocks_that_went_since_the_checkpoint_count() {
    check(config(), 4, |store| {
        for seq in 100..160 {
            remove(store, seq, Erase::Keep);
        }
    });
    let limited = StreamConfig { max_msgs: 300, ..config() };
    check(limited.clone(), 4, |store| fill(store, 400, 447));
    check(limited, 4, |store| {
        fill(store, 400, 444);
        remove(store, 300, Erase::Keep);
    });
    let queue = StreamConfig { retention: Retention::WorkQueue, ..config() };
    check(queue, 4, |store| {
        for seq in 1..200 {
            remove(store, seq, Erase::Keep);
        }
    });
}

#[test]
fn erased_messages_and_purges_are_told_from_the_records() {
    check(config(), 0, |store| remove(store, 77, Erase::Overwrite));
    check(config(), 0, |store| {
        let purge = Purge { filter: Filter::any_of(["s.3"]), ..Purge::default() };
        store.purge(&purge, &mut |_| {}).unwrap();
    });
    check(config(), 0, |store| {
        let purge = Purge { below_seq: 123, ..Purge::default() };
        store.purge(&purge, &mut |_| {}).unwrap();
    });
}

#[test]
fn an_erased_message_is_in_no_file_even_if_its_block_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(dir.path(), &config());
    fill(&mut store, 0, 60);
    let secret = "a secret that must not stay";
    let seq = store.append(msg("s.1", secret, 60), &mut |_| {}).unwrap();
    fill(&mut store, 61, 160);
    for other in (seq - 50).max(1)..seq + 50 {
        if other != seq {
            remove(&mut store, other, Erase::Keep);
        }
    }
    remove(&mut store, seq, Erase::Overwrite);
    store.flush(Durability::Synced).unwrap();
    let msgs = dir.path().join("streams").join(&config().name).join("msgs");
    for entry in std::fs::read_dir(msgs).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "it is still in {}", path.display());
    }
}

#[test]
fn a_checkpoint_of_another_index_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(dir.path(), &config());
    fill(&mut store, 0, 400);
    let before = state(&mut store);
    drop(store);
    let msgs = dir.path().join("streams").join(&config().name).join("msgs");
    let path = msgs.join("checkpoint.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (mut store, unread) = reopen(dir.path(), &config());
    assert_eq!(unread, 0);
    assert_eq!(state(&mut store), before);
}

#[test]
fn a_sealed_block_of_another_length_or_end_makes_all_be_read() {
    // The last record is a witness, which nobody misses.
    for (cut, lost_msgs) in [(1, 0), (WITNESS + 1, 1), (0, 0)] {
        let change = |bytes: &mut Vec<u8>| {
            bytes.truncate(bytes.len() - cut);
            if let (0, Some(last)) = (cut, bytes.last_mut()) {
                *last ^= 3;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let mut store = create(dir.path(), &config());
        fill(&mut store, 0, 400);
        drop(store);
        let path = dir.path().join("streams").join(&config().name).join("msgs/3.blk");
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let (mut store, unread) = reopen(dir.path(), &config());
        assert_eq!(unread, 0);
        let lost = store.lost().map_or(0, |lost| lost.msgs.len());
        assert_eq!(lost, lost_msgs);
        let told = store.take_events().iter().any(|event| matches!(event, StoreEvent::Repaired(_)));
        assert!(told || lost > 0 || cut > 0);
        assert_eq!(store.totals().msgs, 400 - lost_msgs as u64);
    }
}

#[test]
fn what_an_opening_did_not_read_is_checked_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(dir.path(), &config());
    fill(&mut store, 0, 400);
    drop(store);
    let path = dir.path().join("streams").join(&config().name).join("msgs/3.blk");
    let mut bytes = std::fs::read(&path).unwrap();
    let (mut store, unread) = reopen(dir.path(), &config());
    assert!(unread > 4);
    while store.verify_some() == Upkeep::More {}
    assert_eq!((store.lost(), store.totals().msgs), (None, 400));
    drop(store);
    bytes[50] ^= 3;
    std::fs::write(&path, bytes).unwrap();
    let (mut store, unread) = reopen(dir.path(), &config());
    assert!(unread > 4);
    assert_eq!((store.lost(), store.totals().msgs), (None, 400));
    while store.verify_some() == Upkeep::More {}
    let lost = store.lost().expect("the damage is found without a read of that message");
    assert_eq!((lost.msgs.len(), store.totals().msgs), (1, 399));
    store.flush(Durability::Synced).unwrap();
    let before = state(&mut store);
    drop(store);
    let (mut store, _) = reopen(dir.path(), &config());
    assert_eq!(state(&mut store), before);
}

#[test]
fn a_stream_at_rest_needs_no_reading_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = create(dir.path(), &config());
    fill(&mut store, 0, 400);
    remove(&mut store, 77, Erase::Overwrite);
    store.flush(Durability::Synced).unwrap();
    store.rest();
    let before = state(&mut store);
    drop(store);
    let (mut store, unread) = reopen(dir.path(), &config());
    assert!(unread > 4, "{unread}");
    assert_eq!(state(&mut store), before);
}

#[test]
fn blocks_that_are_only_written_do_not_stay_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let options = FileStoreOptions { cache_bytes: 40_000, ..options() };
    let mut store =
        FileStore::create(Arc::new(OsDisk), dir.path(), Timestamp::ZERO, &config(), options)
            .unwrap();
    fill(&mut store, 0, 2_000);
    let held: usize = store.blocks.iter().map(|block| block.memory()).sum();
    assert!(store.blocks.len() > 30 && held < 25_000, "{held} bytes");
}
