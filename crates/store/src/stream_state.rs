//! What a stream holds without its messages, as servers of a group tell it each other.
//!
//! Wire source: `server/store.go` `EncodedStreamState`, `DecodeStreamState`. Of what is deleted a
//! gap is a run, or where gaps stand close a bitmap; whichever takes fewer bytes.

use std::ops::{ControlFlow, Range};

use crate::api::StreamStore;
use crate::file_store::{Reader, SeqSet, push_u};

const MAGIC: u8 = 42;
const VERSION: u8 = 1;
const RUN: u8 = 33;
const SET: u8 = 22;
/// Sequences that a node of the bitmap covers, and the bytes it takes.
const NODE_SPAN: u64 = 2048;
const NODE_BYTES: usize = 8 + 256 + 2;

/// Why bytes are no stream state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamStateError {
    /// They do not begin like one, or like one of a later version.
    #[error("bad stream state encoding")]
    BadEncoding,
    /// They begin like one, and are cut off or damaged.
    #[error("stream state snapshot is corrupt")]
    Corrupt,
}

/// Counts, bounds and deleted sequences of a stream (`server/store.go` `StreamReplicatedState`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// Messages held.
    pub msgs: u64,
    /// Bytes they count for.
    pub bytes: u64,
    /// First sequence.
    pub first_seq: u64,
    /// Last sequence; below the first where nothing is held.
    pub last_seq: u64,
    /// Proposals of the group that failed.
    pub failed: u64,
    deleted: Vec<Deleted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deleted {
    Run { first: u64, count: u64 },
    Set(SeqSet),
}

impl StreamState {
    /// Reads an encoded one. Allocates no more than a few times the bytes.
    ///
    /// # Errors
    /// See [`StreamStateError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StreamStateError> {
        let Some(body) = bytes.strip_prefix(&[MAGIC, VERSION]) else {
            return Err(StreamStateError::BadEncoding);
        };
        Self::decode_body(body).ok_or(StreamStateError::Corrupt)
    }

    fn decode_body(body: &[u8]) -> Option<Self> {
        let mut read = Reader::new(body);
        let mut state = StreamState {
            msgs: read.u()?,
            bytes: read.u()?,
            first_seq: read.u()?,
            last_seq: read.u()?,
            failed: read.u()?,
            deleted: Vec::new(),
        };
        if read.u()? == 0 {
            return Some(state);
        }
        while let Some(&kind) = read.rest().first() {
            match kind {
                SET => {
                    let (set, took) = SeqSet::decode(read.rest())?;
                    read.skip(took)?;
                    state.deleted.push(Deleted::Set(set));
                }
                RUN => {
                    read.skip(1)?;
                    let (first, count) = (read.u()?, read.u()?);
                    first.checked_add(count)?;
                    state.deleted.push(Deleted::Run { first, count });
                }
                _ => return None,
            }
        }
        Some(state)
    }

    /// How many sequences are deleted.
    pub fn num_deleted(&self) -> u64 {
        let count = |part: &Deleted| match part {
            Deleted::Run { count, .. } => *count,
            Deleted::Set(set) => set.len(),
        };
        self.deleted.iter().map(count).fold(0, u64::saturating_add)
    }

    /// The deleted sequences, in the order of the encoding, one at a time.
    pub fn deleted(&self) -> impl Iterator<Item = u64> + '_ {
        self.deleted.iter().flat_map(|part| {
            let (run, set) = match part {
                Deleted::Run { first, count } => (*first..first.saturating_add(*count), None),
                Deleted::Set(set) => (0..0, Some(set.iter_from(0))),
            };
            run.chain(set.into_iter().flatten())
        })
    }
}

/// Encodes the state of a store, with the count of proposals that failed.
pub(crate) fn encode(store: &(impl StreamStore + ?Sized), failed: u64) -> Vec<u8> {
    let totals = store.totals();
    let mut out = vec![MAGIC, VERSION];
    for value in [totals.msgs, totals.bytes, totals.first_seq, totals.last_seq, failed] {
        push_u(&mut out, value);
    }
    push_u(&mut out, totals.num_deleted);
    let mut writer = Writer { out, set: SeqSet::default(), near: Vec::new() };
    store.deleted_runs(&mut |run| {
        writer.add(run);
        ControlFlow::Continue(())
    });
    writer.finish()
}

/// Collects runs until it is known which form is shorter.
struct Writer {
    out: Vec<u8>,
    /// Nodes that are to follow `out`.
    set: SeqSet,
    /// Runs that begin in one node, and follow `set`.
    near: Vec<Range<u64>>,
}

impl Writer {
    fn add(&mut self, run: Range<u64>) {
        let node = |run: &Range<u64>| run.start / NODE_SPAN;
        if self.near.last().is_some_and(|last| node(last) != node(&run)) {
            self.decide();
        }
        self.near.push(run);
    }

    fn decide(&mut self) {
        let head = self.out.len();
        for run in &self.near {
            self.out.push(RUN);
            push_u(&mut self.out, run.start);
            push_u(&mut self.out, run.end - run.start);
        }
        let mut runs = self.out.split_off(head);
        // A run that ends in a later node makes that one, too.
        let nodes = self.near.last().map_or(0, |last| {
            let first = self.near.first().map_or(0, |first| first.start / NODE_SPAN);
            (last.end - 1) / NODE_SPAN - first + 1
        });
        let as_nodes = usize::try_from(nodes).map_or(usize::MAX, |n| n.saturating_mul(NODE_BYTES));
        if runs.len() < as_nodes {
            self.end_set();
            self.out.append(&mut runs);
        } else {
            for run in &self.near {
                self.set.insert_range(run.start, run.end);
            }
        }
        self.near.clear();
    }

    fn end_set(&mut self) {
        if !self.set.is_empty() {
            self.set.encode(&mut self.out);
            self.set.clear();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.decide();
        self.end_set();
        self.out
    }
}
