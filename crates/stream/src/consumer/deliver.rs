//! Delivery: the next message, to whom, and what is noted about it.

use store::StoreError;
use types::AckPolicy;

use super::pull::{AtEnd, Demand, Place};
use super::{Cause, Consumer, Io, Mode, Notes};
use crate::effects::Effects;

/// How much one round may deliver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Messages left.
    pub(crate) messages: usize,
    /// Bytes left.
    pub(crate) bytes: usize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// How a consumer's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for a message, a client, an ack or a timer.
    Waits,
    /// Its share of the round is used up.
    More,
}

/// Where the next message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The redelivery queue.
    Again(u64),
    /// The list of last messages per subject.
    Listed(u64),
    /// The stream, from `next_seq` on.
    Cursor,
}

/// Why there is no next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// All was delivered.
    End,
    /// `max_ack_pending` messages are unacknowledged.
    Unacked,
    /// No client may have it now.
    NoClient,
    /// Paused, stalled or inactive.
    Held,
    /// Delivered later, by replay pace or rate limit.
    Paced,
}

impl Consumer {
    /// Delivers what it can (`loopAndGatherMsgs`).
    pub(crate) fn deliver(
        &mut self,
        budget: &mut Budget,
        io: &mut Io<'_, '_>,
    ) -> Result<Progress, StoreError> {
        let pause = loop {
            if budget.is_spent() {
                return Ok(Progress::More);
            }
            if let Err(pause) = self.deliver_one(budget, io)? {
                break pause;
            }
        };
        let at_end = match pause {
            Pause::End | Pause::NoClient | Pause::Held => AtEnd::Yes,
            Pause::Unacked | Pause::Paced => AtEnd::No,
        };
        self.process_waiting(at_end, io);
        self.arm_acks();
        Ok(Progress::Waits)
    }

    /// Whether delivery is held back, whatever there is.
    fn held(&mut self, now: u64) -> Option<Pause> {
        if now < self.paused_until {
            self.arm(self.paused_until);
            return Some(Pause::Held);
        }
        match &self.mode {
            Mode::Push(push) if !push.is_active() || push.is_stalled() => return Some(Pause::Held),
            Mode::Pull(pull) if pull.is_empty() => return Some(Pause::NoClient),
            Mode::Push(_) | Mode::Pull(_) => {}
        }
        if now < self.blocked_until {
            self.arm(self.blocked_until);
            return Some(Pause::Paced);
        }
        None
    }

    /// Where the next message comes from (`getNextMsg`).
    fn source(&mut self, io: &mut Io<'_, '_>) -> Result<Source, Pause> {
        while let Some(seq) = self.peek_redelivery() {
            let times = self.redelivery.count(seq) + 1;
            if self.max_deliver().is_some_and(|max| times >= max) {
                self.give_up(seq, times, io);
                continue;
            }
            return Ok(Source::Again(seq));
        }
        let most = usize::try_from(self.config.max_ack_pending).unwrap_or(0);
        if most > 0 && self.pending.len() >= most {
            return Err(Pause::Unacked);
        }
        if let Some(seq) = self.skip.as_ref().and_then(|s| s.seqs.front().copied()) {
            return Ok(Source::Listed(seq));
        }
        if self.next_seq > io.last { Err(Pause::End) } else { Ok(Source::Cursor) }
    }

    /// Delivers one message, or says why not.
    fn deliver_one(
        &mut self,
        budget: &mut Budget,
        io: &mut Io<'_, '_>,
    ) -> Result<Result<(), Pause>, StoreError> {
        let now = io.ctx.mono_ns;
        if let Some(pause) = self.held(now) {
            return Ok(Err(pause));
        }
        let source = match self.source(io) {
            Ok(source) => source,
            Err(pause) => return Ok(Err(pause)),
        };
        let found = match source {
            Source::Again(seq) | Source::Listed(seq) => io.store.get(seq)?,
            Source::Cursor if self.filter.is_all() => match io.store.get(self.next_seq)? {
                Some(msg) => Some(msg),
                None => io.store.next_match(self.filter.store(), self.next_seq)?,
            },
            Source::Cursor => io.store.next_match(self.filter.store(), self.next_seq)?,
        };
        let Some(msg) = found.filter(|m| m.seq <= io.last) else {
            self.missing(source, io);
            return Ok(if source == Source::Cursor { Err(Pause::End) } else { Ok(()) });
        };
        let (seq, ts) = (msg.seq, msg.ts);
        let count = match source {
            Source::Again(_) => self.redelivery.count(seq) + 1,
            Source::Listed(_) | Source::Cursor => 0,
        };
        let left = self.num_pending.saturating_sub(u64::from(count == 0));
        let dseq = self.next_dseq();

        let mut ack = std::mem::take(&mut self.scratch);
        ack.clear();
        ack.extend_from_slice(&self.ack_prefix);
        push_number(&mut ack, count + 1);
        for n in [seq, dseq] {
            ack.push(b'.');
            push_number(&mut ack, n);
        }
        ack.push(b'.');
        ack.extend_from_slice(itoa::Buffer::new().format(ts.unix_ns()).as_bytes());
        ack.push(b'.');
        push_number(&mut ack, left);

        let mut headers = std::mem::take(&mut self.scratch_headers);
        headers.clear();
        headers.extend_from_slice(msg.headers);
        let payload: &[u8] = if self.config.headers_only {
            add_size_header(&mut headers, msg.payload.len());
            b""
        } else {
            msg.payload
        };
        let bytes = msg.subject.len() + ack.len() + headers.len() + payload.len();

        let pace = self.pace(source, ts.unix_ns(), bytes as u64, now);
        let chosen = pace.and_then(|()| {
            if self.is_push() {
                return Ok(());
            }
            let demand =
                Demand { bytes, num_pending: self.num_pending, ack_pending: self.pending.len() };
            let place = Place { account: io.account, stream: io.stream, domain: &io.env.domain };
            // `msg` borrows the store; the choice needs the rest of `io`.
            let found = self.choose_request(demand, io.ctx, io.fx, io.rng, place);
            if found { Ok(()) } else { Err(Pause::NoClient) }
        });
        if let Err(pause) = chosen {
            self.scratch = ack;
            self.scratch_headers = headers;
            return Ok(Err(pause));
        }
        let sent = self.send(&ack, msg.subject, &mut headers, payload, io.fx);
        self.scratch = ack;
        self.scratch_headers = headers;
        budget.spend(sent);

        self.note_delivery(source, seq, count, io);
        if self.is_push() {
            self.pushed(sent as u64, io);
        } else {
            self.served(bytes, io);
        }
        Ok(Ok(()))
    }

