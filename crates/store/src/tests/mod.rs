//! Tests that every store passes, and what they share.

mod conformance;
mod consumers;
mod damage;
pub(crate) mod encryption;
mod faults;
mod fixtures;
mod model;
mod random;
mod reference;
mod section12;
mod stream_state;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, EntryKind, OpenMode, SimDisk};
use types::{Storage, StreamConfig, Timestamp};

use crate::*;

/// A file store on a simulated disk, with what it takes to open it again.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) account: PathBuf,
    pub(crate) options: FileStoreOptions,
}

impl World {
    pub(crate) fn new(block_bytes: u64) -> Self {
        let disk = SimDisk::new();
        // Whoever starts a server has its directory already.
        disk.create_dir_all(Path::new("/data")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        World {
            disk,
            account: PathBuf::from("/data/jetstream/$G"),
            options: FileStoreOptions { cache_bytes: 16 << 10, block_bytes, encryption: None },
        }
    }

    pub(crate) fn dyn_disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(crate) fn create(&self, config: &StreamConfig) -> FileStore {
        FileStore::create(self.dyn_disk(), &self.account, at(0), config, self.options).unwrap()
    }

    /// Opens the only stream.
    pub(crate) fn open(&self) -> Box<dyn StreamStore> {
        match self.try_open() {
            Opening::Ready { store, .. } => store,
            Opening::Offline { reason, .. } => panic!("offline: {reason}"),
        }
    }

    pub(crate) fn try_open(&self) -> Opening {
        let mut opened = open_account(&self.dyn_disk(), &self.account, self.options).unwrap();
        assert_eq!(opened.len(), 1);
        opened.remove(0).opening
    }

    /// The reason why the only stream is offline.
    pub(crate) fn refusal(&self) -> String {
        match self.try_open() {
            Opening::Ready { .. } => panic!("the stream opened"),
            Opening::Offline { reason, .. } => reason,
        }
    }

    /// Changes a file of the stream's directory behind the store's back, durably.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.account.join("streams/S").join(name);
        let mut bytes = self.disk.read(&path).unwrap();
        change(&mut bytes);
        let file = self.disk.open(&path, OpenMode::Truncate).unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.sync_data().unwrap();
    }

    /// All files below the account with their bytes.
    pub(crate) fn snapshot(&self) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        let mut files = std::collections::BTreeMap::new();
        let mut dirs = vec![self.account.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in self.disk.list(&dir).unwrap() {
                let path = dir.join(&entry.name);
                match entry.kind {
                    EntryKind::Dir => dirs.push(path),
                    _ => {
                        let bytes = self.disk.read(&path).unwrap();
                        files.insert(path, bytes);
                    }
                }
            }
        }
        files
    }

    pub(crate) fn msgs_file(&self, name: &str) -> PathBuf {
        self.account.join("streams/S/msgs").join(name)
    }

    /// Names in the blocks' directory.
    pub(crate) fn msgs_files(&self) -> Vec<String> {
        let dir = self.account.join("streams/S/msgs");
        let entries = self.disk.list(&dir).unwrap();
        entries.into_iter().map(|entry| entry.name.into_string().unwrap()).collect()
    }
}

/// A configuration as the server makes it, of stream `S`.
pub(crate) fn config() -> StreamConfig {
    StreamConfig {
        name: "S".to_owned(),
        subjects: vec![">".to_owned()],
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        storage: Storage::File,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

/// A time some seconds after an arbitrary start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
}

pub(crate) fn msg<'a>(subject: &'a str, payload: &'a str, seconds: i64) -> NewMsg<'a> {
    NewMsg {
        subject: subject.as_bytes(),
        headers: b"",
        payload: payload.as_bytes(),
        ts: at(seconds),
        ttl_seconds: 0,
    }
}

/// Appends without caring for what goes.
pub(crate) fn put(store: &mut dyn StreamStore, subject: &str, payload: &str, seconds: i64) -> u64 {
    store.append(msg(subject, payload, seconds), &mut |_| {}).unwrap()
}

pub(crate) fn payload_of(store: &mut dyn StreamStore, seq: u64) -> Option<String> {
    let got = store.get(seq).unwrap()?;
    Some(String::from_utf8(got.payload.to_vec()).unwrap())
}

/// All sequences held.
pub(crate) fn seqs(store: &mut dyn StreamStore) -> Vec<u64> {
    let mut seqs = Vec::new();
    let mut from = 0;
    while let Some(got) = store.next_match(&Filter::all(), from).unwrap() {
        seqs.push(got.seq);
        from = got.seq + 1;
    }
    seqs
}

/// Copies a directory of the fixtures.
pub(crate) fn copy_fixture(from: &std::path::Path, to: &std::path::Path) {
    fixtures::copy_dir(from, to);
}

/// A file of the fixtures that the reference wrote.
pub(crate) fn fixture_path(name: &str) -> PathBuf {
    fixtures::fixture(name)
}
