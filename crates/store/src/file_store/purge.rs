//! Purging: everything, below a sequence, or what a filter selects.

use super::append::Trace;
use super::block::{self, Block, ToldBy};
use super::{FileStore, IndexDue, Journal, MSGS};
use crate::api::{Durability, OnRemoved, Purge, Removed, StoreError};
use crate::error::io_error;
use env::OpenMode;
use std::path::{Path, PathBuf};
use types::Timestamp;

/// While a purge replaces the directory of the blocks (`server/filestore.go` `newMsgDir`,
/// `purgeDir`).
pub(super) const NEW_MSGS: &str = "__new_msgs__";
pub(super) const OLD_MSGS: &str = "__msgs__";

/// The block to be, until the purge is decided.
fn fresh_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index}.blk.tmp"))
}

impl FileStore {
    pub(super) fn purge_matching(
        &mut self,
        purge: &Purge,
        removed: OnRemoved<'_>,
    ) -> Result<u64, StoreError> {
        self.writable()?;
        self.write_origins(Durability::Synced)?;
        if purge.filter.is_all() {
            let below = match (purge.keep, purge.below_seq) {
                (0, 0) => self.last_seq + 1,
                (0, below) => below,
                (keep, below) => self.cut_keeping(keep, below),
            };
            return if below > self.last_seq {
                self.purge_all(below, removed)
            } else {
                self.purge_below(below, removed)
            };
        }
        let end = if purge.below_seq == 0 { u64::MAX } else { purge.below_seq };
        let most = match purge.keep {
            0 => u64::MAX,
            keep => {
                let all = self.count_matches_from(0, &purge.filter);
                let above = match end {
                    u64::MAX => 0,
                    end => self.count_matches_from(end, &purge.filter),
                };
                all.saturating_sub(above).saturating_sub(keep)
            }
        };
        let mut known = self.known_matches(&purge.filter).map(Vec::into_iter);
        let mut count = 0;
        let mut from = 0;
        while count < most
            && let Some(seq) = match &mut known {
                Some(known) => known.next(),
                None => self.find_next(&purge.filter, from)?,
            }
            && seq < end
        {
            from = seq + 1;
            if let Some(at) = self.locate(seq)
                && self.take(at, seq, Trace::Tombstone, removed)?
            {
                count += 1;
            }
        }
        Ok(count)
    }

    /// The sequence below which all goes if the newest `keep` below `below` (0: of all) stay.
    fn cut_keeping(&self, keep: u64, below: u64) -> u64 {
        let mut from = if below == 0 { self.last_seq } else { below - 1 };
        let mut left = keep;
        let mut cut = self.first_seq;
        while left > 0 {
            let Some((at, seq)) = self.prev_live(from) else { return self.first_seq };
            // Whole blocks are stepped over by their count.
            let block = self.blocks.get(at);
            let whole = block.filter(|block| block.prev_live(u64::MAX) == Some(seq));
            match whole {
                Some(block) if block.msgs <= left => {
                    left -= block.msgs;
                    cut = block.first_seq;
                }
                _ => {
                    left -= 1;
                    cut = seq;
                }
            }
            let Some(next) = cut.checked_sub(1) else { break };
            from = next;
        }
        cut
    }

    /// Tells about every message of a block that cannot be read.
    fn report_unreadable(&mut self, at: usize, removed: OnRemoved<'_>) -> u64 {
        let Some(block) = self.blocks.get(at) else { return 0 };
        let (count, mut bytes) = (block.msgs, block.bytes);
        let mut from = 0;
        while let Some(seq) = block.next_live(from) {
            from = seq + 1;
            // Only their sum is known.
            removed(Removed { seq, subject: &[], bytes: std::mem::take(&mut bytes) });
        }
        count
    }

    /// Tells about every message of block `at` and takes them out of all figures but the block's.
    fn report_block(&mut self, at: usize, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        let mut count = 0;
        let mut from = 0;
        while let Some(seq) = self.blocks.get(at).and_then(|block| block.next_live(from)) {
            from = seq + 1;
            // All of it or nothing: the first that cannot be read ends this before it began.
            if !self.ensure_block(at, seq)? {
                continue;
            }
            let Some(record) = self.blocks.get(at).and_then(|block| block.cached(seq)) else {
                continue;
            };
            let bytes = record.len as u64;
            self.subjects.remove(record.subject, seq);
            if !self.lifetimes.is_empty() {
                let ttl = crate::ttl::of_headers(record.headers);
                self.lifetimes.remove(seq, record.ts_ns, ttl);
            }
            removed(Removed { seq, subject: record.subject, bytes });
            self.msgs -= 1;
            self.bytes -= bytes;
            count += 1;
        }
        Ok(count)
    }