    /// Checks replay pacing and the rate limit.
    fn pace(&mut self, source: Source, ts: i64, bytes: u64, now: u64) -> Result<(), Pause> {
        let mut until = 0;
        if let Some(replay) = &mut self.replay {
            if self.next_seq > replay.until_seq && source == Source::Cursor {
                self.replay = None;
            } else if let Some((last_ts, at)) = replay.last {
                let gap = u64::try_from(ts.saturating_sub(last_ts)).unwrap_or(0);
                if gap > 1_000_000 {
                    until = at.saturating_add(gap);
                }
            }
        }
        if until <= now
            && let Some(rate) = &mut self.rate
            && let Err(at) = rate.take(bytes, now)
        {
            until = at;
        }
        if until > now {
            self.blocked_until = until;
            self.arm(until);
            return Err(Pause::Paced);
        }
        if let Some(replay) = &mut self.replay {
            replay.last = Some((ts, now));
        }
        Ok(())
    }

    /// Writes the delivery; answers its bytes as flow control counts them.
    fn send(
        &self,
        ack: &[u8],
        subject: &[u8],
        headers: &mut Vec<u8>,
        payload: &[u8],
        fx: &mut Effects,
    ) -> usize {
        let dest = match &self.mode {
            Mode::Push(_) => self.config.deliver_subject.as_bytes(),
            Mode::Pull(pull) => {
                if let Some(pin) = &pull.pin {
                    wire::headers::set(headers, "Nats-Pin-Id", pin.id.as_bytes());
                }
                self.chosen_reply().unwrap_or_default()
            }
        };
        let mut m = fx.message(dest);
        m.subject(subject);
        m.reply(ack);
        m.headers(headers);
        m.payload(payload);
        dest.len() + ack.len() + headers.len() + payload.len()
    }

    /// Notes a delivery (`deliverMsg`, `trackPending`).
    fn note_delivery(&mut self, source: Source, seq: u64, count: u64, io: &mut Io<'_, '_>) {
        let now = io.ctx.mono_ns;
        let dseq = self.next_dseq();
        match source {
            Source::Again(_) => {
                self.pop_redelivery();
                self.redelivery.set_count(seq, count);
            }
            Source::Listed(_) => {
                if let Some(skip) = &mut self.skip {
                    skip.seqs.pop_front();
                    if skip.seqs.is_empty() {
                        self.skip = None;
                    }
                }
                self.num_pending = self.num_pending.saturating_sub(1);
            }
            Source::Cursor => {
                self.next_seq = seq + 1;
                self.num_pending = self.num_pending.saturating_sub(1);
            }
        }
        self.delivered.consumer = dseq;
        self.delivered.stream = self.delivered.stream.max(seq);
        self.last_delivery = Some(io.ctx.now);
        match self.config.ack_policy {
            AckPolicy::None => {
                self.ack_floor.consumer = self.ack_floor.consumer.max(dseq);
                self.ack_floor.stream = self.ack_floor.stream.max(seq);
                if io.retention != types::Retention::Limits {
                    io.settled.push(seq);
                }
            }
            AckPolicy::All | AckPolicy::Explicit | AckPolicy::FlowControl => {
                let deadline = self.ack_deadline(now, count);
                let at = io.ctx.now.unix_ns();
                if count == 0 {
                    self.pending.add(seq, dseq, at, deadline);
                } else {
                    self.pending.redelivered(seq, at, deadline);
                }
                self.arm(deadline);
            }
        }
        self.touched(io.ctx);
    }

    /// The next message is not in the store.
    fn missing(&mut self, source: Source, io: &mut Io<'_, '_>) {
        match source {
            Source::Again(seq) | Source::Listed(seq) => {
                let mut advisories = Vec::new();
                let mut notes = Notes {
                    advisories: &mut advisories,
                    stream: io.stream,
                    domain: &io.env.domain,
                    now: io.ctx.now,
                    mono_ns: io.ctx.mono_ns,
                };
                let gone = store::Removed { seq, subject: b"", bytes: 0 };
                self.removed(&gone, Cause::Limits, &mut notes);
                advisories.into_iter().for_each(|a| io.fx.advisory(a));
            }
            // Nothing more that matches: the cursor goes to the end.
            Source::Cursor => {
                self.next_seq = self.next_seq.max(io.last + 1);
                self.num_pending = 0;
            }
        }
    }
}

fn push_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Adds `Nats-Msg-Size`, for deliveries without payload (`convertToHeadersOnly`).
fn add_size_header(headers: &mut Vec<u8>, size: usize) {
    wire::headers::set(headers, "Nats-Msg-Size", itoa::Buffer::new().format(size).as_bytes());
}
