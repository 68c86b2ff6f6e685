//! Opening a stream by its last checkpoint after a crash: sealed blocks are as the index says,
//! only what came after is read.
//!
//! Whatever does not fit exactly (a block that was rewritten since, a record that is not where
//! the index has it) makes this give up, and the state is built from all records instead.

use std::collections::BTreeMap;

use env::OpenMode;
use types::Timestamp;

use super::FileStore;
use super::block::{Block, file_path};
use super::checkpoint::{self, Checkpoint, Seal};
use super::files::read_if_there;
use super::index_db::{BlockState, Index};
use super::packed;
use super::record::{Kind, Record};
use super::seq_set::SeqSet;
use crate::api::StoreError;
use crate::error::io_error;

/// What became of a block that the index lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// As it was.
    Same,
    /// Removed since; its content is still there under another name.
    Buried,
    /// Changed, or nowhere to be found.
    Unknown,
}

/// How [`FileStore::resume`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// The state is complete.
    Yes,
    /// It cannot be told from the checkpoint; what was begun is to be forgotten.
    No,
}

impl FileStore {
    /// Builds the state from the checkpoint and the blocks since.
    pub(super) fn resume(
        &mut self,
        index: &Index,
        checkpoint: &Checkpoint,
        numbers: &[u64],
    ) -> Result<Resumed, StoreError> {
        let seals = &checkpoint.seals;
        let Some((open, sealed)) = index.blocks.split_last() else { return Ok(Resumed::No) };
        if open.index != index.last_block || !index.adds_up() {
            return Ok(Resumed::No);
        }
        let mut kept = Vec::new();
        let mut buried = Vec::new();
        for state in sealed {
            let Some(seal) = checkpoint::seal_of(seals, state.index) else {
                return Ok(Resumed::No);
            };
            match self.fate(seal, numbers)? {
                Fate::Same => kept.push((state, seal)),
                Fate::Buried => buried.push(state),
                Fate::Unknown => return Ok(Resumed::No),
            }
        }
        self.adopt_subjects(index, &checkpoint.bounds);
        // What the last block held then is counted again with all that came after.
        let open_gone = numbers.binary_search(&open.index).is_err();
        if open_gone {
            buried.push(open);
        } else if !self.discount(open, seals, &file_path(&self.msgs_dir, open.index))? {
            return Ok(Resumed::No);
        }
        for state in buried {
            if !self.discount(state, seals, &self.buried_path(state.index))? {
                return Ok(Resumed::No);
            }
        }
        let mut blocks = Vec::with_capacity(kept.len());
        for (state, seal) in kept {
            blocks.push(self.sealed_block(state, seal)?);
        }
        let start = numbers.partition_point(|&number| number < open.index);
        let tail = numbers.get(start..).unwrap_or_default();
        self.rebuild_tail(blocks, tail, index, seals)
    }

