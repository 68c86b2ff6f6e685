//! Files of emptied blocks that the index on disk still lists: kept under another name until the
//! next index, so that recovery can tell what they took out of the subjects' counts.

use std::path::PathBuf;

use super::block::{self, Block, ToldBy};
use super::files::remove_if_there;
use super::{FileStore, IndexDue};
use crate::api::StoreError;

/// How such a file's name ends; neither server takes it for a block.
pub(super) const BURIED: &str = ".dead";

impl FileStore {
    pub(super) fn buried_path(&self, index: u64) -> PathBuf {
        self.msgs_dir.join(format!("{index}{BURIED}"))
    }

    /// Takes the file of a dead block away; the block is answered if that failed. It may be `listed`
    /// in the index.
    pub(super) fn bury_file(&mut self, dead: Block, listed: bool) -> Option<Block> {
        self.keep_for_snapshot(dead.index);
        let path = block::file_path(&self.msgs_dir, dead.index);
        let shred = self.shred.iter().position(|&index| index == dead.index);
        let wanted = dead.index <= self.indexed_up_to || self.informs_index(&dead);
        let keeps = listed && wanted && self.can_keep(&dead);
        let gone = match keeps {
            true => self.disk.rename(&path, &self.buried_path(dead.index)),
            false => self.disk.unlink(&path),
        };
        match gone {
            Ok(()) => {
                self.dir_dirty = true;
                if keeps {
                    self.buried.push(dead.index);
                    self.since_index += dead.raw_len;
                    if self.since_index >= self.block_size {
                        self.index_due = self.index_due.max(IndexDue::IfCheap);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Tried again with the next flush; its messages are gone by other means.
            Err(_) => return Some(dead),
        }
        if let Some(at) = shred {
            self.shred.swap_remove(at);
        }
        self.reuse_memory(dead);
        None
    }

    /// Has the files go that the index, which is newer than they are, does not list: their blocks
    /// were emptied before, and a kill or power cut kept them. Left, they would hold what is gone
    /// under keys that nobody changes, and bring it back once the index is lost.
    pub(super) fn bury_unlisted(&mut self, numbers: &[u64]) -> Result<(), StoreError> {
        for &index in numbers {
            let Err(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
                continue;
            };
            let before = at.checked_sub(1).and_then(|at| self.blocks.get(at));
            let (seq, ns) = before.map_or((0, 0), |block| (block.last_seq, block.last_ns));
            let mut block = Block::new(&self.config.name, index, seq, ns);
            block.created = true;
            // Nobody knows its tombstones.
            block.unread = true;
            block.raw_len = self.info_len(index)?;
            block.settle_len();
            self.waiting.push(block);
        }
        Ok(())
    }

    /// Whether tombstones in `block` may be all that tells that messages are gone which the index
    /// on disk lists: without them these would be reported as lost.
    pub(super) fn informs_index(&self, block: &Block) -> bool {
        let is_newer = self.indexed_up_to > 0 && block.index >= self.indexed_up_to;
        is_newer && !block.tombs.is_empty()
    }

    fn can_keep(&self, dead: &Block) -> bool {
        // An encrypted block can be read under its own name only.
        self.vault.is_none() && !self.shred.contains(&dead.index)
    }

    /// Before these files go: removes the index, durably, if it needs one that cannot be kept.
    pub(super) fn drop_misled_index(&mut self, dead: &[Block]) -> Result<(), StoreError> {
        let misleads = |dead: &Block| {
            let is_listed = dead.index <= self.indexed_up_to && dead.told_by == ToldBy::Nothing;
            // What age may have taken from the front nobody misses.
            let is_missed = self.limits.max_age_ns == 0 || self.shred.contains(&dead.index);
            (is_listed && is_missed || self.informs_index(dead)) && !self.can_keep(dead)
        };
        if !dead.iter().any(misleads) {
            return Ok(());
        }
        self.drop_index().map_err(|error| {
            // Never "no space", which would say that messages were taken back.
            let context = "removing the index".to_owned();
            StoreError::Io { context, source: std::io::Error::other(error.to_string()) }
        })?;
        self.index_due = IndexDue::Must;
        self.sync_names()
    }

    /// Removes the buried files: the index no longer needs them, or their space is needed.
    pub(super) fn remove_buried(&mut self) {
        for index in std::mem::take(&mut self.buried) {
            if remove_if_there(&*self.disk, &self.buried_path(index)).is_err() {
                // They only take space: tried again after the next index.
                self.buried.push(index);
            }
        }
    }

    fn reuse_memory(&mut self, mut dead: Block) {
        let buf = dead.evict();
        self.keep_spare(buf);
    }

    /// Keeps memory for the next block.
    pub(super) fn keep_spare(&mut self, buf: Vec<u8>) {
        if buf.capacity() > self.spare.capacity() && buf.capacity() <= self.block_size as usize * 2
        {
            self.spare = buf;
        }
    }
}
