//! A disk in memory that loses what was not synced, fills up and fails on request.
//!
//! Fault model: a power cut keeps every synced byte and name. Of what was not synced, each write
//! survives whole, torn at a byte (or, on request, at single sectors), or not at all, in any
//! order, as the seed says. A name that was made, moved or removed is safe only after `sync_dir`
//! of the directory that it is in: a file synced in a directory whose own name was not is gone.
//! The end of a process loses nothing, but makes nothing safer either: what was not synced can
//! still be lost to a power cut later. Failures are asked for by operation and count.

mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile, DiskSpace, EntryKind, FileInfo, ListEntry, OpenMode};
use tree::{Found, NodeId, Tree};

/// A kind of operation that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Any call that changes something.
    Any,
    /// [`Disk::open`] that makes a file, or one directory of [`Disk::create_dir_all`].
    Create,
    /// [`DiskFile::write_all_at`].
    Write,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::unlink`], or one name of [`Disk::remove_dir_all`].
    Remove,
    /// [`DiskFile::set_len`], or [`Disk::open`] that cuts a file to nothing.
    SetLen,
    /// [`Disk::read`] or [`DiskFile::read_at`].
    Read,
}

/// A failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub op: DiskOp,
    /// How many of them still succeed.
    pub after: u64,
    /// What it fails with.
    pub kind: io::ErrorKind,
    /// Whether it fails only once.
    pub once: bool,
}

/// What happens to one single call, chosen by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// It fails with this and does nothing.
    Error(io::ErrorKind),
    /// A write fails with this after it wrote half of its bytes; another call does nothing.
    Half(io::ErrorKind),
    /// The power goes while it is under way: it may be done or not, as the following
    /// [`SimDisk::crash`] says, and nothing works until then.
    PowerCut,
}

/// What a crash leaves of unsynced changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing.
    DropUnsynced,
    /// All of it (the process died, not the machine); it is as unsynced as before.
    KeepAll,
    /// Some of it, torn and out of order, as this seed says.
    Torn(u64),
    /// As torn, and of a write single sectors may be missing.
    Scattered(u64),
}

/// The simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    tree: Tree,
    faults: Vec<Fault>,
    incident: Option<(u64, Incident)>,
    hit: Option<DiskOp>,
    read_error: Option<(u64, io::ErrorKind)>,
    /// The power is cut: nothing works until the crash.
    dead: bool,
    capacity: Option<u64>,
    changes: u64,
    syncs: u64,
    reads: u64,
    /// Handles of before the last crash no longer work.
    epoch: u64,
}

/// Whether a change is to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    /// As it was asked.
    On,
    /// Half of it, and then it fails.
    Half(io::ErrorKind),
    /// All of it, and then the power is gone.
    Dying,
}

impl Go {
    /// What the caller of a change that was carried out hears.
    fn done(self) -> io::Result<()> {
        match self {
            Go::On => Ok(()),
            Go::Half(kind) => Err(kind.into()),
            Go::Dying => Err(no_power()),
        }
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is cut")
}

impl SimDisk {
    /// An empty disk without a size limit.
    #[must_use]
    pub fn new() -> Self {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Another disk in the same state, what is unsynced and failures to come included; files that
    /// are open stay with this one.
    #[must_use]
    pub fn fork(&self) -> SimDisk {
        let mut state = self.state().clone();
        state.epoch += 1;
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Makes an operation fail.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Makes the change with this number, as [`changes`](Self::changes) counts, fail.
    pub fn inject_at(&self, change: u64, incident: Incident) {
        self.state().incident = Some((change, incident));
    }

    /// What the last change was that an incident happened to.
    #[must_use]
    pub fn hit(&self) -> Option<DiskOp> {
        self.state().hit
    }

    /// Makes the read with this number, as [`reads`](Self::reads) counts, fail once.
    pub fn fail_read_at(&self, read: u64, kind: io::ErrorKind) {
        self.state().read_error = Some((read, kind));
    }

    /// Forgets failures to come.
    pub fn clear_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.incident = None;
        state.read_error = None;
    }

    /// Sets how many bytes of file content fit; `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes of file content.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().tree.used()
    }

    /// Changing operations so far, to place a fault among them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Syncs of files and directories among them.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Reads so far, likewise.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Whether the power is cut, by an [`Incident::PowerCut`] that came to pass.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Crashes: open files are dead, unsynced changes are gone as `crash` says; faults are gone.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.faults.clear();
        state.incident = None;
        state.read_error = None;
        state.dead = false;
        state.epoch += 1;
        state.tree.crash(crash);
    }

    /// Flips one bit of a file, as decay would: also what is durable.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) {
        let mut state = self.state();
        let flipped = match state.tree.find(path) {
            Found::File(id) => state.tree.file_mut(id).is_ok_and(|file| file.flip(byte, bit)),
            Found::Dir(_) | Found::Nothing => false,
        };
        assert!(flipped, "no byte {byte} in {}", path.display());
    }

    /// Replaces a file's content, also what is durable, as damage would.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn plant(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = match state.tree.find(path) {
            Found::File(id) => state.tree.file_mut(id).ok(),
            Found::Dir(_) | Found::Nothing => None,
        };
        assert!(file.is_some(), "no file {}", path.display());
        if let Some(file) = file {
            file.plant(bytes);
        }
    }

    /// All files in a directory and below it, with their bytes.
    #[must_use]
    pub fn files(&self, dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        self.each_file(dir, |path, bytes| files.push((path.to_owned(), bytes.to_vec())));
        files
    }

    /// Shows all files in a directory and below it; the disk must not be called meanwhile.
    pub fn each_file(&self, dir: &Path, mut visit: impl FnMut(&Path, &[u8])) {
        self.state().tree.each_file(dir, &mut visit);
    }

    /// A number that is the same for disks that hold the same and that the same crashes leave the
    /// same; failures to come do not count.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state().tree.digest()
    }
}

