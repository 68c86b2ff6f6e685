//! One step at a time: what each call of an outbox does and reports.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{CloseReason, FlushOutcome, Outbox, OutboxStats, Progress, Pushed, Transport};

/// A transport that follows a script, then takes everything.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<io::Result<usize>>,
    taken: Vec<u8>,
    wakes: usize,
}

impl Transport for Scripted {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut script = self.0.lock();
        let room = script.answers.pop_front().unwrap_or(Ok(usize::MAX))?;
        let taken = &bytes[..bytes.len().min(room)];
        script.taken.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn wake(&self) {
        self.0.lock().wakes += 1;
    }
}

impl Scripted {
    fn answer(&self, answers: impl IntoIterator<Item = io::Result<usize>>) {
        self.0.lock().answers.extend(answers);
    }

    fn taken(&self) -> String {
        String::from_utf8(self.0.lock().taken.clone()).unwrap()
    }

    fn wakes(&self) -> usize {
        self.0.lock().wakes
    }
}

fn full() -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

fn boxed(max_pending: usize) -> (Outbox, Scripted) {
    let outbox = Outbox::new(max_pending);
    let transport = Scripted::default();
    outbox.attach(Box::new(transport.clone()));
    (outbox, transport)
}

fn push(outbox: &Outbox, text: &str) -> Pushed {
    outbox.write(|out| out.extend_from_slice(text.as_bytes()))
}

