//! A disk in memory that loses what was not synced, fills up and fails on request.
//!
//! Fault model: a crash keeps every synced byte and name; of what was not synced each write
//! survives whole, torn at a random byte, or not at all, in any order, as the seed says. Renames
//! and new names survive a crash only after `sync_dir` of their directory (or, as the seed says,
//! before). Failures are asked for by operation and count. Simplification: a name is made durable
//! with the file's durable content, whichever directory the file was synced through.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile, DiskSpace, EntryKind, FileInfo, ListEntry, OpenMode};

/// A kind of operation that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Any call that changes something.
    Any,
    /// [`Disk::open`] that makes a file.
    Create,
    /// [`DiskFile::write_all_at`].
    Write,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::unlink`] or [`Disk::remove_dir_all`].
    Remove,
    /// [`DiskFile::set_len`].
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

/// What a crash leaves of unsynced changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing.
    DropUnsynced,
    /// All of it (the process died, not the machine).
    KeepAll,
    /// Some of it, torn and out of order, as this seed says.
    Torn(u64),
}

/// The simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// What is seen now.
    live: BTreeMap<PathBuf, Node>,
    /// What a crash leaves.
    durable: BTreeMap<PathBuf, Node>,
    faults: Vec<Fault>,
    capacity: Option<u64>,
    changes: u64,
    /// Handles of before the last crash no longer work.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(u64),
    /// With its identity, which a rename keeps.
    Dir(u64),
}

#[derive(Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug)]
enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
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

    /// Makes an operation fail.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Forgets failures to come.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Sets how many bytes of file content fit; `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes of file content.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Changing operations so far, to place a fault among them.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Crashes: open files are dead, unsynced changes are gone as `crash` says; faults are gone.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.faults.clear();
        state.epoch += 1;
        let mut seed = match crash {
            Crash::Torn(seed) => seed | 1,
            Crash::DropUnsynced | Crash::KeepAll => 0,
        };
        let mut roll = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for inode in state.files.values_mut() {
            match crash {
                Crash::KeepAll => {}
                Crash::DropUnsynced => inode.live.clone_from(&inode.durable),
                Crash::Torn(_) => {
                    let mut left = inode.durable.clone();
                    for change in &inode.pending {
                        let fate = roll();
                        match change {
                            Pending::SetLen(len) if fate % 2 == 0 => left.resize(*len, 0),
                            Pending::Write { offset, bytes } if fate % 4 != 0 => {
                                let keep = if fate % 4 == 1 {
                                    (roll() as usize) % (bytes.len() + 1)
                                } else {
                                    bytes.len()
                                };
                                put(&mut left, *offset, bytes.get(..keep).unwrap_or_default());
                            }
                            Pending::SetLen(_) | Pending::Write { .. } => {}
                        }
                    }
                    inode.live = left;
                }
            }
            inode.durable.clone_from(&inode.live);
            inode.pending.clear();
        }
        let keep_names = match crash {
            Crash::KeepAll => true,
            Crash::DropUnsynced => false,
            Crash::Torn(_) => roll() % 2 == 0,
        };
        if keep_names {
            state.durable = state.live.clone();
        } else {
            state.live = state.durable.clone();
        }
    }

    /// Flips one bit of a file, as decay would: also what is durable.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip_bit(&self, path: &Path, byte: usize, bit: u8) {
        let mut state = self.state();
        let Some(Node::File(id)) = state.live.get(path).copied() else { unreachable_file(path) };
        if let Some(inode) = state.files.get_mut(&id) {
            inode.live[byte] ^= 1 << bit;
            if let Some(durable) = inode.durable.get_mut(byte) {
                *durable ^= 1 << bit;
            }
        }
    }

    fn change(&self, op: DiskOp) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.changes += 1;
        state.check(op)?;
        Ok(state)
    }
}

#[allow(clippy::panic, reason = "only a test that names a wrong file comes here")]
fn unreachable_file(path: &Path) -> ! {
    panic!("no file {}", path.display())
}

