//! What a stream asks an origin for, and what it gets.

use std::sync::Arc;

use store::{Filter, MsgRef};
use types::{ExternalStream, Timestamp};

/// Most messages of one batch.
const MOST_MSGS: usize = 1024;
/// A batch ends with the message that brings it to this many bytes.
const MOST_BYTES: usize = 1 << 20;

/// Which of a stream's questions an answer is for; answers to earlier ones are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) feed: u32,
    pub(crate) serial: u64,
}

impl Ticket {
    /// Which feed of the stream, by a number that is not used again; each has one read under way
    /// at a time.
    pub fn feed(self) -> u32 {
        self.feed
    }
}

/// Where to read from: the later of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadFrom {
    /// This sequence.
    pub seq: u64,
    /// The first message of this time or later.
    pub time: Option<Timestamp>,
}

/// Who reads, for origins that keep messages only for those who still need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderId {
    /// Name of the consumer that stands for the reader.
    pub name: String,
    /// Its metadata: the reading stream and its account.
    pub metadata: Vec<(String, String)>,
}

/// A read that a stream wants of an origin.
#[derive(Clone, Debug)]
pub struct OriginRead {
    /// To be given back with the answer.
    pub ticket: Ticket,
    /// The origin.
    pub stream: Arc<str>,
    /// Set where the origin is reached by other subjects than those of this account.
    pub external: Option<Arc<ExternalStream>>,
    /// Where to begin.
    pub from: ReadFrom,
    /// Which subjects.
    pub filter: Arc<Filter>,
    /// The first read: it is answered also where there is nothing.
    pub first: bool,
    /// Everything up to here is safe with the reader.
    pub safe: u64,
    /// Who reads.
    pub reader: Arc<ReaderId>,
}

/// Messages of an origin.
#[derive(Debug, Default)]
pub struct OriginBatch {
    bytes: Vec<u8>,
    msgs: Vec<Entry>,
    /// For the answer to a first read, the sequence where it began.
    pub(crate) began: Option<u64>,
    /// Where to read on.
    pub(crate) next: u64,
    /// Matching messages from there on.
    pub(crate) pending: u64,
    /// The origin waits to hear what is safe.
    pub(crate) keeps: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u64,
    ts: Timestamp,
    start: usize,
    subject: usize,
    headers: usize,
    payload: usize,
}

/// One message of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginMsg<'a> {
    /// Sequence in the origin.
    pub(crate) seq: u64,
    /// When the origin stored it.
    pub(crate) ts: Timestamp,
    pub(crate) subject: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl OriginBatch {
    /// Whether there is no message in it.
    pub fn is_empty(&self) -> bool {
        self.msgs.is_empty()
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.msgs.len()
    }

    /// Bytes of content in it.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.msgs.len() >= MOST_MSGS || self.bytes.len() >= MOST_BYTES
    }

    pub(crate) fn push(&mut self, msg: &MsgRef<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(msg.subject);
        self.bytes.extend_from_slice(msg.headers);
        self.bytes.extend_from_slice(msg.payload);
        self.msgs.push(Entry {
            seq: msg.seq,
            ts: msg.ts,
            start,
            subject: msg.subject.len(),
            headers: msg.headers.len(),
            payload: msg.payload.len(),
        });
    }

    /// The messages from the `at`th on.
    pub(crate) fn iter_from(&self, at: usize) -> impl Iterator<Item = OriginMsg<'_>> {
        self.msgs.iter().skip(at).map(|entry| {
            let mut at = entry.start;
            let mut part = |len: usize| {
                let from = at;
                at += len;
                self.bytes.get(from..at).unwrap_or_default()
            };
            let (subject, headers) = (part(entry.subject), part(entry.headers));
            let payload = part(entry.payload);
            OriginMsg { seq: entry.seq, ts: entry.ts, subject, headers, payload }
        })
    }
}
