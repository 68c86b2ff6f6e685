//! Streams that read other streams: mirrors and sources.
//!
//! A stream's shard sends a read to the shard of its origin, which answers at once or, where there
//! is nothing yet, keeps the read and answers it after the commit that brings something. Nobody
//! waits: a stream has one read under way per origin, so there are never more of them, nor more
//! answers, than sources are configured.

use std::sync::{Arc, Weak};

use stream::{Ctx, OriginBatch, OriginRead, Ticket};
use types::{ApiError, errors};

use super::call::TypedCall;
use super::inbox::{Inbox, Input};
use super::slot::Slot;
use super::{Inboxed, Shard};
use crate::registry::StreamEntry;

/// A stream that reads another one.
#[derive(Clone)]
pub(crate) struct Reader {
    inbox: Arc<Inbox>,
    slot: u32,
    /// The reading stream is still there.
    alive: Weak<StreamEntry>,
}

impl Reader {
    fn answer(&self, ticket: Ticket, answer: Result<OriginBatch, ApiError>) {
        self.inbox.send(Input::Origin { slot: self.slot, ticket, answer });
    }

    fn is(&self, other: &Reader) -> bool {
        Arc::ptr_eq(&self.inbox, &other.inbox) && self.slot == other.slot
    }
}

/// A read for which there is nothing yet.
pub(super) struct Parked {
    read: OriginRead,
    to: Reader,
}

impl Slot {
    /// Another stream reads this one.
    pub(super) fn read_by(&mut self, ctx: &Ctx<'_>, read: OriginRead, to: Reader) {
        // A stream asks again where it has more to say; one that is gone asks no more.
        self.parked.retain(|parked| {
            let same = parked.to.is(&to) && parked.read.ticket.feed() == read.ticket.feed();
            !same && parked.to.alive.strong_count() > 0
        });
        self.serve(ctx, Parked { read, to });
    }

    fn serve(&mut self, ctx: &Ctx<'_>, mut parked: Parked) {
        match self.stream.read_origin(ctx, &mut parked.read, &mut self.fx).transpose() {
            Some(answer) => parked.to.answer(parked.read.ticket, answer),
            None => self.parked.push(parked),
        }
    }

    /// Answers the reads for which there is something by now.
    pub(super) fn serve_parked(&mut self, ctx: &Ctx<'_>) {
        let mut at = 0;
        while let Some(parked) = self.parked.get(at) {
            if self.stream.has_committed(parked.read.from.seq) {
                let parked = self.parked.swap_remove(at);
                let before = self.parked.len();
                self.serve(ctx, parked);
                // One that goes back was looked at.
                at += self.parked.len() - before;
            } else {
                at += 1;
            }
        }
    }

    /// Says that there is nothing to be read any more.
    pub(super) fn turn_away(&mut self) {
        for parked in self.parked.drain(..) {
            parked.to.answer(parked.read.ticket, Err(errors::STREAM_NOT_FOUND.err()));
        }
    }

    /// Asks the origins for what the stream wants to read.
    pub(super) fn read_origins(&mut self, ctx: &Ctx<'_>) {
        for read in self.stream.origin_reads(ctx) {
            let to = Reader {
                inbox: Arc::clone(self.entry.inbox()),
                slot: self.entry.slot(),
                alive: Arc::downgrade(&self.entry),
            };
            match self.entry.origin(&read.stream, read.external.as_deref()) {
                Ok(origin) => origin.inbox().send(Input::Read { slot: origin.slot(), read, to }),
                Err(error) => to.answer(read.ticket, Err(error)),
            }
        }
        self.entry.stand_in_for(self.stream.stands_in_for());
        self.drop_readers();
    }

    /// Deletes the consumers that stood for this stream at origins it reads no more.
    pub(super) fn drop_readers(&mut self) {
        for gone in self.stream.take_gone_readers() {
            let origin = self.entry.origin(&gone.stream, gone.external.as_deref());
            let Ok(origin) = origin else { continue };
            let name = gone.reader.name.clone();
            let call = Box::new(TypedCall::new(
                move |stream: &mut stream::Stream, ctx: &Ctx<'_>, fx: &mut stream::Effects| {
                    stream.delete_consumer(ctx, &name, fx)
                },
                |_: Result<(), ApiError>| {},
            ));
            origin.inbox().send(Input::Call { slot: origin.slot(), call });
        }
    }
}

impl Shard {
    pub(super) fn read(&mut self, slot: u32, read: OriginRead, to: Reader) {
        self.note_use(slot);
        let ticket = read.ticket;
        let refused = to.clone();
        if self.with_slot(slot, |s, ctx| s.read_by(ctx, read, to)).is_none() {
            refused.answer(ticket, Err(errors::STREAM_NOT_FOUND.err()));
        }
    }

    /// Answers count for the round as messages that came in do.
    pub(super) fn take_origin(
        &mut self,
        slot: u32,
        ticket: Ticket,
        answer: Result<OriginBatch, ApiError>,
    ) -> Inboxed {
        let taken = match &answer {
            Ok(batch) => Inboxed { msgs: batch.len(), bytes: batch.bytes() },
            Err(_) => Inboxed::default(),
        };
        if taken.msgs > 0 {
            self.note_use(slot);
        }
        self.with_slot(slot, |s, ctx| {
            s.stream.take_origin(ctx, ticket, answer);
            // The origin reads on while this one commits.
            s.read_origins(ctx);
        });
        taken
    }

    /// Streams that were touched answer who reads them, and read on themselves.
    pub(super) fn link(&mut self) {
        for i in 0..self.touched.len() {
            let Some(number) = self.touched.get(i).copied() else { break };
            let linked = self.slots.get(number as usize).and_then(Option::as_ref);
            if linked.is_none_or(|slot| slot.parked.is_empty() && !slot.stream.reads_others()) {
                continue;
            }
            self.with_slot(number, |s, ctx| {
                s.serve_parked(ctx);
                s.read_origins(ctx);
            });
        }
    }
}
