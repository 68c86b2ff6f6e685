//! Which changes of a stream are allowed.

use types::{ApiError, Discard, Retention, StreamConfig, errors};

use super::{
    Others, StreamLimits, Strictness, check_discard_per_subject, check_stream_config_among, invalid,
};

/// Checks a changed configuration against the one in force, and fills in the defaults
/// (`server/stream.go` `configUpdateCheck`).
///
/// Reservations are the registry's, limits of existing consumers the stream's.
pub fn check_stream_update(
    old: &StreamConfig,
    new: StreamConfig,
    limits: &StreamLimits,
    strictness: Strictness,
) -> Result<StreamConfig, ApiError> {
    check_stream_update_among(old, new, limits, strictness, &|_| None)
}

/// [`check_stream_update`] with the account's other streams in sight.
pub fn check_stream_update_among(
    old: &StreamConfig,
    new: StreamConfig,
    limits: &StreamLimits,
    strictness: Strictness,
    others: Others<'_>,
) -> Result<StreamConfig, ApiError> {
    let mut config = check_stream_config_among(new, limits, strictness, others)?;
    if config.name != old.name {
        return Err(invalid("stream configuration name must match original"));
    }
    if config.storage != old.storage {
        return Err(invalid("stream configuration update can not change storage type"));
    }
    if config.retention != old.retention
        && (old.retention == Retention::WorkQueue || config.retention == Retention::WorkQueue)
    {
        return Err(invalid(
            "stream configuration update can not change retention policy to/from workqueue",
        ));
    }
    if old.sealed && !config.sealed {
        return Err(invalid("stream configuration update can not unseal a sealed stream"));
    }
    if old.deny_delete && !config.deny_delete {
        return Err(invalid("stream configuration update can not cancel deny message deletes"));
    }
    if old.deny_purge && !config.deny_purge {
        return Err(invalid("stream configuration update can not cancel deny purge"));
    }
    if config.mirror.is_some() && config.mirror != old.mirror {
        return Err(errors::STREAM_MIRROR_NOT_UPDATABLE.err());
    }
    check_discard_per_subject(&config)?;
    if old.allow_msg_ttl && !config.allow_msg_ttl {
        return Err(invalid("message TTL status can not be disabled"));
    }
    if config.allow_msg_counter != old.allow_msg_counter {
        return Err(invalid("stream configuration update can not change message counter setting"));
    }
    if old.allow_msg_schedules && !config.allow_msg_schedules {
        return Err(invalid("message schedules can not be disabled"));
    }
    if old.persist_mode != config.persist_mode {
        return Err(invalid("stream configuration update can not change persist mode"));
    }
    if config.sealed {
        config.max_age_ns = 0;
        config.discard = Discard::New;
        config.deny_delete = true;
        config.deny_purge = true;
        config.allow_rollup_hdrs = false;
    }
    Ok(config)
}
