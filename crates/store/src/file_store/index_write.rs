//! Writing `index.db` from the state.

use super::bounds::BoundsWriter;
use super::checkpoint::{self, CHECKPOINT, Checkpoint, Seal};
use super::index_db::{self, BlockState, Index, Writer};
use super::meta::{self, Sync};
use super::{FileStore, INDEX, IndexDue};
use crate::api::{Durability, StoreError};
use crate::error::io_error;

/// An index larger than this is written only after several times as much was written otherwise.
const CHEAP_INDEX: u64 = 256 << 10;
/// How many times.
const INDEX_SHARE: u64 = 4;
/// Without syncs of its own, the index makes the blocks it lists be synced after so many bytes.
const MOST_UNSYNCED: u64 = 256 << 20;
/// A copy of the index's list of blocks; the reference ignores the file.
pub(super) const WITNESS: &str = "index.copy";

/// The zero time is written as none.
fn normal(ns: i64) -> i64 {
    if ns == types::Timestamp::ZERO.unix_ns() { 0 } else { ns }
}

/// What an index lists.
enum Listing<'b> {
    /// Subjects, with what is known of them beyond the index, and blocks.
    Subjects(&'b mut BoundsWriter),
    /// Blocks only.
    Blocks,
}

impl FileStore {
    /// Writes the index where it is due after a flush: never more of it than a share of what else
    /// is written, and often enough for a short recovery.
    pub(super) fn index_if_due(&mut self, durability: Durability) -> Result<(), StoreError> {
        match self.index_due {
            IndexDue::No => return Ok(()),
            IndexDue::IfCheap => {
                let estimate = self.index_estimate() as u64;
                if estimate > CHEAP_INDEX && self.since_index < INDEX_SHARE * estimate {
                    self.index_due = IndexDue::No;
                    return Ok(());
                }
                if durability == Durability::Written && self.since_index < MOST_UNSYNCED {
                    return Ok(());
                }
            }
            IndexDue::Must => {}
        }
        let due = std::mem::replace(&mut self.index_due, IndexDue::No);
        self.write_index().inspect_err(|_| self.index_due = due)
    }

    /// Bytes that `index.db` would have, about.
    pub(super) fn index_estimate(&self) -> usize {
        let deleted: usize =
            self.blocks.iter().map(|block| block.deleted.encoded_len()).sum::<usize>();
        self.subjects.len() as usize * 40 + self.blocks.len() * 40 + deleted
    }

