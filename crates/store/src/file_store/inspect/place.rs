//! Finding the streams below a directory that somebody names.

use std::io;
use std::path::{Path, PathBuf};

use env::{Disk, EntryKind};

use super::super::{MSGS, STREAMS, meta};

/// Where a stream lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// The account's directory.
    pub account_dir: PathBuf,
    /// The stream's name, which is its directory's.
    pub name: String,
}

impl StreamPlace {
    /// The account's name, which is its directory's.
    #[must_use]
    pub fn account(&self) -> String {
        let name = self.account_dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The stream's directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.account_dir.join(STREAMS).join(&self.name)
    }
}

/// The streams of a store directory, of its `jetstream` directory, of an account's directory, or
/// the one of a stream's directory; by account, then by name. Reads only.
///
/// # Errors
/// What the disk refuses; `NotFound` where there is nothing of the kind.
pub fn find_streams(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<StreamPlace>> {
    if !is_dir(disk, dir)? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such directory"));
    }
    let is_stream = disk.info(&dir.join(meta::META))?.is_some() || is_dir(disk, &dir.join(MSGS))?;
    if is_stream
        && let Some(streams) = dir.parent().filter(|parent| parent.ends_with(STREAMS))
        && let (Some(account), Some(name)) = (streams.parent(), dir.file_name())
        && let Some(name) = name.to_str()
    {
        let place = StreamPlace { account_dir: account.to_owned(), name: name.to_owned() };
        return Ok(vec![place]);
    }
    if is_dir(disk, &dir.join(STREAMS))? {
        return of_account(disk, dir);
    }
    let below = dir.join("jetstream");
    let root = if is_dir(disk, &below)? { &below } else { dir };
    let mut places = Vec::new();
    let mut accounts = 0;
    for entry in disk.list(root)? {
        let account = root.join(&entry.name);
        if entry.kind == EntryKind::Dir && is_dir(disk, &account.join(STREAMS))? {
            accounts += 1;
            places.extend(of_account(disk, &account)?);
        }
    }
    if accounts == 0 && root == dir {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "it is neither a store directory nor that of an account or a stream",
        ));
    }
    Ok(places)
}

fn is_dir(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    Ok(disk.info(path)?.is_some_and(|info| info.kind == EntryKind::Dir))
}

fn of_account(disk: &dyn Disk, account: &Path) -> io::Result<Vec<StreamPlace>> {
    let mut places = Vec::new();
    for entry in disk.list(&account.join(STREAMS))? {
        let Some(name) = entry.name.to_str().filter(|_| entry.kind == EntryKind::Dir) else {
            continue;
        };
        // With a leading dot it is what is left of a deleted one.
        if !name.starts_with('.') {
            places.push(StreamPlace { account_dir: account.to_owned(), name: name.to_owned() });
        }
    }
    Ok(places)
}
