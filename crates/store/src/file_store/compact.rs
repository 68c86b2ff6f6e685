//! Rewriting a sealed block without what is gone from it.

use super::append::compact_below;
use super::block::ToldBy;
use super::losses::leaves_traces;
use super::record::{Kind, Record};
use super::seq_set::SeqSet;
use super::slots::Slots;
use super::{FileStore, IndexDue};
use super::{block, borders, packed};
use crate::api::StoreError;
use crate::error::io_error;
use env::OpenMode;
use types::Compression;

/// How many blocks' worth of garbage is never worth a compaction.
const SLACK_BLOCKS: u64 = 4;
/// Compactions that one flush does at most.
const MOST_AT_ONCE: usize = 2;

/// How the name of a block ends that is being rewritten.
pub(super) const REWRITTEN: &str = ".blk.tmp";

impl FileStore {
    /// Does of what is queued, when a block was sealed, what it takes to keep the files within
    /// bounds.
    ///
    /// A block that is half empty is often soon empty and goes as a whole, which costs nothing.
    pub(super) fn compact_blocks(&mut self) -> Result<(), StoreError> {
        if self.to_compact.is_empty() {
            return Ok(());
        }
        let mut queued = std::mem::take(&mut self.to_compact);
        queued.retain(|index| self.blocks.binary_search_by_key(index, |block| block.index).is_ok());
        let (mut done, mut failed) = (Vec::new(), Ok(()));
        if self.index_due > IndexDue::No {
            let mut excess = self.excess();
            queued.sort_by_cached_key(|&index| std::cmp::Reverse(self.live_share(index)));
            for &index in queued.iter().rev().take(MOST_AT_ONCE) {
                if excess == 0 {
                    break;
                }
                let before = self.raw_len();
                match self.compact_index(index) {
                    Ok(()) => done.push(index),
                    // It saves space; without space it waits.
                    Err(StoreError::NoSpace) => {}
                    Err(error) => {
                        failed = Err(error);
                        break;
                    }
                }
                excess = excess.saturating_sub(before.saturating_sub(self.raw_len()));
            }
        }
        queued.retain(|index| !done.contains(index));
        self.to_compact.append(&mut queued);
        if !done.is_empty() {
            self.compacted();
        }
        failed
    }

    /// Blocks were rewritten.
    fn compacted(&mut self) {
        self.sweep();
        // Values are replaced, and blocks rewritten, all the time.
        let due = if leaves_traces(&self.config) { IndexDue::Must } else { IndexDue::IfCheap };
        self.index_due = self.index_due.max(due);
    }

    /// For an idle stream: does one of the compactions that are queued; false if there is none.
    pub(super) fn compact_one(&mut self) -> bool {
        let Some(index) = self.to_compact.pop() else { return false };
        let compacted = self.compact_index(index);
        self.compacted();
        match compacted {
            Ok(()) => true,
            // It saves space; without space it waits.
            Err(StoreError::NoSpace) => {
                self.to_compact.push(index);
                false
            }
            Err(error) => {
                if self.poisoned.is_none() {
                    self.trouble.hinders(&error);
                }
                false
            }
        }
    }

    fn raw_len(&self) -> u64 {
        self.blocks.iter().map(|block| block.raw_len).sum()
    }

    /// Bytes of files beyond twice what is live and some blocks.
    fn excess(&self) -> u64 {
        self.raw_len().saturating_sub(2 * self.bytes + SLACK_BLOCKS * self.block_size)
    }

    /// Live bytes of a block in thousandths of its length.
    fn live_share(&self, index: u64) -> u64 {
        match self.blocks.binary_search_by_key(&index, |block| block.index) {
            Ok(at) => {
                self.blocks.get(at).map_or(0, |block| block.bytes * 1000 / block.raw_len.max(1))
            }
            Err(_) => 0,
        }
    }

    fn compact_index(&mut self, index: u64) -> Result<(), StoreError> {
        match self.blocks.binary_search_by_key(&index, |block| block.index) {
            Ok(at) => self.compact(at),
            Err(_) => Ok(()),
        }
    }

