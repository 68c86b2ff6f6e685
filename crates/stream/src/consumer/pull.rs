//! Pull requests: checking them, keeping them waiting, choosing who gets the next message.

use std::collections::VecDeque;

use types::advisory::Advisory;
use types::api::NextRequest;
use types::{ConsumerConfig, PriorityPolicy, Timestamp};

use super::pending::NEVER;
use super::{Consumer, Io, Mode, Rng};
use crate::ctx::{Ctx, Interest};
use crate::effects::Effects;
use crate::{duration, request};

/// Waiting pull requests of a consumer.
#[derive(Debug, Default)]
pub(crate) struct PullState {
    waiting: VecDeque<Request>,
    /// Buffers of finished requests, to be used again.
    spare: Vec<Vec<u8>>,
    /// Last sign of life of any client.
    pub(crate) last_active: u64,
    /// The client that a pinned group is tied to.
    pub(crate) pin: Option<Pin>,
}

/// The client that a group is pinned to.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) id: String,
    pub(crate) since: Timestamp,
    /// When the pin lapses.
    pub(crate) until: u64,
}

/// One waiting request.
#[derive(Debug, Default)]
struct Request {
    reply: Vec<u8>,
    /// Messages still wanted.
    left: i64,
    delivered: u64,
    /// Bytes still wanted; 0 is no limit.
    bytes_left: i64,
    /// 0 is never.
    expires: u64,
    no_wait: bool,
    heartbeat: u64,
    /// `NEVER` without heartbeats.
    heartbeat_at: u64,
    /// Round in which interest was last looked up, and what was found.
    interest_checked: u64,
    group: Option<Box<Group>>,
}

/// The priority fields of a request.
#[derive(Debug, Default)]
struct Group {
    min_pending: i64,
    min_ack_pending: i64,
    id: String,
    priority: i64,
}

/// What a request must know about its consumer to be served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// Bytes of the message as a client counts them.
    pub(crate) bytes: usize,
    /// Matching messages not delivered, this one included.
    pub(crate) num_pending: u64,
    /// Unacknowledged messages.
    pub(crate) ack_pending: usize,
}

/// Whether requests may be answered with "nothing there".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// All there is was delivered.
    Yes,
    /// There may be more.
    No,
}

impl Request {
    fn status(&self, fx: &mut Effects, line: &str) {
        let mut m = fx.message(&self.reply);
        m.headers(b"NATS/1.0 ");
        m.headers(line.as_bytes());
        m.headers(b"\r\nNats-Pending-Messages: ");
        m.header_number(self.left);
        m.headers(b"\r\nNats-Pending-Bytes: ");
        m.header_number(self.bytes_left);
        m.headers(b"\r\n\r\n");
    }

    fn priority(&self) -> i64 {
        self.group.as_ref().map_or(i64::MAX, |g| g.priority)
    }

    fn has_interest(&mut self, round: u64, interest: &dyn Interest) -> bool {
        if self.interest_checked == round {
            return true;
        }
        let found = interest.has_interest(&self.reply);
        if found {
            self.interest_checked = round;
        }
        found
    }

    fn next_timer(&self) -> u64 {
        let expires = if self.expires == 0 { NEVER } else { self.expires };
        expires.min(self.heartbeat_at)
    }
}

/// A status without further headers.
pub(crate) fn send_status(fx: &mut Effects, reply: &[u8], line: &str) {
    let mut m = fx.message(reply);
    m.headers(b"NATS/1.0 ");
    m.headers(line.as_bytes());
    m.headers(b"\r\n\r\n");
}

impl PullState {
    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn recycle(&mut self, mut request: Request) {
        if self.spare.len() < 16 {
            request.reply.clear();
            self.spare.push(request.reply);
        }
    }

    fn buffer(&mut self, reply: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend_from_slice(reply);
        buffer
    }

    /// Adds behind the requests of the same or a more urgent priority.
    fn add(&mut self, request: Request, policy: PriorityPolicy) {
        if policy == PriorityPolicy::Prioritized {
            let at = self.waiting.partition_point(|r| r.priority() <= request.priority());
            self.waiting.insert(at, request);
        } else {
            self.waiting.push_back(request);
        }
    }

