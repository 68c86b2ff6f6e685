//! Opening a stream by its index, where that says exactly what the files hold.

use types::Timestamp;

use super::FileStore;
use super::block::{Block, file_path};
use super::bounds::BoundsReader;
use super::checkpoint::{self, Checkpoint, Seal};
use super::index_db::{self, Index};
use super::packed;
use crate::api::StoreError;
use crate::canary::{self, Canary};
use crate::error::io_error;

/// What the last record of a block, as the index has it, is compared with.
pub(super) const CHECKSUM: usize = 8;

impl FileStore {
    pub(super) fn info_len(&self, number: u64) -> Result<u64, StoreError> {
        let info = self
            .disk
            .info(&file_path(&self.msgs_dir, number))
            .map_err(|error| io_error("looking at a block", error))?;
        Ok(info.map_or(0, |info| info.len))
    }

    /// Whether the index says what the files hold, as far as the reference looks.
    pub(super) fn is_exact(
        &self,
        index: &Index,
        seals: &[Seal],
        numbers: &[u64],
    ) -> Result<bool, StoreError> {
        let Some(last) = index.blocks.last() else { return Ok(false) };
        if last.index != index.last_block || numbers.last() != Some(&last.index) {
            return Ok(false);
        }
        let there = |block: &index_db::BlockState| {
            block.msgs() == 0 || numbers.binary_search(&block.index).is_ok()
        };
        if !index.adds_up() || !index.blocks.iter().all(there) {
            return Ok(false);
        }
        for block in &index.blocks {
            let len = self.info_len(block.index)?;
            if len > u64::from(u32::MAX)
                || (len < block.bytes && !self.is_packed(block.index, len)?)
            {
                return Ok(false);
            }
        }
        let len = self.info_len(last.index)?;
        // The same record may stand at the end again.
        let sealed = seals.last().filter(|seal| seal.index == last.index);
        if sealed.is_some_and(|seal| seal.len != len) && !self.is_packed(last.index, len)? {
            return Ok(false);
        }
        let mut end = [0; CHECKSUM];
        if len >= CHECKSUM as u64 {
            let file = self
                .disk
                .open(&file_path(&self.msgs_dir, last.index), env::OpenMode::Existing)
                .map_err(|error| io_error("opening a block", error))?;
            file.read_exact_at(&mut end, len - CHECKSUM as u64)
                .map_err(|error| io_error("reading a block", error))?;
        }
        // Zeros stand for a block without records, and may be room made ahead in one with some.
        if canary::sings(Canary::TrustStaleIndex) {
            return Ok(true);
        }
        Ok(end == index.last_checksum && (len == 0 || end != [0; CHECKSUM]))
    }

    fn is_packed(&self, number: u64, len: u64) -> Result<bool, StoreError> {
        Ok(packed::is_packed(&self.block_start(number, len)?))
    }

    /// First bytes of a block; zeros if it is too short to be compressed.
    fn block_start(&self, number: u64, len: u64) -> Result<[u8; packed::START], StoreError> {
        let mut start = [0; packed::START];
        if len < start.len() as u64 {
            return Ok(start);
        }
        self.disk
            .open(&file_path(&self.msgs_dir, number), env::OpenMode::Existing)
            .and_then(|file| file.read_exact_at(&mut start, 0))
            .map_err(|error| io_error("reading a block", error))?;
        Ok(start)
    }

    /// Takes over the state of an exact index.
    pub(super) fn adopt(
        &mut self,
        index: &Index,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let seals = &checkpoint.seals;
        self.msgs = index.msgs;
        self.bytes = index.bytes;
        self.first_ns = index.first_ns;
        self.last_seq = index.last_seq;
        self.last_ns = if index.last_ns == 0 { Timestamp::ZERO.unix_ns() } else { index.last_ns };
        let last_block = index.blocks.len() - 1;
        for (at, state) in index.blocks.iter().enumerate() {
            let len = self.info_len(state.index)?;
            if len == 0 && at != last_block {
                continue;
            }
            let mut block = self.block_of(state, len)?;
            if at == last_block {
                block.high = index.last_seq;
                block.borders = checkpoint::seal_of(seals, state.index)
                    .filter(|seal| block.packed || seal.len == block.raw_len)
                    .and_then(|seal| seal.borders);
            } else if let Some(seal) = checkpoint::seal_of(seals, state.index) {
                block.raw_len = seal.len;
                block.seal = Some(seal.sum);
                block.borders = seal.borders;
            }
            block.settle_len();
            self.blocks.push_back(block);
        }
        self.adopt_subjects(index, &checkpoint.bounds);
        self.first_seq = if index.msgs == 0 { index.last_seq + 1 } else { index.first_seq };
        Ok(())
    }

    /// A block as the index has it, of a file of `len` bytes, unread.
    pub(super) fn block_of(
        &mut self,
        state: &index_db::BlockState,
        len: u64,
    ) -> Result<Block, StoreError> {
        let mut block = Block::new(&self.config.name, state.index, state.last_seq, state.last_ns);
        block.first_seq = state.first_seq;
        block.first_ns = state.first_ns;
        block.msgs = state.msgs();
        block.bytes = state.bytes;
        block.deleted = state.deleted.clone();
        block.ttls = state.ttls;
        block.schedules = state.schedules;
        block.unread = true;
        block.tracked = false;
        block.high = state.last_seq;
        block.borders = None;
        block.created = true;
        let start = self.block_start(state.index, len)?;
        block.packed = packed::is_packed(&start);
        if packed::is_headless(&start) {
            self.headless.push(state.index);
        }
        // The length of compressed content is known when it is read.
        block.raw_len = if block.packed { len.max(state.bytes) } else { len };
        Ok(block)
    }

    /// Takes over the subjects of an index; where each occurs is known by block, and exactly where
    /// the checkpoint's bounds say it.
    pub(super) fn adopt_subjects(&mut self, index: &Index, bounds: &[u8]) {
        let block = |number: u64| {
            let at = index.blocks.partition_point(|block| block.index < number);
            index.blocks.get(at.min(index.blocks.len().saturating_sub(1)))
        };
        self.subjects.reset(self.tracks_subjects());
        let mut bounds = BoundsReader::new(bounds);
        for (name, subject) in index.subjects.iter() {
            let (first, last) = (block(subject.first_block), block(subject.last_block));
            self.subjects.set(name, bounds.next(&subject, first, last));
        }
    }
}
