//! Archives: what is written is read again, what is bad is refused whole, and a stream that goes
//! on meanwhile does not change what is in its snapshot.

mod framing;
mod live;
mod restores;

use std::path::{Path, PathBuf};

use crate::tests::{World, config};
use crate::*;

/// The members of an archive as they are asked of a store.
fn archive_of(store: &mut dyn StreamStore, plan: &SnapshotPlan, more: &[ArchiveFile]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new(), 1_700_000_000);
    for file in &plan.meta {
        archive.add(&file.name, &file.bytes).unwrap();
    }
    for &index in &plan.blocks {
        let block = store.snapshot_block(index).unwrap();
        let (bytes, damaged) = block.read().unwrap();
        assert_eq!(damaged, 0, "block {index}");
        archive.add(&block.name, &bytes).unwrap();
    }
    if let (IndexFit::Exact, Some(index)) = (store.end_snapshot(), &plan.index) {
        archive.add(&index.name, &index.bytes).unwrap();
    }
    for file in more {
        archive.add(&file.name, &file.bytes).unwrap();
    }
    archive.finish().unwrap()
}

/// An archive of these members.
fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new(), 0);
    for (name, bytes) in files {
        archive.add(name, bytes).unwrap();
    }
    archive.finish().unwrap()
}

fn other_account() -> PathBuf {
    PathBuf::from("/data/jetstream/OTHER")
}

/// Unpacks an archive of stream `S` in another account's directory.
fn unpack(world: &World, archive: &[u8]) -> Result<Staged, RestoreError> {
    let staging = Staging::create(world.dyn_disk(), &other_account(), "1").unwrap();
    staging.unpack("S", &mut &archive[..], &mut |_| Ok(()))
}

/// Restores an archive there and opens the stream.
fn restore(world: &World, archive: &[u8]) -> Box<dyn StreamStore> {
    let staged = unpack(world, archive).unwrap();
    let consumers = staged.consumers.clone();
    staged.put_in_place(&config(), &consumers).unwrap();
    match open_restored(&world.dyn_disk(), &other_account(), "S".to_owned(), world.options).opening
    {
        Opening::Ready { store, .. } => store,
        Opening::Offline { reason, .. } => panic!("offline: {reason}"),
    }
}

/// Sequence, time, subject, headers and payload of a message.
type Message = (u64, types::Timestamp, String, Vec<u8>, Vec<u8>);

/// All messages.
fn content(store: &mut dyn StreamStore) -> Vec<Message> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(m) = store.next_match(&Filter::all(), from).unwrap() {
        let subject = String::from_utf8(m.subject.to_vec()).unwrap();
        all.push((m.seq, m.ts, subject, m.headers.to_vec(), m.payload.to_vec()));
        from = m.seq + 1;
    }
    all
}

/// Everything below a directory, names only.
fn names_below(world: &World, dir: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        if world.dyn_disk().info(&dir).unwrap().is_none() {
            continue;
        }
        for entry in world.dyn_disk().list(&dir).unwrap() {
            let path = dir.join(&entry.name);
            if entry.kind == env::EntryKind::Dir {
                dirs.push(path.clone());
            }
            names.push(path);
        }
    }
    names
}
