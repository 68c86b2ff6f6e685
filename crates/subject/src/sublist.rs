//! The index of subscriptions: from a published subject to everyone who wants it.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::grammar::{self, Kind, ONE, REST, split_token};

type Map<V> = HashMap<Box<[u8]>, V, RandomState>;

/// Subscriptions by pattern and queue group (server/sublist.go `Sublist`).
///
/// Subscriptions to literal subjects live in one flat map, so that they cost one hash; those with
/// wildcards live in a trie of tokens. Has no lock and no cache: the account wraps it.
/// `T` is a cheap handle, usually an `Arc`.
#[derive(Debug)]
pub struct Sublist<T> {
    literals: Map<Subs<T>>,
    wildcards: Level<T>,
    len: usize,
    inserts: u64,
    removes: u64,
}

/// The subscriptions of one exact pattern.
#[derive(Debug)]
struct Subs<T> {
    plain: Vec<T>,
    queues: Vec<(Arc<[u8]>, Vec<T>)>,
}

/// One token position of the trie.
#[derive(Debug)]
struct Level<T> {
    literals: Map<Node<T>>,
    one: Option<Box<Node<T>>>,
    rest: Option<Box<Subs<T>>>,
}

/// What ends at, and what follows, one token.
#[derive(Debug)]
struct Node<T> {
    here: Subs<T>,
    next: Option<Box<Level<T>>>,
}

/// The pattern is not a valid subject. Wire: `-ERR 'Invalid Subject'` on SUB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid subject")]
pub struct InvalidSubject;

/// The subscriptions of one queue group that match a subject; one of them gets the message.
#[derive(Clone, Debug)]
pub struct QueueMatch<T> {
    /// The queue group.
    pub name: Arc<[u8]>,
    /// Its matching subscriptions; never empty.
    pub subs: Vec<T>,
}

/// What matches a subject. Reuse one value: [`Sublist::match_into`] keeps its capacity.
#[derive(Clone, Debug)]
pub struct MatchResult<T> {
    /// Plain subscriptions: each gets the message.
    pub plain: Vec<T>,
    /// One entry per queue group name, members from all matching patterns.
    pub queues: Vec<QueueMatch<T>>,
}

/// Counters for the `/subsz` endpoint (server/sublist.go `SublistStats`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Subscriptions held.
    pub num_subscriptions: u64,
    /// Insertions since creation.
    pub num_inserts: u64,
    /// Removals since creation.
    pub num_removes: u64,
}

impl<T> Default for MatchResult<T> {
    fn default() -> Self {
        Self { plain: Vec::new(), queues: Vec::new() }
    }
}

impl<T> MatchResult<T> {
    /// Whether nobody matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    /// Forgets the matches, keeping capacity.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.queues.clear();
    }
}

