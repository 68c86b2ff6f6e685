//! What a stream wants done: messages to route, advisories to publish, subjects to watch.

use types::advisory::Advisory;

/// Messages to route in the stream's account, in order, and what else is to be done.
///
/// All bytes are in one arena: adding a message allocates nothing once the arena has grown.
#[derive(Debug, Default)]
pub struct Effects {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    advisories: Vec<Advisory>,
    watches: Vec<Watch>,
    gone: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    dest: u32,
    subject: u32,
    reply: u32,
    headers: u32,
    payload: u32,
    /// Sequence that must be committed before this may go; 0 is none.
    after_seq: u64,
}

/// A message to route to `dest`'s subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The subject that decides who gets it: a deliver subject or an inbox.
    pub dest: &'a [u8],
    /// The subject that the receiver sees; for a consumer's delivery the stored subject.
    pub subject: &'a [u8],
    /// Reply subject, or empty.
    pub reply: &'a [u8],
    /// Header block, or empty.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// A change of the deliver subjects that a stream wants to hear about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Call `Stream::interest_changed` for this consumer when interest in `subject` changes.
    Start {
        /// Consumer name.
        consumer: String,
        /// Deliver subject.
        subject: String,
    },
    /// No longer.
    Stop {
        /// Consumer name.
        consumer: String,
        /// Deliver subject.
        subject: String,
    },
}

impl Effects {
    /// Nothing to do.
    pub fn new() -> Self {
        Effects::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.advisories.is_empty()
            && self.watches.is_empty()
            && self.gone.is_empty()
    }

    /// Messages queued.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes queued.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Adds a message whose receivers see the subject it is sent to.
    pub fn send(&mut self, subject: &[u8], reply: &[u8], headers: &[u8], payload: &[u8]) {
        let mut m = self.message(subject);
        m.reply(reply);
        m.headers(headers);
        m.payload(payload);
    }

    /// Begins a message to `dest`; its parts are written in order and it is added as it stands.
    pub(crate) fn message(&mut self, dest: &[u8]) -> Draft<'_> {
        let start = self.arena.len();
        self.arena.extend_from_slice(dest);
        self.entries.push(Entry {
            start,
            dest: part_len(dest.len()),
            subject: 0,
            reply: 0,
            headers: 0,
            payload: 0,
            after_seq: 0,
        });
        let index = self.entries.len() - 1;
        Draft { fx: self, index }
    }

    /// Adds an advisory, to be rendered with id and time by whoever publishes it.
    pub fn advisory(&mut self, advisory: Advisory) {
        self.advisories.push(advisory);
    }

    /// Adds a change of watched deliver subjects.
    pub fn watch(&mut self, watch: Watch) {
        self.watches.push(watch);
    }

    /// Notes that a consumer is gone for good.
    pub fn consumer_gone(&mut self, name: &str) {
        self.gone.push(name.to_owned());
    }

    /// The messages in order.
    pub fn iter(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.entries.iter().map(|e| self.outgoing(e))
    }

    /// The advisories in order.
    pub fn advisories(&self) -> &[Advisory] {
        &self.advisories
    }

    /// The watch changes in order.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// Names of consumers that are gone for good.
    pub fn gone_consumers(&self) -> &[String] {
        &self.gone
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.entries.clear();
        self.advisories.clear();
        self.watches.clear();
        self.gone.clear();
    }

    /// Moves everything of `other` behind what is here.
    pub(crate) fn append(&mut self, other: &mut Effects) {
        if self.entries.is_empty() && self.arena.is_empty() {
            std::mem::swap(&mut self.arena, &mut other.arena);
            std::mem::swap(&mut self.entries, &mut other.entries);
        } else {
            let base = self.arena.len();
            self.arena.extend_from_slice(&other.arena);
            self.entries
                .extend(other.entries.iter().map(|e| Entry { start: base + e.start, ..*e }));
            other.arena.clear();
            other.entries.clear();
        }
        self.advisories.append(&mut other.advisories);
        self.watches.append(&mut other.watches);
        self.gone.append(&mut other.gone);
    }

    /// Moves everything of `other` behind what is here, but messages that depend on a sequence
    /// above `committed` go through `refuse` instead.
    pub(crate) fn append_committed(
        &mut self,
        other: &mut Effects,
        committed: u64,
        mut refuse: impl FnMut(&mut Effects, Outgoing<'_>),
    ) {
        for entry in &other.entries {
            let out = other.outgoing(entry);
            if entry.after_seq > committed {
                refuse(self, out);
                continue;
            }
            let mut m = self.message(out.dest);
            if out.subject != out.dest {
                m.subject(out.subject);
            }
            m.reply(out.reply);
            m.headers(out.headers);
            m.payload(out.payload);
        }
        other.arena.clear();
        other.entries.clear();
        self.advisories.append(&mut other.advisories);
        self.watches.append(&mut other.watches);
        self.gone.append(&mut other.gone);
    }

    fn outgoing(&self, e: &Entry) -> Outgoing<'_> {
        let mut at = e.start;
        let mut part = |len: u32| {
            let from = at;
            at += len as usize;
            self.arena.get(from..at).unwrap_or_default()
        };
        let dest = part(e.dest);
        let subject = part(e.subject);
        let (reply, headers, payload) = (part(e.reply), part(e.headers), part(e.payload));
        let subject = if subject.is_empty() { dest } else { subject };
        Outgoing { dest, subject, reply, headers, payload }
    }
}

