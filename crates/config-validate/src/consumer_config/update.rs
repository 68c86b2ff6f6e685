//! Which changes of a consumer are allowed.

use types::{ApiError, ConsumerConfig, errors};

use super::check::check_backoff;

/// Whether a client listens on the deliver subject in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Somebody does: it must stay.
    Yes,
    /// Nobody does.
    No,
}

/// Checks a changed configuration (defaults filled in) against the one in force
/// (`server/consumer.go` `checkNewConsumerConfig`).
///
/// Errors are 10012 with the rule's text, or the rule's own error.
pub fn check_consumer_update(
    old: &ConsumerConfig,
    new: &ConsumerConfig,
    bound: Bound,
) -> Result<(), ApiError> {
    if old == new {
        return Ok(());
    }
    let fixed = [
        (old.deliver_policy == new.deliver_policy, "deliver policy"),
        (old.opt_start_seq == new.opt_start_seq, "start sequence"),
        (old.opt_start_time == new.opt_start_time, "start time"),
        (old.ack_policy == new.ack_policy, "ack policy"),
        (old.replay_policy == new.replay_policy, "replay policy"),
        (old.idle_heartbeat_ns == new.idle_heartbeat_ns, "heart beats"),
        (old.flow_control == new.flow_control, "flow control"),
    ];
    if let Some((_, what)) = fixed.iter().find(|(same, _)| !same) {
        return Err(errors::CONSUMER_CREATE.with(format!("{what} can not be updated")));
    }
    if old.deliver_subject != new.deliver_subject {
        if old.is_pull() {
            return Err(errors::CONSUMER_CREATE.with("can not update pull consumer to push based"));
        }
        if new.is_pull() {
            return Err(errors::CONSUMER_CREATE.with("can not update push consumer to pull based"));
        }
        if bound == Bound::Yes {
            return Err(errors::CONSUMER_NAME_EXIST.err());
        }
    }
    if old.max_waiting != new.max_waiting {
        return Err(errors::CONSUMER_CREATE.with("max waiting can not be updated"));
    }
    check_backoff(new)
}
