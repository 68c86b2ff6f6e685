//! `checkpoint.db`: what `index.db` does not say, so that blocks need not be read: how the sealed
//! blocks end, after a crash, and where exactly each subject's first and last message are. The
//! reference ignores the file.
//!
//! It names the index that it belongs to, and each block's length and last checksum: a block that
//! was rewritten since is recognised.

use super::borders::Borders;
use super::record::Hasher;
use super::varint::{Reader, push_u};

/// Name of the file, beside the blocks.
pub(super) const CHECKPOINT: &str = "checkpoint.db";
const MAGIC: u8 = 0x6a;
const VERSION: u8 = 4;
/// The oldest that is read.
const OLDEST: u8 = 1;
/// From this one on there are bounds.
const WITH_BOUNDS: u8 = 2;
/// From this one on there are borders.
const WITH_BORDERS: u8 = 3;
/// From this one on those of no messages are told from unknown ones.
const WITH_KNOWN: u8 = 4;
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
    /// Where the subjects of its messages end, if that is known.
    pub(super) borders: Option<Borders>,
}

impl Seal {
    /// Whether this content of the block starts with what is sealed.
    pub(super) fn is_of(&self, content: &[u8]) -> bool {
        usize::try_from(self.len)
            .is_ok_and(|len| content.get(..len).is_some_and(|part| part.ends_with(&self.sum)))
    }

    /// What is sealed of this content of the block; `None` if it ends otherwise.
    fn part<'c>(&self, content: &'c mut [u8]) -> Option<&'c mut [u8]> {
        let part = content.get_mut(..usize::try_from(self.len).ok()?)?;
        part.ends_with(&self.sum).then_some(part)
    }

    /// Puts right where a subject ends in this content of the block, if that is bad.
    pub(super) fn mend(&self, content: &mut [u8]) -> bool {
        match (self.borders, self.part(content)) {
            (Some(borders), Some(part)) => borders.mend(part),
            _ => false,
        }
    }
}

/// The seal of a block.
pub(super) fn seal_of(seals: &[Seal], index: u64) -> Option<&Seal> {
    seals.get(seals.binary_search_by_key(&index, |seal| seal.index).ok()?)
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
        out.push(u8::from(seal.borders.is_some()));
        let borders = seal.borders.map_or(0, Borders::bits);
        out.extend_from_slice(&borders.to_le_bytes());
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

/// The checkpoint, if the file is sound, with the end of the content of the index that it belongs
/// to.
pub(super) fn decode(file: &[u8], hasher: &Hasher) -> Option<([u8; SUM], Checkpoint)> {
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
    let index_trailer = *read.bytes(SUM)?.first_chunk()?;
    let mut checkpoint = Checkpoint::default();
    for _ in 0..read.u()? {
        let (index, len) = (read.u()?, read.u()?);
        let sum = *read.bytes(SUM)?.first_chunk()?;
        if checkpoint.seals.last().is_some_and(|last| last.index >= index) {
            return None;
        }
        let mut borders = None;
        if version >= WITH_BORDERS {
            let known = version < WITH_KNOWN || read.bytes(1)? == [1];
            let bits = u64::from_le_bytes(*read.bytes(8)?.first_chunk()?);
            let said = known && (bits != 0 || version >= WITH_KNOWN);
            borders = said.then(|| Borders::from_bits(bits));
        }
        checkpoint.seals.push(Seal { index, len, sum, borders });
    }
    if version >= WITH_BOUNDS {
        let len = usize::try_from(read.u()?).ok()?;
        checkpoint.bounds = read.bytes(len)?.to_vec();
    }
    read.rest().is_empty().then_some((index_trailer, checkpoint))
}
