//! One round of delivery, and what clients send to consumers.

use super::{Stream, mark_ready};
use crate::consumer::{AckMsg, Budget, Confirm, Progress};
use crate::ctx::Ctx;
use crate::effects::Effects;

/// Most messages that one call of [`Stream::deliver`] sends.
const ROUND_MESSAGES: usize = 4096;
/// Most bytes that one call of [`Stream::deliver`] sends.
const ROUND_BYTES: usize = 4 * 1024 * 1024;
/// Most messages that one consumer sends before the next one has its turn.
const TURN_MESSAGES: usize = 512;

/// Whether a stream has more to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Not before something happens.
    Idle,
    /// Call again.
    More,
}

impl Stream {
    /// Delivers committed messages to who waits for them, up to a budget.
    pub fn deliver(&mut self, ctx: &Ctx<'_>, fx: &mut Effects) -> Ready {
        if self.closed {
            return Ready::Idle;
        }
        let mut round = Budget { messages: ROUND_MESSAGES, bytes: ROUND_BYTES };
        let mut turns = self.ready.len();
        while turns > 0 {
            turns -= 1;
            let Some(slot) = self.ready.pop_front() else { break };
            if let Some(consumer) = self.consumers.get_mut(slot) {
                consumer.ready = false;
            }
            let turn = round.messages.min(TURN_MESSAGES);
            let mut budget = Budget { messages: turn, bytes: round.bytes };
            let progress = self.with_consumer(slot, ctx, fx, |c, io| c.deliver(&mut budget, io));
            round.messages -= turn - budget.messages;
            round.bytes = budget.bytes;
            match progress {
                Some(Ok(Progress::More)) => {
                    if let Some(consumer) = self.consumers.get_mut(slot) {
                        mark_ready(consumer, slot, &mut self.ready);
                    }
                }
                Some(Err(error)) => self.read_failed(slot, ctx, &error),
                Some(Ok(Progress::Waits)) | None => {}
            }
            if round.messages == 0 || round.bytes == 0 {
                break;
            }
        }
        self.drop_settled(ctx);
        if self.ready.is_empty() { Ready::Idle } else { Ready::More }
    }

    /// For a stream that nobody used for a while: gives memory and space on disk back, a little
    /// at a time.
    pub fn rest(&mut self) -> store::Upkeep {
        if self.closed { store::Upkeep::Done } else { self.store.rest() }
    }

    /// For a stream in use: gives memory back that nobody used since the last call.
    pub fn release_unused(&mut self) {
        if !self.closed {
            self.store.release_unused();
        }
    }

    /// Checks a little of what was not read when the stream was opened.
    pub fn verify_some(&mut self) -> store::Upkeep {
        if self.closed { store::Upkeep::Done } else { self.store.verify_some() }
    }

    /// Whether [`Stream::deliver`] has something to do.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A message could not be read: the consumer tries again a little later.
    fn read_failed(&mut self, slot: u32, ctx: &Ctx<'_>, _error: &store::StoreError) {
        if let Some(consumer) = self.consumers.get_mut(slot) {
            consumer.hold_back(ctx.mono_ns.saturating_add(1_000_000_000));
            self.wake = self.wake.min(consumer.wake);
        }
    }

    /// An acknowledgement for one of the stream's consumers.
    pub fn ack(&mut self, ctx: &Ctx<'_>, msg: AckMsg<'_>, fx: &mut Effects) {
        let slot = self.consumers.find(msg.consumer);
        let Some(slot) = slot.filter(|s| self.consumers.get(*s).is_some_and(|c| c.expects_acks()))
        else {
            return no_responders(fx, msg.reply, &[]);
        };
        let confirm = self.with_consumer(slot, ctx, fx, |c, io| {
            let confirm = c.ack(&msg, io);
            // It may have added a request.
            c.wake_for_delivery |= msg.payload.starts_with(b"+NXT");
            confirm
        });
        if confirm == Some(Confirm::Yes) && !msg.reply.is_empty() {
            self.confirms.send(msg.reply, b"", b"", b"");
            if !self.confirming.contains(&slot) {
                self.confirming.push(slot);
            }
        }
        self.drop_settled(ctx);
    }

    /// A pull request (`$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`).
    pub fn next(
        &mut self,
        ctx: &Ctx<'_>,
        consumer: &[u8],
        reply: &[u8],
        payload: &[u8],
        fx: &mut Effects,
    ) {
        if reply.is_empty() {
            return;
        }
        let Some(slot) = self.consumers.find(consumer) else {
            let asked: [&[u8]; 4] =
                [b"$JS.API.CONSUMER.MSG.NEXT.", self.config.name.as_bytes(), b".", consumer];
            return no_responders(fx, reply, &asked);
        };
        self.with_consumer(slot, ctx, fx, |c, io| {
            c.next(reply, payload, io);
            c.wake_for_delivery = true;
        });
    }

    /// An answer to flow control (`$JS.FC.<stream>.<consumer>.<token>`).
    pub fn flow_control(
        &mut self,
        ctx: &Ctx<'_>,
        consumer: &[u8],
        subject: &[u8],
        fx: &mut Effects,
    ) {
        let Some(slot) = self.consumers.find(consumer) else { return };
        self.with_consumer(slot, ctx, fx, |c, _| {
            c.wake_for_delivery |= c.flow_answered(subject);
        });
    }

    /// A client subscribed to, or left, a push consumer's deliver subject.
    pub fn interest_changed(&mut self, ctx: &Ctx<'_>, consumer: &str, fx: &mut Effects) {
        let Some(slot) = self.consumers.find(consumer.as_bytes()) else { return };
        self.with_consumer(slot, ctx, fx, |c, io| {
            c.refresh_interest(io);
            c.wake_for_delivery = true;
        });
    }
}

/// Says what a client hears where nobody subscribes: in the reference each consumer has its own
/// subscriptions, here the stream's take in what is meant for all of them.
fn no_responders(fx: &mut Effects, reply: &[u8], subject: &[&[u8]]) {
    if reply.is_empty() {
        return;
    }
    let mut m = fx.message(reply);
    m.headers(b"NATS/1.0 503\r\n");
    if !subject.is_empty() {
        m.headers(b"Nats-Subject: ");
        subject.iter().for_each(|part| m.headers(part));
        m.headers(b"\r\n");
    }
    m.headers(b"\r\n");
}
