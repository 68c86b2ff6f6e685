//! Atomic batches: messages that are staged until the one that commits them, and then stored all
//! together or not at all (`server/stream.go` `processJetStreamAtomicBatchMsg`,
//! `server/jetstream_batching.go`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::{CutBatch, Erase, NewMsg, OwnedMsg};
use types::advisory::Advisory;
use types::{ApiError, Discard, errors};

use super::publish::{Ack, Charge, Checked, MAX_HEADER_BYTES, Publish, Put, Refusal, Rollup};
use super::{NEVER, Stream};
use crate::consumer::Cause;
use crate::ctx::Ctx;
use crate::errors::store_failed;
use crate::headers::{PublishHeaders, number, ttl_seconds};

/// Longest batch id.
const MAX_ID: usize = 64;
/// Largest record of the file store, and what it needs beside the message.
const MAX_STORED: u64 = 32 << 20;

/// The open batches of a stream.
pub(super) struct Batches {
    open: BTreeMap<Vec<u8>, Batch>,
    /// Bytes staged in all of them.
    bytes: usize,
    /// Open batches of the server.
    total: Arc<AtomicUsize>,
}

/// A batch that is not committed yet.
#[derive(Default)]
struct Batch {
    msgs: Vec<OwnedMsg>,
    bytes: usize,
    /// When it is given up.
    deadline_ns: u64,
}

impl Batches {
    pub(super) fn new(total: Arc<AtomicUsize>) -> Self {
        Batches { open: BTreeMap::new(), bytes: 0, total }
    }

    /// When the first of them is given up.
    pub(super) fn next_deadline(&self) -> u64 {
        self.open.values().map(|batch| batch.deadline_ns).min().unwrap_or(NEVER)
    }

    /// Makes a new one, if the limits allow.
    fn begin(&mut self, id: &[u8], per_stream: usize, total: usize) -> bool {
        let taken = self.total.fetch_add(1, Ordering::Relaxed);
        if self.open.len() >= per_stream || taken >= total {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.open.insert(id.to_vec(), Batch::default());
        true
    }

    fn end(&mut self, id: &[u8]) -> Option<Batch> {
        let batch = self.open.remove(id)?;
        self.bytes -= batch.bytes;
        self.total.fetch_sub(1, Ordering::Relaxed);
        Some(batch)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.total.fetch_sub(self.open.len(), Ordering::Relaxed);
    }
}

/// How a message ends its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// With itself as the last one.
    Last,
    /// With the one before it as the last one; it is not stored.
    End,
}

/// What the messages of a batch that were checked so far will do.
#[derive(Default)]
struct Planned {
    ids: BTreeSet<Vec<u8>>,
    /// Messages by subject.
    subjects: BTreeMap<Vec<u8>, u64>,
    /// Last sequences that were expected and found, by subject.
    expected: BTreeMap<Vec<u8>, u64>,
    msgs: u64,
    bytes: u64,
}

