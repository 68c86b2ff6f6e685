//! The index of stored subjects: an ordered radix tree over bytes.

use std::mem;

use crate::grammar::{ONE, REST, SEPARATOR, split_token};
use crate::piece::{Piece, Texts};
use crate::pool::Pool;

/// A map from literal subjects to `V`, in byte order, that answers wildcard queries by walking
/// only the parts that match (server/stree `SubjectTree`).
///
/// A leaf stores only the bytes its neighbours do not share, and nothing has an allocation of its
/// own, so that a million subjects of one stream cost tens of megabytes. All operations run without
/// recursion: subjects are chosen by clients and may be long.
#[derive(Debug)]
pub struct SubjectTree<V> {
    root: Run,
    nodes: Pool<Node<V>>,
    texts: Texts,
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

/// The subjects whose next bytes are `text`.
#[derive(Debug)]
struct Node<V> {
    text: Piece,
    below: Below<V>,
}

#[derive(Default, Debug)]
enum Below<V> {
    /// A place in memory that nobody uses.
    #[default]
    Vacant,
    /// The one subject that ends here.
    Value(V),
    /// Two or more that go on, differently. One that ends here as well has the empty text there.
    Branch(Run),
}

/// Neighbours, in the order of their first bytes, which are different.
#[derive(Clone, Copy, Default, Debug)]
struct Run {
    at: u32,
    /// At most 257.
    len: u16,
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Node { text: Piece::default(), below: Below::Vacant }
    }
}

