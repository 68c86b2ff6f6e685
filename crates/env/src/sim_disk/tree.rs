//! The files, directories and names of a simulated disk: what is seen, and what a crash leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Crash;

/// Number of a file or directory; names refer to it.
pub(super) type NodeId = u64;

/// The directory that everything is in, which needs no name.
const ROOT: NodeId = 0;
/// What a device writes in one piece.
const SECTOR: usize = 512;
/// Removed files are forgotten after so many removals.
const FORGET_AFTER: u32 = 64;

#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    /// Number of the next change of a name; both halves of a rename have the same.
    next_change: u64,
    removals: u32,
}

#[derive(Clone, Debug)]
enum Node {
    File(File),
    Dir(Dir),
}

/// A file's bytes.
#[derive(Debug, Default)]
pub(super) struct File {
    /// What is read.
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// Shared with those who have it open.
    pub(super) open: Arc<()>,
}

impl Clone for File {
    fn clone(&self) -> Self {
        File {
            live: self.live.clone(),
            durable: self.durable.clone(),
            pending: self.pending.clone(),
            open: Arc::default(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Dir {
    live: BTreeMap<OsString, NodeId>,
    durable: BTreeMap<OsString, NodeId>,
    pending: Vec<(u64, NameChange)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(OsString, NodeId),
    Remove(OsString),
    /// Within one directory, as one.
    Rename(OsString, OsString, NodeId),
}

#[derive(Clone, Debug)]
enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<OsString, NodeId>) {
        match self {
            NameChange::Add(name, id) => {
                names.insert(name.clone(), *id);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to, id) => {
                // Where the old name is another's by now, it stays.
                if names.get(from) == Some(id) {
                    names.remove(from);
                }
                names.insert(to.clone(), *id);
            }
        }
    }
}

impl Pending {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Pending::Write { offset, bytes } => put(data, *offset, bytes),
            Pending::SetLen(len) => data.resize(*len, 0),
        }
    }
}

