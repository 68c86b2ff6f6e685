//! The outbound bytes of one client, shared by everyone who sends to it.

use std::io;
use std::mem;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::CloseReason;

/// Buffers that grew beyond this are given back once they are no longer needed.
const KEEP_CAPACITY: usize = 64 * 1024;
/// After this many flushes that would have fitted [`KEEP_CAPACITY`], a bigger buffer is given back.
const SHRINK_AFTER: u8 = 16;
/// After this many writes in one flush the writer task takes over, so that a thread that only
/// wanted to flush its own messages is not held by what others keep adding.
const MAX_ROUNDS: u32 = 8;

/// Where the bytes go: the non-blocking socket of the connection.
pub trait Transport: Send + Sync {
    /// Writes what it can without blocking.
    ///
    /// # Errors
    /// `WouldBlock` when it can take nothing now; anything else is final.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Wakes the connection's writer task: it waits until the socket is writable and calls
    /// [`Outbox::resume`]. A closed box wakes it too, and again when a flusher that was at work
    /// has ended: the box is done when it is closed and `resume` says `Clean` or `Closed`. A wake
    /// must not be lost while the task is awake (as with `Notify::notify_one`). Must not block or
    /// call the box.
    fn wake(&self);
}

/// What became of a write into the box.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// The box was clean: the caller must see to it that [`Outbox::flush`] is called.
    First,
    /// Somebody else already has to flush.
    Queued,
    /// As `Queued`, and the box is [stalled](Outbox::is_stalled): the caller should slow down.
    Stalled,
    /// This write went beyond the limit: the box is closed now. Reported exactly once.
    SlowConsumer,
    /// The box is closed; the bytes were not taken.
    Closed,
}

/// What became of a flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushOutcome {
    /// Nothing is left to send.
    Clean,
    /// The transport is full; the writer task was told and continues with [`Outbox::resume`].
    Blocked,
    /// Another thread is flushing and will also send what was added meanwhile.
    Busy,
    /// There is no transport yet.
    Detached,
    /// The transport failed or the box was closed with nothing worth sending.
    Closed,
}

/// Counters of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutboxStats {
    /// Messages queued since creation.
    pub msgs_out: u64,
    /// Their headers and payloads in bytes, without protocol words.
    pub bytes_out: u64,
    /// Bytes that wait, those handed to a blocked transport included.
    pub pending_bytes: usize,
}

/// Whether a box moves, for the write deadline: a box that stays `blocked` while `written` does
/// not change has made no progress in between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The transport was full at the last attempt.
    pub blocked: bool,
    /// Bytes the transport has taken since creation.
    pub written: u64,
}

/// A byte queue with a limit: many threads write, one at a time flushes
/// (server/client.go `queueOutbound`, `flushOutbound`).
///
/// The bound is `max_pending` bytes; beyond it the box closes as slow consumer. Writers never wait
/// for the transport: the lock is held for copying only, not while the transport writes.
pub struct Outbox {
    state: Mutex<State>,
    transport: OnceLock<Box<dyn Transport>>,
    /// Set once with `State::closed`, read without the lock.
    closed: AtomicBool,
}

struct State {
    /// Bytes nobody has tried to write yet.
    pending: Vec<u8>,
    /// An empty buffer kept for its capacity.
    spare: Vec<u8>,
    /// What a full transport left over, from `sent` on.
    in_flight: Vec<u8>,
    sent: usize,
    /// All unsent bytes, those of the flusher at work included.
    unsent: usize,
    max_pending: usize,
    flush: Flush,
    closed: Option<CloseReason>,
    written: u64,
    msgs_out: u64,
    bytes_out: u64,
    small_flushes: u8,
}

/// Who has to do the next write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flush {
    /// Whoever got [`Pushed::First`].
    Idle,
    /// A thread is in `drain`.
    Active,
    /// The writer task, when the transport is writable.
    Blocked,
}

