//! Removing the files of emptied blocks: when, and in which order.

use super::FileStore;
use super::block::{Block, ToldBy};
use super::flush::sync_failed;
use super::trouble::Failure;
use crate::api::{Durability, StoreError};
use crate::error::io_error;

/// How many blocks' worth of files wait for a sync to be removed.
const WAITING_BLOCKS: u64 = 4;
/// So many files go one after the other; before more of them go at once, an index is written that
/// knows them no longer.
const MOST_ORDERED: usize = 64;

impl FileStore {
    /// Removes the files of emptied blocks.
    ///
    /// `traced` says that the flush wrote tombstones.
    pub(super) fn remove_dead(
        &mut self,
        durability: Durability,
        traced: bool,
    ) -> Result<(), StoreError> {
        if durability == Durability::Written && self.oldest_unsynced != u64::MAX {
            self.let_dead_wait();
            let waiting: u64 = self.waiting.iter().map(|dead| dead.raw_len).sum();
            if self.must_not_wait(traced) || waiting >= WAITING_BLOCKS * self.block_size {
                match self.remove_waiting() {
                    Ok(()) => {}
                    // They wait for the next sync.
                    Err(Failure::Refused(error)) => self.trouble.hinders(&error),
                    Err(Failure::Doubtful(error)) => return Err(self.doubt_unsynced(error)),
                }
            }
        }
        let dead = std::mem::take(&mut self.journal.dead);
        self.remove_in_order(dead)?;
        if durability == Durability::Synced && self.dir_dirty {
            // A file that came back would bring back what only limits had removed from it.
            self.sync_names()?;
        }
        if self.journal.dead.is_empty() {
            return Ok(());
        }
        // For what went with a whole block no tombstone stands: it is gone when its file is.
        let context = "removing the files of emptied blocks".to_owned();
        let source = std::io::Error::other("it is tried again with the next flush");
        Err(StoreError::Io { context, source })
    }

    /// A block goes when what came instead, and what says that its messages are gone, is durable:
    /// otherwise a power cut could take both, and the stream's last sequence with them.
    fn let_dead_wait(&mut self) {
        for mut dead in std::mem::take(&mut self.journal.dead) {
            if dead.created {
                dead.file = None;
                let memory = dead.evict();
                self.keep_spare(memory);
                self.waiting.push(dead);
            }
        }
    }

    /// Whether a block waits whose messages would be back after a kill: where only limits tell that
    /// they are gone, these do not once others go for another reason, which is `traced`.
    pub(super) fn must_not_wait(&self, traced: bool) -> bool {
        let enough = if traced { ToldBy::Limits } else { ToldBy::Nothing };
        self.waiting.iter().any(|dead| dead.told_by >= enough)
    }

    /// Removes what waited for a sync, after one.
    pub(super) fn remove_waiting(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // What made room for messages that are not written yet is still there to stay.
        for dead in self.journal.dead.iter_mut().filter(|dead| dead.created && dead.unsynced) {
            dead.open_file(&*self.disk, &self.msgs_dir)
                .map_err(|error| Failure::Refused(io_error("opening a block", error)))
                .and_then(|file| file.sync_data().map_err(sync_failed))?;
            dead.unsynced = false;
        }
        self.sync_blocks()?;
        let waiting = std::mem::take(&mut self.waiting);
        self.remove_in_order(waiting).map_err(Failure::Doubtful)?;
        if self.dir_dirty {
            // What is written from here on may be all that kept their messages gone no longer.
            self.sync_names().map_err(Failure::Doubtful)?;
        }
        Ok(())
    }

    /// Removes files, the oldest first: no crash may keep a block and lose a later one that alone
    /// tells which of its messages were gone before, or for which limits took them.
    pub(super) fn remove_in_order(&mut self, mut dead: Vec<Block>) -> Result<(), StoreError> {
        let listed = match self.warn_index(&dead) {
            Ok(listed) => listed,
            Err(error) => {
                self.journal.dead.extend(dead);
                return Err(error);
            }
        };
        dead.sort_by_key(|block| block.index);
        // Without a later block there is room again for what limits took from an earlier one, and
        // behind one that is still there what age took is missed.
        let limited = self.limits.max_msgs != u64::MAX
            || self.limits.max_bytes != u64::MAX
            || self.limits.max_age_ns > 0;
        let by_limits = |block: &Block| limited && block.told_by >= ToldBy::Limits;
        let (mut last_seq, mut makes_room) = (None, false);
        let mut dead = dead.into_iter();
        while let Some(mut block) = dead.next() {
            let guards = |last_seq| {
                block.unread || block.tombs.iter_from(0).next().is_some_and(|seq| seq <= last_seq)
            };
            if listed
                && (makes_room || last_seq.is_some_and(guards))
                && let Err(error) = self.sync_names()
            {
                self.journal.dead.push(block);
                self.journal.dead.extend(dead);
                return Err(error);
            }
            last_seq = last_seq.max(Some(block.last_seq));
            makes_room |= by_limits(&block);
            block.file = None;
            if block.created
                && let Some(block) = self.bury_file(block, listed)
            {
                self.journal.dead.push(block);
                break;
            }
        }
        self.journal.dead.extend(dead);
        Ok(())
    }

    /// Before files go: has the index on disk say nothing wrong of them. Answers whether it may list
    /// them; what it does not list, and a crash keeps, goes at the next start.
    fn warn_index(&mut self, dead: &[Block]) -> Result<bool, StoreError> {
        if dead.len() > MOST_ORDERED && self.has_new_index()? {
            return Ok(false);
        }
        self.drop_misled_index(dead)?;
        Ok(true)
    }
}
