//! Restores: an archive is unpacked beside the streams, checked whole, and only then moved to
//! its place (`server/stream.go` `RestoreStream`).

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use env::{Disk, DiskFile, OpenMode};
use types::{ApiError, StreamConfig, Timestamp};

use super::s2::S2Reader;
use super::tar::{self, Member};
use super::{ERRORS_FILE, STAGING_DIR};
use crate::api::{ConsumerMeta, StoreError};
use crate::error::io_error;
use crate::file_store::{remove_stream, restored};

/// Most members of an archive.
const MOST_MEMBERS: usize = 1 << 20;
/// Most consumers of a stream that is restored.
const MOST_CONSUMERS: usize = 100_000;
/// Largest `meta.inf`, `meta.sum` and `errors.txt`.
const LARGEST_META: u64 = 1 << 20;
/// Largest `o.dat`.
const LARGEST_PROGRESS: u64 = 64 << 20;
/// Largest block: a full one and the largest message beyond.
const LARGEST_BLOCK: u64 = 128 << 20;
/// Largest `index.db`.
const LARGEST_INDEX: u64 = 256 << 20;
/// Bytes that are copied at a time.
const PIECE: usize = 256 << 10;

/// Why a stream could not be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The archive could not be read: damaged, cut short, or the client gave up.
    #[error("{}", unreadable(.0))]
    Unreadable(io::Error),
    /// The archive holds something that does not belong there.
    #[error("unexpected content")]
    Unexpected,
    /// A member is larger than any server makes it, or there are too many.
    #[error("unexpected content: {0}")]
    TooLarge(String),
    /// The snapshot itself had failed; the text is what it said.
    #[error("the snapshot is incomplete: {0}")]
    Incomplete(String),
    /// A member that every archive has is not there.
    #[error("open {0}: no such file or directory")]
    Missing(String),
    /// A configuration in the archive cannot be read.
    #[error("{0}")]
    BadMeta(String),
    /// The archive is of another stream.
    #[error("stream names do not match")]
    Names,
    /// A consumer's files are of no use.
    #[error("error restoring consumer [{name:?}]: {reason}")]
    Consumer {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A limit does not allow it.
    #[error("{0}")]
    Refused(ApiError),
    /// The store directory cannot take it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// The reference's words for an archive that is cut short.
fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        _ => error.to_string(),
    }
}

/// A directory that a restore is unpacked into; removed when it is dropped.
#[derive(Debug)]
pub struct Staging {
    disk: Arc<dyn Disk>,
    account_dir: PathBuf,
    dir: PathBuf,
}

/// An archive that was unpacked: nothing of it is in place yet.
#[derive(Debug)]
pub struct Staged {
    staging: Staging,
    name: String,
    /// When the stream was created.
    pub created: Timestamp,
    /// Its consumers, as the archive has them: to be checked.
    pub consumers: Vec<ConsumerMeta>,
}

/// What a member of an archive is.
enum Kind {
    /// To be kept, under its own name.
    Keep { most: u64, sync: Sync },
    /// The message of a snapshot that failed.
    Errors,
    /// Something that no store needs.
    Skip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Block,
    Small,
}

/// Sorts a member by its name; `None` if the name leads out of the directory.
fn kind_of(name: &str) -> Option<Kind> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    if parts.is_empty() || name.contains('\0') {
        return None;
    }
    // Only a name that is written as a server writes it is a file of the stream.
    let plain = parts.join("/") == name;
    let keep = |most| Kind::Keep { most, sync: Sync::Small };
    Some(match parts.as_slice() {
        _ if !plain => Kind::Skip,
        ["meta.inf" | "meta.sum"] => keep(LARGEST_META),
        [ERRORS_FILE] => Kind::Errors,
        ["msgs", "index.db"] => keep(LARGEST_INDEX),
        ["msgs", file] if is_block(file) => Kind::Keep { most: LARGEST_BLOCK, sync: Sync::Block },
        ["obs", _, "meta.inf" | "meta.sum"] => keep(LARGEST_META),
        ["obs", _, "o.dat"] => keep(LARGEST_PROGRESS),
        _ => Kind::Skip,
    })
}

