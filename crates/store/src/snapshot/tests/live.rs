//! Snapshots of a stream that goes on.

use super::{archive_of, content, restore};
use crate::tests::{World, at, config, msg, put};
use crate::*;

/// A stream of several blocks, with deletes and a consumer, flushed.
fn filled(world: &World) -> FileStore {
    let mut store = world.create(&config());
    for n in 0..300 {
        put(&mut store, &format!("s.{}", n % 7), &format!("message {n}"), n);
        if n % 50 == 0 {
            store.flush(Durability::Synced).unwrap();
        }
    }
    for seq in [3, 4, 77, 300] {
        assert!(store.remove(seq, Erase::Keep, &mut |_| {}).unwrap());
    }
    store.flush(Durability::Synced).unwrap();
    store
}

fn consumer() -> (ConsumerMeta, ConsumerState) {
    let config = types::ConsumerConfig {
        durable_name: "c".to_owned(),
        name: "c".to_owned(),
        ..types::ConsumerConfig::default()
    };
    let meta = ConsumerMeta { name: "c".to_owned(), created: at(5), config };
    let pair = |n| types::SequencePair { consumer: n, stream: n };
    let pending = vec![PendingAck { stream_seq: 6, consumer_seq: 6, delivered: at(7) }];
    let state = ConsumerState {
        delivered: pair(9),
        ack_floor: pair(5),
        pending,
        redelivered: vec![(6, 1)],
    };
    (meta, state)
}

#[test]
fn a_snapshot_restores_to_the_same_stream() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    let (meta, state) = consumer();
    let files = consumer_files("S", &meta, &state).unwrap();
    let plan = store.begin_snapshot().unwrap();
    assert!(plan.blocks.len() > 3, "several blocks: {:?}", plan.blocks);
    assert!(plan.index.is_some());
    let archive = archive_of(&mut store, &plan, &files);
    let mut restored = restore(&world, &archive);
    assert_eq!(restored.totals(), store.totals());
    assert_eq!(content(&mut *restored), content(&mut store));
    assert_eq!(restored.deleted(100), store.deleted(100));
    assert_eq!(restored.lost(), None);
    let mut found = restored.take_recovered_consumers();
    assert_eq!(found.len(), 1);
    let found = found.remove(0);
    assert_eq!((found.meta, found.state), (meta, Some(state)));
    assert_eq!(put(&mut *restored, "s.1", "next", 400), 301);
}

#[test]
fn without_an_index_it_restores_just_the_same() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    let mut plan = store.begin_snapshot().unwrap();
    plan.index = None;
    let archive = archive_of(&mut store, &plan, &[]);
    let mut restored = restore(&world, &archive);
    assert_eq!(restored.totals(), store.totals());
    assert_eq!(content(&mut *restored), content(&mut store));
}

#[test]
fn an_encrypted_stream_is_plain_in_its_archive_and_encrypted_where_it_is_restored() {
    for cipher in [StoreCipher::ChaCha, StoreCipher::Aes] {
        let mut world = World::new(2_000);
        let key = MasterKey::new(b"key").unwrap();
        world.options.encryption = Some(Encryption { cipher, key, previous: None });
        let mut store = filled(&world);
        let (meta, state) = consumer();
        let files = consumer_files("S", &meta, &state).unwrap();
        let plan = store.begin_snapshot().unwrap();
        let archive = archive_of(&mut store, &plan, &files);
        let mut restored = restore(&world, &archive);
        assert_eq!(content(&mut *restored), content(&mut store));
        assert_eq!(restored.totals(), store.totals());
        assert_eq!(restored.take_recovered_consumers()[0].state, Some(state));
        let below = super::names_below(&world, &super::other_account());
        let file = |name: &str| below.iter().any(|path| path.ends_with(name));
        assert!(file("S/meta.key") && file("obs/c/meta.key") && file("msgs/1.key"));
        for path in below {
            let text = b"message 1";
            if let Ok(bytes) = world.dyn_disk().read(&path) {
                assert!(!bytes.windows(text.len()).any(|window| window == text), "{path:?}");
            }
        }
        // Without the key it is of no use.
        drop(restored);
        world.options.encryption = None;
        let opened = open_account(&world.dyn_disk(), &super::other_account(), world.options);
        assert!(matches!(opened.unwrap().remove(0).opening, Opening::Offline { .. }));
    }
}

/// Begins a snapshot, changes the stream, and finds the snapshot as it began.
#[track_caller]
fn check_unmoved(world: &World, change: impl FnOnce(&mut FileStore)) {
    let mut store = filled(world);
    let (before, totals) = (content(&mut store), store.totals());
    let plan = store.begin_snapshot().unwrap();
    change(&mut store);
    store.flush(Durability::Synced).unwrap();
    let archive = archive_of(&mut store, &plan, &[]);
    let mut restored = restore(world, &archive);
    assert_eq!(content(&mut *restored), before);
    assert_eq!(restored.totals(), totals);
}

#[test]
fn what_is_published_meanwhile_is_not_in_it() {
    check_unmoved(&World::new(2_000), |store| {
        for n in 0..200 {
            put(store, "late", &"x".repeat(n as usize), 1000 + n);
        }
    });
}

