//! Consumers' configuration and progress on disk.

use std::io::ErrorKind;

use env::{Crash, Disk, DiskOp, Fault, Incident, OpenMode};
use types::{AckPolicy, ConsumerConfig, Retention, SequencePair, StreamConfig, Timestamp};

use super::encryption::keyed;
use super::{World, at, config, put};
use crate::*;

/// Bytes that `o.dat` has behind what the reference stores.
const TRAILER: usize = 20;

fn meta(name: &str) -> ConsumerMeta {
    ConsumerMeta {
        name: name.to_owned(),
        created: at(3),
        config: ConsumerConfig {
            durable_name: name.to_owned(),
            name: name.to_owned(),
            ack_policy: AckPolicy::Explicit,
            ..ConsumerConfig::default()
        },
    }
}

fn state() -> ConsumerState {
    let pending = |stream_seq, consumer_seq, seconds| PendingAck {
        stream_seq,
        consumer_seq,
        delivered: at(seconds),
    };
    ConsumerState {
        delivered: SequencePair { consumer: 9, stream: 12 },
        ack_floor: SequencePair { consumer: 3, stream: 4 },
        pending: vec![pending(5, 4, 100), pending(11, 8, 7), pending(12, 9, 101)],
        redelivered: vec![(5, 2), (11, 1)],
    }
}

/// A stream of 12 messages with consumer `c` that stored `state`.
fn world_with(state: &ConsumerState) -> World {
    let world = World::new(0);
    let mut store = world.create(&config());
    for number in 1..=12 {
        put(&mut store, "a", "x", number);
    }
    store.flush(Durability::Synced).unwrap();
    let mut consumer = store.create_consumer(&meta("c"), &ConsumerState::default()).unwrap();
    consumer.save(state, Durability::Synced).unwrap();
    world
}

fn reopen(world: &World) -> (Box<dyn StreamStore>, Vec<RecoveredConsumer>) {
    let mut store = world.open();
    let consumers = store.take_recovered_consumers();
    (store, consumers)
}

#[test]
fn progress_survives_a_power_cut() {
    let world = world_with(&state());
    world.disk.crash(Crash::DropUnsynced);
    let (_store, consumers) = reopen(&world);
    assert_eq!(consumers.len(), 1);
    assert_eq!(consumers[0].meta, meta("c"));
    assert_eq!(consumers[0].state, Some(state()));
}

#[test]
fn changes_and_deletes_are_durable() {
    let world = world_with(&state());
    let (mut store, mut consumers) = reopen(&world);
    let mut changed = meta("c");
    changed.config.description = "changed".to_owned();
    consumers[0].store.update_config(&changed).unwrap();
    store.create_consumer(&meta("d"), &progress_to(4, 0)).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    let (_store, mut consumers) = reopen(&world);
    let names: Vec<&str> = consumers.iter().map(|c| &*c.meta.name).collect();
    assert_eq!(names, ["c", "d"]);
    assert_eq!(consumers[0].meta, changed);
    assert_eq!(consumers[1].state, Some(progress_to(4, 0)));
    consumers[0].store.delete().unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(reopen(&world).1.len(), 1);
}

/// A stream whose messages wait for its consumers: what is wrong with one takes it offline.
fn work_queue(encryption: Option<Encryption>) -> (World, FileStore) {
    let mut world = World::new(0);
    world.options.encryption = encryption;
    let mut store = world.create(&StreamConfig { retention: Retention::WorkQueue, ..config() });
    put(&mut store, "a", "x", 1);
    store.flush(Durability::Synced).unwrap();
    (world, store)
}

#[test]
fn a_consumer_is_made_with_few_syncs() {
    let encrypted = keyed(StoreCipher::ChaCha, "a key", "");
    for (encryption, syncs) in [(None, 6), (Some(encrypted), 8)] {
        let (world, mut store) = work_queue(encryption);
        let before = world.disk.syncs();
        store.create_consumer(&meta("c"), &progress_to(1, 0)).unwrap();
        assert_eq!(
            world.disk.syncs() - before,
            syncs,
            "files with two copies, and two directories"
        );
    }
}

/// A consumer `c` made with the power cut at one of the changes that takes, maybe where one of that
/// name was not wholly deleted; and whether that change was not reached.
fn made_until(change: u64, encryption: Option<Encryption>, again: bool) -> (World, bool) {
    let (world, mut store) = work_queue(encryption);
    if again {
        let mut old = store.create_consumer(&meta("c"), &ConsumerState::default()).unwrap();
        let kind = ErrorKind::Other;
        world.disk.inject(Fault { op: DiskOp::Remove, after: 2, kind, once: true });
        old.delete().unwrap_err();
    }
    world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
    let made = store.create_consumer(&meta("c"), &progress_to(1, 0)).is_ok();
    (world, made)
}

