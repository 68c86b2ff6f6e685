//! What the index of subjects keeps of each subject, in few bytes.

use std::collections::VecDeque;

use super::subjects::{Bound, SubjectInfo};

/// A subject in the index: twelve bytes, and more only where that is not enough.
///
/// Nearly all memory of a stream with many subjects is in these and in what the tree adds.
#[derive(Debug, Default)]
pub(super) struct Entry {
    form: Form,
    /// Bits of the first sequence above the 32 of `low`.
    high: u8,
    total: u16,
    low: u32,
    /// From the first sequence to the last.
    span: u32,
}

/// Which bounds are exact.
#[derive(Clone, Copy, Debug, Default)]
enum Form {
    #[default]
    Both,
    First,
    Last,
    None,
    /// It does not fit: `low` is the place in [`Kept`].
    Elsewhere,
}

impl Entry {
    /// `None` if it does not fit.
    fn packed(info: SubjectInfo) -> Option<Self> {
        let (first, last) = (info.first.seq(), info.last.seq());
        let form = match (info.first.is_exact(), info.last.is_exact()) {
            (true, true) => Form::Both,
            (true, false) => Form::First,
            (false, true) => Form::Last,
            (false, false) => Form::None,
        };
        Some(Entry {
            form,
            high: u8::try_from(first >> 32).ok()?,
            total: u16::try_from(info.total).ok()?,
            low: first as u32,
            span: u32::try_from(last.checked_sub(first)?).ok()?,
        })
    }

    fn unpacked(&self) -> Option<SubjectInfo> {
        let (first_is_exact, last_is_exact) = match self.form {
            Form::Both => (true, true),
            Form::First => (true, false),
            Form::Last => (false, true),
            Form::None => (false, false),
            Form::Elsewhere => return None,
        };
        let bound = |seq, exact| if exact { Bound::exact(seq) } else { Bound::loose(seq) };
        let first = u64::from(self.high) << 32 | u64::from(self.low);
        Some(SubjectInfo {
            total: u64::from(self.total),
            first: bound(first, first_is_exact),
            last: bound(first + u64::from(self.span), last_is_exact),
        })
    }

    /// Its place in [`Kept`], if it has one.
    fn place(&self) -> Option<usize> {
        matches!(self.form, Form::Elsewhere).then_some(self.low as usize)
    }
}

#[derive(Debug)]
struct Several {
    info: SubjectInfo,
    /// Sequences that are known, ascending; none where the bounds tell all of them.
    seqs: VecDeque<u64>,
}

/// What does not fit in the entries of subjects.
#[derive(Debug, Default)]
pub(super) struct Kept {
    items: Vec<Several>,
    free: Vec<u32>,
}

impl Kept {
    fn get(&self, entry: &Entry) -> Option<&Several> {
        self.items.get(entry.place()?)
    }

    fn get_mut(&mut self, entry: &Entry) -> Option<&mut Several> {
        self.items.get_mut(entry.place()?)
    }

    /// What an entry says; of a fresh one, that there is no message.
    pub(super) fn info(&self, entry: &Entry) -> SubjectInfo {
        const NOTHING: SubjectInfo =
            SubjectInfo { total: 0, first: Bound::exact(0), last: Bound::exact(0) };
        entry.unpacked().or_else(|| self.get(entry).map(|kept| kept.info)).unwrap_or(NOTHING)
    }

    /// The known sequences, where the bounds do not tell all of them.
    pub(super) fn seqs(&self, entry: &Entry) -> Option<&VecDeque<u64>> {
        self.get(entry).map(|kept| &kept.seqs).filter(|seqs| !seqs.is_empty())
    }

    /// Makes an entry say something else. Known sequences stay, as far as they tell more.
    pub(super) fn set(&mut self, entry: &mut Entry, info: SubjectInfo) {
        let mut info = info;
        let kept = self.get_mut(entry);
        let mut seqs = kept.map(|kept| std::mem::take(&mut kept.seqs)).unwrap_or_default();
        if let (Some(&first), Some(&last)) = (seqs.front(), seqs.back())
            && seqs.len() as u64 == info.total
        {
            (info.first, info.last) = (Bound::exact(first), Bound::exact(last));
        }
        if info.tells_all() {
            seqs = VecDeque::new();
        }
        match Entry::packed(info).filter(|_| seqs.is_empty()) {
            Some(packed) => {
                self.free(entry);
                *entry = packed;
            }
            None => *self.place(entry) = Several { info, seqs },
        }
    }

    /// The place of an entry, which gets one.
    fn place(&mut self, entry: &mut Entry) -> &mut Several {
        let at = match entry.place() {
            Some(at) => at,
            None => {
                let several = Several { info: self.info(entry), seqs: VecDeque::new() };
                let at = match self.free.pop() {
                    Some(at) => at as usize,
                    None => self.items.len(),
                };
                match self.items.get_mut(at) {
                    Some(free) => *free = several,
                    None => self.items.push(several),
                }
                let low = u32::try_from(at).expect("fewer than 2^32 subjects fit in memory");
                *entry = Entry { form: Form::Elsewhere, low, ..Entry::default() };
                at
            }
        };
        &mut self.items[at]
    }

    /// Frees the place of an entry that goes, or that fits again.
    pub(super) fn free(&mut self, entry: &mut Entry) {
        if let Some(place) = entry.place() {
            if let Some(kept) = self.items.get_mut(place) {
                kept.seqs = VecDeque::new();
            }
            self.free.push(entry.low);
            *entry = Entry::default();
        }
    }

    /// Makes a message of a subject known, of which this was known before it was counted.
    pub(super) fn learn(&mut self, entry: &mut Entry, before: SubjectInfo, seq: u64) {
        let info = self.info(entry);
        if info.tells_all() {
            return;
        }
        let seqs = &mut self.place(entry).seqs;
        if seqs.is_empty() {
            seqs.extend(before.known());
        }
        if seqs.back().is_none_or(|&last| last < seq) {
            seqs.push_back(seq);
        } else if let Err(at) = seqs.binary_search(&seq) {
            seqs.insert(at, seq);
        }
        self.set(entry, info);
    }

    /// Takes a message that goes out of what is known.
    pub(super) fn unlearn(&mut self, entry: &Entry, seq: u64) {
        let Some(kept) = self.get_mut(entry) else { return };
        if kept.seqs.front() == Some(&seq) {
            kept.seqs.pop_front();
        } else if let Ok(at) = kept.seqs.binary_search(&seq) {
            kept.seqs.remove(at);
        }
    }

    /// Forgets the known sequences of a subject.
    pub(super) fn forget_seqs(&mut self, entry: &mut Entry) {
        let Some(kept) = self.get_mut(entry) else { return };
        kept.seqs = VecDeque::new();
        let info = kept.info;
        self.set(entry, info);
    }
}
