//! The known failures of the reference's file store (numbers 1 to 16 of its analysis), each with
//! the right outcome, and the hardening rules (a to k) that make it so.
//!
//! Encryption and compression (6 in part, 7, 8, 12, 16, j) have their tests beside their code.

use env::{Crash, Disk, DiskOp, Fault};
use types::{SequencePair, StreamConfig};

use super::{World, at, config, msg, payload_of, put, seqs};
use crate::*;

const COUNT: u64 = 40;

/// Several blocks of messages; stopped cleanly.
fn filled(config: &StreamConfig) -> World {
    let world = World::new(500);
    let mut store = world.create(config);
    for number in 1..=COUNT {
        put(&mut store, &format!("s.{}", number % 4), &format!("payload {number}"), number as i64);
        store.flush(Durability::Synced).unwrap();
    }
    store.stop().unwrap();
    world
}

fn numbers(world: &World) -> Vec<u64> {
    let names = world.msgs_files();
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(".blk")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn remove(world: &World, name: &str) {
    world.disk.unlink(&world.account.join("streams/S").join(name)).unwrap();
}

/// Block and offset of a payload.
fn find(world: &World, payload: &str) -> (String, usize) {
    let place = |number: u64| {
        let name = format!("{number}.blk");
        let bytes = world.disk.read(&world.msgs_file(&name)).unwrap();
        let at = bytes.windows(payload.len()).position(|window| window == payload.as_bytes())?;
        Some((name, at))
    };
    numbers(world).into_iter().find_map(place).unwrap()
}

fn lost(store: &dyn StreamStore) -> Vec<u64> {
    store.lost().map(|lost| lost.msgs).unwrap_or_default()
}

/// All messages but these are there, unchanged, and the figures agree.
fn assert_all_but(store: &mut dyn StreamStore, missing: &[u64]) {
    let want: Vec<u64> = (1..=COUNT).filter(|seq| !missing.contains(seq)).collect();
    assert_eq!(seqs(store), want);
    for seq in want {
        let got = store.get(seq).unwrap().unwrap();
        assert_eq!(got.subject, format!("s.{}", seq % 4).as_bytes());
        assert_eq!(got.payload, format!("payload {seq}").as_bytes());
    }
    store.flush(Durability::Synced).unwrap();
    assert_eq!(store.totals().msgs, COUNT - missing.len() as u64);
    assert_eq!(store.totals().last_seq, COUNT);
}

fn told(store: &mut dyn StreamStore) -> Vec<u64> {
    let lost = |event| match event {
        StoreEvent::Lost { msgs, .. } => msgs,
        StoreEvent::Repaired(_) => Vec::new(),
    };
    store.take_events().into_iter().flat_map(lost).collect()
}

#[test]
fn failure_01_one_bad_bit_without_an_index_costs_nothing() {
    let world = filled(&config());
    let (name, offset) = find(&world, "payload 7");
    world.disk.flip_bit(&world.msgs_file(&name), offset, 2);
    remove(&world, "msgs/index.db");
    let mut store = world.open();
    assert_all_but(&mut *store, &[]);
    assert_eq!(lost(&*store), [0; 0]);
    let events = store.take_events();
    assert!(matches!(events[..], [StoreEvent::Repaired(_)]), "{events:?}");
    assert!(world.msgs_files().contains(&format!("{name}.bad-1")), "the original is kept");
}

#[test]
fn failure_01_a_bad_record_without_an_index_costs_one_message() {
    let world = filled(&config());
    let (name, offset) = find(&world, "payload 7");
    world.disk.flip_bit(&world.msgs_file(&name), offset, 2);
    world.disk.flip_bit(&world.msgs_file(&name), offset + 1, 2);
    remove(&world, "msgs/index.db");
    let mut store = world.open();
    assert_all_but(&mut *store, &[7]);
    assert_eq!((lost(&*store), told(&mut *store)), (vec![7], vec![7]));
    assert!(world.msgs_files().contains(&format!("{name}.bad-1")), "the original is kept");
}

#[test]
fn failure_02_a_bad_record_under_an_exact_index_is_reported_and_counted_out() {
    let world = filled(&config());
    let (name, offset) = find(&world, "payload 7");
    world.disk.flip_bit(&world.msgs_file(&name), offset, 2);
    world.disk.flip_bit(&world.msgs_file(&name), offset + 1, 2);
    let mut store = world.open();
    assert_eq!(payload_of(&mut *store, 7), None);
    assert_eq!((lost(&*store), told(&mut *store)), (vec![7], vec![7]));
    assert_all_but(&mut *store, &[7]);
    store.stop().unwrap();
    assert_eq!(lost(&*world.open()), [7], "also after the next start");
}

#[test]
fn failure_03_a_missing_block_is_lost_and_not_deleted() {
    for which in [0, 2] {
        for index in ["with an old index", "without index"] {
            let world = filled(&config());
            let number = numbers(&world)[which];
            remove(&world, &format!("msgs/{number}.blk"));
            if index == "without index" {
                remove(&world, "msgs/index.db");
            }
            let mut store = world.open();
            let missing = lost(&*store);
            assert!(missing.len() > 3, "{index}: {missing:?}");
            assert_all_but(&mut *store, &missing);
            assert_eq!(told(&mut *store), missing);
        }
    }
    // Where limits could not have taken it, a missing first block is a loss as well.
    for max_msgs in [COUNT as i64 + 1, COUNT as i64 - 1] {
        let world = filled(&StreamConfig { max_msgs, ..config() });
        let number = numbers(&world)[0];
        remove(&world, &format!("msgs/{number}.blk"));
        assert!(!lost(&*world.open()).is_empty(), "{max_msgs}");
    }
}

#[test]
fn failure_04_a_lost_tail_gives_no_sequence_out_twice() {
    let world = filled(&config());
    let tail = *numbers(&world).last().unwrap();
    world.edit(&format!("msgs/{tail}.blk"), |bytes| bytes.truncate(60));
    remove(&world, "msgs/index.db");
    let mut store = world.open();
    let missing = lost(&*store);
    assert_eq!(missing.last(), Some(&COUNT));
    assert_all_but(&mut *store, &missing);
    assert_eq!(put(&mut *store, "a", "x", 99), COUNT + 1);
}

#[test]
fn failure_04_a_consumer_knows_what_was_given_out() {
    let world = filled(&config());
    let mut store = world.open();
    let delivered = SequencePair { consumer: COUNT, stream: COUNT };
    let state = ConsumerState { delivered, ack_floor: delivered, ..ConsumerState::default() };
    let meta = ConsumerMeta {
        name: "c".to_owned(),
        created: at(0),
        config: types::ConsumerConfig {
            durable_name: "c".to_owned(),
            ..types::ConsumerConfig::default()
        },
    };
    store
        .create_consumer(&meta, &ConsumerState::default())
        .unwrap()
        .save(&state, Durability::Synced)
        .unwrap();
    store.stop().unwrap();
    let tail = *numbers(&world).last().unwrap();
    remove(&world, &format!("msgs/{tail}.blk"));
    remove(&world, "msgs/index.db");
    remove(&world, "msgs/index.copy");
    let mut store = world.open();
    assert_eq!(lost(&*store).last(), Some(&COUNT));
    assert_eq!(put(&mut *store, "a", "x", 99), COUNT + 1);
}

#[test]
fn failure_05_a_torn_tail_under_an_index_is_reported() {
    let world = filled(&config());
    let tail = *numbers(&world).last().unwrap();
    world.edit(&format!("msgs/{tail}.blk"), |bytes| bytes.truncate(bytes.len() - 3));
    let mut store = world.open();
    assert_eq!((lost(&*store), told(&mut *store)), (vec![COUNT], vec![COUNT]));
    assert_all_but(&mut *store, &[COUNT]);
}

#[test]
fn failure_06_a_block_that_cannot_be_read_deletes_nothing() {
    let world = filled(&config());
    remove(&world, "msgs/index.db");
    let before = world.snapshot();
    for after in 0..12 {
        let kind = std::io::ErrorKind::Other;
        world.disk.inject(Fault { op: DiskOp::Read, after, kind, once: true });
        drop(world.try_open());
        world.disk.clear_faults();
        for (path, bytes) in &before {
            let path_is_block = path.extension().is_some_and(|ext| ext == "blk");
            assert!(!path_is_block || world.disk.read(path).unwrap() == *bytes, "{path:?}");
        }
    }
    assert_all_but(&mut *world.open(), &[]);
}

fn with_headers(payload: &str) -> NewMsg<'_> {
    NewMsg { headers: b"NATS/1.0\r\nKey: value\r\n\r\n", ..msg("s.0", payload, 50) }
}

