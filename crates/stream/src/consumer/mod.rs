//! One consumer: its configuration, its place in the stream, and who waits for messages.

mod ack;
mod config;
mod deliver;
mod info;
mod pending;
mod pull;
mod push;
mod redelivery;
mod start;
mod state;
mod timers;

use std::collections::VecDeque;

use store::{ConsumerMeta, ConsumerStore, Removed, StreamStore};
use types::advisory::Advisory;
use types::{AckPolicy, ConsumerConfig, Retention, SequencePair, Timestamp};

pub(crate) use ack::Confirm;
pub use ack::{AckMsg, AckSubject};
pub use config::ConsumerCreate;
pub(crate) use config::{check_update, same_consumer};
pub(crate) use deliver::{Budget, Progress};
pub(crate) use timers::Fate;

use crate::ctx::{Ctx, StreamEnv};
use crate::effects::Effects;
use crate::filter::Matcher;
use pending::{NEVER, PendingAcks};
use pull::{Counts, PullState};
use push::PushState;
use redelivery::Redelivery;

/// Reason of the advisory when an unacknowledged message left the stream.
const UNACKED_REMOVED: &str = "Unacknowledged message was deleted";
/// Progress is stored at the latest that long after it changed.
pub(crate) const SAVE_DELAY_NS: u64 = 250_000_000;

/// What a consumer works with during one call.
pub(crate) struct Io<'a, 'c> {
    pub(crate) store: &'a mut dyn StreamStore,
    pub(crate) ctx: &'a Ctx<'c>,
    pub(crate) fx: &'a mut Effects,
    pub(crate) env: &'a StreamEnv,
    pub(crate) account: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) retention: Retention,
    /// Sequences that this consumer no longer needs; the stream decides whether they go.
    pub(crate) settled: &'a mut Vec<u64>,
    /// Highest committed sequence.
    pub(crate) last: u64,
    pub(crate) rng: &'a mut Rng,
}

/// Small pseudo random numbers for jitter, sampling and tokens (xorshift64*).
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Adds `len` characters of 0-9A-Za-z.
    pub(crate) fn token(&mut self, len: usize, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for _ in 0..len {
            let at = self.below(62) as usize;
            out.push(DIGITS.get(at).copied().unwrap_or(b'0'));
        }
    }
}

/// Why a message left the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A limit, an age, or a delete: unacknowledged deliveries are reported as terminated.
    Limits,
    /// A purge: consumers are brought up to date in one go afterwards.
    Purge,
    /// Nobody needs it any more.
    Settled,
}

/// How clients get messages.
#[derive(Debug)]
pub(crate) enum Mode {
    Pull(PullState),
    Push(PushState),
}

/// Sequences to deliver first, for "last per subject".
#[derive(Debug)]
pub(crate) struct SkipList {
    seqs: VecDeque<u64>,
}

/// Pacing of "replay original": until when, and what was delivered last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay {
    until_seq: u64,
    last: Option<(i64, u64)>,
}

/// A token bucket in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit {
    bytes_per_s: u64,
    burst: u64,
    /// Monotonic time at which the bucket is as full as it will be.
    full_at: u64,
}

/// A consumer of the stream.
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) config: ConsumerConfig,
    pub(crate) filter: Matcher,
    pub(crate) mode: Mode,
    /// Next stream sequence to look at, after the skip list.
    pub(crate) next_seq: u64,
    skip: Option<SkipList>,
    /// Last delivered.
    pub(crate) delivered: SequencePair,
    /// Everything up to here is settled. Never goes back.
    pub(crate) ack_floor: SequencePair,
    /// Matching messages not yet delivered; exact after every call.
    pub(crate) num_pending: u64,
    pub(crate) pending: PendingAcks,
    pub(crate) redelivery: Redelivery,
    queued: usize,
    last_delivery: Option<Timestamp>,
    last_ack: Option<Timestamp>,
    store: Option<Box<dyn ConsumerStore>>,
    /// When the progress must be stored; `NEVER` when it is.
    save_at: u64,
    /// The stored progress was not synced.
    unsynced: bool,
    /// In the stream's list of consumers to serve.
    pub(crate) ready: bool,
    /// An ack or timer made delivery possible again.
    pub(crate) wake_for_delivery: bool,
    /// No later than the next timer of this consumer.
    pub(crate) wake: u64,
    /// Nothing is delivered before (pacing, rate limit).
    blocked_until: u64,
    replay: Option<Replay>,
    rate: Option<RateLimit>,
    sample_percent: u64,
    paused_until: u64,
    /// With jitter; 0 is never.
    inactive_ns: u64,
    inactive_at: u64,
    ack_prefix: Vec<u8>,
    scratch: Vec<u8>,
    scratch_headers: Vec<u8>,
    scratch_seqs: Vec<u64>,
    /// Counts this consumer in its account.
    _ticket: js_account::ConsumerTicket,
}