impl Outbox {
    /// An empty box that holds at most `max_pending` unsent bytes.
    #[must_use]
    pub fn new(max_pending: usize) -> Self {
        Self {
            state: Mutex::new(State {
                pending: Vec::new(),
                spare: Vec::new(),
                in_flight: Vec::new(),
                sent: 0,
                unsent: 0,
                max_pending,
                flush: Flush::Idle,
                closed: None,
                written: 0,
                msgs_out: 0,
                bytes_out: 0,
                small_flushes: 0,
            }),
            transport: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Sets where the bytes go; only the first call counts. Bytes queued before stay: the caller
    /// flushes them.
    pub fn attach(&self, transport: Box<dyn Transport>) {
        let _ = self.transport.set(transport);
    }

    /// Changes the limit, as a reload does.
    pub fn set_max_pending(&self, max_pending: usize) {
        self.state.lock().max_pending = max_pending;
    }

    /// Lets `append` add protocol bytes that are no message. The lock is held meanwhile: it must
    /// only append, and not use this box.
    #[inline]
    pub fn write(&self, append: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        self.push(None, append)
    }

    /// Like [`Self::write`], for one message of `size` bytes of headers and payload, which is
    /// counted.
    #[inline]
    pub fn write_msg(&self, size: usize, append: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        self.push(Some(size), append)
    }

    #[inline]
    fn push(&self, msg_size: Option<usize>, append: impl FnOnce(&mut Vec<u8>)) -> Pushed {
        if self.is_closed() {
            return Pushed::Closed;
        }
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return Pushed::Closed;
        }
        let before = state.pending.len();
        append(&mut state.pending);
        let added = state.pending.len().saturating_sub(before);
        state.unsent += added;
        if state.unsent > state.max_pending {
            self.shut(state, CloseReason::SlowConsumerPendingBytes);
            return Pushed::SlowConsumer;
        }
        if let Some(size) = msg_size {
            state.msgs_out += 1;
            state.bytes_out += size as u64;
        }
        if before == 0 && added > 0 && state.flush == Flush::Idle {
            Pushed::First
        } else if state.is_stalled() {
            Pushed::Stalled
        } else {
            Pushed::Queued
        }
    }

    /// Sends what waits, without blocking. Any thread may call it at any time; a call is not
    /// needed after [`Pushed::Queued`].
    pub fn flush(&self) -> FlushOutcome {
        let state = self.state.lock();
        match state.flush {
            Flush::Active => FlushOutcome::Busy,
            Flush::Blocked => FlushOutcome::Blocked,
            Flush::Idle => self.drain(state),
        }
    }

    /// Like [`Self::flush`], by the writer task when the transport has become writable.
    pub fn resume(&self) -> FlushOutcome {
        let state = self.state.lock();
        match state.flush {
            Flush::Active => FlushOutcome::Busy,
            Flush::Blocked | Flush::Idle => self.drain(state),
        }
    }

    /// Closes the box: writes are refused from now on. Bytes already in it are still flushed
    /// unless the reason says that nobody could read them. Only the first reason counts; returns
    /// whether this was it. Wakes the writer task.
    pub fn close(&self, reason: CloseReason) -> bool {
        let state = self.state.lock();
        if state.closed.is_some() {
            return false;
        }
        self.shut(state, reason);
        true
    }

    /// Whether the box takes no more bytes.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Pairs with the store in `shut`; the state under the lock decides.
        self.closed.load(Ordering::Acquire)
    }

