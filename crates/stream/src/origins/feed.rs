//! One origin of a stream: how far it was read, and what is wanted of it next.

use std::sync::Arc;

use store::Filter;
use subject::Transform;
use types::{ApiError, ExternalStream, StreamSource, StreamSourceInfo, errors};

use super::batch::{OriginBatch, OriginRead, ReadFrom, ReaderId, Ticket};
use super::name;
use crate::ctx::{Ctx, StreamEnv};

/// After so long an origin that is not there is asked for again.
const RETRY_NS: u64 = 250_000_000;
/// After so long a message that could not be stored is tried again.
const HOLD_NS: u64 = 250_000_000;
/// That time doubles so often at most.
const MOST_DOUBLINGS: u32 = 4;
/// An origin that is silent is heard of that often (`sourceHealthHB`).
const HEARTBEAT_NS: u64 = 1_000_000_000;

/// Whether a feed waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Something is to be asked, not before this time.
    Due(u64),
    /// It was asked.
    Asked,
    /// It has messages that could not be stored, to be tried again at this time.
    Held(u64),
}

/// Messages that wait to be stored.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) batch: OriginBatch,
    /// So many of them are dealt with.
    pub(crate) done: usize,
}

/// One origin.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Its number, which the stream does not use again.
    pub(crate) id: u32,
    source: StreamSource,
    /// Its name within the stream.
    pub(crate) index: String,
    stream: Arc<str>,
    external: Option<Arc<ExternalStream>>,
    filter: Arc<Filter>,
    transforms: Vec<Option<Transform>>,
    reader: Arc<ReaderId>,
    /// Last sequence of the origin that was dealt with.
    pub(crate) seen: u64,
    /// The same as of the last commit.
    pub(crate) committed: u64,
    /// Where to begin where this much was dealt with.
    start: (u64, ReadFrom),
    /// Where to read on.
    from: ReadFrom,
    lag: u64,
    heard_at: Option<u64>,
    attached: bool,
    error: Option<ApiError>,
    serial: u64,
    link: Link,
    held: Option<Held>,
    /// How often in a row nothing of what is held could be stored.
    in_vain: u32,
    /// What the origin was told to be safe.
    told: u64,
    keeps: bool,
}

/// The stream that a feed belongs to.
pub(crate) struct Home<'a> {
    pub(crate) stream: &'a str,
    pub(crate) account: &'a str,
    pub(crate) env: &'a StreamEnv,
}

impl Home<'_> {
    fn reader(&self, kind: &str, name: String) -> ReaderId {
        let mut metadata = vec![
            (format!("_nats.{kind}.stream"), self.stream.to_owned()),
            (format!("_nats.{kind}.acc"), self.account.to_owned()),
        ];
        if !self.env.domain.is_empty() {
            metadata.push((format!("_nats.{kind}.domain"), self.env.domain.clone()));
        }
        ReaderId { name, metadata }
    }
}

impl Feed {
    /// The origin of a mirror.
    ///
    /// # Errors
    /// 10154 for a transform that cannot be made.
    pub(crate) fn mirror(source: &StreamSource, home: &Home<'_>) -> Result<Self, ApiError> {
        let name = name::mirror_reader(home.stream, home.account, &home.env.domain);
        let row = errors::MIRROR_INVALID_TRANSFORM_DESTINATION;
        Feed::new(source, home.reader("mirror", name), |error| row.with(error))
    }

    /// One of several sources.
    ///
    /// # Errors
    /// 10146 for a transform that cannot be made.
    pub(crate) fn source(
        source: &StreamSource,
        all: &[StreamSource],
        home: &Home<'_>,
    ) -> Result<Self, ApiError> {
        let (stream, account) = (home.stream, home.account);
        let name = name::source_reader(stream, account, &home.env.domain, source, all);
        let row = errors::SOURCE_INVALID_TRANSFORM_DESTINATION;
        Feed::new(source, home.reader("src", name), |error| row.with(error))
    }