impl<V> Node<V> {
    fn value_mut(&mut self) -> Option<&mut V> {
        match &mut self.below {
            Below::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// Which of the neighbours goes on like `rest`, or which place its node would get.
fn find<V>(run: &[Node<V>], rest: &[u8]) -> Result<usize, usize> {
    let key = rest.first().copied();
    run.binary_search_by(|node| node.text.first().cmp(&key))
}

/// The number of leading bytes `a` and `b` share.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
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
        Self { root: Run { at: 0, len: 0 }, nodes: Pool::new(), texts: Pool::new(), len: 0 }
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
        *self = Self::new();
    }

    fn run(&self, run: Run) -> &[Node<V>] {
        self.nodes.run(run.at, usize::from(run.len))
    }

    /// Where the node of exactly `subject` is.
    fn seek(&self, subject: &[u8]) -> Option<(u32, &Node<V>)> {
        let mut run = self.root;
        let mut rest = subject;
        loop {
            let nodes = self.run(run);
            let index = find(nodes, rest).ok()?;
            let node = nodes.get(index)?;
            rest = rest.strip_prefix(node.text.bytes(&self.texts))?;
            match &node.below {
                Below::Branch(below) => run = *below,
                _ => return rest.is_empty().then_some((run.at + index as u32, node)),
            }
        }
    }

    /// The value of exactly `subject`.
    #[must_use]
    pub fn get(&self, subject: &[u8]) -> Option<&V> {
        match &self.seek(subject)?.1.below {
            Below::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value of exactly `subject`, to change in place.
    pub fn get_mut(&mut self, subject: &[u8]) -> Option<&mut V> {
        let (at, _) = self.seek(subject)?;
        self.nodes.get_mut(at)?.value_mut()
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
        let at = self.seat(subject, make);
        let value = self.nodes.get_mut(at).and_then(Node::value_mut);
        value.expect("a subject's seat holds its value")
    }

    /// Where the node of `subject` is, which is made when it is missing.
    fn seat(&mut self, subject: &[u8], make: impl FnOnce() -> V) -> u32 {
        let mut rest = subject;
        let (mut holder, mut run) = (None, self.root);
        loop {
            let nodes = self.nodes.run(run.at, usize::from(run.len));
            let index = find(nodes, rest).unwrap_or_else(|index| index);
            let at = run.at + index as u32;
            let node = nodes.get(index).filter(|node| node.text.first() == rest.first().copied());
            let Some(node) = node else {
                self.len += 1;
                let leaf = self.leaf(rest, make());
                run.at = self.nodes.insert(run.at, usize::from(run.len), index, leaf);
                run.len += 1;
                self.hold(holder, run);
                return run.at + index as u32;
            };
            let text = node.text.bytes(&self.texts);
            let shared = common(text, rest);
            let after = rest.get(shared..).unwrap_or_default();
            match node.below {
                Below::Branch(below) if shared == text.len() => {
                    (holder, run, rest) = (Some(at), below, after);
                }
                Below::Value(_) if shared == text.len() && after.is_empty() => return at,
                _ => {
                    self.len += 1;
                    return self.split(at, shared, after, make());
                }
            }
        }
    }

    fn leaf(&mut self, text: &[u8], value: V) -> Node<V> {
        Node { text: Piece::new(text, &mut self.texts), below: Below::Value(value) }
    }

    /// Makes the node at `at` a branch after the first `shared` bytes of its text, with a leaf of
    /// `after` below; answers where that is.
    fn split(&mut self, at: u32, shared: usize, after: &[u8], value: V) -> u32 {
        let mut old = self.nodes.get_mut(at).map(mem::take).unwrap_or_default();
        let whole = old.text.bytes(&self.texts).to_vec();
        mem::take(&mut old.text).free(&mut self.texts);
        let (head, tail) = whole.split_at_checked(shared).unwrap_or_default();
        old.text = Piece::new(tail, &mut self.texts);
        let new = self.leaf(after, value);
        let place = u32::from(old.text.first() < new.text.first());
        let below = Run { at: self.nodes.take(2), len: 2 };
        for (place, node) in [(place, new), (1 - place, old)] {
            if let Some(slot) = self.nodes.get_mut(below.at + place) {
                *slot = node;
            }
        }
        let text = Piece::new(head, &mut self.texts);
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = Node { text, below: Below::Branch(below) };
        }
        below.at + place
    }

    /// Notes where the run below a node, or that at the root, is now.
    fn hold(&mut self, holder: Option<u32>, run: Run) {
        match holder {
            None => self.root = run,
            Some(at) => {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.below = Below::Branch(run);
                }
            }
        }
    }

    /// Takes `subject` out.
    pub fn remove(&mut self, subject: &[u8]) -> Option<V> {
        let mut rest = subject;
        let (mut holder, mut run) = (None, self.root);
        let index = loop {
            let nodes = self.nodes.run(run.at, usize::from(run.len));
            let index = find(nodes, rest).ok()?;
            let node = nodes.get(index)?;
            rest = rest.strip_prefix(node.text.bytes(&self.texts))?;
            match node.below {
                Below::Branch(below) => (holder, run) = (Some(run.at + index as u32), below),
                _ if rest.is_empty() => break index,
                _ => return None,
            }
        };
        let (node, at) = self.nodes.remove(run.at, usize::from(run.len), index);
        node.text.free(&mut self.texts);
        run = Run { at, len: run.len - 1 };
        match holder {
            Some(at) if run.len == 1 => self.join(at, run),
            _ => self.hold(holder, run),
        }
        self.len -= 1;
        if self.len == 0 {
            self.clear();
        }
        match node.below {
            Below::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Turns the branch at `at`, which is left with a single node, into that one.
    fn join(&mut self, at: u32, run: Run) {
        let (only, _) = self.nodes.remove(run.at, 1, 0);
        let Some(branch) = self.nodes.get_mut(at).map(mem::take) else { return };
        let whole = [branch.text, only.text].map(|text| {
            let bytes = text.bytes(&self.texts).to_vec();
            text.free(&mut self.texts);
            bytes
        });
        let text = Piece::new(&whole.concat(), &mut self.texts);
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = Node { text, below: only.below };
        }
    }

    /// Gives memory back if removed subjects have left most of it unused.
    pub fn shrink(&mut self) {
        if !self.nodes.is_sparse() && !self.texts.is_sparse() {
            return;
        }
        let mut old_nodes = mem::replace(&mut self.nodes, Pool::new());
        let old_texts = mem::replace(&mut self.texts, Pool::new());
        let mut fetch = |run: Run, nodes: &mut Pool<Node<V>>| {
            let at = nodes.take(usize::from(run.len));
            let from = old_nodes.run_mut(run.at, usize::from(run.len));
            nodes.run_mut(at, from.len()).swap_with_slice(from);
            Run { at, ..run }
        };
        self.root = fetch(self.root, &mut self.nodes);
        let mut unfinished = vec![self.root];
        while let Some(run) = unfinished.pop() {
            for at in run.at..run.at + u32::from(run.len) {
                let Some(node) = self.nodes.get_mut(at) else { continue };
                node.text = Piece::new(node.text.bytes(&old_texts), &mut self.texts);
                if let Below::Branch(below) = node.below {
                    let below = fetch(below, &mut self.nodes);
                    self.hold(Some(at), below);
                    unfinished.push(below);
                }
            }
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
        let mut frames = Vec::with_capacity(16);
        frames.push(Frame::new(self.run(self.root), 0, start, pattern));
        while let Some(frame) = frames.last_mut() {
            subject.truncate(frame.mark);
            let Some((node, left)) = frame.left.split_first() else {
                frames.pop();
                continue;
            };
            frame.left = left;
            let text = node.text.bytes(&self.texts);
            let Some(cursor) = frame.cursor.over(pattern, text) else { continue };
            subject.extend_from_slice(text);
            match &node.below {
                Below::Value(value) => {
                    if cursor.accepts(pattern) && visit(&subject, value) == Flow::Stop {
                        return Flow::Stop;
                    }
                }
                Below::Branch(below) => {
                    frames.push(Frame::new(self.run(*below), subject.len(), cursor, pattern));
                }
                Below::Vacant => {}
            }
        }
        Flow::Continue
    }
}

/// One run of neighbours on the way of a walk.
struct Frame<'t, V> {
    /// Those still to visit.
    left: &'t [Node<V>],
    /// The length of the subject up to here.
    mark: usize,
    cursor: Cursor,
}

impl<'t, V> Frame<'t, V> {
    fn new(run: &'t [Node<V>], mark: usize, cursor: Cursor, pattern: &[u8]) -> Self {
        let left = match cursor {
            // One of them goes on like that, if any.
            Cursor::Text(at) => match find(run, pattern.get(at..).unwrap_or_default()) {
                Ok(index) => run.get(index..=index).unwrap_or_default(),
                Err(_) => &[],
            },
            _ => run,
        };
        Frame { left, mark, cursor }
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

    fn accepts(self, pattern: &[u8]) -> bool {
        match self {
            Self::Text(at) => at == pattern.len(),
            Self::One(at) => at + 1 == pattern.len(),
            Self::Anything => true,
            Self::OneStart(_) | Self::RestStart => false,
        }
    }
}