impl Stream {
    /// Stages a message of a batch, or commits the batch with it.
    pub(super) fn take_in_batch(
        &mut self,
        ctx: &Ctx<'_>,
        msg: Publish<'_>,
        mut headers: Cow<'_, [u8]>,
        id: &[u8],
        found: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        let most = usize::try_from(self.config.max_msg_size).unwrap_or(usize::MAX);
        if headers.len() > most || msg.payload.len() > most - headers.len() {
            return Err(errors::STREAM_MESSAGE_EXCEEDS_MAXIMUM.into());
        }
        if !self.config.allow_atomic {
            return Err(errors::ATOMIC_PUBLISH_DISABLED.into());
        }
        if id.len() > MAX_ID {
            return Err(errors::ATOMIC_PUBLISH_INVALID_BATCH_ID.into());
        }
        let Some(sequence) = found.batch_sequence else {
            return Err(errors::ATOMIC_PUBLISH_MISSING_SEQ.into());
        };
        let sequence = number(sequence).unwrap_or(u64::MAX);
        let limits = self.env.batch;
        let too_large = || errors::ATOMIC_PUBLISH_TOO_LARGE_BATCH.with(limits.msgs);
        if !self.batches.open.contains_key(id) {
            if sequence != 1 {
                let incomplete = errors::ATOMIC_PUBLISH_INCOMPLETE_BATCH.err();
                return Err(if sequence > limits.msgs { too_large() } else { incomplete }.into());
            }
            if !self.batches.begin(id, limits.per_stream, limits.total) {
                return Err(errors::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT.into());
            }
        }
        let commit = match found.batch_commit {
            None => None,
            Some(b"1") => Some(Commit::Last),
            Some(b"eob") => Some(Commit::End),
            Some(_) => {
                self.batches.end(id);
                return Err(errors::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT.into());
            }
        };
        if let Some(level) = found.required_level {
            if number(level).is_none_or(|level| level > u64::from(types::API_LEVEL)) {
                self.abandon(id, "unsupported");
                return Err(errors::REQUIRED_API_LEVEL.into());
            }
            wire::headers::remove(headers.to_mut(), "Nats-Required-Api-Level");
        }
        let staged = self.batches.open.get(id).map_or(0, |batch| batch.msgs.len() as u64);
        if sequence != staged + 1 || (sequence == 1 && commit == Some(Commit::End)) {
            self.abandon(id, "incomplete");
            return Err(errors::ATOMIC_PUBLISH_INCOMPLETE_BATCH.into());
        }
        if sequence > limits.msgs {
            self.abandon(id, "large");
            return Err(too_large().into());
        }
        if commit != Some(Commit::End) {
            self.stage(id, msg, headers)?;
        }
        match commit {
            None => {
                let deadline_ns = ctx.mono_ns.saturating_add(limits.timeout_ns);
                if let Some(batch) = self.batches.open.get_mut(id) {
                    batch.deadline_ns = deadline_ns;
                }
                self.wake = self.wake.min(deadline_ns);
                if !msg.reply.is_empty() && !self.config.no_ack {
                    self.held.send(msg.reply, b"", b"", b"");
                }
                Ok(())
            }
            Some(commit) => {
                let Some(mut batch) = self.batches.end(id) else { return Ok(()) };
                self.commit_batch(ctx, id, &mut batch.msgs, commit, msg.reply)
            }
        }
    }

    fn stage(
        &mut self,
        id: &[u8],
        msg: Publish<'_>,
        headers: Cow<'_, [u8]>,
    ) -> Result<(), Refusal> {
        let bytes = msg.subject.len() + headers.len() + msg.payload.len();
        let stored = self.store.size_of(msg.subject.len(), headers.len(), msg.payload.len());
        if stored > MAX_STORED || self.batches.bytes.saturating_add(bytes) > self.env.batch.bytes {
            self.abandon(id, "large");
            return Err(errors::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT.into());
        }
        self.batches.bytes += bytes;
        if let Some(batch) = self.batches.open.get_mut(id) {
            batch.bytes += bytes;
            batch.msgs.push(OwnedMsg {
                subject: msg.subject.to_vec(),
                headers: headers.into_owned(),
                payload: msg.payload.to_vec(),
            });
        }
        Ok(())
    }

