//! Opening a stream's blocks: by the index where it is exact, otherwise from the records.
//!
//! Nothing is deleted here because it is damaged: bytes that make no sound record are kept aside,
//! what they held is reported as lost, everything else is served. A stale index is a witness of
//! what was there: it keeps sequences from being used again and names what is missing.

use env::EntryKind;

use super::adopt::CHECKSUM;
use super::checkpoint::{self, CHECKPOINT, Checkpoint};
use super::compact::REWRITTEN;
use super::files::read_if_there;
use super::graves::BURIED;
use super::index_db::{self, Index};
use super::index_write::WITNESS;
use super::purge::{NEW_MSGS, OLD_MSGS};
use super::rebuild::Prior;
use super::record::Hasher;
use super::resume::Resumed;
use super::schedules::SCHEDULES;
use super::timers::TIMERS;
use super::{FileStore, INDEX, IndexDue, MSGS, Witness};
use crate::api::{Durability, StoreError};
use crate::error::io_error;

/// Most sequences that are listed as lost where only their number is known.
const MOST_LISTED: usize = 1 << 16;

pub(super) fn refused(reason: impl Into<String>) -> StoreError {
    StoreError::Damaged(reason.into())
}

impl FileStore {
    /// Fills an empty store from its directory.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        self.finish_purge()?;
        self.read_lost();
        let (numbers, buried) = self.list_blocks()?;
        self.buried = buried;
        self.check_block_keys(&numbers)?;
        let hasher = self.hasher();
        let read = |name| {
            read_if_there(&*self.disk, &self.msgs_dir.join(name))
                .map(Option::unwrap_or_default)
                .map_err(|error| io_error("reading the index", error))
        };
        let file = self.open_index(read(INDEX)?).unwrap_or_default();
        let trailer = index_db::trailer(&file);
        let index = index_db::decode(file, &hasher);
        let checkpoint =
            self.open_index(read(CHECKPOINT)?).and_then(|file| checkpoint::decode(&file, &hasher));
        // Of blocks that are as they were it also tells without its index.
        let seals = checkpoint.as_ref().map(|(_, checkpoint)| checkpoint.seals.clone());
        let seals = seals.unwrap_or_default();
        let checkpoint =
            checkpoint.filter(|(of, _)| *of == trailer).map(|(_, checkpoint)| checkpoint);
        self.index_ends_in_zeros =
            index.as_ref().is_some_and(|index| index.last_checksum == [0; CHECKSUM]);
        // Lifetimes are read from the messages: those that never expire are in no file.
        let usable = index.as_ref().filter(|_| !self.config.allow_msg_ttl && !self.distrust_index);
        let exact = match usable {
            Some(index) => {
                let seals = checkpoint.as_ref().map(|checkpoint| &checkpoint.seals[..]);
                self.is_exact(index, seals.unwrap_or_default(), &numbers)?
            }
            None => false,
        };
        let ours = checkpoint.is_some() || index.is_none();
        let mut resumed = Resumed::No;
        match (usable, &checkpoint) {
            _ if self.witness == super::Witness::Dismissed && !exact => {
                self.drop_index()?;
                self.rebuild(&numbers, Prior::default(), &seals)?;
            }
            (Some(index), None) if exact => self.adopt(index, &Checkpoint::default())?,
            (Some(index), Some(checkpoint)) if exact => self.adopt(index, checkpoint)?,
            (Some(index), Some(checkpoint)) => {
                resumed = self.resume(index, checkpoint, &numbers)?;
                if resumed == Resumed::No {
                    self.start_over();
                    self.rebuild(&numbers, Prior { index: Some(index), ours }, &seals)?;
                    self.indexed_up_to = index.last_block;
                    self.index_due = self.index_due.max(IndexDue::IfCheap);
                }
            }
            _ => {
                let witness = match &index {
                    None => self.read_witness(&hasher),
                    Some(_) => None,
                };
                let prior = index.as_ref().or(witness.as_ref());
                self.rebuild(&numbers, Prior { index: prior, ours }, &seals)?;
                self.indexed_up_to = prior.map_or(0, |prior| prior.last_block);
                // From here on the witness knows of what is there.
                self.index_due = self.index_due.max(IndexDue::IfCheap);
            }
        }
        if exact || resumed == Resumed::Yes {
            self.verify = Some(super::verify::Verify::default());
            self.indexed_up_to = index.as_ref().map_or(0, |index| index.last_block);
            self.bury_unlisted(&numbers)?;
        }
        if self.indexed_up_to == 0 {
            self.remove_buried();
        }
        self.journal.last_seq = self.last_seq;
        self.journal.last_ns = self.last_ns;
        if self.blocks.back().is_some_and(|tail| tail.packed) {
            // Nothing can be added to a compressed block.
            self.roll();
            self.to_pack.clear();
            self.keep_last_seq();
        }
        // Written anew before the reference cuts them.
        self.to_pack.append(&mut self.headless);
        Ok(())
    }

    /// What is known of an index that is gone.
    fn read_witness(&self, hasher: &Hasher) -> Option<Index> {
        let bytes = self.disk.read(&self.msgs_dir.join(WITNESS)).ok()?;
        self.open_index(bytes).and_then(|bytes| index_db::decode(bytes, hasher))
    }

    /// The highest sequence that the files of timers speak of, where no index tells: they have no
    /// checksum.
    fn high_in_timers(&self) -> u64 {
        if self.indexed_up_to > 0 {
            return 0;
        }
        // Farther off it is damage.
        const FARTHEST: u64 = 1 << 20;
        let high = |name: &str| {
            let bytes = self.disk.read(&self.msgs_dir.join(name)).ok()?;
            let next = u64::from_le_bytes(*bytes.get(9..)?.first_chunk()?);
            next.checked_sub(1).filter(|_| bytes.first() == Some(&1))
        };
        let highest = [TIMERS, SCHEDULES].into_iter().filter_map(high).max().unwrap_or(0);
        if highest < self.last_seq.saturating_add(FARTHEST) { highest } else { 0 }
    }

    /// After the consumers were looked at: the stream must not give out again what they had.
    pub(super) fn finish_recovery(&mut self, delivered: u64) -> Result<(), StoreError> {
        // Beyond this it is no sequence that was ever reached.
        const FARTHEST: u64 = 1 << 40;
        let delivered = if delivered > self.last_seq && delivered - self.last_seq < FARTHEST {
            delivered
        } else {
            0
        };
        let reached = delivered.max(self.high_in_timers());
        if reached > self.last_seq {
            let lost: Vec<u64> = (self.last_seq + 1..=reached).take(MOST_LISTED).collect();
            self.end_at(reached, self.last_ns);
            if self.witness == Witness::Heard {
                self.note_lost(lost, 0, "the end of the last block is missing".to_owned());
                self.write_lost()?;
            }
        }
        self.enforce_all(&mut |_| {})?;
        self.find_first();
        if self.msgs == 0 && self.config.first_seq > self.last_seq + 1 {
            let purge =
                crate::api::Purge { below_seq: self.config.first_seq, ..Default::default() };
            self.purge_matching(&purge, &mut |_| {})?;
        }
        match self.flush_all(Durability::Synced) {
            // It is tried again with the next flush.
            Err(StoreError::NoSpace) => Ok(()),
            other => other,
        }
    }

    /// Moves the end of the stream up to `last_seq`, of which nothing is left.
    pub(super) fn end_at(&mut self, last_seq: u64, last_ns: i64) {
        self.last_seq = last_seq;
        self.last_ns = last_ns;
        self.journal.last_seq = last_seq;
        self.journal.last_ns = last_ns;
        self.tombstone(last_seq, last_ns);
        if self.msgs == 0 {
            self.first_seq = last_seq + 1;
        }
    }

    /// Completes or drops a purge that was cut short.
    fn finish_purge(&mut self) -> Result<(), StoreError> {
        let error = |error| io_error("finishing a purge", error);
        let disk = &*self.disk;
        let (fresh, old, msgs) =
            (self.dir.join(NEW_MSGS), self.dir.join(OLD_MSGS), self.dir.join(MSGS));
        if disk.info(&fresh).map_err(error)?.is_some() {
            let decided = disk
                .list(&fresh)
                .map_err(error)?
                .iter()
                .any(|entry| entry.name.as_encoded_bytes().ends_with(b".blk"));
            if decided {
                // A process that was killed may have decided it without making that durable.
                disk.sync_dir(&fresh).map_err(error)?;
                disk.remove_dir_all(&msgs).map_err(error)?;
                disk.rename(&fresh, &msgs).map_err(error)?;
                disk.sync_dir(&self.dir).map_err(error)?;
            } else {
                disk.remove_dir_all(&fresh).map_err(error)?;
            }
        }
        disk.remove_dir_all(&old).map_err(error)
    }

    /// The numbers of the blocks, ascending, and of those that were buried.
    fn list_blocks(&self) -> Result<(Vec<u64>, Vec<u64>), StoreError> {
        let error = |error| io_error("listing the blocks", error);
        self.disk.create_dir_all(&self.msgs_dir).map_err(error)?;
        let (mut numbers, mut buried) = (Vec::new(), Vec::new());
        for entry in self.disk.list(&self.msgs_dir).map_err(error)? {
            let Some(name) = entry.name.to_str().filter(|_| entry.kind == EntryKind::File) else {
                continue;
            };
            if name.ends_with(".key") && self.vault.is_none() {
                return Err(refused("encrypted store encountered with no main key"));
            }
            if name.ends_with(REWRITTEN) {
                // Its block stands, and it may hold what was erased since; left, it is in nobody's way.
                let _ = self.disk.unlink(&self.msgs_dir.join(name));
                continue;
            }
            let number = |suffix| {
                let number = name.strip_suffix(suffix)?.parse::<u32>().ok()?;
                Some(u64::from(number))
            };
            numbers.extend(number(".blk"));
            buried.extend(number(BURIED));
        }
        numbers.sort_unstable();
        Ok((numbers, buried))
    }
}