impl<T> Subs<T> {
    const fn new() -> Self {
        Self { plain: Vec::new(), queues: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    fn insert(&mut self, queue: Option<&[u8]>, value: T) {
        let list = match queue {
            None => &mut self.plain,
            Some(name) => {
                let at = match self.queues.iter().position(|(have, _)| **have == *name) {
                    Some(at) => at,
                    None => {
                        self.queues.push((Arc::from(name), Vec::new()));
                        self.queues.len() - 1
                    }
                };
                match self.queues.get_mut(at) {
                    Some((_, list)) => list,
                    None => return,
                }
            }
        };
        if list.capacity() == 0 {
            // Most patterns have a single subscriber.
            list.reserve_exact(1);
        }
        list.push(value);
    }

    fn remove(&mut self, queue: Option<&[u8]>, which: &mut dyn FnMut(&T) -> bool) -> Option<T> {
        match queue {
            None => {
                let at = self.plain.iter().position(which)?;
                Some(self.plain.swap_remove(at))
            }
            Some(name) => {
                let group = self.queues.iter().position(|(have, _)| **have == *name)?;
                let (_, list) = self.queues.get_mut(group)?;
                let at = list.iter().position(which)?;
                let value = list.swap_remove(at);
                if list.is_empty() {
                    self.queues.swap_remove(group);
                }
                Some(value)
            }
        }
    }
}

impl<T> Level<T> {
    fn new() -> Self {
        Self { literals: Map::with_hasher(RandomState::default()), one: None, rest: None }
    }

    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.one.is_none() && self.rest.is_none()
    }
}

impl<T> Node<T> {
    fn new() -> Self {
        Self { here: Subs::new(), next: None }
    }
}

impl<T> Default for Sublist<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Sublist<T> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self {
            literals: Map::with_hasher(RandomState::default()),
            wildcards: Level::new(),
            len: 0,
            inserts: 0,
            removes: 0,
        }
    }

    /// The number of subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all memory of removed patterns was given back.
    #[cfg(test)]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.literals.is_empty() && self.wildcards.is_empty()
    }

    /// Counters for monitoring.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            num_subscriptions: self.len as u64,
            num_inserts: self.inserts,
            num_removes: self.removes,
        }
    }

    /// Adds one subscription. The same value may be added more than once.
    ///
    /// # Errors
    /// When `pattern` has an empty token or a `>` that is not last. White space is accepted, as
    /// the protocol parser already splits on it (server/sublist.go `Insert`).
    pub fn insert(
        &mut self,
        pattern: &[u8],
        queue: Option<&[u8]>,
        value: T,
    ) -> Result<(), InvalidSubject> {
        match tokens_kind(pattern) {
            None => return Err(InvalidSubject),
            Some(Kind::Literal) => match self.literals.get_mut(pattern) {
                Some(subs) => subs.insert(queue, value),
                None => {
                    let mut subs = Subs::new();
                    subs.insert(queue, value);
                    self.literals.insert(pattern.into(), subs);
                }
            },
            Some(Kind::Wildcard) => self.wildcards.insert(pattern, queue, value),
        }
        self.len += 1;
        self.inserts += 1;
        Ok(())
    }

    /// Removes and returns the first subscription under exactly this pattern and queue group for
    /// which `which` holds. `which` should compare handles without following them: a pattern may
    /// have thousands of subscribers.
    pub fn remove(
        &mut self,
        pattern: &[u8],
        queue: Option<&[u8]>,
        mut which: impl FnMut(&T) -> bool,
    ) -> Option<T> {
        let removed = match tokens_kind(pattern)? {
            Kind::Literal => {
                let subs = self.literals.get_mut(pattern)?;
                let value = subs.remove(queue, &mut which)?;
                if subs.is_empty() {
                    self.literals.remove(pattern);
                }
                value
            }
            Kind::Wildcard => self.wildcards.remove(pattern, queue, &mut which)?,
        };
        self.len -= 1;
        self.removes += 1;
        Some(removed)
    }

    /// Whether a message to the literal `subject` would reach anyone.
    #[must_use]
    pub fn has_interest(&self, subject: &[u8]) -> bool {
        self.walk(subject, &mut |_| false)
    }

    /// Whether any subscription could match a subject that `pattern` also matches. Costs a scan
    /// of all patterns when `pattern` has wildcards: not for the message path.
    #[must_use]
    pub fn has_interest_in_pattern(&self, pattern: &[u8]) -> bool {
        if !grammar::has_wildcards(pattern) {
            return self.has_interest(pattern);
        }
        if self.literals.keys().any(|subject| grammar::matches(subject, pattern)) {
            return true;
        }
        let mut found = false;
        self.wildcards.visit(&mut |have, _| {
            found = grammar::collide(have, pattern);
            !found
        });
        found
    }

    /// The number of plain subscriptions and of queue subscriptions that match `subject`
    /// (server/sublist.go `NumInterest`).
    #[must_use]
    pub fn count_interest(&self, subject: &[u8]) -> (usize, usize) {
        let (mut plain, mut queue) = (0, 0);
        self.walk(subject, &mut |subs| {
            plain += subs.plain.len();
            queue += subs.queues.iter().map(|(_, list)| list.len()).sum::<usize>();
            true
        });
        (plain, queue)
    }

    /// Calls `visit` with every pattern, queue group and subscription, in no particular order.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], Option<&[u8]>, &T)) {
        let mut each = |pattern: &[u8], subs: &Subs<T>| {
            for value in &subs.plain {
                visit(pattern, None, value);
            }
            for (name, list) in &subs.queues {
                for value in list {
                    visit(pattern, Some(name), value);
                }
            }
            true
        };
        for (subject, subs) in &self.literals {
            each(subject, subs);
        }
        self.wildcards.visit(&mut each);
    }

    /// Calls `each` with every group of subscriptions that matches; stops when it returns false.
    /// Returns whether it was stopped.
    fn walk(&self, subject: &[u8], each: &mut dyn FnMut(&Subs<T>) -> bool) -> bool {
        if let Some(subs) = self.literals.get(subject)
            && !each(subs)
        {
            return true;
        }
        if self.wildcards.is_empty() || !has_full_tokens(subject) {
            return false;
        }
        // Depth first; the path not taken waits in `branches` (a heap block only for deep forks).
        let mut branches = Branches::new();
        let mut at = Some((&self.wildcards, subject));
        while let Some((level, rest)) = at {
            let (token, following) = split_token(rest);
            if let Some(subs) = &level.rest
                && !each(subs)
            {
                return true;
            }
            let mut next = None;
            let one = level.one.as_deref();
            let literal = if level.literals.is_empty() { None } else { level.literals.get(token) };
            for node in [one, literal].into_iter().flatten() {
                match following {
                    None => {
                        if !node.here.is_empty() && !each(&node.here) {
                            return true;
                        }
                    }
                    Some(following) => {
                        if let Some(below) = node.next.as_deref()
                            && let Some(other) = next.replace((below, following))
                        {
                            branches.push(other);
                        }
                    }
                }
            }
            at = next.or_else(|| branches.pop());
        }
        false
    }
}

