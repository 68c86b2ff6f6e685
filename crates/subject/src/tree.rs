//! The index of stored subjects: an ordered radix tree over bytes.

use std::mem;

use crate::grammar::{ONE, REST, SEPARATOR, split_token};
use crate::piece::Piece;

/// A map from literal subjects to `V`, in byte order, that answers wildcard queries by walking
/// only the parts that match (server/stree `SubjectTree`).
///
/// A leaf stores only the bytes its neighbours do not share, so that a million subjects of one
/// stream cost tens of megabytes. All operations run without recursion: subjects are chosen by
/// clients and may be long.
#[derive(Debug)]
pub struct SubjectTree<V> {
    root: Option<Node<V>>,
    len: usize,
}

/// Whether a walk goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Visit the next entry.
    Continue,
    /// End the walk.
    Stop,
}

#[derive(Debug)]
enum Node<V> {
    Leaf { suffix: Piece, value: V },
    Branch(Box<Branch<V>>),
}

/// Subjects that share `prefix`: the one that ends there, and those that go on.
#[derive(Debug)]
struct Branch<V> {
    prefix: Piece,
    /// Rare: boxed, so that the many branches without one stay small.
    value: Option<Box<V>>,
    /// The first byte after `prefix` of each child; the child holds what follows that byte.
    keys: Keys,
    /// In the order of their keys.
    nodes: Vec<Node<V>>,
}

/// A set of bytes in which a byte's rank is its child's place.
#[derive(Clone, Copy, Default, Debug)]
struct Keys([u64; 4]);

impl Keys {
    fn word(key: u8) -> (usize, u64) {
        (usize::from(key >> 6), 1 << (key & 63))
    }

    /// `Ok` with the place of `key`, or `Err` with the place it would get.
    fn place(&self, key: u8) -> Result<usize, usize> {
        let (word, bit) = Self::word(key);
        let mut rank = 0;
        for (at, bits) in self.0.iter().enumerate() {
            if at == word {
                let below = rank + (bits & (bit - 1)).count_ones() as usize;
                return if bits & bit == 0 { Err(below) } else { Ok(below) };
            }
            rank += bits.count_ones() as usize;
        }
        Err(rank)
    }

    fn insert(&mut self, key: u8) {
        let (word, bit) = Self::word(key);
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
        }
    }

    fn remove(&mut self, key: u8) {
        let (word, bit) = Self::word(key);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    /// The smallest key that is not below `from`.
    fn next(&self, from: u8) -> Option<u8> {
        let (word, bit) = Self::word(from);
        for (at, bits) in self.0.iter().enumerate().skip(word) {
            let bits = if at == word { bits & !(bit - 1) } else { *bits };
            if bits != 0 {
                return u8::try_from(at * 64 + bits.trailing_zeros() as usize).ok();
            }
        }
        None
    }
}

impl<V> Branch<V> {
    fn child(&self, key: u8) -> Option<&Node<V>> {
        let at = self.keys.place(key).ok()?;
        self.nodes.get(at)
    }

    fn child_mut(&mut self, key: u8) -> Option<&mut Node<V>> {
        let at = self.keys.place(key).ok()?;
        self.nodes.get_mut(at)
    }

    fn add(&mut self, key: u8, node: Node<V>) {
        if let Err(at) = self.keys.place(key) {
            if self.nodes.len() == self.nodes.capacity() {
                // Grows slower than doubling: most branches stay small, and there are many.
                let more = (self.nodes.len() / 2).max(2);
                self.nodes.reserve_exact(more);
            }
            self.keys.insert(key);
            self.nodes.insert(at, node);
        }
    }
}

/// The number of leading bytes `a` and `b` share.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// `bytes` cut at `at` and at the byte there: `(before, byte, after)`.
fn cut(bytes: &[u8], at: usize) -> Option<(&[u8], u8, &[u8])> {
    let (before, rest) = bytes.split_at_checked(at)?;
    let (&key, after) = rest.split_first()?;
    Some((before, key, after))
}

