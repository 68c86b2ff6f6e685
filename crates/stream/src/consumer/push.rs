//! Push delivery: who listens on the deliver subject, heartbeats and flow control.

use types::ConsumerConfig;

use super::pending::NEVER;
use super::pull::send_heartbeat;
use super::{Consumer, Io, Mode, RateLimit, Rng};
use crate::ctx::Interest;
use crate::effects::Effects;

/// Most bytes in flight under flow control (`JsFlowControlMaxPending`).
const FLOW_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// State of a push consumer.
#[derive(Debug)]
pub(crate) struct PushState {
    active: bool,
    heartbeat_ns: u64,
    /// `NEVER` without heartbeats.
    pub(crate) heartbeat_at: u64,
    flow: Option<Flow>,
}

/// Flow control: a window of bytes that doubles with every answer.
#[derive(Debug)]
struct Flow {
    window: u64,
    /// Bytes sent and not yet covered by an answer.
    sent: u64,
    /// Reply subject of the outstanding question; empty for none.
    asked: Vec<u8>,
    /// Bytes that its answer covers.
    covers: u64,
}

impl PushState {
    pub(crate) fn new(config: &ConsumerConfig) -> Self {
        let flow = config.flow_control.then(|| Flow {
            window: FLOW_MAX_BYTES / 16,
            sent: 0,
            asked: Vec::new(),
            covers: 0,
        });
        PushState {
            active: false,
            heartbeat_ns: u64::try_from(config.idle_heartbeat_ns).unwrap_or(0),
            heartbeat_at: NEVER,
            flow,
        }
    }

    /// Whether somebody listens.
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Whether the window is used up.
    pub(crate) fn is_stalled(&self) -> bool {
        self.flow.as_ref().is_some_and(|f| f.sent > f.window)
    }

    fn restart_heartbeat(&mut self, now: u64) -> u64 {
        if self.heartbeat_ns > 0 {
            self.heartbeat_at = now.saturating_add(self.heartbeat_ns);
        }
        self.heartbeat_at
    }
}

/// Whether somebody listens where this consumer delivers.
pub(crate) fn is_bound(config: &ConsumerConfig, interest: &dyn Interest) -> bool {
    let subject = config.deliver_subject.as_bytes();
    interest.has_listener(subject, config.deliver_group.as_bytes())
}

impl Consumer {
    /// Looks up who listens on the deliver subject (`updateDeliveryInterest`).
    pub(crate) fn refresh_interest(&mut self, io: &mut Io<'_, '_>) {
        let bound = is_bound(&self.config, io.ctx.interest);
        let now = io.ctx.mono_ns;
        let Mode::Push(push) = &mut self.mode else { return };
        push.active = bound;
        let beat = if push.heartbeat_at == NEVER { push.restart_heartbeat(now) } else { NEVER };
        self.arm(beat);
        if bound {
            self.inactive_at = NEVER;
        } else if self.inactive_ns > 0 && self.inactive_at == NEVER {
            self.inactive_at = now.saturating_add(self.inactive_ns);
            self.arm(self.inactive_at);
        }
    }

    /// A message went out: heartbeats wait again, the window shrinks, and at half of it the
    /// client is asked to say how far it is (`needFlowControl`).
    pub(crate) fn pushed(&mut self, bytes: u64, io: &mut Io<'_, '_>) {
        let now = io.ctx.mono_ns;
        let Mode::Push(push) = &mut self.mode else { return };
        push.restart_heartbeat(now);
        let Some(flow) = &mut push.flow else { return };
        flow.sent += bytes;
        if flow.asked.is_empty() {
            if flow.sent > flow.window / 2 {
                ask(flow, &self.config.deliver_subject, io.stream, &self.name, io.rng, io.fx);
            }
        } else if flow.sent.saturating_sub(flow.covers) >= flow.window {
            flow.covers += bytes;
        }
    }

    /// The client answered a flow control question (`processFlowControl`).
    pub(crate) fn flow_answered(&mut self, subject: &[u8]) -> bool {
        let Mode::Push(PushState { flow: Some(flow), .. }) = &mut self.mode else { return false };
        if flow.asked.is_empty() || flow.asked != subject {
            return false;
        }
        flow.window = (flow.window * 2).min(FLOW_MAX_BYTES);
        flow.sent = flow.sent.saturating_sub(flow.covers);
        flow.asked.clear();
        flow.covers = 0;
        true
    }

    /// Sends a heartbeat that is due.
    pub(crate) fn beat(&mut self, io: &mut Io<'_, '_>) {
        let now = io.ctx.mono_ns;
        let (consumer_seq, stream_seq) = (self.delivered.consumer, self.next_seq - 1);
        let Mode::Push(push) = &mut self.mode else { return };
        if now < push.heartbeat_at {
            return;
        }
        if push.active {
            let asked = push.flow.as_ref().map(|f| f.asked.as_slice()).filter(|a| !a.is_empty());
            let to = self.config.deliver_subject.as_bytes();
            send_heartbeat(io.fx, to, consumer_seq, stream_seq, asked);
        }
        push.restart_heartbeat(now);
    }
}

fn ask(
    flow: &mut Flow,
    deliver: &str,
    stream: &str,
    consumer: &str,
    rng: &mut Rng,
    fx: &mut Effects,
) {
    for part in ["$JS.FC.", stream, ".", consumer, "."] {
        flow.asked.extend_from_slice(part.as_bytes());
    }
    rng.token(4, &mut flow.asked);
    flow.covers = flow.sent;
    fx.send(deliver.as_bytes(), &flow.asked, b"NATS/1.0 100 FlowControl Request\r\n\r\n", b"");
}

impl RateLimit {
    /// A full bucket.
    pub(crate) fn new(bits_per_s: u64, burst: u64, now: u64) -> Self {
        RateLimit { bytes_per_s: (bits_per_s / 8).max(1), burst: burst.max(1), full_at: now }
    }

    /// Takes `bytes` now, or says when they may be taken.
    pub(crate) fn take(&mut self, bytes: u64, now: u64) -> Result<(), u64> {
        let ns = |bytes: u64| {
            u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_s))
                .unwrap_or(u64::MAX)
        };
        // The bucket holds at most `burst`; a larger message goes when the bucket is full.
        let cost = ns(bytes.min(self.burst));
        let full_at = self.full_at.max(now);
        let allowed_at = full_at.saturating_add(cost).saturating_sub(ns(self.burst));
        if allowed_at > now {
            return Err(allowed_at);
        }
        self.full_at = full_at.saturating_add(ns(bytes));
        Ok(())
    }
}
