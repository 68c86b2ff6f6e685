//! `STREAM.SNAPSHOT`: the archive goes out in chunks, a window of them ahead of the acks
//! (`server/jetstream_api.go` `jsStreamSnapshotRequest`, `streamSnapshot`).

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use js_engine::{JsAccount, SnapshotCheck, SnapshotError, StreamSnapshot};
use routing::{ConnId, InterestWatcher, Msg, Service, SubjectSpace, WatchId};
use stream::SnapshotConsumers;
use types::advisory::Advisory;
use types::api::{SnapshotRequest, SnapshotStarted};
use types::errors;

use super::{Direction, Listening, Party, spawn};
use crate::api::Job;
use crate::call::Call;
use crate::json;
use crate::streams::check;

const DEFAULT_CHUNK: usize = 128 << 10;
const DEFAULT_WINDOW: usize = 8 << 20;
const SMALLEST: usize = 1 << 10;
const LARGEST_CHUNK: usize = 1 << 20;
const LARGEST_WINDOW: usize = 32 << 20;
/// How long the receiver may take to acknowledge anything (`defaultSnapshotAckTimeout`).
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the receiver may take to subscribe.
const INTEREST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the first chunk waits after the answer. Clients take both in on different paths, and
/// the `nats` command gives up where the end of a small archive overtakes the answer.
const AFTER_ANSWER: Duration = Duration::from_millis(50);

/// Sizes within their bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) chunk: usize,
    /// Chunks that may be unacknowledged.
    pub(super) window: usize,
}

impl Flow {
    pub(super) fn of(request: &SnapshotRequest) -> Self {
        let size = |wanted: i64, default, most| match wanted {
            0 => default,
            wanted => usize::try_from(wanted).unwrap_or(0).clamp(SMALLEST, most),
        };
        let chunk = size(request.chunk_size, DEFAULT_CHUNK, LARGEST_CHUNK);
        let window = size(request.window_size, DEFAULT_WINDOW, LARGEST_WINDOW).max(chunk);
        Flow { chunk, window: window / chunk }
    }
}

pub(crate) fn request(stream: &str, job: &Job<'_>, call: Call) {
    if json::is_empty(job.body) {
        return call.finish::<()>(Err(errors::BAD_REQUEST.err()));
    }
    if job.account.stream(stream).is_none() {
        return call.finish::<()>(Err(errors::STREAM_NOT_FOUND.err()));
    }
    let request: SnapshotRequest = check!(call, json::decode(job.body, job.unknown));
    if !subject::is_valid_pattern(request.deliver_subject.as_bytes()) {
        return call.finish::<()>(Err(errors::SNAPSHOT_DELIVER_SUBJECT_INVALID.err()));
    }
    let busy = || errors::STREAM_SNAPSHOT.with("too many snapshots in progress");
    let Some(place) = job.transfers.enter(Direction::Snapshot) else {
        return call.finish::<()>(Err(busy()));
    };
    let (name, account, party) = (stream.to_owned(), Arc::clone(&job.account), Party::new(job));
    spawn("snapshot", move || {
        run(&name, &account, &party, &request, call);
        drop(place);
    });
}

fn run(name: &str, account: &Arc<JsAccount>, party: &Party, request: &SnapshotRequest, call: Call) {
    let consumers =
        if request.no_consumers { SnapshotConsumers::LeftOut } else { SnapshotConsumers::Included };
    let jsck = if request.jsck { SnapshotCheck::Before } else { SnapshotCheck::None };
    let log_name = format!("{} > {name}", account.name());
    match jsck {
        SnapshotCheck::Before => {
            tracing::info!("Starting health check and snapshot for stream '{log_name}'");
        }
        SnapshotCheck::None => tracing::info!("Starting snapshot for stream '{log_name}'"),
    }
    let snapshot = match account.begin_snapshot(name, consumers, jsck) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::warn!("Snapshot of stream '{log_name}' failed: {}", error.description);
            return call.finish::<()>(Err(error));
        }
    };
    let (config, state) = (snapshot.config.clone(), snapshot.state.clone());
    call.finish(Ok(SnapshotStarted { config, state: state.clone() }));
    party.advise(&Advisory::SnapshotCreate {
        stream: name.to_owned(),
        state: Box::new(state),
        client: party.client.clone(),
        domain: party.domain(),
    });
    std::thread::sleep(AFTER_ANSWER);
    send(name, party, snapshot, request);
    party.advise(&Advisory::SnapshotComplete {
        stream: name.to_owned(),
        start: party.start,
        end: party.now(),
        client: party.client.clone(),
        domain: party.domain(),
    });
    tracing::info!("Completed snapshot for stream '{log_name}'");
}

