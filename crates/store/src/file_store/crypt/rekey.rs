//! Giving a directory's own files a new key: configuration, its checksum, the key, and the one
//! file that is sealed with them change together, whenever the machine stops.
//!
//! The new sealed file and the new key are laid beside the old ones. The new configuration under
//! [`PENDING`] then decides: with it the change is finished at the next start, without it undone.

use std::io;
use std::path::{Path, PathBuf};

use env::Disk;

use super::key_file::{read_copy, refresh_copy};
use super::{Origin, Secret, Vault};
use crate::api::StoreError;
use crate::error::io_error;
use crate::file_store::files::{read_if_there, remove_if_there};
use crate::file_store::meta::{KEY, META, PENDING, SUM, Sync, checksum, replace_file};
use crate::file_store::meta_copy;

/// A directory of a stream or consumer, as far as its key covers it.
#[derive(Clone, Copy, Debug)]
pub(in crate::file_store) struct Keyed<'d> {
    /// The directory.
    pub(in crate::file_store) dir: &'d Path,
    /// What its checksum is keyed with.
    pub(in crate::file_store) name: &'d str,
    /// What its key is derived for.
    pub(in crate::file_store) context: &'d str,
    /// The file beside the configuration that is sealed with it.
    pub(in crate::file_store) sealed: &'d Path,
}

/// How names end until a change of keys is decided.
pub(super) const NEXT: &str = ".new";

/// The name that a file of the change has until it is decided.
pub(super) fn next(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(NEXT);
    path.with_file_name(name)
}

fn failed(error: io::Error) -> StoreError {
    io_error("changing a key", error)
}

/// Seals configuration and file under a new key; `sealed` makes the file's new bytes, if there is
/// such a file.
pub(in crate::file_store) fn rekey_dir(
    disk: &dyn Disk,
    vault: &Vault,
    keyed: Keyed<'_>,
    meta: &[u8],
    sealed: impl FnOnce(&Secret) -> io::Result<Option<Vec<u8>>>,
) -> Result<Secret, StoreError> {
    let (secret, key) = vault.generate(keyed.context).map_err(failed)?;
    if let Some(bytes) = sealed(&secret).map_err(failed)? {
        replace_file(disk, &next(keyed.sealed), &bytes, Sync::Now)?;
    }
    replace_file(disk, &next(&keyed.dir.join(KEY)), &key, Sync::Now)?;
    let meta = secret.seal(meta).map_err(failed)?;
    replace_file(disk, &keyed.dir.join(PENDING), &meta, Sync::Now)?;
    put_in_place(disk, keyed, &meta)?;
    Ok(secret)
}

/// The steps after the decision; each may have been done before.
fn put_in_place(disk: &dyn Disk, keyed: Keyed<'_>, meta: &[u8]) -> Result<(), StoreError> {
    let take_over = |path: &Path| -> Result<(), StoreError> {
        match disk.rename(&next(path), path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
            Ok(()) => match path.parent() {
                Some(dir) => disk.sync_dir(dir).map_err(failed),
                None => Ok(()),
            },
        }
    };
    take_over(keyed.sealed)?;
    replace_file(disk, &keyed.dir.join(META), meta, Sync::Now)?;
    let sum = checksum(keyed.name, meta);
    replace_file(disk, &keyed.dir.join(SUM), sum.as_bytes(), Sync::Now)?;
    take_over(&keyed.dir.join(KEY))?;
    refresh_copy(disk, &keyed.dir.join(KEY)).map_err(failed)?;
    disk.unlink(&keyed.dir.join(PENDING)).map_err(failed)?;
    meta_copy::keep(disk, keyed.dir, keyed.name, meta, Sync::Later);
    Ok(())
}

