//! Consumers come, change and go.

use std::collections::BTreeMap;

use store::{ConsumerMeta, RecoveredConsumer};
use types::advisory::{Action, Advisory};
use types::api::{
    ConsumerAction, ConsumerList, ConsumerNames, LIST_LIMIT, NAMES_LIMIT, Paged, Paused,
};
use types::{
    AckPolicy, ApiError, ConsumerConfig, ConsumerInfo, DeliverPolicy, Retention, Timestamp, errors,
};

use super::Stream;
use crate::consumer::{Consumer, ConsumerCreate, ConsumerParts, check_update, same_consumer};
use crate::ctx::Ctx;
use crate::effects::{Effects, Watch};
use crate::errors::store_failed;

impl Stream {
    /// Makes a consumer, or updates the one of that name; answers its state
    /// (`server/consumer.go` `addConsumerWithAssignment`).
    ///
    /// # Errors
    /// 10148 exists (create), 10149 does not exist (update), 10026 too many, 10098 to 10101 for
    /// work queues, 10012 and others for updates that are not allowed, 10104 from the store.
    pub fn create_consumer(
        &mut self,
        ctx: &Ctx<'_>,
        wanted: ConsumerCreate,
        fx: &mut Effects,
    ) -> Result<ConsumerInfo, ApiError> {
        if self.closed {
            return Err(errors::STREAM_INVALID.err());
        }
        if let Some(slot) = self.consumers.find(wanted.name.as_bytes()) {
            return self.update_consumer(slot, ctx, wanted, fx);
        }
        if wanted.action == ConsumerAction::Update {
            return Err(errors::CONSUMER_DOES_NOT_EXIST.err());
        }
        self.check_consumer_count()?;
        self.check_work_queue(&wanted.config)?;
        let meta = ConsumerMeta { name: wanted.name, created: ctx.now, config: wanted.config };
        let slot = self.add_consumer(meta, ctx, fx)?;
        let burst = self.rate_burst();
        let info = self.with_consumer(slot, ctx, fx, |c, io| {
            c.configure(io, burst);
            c.wake_for_delivery = true;
            c.info(io)
        });
        self.tell_consumer(slot, Action::Create, fx);
        info.ok_or_else(|| errors::CONSUMER_NOT_FOUND.err())
    }

    /// Adds a consumer at the place where it starts, stored durably unless it is direct.
    pub(super) fn add_consumer(
        &mut self,
        meta: ConsumerMeta,
        ctx: &Ctx<'_>,
        fx: &mut Effects,
    ) -> Result<u32, ApiError> {
        // No crash takes messages that it is stored to start behind.
        if !meta.config.direct && self.store.is_dirty() {
            self.flush(ctx, self.durability(), fx);
        }
        let failed = |error| errors::CONSUMER_STORE_FAILED.with(error);
        let parts = ConsumerParts { meta, store: None, ticket: self.quota.count_consumer() };
        let mut consumer = Consumer::new(parts, &self.config.name);
        consumer.start(&mut *self.store, self.config.max_msgs_per_subject).map_err(failed)?;
        if !consumer.config.direct {
            consumer.store_in(&mut *self.store).map_err(failed)?;
        }
        Ok(self.consumers.add(consumer))
    }

    fn update_consumer(
        &mut self,
        slot: u32,
        ctx: &Ctx<'_>,
        wanted: ConsumerCreate,
        fx: &mut Effects,
    ) -> Result<ConsumerInfo, ApiError> {
        let old = self.consumers.get(slot).map(|c| c.config.clone()).unwrap_or_default();
        let mut new = wanted.config;
        if new.name.is_empty() {
            new.name.clone_from(&old.name);
        }
        if !new.is_durable() && new.inactive_threshold_ns <= 0 {
            new.inactive_threshold_ns = old.inactive_threshold_ns;
        }
        let same = same_consumer(&old, &new);
        if wanted.action == ConsumerAction::Create && !same {
            return Err(errors::CONSUMER_ALREADY_EXISTS.err());
        }
        if self.config.retention == Retention::WorkQueue
            && !self.filters_are_unique(&new.filters(), Some(slot))
        {
            return Err(errors::CONSUMER_WQ_CONSUMER_NOT_UNIQUE.err());
        }
        if !same {
            let (was, floor) = match self.consumers.get(slot) {
                Some(c) => (c.filter.store().clone(), c.ack_floor.stream),
                None => (store::Filter::all(), 0),
            };
            let bound = ctx.interest.has_interest(old.deliver_subject.as_bytes());
            check_update(&old, &new, bound)?;
            let burst = self.rate_burst();
            let updated = self.with_consumer(slot, ctx, fx, |c, io| c.update(new, burst, io));
            let refiltered =
                updated.unwrap_or(Ok(false)).map_err(|e| errors::CONSUMER_STORE_FAILED.with(e))?;
            if refiltered && self.config.retention == Retention::Interest {
                self.drop_unneeded_of(&was, floor, u64::MAX, ctx)?;
            }
        }
        self.with_consumer(slot, ctx, fx, |c, io| c.info(io))
            .ok_or_else(|| errors::CONSUMER_NOT_FOUND.err())
    }

