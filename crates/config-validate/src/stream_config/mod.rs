//! Stream configurations: defaults, checks, and which changes are allowed.

mod origins;
mod subjects;
mod update;

#[cfg(test)]
mod origins_tests;
#[cfg(test)]
mod tests;

use types::{
    AccountLimits, ApiError, Discard, PersistMode, Retention, Storage, StreamConfig, errors,
};

use crate::asset_name::{
    MAX_DESCRIPTION_LEN, MAX_METADATA_LEN, MAX_NAME_LEN, is_valid_asset_name, metadata_len,
};
use crate::duration_text::go_duration;

pub use origins::Others;
pub use update::{check_stream_update, check_stream_update_among};

/// Most replicas of a stream (`StreamMaxReplicas`).
pub const MAX_REPLICAS: i64 = 5;
/// Duplicate window where none is asked for (`StreamDefaultDuplicatesWindow`).
pub const DEFAULT_DUPLICATE_WINDOW_NS: i64 = 120 * SECOND;

const SECOND: i64 = 1_000_000_000;
const MIN_AGE_NS: i64 = 100_000_000;

/// What to do where a request contradicts a limit or leaves out what another field needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Fill it in.
    #[default]
    Lenient,
    /// Refuse it (`pedantic: true`).
    Pedantic,
}

impl Strictness {
    /// From the request's `pedantic` field.
    pub fn from_pedantic(pedantic: bool) -> Self {
        if pedantic { Strictness::Pedantic } else { Strictness::Lenient }
    }

    /// The error of pedantic mode (10157), where that is the mode.
    pub(crate) fn object(self, text: &str) -> Result<(), ApiError> {
        match self {
            Strictness::Lenient => Ok(()),
            Strictness::Pedantic => Err(errors::PEDANTIC.with(text)),
        }
    }
}

/// What the server and the account allow a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Longest duplicate window (`limits.duplicate_window`), in ns; 0 is no limit.
    pub max_duplicate_window_ns: i64,
    /// Limits of the account, or of the tier that applies.
    pub account: AccountLimits,
}

impl Default for StreamLimits {
    fn default() -> Self {
        StreamLimits { max_duplicate_window_ns: 0, account: AccountLimits::UNLIMITED }
    }
}

pub(crate) fn invalid(text: impl std::fmt::Display) -> ApiError {
    errors::STREAM_INVALID_CONFIG.with(text)
}

/// Checks a configuration and fills in the defaults (`server/stream.go` `checkStreamCfg`).
///
/// Answers what the stream runs with; the reference's error where it may not exist so. Rules
/// that need other streams (overlaps) are the registry's.
pub fn check_stream_config(
    config: StreamConfig,
    limits: &StreamLimits,
    strictness: Strictness,
) -> Result<StreamConfig, ApiError> {
    check_stream_config_among(config, limits, strictness, &|_| None)
}

/// [`check_stream_config`] with the account's other streams in sight: what a mirror takes over
/// from its origin, cycles, sizes of messages.
pub fn check_stream_config_among(
    mut config: StreamConfig,
    limits: &StreamLimits,
    strictness: Strictness,
    others: Others<'_>,
) -> Result<StreamConfig, ApiError> {
    check_identity(&config)?;
    fill_limits(&mut config, strictness)?;
    fill_duplicate_window(&mut config, limits, strictness)?;
    check_features(&mut config, strictness)?;
    origins::check(&mut config, strictness, others)?;
    subjects::fill_and_check(&mut config)?;
    check_max_bytes(&config, &limits.account)?;
    subjects::check_transforms(&mut config, strictness)?;
    if config.placement.as_ref().is_some_and(|p| *p == types::Placement::default()) {
        config.placement = None;
    }
    if config.placement.as_ref().is_some_and(|p| !p.preferred.is_empty()) {
        return Err(invalid("preferred server not permitted in placement"));
    }
    origins::check_filters(&config)?;
    Ok(config)
}

