//! `meta.copy`: a second copy of a configuration, for when `meta.inf` or `meta.sum` is damaged.
//!
//! The reference ignores the file. It holds the checksum as `meta.sum` does, a line feed, and the
//! bytes of `meta.inf` as they are stored (encrypted where that is), so that it can be judged and
//! put back without a key.

use std::io;
use std::path::Path;

use env::Disk;

use super::files::read_if_there;
use super::meta::{META, PENDING, SUM, Sync, checksum, replace_file};
use crate::api::StoreError;

pub(super) const COPY: &str = "meta.copy";

/// Writes the copy.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    stored: &[u8],
    sync: Sync,
) -> Result<(), StoreError> {
    let mut bytes = checksum(name, stored).into_bytes();
    bytes.push(b'\n');
    bytes.extend_from_slice(stored);
    replace_file(disk, &dir.join(COPY), &bytes, sync)
}

/// Keeps the copy up to date; best effort, since it is made again at the next start.
pub(super) fn keep(disk: &dyn Disk, dir: &Path, name: &str, stored: &[u8], sync: Sync) {
    let _ = write(disk, dir, name, stored, sync);
}

/// The copied configuration, if the copy is sound.
fn read(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(bytes) = read_if_there(disk, &dir.join(COPY))? else { return Ok(None) };
    let sound = bytes.split_at_checked(16).and_then(|(sum, rest)| {
        let stored = rest.strip_prefix(b"\n")?;
        (checksum(name, stored).as_bytes() == sum).then(|| stored.to_vec())
    });
    Ok(sound)
}

/// How the files of a configuration stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// `meta.inf` is what `meta.sum` says, or a change of it is under way.
    Sound,
    /// It was put back from the copy: what was done, for people.
    Restored(String),
    /// It does not match, and there is no copy.
    Damaged,
}

/// Puts a damaged configuration back from its copy; the damaged file is kept aside.
///
/// # Errors
/// What the disk refuses.
pub(super) fn restore(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<Standing> {
    if disk.info(&dir.join(PENDING))?.is_some() {
        return Ok(Standing::Sound);
    }
    let stored = read_if_there(disk, &dir.join(META))?;
    let sum = read_if_there(disk, &dir.join(SUM))?;
    let sound = |stored: &Vec<u8>| sum.as_deref() == Some(checksum(name, stored).as_bytes());
    if stored.as_ref().is_some_and(sound) {
        return Ok(Standing::Sound);
    }
    let Some(copy) = read(disk, dir, name)? else { return Ok(Standing::Damaged) };
    let what = match &stored {
        Some(stored) if *stored == copy => SUM,
        _ => META,
    };
    if let Some(bytes) = stored.filter(|bytes| *bytes != copy) {
        let mut number = 1;
        let aside = loop {
            let path = dir.join(format!("{META}.bad-{number}"));
            if disk.info(&path)?.is_none() {
                break path;
            }
            number += 1;
        };
        replace_file(disk, &aside, &bytes, Sync::Now).map_err(io::Error::other)?;
    }
    let sum = checksum(name, &copy);
    replace_file(disk, &dir.join(META), &copy, Sync::Now).map_err(io::Error::other)?;
    replace_file(disk, &dir.join(SUM), sum.as_bytes(), Sync::Now).map_err(io::Error::other)?;
    Ok(Standing::Restored(format!("{what} of {name} was damaged and is put back from its copy")))
}

/// Makes the copy of a sound configuration again where it is missing, old or damaged.
pub(super) fn refresh(disk: &dyn Disk, dir: &Path, name: &str, stored: &[u8]) {
    if !matches!(read(disk, dir, name), Ok(Some(copy)) if copy == stored) {
        keep(disk, dir, name, stored, Sync::Later);
    }
}
