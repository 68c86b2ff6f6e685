//! The files, directories and names of a simulated disk: what is seen, and what a crash leaves.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use super::Crash;

/// Number of a file or directory; names refer to it.
pub(super) type NodeId = u64;
/// Shared by all that refer to it.
type Name = Arc<OsStr>;
type Names = BTreeMap<Name, NodeId>;

/// The directory that everything is in, which needs no name.
const ROOT: NodeId = 0;
/// What a device writes in one piece.
const SECTOR: usize = 512;
/// Removed files are forgotten after so many removals.
const FORGET_AFTER: u32 = 64;

#[derive(Debug)]
pub(super) struct Tree {
    /// Shared with forks until one of them changes it.
    nodes: BTreeMap<NodeId, Arc<Node>>,
    next: NodeId,
    /// Number of the next change of a name; both halves of a rename have the same.
    next_change: u64,
    removals: u32,
    /// What keeps files without a name from being forgotten: somebody has them open.
    open: BTreeMap<NodeId, Weak<()>>,
    /// Where paths led to, as long as no directory is moved or removed.
    dirs: RefCell<HashMap<Box<OsStr>, NodeId>>,
}

#[derive(Clone, Debug)]
struct Node {
    body: Body,
    /// Of the body as it is, once somebody asked.
    digest: OnceLock<u64>,
}

#[derive(Clone, Debug, Hash)]
enum Body {
    File(File),
    Dir(Dir),
}

impl Node {
    fn new(body: Body) -> Arc<Self> {
        Arc::new(Node { body, digest: OnceLock::new() })
    }

    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            self.body.hash(&mut hasher);
            hasher.finish()
        })
    }

    /// Its body, to be changed.
    fn change(node: &mut Arc<Self>) -> &mut Body {
        let node = Arc::make_mut(node);
        node.digest.take();
        &mut node.body
    }

    /// Whether no crash changes it.
    fn is_durable(&self) -> bool {
        match &self.body {
            Body::File(file) => file.pending.is_empty() && file.live == file.durable,
            Body::Dir(dir) => dir.pending.is_empty() && dir.live == dir.durable,
        }
    }
}

/// A file's bytes.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct File {
    /// What is read.
    pub(super) live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug, Default, Hash)]
struct Dir {
    live: Names,
    durable: Names,
    pending: Vec<(u64, NameChange)>,
}

#[derive(Clone, Debug, Hash)]
enum NameChange {
    Add(Name, NodeId),
    Remove(Name),
    /// Within one directory, as one.
    Rename(Name, Name, NodeId),
}

#[derive(Clone, Debug, Hash)]
enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
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
        let nodes = BTreeMap::from([(ROOT, Node::new(Body::Dir(Dir::default())))]);
        Tree {
            nodes,
            next: ROOT + 1,
            next_change: 0,
            removals: 0,
            open: BTreeMap::new(),
            dirs: RefCell::default(),
        }
    }
}

/// What is open stays with the original.
impl Clone for Tree {
    fn clone(&self) -> Self {
        Tree { nodes: self.nodes.clone(), open: BTreeMap::new(), dirs: RefCell::default(), ..*self }
    }
}

