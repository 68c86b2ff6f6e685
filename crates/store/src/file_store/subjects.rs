//! The per-subject index of a file store: how many messages, and between which sequences.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use subject::SubjectTree;

/// A bound on a sequence: exact, or only a limit that the true one keeps.
///
/// Millions of subjects should fit in memory, so the flag shares the word. Never zero: a loose
/// bound has its flag, and there is no sequence 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound(NonZeroU64);

const LOOSE: u64 = 1 << 63;

impl Bound {
    pub(super) fn exact(seq: u64) -> Self {
        Bound(NonZeroU64::new(seq).unwrap_or(NonZeroU64::MIN))
    }

    pub(super) fn loose(seq: u64) -> Self {
        const FLAG: NonZeroU64 = match NonZeroU64::new(LOOSE) {
            Some(flag) => flag,
            None => NonZeroU64::MIN,
        };
        Bound(FLAG | seq)
    }

    pub(super) fn seq(self) -> u64 {
        self.0.get() & !LOOSE
    }

    pub(super) fn is_exact(self) -> bool {
        self.0.get() & LOOSE == 0
    }
}

/// What is known of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubjectInfo {
    /// Messages held.
    pub(super) total: u64,
    /// No message is below it.
    pub(super) first: Bound,
    /// No message is above it.
    pub(super) last: Bound,
}

/// A subject in the index: two words, and more only where it has several messages.
#[derive(Debug)]
pub(super) struct Entry(Holds);

#[derive(Debug)]
enum Holds {
    One { first: Bound, last: Bound },
    Several(Box<Several>),
}

#[derive(Debug)]
struct Several {
    info: SubjectInfo,
    /// All sequences, ascending; kept while the index tracks them, for two or more.
    #[allow(clippy::box_collection, reason = "most subjects have none: a word, not four")]
    seqs: Option<Box<VecDeque<u64>>>,
}

impl Several {
    /// Takes the bounds from the tracked sequences.
    fn bounds_from_seqs(&mut self) {
        let Some(seqs) = &self.seqs else { return };
        if let (Some(&first), Some(&last)) = (seqs.front(), seqs.back()) {
            self.info.first = Bound::exact(first);
            self.info.last = Bound::exact(last);
        }
    }

    fn track(&mut self, seq: u64) {
        match &mut self.seqs {
            Some(seqs) if seqs.back().is_none_or(|&last| last < seq) => seqs.push_back(seq),
            Some(seqs) => {
                if let Err(at) = seqs.binary_search(&seq) {
                    seqs.insert(at, seq);
                }
            }
            None => self.seqs = Some(Box::new([seq].into())),
        }
    }
}

impl Entry {
    fn new(info: SubjectInfo) -> Self {
        if info.total == 1 {
            // Knowing one end of one message is knowing both.
            let SubjectInfo { mut first, mut last, .. } = info;
            if first.is_exact() {
                last = first;
            } else if last.is_exact() {
                first = last;
            }
            Entry(Holds::One { first, last })
        } else {
            Entry(Holds::Several(Box::new(Several { info, seqs: None })))
        }
    }

    pub(super) fn info(&self) -> SubjectInfo {
        match &self.0 {
            Holds::One { first, last } => SubjectInfo { total: 1, first: *first, last: *last },
            Holds::Several(several) => several.info,
        }
    }

    fn seqs(&self) -> Option<&VecDeque<u64>> {
        match &self.0 {
            Holds::One { .. } => None,
            Holds::Several(several) => several.seqs.as_deref(),
        }
    }

    fn forget_seqs(&mut self) {
        if let Holds::Several(several) = &mut self.0 {
            several.seqs = None;
        }
    }

    /// Changes what is known.
    fn change(&mut self, change: impl FnOnce(&mut SubjectInfo)) {
        let mut info = self.info();
        change(&mut info);
        match &mut self.0 {
            Holds::Several(several) if info.total > 1 => several.info = info,
            _ => *self = Entry::new(info),
        }
    }

    fn remove(&mut self, seq: u64) {
        self.change(|info| {
            info.total = info.total.saturating_sub(1);
            if info.first.seq() == seq {
                info.first = Bound::loose(seq + 1);
            }
            if info.last.seq() == seq {
                info.last = Bound::loose(seq.saturating_sub(1));
            }
        });
    }

