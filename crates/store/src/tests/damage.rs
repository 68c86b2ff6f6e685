//! Damage costs what is damaged: it is reported, kept aside, and everything else is served.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use env::{Crash, Disk, DiskOp, Fault};
use types::StreamConfig;

use super::{World, at, config, msg, payload_of, put, seqs};
use crate::*;

const COUNT: u64 = 60;

/// Several blocks of numbered messages on three subjects; stopped cleanly.
fn filled(config: &StreamConfig) -> World {
    let world = World::new(600);
    let mut store = world.create(config);
    for number in 1..=COUNT {
        put(&mut store, &format!("s.{}", number % 3), &format!("payload {number}"), number as i64);
        store.flush(Durability::Synced).unwrap();
    }
    store.stop().unwrap();
    world
}

fn blocks(world: &World) -> Vec<u64> {
    let mut numbers: Vec<u64> = world
        .msgs_files()
        .iter()
        .filter_map(|name| name.strip_suffix(".blk")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn drop_index(world: &World) {
    world.disk.unlink(&world.msgs_file("index.db")).unwrap();
    world.disk.sync_dir(&world.account.join("streams/S/msgs")).unwrap();
}

/// Offset of a payload in a block file.
fn find(world: &World, block: u64, payload: &str) -> Option<usize> {
    let bytes = world.disk.read(&world.msgs_file(&format!("{block}.blk"))).unwrap();
    bytes.windows(payload.len()).position(|window| window == payload.as_bytes())
}

fn block_of(world: &World, payload: &str) -> (u64, usize) {
    blocks(world).into_iter().find_map(|block| Some((block, find(world, block, payload)?))).unwrap()
}

fn assert_all_but(store: &mut dyn StreamStore, missing: &[u64]) {
    let want: Vec<u64> = (1..=COUNT).filter(|seq| !missing.contains(seq)).collect();
    assert_eq!(seqs(store), want);
    for seq in want {
        assert_eq!(payload_of(store, seq), Some(format!("payload {seq}")));
    }
    assert_eq!(store.totals().msgs, COUNT - missing.len() as u64);
    assert_eq!(store.totals().last_seq, COUNT);
    let mut subjects = BTreeMap::new();
    store.subject_totals(&Filter::all(), &mut |subject, count| {
        subjects.insert(subject.to_vec(), count);
    });
    assert_eq!(subjects.values().sum::<u64>(), COUNT - missing.len() as u64);
}

/// Damages two bits, which are not put right.
fn spoil(world: &World, block: u64, offset: usize) {
    let path = world.msgs_file(&format!("{block}.blk"));
    world.disk.flip_bit(&path, offset, 3);
    world.disk.flip_bit(&path, offset + 1, 1);
}

#[test]
fn one_bad_bit_costs_nothing() {
    for index in [true, false] {
        for seq in [1, 5, 30, COUNT] {
            let world = filled(&config());
            if !index {
                drop_index(&world);
            }
            let (block, offset) = block_of(&world, &format!("payload {seq}"));
            world.disk.flip_bit(&world.msgs_file(&format!("{block}.blk")), offset + 4, 3);
            let mut store = world.open();
            assert_all_but(&mut *store, &[]);
            assert_eq!(store.lost(), None);
            let events = store.take_events();
            assert!(matches!(events[..], [StoreEvent::Repaired(_)]), "{events:?}");
            store.flush(Durability::Synced).unwrap();
            drop(store);
            let bytes = world.disk.read(&world.msgs_file(&format!("{block}.blk"))).unwrap();
            let at = bytes.windows(9).any(|window| window == format!("payload {seq}").as_bytes());
            assert!(at || seq > 9, "{seq} is written anew");
            assert!(world.msgs_files().contains(&format!("{block}.blk.bad-1")));
            let mut store = world.open();
            assert_all_but(&mut *store, &[]);
            assert!(store.take_events().is_empty(), "it was told once");
        }
    }
}

/// A block that was cut short by one byte, of which one bit was set: it can be put right.
#[test]
fn what_is_put_right_in_a_short_block_is_kept_when_that_is_repaired() {
    // Three messages in each block, of which the index knows one to be gone.
    let world = World::new(120);
    let mut store = world.create(&config());
    for number in 1..=600 {
        put(&mut store, "s", "payload", number);
        store.flush(Durability::Synced).unwrap();
    }
    for seq in (1..=600).step_by(3) {
        store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
    }
    store.flush(Durability::Synced).unwrap();
    store.stop().unwrap();
    drop(store);
    let mut cut = 0;
    for block in 1..=200 {
        world.edit(&format!("msgs/{block}.blk"), |bytes| {
            // Behind the messages is a witness of 38 bytes.
            let end = bytes.len() - 39;
            if bytes[end].is_power_of_two() {
                bytes.truncate(end);
                cut += 1;
            }
        });
    }
    assert!(cut > 3, "{cut}");
    let mut store = world.open();
    let all: Vec<u64> = (1..=600).filter(|seq| seq % 3 != 1).collect();
    assert_eq!(seqs(&mut *store), all);
    store.flush(Durability::Synced).unwrap();
    assert_eq!(seqs(&mut *store), all);
    drop(store);
    let mut store = world.open();
    assert_eq!(seqs(&mut *store), all);
    let lost = store.lost().unwrap_or_default();
    assert!(lost.msgs.is_empty(), "a witness may be missed, nothing else: {lost:?}");
}

#[test]
fn a_bad_record_costs_one_message_without_an_index() {
    // In the middle of a block, at the start of one, and in the very last record.
    for seq in [1, 5, 30, COUNT] {
        let world = filled(&config());
        drop_index(&world);
        let payload = format!("payload {seq}");
        let (block, offset) = block_of(&world, &payload);
        let original = world.disk.read(&world.msgs_file(&format!("{block}.blk"))).unwrap();
        spoil(&world, block, offset);
        let mut store = world.open();
        assert_all_but(&mut *store, &[seq]);
        assert_eq!(store.lost().unwrap().msgs, [seq]);
        assert!(store.lost().unwrap().bytes > 0);
        let kept = world.disk.read(&world.msgs_file(&format!("{block}.blk.bad-1"))).unwrap();
        assert_eq!(kept.len(), original.len());
        assert_eq!(kept.iter().zip(&original).filter(|(a, b)| a != b).count(), 2);
        store.stop().unwrap();
        // The loss is remembered, and not found a second time.
        let mut store = world.open();
        assert_all_but(&mut *store, &[seq]);
        assert_eq!(store.lost().unwrap().msgs, [seq]);
        assert!(!world.msgs_files().contains(&format!("{block}.blk.bad-2")));
        assert_eq!(put(&mut *store, "n", "x", 99), COUNT + 1);
    }
}

#[test]
fn a_bad_record_costs_one_message_with_an_exact_index() {
    let world = filled(&config());
    let (block, offset) = block_of(&world, "payload 17");
    spoil(&world, block, offset);
    let mut store = world.open();
    assert_eq!(store.totals().msgs, COUNT, "nothing was read yet");
    assert_eq!(payload_of(&mut *store, 17), None);
    assert_eq!(store.lost().unwrap().msgs, [17]);
    store.flush(Durability::Synced).unwrap();
    assert_all_but(&mut *store, &[17]);
    let mut count = 0;
    store.subject_totals(&Filter::any_of(["s.2"]), &mut |_, total| count = total);
    assert_eq!(count, COUNT / 3 - 1, "subjects were counted again");
    drop(store);
    drop_index(&world);
    assert_all_but(&mut *world.open(), &[17]);
}

#[test]
fn every_byte_of_a_record_matters() {
    let pristine = filled(&config());
    let (block, offset) = block_of(&pristine, "payload 20");
    let start = offset - 22 - 3;
    let len = 30 + 3 + "payload 20".len();
    for at in start..start + len {
        for bit in [0, 7] {
            let world = filled(&config());
            drop_index(&world);
            let path = world.msgs_file(&format!("{block}.blk"));
            world.disk.flip_bit(&path, at, bit);
            // Two more, so that it cannot be put right: a length can, whatever else is bad.
            let other = if at == start + 30 { start + 31 } else { start + 30 };
            world.disk.flip_bit(&path, other, 5);
            world.disk.flip_bit(&path, other, 6);
            let mut store = world.open();
            let what = format!("byte {} bit {bit}", at - start);
            let held = seqs(&mut *store);
            // Whatever is hit, every other message is there.
            let others: Vec<u64> = held.iter().copied().filter(|&seq| seq != 20).collect();
            assert_eq!(others, (1..=COUNT).filter(|&seq| seq != 20).collect::<Vec<_>>(), "{what}");
            if held.contains(&20) {
                panic!("{what}: damage was not noticed: {:?}", store.get(20));
            }
            assert_eq!(store.lost().map(|lost| lost.msgs), Some(vec![20]), "{what}");
        }
    }
}

#[test]
fn a_torn_last_record_is_no_loss() {
    // The last one is a witness, then comes the message.
    for (cut, held) in [(1, 2), (30, 2), (38, 2), (39, 1), (46, 1), (58, 1), (68, 1)] {
        let world = World::new(0);
        let mut store = world.create(&config());
        put(&mut store, "a", "first", 1);
        store.flush(Durability::Synced).unwrap();
        put(&mut store, "a", "second", 2);
        store.flush(Durability::Written).unwrap();
        drop(store);
        world.edit("msgs/1.blk", |bytes| bytes.truncate(bytes.len() - cut));
        let mut store = world.open();
        assert_eq!(seqs(&mut *store), (1..=held).collect::<Vec<_>>(), "{cut}");
        assert_eq!(store.lost(), None);
        assert_eq!(put(&mut *store, "a", "again", 3), held + 1);
        store.flush(Durability::Synced).unwrap();
        world.disk.crash(Crash::DropUnsynced);
        assert_eq!(payload_of(&mut *world.open(), held + 1).as_deref(), Some("again"));
    }
}

#[test]
fn a_torn_witness_is_no_loss() {
    let world = World::new(0);
    let mut store = world.create(&config());
    put(&mut store, "a", "first", 1);
    store.flush(Durability::Synced).unwrap();
    drop(store);
    // Its end is zeros that were there before it, and a new block was begun.
    world.edit("msgs/1.blk", |bytes| {
        let end = bytes.len() - 3;
        bytes[end..].fill(0);
    });
    world.disk.open(&world.msgs_file("2.blk"), env::OpenMode::Create).unwrap();
    let place = find_streams(&*world.dyn_disk(), &world.account).unwrap().remove(0);
    let report = inspect_stream(&*world.dyn_disk(), &place, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let mut store = world.open();
    assert_eq!((store.lost(), store.totals().last_seq), (None, 1));
    assert_eq!(put(&mut *store, "a", "second", 2), 2);
}

#[test]
fn a_tail_of_zeros_is_a_torn_tail() {
    let world = World::new(0);
    let mut store = world.create(&config());
    put(&mut store, "a", "first", 1);
    store.flush(Durability::Synced).unwrap();
    drop(store);
    world.edit("msgs/1.blk", |bytes| bytes.resize(bytes.len() + 4_096, 0));
    let mut store = world.open();
    assert_eq!(seqs(&mut *store), [1]);
    assert_eq!(store.lost(), None);
    assert_eq!(put(&mut *store, "a", "second", 2), 2);
    assert!(world.msgs_files().iter().all(|name| !name.contains("bad")));
}

#[test]
fn room_made_ahead_is_no_content() {
    let world = World::new(40_000);
    let mut store = world.create(&config());
    let payload = "p".repeat(900);
    let mut held = 0;
    let mut ahead = 0;
    for number in 1..=130 {
        held = put(&mut store, "a", &payload, number);
        store.flush(Durability::Synced).unwrap();
        let file = world.disk.read(&world.msgs_file("1.blk")).unwrap();
        ahead = ahead.max(file.len() as u64 - store.totals().bytes.min(file.len() as u64));
    }
    assert!(ahead > 4_000, "no room was made");
    let sealed = world.disk.read(&world.msgs_file("1.blk")).unwrap();
    assert_ne!(sealed[sealed.len() - 8..], [0; 8], "a sealed block has its length");
    world.disk.crash(Crash::DropUnsynced);
    let mut store = world.open();
    assert_eq!(store.totals().last_seq, held);
    assert_eq!(store.lost(), None);
    assert!(world.msgs_files().iter().all(|name| !name.contains("bad")));
    for number in 0..30 {
        put(&mut *store, "a", &payload, 200 + number);
        store.flush(Durability::Synced).unwrap();
    }
    store.stop().unwrap();
    for name in world.msgs_files().iter().filter(|name| name.ends_with(".blk")) {
        let file = world.disk.read(&world.msgs_file(name)).unwrap();
        assert_ne!(file[file.len() - 8..], [0; 8], "{name} ends with its last record");
    }
    assert_eq!(world.open().totals().msgs, held + 30);
}

#[test]
fn a_stale_index_keeps_sequences_from_being_used_again() {
    let world = filled(&config());
    let last = *blocks(&world).last().unwrap();
    let name = format!("msgs/{last}.blk");
    world.edit(&name, |bytes| bytes.truncate(bytes.len() - 1));
    let mut store = world.open();
    assert_eq!(store.totals().last_seq, COUNT);
    assert_eq!(store.lost().unwrap().msgs, [COUNT]);
    assert_all_but(&mut *store, &[COUNT]);
    assert_eq!(put(&mut *store, "a", "x", 99), COUNT + 1);
}

#[test]
fn a_missing_block_is_reported() {
    let values = StreamConfig { max_msgs_per_subject: 30, ..config() };
    let lifetimes = StreamConfig { allow_msg_ttl: true, ..config() };
    let interest = StreamConfig { retention: types::Retention::Interest, ..config() };
    for config in [config(), values, lifetimes, interest] {
        for emptied in [false, true] {
            let world = filled(&config);
            let all = blocks(&world);
            let file = world.msgs_file(&format!("{}.blk", all[all.len() / 2]));
            match emptied {
                true => world.disk.plant(&file, Vec::new()),
                false => world.disk.unlink(&file).unwrap(),
            }
            let place = find_streams(&*world.dyn_disk(), &world.account).unwrap().remove(0);
            let report = inspect_stream(&*world.dyn_disk(), &place, &mut |_| {}).unwrap();
            assert!(!report.is_sound(), "{config:?}");
            let mut store = world.open();
            let lost = store.lost().unwrap().msgs;
            assert!(lost.len() > 5, "{lost:?}");
            assert_all_but(&mut *store, &lost);
        }
    }
}

/// What was replaced since the index was written went with its blocks.
#[test]
fn a_missing_block_of_replaced_values_is_no_loss_and_another_is() {
    for max_msgs_per_subject in [1, 2] {
        let world = World::new(600);
        let mut store = world.create(&StreamConfig { max_msgs_per_subject, ..config() });
        for number in 0..100 {
            put(&mut store, &format!("key.{number}"), "first", number);
        }
        store.flush(Durability::Synced).unwrap();
        store.stop().unwrap();
        drop(store);
        let mut store = world.open();
        for number in (0..40).chain(0..40) {
            put(&mut *store, &format!("key.{number}"), "another", 200 + number);
            store.flush(Durability::Synced).unwrap();
        }
        let held = seqs(&mut *store);
        drop(store);
        world.disk.crash(Crash::DropUnsynced);
        let mut store = world.open();
        assert_eq!((seqs(&mut *store), store.lost()), (held.clone(), None));
        drop(store);
        world.disk.crash(Crash::DropUnsynced);
        let (block, _) = block_of(&world, "key.70first");
        world.disk.unlink(&world.msgs_file(&format!("{block}.blk"))).unwrap();
        let mut store = world.open();
        let lost = store.lost().unwrap().msgs;
        assert!(lost.contains(&71), "{lost:?}");
        let left: Vec<u64> = held.into_iter().filter(|seq| !lost.contains(seq)).collect();
        assert_eq!(seqs(&mut *store), left);
    }
}

#[test]
fn a_missing_first_block_is_reported_where_no_limit_took_it() {
    let world = filled(&config());
    let first = blocks(&world)[0];
    world.disk.unlink(&world.msgs_file(&format!("{first}.blk"))).unwrap();
    let lost = world.open().lost().unwrap().msgs;
    assert_eq!(lost[0], 1);
    // With a limit it may have gone by that.
    let world = filled(&StreamConfig { max_age_ns: 1_000_000_000_000_000, ..config() });
    world.disk.unlink(&world.msgs_file(&format!("{first}.blk"))).unwrap();
    assert_eq!(world.open().lost(), None);
}

#[test]
fn deletes_and_purges_are_not_taken_for_losses() {
    let world = filled(&config());
    let mut store = world.open();
    for seq in [3, 30, 31, 59] {
        assert!(store.remove(seq, Erase::Keep, &mut |_| {}).unwrap());
    }
    let purge = Purge { filter: Filter::any_of(["s.1"]), below_seq: 40, keep: 0 };
    store.purge(&purge, &mut |_| {}).unwrap();
    store.purge(&Purge { below_seq: 20, ..Purge::default() }, &mut |_| {}).unwrap();
    let held = seqs(&mut *store);
    store.flush(Durability::Synced).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    let mut store = world.open();
    assert_eq!(seqs(&mut *store), held);
    assert_eq!(store.lost(), None);
}

#[test]
fn several_bad_blocks_at_once() {
    let world = filled(&config());
    drop_index(&world);
    for seq in [2, 21, 22, 47] {
        let (block, offset) = block_of(&world, &format!("payload {seq}"));
        spoil(&world, block, offset);
    }
    let mut store = world.open();
    assert_all_but(&mut *store, &[2, 21, 22, 47]);
    assert_eq!(store.lost().unwrap().msgs, [2, 21, 22, 47]);
}

#[test]
fn a_bad_bit_in_a_compressed_block_spares_the_other_blocks() {
    let world = filled(&StreamConfig { compression: types::Compression::S2, ..config() });
    drop_index(&world);
    let middle = blocks(&world)[blocks(&world).len() / 2];
    let path = world.msgs_file(&format!("{middle}.blk"));
    let file = world.disk.read(&path).unwrap();
    assert!(file.starts_with(b"cmp"));
    world.disk.flip_bit(&path, file.len() / 2, 4);
    let mut store = world.open();
    let lost = store.lost().unwrap().msgs;
    assert!(!lost.is_empty() && lost.len() < 20, "{lost:?}");
    assert_all_but(&mut *store, &lost);
    assert_eq!(
        world.disk.read(&world.msgs_file(&format!("{middle}.blk.bad-1"))).unwrap().len(),
        file.len()
    );
    store.stop().unwrap();
    assert_all_but(&mut *world.open(), &lost);
}

#[test]
fn a_compressed_block_without_its_head_is_read() {
    // As the reference before 2.14.3 rewrote blocks.
    let world = filled(&StreamConfig { compression: types::Compression::S2, ..config() });
    drop_index(&world);
    let middle = blocks(&world)[blocks(&world).len() / 2];
    world.edit(&format!("msgs/{middle}.blk"), |bytes| {
        let stream = bytes.windows(4).position(|window| window == b"\xff\x06\x00\x00").unwrap();
        bytes.drain(..stream);
    });
    let mut store = world.open();
    assert_all_but(&mut *store, &[]);
    assert_eq!(store.lost(), None);
}

#[test]
fn a_wrong_checksum_of_the_configuration_touches_nothing() {
    let world = filled(&config());
    world.edit("meta.sum", |bytes| bytes[0] ^= 1);
    world.disk.unlink(&world.account.join("streams/S/meta.copy")).unwrap();
    let before = world.snapshot();
    assert!(world.refusal().contains("checksum"));
    assert_eq!(world.snapshot(), before);
}

#[test]
fn streams_that_cannot_be_read_yet_are_left_untouched() {
    for (name, content, reason) in [
        ("msgs/1.key", &[7; 72][..], "encrypted"),
        ("meta.key", &[7; 72][..], "encryption not enabled"),
    ] {
        let world = filled(&config());
        drop_index(&world);
        let path = world.account.join("streams/S").join(name);
        let file = world.disk.open(&path, env::OpenMode::Truncate).unwrap();
        file.write_all_at(content, 0).unwrap();
        let before = world.snapshot();
        assert!(world.refusal().contains(reason), "{name}");
        assert_eq!(world.snapshot(), before, "{name}");
    }
}

#[test]
fn an_unreadable_block_takes_the_stream_offline_and_deletes_nothing() {
    let world = filled(&config());
    drop_index(&world);
    let before = world.snapshot();
    world.disk.inject(env::Fault {
        op: env::DiskOp::Read,
        after: 5,
        kind: std::io::ErrorKind::Other,
        once: false,
    });
    world.refusal();
    world.disk.clear_faults();
    assert_eq!(world.snapshot(), before);
    assert_all_but(&mut *world.open(), &[]);
}

#[test]
fn an_erased_message_is_gone_from_the_disk() {
    let world = filled(&config());
    let mut store = world.open();
    let block = block_of(&world, "payload 25").0;
    store.remove(25, Erase::Overwrite, &mut |_| {}).unwrap();
    store.append(msg("a", "secret", 70), &mut |_| {}).unwrap();
    store.remove(COUNT + 1, Erase::Overwrite, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    drop(store);
    for bytes in world.snapshot().values() {
        for payload in ["payload 25", "secret"] {
            let found = bytes.windows(payload.len()).any(|window| window == payload.as_bytes());
            assert!(!found, "{payload} is still there");
        }
    }
    // The lengths of the others in its block are as safe as before: "s.0" is no "s." or "s.0payl".
    let near = find(&world, block, "payload 26").unwrap();
    for bit in 0..3 {
        world.disk.flip_bit(&world.msgs_file(&format!("{block}.blk")), near - "..s.0".len(), bit);
        let mut store = world.open();
        assert_eq!(payload_of(&mut *store, 26).as_deref(), Some("payload 26"), "{bit}");
        store.flush(Durability::Synced).unwrap();
    }
    let mut store = world.open();
    assert_eq!(store.get(25).unwrap(), None);
    assert_eq!(store.totals().last_seq, COUNT + 1);
    assert_eq!(store.totals().first_ts, at(1));
}

#[test]
fn zeros_at_the_end_of_a_block_do_not_make_a_stale_index_exact() {
    let world = World::new(40_000);
    let store = world.create(&config());
    // An index that says that the last block is empty.
    let mut store: Box<dyn StreamStore> = Box::new(store);
    store.stop().unwrap();
    drop(store);
    let mut store = world.open();
    let payload = "p".repeat(900);
    for number in 1..=30 {
        put(&mut *store, "a", &payload, number);
        store.flush(Durability::Synced).unwrap();
    }
    let file = world.disk.read(&world.msgs_file("1.blk")).unwrap();
    assert_eq!(file[file.len() - 8..], [0; 8], "room was made ahead");
    world.disk.crash(Crash::KeepAll);
    let index = world.disk.read(&world.msgs_file("index.db")).unwrap();
    assert_ne!(index[index.len() - 16..index.len() - 8], [0; 8], "the reference would believe it");
    assert_eq!(world.open().totals().msgs, 30);
}

#[test]
fn subjects_that_cannot_be_counted_again_stay_as_they_are() {
    for failing in 0.. {
        let mut world = filled(&config());
        // One block at a time.
        world.options.cache_bytes = 1;
        let (block, offset) = block_of(&world, "payload 30");
        spoil(&world, block, offset);
        let mut store = world.open();
        assert!(store.get(30).unwrap().is_none());
        store.release_memory();
        let kind = ErrorKind::Other;
        world.disk.inject(Fault { op: DiskOp::Read, after: failing, kind, once: false });
        // The flush itself is done, whatever hinders the repair.
        store.flush(Durability::Synced).unwrap();
        let failed = store.trouble().is_some();
        world.disk.clear_faults();
        store.heal().unwrap();
        for subject in ["s.0", "s.1", "s.2"] {
            let filter = Filter::any_of([subject]);
            let (mut found, mut from) = (0, 0);
            while let Some(msg) = store.next_match(&filter, from).unwrap() {
                found += 1;
                from = msg.seq + 1;
            }
            let lost = u64::from(subject == "s.0");
            assert_eq!(found, COUNT / 3 - lost, "read {failing}: {subject}");
        }
        if !failed {
            assert!(failing > 10, "{failing}");
            return;
        }
    }
}