impl State {
    /// Counts a change and says what becomes of it.
    fn change(&mut self, op: DiskOp) -> io::Result<Go> {
        if self.dead {
            return Err(no_power());
        }
        let number = self.changes;
        self.changes += 1;
        self.syncs += u64::from(matches!(op, DiskOp::Sync | DiskOp::SyncDir));
        if let Some((at, incident)) = self.incident
            && at == number
        {
            self.incident = None;
            self.hit = Some(op);
            match incident {
                Incident::Error(kind) => return Err(kind.into()),
                Incident::Half(kind) if op == DiskOp::Write => return Ok(Go::Half(kind)),
                Incident::Half(kind) => return Err(kind.into()),
                Incident::PowerCut => {
                    self.dead = true;
                    return Ok(Go::Dying);
                }
            }
        }
        self.check(op)?;
        Ok(Go::On)
    }

    fn read(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(no_power());
        }
        let number = self.reads;
        self.reads += 1;
        if let Some((at, kind)) = self.read_error
            && at == number
        {
            self.read_error = None;
            return Err(kind.into());
        }
        self.check(DiskOp::Read)
    }

    fn check(&mut self, op: DiskOp) -> io::Result<()> {
        let mut at = 0;
        while let Some(fault) = self.faults.get_mut(at) {
            let hit = fault.op == op || (fault.op == DiskOp::Any && op != DiskOp::Read);
            if !hit {
                at += 1;
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                at += 1;
                continue;
            }
            let kind = fault.kind;
            if fault.once {
                self.faults.remove(at);
            }
            return Err(kind.into());
        }
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(no_power()) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let id = match state.tree.find(path) {
            Found::Dir(_) => return Err(io::ErrorKind::IsADirectory.into()),
            Found::File(id) => {
                if mode == OpenMode::Truncate && !state.tree.file(id)?.live.is_empty() {
                    let go = state.change(DiskOp::SetLen)?;
                    state.tree.file_mut(id)?.set_len(0);
                    go.done()?;
                }
                id
            }
            Found::Nothing if mode == OpenMode::Existing => {
                return Err(io::ErrorKind::NotFound.into());
            }
            Found::Nothing => {
                let go = state.change(DiskOp::Create)?;
                let id = state.tree.add_file(path)?;
                go.done()?;
                id
            }
        };
        let open = state.tree.hold(id);
        let epoch = state.epoch;
        drop(state);
        Ok(Box::new(SimFile { disk: self.clone(), id, epoch, _open: open }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.read()?;
        match state.tree.find(path) {
            Found::File(id) => Ok(state.tree.file(id)?.live.clone()),
            Found::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
            Found::Nothing => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn info(&self, path: &Path) -> io::Result<Option<FileInfo>> {
        let state = self.state();
        state.alive()?;
        Ok(match state.tree.find(path) {
            Found::File(id) => {
                let len = state.tree.file(id)?.live.len() as u64;
                Some(FileInfo { kind: EntryKind::File, len })
            }
            Found::Dir(_) => Some(FileInfo { kind: EntryKind::Dir, len: 0 }),
            Found::Nothing => None,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListEntry>> {
        let state = self.state();
        state.alive()?;
        let names = state.tree.list(path)?;
        Ok(names
            .into_iter()
            .map(|(name, found)| {
                let kind = match found {
                    Found::File(_) => EntryKind::File,
                    Found::Dir(_) => EntryKind::Dir,
                    Found::Nothing => EntryKind::Other,
                };
                ListEntry { name, kind }
            })
            .collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        let mut missing = Vec::new();
        for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty()) {
            match state.tree.find(dir) {
                Found::Dir(_) => break,
                Found::File(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                Found::Nothing => missing.push(dir),
            }
        }
        for dir in missing.into_iter().rev() {
            let go = state.change(DiskOp::Create)?;
            state.tree.add_dir(dir)?;
            go.done()?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let go = state.change(DiskOp::Rename)?;
        state.tree.rename(from, to)?;
        go.done()
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let go = state.change(DiskOp::Remove)?;
        match state.tree.find(path) {
            Found::File(_) => state.tree.remove(path)?,
            Found::Dir(_) => return Err(io::ErrorKind::IsADirectory.into()),
            Found::Nothing => return Err(io::ErrorKind::NotFound.into()),
        }
        go.done()
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        match state.tree.find(path) {
            Found::Dir(_) => {}
            Found::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Found::Nothing => return Ok(()),
        }
        for inner in state.tree.below(path).iter().map(PathBuf::as_path).chain([path]) {
            let go = state.change(DiskOp::Remove)?;
            state.tree.remove(inner)?;
            go.done()?;
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let go = state.change(DiskOp::SyncDir)?;
        if go == Go::On {
            state.tree.sync_dir(path)?;
        }
        go.done()
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        let state = self.state();
        let total = state.capacity.unwrap_or(1 << 40);
        Ok(DiskSpace { total, available: total.saturating_sub(state.tree.used()) })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: NodeId,
    epoch: u64,
    /// Keeps a file without a name from being forgotten.
    _open: Arc<()>,
}

impl SimFile {
    fn enter(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.epoch != self.epoch {
            return Err(io::Error::other("the machine crashed since this file was opened"));
        }
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.enter()?.tree.file(self.id)?.live.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.enter()?;
        state.read()?;
        let data = &state.tree.file(self.id)?.live;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = data.get(from..).unwrap_or_default();
        let take = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..take), rest.get(..take)) {
            to.copy_from_slice(from);
        }
        Ok(take)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.enter()?;
        let go = state.change(DiskOp::Write)?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let room = match state.capacity {
            Some(capacity) => capacity.saturating_sub(state.tree.used()),
            None => u64::MAX,
        };
        let file = state.tree.file_mut(self.id)?;
        if let Go::Half(kind) = go {
            file.write(offset, bytes.get(..bytes.len() / 2).unwrap_or_default());
            return Err(kind.into());
        }
        let grows = (offset + bytes.len()).saturating_sub(file.live.len()) as u64;
        if grows > room {
            // A real disk takes what fits before it refuses.
            let fits = bytes.len().saturating_sub((grows - room) as usize);
            file.write(offset, bytes.get(..fits).unwrap_or_default());
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write(offset, bytes);
        go.done()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.enter()?;
        let go = state.change(DiskOp::SetLen)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        state.tree.file_mut(self.id)?.set_len(len);
        go.done()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.enter()?;
        let go = match state.change(DiskOp::Sync) {
            Ok(go) => go,
            Err(error) => {
                if !state.dead {
                    state.tree.file_mut(self.id)?.drop_pages();
                }
                return Err(error);
            }
        };
        if go == Go::On {
            state.tree.file_mut(self.id)?.sync();
        }
        go.done()
    }
}
