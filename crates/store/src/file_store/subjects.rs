//! The per-subject index of a file store: how many messages, and between which sequences.

use std::collections::VecDeque;

use subject::SubjectTree;

use super::subject_entry::{Entry, Kept};

/// A bound on a sequence: exact, or only a limit that the true one keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound(u64);

const LOOSE: u64 = 1 << 63;

impl Bound {
    pub(super) const fn exact(seq: u64) -> Self {
        Bound(seq & !LOOSE)
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
    /// The same, with what follows from it: knowing one end of one message is knowing both.
    fn normal(mut self) -> Self {
        if self.total == 1 {
            if self.first.is_exact() {
                self.last = self.first;
            } else if self.last.is_exact() {
                self.first = self.last;
            }
        }
        self
    }

    /// Whether the bounds are all sequences that there are.
    pub(super) fn tells_all(&self) -> bool {
        self.total <= 2 && self.first.is_exact() && self.last.is_exact()
    }

    /// The sequences that it tells, ascending.
    pub(super) fn known(&self) -> impl Iterator<Item = u64> + use<> {
        let exact = |bound: Bound| Some(bound).filter(|bound| bound.is_exact()).map(Bound::seq);
        let first = exact(self.first).filter(|_| self.total > 0);
        let last = exact(self.last).filter(|&last| self.total > 1 && first != Some(last));
        first.into_iter().chain(last)
    }

    /// One message less.
    fn remove(&mut self, seq: u64) {
        self.total = self.total.saturating_sub(1);
        if self.first.seq() == seq {
            self.first = Bound::loose(seq + 1);
        }
        if self.last.seq() == seq {
            self.last = Bound::loose(seq.saturating_sub(1));
        }
    }
}

/// All subjects of a stream.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    tree: SubjectTree<Entry>,
    /// What does not fit in an entry.
    kept: Kept,
    /// Whether sequences that the bounds do not tell are remembered.
    tracking: bool,
}

impl Subjects {
    pub(super) fn tree(&self) -> &SubjectTree<Entry> {
        &self.tree
    }

    /// What the tree's entry of a subject says.
    pub(super) fn info(&self, entry: &Entry) -> SubjectInfo {
        self.kept.info(entry)
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len() as u64
    }

    /// Forgets all subjects; sequences of what is added from now on are remembered if asked for.
    pub(super) fn reset(&mut self, tracking: bool) {
        self.tree.clear();
        self.kept = Kept::default();
        self.tracking = tracking;
    }

    /// Gives memory back that removed subjects have left unused.
    pub(super) fn shrink(&mut self) {
        self.tree.shrink();
    }

    pub(super) fn is_tracking(&self) -> bool {
        self.tracking
    }

    /// Remembers no sequences any more, or those from now on.
    pub(super) fn set_tracking(&mut self, tracking: bool) {
        self.tracking = tracking;
        let mut names = Vec::new();
        self.tree.for_each(|literal, entry| {
            if self.kept.seqs(entry).is_some() {
                names.push(literal.to_vec());
            }
        });
        for name in names {
            if let Some(entry) = self.tree.get_mut(&name) {
                self.kept.forget_seqs(entry);
            }
        }
    }

    pub(super) fn get(&self, subject: &[u8]) -> Option<SubjectInfo> {
        self.tree.get(subject).map(|entry| self.kept.info(entry))
    }

    /// All sequences of a subject, if they are known and its bounds do not tell them.
    pub(super) fn seqs(&self, subject: &[u8]) -> Option<&VecDeque<u64>> {
        let entry = self.tree.get(subject)?;
        self.kept.seqs(entry).filter(|seqs| seqs.len() as u64 == self.kept.info(entry).total)
    }

    /// The known sequences of a subject from `from` on, ascending.
    pub(super) fn known_from(&self, subject: &[u8], from: u64) -> impl Iterator<Item = u64> {
        let entry = self.tree.get(subject);
        let seqs = entry.and_then(|entry| self.kept.seqs(entry));
        let bounds = entry.filter(|_| seqs.is_none()).map(|entry| self.kept.info(entry).known());
        let start = seqs.map_or(0, |seqs| seqs.partition_point(|&seq| seq < from));
        let seqs = seqs.into_iter().flat_map(move |seqs| seqs.range(start..).copied());
        seqs.chain(bounds.into_iter().flatten().filter(move |&seq| seq >= from))
    }

    pub(super) fn total(&self, subject: &[u8]) -> u64 {
        self.get(subject).map_or(0, |info| info.total)
    }

    /// Makes known what an index says of a subject.
    pub(super) fn set(&mut self, subject: &[u8], info: SubjectInfo) {
        let entry = self.tree.get_or_insert_with(subject, Entry::default);
        self.kept.set(entry, info.normal());
    }

    fn count(
        &mut self,
        subject: &[u8],
        seq: u64,
        place: impl FnOnce(&mut SubjectInfo, Bound),
    ) -> SubjectInfo {
        let at = Bound::exact(seq);
        let entry = self.tree.get_or_insert_with(subject, Entry::default);
        let old = self.kept.info(entry);
        let mut info = old;
        info.total += 1;
        if old.total == 0 {
            (info.first, info.last) = (at, at);
        } else {
            place(&mut info, at);
        }
        let info = info.normal();
        self.kept.set(entry, info);
        if self.tracking && old.total > 0 {
            self.kept.learn(entry, old, seq);
        }
        info
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
        let Some(entry) = self.tree.get_mut(subject) else { return };
        let mut info = self.kept.info(entry);
        if info.total <= 1 {
            if let Some(mut entry) = self.tree.remove(subject) {
                self.kept.free(&mut entry);
            }
        } else {
            info.remove(seq);
            self.kept.unlearn(entry, seq);
            self.kept.set(entry, info.normal());
        }
    }

    /// Makes a message known that is counted already.
    pub(super) fn learn(&mut self, subject: &[u8], seq: u64) {
        if let Some(entry) = self.tree.get_mut(subject) {
            let info = self.kept.info(entry);
            self.kept.learn(entry, info, seq);
        }
    }

    pub(super) fn found_first(&mut self, subject: &[u8], seq: u64) {
        self.found(subject, |info| info.first = Bound::exact(seq));
    }

    pub(super) fn found_last(&mut self, subject: &[u8], seq: u64) {
        self.found(subject, |info| info.last = Bound::exact(seq));
    }

    fn found(&mut self, subject: &[u8], change: impl FnOnce(&mut SubjectInfo)) {
        if let Some(entry) = self.tree.get_mut(subject) {
            let mut info = self.kept.info(entry);
            change(&mut info);
            self.kept.set(entry, info.normal());
        }
    }
}
