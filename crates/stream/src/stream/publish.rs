//! Publishing: checks in the reference's order, then the store, then the ack.

use std::borrow::Cow;

use store::NewMsg;
use types::{ApiError, Retention, Timestamp, errors};

use super::{Stream, mark_ready};
use crate::consumer::Cause;
use crate::ctx::Ctx;
use crate::effects::Draft;
use crate::errors::{pub_refused, store_failed};
use crate::headers::{PublishHeaders, number, ttl_seconds, without_request_info};

/// Largest header block (`JSStreamHeaderExceedsMaximumErr`).
pub(super) const MAX_HEADER_BYTES: usize = u16::MAX as usize;

/// A message published to one of the stream's subjects.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Subject.
    pub subject: &'a [u8],
    /// Where to acknowledge, or empty.
    pub reply: &'a [u8],
    /// Header block, or empty.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// What a message asks to be purged along with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rollup {
    #[default]
    None,
    Subject,
    All,
}

/// Why nothing was stored.
pub(super) enum Refusal {
    /// The id was seen with this sequence.
    Duplicate(u64),
    /// An error for the client.
    Error(ApiError),
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal::Error(error.into())
    }
}

/// What passed the checks.
#[derive(Default)]
pub(super) struct Checked<'a> {
    pub(super) msg_id: &'a [u8],
    pub(super) rollup: Rollup,
    pub(super) ttl_seconds: i64,
}

/// Whether the quota has been charged for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    Now,
    Done,
}

/// What is answered when a message is durable.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ack<'a> {
    /// Nothing.
    None,
    /// Its sequence, to this subject, if any.
    Plain(&'a [u8]),
    /// Its sequence, and how many messages its batch had.
    Batch { reply: &'a [u8], id: &'a [u8], count: u64 },
}

/// A message to store.
pub(super) struct Put<'a> {
    pub(super) subject: &'a [u8],
    pub(super) headers: Cow<'a, [u8]>,
    pub(super) payload: &'a [u8],
    pub(super) checked: Checked<'a>,
    pub(super) charge: Charge,
    pub(super) ack: Ack<'a>,
    /// When its origin stored it; `None` is now.
    pub(super) ts: Option<Timestamp>,
}

impl Stream {
    /// Stores a message and holds its ack until the next commit
    /// (`server/stream.go` `processJetStreamMsg`). Messages must not come with reply subjects
    /// that the stream itself takes in; nothing is sent for a publish without reply.
    pub fn publish(&mut self, ctx: &Ctx<'_>, msg: Publish<'_>) {
        if self.closed {
            return;
        }
        if let Err(refusal) = self.take_in(ctx, msg) {
            self.refuse(msg.reply, refusal);
        }
    }

    fn refuse(&mut self, reply: &[u8], refusal: Refusal) {
        if reply.is_empty() || self.config.no_ack {
            return;
        }
        match refusal {
            Refusal::Duplicate(seq) => {
                let mut m = self.held.message(reply);
                m.payload(&self.ack_prefix);
                m.payload_number(seq);
                m.payload(b",\"duplicate\": true}");
                m.after_seq(seq);
            }
            Refusal::Error(error) => {
                self.held.send(reply, b"", b"", &pub_refused(&self.config.name, error));
            }
        }
    }

    pub(super) fn take_in(&mut self, ctx: &Ctx<'_>, msg: Publish<'_>) -> Result<(), Refusal> {
        let transformed = self.input.as_ref().and_then(|t| t.apply(msg.subject));
        let subject = transformed.as_deref().unwrap_or(msg.subject);
        if self.config.sealed {
            return Err(errors::STREAM_SEALED.into());
        }
        let mut found = PublishHeaders::read(msg.headers);
        let mut headers = Cow::Borrowed(msg.headers);
        if found.has_request_info {
            headers = without_request_info(msg.headers);
        }
        if let Some(id) = found.batch_id {
            return self.take_in_batch(ctx, msg, headers, id, &found);
        }
        if self.rolls_up_schedule(ctx, &found) {
            wire::headers::set(headers.to_mut(), "Nats-Rollup", b"sub");
            found.rollup = Some(b"sub");
        }
        let checked = self.check(ctx, subject, &found, headers.len(), msg.payload.len())?;
        let put = Put {
            subject,
            headers,
            payload: msg.payload,
            checked,
            charge: Charge::Now,
            ack: Ack::Plain(msg.reply),
            ts: None,
        };
        self.put(ctx, put)
    }

