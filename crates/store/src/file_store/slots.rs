//! Where in a block each sequence's record starts.

/// Offset of a sequence without a record.
const NONE: u32 = u32::MAX;
/// A gap may be filled up to this many empty slots per used one before the sparse form is taken.
const FILL: u64 = 8;

/// Offsets by sequence. Sequences come in ascending order.
#[derive(Debug)]
pub(super) enum Slots {
    /// One offset per sequence from `first` on.
    Dense { first: u64, offsets: Vec<u32> },
    /// For blocks with wide gaps.
    Sparse { entries: Vec<(u64, u32)> },
}

impl Slots {
    pub(super) fn new() -> Self {
        Slots::Dense { first: 0, offsets: Vec::new() }
    }

    pub(super) fn push(&mut self, seq: u64, offset: u32) {
        match self {
            Slots::Dense { first, offsets } => {
                if offsets.is_empty() {
                    *first = seq;
                }
                let next = *first + offsets.len() as u64;
                if seq == next {
                    offsets.push(offset);
                    return;
                }
                let Some(gap) = seq.checked_sub(next) else { return };
                if gap <= 1024 + FILL * offsets.len() as u64 {
                    offsets.resize(offsets.len() + gap as usize, NONE);
                    offsets.push(offset);
                    return;
                }
                let mut entries: Vec<(u64, u32)> = offsets
                    .iter()
                    .enumerate()
                    .filter(|(_, offset)| **offset != NONE)
                    .map(|(at, &offset)| (*first + at as u64, offset))
                    .collect();
                entries.push((seq, offset));
                *self = Slots::Sparse { entries };
            }
            Slots::Sparse { entries } => {
                if entries.last().is_none_or(|&(last, _)| last < seq) {
                    entries.push((seq, offset));
                }
            }
        }
    }

    pub(super) fn get(&self, seq: u64) -> Option<u32> {
        match self {
            Slots::Dense { first, offsets } => {
                let at = usize::try_from(seq.checked_sub(*first)?).ok()?;
                offsets.get(at).copied().filter(|&offset| offset != NONE)
            }
            Slots::Sparse { entries } => {
                let at = entries.binary_search_by_key(&seq, |&(seq, _)| seq).ok()?;
                entries.get(at).map(|&(_, offset)| offset)
            }
        }
    }

    /// Tells `each` about all, in order.
    pub(super) fn for_each(&self, mut each: impl FnMut(u64, u32)) {
        match self {
            Slots::Dense { first, offsets } => {
                for (seq, &offset) in (*first..).zip(offsets) {
                    if offset != NONE {
                        each(seq, offset);
                    }
                }
            }
            Slots::Sparse { entries } => entries.iter().for_each(|&(seq, at)| each(seq, at)),
        }
    }

    pub(super) fn remove(&mut self, seq: u64) {
        match self {
            Slots::Dense { first, offsets } => {
                let at = seq.checked_sub(*first).and_then(|at| usize::try_from(at).ok());
                if let Some(offset) = at.and_then(|at| offsets.get_mut(at)) {
                    *offset = NONE;
                }
            }
            Slots::Sparse { entries } => entries.retain(|&(other, _)| other != seq),
        }
    }

    /// Forgets all above `last`.
    pub(super) fn truncate(&mut self, last: u64) {
        match self {
            Slots::Dense { first, offsets } => {
                offsets.truncate((last + 1).saturating_sub(*first) as usize);
            }
            Slots::Sparse { entries } => entries.retain(|&(seq, _)| seq <= last),
        }
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Slots::Dense { offsets, .. } => offsets.capacity() * 4,
            Slots::Sparse { entries } => entries.capacity() * 16,
        }
    }
}