/// Sends the archive, and at last an empty message that says how it went.
fn send(name: &str, party: &Party, snapshot: StreamSnapshot, request: &SnapshotRequest) {
    let flow = Flow::of(request);
    let (acked, acks) = crossbeam_channel::bounded(flow.window);
    for _ in 0..flow.window {
        // The channel has just that much room.
        let _: Result<(), TrySendError<()>> = acked.try_send(());
    }
    let ack_subject = format!("$JS.SNAPSHOT.ACK.{name}.{}", party.ids().next_id());
    let service = Arc::new(Acks { acked });
    let pattern = format!("{ack_subject}.>");
    let listening = Listening::new(&party.space, &pattern, service, errors::STREAM_SNAPSHOT);
    let deliver = request.deliver_subject.as_bytes();
    let receiver = Receiving::new(&party.space, deliver);
    let chunks = Chunks {
        party,
        deliver,
        flow,
        acks,
        receiver,
        ack_subject,
        pending: Vec::with_capacity(flow.chunk),
        sent: 0,
    };
    let status = match listening {
        Err(error) => format!("500 {}", error.description),
        Ok(_listening) => match snapshot.write_to(chunks) {
            // The reference says so only after a chunk that was full.
            Ok(chunks) => match chunks.finish() {
                0 => String::new(),
                _ => "204".to_owned(),
            },
            Err(SnapshotError::Output(error)) => error.to_string(),
            Err(SnapshotError::Stream(text)) => {
                tracing::warn!(stream = name, "snapshot failed: {text}");
                format!("500 {}", text.replace(['\r', '\n'], " "))
            }
        },
    };
    let headers = match status.as_str() {
        "" => String::new(),
        status => format!("NATS/1.0 {status}\r\n\r\n"),
    };
    party.send(deliver, b"", headers.as_bytes(), b"");
}

/// Counts acks: any message is one.
struct Acks {
    acked: Sender<()>,
}

impl Service for Acks {
    fn call(&self, _: &Arc<SubjectSpace>, _: &Msg<'_>, _: ConnId) {
        // More acks than chunks free nothing.
        let _: Result<(), TrySendError<()>> = self.acked.try_send(());
    }
}

/// Watches whether anybody receives the chunks.
struct Receiving {
    space: Arc<SubjectSpace>,
    subject: Vec<u8>,
    changed: Receiver<()>,
    watch: WatchId,
}

struct Changes(Sender<()>);

impl InterestWatcher for Changes {
    fn changed(&self) {
        // One that is not yet seen says as much.
        let _: Result<(), TrySendError<()>> = self.0.try_send(());
    }
}

impl Receiving {
    fn new(space: &Arc<SubjectSpace>, subject: &[u8]) -> Self {
        let (tx, changed) = crossbeam_channel::bounded(1);
        let watch = space.watch(subject, Arc::new(Changes(tx)));
        Receiving { space: Arc::clone(space), subject: subject.to_vec(), changed, watch }
    }

    fn is_there(&self) -> bool {
        self.space.has_interest(&self.subject)
    }

    /// Waits a moment for somebody to subscribe.
    fn wait(&self) -> bool {
        let deadline = Instant::now() + INTEREST_TIMEOUT;
        while !self.is_there() {
            if self.changed.recv_deadline(deadline).is_err() {
                return self.is_there();
            }
        }
        true
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.space.unwatch(self.watch);
    }
}

/// Cuts the archive into chunks and sends them as the window allows.
struct Chunks<'a> {
    party: &'a Party,
    deliver: &'a [u8],
    flow: Flow,
    acks: Receiver<()>,
    receiver: Receiving,
    ack_subject: String,
    pending: Vec<u8>,
    sent: u64,
}

impl Chunks<'_> {
    /// Waits until a chunk may be sent.
    fn wait_for_window(&self) -> io::Result<()> {
        let gone = || io::Error::other("408 No Interest");
        if self.sent == 0 && !self.receiver.wait() {
            return Err(gone());
        }
        let deadline = Instant::now() + ACK_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            crossbeam_channel::select! {
                recv(self.acks) -> _ => return Ok(()),
                recv(self.receiver.changed) -> _ => if !self.receiver.is_there() {
                    return Err(gone());
                },
                default(left) => return Err(io::Error::other("408 No Flow Response")),
            }
        }
    }

    fn send_chunk(&mut self) -> io::Result<()> {
        self.wait_for_window()?;
        self.sent += 1;
        let reply = format!("{}.{}.{}", self.ack_subject, self.pending.len(), self.sent);
        self.party.send(self.deliver, reply.as_bytes(), b"", &self.pending);
        self.pending.clear();
        Ok(())
    }

    /// Sends what is left, which nobody acknowledges; answers how many chunks were full.
    fn finish(self) -> u64 {
        if !self.pending.is_empty() {
            self.party.send(self.deliver, b"", b"", &self.pending);
        }
        self.sent
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(self.flow.chunk - self.pending.len());
        self.pending.extend_from_slice(bytes.get(..take).unwrap_or_default());
        if self.pending.len() == self.flow.chunk {
            self.send_chunk()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