    /// Checks all messages as they will be when those before them are stored, then stores them.
    fn commit_batch(
        &mut self,
        ctx: &Ctx<'_>,
        id: &[u8],
        msgs: &mut [OwnedMsg],
        commit: Commit,
        reply: &[u8],
    ) -> Result<(), Refusal> {
        if commit == Commit::End
            && let Some(last) = msgs.last_mut()
        {
            wire::headers::set(&mut last.headers, "Nats-Batch-Commit", b"1");
        }
        for msg in msgs.iter_mut() {
            if let Some(subject) = self.input.as_ref().and_then(|t| t.apply(&msg.subject)) {
                msg.subject = subject;
            }
        }
        let mut planned = Planned::default();
        let mut checked = Vec::with_capacity(msgs.len());
        for msg in msgs.iter() {
            checked.push(self.check_planned(ctx, msg, &mut planned)?);
        }
        self.quota.charge(planned.bytes)?;
        let ts = self.next_ts(ctx);
        let staged: Vec<NewMsg<'_>> = msgs
            .iter()
            .map(|msg| NewMsg {
                subject: &msg.subject,
                headers: &msg.headers,
                payload: &msg.payload,
                ts,
                ttl_seconds: 0,
            })
            .collect();
        // One message is whole or not there by itself.
        if staged.len() > 1
            && let Err(error) = self.store.stage_batch(id, &staged, self.durability())
        {
            self.quota.credit(planned.bytes);
            return Err(store_failed(&error).into());
        }
        let before = self.last_seq;
        let count = msgs.len();
        let mut left = planned.bytes;
        for (at, (msg, checked)) in msgs.iter().zip(checked).enumerate() {
            let ack = if at + 1 == count {
                Ack::Batch { reply, id, count: count as u64 }
            } else {
                Ack::None
            };
            left -= self.store.size_of(msg.subject.len(), msg.headers.len(), msg.payload.len());
            let put = Put {
                subject: &msg.subject,
                headers: Cow::Borrowed(&msg.headers),
                payload: &msg.payload,
                checked,
                charge: Charge::Done,
                ack,
                ts: None,
            };
            if let Err(refusal) = self.put(ctx, put) {
                self.quota.credit(left);
                self.take_back(ctx, before);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Removes what was stored above `before`: its batch failed.
    fn take_back(&mut self, ctx: &Ctx<'_>, before: u64) {
        for seq in before + 1..=self.last_seq {
            let removed = self.with_removals(Cause::Limits, ctx, |store, removed| {
                store.remove(seq, Erase::Keep, removed)
            });
            // A store that refuses this refuses the commit as well.
            drop(removed);
        }
    }

    /// The checks of one message of a batch (`checkMsgHeadersPreClusteredProposal`).
    fn check_planned<'m>(
        &mut self,
        ctx: &Ctx<'_>,
        msg: &'m OwnedMsg,
        planned: &mut Planned,
    ) -> Result<Checked<'m>, Refusal> {
        let found = PublishHeaders::read(&msg.headers);
        let mut checked = Checked::default();
        if found.expected_last_msg_id.is_some() {
            let header = "Nats-Expected-Last-Msg-Id";
            return Err(errors::ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH.with(header).into());
        }
        if msg.headers.len() > MAX_HEADER_BYTES {
            return Err(errors::STREAM_HEADER_EXCEEDS_MAXIMUM.into());
        }
        self.check_incr(&found)?;
        if found.expected_stream.is_some_and(|name| name != self.config.name.as_bytes()) {
            return Err(errors::STREAM_NOT_MATCH.into());
        }
        match found.ttl.map(ttl_seconds) {
            None | Some(Some(0)) => {}
            Some(_) if !self.config.allow_msg_ttl => {
                return Err(errors::MESSAGE_TTL_DISABLED.into());
            }
            Some(Some(seconds)) => checked.ttl_seconds = seconds,
            Some(None) => return Err(errors::MESSAGE_TTL_INVALID.into()),
        }
        if let Some(id) = found.msg_id {
            if self.dedup.find(id, ctx.now).is_some() || !planned.ids.insert(id.to_vec()) {
                return Err(errors::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE.into());
            }
            checked.msg_id = id;
        }
        self.check_planned_sequences(&msg.subject, &found, planned)?;
        self.check_schedule(ctx, &msg.subject, &found)?;
        checked.rollup = self.check_rollup(found.rollup)?;
        let text = match checked.rollup {
            Rollup::Subject if planned.subjects.contains_key(&msg.subject) => {
                "batch rollup sub invalid"
            }
            Rollup::All if planned.msgs > 0 => "batch rollup all invalid",
            _ => "",
        };
        if !text.is_empty() {
            return Err(errors::STREAM_ROLLUP_FAILED.with(text).into());
        }
        planned.msgs += 1;
        planned.bytes +=
            self.store.size_of(msg.subject.len(), msg.headers.len(), msg.payload.len());
        let of_subject = planned.subjects.entry(msg.subject.clone()).or_default();
        *of_subject += 1;
        let of_subject = *of_subject;
        self.check_discard_new(&msg.subject, of_subject, found.rollup.is_some(), planned)?;
        Ok(checked)
    }

    fn check_planned_sequences(
        &mut self,
        subject: &[u8],
        found: &PublishHeaders<'_>,
        planned: &mut Planned,
    ) -> Result<(), Refusal> {
        if let Some(expected) = found.expected_last_seq {
            let last = self.last_seq + planned.msgs;
            if number(expected) != Some(last) {
                return Err(errors::STREAM_WRONG_LAST_SEQUENCE.with(last).into());
            }
            // Only the first message of a batch may ask.
            if planned.msgs > 0 {
                return Err(errors::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.into());
            }
        }
        let Some(expected) = found.expected_last_subject_seq else {
            if found.expected_last_subject.is_some() {
                return Err(errors::STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID.into());
            }
            return Ok(());
        };
        let of = found.expected_last_subject.unwrap_or(subject);
        if planned.subjects.contains_key(of) {
            return Err(errors::STREAM_WRONG_LAST_SEQUENCE_CONSTANT.into());
        }
        let last = match planned.expected.get(of) {
            Some(&last) => last,
            None => self.last_seq_matching(of)?,
        };
        if number(expected) != Some(last) {
            return Err(errors::STREAM_WRONG_LAST_SEQUENCE.with(last).into());
        }
        planned.expected.insert(of.to_vec(), last);
        Ok(())
    }

    /// What discard new keeps out, counted with the messages before it.
    fn check_discard_new(
        &mut self,
        subject: &[u8],
        of_subject: u64,
        rolls_up: bool,
        planned: &Planned,
    ) -> Result<(), Refusal> {
        if self.config.discard != Discard::New {
            return Ok(());
        }
        let totals = self.store.totals();
        let over = |limit: i64, value: u64| u64::try_from(limit).is_ok_and(|l| l > 0 && value > l);
        if over(self.config.max_msgs, totals.msgs + planned.msgs) {
            return Err(store_failed(&store::StoreError::MaxMsgs).into());
        }
        if over(self.config.max_bytes, totals.bytes + planned.bytes) {
            return Err(store_failed(&store::StoreError::MaxBytes).into());
        }
        if self.config.discard_new_per_subject && !rolls_up {
            let mut held = 0;
            let filter = store::Filter::any_of([String::from_utf8_lossy(subject)]);
            self.store.subject_totals(&filter, &mut |_, total| held += total);
            if over(self.config.max_msgs_per_subject, held + of_subject) {
                return Err(store_failed(&store::StoreError::MaxMsgsPerSubject).into());
            }
        }
        Ok(())
    }

    /// Gives a batch up and says so.
    fn abandon(&mut self, id: &[u8], reason: &'static str) {
        if self.batches.end(id).is_none() {
            return;
        }
        self.advisories.push(Advisory::BatchAbandoned {
            stream: self.config.name.clone(),
            domain: self.env.domain.clone(),
            batch: String::from_utf8_lossy(id).into_owned(),
            reason,
        });
    }

    /// Gives up the batches that nothing was added to for too long.
    pub(super) fn expire_batches(&mut self, ctx: &Ctx<'_>) {
        if self.batches.next_deadline() > ctx.mono_ns {
            return;
        }
        let due = |batch: &Batch| batch.deadline_ns <= ctx.mono_ns;
        let ids: Vec<Vec<u8>> = self
            .batches
            .open
            .iter()
            .filter(|(_, batch)| due(batch))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.abandon(&id, "timeout");
        }
    }

