//! `index.db`: the snapshot of a stream's state (`server/filestore.go` `writeFullState`).

use super::record::Hasher;
use super::seq_set::SeqSet;
use super::varint::{Reader, push_i, push_u};

const MAGIC: u8 = 0x0b;
const VERSION: u8 = 4;
const TRAILER: usize = 8;
const SMALLEST: usize = 32;

/// A decoded (or to be written) snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) msgs: u64,
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    /// 0 if there is none.
    pub(super) first_ns: i64,
    pub(super) last_seq: u64,
    pub(super) last_ns: i64,
    pub(super) subjects: Listed,
    pub(super) blocks: Vec<BlockState>,
    pub(super) last_block: u64,
    /// Checksum of that block's last record; zeros if it is empty.
    pub(super) last_checksum: [u8; 8],
}

/// The subjects of a snapshot, read from its bytes as they are asked for: there may be millions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// The snapshot's file; they start at `start`.
    file: Vec<u8>,
    start: usize,
    version: u8,
    count: usize,
}

impl Listed {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Each with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], SubjectRange)> {
        let mut read = Reader::new(self.file.get(self.start..).unwrap_or_default());
        (0..self.count).map_while(move |_| SubjectRange::read(&mut read, self.version))
    }
}

/// A subject with the blocks that bound where it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubjectRange {
    pub(super) total: u64,
    pub(super) first_block: u64,
    pub(super) last_block: u64,
}

impl SubjectRange {
    fn read<'b>(read: &mut Reader<'b>, version: u8) -> Option<(&'b [u8], Self)> {
        let len = usize::try_from(read.u()?).ok()?;
        let name = read.bytes(len)?;
        let total = read.u()?;
        let first_block = read.u()?;
        let has_last = version >= VERSION || total > 1;
        let last_block = if has_last { read.u()? } else { first_block };
        Some((name, SubjectRange { total, first_block, last_block }))
    }
}

/// A block as the snapshot knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockState {
    pub(super) index: u64,
    pub(super) bytes: u64,
    /// First live message; last + 1 if there is none.
    pub(super) first_seq: u64,
    pub(super) first_ns: i64,
    pub(super) last_seq: u64,
    pub(super) last_ns: i64,
    pub(super) ttls: u64,
    pub(super) schedules: u64,
    pub(super) deleted: SeqSet,
}

impl BlockState {
    /// Live messages.
    pub(super) fn msgs(&self) -> u64 {
        (self.last_seq + 1).saturating_sub(self.first_seq).saturating_sub(self.deleted.len())
    }

    /// Live messages below a sequence.
    pub(super) fn msgs_below(&self, seq: u64) -> u64 {
        let end = seq.min(self.last_seq + 1);
        let gone = self.deleted.iter_from(self.first_seq).take_while(|&gone| gone < end).count();
        end.saturating_sub(self.first_seq).saturating_sub(gone as u64)
    }

    /// Whether the message of `seq` was live here.
    pub(super) fn holds(&self, seq: u64) -> bool {
        (self.first_seq..=self.last_seq).contains(&seq) && !self.deleted.contains(seq)
    }
}

impl Index {
    /// Whether its parts agree with each other.
    pub(super) fn adds_up(&self) -> bool {
        let ascending = self
            .blocks
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.index < b.index && a.last_seq <= b.last_seq));
        let msgs: u64 = self.blocks.iter().map(BlockState::msgs).sum();
        let bytes: u64 = self.blocks.iter().map(|block| block.bytes).sum();
        let totals = self.subjects.iter().map(|(_, subject)| subject.total);
        let by_subject = totals.fold(0, u64::saturating_add);
        ascending
            && (msgs, bytes, by_subject) == (self.msgs, self.bytes, self.msgs)
            && self.blocks.last().is_some_and(|last| last.last_seq <= self.last_seq)
    }
}

/// The checksum that ends a snapshot's file.
pub(super) fn trailer(file: &[u8]) -> [u8; TRAILER] {
    file.last_chunk().copied().unwrap_or_default()
}

/// Writes a snapshot piece by piece, so that no copy of the subjects is needed.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
    base_ns: i64,
}

