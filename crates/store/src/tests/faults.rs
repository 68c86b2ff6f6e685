//! A full disk, and a broken one.

use std::io::ErrorKind;

use env::{Crash, Disk, DiskOp, Fault, Incident};
use types::StreamConfig;

use super::{World, config, msg, payload_of, put, seqs};
use crate::*;

fn fail(world: &World, op: DiskOp, after: u64) {
    world.disk.inject(Fault { op, after, kind: ErrorKind::Other, once: false });
}

/// Appends messages of these sizes in the store.
fn put_sizes(store: &mut FileStore, sizes: &[usize]) {
    for &size in sizes {
        put(store, "s", &"x".repeat(size - 31), 1);
    }
}

fn fill_disk(world: &World, room: u64) {
    world.disk.set_capacity(Some(world.disk.used() + room));
}

/// Appends and expects the flush to find no room; everything must be as before.
fn no_room(store: &mut dyn StreamStore, world: &World, steps: impl FnOnce(&mut dyn StreamStore)) {
    let before = (store.totals(), seqs(store));
    steps(store);
    match store.flush(Durability::Synced) {
        Err(StoreError::NoSpace) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!((store.totals(), seqs(store)), before);
    world.disk.set_capacity(None);
}

#[test]
fn a_full_disk_undoes_the_batch_and_nothing_else() {
    for room in [0, 1, 40, 90] {
        for block_bytes in [0, 150] {
            let world = World::new(block_bytes);
            let mut store = world.create(&config());
            for number in 1..=5 {
                put(&mut store, &format!("s.{}", number % 2), "payload", number);
            }
            store.flush(Durability::Synced).unwrap();
            fill_disk(&world, room);
            no_room(&mut store, &world, |store| {
                for number in 6..=12 {
                    put(store, &format!("s.{}", number % 3), "more payload", number);
                }
            });
            assert_eq!(store.last_seq_of(b"s.0"), 4);
            assert_eq!(store.last_seq_of(b"s.2"), 0);
            assert_eq!(put(&mut store, "s.9", "later", 20), 6);
            store.flush(Durability::Synced).unwrap();
            world.disk.crash(Crash::DropUnsynced);
            let mut store = world.open();
            assert_eq!(seqs(&mut *store), [1, 2, 3, 4, 5, 6], "{room} {block_bytes}");
            assert_eq!(payload_of(&mut *store, 6).as_deref(), Some("later"));
            assert_eq!(store.lost(), None);
        }
    }
}

#[test]
fn a_value_survives_the_update_that_found_no_room() {
    for limits in [
        StreamConfig { max_msgs_per_subject: 1, ..config() },
        StreamConfig { max_msgs: 1, ..config() },
    ] {
        for block_bytes in [0, 60] {
            let world = World::new(block_bytes);
            let mut store = world.create(&limits);
            put(&mut store, "key", "old value", 1);
            store.flush(Durability::Synced).unwrap();
            fill_disk(&world, 10);
            no_room(&mut store, &world, |store| {
                put(store, "key", "new value", 2);
                put(store, "key", "newer value", 3);
            });
            assert_eq!(payload_of(&mut store, 1).as_deref(), Some("old value"));
            assert_eq!(store.last_seq_of(b"key"), 1);
            store.flush(Durability::Synced).unwrap();
            world.disk.crash(Crash::DropUnsynced);
            let mut store = world.open();
            assert_eq!(payload_of(&mut *store, 1).as_deref(), Some("old value"));
            assert_eq!(put(&mut *store, "key", "at last", 4), 2);
            assert_eq!(seqs(&mut *store), [2]);
        }
    }
}

#[test]
fn a_removal_stays_when_its_tombstone_found_no_room_and_is_tried_again() {
    let world = World::new(0);
    let mut store = world.create(&config());
    for number in 1..=3 {
        put(&mut store, "a", "x", number);
    }
    store.flush(Durability::Synced).unwrap();
    fill_disk(&world, 5);
    assert!(store.remove(2, Erase::Keep, &mut |_| {}).unwrap());
    put(&mut store, "a", "x", 4);
    assert!(matches!(store.flush(Durability::Synced), Err(StoreError::NoSpace)));
    assert_eq!(seqs(&mut store), [1, 3]);
    assert_eq!(store.totals().last_seq, 3);
    assert!(store.is_dirty());
    world.disk.set_capacity(None);
    store.flush(Durability::Synced).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(seqs(&mut *world.open()), [1, 3]);
}

#[test]
fn a_failed_write_or_sync_refuses_writes_until_it_is_healed() {
    for op in [DiskOp::Write, DiskOp::Sync, DiskOp::SyncDir] {
        let world = World::new(200);
        let mut store = world.create(&config());
        for number in 1..=6 {
            put(&mut store, "a", "safe", number);
            store.flush(Durability::Synced).unwrap();
        }
        for number in 7..=12 {
            put(&mut store, "a", "doubtful", number);
        }
        fail(&world, op, 0);
        assert!(matches!(store.flush(Durability::Synced), Err(StoreError::Io { .. })), "{op:?}");
        assert_eq!(store.totals().last_seq, 6, "{op:?}: taken back");
        assert!(matches!(store.flush(Durability::Synced), Err(StoreError::Poisoned(_))));
        let refused = store.append(msg("a", "x", 3), &mut |_| {});
        assert!(matches!(refused, Err(StoreError::Poisoned(_))));
        assert!(matches!(store.remove(1, Erase::Keep, &mut |_| {}), Err(StoreError::Poisoned(_))));
        assert_eq!(payload_of(&mut store, 1).as_deref(), Some("safe"), "reads go on");
        assert!(store.heal().is_err(), "it still fails");
        assert!(store.trouble().is_some());
        world.disk.clear_faults();
        store.heal().unwrap();
        assert_eq!(store.trouble(), None);
        assert_eq!(put(&mut store, "a", "after", 13), 7, "{op:?}");
        store.flush(Durability::Synced).unwrap();
        drop(store);
        world.disk.crash(Crash::DropUnsynced);
        let mut store = world.open();
        assert_eq!(seqs(&mut *store), [1, 2, 3, 4, 5, 6, 7], "{op:?}");
        assert_eq!(payload_of(&mut *store, 6).as_deref(), Some("safe"));
        assert_eq!(payload_of(&mut *store, 7).as_deref(), Some("after"));
        assert_eq!(store.lost(), None);
    }
}

#[test]
fn what_was_only_written_is_written_anew_after_a_failed_sync() {
    // As with `sync_interval`: acknowledged before the sync, which then fails.
    let world = World::new(200);
    let mut store = world.create(&config());
    for number in 1..=9 {
        put(&mut store, "a", "relaxed", number);
        store.flush(Durability::Written).unwrap();
    }
    world.disk.inject(Fault { op: DiskOp::Sync, after: 0, kind: ErrorKind::Other, once: true });
    assert!(store.flush(Durability::Synced).is_err());
    // The kernel would say that all is well now; it dropped the pages.
    store.heal().unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(seqs(&mut *world.open()), (1..=9).collect::<Vec<_>>());
}

#[test]
fn no_handle_and_no_permission_pass() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::Other] {
        let world = World::new(100);
        let mut store = world.create(&config());
        put(&mut store, "a", "one", 1);
        store.flush(Durability::Synced).unwrap();
        // The next message starts a file, which cannot be made (EACCES, EMFILE).
        world.disk.inject(Fault { op: DiskOp::Create, after: 0, kind, once: false });
        for number in 2..=3 {
            put(
                &mut store,
                "a",
                "a longer payload that needs the next block of this stream",
                number,
            );
        }
        assert!(store.flush(Durability::Synced).is_err());
        assert!(store.trouble().is_some());
        assert_eq!(seqs(&mut store), [1]);
        assert!(store.remove(1, Erase::Keep, &mut |_| {}).unwrap(), "deletes go on");
        world.disk.clear_faults();
        assert_eq!(put(&mut store, "a", "two", 4), 2, "no healing is needed");
        store.flush(Durability::Synced).unwrap();
        assert_eq!(store.trouble(), None);
        world.disk.crash(Crash::DropUnsynced);
        assert_eq!(seqs(&mut *world.open()), [2]);
    }
}

