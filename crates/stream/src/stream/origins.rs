//! Taking messages in from other streams: as a mirror, or from sources.

use std::borrow::Cow;
use std::sync::Arc;

use store::{Purge, StoreError};
use types::{ApiError, ExternalStream, Retention, StreamSourceInfo};

use super::publish::{Ack, Charge, Checked, Put, Refusal, Rollup};
use super::{NEVER, Stream};
use crate::consumer::Cause;
use crate::ctx::Ctx;
use crate::errors::store_failed;
use crate::headers::{PublishHeaders, ttl_seconds};
use crate::origins::{
    Feed, Held, Home, OriginBatch, OriginMsg, OriginRead, ReaderId, Ticket, from_mirrored,
    from_sourced,
};

/// A consumer at an origin that is of no more use.
#[derive(Clone, Debug)]
pub struct GoneReader {
    /// The origin.
    pub stream: Arc<str>,
    /// As in [`OriginRead::external`].
    pub external: Option<Arc<ExternalStream>>,
    /// Who read there.
    pub reader: Arc<ReaderId>,
}

/// What became of a message of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Stored,
    /// It is here already, or its id is.
    Known,
    /// It cannot be stored now.
    Refused,
}

impl Stream {
    /// Whether it takes messages from other streams, or did until just now.
    pub fn reads_others(&self) -> bool {
        !self.origins.is_empty() || !self.gone_readers.is_empty()
    }

    /// What it wants to read of its origins now. To be called whenever the stream was touched;
    /// each read must be answered by [`take_origin`](Self::take_origin).
    pub fn origin_reads(&mut self, ctx: &Ctx<'_>) -> Vec<OriginRead> {
        let mut reads = Vec::new();
        if self.origins.is_empty() || self.closed {
            return reads;
        }
        let committed = self.committed;
        if let Some(mirror) = &mut self.origins.mirror {
            reads.extend(mirror.ask(committed, ctx));
        }
        for feed in &mut self.origins.sources {
            let safe = feed.committed;
            reads.extend(feed.ask(safe, ctx));
        }
        reads
    }

    /// The origin of a mirror that answers direct gets for it, as that is not there itself
    /// (`mirror_direct`).
    pub fn stands_in_for(&self) -> Option<&str> {
        let mirror = self.origins.mirror.as_ref().filter(|_| self.config.mirror_direct)?;
        mirror.is_missing().then_some(mirror.config().name.as_str())
    }

    /// Consumers at origins that the last change of the configuration, or the end of the stream,
    /// left without a use.
    pub fn take_gone_readers(&mut self) -> Vec<GoneReader> {
        std::mem::take(&mut self.gone_readers)
    }

    /// An origin's answer; stores what is in it until something cannot be stored.
    pub fn take_origin(
        &mut self,
        ctx: &Ctx<'_>,
        ticket: Ticket,
        answer: Result<OriginBatch, ApiError>,
    ) {
        if self.closed {
            return;
        }
        let Some(place) = self.origins.place_of(ticket.feed) else { return };
        let feed = self.origins.feed_mut(place).filter(|feed| feed.expects(ticket));
        let Some(feed) = feed else { return };
        let batch = match answer {
            Ok(batch) => batch,
            Err(error) => {
                feed.failed(error, ctx);
                return self.plan_origins();
            }
        };
        feed.heard(batch.keeps, ctx);
        self.take_held(ctx, place, Held { batch, done: 0 });
        self.plan_origins();
    }

    /// Stores what can be stored of it; the rest waits.
    fn take_held(&mut self, ctx: &Ctx<'_>, place: usize, held: Held) {
        let Held { batch, done } = held;
        let is_mirror = self.config.mirror.is_some();
        let began = batch.began.filter(|_| is_mirror);
        let mut now = done;
        if began.is_none_or(|began| self.begin_mirror(ctx, began).is_ok()) {
            for msg in batch.iter_from(done) {
                let taken = match is_mirror {
                    true => self.take_mirrored(ctx, place, &msg),
                    false => self.take_sourced(ctx, place, &msg),
                };
                // Whatever it was refused for may pass, as in the reference.
                if taken == Taken::Refused {
                    break;
                }
                now += 1;
            }
        }
        let all = now == batch.len() && began.is_none_or(|began| began <= self.last_seq + 1);
        match self.origins.feed_mut(place) {
            Some(feed) if all => feed.read_on(batch.next, batch.pending),
            Some(feed) => {
                feed.hold(Held { batch, done: now }, now > done, ctx);
                self.origins.holds();
            }
            None => {}
        }
    }