impl Writer {
    /// Starts with the totals (of `index` only those are used) and the count of subjects.
    pub(super) fn new(totals: &Index, subjects: usize) -> Self {
        let mut out = vec![MAGIC, VERSION];
        push_u(&mut out, totals.msgs);
        push_u(&mut out, totals.bytes);
        push_u(&mut out, totals.first_seq);
        push_i(&mut out, totals.first_ns);
        push_u(&mut out, totals.last_seq);
        push_i(&mut out, totals.last_ns);
        push_u(&mut out, subjects as u64);
        Writer { out, base_ns: totals.first_ns }
    }

    pub(super) fn subject(&mut self, subject: &[u8], total: u64, first: u64, last: u64) {
        push_u(&mut self.out, subject.len() as u64);
        self.out.extend_from_slice(subject);
        push_u(&mut self.out, total);
        push_u(&mut self.out, first);
        push_u(&mut self.out, last);
    }

    /// After the subjects.
    pub(super) fn block_count(&mut self, blocks: usize) {
        push_u(&mut self.out, blocks as u64);
    }

    /// `state.deleted` is taken from `deleted` instead.
    pub(super) fn block(&mut self, state: &BlockState, deleted: &SeqSet) {
        let out = &mut self.out;
        push_u(out, state.index);
        push_u(out, state.bytes);
        push_u(out, state.first_seq);
        push_i(out, state.first_ns.wrapping_sub(self.base_ns));
        push_u(out, state.last_seq);
        push_i(out, state.last_ns.wrapping_sub(self.base_ns));
        push_u(out, deleted.len());
        push_u(out, state.ttls);
        push_u(out, state.schedules);
        if !deleted.is_empty() {
            deleted.encode(out);
        }
    }

    /// Ends with the last block's mark and the checksum (keyed by the stream's name).
    pub(super) fn finish(mut self, last_block: u64, checksum: [u8; 8], hasher: &Hasher) -> Vec<u8> {
        push_u(&mut self.out, last_block);
        self.out.extend_from_slice(&checksum);
        let sum = hasher.sum(&[&self.out]);
        self.out.extend_from_slice(&sum);
        self.out
    }
}

/// Reads a snapshot of any version; `None` if it is damaged.
pub(super) fn decode(file: Vec<u8>, hasher: &Hasher) -> Option<Index> {
    if file.len() < SMALLEST {
        return None;
    }
    let (body, trailer) = file.split_at_checked(file.len() - TRAILER)?;
    if hasher.sum(&[body]) != trailer {
        return None;
    }
    let version = match body {
        [MAGIC, version @ 1..=VERSION, ..] => *version,
        _ => return None,
    };
    let mut read = Reader::new(body);
    read.skip(2)?;
    let mut index = Index {
        msgs: read.u()?,
        bytes: read.u()?,
        first_seq: read.u()?,
        first_ns: read.i()?,
        last_seq: read.u()?,
        last_ns: read.i()?,
        ..Index::default()
    };
    let count = usize::try_from(read.u()?).ok()?;
    let start = body.len() - read.rest().len();
    for _ in 0..count {
        SubjectRange::read(&mut read, version)?;
    }
    for _ in 0..read.u()? {
        let mut block = BlockState {
            index: read.u()?,
            bytes: read.u()?,
            first_seq: read.u()?,
            first_ns: read.i()?.wrapping_add(index.first_ns),
            last_seq: read.u()?,
            last_ns: read.i()?.wrapping_add(index.first_ns),
            ..BlockState::default()
        };
        if block.first_seq >= 1 << 62 || block.last_seq >= 1 << 62 {
            return None;
        }
        let deleted = read.u()?;
        if version >= 2 {
            block.ttls = read.u()?;
        }
        if version >= 3 {
            block.schedules = read.u()?;
        }
        if deleted > 0 {
            let (set, took) = SeqSet::decode(read.rest())?;
            if set.len() != deleted {
                return None;
            }
            read.skip(took)?;
            block.deleted = set;
        }
        index.blocks.push(block);
    }
    index.last_block = read.u()?;
    index.last_checksum = *read.bytes(8)?.first_chunk()?;
    if !read.rest().is_empty() {
        return None;
    }
    index.subjects = Listed { file, start, version, count };
    Some(index)
}