/// A batch that takes the place of some blocks, and the power goes at one of its changes.
#[test]
fn what_limits_took_stays_gone_when_the_files_of_some_blocks_go_at_once() {
    let limits = StreamConfig { max_bytes: 1_500, ..config() };
    for change in 0.. {
        let world = World::new(250);
        let mut store = world.create(&limits);
        // The first goes for the last of them: 2, 3, 4 and 5 are left.
        put_sizes(&mut store, &[100, 100, 900, 300, 150]);
        store.flush(Durability::Synced).unwrap();
        assert_eq!(seqs(&mut store), [2, 3, 4, 5]);
        // Two blocks go, that of 1 and 2, and that of 3.
        put_sizes(&mut store, &[500]);
        world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
        let done = store.flush(Durability::Synced).is_ok();
        for seed in 0..30 {
            let torn = World { disk: world.disk.fork(), account: world.account.clone(), ..world };
            torn.disk.crash(Crash::Torn(seed));
            let mut store = torn.open();
            let held = seqs(&mut *store);
            assert!(
                held == [4, 5, 6] || !done && held == [2, 3, 4, 5],
                "{change}, {seed}: {held:?}"
            );
            assert_eq!(store.lost(), None);
        }
        if done {
            assert!(change > 5, "only {change} changes were tried");
            break;
        }
    }
}

