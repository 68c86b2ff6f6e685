//! Whether a server has the store directory, and keeping one from taking it.
//!
//! This server holds a shared lock on its `jetstream` directory. nats-server holds none, but keeps
//! files below it open.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use store::StreamPlace;

/// Why the directory must not be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum InUse {
    /// Its lock is taken.
    #[error("{0}: a server holds this directory; stop it first")]
    Locked(String),
    /// A process has files below it open.
    #[error("{dir}: process {pid} has files in this directory open; stop it first")]
    Open {
        /// The directory.
        dir: String,
        /// The process.
        pid: u32,
    },
    /// It cannot be told.
    #[error("{dir}: {error}")]
    Unknown {
        /// The directory.
        dir: String,
        /// What the system said.
        error: io::Error,
    },
}

/// Takes the locks of all directories that hold the accounts of these streams.
///
/// # Errors
/// If a server has one of them.
pub(super) fn hold(places: &[StreamPlace]) -> Result<Vec<File>, InUse> {
    let mut held = Vec::new();
    let mut roots = BTreeSet::new();
    for place in places {
        let dir = place.account_dir.display().to_string();
        let account =
            fs::canonicalize(&place.account_dir).map_err(|error| InUse::Unknown { dir, error })?;
        roots.extend(account.parent().map(Path::to_owned));
    }
    for root in roots {
        held.push(lock(&root)?);
        if let Some(pid) = who_has_open(&root) {
            return Err(InUse::Open { dir: root.display().to_string(), pid });
        }
    }
    Ok(held)
}

fn lock(root: &Path) -> Result<File, InUse> {
    let dir = root.display().to_string();
    let file = File::open(root).map_err(|error| InUse::Unknown { dir: dir.clone(), error })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Err(InUse::Locked(dir)),
        // A file system without locks; open files still tell.
        _ => Ok(file),
    }
}

/// A process, other than this one, with a file below `root` open, as far as we may see.
fn who_has_open(root: &Path) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        if targets.into_iter().any(|target: PathBuf| target != root && target.starts_with(root)) {
            return Some(pid);
        }
    }
    None
}
