//! What protects a consumer's progress: a checksum behind it, and a second copy.
//!
//! The reference reads `o.dat` up to its last field and takes no notice of what follows: there
//! stands the checksum. What the reference wrote has none, and must end with its last field.

use std::path::Path;

use env::Disk;

use super::consumer_file::decode_exact;
use super::meta::{Sync, replace_file};
use super::record::Hasher;
use crate::api::ConsumerState;

/// The copy; the reference ignores the file.
pub(super) const COPY: &str = "o.copy";
const MARK: &[u8; 4] = b"jcs1";
const TRAILER: usize = 12;

/// Adds the checksum.
pub(super) fn seal(hasher: &Hasher, bytes: &mut Vec<u8>) {
    let sum = hasher.sum(&[bytes]);
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&sum);
}

/// The progress, if it is sound.
pub(super) fn open(hasher: &Hasher, bytes: &[u8]) -> Option<ConsumerState> {
    let split = bytes.len().checked_sub(TRAILER).and_then(|at| bytes.split_at_checked(at));
    if let Some((body, trailer)) = split
        && let Some(sum) = trailer.strip_prefix(MARK)
    {
        return (hasher.sum(&[body]) == sum).then(|| decode_exact(body))?;
    }
    decode_exact(bytes)
}

/// Keeps the copy up to date, as stored; best effort.
pub(super) fn keep(disk: &dyn Disk, dir: &Path, stored: &[u8]) {
    let _ = replace_file(disk, &dir.join(COPY), stored, Sync::Later);
}