    fn new(
        source: &StreamSource,
        reader: ReaderId,
        refuse: impl Fn(subject::TransformError) -> ApiError,
    ) -> Result<Self, ApiError> {
        let mut transforms = Vec::new();
        for transform in &source.subject_transforms {
            let filter_only = transform.dest.is_empty();
            let made = Transform::new(or_all(&transform.src), &transform.dest);
            transforms.push(if filter_only { None } else { Some(made.map_err(&refuse)?) });
        }
        let filter = if !source.filter_subject.is_empty() {
            Filter::any_of([source.filter_subject.as_str()])
        } else {
            Filter::any_of(source.subject_transforms.iter().map(|t| or_all(&t.src)))
        };
        let start = ReadFrom { seq: source.opt_start_seq, time: source.opt_start_time };
        let external = source.external.as_ref().filter(|external| !external.api.is_empty());
        Ok(Feed {
            id: 0,
            index: name::index(source),
            stream: source.name.as_str().into(),
            external: external.cloned().map(Arc::new),
            filter: Arc::new(filter),
            transforms,
            reader: Arc::new(reader),
            seen: 0,
            committed: 0,
            start: (0, start),
            from: start,
            lag: 0,
            heard_at: None,
            attached: false,
            error: None,
            serial: 0,
            link: Link::Due(0),
            held: None,
            in_vain: 0,
            told: 0,
            keeps: false,
            source: source.clone(),
        })
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &StreamSource {
        &self.source
    }

    /// Set where the origin is not in this account.
    pub(crate) fn external(&self) -> Option<&Arc<ExternalStream>> {
        self.external.as_ref()
    }

    /// Who reads.
    pub(crate) fn reader(&self) -> &Arc<ReaderId> {
        &self.reader
    }

    /// Whether both are the same reader of the same origin.
    pub(crate) fn reads_as(&self, other: &Feed) -> bool {
        self.stream == other.stream
            && self.external == other.external
            && self.reader.name == other.reader.name
    }

    /// Whether there is no such stream in this account.
    pub(crate) fn is_missing(&self) -> bool {
        let gone = |error: &ApiError| error.is(errors::STREAM_NOT_FOUND);
        self.external.is_none() && self.error.as_ref().is_some_and(gone)
    }

    /// Whether the origin waits to hear what is safe.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Goes on behind a sequence that was dealt with, instead of where the configuration says.
    pub(crate) fn resume(&mut self, seen: u64) {
        (self.seen, self.committed) = (seen, seen);
        self.from = ReadFrom { seq: seen + 1, time: None };
        self.start = (seen, self.from);
    }

    /// Goes on with what is at least that new.
    pub(crate) fn not_before(&mut self, time: types::Timestamp) {
        self.from.time = self.from.time.max(Some(time));
        self.start.1 = self.from;
    }

    /// The subject under which a message of this origin is stored, if it is another one.
    pub(crate) fn rename(&self, subject: &[u8]) -> Option<Vec<u8>> {
        self.transforms.iter().flatten().find_map(|transform| transform.apply(subject))
    }

    /// What is to be asked now. `safe` is what the origin may forget.
    pub(crate) fn ask(&mut self, safe: u64, ctx: &Ctx<'_>) -> Option<OriginRead> {
        let wanted = match self.link {
            Link::Due(at) => at <= ctx.mono_ns,
            Link::Asked => self.keeps && safe > self.told,
            Link::Held(_) => false,
        };
        if !wanted {
            return None;
        }
        self.serial += 1;
        self.link = Link::Asked;
        self.told = safe;
        Some(OriginRead {
            ticket: Ticket { feed: self.id, serial: self.serial },
            stream: Arc::clone(&self.stream),
            external: self.external.clone(),
            from: self.from,
            filter: Arc::clone(&self.filter),
            first: !self.attached,
            safe,
            reader: Arc::clone(&self.reader),
        })
    }

    /// When it is to be asked again; `None` while it waits for an answer.
    pub(crate) fn due_at(&self) -> Option<u64> {
        match self.link {
            Link::Due(at) | Link::Held(at) => Some(at),
            Link::Asked => None,
        }
    }

    /// Whether an answer is for the last question.
    pub(crate) fn expects(&self, ticket: Ticket) -> bool {
        self.link == Link::Asked && self.serial == ticket.serial
    }

    /// The origin answered; answers to its other questions do not count any more.
    pub(crate) fn heard(&mut self, keeps: bool, ctx: &Ctx<'_>) {
        self.heard_at = Some(ctx.mono_ns);
        self.attached = true;
        self.keeps = keeps;
        self.error = None;
    }

    /// All of an answer was dealt with.
    pub(crate) fn read_on(&mut self, next: u64, lag: u64) {
        self.from = ReadFrom { seq: next, time: None };
        self.lag = lag;
        self.link = Link::Due(0);
        self.in_vain = 0;
    }

    /// Not all could be stored: the rest waits until something leaves the stream, or a little.
    pub(crate) fn hold(&mut self, held: Held, progress: bool, ctx: &Ctx<'_>) {
        self.lag = held.batch.pending + (held.batch.len() - held.done) as u64;
        self.in_vain = if progress { 0 } else { (self.in_vain + 1).min(MOST_DOUBLINGS) };
        self.held = Some(held);
        self.link = Link::Held(ctx.mono_ns.saturating_add(HOLD_NS << self.in_vain));
    }

    /// What is held is to be tried now; true if there is something.
    pub(crate) fn release(&mut self) -> bool {
        let holds = matches!(self.link, Link::Held(_));
        if holds {
            // Long ago, but not "when the round ends".
            self.link = Link::Held(1);
        }
        holds
    }

    /// What was held and is due.
    pub(crate) fn take_held(&mut self, ctx: &Ctx<'_>) -> Option<Held> {
        match self.link {
            Link::Held(at) if at <= ctx.mono_ns => self.held.take(),
            Link::Held(_) | Link::Due(_) | Link::Asked => None,
        }
    }

    /// There is no such origin, at present.
    pub(crate) fn failed(&mut self, error: ApiError, ctx: &Ctx<'_>) {
        self.error = Some(error);
        self.attached = false;
        self.link = Link::Due(ctx.mono_ns.saturating_add(RETRY_NS));
    }

    #[cfg(test)]
    pub(crate) fn ask_again(&mut self, ctx: &Ctx<'_>) {
        if self.link == Link::Asked {
            self.link = Link::Due(ctx.mono_ns);
        }
    }

    /// What was not committed is read again, a little later.
    pub(crate) fn roll_back(&mut self, ctx: &Ctx<'_>) {
        if self.seen != self.committed {
            self.seen = self.committed;
            self.rewind(self.committed, ctx);
        }
    }

    /// What is above `last` is read again, a little later.
    pub(crate) fn rewind(&mut self, last: u64, ctx: &Ctx<'_>) {
        let (seen, start) = self.start;
        self.held = None;
        self.from = if last == seen { start } else { ReadFrom { seq: last + 1, time: None } };
        self.link = Link::Due(ctx.mono_ns.saturating_add(HOLD_NS));
    }

    /// What is reported of it (`server/stream.go` `sourceInfo`).
    pub(crate) fn info(&self, ctx: &Ctx<'_>) -> StreamSourceInfo {
        let active_ns = match self.heard_at {
            None => -1,
            Some(at) => {
                let silent = ctx.mono_ns.saturating_sub(at);
                let silent = if self.attached { silent % HEARTBEAT_NS } else { silent };
                i64::try_from(silent).unwrap_or(i64::MAX)
            }
        };
        StreamSourceInfo {
            name: self.source.name.clone(),
            external: self.source.external.clone(),
            lag: self.lag,
            active_ns,
            error: self.error.clone(),
            filter_subject: self.source.filter_subject.clone(),
            subject_transforms: self.source.subject_transforms.clone(),
        }
    }
}

fn or_all(text: &str) -> &str {
    if text.is_empty() { ">" } else { text }
}