    /// Ends all requests with a status (`releaseAnyPendingRequests`, `signalPullConsumers`).
    pub(crate) fn end_all(&mut self, fx: &mut Effects, line: &str, counts: Counts) {
        while let Some(request) = self.waiting.pop_front() {
            match counts {
                Counts::Shown => request.status(fx, line),
                Counts::Left => send_status(fx, &request.reply, line),
            }
        }
    }

    pub(crate) fn front_timer(&self) -> u64 {
        self.waiting.iter().map(Request::next_timer).min().unwrap_or(NEVER)
    }
}

/// Whether a status shows what was still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// With `Nats-Pending-Messages` and `-Bytes`.
    Shown,
    /// Without.
    Left,
}

/// Sequences that an idle heartbeat tells, with the stalled flow control if there is one.
pub(crate) fn send_heartbeat(
    fx: &mut Effects,
    to: &[u8],
    consumer_seq: u64,
    stream_seq: u64,
    stalled: Option<&[u8]>,
) {
    let mut m = fx.message(to);
    m.headers(b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: ");
    m.header_number(consumer_seq);
    m.headers(b"\r\nNats-Last-Stream: ");
    m.header_number(stream_seq);
    if let Some(stalled) = stalled {
        m.headers(b"\r\nNats-Consumer-Stalled: ");
        m.headers(stalled);
    }
    m.headers(b"\r\n\r\n");
}

/// A request's body, read (`nextReqFromMsg`).
fn read_request(payload: &[u8]) -> Result<(NextRequest, bool), String> {
    let body = payload.trim_ascii();
    let one = NextRequest { batch: 1, ..NextRequest::default() };
    match body.first() {
        None => Ok((one, false)),
        Some(b'{') => {
            let request: NextRequest =
                request::lenient(body, request::NEXT_FIELDS).map_err(|error| error.to_string())?;
            let heartbeat = request.idle_heartbeat_ns;
            if heartbeat > 0 && heartbeat.saturating_mul(2) > request.expires_ns {
                return Err("heartbeat value too large".to_owned());
            }
            Ok((request, true))
        }
        Some(_) => {
            let batch = std::str::from_utf8(body).ok().and_then(|text| text.parse().ok());
            Ok((NextRequest { batch: batch.unwrap_or(1), ..one }, false))
        }
    }
}

/// What the consumer's configuration says against a request; the status line.
fn refuse(config: &ConsumerConfig, request: &NextRequest) -> Option<String> {
    if config.max_batch > 0 && request.batch > config.max_batch {
        return Some(format!("409 Exceeded MaxRequestBatch of {}", config.max_batch));
    }
    if request.expires_ns > 0
        && config.max_expires_ns > 0
        && request.expires_ns > config.max_expires_ns
    {
        let most = duration::show(config.max_expires_ns);
        return Some(format!("409 Exceeded MaxRequestExpires of {most}"));
    }
    if request.max_bytes > 0 && config.max_bytes > 0 && request.max_bytes > config.max_bytes {
        return Some(format!("409 Exceeded MaxRequestMaxBytes of {}", config.max_bytes));
    }
    None
}

impl Consumer {
    /// A client asks for messages (`processNextMsgRequest`).
    pub(crate) fn next(&mut self, reply: &[u8], payload: &[u8], io: &mut Io<'_, '_>) {
        let now = io.ctx.mono_ns;
        let Mode::Pull(_) = &self.mode else {
            return send_status(io.fx, reply, "409 Consumer is push based");
        };
        let (request, formal) = match read_request(payload) {
            Ok(read) => read,
            Err(text) => {
                return send_status(io.fx, reply, &format!("400 Bad Request - {text}"));
            }
        };
        if let Some(line) = refuse(&self.config, &request) {
            return send_status(io.fx, reply, &line);
        }
        if formal && !self.check_priority(&request, reply, io) {
            return;
        }
        let max_waiting = usize::try_from(self.config.max_waiting).unwrap_or(0);
        if self.waiting_len() >= max_waiting {
            self.process_waiting(AtEnd::No, io);
        }
        let expires = u64::try_from(request.expires_ns).unwrap_or(0);
        if request.no_wait && !self.may_wait(expires, reply, io) {
            return;
        }
        let heartbeat = u64::try_from(request.idle_heartbeat_ns).unwrap_or(0);
        if self.waiting_len() >= max_waiting {
            // A client with heartbeats notices by itself; an answer would make it ask again at
            // once.
            if heartbeat == 0 {
                send_status(io.fx, reply, "409 Exceeded MaxWaiting");
            }
            return;
        }
        let policy = self.config.priority_policy;
        let Mode::Pull(pull) = &mut self.mode else { return };
        let group = (formal && policy != PriorityPolicy::None).then(|| {
            Box::new(Group {
                min_pending: request.min_pending,
                min_ack_pending: request.min_ack_pending,
                id: request.id,
                priority: request.priority,
            })
        });
        let waiting = Request {
            reply: pull.buffer(reply),
            left: request.batch,
            delivered: 0,
            bytes_left: request.max_bytes,
            expires: if expires == 0 { 0 } else { now.saturating_add(expires) },
            no_wait: request.no_wait,
            heartbeat,
            heartbeat_at: if heartbeat == 0 { NEVER } else { now.saturating_add(heartbeat) },
            interest_checked: 0,
            group,
        };
        let timer = waiting.next_timer();
        pull.last_active = now;
        pull.add(waiting, policy);
        self.arm(timer);
    }

    fn waiting_len(&self) -> usize {
        match &self.mode {
            Mode::Pull(pull) => pull.len(),
            Mode::Push(_) => 0,
        }
    }

    /// Whether a no-wait request may stay; otherwise it was answered.
    fn may_wait(&mut self, expires: u64, reply: &[u8], io: &mut Io<'_, '_>) -> bool {
        let there = self.num_pending + self.redeliveries_queued() as u64;
        let line = if there == 0 {
            (expires == 0).then_some("404 No Messages")
        } else {
            let wanted = self.process_waiting(AtEnd::No, io);
            (there < wanted).then_some("408 Requests Pending")
        };
        let Some(line) = line else { return true };
        if let Mode::Pull(pull) = &mut self.mode {
            pull.last_active = io.ctx.mono_ns;
        }
        send_status(io.fx, reply, line);
        false
    }

    /// Checks the priority fields; false if the request was answered and is done.
    fn check_priority(&mut self, request: &NextRequest, reply: &[u8], io: &mut Io<'_, '_>) -> bool {
        let policy = self.config.priority_policy;
        let overflow = request.min_pending != 0 || request.min_ack_pending != 0;
        // The reference answers these two and keeps the request nevertheless.
        if overflow && policy != PriorityPolicy::Overflow {
            send_status(io.fx, reply, "400 Bad Request - Not a Overflow Priority consumer");
        }
        if !request.id.is_empty() && policy != PriorityPolicy::PinnedClient {
            send_status(io.fx, reply, "400 Bad Request - Not a Pinned Client Priority consumer");
        }
        let refused = if !(0..=9).contains(&request.priority) {
            Some("400 Bad Request - Priority must be between 0 and 9")
        } else if policy == PriorityPolicy::None {
            None
        } else if request.group.is_empty() {
            Some("400 Bad Request - Priority Group missing")
        } else if !self.config.priority_groups.contains(&request.group) {
            Some("400 Bad Request - Invalid Priority Group")
        } else {
            let lapse = self.pin_lapse(io.ctx.mono_ns);
            match &mut self.mode {
                Mode::Pull(PullState { pin: Some(pin), .. }) if pin.id == request.id => {
                    pin.until = lapse;
                    None
                }
                Mode::Pull(PullState { pin: Some(_), .. }) if !request.id.is_empty() => {
                    Some("423 Nats-Pin-Id mismatch")
                }
                _ => None,
            }
        };
        if let Some(line) = refused {
            send_status(io.fx, reply, line);
        }
        refused.is_none()
    }

    fn pin_lapse(&self, now: u64) -> u64 {
        now.saturating_add(u64::try_from(self.config.priority_timeout_ns).unwrap_or(0))
    }

    /// Ends requests that expired, lost their client or, at the end of the messages, do not
    /// wait; sends heartbeats. Answers how many messages are still wanted (`processWaiting`).
    pub(crate) fn process_waiting(&mut self, at_end: AtEnd, io: &mut Io<'_, '_>) -> u64 {
        let now = io.ctx.mono_ns;
        let (consumer_seq, stream_seq) = (self.delivered.consumer, self.next_seq - 1);
        let Mode::Pull(pull) = &mut self.mode else { return 0 };
        let mut wanted = 0u64;
        for _ in 0..pull.waiting.len() {
            let Some(mut request) = pull.waiting.pop_front() else { break };
            let expired = request.expires != 0 && now >= request.expires;
            if expired {
                request.status(io.fx, "408 Request Timeout");
                pull.recycle(request);
                continue;
            }
            let satisfied = request.expires == 0 || request.delivered > 0;
            if at_end == AtEnd::Yes && request.no_wait && satisfied {
                send_status(io.fx, &request.reply, "404 No Messages");
                pull.recycle(request);
                continue;
            }
            if !request.has_interest(now, io.ctx.interest) {
                pull.recycle(request);
                continue;
            }
            wanted += u64::try_from(request.left).unwrap_or(0);
            if now >= request.heartbeat_at {
                send_heartbeat(io.fx, &request.reply, consumer_seq, stream_seq, None);
                request.heartbeat_at = now.saturating_add(request.heartbeat);
            }
            pull.waiting.push_back(request);
        }
        let timer = pull.front_timer();
        self.arm(timer);
        wanted
    }

    /// Brings the request that gets the next message to the front; false if none may have it
    /// (`nextWaiting`).
    pub(crate) fn choose_request(
        &mut self,
        demand: Demand,
        ctx: &Ctx<'_>,
        fx: &mut Effects,
        rng: &mut Rng,
        place: Place<'_>,
    ) -> bool {
        let now = ctx.mono_ns;
        let policy = self.config.priority_policy;
        let lapse = self.pin_lapse(now);
        let Mode::Pull(pull) = &mut self.mode else { return false };
        let mut cycled = 0;
        while let Some(request) = pull.waiting.front_mut() {
            let size = i64::try_from(demand.bytes).unwrap_or(i64::MAX);
            if request.bytes_left > 0 && size > request.bytes_left {
                request.status(fx, "409 Message Size Exceeds MaxBytes");
            } else if request.expires != 0 && now >= request.expires {
                request.status(fx, "408 Request Timeout");
            } else {
                match admit(request, policy, pull.pin.as_ref(), demand) {
                    Admit::No => {
                        cycled += 1;
                        pull.waiting.rotate_left(1);
                        if cycled >= pull.waiting.len() {
                            return false;
                        }
                        continue;
                    }
                    Admit::WrongPin => request.status(fx, "423 Nats-Wrong-Pin-Id"),
                    Admit::Yes | Admit::NewPin => {
                        if request.has_interest(now, ctx.interest) {
                            if policy == PriorityPolicy::PinnedClient && pull.pin.is_none() {
                                let pin = new_pin(rng, ctx.now, lapse);
                                if let Some(group) = &mut request.group {
                                    group.id.clone_from(&pin.id);
                                }
                                fx.advisory(Advisory::GroupPinned {
                                    account: place.account.to_owned(),
                                    stream: place.stream.to_owned(),
                                    consumer: self.name.clone(),
                                    domain: place.domain.to_owned(),
                                    group: self
                                        .config
                                        .priority_groups
                                        .first()
                                        .cloned()
                                        .unwrap_or_default(),
                                    pinned_id: pin.id.clone(),
                                });
                                pull.pin = Some(pin);
                                self.arm(lapse);
                            }
                            return true;
                        }
                    }
                }
            }
            if let Some(done) = pull.waiting.pop_front() {
                pull.recycle(done);
            }
        }
        false
    }

    /// The reply subject of the chosen request.
    pub(crate) fn chosen_reply(&self) -> Option<&[u8]> {
        match &self.mode {
            Mode::Pull(pull) => pull.waiting.front().map(|r| r.reply.as_slice()),
            Mode::Push(_) => None,
        }
    }

    /// The chosen request got its message: it moves behind the others, or is done.
    pub(crate) fn served(&mut self, bytes: usize, io: &mut Io<'_, '_>) {
        let now = io.ctx.mono_ns;
        let policy = self.config.priority_policy;
        let inactive = self.inactive_ns > 0;
        let Mode::Pull(pull) = &mut self.mode else { return };
        if inactive {
            pull.last_active = now;
        }
        let alone = pull.waiting.len() == 1;
        let Some(request) = pull.waiting.front_mut() else { return };
        request.delivered += 1;
        if request.bytes_left > 0 {
            request.bytes_left -= i64::try_from(bytes).unwrap_or(i64::MAX);
            if request.bytes_left <= 0 {
                request.bytes_left = 0;
                request.left = 1;
            }
        }
        request.left -= 1;
        if request.left > 0 {
            if request.heartbeat > 0 {
                request.heartbeat_at = now.saturating_add(request.heartbeat);
            }
            if !alone && let Some(request) = pull.waiting.pop_front() {
                pull.add(request, policy);
            }
        } else if let Some(done) = pull.waiting.pop_front() {
            if done.bytes_left > 0 {
                done.status(io.fx, "409 Batch Completed");
            }
            pull.recycle(done);
        }
    }

    /// Forgets the pinned client where groups are no longer pinned.
    pub(crate) fn drop_pin(&mut self) {
        if let Mode::Pull(pull) = &mut self.mode {
            pull.pin = None;
        }
    }

    /// Lets go of the pinned client, if there is one; the group may take another.
    pub(crate) fn unpin(&mut self, reason: &'static str, io: &mut Io<'_, '_>) {
        if let Mode::Pull(pull) = &mut self.mode {
            pull.pin = None;
        }
        io.fx.advisory(Advisory::GroupUnpinned {
            account: io.account.to_owned(),
            stream: io.stream.to_owned(),
            consumer: self.name.clone(),
            domain: io.env.domain.clone(),
            group: self.config.priority_groups.first().cloned().unwrap_or_default(),
            reason,
        });
        self.wake_for_delivery = true;
    }
}

/// Where a consumer is, for advisories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) account: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) domain: &'a str,
}

