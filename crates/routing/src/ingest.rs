//! Messages on their way to a shard: many in one allocation.

use std::ops::Range;

use crate::{ConnId, Msg};

/// What a message to a stream means, by the subject it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestKind {
    /// To be stored.
    Publish,
    /// `$JS.ACK.…`
    Ack,
    /// `$JS.API.CONSUMER.MSG.NEXT.…`
    Next,
    /// `$JS.API.DIRECT.GET.…`
    DirectGet,
    /// `$JS.FC.…`
    FlowControl,
}

/// The inbox of a shard.
pub trait IngestSink: Send + Sync {
    /// Hands over a batch. Never blocks.
    fn push(&self, batch: IngestBatch) -> Pushed;

    /// A number that is equal for sinks that share an inbox.
    fn inbox_id(&self) -> usize;
}

/// What became of a batch.
#[must_use]
pub enum Pushed {
    /// It is in the inbox.
    Accepted,
    /// It is in the inbox, which is getting full: the sender should pause.
    Pressed,
    /// The inbox is full; nothing was taken.
    Refused(IngestBatch),
}

/// Messages for the streams of one shard, in the order they were published.
#[derive(Debug, Default)]
pub struct IngestBatch {
    arena: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    slot: u32,
    kind: IngestKind,
    from: ConnId,
    start: usize,
    reply: usize,
    headers: usize,
    payload: usize,
    end: usize,
}

/// One message of an [`IngestBatch`].
#[derive(Clone, Copy, Debug)]
pub struct Ingest<'a> {
    /// The stream's place in the shard.
    pub slot: u32,
    /// What the message means.
    pub kind: IngestKind,
    /// Who published it.
    pub from: ConnId,
    /// The message.
    pub msg: Msg<'a>,
}

impl IngestBatch {
    /// Adds a message.
    pub fn add(&mut self, slot: u32, kind: IngestKind, from: ConnId, msg: &Msg<'_>) {
        let start = self.arena.len();
        self.arena.extend_from_slice(msg.subject);
        let reply = self.arena.len();
        self.arena.extend_from_slice(msg.reply);
        let headers = self.arena.len();
        self.arena.extend_from_slice(msg.headers);
        let payload = self.arena.len();
        self.arena.extend_from_slice(msg.payload);
        let end = self.arena.len();
        self.entries.push(Entry { slot, kind, from, start, reply, headers, payload, end });
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = Ingest<'_>> {
        self.entries.iter().map(|e| Ingest {
            slot: e.slot,
            kind: e.kind,
            from: e.from,
            msg: Msg {
                subject: self.part(e.start..e.reply),
                reply: self.part(e.reply..e.headers),
                headers: self.part(e.headers..e.payload),
                payload: self.part(e.payload..e.end),
            },
        })
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.arena.get(range).unwrap_or_default()
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of subjects, headers and payloads.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }
}
