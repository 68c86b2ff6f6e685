//! `checkpoint.db`: what `index.db` does not say of the sealed blocks, so that they need not be
//! read after a crash. The reference ignores the file.
//!
//! It names the index that it belongs to, and each block's length and last checksum: a block that
//! was rewritten since is recognised.

use super::record::Hasher;
use super::varint::{Reader, push_u};

/// Name of the file, beside the blocks.
pub(super) const CHECKPOINT: &str = "checkpoint.db";
const MAGIC: u8 = 0x6a;
const VERSION: u8 = 1;
const SUM: usize = 8;

/// The end of a block's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// Block number.
    pub(super) index: u64,
    /// Length of the content in bytes, uncompressed.
    pub(super) len: u64,
    /// Checksum of its last record.
    pub(super) sum: [u8; SUM],
}

/// Encodes the seals of all blocks of the index whose content ends in this.
pub(super) fn encode(index_trailer: [u8; SUM], seals: &[Seal], hasher: &Hasher) -> Vec<u8> {
    let mut out = vec![MAGIC, VERSION];
    out.extend_from_slice(&index_trailer);
    push_u(&mut out, seals.len() as u64);
    for seal in seals {
        push_u(&mut out, seal.index);
        push_u(&mut out, seal.len);
        out.extend_from_slice(&seal.sum);
    }
    let sum = hasher.sum(&[&out]);
    out.extend_from_slice(&sum);
    out
}

/// Whether the file is as it was written.
pub(super) fn is_intact(file: &[u8], hasher: &Hasher) -> bool {
    let body = file.split_at_checked(file.len().saturating_sub(SUM));
    body.is_some_and(|(body, sum)| !body.is_empty() && hasher.sum(&[body]) == sum)
}

/// The seals, ascending, if the file is sound and belongs to the index whose content ends in this.
pub(super) fn decode(file: &[u8], index_trailer: [u8; SUM], hasher: &Hasher) -> Option<Vec<Seal>> {
    if !is_intact(file, hasher) || !file.starts_with(&[MAGIC, VERSION]) {
        return None;
    }
    let body = file.get(..file.len() - SUM)?;
    let mut read = Reader::new(body);
    read.skip(2)?;
    if read.bytes(SUM)? != index_trailer {
        return None;
    }
    let mut seals: Vec<Seal> = Vec::new();
    for _ in 0..read.u()? {
        let (index, len) = (read.u()?, read.u()?);
        let sum = *read.bytes(SUM)?.first_chunk()?;
        if seals.last().is_some_and(|last| last.index >= index) {
            return None;
        }
        seals.push(Seal { index, len, sum });
    }
    read.rest().is_empty().then_some(seals)
}
