//! What is to be delivered again: expired and refused messages, and how often each was.

use std::collections::{BTreeMap, VecDeque};

use types::Timestamp;
use types::advisory::Advisory;

use super::pending::{NEVER, Phase};
use super::{Consumer, Io};

/// Sequences that wait for another delivery, and delivery counts.
#[derive(Debug, Default)]
pub(crate) struct Redelivery {
    /// In order of redelivery. An entry counts only while its message is `Phase::Queued`.
    queue: VecDeque<u64>,
    /// Deliveries beyond the first by stream sequence. Messages that reached `max_deliver` stay
    /// here after they left the pending ones: they are not acknowledged either.
    counts: BTreeMap<u64, u64>,
}

impl Redelivery {
    /// Deliveries beyond the first.
    pub(crate) fn count(&self, seq: u64) -> u64 {
        if self.counts.is_empty() { 0 } else { self.counts.get(&seq).copied().unwrap_or(0) }
    }

    /// Sets deliveries beyond the first.
    pub(crate) fn set_count(&mut self, seq: u64, count: u64) {
        self.counts.insert(seq, count);
    }

    /// Forgets a settled message; false if nothing was counted for it.
    pub(crate) fn forget(&mut self, seq: u64) -> bool {
        !self.counts.is_empty() && self.counts.remove(&seq).is_some()
    }

    /// Forgets the counts of sequences that `keep` refuses.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u64) -> bool) {
        self.counts.retain(|seq, _| keep(*seq));
    }

    /// Counts by sequence, ascending.
    pub(crate) fn counts(&self) -> &BTreeMap<u64, u64> {
        &self.counts
    }

    /// Puts a sequence at the end.
    pub(crate) fn push(&mut self, seq: u64) {
        self.queue.push_back(seq);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.counts.clear();
    }
}

impl Consumer {
    /// How long a message may stay unacknowledged after its delivery number `count + 1`.
    pub(crate) fn ack_wait_after(&self, count: u64) -> u64 {
        let backoff = &self.config.backoff_ns;
        let last = backoff.len().saturating_sub(1);
        let at = usize::try_from(count).unwrap_or(last).min(last);
        let wait = backoff.get(at).copied().unwrap_or(self.config.ack_wait_ns);
        u64::try_from(wait).unwrap_or(0)
    }

    /// Deadline of a delivery made now.
    pub(crate) fn ack_deadline(&self, now: u64, count: u64) -> u64 {
        match self.ack_wait_after(count) {
            0 => NEVER,
            wait => now.saturating_add(wait),
        }
    }

    /// How many wait in the redelivery queue.
    pub(crate) fn redeliveries_queued(&self) -> usize {
        self.queued
    }

    /// The next message to deliver again, left in the queue.
    pub(crate) fn peek_redelivery(&mut self) -> Option<u64> {
        if self.queued == 0 {
            self.redelivery.queue.clear();
            return None;
        }
        while let Some(seq) = self.redelivery.queue.front().copied() {
            if self.pending.get(seq).is_some_and(|e| e.phase == Phase::Queued) {
                return Some(seq);
            }
            self.redelivery.queue.pop_front();
        }
        self.queued = 0;
        None
    }

    /// Takes what [`Self::peek_redelivery`] showed.
    pub(crate) fn pop_redelivery(&mut self) {
        if self.redelivery.queue.pop_front().is_some() {
            self.queued = self.queued.saturating_sub(1);
        }
    }

    /// Queues a pending message for another delivery.
    pub(crate) fn queue_redelivery(&mut self, seq: u64) {
        if self.pending.queue(seq) {
            self.redelivery.push(seq);
            self.queued += 1;
        }
    }

    /// Takes a message out of the pending ones, wherever it stands.
    pub(crate) fn take_pending(&mut self, seq: u64) -> Option<super::pending::Unacked> {
        let taken = self.pending.remove(seq)?;
        if taken.phase == Phase::Queued {
            self.queued = self.queued.saturating_sub(1);
        }
        Some(taken)
    }

    /// Queues what was not acknowledged in time; gives up what was delivered often enough
    /// (`server/consumer.go` `checkPending`).
    pub(crate) fn expire_acks(&mut self, io: &mut Io<'_, '_>) {
        if self.pending.next_deadline() > io.ctx.mono_ns {
            return;
        }
        let mut expired = std::mem::take(&mut self.scratch_seqs);
        expired.clear();
        while let Some(seq) = self.pending.pop_due(io.ctx.mono_ns) {
            let times = self.redelivery.count(seq) + 1;
            if self.max_deliver().is_some_and(|max| times >= max) {
                self.give_up(seq, times, io);
            } else {
                expired.push(seq);
            }
        }
        expired.sort_unstable();
        for seq in &expired {
            self.queue_redelivery(*seq);
        }
        if !expired.is_empty() {
            self.touched(io.ctx);
        }
        self.scratch_seqs = expired;
    }

    /// Most deliveries of one message, if limited.
    pub(crate) fn max_deliver(&self) -> Option<u64> {
        u64::try_from(self.config.max_deliver).ok().filter(|n| *n > 0)
    }

    /// A message was delivered as often as allowed: it is not delivered again, yet it is not
    /// acknowledged (`hasMaxDeliveries`, `notifyDeliveryExceeded`).
    pub(crate) fn give_up(&mut self, seq: u64, times: u64, io: &mut Io<'_, '_>) {
        io.fx.advisory(Advisory::MaxDeliver {
            stream: io.stream.to_owned(),
            consumer: self.name.clone(),
            stream_seq: seq,
            deliveries: times,
            domain: io.env.domain.clone(),
        });
        self.take_pending(seq);
        self.redelivery.set_count(seq, times);
        self.raise_floor();
        self.touched(io.ctx);
    }

    /// Rebuilds all deadlines after `ack_wait` or `backoff` changed.
    pub(crate) fn reschedule_acks(&mut self, now: Timestamp, mono_ns: u64) {
        let waits: BTreeMap<u64, u64> = self
            .pending
            .iter()
            .map(|e| (e.seq, self.ack_wait_after(self.redelivery.count(e.seq))))
            .collect();
        self.pending.reschedule(|e| match waits.get(&e.seq).copied() {
            None | Some(0) => NEVER,
            Some(wait) => deadline_from_wall(e.delivered_ns, wait, now, mono_ns),
        });
        self.arm_acks();
    }

    /// Lets the timer know the earliest ack deadline.
    pub(crate) fn arm_acks(&mut self) {
        let at = self.pending.next_deadline();
        self.arm(at);
    }
}

/// The monotonic time that is `wait` ns after a wall time, never before now.
pub(crate) fn deadline_from_wall(from_ns: i64, wait: u64, now: Timestamp, mono_ns: u64) -> u64 {
    let elapsed = u64::try_from(now.unix_ns().saturating_sub(from_ns)).unwrap_or(0);
    mono_ns.saturating_add(wait.saturating_sub(elapsed))
}
