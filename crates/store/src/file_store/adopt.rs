//! Opening a stream by its index, where that says exactly what the files hold.

use types::Timestamp;

use super::FileStore;
use super::append::compact_below;
use super::block::{Block, file_path};
use super::index_db::{self, Index};
use super::packed;
use super::subjects::{Bound, SubjectInfo};
use crate::api::StoreError;
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
    pub(super) fn is_exact(&self, index: &Index, numbers: &[u64]) -> Result<bool, StoreError> {
        let Some(last) = index.blocks.last() else { return Ok(false) };
        if last.index != index.last_block || numbers.last() != Some(&last.index) {
            return Ok(false);
        }
        let ascending = index
            .blocks
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.index < b.index && a.last_seq <= b.last_seq));
        let there = |block: &index_db::BlockState| {
            block.msgs() == 0 || numbers.binary_search(&block.index).is_ok()
        };
        let msgs: u64 = index.blocks.iter().map(index_db::BlockState::msgs).sum();
        let bytes: u64 = index.blocks.iter().map(|block| block.bytes).sum();
        let by_subject: u64 = index.subjects.iter().map(|subject| subject.total).sum();
        if !ascending
            || !index.blocks.iter().all(there)
            || (msgs, bytes, by_subject) != (index.msgs, index.bytes, index.msgs)
            || last.last_seq > index.last_seq
        {
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
    pub(super) fn adopt(&mut self, index: &Index) -> Result<(), StoreError> {
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
            let mut block =
                Block::new(&self.config.name, state.index, state.last_seq, state.last_ns);
            block.first_seq = state.first_seq;
            block.first_ns = state.first_ns;
            block.msgs = state.msgs();
            block.bytes = state.bytes;
            block.deleted = state.deleted.clone();
            block.ttls = state.ttls;
            block.schedules = state.schedules;
            block.unread = true;
            block.high = if at == last_block { index.last_seq } else { state.last_seq };
            block.created = true;
            let start = self.block_start(state.index, len)?;
            block.packed = packed::is_packed(&start);
            if packed::is_headless(&start) {
                self.headless.push(state.index);
            }
            // The length of compressed content is known when it is read.
            block.raw_len = if block.packed { len.max(state.bytes) } else { len };
            block.written = block.raw_len;
            block.allocated = block.raw_len;
            block.compact_below = compact_below(&block);
            block.set_mark();
            self.blocks.push_back(block);
        }
        let bounds = |number: u64| {
            let at = self.blocks.partition_point(|block| block.index < number);
            self.blocks.get(at.min(self.blocks.len() - 1))
        };
        let mut infos = Vec::with_capacity(index.subjects.len());
        for subject in &index.subjects {
            let first = bounds(subject.first_block).map_or(0, |block| block.first_seq);
            let last = bounds(subject.last_block).map_or(u64::MAX, |block| block.last_seq);
            infos.push(SubjectInfo {
                total: subject.total,
                first: Bound::loose(first),
                last: Bound::loose(last),
            });
        }
        for (subject, info) in index.subjects.iter().zip(infos) {
            self.subjects.set(&subject.subject, info);
        }
        self.first_seq = if index.msgs == 0 { index.last_seq + 1 } else { index.first_seq };
        Ok(())
    }
}
