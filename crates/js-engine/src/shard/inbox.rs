//! The bounded inbox of a shard.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use routing::{IngestBatch, IngestSink, InterestWatcher, Pushed};
use stream::{OriginBatch, OriginRead, Ticket};
use types::ApiError;

use super::call::{Call, Close, Open};
use super::link::Reader;
use crate::settings::InboxLimits;

/// What a shard is told.
pub(crate) enum Input {
    /// Messages for its streams.
    Ingest(IngestBatch),
    /// Something to do with one stream.
    Call { slot: u32, call: Box<dyn Call> },
    /// A stream to take over.
    Open(Open),
    /// A stream to give up.
    Close(Close),
    /// Interest in a consumer's deliver subject may have changed.
    Interest { slot: u32, consumer: Arc<str> },
    /// Another stream reads this one.
    Read { slot: u32, read: OriginRead, to: Reader },
    /// What a stream read of its origin.
    Origin { slot: u32, ticket: Ticket, answer: Result<OriginBatch, ApiError> },
    /// Let all streams rest for a moment: say so, then wait until the other side is dropped.
    Pause { paused: Sender<()>, until: Receiver<Infallible> },
    /// Stop every stream and end.
    Stop,
}

/// The sending side, shared by everyone; counts what waits in messages and bytes.
///
/// The channel itself has no bound: control inputs always get in, and messages are bounded by
/// these counts, which a bound in batches would not do.
pub(crate) struct Inbox {
    id: usize,
    tx: Sender<Input>,
    msgs: AtomicUsize,
    bytes: AtomicUsize,
    limits: InboxLimits,
}

impl Inbox {
    pub(crate) fn new(id: usize, limits: InboxLimits) -> (Arc<Self>, Receiver<Input>) {
        let (tx, rx) = unbounded();
        let (msgs, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        (Arc::new(Inbox { id, tx, msgs, bytes, limits }), rx)
    }

    /// Hands over an input that no limit holds back. A shard that has ended drops it, and with it
    /// whatever it would have answered.
    pub(crate) fn send(&self, input: Input) {
        let _ = self.tx.send(input);
    }

    /// A batch left the inbox.
    pub(crate) fn taken(&self, batch: &IngestBatch) {
        self.msgs.fetch_sub(batch.len(), Ordering::Relaxed);
        self.bytes.fetch_sub(batch.bytes(), Ordering::Relaxed);
    }
}

impl IngestSink for Inbox {
    fn push(&self, batch: IngestBatch) -> Pushed {
        let (len, size) = (batch.len(), batch.bytes());
        let msgs = self.msgs.fetch_add(len, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed);
        // An empty inbox takes a batch of any size, or that batch would never get in.
        let full = msgs > 0
            && (msgs.saturating_add(len) > self.limits.msgs
                || bytes.saturating_add(size) > self.limits.bytes);
        let batch = if full {
            batch
        } else {
            match self.tx.send(Input::Ingest(batch)) {
                Ok(()) => {
                    let pressed = msgs > self.limits.msgs / 2 || bytes > self.limits.bytes / 2;
                    return if pressed { Pushed::Pressed } else { Pushed::Accepted };
                }
                Err(ended) => match ended.into_inner() {
                    Input::Ingest(batch) => batch,
                    _ => IngestBatch::default(),
                },
            }
        };
        self.msgs.fetch_sub(len, Ordering::Relaxed);
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        Pushed::Refused(batch)
    }

    fn inbox_id(&self) -> usize {
        self.id
    }
}

/// Tells a shard that interest in a consumer's deliver subject may have changed.
pub(crate) struct DeliverWatcher {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) slot: u32,
    pub(crate) consumer: Arc<str>,
}

impl InterestWatcher for DeliverWatcher {
    fn changed(&self) {
        self.inbox.send(Input::Interest { slot: self.slot, consumer: Arc::clone(&self.consumer) });
    }
}
