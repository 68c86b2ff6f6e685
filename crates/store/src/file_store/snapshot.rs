//! A snapshot's view of the blocks: as they were when it began, while the stream goes on.
//!
//! Records are only ever added to a block's file, so that a handle and a length are a view of it.
//! Where a file is about to be replaced or removed before the snapshot came to it, the store opens
//! it first; the handle keeps the bytes. Only overwriting a message on request changes bytes in
//! place: then the archive holds no index.

use std::fmt;

use env::{DiskFile, OpenMode};

use super::block::{self, Block};
use super::record::{self, Hasher};
use super::{FileStore, MSGS, meta, packed};
use crate::api::{ConsumerMeta, ConsumerState, StoreError};
use crate::error::io_error;
use crate::snapshot::{ArchiveFile, IndexFit, SnapshotPlan};

/// Most files that are kept open for a snapshot that has not come to them. Should more be
/// replaced or removed, the snapshot fails.
const MOST_HELD: usize = 256;
/// An index larger than this is left out: making it would hold up the stream.
const LARGEST_INDEX: usize = 4 << 20;

/// A snapshot in progress, as its store knows it.
#[derive(Debug)]
pub(super) struct InProgress {
    /// The blocks that were not asked for yet, ascending.
    pinned: Vec<Pinned>,
    index: IndexFit,
}

#[derive(Debug)]
struct Pinned {
    index: u64,
    len: u64,
    packed: bool,
    /// Its file, where the store has another one by now; an error where it could not be kept.
    held: Option<Result<Box<dyn DiskFile>, String>>,
}

/// A block of a snapshot, to be read by whoever makes the archive, on any thread.
pub struct SnapshotBlock {
    /// Path within the archive.
    pub name: String,
    file: Box<dyn DiskFile>,
    len: u64,
    packed: bool,
    hasher: Hasher,
}

impl fmt::Debug for SnapshotBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotBlock").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How often a block is read again that does not look sound: a message may be overwritten at
/// that very moment.
const ATTEMPTS: usize = 3;

impl SnapshotBlock {
    /// Reads the plain records; answers how many stretches of them are damaged.
    ///
    /// # Errors
    /// What the disk refuses; `Damaged` if it cannot be unpacked.
    pub fn read(&self) -> Result<(Vec<u8>, usize), StoreError> {
        let mut attempt = 1;
        loop {
            let bytes = self.read_once()?;
            let damaged = record::scan(&bytes, &self.hasher, |_, _| {}).len();
            if damaged == 0 || attempt == ATTEMPTS {
                return Ok((bytes, damaged));
            }
            attempt += 1;
        }
    }

    fn read_once(&self) -> Result<Vec<u8>, StoreError> {
        let error = |error| io_error("reading a block", error);
        let len = if self.packed { self.file.len().map_err(error)? } else { self.len };
        let len = usize::try_from(len).map_err(|_| too_long(&self.name))?;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, 0).map_err(error)?;
        if !self.packed {
            return Ok(bytes);
        }
        Ok(packed::unpack(&bytes))
    }
}

fn too_long(name: &str) -> StoreError {
    StoreError::Damaged(format!("{name} is too long"))
}

/// The members of an archive that hold a consumer; none for one that is kept in memory only.
///
/// # Errors
/// Where the configuration cannot be encoded.
pub fn consumer_files(
    stream: &str,
    consumer: &ConsumerMeta,
    state: &ConsumerState,
) -> Result<Vec<ArchiveFile>, StoreError> {
    if consumer.config.mem_storage {
        return Ok(Vec::new());
    }
    let (json, sum) = meta::consumer_bytes(stream, consumer)?;
    let mut progress = Vec::new();
    super::consumer_file::encode(state, &mut progress);
    let file = |name: &str, bytes| ArchiveFile {
        name: format!("{}/{}/{name}", super::OBS, consumer.name),
        bytes,
    };
    Ok(vec![
        file(meta::META, json),
        file(meta::SUM, sum.into_bytes()),
        file(super::consumer_file::STATE, progress),
    ])
}