#[test]
fn the_first_writer_flushes_for_all() {
    let (outbox, transport) = boxed(100);
    assert_eq!(push(&outbox, "one "), Pushed::First);
    assert_eq!(push(&outbox, "two "), Pushed::Queued);
    assert_eq!((outbox.pending_bytes(), transport.taken().len()), (8, 0));
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert_eq!((outbox.pending_bytes(), transport.taken()), (0, "one two ".into()));
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert_eq!(push(&outbox, "three"), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert_eq!((transport.taken(), transport.wakes()), ("one two three".into(), 0));
}

#[test]
fn appending_nothing_makes_nobody_flush() {
    let (outbox, _) = boxed(100);
    assert_eq!(push(&outbox, ""), Pushed::Queued);
    assert_eq!(push(&outbox, "x"), Pushed::First);
}

#[test]
fn bytes_wait_for_a_transport() {
    let outbox = Outbox::new(100);
    assert_eq!(push(&outbox, "early"), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Detached);
    let transport = Scripted::default();
    outbox.attach(Box::new(transport.clone()));
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert_eq!(transport.taken(), "early");
}

#[test]
fn a_full_transport_hands_over_to_the_writer_task() {
    let (outbox, transport) = boxed(100);
    transport.answer([Ok(2), full()]);
    assert_eq!(push(&outbox, "hello"), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Blocked);
    assert_eq!((transport.taken(), transport.wakes(), outbox.pending_bytes()), ("he".into(), 1, 3));
    assert_eq!(outbox.progress(), Progress { blocked: true, written: 2 });
    // Others neither flush nor try: no system call, no wake.
    assert_eq!(push(&outbox, " world"), Pushed::Queued);
    assert_eq!(outbox.flush(), FlushOutcome::Blocked);
    assert_eq!((transport.wakes(), outbox.pending_bytes()), (1, 9));
    transport.answer([full()]);
    assert_eq!(outbox.resume(), FlushOutcome::Blocked);
    assert_eq!((transport.wakes(), outbox.progress().written), (2, 2));
    transport.answer([Err(io::ErrorKind::Interrupted.into()), Ok(1)]);
    assert_eq!(outbox.resume(), FlushOutcome::Clean);
    assert_eq!((transport.taken(), outbox.pending_bytes()), ("hello world".into(), 0));
    assert_eq!(outbox.progress(), Progress { blocked: false, written: 11 });
    assert_eq!(push(&outbox, "!"), Pushed::First);
}

#[test]
fn the_limit_is_exact_and_reported_once() {
    let (outbox, transport) = boxed(10);
    assert_eq!(push(&outbox, "0123456789"), Pushed::First, "at the limit");
    assert_eq!(push(&outbox, "x"), Pushed::SlowConsumer);
    assert_eq!(push(&outbox, "y"), Pushed::Closed);
    assert!(outbox.is_closed());
    assert_eq!(outbox.close_reason(), Some(CloseReason::SlowConsumerPendingBytes));
    assert_eq!((transport.wakes(), outbox.pending_bytes()), (1, 0));
    assert_eq!(outbox.flush(), FlushOutcome::Closed);
    assert_eq!(transport.taken(), "");
    assert!(!outbox.close(CloseReason::Kicked), "the first reason stays");
    assert_eq!(outbox.close_reason(), Some(CloseReason::SlowConsumerPendingBytes));
}

#[test]
fn what_a_blocked_transport_holds_counts_against_the_limit() {
    let (outbox, transport) = boxed(10);
    transport.answer([Ok(4), full()]);
    assert_eq!(push(&outbox, "0123456789"), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Blocked);
    assert_eq!(push(&outbox, "abcd"), Pushed::Stalled, "6 + 4");
    assert_eq!(push(&outbox, "e"), Pushed::SlowConsumer);
    assert_eq!(outbox.resume(), FlushOutcome::Closed);
    assert_eq!(transport.taken(), "0123");
}

#[test]
fn a_raised_limit_counts_at_once() {
    let (outbox, _) = boxed(1);
    outbox.set_max_pending(3);
    assert_eq!(push(&outbox, "abc"), Pushed::First);
    assert_eq!(push(&outbox, "d"), Pushed::SlowConsumer);
}

#[test]
fn last_words_are_sent_when_somebody_can_read_them() {
    let (outbox, transport) = boxed(100);
    assert_eq!(push(&outbox, "-ERR"), Pushed::First);
    assert!(outbox.close(CloseReason::AuthenticationViolation));
    assert_eq!(push(&outbox, "more"), Pushed::Closed);
    assert_eq!(transport.wakes(), 1);
    transport.answer([Ok(1), full()]);
    assert_eq!(outbox.resume(), FlushOutcome::Blocked);
    assert_eq!(outbox.resume(), FlushOutcome::Clean);
    assert_eq!(transport.taken(), "-ERR");

    let (outbox, transport) = boxed(100);
    assert_eq!(push(&outbox, "lost"), Pushed::First);
    assert!(outbox.close(CloseReason::ClientClosed));
    assert_eq!((outbox.flush(), outbox.pending_bytes()), (FlushOutcome::Closed, 0));
    assert_eq!(transport.taken(), "");
}

#[test]
fn a_broken_transport_closes_the_box() {
    for broken in [Err(io::ErrorKind::BrokenPipe.into()), Ok(0)] {
        let (outbox, transport) = boxed(100);
        transport.answer([Ok(2), broken]);
        assert_eq!(push(&outbox, "hello"), Pushed::First);
        assert_eq!(outbox.flush(), FlushOutcome::Closed);
        assert_eq!(outbox.close_reason(), Some(CloseReason::WriteError));
        assert_eq!((transport.wakes(), outbox.pending_bytes()), (1, 0));
        assert_eq!(outbox.flush(), FlushOutcome::Closed);
        assert_eq!(transport.taken(), "he", "not tried again");
    }
    // After an orderly close the reason stays, and the rest is dropped.
    let (outbox, transport) = boxed(100);
    assert_eq!(push(&outbox, "bye"), Pushed::First);
    assert!(outbox.close(CloseReason::Kicked));
    transport.answer([Err(io::ErrorKind::ConnectionReset.into())]);
    assert_eq!(outbox.resume(), FlushOutcome::Closed);
    assert_eq!((outbox.close_reason(), outbox.pending_bytes()), (Some(CloseReason::Kicked), 0));
}

#[test]
fn messages_are_counted_apart_from_protocol() {
    let (outbox, _) = boxed(100);
    assert_eq!(outbox.write_msg(5, |out| out.extend_from_slice(b"MSG hello")), Pushed::First);
    assert_eq!(outbox.write_msg(2, |out| out.extend_from_slice(b"MSG ok")), Pushed::Queued);
    assert_eq!(push(&outbox, "PONG"), Pushed::Queued);
    let expected = OutboxStats { msgs_out: 2, bytes_out: 7, pending_bytes: 19 };
    assert_eq!(outbox.stats(), expected);
    outbox.set_max_pending(19);
    assert_eq!(outbox.write_msg(1, |out| out.push(b'x')), Pushed::SlowConsumer);
    assert_eq!(outbox.stats().msgs_out, 2, "a refused message does not count");
}

/// A transport that lets its own flusher add bytes, as a busy producer would.
struct Echo {
    outbox: Arc<Outbox>,
    rounds: Mutex<u32>,
    wakes: Mutex<u32>,
}

impl Transport for Arc<Echo> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut rounds = self.rounds.lock();
        *rounds += 1;
        if *rounds <= 20 {
            assert_eq!(self.outbox.write(|out| out.push(b'x')), Pushed::Queued);
            assert_eq!(self.outbox.flush(), FlushOutcome::Busy);
        }
        Ok(bytes.len())
    }

    fn wake(&self) {
        *self.wakes.lock() += 1;
    }
}

