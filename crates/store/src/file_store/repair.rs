//! Dealing with damaged blocks: what is lost is counted and reported, the original is kept aside,
//! and the block is rewritten with an erased record for each lost sequence, which both servers
//! read without cutting anything off.

use super::block::{Block, LoadReport, file_path};
use super::files::remove_if_there;
use super::meta::{self, Sync};
use super::record::{self, Hasher, Kind, Record};
use super::slots::Slots;
use super::subjects::Subjects;
use super::{FileStore, IndexDue};
use super::{borders, correct, packed};
use crate::api::{StoreError, StoreEvent};
use crate::error::io_error;
use env::OpenMode;

/// The report's file, in the stream's directory; the reference ignores it.
pub(super) const LOST: &str = "lost.json";

/// What is in the name of a file with damaged bytes, before its number; neither server reads it.
pub(super) const ASIDE: &str = ".blk.bad-";

/// A block to repair.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    pub(super) block: u64,
    /// Sequences that get an erased record, ascending.
    pub(super) lost: Vec<u64>,
}

impl FileStore {
    /// Takes the loss in that loading block `at` found.
    pub(super) fn found_damage(&mut self, at: usize, report: LoadReport) -> Result<(), StoreError> {
        if let Err(error) = self.keep_original(at) {
            // Looked at again at the next read.
            if let Some(block) = self.blocks.get_mut(at).filter(|block| !block.is_dirty()) {
                block.evict();
            }
            return Err(error);
        }
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        let bytes: usize = report.damage.iter().map(|damage| damage.to - damage.from).sum();
        for &seq in &report.missing {
            // The bytes of a record that cannot be read are unknown; all are counted below.
            block.forget(seq, 0);
        }
        if report.missing.is_empty() && report.damage.is_empty() {
            let index = block.index;
            self.note_mended(index, report.mended);
            self.to_repair.push(Damaged { block: index, lost: Vec::new() });
            return Ok(());
        }
        let before = block.bytes;
        let mut live = 0;
        let mut from = block.first_seq;
        while let Some(seq) = block.next_live(from) {
            live += block.cached(seq).map_or(0, |record| record.len as u64);
            from = seq + 1;
        }
        block.bytes = live;
        self.bytes = (self.bytes + live).saturating_sub(before);
        self.msgs -= (report.missing.len() as u64).min(self.msgs);
        let index = block.index;
        self.note_lost(report.missing.clone(), bytes as u64, format!("block {index}"));
        self.write_lost()?;
        self.to_repair.push(Damaged { block: index, lost: report.missing });
        self.find_first();
        Ok(())
    }

    /// Says that records of block `index` were put right.
    pub(super) fn note_mended(&mut self, index: u64, records: usize) {
        let what = format!("block {index}: {records} records had a bad bit or length");
        self.events.push(StoreEvent::Repaired(what));
    }

    fn keep_original(&self, at: usize) -> Result<(), StoreError> {
        match self.blocks.get(at) {
            Some(block) => self.keep_original_of(block.index),
            None => Ok(()),
        }
    }

    /// Copies the file of block `index` aside.
    pub(super) fn keep_original_of(&self, index: u64) -> Result<(), StoreError> {
        let original = self
            .disk
            .read(&file_path(&self.msgs_dir, index))
            .map_err(|error| io_error("reading a damaged block", error))?;
        self.set_aside(index, &original)
    }

    /// Repairs what was found since the last flush, and counts the subjects again.
    pub(super) fn repair_blocks(&mut self) -> Result<(), StoreError> {
        if self.to_repair.is_empty() {
            return Ok(());
        }
        for damaged in std::mem::take(&mut self.to_repair) {
            let Ok(at) = self.blocks.binary_search_by_key(&damaged.block, |block| block.index)
            else {
                continue;
            };
            match self.repair(at, &damaged.lost) {
                Ok(()) => {}
                // The loss is reported; the rewrite waits for space.
                Err(StoreError::NoSpace) => self.to_repair.push(damaged),
                Err(error) => return Err(error),
            }
        }
        self.count_subjects()
    }

    /// Rewrites the file, whose original is kept, from its sound records.
    fn repair(&mut self, at: usize, lost: &[u64]) -> Result<(), StoreError> {
        let Some(block) = self.blocks.get(at) else { return Ok(()) };
        if block.is_dirty() {
            return Ok(());
        }
        let mut original = match block.content() {
            // What is served is what stays.
            Some(content) => content.to_vec(),
            None => {
                let file = self
                    .disk
                    .read(&file_path(&self.msgs_dir, block.index))
                    .map_err(|error| io_error("repairing a block", error))?;
                let mut content = if block.packed { packed::unpack(&file) } else { file };
                // Cut off, as when it was loaded.
                content.resize(content.len().max(block.written as usize), 0);
                content
            }
        };
        if let Some(borders) = block.borders {
            borders.mend(&mut original);
        }
        correct::mend_all(&mut original, &block.hasher, &|subject| {
            self.subjects.tree().contains(subject)
        });
        let (out, slots) = sound_copy(block, &original, lost);
        self.rewrite(at, &out)?;
        if let Some(block) = self.blocks.get_mut(at) {
            block.replace(out, slots);
        }
        self.index_due = self.index_due.max(IndexDue::IfCheap);
        Ok(())
    }

