//! Taking back what could not be written.

use super::FileStore;
use super::block::Block;
use crate::api::StoreError;
use crate::canary::{self, Canary};
use crate::ttl;

impl FileStore {
    /// Returns to the state of the last flush: appended messages go, messages that only the limits
    /// removed come back, removals on request stay and are tried again.
    pub(super) fn roll_back(&mut self) -> Result<(), StoreError> {
        let keep = self.journal.last_seq;
        self.skipped = false;
        while let Some((at, seq)) = self.prev_live(self.last_seq).filter(|&(_, seq)| seq > keep) {
            self.last_seq = seq - 1;
            let Some(block) = self.blocks.get_mut(at) else { continue };
            let Some(record) = block.cached(seq) else { continue };
            let len = record.len;
            self.subjects.remove(record.subject, seq);
            if !self.lifetimes.is_empty() {
                let ttl = ttl::of_headers(record.headers);
                self.lifetimes.remove(seq, record.ts_ns, ttl);
            }
            block.forget(seq, len);
            self.msgs -= 1;
            self.bytes -= len as u64;
        }
        // Others will stand where these were.
        self.journal.erased.retain(|erased| erased.seq <= keep);
        self.last_seq = keep;
        self.last_ns = self.journal.last_ns;
        while self.blocks.back().is_some_and(|tail| !tail.created) {
            self.blocks.pop_back();
        }
        self.journal.dead.retain(|dead| dead.created);
        let mut uncut = Vec::new();
        let live = self.blocks.iter_mut().rev().take_while(|block| block.is_dirty());
        for block in live.chain(self.journal.dead.iter_mut().filter(|dead| dead.is_dirty())) {
            let written = block.written;
            // Whole records beyond the end would be taken for messages after a crash. Where no
            // file is open nothing was written.
            if let Some(file) = &block.file {
                if !canary::sings(Canary::KeepRefused) && file.set_len(written).is_err() {
                    uncut.push(block.index);
                }
                // The cut itself is not durable yet.
                block.unsynced = true;
                self.oldest_unsynced = self.oldest_unsynced.min(block.index);
            }
            block.roll_back();
        }
        for index in uncut {
            self.doubt(index);
        }
        // Files that were made for the failed batch stay, as empty blocks.
        let made = |block: &&mut Block| block.created && block.written == 0;
        for block in self.blocks.iter_mut().rev().take_while(made) {
            block.last_seq = keep;
            block.last_ns = self.last_ns;
            block.clear_live();
            block.set_mark();
        }
        let mut back: Vec<u64> = Vec::new();
        for undo in std::mem::take(&mut self.journal.by_limits).into_iter().rev() {
            if undo.seq <= keep {
                self.restore(undo).map_err(|error| self.poison(error))?;
                back.push(undo.seq);
            }
        }
        back.sort_unstable();
        self.restore_guards(&back);
        let stays_gone = |seq: u64| seq <= keep && back.binary_search(&seq).is_err();
        self.untraced.retain(|&(_, seq, _)| stays_gone(seq));
        // Nothing can be added to a compressed block.
        if self.blocks.back().is_none_or(|tail| tail.packed) {
            self.roll();
        }
        let tombstones = std::mem::take(&mut self.journal.tombstones);
        for (seq, ts_ns) in tombstones.into_iter().filter(|&(seq, _)| stays_gone(seq)) {
            self.tombstone(seq, ts_ns);
        }
        self.keep_last_seq();
        self.ageing = Default::default();
        self.find_first();
        self.sweep();
        Ok(())
    }

    /// Brings buried blocks back that are behind a message that came back: their tombstones may be
    /// all that keeps others of its block dead.
    fn restore_guards(&mut self, back: &[u64]) {
        let Some(&lowest) = back.first() else { return };
        let from = self.blocks.get(self.block_for(lowest)).map_or(0, |block| block.index);
        let dead = std::mem::take(&mut self.journal.dead);
        for block in dead {
            match self.blocks.binary_search_by_key(&block.index, |other| other.index) {
                Err(at) if block.index > from => self.blocks.insert(at, block),
                _ => self.journal.dead.push(block),
            }
        }
    }

    fn restore(&mut self, undo: super::Undo) -> Result<(), StoreError> {
        let at = match self.blocks.binary_search_by_key(&undo.block, |block| block.index) {
            Ok(at) => at,
            Err(at) => {
                let dead = self.journal.dead.iter().position(|dead| dead.index == undo.block);
                let Some(dead) = dead else { return Ok(()) };
                let block = self.journal.dead.swap_remove(dead);
                self.blocks.insert(at, block);
                at
            }
        };
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        block.restore(undo.seq, undo.len, undo.ts_ns);
        if block.cached(undo.seq).is_none() && !block.is_dirty() {
            // It was read after the message went, and so without it.
            block.evict();
        }
        self.msgs += 1;
        self.bytes += undo.len as u64;
        self.first_seq = self.first_seq.min(undo.seq);
        if self.ensure(at, undo.seq)?
            && let Some(record) = self.blocks.get(at).and_then(|block| block.cached(undo.seq))
        {
            self.subjects.insert(record.subject, undo.seq);
            if self.config.allow_msg_ttl {
                let ttl = ttl::of_headers(record.headers);
                self.lifetimes.add(undo.seq, undo.ts_ns, ttl);
            }
        }
        Ok(())
    }
}