fn is_block(file: &str) -> bool {
    let number = file.strip_suffix(".blk").and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number > 0 && format!("{number}.blk") == file)
}

impl Staging {
    /// Makes an empty directory for a restore; `id` must not be used twice.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn create(
        disk: Arc<dyn Disk>,
        account_dir: &Path,
        id: &str,
    ) -> Result<Staging, StoreError> {
        let dir = account_dir.join(STAGING_DIR).join(format!("snap-{id}"));
        disk.create_dir_all(&dir)
            .map_err(|error| io_error("creating the snapshots directory", error))?;
        Ok(Staging { disk, account_dir: account_dir.to_owned(), dir })
    }

    /// Unpacks an archive of the stream `name`. `admit` is told the size of each block before
    /// anything of it is stored, and may refuse.
    ///
    /// # Errors
    /// See [`RestoreError`]. What was unpacked is removed.
    pub fn unpack(
        self,
        name: &str,
        archive: &mut dyn Read,
        admit: &mut dyn FnMut(u64) -> Result<(), ApiError>,
    ) -> Result<Staged, RestoreError> {
        let mut input = S2Reader::new(archive);
        let mut members = 0;
        while let Some(member) = tar::read_header(&mut input).map_err(RestoreError::Unreadable)? {
            members += 1;
            if members > MOST_MEMBERS {
                return Err(RestoreError::TooLarge("too many files".to_owned()));
            }
            self.take(&member, &mut input, admit)?;
            skip(&mut input, tar::padding(member.size) as u64)?;
        }
        // Whatever follows the end mark is of no use; the client still sends it.
        io::copy(&mut input, &mut io::sink()).map_err(RestoreError::Unreadable)?;
        let (stored_name, created) =
            restored::read_stream(&*self.disk, &self.dir)?.ok_or_else(|| missing("meta.inf"))?;
        if stored_name != name {
            return Err(RestoreError::Names);
        }
        let consumers = restored::read_consumers(&*self.disk, &self.dir, MOST_CONSUMERS)?;
        Ok(Staged { staging: self, name: name.to_owned(), created, consumers })
    }

    fn take(
        &self,
        member: &Member,
        input: &mut impl Read,
        admit: &mut dyn FnMut(u64) -> Result<(), ApiError>,
    ) -> Result<(), RestoreError> {
        if !member.regular {
            return Err(RestoreError::Unexpected);
        }
        match kind_of(&member.name).ok_or(RestoreError::Unexpected)? {
            Kind::Skip => skip(input, member.size),
            Kind::Errors => {
                let mut text = vec![0; member.size.min(LARGEST_META) as usize];
                input.read_exact(&mut text).map_err(RestoreError::Unreadable)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                Err(RestoreError::Incomplete(text))
            }
            Kind::Keep { most, .. } if member.size > most => {
                Err(RestoreError::TooLarge(format!("{} is too large", member.name)))
            }
            Kind::Keep { sync, .. } => {
                if sync == Sync::Block {
                    admit(member.size).map_err(RestoreError::Refused)?;
                }
                self.store(member, sync, input)
            }
        }
    }

    fn store(
        &self,
        member: &Member,
        sync: Sync,
        input: &mut impl Read,
    ) -> Result<(), RestoreError> {
        let error = |error| RestoreError::Store(io_error("unpacking a snapshot", error));
        let path = self.dir.join(&member.name);
        if let Some(parent) = path.parent() {
            self.disk.create_dir_all(parent).map_err(error)?;
        }
        if self.disk.info(&path).map_err(error)?.is_some() {
            return Err(RestoreError::Unexpected);
        }
        let file = self.disk.open(&path, OpenMode::Truncate).map_err(error)?;
        self.copy(member, sync, &*file, input)?;
        file.sync_data().map_err(error)
    }

    fn copy(
        &self,
        member: &Member,
        sync: Sync,
        file: &dyn DiskFile,
        input: &mut impl Read,
    ) -> Result<(), RestoreError> {
        let mut piece = vec![0; PIECE.min(usize::try_from(member.size).unwrap_or(PIECE))];
        let mut at = 0;
        while at < member.size {
            let want = piece.len().min(usize::try_from(member.size - at).unwrap_or(PIECE));
            let part = piece.get_mut(..want).unwrap_or_default();
            input.read_exact(part).map_err(RestoreError::Unreadable)?;
            if at == 0 && sync == Sync::Block && restored::is_packed(part) {
                // Snapshots hold plain blocks; what this unfolds to has not been admitted.
                return Err(RestoreError::Unexpected);
            }
            file.write_all_at(part, at)
                .map_err(|error| RestoreError::Store(io_error("unpacking a snapshot", error)))?;
            at += want as u64;
        }
        Ok(())
    }

    /// Directories of what was unpacked, innermost first.
    fn sync_dirs(&self) -> io::Result<()> {
        let obs = self.dir.join("obs");
        if self.disk.info(&obs)?.is_some() {
            for entry in self.disk.list(&obs)? {
                self.disk.sync_dir(&obs.join(entry.name))?;
            }
        } else {
            self.disk.create_dir_all(&obs)?;
        }
        self.disk.sync_dir(&obs)?;
        let msgs = self.dir.join("msgs");
        self.disk.create_dir_all(&msgs)?;
        self.disk.sync_dir(&msgs)?;
        self.disk.sync_dir(&self.dir)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Where this fails the next start removes it.
        let _ = self.disk.remove_dir_all(&self.dir);
    }
}