/// What makes a consumer.
pub(crate) struct ConsumerParts {
    pub(crate) meta: ConsumerMeta,
    pub(crate) store: Option<Box<dyn ConsumerStore>>,
    pub(crate) ticket: js_account::ConsumerTicket,
}

impl Consumer {
    /// A consumer at no place yet; `start` or `restore` give it one.
    pub(crate) fn new(parts: ConsumerParts, stream: &str) -> Self {
        let ConsumerParts { meta: ConsumerMeta { name, created, config }, store, ticket } = parts;
        let filter = Matcher::new(&config.filters());
        let mode = if config.is_pull() {
            Mode::Pull(PullState::default())
        } else {
            Mode::Push(PushState::new(&config))
        };
        let ack_prefix = format!("$JS.ACK.{stream}.{name}.").into_bytes();
        let mut consumer = Consumer {
            name,
            created,
            filter,
            mode,
            next_seq: 1,
            skip: None,
            delivered: SequencePair::default(),
            ack_floor: SequencePair::default(),
            num_pending: 0,
            pending: PendingAcks::default(),
            redelivery: Redelivery::default(),
            queued: 0,
            last_delivery: None,
            last_ack: None,
            store,
            save_at: NEVER,
            unsynced: false,
            ready: false,
            wake_for_delivery: false,
            wake: NEVER,
            blocked_until: 0,
            replay: None,
            rate: None,
            sample_percent: 0,
            paused_until: 0,
            inactive_ns: 0,
            inactive_at: NEVER,
            ack_prefix,
            scratch: Vec::new(),
            scratch_headers: Vec::new(),
            scratch_seqs: Vec::new(),
            config,
            _ticket: ticket,
        };
        consumer.sample_percent = config::sample_percent(&consumer.config.sample_freq);
        consumer
    }

    /// Consumer sequence of the next delivery.
    pub(crate) fn next_dseq(&self) -> u64 {
        self.delivered.consumer + 1
    }

    /// Whether it takes acks at all.
    pub(crate) fn expects_acks(&self) -> bool {
        self.config.ack_policy != AckPolicy::None
    }

    /// Notes that a timer is due at `at`.
    pub(crate) fn arm(&mut self, at: u64) {
        self.wake = self.wake.min(at);
    }

    /// Notes that the progress changed.
    pub(crate) fn touched(&mut self, ctx: &Ctx<'_>) {
        if self.save_at == NEVER && self.store.is_some() {
            self.save_at = ctx.mono_ns.saturating_add(SAVE_DELAY_NS);
            self.arm(self.save_at);
        }
    }

    /// Whether somebody wants messages, so that it is worth looking for some.
    pub(crate) fn wants_messages(&self) -> bool {
        match &self.mode {
            Mode::Pull(pull) => !pull.is_empty(),
            Mode::Push(push) => push.is_active(),
        }
    }

    /// A message was stored.
    #[inline]
    pub(crate) fn stored(&mut self, seq: u64, subject: &[u8]) -> bool {
        if seq < self.next_seq || !self.filter.matches(subject) {
            return false;
        }
        self.num_pending += 1;
        self.wants_messages()
    }