/// The directory that a path names something in, and that name; none of the root.
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (parent, name) = bytes.split_at_checked(slash)?;
    match name.strip_prefix(b"/").unwrap_or(name) {
        b"" | b"." | b".." => Some((path.parent()?, path.file_name()?)),
        name => Some((Path::new(OsStr::from_bytes(parent)), OsStr::from_bytes(name))),
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
    /// A number for all that is read, and all that a crash can leave.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (id, node) in &self.nodes {
            (id, node.digest()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn body(&self, id: NodeId) -> Option<&Body> {
        self.nodes.get(&id).map(|node| &node.body)
    }

    fn body_mut(&mut self, id: NodeId) -> Option<&mut Body> {
        self.nodes.get_mut(&id).map(Node::change)
    }

    fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match self.body(id) {
            Some(Body::Dir(dir)) => Ok(dir),
            Some(Body::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn dir_mut(&mut self, id: NodeId) -> io::Result<&mut Dir> {
        match self.body_mut(id) {
            Some(Body::Dir(dir)) => Ok(dir),
            Some(Body::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, id: NodeId) -> io::Result<&File> {
        match self.body(id) {
            Some(Body::File(file)) => Ok(file),
            Some(Body::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> io::Result<&mut File> {
        match self.body_mut(id) {
            Some(Body::File(file)) => Ok(file),
            Some(Body::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Keeps a file, with or without a name, for as long as this is held.
    pub(super) fn hold(&mut self, id: NodeId) -> Arc<()> {
        if let Some(held) = self.open.get(&id).and_then(Weak::upgrade) {
            return held;
        }
        let hold = Arc::new(());
        self.open.insert(id, Arc::downgrade(&hold));
        hold
    }

    fn found(&self, id: NodeId) -> Found {
        match self.body(id) {
            Some(Body::File(_)) => Found::File(id),
            Some(Body::Dir(_)) => Found::Dir(id),
            None => Found::Nothing,
        }
    }

    pub(super) fn find(&self, path: &Path) -> Found {
        let Some((parent, name)) = split(path) else { return Found::Dir(ROOT) };
        let id = self.find_dir(parent).and_then(|dir| self.dir(dir).ok()?.live.get(name));
        id.map_or(Found::Nothing, |&id| self.found(id))
    }

    fn find_dir(&self, path: &Path) -> Option<NodeId> {
        if let Some(&known) = self.dirs.borrow().get(path.as_os_str()) {
            return Some(known);
        }
        let Found::Dir(id) = self.find(path) else { return None };
        self.dirs.borrow_mut().insert(path.as_os_str().into(), id);
        Some(id)
    }

    /// The directory that holds a path's last name, and that name.
    fn place<'p>(&self, path: &'p Path) -> io::Result<(NodeId, &'p OsStr)> {
        let (parent, name) = split(path).ok_or(io::ErrorKind::InvalidInput)?;
        match self.find_dir(parent) {
            Some(id) => Ok((id, name)),
            None if self.find(parent) == Found::Nothing => Err(io::ErrorKind::NotFound.into()),
            None => Err(io::ErrorKind::NotADirectory.into()),
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

    fn add(&mut self, path: &Path, body: Body) -> io::Result<NodeId> {
        let (dir, name) = self.place(path)?;
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, Node::new(body));
        let number = self.number_change();
        self.change_name(dir, number, NameChange::Add(name.into(), id))?;
        Ok(id)
    }

    pub(super) fn add_file(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Body::File(File::default()))
    }

    pub(super) fn add_dir(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Body::Dir(Dir::default()))
    }

    /// Removes a file's name, or that of an empty directory.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.place(path)?;
        if matches!(self.find(path), Found::Dir(_)) {
            self.dirs.get_mut().clear();
        }
        let number = self.number_change();
        self.change_name(dir, number, NameChange::Remove(name.into()))?;
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
        if matches!(self.found(id), Found::Dir(_)) {
            self.dirs.get_mut().clear();
        }
        let number = self.number_change();
        let (from_name, to_name) = (Name::from(from_name), Name::from(to_name));
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
        Ok(dir.live.iter().map(|(name, &id)| (name.to_os_string(), self.found(id))).collect())
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
        for (_, change) in dir.pending.drain(..) {
            change.apply(&mut dir.durable);
        }
        Ok(())
    }

    /// All files below a directory.
    pub(super) fn each_file(&self, path: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
        let Found::Dir(id) = self.find(path) else { return };
        let Ok(dir) = self.dir(id) else { return };
        for (name, &id) in &dir.live {
            let inner = path.join(&**name);
            match self.body(id) {
                Some(Body::File(file)) => visit(&inner, &file.live),
                Some(Body::Dir(_)) => self.each_file(&inner, visit),
                None => {}
            }
        }
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let mut used = 0;
        let mut dirs = vec![ROOT];
        while let Some(Ok(dir)) = dirs.pop().map(|id| self.dir(id)) {
            for &id in dir.live.values() {
                match self.body(id) {
                    Some(Body::File(file)) => used += file.live.len() as u64,
                    Some(Body::Dir(_)) => dirs.push(id),
                    None => {}
                }
            }
        }
        used
    }

    pub(super) fn crash(&mut self, crash: Crash) {
        self.open.clear();
        if crash == Crash::KeepAll {
            // The kernel lives on, with all that it has yet to write.
            return;
        }
        self.dirs.get_mut().clear();
        let first_name = self
            .nodes
            .values()
            .filter_map(|node| match &node.body {
                Body::Dir(dir) => dir.pending.first().map(|(number, _)| *number),
                Body::File(_) => None,
            })
            .min();
        let end_name = self.next_change;
        let mut fate = Fate::of(crash, first_name.unwrap_or(end_name), end_name);
        for node in self.nodes.values_mut().filter(|node| !node.is_durable()) {
            match Node::change(node) {
                Body::File(file) => {
                    if let Some(fate) = &mut fate {
                        for change in &file.pending {
                            fate.apply(change, &mut file.durable);
                        }
                    }
                    file.pending.clear();
                    file.live.clone_from(&file.durable);
                }
                Body::Dir(dir) => {
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
            let Some(Body::Dir(dir)) = self.body(id) else { continue };
            let pending = dir.pending.iter().filter_map(|(_, change)| match change {
                NameChange::Add(_, id) | NameChange::Rename(_, _, id) => Some(id),
                NameChange::Remove(_) => None,
            });
            let all = dir.live.values().chain(dir.durable.values()).chain(pending);
            to_visit.extend(all.copied().filter(|&id| reached.insert(id)));
        }
        self.open.retain(|_, hold| hold.strong_count() > 0);
        self.nodes.retain(|id, _| reached.contains(id) || self.open.contains_key(id));
    }
}