fn put(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if data.len() < end {
        data.resize(end, 0);
    }
    if let Some(place) = data.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

impl File {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        self.pending.push(Pending::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.pending.push(Pending::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// What was not synced is seen until the crash, and no later sync makes it durable: what a
    /// kernel does after a sync that failed.
    pub(super) fn drop_pages(&mut self) {
        self.pending.clear();
    }

    /// Replaces the content, as if it had always been so.
    pub(super) fn plant(&mut self, bytes: Vec<u8>) {
        self.durable.clone_from(&bytes);
        self.live = bytes;
        self.pending.clear();
    }

    /// Flips a bit of what is seen and of what is durable; false if there is no such byte.
    pub(super) fn flip(&mut self, byte: usize, bit: u8) -> bool {
        if let Some(durable) = self.durable.get_mut(byte) {
            *durable ^= 1 << bit;
        }
        let live = self.live.get_mut(byte);
        live.map(|live| *live ^= 1 << bit).is_some()
    }
}

/// What a power cut does to changes that were not synced.
struct Fate {
    state: u64,
    salt: u64,
    /// Of 16 changes so many survive.
    survivors: u64,
    /// Name changes up to this number survive and no others, as in a journal; any if `None`.
    names_before: Option<u64>,
    /// Single sectors of a write may be missing, not only its end.
    scattered: bool,
}

impl Fate {
    fn of(crash: Crash, first_name: u64, end_name: u64) -> Option<Fate> {
        let (seed, scattered) = match crash {
            Crash::DropUnsynced | Crash::KeepAll => return None,
            Crash::Torn(seed) => (seed, false),
            Crash::Scattered(seed) => (seed, true),
        };
        let state = (seed ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut fate = Fate { state, salt: state, survivors: 0, names_before: None, scattered };
        fate.survivors = [4, 8, 12, 15][(fate.roll() % 4) as usize];
        if fate.roll().is_multiple_of(2) {
            let span = end_name.saturating_sub(first_name) + 1;
            fate.names_before = Some(first_name + fate.roll() % span);
        }
        Some(fate)
    }

    fn roll(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 7
    }

    fn survives(&mut self) -> bool {
        self.roll() % 16 < self.survivors
    }

    fn name_survives(&mut self, number: u64) -> bool {
        match self.names_before {
            Some(end) => number < end,
            // The same for both halves of a rename.
            None => {
                let mixed = (number ^ self.salt).wrapping_mul(0xff51_afd7_ed55_8ccd);
                (mixed >> 33) % 16 < self.survivors
            }
        }
    }

    fn apply(&mut self, change: &Pending, data: &mut Vec<u8>) {
        if !self.survives() {
            return;
        }
        match change {
            Pending::Write { offset, bytes } if self.scattered => {
                for start in (0..bytes.len()).step_by(SECTOR) {
                    let end = (start + SECTOR).min(bytes.len());
                    if self.survives() {
                        put(data, offset + start, bytes.get(start..end).unwrap_or_default());
                    }
                }
            }
            Pending::Write { offset, bytes } if !self.survives() => {
                let keep = self.roll() as usize % (bytes.len() + 1);
                put(data, *offset, bytes.get(..keep).unwrap_or_default());
            }
            whole => whole.apply(data),
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]);
        Tree { nodes, next: ROOT + 1, next_change: 0, removals: 0 }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    File(NodeId),
    Dir(NodeId),
    Nothing,
}

impl Tree {
    fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut Dir> {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&mut self, id: NodeId) -> io::Result<&mut File> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn found(&self, id: NodeId) -> Found {
        match self.nodes.get(&id) {
            Some(Node::File(_)) => Found::File(id),
            Some(Node::Dir(_)) => Found::Dir(id),
            None => Found::Nothing,
        }
    }

    pub(super) fn find(&self, path: &Path) -> Found {
        let mut at = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Ok(dir) = self.dir(at) else { return Found::Nothing };
            let Some(&id) = dir.live.get(name) else { return Found::Nothing };
            at = id;
        }
        self.found(at)
    }

    /// The directory that holds a path's last name, and that name.
    fn place<'p>(&self, path: &'p Path) -> io::Result<(NodeId, &'p OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        match self.find(path.parent().unwrap_or(Path::new("/"))) {
            Found::Dir(id) => Ok((id, name)),
            Found::File(_) => Err(io::ErrorKind::NotADirectory.into()),
            Found::Nothing => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_name(&mut self, dir: NodeId, number: u64, change: NameChange) -> io::Result<()> {
        let dir = self.dir_mut(dir)?;
        change.apply(&mut dir.live);
        dir.pending.push((number, change));
        Ok(())
    }

    fn number_change(&mut self) -> u64 {
        self.next_change += 1;
        self.next_change - 1
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let (dir, name) = self.place(path)?;
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        let number = self.number_change();
        self.change_name(dir, number, NameChange::Add(name.to_owned(), id))?;
        Ok(id)
    }

    pub(super) fn add_file(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Node::File(File::default()))
    }

    pub(super) fn add_dir(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Node::Dir(Dir::default()))
    }

    /// Removes a file's name, or that of an empty directory.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.place(path)?;
        let number = self.number_change();
        self.change_name(dir, number, NameChange::Remove(name.to_owned()))?;
        self.removals += 1;
        if self.removals >= FORGET_AFTER {
            self.removals = 0;
            self.forget_unreachable();
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from_dir, from_name) = self.place(from)?;
        let (to_dir, to_name) = self.place(to)?;
        let id = *self.dir(from_dir)?.live.get(from_name).ok_or(io::ErrorKind::NotFound)?;
        match (self.found(id), self.find(to)) {
            (_, Found::Nothing) | (Found::File(_), Found::File(_)) => {}
            (Found::Dir(_), Found::Dir(there)) if self.dir(there)?.live.is_empty() => {}
            (Found::Dir(_), Found::Dir(_)) => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (_, Found::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            (_, Found::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
        }
        let number = self.number_change();
        let (from_name, to_name) = (from_name.to_owned(), to_name.to_owned());
        if from_dir == to_dir {
            return self.change_name(from_dir, number, NameChange::Rename(from_name, to_name, id));
        }
        self.change_name(from_dir, number, NameChange::Remove(from_name))?;
        self.change_name(to_dir, number, NameChange::Add(to_name, id))
    }

    /// The names in a directory, in order.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(OsString, Found)>> {
        let dir = match self.find(path) {
            Found::Dir(id) => self.dir(id)?,
            Found::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Found::Nothing => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(dir.live.iter().map(|(name, &id)| (name.clone(), self.found(id))).collect())
    }

    /// All below a directory, what is in a directory before itself.
    pub(super) fn below(&self, path: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for (name, found) in self.list(path).unwrap_or_default() {
            let inner = path.join(name);
            if matches!(found, Found::Dir(_)) {
                all.extend(self.below(&inner));
            }
            all.push(inner);
        }
        all
    }

    /// Makes the names in one directory durable: its own name is its parent's affair.
    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let Found::Dir(id) = self.find(path) else { return Err(io::ErrorKind::NotFound.into()) };
        let dir = self.dir_mut(id)?;
        dir.durable.clone_from(&dir.live);
        dir.pending.clear();
        Ok(())
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let mut used = 0;
        let mut dirs = vec![ROOT];
        while let Some(Ok(dir)) = dirs.pop().map(|id| self.dir(id)) {
            for &id in dir.live.values() {
                match self.nodes.get(&id) {
                    Some(Node::File(file)) => used += file.live.len() as u64,
                    Some(Node::Dir(_)) => dirs.push(id),
                    None => {}
                }
            }
        }
        used
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        if crash == Crash::KeepAll {
            // The kernel lives on, with all that it has yet to write.
            return;
        }
        let first_name = self
            .nodes
            .values()
            .filter_map(|node| match node {
                Node::Dir(dir) => dir.pending.first().map(|(number, _)| *number),
                Node::File(_) => None,
            })
            .min();
        let end_name = self.next_change;
        let mut fate = Fate::of(crash, first_name.unwrap_or(end_name), end_name);
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => {
                    if let Some(fate) = &mut fate {
                        for change in &file.pending {
                            fate.apply(change, &mut file.durable);
                        }
                    }
                    file.pending.clear();
                    file.live.clone_from(&file.durable);
                }
                Node::Dir(dir) => {
                    if let Some(fate) = &mut fate {
                        for (number, change) in &dir.pending {
                            if fate.name_survives(*number) {
                                change.apply(&mut dir.durable);
                            }
                        }
                    }
                    dir.pending.clear();
                    dir.live.clone_from(&dir.durable);
                }
            }
        }
        self.forget_unreachable();
    }

    /// Forgets what no name leads to, neither now nor after any crash, and nobody has open.
    fn forget_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut to_visit = vec![ROOT];
        while let Some(id) = to_visit.pop() {
            let Some(Node::Dir(dir)) = self.nodes.get(&id) else { continue };
            let pending = dir.pending.iter().filter_map(|(_, change)| match change {
                NameChange::Add(_, id) | NameChange::Rename(_, _, id) => Some(id),
                NameChange::Remove(_) => None,
            });
            let all = dir.live.values().chain(dir.durable.values()).chain(pending);
            to_visit.extend(all.copied().filter(|&id| reached.insert(id)));
        }
        self.nodes.retain(|id, node| {
            let open = matches!(node, Node::File(file) if Arc::strong_count(&file.open) > 1);
            open || reached.contains(id)
        });
    }
}