#[test]
fn failure_09_lengths_outside_the_checksum_move_no_border() {
    // Offset of the length word from the record's start, with and without an index.
    for (word, bits) in [(20, 16), (22 + 3, 32)] {
        for bit in 0..bits {
            for index in [true, false] {
                let world = filled(&config());
                let mut store = world.open();
                store.append(with_headers("in\r\n\r\nside"), &mut |_| {}).unwrap();
                store.append(msg("s.0", "plain", 51), &mut |_| {}).unwrap();
                store.stop().unwrap();
                // The first of the two has headers, the second none.
                let (name, start) = match word {
                    20 => {
                        let (name, at) = find(&world, "plain");
                        (name, at - 3 - 22)
                    }
                    _ => {
                        let (name, at) = find(&world, "NATS/1.0");
                        (name, at - 4 - 3 - 22)
                    }
                };
                let path = world.msgs_file(&name);
                world.disk.flip_bit(&path, start + word + bit / 8, (bit % 8) as u8);
                if !index {
                    // Stale instead: something follows the clean stop.
                    world.edit(&format!("msgs/{name}"), |bytes| bytes.extend_from_slice(&[0; 9]));
                }
                let mut store = world.open();
                let what = format!("word {word} bit {bit} index {index}");
                for seq in [COUNT + 1, COUNT + 2] {
                    let Some(got) = store.get(seq).unwrap() else { continue };
                    let want = match seq {
                        41 => with_headers("in\r\n\r\nside"),
                        _ => msg("s.0", "plain", 51),
                    };
                    assert_eq!(got.subject, want.subject, "{what}");
                    assert_eq!(got.headers, want.headers, "{what}");
                    assert_eq!(got.payload, want.payload, "{what}");
                }
                let hit = if word == 20 { COUNT + 2 } else { COUNT + 1 };
                // It is put right, or, where the border could be in several places, lost.
                let held = store.get(hit).unwrap().is_some();
                assert_eq!(lost(&*store), if held { vec![] } else { vec![hit] }, "{what}");
                assert!(held || word == 20, "{what}: headers say where they end");
                assert!((1..=COUNT).all(|seq| payload_of(&mut *store, seq).is_some()), "{what}");
            }
        }
    }
}

