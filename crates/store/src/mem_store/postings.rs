//! The sequences of one subject.

use std::collections::VecDeque;

/// Ascending sequences; a single one, the common case, costs no allocation.
#[derive(Debug)]
pub(super) enum Postings {
    One(u64),
    #[allow(clippy::box_collection, reason = "most subjects have one: two words, not four")]
    Many(Box<VecDeque<u64>>),
}

impl Postings {
    pub(super) fn len(&self) -> u64 {
        match self {
            Postings::One(_) => 1,
            Postings::Many(seqs) => seqs.len() as u64,
        }
    }

    pub(super) fn first(&self) -> u64 {
        match self {
            Postings::One(seq) => *seq,
            Postings::Many(seqs) => seqs.front().copied().unwrap_or(0),
        }
    }

    pub(super) fn last(&self) -> u64 {
        match self {
            Postings::One(seq) => *seq,
            Postings::Many(seqs) => seqs.back().copied().unwrap_or(0),
        }
    }

    pub(super) fn push(&mut self, seq: u64) {
        match self {
            Postings::One(first) => *self = Postings::Many(Box::new([*first, seq].into())),
            Postings::Many(seqs) => seqs.push_back(seq),
        }
    }

    /// Takes `seq` out; true if none is left then (the value is of no use any more).
    pub(super) fn remove(&mut self, seq: u64) -> bool {
        match self {
            Postings::One(only) => *only == seq,
            Postings::Many(seqs) => {
                if let Ok(at) = seqs.binary_search(&seq) {
                    seqs.remove(at);
                }
                match (seqs.len(), seqs.front()) {
                    (0, _) => true,
                    (1, Some(&only)) => {
                        *self = Postings::One(only);
                        false
                    }
                    _ => false,
                }
            }
        }
    }

    /// The first at or after `from`.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        match self {
            Postings::One(seq) => (*seq >= from).then_some(*seq),
            Postings::Many(seqs) => seqs.get(seqs.partition_point(|&seq| seq < from)).copied(),
        }
    }

    /// The last at or below `up_to`.
    pub(super) fn prev(&self, up_to: u64) -> Option<u64> {
        match self {
            Postings::One(seq) => (*seq <= up_to).then_some(*seq),
            Postings::Many(seqs) => {
                let after = seqs.partition_point(|&seq| seq <= up_to);
                seqs.get(after.checked_sub(1)?).copied()
            }
        }
    }

    pub(super) fn count_from(&self, from: u64) -> u64 {
        match self {
            Postings::One(seq) => u64::from(*seq >= from),
            Postings::Many(seqs) => (seqs.len() - seqs.partition_point(|&seq| seq < from)) as u64,
        }
    }
}
