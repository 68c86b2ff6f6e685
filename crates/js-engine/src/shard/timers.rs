//! When which stream wants to be called.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines of a shard's streams, at most a few per stream.
///
/// Outdated entries stay until they come up: the owner remembers the deadline in force and
/// ignores the others.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Timers {
    pub(crate) fn arm(&mut self, deadline_ns: u64, slot: u32) {
        self.heap.push(Reverse((deadline_ns, slot)));
    }

    /// The next entry that is due at `now_ns`.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        let Reverse((deadline, slot)) = *self.heap.peek()?;
        if deadline > now_ns {
            return None;
        }
        self.heap.pop();
        Some((deadline, slot))
    }

    /// When the next entry is due.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }
}