#[test]
fn failure_09_headers_that_would_look_damaged_are_refused() {
    let world = World::new(0);
    let mut store = world.create(&config());
    for (headers, payload, fine) in [
        (&b"NATS/1.0\r\nA: b\r\n\r\n"[..], "x\r\n\r\n", true),
        (b"NATS/1.0\r\n\r\nA: b\r\n\r\n", "x", false),
        (b"NATS/1.0\r\nA: b\r\n", "x\r\n\r\n", false),
        (b"NATS/1.0\r\nA: b\r\n", "\r\nx", false),
        (b"NATS/1.0\r\nA: b\r\n", "x", true),
        (b"something else", "x\r\n\r\n", true),
    ] {
        let new = NewMsg { headers, ..msg("s", payload, 1) };
        let stored = store.append(new, &mut |_| {});
        assert_eq!(stored.is_ok(), fine, "{headers:?}");
    }
    store.flush(Durability::Synced).unwrap();
    drop(store);
    let mut store = world.open();
    assert_eq!(seqs(&mut *store), [1, 2, 3], "what was taken is there again");
    assert_eq!(store.lost(), None);
}

#[test]
fn failure_10_what_never_expires_survives_max_age_at_recovery() {
    let limits = StreamConfig { allow_msg_ttl: true, max_age_ns: 10_000_000_000, ..config() };
    for clean in [true, false] {
        let world = World::new(150);
        let mut store = world.create(&limits);
        for number in 1..=6 {
            let never = number % 3 == 0;
            let headers: &[u8] = if never { b"NATS/1.0\r\nNats-TTL: never\r\n\r\n" } else { b"" };
            let ttl_seconds = if never { -1 } else { 0 };
            let new = NewMsg { headers, ttl_seconds, ..msg("a", "x", number) };
            store.append(new, &mut |_| {}).unwrap();
            store.flush(Durability::Synced).unwrap();
        }
        if clean {
            store.stop().unwrap();
        }
        drop(store);
        let mut store = world.open();
        store.expire(at(1_000), &mut |_| {}).unwrap();
        assert_eq!(seqs(&mut *store), [3, 6], "clean {clean}");
        store.flush(Durability::Synced).unwrap();
        world.disk.crash(Crash::DropUnsynced);
        assert_eq!(seqs(&mut *world.open()), [3, 6]);
    }
}

