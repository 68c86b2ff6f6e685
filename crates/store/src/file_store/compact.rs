//! Rewriting a sealed block without what is gone from it.

use super::append::compact_below;
use super::block;
use super::record::{Kind, Record};
use super::seq_set::SeqSet;
use super::slots::Slots;
use super::{FileStore, IndexDue};
use crate::api::StoreError;
use crate::error::io_error;
use env::OpenMode;

impl FileStore {
    /// Does what is queued: all that must be, and one of the others.
    pub(super) fn compact_blocks(&mut self) -> Result<(), StoreError> {
        let mut optional = 1;
        let mut compacted = false;
        let mut queue = std::mem::take(&mut self.to_compact).into_iter();
        while let Some(wanted) = queue.next() {
            let Ok(at) = self.blocks.binary_search_by_key(&wanted.block, |block| block.index)
            else {
                continue;
            };
            if !wanted.must {
                if optional == 0 {
                    self.to_compact.push(wanted);
                    continue;
                }
                optional -= 1;
            }
            match self.compact(at) {
                Ok(()) => compacted = true,
                // It saves space; without space it waits.
                Err(StoreError::NoSpace) if !wanted.must => {}
                Err(error) => {
                    self.to_compact.push(wanted);
                    self.to_compact.extend(queue);
                    return Err(error);
                }
            }
        }
        if compacted {
            self.sweep();
            // Elsewhere nobody takes what an old index lists, and no tombstone explains, for lost.
            let due = if self.leaves_traces() { IndexDue::Must } else { IndexDue::IfCheap };
            self.index_due = self.index_due.max(due);
        }
        Ok(())
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
        let holds_last = self.blocks.get(at).is_some_and(|block| block.high >= self.last_seq);
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let Some(content) = block.content() else { return Ok(()) };
        let mut out = Vec::with_capacity(block.bytes as usize);
        let mut slots = Slots::new();
        let mut tombs = SeqSet::default();
        let (mut high, mut last_live) = (0, None);
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
                        || (holds_last && record.seq >= self.last_seq);
                    if kept {
                        tombs.insert(record.seq);
                    }
                    kept
                }
                Kind::Erased => holds_last && record.seq >= self.last_seq,
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

    /// Replaces the file of block `at`, so that it is either the old or the new after a crash.
    pub(super) fn rewrite(&self, at: usize, content: &[u8]) -> Result<(), StoreError> {
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        let error = |error| io_error("rewriting a block", error);
        let path = block::file_path(&self.msgs_dir, block.index);
        let temp = self.msgs_dir.join(format!("{}.blk.tmp", block.index));
        let file = self.disk.open(&temp, OpenMode::Truncate).map_err(error)?;
        let written = file.write_all_at(content, 0).and_then(|()| file.sync_data());
        drop(file);
        if let Err(failed) = written {
            // Best effort: it is ignored at recovery, but takes space.
            let _ = self.disk.unlink(&temp);
            return Err(error(failed));
        }
        self.disk.rename(&temp, &path).map_err(error)?;
        self.disk.sync_dir(&self.msgs_dir).map_err(error)
    }
}
