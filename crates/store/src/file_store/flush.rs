//! Making what happened durable, and taking it back where that is not possible.

use super::block::{self, Block};
use super::{FileStore, IndexDue};
use crate::api::{Durability, StoreError};
use crate::error::io_error;

/// An index larger than this is written only at a clean stop.
const CHEAP_INDEX: usize = 256 << 10;
/// From this length on the last block's file is filled up ahead; a stream of a few messages does
/// not need it.
const ROOM_FROM: u64 = 16 << 10;
/// Room made at once: as much as there is, up to this.
const MOST_ROOM: u64 = 1 << 20;
/// Room is made again when there is less than this.
const ROOM_LEFT: u64 = 4 << 10;

impl FileStore {
    pub(super) fn needs_flush(&self) -> bool {
        self.blocks.back().is_some_and(Block::is_dirty)
            || self.oldest_unsynced != u64::MAX
            || self.dir_dirty
            || !self.journal.dead.is_empty()
            || !self.journal.erased.is_empty()
            || self.to_compact.iter().any(|wanted| wanted.must)
            || !self.to_repair.is_empty()
            || !self.to_pack.is_empty()
            || !self.to_trim.is_empty()
            || self.blocks.iter().rev().nth(1).is_some_and(Block::is_dirty)
    }

    pub(super) fn flush_all(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.writable()?;
        if !self.needs_flush() {
            self.journal.by_limits.clear();
            return Ok(());
        }
        self.write_blocks(durability)?;
        self.trim_blocks()?;
        if durability == Durability::Synced {
            self.make_room_ahead()?;
        }
        if durability == Durability::Synced {
            self.sync_blocks()?;
        }
        self.journal.last_seq = self.last_seq;
        self.journal.last_ns = self.last_ns;
        self.journal.by_limits.clear();
        self.journal.tombstones.clear();
        self.after_flush(durability)
    }

    /// Position of the first block with something to write; all behind it have as well.
    fn first_dirty(&self) -> usize {
        self.blocks.len() - self.blocks.iter().rev().take_while(|block| block.is_dirty()).count()
    }

    fn write_blocks(&mut self, durability: Durability) -> Result<(), StoreError> {
        let start = self.first_dirty();
        let mut failed = None;
        for at in start..self.blocks.len() {
            if durability == Durability::Synced {
                // A power cut must not keep what follows and lose what comes before.
                self.sync_before(at)?;
            }
            let Some(block) = self.blocks.get_mut(at) else { break };
            if !block.created {
                self.dir_dirty = true;
            }
            let written = block.written;
            let result = block.open_file(&*self.disk, &self.msgs_dir).map(|_| ());
            let result = result.and_then(|()| match &block.file {
                Some(file) => file.write_all_at(block.pending(), written),
                None => Ok(()),
            });
            block.unsynced = true;
            self.oldest_unsynced = self.oldest_unsynced.min(block.index);
            if let Err(error) = result {
                failed = Some(io_error("writing messages", error));
                break;
            }
        }
        match failed {
            None => {
                for block in self.blocks.iter_mut().skip(start) {
                    block.written = block.raw_len;
                    block.set_mark();
                }
                Ok(())
            }
            Some(StoreError::NoSpace) => {
                self.roll_back()?;
                Err(StoreError::NoSpace)
            }
            Some(error) => Err(self.poison(error)),
        }
    }

