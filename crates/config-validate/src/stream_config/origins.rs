//! Mirrors and sources: their own rules, and those that look at the streams they take from.

use std::collections::BTreeSet;
use std::sync::Arc;

use types::{
    ApiError, ApiErrorDef, ExternalStream, StreamConfig, StreamConsumerSource, StreamSource,
    SubjectTransformConfig, errors,
};

use super::{Strictness, invalid};
use crate::asset_name::is_valid_asset_name;
use crate::quote::quoted;

/// Finds another stream of the account by name.
pub type Others<'a> = &'a dyn Fn(&str) -> Option<Arc<StreamConfig>>;

/// What every API subject begins with.
const API_PREFIX: &str = "$JS.API";

fn collide(a: &str, b: &str) -> bool {
    subject::collide(a.as_bytes(), b.as_bytes())
}

/// Checks where a stream takes its messages from (the middle of `checkStreamCfg`).
pub(super) fn check(
    config: &mut StreamConfig,
    strictness: Strictness,
    others: Others<'_>,
) -> Result<(), ApiError> {
    check_mirror(config, strictness, others)?;
    check_sources(config, others)?;
    check_prefixes(config, others)?;
    check_cycle(config, others)
}

fn check_mirror(
    config: &mut StreamConfig,
    strictness: Strictness,
    others: Others<'_>,
) -> Result<(), ApiError> {
    let Some(mirror) = &config.mirror else { return Ok(()) };
    let refused = [
        (config.first_seq > 0, errors::MIRROR_WITH_FIRST_SEQ),
        (!config.subjects.is_empty(), errors::MIRROR_WITH_SUBJECTS),
        (!config.sources.is_empty(), errors::MIRROR_WITH_SOURCES),
        (config.allow_msg_counter, errors::MIRROR_WITH_COUNTERS),
        (config.allow_atomic, errors::MIRROR_WITH_ATOMIC_PUBLISH),
        (config.allow_batched, errors::MIRROR_WITH_BATCH_PUBLISH),
        (config.allow_msg_schedules, errors::MIRROR_WITH_MSG_SCHEDULES),
        (!has_valid_consumer(mirror), errors::MIRROR_DURABLE_CONSUMER_CFG_INVALID),
        (has_both_filters(mirror), errors::MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED),
    ];
    if let Some((_, row)) = refused.iter().find(|(broken, _)| *broken) {
        return Err(row.err());
    }
    if config.subject_delete_marker_ttl_ns > 0 {
        return Err(invalid("subject delete markers forbidden on mirrors"));
    }
    for (at, transform) in mirror.subject_transforms.iter().enumerate() {
        check_transform(
            transform,
            errors::MIRROR_INVALID_SUBJECT_FILTER,
            errors::MIRROR_INVALID_TRANSFORM_DESTINATION,
        )?;
        let mut others = mirror.subject_transforms.iter().enumerate();
        if others.any(|(other, t)| other != at && collide(&transform.src, &t.src)) {
            return Err(errors::MIRROR_OVERLAPPING_SUBJECT_FILTERS.err());
        }
    }
    if mirror.external.is_some() {
        return Ok(());
    }
    if !is_valid_asset_name(&mirror.name) {
        return Err(errors::MIRROR_INVALID_STREAM_NAME.err());
    }
    if let Some(origin) = others(&mirror.name) {
        if is_smaller(config, &origin) {
            return Err(errors::MIRROR_MAX_MESSAGE_SIZE_TOO_BIG.err());
        }
        if config.mirror_direct != origin.allow_direct {
            strictness.object("origin stream has direct get set, mirror has it disabled")?;
        }
        config.mirror_direct = origin.allow_direct;
    }
    Ok(())
}

fn check_sources(config: &StreamConfig, others: Others<'_>) -> Result<(), ApiError> {
    if !config.sources.is_empty() && config.allow_msg_schedules {
        return Err(errors::SOURCE_WITH_MSG_SCHEDULES.err());
    }
    let (mut seen, mut consumers) = (BTreeSet::new(), BTreeSet::new());
    for source in &config.sources {
        if !is_valid_asset_name(&source.name) {
            return Err(errors::SOURCE_INVALID_STREAM_NAME.err());
        }
        if !seen.insert(identity(source)) {
            return Err(errors::SOURCE_DUPLICATE_DETECTED.err());
        }
        if has_both_filters(source) {
            return Err(errors::SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED.err());
        }
        for transform in &source.subject_transforms {
            check_transform(
                transform,
                errors::SOURCE_INVALID_SUBJECT_FILTER,
                errors::SOURCE_INVALID_TRANSFORM_DESTINATION,
            )?;
        }
        for (at, transform) in source.subject_transforms.iter().enumerate() {
            let src = transform.src.as_bytes();
            let mut others = source.subject_transforms.iter().enumerate();
            if others.any(|(other, t)| other != at && subject::is_subset(src, t.src.as_bytes())) {
                return Err(errors::SOURCE_OVERLAPPING_SUBJECT_FILTERS.err());
            }
        }
        if !has_valid_consumer(source) {
            return Err(errors::SOURCE_DURABLE_CONSUMER_CFG_INVALID.err());
        }
        if let Some(consumer) = &source.consumer
            && !consumers.insert((&source.name, api_of(source), &consumer.name))
        {
            return Err(errors::SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED.err());
        }
        if source.external.is_none()
            && others(&source.name).is_some_and(|origin| is_smaller(config, &origin))
        {
            return Err(errors::SOURCE_MAX_MESSAGE_SIZE_TOO_BIG.err());
        }
    }
    Ok(())
}

fn has_both_filters(origin: &StreamSource) -> bool {
    !origin.filter_subject.is_empty() && !origin.subject_transforms.is_empty()
}

