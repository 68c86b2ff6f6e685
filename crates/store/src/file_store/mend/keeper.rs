//! A disk that keeps a copy of whatever is about to change, and remembers what was done.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::{Disk, DiskFile, DiskSpace, EntryKind, FileInfo, ListEntry, OpenMode};

/// Files under this name are on their way to another one.
const TEMPORARY: &str = ".tmp";

/// The disk; clones share what they remember.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    disk: Arc<dyn Disk>,
    /// Names are told relative to this.
    root: PathBuf,
    mark: String,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    actions: Vec<String>,
    /// Files that are kept, or that were not there before: they may change.
    free: HashSet<PathBuf>,
}

impl Keeper {
    /// Copies get `.bad-<mark>` behind their names.
    pub(super) fn new(disk: Arc<dyn Disk>, root: PathBuf, mark: &str) -> Self {
        Keeper { disk, root, mark: mark.to_owned(), log: Arc::default() }
    }

    /// What was done so far.
    pub(super) fn actions(&self) -> Vec<String> {
        self.log().actions.clone()
    }

    /// Remembers something for people.
    pub(super) fn did(&self, action: &str) {
        let mut log = self.log();
        if log.actions.last().is_none_or(|last| last != action) {
            log.actions.push(action.to_owned());
        }
    }

    /// Gives a file or directory another name, under which no server looks at it.
    pub(super) fn move_aside(&self, path: &Path) -> io::Result<()> {
        // A consumer's directory must leave the directory of the consumers.
        let is_dir = self.disk.info(path)?.is_some_and(|info| info.kind == EntryKind::Dir);
        let target = match (is_dir, path.parent(), path.file_name()) {
            (true, Some(parent), Some(name)) if parent != self.root => {
                let parent = with_suffix(parent, &format!(".bad-{}", self.mark));
                self.disk.create_dir_all(&parent)?;
                self.unused(&parent.join(name))?
            }
            _ => self.unused(&with_suffix(path, &format!(".bad-{}", self.mark)))?,
        };
        self.disk.rename(path, &target)?;
        for dir in [path.parent(), target.parent(), Some(&self.root)].into_iter().flatten() {
            self.disk.sync_dir(dir)?;
        }
        self.did(&format!("moved {} to {}", self.name(path), self.name(&target)));
        Ok(())
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // What it holds is right after every statement.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    fn is_free(&self, path: &Path) -> bool {
        is_temporary(path) || self.log().free.contains(path)
    }

    fn free(&self, path: &Path) {
        self.log().free.insert(path.to_owned());
    }

    /// A name that nothing has.
    fn unused(&self, wanted: &Path) -> io::Result<PathBuf> {
        let mut path = wanted.to_owned();
        let mut number = 2;
        while self.disk.info(&path)?.is_some() {
            path = with_suffix(wanted, &format!(".{number}"));
            number += 1;
        }
        Ok(path)
    }

    /// Makes sure that a copy of the file exists before it changes.
    fn keep(&self, path: &Path) -> io::Result<()> {
        if self.is_free(path) {
            return Ok(());
        }
        let is_file = |info: FileInfo| info.kind == EntryKind::File && info.len > 0;
        if self.disk.info(path)?.is_some_and(is_file) {
            let bytes = self.disk.read(path)?;
            if !self.has_copy(path, &bytes)? {
                let copy = self.unused(&with_suffix(path, &format!(".bad-{}", self.mark)))?;
                let file = self.disk.open(&copy, OpenMode::Truncate)?;
                file.write_all_at(&bytes, 0)?;
                file.sync_data()?;
                if let Some(parent) = path.parent() {
                    self.disk.sync_dir(parent)?;
                }
                self.did(&format!("kept {} as {}", self.name(path), self.name(&copy)));
            }
        }
        self.free(path);
        Ok(())
    }

    /// Whether a file that was kept beside this one has the same bytes.
    fn has_copy(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(false);
        };
        let prefix = format!("{}.bad-", name.to_string_lossy());
        for entry in self.disk.list(parent)? {
            if entry.kind == EntryKind::File
                && entry.name.to_string_lossy().starts_with(&prefix)
                && self.disk.read(&parent.join(&entry.name))? == bytes
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_temporary(path: &Path) -> bool {
    path.to_string_lossy().ends_with(TEMPORARY)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Disk for Keeper {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let there = self.disk.info(path)?.is_some();
        if mode == OpenMode::Truncate {
            self.keep(path)?;
        }
        let file = self.disk.open(path, mode)?;
        if !there {
            self.free(path);
            if !is_temporary(path) {
                self.did(&format!("made {}", self.name(path)));
            }
        }
        Ok(Box::new(KeptFile { keeper: self.clone(), path: path.to_owned(), file }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn info(&self, path: &Path) -> io::Result<Option<FileInfo>> {
        self.disk.info(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListEntry>> {
        self.disk.list(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if self.disk.info(path)?.is_none() {
            self.did(&format!("made {}", self.name(path)));
        }
        self.disk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let there = self.disk.info(to)?.is_some();
        self.keep(to)?;
        self.disk.rename(from, to)?;
        let action = match (is_temporary(from), there) {
            (true, true) => format!("rewrote {}", self.name(to)),
            (true, false) => format!("wrote {}", self.name(to)),
            _ => format!("moved {} to {}", self.name(from), self.name(to)),
        };
        self.did(&action);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if self.disk.info(path)?.is_some() && !self.is_free(path) {
            self.keep(path)?;
            self.did(&format!("removed {}", self.name(path)));
        }
        self.disk.unlink(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match self.disk.info(path)? {
            Some(_) => self.move_aside(path),
            None => Ok(()),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.disk.space(path)
    }
}

/// A file of the disk.
#[derive(Debug)]
struct KeptFile {
    keeper: Keeper,
    path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl KeptFile {
    /// Whether anything but zeros lies there.
    fn has_content(&self, from: u64, to: u64) -> io::Result<bool> {
        let to = to.min(self.file.len()?);
        let Ok(len) = usize::try_from(to.saturating_sub(from)) else { return Ok(true) };
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes.iter().any(|&byte| byte != 0))
    }
}

impl DiskFile for KeptFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if !self.keeper.is_free(&self.path) {
            if self.has_content(offset, offset.saturating_add(bytes.len() as u64))? {
                self.keeper.keep(&self.path)?;
                self.keeper.did(&format!("changed {}", self.keeper.name(&self.path)));
            } else {
                self.keeper.did(&format!("added to {}", self.keeper.name(&self.path)));
            }
        }
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.keeper.is_free(&self.path) && self.has_content(len, u64::MAX)? {
            self.keeper.keep(&self.path)?;
            self.keeper.did(&format!("cut {} to {len} bytes", self.keeper.name(&self.path)));
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
