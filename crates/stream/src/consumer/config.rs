//! A consumer's configuration: what may change, and what follows from it.

use std::collections::BTreeMap;

use types::api::ConsumerAction;
use types::{ApiError, ConsumerConfig, PriorityPolicy, Timestamp, errors};

use super::push::PushState;
use super::{Consumer, Io, Mode, NEVER, RateLimit};
use crate::ctx::Ctx;
use crate::effects::Watch;
use crate::filter::Matcher;

/// Default inactivity of consumers that are not durable (`JsDeleteWaitTimeDefault`).
const EPHEMERAL_INACTIVE_NS: i64 = 5_000_000_000;

/// A wanted consumer; its configuration is checked and has its defaults.
#[derive(Clone, Debug)]
pub struct ConsumerCreate {
    /// Its name: the durable name, the wanted name, or one made by the caller.
    pub name: String,
    /// Configuration.
    pub config: ConsumerConfig,
    /// Create, update, or either.
    pub action: ConsumerAction,
}

/// Sampled share of acks in percent; what cannot be read samples nothing.
pub(crate) fn sample_percent(text: &str) -> u64 {
    text.strip_suffix('%').unwrap_or(text).parse().unwrap_or(0)
}

/// Whether two configurations of one name ask for the same, the server's own metadata aside.
pub(crate) fn same_consumer(a: &ConsumerConfig, b: &ConsumerConfig) -> bool {
    let plain = |config: &ConsumerConfig| {
        let metadata: BTreeMap<String, String> = config
            .metadata
            .iter()
            .filter(|(key, _)| !key.starts_with("_nats."))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        ConsumerConfig { name: String::new(), metadata, ..config.clone() }
    };
    plain(a) == plain(b)
}

/// What an update may not change (`checkNewConsumerConfig`).
pub(crate) fn check_update(
    old: &ConsumerConfig,
    new: &ConsumerConfig,
    is_bound: bool,
) -> Result<(), ApiError> {
    let fixed = [
        (old.deliver_policy != new.deliver_policy, "deliver policy can not be updated"),
        (old.opt_start_seq != new.opt_start_seq, "start sequence can not be updated"),
        (old.opt_start_time != new.opt_start_time, "start time can not be updated"),
        (old.ack_policy != new.ack_policy, "ack policy can not be updated"),
        (old.replay_policy != new.replay_policy, "replay policy can not be updated"),
        (old.idle_heartbeat_ns != new.idle_heartbeat_ns, "heart beats can not be updated"),
        (old.flow_control != new.flow_control, "flow control can not be updated"),
    ];
    if let Some((_, text)) = fixed.iter().find(|(changed, _)| *changed) {
        return Err(errors::CONSUMER_CREATE.with(text));
    }
    if old.deliver_subject != new.deliver_subject {
        if old.deliver_subject.is_empty() {
            let text = "can not update pull consumer to push based";
            return Err(errors::CONSUMER_CREATE.with(text));
        }
        if new.deliver_subject.is_empty() {
            let text = "can not update push consumer to pull based";
            return Err(errors::CONSUMER_CREATE.with(text));
        }
        if is_bound {
            return Err(errors::CONSUMER_NAME_EXIST.err());
        }
    }
    if old.max_waiting != new.max_waiting {
        return Err(errors::CONSUMER_CREATE.with("max waiting can not be updated"));
    }
    let steps = i64::try_from(new.backoff_ns.len()).unwrap_or(i64::MAX);
    if steps > 0 && new.max_deliver != -1 && steps > new.max_deliver {
        return Err(errors::CONSUMER_MAX_DELIVER_BACKOFF.err());
    }
    Ok(())
}

impl Consumer {
    /// Sets what follows from the configuration and time: limits, pause, inactivity. Once after
    /// creation or recovery.
    pub(crate) fn configure(&mut self, io: &mut Io<'_, '_>, burst: u64) {
        self.set_rate(burst, io.ctx.mono_ns);
        self.set_inactive(io);
        self.set_pause(io.ctx);
        if self.is_push() {
            io.fx.watch(Watch::Start {
                consumer: self.name.clone(),
                subject: self.config.deliver_subject.clone(),
            });
            self.refresh_interest(io);
        }
    }

