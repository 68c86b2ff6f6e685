//! The per-subject index of a file store: how many messages, and between which sequences.

use subject::SubjectTree;

/// A bound on a sequence: exact, or only a limit that the true one keeps.
///
/// Seventy million subjects should fit in memory, so the flag shares the word.
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

impl SubjectInfo {
    /// With one message left, knowing one end is knowing both.
    fn settle(&mut self) {
        if self.total == 1 {
            if self.first.is_exact() {
                self.last = self.first;
            } else if self.last.is_exact() {
                self.first = self.last;
            }
        }
    }

    fn remove(&mut self, seq: u64) {
        self.total = self.total.saturating_sub(1);
        if self.first.seq() == seq {
            self.first = Bound::loose(seq + 1);
        }
        if self.last.seq() == seq {
            self.last = Bound::loose(seq.saturating_sub(1));
        }
        self.settle();
    }
}

/// All subjects of a stream.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    tree: SubjectTree<SubjectInfo>,
}

impl Subjects {
    pub(super) fn tree(&self) -> &SubjectTree<SubjectInfo> {
        &self.tree
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len() as u64
    }

    pub(super) fn clear(&mut self) {
        self.tree.clear();
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<SubjectInfo> {
        self.tree.get(subject).copied()
    }

    pub(super) fn total(&self, subject: &[u8]) -> u64 {
        self.tree.get(subject).map_or(0, |info| info.total)
    }

    pub(super) fn set(&mut self, subject: &[u8], info: SubjectInfo) {
        self.tree.insert(subject, info);
    }

    /// Counts a message after all others; answers the subject's new total.
    pub(super) fn append(&mut self, subject: &[u8], seq: u64) -> u64 {
        let seq = Bound::exact(seq);
        let info = self.tree.get_or_insert_with(subject, || SubjectInfo {
            total: 0,
            first: seq,
            last: seq,
        });
        info.total += 1;
        info.last = seq;
        info.total
    }

    /// Counts a message that may be anywhere among the others, of which none is loose.
    pub(super) fn insert(&mut self, subject: &[u8], seq: u64) {
        let at = Bound::exact(seq);
        let info =
            self.tree.get_or_insert_with(subject, || SubjectInfo { total: 0, first: at, last: at });
        info.total += 1;
        // A loose bound beyond `seq` says nothing about it; one at `seq` becomes exact.
        if seq <= info.first.seq() {
            info.first = at;
        }
        if seq >= info.last.seq() {
            info.last = at;
        }
    }

    /// Forgets a message.
    pub(super) fn remove(&mut self, subject: &[u8], seq: u64) {
        let gone = match self.tree.get_mut(subject) {
            None => return,
            Some(info) if info.total <= 1 => true,
            Some(info) => {
                info.remove(seq);
                false
            }
        };
        if gone {
            self.tree.remove(subject);
        }
    }

    pub(super) fn found_first(&mut self, subject: &[u8], seq: u64) {
        if let Some(info) = self.tree.get_mut(subject) {
            info.first = Bound::exact(seq);
            info.settle();
        }
    }

    pub(super) fn found_last(&mut self, subject: &[u8], seq: u64) {
        if let Some(info) = self.tree.get_mut(subject) {
            info.last = Bound::exact(seq);
            info.settle();
        }
    }
}