#[test]
fn what_is_removed_meanwhile_is_in_it() {
    check_unmoved(&World::new(2_000), |store| {
        for seq in (1..290).filter(|seq| seq % 10 != 1) {
            store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
            if seq % 40 == 0 {
                store.flush(Durability::Synced).unwrap();
            }
        }
    });
}

#[test]
fn a_purge_meanwhile_takes_nothing_from_it() {
    check_unmoved(&World::new(2_000), |store| {
        store.purge(&Purge::default(), &mut |_| {}).unwrap();
        put(store, "after", "the purge", 2000);
    });
    check_unmoved(&World::new(2_000), |store| {
        store.purge(&Purge { below_seq: 250, ..Purge::default() }, &mut |_| {}).unwrap();
    });
}

#[test]
fn limits_meanwhile_take_nothing_from_it() {
    check_unmoved(&World::new(2_000), |store| {
        let limited = types::StreamConfig { max_msgs: 5, ..config() };
        store.update_config(&limited, &mut |_| {}).unwrap();
    });
}

#[test]
fn compressed_blocks_are_plain_in_it() {
    let world = World::new(2_000);
    let compressed = types::StreamConfig { compression: types::Compression::S2, ..config() };
    let mut store = world.create(&compressed);
    for n in 0..300 {
        put(&mut store, "s", &"abc".repeat(n as usize % 40), n);
        store.flush(Durability::Synced).unwrap();
    }
    let before = content(&mut store);
    let plan = store.begin_snapshot().unwrap();
    let block = store.snapshot_block(plan.blocks[0]).unwrap();
    let (bytes, _) = block.read().unwrap();
    assert!(!bytes.starts_with(b"cmp"), "a plain block");
    store.end_snapshot();
    let plan = store.begin_snapshot().unwrap();
    // The last block is sealed, and so compressed, while the snapshot goes on.
    for n in 300..400 {
        put(&mut store, "s", &"abc".repeat(40), n);
        store.flush(Durability::Synced).unwrap();
    }
    let archive = archive_of(&mut store, &plan, &[]);
    assert_eq!(content(&mut *restore(&world, &archive)), before);
}

#[test]
fn a_message_erased_meanwhile_is_gone_or_whole() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    let mut before = content(&mut store);
    let plan = store.begin_snapshot().unwrap();
    assert!(store.remove(150, Erase::Overwrite, &mut |_| {}).unwrap());
    store.flush(Durability::Synced).unwrap();
    let mut archive = ArchiveWriter::new(Vec::new(), 0);
    for file in &plan.meta {
        archive.add(&file.name, &file.bytes).unwrap();
    }
    for &index in &plan.blocks {
        let block = store.snapshot_block(index).unwrap();
        let (bytes, damaged) = block.read().unwrap();
        assert_eq!(damaged, 0);
        archive.add(&block.name, &bytes).unwrap();
    }
    assert_eq!(store.end_snapshot(), IndexFit::Stale, "the index still lists the message");
    let mut restored = restore(&world, &archive.finish().unwrap());
    before.retain(|message| message.0 != 150);
    assert_eq!(content(&mut *restored), before);
    assert_eq!(restored.lost(), None, "it is deleted, not lost");
}

#[test]
fn one_snapshot_at_a_time_and_none_of_memory() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    store.begin_snapshot().unwrap();
    let second = store.begin_snapshot().unwrap_err();
    assert_eq!(second.to_string(), "snapshot in progress");
    store.end_snapshot();
    store.begin_snapshot().unwrap();
    let mut memory = MemStore::new(&config());
    memory.append(msg("a", "b", 1), &mut |_| {}).unwrap();
    assert_eq!(memory.begin_snapshot().unwrap_err().to_string(), "no impl");
}

#[test]
fn a_damaged_block_is_told() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    world.disk.flip_bit(&world.msgs_file("2.blk"), 200, 3);
    let plan = store.begin_snapshot().unwrap();
    let damaged: Vec<_> = plan
        .blocks
        .iter()
        .filter(|&&index| store.snapshot_block(index).unwrap().read().unwrap().1 > 0)
        .collect();
    assert_eq!(damaged, [&2]);
}

#[test]
fn an_index_that_is_newer_than_the_blocks_proves_nothing() {
    let world = World::new(2_000);
    let mut store = filled(&world);
    let plan = store.begin_snapshot().unwrap();
    let totals = store.totals();
    let before = content(&mut store);
    let mut archive = ArchiveWriter::new(Vec::new(), 0);
    for file in &plan.meta {
        archive.add(&file.name, &file.bytes).unwrap();
    }
    for &index in &plan.blocks {
        let block = store.snapshot_block(index).unwrap();
        archive.add(&block.name, &block.read().unwrap().0).unwrap();
    }
    store.end_snapshot();
    // As the reference does with a stream that is published to.
    for n in 0..10 {
        put(&mut store, "late", "x", 1000 + n);
    }
    store.flush(Durability::Synced).unwrap();
    let late = store.begin_snapshot().unwrap().index.unwrap();
    archive.add(&late.name, &late.bytes).unwrap();
    let mut restored = restore(&world, &archive.finish().unwrap());
    assert_eq!(restored.lost(), None);
    assert_eq!(restored.totals(), totals);
    assert_eq!(content(&mut *restored), before);
}
