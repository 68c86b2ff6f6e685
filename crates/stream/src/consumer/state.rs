//! A consumer's stored progress: saving it, and going on from it.

use store::{ConsumerState, Durability, PendingAck, StoreError, StreamStore, Totals};
use types::{SequencePair, Timestamp};

use super::pending::NEVER;
use super::redelivery::deadline_from_wall;
use super::{Consumer, Io};
use crate::ctx::Ctx;

impl Consumer {
    /// The progress as it is stored.
    pub(crate) fn state(&self) -> ConsumerState {
        ConsumerState {
            delivered: self.delivered,
            ack_floor: self.ack_floor,
            pending: self
                .pending
                .iter()
                .map(|e| PendingAck {
                    stream_seq: e.seq,
                    consumer_seq: e.dseq,
                    delivered: Timestamp::from_unix_ns(e.delivered_ns),
                })
                .collect(),
            redelivered: self.redelivery.counts().iter().map(|(s, n)| (*s, *n)).collect(),
        }
    }

    /// Whether the stored progress is behind.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.save_at != NEVER
    }

    /// Whether a power cut would take back some of the progress.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced || self.is_unsaved()
    }

    /// Stores it for the first time, durably.
    pub(crate) fn store_in(&mut self, store: &mut dyn StreamStore) -> Result<(), StoreError> {
        self.store = Some(store.create_consumer(&self.meta(), &self.state())?);
        Ok(())
    }

    /// Stores the progress.
    pub(crate) fn save(&mut self, durability: Durability) -> Result<(), StoreError> {
        let state = self.state();
        if let Some(store) = &mut self.store {
            store.save(&state, durability)?;
        }
        self.save_at = NEVER;
        self.unsynced = durability == Durability::Written;
        Ok(())
    }

    /// Stores the progress if it is due; a failure is tried again later.
    pub(crate) fn save_if_due(&mut self, ctx: &Ctx<'_>) {
        if self.save_at > ctx.mono_ns {
            return;
        }
        if self.save(Durability::Written).is_err() {
            self.save_at = ctx.mono_ns.saturating_add(super::SAVE_DELAY_NS);
        }
    }

    /// Goes on from stored progress (`readStoredState`, `reconcileStateWithStream`).
    ///
    /// Whatever the file says, afterwards the ack floor is not above what was delivered, what
    /// was delivered is not above the stream's last sequence, and each pending message is stored
    /// and above the floor.
    pub(crate) fn restore(
        &mut self,
        state: &ConsumerState,
        io: &mut Io<'_, '_>,
    ) -> Result<(), StoreError> {
        let totals = io.store.totals();
        self.delivered = state.delivered;
        self.ack_floor = SequencePair {
            consumer: state.ack_floor.consumer.min(state.delivered.consumer),
            stream: state.ack_floor.stream.min(state.delivered.stream),
        };
        if self.delivered.stream > totals.last_seq && self.delivered.consumer > 0 {
            self.fit_to_stream(state, totals);
        }
        let known = |seq: u64, consumer: &Consumer| {
            seq > consumer.ack_floor.stream && seq <= consumer.delivered.stream
        };
        for (seq, count) in &state.redelivered {
            if *count > 0 && is_stored(io.store, *seq)? {
                self.redelivery.set_count(*seq, *count);
            }
        }
        for entry in &state.pending {
            let seq = entry.stream_seq;
            if !known(seq, self) || !is_stored(io.store, seq)? {
                continue;
            }
            let wait = self.ack_wait_after(self.redelivery.count(seq));
            let at = entry.delivered.unix_ns();
            let deadline = match wait {
                0 => NEVER,
                wait => deadline_from_wall(at, wait, io.ctx.now, io.ctx.mono_ns),
            };
            self.pending.add(seq, entry.consumer_seq.max(1), at, deadline);
        }
        if state.pending.len() != self.pending.len() {
            self.raise_floor();
        }
        if io.retention == types::Retention::Limits {
            // A count outlives its message's delivery only where the message is still owed.
            let floor = self.ack_floor.stream;
            self.redelivery.retain(|seq| seq > floor);
        }
        self.next_seq = (self.delivered.stream + 1).max(totals.first_seq);
        self.recount(io.store);
        self.start_replay(totals.last_seq);
        self.arm_acks();
        Ok(())
    }

    /// The stream lost its end: the consumer must see what is published from there on.
    fn fit_to_stream(&mut self, state: &ConsumerState, totals: Totals) {
        let last = totals.last_seq;
        if self.ack_floor.stream > last {
            self.ack_floor = SequencePair { consumer: self.delivered.consumer, stream: last };
        }
        let highest =
            state.pending.iter().filter(|p| p.stream_seq <= last).max_by_key(|p| p.stream_seq);
        self.delivered.stream = match highest {
            Some(p) => p.stream_seq.max(self.ack_floor.stream),
            None => self.ack_floor.stream,
        };
        self.touch_now();
    }

    /// Marks the progress as changed, to be stored with the next tick.
    pub(crate) fn touch_now(&mut self) {
        if self.store.is_some() {
            self.save_at = 0;
            self.arm(0);
        }
    }

    /// Deletes what is stored of this consumer.
    pub(crate) fn delete_stored(&mut self) -> Result<(), StoreError> {
        match self.store.take() {
            Some(mut store) => store.delete(),
            None => Ok(()),
        }
    }

    /// Brings the consumer up to date after a purge (`server/consumer.go` `purge`): it goes on
    /// at `first` if it was before that.
    pub(crate) fn purged(&mut self, first: u64, mono_ns: u64) {
        if self.skip.as_ref().is_some_and(|s| s.seqs.is_empty()) {
            self.skip = None;
        }
        self.next_seq = self.next_seq.max(first);
        if self.skip.is_none() {
            // Whatever was left out on the way counts as delivered now.
            self.delivered.stream = self.delivered.stream.max(self.next_seq - 1);
        }
        if self.pending.len() == 0 {
            self.redelivery.clear();
        }
        self.raise_floor();
        self.note_touched(mono_ns);
    }
}

fn is_stored(store: &mut dyn StreamStore, seq: u64) -> Result<bool, StoreError> {
    Ok(store.get(seq)?.is_some())
}
