//! Commit: one flush for all that came in, then acks and confirmations go out; and timers.

use store::{Durability, StoreError};
use types::{ApiError, Timestamp};

use super::{NEVER, Stream};
use crate::SyncPolicy;
use crate::consumer::{Cause, Consumer, Fate};
use crate::ctx::Ctx;
use crate::effects::Effects;
use crate::errors::{pub_refused, store_failed};

/// How long written data may wait for its sync where nothing else is configured
/// (`server/filestore.go` `defaultSyncInterval`).
const DEFAULT_SYNC_INTERVAL_NS: u64 = 120_000_000_000;

/// The progress of so many consumers is synced by a clean stop. Of more it is only written: each
/// sync takes its time, and what was confirmed to a client was synced before that.
const MOST_SYNCED_AT_STOP: usize = 64;

impl Stream {
    /// Makes what came in durable, then releases what depends on it: publish acks, republished
    /// messages, confirmations of acks, advisories.
    ///
    /// If the store fails, what was not committed is refused with 10077 instead, forgotten
    /// everywhere, and never delivered.
    pub fn commit(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) {
        self.save_origins();
        if self.store.is_dirty() {
            let wanted = if self.needs_sync { self.durability() } else { Durability::Written };
            self.flush(ctx, wanted, fx);
        } else if self.failed {
            let error = StoreError::Poisoned("not committed".to_owned());
            self.roll_back(ctx, &error, fx);
        } else {
            self.committed = self.last_seq;
            self.origins.flushed(self.last_seq);
            fx.append(&mut self.held);
        }
        self.needs_sync = false;
        self.confirm(fx);
        self.watch_store(ctx);
        for advisory in self.advisories.drain(..) {
            fx.advisory(advisory);
        }
    }

    pub(super) fn flush(&mut self, ctx: &Ctx<'_>, durability: Durability, fx: &mut Effects) {
        self.save_origins();
        match self.store.flush(durability) {
            Ok(()) => self.flushed(ctx, durability, fx),
            Err(error) => self.roll_back(ctx, &error, fx),
        }
    }

    fn flushed(&mut self, ctx: &Ctx<'_>, how: Durability, fx: &mut Effects) {
        self.committed = self.last_seq;
        self.origins.flushed(self.last_seq);
        self.failed = false;
        fx.append(&mut self.held);
        if how == Durability::Written && self.sync_at == NEVER {
            let every = match self.env.sync {
                SyncPolicy::Interval(every) => every,
                // `persist_mode: async` under the strict default.
                SyncPolicy::Always => DEFAULT_SYNC_INTERVAL_NS,
            };
            self.sync_at = ctx.mono_ns.saturating_add(every);
            self.wake = self.wake.min(self.sync_at);
        }
    }

    /// What the failed flush was to make durable never happened.
    pub(super) fn roll_back(&mut self, ctx: &Ctx<'_>, error: &StoreError, fx: &mut Effects) {
        let kept = self.store.totals().last_seq;
        // A poisoned store may still show what it could not write.
        self.committed = self.committed.min(kept);
        self.failed = kept > self.committed;
        self.note_last();
        self.origins.roll_back(self.committed, ctx);
        self.plan_origins();
        self.dedup.roll_back(self.committed);
        self.last_msg_id.clear();
        self.settle_quota();
        self.recount_consumers(ctx);
        self.find_schedules_again(ctx);
        let refusal = pub_refused(&self.config.name, store_failed(error));
        let committed = self.committed;
        fx.append_committed(&mut self.held, committed, |fx, refused| {
            // Republished messages have a reply of no one: they are dropped.
            if refused.headers.is_empty() {
                fx.send(refused.dest, b"", b"", &refusal);
            }
        });
    }

    /// Stores the progress of consumers that were asked to confirm acks, then confirms: what was
    /// confirmed does not come again after a power cut either, unless syncs are relaxed.
    fn confirm(&mut self, fx: &mut Effects) {
        let durability = match self.env.sync {
            SyncPolicy::Always => Durability::Synced,
            SyncPolicy::Interval(_) => Durability::Written,
        };
        let mut failed = false;
        for slot in std::mem::take(&mut self.confirming) {
            if let Some(consumer) = self.consumers.get_mut(slot)
                && consumer.is_unsaved()
                && consumer.save(durability).is_err()
            {
                failed = true;
            }
        }
        if failed {
            // Silence makes the client ask again; a confirmation would be a lie.
            self.confirms.clear();
        } else {
            fx.append(&mut self.confirms);
        }
    }