    /// Stores a message that passed the checks.
    pub(super) fn put(&mut self, ctx: &Ctx<'_>, put: Put<'_>) -> Result<(), Refusal> {
        let Put { subject, mut headers, payload, checked, charge, ack, ts } = put;
        let bytes = self.store.size_of(subject.len(), headers.len(), payload.len());
        if self.config.retention == Retention::Interest && !self.has_consumer_for(subject) {
            if charge == Charge::Done {
                self.quota.credit(bytes);
            }
            return self.skip(ctx, ack, &checked, subject, &headers);
        }
        let ttl = self.raise_ttl(checked.ttl_seconds, &mut headers);
        let previous = match self.republish_to(subject) {
            Some(_) => self.store.last_seq_of(subject),
            None => 0,
        };

        let charged = self.store.size_of(subject.len(), headers.len(), payload.len());
        match charge {
            Charge::Now => self.quota.charge(charged)?,
            // A raised TTL makes the headers longer or shorter.
            Charge::Done if charged > bytes => self.quota.adopt(charged - bytes),
            Charge::Done => self.quota.credit(bytes - charged),
        }
        let ts = ts.unwrap_or_else(|| self.next_ts(ctx));
        let new = NewMsg { subject, headers: &headers, payload, ts, ttl_seconds: ttl };
        let appended =
            self.with_removals(Cause::Limits, ctx, |store, removed| store.append(new, removed));
        let seq = match appended {
            Ok(seq) => seq,
            Err(error) => {
                self.quota.credit(charged);
                return Err(store_failed(&error).into());
            }
        };
        self.note_stored(ctx, seq, new.ts, checked.msg_id);
        self.offer(seq, subject);
        if self.config.allow_msg_schedules {
            self.note_schedule(ctx, &new, seq);
        }
        self.roll_up(ctx, checked.rollup, subject, 1)?;
        self.end_schedule(ctx, &headers)?;
        if let Some(dest) = self.republish_to(subject) {
            self.republish(&dest, subject, &headers, payload, seq, new.ts, previous);
        }
        self.acknowledge(ack, seq);
        if self.store.next_expiry().is_some() {
            self.plan_expiry(ctx);
        }
        Ok(())
    }

