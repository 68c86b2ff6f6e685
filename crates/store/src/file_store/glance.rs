//! Reading one message of a block that is not in memory, without the others.

use std::io;
use std::path::Path;

use env::{Disk, DiskFile};

use super::block::Block;
use super::record::{self, Hasher, Kind, Record};

/// Bytes read at a time, at most: a stretch is longer only where much of it is gone.
const STEP: usize = 16 << 10;
/// So many stretches read in order, one after the other, and the block is read whole.
const IN_ORDER: u8 = 3;

/// A stretch of a block's file, and the record that was wanted of it.
#[derive(Debug)]
pub(super) struct Glance {
    /// Number of the stretch.
    stretch: u32,
    /// Content from where the stretch starts.
    buf: Vec<u8>,
    /// Where it ends in the file.
    to: usize,
    /// Where it starts.
    from: usize,
    /// The record that was checked, and its place in `buf`.
    seq: u64,
    at: usize,
}

/// How the glances at a block follow each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: u32,
    /// Steps to a neighbouring stretch without another in between.
    steps: u8,
}

impl Pace {
    /// Whether the next glance, at `stretch`, shows that somebody reads all.
    fn is_walk(&mut self, stretch: u32) -> bool {
        match self.last.abs_diff(stretch) {
            0 => {}
            1 => self.steps += 1,
            _ => self.steps = 0,
        }
        self.last = stretch;
        let walks = self.steps >= IN_ORDER;
        if walks {
            self.steps = 0;
        }
        walks
    }
}

impl Glance {
    /// The record of `seq`, if it is what was looked for.
    pub(super) fn record(&self, seq: u64) -> Option<Record<'_>> {
        (self.seq == seq).then(|| Record::parse(&self.buf, self.at)).flatten()
    }

    /// Walks to the sound record of `seq`, reading what is missing of the stretch.
    fn find(&mut self, file: &dyn DiskFile, hasher: &Hasher, seq: u64) -> io::Result<bool> {
        let mut at = 0;
        loop {
            let len = record::len_at(&self.buf, at);
            let end = at + len.unwrap_or(record::EMPTY);
            if end > self.buf.len() {
                if self.from + end > self.to {
                    return Ok(false);
                }
                self.read_up_to(file, end)?;
                continue;
            }
            let Some(found) = Record::parse(&self.buf, at) else { return Ok(false) };
            if found.kind == Kind::Message && found.seq == seq {
                self.seq = seq;
                self.at = at;
                return Ok(found.is_intact(hasher) && found.is_plausible());
            }
            at = end;
        }
    }

    /// Reads on, to `end` at least.
    fn read_up_to(&mut self, file: &dyn DiskFile, end: usize) -> io::Result<()> {
        let have = self.buf.len();
        let wanted = end.max(have + STEP).min(self.to - self.from);
        self.buf.resize(wanted, 0);
        let new = self.buf.get_mut(have..).unwrap_or_default();
        file.read_exact_at(new, (self.from + have) as u64)
    }
}

impl Block {
    /// Looks up the sound record of `seq` in the file, reading little more than that;
    /// false if the block has to be read whole: nothing is known of the place, the record is not
    /// as it should be, or readers want all of it.
    pub(super) fn glance(&mut self, disk: &dyn Disk, msgs_dir: &Path, seq: u64) -> bool {
        if self.packed {
            return false;
        }
        let Some((stretch, range)) = self.waymarks.stretch(seq) else { return false };
        if self.pace.is_walk(stretch) {
            return false;
        }
        let mut glance = match self.glance.take() {
            Some(glance) if glance.stretch == stretch && glance.to == range.end => glance,
            other => {
                let mut buf = other.map_or_else(Vec::new, |glance| glance.buf);
                buf.clear();
                Glance { stretch, buf, from: range.start, to: range.end, seq: 0, at: 0 }
            }
        };
        let hasher = self.hasher.clone();
        let Ok(file) = self.open_file(disk, msgs_dir) else { return false };
        let found = matches!(glance.find(file, &hasher, seq), Ok(true));
        if found {
            self.glance = Some(glance);
        }
        found
    }
}