    /// Keeps bytes of block `index` aside.
    pub(super) fn set_aside(&self, index: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let error = |error| io_error("keeping damaged bytes", error);
        let mut number = 1;
        let path = loop {
            let path = self.aside_path(index, number);
            if self.disk.info(&path).map_err(error)?.is_none() {
                break path;
            }
            number += 1;
        };
        // Not under the block's key stream, of which it would be a second use.
        let bytes = self.asset.seal(bytes).map_err(error)?;
        let file = self.disk.open(&path, OpenMode::Truncate).map_err(error)?;
        file.write_all_at(&bytes, 0).and_then(|()| file.sync_data()).map_err(error)?;
        self.disk.sync_dir(&self.msgs_dir).map_err(error)
    }

    /// Overwrites the payload of a message that is to be erased in what was kept of its block.
    pub(super) fn erase_aside(&self, index: u64, seq: u64) -> Result<(), StoreError> {
        let error = |error| io_error("erasing a message from kept bytes", error);
        let hasher = Hasher::of_block(&self.config.name, index);
        for number in 1.. {
            let path = self.aside_path(index, number);
            if self.disk.info(&path).map_err(error)?.is_none() {
                break;
            }
            let stored = self.disk.read(&path).map_err(error)?;
            let Some(mut bytes) = self.asset.open(stored) else { continue };
            let mut payloads = Vec::new();
            record::scan(&bytes, &hasher, |offset, record| {
                if record.kind == Kind::Message && record.seq == seq {
                    let end = offset + record.len - record::CHECKSUM;
                    payloads.push(end - record.payload.len()..end);
                }
            });
            for range in &payloads {
                if let Some(payload) = bytes.get_mut(range.clone()) {
                    payload.fill(0);
                }
            }
            if !payloads.is_empty() {
                let sealed = self.asset.seal(&bytes).map_err(error)?;
                meta::replace_file(&*self.disk, &path, &sealed, Sync::Now)?;
            }
        }
        Ok(())
    }

    fn aside_path(&self, index: u64, number: u32) -> std::path::PathBuf {
        self.msgs_dir.join(format!("{index}{ASIDE}{number}"))
    }

    /// Keeps the report of what is lost beside the configuration.
    pub(super) fn write_lost(&self) -> Result<(), StoreError> {
        let json = serde_json::to_vec(&self.lost)
            .map_err(|error| StoreError::Damaged(format!("encoding: {error}")))?;
        meta::replace_file(&*self.disk, &self.dir.join(LOST), &json, Sync::Now)
    }

    /// After everything was purged there is nothing to miss.
    pub(super) fn forget_lost(&mut self) -> Result<(), StoreError> {
        self.lost = types::LostStreamData::default();
        remove_if_there(&*self.disk, &self.dir.join(LOST))
            .map_err(|error| io_error("removing the report of losses", error))
    }

    /// Reads the report of earlier starts.
    pub(super) fn read_lost(&mut self) {
        let report = self.disk.read(&self.dir.join(LOST)).unwrap_or_default();
        // A report that cannot be read must not keep the stream from being served.
        if let Ok(lost) = serde_json::from_slice::<types::LostStreamData>(&report) {
            self.lost = lost;
        }
    }

    /// Counts all subjects again from the messages; where one cannot be read they stay as they are.
    pub(super) fn count_subjects(&mut self) -> Result<(), StoreError> {
        // Those that were never read are compared with the subjects that are known.
        for at in 0..self.blocks.len() {
            if self.blocks.get(at).is_some_and(|block| block.unread) {
                self.load_sound(at)?;
            }
        }
        let mut subjects = Subjects::default();
        subjects.reset(self.tracks_subjects());
        let mut from = 0;
        while let Some((at, seq)) = self.next_live(from) {
            from = seq + 1;
            if self.ensure(at, seq)?
                && let Some(record) = self.blocks.get(at).and_then(|block| block.cached(seq))
            {
                subjects.append(record.subject, seq);
            }
        }
        self.subjects = subjects;
        self.blocks.iter_mut().for_each(|block| block.tracked = true);
        Ok(())
    }
}

/// The sound records of a block, with erased ones for the lost sequences, in order.
pub(super) fn sound_copy(block: &Block, original: &[u8], lost: &[u64]) -> (Vec<u8>, Slots) {
    let mut out = Vec::with_capacity(original.len());
    let mut slots = Slots::new();
    let all_lost = lost;
    let mut lost = all_lost.iter().copied().peekable();
    record::scan(original, &block.hasher, |offset, record: &Record<'_>| {
        if record.kind == Kind::Message && all_lost.binary_search(&record.seq).is_ok() {
            // It is intact but for a length that no checksum covers.
            return;
        }
        if record.kind != Kind::Tombstone {
            while let Some(seq) = lost.next_if(|&seq| seq < record.seq) {
                record::push_erased(&mut out, &block.hasher, seq, &[]);
            }
        }
        if record.kind == Kind::Message && block.is_live(record.seq) {
            slots.push(record.seq, out.len() as u32);
        }
        out.extend_from_slice(original.get(offset..offset + record.len).unwrap_or_default());
    });
    for seq in lost {
        record::push_erased(&mut out, &block.hasher, seq, &[]);
    }
    borders::push_witness(&mut out, &block.hasher);
    (out, slots)
}