    fn check_consumer_count(&self) -> Result<(), ApiError> {
        let stream = u64::try_from(self.config.max_consumers).ok().filter(|n| *n > 0);
        let account = self.quota.max_consumers();
        let most = match (stream, account) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let counted = self.consumers.iter().filter(|c| !c.config.direct && !c.config.sourcing);
        let counted = counted.count() as u64;
        if most.is_some_and(|most| counted >= most) {
            return Err(errors::MAXIMUM_CONSUMERS_LIMIT.err());
        }
        Ok(())
    }

    /// Each message of a work queue has at most one consumer.
    fn check_work_queue(&self, config: &ConsumerConfig) -> Result<(), ApiError> {
        if self.config.retention != Retention::WorkQueue || config.direct || config.sourcing {
            return Ok(());
        }
        if !matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl) {
            return Err(errors::CONSUMER_WQ_REQUIRES_EXPLICIT_ACK.err());
        }
        if self.consumers.iter().any(|c| !c.config.direct && !c.config.sourcing) {
            let filters = config.filters();
            if filters.is_empty() {
                return Err(errors::CONSUMER_WQ_MULTIPLE_UNFILTERED.err());
            }
            if !self.filters_are_unique(&filters, None) {
                return Err(errors::CONSUMER_WQ_CONSUMER_NOT_UNIQUE.err());
            }
        }
        if config.deliver_policy != DeliverPolicy::All {
            return Err(errors::CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL.err());
        }
        Ok(())
    }

    /// Whether no other consumer may get a message that these filters match
    /// (`partitionUnique`).
    fn filters_are_unique(&self, filters: &[&str], except: Option<u32>) -> bool {
        let except = except.and_then(|slot| self.consumers.get(slot)).map(|c| c.name.as_str());
        let mut others = self
            .consumers
            .iter()
            .filter(|c| Some(c.name.as_str()) != except && !c.config.direct && !c.config.sourcing);
        others.all(|other| {
            let theirs = other.filter.patterns();
            let collides = |mine: &&str| {
                theirs.is_empty()
                    || theirs.iter().any(|t| subject::collide(mine.as_bytes(), t.as_bytes()))
            };
            !filters.iter().any(collides)
        })
    }

    /// Largest message that a rate limit lets through at once.
    fn rate_burst(&self) -> u64 {
        u64::try_from(self.config.max_msg_size)
            .ok()
            .filter(|n| *n > 0)
            .unwrap_or(self.env.max_payload)
    }

    /// Takes over the consumers that the store found.
    pub(super) fn recover_consumers(
        &mut self,
        ctx: &Ctx<'_>,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        for RecoveredConsumer { meta, state, store } in self.store.take_recovered_consumers() {
            let ticket = self.quota.count_consumer();
            let parts = ConsumerParts { meta, store: Some(store), ticket };
            let consumer = Consumer::new(parts, &self.config.name);
            let slot = self.consumers.add(consumer);
            let per_subject = self.config.max_msgs_per_subject;
            let burst = self.rate_burst();
            let restored = self.with_consumer(slot, ctx, fx, |c, io| {
                let untouched = state.as_ref().is_none_or(|s| s.delivered.consumer == 0);
                let restored = match &state {
                    // The list of last messages is not stored; nothing of it was delivered yet.
                    Some(_) if untouched && c.starts_with_list() => c.start(io.store, per_subject),
                    Some(state) => c.restore(state, io),
                    None => c.start(io.store, per_subject),
                };
                c.configure(io, burst);
                if state.is_none() {
                    // Where it starts must not change again with the next start.
                    c.touch_now();
                }
                restored
            });
            restored.unwrap_or(Ok(())).map_err(|e| errors::CONSUMER_STORE_FAILED.with(e))?;
        }
        Ok(())
    }

    pub(super) fn tell_consumer(&self, slot: u32, action: Action, fx: &mut Effects) {
        if let Some(consumer) = self.consumers.get(slot) {
            fx.advisory(Advisory::ConsumerAction {
                stream: self.config.name.clone(),
                consumer: consumer.name.clone(),
                action,
                domain: self.env.domain.clone(),
            });
        }
    }

    /// Ends a consumer for good.
    pub(super) fn remove_consumer(&mut self, slot: u32, ctx: &Ctx<'_>, fx: &mut Effects) {
        self.tell_consumer(slot, Action::Delete, fx);
        let Some(mut consumer) = self.consumers.remove(slot) else { return };
        self.ready.retain(|s| *s != slot);
        self.confirming.retain(|s| *s != slot);
        consumer.release_requests(fx);
        if consumer.is_push() {
            fx.watch(Watch::Stop {
                consumer: consumer.name.clone(),
                subject: consumer.config.deliver_subject.clone(),
            });
        }
        fx.consumer_gone(&consumer.name);
        // What could not be deleted comes back as an idle consumer after a restart.
        drop(consumer.delete_stored());
        if self.config.retention == Retention::Interest {
            // What is left over for want of a readable message goes at the next recovery.
            let (filter, floor) = (consumer.filter.store(), consumer.ack_floor.stream);
            drop(self.drop_unneeded_of(filter, floor, u64::MAX, ctx));
        }
    }

    /// Deletes a consumer.
    ///
    /// # Errors
    /// 10014 if there is none of that name.
    pub fn delete_consumer(
        &mut self,
        ctx: &Ctx<'_>,
        name: &str,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        let slot = self.slot_of(name)?;
        self.remove_consumer(slot, ctx, fx);
        Ok(())
    }

    fn slot_of(&self, name: &str) -> Result<u32, ApiError> {
        self.consumers.find(name.as_bytes()).ok_or_else(|| errors::CONSUMER_NOT_FOUND.err())
    }

    /// How many consumers there are.
    pub fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    #[cfg(test)]
    pub(crate) fn consumer(&self, name: &str) -> &Consumer {
        let slot = self.consumers.find(name.as_bytes()).expect("the test made it");
        self.consumers.get(slot).expect("a name has a slot")
    }

    /// Whether there is a consumer of that name.
    pub fn has_consumer(&self, name: &str) -> bool {
        self.consumers.find(name.as_bytes()).is_some()
    }

    /// A consumer's state.
    ///
    /// # Errors
    /// 10014 if there is none of that name.
    pub fn consumer_info(
        &mut self,
        ctx: &Ctx<'_>,
        name: &str,
        fx: &mut Effects,
    ) -> Result<ConsumerInfo, ApiError> {
        let slot = self.slot_of(name)?;
        self.with_consumer(slot, ctx, fx, |c, io| c.info(io))
            .ok_or_else(|| errors::CONSUMER_NOT_FOUND.err())
    }

    /// One page of consumer names, in order.
    pub fn consumer_names(&self, offset: usize) -> ConsumerNames {
        let names = self.consumers.sorted_names();
        let total = names.len();
        let offset = offset.min(total);
        let consumers = names.into_iter().skip(offset).take(NAMES_LIMIT).collect();
        ConsumerNames { page: Paged { total, offset, limit: NAMES_LIMIT }, consumers }
    }

    /// One page of consumers, by name.
    pub fn consumer_list(
        &mut self,
        ctx: &Ctx<'_>,
        offset: usize,
        fx: &mut Effects,
    ) -> ConsumerList {
        let names = self.consumers.sorted_names();
        let total = names.len();
        let offset = offset.min(total);
        let page = names.iter().skip(offset).take(LIST_LIMIT);
        let consumers = page.filter_map(|name| self.consumer_info(ctx, name, fx).ok()).collect();
        let page = Paged { total, offset, limit: LIST_LIMIT };
        // A stream with consumers that cannot be served is not served itself.
        ConsumerList { page, consumers, offline: BTreeMap::new(), missing: Vec::new() }
    }

    /// Every consumer's state, by name.
    pub fn all_consumers(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) -> Vec<ConsumerInfo> {
        let names = self.consumers.sorted_names();
        names.iter().filter_map(|name| self.consumer_info(ctx, name, fx).ok()).collect()
    }

    /// Pauses a consumer until a time, or resumes it.
    ///
    /// # Errors
    /// 10014 if there is none of that name, 10104 from the store.
    pub fn pause_consumer(
        &mut self,
        ctx: &Ctx<'_>,
        name: &str,
        until: Option<Timestamp>,
        fx: &mut Effects,
    ) -> Result<Paused, ApiError> {
        let slot = self.slot_of(name)?;
        let burst = self.rate_burst();
        let until = until.filter(|u| !u.is_zero());
        let updated = self.with_consumer(slot, ctx, fx, |c, io| {
            let mut config = c.config.clone();
            config.pause_until = until;
            c.update(config, burst, io)
        });
        updated.unwrap_or(Ok(false)).map_err(|e| errors::CONSUMER_STORE_FAILED.with(e))?;
        let remaining = until.map_or(0, |u| u.unix_ns().saturating_sub(ctx.now.unix_ns())).max(0);
        Ok(Paused {
            paused: remaining > 0,
            pause_until: until.unwrap_or_default(),
            pause_remaining_ns: remaining,
        })
    }

    /// Lets a priority group go of its pinned client.
    ///
    /// # Errors
    /// 10014 if there is no such consumer, 10160 if it has no such group.
    pub fn unpin_consumer(
        &mut self,
        ctx: &Ctx<'_>,
        name: &str,
        group: &str,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        let slot = self.slot_of(name)?;
        let known = self.with_consumer(slot, ctx, fx, |c, io| {
            let known = c.config.priority_groups.iter().any(|g| g == group);
            if known {
                c.unpin("admin", io);
            }
            known
        });
        if known == Some(true) {
            Ok(())
        } else {
            Err(errors::CONSUMER_INVALID_PRIORITY_GROUP.err())
        }
    }

    /// Starts a consumer over at its ack floor (0) or at a sequence; answers its state.
    ///
    /// # Errors
    /// 10014 if there is no such consumer, 10204 if its deliver policy does not allow it.
    pub fn reset_consumer(
        &mut self,
        ctx: &Ctx<'_>,
        name: &str,
        seq: u64,
        fx: &mut Effects,
    ) -> Result<(ConsumerInfo, u64), ApiError> {
        let slot = self.slot_of(name)?;
        let reset = self.with_consumer(slot, ctx, fx, |c, io| {
            let seq = c.reset(seq, io.store)?;
            c.touch_now();
            Ok((c.info(io), seq))
        });
        let reset: Result<_, &'static str> = reset.unwrap_or(Err("not found"));
        let reset = reset.map_err(|text| errors::CONSUMER_INVALID_RESET.with(text))?;
        if self.config.retention == Retention::Interest {
            self.drop_unneeded(ctx)?;
        }
        Ok(reset)
    }

    /// Deletes the stream and its consumers for good.
    ///
    /// # Errors
    /// 10050 if its files cannot be deleted.
    pub fn delete(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) -> Result<(), ApiError> {
        self.closed = true;
        self.drop_feeds();
        for slot in self.consumers.slots() {
            self.tell_consumer(slot, Action::Delete, fx);
            let Some(mut consumer) = self.consumers.remove(slot) else { continue };
            consumer.release_requests(fx);
            if consumer.is_push() {
                fx.watch(Watch::Stop {
                    consumer: consumer.name.clone(),
                    subject: consumer.config.deliver_subject.clone(),
                });
            }
            fx.consumer_gone(&consumer.name);
        }
        self.ready.clear();
        self.wake = super::NEVER;
        fx.append(&mut self.held);
        let deleted = self.store.delete();
        self.quota.credit(self.quota.used());
        self.tell(Action::Delete, fx);
        let _ = ctx;
        deleted.map_err(|error| errors::STREAM_DELETE.with(store_failed(&error).description))
    }
}
