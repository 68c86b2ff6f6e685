//! Checking, a little at a time, the blocks that an opening did not read.

use env::OpenMode;

use super::FileStore;
use super::block::file_path;
use super::borders::Borders;
use super::record::{self, Kind, Record};
use super::waymarks::Waymarks;
use crate::api::Upkeep;

/// Bytes read and checked at once: about half a millisecond.
const SLICE: usize = 512 << 10;

/// How far the check of one block is.
#[derive(Debug, Default)]
pub(super) struct Verify {
    /// Block that is being checked; all before are.
    index: u64,
    offset: u64,
    /// Live messages and their bytes so far.
    msgs: u64,
    bytes: u64,
    last_seq: u64,
    borders: Borders,
    waymarks: Waymarks,
}

/// What a slice showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Sound,
    /// The block's end was reached.
    End,
    /// It must be read whole to tell what is wrong, if anything.
    Doubt,
}

impl FileStore {
    /// Checks a little more of what was never read since the opening.
    pub(super) fn verify_slice(&mut self) -> Upkeep {
        let Some(mut verify) = self.verify.take() else { return Upkeep::Done };
        let next = self.blocks.partition_point(|block| block.index < verify.index);
        let wanted = (next..self.blocks.len())
            .find(|&at| self.blocks.get(at).is_some_and(|block| block.unread));
        let Some(at) = wanted else { return Upkeep::Done };
        let index = self.blocks.get(at).map_or(0, |block| block.index);
        if verify.index != index {
            verify = Verify { index, ..Verify::default() };
        }
        match self.look(at, &mut verify) {
            Look::Sound => {}
            Look::End => {
                if let Some(block) = self.blocks.get_mut(at) {
                    if !block.is_dirty() {
                        block.borders = Some(verify.borders);
                    }
                    if block.memory() == 0 {
                        // From now on a message of it can be read without the others.
                        verify.waymarks.end_at(block.written as usize);
                        block.waymarks = verify.waymarks;
                    }
                }
                verify = Verify { index: index + 1, ..Verify::default() };
            }
            Look::Doubt => {
                verify = Verify { index: index + 1, ..Verify::default() };
                self.verify_whole(at);
            }
        }
        self.verify = Some(verify);
        Upkeep::More
    }

    fn look(&mut self, at: usize, verify: &mut Verify) -> Look {
        let Some(block) = self.blocks.get(at).filter(|block| !block.packed) else {
            return Look::Doubt;
        };
        let end = block.written;
        let len = end.saturating_sub(verify.offset).min(SLICE as u64) as usize;
        let mut buf = vec![0; len];
        let read = self
            .disk
            .open(&file_path(&self.msgs_dir, block.index), OpenMode::Existing)
            .and_then(|file| file.read_exact_at(&mut buf, verify.offset));
        if read.is_err() {
            return Look::Doubt;
        }
        let mut offset = 0;
        while let Some(record) = Record::parse(&buf, offset) {
            if !record.is_intact(&block.hasher) || !record.is_plausible() {
                return Look::Doubt;
            }
            if let Some(lengths) = record::lengths_at(&buf, offset) {
                verify.borders.add(&lengths);
            }
            if record.kind == Kind::Message
                && record.seq > verify.last_seq
                && block.is_live(record.seq)
            {
                if block.borders.is_none() && !self.subjects.tree().contains(record.subject) {
                    return Look::Doubt;
                }
                let place = (verify.offset as usize + offset) as u32;
                verify.waymarks.note(record.seq, place, end as usize);
                verify.msgs += 1;
                verify.bytes += record.len as u64;
                verify.last_seq = record.seq;
            }
            offset += record.len;
        }
        verify.offset += offset as u64;
        if verify.offset < end {
            // A record may be cut by the slice's end, but not be none at all.
            return if offset > 0 && len == SLICE { Look::Sound } else { Look::Doubt };
        }
        // What was removed in between makes a difference, too: then it is read whole.
        let borders_hold = block.borders.is_none_or(|borders| borders == verify.borders);
        match borders_hold && (verify.msgs, verify.bytes) == (block.msgs, block.bytes) {
            true => Look::End,
            false => Look::Doubt,
        }
    }

    /// Reads a block whole, which finds and reports damage.
    fn verify_whole(&mut self, at: usize) {
        // A block that cannot be read now is looked at again when a message of it is.
        if let Ok(report) = self.load(at)
            && !report.is_clean()
        {
            let _ = self.found_damage(at, report);
            return;
        }
        if let Some(block) = self.blocks.get_mut(at).filter(|block| block.evictable().is_some()) {
            block.let_go();
        }
    }
}