#[test]
fn a_power_cut_leaves_a_whole_consumer_or_none() {
    let encrypted = Some(keyed(StoreCipher::Aes, "a key", ""));
    for (encryption, again) in [(None, false), (None, true), (encrypted, false), (encrypted, true)]
    {
        let (mut change, mut made) = (0, false);
        while !made {
            let (cut, done) = made_until(change, encryption, again);
            made = done;
            let torn = (0..20).map(Crash::Torn);
            for crash in [Crash::DropUnsynced, Crash::KeepAll].into_iter().chain(torn) {
                let what = format!("change {change}, {crash:?}");
                let world = World { disk: cut.disk.fork(), ..cut.clone() };
                world.disk.crash(crash);
                let (mut store, consumers) = reopen(&world);
                let found: Vec<_> = consumers.iter().map(|c| (&c.meta, &c.state)).collect();
                let whole = (&meta("c"), &Some(progress_to(1, 0)));
                assert!(found == [whole] || found.is_empty() && !made, "{what}: {found:?}");
                assert_eq!(store.take_events(), [], "{what}");
                let dirs = world.disk.list(&world.account.join("streams/S/obs")).unwrap();
                assert!(dirs.iter().all(|entry| entry.name == "c"), "{what}: {dirs:?}");
            }
            change += 1;
        }
        assert!(change > 15, "{change}");
    }
}

fn drop_copies(world: &World) {
    for name in ["o.copy", "meta.copy"] {
        world.disk.unlink(&world.account.join("streams/S/obs/c").join(name)).unwrap();
    }
}

#[test]
fn failure_13_a_bad_state_is_taken_from_its_copy() {
    let world = world_with(&state());
    let path = world.account.join("streams/S/obs/c/o.dat");
    let good = world.disk.read(&path).unwrap();
    let check = |world: &World, what: &str| {
        let (mut store, consumers) = reopen(world);
        assert_eq!(consumers[0].state, Some(state()), "{what}");
        assert!(matches!(&store.take_events()[..], [StoreEvent::Repaired(_)]), "{what}");
    };
    for byte in 0..good.len() {
        for bit in 0..8 {
            let copy = World { disk: world.disk.fork(), account: world.account.clone(), ..world };
            copy.disk.flip_bit(&path, byte, bit);
            check(&copy, &format!("byte {byte} bit {bit}"));
        }
    }
    for len in (0..good.len()).filter(|len| len + TRAILER != good.len()) {
        let copy = World { disk: world.disk.fork(), account: world.account.clone(), ..world };
        copy.edit("obs/c/o.dat", |bytes| bytes.truncate(len));
        check(&copy, &format!("cut to {len}"));
        let aside = world.account.join("streams/S/obs/c/o.dat.bad");
        assert_eq!(copy.disk.read(&aside).is_ok(), len > 0, "kept aside");
    }
    world.disk.unlink(&path).unwrap();
    check(&world, "gone");
}

#[test]
fn failure_13_a_bad_state_without_copy_is_no_state_and_told() {
    for len in [0, 9] {
        let world = world_with(&state());
        drop_copies(&world);
        world.edit("obs/c/o.dat", |bytes| bytes.truncate(len));
        let (mut store, consumers) = reopen(&world);
        assert_eq!(consumers[0].state, None, "not 0/0");
        assert!(matches!(&store.take_events()[..], [StoreEvent::Repaired(_)]));
    }
}

#[test]
fn failure_13_what_the_reference_stored_has_no_checksum() {
    let world = world_with(&state());
    world.edit("obs/c/o.dat", |bytes| bytes.truncate(bytes.len() - TRAILER));
    let (mut store, consumers) = reopen(&world);
    assert_eq!(consumers[0].state, Some(state()));
    assert!(store.take_events().is_empty());
}

/// Progress up to `seq`, so much in need of room as it says.
fn progress_to(seq: u64, pending: u64) -> ConsumerState {
    let open = |seq| PendingAck { stream_seq: seq, consumer_seq: seq, delivered: at(0) };
    ConsumerState {
        delivered: SequencePair { consumer: seq + pending, stream: seq + pending },
        ack_floor: SequencePair { consumer: seq, stream: seq },
        pending: (seq + 1..=seq + pending).map(open).collect(),
        redelivered: Vec::new(),
    }
}