#[test]
fn failure_11_what_is_flushed_survives_a_power_cut_at_once() {
    let world = World::new(100);
    let mut store = world.create(&config());
    // Each in a block of its own: its name must be durable as well.
    for number in 1..=5 {
        put(&mut store, "a", "a payload that fills the block of this stream", number);
        store.flush(Durability::Synced).unwrap();
        let copy = world.disk.fork();
        copy.crash(Crash::DropUnsynced);
        let cut = World { disk: copy, account: world.account.clone(), options: world.options };
        assert_eq!(cut.open().totals().msgs, number as u64);
    }
    store.stop().unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(world.open().totals().msgs, 5);
}

#[test]
fn failure_14_raised_limits_bring_nothing_back() {
    for clean in [true, false] {
        let world = World::new(0);
        let mut store: Box<dyn StreamStore> =
            Box::new(world.create(&StreamConfig { max_msgs: 5, ..config() }));
        for number in 1..=12 {
            put(&mut *store, "a", "x", number);
            store.flush(Durability::Synced).unwrap();
        }
        if clean {
            store.stop().unwrap();
            store = world.open();
        }
        store.update_config(&config(), &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
        world.disk.crash(Crash::DropUnsynced);
        let _ = world.disk.unlink(&world.msgs_file("index.db"));
        let _ = world.disk.unlink(&world.msgs_file("index.copy"));
        let mut store = world.open();
        assert_eq!(seqs(&mut *store), [8, 9, 10, 11, 12], "clean {clean}");
        assert_eq!(store.lost(), None);
    }
}

#[test]
fn failure_15_blocks_that_limits_took_after_the_index_are_no_loss() {
    for limits in [
        StreamConfig { max_msgs: 10, ..config() },
        StreamConfig { max_bytes: 500, ..config() },
        StreamConfig { max_age_ns: 10_000_000_000, ..config() },
    ] {
        let world = filled(&limits);
        let stale = world.disk.read(&world.msgs_file("index.db")).unwrap();
        let mut store = world.open();
        for number in COUNT + 1..=COUNT + 25 {
            put(&mut *store, "s.1", "payload", number as i64);
            store.expire(at(number as i64), &mut |_| {}).unwrap();
            store.flush(Durability::Synced).unwrap();
        }
        let held = seqs(&mut *store);
        drop(store);
        let file = world.disk.open(&world.msgs_file("index.db"), env::OpenMode::Truncate).unwrap();
        file.write_all_at(&stale, 0).unwrap();
        let mut store = world.open();
        store.expire(at(COUNT as i64 + 25), &mut |_| {}).unwrap();
        assert_eq!(seqs(&mut *store), held);
        assert_eq!(store.lost(), None);
    }
}

#[test]
fn hardening_a_and_b_every_bad_stretch_keeps_the_original_and_spares_the_rest() {
    for len in [1, 20, 60, 150] {
        let world = filled(&config());
        remove(&world, "msgs/index.db");
        let (name, at) = find(&world, "payload 12");
        let original = world.disk.read(&world.msgs_file(&name)).unwrap();
        let end = (at + len).min(original.len());
        world.edit(&format!("msgs/{name}"), |bytes| bytes[at..end].fill(0xee));
        let mut store = world.open();
        let missing = lost(&*store);
        assert!(missing.contains(&12) && missing.len() <= 2 + len / 30, "{len}: {missing:?}");
        assert_all_but(&mut *store, &missing);
        let kept = world.disk.read(&world.msgs_file(&format!("{name}.bad-1"))).unwrap();
        assert_eq!(kept.len(), original.len());
        drop(store);
        // What was rewritten is sound: nothing is found a second time.
        remove(&world, "msgs/index.db");
        let mut store = world.open();
        assert_eq!((told(&mut *store), lost(&*store)), (Vec::new(), missing));
    }
}

#[test]
fn hardening_e_timers_know_what_was_given_out() {
    let limits = StreamConfig { allow_msg_ttl: true, ..config() };
    let world = filled(&limits);
    for name in ["index.db", "index.copy"] {
        remove(&world, &format!("msgs/{name}"));
    }
    let tail = *numbers(&world).last().unwrap();
    remove(&world, &format!("msgs/{tail}.blk"));
    let mut store = world.open();
    assert_eq!(store.totals().last_seq, COUNT);
    assert_eq!(lost(&*store).last(), Some(&COUNT));
    assert_eq!(put(&mut *store, "a", "x", 99), COUNT + 1);
}

#[test]
fn hardening_i_a_removed_block_is_gone_only_after_its_reason_is_durable() {
    let world = filled(&config());
    let mut store = world.open();
    let purge = Purge { below_seq: 30, ..Purge::default() };
    store.purge(&purge, &mut |_| {}).unwrap();
    let before = numbers(&world);
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(numbers(&world), before, "no file goes before the flush");
}

#[test]
fn a_damaged_configuration_is_put_back_from_its_copy() {
    for name in ["meta.inf", "meta.sum"] {
        for harm in ["flipped", "empty", "missing", "cut"] {
            let world = filled(&config());
            let path = world.account.join("streams/S").join(name);
            let good = world.disk.read(&path).unwrap();
            match harm {
                "missing" => remove(&world, name),
                "empty" => world.edit(name, Vec::clear),
                "cut" => world.edit(name, |bytes| bytes.truncate(bytes.len() / 2)),
                _ => world.disk.flip_bit(&path, good.len() / 2, 1),
            }
            let mut store = world.open();
            assert_all_but(&mut *store, &[]);
            let repaired = store.take_events();
            assert!(matches!(&repaired[..], [StoreEvent::Repaired(_)]), "{name} {harm}");
            assert_eq!(world.disk.read(&path).unwrap(), good, "{name} {harm}");
            // A damaged copy is made again.
            drop(store);
            world.edit("meta.copy", |bytes| bytes[20] ^= 1);
            assert!(world.open().take_events().is_empty());
            world.edit(name, Vec::clear);
            world.open();
        }
    }
}
