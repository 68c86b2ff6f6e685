//! Messages delivered but not acknowledged, with their ack deadlines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// One unacknowledged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unacked {
    /// Stream sequence.
    pub(crate) seq: u64,
    /// Consumer sequence of the first delivery.
    pub(crate) dseq: u64,
    /// Wall time of the last delivery, ns.
    pub(crate) delivered_ns: i64,
    /// When it is redelivered, on the monotonic clock.
    pub(crate) deadline: u64,
    /// Where it stands.
    pub(crate) phase: Phase,
}

/// Where an unacknowledged message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// With a client.
    Waiting,
    /// In the redelivery queue.
    Queued,
    /// Settled; the slot is reclaimed when it comes to the front.
    Gone,
}

/// Unacknowledged messages in order of stream sequence.
///
/// Deliveries come in ascending order and acks mostly too, so a deque with tombstones does both
/// in constant time. Deadlines wait in a queue that is ordered by itself while the ack wait is
/// constant; odd ones (backoff, delayed naks) go through a heap. Both hold stale entries, which
/// are recognised by the deadline that the message has now.
#[derive(Debug, Default)]
pub(crate) struct PendingAcks {
    entries: VecDeque<Unacked>,
    live: usize,
    queue: VecDeque<(u64, u64)>,
    odd: BinaryHeap<Reverse<(u64, u64)>>,
}

impl PendingAcks {
    /// How many are unacknowledged.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The lowest unacknowledged one.
    pub(crate) fn first(&self) -> Option<&Unacked> {
        self.entries.front()
    }

