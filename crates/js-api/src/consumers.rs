//! Requests about consumers.

use std::collections::BTreeMap;

use config_validate::asset_name::has_path_separator;
use config_validate::asset_version;
use config_validate::consumer_config::{check_consumer_config, unsupported_feature};
use config_validate::stream_config::Strictness;
use serde::{Deserialize, Serialize};
use stream::ConsumerCreate;
use types::api::{
    ConsumerCreateRequest, ConsumerList, ConsumerNames, LIST_LIMIT, NAMES_LIMIT, PageRequest,
    Paged, PauseRequest, Success,
};
use types::{ApiError, ConsumerInfo, errors};

use crate::api::Job;
use crate::call::Call;
use crate::json;
use crate::operation::{ConsumerForm, ConsumerOp};
use crate::streams::check;

pub(crate) fn run(op: ConsumerOp, stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    match op {
        ConsumerOp::Info => info(stream, consumer, job, call),
        ConsumerOp::Delete => delete(stream, consumer, job, call),
        ConsumerOp::Pause => pause(stream, consumer, job, call),
        ConsumerOp::Unpin => unpin(stream, consumer, job, call),
        ConsumerOp::Reset => reset(stream, consumer, job, call),
    }
}

/// Puts what only replies carry into a consumer's metadata.
fn shown(mut info: ConsumerInfo) -> ConsumerInfo {
    if let Some(config) = &mut info.config {
        if config.metadata.contains_key(asset_version::REQUIRED_LEVEL) {
            // A pause since it was created may have raised the level.
            asset_version::mark_consumer(config);
        }
        asset_version::add_server(&mut config.metadata);
    }
    info
}

/// Creates a consumer, or updates it (`jsConsumerCreateRequest`).
pub(crate) fn create(form: ConsumerForm<'_>, job: &Job<'_>, call: Call) {
    let mut request: ConsumerCreateRequest = check!(call, json::decode(job.body, job.unknown));
    check!(call, fit_to_subject(form, &mut request));
    if request.config.num_replicas > 1 {
        return call.finish::<()>(Err(errors::STREAM_REPLICAS_NOT_SUPPORTED.err()));
    }
    let account = std::sync::Arc::clone(&job.account);
    let ids = std::sync::Arc::clone(job.engine.ids());
    let ConsumerCreateRequest { stream_name, mut config, action, pedantic } = request;
    job.account.with_stream(
        &stream_name,
        move |stream, ctx, fx| {
            let mut name = match (config.durable_name.as_str(), config.name.as_str()) {
                ("", name) | (name, _) => name.to_owned(),
            };
            if stream.has_consumer(&name) {
                // Pausing has its own request; an update leaves it as it is.
                let held = stream.consumer_info(ctx, &name, fx)?.config;
                config.pause_until = held.and_then(|held| held.pause_until);
            }
            asset_version::mark_consumer(&mut config);
            let limits = account.consumer_limits(stream.config().num_replicas)?;
            let strictness = Strictness::from_pedantic(pedantic);
            let mut config = check_consumer_config(config, stream.config(), &limits, strictness)?;
            if let Some(feature) = unsupported_feature(&config) {
                let text = format!("{feature} is not supported yet");
                return Err(errors::STREAM_INVALID_CONFIG.with(text));
            }
            while name.is_empty() {
                let made = ids.random_name();
                if !stream.has_consumer(&made) {
                    config.name.clone_from(&made);
                    name = made;
                }
            }
            stream.create_consumer(ctx, ConsumerCreate { name, config, action }, fx)
        },
        |info| call.finish(info.map(shown)),
    );
}

/// The subject and the body must say the same; the name of the subject counts.
fn fit_to_subject(
    form: ConsumerForm<'_>,
    request: &mut ConsumerCreateRequest,
) -> Result<(), ApiError> {
    let config = &mut request.config;
    if let ConsumerForm::Durable { consumer: None, .. } = form {
        return Err(errors::CONSUMER_DURABLE_NAME_NOT_IN_SUBJECT.err());
    }
    if form.stream() != request.stream_name {
        return Err(errors::STREAM_MISMATCH.err());
    }
    let name = match form {
        ConsumerForm::Ephemeral { .. } => config.name.clone(),
        ConsumerForm::Durable { consumer, .. } => consumer.unwrap_or_default().to_owned(),
        ConsumerForm::Named { consumer, .. } => consumer.to_owned(),
    };
    if has_path_separator(&name) {
        return Err(errors::CONSUMER_NAME_CONTAINS_PATH_SEPARATORS.err());
    }
    match form {
        ConsumerForm::Ephemeral { .. } => {
            if config.is_durable() {
                return Err(errors::CONSUMER_EPHEMERAL_WITH_DURABLE_NAME.err());
            }
        }
        ConsumerForm::Durable { .. } => {
            if !config.is_durable() {
                return Err(errors::CONSUMER_DURABLE_NAME_NOT_SET.err());
            }
            if name != config.durable_name {
                return Err(errors::CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT.err());
            }
            config.name = name;
        }
        ConsumerForm::Named { filter, .. } => {
            if config.is_durable() && name != config.durable_name {
                return Err(errors::CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT.err());
            }
            config.name = name;
            if let Some(filter) = filter {
                if !config.filter_subjects.is_empty() {
                    return Err(errors::CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED.err());
                }
                if config.filter_subject != filter {
                    return Err(errors::CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH.err());
                }
            }
        }
    }
    Ok(())
}

