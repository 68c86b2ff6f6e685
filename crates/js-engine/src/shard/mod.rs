//! A shard: the thread that owns streams, and its round.

mod call;
mod inbox;
mod link;
mod slot;
mod timers;
mod upkeep;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use env::Clock;
use routing::{IngestBatch, RouteBatch};
use stream::{Ctx, Effects, Ready};
use types::{ApiError, Timestamp, errors};

pub(crate) use call::{Call, Close, Ending, Open, Release, TypedCall};
pub(crate) use inbox::{Inbox, Input};
use slot::{Slot, SpaceInterest};
use timers::Timers;

use crate::ids::Ids;

/// Most messages taken in before a round commits; more only make its acks wait.
const ROUND_MSGS: usize = 16 * 1024;
/// Most bytes taken in before a round commits.
const ROUND_BYTES: usize = 16 << 20;

/// One shard. Lives on its own thread, owns its streams.
pub(crate) struct Shard {
    inbox: Arc<Inbox>,
    rx: Receiver<Input>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    /// By slot number; numbers are not used twice, so that a late message never meets another
    /// stream.
    slots: Vec<Option<Box<Slot>>>,
    timers: Timers,
    agenda: upkeep::Agenda,
    /// Slots with something to commit, deliver or route in this round.
    touched: Vec<u32>,
    /// Slots that have more to deliver.
    ready: Vec<u32>,
    route: RouteBatch,
    calls: Vec<(Box<dyn Call>, Option<ApiError>)>,
    releases: Vec<Release>,
    now: Timestamp,
    mono_ns: u64,
}

/// What an input brought.
#[derive(Clone, Copy, Debug, Default)]
struct Inboxed {
    msgs: usize,
    bytes: usize,
}

/// Whether the shard goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    On,
    End,
}

impl Shard {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        rx: Receiver<Input>,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Self {
        let (now, mono_ns) = (Timestamp::from_unix_ns(clock.wall_ns()), clock.mono_ns());
        Shard {
            inbox,
            rx,
            clock,
            ids,
            slots: Vec::new(),
            timers: Timers::default(),
            agenda: upkeep::Agenda::default(),
            touched: Vec::new(),
            ready: Vec::new(),
            route: RouteBatch::new(),
            calls: Vec::new(),
            releases: Vec::new(),
            now,
            mono_ns,
        }
    }