    /// Tries what could not be stored again.
    pub(super) fn retry_held(&mut self, ctx: &Ctx<'_>) {
        for place in 0.. {
            let Some(feed) = self.origins.feed_mut(place) else { break };
            if let Some(held) = feed.take_held(ctx) {
                self.take_held(ctx, place, held);
            }
        }
    }

    /// A mirror begins where its origin does.
    fn begin_mirror(&mut self, ctx: &Ctx<'_>, began: u64) -> Result<(), ApiError> {
        if began <= self.last_seq + 1 {
            return Ok(());
        }
        let empty = self.store.totals().msgs == 0;
        let moved = if empty {
            let purge = Purge { below_seq: began, ..Purge::default() };
            self.with_removals(Cause::Purge, ctx, |store, removed| store.purge(&purge, removed))
                .map(drop)
        } else {
            self.store.skip_to(began)
        };
        moved.map_err(|error| store_failed(&error))?;
        self.needs_sync = true;
        self.note_last();
        if empty {
            self.committed = self.last_seq;
        }
        Ok(())
    }

    fn take_mirrored(&mut self, ctx: &Ctx<'_>, place: usize, msg: &OriginMsg<'_>) -> Taken {
        if msg.seq <= self.last_seq {
            return Taken::Known;
        }
        if msg.seq > self.last_seq + 1 {
            if self.store.skip_to(msg.seq).is_err() {
                return Taken::Refused;
            }
            self.note_last();
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let headers = from_mirrored(msg.headers, &mut scratch);
        let taken = self.store_taken(ctx, place, msg, headers);
        self.scratch = scratch;
        taken
    }

    fn take_sourced(&mut self, ctx: &Ctx<'_>, place: usize, msg: &OriginMsg<'_>) -> Taken {
        let mut scratch = std::mem::take(&mut self.scratch);
        let known = match self.origins.feed_mut(place) {
            Some(feed) if msg.seq > feed.seen => {
                from_sourced(msg.headers, &feed.index, msg.seq, msg.subject, &mut scratch);
                false
            }
            Some(_) | None => true,
        };
        if known {
            self.scratch = scratch;
            return Taken::Known;
        }
        let taken = self.store_taken(ctx, place, msg, &scratch);
        self.scratch = scratch;
        if taken != Taken::Refused
            && let Some(feed) = self.origins.feed_mut(place)
        {
            feed.seen = msg.seq;
        }
        if taken == Taken::Known {
            self.origins.passed_over();
        }
        taken
    }

    /// Stores a message of an origin, which has checked it.
    fn store_taken(
        &mut self,
        ctx: &Ctx<'_>,
        place: usize,
        msg: &OriginMsg<'_>,
        headers: &[u8],
    ) -> Taken {
        let renamed = self.origins.feed_mut(place).and_then(|feed| feed.rename(msg.subject));
        let subject = renamed.as_deref().unwrap_or(msg.subject);
        let transformed = self.input.as_ref().and_then(|t| t.apply(subject));
        let subject = transformed.as_deref().unwrap_or(subject);
        let checked = match self.check_taken(ctx, headers, msg.payload.len()) {
            Ok(checked) => checked,
            Err(Refusal::Duplicate(_)) => return Taken::Known,
            Err(Refusal::Error(_)) => return Taken::Refused,
        };
        let ts = self.config.mirror.is_some().then_some(msg.ts);
        let put = Put {
            subject,
            headers: Cow::Borrowed(headers),
            payload: msg.payload,
            checked,
            charge: Charge::Now,
            ack: Ack::None,
            ts,
        };
        match self.put(ctx, put) {
            Ok(()) => Taken::Stored,
            Err(Refusal::Duplicate(_)) => Taken::Known,
            Err(Refusal::Error(_)) => Taken::Refused,
        }
    }

    /// What holds for messages of origins, too (`processJetStreamMsg` with `sourced`).
    fn check_taken<'m>(
        &self,
        ctx: &Ctx<'_>,
        headers: &'m [u8],
        payload: usize,
    ) -> Result<Checked<'m>, Refusal> {
        if self.config.sealed {
            return Err(types::errors::STREAM_SEALED.into());
        }
        self.check_size(headers.len(), payload)?;
        let mut checked = Checked::default();
        if headers.is_empty() {
            return Ok(checked);
        }
        let found = PublishHeaders::read(headers);
        if let Some(id) = found.msg_id {
            // A mirror has what its origin has.
            if self.config.mirror.is_none()
                && let Some(seq) = self.dedup.find(id, ctx.now)
            {
                return Err(Refusal::Duplicate(seq));
            }
            checked.msg_id = id;
        }
        if self.config.allow_rollup_hdrs && !self.config.deny_purge {
            checked.rollup = match found.rollup {
                Some(value) if value.eq_ignore_ascii_case(b"sub") => Rollup::Subject,
                Some(value) if value.eq_ignore_ascii_case(b"all") => Rollup::All,
                _ => Rollup::None,
            };
        }
        if self.config.allow_msg_ttl {
            checked.ttl_seconds = found.ttl.and_then(ttl_seconds).unwrap_or(0);
        }
        Ok(checked)
    }

    /// Makes the feeds that the configuration asks for.
    pub(super) fn make_feeds(&mut self) -> Result<(), ApiError> {
        let Stream { origins, config, account, env, gone_readers, .. } = self;
        let home = Home { stream: &config.name, account, env };
        for feed in origins.configure(config, &home)? {
            let still = origins.feeds().any(|held| held.reads_as(&feed));
            gone_readers.extend(gone(&feed).filter(|_| !still));
        }
        Ok(())
    }

    /// The stream is deleted, and takes in nothing any more.
    pub(super) fn drop_feeds(&mut self) {
        let gone_now: Vec<_> = self.origins.feeds().filter_map(gone).collect();
        self.gone_readers.extend(gone_now);
    }

    pub(super) fn recover_origins(&mut self) -> Result<(), ApiError> {
        let Stream { origins, config, store, .. } = self;
        origins.recover(config, &mut **store).map_err(|error: StoreError| store_failed(&error))
    }

    /// To be called before a purge, which is durable when it returns.
    pub(super) fn save_before_purge(&mut self) {
        self.origins.before_purge(self.last_seq);
        self.save_origins();
    }

    /// To be called before anything is made durable.
    pub(super) fn save_origins(&mut self) {
        let durability = self.durability();
        let Stream { origins, store, committed, last_seq, .. } = self;
        origins.save_if_due(&mut **store, *committed, *last_seq, durability);
    }

    /// Lets the timer know when an origin is to be asked again.
    pub(super) fn plan_origins(&mut self) {
        let due = self.origins.feeds().filter_map(Feed::due_at).min();
        // What is due now is asked for when the round ends.
        if let Some(due) = due.filter(|due| *due > 0) {
            self.wake = self.wake.min(due);
        }
    }

    /// Earliest time at which an origin is to be asked again.
    pub(super) fn origins_due(&self) -> u64 {
        self.origins.feeds().filter_map(Feed::due_at).filter(|due| *due > 0).min().unwrap_or(NEVER)
    }

    /// Progress as a mirror.
    pub(super) fn mirror_info(&self, ctx: &Ctx<'_>) -> Option<StreamSourceInfo> {
        self.origins.mirror.as_ref().map(|feed| feed.info(ctx))
    }

    /// Progress with each source.
    pub(super) fn sources_info(&self, ctx: &Ctx<'_>) -> Vec<StreamSourceInfo> {
        self.origins.sources.iter().map(|feed| feed.info(ctx)).collect()
    }
}

/// The consumer that stood for a feed, where its origin kept one.
fn gone(feed: &Feed) -> Option<GoneReader> {
    feed.keeps().then(|| GoneReader {
        stream: feed.config().name.as_str().into(),
        external: feed.external().cloned(),
        reader: Arc::clone(feed.reader()),
    })
}

/// Whether a stream keeps messages only for those who still need them.
pub(super) fn keeps_for_readers(retention: Retention) -> bool {
    retention != Retention::Limits
}
