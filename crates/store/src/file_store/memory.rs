//! What of the blocks is in memory: single messages, whole blocks, and what goes first.

use super::FileStore;
use super::block::{Block, LoadReport};
use crate::api::StoreError;

/// Part of the memory for sealed blocks that those get that were not read, as a divisor.
const WRITTEN_SHARE: usize = 4;
/// Blocks that keep what was read of them for a single message, with their files.
const MOST_GLANCED: usize = 8;

impl FileStore {
    /// Brings the record of `seq` into memory, alone or with its block; false if there is no sound
    /// one, which is reported as lost then.
    pub(super) fn ensure(&mut self, at: usize, seq: u64) -> Result<bool, StoreError> {
        let tick = self.tick;
        let Some(block) = self.blocks.get_mut(at) else { return Ok(false) };
        if block.cached(seq).is_some() {
            block.touch(tick);
            return Ok(true);
        }
        if self.glance(at, seq) { Ok(true) } else { self.ensure_block(at, seq) }
    }

    /// Like [`ensure`](Self::ensure), for who is to take the message out: who takes the first of a
    /// block needs the next one, too.
    pub(super) fn ensure_to_take(&mut self, at: usize, seq: u64) -> Result<bool, StoreError> {
        match self.blocks.get(at) {
            Some(block) if block.first_seq == seq => self.ensure_block(at, seq),
            _ => self.ensure(at, seq),
        }
    }

    /// Reads the message of `seq` alone, if its block is not in memory; false if that is not known
    /// to be enough.
    fn glance(&mut self, at: usize, seq: u64) -> bool {
        let Some(block) = self.blocks.get_mut(at) else { return false };
        if block.is_whole() || !block.glance(&*self.disk, &self.msgs_dir, seq) {
            return false;
        }
        // Whether a length outside the checksum is bad is found when a block is read whole.
        if block.unread
            && !block
                .cached(seq)
                .is_some_and(|record| self.subjects.tree().contains(record.subject))
        {
            block.glance = None;
            return false;
        }
        let index = block.index;
        if !self.glanced.contains(&index) {
            self.glanced.push_back(index);
            self.forget_glances(MOST_GLANCED);
        }
        true
    }

    /// Gives the memory and files of glances back, but for the latest so many.
    pub(super) fn forget_glances(&mut self, keep: usize) {
        while self.glanced.len() > keep {
            let Some(index) = self.glanced.pop_front() else { return };
            let at = self.blocks.binary_search_by_key(&index, |block| block.index);
            if let Ok(at) = at
                && let Some(block) = self.blocks.get_mut(at)
            {
                block.glance = None;
                if block.memory() == 0 && !block.unsynced {
                    block.file = None;
                }
            }
        }
    }

    /// Brings the record of `seq` and its block into memory; false as in [`ensure`](Self::ensure).
    pub(super) fn ensure_block(&mut self, at: usize, seq: u64) -> Result<bool, StoreError> {
        let tick = self.tick;
        let Some(block) = self.blocks.get_mut(at) else { return Ok(false) };
        // Only what is in the block's own memory will do.
        block.glance = None;
        if block.cached(seq).is_some() {
            block.touch(tick);
            return Ok(true);
        }
        if !block.is_whole() {
            let report = self.load(at)?;
            if !report.is_clean() {
                self.found_damage(at, report)?;
                return Ok(self.locate(seq).is_some_and(|now| now == at));
            }
        }
        Ok(self.blocks.get(at).is_some_and(|block| block.cached(seq).is_some()))
    }

    /// Reads block `at` into memory whole, and takes in what is damaged there.
    pub(super) fn load_sound(&mut self, at: usize) -> Result<(), StoreError> {
        let report = self.load(at)?;
        if report.is_clean() { Ok(()) } else { self.found_damage(at, report) }
    }

    /// Reads block `at` into memory whole, within the memory limit.
    pub(super) fn load(&mut self, at: usize) -> Result<LoadReport, StoreError> {
        self.tick += 1;
        self.loads += 1;
        let tick = self.tick;
        let spare = self.make_room(at);
        let Some(block) = self.blocks.get_mut(at) else { return Ok(LoadReport::default()) };
        let was_unread = block.unread;
        let known = |subject: &[u8]| self.subjects.tree().contains(subject);
        let mut report = block.load(&*self.disk, &self.msgs_dir, spare, &known)?;
        if was_unread && !report.is_sure {
            // Where more than one bit is bad nothing tells what it was.
            let strangers = block.forget_strangers(known);
            if !strangers.is_empty() {
                report.missing.extend(strangers);
                report.missing.sort_unstable();
            }
        }
        block.touch(tick);
        if was_unread && at == 0 {
            // What limits removed before the index was written, by which this store was opened.
            let (index, first_seq, ts_ns) = (block.index, block.first_seq, block.first_ns);
            let gone = block.remains.iter_from(0).take_while(|&seq| seq < first_seq);
            let gone: Vec<u64> = gone.filter(|&seq| !block.tombs.contains(seq)).collect();
            for seq in gone {
                self.untrace(index, seq, ts_ns);
            }
        }
        Ok(report)
    }

    /// Evicts sealed blocks until block `at` fits; answers memory to reuse.
    fn make_room(&mut self, at: usize) -> Vec<u8> {
        let wanted = self.blocks.get(at).map_or(0, |block| block.raw_len as usize);
        self.evict_down_to(self.options.cache_bytes.saturating_sub(wanted), Some(at));
        std::mem::take(&mut self.spare)
    }

    /// Blocks that were only written stay in memory no longer than it takes who reads along: of
    /// the limit for all sealed blocks they get a part.
    pub(super) fn shed_written(&mut self) {
        if std::mem::take(&mut self.rolled) {
            self.evict_down_to(self.options.cache_bytes / WRITTEN_SHARE, None);
        }
    }

    /// Evicts sealed blocks, the longest unused first, but not block `keep`, until the others hold
    /// so many bytes of memory; the largest buffer is kept for reuse.
    fn evict_down_to(&mut self, limit: usize, keep: Option<usize>) {
        let sealed = self.blocks.len().saturating_sub(1);
        let mut held: usize = self.blocks.iter().take(sealed).map(Block::memory).sum();
        while held > limit {
            let oldest = (0..sealed)
                .filter(|&other| Some(other) != keep)
                .filter_map(|other| Some((self.blocks.get(other)?.evictable()?, other)))
                .min();
            let Some((_, oldest)) = oldest else { break };
            let Some(block) = self.blocks.get_mut(oldest) else { break };
            held -= block.memory().min(held);
            let buf = block.let_go();
            if buf.capacity() > self.spare.capacity() {
                self.spare = buf;
            }
        }
    }

    /// Evicts what was not used since the last call.
    pub(super) fn evict_unused(&mut self) {
        let before = self.unused_before;
        self.tick += 1;
        self.unused_before = self.tick;
        self.evict_used_before(before);
    }

    /// Evicts what was used last before this tick, as far as it need not stay.
    pub(super) fn evict_used_before(&mut self, tick: u64) {
        self.forget_glances(0);
        for block in &mut self.blocks {
            if block.evictable().is_some_and(|used| used < tick) {
                block.let_go();
            }
        }
    }
}
