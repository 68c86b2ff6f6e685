//! Key files and their copies. Without its key what is sealed is lost: one bad bit of a key file is
//! put right, and beside it lies a copy, which the reference ignores.

use std::io;
use std::path::{Path, PathBuf};

use env::Disk;

use super::StoreCipher;
use crate::file_store::files::read_if_there;
use crate::file_store::meta::{Sync, replace_file};

/// Where the copy of a key file is.
pub(super) fn copy_path(key: &Path) -> PathBuf {
    let name = key.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    // No name that looks like a key's or a block's.
    key.with_file_name(format!("key-{name}.copy"))
}

/// The copy of a key file, if there is one.
pub(super) fn read_copy(disk: &dyn Disk, key: &Path) -> Option<Vec<u8>> {
    disk.read(&copy_path(key)).ok()
}

/// Keeps a copy of a key file, durable with the next sync of its directory; best effort.
pub(in crate::file_store) fn keep_copy(disk: &dyn Disk, key: &Path, file: &[u8]) {
    let _ = replace_file(disk, &copy_path(key), file, Sync::File);
}

/// Makes the copy of a sound key file again where it is missing or another.
pub(in crate::file_store) fn refresh_copy(disk: &dyn Disk, key: &Path) -> io::Result<()> {
    if let Some(file) = read_if_there(disk, key)?
        && read_copy(disk, key).as_ref() != Some(&file)
    {
        keep_copy(disk, key, &file);
    }
    Ok(())
}

/// What a damaged key file may have been: without what follows it, and with one bit changed back.
pub(super) fn mended(cipher: StoreCipher, file: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let file = file.get(..cipher.key_file_len()).unwrap_or_default().to_vec();
    let bits = file.len() * 8;
    let flipped = file.clone();
    std::iter::once(file).filter(|file| !file.is_empty()).chain((0..bits).map(move |bit| {
        let mut file = flipped.clone();
        if let Some(byte) = file.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        file
    }))
}
