//! Message ids seen within the duplicate window (`server/stream.go` `storeMsgId`).

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use types::Timestamp;

/// The id bytes below the live ones are dropped when they are that many and more than half.
const COMPACT_BYTES: usize = 64 * 1024;

/// Ids by hash, and in order of their time for expiry. Ids are kept in one buffer: remembering
/// one allocates nothing once the buffers have grown.
#[derive(Debug)]
pub(crate) struct Dedup {
    window_ns: i64,
    table: HashTable<Slot>,
    hasher: RandomState,
    /// Oldest first.
    queue: VecDeque<Seen>,
    /// Number of the queue's first entry since the start.
    first: u64,
    bytes: Vec<u8>,
    /// Position of `bytes[0]` since the start.
    base: u64,
}

/// Number of an entry since the start, with its hash.
#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u64,
    hash: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: u64,
    len: u32,
    hash: u64,
    seq: u64,
    ts: i64,
}

impl Dedup {
    /// Nothing seen; a window of 0 remembers nothing.
    pub(crate) fn new(window_ns: i64) -> Self {
        Dedup {
            window_ns,
            table: HashTable::new(),
            hasher: RandomState::default(),
            queue: VecDeque::new(),
            first: 0,
            bytes: Vec::new(),
            base: 0,
        }
    }

    /// Ns that ids are remembered.
    pub(crate) fn window_ns(&self) -> i64 {
        self.window_ns
    }

    /// Changes the window; what is beyond it goes with the next expiry.
    pub(crate) fn set_window(&mut self, window_ns: i64) {
        self.window_ns = window_ns;
        if window_ns <= 0 {
            *self = Dedup::new(window_ns);
        }
    }

    fn entry(&self, number: u64) -> Option<&Seen> {
        self.queue.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn id(&self, seen: &Seen) -> &[u8] {
        let from = usize::try_from(seen.at - self.base).unwrap_or(usize::MAX);
        self.bytes.get(from..from.saturating_add(seen.len as usize)).unwrap_or_default()
    }

    /// Sequence of the message that had this id within the window.
    pub(crate) fn find(&self, id: &[u8], now: Timestamp) -> Option<u64> {
        if self.queue.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(id);
        let slot = self.table.find(hash, |slot| {
            slot.hash == hash && self.entry(slot.number).is_some_and(|seen| self.id(seen) == id)
        })?;
        let seen = self.entry(slot.number)?;
        (now.unix_ns().saturating_sub(seen.ts) < self.window_ns).then_some(seen.seq)
    }

    /// Remembers an id.
    pub(crate) fn insert(&mut self, id: &[u8], seq: u64, ts: Timestamp) {
        if self.window_ns <= 0 {
            return;
        }
        let hash = self.hasher.hash_one(id);
        let number = self.first + self.queue.len() as u64;
        let at = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(id);
        let len = u32::try_from(id.len()).unwrap_or(u32::MAX);
        // An older entry of the same id stays in the queue, but is no longer found.
        let same = |slot: &Slot| {
            slot.hash == hash && self.entry(slot.number).is_some_and(|seen| self.id(seen) == id)
        };
        if let Some(old) = self.table.find(hash, same).copied() {
            self.unlink(old.number, hash);
        }
        self.queue.push_back(Seen { at, len, hash, seq, ts: ts.unix_ns() });
        self.table.insert_unique(hash, Slot { number, hash }, |slot| slot.hash);
    }

    fn unlink(&mut self, number: u64, hash: u64) {
        if let Ok(entry) = self.table.find_entry(hash, |slot| slot.number == number) {
            entry.remove();
        }
    }

    /// Forgets ids beyond the window.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some(seen) = self.queue.front().copied() {
            if now.unix_ns().saturating_sub(seen.ts) < self.window_ns {
                break;
            }
            self.queue.pop_front();
            self.unlink(self.first, seen.hash);
            self.first += 1;
        }
        let live = self.queue.front().map_or(self.base + self.bytes.len() as u64, |s| s.at);
        let dead = usize::try_from(live - self.base).unwrap_or(0);
        if dead >= COMPACT_BYTES && dead * 2 > self.bytes.len() || self.queue.is_empty() {
            self.bytes.drain(..dead.min(self.bytes.len()));
            self.base = live;
        }
    }

    /// When the oldest id is due, in ns of wall time.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        self.queue.front().map(|seen| seen.ts.saturating_add(self.window_ns))
    }

    /// Forgets the ids of messages that were never committed.
    pub(crate) fn roll_back(&mut self, last_seq: u64) {
        while let Some(seen) = self.queue.back().copied() {
            if seen.seq <= last_seq {
                break;
            }
            self.queue.pop_back();
            let number = self.first + self.queue.len() as u64;
            self.unlink(number, seen.hash);
            self.bytes.truncate(usize::try_from(seen.at - self.base).unwrap_or(usize::MAX));
        }
    }
}
