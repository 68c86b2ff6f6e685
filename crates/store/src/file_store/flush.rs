//! Making what happened durable, and taking it back where that is not possible.

use super::block::Block;
use super::trouble::Failure;
use super::{Erasure, FileStore, IndexDue};
use crate::api::{Durability, StoreError};
use crate::canary::{self, Canary};
use crate::error::io_error;

/// From this length on the last block's file is filled up ahead; a stream of a few messages does
/// not need it.
const ROOM_FROM: u64 = 16 << 10;
/// Room made at once: as much as there is, up to this.
const MOST_ROOM: u64 = 1 << 20;
/// Room is made again when there is less than this.
const ROOM_LEFT: u64 = 4 << 10;

pub(super) fn sync_failed(source: std::io::Error) -> Failure {
    Failure::Doubtful(StoreError::Io { context: "syncing messages".to_owned(), source })
}

impl FileStore {
    pub(super) fn needs_flush(&self) -> bool {
        self.skipped
            || self.origins.due.is_some()
            || self.blocks.back().is_some_and(Block::is_dirty)
            || self.oldest_unsynced != u64::MAX
            || self.dir_dirty
            || !self.journal.dead.is_empty()
            || !self.journal.displaced.is_empty()
            || !self.waiting.is_empty()
            || !self.journal.erased.is_empty()
            || !self.to_repair.is_empty()
            || !self.to_pack.is_empty()
            || !self.to_trim.is_empty()
            || self.blocks.iter().rev().nth(1).is_some_and(Block::is_dirty)
    }

    pub(super) fn flush_all(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.writable()?;
        if std::mem::take(&mut self.refusal_owed) {
            return Err(StoreError::NoSpace);
        }
        if !self.needs_flush() {
            self.journal.by_limits.clear();
            if durability == Durability::Synced {
                self.synced_first = self.first_seq;
            }
            return Ok(());
        }
        let traced = !self.journal.tombstones.is_empty();
        let durability = match self.journal.limit_traces.is_empty() {
            true => durability,
            false => Durability::Synced,
        };
        if durability == Durability::Synced || self.must_not_wait(traced) {
            self.remove_waiting().map_err(|failure| self.flush_failed(failure))?;
        }
        self.trace_displaced();
        let wanted = self.last_seq;
        if let Err(error) = self.write_and_sync(durability) {
            // Removals free space; messages that were taken back stay refused.
            if !matches!(error, StoreError::NoSpace) {
                return Err(error);
            }
            let had_buried = !self.buried.is_empty() || !self.waiting.is_empty();
            self.remove_waiting().map_err(|failure| self.flush_failed(failure))?;
            if !self.buried.is_empty() && self.drop_index().is_ok() {
                self.index_due = IndexDue::Must;
            }
            if !self.unlink_for_space() && !had_buried {
                return Err(error);
            }
            self.write_and_sync(durability)?;
        }
        self.journal.last_seq = self.last_seq;
        self.journal.last_ns = self.last_ns;
        self.journal.by_limits.clear();
        self.journal.tombstones.clear();
        self.journal.limit_traces.clear();
        if durability == Durability::Synced {
            self.synced_first = self.first_seq;
        }
        self.remove_dead(durability, traced)?;
        // What was flushed is safe whatever becomes of the rest, which is tried again later.
        match self.after_flush(durability) {
            Ok(()) => self.trouble.flushed(),
            Err(error) if self.poisoned.is_some() => return Err(error),
            Err(error) => self.trouble.hinders(&error),
        }
        if self.last_seq < wanted {
            return Err(StoreError::NoSpace);
        }
        self.drop_staged();
        Ok(())
    }

    /// Writes what is new; if that cannot be done, everything is as after the last flush.
    fn write_and_sync(&mut self, durability: Durability) -> Result<(), StoreError> {
        if let Err(error) = self.write_origins(durability) {
            return Err(self.flush_failed(Failure::Refused(error)));
        }
        if std::mem::take(&mut self.skipped) {
            // No record of a message says that the stream came so far.
            self.tombstone(self.last_seq, self.last_ns);
        }
        let start = self.first_dirty();
        let result = self.write_blocks(start, durability).and_then(|()| match durability {
            Durability::Synced => self.sync_written(),
            Durability::Written => self.trim_blocks().or(Ok(())),
        });
        match result {
            Ok(()) => {
                self.settle_written(start);
                Ok(())
            }
            Err(failure) => Err(self.flush_failed(failure)),
        }
    }

