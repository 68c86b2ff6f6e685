//! What follows the records in a block's file: a witness of them, and room made ahead.

use std::path::Path;

use env::Disk;

use super::block::{Block, Cache};
use super::record;
use crate::canary::{self, Canary};

impl Block {
    /// Puts a witness of the messages behind what is in memory; answers its length.
    fn put_witness(&mut self) -> usize {
        let Some(borders) = self.known_borders() else { return 0 };
        if canary::sings(Canary::NoWitness) {
            return 0;
        }
        self.tail();
        let Some(cache) = self.cache.as_mut() else { return 0 };
        let before = cache.buf.len();
        borders.push_witness(&mut cache.buf, self.raw_len, &self.hasher, self.last_seq);
        cache.buf.len() - before
    }

    /// Adds a witness as a record that stays.
    pub(super) fn push_witness(&mut self) {
        self.raw_len += self.put_witness() as u64;
        self.seal = None;
    }

    /// Seals the block: the witness that follows its records becomes one of them.
    pub(super) fn close(&mut self) {
        if self.is_dirty() {
            return self.push_witness();
        }
        let Some(there) = self.witnessed else { return };
        let len = self.put_witness() as u64;
        if self.cache.as_ref().is_some_and(|cache| cache.buf.ends_with(&there)) {
            self.raw_len += len;
            self.written = self.raw_len;
            self.witnessed = None;
            self.seal = None;
        } else {
            self.cut_cache();
        }
    }

    /// Takes what is behind the records out of memory.
    fn cut_cache(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.buf.truncate((self.raw_len as usize).saturating_sub(cache.base));
        }
    }

    /// Writes what is new with a witness behind it, which what is written next goes over.
    pub(super) fn write_witnessed(&mut self) -> Result<(), std::io::Error> {
        let len = self.put_witness();
        let mut behind = len;
        if len == 0
            && self.witnessed.is_some()
            && let Some(cache) = &mut self.cache
        {
            // Of the last one nothing must be left.
            cache.buf.extend_from_slice(&[0; record::WITNESS]);
            behind = record::WITNESS;
        }
        let written = self.write_new();
        if written.is_ok() {
            let end = |cache: &Cache| cache.buf.last_chunk().copied();
            self.witnessed = self.cache.as_ref().filter(|_| len > 0).and_then(end);
            // Where no room could be made none is to be made again.
            self.allocated = self.allocated.max(self.raw_len + behind as u64);
        }
        self.cut_cache();
        written
    }

    /// Writes what is new to the file, which is open.
    pub(super) fn write_new(&self) -> Result<(), std::io::Error> {
        match &self.file {
            Some(file) => file.write_all_at(self.pending(), self.written),
            None => Ok(()),
        }
    }

    /// Where room may be made in the file.
    fn end_of_witness(&self) -> u64 {
        self.raw_len + self.witnessed.map_or(0, |_| record::WITNESS as u64)
    }

    /// Fills the file up with zeros ahead of the records.
    ///
    /// Only a help: without room for it the file goes on growing with its records.
    pub(super) fn allocate(&mut self, up_to: u64) {
        let from = self.end_of_witness();
        let Some(ahead) = up_to.checked_sub(from).filter(|&ahead| ahead > 0) else { return };
        let Some(file) = &self.file else { return };
        let zeros = vec![0; ahead as usize];
        match file.write_all_at(&zeros, from) {
            Ok(()) => self.allocated = up_to,
            Err(_) => {
                // Should the cut fail too, zeros at the end are harmless.
                let _ = file.set_len(from);
                self.allocated = u64::MAX;
            }
        }
    }

    /// Whether anything follows the records.
    pub(super) fn has_slack(&self) -> bool {
        let has_room = self.allocated != u64::MAX && self.allocated > self.raw_len;
        has_room || self.witnessed.is_some()
    }

    /// Cuts off what follows the records.
    pub(super) fn trim(&mut self, disk: &dyn Disk, msgs_dir: &Path) -> Result<(), std::io::Error> {
        let len = self.raw_len;
        self.open_file(disk, msgs_dir)?.set_len(len)?;
        self.allocated = len;
        self.witnessed = None;
        self.unsynced = true;
        Ok(())
    }
}
