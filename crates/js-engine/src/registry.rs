//! One stream as its account knows it: where it runs, what it takes in, what it has reserved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use js_account::{StreamQuota, StreamReservation};
use parking_lot::Mutex;
use routing::{IngestKind, IngestSink, StreamTarget, SubjectSpace, Subscription, Target};
use types::{ApiError, ExternalStream, StreamConfig, Timestamp, errors};

use crate::account::JsAccount;
use crate::shard::Inbox;
use crate::subjects;

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Being made or recovered.
    Opening,
    /// Serving.
    Live,
    /// Being deleted.
    Closing,
    /// There, but not served, with the reason.
    Offline(String),
}

/// Whether anybody can say how a stream is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// It was created, or read.
    Configured,
    /// Its directory is there, its configuration is lost: who creates it says what it is.
    NameOnly,
}

/// A stream of an account. Its content belongs to its shard.
pub(crate) struct StreamEntry {
    name: String,
    /// Where the streams are that it reads.
    account: Weak<JsAccount>,
    space: Arc<SubjectSpace>,
    inbox: Arc<Inbox>,
    slot: u32,
    created: AtomicI64,
    /// The configuration in force; readers need no lock.
    config: ArcSwap<StreamConfig>,
    /// Subjects that no other stream may take; during an update the old and the new ones.
    claims: Mutex<Vec<String>>,
    standing: Mutex<Standing>,
    knowledge: Knowledge,
    /// Of a stream that is not served: consumers that are not either, with the reason.
    offline_consumers: BTreeMap<String, String>,
    /// `None` once it takes in nothing any more.
    subscriptions: Mutex<Option<Vec<Arc<Subscription>>>>,
    /// A mirror answers direct gets of its origin while that is not there.
    stands_in_for: Mutex<Option<String>>,
    /// Given back when the stream is forgotten.
    reservation: Mutex<Option<StreamReservation>>,
}

/// What makes an entry.
pub(crate) struct EntryParts {
    pub(crate) account: Weak<JsAccount>,
    pub(crate) space: Arc<SubjectSpace>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) slot: u32,
    pub(crate) created: Timestamp,
    pub(crate) config: StreamConfig,
    pub(crate) reservation: StreamReservation,
    pub(crate) standing: Standing,
    pub(crate) knowledge: Knowledge,
    pub(crate) offline_consumers: BTreeMap<String, String>,
}

impl StreamEntry {
    pub(crate) fn new(parts: EntryParts) -> Arc<Self> {
        Arc::new(StreamEntry {
            name: parts.config.name.clone(),
            account: parts.account,
            space: parts.space,
            inbox: parts.inbox,
            slot: parts.slot,
            created: AtomicI64::new(parts.created.unix_ns()),
            claims: Mutex::new(parts.config.subjects.clone()),
            config: ArcSwap::from_pointee(parts.config),
            standing: Mutex::new(parts.standing),
            knowledge: parts.knowledge,
            offline_consumers: parts.offline_consumers,
            subscriptions: Mutex::new(Some(Vec::new())),
            stands_in_for: Mutex::new(None),
            reservation: Mutex::new(Some(parts.reservation)),
        })
    }

    /// The quota that the stream charges its messages to; asked for once.
    pub(crate) fn quota(&self) -> Result<StreamQuota, ApiError> {
        let held = self.reservation.lock();
        held.as_ref().map(StreamReservation::quota).ok_or_else(|| errors::STREAM_INVALID.err())
    }

    /// Changes what is reserved, if `change` of the stream itself works out.
    pub(crate) fn with_reserved(
        &self,
        max_bytes: i64,
        change: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut held = self.reservation.lock();
        let held = held.as_mut().ok_or_else(|| errors::STREAM_INVALID.err())?;
        let reserved = held.change(max_bytes)?;
        change()?;
        reserved.keep();
        Ok(())
    }

    /// Takes out what is reserved, to be given back.
    pub(crate) fn give_back(&self) -> Option<StreamReservation> {
        self.reservation.lock().take()
    }

