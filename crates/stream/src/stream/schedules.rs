//! Message schedules: messages that, when they are due, have the stream store another one
//! (`server/scheduler.go`, `server/stream.go` `processJetStreamMsgWithBatch`).

use std::borrow::Cow;

use store::{Filter, NewMsg, SavedSchedule, StoreError};
use types::{ApiError, Timestamp, errors};

use super::Stream;
use super::publish::{Ack, Charge, Checked, MAX_HEADER_BYTES, Put, Refusal, Rollup};
use crate::ctx::Ctx;
use crate::errors::store_failed;
use crate::headers::{PublishHeaders, ttl_seconds};
use crate::schedule::{self, Due, Next};

/// Most schedules that fire in one tick.
const AT_ONCE: usize = 1024;
/// A schedule that could not fire is tried again that much later.
const AGAIN_NS: i64 = 1_000_000_000;
/// Messages on a target that recovery looks at for what a schedule did last.
const LOOK_BACK: usize = 64;

/// The message that a schedule makes.
struct Made {
    subject: Vec<u8>,
    headers: Vec<u8>,
    payload: Vec<u8>,
    ttl_seconds: i64,
    rollup: Rollup,
    next: Next,
}

impl Stream {
    /// Headers of schedules and of what ends them.
    pub(super) fn check_schedule(
        &self,
        ctx: &Ctx<'_>,
        subject: &[u8],
        found: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        let allowed = self.config.allow_msg_schedules;
        if found.schedule.is_some() || found.schedule_zone.is_some() {
            let now = ctx.now.unix_ns();
            let next = schedule::of_headers(found, now, now);
            if !allowed && next.is_ok_and(|next| next == Next::Never) {
                // Nothing that would have to be allowed.
            } else if !allowed {
                return Err(errors::MESSAGE_SCHEDULES_DISABLED.into());
            } else if next? != Next::Never {
                self.check_new_schedule(subject, found)?;
            }
        }
        let is_scheduler = |name: &[u8]| name != subject && subject::is_valid_literal(name);
        match (found.schedule_next, found.scheduler) {
            (None, None) => Ok(()),
            (Some(b"purge"), Some(scheduler)) if is_scheduler(scheduler) => match allowed {
                true => Ok(()),
                false => Err(errors::MESSAGE_SCHEDULES_DISABLED.into()),
            },
            _ => Err(errors::MESSAGE_SCHEDULES_SCHEDULER_INVALID.into()),
        }
    }

    fn check_new_schedule(
        &self,
        subject: &[u8],
        found: &PublishHeaders<'_>,
    ) -> Result<(), Refusal> {
        if found.schedule_ttl.is_some_and(|ttl| ttl_seconds(ttl).is_none()) {
            return Err(errors::MESSAGE_SCHEDULES_TTL_INVALID.into());
        }
        if found.schedule_rollup.is_some_and(|rollup| rollup != b"sub") {
            return Err(errors::MESSAGE_SCHEDULES_ROLLUP_INVALID.into());
        }
        if found.schedule_ttl.is_some() && !self.config.allow_msg_ttl {
            return Err(errors::MESSAGE_TTL_DISABLED.into());
        }
        let target = found.schedule_target.unwrap_or_default();
        if !subject::is_valid_literal(target) || target == subject {
            return Err(errors::MESSAGE_SCHEDULES_TARGET_INVALID.into());
        }
        let source = found.schedule_source;
        if source.is_some_and(|s| s == target || s == subject || !subject::is_valid_literal(s)) {
            return Err(errors::MESSAGE_SCHEDULES_SOURCE_INVALID.into());
        }
        if !self.takes(target) {
            return Err(errors::MESSAGE_SCHEDULES_TARGET_INVALID.into());
        }
        if source.is_some_and(|source| !self.takes(source)) {
            return Err(errors::MESSAGE_SCHEDULES_SOURCE_INVALID.into());
        }
        if found.rollup.is_some_and(|rollup| !rollup.eq_ignore_ascii_case(b"sub")) {
            return Err(errors::MESSAGE_SCHEDULES_ROLLUP_INVALID.into());
        }
        Ok(())
    }

