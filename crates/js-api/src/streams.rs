//! Requests about streams.

use config_validate::asset_name::has_path_separator;
use config_validate::asset_version;
use js_engine::StreamView;
use types::api::{
    LIST_LIMIT, MsgDeleteRequest, MsgGetRequest, MsgGot, NAMES_LIMIT, Paged, PurgeRequest, Purged,
    StreamCreated, StreamInfoRequest, StreamList, StreamListRequest, StreamNames, Success,
};
use types::{StreamConfigRequest, StreamInfo, errors};

use crate::api::Job;
use crate::call::{Call, Track};
use crate::json;
use crate::operation::StreamOp;
use crate::transfer::{restore, snapshot};

pub(crate) fn run(op: StreamOp, stream: &str, job: &Job<'_>, call: Call) {
    match op {
        StreamOp::Create => create(stream, job, call),
        StreamOp::Update => update(stream, job, call),
        StreamOp::Info => info(stream, job, call),
        StreamOp::Delete => delete(stream, job, call),
        StreamOp::Purge => purge(stream, job, call),
        StreamOp::Snapshot => snapshot::request(stream, job, call),
        StreamOp::Restore => restore::request(stream, job, call),
        StreamOp::MsgGet => get_msg(stream, job, call),
        StreamOp::MsgDelete => delete_msg(stream, job, call),
    }
}

/// Answers a refusal that was found before the engine was asked.
macro_rules! check {
    ($call:ident, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return $call.finish::<()>(Err(error)),
        }
    };
}
pub(crate) use check;

fn create(stream: &str, job: &Job<'_>, call: Call) {
    let request: StreamConfigRequest = check!(call, json::decode(job.body, job.unknown));
    if request.config.name != stream {
        return call.finish::<()>(Err(errors::STREAM_MISMATCH.err()));
    }
    if has_path_separator(stream) {
        return call.finish::<()>(Err(errors::STREAM_NAME_CONTAINS_PATH_SEPARATORS.err()));
    }
    job.account.create_stream(request, |created| {
        call.finish(created.map(|created| {
            let mut info = without_leader(created.info);
            info.domain.clear();
            asset_version::add_server(&mut info.config.metadata);
            // The reference says so of streams that were there just the same, too.
            StreamCreated { info, did_create: true }
        }));
    });
}

fn update(stream: &str, job: &Job<'_>, call: Call) {
    let request: StreamConfigRequest = check!(call, json::decode(job.body, job.unknown));
    if request.config.name != stream {
        return call.finish::<()>(Err(errors::STREAM_MISMATCH.err()));
    }
    job.account.update_stream(request, |updated| {
        call.finish(updated.map(|info| {
            let mut info = without_leader(info);
            asset_version::add_server(&mut info.config.metadata);
            info
        }));
    });
}

/// Only INFO shows the leader on a server that is no cluster.
pub(crate) fn without_leader(info: StreamInfo) -> StreamInfo {
    StreamInfo { cluster: None, ..info }
}

fn info(stream: &str, job: &Job<'_>, call: Call) {
    let request: StreamInfoRequest = check!(call, json::decode_optional(job.body, job.unknown));
    job.account.with_stream(
        stream,
        move |stream, ctx, _| Ok(stream.info(ctx, &request)),
        |reply| {
            call.finish(reply.map(|mut reply| {
                asset_version::add_server(&mut reply.info.config.metadata);
                reply
            }));
        },
    );
}

fn delete(stream: &str, job: &Job<'_>, call: Call) {
    if !json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::NOT_EMPTY_REQUEST.err()));
    }
    job.account.delete_stream(stream, |done| call.finish(done.map(|()| SUCCESS)));
}

const SUCCESS: Success = Success { success: true };

fn purge(stream: &str, job: &Job<'_>, call: Call) {
    let request: PurgeRequest = check!(call, json::decode_optional(job.body, job.unknown));
    if request.seq > 0 && request.keep > 0 {
        return call.finish::<()>(Err(errors::BAD_REQUEST.err()));
    }
    job.account.with_stream(
        stream,
        move |stream, ctx, _| stream.purge(ctx, &request),
        |purged| call.finish(purged.map(|purged| Purged { success: true, purged })),
    );
}

fn get_msg(stream: &str, job: &Job<'_>, call: Call) {
    if json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::BAD_REQUEST.err()));
    }
    let request: MsgGetRequest = check!(call, json::decode(job.body, job.unknown));
    job.account.with_stream(
        stream,
        move |stream, _, _| stream.get_msg(&request),
        |got| call.finish_as(Track::ErrorsOnly, got.map(|message| MsgGot { message })),
    );
}

fn delete_msg(stream: &str, job: &Job<'_>, call: Call) {
    if json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::BAD_REQUEST.err()));
    }
    let request: MsgDeleteRequest = check!(call, json::decode(job.body, job.unknown));
    job.account.with_stream(
        stream,
        move |stream, ctx, _| stream.delete_msg(ctx, request),
        |done| call.finish(done.map(|()| SUCCESS)),
    );
}

/// Streams that a listing is about, in name order.
fn matching(job: &Job<'_>, pattern: &str) -> Vec<StreamView> {
    let mut streams = job.account.streams();
    if !pattern.is_empty() {
        let collide = |s: &String| subject::collide(pattern.as_bytes(), s.as_bytes());
        streams.retain(|stream| stream.config.subjects.iter().any(collide));
    }
    streams
}

pub(crate) fn names(job: &Job<'_>, call: Call) {
    let request: StreamListRequest = check!(call, json::decode_optional(job.body, job.unknown));
    let streams = matching(job, &request.subject);
    let total = streams.len();
    let offset = request.offset.min(total);
    let streams = streams.into_iter().skip(offset).take(NAMES_LIMIT).map(|s| s.name).collect();
    call.finish(Ok(StreamNames { page: Paged { total, offset, limit: NAMES_LIMIT }, streams }));
}

pub(crate) fn list(job: &Job<'_>, call: Call) {
    let request: StreamListRequest = check!(call, json::decode_optional(job.body, job.unknown));
    let streams = matching(job, &request.subject);
    let total = streams.len();
    let offset = request.offset.min(total);
    let page = Paged { total, offset, limit: LIST_LIMIT };
    let mut offline = std::collections::BTreeMap::new();
    let mut live = Vec::new();
    for stream in streams.into_iter().skip(offset) {
        if live.len() == LIST_LIMIT {
            break;
        }
        match stream.offline {
            Some(reason) => drop(offline.insert(stream.name, reason)),
            None => live.push(stream.name),
        }
    }
    job.account.with_streams(
        live,
        |stream, ctx, _| Ok(without_leader(stream.brief_info(ctx))),
        move |streams| call.finish(Ok(StreamList { page, streams, offline })),
    );
}