    /// A stream that this one reads; 10059 where it is not there now.
    pub(crate) fn origin(
        &self,
        name: &str,
        external: Option<&ExternalStream>,
    ) -> Result<Arc<StreamEntry>, ApiError> {
        let account = self.account.upgrade().ok_or_else(|| errors::STREAM_NOT_FOUND.err())?;
        account.origin(name, external)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn space(&self) -> &Arc<SubjectSpace> {
        &self.space
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_unix_ns(self.created.load(Ordering::Relaxed))
    }

    /// A restored stream has the age that its snapshot says.
    pub(crate) fn set_created(&self, created: Timestamp) {
        self.created.store(created.unix_ns(), Ordering::Relaxed);
    }

    pub(crate) fn config(&self) -> Arc<StreamConfig> {
        self.config.load_full()
    }

    pub(crate) fn offline_consumers(&self) -> &BTreeMap<String, String> {
        &self.offline_consumers
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// Whether it waits for somebody to configure it again.
    pub(crate) fn is_unconfigured(&self) -> bool {
        self.knowledge == Knowledge::NameOnly
            && matches!(*self.standing.lock(), Standing::Offline(_))
    }

    /// Moves on to being deleted, and answers how it stood; `None` where somebody else is at it.
    pub(crate) fn begin_closing(&self) -> Option<Standing> {
        let mut standing = self.standing.lock();
        let free = matches!(*standing, Standing::Live | Standing::Offline(_));
        free.then(|| std::mem::replace(&mut *standing, Standing::Closing))
    }

    /// The delete did not happen.
    pub(crate) fn closing_failed(&self, reason: &str) {
        *self.standing.lock() = Standing::Offline(reason.to_owned());
    }

    /// Whether any of these subjects may reach this stream.
    pub(crate) fn overlaps(&self, subjects: &[String]) -> bool {
        let claims = self.claims.lock();
        let collide =
            |a: &String| claims.iter().any(|b| subject::collide(a.as_bytes(), b.as_bytes()));
        subjects.iter().any(collide)
    }

    /// Claims more subjects, next to those in force.
    pub(crate) fn claim_too(&self, subjects: &[String]) {
        let mut claims = self.claims.lock();
        for subject in subjects {
            if !claims.contains(subject) {
                claims.push(subject.clone());
            }
        }
    }

    /// Claims what the configuration in force says, no more.
    pub(crate) fn settle_claims(&self) {
        self.claims.lock().clone_from(&self.config.load().subjects);
    }

    /// Starts serving: from here on messages reach the stream.
    pub(crate) fn go_live(self: &Arc<Self>) {
        self.subscribe_to(&self.config());
        *self.standing.lock() = Standing::Live;
    }

    /// Puts a changed configuration in force.
    pub(crate) fn changed(self: &Arc<Self>, config: StreamConfig) {
        self.subscribe_to(&config);
        self.config.store(Arc::new(config));
        self.settle_claims();
    }

    /// Subscribes to what the configuration takes in, and to nothing else. What stays is not
    /// interrupted.
    fn subscribe_to(self: &Arc<Self>, config: &StreamConfig) {
        let stands_in_for = self.stands_in_for.lock().clone();
        let wanted = subjects::of_stream(config, stands_in_for.as_deref());
        let mut held = self.subscriptions.lock();
        let Some(held) = &mut *held else { return };
        let (stay, go): (Vec<_>, Vec<_>) = held.drain(..).partition(|sub| {
            wanted.iter().any(|(pattern, kind)| {
                let Target::Stream(target) = &sub.target else { return false };
                *sub.pattern == *pattern.as_bytes() && target.kind == *kind
            })
        });
        *held = stay;
        for (pattern, kind) in wanted {
            if held.iter().any(|sub| *sub.pattern == *pattern.as_bytes()) {
                continue;
            }
            let sink = Arc::clone(&self.inbox) as Arc<dyn IngestSink>;
            let target = Target::Stream(StreamTarget { sink, slot: self.slot, kind });
            let sub = match kind {
                IngestKind::DirectGet => Subscription::internal_member(
                    pattern.as_bytes(),
                    subjects::DIRECT_GROUP,
                    target,
                ),
                _ => Subscription::internal(pattern.as_bytes(), target),
            };
            match self.space.subscribe(&sub) {
                Ok(()) => held.push(sub),
                Err(_) => tracing::error!(stream = self.name, pattern, "cannot subscribe"),
            }
        }
        self.space.unsubscribe_all(&go);
    }

    /// Begins or ends to answer direct gets of an origin that is not there.
    pub(crate) fn stand_in_for(self: &Arc<Self>, origin: Option<&str>) {
        {
            let mut held = self.stands_in_for.lock();
            if held.as_deref() == origin {
                return;
            }
            *held = origin.map(str::to_owned);
        }
        if self.standing() == Standing::Live {
            self.subscribe_to(&self.config());
        }
    }

    /// Takes in nothing any more, whatever changes.
    pub(crate) fn unsubscribe(&self) {
        let subs = self.subscriptions.lock().take().unwrap_or_default();
        self.space.unsubscribe_all(&subs);
    }

    /// Out of service, but still there.
    pub(crate) fn failed(&self, reason: &str) {
        self.unsubscribe();
        *self.standing.lock() = Standing::Offline(reason.to_owned());
        if let Some(reservation) = self.reservation.lock().as_mut() {
            reservation.release();
        }
    }
}