    /// Does what is due: ack waits, expiries, heartbeats, requests, saving of progress.
    pub fn tick(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) {
        if ctx.mono_ns < self.wake || self.closed {
            return;
        }
        self.expire_messages(ctx);
        self.fire_schedules(ctx);
        self.retry_held(ctx);
        self.expire_batches(ctx);
        self.dedup.expire(ctx.now);
        if ctx.mono_ns >= self.sync_at {
            self.sync_at = NEVER;
            self.flush(ctx, Durability::Synced, fx);
        }
        if ctx.mono_ns >= self.heal_at {
            self.heal(ctx, fx);
        }
        for slot in self.consumers.slots() {
            let due = self.consumers.get(slot).is_some_and(|c| c.wake <= ctx.mono_ns);
            if due && self.with_consumer(slot, ctx, fx, |c, io| c.tick(io)) == Some(Fate::Inactive)
            {
                self.remove_consumer(slot, ctx, fx);
            }
        }
        self.drop_settled(ctx);
        self.watch_store(ctx);
        self.plan_wake(ctx);
    }

    /// Removes what came of age while the stream was down: nobody sees it any more. Where markers
    /// are left, the first tick does it.
    pub(super) fn expire_at_recovery(&mut self, ctx: &Ctx<'_>) {
        if self.config.subject_delete_marker_ttl_ns == 0 {
            self.expire_messages(ctx);
        }
    }

    /// Removes what max_age and TTLs say at the time of `ctx`, without waiting for the timer.
    pub fn expire(&mut self, ctx: &Ctx<'_>) {
        if !self.closed {
            self.expire_messages(ctx);
            self.plan_wake(ctx);
        }
    }

    /// Removes what max_age and TTLs say.
    fn expire_messages(&mut self, ctx: &Ctx<'_>) {
        let early = ctx.mono_ns < self.expire_from;
        if early || self.store.next_expiry().is_none_or(|at| at > ctx.now) {
            return;
        }
        if self.config.subject_delete_marker_ttl_ns > 0 {
            return self.leave_markers(ctx);
        }
        let now = ctx.now;
        let expired =
            self.with_removals(Cause::Limits, ctx, |store, removed| store.expire(now, removed));
        // A failure shows with the next write; expiry is tried again with the next tick.
        let _: Result<Option<Timestamp>, StoreError> = expired;
    }

    /// Computes when the next tick is due.
    pub(super) fn plan_wake(&mut self, ctx: &Ctx<'_>) {
        let consumers = self.consumers.iter().map(|c| c.wake).min().unwrap_or(NEVER);
        let batches = self.batches.next_deadline();
        let origins = self.origins_due();
        self.wake = consumers.min(self.sync_at).min(self.heal_at).min(batches).min(origins);
        self.plan_dedup(ctx);
        self.plan_expiry(ctx);
        self.plan_schedules(ctx);
    }

    /// Lets the timer know when the oldest message id is due. The window is checked at lookup:
    /// expiry only frees memory, and takes whole batches.
    pub(super) fn plan_dedup(&mut self, ctx: &Ctx<'_>) {
        if let Some(due) = self.dedup.next_expiry() {
            let wait = u64::try_from(due.saturating_sub(ctx.now.unix_ns())).unwrap_or(0);
            let wait = wait.max(50_000_000);
            self.wake = self.wake.min(ctx.mono_ns.saturating_add(wait));
        }
    }

    /// Lets the timer know when the store's next message expires.
    pub(super) fn plan_expiry(&mut self, ctx: &Ctx<'_>) {
        if let Some(at) = self.store.next_expiry() {
            let wait = u64::try_from(at.unix_ns().saturating_sub(ctx.now.unix_ns())).unwrap_or(0);
            // Not more often than every few ms: expiry takes whole batches.
            let wait = wait.max(5_000_000);
            let due = ctx.mono_ns.saturating_add(wait).max(self.expire_from);
            self.wake = self.wake.min(due);
        }
    }

    /// Counts again what each consumer has pending.
    pub(super) fn recount_consumers(&mut self, _ctx: &Ctx<'_>) {
        let Stream { store, consumers, ready, .. } = self;
        for (slot, consumer) in consumers.slots_mut() {
            consumer.recount(&mut **store);
            if consumer.num_pending > 0 && consumer.wants_messages() {
                super::mark_ready(consumer, slot, ready);
            }
        }
    }

    /// Ends all pull requests, stores all progress and closes the store.
    ///
    /// # Errors
    /// 10077 if the store fails; what it could store is stored.
    pub fn stop(&mut self, fx: &mut Effects) -> Result<(), ApiError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let mut first_error = None;
        let unsynced = self.consumers.iter().filter(|c| c.is_unsynced()).count();
        let (durability, behind): (_, fn(&Consumer) -> bool) = match unsynced {
            ..=MOST_SYNCED_AT_STOP => (Durability::Synced, Consumer::is_unsynced),
            _ => (Durability::Written, Consumer::is_unsaved),
        };
        for slot in self.consumers.slots() {
            let Some(consumer) = self.consumers.get_mut(slot) else { continue };
            consumer.end_requests(fx, "409 Server Shutdown");
            if behind(consumer)
                && let Err(error) = consumer.save(durability)
            {
                first_error.get_or_insert(error);
            }
        }
        self.origins.save_all();
        self.save_origins();
        if let Err(error) = self.store.stop().and_then(|()| self.save_schedules()) {
            first_error.get_or_insert(error);
        }
        first_error.map_or(Ok(()), |error| Err(store_failed(&error)))
    }
}
