//! The store directory: repair of an old layout, and whether it can be used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::os;

/// Why the store directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreDirError {
    /// It does not exist and cannot be made.
    #[error("could not create storage directory - mkdir {path}: {cause}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Its name is taken by something else.
    #[error("storage directory is not a directory")]
    NotADirectory,
    /// No file can be made in it.
    #[error("storage directory is not writable")]
    NotWritable,
    /// `jetcore store repair` is at work in it.
    #[error("storage directory is being repaired")]
    BeingRepaired,
    /// An account's directory of the old layout cannot be moved.
    #[error("rename {from} {to}: {cause}")]
    Relocate {
        /// Where it lies.
        from: PathBuf,
        /// Where it belongs.
        to: PathBuf,
        /// What the system said.
        cause: String,
    },
}

/// Makes the directory, with its parents, for the owner only.
pub(crate) fn create(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the directory if it is missing and tries to write in it
/// (`server/jetstream.go` `enableJetStream`).
pub(crate) fn prepare(dir: &Path) -> Result<(), StoreDirError> {
    match fs::metadata(dir) {
        Ok(found) if !found.is_dir() => return Err(StoreDirError::NotADirectory),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(dir).map_err(|error| create_error(dir, &error))?;
        }
        // Such as a parent that is a file.
        Err(_) => return Err(StoreDirError::NotADirectory),
    }
    let probe = dir.join(format!("_test_{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)
        .map_err(|_| StoreDirError::NotWritable)?;
    // It is empty; one that stays does no harm.
    let _ = fs::remove_file(&probe);
    Ok(())
}

/// Tells the tools that a server has the directory, for as long as the answer lives. Servers do
/// not keep each other out, as with the reference.
pub(crate) fn hold(dir: &Path) -> Result<Option<File>, StoreDirError> {
    let Ok(file) = File::open(dir) else { return Ok(None) };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Err(StoreDirError::BeingRepaired),
        // A file system without locks.
        Err(_) => Ok(None),
    }
}

/// Moves accounts that lie beside the store directory into it: stores of servers before 2.2.3 had
/// no `jetstream` level. Returns what was moved, from and to.
///
/// Nothing happens where the store directory holds anything, or its parent has but one entry.
///
/// Wire source: `checkStoreDir` in `server/jetstream.go`.
pub(crate) fn repair(
    dir: &Path,
    is_account: impl Fn(&str) -> bool,
) -> Result<Vec<(PathBuf, PathBuf)>, StoreDirError> {
    mark::hit!(F1371);
    let Some(parent) = dir.parent() else { return Ok(Vec::new()) };
    if !entries(dir).is_empty() {
        return Ok(Vec::new());
    }
    let beside = entries(parent);
    if beside.len() == 1 {
        return Ok(Vec::new());
    }
    let own = dir.file_name();
    let mut moved = Vec::new();
    for name in beside.iter().filter(|name| Some(name.as_os_str()) != own) {
        if !name.to_str().is_some_and(&is_account) {
            continue;
        }
        if !beside.iter().any(|name| Some(name.as_os_str()) == own) {
            create(dir).map_err(|error| create_error(dir, &error))?;
        }
        let (from, to) = (parent.join(name), dir.join(name));
        let (old, new) = (from.to_string_lossy(), to.to_string_lossy());
        tracing::info!("JetStream relocated account {old:?} to {new:?}");
        fs::rename(&from, &to).map_err(|error| StoreDirError::Relocate {
            from: from.clone(),
            to: to.clone(),
            cause: os::error_text(&error),
        })?;
        moved.push((from, to));
    }
    Ok(moved)
}

/// Names in a directory, in order; none where it cannot be read.
fn entries(dir: &Path) -> Vec<std::ffi::OsString> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    names
}

fn create_error(path: &Path, error: &io::Error) -> StoreDirError {
    StoreDirError::Create { path: path.to_owned(), cause: os::error_text(error) }
}
