//! Interest and work-queue retention: messages go when nobody needs them.

use store::{Erase, Purge};
use types::{ApiError, Retention};

use super::Stream;
use crate::consumer::Cause;
use crate::ctx::Ctx;
use crate::errors::store_failed;

impl Stream {
    /// Whether any consumer's filter matches.
    pub(super) fn has_consumer_for(&self, subject: &[u8]) -> bool {
        self.consumers.iter().any(|c| c.filter.matches(subject))
    }

    /// Removes the messages that consumers settled since the last call, where no other consumer
    /// needs them (`ackMsg`).
    pub(super) fn drop_settled(&mut self, ctx: &Ctx<'_>) {
        if self.settled.is_empty() {
            return;
        }
        let mut settled = std::mem::take(&mut self.settled);
        if self.is_interest_based() {
            for seq in settled.drain(..) {
                self.drop_if_unneeded(seq, ctx);
            }
        }
        settled.clear();
        self.settled = settled;
    }

    fn drop_if_unneeded(&mut self, seq: u64, ctx: &Ctx<'_>) {
        let Stream { store, consumers, .. } = self;
        // A message that cannot be read stays.
        let Ok(Some(msg)) = store.get(seq) else { return };
        if consumers.iter().any(|c| c.needs(seq, msg.subject)) {
            return;
        }
        let removed = self.with_removals(Cause::Settled, ctx, |store, removed| {
            store.remove(seq, Erase::Keep, removed)
        });
        // A failed removal leaves the message; recovery removes what nobody needs.
        drop(removed);
    }

    /// Removes what nobody needs any more, at recovery and when retention changes
    /// (`checkInterestState`).
    pub(super) fn drop_unneeded(&mut self, ctx: &Ctx<'_>) -> Result<(), ApiError> {
        // Above what was delivered every message still waits for the one it was stored for.
        let to = self.consumers.iter().map(|c| c.delivered.stream).max().unwrap_or(0);
        self.drop_unneeded_of(&store::Filter::all(), 0, to, ctx)
    }

    /// Removes what only `filter` above `from` was stored for, after its consumer left or
    /// narrowed its filter (`cleanupNoInterestMessages`).
    pub(super) fn drop_unneeded_of(
        &mut self,
        filter: &store::Filter,
        from: u64,
        to: u64,
        ctx: &Ctx<'_>,
    ) -> Result<(), ApiError> {
        match self.config.retention {
            Retention::Limits => return Ok(()),
            Retention::Interest if self.consumers.is_empty() => {
                let all = Purge::default();
                self.save_before_purge();
                self.with_removals(Cause::Settled, ctx, |store, removed| {
                    store.purge(&all, removed)
                })
                .map_err(|error| store_failed(&error))?;
                return Ok(());
            }
            // Without consumers a work queue keeps everything.
            Retention::WorkQueue if self.consumers.is_empty() => return Ok(()),
            Retention::Interest | Retention::WorkQueue => {}
        }
        let work_queue = self.config.retention == Retention::WorkQueue;
        let totals = self.store.totals();
        let mut from = from.max(totals.first_seq);
        let to = to.min(totals.last_seq);
        while from <= to {
            let Stream { store, consumers, .. } = self;
            let found = store.next_match(filter, from).map_err(|error| store_failed(&error))?;
            let Some(msg) = found.filter(|m| m.seq <= to) else { break };
            let (seq, subject) = (msg.seq, msg.subject);
            let wanted = consumers.iter().any(|c| c.needs(seq, subject));
            // A work queue also keeps what no consumer is there for yet.
            let unclaimed = work_queue && !consumers.iter().any(|c| c.filter.matches(subject));
            from = seq + 1;
            if !wanted && !unclaimed {
                self.with_removals(Cause::Settled, ctx, |store, removed| {
                    store.remove(seq, Erase::Keep, removed)
                })
                .map_err(|error| store_failed(&error))?;
            }
        }
        Ok(())
    }
}