    fn sync_written(&mut self) -> Result<(), Failure> {
        self.trim_blocks()?;
        self.make_room_ahead().map_err(Failure::Refused)?;
        self.sync_blocks()
    }

    /// Takes what was written for the state to return to.
    fn settle_written(&mut self, start: usize) {
        for block in self.blocks.iter_mut().skip(start) {
            self.since_index += block.raw_len - block.written;
            block.written = block.raw_len;
            block.set_mark();
        }
    }

    /// Position of the first block with something to write; all behind it have as well.
    pub(super) fn first_dirty(&self) -> usize {
        self.blocks.len() - self.blocks.iter().rev().take_while(|block| block.is_dirty()).count()
    }

    fn write_blocks(&mut self, start: usize, durability: Durability) -> Result<(), Failure> {
        for at in start..self.blocks.len() {
            if durability == Durability::Synced {
                // A power cut must not keep what follows and lose what comes before.
                self.sync_before(at)?;
            }
            let is_tail = at + 1 == self.blocks.len();
            let Some(block) = self.blocks.get_mut(at) else { break };
            if !block.created {
                self.dir_dirty = true;
            }
            block
                .open_file(&*self.disk, &self.msgs_dir)
                .map_err(|error| Failure::Refused(io_error("opening a block", error)))?;
            block.unsynced = true;
            self.oldest_unsynced = self.oldest_unsynced.min(block.index);
            let written = match &self.vault {
                None if is_tail => block.write_witnessed(),
                None => block.write_new(),
                Some(_) => {
                    // Nothing is written over under the same key stream.
                    if is_tail {
                        block.push_witness();
                    }
                    block.write_new()
                }
            };
            written.map_err(|error| match io_error("writing messages", error) {
                StoreError::NoSpace => Failure::Refused(StoreError::NoSpace),
                other => Failure::Doubtful(other),
            })?;
        }
        Ok(())
    }

    /// Cuts off what follows the records in blocks that are sealed now.
    pub(super) fn trim_blocks(&mut self) -> Result<(), Failure> {
        while let Some(&index) = self.to_trim.last() {
            let at = self.blocks.binary_search_by_key(&index, |block| block.index);
            let block = at.ok().and_then(|at| self.blocks.get_mut(at));
            if let Some(block) = block.filter(|block| block.has_slack()) {
                block.trim(&*self.disk, &self.msgs_dir).map_err(|error| {
                    Failure::Refused(io_error("cutting a block to its length", error))
                })?;
                self.oldest_unsynced = self.oldest_unsynced.min(index);
            }
            self.to_trim.pop();
        }
        Ok(())
    }

    /// Fills the last block's file up with zeros ahead of its records: a sync that need not store
    /// a new file length takes half the time.
    fn make_room_ahead(&mut self) -> Result<(), StoreError> {
        if self.vault.is_some() {
            // Zeros under the key stream would give the stream away, and plain ones are none.
            return Ok(());
        }
        let block_size = self.block_size;
        let Some(tail) = self.blocks.back_mut() else { return Ok(()) };
        let enough = tail.allocated.saturating_sub(tail.raw_len) >= ROOM_LEFT;
        if tail.raw_len < ROOM_FROM || enough {
            return Ok(());
        }
        let ahead = tail.raw_len.min(MOST_ROOM);
        let up_to = (tail.raw_len + ahead).min(block_size);
        if up_to <= tail.raw_len.max(tail.allocated) {
            return Ok(());
        }
        if self.index_ends_in_zeros {
            // It was written when this block was empty, and would be taken for exact by whoever
            // finds zeros at the block's end.
            self.write_index()?;
        }
        if let Some(tail) = self.blocks.back_mut() {
            tail.allocate(up_to);
        }
        Ok(())
    }

    pub(super) fn sync_blocks(&mut self) -> Result<(), Failure> {
        self.sync_before(self.blocks.len())
    }

