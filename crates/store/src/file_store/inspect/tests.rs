//! An inspection finds every kind of damage, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use env::{Disk, OpenMode, OsDisk};
use types::{AckPolicy, ConsumerConfig, SequencePair};

use crate::tests::{World, at, config, fixture_path, put};
use crate::*;

/// Three blocks or so of messages, two deleted, and a consumer; stopped cleanly.
pub(crate) fn filled() -> World {
    let world = World::new(400);
    let mut store = world.create(&config());
    for number in 1..=24 {
        put(&mut store, &format!("s.{}", number % 3), &format!("payload {number}"), number);
        store.flush(Durability::Synced).unwrap();
    }
    for seq in [3, 9] {
        store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
    }
    let consumer = ConsumerConfig {
        durable_name: "C".to_owned(),
        ack_policy: AckPolicy::Explicit,
        ..ConsumerConfig::default()
    };
    let meta = ConsumerMeta { name: "C".to_owned(), created: at(0), config: consumer };
    let mut file = store.create_consumer(&meta, &ConsumerState::default()).unwrap();
    let state = ConsumerState {
        delivered: SequencePair { consumer: 5, stream: 6 },
        ack_floor: SequencePair { consumer: 5, stream: 6 },
        ..ConsumerState::default()
    };
    file.save(&state, Durability::Synced).unwrap();
    store.stop().unwrap();
    world
}

pub(crate) fn place(world: &World) -> StreamPlace {
    let mut places = find_streams(&*world.dyn_disk(), &world.account).unwrap();
    assert_eq!(places.len(), 1);
    places.remove(0)
}

#[test]
fn what_is_deleted_does_not_count_before_its_tombstone_either() {
    let world = World::new(0);
    let mut store = world.create(&config());
    for number in 1..=9 {
        put(&mut store, "s", "payload", number);
    }
    for seq in [1, 4] {
        store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
    }
    store.flush(Durability::Synced).unwrap();
    drop(store);
    let report = look(&world);
    assert_eq!((report.msgs, report.first_seq, report.last_seq), (7, 2, 9));
    assert_eq!((report.blocks[0].dead_records, report.blocks[0].tombstones), (2, 2));
}

fn look(world: &World) -> StreamReport {
    inspect_stream(&*world.dyn_disk(), &place(world), &mut |_| {}).unwrap()
}

fn files_of(dir: &Path) -> BTreeMap<std::path::PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let modified = path.metadata().unwrap().modified().unwrap();
            if path.is_dir() {
                files.insert(path.clone(), (Vec::new(), modified));
                dirs.push(path);
            } else {
                files.insert(path.clone(), (std::fs::read(&path).unwrap(), modified));
            }
        }
    }
    files
}

#[test]
fn what_the_reference_wrote_is_sound() {
    for (name, index) in [("clean", IndexState::Exact), ("killed", IndexState::Absent)] {
        let dir = tempfile::tempdir().unwrap();
        crate::tests::copy_fixture(&fixture_path(name), dir.path());
        let before = files_of(dir.path());
        let account = dir.path().join("$G");
        for (under, count) in
            [(dir.path().to_owned(), 2), (account.clone(), 2), (account.join("streams/ORDERS"), 1)]
        {
            let places = find_streams(&OsDisk, &under).unwrap();
            assert_eq!(places.len(), count, "{}", under.display());
            for place in places {
                let mut read = 0;
                let report = inspect_stream(&OsDisk, &place, &mut |bytes| read += bytes).unwrap();
                assert!(report.is_sound(), "{:?}", report.findings);
                assert_eq!(read, block_bytes(&OsDisk, &place).unwrap());
                assert_eq!(report.index, index);
                assert_eq!(place.account(), "$G");
                if report.name == "ORDERS" {
                    assert_eq!((report.msgs, report.first_seq, report.last_seq), (46, 2, 50));
                    assert_eq!((report.subjects, report.consumers.len()), (5, 2));
                }
            }
        }
        assert!(before == files_of(dir.path()), "something was changed");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(find_streams(&OsDisk, empty.path()).is_err());
    assert!(find_streams(&OsDisk, &empty.path().join("none")).is_err());
}

#[test]
fn a_sound_stream_is_counted_as_the_store_counts() {
    let world = filled();
    let before = world.snapshot();
    let report = look(&world);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.index, IndexState::Exact);
    assert_eq!(before, world.snapshot());
    let totals = world.open().totals();
    assert_eq!((report.msgs, report.bytes), (totals.msgs, totals.bytes));
    assert_eq!((report.first_seq, report.last_seq), (totals.first_seq, totals.last_seq));
    assert_eq!(report.subjects, totals.num_subjects);
    assert_eq!(report.consumers[0].state.as_ref().unwrap().delivered.stream, 6);
    assert!(report.blocks.len() > 2);
}