#[test]
fn a_flusher_is_let_go_while_others_keep_adding() {
    let outbox = Arc::new(Outbox::new(100));
    let echo =
        Arc::new(Echo { outbox: Arc::clone(&outbox), rounds: Mutex::new(0), wakes: Mutex::new(0) });
    outbox.attach(Box::new(Arc::clone(&echo)));
    assert_eq!(outbox.write(|out| out.push(b'x')), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Blocked);
    assert_eq!((*echo.rounds.lock(), *echo.wakes.lock()), (8, 1));
    assert_eq!(outbox.resume(), FlushOutcome::Blocked);
    assert_eq!(outbox.resume(), FlushOutcome::Clean);
    assert_eq!(*echo.rounds.lock(), 21, "every byte went out");
}

/// A transport during whose write somebody else closes the box.
struct ClosedMeanwhile {
    outbox: Arc<Outbox>,
    reason: CloseReason,
    wakes: Mutex<u32>,
}

impl Transport for Arc<ClosedMeanwhile> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.outbox.close(self.reason) {
            assert_eq!(*self.wakes.lock(), 1);
            // The woken writer task looks, and has to wait for the flusher.
            assert_eq!(self.outbox.resume(), FlushOutcome::Busy);
        }
        Ok(bytes.len())
    }

    fn wake(&self) {
        *self.wakes.lock() += 1;
    }
}

#[test]
fn the_writer_task_hears_that_a_closed_box_is_done() {
    for (reason, outcome) in
        [(CloseReason::Kicked, FlushOutcome::Clean), (CloseReason::ReadError, FlushOutcome::Closed)]
    {
        let outbox = Arc::new(Outbox::new(100));
        let transport =
            Arc::new(ClosedMeanwhile { outbox: Arc::clone(&outbox), reason, wakes: Mutex::new(0) });
        outbox.attach(Box::new(Arc::clone(&transport)));
        assert_eq!(push(&outbox, "bytes"), Pushed::First);
        assert_eq!(outbox.flush(), outcome);
        assert_eq!(*transport.wakes.lock(), 2, "{reason:?}");
        assert_eq!(outbox.resume(), outcome);
        assert_eq!((*transport.wakes.lock(), outbox.pending_bytes()), (2, 0));
    }
}

#[test]
fn memory_is_given_back() {
    let (outbox, transport) = boxed(10 << 20);
    assert_eq!(outbox.write(|out| out.resize(4 << 20, b'x')), Pushed::First);
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert!(outbox.held_capacity() >= 4 << 20, "kept for the next burst");
    for _ in 0..40 {
        assert_eq!(push(&outbox, "small"), Pushed::First);
        assert_eq!(outbox.flush(), FlushOutcome::Clean);
    }
    assert!(outbox.held_capacity() <= 2 * 64 * 1024, "{}", outbox.held_capacity());
    outbox.release_idle_memory();
    assert_eq!(outbox.held_capacity(), 0);
    assert_eq!(push(&outbox, "again"), Pushed::First);
    outbox.release_idle_memory();
    assert_eq!(outbox.flush(), FlushOutcome::Clean);
    assert!(transport.taken().ends_with("again"));
}
