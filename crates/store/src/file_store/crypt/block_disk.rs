//! A disk on which blocks are encrypted: whoever reads and writes them sees them plain.
//!
//! A block's key is durable before its file is made. A block without a key file is passed through
//! as it is: it comes from a plain store and is still to be converted.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use env::{Disk, DiskFile, DiskSpace, FileInfo, ListEntry, OpenMode};

use super::key_file::{copy_path, keep_copy, read_copy};
use super::secret::KeyStream;
use super::{Origin, Secret, Vault};
use crate::file_store::files::read_if_there;
use crate::file_store::meta::{Sync, replace_file};
use crate::file_store::packed;
use crate::file_store::record::{self, Hasher};

/// A disk whose blocks are encrypted under the keys of one stream.
#[derive(Debug)]
pub(in crate::file_store) struct BlockDisk {
    inner: Arc<dyn Disk>,
    vault: Arc<Vault>,
    /// Keys whose blocks were removed: they go once that is durable.
    spent: Mutex<Vec<PathBuf>>,
}

/// Path of a block's key file.
pub(in crate::file_store) fn key_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index}.key"))
}

/// A path that holds a block's bytes.
enum BlockPath<'p> {
    /// The block itself.
    Block(&'p Path, u64),
    /// What is to replace it, under the same key.
    Rewrite(&'p Path, u64),
}

fn block_path(path: &Path) -> Option<BlockPath<'_>> {
    let name = path.file_name()?.to_str()?;
    let dir = path.parent()?;
    if let Some(index) = name.strip_suffix(".blk") {
        return Some(BlockPath::Block(dir, index.parse().ok()?));
    }
    let index = name.strip_suffix(".blk.tmp")?;
    Some(BlockPath::Rewrite(dir, index.parse().ok()?))
}

impl BlockDisk {
    pub(in crate::file_store) fn new(inner: Arc<dyn Disk>, vault: Arc<Vault>) -> Self {
        BlockDisk { inner, vault, spent: Mutex::default() }
    }

    fn spent(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        match self.spent.lock() {
            Ok(spent) => spent,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// The secret in a block's key file; `None` if there is no file.
    fn secret(&self, dir: &Path, index: u64) -> io::Result<Option<Secret>> {
        let found = read_block_key(&*self.inner, &self.vault, &key_path(dir, index), index)?;
        Ok(found.map(|(secret, _)| secret))
    }

    /// A new secret for a block, durable when this returns.
    fn make_secret(&self, dir: &Path, index: u64) -> io::Result<Secret> {
        let (secret, file) = self.vault.generate(&self.vault.block_context(index))?;
        let path = key_path(dir, index);
        self.spent().retain(|spent| *spent != path);
        write_key(&*self.inner, &path, &file)?;
        keep_copy(&*self.inner, &path, &file);
        Ok(secret)
    }
}

/// Writes a key file durably.
pub(super) fn write_key(disk: &dyn Disk, path: &Path, file: &[u8]) -> io::Result<()> {
    replace_file(disk, path, file, Sync::Now).map_err(|error| match error {
        crate::StoreError::NoSpace => io::ErrorKind::StorageFull.into(),
        other => io::Error::other(other),
    })
}

/// Reads a block's key file; `None` if there is none.
pub(super) fn read_block_key(
    disk: &dyn Disk,
    vault: &Vault,
    path: &Path,
    index: u64,
) -> io::Result<Option<(Secret, Origin)>> {
    let copied = || {
        let copy = read_copy(disk, path)?;
        let (secret, _) = vault.unwrap_block(index, &copy).ok()?;
        fits(disk, vault, path, index, &secret).then_some((secret, Origin::Damaged))
    };
    let Some(file) = read_if_there(disk, path)? else { return Ok(copied()) };
    match vault.unwrap_block(index, &file) {
        Ok(found) => Ok(Some(found)),
        Err(reason) => copied().map(Some).ok_or_else(|| {
            let text = format!("the key of block {index}: {reason}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
    }
}

/// Whether a block can be read with this secret: a copy may be that of an earlier key.
fn fits(disk: &dyn Disk, vault: &Vault, key: &Path, index: u64, secret: &Secret) -> bool {
    let Ok(mut bytes) = disk.read(&key.with_file_name(format!("{index}.blk"))) else {
        return false;
    };
    let mut sound = false;
    if secret.key_stream().apply(&mut bytes, 0).is_ok() && !packed::is_packed(&bytes) {
        let hasher = Hasher::of_block(&vault.stream, index);
        record::scan(&bytes, &hasher, |_, _| sound = true);
    }
    sound || packed::is_packed(&bytes)
}

impl Disk for BlockDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let secret = match (block_path(path), mode) {
            (None, _) => return self.inner.open(path, mode),
            // The stream of an earlier block of this number must not be used again.
            (Some(BlockPath::Block(dir, index)), OpenMode::Truncate) => {
                Some(self.make_secret(dir, index)?)
            }
            (Some(BlockPath::Rewrite(dir, index)), OpenMode::Truncate) => {
                match self.secret(dir, index)? {
                    Some(secret) => Some(secret),
                    None if self.is_plain(dir, index)? => None,
                    None => Some(self.make_secret(dir, index)?),
                }
            }
            (Some(BlockPath::Block(dir, index) | BlockPath::Rewrite(dir, index)), _) => {
                self.secret(dir, index)?
            }
        };
        let file = self.inner.open(path, mode)?;
        Ok(match secret {
            Some(secret) => Box::new(CipherFile::new(file, &secret)),
            None => file,
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = self.inner.read(path)?;
        if let Some(BlockPath::Block(dir, index) | BlockPath::Rewrite(dir, index)) =
            block_path(path)
            && let Some(secret) = self.secret(dir, index)?
        {
            secret.key_stream().apply(&mut bytes, 0)?;
        }
        Ok(bytes)
    }

    fn info(&self, path: &Path) -> io::Result<Option<FileInfo>> {
        self.inner.info(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListEntry>> {
        self.inner.list(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.inner.unlink(path)?;
        if let Some(BlockPath::Block(dir, index)) = block_path(path) {
            self.spent().push(key_path(dir, index));
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)?;
        let here: Vec<PathBuf> =
            self.spent().extract_if(.., |key| key.parent() == Some(path)).collect();
        for key in here {
            // A key without its block does no harm.
            let _ = self.inner.unlink(&key);
            let _ = self.inner.unlink(&copy_path(&key));
        }
        Ok(())
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.inner.space(path)
    }
}

impl BlockDisk {
    /// Whether a block without a key is there: its rewrite must be readable in its place.
    fn is_plain(&self, dir: &Path, index: u64) -> io::Result<bool> {
        Ok(self.inner.info(&dir.join(format!("{index}.blk")))?.is_some())
    }
}

/// A block's file under its key stream.
#[derive(Debug)]
struct CipherFile {
    inner: Box<dyn DiskFile>,
    stream: RefCell<(KeyStream, Vec<u8>)>,
}

impl CipherFile {
    fn new(inner: Box<dyn DiskFile>, secret: &Secret) -> Self {
        CipherFile { inner, stream: RefCell::new((secret.key_stream(), Vec::new())) }
    }
}

impl DiskFile for CipherFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let got = self.inner.read_at(buf, offset)?;
        let bytes = buf.get_mut(..got).unwrap_or_default();
        self.stream.borrow_mut().0.apply(bytes, offset)?;
        Ok(got)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (stream, buf) = &mut *self.stream.borrow_mut();
        buf.clear();
        buf.extend_from_slice(bytes);
        stream.apply(buf, offset)?;
        self.inner.write_all_at(buf, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }
}