    /// Writes `index.db` from the state, which must be flushed.
    pub(super) fn write_index(&mut self) -> Result<(), StoreError> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        // Recovery takes what an exact index tells of for durable.
        self.sync_or_doubt()?;
        self.keep_witness()?;
        let mut bounds = BoundsWriter::default();
        let plain = self.encode_listing(Listing::Subjects(&mut bounds))?;
        // Before the hash over the whole, the file ends with the last record's checksum.
        let body = plain.get(..plain.len().saturating_sub(8)).unwrap_or_default();
        self.index_ends_in_zeros = body.ends_with(&[0; 8]);
        let last_block = self.blocks.back().map_or(0, |tail| tail.index);
        let trailer = index_db::trailer(&plain);
        let file = self
            .seal_index(&self.asset, plain)
            .map_err(|error| io_error("encrypting the index", error))?;
        let written = self.write_checkpoint(trailer, bounds).and_then(|()| {
            meta::replace_file(&*self.disk, &self.msgs_dir.join(INDEX), &file, Sync::Now)
        });
        match written {
            Ok(()) => {
                self.indexed_up_to = last_block;
                self.since_index = 0;
                self.remove_buried();
                Ok(())
            }
            // It is only a help for the next start.
            Err(StoreError::NoSpace) => self.drop_index(),
            Err(error) => Err(error),
        }
    }

    /// Writes an index of what there is, where that can be done now.
    pub(super) fn has_new_index(&mut self) -> Result<bool, StoreError> {
        let is_flushed = !self.skipped
            && self.journal.tombstones.is_empty()
            && self.journal.displaced.is_empty()
            && self.first_dirty() == self.blocks.len();
        if !is_flushed {
            return Ok(false);
        }
        match self.write_index() {
            Err(error) if self.poisoned.is_some() => Err(error),
            Err(_) => Ok(false),
            Ok(()) => {
                self.index_due = IndexDue::No;
                Ok(self.blocks.back().is_some_and(|tail| tail.index == self.indexed_up_to))
            }
        }
    }

    /// The bytes of `index.db` for the state, which must be flushed.
    pub(super) fn encode_index(&mut self) -> Result<Vec<u8>, StoreError> {
        self.encode_listing(Listing::Subjects(&mut BoundsWriter::default()))
    }

    fn encode_listing(&mut self, listing: Listing<'_>) -> Result<Vec<u8>, StoreError> {
        let Some(tail) = self.blocks.back_mut() else { return Ok(Vec::new()) };
        let last_block = tail.index;
        let checksum = tail.last_checksum(&*self.disk, &self.msgs_dir)?;
        let totals = Index {
            msgs: self.msgs,
            bytes: self.bytes,
            first_seq: self.first_seq,
            first_ns: if self.msgs == 0 { 0 } else { self.first_ns },
            last_seq: self.last_seq,
            last_ns: normal(self.last_ns),
            ..Index::default()
        };
        let tree = self.subjects.tree();
        let subjects = if matches!(listing, Listing::Blocks) { 0 } else { tree.len() };
        let mut writer = Writer::new(&totals, subjects);
        let place = |seq: u64| {
            let at = self.block_for(seq).min(self.blocks.len() - 1);
            let block = self.blocks.get(at);
            block.map_or((last_block, 0), |block| (block.index, block.first_seq))
        };
        if let Listing::Subjects(bounds) = listing {
            tree.for_each(|literal, entry| {
                let info = self.subjects.info(entry);
                let (first, first_start) = place(info.first.seq());
                let (last, last_start) = place(info.last.seq());
                writer.subject(literal, info.total, first, last);
                bounds.push(&info, first_start, last_start);
            });
        }
        writer.block_count(self.blocks.len());
        for block in &self.blocks {
            let state = BlockState {
                index: block.index,
                bytes: block.bytes,
                first_seq: block.first_seq,
                first_ns: block.first_ns,
                last_seq: block.last_seq,
                last_ns: normal(block.last_ns),
                ttls: block.ttls,
                schedules: block.schedules,
                deleted: Default::default(),
            };
            writer.block(&state, &block.deleted);
        }
        Ok(writer.finish(last_block, checksum, &self.hasher()))
    }

    /// Writes the index without its subjects beside it: a witness of what blocks there are, should
    /// the index get lost.
    fn keep_witness(&mut self) -> Result<(), StoreError> {
        let plain = self.encode_listing(Listing::Blocks)?;
        let file = self
            .seal_index(&self.asset, plain)
            .map_err(|error| io_error("encrypting the index", error))?;
        // Best effort; an old one would still be a witness of what was there.
        let _ = meta::replace_file(&*self.disk, &self.msgs_dir.join(WITNESS), &file, Sync::File);
        Ok(())
    }

    fn write_checkpoint(
        &mut self,
        index_trailer: [u8; 8],
        bounds: BoundsWriter,
    ) -> Result<(), StoreError> {
        let mut seals = Vec::with_capacity(self.blocks.len());
        for block in &mut self.blocks {
            let sum = block.seal(&*self.disk, &self.msgs_dir)?;
            let borders = block.known_borders();
            seals.push(Seal { index: block.index, len: block.raw_len, sum, borders });
        }
        let checkpoint = Checkpoint { seals, bounds: bounds.finish() };
        let file = checkpoint::encode(index_trailer, &checkpoint, &self.hasher());
        let file = self
            .seal_index(&self.asset, file)
            .map_err(|error| io_error("encrypting the checkpoint", error))?;
        meta::replace_file(&*self.disk, &self.msgs_dir.join(CHECKPOINT), &file, Sync::File)
    }

    /// Removes an index that would say something wrong.
    pub(super) fn drop_index(&mut self) -> Result<(), StoreError> {
        let error = |error| io_error("removing the index", error);
        for name in [WITNESS, INDEX] {
            match self.disk.unlink(&self.msgs_dir.join(name)) {
                Ok(()) => self.dir_dirty = true,
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {}
                Err(other) => return Err(error(other)),
            }
        }
        self.index_ends_in_zeros = false;
        if !self.buried.is_empty() {
            // No power cut may leave the index and take what it needs.
            self.disk.sync_dir(&self.msgs_dir).map_err(error)?;
            self.remove_buried();
        }
        self.indexed_up_to = 0;
        Ok(())
    }
}
