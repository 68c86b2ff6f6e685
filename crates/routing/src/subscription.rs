//! One subscription and where its messages go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::shadow::Shadow;
use crate::{
    ClientSink, ConnId, IngestKind, IngestSink, Msg, ServiceImport, StreamImport, SubjectSpace,
};

/// One subscription of an account.
pub struct Subscription {
    /// Subject or pattern.
    pub pattern: Box<[u8]>,
    /// Queue group, if any.
    pub queue: Option<Box<[u8]>>,
    /// The client's own id for it; empty for internal ones.
    pub sid: Box<[u8]>,
    /// Where messages go.
    pub target: Target,
    max: AtomicU64,
    delivered: AtomicU64,
    closed: AtomicBool,
    shadow: Option<Box<Shadow>>,
}

/// Where a subscription's messages go.
pub enum Target {
    /// A client's outbound queue.
    Client(Arc<ClientSink>),
    /// A stream, by way of its shard.
    Stream(StreamTarget),
    /// Code of the server.
    Service(Arc<dyn Service>),
    /// A service of another account.
    Import(Arc<ServiceImport>),
    /// Whoever asked a service of this account from another one.
    Responses,
}

/// A stream as a target.
#[derive(Clone)]
pub struct StreamTarget {
    /// Inbox of the shard that owns the stream.
    pub sink: Arc<dyn IngestSink>,
    /// The stream's place in the shard.
    pub slot: u32,
    /// What a message on this subject means.
    pub kind: IngestKind,
}

/// Server code that answers messages, such as the JetStream API.
pub trait Service: Send + Sync {
    /// Takes one message. Called on the publisher's thread: must not block.
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId);
}

impl Subscription {
    /// A client's subscription.
    pub fn client(
        pattern: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        sink: Arc<ClientSink>,
    ) -> Arc<Self> {
        Arc::new(Self::new(pattern, queue, sid, Target::Client(sink)))
    }

    /// A subscription of the server's own.
    pub fn internal(pattern: &[u8], target: Target) -> Arc<Self> {
        Arc::new(Self::new(pattern, None, b"", target))
    }

    /// A subscription of the server's own that takes turns with others of its group.
    pub fn internal_member(pattern: &[u8], queue: &[u8], target: Target) -> Arc<Self> {
        Arc::new(Self::new(pattern, Some(queue), b"", target))
    }

    fn new(pattern: &[u8], queue: Option<&[u8]>, sid: &[u8], target: Target) -> Self {
        Subscription {
            pattern: pattern.into(),
            queue: queue.map(Into::into),
            sid: sid.into(),
            target,
            max: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            shadow: None,
        }
    }

    /// The image of a subscription in an account that exports; `None` where it has no use there.
    pub(crate) fn shadow_of(
        sub: &Arc<Subscription>,
        home: &Arc<SubjectSpace>,
        import: &Arc<StreamImport>,
        pattern: &[u8],
    ) -> Option<Arc<Self>> {
        let target = match &sub.target {
            Target::Client(sink) => Target::Client(Arc::clone(sink)),
            Target::Stream(target) => Target::Stream(target.clone()),
            Target::Service(_) | Target::Import(_) | Target::Responses => return None,
        };
        let mut image = Self::new(pattern, sub.queue.as_deref(), &sub.sid, target);
        image.shadow = Some(Box::new(Shadow {
            import: Arc::clone(import),
            of: Arc::downgrade(sub),
            home: Arc::downgrade(home),
        }));
        Some(Arc::new(image))
    }

    /// Set in images of subscriptions of other accounts.
    pub(crate) fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_deref()
    }

    /// Whether it is the image of a subscription of another account, which imports messages.
    pub fn is_shadow(&self) -> bool {
        self.shadow.is_some()
    }

    /// The client behind it, if there is one.
    pub fn sink(&self) -> Option<&Arc<ClientSink>> {
        match &self.target {
            Target::Client(sink) => Some(sink),
            _ => None,
        }
    }

    /// Limits it to `max` messages in all (`UNSUB sid max`); true if that many have come already.
    pub fn limit(&self, max: u64) -> bool {
        self.max.store(max, Ordering::Relaxed);
        max > 0 && self.delivered.load(Ordering::Relaxed) >= max
    }

    /// The limit of [`limit`](Self::limit); 0 is none.
    pub fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Messages delivered so far.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Whether it was unsubscribed, or has had all messages it was limited to.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Counts one delivery.
    pub(crate) fn count(&self) -> Counted {
        let nth = self.delivered.fetch_add(1, Ordering::Relaxed) + 1;
        match self.max.load(Ordering::Relaxed) {
            0 => Counted::More,
            max if nth < max => Counted::More,
            max if nth == max => Counted::Last,
            _ => Counted::Beyond,
        }
    }
}

/// Where a delivery stands against the subscription's limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    More,
    Last,
    Beyond,
}
