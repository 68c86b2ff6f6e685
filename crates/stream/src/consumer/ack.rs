//! Acknowledgements in all their kinds.

use serde::Deserialize;
use types::AckPolicy;
use types::Retention;
use types::advisory::Advisory;

use super::pending::Phase;
use super::{Consumer, Io};
use crate::duration;

/// An acknowledgement, its subject already read.
#[derive(Clone, Copy, Debug)]
pub struct AckMsg<'a> {
    /// Consumer name.
    pub consumer: &'a [u8],
    /// Delivery count of the acknowledged delivery.
    pub delivered: u64,
    /// Stream sequence; 0 where the subject held garbage.
    pub stream_seq: u64,
    /// Consumer sequence.
    pub consumer_seq: u64,
    /// Where to confirm it, or empty.
    pub reply: &'a [u8],
    /// The kind: empty, `+ACK`, `-NAK` …; without headers.
    pub payload: &'a [u8],
}

/// What an ack subject says: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.
/// <consumer seq>.<ns>.<pending>`, or with domain and account hash before the stream name
/// (`server/consumer.go` `ackReplyInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSubject<'a> {
    /// Stream name.
    pub stream: &'a [u8],
    /// Consumer name.
    pub consumer: &'a [u8],
    /// Delivery count.
    pub delivered: u64,
    /// Stream sequence.
    pub stream_seq: u64,
    /// Consumer sequence.
    pub consumer_seq: u64,
}

impl<'a> AckSubject<'a> {
    /// Reads an ack subject; `None` if it is none.
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let rest = subject.strip_prefix(b"$JS.ACK.")?;
        let mut parts = [&b""[..]; 10];
        let mut count = 0;
        for token in rest.split(|b| *b == b'.') {
            if let Some(part) = parts.get_mut(count) {
                *part = token;
            }
            count += 1;
        }
        let at = match count {
            7 => 0,
            9.. => 2,
            _ => return None,
        };
        let token = |n: usize| parts.get(at + n).copied().unwrap_or_default();
        let number = |n: usize| crate::headers::number(token(n)).unwrap_or(0);
        Some(AckSubject {
            stream: token(0),
            consumer: token(1),
            delivered: number(2),
            stream_seq: number(3),
            consumer_seq: number(4),
        })
    }
}

/// What becomes of an ack's own reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirm {
    /// It is confirmed once the progress is stored.
    Yes,
    /// It is not.
    No,
}

/// Options of a `-NAK` with JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NakOptions {
    delay: i64,
}

impl Consumer {
    /// An acknowledgement came in (`processAck`).
    pub(crate) fn ack(&mut self, msg: &AckMsg<'_>, io: &mut Io<'_, '_>) -> Confirm {
        if !self.expects_acks() {
            return Confirm::No;
        }
        let known = if msg.stream_seq == 0 { Confirm::No } else { Confirm::Yes };
        match msg.payload {
            b"" | b"+ACK" | b"+OK" => self.settle(msg, Sampling::Allowed, io),
            [b'+', b'N', b'X', b'T', rest @ ..] => {
                self.settle(msg, Sampling::Allowed, io);
                self.next(msg.reply, rest, io);
                Confirm::No
            }
            [b'-', b'N', b'A', b'K', rest @ ..] => {
                self.nak(msg, rest.trim_ascii(), io);
                known
            }
            b"+WPI" => {
                self.in_progress(msg.stream_seq, io);
                known
            }
            [b'+', b'T', b'E', b'R', b'M', rest @ ..] => {
                let confirm = self.settle(msg, Sampling::Suppressed, io);
                io.fx.advisory(Advisory::Terminated {
                    stream: io.stream.to_owned(),
                    consumer: self.name.clone(),
                    consumer_seq: msg.consumer_seq,
                    stream_seq: msg.stream_seq,
                    deliveries: msg.delivered,
                    reason: String::from_utf8_lossy(rest.trim_ascii()).into_owned(),
                    domain: io.env.domain.clone(),
                });
                confirm
            }
            _ => known,
        }
    }