    /// Syncs the blocks before position `end`, and their names.
    fn sync_before(&mut self, end: usize) -> Result<(), Failure> {
        let oldest = self.oldest_unsynced;
        let start = self.blocks.partition_point(|block| block.index < oldest).min(end);
        if start == end && (end < self.blocks.len() || !self.dir_dirty) {
            return Ok(());
        }
        for block in self.blocks.range_mut(start..end).filter(|block| block.unsynced) {
            block
                .open_file(&*self.disk, &self.msgs_dir)
                .map_err(|error| Failure::Refused(io_error("opening a block", error)))
                .and_then(|file| match canary::sings(Canary::AckBeforeSync) {
                    true => Ok(()),
                    false => file.sync_data().map_err(sync_failed),
                })?;
        }
        if self.dir_dirty {
            if !canary::sings(Canary::SkipDirSync) {
                self.disk.sync_dir(&self.msgs_dir).map_err(sync_failed)?;
            }
            self.dir_dirty = false;
        }
        for block in self.blocks.range_mut(start..end) {
            block.unsynced = false;
        }
        let mut rest = self.blocks.range(end..).filter(|block| block.unsynced);
        self.oldest_unsynced = rest.next().map_or(u64::MAX, |block| block.index);
        Ok(())
    }

    /// As [`sync_blocks`](Self::sync_blocks) where nothing waits to be written; files that waited
    /// for it go.
    pub(super) fn sync_or_doubt(&mut self) -> Result<(), StoreError> {
        self.sync_blocks().and_then(|()| self.remove_waiting()).map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Doubtful(error) => self.doubt_unsynced(error),
        })
    }

    /// What has to wait until the reason for it is on disk.
    pub(super) fn after_flush(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.overwrite_erased(durability)?;
        self.repair_blocks()?;
        self.pack_blocks()?;
        self.compact_blocks()?;
        self.index_if_due(durability)?;
        self.shed_written();
        Ok(())
    }

    pub(super) fn sync_names(&mut self) -> Result<(), StoreError> {
        if !canary::sings(Canary::SkipDirSync) {
            self.disk.sync_dir(&self.msgs_dir).map_err(|source| {
                // Never "no space", which would say that messages were taken back.
                StoreError::Io { context: "syncing names of blocks".to_owned(), source }
            })?;
        }
        self.dir_dirty = false;
        Ok(())
    }

    /// What fails is tried again with the next flush.
    fn overwrite_erased(&mut self, durability: Durability) -> Result<(), StoreError> {
        if self.journal.erased.is_empty() {
            return Ok(());
        }
        // The tombstones first: nothing else tells that these were to go.
        self.sync_or_doubt()?;
        self.overwritten_in_snapshot();
        while let Some(erasure) = self.journal.erased.pop() {
            let Erasure { block, seq, over } = &erasure;
            let erased = self.erase_aside(*block, *seq).and_then(|()| match over {
                Some((offset, bytes)) => self.overwrite(*block, *offset, bytes, durability),
                None => Ok(()),
            });
            if let Err(error) = erased {
                self.journal.erased.push(erasure);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Puts bytes over a record in the file of block `index`, as they are over it in memory.
    fn overwrite(
        &mut self,
        index: u64,
        offset: u64,
        bytes: &[u8],
        durability: Durability,
    ) -> Result<(), StoreError> {
        let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
            return Ok(());
        };
        if self.blocks.get(at).is_some_and(|block| block.packed) {
            return self.erase_packed(at, offset, bytes);
        }
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        let result = block.open_file(&*self.disk, &self.msgs_dir).and_then(|file| {
            if !canary::sings(Canary::EraseInMemoryOnly) {
                file.write_all_at(bytes, offset)?;
            }
            match durability {
                Durability::Synced => file.sync_data(),
                Durability::Written => Ok(()),
            }
        });
        if durability == Durability::Written {
            block.unsynced = true;
            self.oldest_unsynced = self.oldest_unsynced.min(index);
        }
        result.map_err(|source| {
            self.doubt(index);
            let context = "erasing a message".to_owned();
            self.doubt_unsynced(StoreError::Io { context, source })
        })
    }

    fn erase_packed(&mut self, at: usize, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if !self.blocks.get(at).is_some_and(Block::is_whole) {
            self.load(at)?;
        }
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        block.overwrite(offset, bytes);
        let content = block.content().map(<[u8]>::to_vec).unwrap_or_default();
        self.rewrite(at, &content)
    }
}
