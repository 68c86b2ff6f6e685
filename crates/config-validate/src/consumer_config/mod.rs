//! Consumer configurations: defaults and checks.

mod check;

#[cfg(test)]
mod tests;

use types::{
    AccountLimits, AckPolicy, ApiError, ConsumerConfig, PriorityPolicy, StreamConfig, errors,
};

use crate::stream_config::Strictness;

pub use check::check_consumer;

/// Waiting pull requests where none are asked for (`JSWaitQueueDefaultMax`).
pub const DEFAULT_MAX_WAITING: i64 = 512;
/// Unacknowledged messages where none are asked for (`JsDefaultMaxAckPending`).
pub const DEFAULT_MAX_ACK_PENDING: i64 = 1000;
/// Ack wait where none is asked for (`JsAckWaitDefault`).
pub const DEFAULT_ACK_WAIT_NS: i64 = 30 * SECOND;
/// How long a client stays pinned where nothing is asked for (`JsDefaultPinnedTTL`).
pub const DEFAULT_PRIORITY_TIMEOUT_NS: i64 = 120 * SECOND;
/// Heartbeat of consumers acknowledged by flow control (`sourceHealthHB`).
const FLOW_CONTROL_HEARTBEAT_NS: i64 = SECOND;
const SECOND: i64 = 1_000_000_000;

/// What the server and the account allow a consumer.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerLimits {
    /// Server: most unacknowledged messages; 0 is no limit.
    pub max_ack_pending: i64,
    /// Server: largest batch of a pull request; 0 is no limit.
    pub max_request_batch: i64,
    /// Limits of the account, or of the tier that applies.
    pub account: AccountLimits,
}

impl Default for ConsumerLimits {
    fn default() -> Self {
        ConsumerLimits {
            max_ack_pending: 0,
            max_request_batch: 0,
            account: AccountLimits::UNLIMITED,
        }
    }
}

/// Fills in the defaults and checks what needs no other consumer
/// (`server/consumer.go` `setConsumerConfigDefaults`, `checkConsumerCfg`).
pub fn check_consumer_config(
    mut config: ConsumerConfig,
    stream: &StreamConfig,
    limits: &ConsumerLimits,
    strictness: Strictness,
) -> Result<ConsumerConfig, ApiError> {
    fill_defaults(&mut config, stream, limits, strictness)?;
    check_consumer(&config, stream, limits)?;
    Ok(config)
}

/// Fills in the defaults (`server/consumer.go` `setConsumerConfigDefaults`).
pub fn fill_defaults(
    config: &mut ConsumerConfig,
    stream: &StreamConfig,
    limits: &ConsumerLimits,
    strictness: Strictness,
) -> Result<(), ApiError> {
    if config.max_deliver < -1 {
        strictness.object("max_deliver must be set to -1")?;
    }
    if config.max_deliver <= 0 {
        config.max_deliver = -1;
    }
    for (value, least, text) in [
        (&mut config.max_waiting, 0, "max_waiting must not be negative"),
        (&mut config.max_ack_pending, -1, "max_ack_pending must be set to -1"),
        (&mut config.max_batch, 0, "max_batch must not be negative"),
        (&mut config.max_expires_ns, 0, "max_expires must not be negative"),
        (&mut config.max_bytes, 0, "max_bytes must not be negative"),
        (&mut config.idle_heartbeat_ns, 0, "idle_heartbeat must not be negative"),
        (&mut config.inactive_threshold_ns, 0, "inactive_threshold must not be negative"),
        (&mut config.priority_timeout_ns, 0, "priority_timeout must not be negative"),
    ] {
        if *value < least {
            strictness.object(text)?;
            *value = least;
        }
    }
    if config.is_pull() && config.max_waiting == 0 {
        config.max_waiting = DEFAULT_MAX_WAITING;
    }
    let acked = matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::All);
    if config.ack_wait_ns == 0 && acked {
        config.ack_wait_ns = DEFAULT_ACK_WAIT_NS;
    }
    if let Some(first) = config.backoff_ns.first().copied() {
        if config.ack_wait_ns != first {
            strictness.object("first backoff value has to equal batch AckWait")?;
        }
        config.ack_wait_ns = first;
    }
    if config.max_ack_pending == 0 {
        if stream.consumer_limits.max_ack_pending > 0 {
            strictness.object("max_ack_pending must be set if it's configured in stream limits")?;
        }
        config.max_ack_pending = stream.consumer_limits.max_ack_pending;
    }
    if config.inactive_threshold_ns == 0 {
        if stream.consumer_limits.inactive_threshold_ns > 0 {
            strictness
                .object("inactive_threshold must be set if it's configured in stream limits")?;
        }
        config.inactive_threshold_ns = stream.consumer_limits.inactive_threshold_ns;
    }
    if config.max_ack_pending == 0 && config.ack_policy != AckPolicy::None {
        let bounds = [limits.max_ack_pending, limits.account.max_ack_pending];
        config.max_ack_pending =
            bounds.into_iter().filter(|bound| *bound > 0).fold(DEFAULT_MAX_ACK_PENDING, i64::min);
    }
    if config.is_pull() && config.max_batch == 0 && limits.max_request_batch > 0 {
        strictness.object("max_request_batch must be set if it's JetStream limits are set")?;
        config.max_batch = limits.max_request_batch;
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout_ns == 0 {
        config.priority_timeout_ns = DEFAULT_PRIORITY_TIMEOUT_NS;
    }
    if config.ack_policy == AckPolicy::FlowControl && strictness == Strictness::Lenient {
        config.flow_control = true;
        config.idle_heartbeat_ns = FLOW_CONTROL_HEARTBEAT_NS;
    }
    Ok(())
}

/// A feature of consumer configurations that this server does not run yet, by its field.
pub fn unsupported_feature(config: &ConsumerConfig) -> Option<&'static str> {
    [
        (config.ack_policy == AckPolicy::FlowControl, "ack_policy flow_control"),
        (config.sourcing, "sourcing"),
    ]
    .into_iter()
    .find_map(|(asked, field)| asked.then_some(field))
}

pub(crate) fn invalid_policy(text: String) -> ApiError {
    errors::CONSUMER_INVALID_POLICY.with(text)
}