#[test]
fn what_was_synced_survives_unsynced_saves_and_a_power_cut() {
    for seed in 0..200 {
        let world = world_with(&state());
        let (_store, mut consumers) = reopen(&world);
        let consumer = &mut consumers[0].store;
        // Large enough now and then to need a larger file.
        let pending = |step: u64| if step == seed % 7 { 300 } else { step % 5 };
        let mut synced = 0;
        for step in 0..6 + seed % 5 {
            let durability = match (step + seed) % 4 {
                0 => Durability::Synced,
                _ => Durability::Written,
            };
            consumer.save(&progress_to(100 + step, pending(step)), durability).unwrap();
            if durability == Durability::Synced {
                synced = 100 + step;
            }
        }
        world.disk.crash(Crash::Torn(seed));
        let (_store, consumers) = reopen(&world);
        let found = consumers[0].state.as_ref().unwrap();
        assert!(found.ack_floor.stream >= synced, "seed {seed}: {found:?}, not {synced}");
        // What was served once is there after the next power cut, too.
        world.disk.crash(Crash::DropUnsynced);
        let (_store, mut again) = reopen(&world);
        assert_eq!(again[0].state.as_ref(), Some(found), "seed {seed}");
        // However the files are written over.
        let later = progress_to(found.ack_floor.stream + 1, 2);
        again[0].store.save(&later, Durability::Written).unwrap();
        world.disk.crash(Crash::Torn(seed + 1_000));
        let last = reopen(&world).1.remove(0).state.unwrap();
        assert!(last == *found || last == later, "seed {seed}: {last:?} after {found:?}");
    }
}

#[test]
fn a_copy_that_was_made_unsynced_is_durable_after_the_first_synced_save() {
    let world = world_with(&state());
    let (mut store, _) = reopen(&world);
    let mut consumer = store.create_consumer(&meta("d"), &ConsumerState::default()).unwrap();
    consumer.save(&progress_to(1, 0), Durability::Written).unwrap();
    consumer.save(&progress_to(2, 0), Durability::Synced).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(reopen(&world).1[1].state, Some(progress_to(2, 0)));
}

#[test]
fn a_state_that_lost_its_end_does_not_count_against_a_later_copy() {
    let mut acked = progress_to(5, 3);
    acked.pending.remove(1);
    for later in [progress_to(6, 2), acked] {
        let world = world_with(&progress_to(5, 3));
        let path = world.account.join("streams/S/obs/c/o.dat");
        let before = world.disk.read(&path).unwrap();
        let (_store, mut consumers) = reopen(&world);
        consumers[0].store.save(&later, Durability::Synced).unwrap();
        world.edit("obs/c/o.dat", |bytes| *bytes = before[..before.len() - TRAILER].to_vec());
        assert_eq!(reopen(&world).1[0].state, Some(later));
    }
}

#[test]
fn what_a_killed_process_left_is_durable_once_it_is_served() {
    let world = world_with(&state());
    let (_store, mut consumers) = reopen(&world);
    consumers[0].store.save(&progress_to(7, 1), Durability::Written).unwrap();
    world.disk.crash(Crash::KeepAll);
    assert_eq!(reopen(&world).1[0].state, Some(progress_to(7, 1)));
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(reopen(&world).1[0].state, Some(progress_to(7, 1)));
}

#[test]
fn what_the_reference_stored_later_counts_until_the_next_synced_save_and_not_after_it() {
    let world = world_with(&progress_to(5, 0));
    world.edit("obs/c/o.dat", |bytes| {
        *bytes = vec![0x16, 2, 8, 8, 8, 8, 0, 0];
    });
    let (_store, mut consumers) = reopen(&world);
    assert_eq!(consumers[0].state, Some(progress_to(8, 0)));
    consumers[0].store.save(&progress_to(9, 0), Durability::Written).unwrap();
    consumers[0].store.save(&progress_to(10, 0), Durability::Synced).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(reopen(&world).1[0].state, Some(progress_to(10, 0)));
}

#[test]
fn many_consumers_are_synced_unless_the_last_process_stopped() {
    let world = world_with(&state());
    let (mut store, _) = reopen(&world);
    for number in 0..100 {
        let mut consumer = store
            .create_consumer(&meta(&format!("many{number}")), &ConsumerState::default())
            .unwrap();
        consumer.save(&progress_to(number, 0), Durability::Written).unwrap();
    }
    let stopped = world.account.join("streams/S/stopped");
    store.stop().unwrap();
    assert!(world.disk.read(&stopped).is_ok());
    let (mut store, mut consumers) = reopen(&world);
    assert_eq!(consumers.len(), 101);
    assert!(world.disk.read(&stopped).is_err(), "it counts once");
    for consumer in &mut consumers {
        consumer.store.save(&progress_to(1_000, 3), Durability::Written).unwrap();
    }
    store.flush(Durability::Written).unwrap();
    world.disk.crash(Crash::KeepAll);
    let (_store, served) = reopen(&world);
    world.disk.crash(Crash::DropUnsynced);
    let (_store, found) = reopen(&world);
    assert_eq!(found.len(), 101);
    for (found, served) in found.iter().zip(served) {
        assert_eq!(found.state, Some(progress_to(1_000, 3)));
        assert_eq!(found.state, served.state);
    }
}

