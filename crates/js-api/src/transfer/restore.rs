//! `STREAM.RESTORE`: the archive comes in as requests, one per chunk, each answered when it was
//! taken (`server/jetstream_api.go` `jsStreamRestoreRequest`, `processStreamRestore`).

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use config_validate::asset_name::has_path_separator;
use config_validate::asset_version;
use crossbeam_channel::{Receiver, Sender};
use js_engine::StreamRestore;
use routing::{ConnId, Msg, Service, SubjectSpace};
use types::advisory::Advisory;
use types::api::{RestoreRequest, RestoreStarted, StreamCreated, reply_type};
use types::{ApiError, StreamInfo, errors};

use super::{Direction, Listening, Party, spawn};
use crate::api::Job;
use crate::call::Call;
use crate::streams::{check, without_leader};
use crate::{json, render};

/// How long the client may send nothing (`processStreamRestore` `activityInterval`).
const STALLED: Duration = Duration::from_secs(5);
/// Bytes and chunks that may wait to be taken: a client that waits for its answers needs one.
const MOST_WAITING: usize = 32 << 20;
const MOST_CHUNKS: usize = 32 << 10;

pub(crate) fn request(stream: &str, job: &Job<'_>, call: Call) {
    if json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::BAD_REQUEST.err()));
    }
    let mut request: RestoreRequest = check!(call, json::decode(job.body, job.unknown));
    if request.config.name.is_empty() {
        stream.clone_into(&mut request.config.name);
    }
    if request.config.name != stream {
        return call.finish::<()>(Err(errors::STREAM_MISMATCH.err()));
    }
    if has_path_separator(stream) {
        return call.finish::<()>(Err(errors::STREAM_NAME_CONTAINS_PATH_SEPARATORS.err()));
    }
    let Some(place) = job.transfers.enter(Direction::Restore) else {
        let busy = errors::STREAM_RESTORE.with("too many restores in progress");
        return call.finish::<()>(Err(busy));
    };
    let restore = check!(call, job.account.begin_restore(request.config));
    let party = Party::new(job);
    let deliver_subject = format!("$JS.SNAPSHOT.RESTORE.{stream}.{}", party.ids().next_id());
    let (tx, chunks) = crossbeam_channel::bounded(MOST_CHUNKS);
    let waiting = Arc::new(AtomicUsize::new(0));
    let service = Arc::new(Taker { tx, waiting: Arc::clone(&waiting) });
    let refusal = errors::RESTORE_SUBSCRIBE_FAILED;
    let listening = check!(call, Listening::new(&party.space, &deliver_subject, service, refusal));
    let log_name = format!("{} > {stream}", job.account.name());
    tracing::info!("Starting restore for stream '{log_name}'");
    party.advise(&Advisory::RestoreCreate {
        stream: stream.to_owned(),
        client: party.client.clone(),
        domain: party.domain(),
    });
    call.finish(Ok(RestoreStarted { deliver_subject }));
    spawn("restore", move || {
        let upload = Upload {
            party,
            chunks,
            waiting,
            listening: Some(listening),
            current: Vec::new(),
            at: 0,
            total: 0,
            ended: None,
            log_name,
        };
        run(upload, restore);
        drop(place);
    });
}

fn run(mut upload: Upload, restore: StreamRestore) {
    let stream = restore.name().to_owned();
    let outcome = restore.run(&mut upload);
    let Some(reply) = upload.reply_to(&outcome) else { return };
    let Upload { party, total, log_name, .. } = &upload;
    party.advise(&Advisory::RestoreComplete {
        stream,
        start: party.start,
        end: party.now(),
        bytes: *total,
        client: party.client.clone(),
        domain: party.domain(),
    });
    match &outcome {
        Ok(_) => tracing::info!("Completed restore of {total} bytes for stream '{log_name}'"),
        Err(error) => tracing::warn!(
            "Restore failed for {total} bytes for stream '{log_name}': {}",
            error.description
        ),
    }
    let body = outcome.map(|info| StreamCreated { info: shown(info), did_create: false });
    let json = match &body {
        Ok(body) => render::done(reply_type::STREAM_CREATE, body),
        Err(error) => render::failed(reply_type::STREAM_CREATE, error),
    };
    party.send(&reply, b"", b"", &json);
}