/// The same with more files than are removed one after the other.
#[test]
fn what_limits_took_stays_gone_when_the_files_of_many_blocks_go_at_once() {
    let limits = StreamConfig { max_bytes: 11_000, ..config() };
    let old: Vec<u64> = (1..=102).collect();
    for change in 50.. {
        let world = World::new(100);
        let mut store = world.create(&limits);
        put_sizes(&mut store, &[100; 100]);
        put_sizes(&mut store, &[900, 100]);
        store.flush(Durability::Synced).unwrap();
        // Without the large one there is room for some of those before it.
        put_sizes(&mut store, &[10_500]);
        world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
        let done = store.flush(Durability::Synced).is_ok();
        for seed in 0..12 {
            let torn = World { disk: world.disk.fork(), account: world.account.clone(), ..world };
            torn.disk.crash(Crash::Torn(seed));
            let mut store = torn.open();
            let held = seqs(&mut *store);
            assert!(held == [102, 103] || !done && held == old, "{change}, {seed}: {held:?}");
            assert_eq!(store.lost(), None);
        }
        if done {
            assert!(change > 80, "only {change} changes were tried");
            break;
        }
    }
}

#[test]
fn what_limits_took_for_a_message_that_was_never_written_stays_gone() {
    for durability in [Durability::Written, Durability::Synced] {
        for last in [100, 600] {
            let world = World::new(250);
            let mut store = world.create(&StreamConfig { max_bytes: 1_000, ..config() });
            put_sizes(&mut store, &[100, 100, 100, 100, last]);
            store.flush(durability).unwrap();
            // The large one goes for the last before it is written.
            put_sizes(&mut store, &[900, 120, 130]);
            let held = seqs(&mut store);
            assert_eq!(held, [7, 8]);
            store.flush(durability).unwrap();
            drop(store);
            world.disk.crash(Crash::KeepAll);
            assert_eq!(seqs(&mut *world.open()), held, "{durability:?}, {last}");
        }
    }
}

/// The tombstone of one message is in the block of another, which goes before it is written.
#[test]
fn a_removal_that_was_cut_short_takes_no_other_message_along() {
    for durability in [Durability::Written, Durability::Synced] {
        for change in 0.. {
            let world = World::new(150);
            let mut store = world.create(&StreamConfig { max_msgs: 5, ..config() });
            put_sizes(&mut store, &[90, 100, 140, 80, 80]);
            store.flush(durability).unwrap();
            let remove = |store: &mut FileStore, seq| {
                assert!(store.remove(seq, Erase::Keep, &mut |_| {}).unwrap());
            };
            remove(&mut store, 3);
            put_sizes(&mut store, &[120, 120]);
            remove(&mut store, 5);
            put_sizes(&mut store, &[120]);
            assert_eq!(seqs(&mut store), [2, 4, 6, 7, 8]);
            world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
            let done = store.flush(durability).is_ok();
            drop(store);
            world.disk.crash(Crash::KeepAll);
            let held = seqs(&mut *world.open());
            assert!(held.contains(&2), "{durability:?}, {change}: {held:?}");
            if done {
                assert!(change > 5, "only {change} changes were tried");
                break;
            }
        }
    }
}