/// Checks what holds only for a new stream (`server/jetstream_api.go` `jsStreamCreateRequest`).
pub fn check_stream_create(config: &StreamConfig) -> Result<(), ApiError> {
    if config.sealed {
        return Err(invalid("stream configuration for create can not be sealed"));
    }
    if config.mirror_direct && config.mirror.is_none() {
        return Err(invalid("stream has no mirror but does have mirror direct"));
    }
    Ok(())
}

fn check_identity(config: &StreamConfig) -> Result<(), ApiError> {
    if !is_valid_asset_name(&config.name) {
        return Err(invalid(
            r"stream name is required and can not contain '.', '*', '>', '\', '/'",
        ));
    }
    if config.name.len() > MAX_NAME_LEN {
        return Err(invalid(format!("stream name is too long, maximum allowed is {MAX_NAME_LEN}")));
    }
    if config.description.len() > MAX_DESCRIPTION_LEN {
        return Err(invalid(format!(
            "stream description is too long, maximum allowed is {MAX_DESCRIPTION_LEN}"
        )));
    }
    if metadata_len(&config.metadata) > MAX_METADATA_LEN {
        return Err(invalid(format!(
            "stream metadata exceeds maximum size of {MAX_METADATA_LEN} bytes"
        )));
    }
    Ok(())
}

fn fill_limits(config: &mut StreamConfig, strictness: Strictness) -> Result<(), ApiError> {
    if config.num_replicas == 0 {
        config.num_replicas = 1;
    }
    if config.num_replicas > MAX_REPLICAS {
        return Err(invalid(format!("maximum replicas is {MAX_REPLICAS}")));
    }
    if config.num_replicas < 0 {
        return Err(errors::REPLICAS_COUNT_CANNOT_BE_NEGATIVE.err());
    }
    for (value, name) in [
        (&mut config.max_msgs, "max_msgs"),
        (&mut config.max_msgs_per_subject, "max_msgs_per_subject"),
        (&mut config.max_bytes, "max_bytes"),
    ] {
        fill_unlimited(value, name, strictness)?;
    }
    let mut size = i64::from(config.max_msg_size);
    fill_unlimited(&mut size, "max_msg_size", strictness)?;
    config.max_msg_size = i32::try_from(size).unwrap_or(-1);
    fill_unlimited(&mut config.max_consumers, "max_consumers", strictness)?;
    if config.max_age_ns < 0 {
        return Err(invalid("max age can not be negative"));
    }
    if config.max_age_ns != 0 && config.max_age_ns < MIN_AGE_NS {
        return Err(invalid("max age needs to be >= 100ms"));
    }
    Ok(())
}

fn fill_unlimited(value: &mut i64, name: &str, strictness: Strictness) -> Result<(), ApiError> {
    if *value < -1 {
        strictness.object(&format!("{name} must be set to -1"))?;
    }
    if *value <= 0 {
        *value = -1;
    }
    Ok(())
}

fn fill_duplicate_window(
    config: &mut StreamConfig,
    limits: &StreamLimits,
    strictness: Strictness,
) -> Result<(), ApiError> {
    let limit = limits.max_duplicate_window_ns;
    let age = config.max_age_ns;
    if config.duplicate_window_ns == 0 && !config.has_origin() {
        let mut window = DEFAULT_DUPLICATE_WINDOW_NS;
        if limit > 0 && window > limit {
            strictness.object("duplicate window limits are higher than current limits")?;
            window = limit;
        }
        if age != 0 && age < window {
            strictness.object("duplicate window cannot be bigger than max age")?;
            window = age;
        }
        config.duplicate_window_ns = window;
    }
    let window = config.duplicate_window_ns;
    if window < 0 {
        return Err(invalid("duplicates window can not be negative"));
    }
    if age != 0 && window > age {
        return Err(invalid("duplicates window can not be larger then max age"));
    }
    if limit > 0 && window > limit {
        return Err(invalid(format!(
            "duplicates window can not be larger then server limit of {}",
            go_duration(limit)
        )));
    }
    if window > 0 && window < MIN_AGE_NS {
        return Err(invalid("duplicates window needs to be >= 100ms"));
    }
    Ok(())
}