    /// Whether the stream's subjects cover this one.
    fn takes(&self, subject: &[u8]) -> bool {
        self.config.subjects.iter().any(|own| subject::collide(own.as_bytes(), subject))
    }

    /// Whether a message is a schedule that is to replace what its subject has without saying so;
    /// within a batch, only what it says counts.
    pub(super) fn rolls_up_schedule(&self, ctx: &Ctx<'_>, found: &PublishHeaders<'_>) -> bool {
        let now = ctx.now.unix_ns();
        self.config.allow_msg_schedules
            && found.schedule.is_some()
            && found.rollup.is_none()
            && schedule::of_headers(found, now, now).is_ok_and(|next| next != Next::Never)
    }

    /// Sees to what a message that was stored means for the schedules (`storeRawMsg`).
    pub(super) fn note_schedule(&mut self, ctx: &Ctx<'_>, msg: &NewMsg<'_>, seq: u64) {
        let found = PublishHeaders::read(msg.headers);
        let next = schedule::of_headers(&found, msg.ts.unix_ns(), ctx.now.unix_ns());
        if let Some(at) = next.ok().and_then(Next::at_ns) {
            self.schedules.set(msg.subject, seq, at);
        } else if found.scheduler.is_none() {
            self.schedules.remove(msg.subject);
        }
        if let (Some(at), Some(scheduler)) = (next_time(&found), found.scheduler) {
            self.schedules.set_due(scheduler, at);
        }
        self.plan_schedules(ctx);
    }

    /// Removes the schedule that a message says was its last.
    pub(super) fn end_schedule(&mut self, ctx: &Ctx<'_>, headers: &[u8]) -> Result<(), Refusal> {
        if !self.config.allow_msg_schedules || headers.is_empty() {
            return Ok(());
        }
        let found = PublishHeaders::read(headers);
        if let (Some(b"purge"), Some(scheduler)) = (found.schedule_next, found.scheduler) {
            self.purge_now(ctx, &String::from_utf8_lossy(scheduler), 0, 0)
                .map_err(|error| store_failed(&error))?;
        }
        Ok(())
    }

    /// Lets the timer know when the next schedule fires.
    pub(super) fn plan_schedules(&mut self, ctx: &Ctx<'_>) {
        if let Some(at) = self.schedules.next_wake_ns() {
            let wait = u64::try_from(at.saturating_sub(ctx.now.unix_ns())).unwrap_or(0);
            // Not more often than every few ms: many fire at once.
            let due = ctx.mono_ns.saturating_add(wait.max(5_000_000));
            self.wake = self.wake.min(due);
        }
    }

    /// Stores the messages of the schedules that are due.
    pub(super) fn fire_schedules(&mut self, ctx: &Ctx<'_>) {
        let now = ctx.now.unix_ns();
        if self.schedules.next_wake_ns().is_none_or(|at| at > now) {
            return;
        }
        for due in self.schedules.due(now, AT_ONCE) {
            // One that fired before it may have ended it.
            if self.schedules.seq_of(&due.subject) != Some(due.seq) {
                continue;
            }
            match self.make(ctx, &due) {
                Ok(None) => self.schedules.remove(&due.subject),
                Ok(Some(made)) => self.fire(ctx, &due, made),
                Err(_) => self.schedules.put_off(&due.subject, now.saturating_add(AGAIN_NS)),
            }
        }
    }

    fn fire(&mut self, ctx: &Ctx<'_>, due: &Due, made: Made) {
        let subject = self.input.as_ref().and_then(|t| t.apply(&made.subject));
        let most = usize::try_from(self.config.max_msg_size).unwrap_or(usize::MAX);
        let size = made.headers.len().saturating_add(made.payload.len());
        let fits = size <= most && made.headers.len() <= MAX_HEADER_BYTES;
        let put = Put {
            subject: subject.as_deref().unwrap_or(&made.subject),
            headers: Cow::Borrowed(&made.headers),
            payload: &made.payload,
            checked: Checked { msg_id: b"", rollup: made.rollup, ttl_seconds: made.ttl_seconds },
            charge: Charge::Now,
            ack: Ack::None,
            ts: None,
        };
        let done = fits && !self.config.sealed && self.put(ctx, put).is_ok();
        if self.schedules.seq_of(&due.subject) != Some(due.seq) {
            return;
        }
        match made.next {
            _ if !done => {
                let again = ctx.now.unix_ns().saturating_add(AGAIN_NS);
                self.schedules.put_off(&due.subject, again);
            }
            // Where nobody wants the message it was not stored, and did not tell.
            Next::Again(at) => self.schedules.set_due(&due.subject, at),
            Next::Once(_) | Next::Never => self.schedules.remove(&due.subject),
        }
    }

