//! What a store takes of memory and disk.

use super::FileStore;
use super::block::Block;

/// Blocks in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Bytes of records that are in memory, those of the last block included.
    pub bytes: u64,
    /// Blocks that were read into memory since the opening.
    pub loads: u64,
}

/// What one block takes (`server/filestore.go` `msgBlock` `bytes`, `rbytes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockUsage {
    /// Its number.
    pub index: u64,
    /// Bytes of messages that are held.
    pub live_bytes: u64,
    /// Bytes of all records, those of removed messages and tombstones included; before compression.
    pub raw_bytes: u64,
}

impl FileStore {
    /// What is in memory.
    #[must_use]
    pub fn cache_usage(&self) -> CacheUsage {
        let bytes = self.blocks.iter().map(Block::cached_bytes).sum::<usize>() as u64;
        CacheUsage { bytes, loads: self.loads }
    }

    /// What each block takes, in order.
    #[must_use]
    pub fn block_usage(&self) -> Vec<BlockUsage> {
        let usage = |block: &Block| BlockUsage {
            index: block.index,
            live_bytes: block.bytes,
            raw_bytes: block.raw_len,
        };
        self.blocks.iter().map(usage).collect()
    }
}