    /// All, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Unacked> {
        self.entries.iter().filter(|e| e.phase != Phase::Gone)
    }

    fn index(&self, seq: u64) -> Option<usize> {
        let first = self.entries.front()?.seq;
        let offset = usize::try_from(seq.checked_sub(first)?).ok()?;
        // Without gaps the place follows from the sequence.
        match self.entries.get(offset) {
            Some(e) if e.seq == seq => Some(offset),
            _ => self.entries.binary_search_by_key(&seq, |e| e.seq).ok(),
        }
        .filter(|at| self.entries.get(*at).is_some_and(|e| e.phase != Phase::Gone))
    }

    /// The one with this sequence.
    pub(crate) fn get(&self, seq: u64) -> Option<&Unacked> {
        self.entries.get(self.index(seq)?)
    }

    /// Adds a first delivery.
    pub(crate) fn add(&mut self, seq: u64, dseq: u64, delivered_ns: i64, deadline: u64) {
        let entry = Unacked { seq, dseq, delivered_ns, deadline, phase: Phase::Waiting };
        if self.entries.back().is_none_or(|e| e.seq < seq) {
            self.entries.push_back(entry);
        } else {
            match self.entries.binary_search_by_key(&seq, |e| e.seq) {
                Ok(at) => {
                    if let Some(slot) = self.entries.get_mut(at) {
                        if slot.phase != Phase::Gone {
                            self.live -= 1;
                        }
                        *slot = entry;
                    }
                }
                Err(at) => self.entries.insert(at, entry),
            }
        }
        self.live += 1;
        self.schedule(seq, deadline);
    }

    /// Notes another delivery; the consumer sequence stays that of the first.
    pub(crate) fn redelivered(&mut self, seq: u64, delivered_ns: i64, deadline: u64) {
        if let Some(e) = self.index(seq).and_then(|at| self.entries.get_mut(at)) {
            e.delivered_ns = delivered_ns;
            e.deadline = deadline;
            e.phase = Phase::Waiting;
            self.schedule(seq, deadline);
        }
    }

    /// Moves the deadline and takes the message out of the redelivery queue.
    ///
    /// `delivered_ns` is what the stored progress says, from which a restart counts again.
    pub(crate) fn postpone(&mut self, seq: u64, delivered_ns: i64, deadline: u64) -> bool {
        let Some(e) = self.index(seq).and_then(|at| self.entries.get_mut(at)) else {
            return false;
        };
        e.delivered_ns = delivered_ns;
        e.deadline = deadline;
        e.phase = Phase::Waiting;
        self.schedule(seq, deadline);
        true
    }

    /// Marks the message as queued for redelivery; false if it is not waiting.
    pub(crate) fn queue(&mut self, seq: u64) -> bool {
        match self.index(seq).and_then(|at| self.entries.get_mut(at)) {
            Some(e) if e.phase == Phase::Waiting => {
                e.phase = Phase::Queued;
                e.deadline = NEVER;
                true
            }
            _ => false,
        }
    }

    /// Takes a settled message out.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Unacked> {
        let at = self.index(seq)?;
        let entry = self.entries.get_mut(at)?;
        let removed = *entry;
        entry.phase = Phase::Gone;
        self.live -= 1;
        self.reclaim();
        Some(removed)
    }

    /// Takes the lowest out if it is at or below `seq`.
    pub(crate) fn remove_first_up_to(&mut self, seq: u64) -> Option<Unacked> {
        let first = self.first().filter(|e| e.seq <= seq)?.seq;
        self.remove(first)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.queue.clear();
        self.odd.clear();
        self.live = 0;
    }

    fn reclaim(&mut self) {
        while self.entries.front().is_some_and(|e| e.phase == Phase::Gone) {
            self.entries.pop_front();
        }
        if self.entries.len() > 64 + 4 * self.live {
            self.entries.retain(|e| e.phase != Phase::Gone);
        }
        let first = self.entries.front().map_or(u64::MAX, |e| e.seq);
        while self.queue.front().is_some_and(|(_, seq)| *seq < first) {
            self.queue.pop_front();
        }
        if self.entries.is_empty() {
            self.odd.clear();
        } else if self.odd.len() > 64 + 4 * self.live {
            let stale = std::mem::take(&mut self.odd);
            self.odd =
                stale.into_iter().filter(|Reverse((at, seq))| self.is_due_at(*seq, *at)).collect();
        }
    }

    fn schedule(&mut self, seq: u64, deadline: u64) {
        if deadline == NEVER {
            return;
        }
        if self.queue.back().is_none_or(|(at, _)| *at <= deadline) {
            if self.queue.len() > 64 + 4 * self.live {
                let mut queue = std::mem::take(&mut self.queue);
                queue.retain(|(at, seq)| self.is_due_at(*seq, *at));
                self.queue = queue;
            }
            self.queue.push_back((deadline, seq));
        } else {
            self.odd.push(Reverse((deadline, seq)));
        }
    }

    fn is_due_at(&self, seq: u64, at: u64) -> bool {
        self.get(seq).is_some_and(|e| e.deadline == at && e.phase == Phase::Waiting)
    }

    /// The earliest deadline; drops stale ones on the way.
    pub(crate) fn next_deadline(&mut self) -> u64 {
        while let Some((at, seq)) = self.queue.front().copied() {
            if self.is_due_at(seq, at) {
                break;
            }
            self.queue.pop_front();
        }
        while let Some(Reverse((at, seq))) = self.odd.peek().copied() {
            if self.is_due_at(seq, at) {
                break;
            }
            self.odd.pop();
        }
        let queued = self.queue.front().map_or(NEVER, |(at, _)| *at);
        let odd = self.odd.peek().map_or(NEVER, |Reverse((at, _))| *at);
        queued.min(odd)
    }

    /// Takes out one deadline that has passed and answers its message, which stays pending.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<u64> {
        let next = self.next_deadline();
        if next > now || next == NEVER {
            return None;
        }
        if self.queue.front().is_some_and(|(at, _)| *at == next) {
            return self.queue.pop_front().map(|(_, seq)| seq);
        }
        self.odd.pop().map(|Reverse((_, seq))| seq)
    }

    /// Gives every waiting message a new deadline.
    pub(crate) fn reschedule(&mut self, deadline: impl Fn(&Unacked) -> u64) {
        self.queue.clear();
        self.odd.clear();
        let mut entries = std::mem::take(&mut self.entries);
        for e in entries.iter_mut().filter(|e| e.phase == Phase::Waiting) {
            e.deadline = deadline(e);
            self.schedule(e.seq, e.deadline);
        }
        self.entries = entries;
    }
}