    fn compact(&mut self, at: usize) -> Result<(), StoreError> {
        if self.blocks.get(at).is_none_or(|block| block.is_dirty()) {
            return Ok(());
        }
        if !self.blocks.get(at).is_some_and(|block| block.is_whole()) {
            let report = self.load(at)?;
            if !report.is_clean() {
                // First it is repaired.
                return self.found_damage(at, report);
            }
        }
        // What went without a tombstone the index on disk, which may still be exact, lists.
        let untold = self.blocks.get(at).is_some_and(|block| {
            block.told_by >= ToldBy::Limits && block.index <= self.indexed_up_to
        });
        if untold && !self.has_new_index()? {
            return Ok(());
        }
        let holds_last = self.blocks.get(at).is_some_and(|block| block.high >= self.last_seq);
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let Some(content) = block.content() else { return Ok(()) };
        let mut out = Vec::with_capacity(block.bytes as usize);
        let mut slots = Slots::new();
        let mut tombs = SeqSet::default();
        let (mut high, mut last_live) = (0, None);
        // The index on disk may list what only these tell of: missing, it would be lost.
        let newer_than_index = self.informs_index(block);
        let mut offset = 0;
        while let Some(record) = Record::parse(content, offset) {
            let keep = match record.kind {
                Kind::Message => {
                    let live = block.is_live(record.seq)
                        && block.cached(record.seq).is_some_and(|live| live.ts_ns == record.ts_ns);
                    if live {
                        slots.push(record.seq, out.len() as u32);
                        last_live = Some((record.seq, record.ts_ns));
                    }
                    live
                }
                Kind::Tombstone => {
                    let kept = self.needs_tombstone(block.index, record.seq)
                        || newer_than_index
                        || (holds_last && record.seq >= self.last_seq);
                    if kept {
                        tombs.insert(record.seq);
                    }
                    kept
                }
                Kind::Erased => holds_last && record.seq >= self.last_seq,
                Kind::Witness => false,
            };
            if keep {
                high = high.max(record.seq);
                out.extend_from_slice(content.get(offset..offset + record.len).unwrap_or_default());
            }
            offset += record.len;
        }
        if holds_last && high < self.last_seq {
            // Only this block speaks of the last sequence, which is deleted: leave it alone.
            return Ok(());
        }
        borders::push_witness(&mut out, &block.hasher);
        // What made room here goes for good: what came instead must stay.
        self.sync_or_doubt()?;
        self.rewrite(at, &out)?;
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        block.replace(out, slots);
        if let Some((seq, ts_ns)) = last_live {
            block.last_seq = seq;
            block.last_ns = ts_ns;
            block.deleted.remove_from(seq + 1);
        }
        block.tombs = tombs;
        block.remains = SeqSet::default();
        block.high = high;
        block.compact_below = compact_below(block);
        block.set_mark();
        Ok(())
    }

    /// Replaces the file of block `at`, so that it is either the old or the new after a crash. A
    /// sealed block is compressed where the stream asks for it.
    pub(super) fn rewrite(&mut self, at: usize, content: &[u8]) -> Result<(), StoreError> {
        let is_tail = at + 1 == self.blocks.len();
        if let Some(index) = self.blocks.get(at).map(|block| block.index) {
            self.keep_for_snapshot(index);
        }
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let pack = self.config.compression == Compression::S2 && !is_tail && content.len() > 8;
        let packed = if pack { packed::pack(content) } else { Vec::new() };
        let content = if pack { &packed } else { content };
        let error = |error| io_error("rewriting a block", error);
        let path = block::file_path(&self.msgs_dir, block.index);
        let temp = self.msgs_dir.join(format!("{}{REWRITTEN}", block.index));
        let file = self.disk.open(&temp, OpenMode::Truncate).map_err(error)?;
        let replaced = file
            .write_all_at(content, 0)
            .and_then(|()| file.sync_data())
            .and_then(|()| self.disk.rename(&temp, &path));
        drop(file);
        if let Err(failed) = replaced {
            // Best effort: recovery removes it, too.
            let _ = self.disk.unlink(&temp);
            return Err(error(failed));
        }
        if let Some(block) = self.blocks.get_mut(at) {
            block.packed = pack;
            block.allocated = block.raw_len;
            block.file = None;
            block.unsynced = false;
        }
        self.disk.sync_dir(&self.msgs_dir).map_err(error)
    }

    /// Compresses the blocks that were sealed since the last flush.
    pub(super) fn pack_blocks(&mut self) -> Result<(), StoreError> {
        for index in std::mem::take(&mut self.to_pack) {
            let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
                continue;
            };
            if !self.blocks.get(at).is_some_and(|block| block.is_whole()) {
                let report = self.load(at)?;
                if !report.is_clean() {
                    self.found_damage(at, report)?;
                    continue;
                }
            }
            let content = self.blocks.get(at).and_then(|block| block.content());
            let Some(content) = content.map(<[u8]>::to_vec) else { continue };
            match self.rewrite(at, &content) {
                // It saves space; without space it stays as it is.
                Ok(()) | Err(StoreError::NoSpace) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