/// Finishes or undoes a change that was cut short. Under a key that is not ours nothing is touched.
///
/// # Errors
/// Why it can be neither, for people.
pub(in crate::file_store) fn finish_rekey(
    disk: &dyn Disk,
    vault: Option<&Vault>,
    keyed: Keyed<'_>,
) -> Result<(), String> {
    let words = |error: io::Error| error.to_string();
    let next_key = next(&keyed.dir.join(KEY));
    let next_sealed = next(keyed.sealed);
    let drop_file = |path: &Path| remove_if_there(disk, path).map_err(words);
    let Some(key) = read_if_there(disk, &next_key).map_err(words)? else {
        return match disk.info(&next_sealed).map_err(words)? {
            Some(_) => drop_file(&next_sealed),
            None => Ok(()),
        };
    };
    let Some(vault) = vault else { return Err("encryption not enabled".to_owned()) };
    // One that the new key does not open is left of an earlier change: removing it is not synced.
    let pending = read_if_there(disk, &keyed.dir.join(PENDING)).map_err(words)?;
    let is_decided = |meta: &Vec<u8>| {
        vault.unwrap(keyed.context, &key, |secret| secret.open(meta).map(|_| ())).is_ok()
    };
    let Some(meta) = pending.filter(is_decided) else {
        // The old key must be ours before anything of it goes.
        read_asset(disk, Some(vault), keyed.dir, keyed.context)?;
        drop_file(&next_key)?;
        disk.sync_dir(keyed.dir).map_err(words)?;
        return drop_file(&next_sealed);
    };
    put_in_place(disk, keyed, &meta).map_err(|error| error.to_string())
}

fn key_file(disk: &dyn Disk, dir: &Path) -> Result<Option<Vec<u8>>, String> {
    read_if_there(disk, &dir.join(KEY)).map_err(|error| format!("{KEY} cannot be read: {error}"))
}

/// Reads a directory's configuration through its key.
///
/// # Errors
/// What is wrong, for people; the reference's words where the key is.
pub(in crate::file_store) fn read_asset(
    disk: &dyn Disk,
    vault: Option<&Vault>,
    dir: &Path,
    context: &str,
) -> Result<Read, String> {
    let meta =
        disk.read(&dir.join(META)).map_err(|error| format!("{META} cannot be read: {error}"))?;
    let key = key_file(disk, dir)?;
    let copied = || {
        let vault = vault?;
        let copy = read_copy(disk, &dir.join(KEY))?;
        let (secret, _, plain) = vault.unwrap(context, &copy, |secret| secret.open(&meta)).ok()?;
        Some(Read { plain, secret: Some(secret), origin: Origin::Damaged })
    };
    let Some(key) = key else {
        let origin = if vault.is_some() { Origin::Stale } else { Origin::Current };
        return Ok(copied().unwrap_or(Read { plain: meta, secret: None, origin }));
    };
    let Some(vault) = vault else { return Err("encryption not enabled".to_owned()) };
    match vault.unwrap(context, &key, |secret| secret.open(&meta)) {
        Ok((secret, origin, plain)) => Ok(Read { plain, secret: Some(secret), origin }),
        Err(reason) => copied().ok_or_else(|| reason.to_owned()),
    }
}

/// The key of a directory's own files, whatever its configuration is; `None` if it has none.
///
/// # Errors
/// As [`read_asset`].
pub(in crate::file_store) fn read_key(
    disk: &dyn Disk,
    vault: Option<&Vault>,
    dir: &Path,
    context: &str,
) -> Result<Option<Secret>, String> {
    let Some(key) = key_file(disk, dir)? else { return Ok(None) };
    let Some(vault) = vault else { return Err("encryption not enabled".to_owned()) };
    let (secret, _, ()) = vault.unwrap(context, &key, |_| Some(()))?;
    Ok(Some(secret))
}

/// A configuration as it was read.
pub(in crate::file_store) struct Read {
    /// Its JSON.
    pub(in crate::file_store) plain: Vec<u8>,
    /// Its key, if it is encrypted.
    pub(in crate::file_store) secret: Option<Secret>,
    pub(in crate::file_store) origin: Origin,
}