    /// The message needs no further delivery (`processAckMsg`).
    fn settle(&mut self, msg: &AckMsg<'_>, sampling: Sampling, io: &mut Io<'_, '_>) -> Confirm {
        let seq = msg.stream_seq;
        if seq == 0 || seq > self.delivered.stream {
            return Confirm::No;
        }
        let was_stalled = self.is_stalled_by_acks();
        match self.config.ack_policy {
            AckPolicy::Explicit => {
                if sampling == Sampling::Allowed {
                    self.sample(msg, io);
                }
                let was_first = self.pending.first().is_some_and(|e| e.seq == seq);
                let taken = self.take_pending(seq).is_some();
                let counted = self.redelivery.forget(seq);
                if taken && (was_first || self.pending.len() == 0) {
                    self.raise_floor();
                }
                if (taken || counted) && io.retention != Retention::Limits {
                    io.settled.push(seq);
                }
            }
            AckPolicy::All | AckPolicy::FlowControl => {
                if msg.consumer_seq <= self.ack_floor.consumer || seq <= self.ack_floor.stream {
                    return Confirm::Yes;
                }
                while let Some(entry) = self.pending.remove_first_up_to(seq) {
                    if entry.phase == Phase::Queued {
                        self.queued = self.queued.saturating_sub(1);
                    }
                    if io.retention != Retention::Limits {
                        io.settled.push(entry.seq);
                    }
                }
                self.redelivery.retain(|counted| counted > seq);
                self.ack_floor.consumer = msg.consumer_seq.min(self.delivered.consumer);
                self.ack_floor.stream = seq;
                if self.pending.len() == 0 {
                    self.raise_floor();
                }
            }
            AckPolicy::None => return Confirm::No,
        }
        self.last_ack = Some(io.ctx.now);
        self.touched(io.ctx);
        if was_stalled {
            self.wake_for_delivery = true;
        }
        Confirm::Yes
    }

    fn is_stalled_by_acks(&self) -> bool {
        let most = usize::try_from(self.config.max_ack_pending).unwrap_or(0);
        most > 0 && self.pending.len() >= most
    }

    /// The client cannot handle the message now (`processNak`).
    fn nak(&mut self, msg: &AckMsg<'_>, arg: &[u8], io: &mut Io<'_, '_>) {
        let seq = msg.stream_seq;
        if msg.consumer_seq <= self.ack_floor.consumer || msg.consumer_seq > self.delivered.consumer
        {
            return;
        }
        let Some(entry) = self.pending.get(seq).copied() else { return };
        io.fx.advisory(Advisory::Nak {
            stream: io.stream.to_owned(),
            consumer: self.name.clone(),
            consumer_seq: msg.consumer_seq,
            stream_seq: seq,
            deliveries: msg.delivered,
            domain: io.env.domain.clone(),
        });
        match nak_delay(arg) {
            Some(delay) => {
                let delay = u64::try_from(delay).unwrap_or(0);
                let wait = self.ack_wait_after(self.redelivery.count(seq));
                let offset = i128::from(delay) - i128::from(wait);
                let from = i128::from(io.ctx.now.unix_ns()) + offset;
                let from = i64::try_from(from).unwrap_or(i64::MAX);
                self.postpone(entry.phase, seq, from, io.ctx.mono_ns.saturating_add(delay));
            }
            None => {
                self.queue_redelivery(seq);
                self.wake_for_delivery = true;
            }
        }
        self.touched(io.ctx);
    }

    /// The client needs more time (`progressUpdate`).
    fn in_progress(&mut self, seq: u64, io: &mut Io<'_, '_>) {
        let Some(entry) = self.pending.get(seq).copied() else { return };
        let at = self.ack_deadline(io.ctx.mono_ns, self.redelivery.count(seq));
        self.postpone(entry.phase, seq, io.ctx.now.unix_ns(), at);
        self.touched(io.ctx);
    }

    fn postpone(&mut self, phase: Phase, seq: u64, delivered_ns: i64, at: u64) {
        if phase == Phase::Queued {
            self.queued = self.queued.saturating_sub(1);
        }
        self.pending.postpone(seq, delivered_ns, at);
        self.arm(at);
    }

    /// Reports how long this ack took, for a share of them (`sampleAck`).
    fn sample(&self, msg: &AckMsg<'_>, io: &mut Io<'_, '_>) {
        let sampled = match self.sample_percent {
            0 => false,
            100.. => true,
            share => io.rng.below(100) <= share,
        };
        if !sampled {
            return;
        }
        let Some(entry) = self.pending.get(msg.stream_seq) else { return };
        io.fx.advisory(Advisory::ConsumerAck {
            stream: io.stream.to_owned(),
            consumer: self.name.clone(),
            consumer_seq: msg.consumer_seq,
            stream_seq: msg.stream_seq,
            ack_time_ns: io.ctx.now.unix_ns().saturating_sub(entry.delivered_ns),
            deliveries: msg.delivered,
            domain: io.env.domain.clone(),
        });
    }
}

/// Whether an ack counts for ack metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sampling {
    Allowed,
    Suppressed,
}

/// The delay of a `-NAK`, if it has a valid one; ns.
fn nak_delay(arg: &[u8]) -> Option<i64> {
    match arg.first()? {
        b'{' => serde_json::from_slice::<NakOptions>(arg).ok().map(|o| o.delay),
        _ => duration::parse(std::str::from_utf8(arg).ok()?),
    }
}