    /// Removes one of at least two whose sequences are tracked.
    fn remove_tracked(&mut self, seq: u64) {
        let Holds::Several(several) = &mut self.0 else { return };
        if let Some(seqs) = &mut several.seqs {
            if seqs.front() == Some(&seq) {
                seqs.pop_front();
            } else if let Ok(at) = seqs.binary_search(&seq) {
                seqs.remove(at);
            }
            several.info.total = several.info.total.saturating_sub(1);
            several.bounds_from_seqs();
            if several.info.total == 1 {
                *self = Entry::new(self.info());
            }
        }
    }

    /// Counts a message in; `tracking` keeps its sequence.
    fn add(&mut self, seq: u64, tracking: bool, place: impl FnOnce(&mut SubjectInfo, Bound)) {
        let old = self.info();
        self.change(|info| {
            info.total += 1;
            place(info, Bound::exact(seq));
        });
        if tracking && let Holds::Several(several) = &mut self.0 {
            if several.seqs.is_none() {
                several.track(old.first.seq());
            }
            several.track(seq);
        }
    }
}

/// All subjects of a stream.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    tree: SubjectTree<Entry>,
    /// Whether subjects with several messages know all their sequences.
    tracking: bool,
}

impl Subjects {
    pub(super) fn tree(&self) -> &SubjectTree<Entry> {
        &self.tree
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len() as u64
    }

    /// Forgets all subjects; what is added from now on is tracked if asked for.
    pub(super) fn reset(&mut self, tracking: bool) {
        self.tree.clear();
        self.tracking = tracking;
    }

    pub(super) fn is_tracking(&self) -> bool {
        self.tracking
    }

    /// Forgets the tracked sequences.
    pub(super) fn stop_tracking(&mut self) {
        if self.tracking {
            self.tracking = false;
            let mut names = Vec::new();
            self.tree.for_each(|literal, entry| {
                if entry.seqs().is_some() {
                    names.push(literal.to_vec());
                }
            });
            for name in names {
                if let Some(entry) = self.tree.get_mut(&name) {
                    entry.forget_seqs();
                }
            }
        }
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<SubjectInfo> {
        self.tree.get(subject).map(Entry::info)
    }

    /// The tracked sequences of a subject.
    pub(super) fn seqs(&self, subject: &[u8]) -> Option<&VecDeque<u64>> {
        self.tree.get(subject)?.seqs()
    }

    pub(super) fn total(&self, subject: &[u8]) -> u64 {
        self.tree.get(subject).map_or(0, |entry| entry.info().total)
    }

    /// Makes known what is known of a subject; it is not tracked.
    pub(super) fn set(&mut self, subject: &[u8], info: SubjectInfo) {
        let entry = self.tree.get_or_insert_with(subject, || Entry::new(info));
        *entry = Entry::new(info);
    }

    fn count(
        &mut self,
        subject: &[u8],
        seq: u64,
        place: impl FnOnce(&mut SubjectInfo, Bound),
    ) -> SubjectInfo {
        let at = Bound::exact(seq);
        let mut is_new = false;
        let entry = self.tree.get_or_insert_with(subject, || {
            is_new = true;
            Entry::new(SubjectInfo { total: 1, first: at, last: at })
        });
        if !is_new {
            entry.add(seq, self.tracking, place);
        }
        entry.info()
    }

    /// Counts a message after all others; answers what is known of the subject now.
    pub(super) fn append(&mut self, subject: &[u8], seq: u64) -> SubjectInfo {
        self.count(subject, seq, |info, at| info.last = at)
    }

    /// Counts a message that may be anywhere among the others.
    pub(super) fn insert(&mut self, subject: &[u8], seq: u64) {
        self.count(subject, seq, |info, at| {
            // A loose bound beyond `seq` says nothing about it; one at `seq` becomes exact.
            if seq <= info.first.seq() {
                info.first = at;
            }
            if seq >= info.last.seq() {
                info.last = at;
            }
        });
    }

    /// Forgets a message.
    pub(super) fn remove(&mut self, subject: &[u8], seq: u64) {
        let gone = match self.tree.get_mut(subject) {
            None => return,
            Some(entry) if entry.info().total <= 1 => true,
            Some(entry) => {
                match entry.seqs() {
                    Some(_) => entry.remove_tracked(seq),
                    None => entry.remove(seq),
                }
                false
            }
        };
        if gone {
            self.tree.remove(subject);
        }
    }

    pub(super) fn found_first(&mut self, subject: &[u8], seq: u64) {
        if let Some(entry) = self.tree.get_mut(subject) {
            entry.change(|info| info.first = Bound::exact(seq));
        }
    }

    pub(super) fn found_last(&mut self, subject: &[u8], seq: u64) {
        if let Some(entry) = self.tree.get_mut(subject) {
            entry.change(|info| info.last = Bound::exact(seq));
        }
    }
}