fn check_features(config: &mut StreamConfig, strictness: Strictness) -> Result<(), ApiError> {
    if config.deny_purge && config.allow_rollup_hdrs {
        return Err(invalid("roll-ups require the purge permission"));
    }
    if config.allow_msg_counter {
        if config.discard == Discard::New {
            return Err(invalid("counter stream cannot use discard new"));
        }
        if config.allow_msg_ttl {
            return Err(invalid("counter stream cannot use message TTLs"));
        }
        if config.retention != Retention::Limits {
            return Err(invalid("counter stream can only use limits retention"));
        }
    }
    check_discard_per_subject(config)?;
    let marker_ttl = config.subject_delete_marker_ttl_ns;
    if marker_ttl < 0 {
        return Err(invalid("subject delete marker TTL must not be negative"));
    }
    if marker_ttl > 0 {
        if marker_ttl < SECOND {
            return Err(invalid("subject delete marker TTL must be at least 1 second"));
        }
        if !config.allow_msg_ttl {
            if strictness == Strictness::Pedantic {
                return Err(invalid(
                    "subject delete marker cannot be set if message TTLs are disabled",
                ));
            }
            config.allow_msg_ttl = true;
        }
        need_rollup(config, strictness, "subject delete marker")?;
    }
    if config.allow_msg_schedules {
        need_rollup(config, strictness, "message scheduling")?;
    }
    if config.persist_mode == PersistMode::Async {
        if config.storage != Storage::File {
            return Err(invalid("async persist mode is only supported on file storage"));
        }
        if config.num_replicas > 1 {
            return Err(invalid("async persist mode is not supported on replicated streams"));
        }
        if config.allow_atomic {
            return Err(invalid("async persist mode is not supported with atomic batch publish"));
        }
    }
    Ok(())
}

fn need_rollup(
    config: &mut StreamConfig,
    strictness: Strictness,
    feature: &str,
) -> Result<(), ApiError> {
    if !config.allow_rollup_hdrs {
        if strictness == Strictness::Pedantic {
            return Err(invalid(format!("{feature} cannot be set if roll-ups are disabled")));
        }
        config.allow_rollup_hdrs = true;
        config.deny_purge = false;
    }
    Ok(())
}

pub(crate) fn check_discard_per_subject(config: &StreamConfig) -> Result<(), ApiError> {
    if !config.discard_new_per_subject {
        return Ok(());
    }
    if config.discard != Discard::New {
        return Err(invalid("discard new per subject requires discard new policy to be set"));
    }
    if config.max_msgs_per_subject <= 0 {
        return Err(invalid("discard new per subject requires max msgs per subject > 0"));
    }
    Ok(())
}

/// The account may want `max_bytes` set, and bounded (`server/jetstream.go` `maxBytesLimits`).
fn check_max_bytes(config: &StreamConfig, account: &AccountLimits) -> Result<(), ApiError> {
    if account.max_bytes_required && config.max_bytes <= 0 {
        return Err(errors::STREAM_MAX_BYTES_REQUIRED.err());
    }
    let limit = match config.storage {
        Storage::Memory => account.memory_max_stream_bytes,
        Storage::File => account.storage_max_stream_bytes,
    };
    if limit > 0 && config.max_bytes > limit {
        return Err(errors::STREAM_MAX_STREAM_BYTES_EXCEEDED.err());
    }
    Ok(())
}

/// A feature of stream configurations that this server does not run yet, by its field.
///
/// `None` where it can run all that is asked for.
pub fn unsupported_feature(config: &StreamConfig) -> Option<&'static str> {
    [
        (has_consumer(config), "consumer"),
        (config.allow_msg_counter, "allow_msg_counter"),
        (config.allow_batched, "allow_batched"),
    ]
    .into_iter()
    .find_map(|(asked, field)| asked.then_some(field))
}

/// Whether an origin is to be read with a consumer that is there already.
fn has_consumer(config: &StreamConfig) -> bool {
    config.mirror.iter().chain(&config.sources).any(|origin| origin.consumer.is_some())
}