impl<T: Clone> Sublist<T> {
    /// Replaces the content of `result` with everyone who matches the literal `subject`. A subject
    /// with empty tokens matches nobody; wildcards in it are ordinary tokens.
    pub fn match_into(&self, subject: &[u8], result: &mut MatchResult<T>) {
        result.clear();
        self.walk(subject, &mut |subs| {
            result.plain.extend_from_slice(&subs.plain);
            for (name, list) in &subs.queues {
                match result.queues.iter_mut().find(|queue| queue.name == *name) {
                    Some(queue) => queue.subs.extend_from_slice(list),
                    None => result
                        .queues
                        .push(QueueMatch { name: Arc::clone(name), subs: list.clone() }),
                }
            }
            true
        });
    }
}

/// A stack of trie positions whose first entries need no heap.
struct Branches<'t, 's, T> {
    inline: [Option<(&'t Level<T>, &'s [u8])>; 8],
    len: usize,
    spilled: Vec<(&'t Level<T>, &'s [u8])>,
}

impl<'t, 's, T> Branches<'t, 's, T> {
    fn new() -> Self {
        Self { inline: [None; 8], len: 0, spilled: Vec::new() }
    }

    fn push(&mut self, position: (&'t Level<T>, &'s [u8])) {
        match self.inline.get_mut(self.len) {
            Some(slot) => {
                *slot = Some(position);
                self.len += 1;
            }
            None => self.spilled.push(position),
        }
    }

    fn pop(&mut self) -> Option<(&'t Level<T>, &'s [u8])> {
        if let Some(position) = self.spilled.pop() {
            return Some(position);
        }
        self.len = self.len.checked_sub(1)?;
        self.inline.get_mut(self.len)?.take()
    }
}

impl<T> Level<T> {
    fn insert(&mut self, pattern: &[u8], queue: Option<&[u8]>, value: T) {
        let mut level = self;
        let mut rest = pattern;
        loop {
            if rest == REST {
                return level
                    .rest
                    .get_or_insert_with(|| Box::new(Subs::new()))
                    .insert(queue, value);
            }
            let (token, following) = split_token(rest);
            let node = if token == ONE {
                level.one.get_or_insert_with(|| Box::new(Node::new()))
            } else {
                level.literals.entry(token.into()).or_insert_with(Node::new)
            };
            match following {
                None => return node.here.insert(queue, value),
                Some(following) => {
                    level = node.next.get_or_insert_with(|| Box::new(Level::new()));
                    rest = following;
                }
            }
        }
    }

    fn subs_mut(&mut self, pattern: &[u8]) -> Option<&mut Subs<T>> {
        let mut level = self;
        let mut rest = pattern;
        loop {
            if rest == REST {
                return level.rest.as_deref_mut();
            }
            let (token, following) = split_token(rest);
            let node = level.node_mut(token)?;
            match following {
                None => return Some(&mut node.here),
                Some(following) => {
                    level = node.next.as_deref_mut()?;
                    rest = following;
                }
            }
        }
    }

    fn node_mut(&mut self, token: &[u8]) -> Option<&mut Node<T>> {
        if token == ONE { self.one.as_deref_mut() } else { self.literals.get_mut(token) }
    }

    fn remove(
        &mut self,
        pattern: &[u8],
        queue: Option<&[u8]>,
        which: &mut dyn FnMut(&T) -> bool,
    ) -> Option<T> {
        let subs = self.subs_mut(pattern)?;
        let value = subs.remove(queue, which)?;
        if subs.is_empty() {
            self.prune(pattern);
        }
        Some(value)
    }

    /// Cuts the branch that ends at `pattern` and leads to nothing.
    fn prune(&mut self, pattern: &[u8]) {
        // Find the deepest level that stays useful without this branch: cutting its edge drops
        // everything below at once, with no recursion along the pattern.
        let mut keep_depth = 0;
        let mut depth = 0;
        let mut level = &*self;
        let mut rest = pattern;
        loop {
            let (token, following) = split_token(rest);
            let edges = level.literals.len()
                + usize::from(level.one.is_some())
                + usize::from(level.rest.is_some());
            if edges > 1 {
                keep_depth = depth;
            }
            let node = if token == ONE {
                level.one.as_deref()
            } else if rest == REST {
                None
            } else {
                level.literals.get(token)
            };
            let Some(node) = node else { break };
            match (following, node.next.as_deref()) {
                (Some(following), Some(next)) => {
                    depth += 1;
                    if !node.here.is_empty() {
                        keep_depth = depth;
                    }
                    level = next;
                    rest = following;
                }
                // Longer patterns run through this node: only its own list is empty.
                (None, Some(_)) => return,
                _ => break,
            }
        }
        self.cut(pattern, keep_depth);
    }