impl FileStore {
    pub(super) fn begin(&mut self) -> Result<SnapshotPlan, StoreError> {
        if self.snapshot.is_some() {
            return Err(StoreError::SnapshotInProgress);
        }
        self.writable()?;
        if self.blocks.iter().any(Block::is_dirty) {
            return Err(StoreError::Damaged("not everything is written".to_owned()));
        }
        self.create_tail_file()?;
        let (json, sum) = meta::stream_bytes(self.created, &self.config)?;
        let index = if self.index_estimate() <= LARGEST_INDEX {
            let name = format!("{MSGS}/{}", super::INDEX);
            Some(ArchiveFile { name, bytes: self.encode_index()? })
        } else {
            None
        };
        let pinned: Vec<_> = self
            .blocks
            .iter()
            .map(|block| Pinned {
                index: block.index,
                len: block.written,
                packed: block.packed,
                held: None,
            })
            .collect();
        let blocks = pinned.iter().map(|pinned| pinned.index).collect();
        self.snapshot = Some(InProgress { pinned, index: IndexFit::Exact });
        Ok(SnapshotPlan {
            meta: vec![
                ArchiveFile { name: meta::META.to_owned(), bytes: json },
                ArchiveFile { name: meta::SUM.to_owned(), bytes: sum.into_bytes() },
            ],
            blocks,
            index,
            lost: self.lost.msgs.len() as u64,
        })
    }

    /// The block of that number, as it was at the beginning. Each only once.
    pub(super) fn pinned_block(&mut self, index: u64) -> Result<SnapshotBlock, StoreError> {
        let none = || StoreError::Damaged(format!("block {index} is in no snapshot"));
        let snapshot = self.snapshot.as_mut().ok_or_else(none)?;
        let at = snapshot
            .pinned
            .binary_search_by_key(&index, |pinned| pinned.index)
            .map_err(|_| none())?;
        let pinned = snapshot.pinned.remove(at);
        let file = match pinned.held {
            Some(Ok(file)) => file,
            Some(Err(reason)) => return Err(StoreError::Damaged(reason)),
            None => self
                .disk
                .open(&block::file_path(&self.msgs_dir, index), OpenMode::Existing)
                .map_err(|error| io_error("opening a block", error))?,
        };
        Ok(SnapshotBlock {
            name: format!("{MSGS}/{index}.blk"),
            file,
            len: pinned.len,
            packed: pinned.packed,
            hasher: Hasher::of_block(&self.config.name, index),
        })
    }

    pub(super) fn end(&mut self) -> IndexFit {
        self.snapshot.take().map_or(IndexFit::Stale, |snapshot| snapshot.index)
    }

    /// To be called before the file of block `index` is replaced or removed.
    pub(super) fn keep_for_snapshot(&mut self, index: u64) {
        let Some(snapshot) = &mut self.snapshot else { return };
        let held = snapshot.pinned.iter().filter(|pinned| pinned.held.is_some()).count();
        let Ok(at) = snapshot.pinned.binary_search_by_key(&index, |pinned| pinned.index) else {
            return;
        };
        let Some(pinned) = snapshot.pinned.get_mut(at).filter(|pinned| pinned.held.is_none())
        else {
            return;
        };
        pinned.held = Some(if held < MOST_HELD {
            self.disk
                .open(&block::file_path(&self.msgs_dir, index), OpenMode::Existing)
                .map_err(|error| format!("block {index} is gone: {error}"))
        } else {
            Err("messages were removed faster than they could be sent".to_owned())
        });
    }

    /// To be called before all blocks are removed.
    pub(super) fn keep_all_for_snapshot(&mut self) {
        let Some(snapshot) = &self.snapshot else { return };
        let all: Vec<_> = snapshot.pinned.iter().map(|pinned| pinned.index).collect();
        for index in all {
            self.keep_for_snapshot(index);
        }
    }

    /// Bytes of block `index` were overwritten in place.
    pub(super) fn overwritten_in_snapshot(&mut self) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.index = IndexFit::Stale;
        }
    }
}