    /// Cuts the zeros off that were ahead in blocks that are sealed now.
    pub(super) fn trim_blocks(&mut self) -> Result<(), StoreError> {
        for index in std::mem::take(&mut self.to_trim) {
            let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
                continue;
            };
            let Some(block) = self.blocks.get_mut(at).filter(|block| block.has_slack()) else {
                continue;
            };
            let len = block.raw_len;
            block
                .open_file(&*self.disk, &self.msgs_dir)
                .and_then(|file| file.set_len(len))
                .map_err(|error| io_error("cutting a block to its length", error))?;
            block.allocated = len;
            block.unsynced = true;
            self.oldest_unsynced = self.oldest_unsynced.min(index);
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

    pub(super) fn sync_blocks(&mut self) -> Result<(), StoreError> {
        self.sync_data_before(self.blocks.len())?;
        self.oldest_unsynced = u64::MAX;
        if self.dir_dirty { self.sync_names() } else { Ok(()) }
    }

    /// Syncs the blocks before position `at`, and their names.
    fn sync_before(&mut self, at: usize) -> Result<(), StoreError> {
        let Some(index) = self.blocks.get(at).map(|block| block.index) else { return Ok(()) };
        if self.oldest_unsynced >= index {
            return Ok(());
        }
        self.sync_data_before(at)?;
        self.oldest_unsynced = match self.blocks.get(at) {
            Some(block) if block.unsynced => index,
            _ => u64::MAX,
        };
        if self.dir_dirty { self.sync_names() } else { Ok(()) }
    }

    fn sync_data_before(&mut self, end: usize) -> Result<(), StoreError> {
        let oldest = self.oldest_unsynced;
        let start = self.blocks.partition_point(|block| block.index < oldest).min(end);
        for block in self.blocks.range_mut(start..end).filter(|block| block.unsynced) {
            let synced =
                block.open_file(&*self.disk, &self.msgs_dir).and_then(|file| file.sync_data());
            if let Err(error) = synced {
                return Err(self.sync_failed(error));
            }
            block.unsynced = false;
        }
        Ok(())
    }

    fn sync_names(&mut self) -> Result<(), StoreError> {
        match self.disk.sync_dir(&self.msgs_dir) {
            Ok(()) => {
                self.dir_dirty = false;
                Ok(())
            }
            Err(error) => Err(self.sync_failed(error)),
        }
    }

    /// The kernel may have dropped the pages: a later sync proves nothing.
    fn sync_failed(&mut self, source: std::io::Error) -> StoreError {
        self.poison(StoreError::Io { context: "syncing messages".to_owned(), source })
    }

    /// What has to wait until the reason for it is on disk.
    fn after_flush(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.overwrite_erased(durability)?;
        for dead in std::mem::take(&mut self.journal.dead) {
            self.remove_file(dead);
        }
        if durability == Durability::Synced && self.dir_dirty {
            // A file that came back would bring back what only limits had removed from it.
            self.sync_names()?;
        }
        self.repair_blocks()?;
        self.pack_blocks()?;
        self.compact_blocks()?;
        let write = match std::mem::replace(&mut self.index_due, IndexDue::No) {
            IndexDue::No => false,
            IndexDue::IfCheap => self.index_estimate() <= CHEAP_INDEX,
            IndexDue::Must => true,
        };
        if write { self.write_index() } else { Ok(()) }
    }

    fn overwrite_erased(&mut self, durability: Durability) -> Result<(), StoreError> {
        for (index, offset, bytes) in std::mem::take(&mut self.journal.erased) {
            let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
                continue;
            };
            if self.blocks.get(at).is_some_and(|block| block.packed) {
                self.erase_packed(at, offset, &bytes)?;
                continue;
            }
            let Some(block) = self.blocks.get_mut(at) else { continue };
            let result = block.open_file(&*self.disk, &self.msgs_dir).and_then(|file| {
                file.write_all_at(&bytes, offset)?;
                match durability {
                    Durability::Synced => file.sync_data(),
                    Durability::Written => Ok(()),
                }
            });
            if durability == Durability::Written {
                block.unsynced = true;
                self.oldest_unsynced = self.oldest_unsynced.min(index);
            }
            if let Err(error) = result {
                return Err(self.poison(StoreError::Io {
                    context: "erasing a message".to_owned(),
                    source: error,
                }));
            }
        }
        Ok(())
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

    fn remove_file(&mut self, mut dead: Block) {
        dead.file = None;
        if dead.created {
            let path = block::file_path(&self.msgs_dir, dead.index);
            match self.disk.unlink(&path) {
                Ok(()) => self.dir_dirty = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                // Tried again with the next flush; its messages are gone by other means.
                Err(_) => {
                    self.journal.dead.push(dead);
                    return;
                }
            }
        }
        let buf = dead.evict();
        if buf.capacity() > self.spare.capacity() && buf.capacity() <= self.block_size as usize * 2
        {
            self.spare = buf;
        }
    }
}
