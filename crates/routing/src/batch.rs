//! Routes messages and hands them over in batches.

use std::sync::Arc;

use crate::cross::Link;
use crate::ingest::{IngestBatch, IngestSink, Pushed};
use crate::match_cache::{MappingCache, MatchCache, Matches};
use crate::responses::REPLY_PREFIX;
use crate::subscription::{Counted, StreamTarget, Subscription, Target};
use crate::{ClientSink, ConnId, Msg, Requester, SubjectSpace};

/// Routes the messages of one sender.
///
/// [`publish`](Self::publish) queues; [`finish`](Self::finish) flushes what was queued: one
/// write per client, one hand-over per shard.
#[derive(Default)]
pub struct RouteBatch {
    cache: MatchCache,
    scratch: Matches,
    dirty: Vec<Arc<ClientSink>>,
    ingest: Vec<(Arc<dyn IngestSink>, IngestBatch)>,
    refused: Vec<IngestBatch>,
    pressed: bool,
    stalled: Vec<Arc<ClientSink>>,
    pick: u32,
    mapped: MappingCache,
    /// Imports that the message being published has passed.
    pub(crate) chain: Vec<Link>,
    pub(crate) requester: Option<Arc<dyn Requester>>,
}

/// A message on its way to its receivers.
#[derive(Clone, Copy)]
pub(crate) struct Out<'a> {
    pub(crate) msg: &'a Msg<'a>,
    /// The subject that clients see.
    pub(crate) shown: &'a [u8],
    pub(crate) from: ConnId,
    /// It came from another account as a request or an answer: accounts that import messages from
    /// here do not get it.
    pub(crate) imported: bool,
}

/// Whether a subject is worth remembering.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recurs {
    Likely,
    /// Ack and inbox subjects are new with every message.
    Unlikely,
}

fn draw(state: &mut u32) -> u32 {
    // xorshift: spreading load needs no better.
    let mut x = if *state == 0 { 0x9e37_79b9 } else { *state };
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    x
}

fn recurs(subject: &[u8]) -> Recurs {
    let unlikely = [b"$JS.ACK.".as_slice(), b"_INBOX.", REPLY_PREFIX];
    if unlikely.iter().any(|prefix| subject.starts_with(prefix)) {
        Recurs::Unlikely
    } else {
        Recurs::Likely
    }
}

impl RouteBatch {
    /// Nothing queued.
    pub fn new() -> Self {
        RouteBatch::default()
    }

    /// Says who publishes; services of other accounts are told.
    pub fn set_requester(&mut self, requester: Arc<dyn Requester>) {
        self.requester = Some(requester);
    }

    /// The subject that a message goes to instead, by the account's mappings. Empty where it is
    /// to be lost (`server/accounts.go` `selectMappedSubject`).
    pub fn map_subject(&mut self, space: &SubjectSpace, subject: &[u8]) -> Option<Arc<[u8]>> {
        if !space.has_mappings() {
            return None;
        }
        let Self { mapped, pick, .. } = self;
        mapped.get(space, subject, || u8::try_from(draw(pick) % 100).unwrap_or(0))
    }

    /// Queues a message for everyone who subscribes; answers how many got it.
    pub fn publish(&mut self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) -> usize {
        self.publish_shown(space, msg, msg.subject, from)
    }

    /// As [`publish`](Self::publish), but clients see `shown` as the subject: a consumer delivers
    /// to its own subject, with the stored one in the message (`server/client.go` `c.pa.deliver`).
    pub fn publish_shown(
        &mut self,
        space: &Arc<SubjectSpace>,
        msg: &Msg<'_>,
        shown: &[u8],
        from: ConnId,
    ) -> usize {
        self.publish_out(space, Out { msg, shown, from, imported: false })
    }

    pub(crate) fn publish_out(&mut self, space: &Arc<SubjectSpace>, out: Out<'_>) -> usize {
        let msg = out.msg;
        if recurs(msg.subject) == Recurs::Unlikely {
            let mut matches = std::mem::take(&mut self.scratch);
            matches.clear();
            space.match_into(msg.subject, &mut matches);
            let count = self.deliver_all(space, &matches, out);
            matches.clear();
            self.scratch = matches;
            count
        } else {
            let cached = self.cache.get(space, msg.subject);
            self.deliver_all(space, &cached.matches, out)
        }
    }

    /// Queues a message for the subscriptions of one client only (status replies to the
    /// publisher itself); answers whether it had one.
    pub fn publish_to(
        &mut self,
        space: &Arc<SubjectSpace>,
        msg: &Msg<'_>,
        to: &Arc<ClientSink>,
    ) -> bool {
        let mut matches = std::mem::take(&mut self.scratch);
        matches.clear();
        space.match_into(msg.subject, &mut matches);
        let all = matches.plain.iter().chain(matches.queues.iter().flat_map(|q| &q.subs));
        let own = all.filter(|sub| sub.sink().is_some_and(|sink| Arc::ptr_eq(sink, to)));
        let mut delivered = false;
        for sub in own {
            let out = Out { msg, shown: msg.subject, from: 0, imported: false };
            delivered = self.deliver(space, sub, out);
            if delivered {
                break;
            }
        }
        matches.clear();
        self.scratch = matches;
        delivered
    }

    /// Remembers to flush a client whose outbox the caller wrote to directly.
    pub fn mark_dirty(&mut self, sink: &Arc<ClientSink>) {
        self.dirty.push(Arc::clone(sink));
    }