/// Files of the stream that carry a checksum, relative to its directory.
fn summed_files(world: &World) -> Vec<String> {
    let mut files: Vec<String> =
        world.msgs_files().iter().map(|name| format!("msgs/{name}")).collect();
    // A second copy that is damaged is made again at the next start.
    files.retain(|name| !name.ends_with(".copy"));
    files.extend(["meta.inf", "meta.sum", "obs/C/meta.inf", "obs/C/meta.sum"].map(str::to_owned));
    files
}

#[test]
fn every_flipped_bit_is_found() {
    let world = filled();
    for file in summed_files(&world) {
        let path = world.account.join("streams/S").join(&file);
        let len = world.disk.read(&path).unwrap().len();
        for at in 0..len {
            let bit = 1 << (at % 8);
            world.edit(&file, |bytes| bytes[at] ^= bit);
            let before = world.snapshot();
            assert!(!look(&world).is_sound(), "bit {bit:#x} of byte {at} of {file}");
            assert_eq!(before, world.snapshot());
            world.edit(&file, |bytes| bytes[at] ^= bit);
        }
    }
    assert!(look(&world).is_sound());
}

#[test]
fn every_cut_and_every_missing_file_is_found() {
    let world = filled();
    for file in summed_files(&world) {
        let path = world.account.join("streams/S").join(&file);
        let whole = world.disk.read(&path).unwrap();
        for len in 0..whole.len() {
            world.edit(&file, |bytes| bytes.truncate(len));
            assert!(!look(&world).is_sound(), "{file} cut to {len}");
        }
        world.disk.unlink(&path).unwrap();
        // Without an index a start takes longer; that is all.
        let spare = ["msgs/index.db", "msgs/checkpoint.db"].contains(&&*file);
        assert_eq!(look(&world).is_sound(), spare, "{file} missing");
        let restored = world.disk.open(&path, OpenMode::Create).unwrap();
        restored.write_all_at(&whole, 0).unwrap();
        restored.sync_data().unwrap();
    }
    assert!(look(&world).is_sound());
    world.edit("obs/C/o.dat", |bytes| bytes.clear());
    assert!(!look(&world).is_sound());
}

#[test]
fn a_crash_is_no_damage() {
    let world = filled();
    let last = world
        .msgs_files()
        .into_iter()
        .filter_map(|name| name.strip_suffix(".blk").and_then(|number| number.parse::<u64>().ok()));
    let last = format!("msgs/{}.blk", last.max().unwrap());
    let index = world.msgs_file("index.db");
    // A record's start behind the last one, and room made ahead.
    world.edit(&last, |bytes| {
        let start = bytes[..20].to_vec();
        bytes.extend_from_slice(&start);
    });
    let report = look(&world);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.findings.len(), report.index), (1, IndexState::Stale));
    world.edit(&last, |bytes| {
        bytes.truncate(bytes.len() - 20);
        bytes.extend_from_slice(&[0; 100]);
    });
    let report = look(&world);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    world.disk.unlink(&index).unwrap();
    assert_eq!(look(&world).index, IndexState::Absent);
}

#[test]
fn what_is_lost_is_named() {
    let world = filled();
    let report = look(&world);
    let block = &report.blocks[1];
    let (first, last) = (block.first_seq, block.last_seq);
    world.disk.unlink(&world.msgs_file(&format!("{}.blk", block.index))).unwrap();
    let report = look(&world);
    let text = &report.findings[0].text;
    assert!(text.contains("no file"), "{text}");
    assert!(text.contains(&first.to_string()) && text.contains(&last.to_string()), "{text}");
    assert_eq!(super::ranges(&[3, 5, 6, 7, 9]), "3, 5-7, 9");
}