fn put(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if data.len() < end {
        data.resize(end, 0);
    }
    data[offset..end].copy_from_slice(bytes);
}

impl State {
    fn check(&mut self, op: DiskOp) -> io::Result<()> {
        for at in 0..self.faults.len() {
            let fault = &mut self.faults[at];
            let hit = fault.op == op || (fault.op == DiskOp::Any && op != DiskOp::Read);
            if !hit {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
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

    fn used(&self) -> u64 {
        self.live
            .values()
            .filter_map(|node| match node {
                Node::File(id) => self.files.get(id),
                Node::Dir(_) => None,
            })
            .map(|inode| inode.live.len() as u64)
            .sum()
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            None => Ok(()),
            Some(parent) if parent.as_os_str().is_empty() || parent == Path::new("/") => Ok(()),
            Some(parent) => match self.live.get(parent) {
                Some(Node::Dir(_)) => Ok(()),
                Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let id = match state.live.get(path).copied() {
            Some(Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(id)) => id,
            None if mode == OpenMode::Existing => return Err(io::ErrorKind::NotFound.into()),
            None => {
                state.changes += 1;
                state.check(DiskOp::Create)?;
                state.parent_exists(path)?;
                let id = state.next_inode;
                state.next_inode += 1;
                state.files.insert(id, Inode::default());
                state.live.insert(path.to_owned(), Node::File(id));
                id
            }
        };
        if mode == OpenMode::Truncate {
            let inode = state.inode(id)?;
            if !inode.live.is_empty() {
                inode.live.clear();
                inode.pending.push(Pending::SetLen(0));
            }
        }
        let epoch = state.epoch;
        drop(state);
        Ok(Box::new(SimFile { disk: self.clone(), id, epoch }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.check(DiskOp::Read)?;
        match state.live.get(path).copied() {
            Some(Node::File(id)) => Ok(state.inode(id)?.live.clone()),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn info(&self, path: &Path) -> io::Result<Option<FileInfo>> {
        let mut state = self.state();
        Ok(match state.live.get(path).copied() {
            Some(Node::File(id)) => {
                Some(FileInfo { kind: EntryKind::File, len: state.inode(id)?.live.len() as u64 })
            }
            Some(Node::Dir(_)) => Some(FileInfo { kind: EntryKind::Dir, len: 0 }),
            None => None,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListEntry>> {
        let state = self.state();
        match state.live.get(path) {
            Some(Node::Dir(_)) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(state
            .live
            .iter()
            .filter(|(at, _)| at.parent() == Some(path))
            .filter_map(|(at, node)| {
                let kind = match node {
                    Node::File(_) => EntryKind::File,
                    Node::Dir(_) => EntryKind::Dir,
                };
                Some(ListEntry { name: at.file_name()?.to_owned(), kind })
            })
            .collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change(DiskOp::Create)?;
        let mut missing = Vec::new();
        for dir in path.ancestors() {
            if dir.as_os_str().is_empty() || dir == Path::new("/") {
                break;
            }
            match state.live.get(dir) {
                Some(Node::Dir(_)) => break,
                Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                None => missing.push(dir.to_owned()),
            }
        }
        for dir in missing {
            let id = state.next_inode;
            state.next_inode += 1;
            state.live.insert(dir, Node::Dir(id));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.change(DiskOp::Rename)?;
        state.parent_exists(to)?;
        let node = state.live.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        if matches!(node, Node::Dir(_)) && state.live.keys().any(|at| at.starts_with(to)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let moved: Vec<(PathBuf, Node)> = state
            .live
            .iter()
            .filter(|(at, _)| at.starts_with(from))
            .map(|(at, node)| (at.clone(), *node))
            .collect();
        for (at, node) in moved {
            state.live.remove(&at);
            let rest = at.strip_prefix(from).unwrap_or(Path::new(""));
            let name = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            state.live.insert(name, node);
        }
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change(DiskOp::Remove)?;
        match state.live.get(path) {
            Some(Node::File(_)) => {
                state.live.remove(path);
                Ok(())
            }
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change(DiskOp::Remove)?;
        state.live.retain(|at, _| !at.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change(DiskOp::SyncDir)?;
        if !matches!(state.live.get(path), Some(Node::Dir(_))) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let is_child = |at: &PathBuf| at.parent() == Some(path);
        let wanted: Vec<(PathBuf, Node)> = state
            .live
            .iter()
            .filter(|(at, _)| is_child(at))
            .map(|(at, node)| (at.clone(), *node))
            .collect();
        let dirs_moved = wanted
            .iter()
            .any(|(at, node)| matches!(node, Node::Dir(_)) && state.durable.get(at) != Some(node));
        let before = if dirs_moved { state.durable.clone() } else { BTreeMap::new() };
        // What was here and is not, or is another directory now, goes with all that is in it.
        let stale: Vec<PathBuf> = state
            .durable
            .iter()
            .filter(|(at, node)| is_child(at) && state.live.get(*at) != Some(node))
            .map(|(at, _)| at.clone())
            .collect();
        if !stale.is_empty() {
            state.durable.retain(|at, _| !stale.iter().any(|dir| at.starts_with(dir)));
        }
        for (at, node) in wanted {
            // A directory that was moved here brings what is durable in it.
            let was = before.iter().find(|(old, was)| **was == node && **old != at);
            if let (Node::Dir(_), Some((old, _))) = (node, was) {
                let inside = before.iter().filter_map(|(name, inner)| {
                    let rest = name.strip_prefix(old).ok()?;
                    (!rest.as_os_str().is_empty()).then(|| (at.join(rest), *inner))
                });
                state.durable.extend(inside);
            }
            state.durable.insert(at, node);
        }
        // A test that makes its root without syncing upwards is no fault of the store.
        for dir in path.ancestors() {
            if let Some(node) = state.live.get(dir).copied() {
                state.durable.insert(dir.to_owned(), node);
            }
        }
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        let state = self.state();
        let total = state.capacity.unwrap_or(1 << 40);
        Ok(DiskSpace { total, available: total.saturating_sub(state.used()) })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: u64,
    epoch: u64,
}

impl SimFile {
    fn enter(&self, op: Option<DiskOp>) -> io::Result<MutexGuard<'_, State>> {
        let mut state = match op {
            Some(DiskOp::Read) => {
                let mut state = self.disk.state();
                state.check(DiskOp::Read)?;
                state
            }
            Some(op) => self.disk.change(op)?,
            None => self.disk.state(),
        };
        if state.epoch != self.epoch {
            return Err(io::Error::other("the machine crashed since this file was opened"));
        }
        state.inode(self.id)?;
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.enter(None)?.inode(self.id)?.live.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.enter(Some(DiskOp::Read))?;
        let data = &state.inode(self.id)?.live;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        let rest = &data[from..];
        let take = rest.len().min(buf.len());
        buf[..take].copy_from_slice(&rest[..take]);
        Ok(take)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.enter(Some(DiskOp::Write))?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let used = state.used();
        let capacity = state.capacity;
        let inode = state.inode(self.id)?;
        let grows = (offset + bytes.len()).saturating_sub(inode.live.len()) as u64;
        let room = capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
        if grows > room {
            // A real disk takes what fits before it refuses.
            let fits = bytes.len() - (grows - room) as usize;
            let part = bytes.get(..fits).unwrap_or_default();
            put(&mut inode.live, offset, part);
            inode.pending.push(Pending::Write { offset, bytes: part.to_vec() });
            return Err(io::ErrorKind::StorageFull.into());
        }
        put(&mut inode.live, offset, bytes);
        inode.pending.push(Pending::Write { offset, bytes: bytes.to_vec() });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.enter(Some(DiskOp::SetLen))?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        let inode = state.inode(self.id)?;
        inode.live.resize(len, 0);
        inode.pending.push(Pending::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.enter(Some(DiskOp::Sync))?;
        let inode = state.inode(self.id)?;
        inode.durable.clone_from(&inode.live);
        inode.pending.clear();
        Ok(())
    }
}
