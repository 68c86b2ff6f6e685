//! A store in trouble: what clients and operators hear of it, and trying again.

use store::StoreEvent;
use types::advisory::Advisory;

use super::{NEVER, Stream};
use crate::ctx::Ctx;
use crate::effects::Effects;

/// How often a store that failed is asked to go on.
const HEAL_EVERY_NS: u64 = 250_000_000;
/// Most sequences that an advisory lists.
const MOST_LISTED: usize = 1000;

impl Stream {
    /// Lets a store that failed try to go on.
    pub(super) fn heal(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) {
        self.heal_at = NEVER;
        match self.store.heal() {
            Ok(()) => {}
            // It took back what came in since the last commit.
            Err(error) if self.store.totals().last_seq < self.last_seq => {
                self.roll_back(ctx, &error, fx);
            }
            Err(_) => {}
        }
    }

    /// Notes what became of the store: tells of it once, and plans to try again.
    pub(super) fn watch_store(&mut self, ctx: &Ctx<'_>) {
        let trouble = self.store.trouble();
        if trouble.is_some() != self.troubled {
            self.troubled = trouble.is_some();
            self.advisories.push(Advisory::StreamStore {
                stream: self.config.name.clone(),
                storing: trouble.is_none(),
                error: trouble.unwrap_or_default(),
                domain: self.env.domain.clone(),
            });
        }
        if self.troubled && self.heal_at == NEVER {
            self.heal_at = ctx.mono_ns.saturating_add(HEAL_EVERY_NS);
            self.wake = self.wake.min(self.heal_at);
        }
        self.hear_store(ctx);
    }

    /// Passes on what the store found.
    pub(super) fn hear_store(&mut self, ctx: &Ctx<'_>) {
        let mut lost_some = false;
        for event in self.store.take_events() {
            let (lost, bytes, reason) = match event {
                StoreEvent::Lost { msgs, bytes, place } => (msgs, bytes, place),
                StoreEvent::Repaired(what) => (Vec::new(), 0, what),
            };
            lost_some |= !lost.is_empty();
            self.advisories.push(Advisory::StreamDamage {
                stream: self.config.name.clone(),
                reason,
                lost: lost.len() as u64,
                lost_seqs: lost.into_iter().take(MOST_LISTED).collect(),
                bytes,
                domain: self.env.domain.clone(),
            });
        }
        if lost_some {
            self.settle_quota();
            self.recount_consumers(ctx);
        }
    }
}