#[test]
fn failure_13_a_consumers_bad_configuration_is_put_back_or_costs_that_consumer() {
    for name in ["meta.inf", "meta.sum"] {
        let world = world_with(&state());
        world.disk.flip_bit(&world.account.join("streams/S/obs/c").join(name), 7, 0);
        let (mut store, consumers) = reopen(&world);
        assert_eq!(consumers[0].meta, meta("c"), "{name}");
        assert!(matches!(&store.take_events()[..], [StoreEvent::Repaired(_)]), "{name}");
    }
    let world = world_with(&state());
    drop_copies(&world);
    world.edit("obs/c/meta.inf", |bytes| bytes.truncate(20));
    let (mut store, consumers) = reopen(&world);
    assert_eq!((consumers.len(), store.totals().msgs), (0, 12));
    assert!(matches!(&store.take_events()[..], [StoreEvent::Repaired(_)]));
    assert!(world.disk.info(&world.account.join("streams/S/obs/c/o.dat")).unwrap().is_some());
}

#[test]
fn a_consumer_knows_how_far_the_stream_had_come() {
    let ahead = ConsumerState { delivered: SequencePair { consumer: 9, stream: 40 }, ..state() };
    let world = world_with(&ahead);
    let (mut store, _) = reopen(&world);
    assert_eq!(store.totals().last_seq, 40);
    assert_eq!(store.totals().msgs, 12);
    assert_eq!(put(&mut *store, "a", "x", 50), 41, "what it was given is not given out again");
}

#[test]
fn a_consumer_that_is_to_start_later_says_nothing_of_the_stream() {
    let world = world_with(&state());
    let mut store = world.open();
    let mut later = meta("later");
    later.config.opt_start_seq = 100;
    let start = SequencePair { consumer: 0, stream: 99 };
    let waits = ConsumerState { delivered: start, ack_floor: start, ..ConsumerState::default() };
    store.create_consumer(&later, &waits).unwrap();
    let (mut store, consumers) = reopen(&world);
    assert_eq!(consumers[1].state, Some(waits));
    assert_eq!((store.totals().last_seq, store.lost()), (12, None));
    assert_eq!(store.take_events(), []);
}

#[test]
fn an_unknown_key_takes_the_stream_offline() {
    let world = world_with(&state());
    drop_copies(&world);
    world.edit("obs/c/meta.inf", |bytes| {
        let at = bytes.len() - 1;
        bytes.splice(at.., *b",\"from_the_future\":1}");
    });
    let path = world.account.join("streams/S/obs/c/meta.inf");
    let sum = crate::file_store::meta_sum("S/c", &world.disk.read(&path).unwrap());
    world.edit("obs/c/meta.sum", |bytes| *bytes = sum.into_bytes());
    let Opening::Offline { reason, consumers, .. } = world.try_open() else { panic!("served") };
    assert_eq!(reason, "stopped - unsupported consumer \"c\"");
    let text = "decoding error: json: unknown field \"from_the_future\"";
    assert_eq!((consumers[0].name.as_str(), consumers[0].reason.as_str()), ("c", text));
}

#[test]
fn memory_consumers_leave_nothing_on_disk() {
    let world = world_with(&state());
    let mut store = world.open();
    let mut in_memory = meta("m");
    in_memory.config.mem_storage = true;
    let mut consumer = store.create_consumer(&in_memory, &ConsumerState::default()).unwrap();
    consumer.save(&state(), Durability::Synced).unwrap();
    assert_eq!(world.disk.info(&world.account.join("streams/S/obs/m")).unwrap(), None);
}

#[test]
fn a_consumer_without_configuration_is_left_alone() {
    let world = world_with(&state());
    let dir = world.account.join("streams/S/obs/torso");
    world.disk.create_dir_all(&dir).unwrap();
    world.disk.open(&dir.join("o.dat"), OpenMode::Create).unwrap();
    assert_eq!(reopen(&world).1.len(), 1);
    assert!(world.disk.info(&dir.join("o.dat")).unwrap().is_some());
}

#[test]
fn zero_times_are_kept() {
    let mut consumer = meta("z");
    consumer.created = Timestamp::ZERO;
    let world = World::new(0);
    let mut store = world.create(&config());
    store.create_consumer(&consumer, &ConsumerState::default()).unwrap();
    let (_store, consumers) = reopen(&world);
    assert!(consumers[0].meta.created.is_zero());
}
