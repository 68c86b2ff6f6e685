//! `checkpoint.db`: what `index.db` does not say, so that blocks need not be read: how the sealed
//! blocks end, after a crash, and where exactly each subject's first and last message are. The
//! reference ignores the file.
//!
//! It names the index that it belongs to, and each block's length and last checksum: a block that
//! was rewritten since is recognised.

use super::record::Hasher;
use super::varint::{Reader, push_u};

/// Name of the file, beside the blocks.
pub(super) const CHECKPOINT: &str = "checkpoint.db";
const MAGIC: u8 = 0x6a;
const VERSION: u8 = 2;
/// The oldest that is read; it has no bounds.
const OLDEST: u8 = 1;
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

/// A decoded (or to be written) checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Of all blocks of the index, ascending.
    pub(super) seals: Vec<Seal>,
    /// Bounds of the index's subjects, as [`super::bounds`] writes them; empty if there are none.
    pub(super) bounds: Vec<u8>,
}

/// Encodes the checkpoint of the index whose content ends in this.
pub(super) fn encode(
    index_trailer: [u8; SUM],
    checkpoint: &Checkpoint,
    hasher: &Hasher,
) -> Vec<u8> {
    let mut out = vec![MAGIC, VERSION];
    out.extend_from_slice(&index_trailer);
    push_u(&mut out, checkpoint.seals.len() as u64);
    for seal in &checkpoint.seals {
        push_u(&mut out, seal.index);
        push_u(&mut out, seal.len);
        out.extend_from_slice(&seal.sum);
    }
    push_u(&mut out, checkpoint.bounds.len() as u64);
    out.extend_from_slice(&checkpoint.bounds);
    let sum = hasher.sum(&[&out]);
    out.extend_from_slice(&sum);
    out
}

/// Whether the file is as it was written.
pub(super) fn is_intact(file: &[u8], hasher: &Hasher) -> bool {
    let body = file.split_at_checked(file.len().saturating_sub(SUM));
    body.is_some_and(|(body, sum)| !body.is_empty() && hasher.sum(&[body]) == sum)
}

/// The checkpoint, if the file is sound and belongs to the index whose content ends in this.
pub(super) fn decode(file: &[u8], index_trailer: [u8; SUM], hasher: &Hasher) -> Option<Checkpoint> {
    if !is_intact(file, hasher) {
        return None;
    }
    let body = file.get(..file.len() - SUM)?;
    let version = match body {
        [MAGIC, version @ OLDEST..=VERSION, ..] => *version,
        _ => return None,
    };
    let mut read = Reader::new(body);
    read.skip(2)?;
    if read.bytes(SUM)? != index_trailer {
        return None;
    }
    let mut checkpoint = Checkpoint::default();
    for _ in 0..read.u()? {
        let (index, len) = (read.u()?, read.u()?);
        let sum = *read.bytes(SUM)?.first_chunk()?;
        if checkpoint.seals.last().is_some_and(|last| last.index >= index) {
            return None;
        }
        checkpoint.seals.push(Seal { index, len, sum });
    }
    if version > OLDEST {
        let len = usize::try_from(read.u()?).ok()?;
        checkpoint.bounds = read.bytes(len)?.to_vec();
    }
    read.rest().is_empty().then_some(checkpoint)
}
