//! One stream in its shard, with what the shard keeps for it.

use std::sync::Arc;

use hashbrown::HashMap;
use routing::{Ingest, IngestKind, Msg, RouteBatch, SubjectSpace, WatchId};
use stream::{AckMsg, AckSubject, Ctx, DirectGet, Effects, Interest, Publish, Stream, Watch};
use subject::MatchResult;
use types::Timestamp;

use super::inbox::{DeliverWatcher, Inbox};
use super::link::Parked;
use crate::advisories;
use crate::ids::Ids;
use crate::registry::StreamEntry;
use crate::subjects;

/// Answers a stream's questions about interest from its account's subscriptions.
pub(super) struct SpaceInterest<'a>(pub(super) &'a SubjectSpace);

impl Interest for SpaceInterest<'_> {
    fn has_interest(&self, subject: &[u8]) -> bool {
        self.0.has_interest(subject)
    }

    fn has_listener(&self, subject: &[u8], queue: &[u8]) -> bool {
        let mut found = MatchResult::default();
        self.0.match_into(subject, &mut found);
        let mut listeners = if queue.is_empty() {
            found.plain.iter()
        } else {
            let group = found.queues.iter().find(|group| *group.name == *queue);
            group.map_or([].iter(), |group| group.subs.iter())
        };
        listeners.any(|sub| *sub.pattern == *subject)
    }
}

/// Work for a stream that waits until there is time for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// What its opening did not read is still to be checked.
    Verify,
    /// It is to give memory back when nobody uses it.
    Rest,
    /// Nothing until it is used again.
    Nothing,
}

pub(super) struct Slot {
    pub(super) entry: Arc<StreamEntry>,
    pub(super) stream: Stream,
    pub(super) fx: Effects,
    /// It panicked: nobody may rely on its state any more.
    pub(super) failed: bool,
    /// It is on the shard's list for this round.
    pub(super) touched: bool,
    /// When somebody used it last, on the monotonic clock.
    pub(super) used_ns: u64,
    /// What is to be done for it when there is time.
    pub(super) upkeep: Upkeep,
    /// The deadline that its timer is set to.
    armed: Option<u64>,
    /// Reads of other streams for which there is nothing yet; at most one per source that names
    /// this stream.
    pub(super) parked: Vec<Parked>,
    watches: HashMap<(String, String), WatchId, foldhash::fast::RandomState>,
}

impl Slot {
    pub(super) fn new(entry: Arc<StreamEntry>, stream: Stream, fx: Effects) -> Self {
        Slot {
            entry,
            stream,
            fx,
            failed: false,
            touched: false,
            used_ns: 0,
            upkeep: Upkeep::Verify,
            armed: None,
            parked: Vec::new(),
            watches: HashMap::default(),
        }
    }

    /// Hands a message to the stream, by what its subject means.
    pub(super) fn apply(&mut self, ctx: &Ctx<'_>, message: &Ingest<'_>) {
        let Msg { subject, reply, headers, payload } = message.msg;
        match message.kind {
            IngestKind::Publish => {
                self.stream.publish(ctx, Publish { subject, reply, headers, payload });
            }
            IngestKind::Ack => {
                let Some(ack) = AckSubject::parse(subject) else { return };
                let ack = AckMsg {
                    consumer: ack.consumer,
                    delivered: ack.delivered,
                    stream_seq: ack.stream_seq,
                    consumer_seq: ack.consumer_seq,
                    reply,
                    payload,
                };
                self.stream.ack(ctx, ack, &mut self.fx);
            }
            IngestKind::Next => {
                let consumer = subjects::next_consumer(subject);
                self.stream.next(ctx, consumer, reply, payload, &mut self.fx);
            }
            IngestKind::DirectGet => {
                let last_by_subject = subjects::direct_get_subject(subject);
                let get = DirectGet { last_by_subject, headers, payload, reply };
                self.stream.direct_get(ctx, get, &mut self.fx);
            }
            IngestKind::FlowControl => {
                let consumer = subjects::flow_control_consumer(subject);
                self.stream.flow_control(ctx, consumer, subject, &mut self.fx);
            }
        }
    }

    /// Whether a timer entry is the one in force; it is spent then.
    pub(super) fn timer_fired(&mut self, deadline: u64) -> bool {
        let in_force = self.armed == Some(deadline);
        if in_force {
            self.armed = None;
        }
        in_force
    }

    /// The deadline to set a timer to, where that is not set already.
    pub(super) fn next_timer(&mut self) -> Option<u64> {
        if self.failed {
            return None;
        }
        let deadline = self.stream.next_deadline_ns()?;
        // A timer that fires too early costs one look; moving it back and forth costs entries.
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return None;
        }
        self.armed = Some(deadline);
        Some(deadline)
    }

    /// Starts and ends watches of deliver subjects, as the stream asked.
    pub(super) fn update_watches(&mut self, inbox: &Arc<Inbox>, number: u32) {
        for watch in self.fx.watches() {
            match watch {
                Watch::Start { consumer, subject } => {
                    let watcher = Arc::new(DeliverWatcher {
                        inbox: Arc::clone(inbox),
                        slot: number,
                        consumer: consumer.as_str().into(),
                    });
                    let id = self.entry.space().watch(subject.as_bytes(), watcher);
                    let old = self.watches.insert((consumer.clone(), subject.clone()), id);
                    if let Some(old) = old {
                        self.entry.space().unwatch(old);
                    }
                }
                Watch::Stop { consumer, subject } => {
                    if let Some(id) = self.watches.remove(&(consumer.clone(), subject.clone())) {
                        self.entry.space().unwatch(id);
                    }
                }
            }
        }
    }

    pub(super) fn unwatch_all(&mut self) {
        for (_, id) in self.watches.drain() {
            self.entry.space().unwatch(id);
        }
    }

    /// Queues everything that the stream has to send.
    pub(super) fn route(&mut self, route: &mut RouteBatch, now: Timestamp, ids: &Ids) {
        if self.fx.is_empty() {
            return;
        }
        let space = self.entry.space();
        for out in self.fx.iter() {
            let msg = Msg {
                subject: out.dest,
                reply: out.reply,
                headers: out.headers,
                payload: out.payload,
            };
            route.publish_shown(space, &msg, out.subject, 0);
        }
        for advisory in self.fx.advisories() {
            advisories::publish(route, space, advisory, now, ids);
        }
        self.fx.clear();
    }

    /// Gives the stream up after a panic.
    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.fx.clear();
        self.unwatch_all();
        self.turn_away();
        self.entry.failed("internal error");
        tracing::error!(
            account = self.entry.space().name(),
            stream = self.entry.name(),
            "the stream panicked and is out of service until the server restarts"
        );
    }
}
