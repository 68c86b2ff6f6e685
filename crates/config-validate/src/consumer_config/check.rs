//! Whether a consumer may be configured so.

use types::{
    AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, PriorityPolicy, Retention, StreamConfig,
    errors,
};

use super::{ConsumerLimits, FLOW_CONTROL_HEARTBEAT_NS, invalid_policy};
use crate::asset_name::{
    MAX_DESCRIPTION_LEN, MAX_METADATA_LEN, MAX_NAME_LEN, is_valid_asset_name, metadata_len,
};
use crate::duration_text::go_duration;
use crate::stream_config::invalid;

/// Checks a configuration with its defaults filled in (`server/consumer.go` `checkConsumerCfg`).
pub fn check_consumer(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    limits: &ConsumerLimits,
) -> Result<(), ApiError> {
    check_names(config)?;
    check_replicas(config, stream)?;
    if config.backoff_ns.iter().any(|ns| *ns < 0) {
        return Err(errors::CONSUMER_BACK_OFF_NEGATIVE.err());
    }
    if config.ack_wait_ns < 0 {
        return Err(errors::CONSUMER_ACK_WAIT_NEGATIVE.err());
    }
    if config.ack_policy == AckPolicy::FlowControl {
        check_flow_control_acks(config)?;
    }
    check_backoff(config)?;
    if config.description.len() > MAX_DESCRIPTION_LEN {
        return Err(errors::CONSUMER_DESCRIPTION_TOO_LONG.with(MAX_DESCRIPTION_LEN));
    }
    if config.is_pull() {
        check_pull(config, stream, limits)?;
    } else {
        check_push(config, stream)?;
    }
    check_bounds(config, stream, limits)?;
    if config.direct {
        if config.is_pull() {
            return Err(errors::CONSUMER_DIRECT_REQUIRES_PUSH.err());
        }
        if config.is_durable() {
            return Err(errors::CONSUMER_DIRECT_REQUIRES_EPHEMERAL.err());
        }
    }
    check_filters(config)?;
    check_start(config)?;
    check_sampling(config)?;
    if config.flow_control && config.idle_heartbeat_ns == 0 {
        return Err(errors::CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS.err());
    }
    if config.is_durable() && !config.name.is_empty() && config.name != config.durable_name {
        return Err(errors::CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH.err());
    }
    if metadata_len(&config.metadata) > MAX_METADATA_LEN {
        return Err(errors::CONSUMER_METADATA_LENGTH.with(format!("{}KB", MAX_METADATA_LEN / 1024)));
    }
    check_priority(config)
}

fn check_names(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.name.is_empty() && !is_valid_asset_name(&config.name) {
        return Err(invalid(r"consumer name can not contain '.', '*', '>', '\', '/'"));
    }
    if config.is_durable() && !is_valid_asset_name(&config.durable_name) {
        return Err(invalid(r"consumer durable name can not contain '.', '*', '>', '\', '/'"));
    }
    if config.name.len() > MAX_NAME_LEN || config.durable_name.len() > MAX_NAME_LEN {
        return Err(errors::CONSUMER_NAME_TOO_LONG.with(MAX_NAME_LEN));
    }
    Ok(())
}

fn check_replicas(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let wanted = config.num_replicas;
    if wanted > stream.num_replicas {
        return Err(errors::CONSUMER_REPLICAS_EXCEEDS_STREAM.err());
    }
    if wanted < 0 {
        return Err(errors::REPLICAS_COUNT_CANNOT_BE_NEGATIVE.err());
    }
    if stream.retention != Retention::Limits && wanted != 0 && wanted != stream.num_replicas {
        return Err(errors::CONSUMER_REPLICAS_SHOULD_MATCH_STREAM.err());
    }
    Ok(())
}