    /// A message left the store (`decStreamPending`).
    pub(crate) fn removed(&mut self, gone: &Removed<'_>, cause: Cause, notes: &mut Notes<'_>) {
        if gone.seq >= self.next_seq {
            if self.filter.matches(gone.subject) {
                self.num_pending = self.num_pending.saturating_sub(1);
            }
        } else if let Some(skip) = &mut self.skip
            && let Ok(at) = skip.seqs.binary_search(&gone.seq)
        {
            skip.seqs.remove(at);
            self.num_pending = self.num_pending.saturating_sub(1);
        }
        if cause == Cause::Settled {
            return;
        }
        let counted = self.redelivery.count(gone.seq);
        let was_counted = self.redelivery.forget(gone.seq);
        if let Some(entry) = self.take_pending(gone.seq) {
            if cause == Cause::Limits {
                notes.advisories.push(Advisory::Terminated {
                    stream: notes.stream.to_owned(),
                    consumer: self.name.clone(),
                    consumer_seq: entry.dseq,
                    stream_seq: gone.seq,
                    deliveries: counted.max(1),
                    reason: UNACKED_REMOVED.to_owned(),
                    domain: notes.domain.to_owned(),
                });
            }
            self.last_ack = Some(notes.now);
            // It may have stalled the consumer.
            self.wake_for_delivery = true;
            self.raise_floor();
            self.note_touched(notes.mono_ns);
        } else if was_counted {
            self.note_touched(notes.mono_ns);
        }
    }

    fn note_touched(&mut self, mono_ns: u64) {
        if self.save_at == NEVER && self.store.is_some() {
            self.save_at = mono_ns.saturating_add(SAVE_DELAY_NS);
            self.arm(self.save_at);
        }
    }

    /// Delivers nothing before `at`.
    pub(crate) fn hold_back(&mut self, at: u64) {
        self.blocked_until = at;
        self.arm(at);
    }

    /// Ends all pull requests because the server goes down.
    pub(crate) fn end_requests(&mut self, fx: &mut Effects, line: &str) {
        if let Mode::Pull(pull) = &mut self.mode {
            pull.end_all(fx, line, Counts::Shown);
        }
    }

    /// Ends all pull requests because the consumer is gone.
    pub(crate) fn release_requests(&mut self, fx: &mut Effects) {
        if let Mode::Pull(pull) = &mut self.mode {
            pull.end_all(fx, "409 Consumer Deleted", Counts::Left);
        }
    }

    /// Moves the ack floor up to the lowest unacknowledged message.
    pub(crate) fn raise_floor(&mut self) {
        let to = match self.pending.first() {
            None => self.delivered,
            Some(first) => SequencePair { consumer: first.dseq - 1, stream: first.seq - 1 },
        };
        self.ack_floor.consumer = self.ack_floor.consumer.max(to.consumer);
        self.ack_floor.stream = self.ack_floor.stream.max(to.stream);
    }

    /// Whether this consumer still needs the message (`needAck`).
    pub(crate) fn needs(&self, seq: u64, subject: &[u8]) -> bool {
        if !self.filter.matches(subject) {
            return false;
        }
        if let Some(skip) = &self.skip
            && skip.seqs.binary_search(&seq).is_ok()
        {
            return true;
        }
        let unsettled = seq > self.ack_floor.stream
            && match self.config.ack_policy {
                AckPolicy::Explicit => seq >= self.next_seq || self.pending.get(seq).is_some(),
                AckPolicy::None | AckPolicy::All | AckPolicy::FlowControl => true,
            };
        unsettled || self.redelivery.counts().contains_key(&seq)
    }

    /// Counts again what is pending, after many messages came or went at once.
    pub(crate) fn recount(&mut self, store: &mut dyn StreamStore) {
        let listed = self.skip.as_ref().map_or(0, |s| s.seqs.len() as u64);
        self.num_pending = listed + store.count_from(self.next_seq, self.filter.store());
    }

    /// The consumer's identity and configuration as they are stored.
    pub(crate) fn meta(&self) -> ConsumerMeta {
        ConsumerMeta { name: self.name.clone(), created: self.created, config: self.config.clone() }
    }

    /// Whether it delivers to a subject of its own.
    pub(crate) fn is_push(&self) -> bool {
        matches!(self.mode, Mode::Push(_))
    }
}

/// Where advisories go when no [`Effects`] is at hand.
pub(crate) struct Notes<'a> {
    pub(crate) advisories: &'a mut Vec<Advisory>,
    pub(crate) stream: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) mono_ns: u64,
}