    fn set_rate(&mut self, burst: u64, now: u64) {
        let bits = self.config.rate_limit_bps;
        self.rate = (bits > 0).then(|| RateLimit::new(bits, burst, now));
    }

    /// Inactivity, with the reference's jitter (`updateInactiveThreshold`).
    fn set_inactive(&mut self, io: &mut Io<'_, '_>) {
        let wanted = u64::try_from(self.config.inactive_threshold_ns).unwrap_or(0);
        let jitter = 100_000_000 + io.rng.below(900) * 1_000_000;
        self.inactive_ns = if wanted == 0 && !self.config.is_durable() {
            self.config.inactive_threshold_ns = EPHEMERAL_INACTIVE_NS;
            EPHEMERAL_INACTIVE_NS.unsigned_abs() + jitter
        } else if wanted > 0 && self.config.is_pull() {
            wanted + jitter
        } else {
            wanted
        };
        self.inactive_at = NEVER;
        let now = io.ctx.mono_ns;
        let idle = match &mut self.mode {
            Mode::Pull(pull) => {
                pull.last_active = now;
                true
            }
            Mode::Push(push) => !push.is_active(),
        };
        if self.inactive_ns > 0 && idle {
            self.inactive_at = now.saturating_add(self.inactive_ns);
            self.arm(self.inactive_at);
        }
    }

    /// Pause from the configuration's wall time.
    fn set_pause(&mut self, ctx: &Ctx<'_>) {
        self.paused_until = match self.config.pause_until {
            Some(until) if until > ctx.now => {
                ctx.mono_ns.saturating_add(ns_between(ctx.now, until))
            }
            _ => 0,
        };
        if self.paused_until > 0 {
            self.arm(self.paused_until);
        }
    }

    /// Takes over a checked update (`updateConfig`). Answers whether the filter changed.
    pub(crate) fn update(
        &mut self,
        new: ConsumerConfig,
        burst: u64,
        io: &mut Io<'_, '_>,
    ) -> Result<bool, store::StoreError> {
        let old = std::mem::replace(&mut self.config, new);
        let meta = self.meta();
        if let Some(store) = &mut self.store
            && let Err(error) = store.update_config(&meta)
        {
            self.config = old;
            return Err(error);
        }
        let now = io.ctx.mono_ns;
        if old.deliver_subject != self.config.deliver_subject {
            io.fx.watch(Watch::Stop {
                consumer: self.name.clone(),
                subject: old.deliver_subject.clone(),
            });
            io.fx.watch(Watch::Start {
                consumer: self.name.clone(),
                subject: self.config.deliver_subject.clone(),
            });
            self.mode = Mode::Push(PushState::new(&self.config));
        }
        if old.ack_wait_ns != self.config.ack_wait_ns || old.backoff_ns != self.config.backoff_ns {
            self.reschedule_acks(io.ctx.now, now);
        }
        if old.rate_limit_bps != self.config.rate_limit_bps {
            self.set_rate(burst, now);
        }
        self.sample_percent = sample_percent(&self.config.sample_freq);
        if old.inactive_threshold_ns != self.config.inactive_threshold_ns {
            self.set_inactive(io);
        }
        if old.pause_until != self.config.pause_until {
            self.set_pause(io.ctx);
            self.tell_pause(io);
        }
        if self.config.priority_policy != PriorityPolicy::PinnedClient {
            self.drop_pin();
        }
        if self.is_push() {
            self.refresh_interest(io);
        }
        self.wake_for_delivery = true;
        let refiltered = old.filters() != self.config.filters();
        if refiltered {
            self.filter = Matcher::new(&self.config.filters());
            self.recount(io.store);
        }
        Ok(refiltered)
    }
}

/// Ns from one wall time to a later one; 0 if it is not later.
pub(crate) fn ns_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.unix_ns().saturating_sub(from.unix_ns())).unwrap_or(0)
}