impl Staged {
    /// Gives the stream this configuration and these consumers, and moves it to its place: from
    /// then on it is a stream like any other. Durable when it returns.
    ///
    /// # Errors
    /// What the disk refuses; `Damaged` if a stream of that name is there. Nothing is in place
    /// then.
    pub fn put_in_place(
        self,
        config: &StreamConfig,
        consumers: &[ConsumerMeta],
    ) -> Result<(), StoreError> {
        let Staged { staging, name, created, .. } = self;
        restored::write_meta(&*staging.disk, &staging.dir, created, config, consumers)?;
        let error = |error| io_error("restoring a stream", error);
        staging.sync_dirs().map_err(error)?;
        let streams = staging.account_dir.join("streams");
        let place = streams.join(&name);
        staging.disk.create_dir_all(&streams).map_err(error)?;
        if staging.disk.info(&place.join("meta.inf")).map_err(error)?.is_some() {
            return Err(StoreError::Damaged(format!("stream {name:?} has a directory already")));
        }
        // Without a configuration it is a left-over.
        staging.disk.remove_dir_all(&place).map_err(error)?;
        staging.disk.rename(&staging.dir, &place).map_err(error)?;
        let above = staging.account_dir.ancestors().skip(1).take(2).map(|dir| (dir, true));
        // Also where it came from: what is staged at a start is removed, whatever else it is.
        let from = staging.dir.parent().unwrap_or(&staging.account_dir);
        let own = [(&*streams, false), (from, false), (&*staging.account_dir, false)];
        for (dir, may_be_foreign) in own.into_iter().chain(above) {
            match staging.disk.sync_dir(dir) {
                // The store directory's own parents may not be ours to open.
                Err(refused)
                    if may_be_foreign && refused.kind() == io::ErrorKind::PermissionDenied => {}
                Err(failed) => {
                    // Best effort: it is not known whether it is in place.
                    let _ = remove_stream(&*staging.disk, &staging.account_dir, &name);
                    return Err(error(failed));
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

fn missing(name: &str) -> RestoreError {
    RestoreError::Missing(name.to_owned())
}

fn skip(input: &mut impl Read, len: u64) -> Result<(), RestoreError> {
    match io::copy(&mut input.take(len), &mut io::sink()) {
        Ok(got) if got == len => Ok(()),
        Ok(_) => Err(RestoreError::Unreadable(io::ErrorKind::UnexpectedEof.into())),
        Err(error) => Err(RestoreError::Unreadable(error)),
    }
}