fn check_flow_control_acks(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.is_pull() {
        return Err(errors::CONSUMER_ACK_FC_REQUIRES_PUSH.err());
    }
    if !config.flow_control {
        return Err(errors::CONSUMER_ACK_FC_REQUIRES_FC.err());
    }
    if config.idle_heartbeat_ns != FLOW_CONTROL_HEARTBEAT_NS {
        return Err(invalid("flow control ack policy heartbeat needs to be 1s"));
    }
    if config.max_ack_pending <= 0 {
        return Err(errors::CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING.err());
    }
    if config.ack_wait_ns != 0 || !config.backoff_ns.is_empty() {
        return Err(errors::CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT.err());
    }
    if config.max_deliver > 0 {
        return Err(errors::CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER.err());
    }
    Ok(())
}

/// A backoff list needs as many deliveries (10116).
fn check_backoff(config: &ConsumerConfig) -> Result<(), ApiError> {
    let steps = i64::try_from(config.backoff_ns.len()).unwrap_or(i64::MAX);
    if steps > 0 && config.max_deliver != -1 && steps > config.max_deliver {
        return Err(errors::CONSUMER_MAX_DELIVER_BACKOFF.err());
    }
    Ok(())
}

fn check_push(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    let deliver = config.deliver_subject.as_bytes();
    if !subject::is_literal(deliver) {
        return Err(errors::CONSUMER_DELIVER_TO_WILDCARDS.err());
    }
    if !subject::is_valid_pattern(deliver) {
        return Err(errors::CONSUMER_INVALID_DELIVER_SUBJECT.err());
    }
    if stream.subjects.iter().any(|s| subject::is_subset(deliver, s.as_bytes())) {
        return Err(errors::CONSUMER_DELIVER_CYCLE.err());
    }
    if config.max_waiting != 0 {
        return Err(errors::CONSUMER_PUSH_MAX_WAITING.err());
    }
    if config.max_ack_pending > 0 && config.ack_policy == AckPolicy::None {
        return Err(errors::CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED.err());
    }
    if config.idle_heartbeat_ns > 0 && config.idle_heartbeat_ns < 100_000_000 {
        return Err(errors::CONSUMER_SMALL_HEARTBEAT.err());
    }
    Ok(())
}

fn check_pull(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    limits: &ConsumerLimits,
) -> Result<(), ApiError> {
    if config.ack_policy == AckPolicy::None && stream.retention == Retention::WorkQueue {
        return Err(errors::CONSUMER_PULL_REQUIRES_ACK.err());
    }
    if config.rate_limit_bps > 0 {
        return Err(errors::CONSUMER_PULL_WITH_RATE_LIMIT.err());
    }
    if config.max_waiting < 0 {
        return Err(errors::CONSUMER_MAX_WAITING_NEGATIVE.err());
    }
    if config.idle_heartbeat_ns > 0 {
        return Err(errors::CONSUMER_HB_REQUIRES_PUSH.err());
    }
    if config.flow_control {
        return Err(errors::CONSUMER_FC_REQUIRES_PUSH.err());
    }
    if config.max_batch < 0 {
        return Err(errors::CONSUMER_MAX_REQUEST_BATCH_NEGATIVE.err());
    }
    if config.max_expires_ns != 0 && config.max_expires_ns < 1_000_000 {
        return Err(errors::CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL.err());
    }
    if limits.max_request_batch > 0 && config.max_batch > limits.max_request_batch {
        return Err(errors::CONSUMER_MAX_REQUEST_BATCH_EXCEEDED.with(limits.max_request_batch));
    }
    Ok(())
}

fn check_bounds(
    config: &ConsumerConfig,
    stream: &StreamConfig,
    limits: &ConsumerLimits,
) -> Result<(), ApiError> {
    let bounds = [
        limits.max_ack_pending,
        limits.account.max_ack_pending,
        stream.consumer_limits.max_ack_pending,
    ];
    if let Some(bound) = bounds.into_iter().find(|b| *b > 0 && config.max_ack_pending > *b) {
        return Err(errors::CONSUMER_MAX_PENDING_ACK_EXCESS.with(bound));
    }
    let threshold = stream.consumer_limits.inactive_threshold_ns;
    if threshold > 0 && config.inactive_threshold_ns > threshold {
        return Err(errors::CONSUMER_INACTIVE_THRESHOLD_EXCESS.with(go_duration(threshold)));
    }
    Ok(())
}