impl<V> Default for SubjectTree<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> SubjectTree<V> {
    /// An empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { root: None, len: 0 }
    }

    /// The number of subjects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all subjects.
    pub fn clear(&mut self) {
        self.len = 0;
        if let Some(root) = self.root.take() {
            drop_nodes(root);
        }
    }

    /// The value of exactly `subject`.
    #[must_use]
    pub fn get(&self, subject: &[u8]) -> Option<&V> {
        let mut node = self.root.as_ref()?;
        let mut rest = subject;
        loop {
            match node {
                Node::Leaf { suffix, value } => return (**suffix == *rest).then_some(value),
                Node::Branch(branch) => {
                    rest = rest.strip_prefix(&*branch.prefix)?;
                    match rest.split_first() {
                        None => return branch.value.as_deref(),
                        Some((&key, after)) => {
                            node = branch.child(key)?;
                            rest = after;
                        }
                    }
                }
            }
        }
    }

    /// The value of exactly `subject`, to change in place.
    pub fn get_mut(&mut self, subject: &[u8]) -> Option<&mut V> {
        let mut node = self.root.as_mut()?;
        let mut rest = subject;
        loop {
            match node {
                Node::Leaf { suffix, value } => return (**suffix == *rest).then_some(value),
                Node::Branch(branch) => {
                    rest = rest.strip_prefix(&*branch.prefix)?;
                    match rest.split_first() {
                        None => return branch.value.as_deref_mut(),
                        Some((&key, after)) => {
                            node = branch.child_mut(key)?;
                            rest = after;
                        }
                    }
                }
            }
        }
    }

    /// Whether `subject` is present.
    #[must_use]
    pub fn contains(&self, subject: &[u8]) -> bool {
        self.get(subject).is_some()
    }

    /// Sets the value of `subject`; returns the one it replaces.
    pub fn insert(&mut self, subject: &[u8], value: V) -> Option<V> {
        if let Some(have) = self.get_mut(subject) {
            return Some(mem::replace(have, value));
        }
        self.get_or_insert_with(subject, || value);
        None
    }

    /// The value of `subject`, made by `make` when it is missing.
    pub fn get_or_insert_with(&mut self, subject: &[u8], make: impl FnOnce() -> V) -> &mut V {
        let len = &mut self.len;
        let mut make = Some(make);
        let mut fresh = || {
            *len += 1;
            make.take().expect("a walk ends at the one entry it makes")()
        };
        let mut rest = subject;
        let mut node =
            self.root.get_or_insert_with(|| Node::Leaf { suffix: subject.into(), value: fresh() });
        loop {
            node.make_room(rest);
            match node {
                Node::Leaf { value, .. } => return value,
                Node::Branch(branch) => {
                    rest = rest.get(branch.prefix.len()..).unwrap_or_default();
                    let Some((&key, after)) = rest.split_first() else {
                        return branch.value.get_or_insert_with(|| Box::new(fresh()));
                    };
                    let at = match branch.keys.place(key) {
                        Ok(at) => at,
                        Err(at) => {
                            branch.add(key, Node::Leaf { suffix: after.into(), value: fresh() });
                            at
                        }
                    };
                    node = &mut branch.nodes[at];
                    rest = after;
                }
            }
        }
    }

    /// Takes `subject` out.
    pub fn remove(&mut self, subject: &[u8]) -> Option<V> {
        if let Some(Node::Leaf { suffix, .. }) = &self.root {
            if **suffix != *subject {
                return None;
            }
            self.len -= 1;
            return match self.root.take() {
                Some(Node::Leaf { value, .. }) => Some(value),
                _ => None,
            };
        }
        let mut node = self.root.as_mut()?;
        let mut rest = subject;
        loop {
            let Node::Branch(branch) = node else { return None };
            rest = rest.strip_prefix(&*branch.prefix)?;
            let removed = match rest.split_first() {
                None => *branch.value.take()?,
                Some((&key, after)) => {
                    let at = branch.keys.place(key).ok()?;
                    if let Node::Branch(_) = branch.nodes.get(at)? {
                        node = match node {
                            Node::Branch(branch) => branch.nodes.get_mut(at)?,
                            Node::Leaf { .. } => return None,
                        };
                        rest = after;
                        continue;
                    }
                    match branch.nodes.get(at)? {
                        Node::Leaf { suffix, .. } if **suffix == *after => {}
                        _ => return None,
                    }
                    branch.keys.remove(key);
                    match branch.nodes.remove(at) {
                        Node::Leaf { value, .. } => value,
                        Node::Branch(_) => return None,
                    }
                }
            };
            node.tidy();
            self.len -= 1;
            return Some(removed);
        }
    }

    /// Calls `visit` with every subject `pattern` matches, in byte order.
    pub fn match_pattern(&self, pattern: &[u8], mut visit: impl FnMut(&[u8], &V)) {
        self.match_until(pattern, |subject, value| {
            visit(subject, value);
            Flow::Continue
        });
    }

    /// Like [`Self::match_pattern`], until `visit` says stop; returns what it said last.
    pub fn match_until(&self, pattern: &[u8], mut visit: impl FnMut(&[u8], &V) -> Flow) -> Flow {
        self.walk(pattern, Cursor::start(pattern), &mut visit)
    }

    /// Calls `visit` with every subject, in byte order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &V)) {
        self.for_each_until(|subject, value| {
            visit(subject, value);
            Flow::Continue
        });
    }

    /// Like [`Self::for_each`], until `visit` says stop; returns what it said last.
    pub fn for_each_until(&self, mut visit: impl FnMut(&[u8], &V) -> Flow) -> Flow {
        self.walk(REST, Cursor::Anything, &mut visit)
    }

    fn walk(
        &self,
        pattern: &[u8],
        start: Cursor,
        visit: &mut dyn FnMut(&[u8], &V) -> Flow,
    ) -> Flow {
        let mut subject: Vec<u8> = Vec::with_capacity(64);
        let mut frames: Vec<Frame<'_, V>> = Vec::new();
        let mut next = self.root.as_ref().map(|root| (root, start));
        loop {
            if let Some((node, cursor)) = next.take() {
                let mark = subject.len();
                let (bytes, value) = match node {
                    Node::Leaf { suffix, value } => (suffix, Some(value)),
                    Node::Branch(branch) => (&branch.prefix, branch.value.as_deref()),
                };
                if let Some(cursor) = cursor.over(pattern, bytes) {
                    subject.extend_from_slice(bytes);
                    if let Some(value) = value
                        && cursor.accepts(pattern)
                        && visit(&subject, value) == Flow::Stop
                    {
                        return Flow::Stop;
                    }
                    if let Node::Branch(branch) = node {
                        let (from, last) = cursor.wanted(pattern);
                        let mark = subject.len();
                        frames.push(Frame { branch, from, last, mark, cursor });
                        continue;
                    }
                }
                subject.truncate(mark);
            }
            let Some(frame) = frames.last_mut() else { return Flow::Continue };
            subject.truncate(frame.mark);
            let Some(key) = frame.next_key() else {
                frames.pop();
                continue;
            };
            if let Some(node) = frame.branch.child(key)
                && let Some(cursor) = frame.cursor.step(pattern, key)
            {
                subject.push(key);
                next = Some((node, cursor));
            }
        }
    }
}