fn info(stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    if !json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::NOT_EMPTY_REQUEST.err()));
    }
    let name = consumer.to_owned();
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| stream.consumer_info(ctx, &name, fx),
        |info| call.finish(info.map(shown)),
    );
}

fn delete(stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    if !json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::NOT_EMPTY_REQUEST.err()));
    }
    let name = consumer.to_owned();
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| stream.delete_consumer(ctx, &name, fx),
        |done| call.finish(done.map(|()| Success { success: true })),
    );
}

fn pause(stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    let request: PauseRequest = check!(call, json::decode_optional(job.body, job.unknown));
    let name = consumer.to_owned();
    let until = request.pause_until.filter(|until| !until.is_zero());
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| stream.pause_consumer(ctx, &name, until, fx),
        |paused| call.finish(paused),
    );
}

/// `CONSUMER.UNPIN` request.
#[derive(Default, Deserialize)]
#[serde(default)]
struct UnpinRequest {
    group: String,
}

/// A reply without a body.
#[derive(Serialize)]
struct Nothing {}

fn unpin(stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    if job.body.is_empty() {
        let error = errors::INVALID_JSON.with("unexpected end of JSON input");
        return call.finish::<()>(Err(error));
    }
    let request: UnpinRequest = check!(call, json::decode(job.body, job.unknown));
    if request.group.is_empty() {
        let error = errors::INVALID_JSON.with("consumer group not specified");
        return call.finish::<()>(Err(error));
    }
    let name = consumer.to_owned();
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| stream.unpin_consumer(ctx, &name, &request.group, fx),
        |done| call.finish(done.map(|()| Nothing {})),
    );
}

/// `CONSUMER.RESET` request.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResetRequest {
    seq: u64,
}

/// `CONSUMER.RESET` answer.
#[derive(Serialize)]
struct ResetReply {
    #[serde(flatten)]
    info: ConsumerInfo,
    reset_seq: u64,
}

fn reset(stream: &str, consumer: &str, job: &Job<'_>, call: Call) {
    let request: ResetRequest = check!(call, json::decode_optional(job.body, job.unknown));
    let name = consumer.to_owned();
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| stream.reset_consumer(ctx, &name, request.seq, fx),
        |done| {
            call.finish(done.map(|(info, reset_seq)| ResetReply { info: shown(info), reset_seq }));
        },
    );
}

pub(crate) fn names(stream: &str, job: &Job<'_>, call: Call) {
    let request: PageRequest = check!(call, json::decode_optional(job.body, job.unknown));
    if let Some(offline) = job.account.offline_consumers(stream) {
        let total = offline.len();
        let offset = request.offset.min(total);
        let consumers = offline.into_keys().skip(offset).take(NAMES_LIMIT).collect();
        let page = Paged { total, offset, limit: NAMES_LIMIT };
        return call.finish(Ok(ConsumerNames { page, consumers }));
    }
    job.account.with_stream(
        stream,
        move |stream, _, _| Ok(stream.consumer_names(request.offset)),
        |names| call.finish(names),
    );
}

pub(crate) fn list(stream: &str, job: &Job<'_>, call: Call) {
    let request: PageRequest = check!(call, json::decode_optional(job.body, job.unknown));
    if let Some(offline) = job.account.offline_consumers(stream) {
        let total = offline.len();
        let offset = request.offset.min(total);
        let offline: BTreeMap<_, _> = offline.into_iter().skip(offset).collect();
        let missing = offline.keys().cloned().collect();
        let page = Paged { total, offset, limit: LIST_LIMIT };
        return call.finish(Ok(ConsumerList { page, consumers: Vec::new(), offline, missing }));
    }
    job.account.with_stream(
        stream,
        move |stream, ctx, fx| Ok(stream.consumer_list(ctx, request.offset, fx)),
        |list| call.finish(list),
    );
}
