//! The per-subject index of a file store: how many messages, and between which sequences.

use std::collections::VecDeque;

use subject::SubjectTree;

/// A bound on a sequence: exact, or only a limit that the true one keeps.
///
/// Millions of subjects should fit in memory, so the flag shares the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound(u64);

const LOOSE: u64 = 1 << 63;

impl Bound {
    pub(super) fn exact(seq: u64) -> Self {
        Bound(seq)
    }

    pub(super) fn loose(seq: u64) -> Self {
        Bound(seq | LOOSE)
    }

    pub(super) fn seq(self) -> u64 {
        self.0 & !LOOSE
    }

    pub(super) fn is_exact(self) -> bool {
        self.0 & LOOSE == 0
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

/// A subject in the index.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) info: SubjectInfo,
    /// All sequences, ascending; kept while the index tracks them, for two or more.
    #[allow(clippy::box_collection, reason = "most subjects have none: a word, not four")]
    seqs: Option<Box<VecDeque<u64>>>,
}

impl Entry {
    /// With one message left, knowing one end is knowing both.
    fn settle(&mut self) {
        let info = &mut self.info;
        if info.total == 1 {
            if info.first.is_exact() {
                info.last = info.first;
            } else if info.last.is_exact() {
                info.first = info.last;
            }
        }
    }

    /// Takes the bounds from the tracked sequences.
    fn bounds_from_seqs(&mut self) {
        let Some(seqs) = &self.seqs else { return };
        if let (Some(&first), Some(&last)) = (seqs.front(), seqs.back()) {
            self.info.first = Bound::exact(first);
            self.info.last = Bound::exact(last);
        }
        if seqs.len() < 2 {
            self.seqs = None;
        }
    }

    fn remove(&mut self, seq: u64) {
        let info = &mut self.info;
        info.total = info.total.saturating_sub(1);
        if info.first.seq() == seq {
            info.first = Bound::loose(seq + 1);
        }
        if info.last.seq() == seq {
            info.last = Bound::loose(seq.saturating_sub(1));
        }
        if let Some(seqs) = &mut self.seqs {
            if seqs.front() == Some(&seq) {
                seqs.pop_front();
            } else if let Ok(at) = seqs.binary_search(&seq) {
                seqs.remove(at);
            }
            self.bounds_from_seqs();
        }
        self.settle();
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
                if entry.seqs.is_some() {
                    names.push(literal.to_vec());
                }
            });
            for name in names {
                if let Some(entry) = self.tree.get_mut(&name) {
                    entry.seqs = None;
                }
            }
        }
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<SubjectInfo> {
        self.tree.get(subject).map(|entry| entry.info)
    }

    /// The tracked sequences of a subject.
    pub(super) fn seqs(&self, subject: &[u8]) -> Option<&VecDeque<u64>> {
        self.tree.get(subject)?.seqs.as_deref()
    }

    pub(super) fn total(&self, subject: &[u8]) -> u64 {
        self.tree.get(subject).map_or(0, |entry| entry.info.total)
    }

    pub(super) fn set(&mut self, subject: &[u8], info: SubjectInfo) {
        self.tree.insert(subject, Entry { info, seqs: None });
    }

    /// Counts a message after all others; answers what is known of the subject now.
    pub(super) fn append(&mut self, subject: &[u8], seq: u64) -> SubjectInfo {
        let at = Bound::exact(seq);
        let entry = self.tree.get_or_insert_with(subject, || Entry {
            info: SubjectInfo { total: 0, first: at, last: at },
            seqs: None,
        });
        if self.tracking && entry.info.total > 0 {
            if entry.seqs.is_none() {
                entry.track(entry.info.first.seq());
            }
            entry.track(seq);
        }
        entry.info.total += 1;
        entry.info.last = at;
        entry.info
    }

    /// Counts a message that may be anywhere among the others.
    pub(super) fn insert(&mut self, subject: &[u8], seq: u64) {
        let at = Bound::exact(seq);
        let entry = self.tree.get_or_insert_with(subject, || Entry {
            info: SubjectInfo { total: 0, first: at, last: at },
            seqs: None,
        });
        if self.tracking && entry.info.total > 0 {
            if entry.seqs.is_none() {
                entry.track(entry.info.first.seq());
            }
            entry.track(seq);
        }
        entry.info.total += 1;
        // A loose bound beyond `seq` says nothing about it; one at `seq` becomes exact.
        if seq <= entry.info.first.seq() {
            entry.info.first = at;
        }
        if seq >= entry.info.last.seq() {
            entry.info.last = at;
        }
    }

    /// Forgets a message.
    pub(super) fn remove(&mut self, subject: &[u8], seq: u64) {
        let gone = match self.tree.get_mut(subject) {
            None => return,
            Some(entry) if entry.info.total <= 1 => true,
            Some(entry) => {
                entry.remove(seq);
                false
            }
        };
        if gone {
            self.tree.remove(subject);
        }
    }

    pub(super) fn found_first(&mut self, subject: &[u8], seq: u64) {
        if let Some(entry) = self.tree.get_mut(subject) {
            entry.info.first = Bound::exact(seq);
            entry.settle();
        }
    }

    pub(super) fn found_last(&mut self, subject: &[u8], seq: u64) {
        if let Some(entry) = self.tree.get_mut(subject) {
            entry.info.last = Bound::exact(seq);
            entry.settle();
        }
    }
}