/// One branch on the way of a walk.
struct Frame<'t, V> {
    branch: &'t Branch<V>,
    /// The keys still to visit: `from..=last`; none when `from` is `None`.
    from: Option<u8>,
    last: u8,
    /// The length of the subject up to and with this branch's prefix.
    mark: usize,
    cursor: Cursor,
}

impl<V> Frame<'_, V> {
    fn next_key(&mut self) -> Option<u8> {
        let key = self.branch.keys.next(self.from?).filter(|&key| key <= self.last);
        self.from = key.and_then(|key| key.checked_add(1));
        key
    }
}

/// How far a pattern has matched the bytes walked so far. Offsets are into the pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cursor {
    /// The next byte must be the one at this offset.
    Text(usize),
    /// At the first byte of a token that `*`, at this offset, stands for.
    OneStart(usize),
    /// Inside a token that `*`, at this offset, stands for.
    One(usize),
    /// At the first byte of what `>` stands for.
    RestStart,
    /// Everything matches.
    Anything,
}

impl Cursor {
    fn start(pattern: &[u8]) -> Self {
        Self::token(pattern, 0)
    }

    /// At the start of the pattern's token at offset `at`.
    fn token(pattern: &[u8], at: usize) -> Self {
        let rest = pattern.get(at..).unwrap_or_default();
        if rest == REST {
            Self::RestStart
        } else if split_token(rest).0 == ONE {
            Self::OneStart(at)
        } else {
            Self::Text(at)
        }
    }