    /// Whether a sealed block is what it was.
    fn fate(&self, seal: &Seal, numbers: &[u64]) -> Result<Fate, StoreError> {
        let (path, fate) = match numbers.binary_search(&seal.index) {
            Ok(_) => (file_path(&self.msgs_dir, seal.index), Fate::Same),
            Err(_) => (self.buried_path(seal.index), Fate::Buried),
        };
        let error = |error| io_error("looking at a block", error);
        let file = match self.disk.open(&path, OpenMode::Existing) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Fate::Unknown);
            }
            other => other.map_err(error)?,
        };
        let len = file.len().map_err(error)?;
        let mut sum = [0; 8];
        if let Some(at) = len.checked_sub(8) {
            file.read_exact_at(&mut sum, at).map_err(error)?;
        }
        let mut start = [0; packed::START];
        if len >= start.len() as u64 {
            file.read_exact_at(&mut start, 0).map_err(error)?;
        }
        let len = packed::content_len(&start).unwrap_or(len);
        Ok(if (len, sum) == (seal.len, seal.sum) { fate } else { Fate::Unknown })
    }

    /// A block that is taken as the index has it, unread.
    fn sealed_block(&mut self, state: &BlockState, seal: &Seal) -> Result<Block, StoreError> {
        let len = self.info_len(state.index)?;
        let mut block = self.block_of(state, len)?;
        block.raw_len = seal.len;
        block.seal = Some(seal.sum);
        block.borders = seal.borders;
        block.settle_len();
        Ok(block)
    }

    /// Takes the messages that a block held according to the index out of the subjects; false if
    /// they are not all in that file.
    fn discount(
        &mut self,
        state: &BlockState,
        seals: &[Seal],
        path: &std::path::Path,
    ) -> Result<bool, StoreError> {
        if state.msgs() == 0 {
            return Ok(true);
        }
        let Some(mut content) = self.content_of(path)? else { return Ok(false) };
        if let Some(seal) = checkpoint::seal_of(seals, state.index) {
            seal.mend(&mut content);
        }
        let hasher = super::record::Hasher::of_block(&self.config.name, state.index);
        let (mut msgs, mut bytes, mut last) = (0, 0, 0);
        let mut at = 0;
        while let Some(record) = Record::parse(&content, at) {
            at += record.len;
            if record.kind != Kind::Message || record.seq <= last || !state.holds(record.seq) {
                continue;
            }
            if !record.is_intact(&hasher) || !self.subjects.tree().contains(record.subject) {
                return Ok(false);
            }
            last = record.seq;
            msgs += 1;
            bytes += record.len as u64;
            self.subjects.remove(record.subject, record.seq);
        }
        Ok((msgs, bytes) == (state.msgs(), state.bytes))
    }

    /// The content of a block's file, decompressed; `None` if there is no such file.
    pub(super) fn content_of(&self, path: &std::path::Path) -> Result<Option<Vec<u8>>, StoreError> {
        let file =
            read_if_there(&*self.disk, path).map_err(|error| io_error("reading a block", error))?;
        Ok(file.map(|file| if packed::is_packed(&file) { packed::unpack(&file) } else { file }))
    }

    /// Takes messages out that tombstones since the checkpoint speak of; false if one of them is
    /// not where it should be.
    pub(super) fn apply_tombs(
        &mut self,
        blocks: &mut [Block],
        tombs: impl Iterator<Item = u64>,
    ) -> Result<bool, StoreError> {
        let mut by_block: BTreeMap<usize, SeqSet> = BTreeMap::new();
        for seq in tombs {
            let at = blocks.partition_point(|block| block.last_seq < seq);
            if blocks.get(at).is_some_and(|block| block.is_live(seq)) {
                by_block.entry(at).or_default().insert(seq);
            }
        }
        for (at, gone) in by_block {
            let Some(block) = blocks.get_mut(at) else { continue };
            let path = file_path(&self.msgs_dir, block.index);
            let Some(content) = self.content_of(&path)? else { return Ok(false) };
            let mut found = 0;
            let mut offset = 0;
            let mut first_ns = None;
            while let Some(record) = Record::parse(&content, offset) {
                offset += record.len;
                if record.kind != Kind::Message || !block.is_live(record.seq) {
                    continue;
                }
                if !gone.contains(record.seq) {
                    first_ns = first_ns.or(Some(record.ts_ns));
                    continue;
                }
                if !record.is_intact(&block.hasher)
                    || !self.subjects.tree().contains(record.subject)
                {
                    return Ok(false);
                }
                found += 1;
                self.subjects.remove(record.subject, record.seq);
                block.forget(record.seq, record.len);
            }
            if found != gone.len() {
                return Ok(false);
            }
            if let Some(first_ns) = first_ns.filter(|_| block.msgs > 0) {
                block.first_ns = first_ns;
            }
        }
        Ok(true)
    }

    /// Forgets what an attempt to resume has filled in.
    pub(super) fn start_over(&mut self) {
        self.blocks.clear();
        self.subjects.reset(false);
        self.lifetimes.clear();
        self.untraced.clear();
        self.headless.clear();
        (self.msgs, self.bytes) = (0, 0);
        (self.first_seq, self.first_ns) = (1, 0);
        (self.last_seq, self.last_ns) = (0, Timestamp::ZERO.unix_ns());
    }
}
