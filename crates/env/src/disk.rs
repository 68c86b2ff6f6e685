//! The disk as the store needs it.

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::Path;

/// How a file is opened; all modes read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must be there.
    Existing,
    /// Made with mode 0600 if it is not there, kept as it is otherwise.
    Create,
    /// Made with mode 0600, or cut to nothing.
    Truncate,
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything else (links are not followed).
    Other,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Its name, without the directory.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes, of a file.
    pub len: u64,
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that this process may still take.
    pub available: u64,
}

/// A file system.
///
/// What a call did is visible at once, but survives a crash only after the sync that covers it:
/// a file's bytes after [`DiskFile::sync_data`], a name made, moved or removed after
/// [`sync_dir`](Self::sync_dir) of its directory.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the file system refuses; `NotFound` where [`OpenMode::Existing`] finds nothing.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;

    /// A file's whole content.
    ///
    /// # Errors
    /// What the file system refuses.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Kind and length; `None` if there is nothing.
    ///
    /// # Errors
    /// What the file system refuses, absence aside.
    fn info(&self, path: &Path) -> io::Result<Option<FileInfo>>;

    /// The entries of a directory, in name order.
    ///
    /// # Errors
    /// What the file system refuses.
    fn list(&self, path: &Path) -> io::Result<Vec<ListEntry>>;

    /// Makes a directory (mode 0700) and those above it; one that is there is fine.
    ///
    /// # Errors
    /// What the file system refuses.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Moves a file or directory, replacing a file that has the new name.
    ///
    /// # Errors
    /// What the file system refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system refuses.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with everything in it; one that is not there is fine.
    ///
    /// # Errors
    /// What the file system refuses.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the file system refuses; the caller must take the names' state as unknown then.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Room on the file system that holds `path`.
    ///
    /// # Errors
    /// What the file system refuses.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
pub trait DiskFile: Debug + Send {
    /// Length in bytes.
    ///
    /// # Errors
    /// What the file system refuses.
    fn len(&self) -> io::Result<u64>;

    /// Reads up to `buf.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// What the file system refuses.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads exactly `buf.len()` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file is shorter; what the file system refuses.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => {
                    buf = buf.get_mut(got..).unwrap_or_default();
                    offset += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the file system refuses; some of the bytes may be written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// What the file system refuses.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes durable (`fdatasync`).
    ///
    /// # Errors
    /// What the device refuses; what was written since the last good sync is unknown then, and
    /// another sync must not be trusted.
    fn sync_data(&self) -> io::Result<()>;
}

/// Whether an error says that there is no room (`ENOSPC`, `EDQUOT`).
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