enum Admit {
    Yes,
    NewPin,
    No,
    WrongPin,
}

fn admit(request: &Request, policy: PriorityPolicy, pin: Option<&Pin>, demand: Demand) -> Admit {
    let Some(group) = &request.group else {
        // A request without a body has no group; while somebody is pinned it has to wait.
        return if policy == PriorityPolicy::PinnedClient { Admit::No } else { Admit::Yes };
    };
    match policy {
        PriorityPolicy::PinnedClient => match pin {
            None if group.id.is_empty() => Admit::NewPin,
            Some(pin) if pin.id == group.id => Admit::Yes,
            Some(_) if group.id.is_empty() => Admit::No,
            None | Some(_) => Admit::WrongPin,
        },
        PriorityPolicy::Overflow => {
            let pending = i64::try_from(demand.num_pending).unwrap_or(i64::MAX);
            let unacked = i64::try_from(demand.ack_pending).unwrap_or(i64::MAX);
            let unconditional = group.min_pending <= 0 && group.min_ack_pending <= 0;
            let over = group.min_pending > 0 && group.min_pending <= pending
                || group.min_ack_pending > 0 && group.min_ack_pending <= unacked;
            if unconditional || over { Admit::Yes } else { Admit::No }
        }
        PriorityPolicy::None | PriorityPolicy::Prioritized => Admit::Yes,
    }
}

fn new_pin(rng: &mut Rng, now: Timestamp, until: u64) -> Pin {
    let mut id = Vec::with_capacity(22);
    rng.token(22, &mut id);
    Pin { id: String::from_utf8(id).unwrap_or_default(), since: now, until }
}