/// Whether the stream's messages may be too large for another one that takes them.
fn is_smaller(config: &StreamConfig, origin: &StreamConfig) -> bool {
    config.max_msg_size > 0 && origin.max_msg_size > 0 && config.max_msg_size < origin.max_msg_size
}

fn has_valid_consumer(origin: &StreamSource) -> bool {
    let Some(StreamConsumerSource { name, deliver_subject }) = &origin.consumer else {
        return true;
    };
    is_valid_asset_name(name)
        && subject::is_literal(deliver_subject.as_bytes())
        && subject::is_valid_pattern(deliver_subject.as_bytes())
        && origin.opt_start_seq == 0
        && origin.opt_start_time.is_none()
        && origin.filter_subject.is_empty()
}

fn api_of(origin: &StreamSource) -> &str {
    origin.external.as_ref().map_or("", |external| external.api.as_str())
}

/// What tells two sources apart (`composeIName`).
fn identity(source: &StreamSource) -> (&str, &str, String) {
    let or_all = |text: &str| if text.is_empty() { ">".to_owned() } else { text.to_owned() };
    let mut filters = Vec::new();
    if source.subject_transforms.is_empty() {
        filters.push(or_all(&source.filter_subject));
    }
    for transform in &source.subject_transforms {
        filters.push(or_all(&transform.src));
        filters.push(or_all(&transform.dest));
    }
    (&source.name, api_of(source), filters.join(" "))
}

fn check_transform(
    transform: &SubjectTransformConfig,
    bad_source: ApiErrorDef,
    bad_destination: ApiErrorDef,
) -> Result<(), ApiError> {
    let SubjectTransformConfig { src, dest } = transform;
    if !src.is_empty() && !subject::is_valid_pattern(src.as_bytes()) {
        return Err(bad_source.with(format!("invalid subject {src}")));
    }
    subject::Transform::validate_mapping(src, dest).map_err(|error| bad_destination.with(error))
}

/// The subjects under which origins elsewhere are reached.
fn check_prefixes(config: &StreamConfig, others: Others<'_>) -> Result<(), ApiError> {
    let origins = || config.mirror.iter().chain(&config.sources);
    let external = |origin: &&StreamSource| origin.external.is_some();
    let local: Vec<String> = origins()
        .filter(|origin| !external(origin))
        .filter_map(|origin| others(&origin.name))
        .flat_map(|origin| origin.subjects.clone())
        .collect();
    let elsewhere: Vec<&ExternalStream> =
        origins().filter_map(|origin| origin.external.as_ref()).collect();
    for prefix in elsewhere.iter().map(|e| &e.deliver).filter(|prefix| !prefix.is_empty()) {
        if !subject::is_valid_literal(prefix.as_bytes()) {
            return Err(errors::STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ.with(prefix));
        }
        if let Some(local) = local.iter().find(|s| collide(s, &format!("{prefix}.{s}"))) {
            return Err(errors::STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS.with_all(&[prefix, local]));
        }
    }
    for prefix in elsewhere.iter().map(|e| &e.api).filter(|prefix| !prefix.is_empty()) {
        if !subject::is_valid_literal(prefix.as_bytes()) {
            return Err(invalid(format!(
                "stream external api prefix {} must be a valid subject without wildcards",
                quoted(prefix)
            )));
        }
        if collide(prefix, API_PREFIX) {
            return Err(errors::STREAM_EXTERNAL_API_OVERLAP.with_all(&[prefix, &API_PREFIX]));
        }
    }
    Ok(())
}

/// No message may come back to where it was.
fn check_cycle(config: &StreamConfig, others: Others<'_>) -> Result<(), ApiError> {
    if !config.has_origin() {
        return Ok(());
    }
    let mut visited = BTreeSet::new();
    let mut to_visit = vec![Arc::new(config.clone())];
    let mut at = 0;
    while let Some(config) = to_visit.get(at).cloned() {
        at += 1;
        visited.insert(config.name.clone());
        for source in config.sources.iter().filter(|source| source.external.is_none()) {
            let filter = &source.filter_subject;
            if visited.contains(&source.name) {
                if filter.is_empty() || config.subjects.iter().any(|s| collide(s, filter)) {
                    return Err(invalid("detected cycle"));
                }
            } else {
                to_visit.extend(others(&source.name));
            }
        }
        if let Some(mirror) = config.mirror.as_ref().filter(|mirror| mirror.external.is_none()) {
            if visited.contains(&mirror.name) {
                return Err(invalid("detected cycle"));
            }
            to_visit.extend(others(&mirror.name));
        }
    }
    Ok(())
}

/// Filters and transforms must be of use (`addStreamWithAssignment`).
pub(super) fn check_filters(config: &StreamConfig) -> Result<(), ApiError> {
    let refuse = |text: String| Err(errors::STREAM_CREATE.with(text));
    for (kind, origin) in config
        .mirror
        .iter()
        .map(|mirror| ("mirror", mirror))
        .chain(config.sources.iter().map(|source| ("source", source)))
    {
        let filter = &origin.filter_subject;
        if !filter.is_empty() && !subject::is_valid_pattern(filter.as_bytes()) {
            let colon = if kind == "mirror" { "" } else { ":" };
            return refuse(format!(
                "subject filter '{filter}' for the {kind}{colon} invalid subject"
            ));
        }
        for SubjectTransformConfig { src, dest } in &origin.subject_transforms {
            if !dest.is_empty()
                && let Err(error) = subject::Transform::new(src, dest)
            {
                return refuse(format!(
                    "subject transform from '{src}' to '{dest}' for the {kind}: {error}"
                ));
            }
        }
    }
    Ok(())
}