/// A length as it is kept per message; parts are far smaller than 4 GiB by the protocol's limits.
fn part_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A message being written. Parts must be written in the order of the methods here.
pub(crate) struct Draft<'f> {
    fx: &'f mut Effects,
    index: usize,
}

impl Draft<'_> {
    fn put(&mut self, bytes: &[u8], field: impl FnOnce(&mut Entry) -> &mut u32) {
        self.fx.arena.extend_from_slice(bytes);
        if let Some(entry) = self.fx.entries.get_mut(self.index) {
            *field(entry) += part_len(bytes.len());
        }
    }

    /// Adds to the subject that the receiver sees.
    pub(crate) fn subject(&mut self, bytes: &[u8]) {
        self.put(bytes, |e| &mut e.subject);
    }

    /// Adds to the reply subject.
    pub(crate) fn reply(&mut self, bytes: &[u8]) {
        self.put(bytes, |e| &mut e.reply);
    }

    /// Adds to the header block.
    pub(crate) fn headers(&mut self, bytes: &[u8]) {
        self.put(bytes, |e| &mut e.headers);
    }

    /// Adds a number to the header block.
    pub(crate) fn header_number(&mut self, n: impl itoa::Integer) {
        self.headers(itoa::Buffer::new().format(n).as_bytes());
    }

    /// Adds text that formats itself to the header block.
    pub(crate) fn header_display(&mut self, value: impl std::fmt::Display) {
        struct Sink<'a, 'f>(&'a mut Draft<'f>);
        impl std::fmt::Write for Sink<'_, '_> {
            fn write_str(&mut self, s: &str) -> std::fmt::Result {
                self.0.headers(s.as_bytes());
                Ok(())
            }
        }
        use std::fmt::Write as _;
        // The sink never fails.
        let _ = write!(Sink(self), "{value}");
    }

    /// Adds to the payload.
    pub(crate) fn payload(&mut self, bytes: &[u8]) {
        self.put(bytes, |e| &mut e.payload);
    }

    /// Adds a number to the payload.
    pub(crate) fn payload_number(&mut self, n: u64) {
        self.payload(itoa::Buffer::new().format(n).as_bytes());
    }

    /// Holds the message back until this sequence is committed.
    pub(crate) fn after_seq(&mut self, seq: u64) {
        if let Some(entry) = self.fx.entries.get_mut(self.index) {
            entry.after_seq = seq;
        }
    }
}
