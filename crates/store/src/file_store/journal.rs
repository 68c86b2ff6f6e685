//! What a store remembers between two flushes.

use super::block::Block;

/// What happened since the last flush, to be undone or finished by the next.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Stream end at the last flush.
    pub(super) last_seq: u64,
    pub(super) last_ns: i64,
    /// Messages that limits removed: no tombstone speaks of them.
    pub(super) by_limits: Vec<Undo>,
    /// Sequences, and their times, that get a tombstone with the flush.
    pub(super) displaced: Vec<(u64, i64)>,
    /// Sequences with a tombstone that is not yet written, and their times.
    pub(super) tombstones: Vec<(u64, i64)>,
    /// Messages to overwrite.
    pub(super) erased: Vec<Erasure>,
    /// Blocks whose files go.
    pub(super) dead: Vec<Block>,
    /// Tombstones of what only limits kept gone at the last sync: were others to outlast these,
    /// the limits would have room for it again.
    pub(super) limit_traces: Vec<(u64, i64)>,
}

/// A message to overwrite wherever it is.
#[derive(Debug)]
pub(super) struct Erasure {
    pub(super) block: u64,
    pub(super) seq: u64,
    /// The offset in the block's file, and the new bytes; none where the file goes as a whole.
    pub(super) over: Option<(u64, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    pub(super) block: u64,
    pub(super) seq: u64,
    pub(super) len: usize,
    pub(super) ts_ns: i64,
}