fn shown(info: StreamInfo) -> StreamInfo {
    let mut info = without_leader(info);
    info.domain.clear();
    asset_version::add_server(&mut info.config.metadata);
    info
}

/// One message of the client.
struct Chunk {
    reply: Vec<u8>,
    payload: Vec<u8>,
}

/// Takes the client's messages; there is more than a client that waits for answers ever has.
struct Taker {
    tx: Sender<Result<Chunk, &'static str>>,
    waiting: Arc<AtomicUsize>,
}

impl Service for Taker {
    fn call(&self, _: &Arc<SubjectSpace>, msg: &Msg<'_>, _: ConnId) {
        let chunk = if msg.reply.is_empty() {
            Err("requires reply subject for each chunk")
        } else if self.waiting.fetch_add(msg.payload.len(), Ordering::Relaxed) > MOST_WAITING {
            Err("received chunks faster than it could take them")
        } else {
            Ok(Chunk { reply: msg.reply.to_vec(), payload: msg.payload.to_vec() })
        };
        // A full channel, or one that nobody reads any more: the chunk gets no answer.
        let _ = self.tx.try_send(chunk);
    }
}

/// Why no more chunks come.
enum End {
    /// The client said that this was all; where it wants the outcome.
    Complete(Vec<u8>),
    /// The client gave up, or broke the rules: nobody waits for the outcome.
    Broken,
}

/// The archive, as its chunks come in.
struct Upload {
    party: Party,
    chunks: Receiver<Result<Chunk, &'static str>>,
    waiting: Arc<AtomicUsize>,
    listening: Option<Listening>,
    current: Vec<u8>,
    at: usize,
    total: u64,
    ended: Option<End>,
    log_name: String,
}

impl Upload {
    /// The next message of the client, if it comes in time.
    fn next(&mut self) -> io::Result<Chunk> {
        let text = match self.chunks.recv_timeout(STALLED) {
            Ok(Ok(chunk)) => {
                self.waiting.fetch_sub(chunk.payload.len(), Ordering::Relaxed);
                return Ok(chunk);
            }
            Ok(Err(text)) => text,
            Err(_) => "is stalled",
        };
        self.ended = Some(End::Broken);
        let text = format!("restore for stream '{}' {text}", self.log_name);
        tracing::warn!("{text}");
        Err(io::Error::other(text))
    }

    /// Where the outcome goes: to the empty message that ends the archive, or where it failed
    /// before that to the next chunk. `None` where the client has gone.
    fn reply_to(&mut self, outcome: &Result<StreamInfo, ApiError>) -> Option<Vec<u8>> {
        if self.ended.is_none() {
            debug_assert!(outcome.is_err(), "a restore reads all of its archive");
            if let Ok(chunk) = self.next() {
                self.ended = Some(End::Complete(chunk.reply));
            }
        }
        // From here on nobody listens to chunks.
        self.listening = None;
        match self.ended.take() {
            Some(End::Complete(reply)) => Some(reply),
            Some(End::Broken) | None => None,
        }
    }
}

impl Read for Upload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.current.len() {
            match &self.ended {
                Some(End::Complete(_)) => return Ok(0),
                Some(End::Broken) => return Err(io::ErrorKind::ConnectionAborted.into()),
                None => {}
            }
            let chunk = self.next()?;
            if chunk.payload.is_empty() {
                self.ended = Some(End::Complete(chunk.reply));
                return Ok(0);
            }
            self.total += chunk.payload.len() as u64;
            // The client may send the next one while this one is unpacked.
            self.party.send(&chunk.reply, b"", b"", b"");
            self.current = chunk.payload;
            self.at = 0;
        }
        let mut rest = self.current.get(self.at..).unwrap_or_default();
        let got = rest.read(out)?;
        self.at += got;
        Ok(got)
    }
}