    /// Everything a message can be refused for before it is charged and stored.
    fn check<'m>(
        &mut self,
        ctx: &Ctx<'_>,
        subject: &[u8],
        found: &PublishHeaders<'m>,
        headers: usize,
        payload: usize,
    ) -> Result<Checked<'m>, Refusal> {
        let mut checked = Checked::default();
        if headers > 0 {
            self.check_incr(found)?;
            if found.expected_stream.is_some_and(|name| name != self.config.name.as_bytes()) {
                return Err(errors::STREAM_NOT_MATCH.into());
            }
            let ttl = found.ttl.map(ttl_seconds);
            if ttl.flatten().is_some_and(|s| s != 0) && !self.config.allow_msg_ttl {
                return Err(errors::MESSAGE_TTL_DISABLED.into());
            }
            self.check_sequences(subject, found)?;
            self.check_schedule(ctx, subject, found)?;
            if let Some(id) = found.msg_id {
                checked.msg_id = id;
                if let Some(seq) = self.dedup.find(id, ctx.now) {
                    return Err(Refusal::Duplicate(seq));
                }
            }
            if found.expected_last_msg_id.is_some_and(|id| id != self.last_msg_id) {
                let last = String::from_utf8_lossy(&self.last_msg_id);
                return Err(errors::STREAM_WRONG_LAST_MSG_ID.with(last).into());
            }
            checked.rollup = self.check_rollup(found.rollup)?;
            match ttl {
                None => {}
                Some(Some(seconds)) => checked.ttl_seconds = seconds,
                Some(None) => return Err(errors::MESSAGE_TTL_INVALID.into()),
            }
        }
        self.check_size(headers, payload)?;
        Ok(checked)
    }

    /// Whether a message with so many bytes of headers and payload is small enough.
    pub(super) fn check_size(&self, headers: usize, payload: usize) -> Result<(), Refusal> {
        let most = usize::try_from(self.config.max_msg_size).unwrap_or(usize::MAX);
        if headers > most || payload > most - headers {
            return Err(errors::STREAM_MESSAGE_EXCEEDS_MAXIMUM.into());
        }
        if headers > MAX_HEADER_BYTES {
            return Err(errors::STREAM_HEADER_EXCEEDS_MAXIMUM.into());
        }
        Ok(())
    }

    /// `Nats-Incr`, which only streams of counters take.
    pub(super) fn check_incr(&self, found: &PublishHeaders<'_>) -> Result<(), Refusal> {
        let Some(incr) = found.incr else { return Ok(()) };
        let digits = incr.strip_prefix(b"-").or(incr.strip_prefix(b"+")).unwrap_or(incr);
        let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let row = if valid { errors::MESSAGE_INCR_DISABLED } else { errors::MESSAGE_INCR_INVALID };
        Err(row.into())
    }

    /// `Nats-Expected-Last-Subject-Sequence` and `Nats-Expected-Last-Sequence`.
    pub(super) fn check_sequences(
        &mut self,
        subject: &[u8],
        found: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        if let Some(expected) = found.expected_last_subject_seq {
            let of = found.expected_last_subject.unwrap_or(subject);
            let last = self.last_seq_matching(of)?;
            if number(expected) != Some(last) {
                return Err(errors::STREAM_WRONG_LAST_SEQUENCE.with(last).into());
            }
        } else if found.expected_last_subject.is_some() {
            return Err(errors::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID.into());
        }
        if let Some(expected) = found.expected_last_seq
            && number(expected) != Some(self.last_seq)
        {
            return Err(errors::STREAM_WRONG_LAST_SEQUENCE.with(self.last_seq).into());
        }
        Ok(())
    }

    pub(super) fn check_rollup(&self, value: Option<&[u8]>) -> Result<Rollup, Refusal> {
        let Some(value) = value else { return Ok(Rollup::None) };
        if !self.config.allow_rollup_hdrs || self.config.deny_purge {
            return Err(errors::STREAM_ROLLUP_FAILED.with("rollup not permitted").into());
        }
        if value.eq_ignore_ascii_case(b"sub") {
            Ok(Rollup::Subject)
        } else if value.eq_ignore_ascii_case(b"all") {
            Ok(Rollup::All)
        } else {
            let value = String::from_utf8_lossy(value).to_lowercase();
            let text = format!("rollup value invalid: {value:?}");
            Err(errors::STREAM_ROLLUP_FAILED.with(text).into())
        }
    }

    /// A marker must not be outlived by what it marks: short TTLs are raised to the marker's
    /// (only where a subject holds more than one message).
    fn raise_ttl(&self, ttl: i64, headers: &mut Cow<'_, [u8]>) -> i64 {
        let least = self.config.subject_delete_marker_ttl_ns / 1_000_000_000;
        if ttl <= 0 || ttl >= least || self.config.max_msgs_per_subject == 1 {
            return ttl;
        }
        let block = headers.to_mut();
        wire::headers::remove(block, "Nats-TTL");
        wire::headers::set(block, "Nats-TTL", itoa::Buffer::new().format(least).as_bytes());
        least
    }

    /// Times never go back, whatever the clock does: expiry and lookups by time rely on it.
    pub(super) fn next_ts(&self, ctx: &Ctx<'_>) -> Timestamp {
        ctx.now.max(self.last_ts)
    }

    fn note_stored(&mut self, ctx: &Ctx<'_>, seq: u64, ts: Timestamp, msg_id: &[u8]) {
        self.last_seq = seq;
        self.last_ts = ts;
        self.last_msg_id.clear();
        self.needs_sync = true;
        if !msg_id.is_empty() {
            self.last_msg_id.extend_from_slice(msg_id);
            self.dedup.insert(msg_id, seq, ts);
            self.plan_dedup(ctx);
        }
    }

    /// Tells the consumers about a new message.
    fn offer(&mut self, seq: u64, subject: &[u8]) {
        let Stream { consumers, ready, .. } = self;
        for (slot, consumer) in consumers.slots_mut() {
            if consumer.stored(seq, subject) {
                mark_ready(consumer, slot, ready);
            }
        }
    }

    fn acknowledge(&mut self, ack: Ack<'_>, seq: u64) {
        let (reply, batch) = match ack {
            Ack::None => return,
            Ack::Plain(reply) => (reply, None),
            Ack::Batch { reply, id, count } => (reply, Some((id, count))),
        };
        if reply.is_empty() || self.config.no_ack {
            return;
        }
        let mut m = self.held.message(reply);
        m.payload(&self.ack_prefix);
        m.payload_number(seq);
        if let Some((id, count)) = batch {
            let id = serde_json::to_string(&String::from_utf8_lossy(id)).unwrap_or_default();
            m.payload(b",\"batch\":");
            m.payload(id.as_bytes());
            m.payload(b",\"count\":");
            m.payload_number(count);
        }
        m.payload(b"}");
        m.after_seq(seq);
    }

    /// Nobody wants the message: it gets a sequence and an ack, and is not kept.
    fn skip(
        &mut self,
        ctx: &Ctx<'_>,
        ack: Ack<'_>,
        checked: &Checked<'_>,
        subject: &[u8],
        headers: &[u8],
    ) -> Result<(), Refusal> {
        let seq = self.skip_sequence(ctx)?;
        let ts = self.next_ts(ctx);
        self.note_stored(ctx, seq, ts, checked.msg_id);
        self.roll_up(ctx, checked.rollup, subject, 0)?;
        self.end_schedule(ctx, headers)?;
        self.acknowledge(ack, seq);
        Ok(())
    }

    /// Uses up a sequence without a message.
    fn skip_sequence(&mut self, ctx: &Ctx<'_>) -> Result<u64, Refusal> {
        // The store has no way to leave out a sequence but to take a message and give it up.
        let new = NewMsg {
            subject: b"_",
            headers: b"",
            payload: b"",
            ts: self.next_ts(ctx),
            ttl_seconds: 0,
        };
        let bytes = self.store.size_of(1, 0, 0);
        self.quota.charge(bytes)?;
        let appended =
            self.with_removals(Cause::Limits, ctx, |store, removed| store.append(new, removed));
        let seq = appended.map_err(|error| {
            self.quota.credit(bytes);
            store_failed(&error)
        })?;
        self.with_removals(Cause::Settled, ctx, |store, removed| {
            store.remove(seq, store::Erase::Keep, removed)
        })
        .map_err(|error| store_failed(&error))?;
        Ok(seq)
    }

    fn roll_up(
        &mut self,
        ctx: &Ctx<'_>,
        rollup: Rollup,
        subject: &[u8],
        keep: u64,
    ) -> Result<(), Refusal> {
        let filter = match rollup {
            Rollup::None => return Ok(()),
            Rollup::Subject => String::from_utf8_lossy(subject).into_owned(),
            Rollup::All => String::new(),
        };
        self.purge_now(ctx, &filter, 0, keep).map_err(|error| store_failed(&error))?;
        Ok(())
    }

    fn republish_to(&self, subject: &[u8]) -> Option<Vec<u8>> {
        self.republish.as_ref()?.apply(subject)
    }

    #[expect(clippy::too_many_arguments, reason = "a message's parts, called in one place")]
    fn republish(
        &mut self,
        dest: &[u8],
        subject: &[u8],
        headers: &[u8],
        payload: &[u8],
        seq: u64,
        ts: Timestamp,
        previous: u64,
    ) {
        let headers_only = self.config.republish.as_ref().is_some_and(|r| r.headers_only);
        let mut m = self.held.message(dest);
        start_headers(&mut m, headers);
        m.headers(b"Nats-Stream: ");
        m.headers(self.config.name.as_bytes());
        m.headers(b"\r\nNats-Subject: ");
        m.headers(subject);
        m.headers(b"\r\nNats-Sequence: ");
        m.header_number(seq);
        m.headers(b"\r\nNats-Time-Stamp: ");
        m.header_display(ts);
        m.headers(b"\r\nNats-Last-Sequence: ");
        m.header_number(previous);
        if headers_only {
            m.headers(b"\r\nNats-Msg-Size: ");
            m.header_number(payload.len());
        }
        m.headers(b"\r\n\r\n");
        if !headers_only {
            m.payload(payload);
        }
        m.after_seq(seq);
    }

    /// Sequence of the last message that matches, which may be a pattern; 0 if there is none.
    pub(super) fn last_seq_matching(&mut self, subject: &[u8]) -> Result<u64, Refusal> {
        if !subject::has_wildcards(subject) {
            return Ok(self.store.last_seq_of(subject));
        }
        let filter = store::Filter::any_of([String::from_utf8_lossy(subject)]);
        let last = self.store.last_match(&filter, u64::MAX);
        Ok(last.map_err(|error| store_failed(&error))?.map_or(0, |msg| msg.seq))
    }
}

/// Begins a header block with the lines of another one.
pub(super) fn start_headers(m: &mut Draft<'_>, headers: &[u8]) {
    match headers.strip_suffix(b"\r\n") {
        Some(lines) if !headers.is_empty() => m.headers(lines),
        _ => m.headers(b"NATS/1.0\r\n"),
    }
}