    /// Drops the edge that `pattern` takes out of the level at `depth`.
    fn cut(&mut self, pattern: &[u8], depth: usize) {
        let mut level = &mut *self;
        let mut rest = pattern;
        for _ in 0..depth {
            let (token, following) = split_token(rest);
            let (Some(node), Some(following)) = (level.node_mut(token), following) else { return };
            let Some(next) = node.next.as_deref_mut() else { return };
            level = next;
            rest = following;
        }
        let (token, _) = split_token(rest);
        let cut = if rest == REST {
            level.rest = None;
            None
        } else if token == ONE {
            level.one.take().map(|node| *node)
        } else {
            level.literals.remove(token)
        };
        if let Some(node) = cut {
            drop_nodes(vec![node]);
        }
        // The kept node above may lead to an empty level: forget that level.
        if level.is_empty() && depth > 0 {
            self.unhook(pattern, depth);
        }
    }

    /// Sets the `next` of the node that leads to the (empty) level at `depth` to nothing.
    fn unhook(&mut self, pattern: &[u8], depth: usize) {
        let mut level = self;
        let mut rest = pattern;
        for step in 1..=depth {
            let (token, following) = split_token(rest);
            let (Some(node), Some(following)) = (level.node_mut(token), following) else { return };
            if step == depth {
                node.next = None;
                return;
            }
            let Some(next) = node.next.as_deref_mut() else { return };
            level = next;
            rest = following;
        }
    }

    /// Calls `each` with every pattern and its subscriptions until it returns false.
    fn visit<'t>(&'t self, each: &mut dyn FnMut(&[u8], &'t Subs<T>) -> bool) {
        let mut work: Vec<(Vec<u8>, &'t Level<T>)> = vec![(Vec::new(), self)];
        while let Some((prefix, level)) = work.pop() {
            let join = |token: &[u8]| {
                let mut pattern = prefix.clone();
                if !pattern.is_empty() {
                    pattern.push(grammar::SEPARATOR);
                }
                pattern.extend_from_slice(token);
                pattern
            };
            if let Some(subs) = &level.rest
                && !each(&join(REST), subs)
            {
                return;
            }
            let one = level.one.as_deref().map(|node| (ONE, node));
            for (token, node) in
                one.into_iter().chain(level.literals.iter().map(|(k, n)| (&**k, n)))
            {
                let pattern = join(token);
                if !node.here.is_empty() && !each(&pattern, &node.here) {
                    return;
                }
                if let Some(next) = node.next.as_deref() {
                    work.push((pattern, next));
                }
            }
        }
    }
}

impl<T> Drop for Sublist<T> {
    fn drop(&mut self) {
        // A client chooses how deep a pattern goes; the stack must not depend on that.
        let mut nodes: Vec<Node<T>> = Vec::new();
        nodes.extend(self.wildcards.one.take().map(|node| *node));
        nodes.extend(self.wildcards.literals.drain().map(|(_, node)| node));
        drop_nodes(nodes);
    }
}

/// Drops nodes and all below them without recursion.
fn drop_nodes<T>(mut nodes: Vec<Node<T>>) {
    while let Some(mut node) = nodes.pop() {
        if let Some(mut level) = node.next.take() {
            nodes.extend(level.one.take().map(|node| *node));
            nodes.extend(level.literals.drain().map(|(_, node)| node));
        }
    }
}

/// The kind of a pattern by its tokens alone; `None` when a token is empty or `>` is not last.
fn tokens_kind(pattern: &[u8]) -> Option<Kind> {
    let mut kind = Kind::Literal;
    let mut ended = false;
    for token in grammar::tokens(pattern) {
        if token.is_empty() || ended {
            return None;
        }
        if token == ONE || token == REST {
            kind = Kind::Wildcard;
            ended = token == REST;
        }
    }
    Some(kind)
}

/// Whether no token is empty.
fn has_full_tokens(subject: &[u8]) -> bool {
    let mut previous = grammar::SEPARATOR;
    for &byte in subject {
        if byte == grammar::SEPARATOR && previous == grammar::SEPARATOR {
            return false;
        }
        previous = byte;
    }
    previous != grammar::SEPARATOR
}
