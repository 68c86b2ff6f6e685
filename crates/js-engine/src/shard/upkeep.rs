//! What a shard does for its streams when there is time: it checks what was not read when they
//! were opened, and lets those that nobody uses give memory back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Shard;
use super::slot::Upkeep;

/// A stream that nobody used for so long is idle.
const IDLE_NS: u64 = 5_000_000_000;
/// Between two slices of checking on an idle stream, and on a busy one.
const IDLE_PAUSE_NS: u64 = 5_000_000;
const BUSY_PAUSE_NS: u64 = 100_000_000;
/// A stream is left alone for so long after a slice if it was used since.
const RECENT_NS: u64 = 50_000_000;

/// When to look at which slot; one entry per slot that has something to be done.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Agenda {
    fn add(&mut self, at_ns: u64, slot: u32) {
        self.heap.push(Reverse((at_ns, slot)));
    }

    /// When something is to be done next.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    fn pop_due(&mut self, now_ns: u64) -> Option<u32> {
        let Reverse((at_ns, slot)) = *self.heap.peek()?;
        if at_ns > now_ns {
            return None;
        }
        self.heap.pop();
        Some(slot)
    }
}

impl Shard {
    /// A stream was opened: what its store did not read is to be checked.
    pub(super) fn plan_upkeep(&mut self, number: u32) {
        self.agenda.add(self.mono_ns.saturating_add(BUSY_PAUSE_NS), number);
    }

    /// Somebody uses a stream.
    pub(super) fn note_use(&mut self, number: u32) {
        let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else {
            return;
        };
        slot.used_ns = self.mono_ns;
        if slot.upkeep == Upkeep::Nothing {
            slot.upkeep = Upkeep::Rest;
            self.agenda.add(self.mono_ns.saturating_add(IDLE_NS), number);
        }
    }

    /// Does one piece of what is due.
    pub(super) fn upkeep(&mut self) {
        let Some(number) = self.agenda.pop_due(self.mono_ns) else { return };
        let now = self.mono_ns;
        let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else {
            return;
        };
        if slot.failed {
            return;
        }
        let unused = now.saturating_sub(slot.used_ns);
        let work = AssertUnwindSafe(|| match slot.upkeep {
            Upkeep::Nothing => None,
            Upkeep::Verify => match slot.stream.verify_some() {
                store::Upkeep::More if unused < RECENT_NS => Some(now + BUSY_PAUSE_NS),
                store::Upkeep::More => Some(now + IDLE_PAUSE_NS),
                store::Upkeep::Done => {
                    slot.upkeep = Upkeep::Rest;
                    Some(now.max(slot.used_ns.saturating_add(IDLE_NS)))
                }
            },
            Upkeep::Rest if unused < IDLE_NS => {
                slot.stream.release_unused();
                Some(slot.used_ns.saturating_add(IDLE_NS))
            }
            Upkeep::Rest => match slot.stream.rest() {
                store::Upkeep::More => Some(now + BUSY_PAUSE_NS),
                store::Upkeep::Done => {
                    slot.upkeep = Upkeep::Nothing;
                    None
                }
            },
        });
        match catch_unwind(work) {
            Ok(Some(at_ns)) => self.agenda.add(at_ns, number),
            Ok(None) => {}
            Err(_) => slot.fail(),
        }
        // Damage that was found is repaired by a commit.
        let dirty = self.slots.get(number as usize).and_then(Option::as_ref);
        if dirty.is_some_and(|slot| !slot.failed && slot.stream.is_dirty()) {
            self.with_slot(number, |_, _| {});
        }
    }
}