    /// Runs until it is told to stop, or nobody can tell it anything any more.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.wait() {
            if self.round(first) == Turn::End {
                break;
            }
        }
        self.stop_all();
    }

    /// The first input of the next round; `Some(None)` where a timer or a delivery is due instead.
    fn wait(&mut self) -> Option<Option<Input>> {
        if !self.ready.is_empty() {
            return match self.rx.try_recv() {
                Ok(input) => Some(Some(input)),
                Err(crossbeam_channel::TryRecvError::Empty) => Some(None),
                Err(crossbeam_channel::TryRecvError::Disconnected) => None,
            };
        }
        if let Ok(input) = self.rx.try_recv() {
            return Some(Some(input));
        }
        let due = [self.timers.next_ns(), self.agenda.next_ns()];
        let Some(deadline) = due.into_iter().flatten().min() else {
            return self.rx.recv().ok().map(Some);
        };
        let wait = Duration::from_nanos(deadline.saturating_sub(self.clock.mono_ns()));
        match self.rx.recv_timeout(wait) {
            Ok(input) => Some(Some(input)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn round(&mut self, first: Option<Input>) -> Turn {
        self.now = Timestamp::from_unix_ns(self.clock.wall_ns());
        self.mono_ns = self.clock.mono_ns();
        let turn = self.take_in(first);
        self.tick();
        self.upkeep();
        self.commit();
        self.deliver();
        self.link();
        self.send();
        // Last, when the watches of deliver subjects are set: a client that hears of its consumer
        // subscribes at once, and that must be seen.
        for (call, refused) in std::mem::take(&mut self.calls) {
            call.release(refused);
        }
        for release in std::mem::take(&mut self.releases) {
            release();
        }
        turn
    }

    fn take_in(&mut self, first: Option<Input>) -> Turn {
        let (mut msgs, mut bytes) = (0, 0);
        let mut next = first;
        while let Some(input) = next {
            match input {
                Input::Ingest(batch) => {
                    self.inbox.taken(&batch);
                    msgs += batch.len();
                    bytes += batch.bytes();
                    self.ingest(&batch);
                }
                Input::Call { slot, call } => self.call(slot, call),
                Input::Open(open) => self.open(open),
                Input::Close(close) => {
                    // What was asked before the end is answered first.
                    self.commit();
                    self.close(close);
                }
                Input::Interest { slot, consumer } => {
                    self.with_slot(slot, |s, ctx| {
                        s.stream.interest_changed(ctx, &consumer, &mut s.fx);
                    });
                }
                Input::Read { slot, read, to } => self.read(slot, read, to),
                Input::Origin { slot, ticket, answer } => {
                    let taken = self.take_origin(slot, ticket, answer);
                    msgs += taken.msgs;
                    bytes += taken.bytes;
                }
                Input::Pause { paused, until } => {
                    let _ = paused.send(());
                    // Nothing is ever sent: this ends when the pause does.
                    let _ = until.recv();
                }
                Input::Stop => return Turn::End,
            }
            if msgs >= ROUND_MSGS || bytes >= ROUND_BYTES {
                break;
            }
            next = self.rx.try_recv().ok();
        }
        Turn::On
    }

    fn ingest(&mut self, batch: &IngestBatch) {
        let mut messages = batch.iter().peekable();
        while let Some(first) = messages.next() {
            let slot = first.slot;
            self.note_use(slot);
            // A run of messages for one stream is one call: most batches are one run.
            self.with_slot(slot, |s, ctx| {
                s.apply(ctx, &first);
                while let Some(message) = messages.next_if(|m| m.slot == slot) {
                    s.apply(ctx, &message);
                }
            });
        }
    }

    fn call(&mut self, slot: u32, mut call: Box<dyn Call>) {
        self.note_use(slot);
        let done = self.with_slot(slot, |s, ctx| call.run(&mut s.stream, ctx, &mut s.fx));
        let refused = done.is_none().then(|| errors::STREAM_NOT_FOUND.err());
        self.calls.push((call, refused));
    }

    fn open(&mut self, open: Open) {
        let Open { entry, build, opened } = open;
        let number = entry.slot();
        let mut fx = Effects::new();
        let interest = SpaceInterest(entry.space());
        let ctx = Ctx { now: self.now, mono_ns: self.mono_ns, interest: &interest };
        let built = catch_unwind(AssertUnwindSafe(|| build(&ctx, &mut fx))).unwrap_or_else(|_| {
            tracing::error!(stream = entry.name(), "opening the stream panicked");
            Err(errors::STREAM_INVALID.err())
        });
        match built {
            Err(error) => {
                let release = opened(Err(error));
                self.releases.push(release);
            }
            Ok(mut stream) => {
                let release = opened(Ok((&mut stream, &ctx, &mut fx)));
                self.releases.push(release);
                let index = number as usize;
                if self.slots.len() <= index {
                    self.slots.resize_with(index + 1, || None);
                }
                if let Some(place) = self.slots.get_mut(index) {
                    *place = Some(Box::new(Slot::new(entry, stream, fx)));
                }
                self.with_slot(number, |_, _| {});
                self.plan_upkeep(number);
            }
        }
    }

    fn close(&mut self, close: Close) {
        let taken = self.slots.get_mut(close.slot as usize).and_then(Option::take);
        let Some(mut slot) = taken else {
            self.releases.push((close.closed)(Ok(())));
            return;
        };
        slot.unwatch_all();
        slot.turn_away();
        let entry = Arc::clone(&slot.entry);
        let interest = SpaceInterest(entry.space());
        let ctx = Ctx { now: self.now, mono_ns: self.mono_ns, interest: &interest };
        let ended = catch_unwind(AssertUnwindSafe(|| match close.ending {
            Ending::Stop => slot.stream.stop(&mut slot.fx),
            Ending::Delete => slot.stream.delete(&ctx, &mut slot.fx),
        }));
        let ended = ended.unwrap_or_else(|_| {
            tracing::error!(stream = entry.name(), "closing the stream panicked");
            Err(errors::STREAM_INVALID.err())
        });
        slot.drop_readers();
        // Messages that were due to go out still do.
        slot.route(&mut self.route, self.now, &self.ids);
        drop(slot);
        self.releases.push((close.closed)(ended));
    }

    fn tick(&mut self) {
        while let Some((deadline, number)) = self.timers.pop_due(self.mono_ns) {
            let slot = self.slots.get_mut(number as usize).and_then(Option::as_mut);
            if slot.is_some_and(|s| s.timer_fired(deadline)) {
                self.with_slot(number, |s, ctx| s.stream.tick(ctx, &mut s.fx));
            }
        }
    }

    fn commit(&mut self) {
        for i in 0..self.touched.len() {
            let Some(number) = self.touched.get(i).copied() else { break };
            self.with_slot(number, |s, ctx| {
                if s.stream.is_dirty() {
                    s.stream.commit(ctx, &mut s.fx);
                }
            });
        }
    }

    fn deliver(&mut self) {
        for number in std::mem::take(&mut self.ready) {
            self.with_slot(number, |_, _| {});
        }
        for i in 0..self.touched.len() {
            let Some(number) = self.touched.get(i).copied() else { break };
            let more = self.with_slot(number, |s, ctx| {
                let was_dirty = s.stream.is_dirty();
                let ready = s.stream.deliver(ctx, &mut s.fx);
                // Delivery may settle messages, which the next round commits.
                ready == Ready::More || (!was_dirty && s.stream.is_dirty())
            });
            if more == Some(true) {
                self.ready.push(number);
            }
        }
    }

    /// Routes what the touched streams have to send, flushes it, and sets their timers.
    fn send(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::as_mut) else {
                continue;
            };
            slot.touched = false;
            slot.update_watches(&self.inbox, number);
            slot.route(&mut self.route, self.now, &self.ids);
            if let Some(deadline) = slot.next_timer() {
                self.timers.arm(deadline, number);
            }
        }
        self.route.finish();
        // A shard must never wait for itself or another one: what a full inbox refuses is lost,
        // as it would be to a client that asked for no ack.
        let refused: usize = self.route.take_refused().iter().map(IngestBatch::len).sum();
        if refused > 0 {
            tracing::warn!(refused, "messages of streams refused: too many requests");
        }
    }

    /// Works on a stream and remembers that it was touched; `None` where it is gone or failed.
    ///
    /// A panic inside marks the stream as failed: it is taken off its subjects and answers
    /// nothing any more, the others go on.
    fn with_slot<R>(
        &mut self,
        number: u32,
        work: impl FnOnce(&mut Slot, &Ctx<'_>) -> R,
    ) -> Option<R> {
        let slot = self.slots.get_mut(number as usize)?.as_mut()?;
        if slot.failed {
            return None;
        }
        if !slot.touched {
            slot.touched = true;
            self.touched.push(number);
        }
        let entry = Arc::clone(&slot.entry);
        let interest = SpaceInterest(entry.space());
        let ctx = Ctx { now: self.now, mono_ns: self.mono_ns, interest: &interest };
        match catch_unwind(AssertUnwindSafe(|| work(slot, &ctx))) {
            Ok(result) => Some(result),
            Err(_) => {
                slot.fail();
                None
            }
        }
    }

    fn stop_all(&mut self) {
        self.commit();
        self.send();
        for (call, refused) in std::mem::take(&mut self.calls) {
            call.release(refused);
        }
        for mut slot in std::mem::take(&mut self.slots).into_iter().flatten() {
            if slot.failed {
                continue;
            }
            slot.unwatch_all();
            let name = Arc::clone(&slot.entry);
            match catch_unwind(AssertUnwindSafe(|| slot.stream.stop(&mut slot.fx))) {
                Ok(Ok(())) => slot.route(&mut self.route, self.now, &self.ids),
                Ok(Err(error)) => tracing::error!(stream = name.name(), %error, "stopping"),
                Err(_) => tracing::error!(stream = name.name(), "stopping the stream panicked"),
            }
        }
        self.route.finish();
        for release in std::mem::take(&mut self.releases) {
            release();
        }
        // Whoever still waits is told; new inputs are dropped with the receiver.
        while let Ok(input) = self.rx.try_recv() {
            match input {
                Input::Call { call, .. } => call.release(Some(errors::NOT_ENABLED.err())),
                Input::Open(open) => (open.opened)(Err(errors::NOT_ENABLED.err()))(),
                Input::Close(close) => (close.closed)(Ok(()))(),
                Input::Ingest(_)
                | Input::Interest { .. }
                | Input::Read { .. }
                | Input::Origin { .. }
                | Input::Pause { .. }
                | Input::Stop => {}
            }
        }
    }
}
