//! Where each subject's first and last message are exactly, in `checkpoint.db`: the index says only
//! in which blocks.
//!
//! In the order of the index's subjects there is a number for the first message, and another for
//! the last one of several: its sequence less the first of its block, plus one; 0 if that was not
//! known.

use super::index_db::{BlockState, SubjectRange};
use super::subjects::{Bound, SubjectInfo};
use super::varint::{Reader, push_u};

/// Collects them for a checkpoint.
#[derive(Debug, Default)]
pub(super) struct BoundsWriter {
    out: Vec<u8>,
}

impl BoundsWriter {
    /// Adds a subject, with the first sequences of the blocks that the index lists for it.
    pub(super) fn push(&mut self, info: &SubjectInfo, first_block: u64, last_block: u64) {
        let mut push = |bound: Bound, start: u64| {
            let exact = bound.is_exact().then(|| bound.seq().checked_sub(start)).flatten();
            push_u(&mut self.out, exact.map_or(0, |offset| offset + 1));
        };
        push(info.first, first_block);
        if info.total > 1 {
            push(info.last, last_block);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Reads them while going through the index's subjects.
#[derive(Debug)]
pub(super) struct BoundsReader<'b> {
    read: Reader<'b>,
}

impl<'b> BoundsReader<'b> {
    /// From what [`BoundsWriter::finish`] gave; from nothing no bound is exact.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        BoundsReader { read: Reader::new(bytes) }
    }

    /// What is known of the next subject, which is in these blocks of the index.
    pub(super) fn next(
        &mut self,
        subject: &SubjectRange,
        first_block: Option<&BlockState>,
        last_block: Option<&BlockState>,
    ) -> SubjectInfo {
        let first = self.exact_in(first_block);
        let last = if subject.total > 1 { self.exact_in(last_block) } else { first };
        let in_order = match (first, last) {
            (Some(first), Some(last)) => (first < last) == (subject.total > 1),
            _ => true,
        };
        let exact = |seq: Option<u64>| seq.filter(|_| in_order).map(Bound::exact);
        let lowest = first_block.map_or(0, |block| block.first_seq);
        let highest = last_block.map_or(u64::MAX >> 1, |block| block.last_seq);
        SubjectInfo {
            total: subject.total,
            first: exact(first).unwrap_or(Bound::loose(lowest)),
            last: exact(last).unwrap_or(Bound::loose(highest)),
        }
    }

    /// The next message, if it is one of the block's.
    fn exact_in(&mut self, block: Option<&BlockState>) -> Option<u64> {
        let offset = self.read.u()?.checked_sub(1)?;
        let block = block?;
        block.first_seq.checked_add(offset).filter(|&seq| block.holds(seq))
    }
}