    /// What a schedule has to say now; `None` if it is none any more (`getScheduledMessages`).
    fn make(&mut self, ctx: &Ctx<'_>, due: &Due) -> Result<Option<Made>, StoreError> {
        let Some(msg) = self.store.get(due.seq)? else { return Ok(None) };
        if msg.subject != &*due.subject {
            return Ok(None);
        }
        let found = PublishHeaders::read(msg.headers);
        let next = match schedule::of_headers(&found, due.due_ns, ctx.now.unix_ns()) {
            Ok(next) if next != Next::Never => next,
            _ => return Ok(None),
        };
        let ttl = found.schedule_ttl.map(ttl_seconds);
        let (Some(target), false) = (found.schedule_target, ttl == Some(None)) else {
            return Ok(None);
        };
        let next_text = match next {
            Next::Again(at) => schedule::next_text(&found, at),
            Next::Once(_) | Next::Never => "purge".to_owned(),
        };
        let rollup = found.schedule_rollup.map(<[u8]>::to_vec);
        let schedule_ttl = found.schedule_ttl.map(<[u8]>::to_vec);
        let subject = target.to_vec();
        let source = found.schedule_source.map(|s| String::from_utf8_lossy(s).into_owned());
        let (mut headers, mut payload) = (msg.headers.to_vec(), msg.payload.to_vec());
        if let Some(source) = source
            && let Some(last) = self.store.last_match(&Filter::any_of([source]), u64::MAX)?
        {
            (headers, payload) = (last.headers.to_vec(), last.payload.to_vec());
        }
        for prefix in ["Nats-Schedule", "Nats-Expected-"] {
            wire::headers::remove_prefix(&mut headers, prefix);
        }
        for name in ["Nats-Msg-Id", "Nats-TTL", "Nats-Rollup"] {
            wire::headers::remove(&mut headers, name);
        }
        wire::headers::set(&mut headers, "Nats-Scheduler", &due.subject);
        wire::headers::set(&mut headers, "Nats-Schedule-Next", next_text.as_bytes());
        if let Some(ttl) = schedule_ttl {
            wire::headers::set(&mut headers, "Nats-TTL", &ttl);
        }
        let rolls_up = rollup.is_some();
        if let Some(rollup) = rollup {
            wire::headers::set(&mut headers, "Nats-Rollup", &rollup);
        }
        Ok(Some(Made {
            subject,
            headers,
            payload,
            ttl_seconds: ttl.flatten().unwrap_or(0),
            rollup: if rolls_up { Rollup::Subject } else { Rollup::None },
            next,
        }))
    }

    /// Hands the schedules to the store that was stopped.
    pub(super) fn save_schedules(&mut self) -> Result<(), StoreError> {
        let saved = |due: Due| SavedSchedule {
            subject: due.subject.to_vec(),
            seq: due.seq,
            due_ns: due.due_ns,
        };
        let all: Vec<SavedSchedule> = self.schedules.all().into_iter().map(saved).collect();
        self.store.save_schedules(&all)
    }

    /// Finds the schedules when the stream is opened (`recoverMsgSchedulingState`).
    pub(super) fn recover_schedules(&mut self, ctx: &Ctx<'_>) -> Result<(), ApiError> {
        if !self.config.allow_msg_schedules {
            return Ok(());
        }
        let saved = self.store.take_schedules();
        for schedule in &saved.schedules {
            self.schedules.set(&schedule.subject, schedule.seq, schedule.due_ns);
        }
        if saved.next_seq == self.last_seq + 1 {
            return Ok(());
        }
        // Messages came since, or the end is lost.
        let found = self
            .keep_standing()
            .and_then(|()| self.scan_schedules(ctx, saved.next_seq))
            .and_then(|()| self.catch_up(ctx));
        found.map_err(|error| store_failed(&error))
    }

