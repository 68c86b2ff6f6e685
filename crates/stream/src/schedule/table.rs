//! The schedules of a stream, one for each subject, and which is due.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Sequence of the message that is the schedule.
    pub(crate) seq: u64,
    /// Its subject.
    pub(crate) subject: Arc<[u8]>,
    /// When it was to fire.
    pub(crate) due_ns: i64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u64,
    due_ns: i64,
    /// When it is looked at; later than due where it could not fire.
    wake_ns: i64,
}

/// All schedules.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    by_subject: HashMap<Arc<[u8]>, Entry, foldhash::fast::RandomState>,
    wakes: BTreeMap<(i64, u64), Arc<[u8]>>,
}

impl Schedules {
    /// Adds one; it replaces what its subject had.
    pub(crate) fn set(&mut self, subject: &[u8], seq: u64, due_ns: i64) {
        self.remove(subject);
        let subject: Arc<[u8]> = subject.into();
        self.wakes.insert((due_ns, seq), Arc::clone(&subject));
        self.by_subject.insert(subject, Entry { seq, due_ns, wake_ns: due_ns });
    }

    /// Its next time.
    pub(crate) fn set_due(&mut self, subject: &[u8], due_ns: i64) {
        self.change(subject, |entry| (entry.due_ns, entry.wake_ns) = (due_ns, due_ns));
    }

    /// It could not fire: not before this time again.
    pub(crate) fn put_off(&mut self, subject: &[u8], wake_ns: i64) {
        self.change(subject, |entry| entry.wake_ns = wake_ns);
    }

    fn change(&mut self, subject: &[u8], change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.by_subject.get_mut(subject) else { return };
        let Some(subject) = self.wakes.remove(&(entry.wake_ns, entry.seq)) else { return };
        change(entry);
        self.wakes.insert((entry.wake_ns, entry.seq), subject);
    }

    /// Forgets the schedule of a subject.
    pub(crate) fn remove(&mut self, subject: &[u8]) {
        if let Some(entry) = self.by_subject.remove(subject) {
            self.wakes.remove(&(entry.wake_ns, entry.seq));
        }
    }

    /// A message left the stream, and with it the schedule if it was one.
    pub(crate) fn removed(&mut self, seq: u64, subject: &[u8]) {
        if self.by_subject.get(subject).is_some_and(|entry| entry.seq == seq) {
            self.remove(subject);
        }
    }

    /// Sequence of the message that is the schedule of a subject.
    pub(crate) fn seq_of(&self, subject: &[u8]) -> Option<u64> {
        self.by_subject.get(subject).map(|entry| entry.seq)
    }

    /// When to look next.
    pub(crate) fn next_wake_ns(&self) -> Option<i64> {
        self.wakes.first_key_value().map(|(&(wake, _), _)| wake)
    }

    /// At most `most` that are due, in the order of their messages.
    pub(crate) fn due(&self, now_ns: i64, most: usize) -> Vec<Due> {
        let due = self.wakes.iter().take_while(|&(&(wake, _), _)| wake <= now_ns);
        let mut due: Vec<Due> = due.take(most).filter_map(|(_, s)| self.entry(s)).collect();
        due.sort_unstable_by_key(|due| due.seq);
        due
    }

    /// All of them, in the order of their messages.
    pub(crate) fn all(&self) -> Vec<Due> {
        let mut all: Vec<Due> = self.wakes.values().filter_map(|s| self.entry(s)).collect();
        all.sort_unstable_by_key(|due| due.seq);
        all
    }

    fn entry(&self, subject: &Arc<[u8]>) -> Option<Due> {
        let entry = self.by_subject.get(subject)?;
        Some(Due { seq: entry.seq, subject: Arc::clone(subject), due_ns: entry.due_ns })
    }

    pub(crate) fn clear(&mut self) {
        self.by_subject.clear();
        self.wakes.clear();
    }
}