    fn deliver_all(&mut self, space: &Arc<SubjectSpace>, matches: &Matches, out: Out<'_>) -> usize {
        let mut count = 0;
        for sub in &matches.plain {
            count += usize::from(self.deliver(space, sub, out));
        }
        for group in &matches.queues {
            // A random start, then whoever takes it: members that are closing refuse.
            let members = group.subs.len();
            let start = draw(&mut self.pick) as usize % members.max(1);
            let order = group.subs.iter().cycle().skip(start).take(members);
            for sub in order {
                if self.deliver(space, sub, out) {
                    count += 1;
                    break;
                }
            }
        }
        count
    }

    fn deliver(
        &mut self,
        space: &Arc<SubjectSpace>,
        sub: &Arc<Subscription>,
        out: Out<'_>,
    ) -> bool {
        if sub.is_shadow() {
            return self.deliver_image(sub, out);
        }
        let Out { msg, from, .. } = out;
        match &sub.target {
            Target::Client(sink) => self.deliver_client(space, sub, sink, out),
            Target::Stream(target) => {
                self.deliver_stream(target, msg, from);
                true
            }
            Target::Service(service) => {
                // A service may ask a shard: what was published before must be there first.
                self.hand_over();
                service.call(space, msg, from);
                true
            }
            Target::Import(import) => self.cross(space, import, out),
            Target::Responses => self.respond(space, out),
        }
    }

    /// Delivers to a subscription of another account, that imports messages from here.
    fn deliver_image(&mut self, image: &Arc<Subscription>, out: Out<'_>) -> bool {
        let Some(shadow) = image.shadow() else { return false };
        if out.imported || image.is_closed() {
            return false;
        }
        let (Some(sub), Some(home)) = (shadow.of.upgrade(), shadow.home.upgrade()) else {
            return false;
        };
        let rewritten = shadow.import.rewrite.apply(out.msg.subject);
        let msg = Msg { subject: rewritten.as_deref().unwrap_or(out.msg.subject), ..*out.msg };
        // What a consumer delivers keeps the subject that it was stored under.
        let shown = if out.shown == out.msg.subject { msg.subject } else { out.shown };
        match &sub.target {
            Target::Client(sink) => {
                self.deliver_client(&home, &sub, sink, Out { msg: &msg, shown, ..out })
            }
            Target::Stream(target) => {
                self.deliver_stream(target, &msg, out.from);
                true
            }
            Target::Service(_) | Target::Import(_) | Target::Responses => false,
        }
    }

    fn deliver_stream(&mut self, target: &StreamTarget, msg: &Msg<'_>, from: ConnId) {
        let id = target.sink.inbox_id();
        let at = match self.ingest.iter().position(|(sink, _)| sink.inbox_id() == id) {
            Some(at) => at,
            None => {
                self.ingest.push((Arc::clone(&target.sink), IngestBatch::default()));
                self.ingest.len() - 1
            }
        };
        if let Some((_, batch)) = self.ingest.get_mut(at) {
            batch.add(target.slot, target.kind, from, msg);
        }
    }

    fn deliver_client(
        &mut self,
        space: &Arc<SubjectSpace>,
        sub: &Arc<Subscription>,
        sink: &Arc<ClientSink>,
        out: Out<'_>,
    ) -> bool {
        if sub.is_closed() || !sink.accepts(out.msg.subject, out.from) {
            return false;
        }
        let counted = sub.count();
        if counted == Counted::Beyond {
            return false;
        }
        if counted == Counted::Last {
            // Before the client can see the message: it may use the sid anew at once.
            sub.close();
        }
        let delivered = match sink.push(&sub.sid, out.msg, out.shown) {
            wire::Pushed::First => {
                self.dirty.push(Arc::clone(sink));
                true
            }
            wire::Pushed::Queued => true,
            wire::Pushed::Stalled => {
                // Looked at in `finish`; once in a row is enough.
                if !self.dirty.last().is_some_and(|last| Arc::ptr_eq(last, sink)) {
                    self.dirty.push(Arc::clone(sink));
                }
                true
            }
            wire::Pushed::SlowConsumer | wire::Pushed::Closed => false,
        };
        if counted == Counted::Last {
            space.unsubscribe(sub);
        }
        delivered
    }

    /// Gives the shards their batches.
    fn hand_over(&mut self) {
        for (sink, batch) in self.ingest.drain(..) {
            match sink.push(batch) {
                Pushed::Accepted => {}
                Pushed::Pressed => self.pressed = true,
                Pushed::Refused(batch) => self.refused.push(batch),
            }
        }
    }

    /// Hands everything over: clients are flushed, shards get their batches.
    pub fn finish(&mut self) {
        self.hand_over();
        self.stalled.clear();
        for sink in self.dirty.drain(..) {
            sink.outbox.flush();
            if sink.outbox.is_stalled() {
                self.stalled.push(sink);
            }
        }
    }

    /// Batches that a full shard refused since the last call; their senders are owed an error.
    pub fn take_refused(&mut self) -> Vec<IngestBatch> {
        std::mem::take(&mut self.refused)
    }

    /// Whether the sender should pause: a shard's inbox, or a client's outbound queue, is nearly
    /// full. Answers anew each time; cheap when nothing is wrong.
    pub fn should_pause(&mut self) -> bool {
        self.stalled.retain(|sink| sink.outbox.is_stalled());
        std::mem::take(&mut self.pressed) || !self.stalled.is_empty()
    }
}
