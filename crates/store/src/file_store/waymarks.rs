//! Where some of a block's records start: enough to find each of them by reading a little.

use std::ops::Range;

use super::slots::Slots;

/// Marks of a block, about: of the largest ones every 16 KiB.
const MARKS: usize = 512;
/// Bytes from one mark to the next, at least.
const LEAST_STEP: usize = 256;

/// Marks of a block that is not in memory, eight bytes each.
#[derive(Debug, Default)]
pub(super) struct Waymarks {
    /// Sequence that the marks count from.
    first: u64,
    /// Sequence and offset of a record, ascending.
    marks: Vec<(u32, u32)>,
    /// Behind the content that the marks are about.
    end: u32,
}

impl Waymarks {
    /// Adds what is behind `end`, of content that ends at `new_end`.
    pub(super) fn extend(&mut self, slots: &Slots, new_end: usize) {
        let end = self.end;
        slots.for_each(|seq, offset| {
            if offset >= end {
                self.note(seq, offset, new_end);
            }
        });
        self.end_at(new_end);
    }

    /// Adds a record behind all others, of content that will end about there.
    pub(super) fn note(&mut self, seq: u64, offset: u32, end: usize) {
        let step = (end / MARKS).max(LEAST_STEP) as u32;
        if self.marks.is_empty() {
            self.first = seq;
        }
        let near = self.marks.last().is_some_and(|&(_, last)| offset - last < step);
        // Without a mark of its own a record is still found, by a longer way.
        if !near && let Ok(seq) = u32::try_from(seq - self.first) {
            self.marks.push((seq, offset));
        }
    }

    /// The content ends here.
    pub(super) fn end_at(&mut self, end: usize) {
        self.end = u32::try_from(end).unwrap_or(self.end);
        self.marks.shrink_to_fit();
    }

    /// The stretch in which the record of `seq` starts, with its number.
    pub(super) fn stretch(&self, seq: u64) -> Option<(u32, Range<usize>)> {
        let seq = u32::try_from(seq.checked_sub(self.first)?).unwrap_or(u32::MAX);
        let next = self.marks.partition_point(|&(mark, _)| mark <= seq);
        let at = next.checked_sub(1)?;
        let from = self.marks.get(at)?.1;
        let to = self.marks.get(next).map_or(self.end, |mark| mark.1);
        Some((at as u32, from as usize..to as usize))
    }
}