    fn step(self, pattern: &[u8], byte: u8) -> Option<Self> {
        match self {
            Self::Text(at) if pattern.get(at) == Some(&byte) => Some(if byte == SEPARATOR {
                Self::token(pattern, at + 1)
            } else {
                Self::Text(at + 1)
            }),
            Self::Text(_) => None,
            Self::OneStart(at) | Self::One(at) if byte != SEPARATOR => Some(Self::One(at)),
            Self::One(at) if pattern.get(at + 1) == Some(&SEPARATOR) => {
                Some(Self::token(pattern, at + 2))
            }
            Self::OneStart(_) | Self::One(_) => None,
            Self::RestStart | Self::Anything => Some(Self::Anything),
        }
    }

    fn over(self, pattern: &[u8], bytes: &[u8]) -> Option<Self> {
        if self == Self::Anything {
            return Some(self);
        }
        bytes.iter().try_fold(self, |cursor, &byte| cursor.step(pattern, byte))
    }

    /// The range of bytes that may come next; none when its start is `None`.
    fn wanted(self, pattern: &[u8]) -> (Option<u8>, u8) {
        match self {
            Self::Text(at) => {
                let byte = pattern.get(at).copied();
                (byte, byte.unwrap_or_default())
            }
            _ => (Some(0), u8::MAX),
        }
    }

    fn accepts(self, pattern: &[u8]) -> bool {
        match self {
            Self::Text(at) => at == pattern.len(),
            Self::One(at) => at + 1 == pattern.len(),
            Self::Anything => true,
            Self::OneStart(_) | Self::RestStart => false,
        }
    }
}

impl<V> Node<V> {
    /// Splits this node unless it is the leaf of `subject` or a branch `subject` runs through.
    fn make_room(&mut self, subject: &[u8]) {
        let bytes = match self {
            Self::Leaf { suffix, .. } if **suffix == *subject => return,
            Self::Leaf { suffix, .. } => &**suffix,
            Self::Branch(branch) if subject.starts_with(&branch.prefix) => return,
            Self::Branch(branch) => &*branch.prefix,
        };
        let shared = common(bytes, subject);
        let split = Branch {
            prefix: subject.get(..shared).unwrap_or_default().into(),
            value: None,
            keys: Keys::default(),
            nodes: Vec::new(),
        };
        let old = mem::replace(self, Self::Branch(Box::new(split)));
        let Self::Branch(split) = self else { return };
        match old {
            Self::Leaf { suffix, value } => match cut(&suffix, shared) {
                None => split.value = Some(Box::new(value)),
                Some((_, key, after)) => {
                    split.add(key, Self::Leaf { suffix: after.into(), value });
                }
            },
            Self::Branch(mut branch) => {
                if let Some((_, key, after)) = cut(&branch.prefix, shared) {
                    branch.prefix = after.into();
                    split.add(key, Self::Branch(branch));
                }
            }
        }
    }

    /// Turns a branch left with a single entry into that entry.
    fn tidy(&mut self) {
        let Self::Branch(branch) = self else { return };
        match (branch.value.take(), branch.nodes.len()) {
            (Some(value), 0) => {
                let suffix = mem::take(&mut branch.prefix);
                *self = Self::Leaf { suffix, value: *value };
            }
            (None, 1) => {
                let (Some(key), Some(mut only)) = (branch.keys.next(0), branch.nodes.pop()) else {
                    return;
                };
                let bytes = match &mut only {
                    Self::Leaf { suffix, .. } => suffix,
                    Self::Branch(below) => &mut below.prefix,
                };
                *bytes = [&*branch.prefix, &[key], &**bytes].concat().into();
                *self = only;
            }
            (value, left) => {
                branch.value = value;
                if branch.nodes.capacity() > left * 2 + 2 {
                    branch.nodes.shrink_to(left + 1);
                }
            }
        }
    }
}

impl<V> Drop for SubjectTree<V> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Drops a subtree without recursion: subjects that are prefixes of each other make it deep.
fn drop_nodes<V>(root: Node<V>) {
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop() {
        if let Node::Branch(branch) = node {
            nodes.extend(branch.nodes);
        }
    }
}