fn check_filters(config: &ConsumerConfig) -> Result<(), ApiError> {
    if !config.filter_subject.is_empty() && !config.filter_subjects.is_empty() {
        return Err(errors::CONSUMER_DUPLICATE_FILTER_SUBJECTS.err());
    }
    if config.filter_subjects.iter().any(String::is_empty) {
        return Err(errors::CONSUMER_EMPTY_FILTER.err());
    }
    let filters = config.filters();
    for (i, filter) in filters.iter().enumerate() {
        if !subject::is_valid_pattern(filter.as_bytes()) {
            return Err(invalid("invalid subject"));
        }
        let mut others = filters.iter().enumerate().filter(|(j, _)| *j != i);
        if others.any(|(_, o)| subject::is_subset(filter.as_bytes(), o.as_bytes())) {
            return Err(errors::CONSUMER_OVERLAPPING_SUBJECT_FILTERS.err());
        }
    }
    Ok(())
}

fn check_start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let also_set = |policy: &str, start: &str| {
        invalid_policy(format!(
            "consumer delivery policy is deliver {policy}, but optional start {start} is also set"
        ))
    };
    let not_set = |policy: &str, what: &str| {
        invalid_policy(format!(
            "consumer delivery policy is deliver {policy}, but optional {what} is not set"
        ))
    };
    let name = match config.deliver_policy {
        DeliverPolicy::All => "all",
        DeliverPolicy::Last => "last",
        DeliverPolicy::LastPerSubject => "last per subject",
        DeliverPolicy::New => "new",
        DeliverPolicy::ByStartSequence => {
            if config.opt_start_seq == 0 {
                return Err(not_set("by start sequence", "start sequence"));
            }
            if config.opt_start_time.is_some() {
                return Err(also_set("by start sequence", "time"));
            }
            return Ok(());
        }
        DeliverPolicy::ByStartTime => {
            if config.opt_start_time.is_none() {
                return Err(not_set("by start time", "start time"));
            }
            if config.opt_start_seq != 0 {
                return Err(also_set("by start time", "start sequence"));
            }
            return Ok(());
        }
        DeliverPolicy::Undefined => return Ok(()),
    };
    if config.opt_start_seq > 0 {
        return Err(also_set(name, "sequence"));
    }
    if config.opt_start_time.is_some() {
        return Err(also_set(name, "time"));
    }
    if config.deliver_policy == DeliverPolicy::LastPerSubject && config.filters().is_empty() {
        return Err(not_set(name, "filter subject"));
    }
    Ok(())
}

/// `30%` or `30`; the texts are those of Go's `strconv.Atoi`.
fn check_sampling(config: &ConsumerConfig) -> Result<(), ApiError> {
    let text = config.sample_freq.as_str();
    if text.is_empty() {
        return Ok(());
    }
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse::<i64>() {
        Ok(n) if n >= 0 => Ok(()),
        Ok(_) => Err(errors::CONSUMER_INVALID_SAMPLING.with("<nil>")),
        Err(e) => {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let why = if matches!(e.kind(), PosOverflow | NegOverflow) {
                "value out of range"
            } else {
                "invalid syntax"
            };
            let quoted = crate::quote::quoted(number);
            Err(errors::CONSUMER_INVALID_SAMPLING
                .with(format!("strconv.Atoi: parsing {quoted}: {why}")))
        }
    }
}

fn check_priority(config: &ConsumerConfig) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        if !config.priority_groups.is_empty() {
            return Err(errors::CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE.err());
        }
        if config.priority_timeout_ns > 0 {
            return Err(errors::CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE.err());
        }
        return Ok(());
    }
    if !config.is_pull() {
        return Err(errors::CONSUMER_PUSH_WITH_PRIORITY_GROUP.err());
    }
    if config.priority_groups.is_empty() {
        return Err(errors::CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP.err());
    }
    for group in &config.priority_groups {
        if group.is_empty() {
            return Err(errors::CONSUMER_EMPTY_GROUP_NAME.err());
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b"/_=-".contains(&b);
        if group.len() > 16 || !group.bytes().all(good) {
            return Err(errors::CONSUMER_INVALID_GROUP_NAME.err());
        }
    }
    Ok(())
}
