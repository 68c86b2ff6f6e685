//! Messages in memory, found by sequence: a deque of small chunks, each dense.

use std::collections::VecDeque;

/// Sequences that a chunk spans: one bit each in a word.
const SPAN: u64 = 64;

/// A message in memory.
#[derive(Debug)]
pub(super) struct Msg {
    pub(super) ts_ns: i64,
    pub(super) ttl_seconds: i64,
    subject_len: u32,
    headers_len: u32,
    /// Subject, headers, payload.
    data: Box<[u8]>,
}

impl Msg {
    pub(super) fn new(
        ts_ns: i64,
        ttl_seconds: i64,
        subject: &[u8],
        headers: &[u8],
        payload: &[u8],
    ) -> Self {
        let mut data = Vec::with_capacity(subject.len() + headers.len() + payload.len());
        data.extend_from_slice(subject);
        data.extend_from_slice(headers);
        data.extend_from_slice(payload);
        Msg {
            ts_ns,
            ttl_seconds,
            subject_len: subject.len() as u32,
            headers_len: headers.len() as u32,
            data: data.into_boxed_slice(),
        }
    }

    pub(super) fn subject(&self) -> &[u8] {
        self.data.get(..self.subject_len as usize).unwrap_or_default()
    }

    pub(super) fn headers(&self) -> &[u8] {
        let from = self.subject_len as usize;
        self.data.get(from..from + self.headers_len as usize).unwrap_or_default()
    }

    pub(super) fn payload(&self) -> &[u8] {
        let from = self.subject_len as usize + self.headers_len as usize;
        self.data.get(from..).unwrap_or_default()
    }

    /// Bytes of content.
    pub(super) fn len(&self) -> usize {
        self.data.len()
    }
}

/// The messages of 64 sequences: which are there, and they themselves, packed.
#[derive(Debug, Default)]
struct Chunk {
    live: u64,
    msgs: Vec<Msg>,
}

impl Chunk {
    /// Where the message of bit `bit` is in `msgs`, or would be.
    fn rank(&self, bit: u64) -> usize {
        (self.live & ((1 << bit) - 1)).count_ones() as usize
    }
}

/// Messages by sequence. A gap costs half a byte per sequence.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// Number of the first chunk (`seq / SPAN`).
    base: u64,
    chunks: VecDeque<Chunk>,
}

impl Chunks {
    pub(super) fn clear(&mut self) {
        self.chunks.clear();
    }

    fn chunk(&self, seq: u64) -> Option<(&Chunk, u64)> {
        let at = (seq / SPAN).checked_sub(self.base)?;
        Some((self.chunks.get(usize::try_from(at).ok()?)?, seq % SPAN))
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Msg> {
        let (chunk, bit) = self.chunk(seq)?;
        if chunk.live & (1 << bit) == 0 {
            return None;
        }
        chunk.msgs.get(chunk.rank(bit))
    }

    /// Adds a message after all others.
    pub(super) fn push(&mut self, seq: u64, msg: Msg) {
        let number = seq / SPAN;
        if self.chunks.is_empty() {
            self.base = number;
        }
        while self.base + (self.chunks.len() as u64) <= number {
            self.chunks.push_back(Chunk::default());
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.live |= 1 << (seq % SPAN);
            chunk.msgs.push(msg);
        }
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Msg> {
        let at = usize::try_from((seq / SPAN).checked_sub(self.base)?).ok()?;
        let bit = seq % SPAN;
        let chunk = self.chunks.get_mut(at)?;
        if chunk.live & (1 << bit) == 0 {
            return None;
        }
        let rank = chunk.rank(bit);
        let msg = chunk.msgs.remove(rank);
        chunk.live &= !(1 << bit);
        if chunk.live == 0 {
            chunk.msgs = Vec::new();
            while self.chunks.front().is_some_and(|chunk| chunk.live == 0) {
                self.chunks.pop_front();
                self.base += 1;
            }
        }
        Some(msg)
    }

    /// The first sequence held at or after `from`.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        let from = from.max(self.base * SPAN);
        let mut at = usize::try_from(from / SPAN - self.base).ok()?;
        let mut mask = u64::MAX << (from % SPAN);
        while let Some(chunk) = self.chunks.get(at) {
            let live = chunk.live & mask;
            if live != 0 {
                return Some((self.base + at as u64) * SPAN + u64::from(live.trailing_zeros()));
            }
            mask = u64::MAX;
            at += 1;
        }
        None
    }

    /// The last sequence held at or below `up_to`.
    pub(super) fn prev(&self, up_to: u64) -> Option<u64> {
        let end = (self.base + self.chunks.len() as u64) * SPAN;
        let up_to = up_to.min(end.checked_sub(1)?);
        let mut at = usize::try_from((up_to / SPAN).checked_sub(self.base)?).ok()?;
        let mut mask = u64::MAX >> (SPAN - 1 - up_to % SPAN);
        loop {
            let live = self.chunks.get(at)?.live & mask;
            if live != 0 {
                return Some((self.base + at as u64) * SPAN + u64::from(63 - live.leading_zeros()));
            }
            mask = u64::MAX;
            at = at.checked_sub(1)?;
        }
    }

    /// Messages held at or after `from`.
    pub(super) fn count_from(&self, from: u64) -> u64 {
        let from = from.max(self.base * SPAN);
        let at = usize::try_from(from / SPAN - self.base).unwrap_or(usize::MAX);
        let mut mask = u64::MAX << (from % SPAN);
        let mut count = 0;
        for chunk in self.chunks.iter().skip(at) {
            count += u64::from((chunk.live & mask).count_ones());
            mask = u64::MAX;
        }
        count
    }
}