    /// Why the box was closed.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state.lock().closed
    }

    /// Unsent bytes, those a blocked transport still has to take included.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.state.lock().unsent
    }

    /// Whether senders should pause: more than three quarters of the limit wait
    /// (server/client.go `stalledWait`).
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        let state = self.state.lock();
        state.closed.is_none() && state.is_stalled()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> OutboxStats {
        let state = self.state.lock();
        OutboxStats {
            msgs_out: state.msgs_out,
            bytes_out: state.bytes_out,
            pending_bytes: state.unsent,
        }
    }

    /// How far writing has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let state = self.state.lock();
        Progress { blocked: state.flush == Flush::Blocked, written: state.written }
    }

    /// The capacity of the buffers the box keeps.
    #[cfg(test)]
    pub(crate) fn held_capacity(&self) -> usize {
        let state = self.state.lock();
        state.pending.capacity() + state.spare.capacity() + state.in_flight.capacity()
    }

    /// Gives unused memory back; for connections that have gone quiet.
    pub fn release_idle_memory(&self) {
        let mut state = self.state.lock();
        state.spare = Vec::new();
        if state.pending.is_empty() {
            state.pending = Vec::new();
        }
    }

    /// Ends the box under its lock.
    fn shut(&self, mut state: MutexGuard<'_, State>, reason: CloseReason) {
        state.closed = Some(reason);
        let dropped = if reason.drains() { None } else { Some(state.discard()) };
        self.closed.store(true, Ordering::Release);
        drop(state);
        // Megabytes may be freed here: not under the lock.
        drop(dropped);
        if let Some(transport) = self.transport.get() {
            transport.wake();
        }
    }

    /// Writes until nothing is left or the transport is full.
    fn drain<'a>(&'a self, mut state: MutexGuard<'a, State>) -> FlushOutcome {
        let Some(transport) = self.transport.get() else { return FlushOutcome::Detached };
        for round in 1.. {
            let given_up = state.closed.is_some_and(|reason| !reason.drains());
            let next = if given_up { None } else { state.take() };
            let Some((buffer, start)) = next else {
                state.flush = Flush::Idle;
                // The writer task may have looked while this thread was busy: it waits to hear
                // that a closed box is done.
                let tell = state.closed.is_some() && round > 1;
                drop(state);
                if tell {
                    transport.wake();
                }
                return if given_up { FlushOutcome::Closed } else { FlushOutcome::Clean };
            };
            state.flush = Flush::Active;
            drop(state);
            let (end, result) = write_some(&**transport, &buffer, start);
            state = self.state.lock();
            state.written += (end - start) as u64;
            state.unsent = state.unsent.saturating_sub(end - start);
            if result.is_err() {
                state.flush = Flush::Idle;
                state.unsent = 0;
                if state.closed.is_none() {
                    self.shut(state, CloseReason::WriteError);
                } else {
                    // The first reason stays; what is left can go nowhere.
                    let dropped = state.discard();
                    drop(state);
                    drop(dropped);
                    transport.wake();
                }
                return FlushOutcome::Closed;
            }
            if end < buffer.len() {
                state.in_flight = buffer;
                state.sent = end;
            } else {
                state.recycle(buffer);
                if round < MAX_ROUNDS || state.pending.is_empty() {
                    continue;
                }
            }
            if state.closed.is_some_and(|reason| !reason.drains()) {
                // Closed by somebody else while this thread was writing.
                let dropped = state.discard();
                state.flush = Flush::Idle;
                drop(state);
                drop(dropped);
                transport.wake();
                return FlushOutcome::Closed;
            }
            state.flush = Flush::Blocked;
            drop(state);
            transport.wake();
            return FlushOutcome::Blocked;
        }
        FlushOutcome::Blocked
    }
}

impl State {
    fn is_stalled(&self) -> bool {
        self.unsent > self.max_pending / 4 * 3
    }

    /// The next buffer to write and where its unsent part starts.
    fn take(&mut self) -> Option<(Vec<u8>, usize)> {
        if !self.in_flight.is_empty() {
            Some((mem::take(&mut self.in_flight), mem::take(&mut self.sent)))
        } else if !self.pending.is_empty() {
            Some((mem::replace(&mut self.pending, mem::take(&mut self.spare)), 0))
        } else {
            None
        }
    }

    /// Keeps an emptied buffer for reuse unless it is out of proportion.
    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.len() > KEEP_CAPACITY {
            self.small_flushes = 0;
        } else if buffer.capacity() > KEEP_CAPACITY {
            self.small_flushes = self.small_flushes.saturating_add(1);
        }
        if buffer.capacity() > KEEP_CAPACITY && self.small_flushes >= SHRINK_AFTER {
            return;
        }
        buffer.clear();
        if self.spare.capacity() < buffer.capacity() {
            self.spare = buffer;
        }
    }

    /// Forgets all unsent bytes; returns the buffers to be freed outside the lock.
    fn discard(&mut self) -> [Vec<u8>; 3] {
        self.unsent = 0;
        self.sent = 0;
        [mem::take(&mut self.pending), mem::take(&mut self.in_flight), mem::take(&mut self.spare)]
    }
}

/// Writes `buffer` from `at` on until it is done or the transport says it is full. Returns how far
/// it came.
fn write_some(transport: &dyn Transport, buffer: &[u8], mut at: usize) -> (usize, io::Result<()>) {
    loop {
        let rest = match buffer.get(at..) {
            None | Some([]) => return (at, Ok(())),
            Some(rest) => rest,
        };
        // A short write is offered the rest again: only `WouldBlock` re-arms the socket's readiness.
        match transport.try_write(rest) {
            Ok(0) => return (at, Err(io::ErrorKind::WriteZero.into())),
            Ok(written) => at += written.min(rest.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (at, Ok(())),
            Err(error) => return (at, Err(error)),
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("pending_bytes", &self.pending_bytes())
            .field("closed", &self.close_reason())
            .finish_non_exhaustive()
    }
}