/// What age took from a block leaves no trace but in the index: that must know of it before the
/// block is written without it.
#[test]
fn what_age_took_from_a_block_that_was_rewritten_is_no_loss() {
    for change in 0.. {
        let world = World::new(400);
        let limits = StreamConfig { max_age_ns: 10_000_000_000, ..config() };
        let mut store = world.create(&limits);
        for number in 1..=12 {
            put(&mut store, "s", "payload", number);
        }
        put(&mut store, "s", &"x".repeat(300), 13);
        for seq in 2..=6 {
            store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
        }
        store.flush(Durability::Synced).unwrap();
        store.stop().unwrap();
        drop(store);
        let mut store = world.open();
        // A witness takes the room of the first.
        store.expire(super::at(11), &mut |_| {}).unwrap();
        assert_eq!(store.totals().first_seq, 7);
        store.flush(Durability::Synced).unwrap();
        world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
        while store.rest() == Upkeep::More {}
        let done = !world.disk.is_dead();
        drop(store);
        world.disk.crash(Crash::KeepAll);
        let mut store = world.open();
        store.expire(super::at(11), &mut |_| {}).unwrap();
        assert_eq!(seqs(&mut *store), (7..=13).collect::<Vec<_>>(), "{change}");
        assert_eq!(store.lost(), None, "{change}");
        if done {
            assert!(change > 5, "only {change} changes were tried");
            break;
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_when_it_is_due_is_due_again() {
    let mut world = World::new(200);
    world.options.cache_bytes = 0;
    let mut store = world.create(&StreamConfig { allow_msg_ttl: true, ..config() });
    for number in 1..=20 {
        store
            .append(NewMsg { ttl_seconds: 5, ..msg("s", "payload", number) }, &mut |_| {})
            .unwrap();
        store.flush(Durability::Synced).unwrap();
    }
    store.release_memory();
    fail(&world, DiskOp::Read, 0);
    let now = super::at(8);
    assert!(store.expire(now, &mut |_| {}).is_err());
    world.disk.clear_faults();
    let mut gone = Vec::new();
    store.expire(now, &mut |removed| gone.push(removed.seq)).unwrap();
    assert_eq!(gone, [1, 2, 3]);
}

#[test]
fn a_purge_frees_a_disk_without_any_room() {
    for below_seq in [0, 40] {
        let world = World::new(400);
        let mut store = world.create(&config());
        for number in 1..=60 {
            put(&mut store, "a", "payload", number);
            store.flush(Durability::Synced).unwrap();
        }
        fill_disk(&world, 0);
        store.append(msg("a", "no room", 70), &mut |_| {}).unwrap();
        assert!(matches!(store.flush(Durability::Synced), Err(StoreError::NoSpace)));
        let purge = Purge { below_seq, ..Purge::default() };
        let gone = store.purge(&purge, &mut |_| {}).unwrap();
        assert_eq!(gone, if below_seq == 0 { 60 } else { 39 });
        store.flush(Durability::Synced).unwrap();
        assert_eq!(put(&mut store, "a", "room", 71), 61, "there is room now");
        store.flush(Durability::Synced).unwrap();
        world.disk.crash(Crash::DropUnsynced);
        let mut store = world.open();
        let from = if below_seq == 0 { 61 } else { below_seq };
        assert_eq!(seqs(&mut *store), (from..=61).collect::<Vec<_>>());
        assert_eq!(store.lost(), None);
    }
}

/// Fails every single change of a scenario in turn, crashes, and checks that what was acknowledged
/// before is there.
#[test]
fn an_error_or_crash_at_any_change_loses_nothing_acknowledged() {
    let limits = StreamConfig { max_msgs_per_subject: 2, ..config() };
    let mut at = 0;
    loop {
        let world = World::new(300);
        let mut store = world.create(&limits);
        let start = world.disk.changes();
        fail(&world, DiskOp::Any, at);
        // Last acknowledged payload per subject.
        let mut acked = std::collections::BTreeMap::new();
        let mut purged = false;
        for number in 0..24 {
            let subject = format!("s.{}", number % 4);
            let payload = format!("value {number}");
            if store.append(msg(&subject, &payload, number), &mut |_| {}).is_err()
                || store.flush(Durability::Synced).is_err()
            {
                break;
            }
            acked.insert(subject, payload);
            if number == 15 {
                let gone = Purge { filter: Filter::any_of(["s.1"]), ..Purge::default() };
                purged = true;
                if store.purge(&gone, &mut |_| {}).is_err()
                    || store.flush(Durability::Synced).is_err()
                {
                    break;
                }
            }
        }
        let _ = store.stop();
        let done = world.disk.changes() - start < at;
        world.disk.crash(if at % 2 == 0 { Crash::DropUnsynced } else { Crash::Torn(at + 1) });
        let mut store = world.open();
        assert_eq!(store.lost(), None, "change {at}");
        for (subject, payload) in &acked {
            let filter = Filter::any_of([subject.as_str()]);
            let mut held = Vec::new();
            let mut from = 0;
            while let Some(got) = store.next_match(&filter, from).unwrap() {
                held.push(String::from_utf8(got.payload.to_vec()).unwrap());
                from = got.seq + 1;
            }
            // An update that failed may have got through nevertheless.
            assert!(
                held.contains(payload) || (purged && subject == "s.1"),
                "change {at}: {subject} lost {payload:?}, holds {held:?}"
            );
        }
        if done {
            assert!(at > 60, "only {at} changes were tried");
            break;
        }
        at += 1;
    }
}

#[test]
fn purge_everything_survives_a_crash_at_any_change() {
    let mut at = 0;
    loop {
        let world = World::new(200);
        let mut store = world.create(&config());
        for number in 1..=9 {
            put(&mut store, "a", "payload", number);
        }
        store.flush(Durability::Synced).unwrap();
        let start = world.disk.changes();
        fail(&world, DiskOp::Any, at);
        let purged = store.purge(&Purge::default(), &mut |_| {}).is_ok();
        let done = world.disk.changes() - start < at;
        world.disk.crash(if at % 2 == 0 { Crash::DropUnsynced } else { Crash::KeepAll });
        let mut store = world.open();
        let held = seqs(&mut *store);
        assert!(held.is_empty() || (!purged && held.len() == 9), "change {at}: {held:?}");
        assert_eq!(store.totals().last_seq, 9, "change {at}");
        assert_eq!(store.lost(), None, "change {at}");
        assert_eq!(put(&mut *store, "a", "x", 10), 10);
        if done {
            assert!(purged && at > 4);
            break;
        }
        at += 1;
    }
}

#[test]
fn creating_a_stream_is_durable_or_not_there() {
    let world = World::new(0);
    let mut store = world.create(&StreamConfig { first_seq: 7, ..config() });
    world.disk.crash(Crash::DropUnsynced);
    assert!(store.flush(Durability::Synced).is_ok(), "nothing to write");
    drop(store);
    assert_eq!(world.open().totals().first_seq, 7);
    let again = FileStore::create(
        world.dyn_disk(),
        &world.account,
        super::at(0),
        &config(),
        FileStoreOptions::default(),
    );
    assert!(matches!(again, Err(StoreError::Damaged(_))), "its directory is taken");
}

#[test]
fn deleting_a_stream_leaves_nothing() {
    let world = World::new(0);
    let mut store = world.create(&config());
    put(&mut store, "a", "x", 1);
    store.flush(Durability::Synced).unwrap();
    store.delete().unwrap();
    assert!(matches!(store.append(msg("a", "x", 1), &mut |_| {}), Err(StoreError::Poisoned(_))));
    world.disk.crash(Crash::DropUnsynced);
    assert!(open_account(&world.dyn_disk(), &world.account, world.options).unwrap().is_empty());
    // Cut short, the rest goes at the next start.
    let half = world.account.join("streams/.HALF/msgs");
    world.disk.create_dir_all(&half).unwrap();
    assert!(open_account(&world.dyn_disk(), &world.account, world.options).unwrap().is_empty());
    assert_eq!(world.disk.info(&half).unwrap(), None);
}

#[test]
fn creating_and_changing_a_stream_survives_a_crash_at_any_change() {
    let mut at = 0;
    loop {
        let world = World::new(0);
        fail(&world, DiskOp::Any, at);
        let create = || {
            let first = StreamConfig { first_seq: 7, ..config() };
            FileStore::create(world.dyn_disk(), &world.account, super::at(0), &first, world.options)
        };
        let changed = StreamConfig { first_seq: 7, description: "changed".to_owned(), ..config() };
        let made = create();
        let mut created = false;
        let mut updated = false;
        let start = world.disk.changes();
        if let Ok(mut store) = made {
            created = true;
            updated = store.update_config(&changed, &mut |_| {}).is_ok();
        }
        world.disk.crash(if at % 2 == 0 { Crash::DropUnsynced } else { Crash::KeepAll });
        let mut opened = open_account(&world.dyn_disk(), &world.account, world.options).unwrap();
        match opened.pop().map(|stream| stream.opening) {
            None => assert!(!created, "change {at}"),
            Some(Opening::Offline { reason, .. }) => panic!("change {at}: {reason}"),
            Some(Opening::Ready { config: stored, store, .. }) => {
                assert_eq!(store.totals().first_seq, 7, "change {at}");
                assert!(*stored == changed || !updated, "change {at}");
            }
        }
        if updated {
            assert!(world.disk.changes() > start && at > 20, "only {at} changes were tried");
            break;
        }
        at += 1;
    }
}