    /// Completes, or takes back, a batch that a crash cut short.
    pub(super) fn finish_cut_batch(&mut self, ctx: &Ctx<'_>) -> Result<(), ApiError> {
        let cut = self.store.take_cut_batch().map_err(|error| store_failed(&error))?;
        let Some(CutBatch { remove, append }) = cut else { return Ok(()) };
        for seq in remove {
            self.with_removals(Cause::Limits, ctx, |store, removed| {
                store.remove(seq, Erase::Keep, removed)
            })
            .map_err(|error| store_failed(&error))?;
        }
        for msg in append {
            let found = PublishHeaders::read(&msg.headers);
            let checked = Checked {
                msg_id: found.msg_id.unwrap_or_default(),
                rollup: self.check_rollup(found.rollup).unwrap_or_default(),
                ttl_seconds: found.ttl.and_then(ttl_seconds).unwrap_or(0),
            };
            let (subject, headers) = (msg.subject.len(), msg.headers.len());
            // It was admitted before the crash.
            self.quota.adopt(self.store.size_of(subject, headers, msg.payload.len()));
            let put = Put {
                subject: &msg.subject,
                headers: Cow::Borrowed(&msg.headers),
                payload: &msg.payload,
                checked,
                charge: Charge::Done,
                ack: Ack::None,
                ts: None,
            };
            if let Err(Refusal::Error(error)) = self.put(ctx, put) {
                return Err(error);
            }
        }
        self.store.flush(store::Durability::Synced).map_err(|error| store_failed(&error))?;
        self.held.clear();
        self.note_last();
        Ok(())
    }
}
