//! Subjects of a stream: valid, distinct, and none of the server's own.

use types::{ApiError, StreamConfig, errors};

use super::{Strictness, invalid};
use crate::quote::quoted;

/// Subject spaces that need `no_ack`, and the part of them that does not.
const JETSTREAM_SPACES: [&str; 3] = ["$JS.>", "$JSC.>", "$NRG.>"];
const JETSTREAM_EVENTS: &str = "$JS.EVENT.>";
const SYSTEM_SPACE: &str = "$SYS.>";
const SYSTEM_ACCOUNTS: &str = "$SYS.ACCOUNT.>";

fn collide(a: &str, b: &str) -> bool {
    subject::collide(a.as_bytes(), b.as_bytes())
}

fn is_subset(inner: &str, outer: &str) -> bool {
    subject::is_subset(inner.as_bytes(), outer.as_bytes())
}

pub(super) fn fill_and_check(config: &mut StreamConfig) -> Result<(), ApiError> {
    if config.subjects.is_empty() {
        if !config.has_origin() {
            config.subjects.push(config.name.clone());
        }
        return Ok(());
    }
    for (i, subject) in config.subjects.iter().enumerate() {
        if !subject::is_valid_pattern(subject.as_bytes()) {
            return Err(invalid("invalid subject"));
        }
        if config.subjects.iter().take(i).any(|earlier| earlier == subject) {
            return Err(invalid("duplicate subjects detected"));
        }
        check_reserved(config, subject)?;
        if let Some(other) = config.subjects.iter().skip(i + 1).find(|s| collide(s, subject)) {
            return Err(invalid(format!(
                "subject {} overlaps with {}",
                quoted(subject),
                quoted(other)
            )));
        }
    }
    Ok(())
}

fn check_reserved(config: &StreamConfig, subject: &str) -> Result<(), ApiError> {
    if subject == ">" {
        if !config.no_ack {
            return Err(invalid("capturing all subjects requires no-ack to be true"));
        }
        if config.num_replicas != 1 {
            return Err(invalid("capturing all subjects requires replicas of 1"));
        }
    }
    if config.no_ack {
        return Ok(());
    }
    if JETSTREAM_SPACES.iter().any(|space| collide(subject, space))
        && !is_subset(subject, JETSTREAM_EVENTS)
    {
        return Err(invalid("subjects that overlap with jetstream api require no-ack to be true"));
    }
    if collide(subject, SYSTEM_SPACE) && !is_subset(subject, SYSTEM_ACCOUNTS) {
        return Err(invalid("subjects that overlap with system api require no-ack to be true"));
    }
    Ok(())
}

/// Checks `subject_transform` and `republish`.
pub(super) fn check_transforms(
    config: &mut StreamConfig,
    strictness: Strictness,
) -> Result<(), ApiError> {
    if let Some(transform) = &config.subject_transform {
        let source = &transform.src;
        if !source.is_empty() && !subject::is_valid_pattern(source.as_bytes()) {
            return Err(
                errors::STREAM_TRANSFORM_INVALID_SOURCE.with(format!("invalid subject {source}"))
            );
        }
        subject::Transform::validate_mapping(source, &transform.dest)
            .map_err(|error| errors::STREAM_TRANSFORM_INVALID_DESTINATION.with(error))?;
    }
    let Some(republish) = &mut config.republish else { return Ok(()) };
    if republish.src.is_empty() {
        strictness.object("republish source can not be empty")?;
        republish.src = ">".to_owned();
    }
    // Everything, renamed by the stream's own transform, is no cycle.
    if republish.dest == ">"
        && republish.src == ">"
        && let Some(transform) = &config.subject_transform
        && let [only] = config.subjects.as_slice()
        && transform.src == *only
    {
        strictness.object("implicit republish based on subject transform")?;
        republish.src.clone_from(&transform.dest);
        republish.dest.clone_from(&transform.dest);
    }
    if config.subjects.iter().any(|s| collide(&republish.dest, s)) {
        return Err(invalid("stream configuration for republish destination forms a cycle"));
    }
    let (source, dest) = (&republish.src, &republish.dest);
    if subject::Transform::new(source, dest).is_err() {
        return Err(invalid(format!(
            "stream configuration for republish with transform from '{source}' to '{dest}' not valid"
        )));
    }
    Ok(())
}
