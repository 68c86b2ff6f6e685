//! Messages of blocks that are not in memory, read one at a time.

use types::StreamConfig;

use crate::file_store::FileStore;
use crate::file_store::block::Block;
use crate::tests::{World, at, config, put};
use crate::*;

const COUNT: u64 = 200;

fn payload(seq: u64) -> String {
    format!("{seq}").repeat(1 + seq as usize % 40)
}

/// Two hundred messages, the first of them in a sealed block, none of them in memory.
fn world(block_bytes: u64) -> (World, FileStore) {
    let world = World::new(block_bytes);
    let mut store = world.create(&config());
    for seq in 1..=COUNT {
        put(&mut store, &format!("s.{}", seq % 7), &payload(seq), seq as i64);
    }
    store.flush(Durability::Synced).unwrap();
    store.release_memory();
    (world, store)
}

fn check(store: &mut dyn StreamStore, seq: u64) {
    let found = store.get(seq).unwrap().unwrap();
    assert_eq!((found.seq, found.payload), (seq, payload(seq).as_bytes()));
    assert_eq!(found.subject, format!("s.{}", seq % 7).as_bytes());
}

#[test]
fn a_message_here_and_there_is_read_without_its_block() {
    let (_world, mut store) = world(0);
    // What was never read is read whole, once.
    let loads = store.cache_usage().loads;
    for seq in [3, 150, 77, 20, 199, 77, 1, 110] {
        check(&mut store, seq);
    }
    assert_eq!(store.cache_usage().loads, loads);
    assert_eq!(store.get(COUNT + 1).unwrap().map(|found| found.seq), None);
}

#[test]
fn after_an_opening_the_check_in_the_background_finds_the_places() {
    let (world, mut store) = world(2_000);
    store.stop().unwrap();
    let dir = world.account.join("streams/S");
    let mut store = FileStore::empty(world.dyn_disk(), dir, at(0), &config(), world.options, None);
    store.open().unwrap();
    let wanted = [3, 150, 77, 20, 110, 1, 64];
    check(&mut store, wanted[0]);
    assert_eq!(store.cache_usage().loads, 1, "nothing is known of an unread block");
    while store.verify_some() == Upkeep::More {}
    store.release_memory();
    let loads = store.cache_usage().loads;
    for seq in wanted {
        check(&mut store, seq);
    }
    assert_eq!(store.cache_usage().loads, loads);
}

#[test]
fn who_reads_on_gets_the_block_into_memory() {
    for down in [false, true] {
        let (_world, mut store) = world(0);
        for step in 1..=COUNT {
            check(&mut store, if down { COUNT + 1 - step } else { step });
        }
        assert_eq!(store.cache_usage().loads, 1, "down: {down}");
    }
}

#[test]
fn glances_hold_no_more_than_a_few_files_open() {
    let (_world, mut store) = world(800);
    assert!(store.blocks.len() > 12, "{}", store.blocks.len());
    for seq in (1..=COUNT).map(|step| 1 + step * 37 % COUNT) {
        check(&mut store, seq);
        let alone = |block: &&Block| block.file.is_some() && block.memory() == 0;
        let held = store.blocks.iter().filter(alone).count();
        assert!(held <= 8, "{held} files");
    }
    store.release_memory();
    assert!(store.blocks.iter().all(|block| block.file.is_none() && block.glance.is_none()));
}

#[test]
fn a_bad_record_is_found_by_a_glance_and_costs_what_it_costs() {
    let (world, mut store) = world(0);
    world.edit("msgs/1.blk", |bytes| {
        // Two bytes of the payload of message 100: no single bit puts that right.
        let at = bytes.windows(12).position(|text| text == b"100100100100").unwrap();
        bytes[at] ^= 0x55;
        bytes[at + 9] ^= 0x2a;
    });
    check(&mut store, 20);
    assert_eq!(store.get(100).unwrap().map(|found| found.seq), None);
    assert_eq!(store.lost().unwrap().msgs, [100]);
    check(&mut store, 99);
    check(&mut store, 101);
}

#[test]
fn what_is_removed_unread_is_what_was_there() {
    let world = World::new(0);
    let mut store = world.create(&StreamConfig { max_msgs_per_subject: 1, ..config() });
    let subject = |number: u64| format!("k.{number}");
    for number in 0..COUNT {
        put(&mut store, &subject(number), &payload(number + 1), 1);
    }
    store.roll();
    store.flush(Durability::Synced).unwrap();
    store.release_memory();
    for number in [77, 20, 199, 3, 110, 60] {
        let mut gone = Vec::new();
        let subject = subject(number);
        let msg = NewMsg {
            subject: subject.as_bytes(),
            headers: b"",
            payload: b"new",
            ts: at(2),
            ttl_seconds: 0,
        };
        let size = store.size_of(msg.subject.len(), 0, payload(number + 1).len());
        store.append(msg, &mut |removed| gone.push((removed.seq, removed.bytes))).unwrap();
        assert_eq!(gone, [(number + 1, size)]);
    }
    assert_eq!(store.cache_usage().loads, 0);
    assert_eq!(store.totals().msgs, COUNT);
    // The first of a block shows when the next one came, which is in the block, too.
    put(&mut store, "k.0", "new", 3);
    assert_eq!(store.totals().first_seq, 2);
    assert_eq!(store.totals().first_ts, at(1));
}