    /// Removes everything; the stream goes on at `first_seq`. Durable when it returns.
    fn purge_all(&mut self, first_seq: u64, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        if self.msgs == 0 && first_seq == self.last_seq + 1 {
            return Ok(0);
        }
        let (last_seq, last_ns) = match first_seq - 1 {
            same if same == self.last_seq => (same, self.last_ns),
            moved => (moved, Timestamp::ZERO.unix_ns()),
        };
        let index = self.next_block();
        let mut fresh = Block::new(&self.config.name, index, last_seq, last_ns);
        if last_seq > 0 {
            fresh.push_tombstone(last_seq, last_ns);
        }
        match self.write_fresh(&fresh) {
            // Without any room the files go one by one, and what is last of it by tombstones.
            Err(StoreError::NoSpace) if first_seq == self.last_seq + 1 => {
                return self.purge_below(first_seq, removed);
            }
            other => other?,
        }
        fresh.created = true;
        fresh.written = fresh.raw_len;
        fresh.allocated = fresh.raw_len;
        fresh.set_mark();
        // From here on the purge cannot fail for lack of space.
        let mut count = 0;
        for at in 0..self.blocks.len() {
            count += match self.report_block(at, removed) {
                Ok(reported) => reported,
                Err(_) => self.report_unreadable(at, removed),
            };
        }
        self.keep_all_for_snapshot();
        if let Err(error) = self.swap_directories(index) {
            return Err(self.poison(error));
        }
        self.blocks.clear();
        self.blocks.push_back(fresh);
        self.subjects.reset(self.tracks_subjects());
        self.lifetimes.clear();
        self.ageing = Default::default();
        self.msgs = 0;
        self.bytes = 0;
        self.first_seq = last_seq + 1;
        self.first_ns = 0;
        self.last_seq = last_seq;
        self.last_ns = last_ns;
        self.journal = Journal { last_seq, last_ns, ..Journal::default() };
        self.untraced.clear();
        self.forget_lost()?;
        self.to_compact.clear();
        self.to_repair.clear();
        self.to_pack.clear();
        self.to_trim.clear();
        self.buried.clear();
        self.waiting.clear();
        self.shred.clear();
        self.indexed_up_to = 0;
        self.dir_dirty = false;
        Ok(count)
    }

    /// Writes the block that a purge leaves, where recovery does not look for it yet.
    fn write_fresh(&mut self, fresh: &Block) -> Result<(), StoreError> {
        let dir = self.dir.join(NEW_MSGS);
        let path = fresh_path(&dir, fresh.index);
        let write = || {
            self.disk.remove_dir_all(&dir)?;
            self.disk.create_dir_all(&dir)?;
            self.disk.sync_dir(&self.dir)?;
            let file = self.disk.open(&path, OpenMode::Truncate)?;
            file.write_all_at(fresh.pending(), 0)?;
            file.sync_data()?;
            self.disk.sync_dir(&dir)
        };
        write().map_err(|error| {
            // Nothing was applied; a left-over is dropped at recovery.
            let _ = self.disk.remove_dir_all(&dir);
            io_error("purging", error)
        })
    }

    /// Replaces the directory of the blocks by one with only block `index`, in steps that recovery
    /// can finish from any point; the first rename decides.
    fn swap_directories(&mut self, index: u64) -> Result<(), StoreError> {
        let disk = &*self.disk;
        let fresh = self.dir.join(NEW_MSGS);
        let old = self.dir.join(OLD_MSGS);
        let msgs = self.dir.join(MSGS);
        let swap = || {
            disk.remove_dir_all(&old)?;
            disk.rename(&fresh_path(&fresh, index), &block::file_path(&fresh, index))?;
            disk.sync_dir(&fresh)?;
            disk.rename(&msgs, &old)?;
            disk.rename(&fresh, &msgs)?;
            disk.sync_dir(&self.dir)?;
            disk.remove_dir_all(&old)
        };
        swap().map_err(|error| io_error("purging", error))
    }

    /// Removes all below `seq`, which is not beyond the last.
    fn purge_below(&mut self, seq: u64, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        let mut count = 0;
        // What limits removed from a block comes back with its file where a power cut keeps what
        // follows here, and loses that the file went.
        self.trace_front()?;
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.last_seq < seq)
        {
            match self.report_block(0, removed) {
                Ok(reported) => count += reported,
                Err(error) => {
                    // Blocks before it are gone.
                    self.find_first();
                    return Err(error);
                }
            }
            if let Some(block) = self.blocks.front_mut() {
                block.clear_live();
                block.told_by = ToldBy::Nothing;
            }
            self.bury(0);
        }
        self.find_first();
        while self.msgs > 0 && self.first_seq < seq {
            let first = self.first_seq;
            if self.take(0, first, Trace::Tombstone, removed)? {
                count += 1;
            } else if self.first_seq == first {
                break;
            }
        }
        self.journal.by_limits.retain(|undo| undo.seq >= seq);
        // What the index says would count these as lost otherwise.
        self.drop_index()?;
        self.index_due = IndexDue::Must;
        Ok(count)
    }
}
