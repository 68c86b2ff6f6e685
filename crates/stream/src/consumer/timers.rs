//! A consumer's timers, and its end by inactivity.

use types::advisory::Advisory;

use super::pull::AtEnd;
use super::{Consumer, Io, Mode, NEVER};

/// Whether a consumer lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It does.
    Lives,
    /// No client was there for too long: it is to be deleted.
    Inactive,
}

impl Consumer {
    /// Does what is due.
    pub(crate) fn tick(&mut self, io: &mut Io<'_, '_>) -> Fate {
        let now = io.ctx.mono_ns;
        self.wake = NEVER;
        self.expire_acks(io);
        if self.redeliveries_queued() > 0 {
            self.wake_for_delivery = true;
        }
        self.arm_acks();
        if self.paused_until != 0 {
            if now >= self.paused_until {
                self.paused_until = 0;
                self.tell_pause(io);
                self.wake_for_delivery = true;
            } else {
                self.arm(self.paused_until);
            }
        }
        if self.blocked_until != 0 {
            if now >= self.blocked_until {
                self.blocked_until = 0;
                self.wake_for_delivery = true;
            } else {
                self.arm(self.blocked_until);
            }
        }
        self.expire_pin(io);
        if self.is_push() {
            self.beat(io);
            if let Mode::Push(push) = &self.mode {
                self.wake = self.wake.min(push.heartbeat_at);
            }
        } else {
            // A request's own timer ends those that do not wait, also behind `max_ack_pending`.
            let at_end = match &self.mode {
                Mode::Pull(pull) if pull.front_timer() <= now => AtEnd::Yes,
                Mode::Pull(_) | Mode::Push(_) => AtEnd::No,
            };
            self.process_waiting(at_end, io);
        }
        self.save_if_due(io.ctx);
        self.arm(self.save_at);
        self.check_inactive(io)
    }

    fn expire_pin(&mut self, io: &mut Io<'_, '_>) {
        let Mode::Pull(pull) = &self.mode else { return };
        let Some(until) = pull.pin.as_ref().map(|p| p.until) else { return };
        if io.ctx.mono_ns < until {
            self.arm(until);
        } else {
            self.unpin("timeout", io);
        }
    }

    /// Whether it was without clients for too long (`deleteNotActive`).
    fn check_inactive(&mut self, io: &mut Io<'_, '_>) -> Fate {
        let now = io.ctx.mono_ns;
        if self.inactive_ns == 0 || self.inactive_at == NEVER {
            return Fate::Lives;
        }
        if now < self.inactive_at {
            self.arm(self.inactive_at);
            return Fate::Lives;
        }
        let retry = match &self.mode {
            Mode::Push(push) if push.is_active() => NEVER,
            Mode::Push(_) => return Fate::Inactive,
            Mode::Pull(pull) => {
                let quiet_until = pull.last_active.saturating_add(self.inactive_ns);
                if now < quiet_until {
                    quiet_until
                } else if !pull.is_empty() {
                    // Requests of clients that are gone were dropped above.
                    now.saturating_add(self.inactive_ns)
                } else {
                    // A client may still be working on what it has: wait for the last ack.
                    let busy_until = self
                        .pending
                        .iter()
                        .map(|e| if e.deadline == NEVER { now } else { e.deadline })
                        .max()
                        .map_or(0, |at| at.saturating_add(self.inactive_ns));
                    if busy_until <= now || self.queued_only() {
                        return Fate::Inactive;
                    }
                    busy_until
                }
            }
        };
        self.inactive_at = retry;
        self.arm(retry);
        Fate::Lives
    }

    /// Whether every unacknowledged message was given back: nobody is working on any.
    fn queued_only(&self) -> bool {
        self.pending.len() == self.redeliveries_queued()
    }

    /// Reports whether delivery is paused now (`sendPauseAdvisoryLocked`).
    pub(crate) fn tell_pause(&self, io: &mut Io<'_, '_>) {
        let until = self.config.pause_until.unwrap_or_default();
        io.fx.advisory(Advisory::ConsumerPause {
            stream: io.stream.to_owned(),
            consumer: self.name.clone(),
            paused: until > io.ctx.now,
            pause_until: until,
            domain: io.env.domain.clone(),
        });
    }
}