    /// Finds the schedules in the messages, after some were taken back.
    pub(super) fn find_schedules_again(&mut self, ctx: &Ctx<'_>) {
        self.schedules.clear();
        if self.config.allow_msg_schedules {
            // One that cannot be read is lost to its schedule too; damage is reported as such.
            let _: Result<(), StoreError> =
                self.scan_schedules(ctx, 0).and_then(|()| self.catch_up(ctx));
            self.plan_schedules(ctx);
        }
    }

    /// Forgets those whose message is gone.
    fn keep_standing(&mut self) -> Result<(), StoreError> {
        for due in self.schedules.all() {
            let msg = self.store.get(due.seq)?;
            let stands = msg.is_some_and(|msg| {
                msg.subject == &*due.subject && PublishHeaders::read(msg.headers).schedule.is_some()
            });
            if !stands {
                self.schedules.remove(&due.subject);
            }
        }
        Ok(())
    }

    fn scan_schedules(&mut self, ctx: &Ctx<'_>, from: u64) -> Result<(), StoreError> {
        let mut from = from;
        while let Some(seq) = self.store.next_scheduled(from)? {
            from = seq + 1;
            let Some(msg) = self.store.get(seq)? else { continue };
            let found = PublishHeaders::read(msg.headers);
            let next = schedule::of_headers(&found, msg.ts.unix_ns(), ctx.now.unix_ns());
            if let Some(at) = next.ok().and_then(Next::at_ns) {
                self.schedules.set(msg.subject, seq, at);
            }
        }
        Ok(())
    }

    /// Finds out what the schedules did since they were last stored: what they stored tells.
    fn catch_up(&mut self, ctx: &Ctx<'_>) -> Result<(), StoreError> {
        for due in self.schedules.all() {
            if self.is_replaced(&due)? {
                self.schedules.remove(&due.subject);
                continue;
            }
            match self.last_fired(&due)? {
                None => {}
                Some(Fired::Next(at)) => self.schedules.set_due(&due.subject, at),
                // A crash came between its message and its end.
                Some(Fired::Last) => {
                    let subject = String::from_utf8_lossy(&due.subject);
                    self.purge_now(ctx, &subject, due.seq + 1, 0)?;
                    self.schedules.remove(&due.subject);
                }
            }
        }
        Ok(())
    }

    /// Whether a plain message came to a schedule's subject later.
    fn is_replaced(&mut self, due: &Due) -> Result<bool, StoreError> {
        let last = self.store.last_seq_of(&due.subject);
        if last <= due.seq {
            return Ok(false);
        }
        let msg = self.store.get(last)?;
        Ok(msg.is_some_and(|msg| PublishHeaders::read(msg.headers).scheduler.is_none()))
    }

    fn last_fired(&mut self, due: &Due) -> Result<Option<Fired>, StoreError> {
        let Some(msg) = self.store.get(due.seq)? else { return Ok(None) };
        let target = PublishHeaders::read(msg.headers).schedule_target.unwrap_or_default().to_vec();
        let target = self.input.as_ref().and_then(|t| t.apply(&target)).unwrap_or(target);
        let filter = Filter::any_of([String::from_utf8_lossy(&target)]);
        let mut up_to = u64::MAX;
        for _ in 0..LOOK_BACK {
            let Some(msg) = self.store.last_match(&filter, up_to)?.filter(|m| m.seq > due.seq)
            else {
                return Ok(None);
            };
            let found = PublishHeaders::read(msg.headers);
            if found.scheduler == Some(&*due.subject) {
                let next = next_time(&found).map(Fired::Next);
                return Ok(match found.schedule_next {
                    Some(b"purge") => Some(Fired::Last),
                    _ => next,
                });
            }
            up_to = msg.seq - 1;
        }
        Ok(None)
    }
}

/// What a schedule did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fired {
    /// It goes on then.
    Next(i64),
    /// It was to end.
    Last,
}

/// The time in `Nats-Schedule-Next`.
fn next_time(found: &PublishHeaders<'_>) -> Option<i64> {
    let text = std::str::from_utf8(found.schedule_next?).ok()?;
    let at: Timestamp = schedule::instant(text)?.to_string().parse().ok()?;
    Some(at.unix_ns())
}
