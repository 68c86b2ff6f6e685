//! When the disk fails: what is taken back, what is in doubt, and how writing resumes.
//!
//! Three kinds of failure. Where a call was *refused* (no space, no file handle, no permission)
//! nothing is in doubt: the batch is taken back and the next flush tries again. Where a write or
//! sync *failed*, the kernel may have dropped pages and call them clean: a later sync of the same
//! file proves nothing, so every block with unsynced bytes is *in doubt* until it was written
//! anew, from memory, under its name. Where even the state in memory could not be taken back, the
//! store is *broken* until it is opened again.

use super::FileStore;
use super::block;
use crate::api::{Durability, StoreError};

/// How a flush failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing is in doubt.
    Refused(StoreError),
    /// What was not synced may be anything.
    Doubtful(StoreError),
}

/// What keeps the store from writing at present.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// For people; `None` where all is well.
    cause: Option<String>,
    /// Blocks that must be written anew, by index.
    doubtful: Vec<u64>,
    /// Only opening the store again helps.
    broken: bool,
}

impl Trouble {
    /// A flush worked.
    pub(super) fn flushed(&mut self) {
        self.cause = None;
    }

    /// Something that can wait did not work.
    pub(super) fn hinders(&mut self, error: &StoreError) {
        self.cause = Some(error.to_string());
    }

    /// Why writes fail, or upkeep does.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl FileStore {
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        match &self.poisoned {
            Some(cause) => Err(StoreError::Poisoned(cause.clone())),
            None => Ok(()),
        }
    }

    /// Refuses all writes until the store is opened again.
    pub(super) fn poison(&mut self, error: StoreError) -> StoreError {
        self.trouble.broken = true;
        self.refuse_writes(&error);
        error
    }

    fn refuse_writes(&mut self, error: &StoreError) {
        let cause = error.to_string();
        self.trouble.cause = Some(cause.clone());
        self.poisoned.get_or_insert(cause);
    }

    /// Takes back what the flush was to write, and notes what is in doubt.
    pub(super) fn flush_failed(&mut self, failure: Failure) -> StoreError {
        if let Err(error) = self.roll_back() {
            return error;
        }
        match failure {
            Failure::Doubtful(error) => self.doubt_unsynced(error),
            Failure::Refused(error) if !self.trouble.doubtful.is_empty() => {
                self.refuse_writes(&error);
                error
            }
            Failure::Refused(error) => {
                self.trouble.hinders(&error);
                error
            }
        }
    }

    /// After a failed sync: all that was not synced must be written anew.
    pub(super) fn doubt_unsynced(&mut self, error: StoreError) -> StoreError {
        let unsynced = self.blocks.iter().filter(|block| block.created && block.unsynced);
        let unsynced: Vec<u64> = unsynced.map(|block| block.index).collect();
        for index in unsynced {
            self.doubt(index);
        }
        self.refuse_writes(&error);
        error
    }

    /// Block `index` must be written anew before anything else is.
    pub(super) fn doubt(&mut self, index: u64) {
        if !self.trouble.doubtful.contains(&index) {
            self.trouble.doubtful.push(index);
        }
    }

    /// Writes anew what is in doubt, then what waits; on success the store takes writes again.
    pub(super) fn heal_all(&mut self) -> Result<(), StoreError> {
        if self.trouble.cause.is_none() {
            return Ok(());
        }
        if self.trouble.broken {
            return self.writable();
        }
        while let Some(&index) = self.trouble.doubtful.last() {
            if let Err(error) = self.write_anew(index) {
                self.refuse_writes(&error);
                return Err(error);
            }
            self.trouble.doubtful.pop();
        }
        self.poisoned = None;
        if self.needs_flush() {
            return self.flush_all(Durability::Synced);
        }
        self.after_flush(Durability::Synced)?;
        self.trouble.flushed();
        Ok(())
    }

    /// Writes block `index`, as it is in memory, to a new file that takes its name.
    fn write_anew(&mut self, index: u64) -> Result<(), StoreError> {
        let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else {
            return Ok(());
        };
        if !self.blocks.get(at).is_some_and(block::Block::is_whole) {
            self.load_sound(at)?;
        }
        let content = self.blocks.get(at).and_then(|block| block.content());
        let Some(content) = content.map(<[u8]>::to_vec) else { return Ok(()) };
        self.rewrite(at, &content)
    }

    /// Frees space by unlinking blocks that were removed on request; true if there were any.
    ///
    /// Usually a file goes after the flush that made the reason durable. On a full disk that flush
    /// may be what finds no room. A block may go first if later blocks, on disk, speak of higher
    /// sequences than it does: then nothing comes back and no sequence is used twice.
    pub(super) fn unlink_for_space(&mut self) -> bool {
        if self.poisoned.is_some()
            || self.journal.dead.is_empty()
            || self.drop_index().is_err()
            || self.sync_or_doubt().is_err()
        {
            return false;
        }
        let kept = self.blocks.iter().filter(|block| block.written > 0).map(|block| block.high);
        let highest = kept.max().unwrap_or(0);
        let (going, staying): (Vec<_>, _) = std::mem::take(&mut self.journal.dead)
            .into_iter()
            .partition(|block| block.created && block.high < highest);
        self.journal.dead = staying;
        !going.is_empty() && self.remove_in_order(going).is_ok()
    }
}
