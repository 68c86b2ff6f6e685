//! The task of one client: reading, timers, and writing when the socket was full.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use account::Account;
use routing::ClientSink;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use wire::{CloseReason, FlushOutcome, Outbox};

use crate::buffer::ReadBuffer;
use crate::conn::Conn;
use crate::ctx::Phase;
use crate::dispatch::Stop;
use crate::limits::Stall;
use crate::session::{InfoKind, Session};
use crate::snapshot::WithSubs;
use crate::socket::{Socket, SocketTransport};
use crate::stats::add;
use crate::{ServerCtx, ping};

/// Longest a publisher is held back per read, in steps of a millisecond (`server/client.go`
/// `stallTotalAllowed`).
const MAX_STALL_STEPS: u32 = 10;
const STALL_STEP: Duration = Duration::from_millis(1);
/// Longest the last bytes may take to leave when a connection ends.
const LAST_FLUSH: Duration = Duration::from_secs(2);
/// Bytes that are read and dropped when a connection ends.
const MAX_DISCARD: usize = 1024 * 1024;

/// Serves a client that was just accepted, in a task of its own, until it is gone.
///
/// Must be called within a tokio runtime.
pub fn spawn_client(stream: TcpStream, ctx: Arc<ServerCtx>) {
    let Ok(peer) = stream.peer_addr() else { return };
    // A socket for both families shows IPv4 clients as IPv6.
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    // Small messages must not wait for each other's acknowledgement.
    let _ = stream.set_nodelay(true);
    add(&ctx.stats.total_connections, 1);
    let options = ctx.options.load_full();
    let (read, write) = stream.into_split();
    let write = Arc::new(write);
    let socket = Socket::new(&write);
    let sink = ClientSink::new(ctx.connections.next_id(), Outbox::new(options.max_pending));
    sink.outbox.attach(Box::new(SocketTransport(Arc::clone(&socket))));
    let global = Arc::clone(ctx.accounts.load().global());
    let conn = Conn::new(sink, peer, ctx.now_ns(), &global);
    // It is new: nothing is there yet.
    let _ = conn.bell.set(Arc::clone(&socket));
    tokio::spawn(serve(ctx, conn, Halves { socket, read, write }, global));
}

/// The socket as the client's task holds it.
struct Halves {
    socket: Arc<Socket>,
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
}

async fn serve(ctx: Arc<ServerCtx>, conn: Arc<Conn>, halves: Halves, global: Arc<Account>) {
    let mut session = Session::new(&ctx, &conn, &global);
    tracing::debug!("{} - Client connection created", session.label);
    session.send_info(InfoKind::Greeting);
    if let Err(reason) = session.register() {
        conn.close(reason);
    }
    session.batch.finish();
    let Halves { socket, read, write } = halves;
    let buffer = ReadBuffer::new();
    let mut reader = Reader { session, socket, read, write, buffer, blocked: None };
    reader.run().await;
    reader.finish().await;
}

struct Reader {
    session: Session,
    socket: Arc<Socket>,
    read: OwnedReadHalf,
    write: Arc<OwnedWriteHalf>,
    buffer: ReadBuffer,
    blocked: Option<Blocked>,
}

/// Output that a full socket did not take.
struct Blocked {
    /// The count of written bytes that must be reached,
    target: u64,
    /// until this time.
    due_ns: u64,
}

enum Event {
    Read(std::io::Result<usize>),
    Bell,
    Writable,
    Timer,
}

impl Session {
    /// Enters the registry.
    fn register(&mut self) -> Result<(), CloseReason> {
        match self.ctx.connections.add(&self.conn, self.options.max_connections) {
            Err(_) => {
                self.log_error(wire::err::MAXIMUM_CONNECTIONS_EXCEEDED);
                let reason = CloseReason::MaxConnectionsExceeded;
                Err(self.reject(wire::err::MAXIMUM_CONNECTIONS_EXCEEDED, reason))
            }
            // Looked at after entering: whoever closes all clients sets the phase first.
            Ok(()) if self.ctx.phase() != Phase::Running => Err(CloseReason::ServerShutdown),
            Ok(()) => {
                // Every client is of the global account until it says otherwise; that this is full
                // is told when it stays there.
                self.membership = self.account.join().ok();
                Ok(())
            }
        }
    }
}

impl Reader {
    async fn run(&mut self) {
        let (socket, write) = (Arc::clone(&self.socket), Arc::clone(&self.write));
        let mut bell = pin!(socket.bell.notified());
        let mut armed_ns = self.session.next_due_ns();
        let mut timer = pin!(tokio::time::sleep_until(self.session.ctx.instant(armed_ns)));
        while !self.session.sink.outbox.is_closed() {
            let due_ns = self.next_due_ns();
            if due_ns < armed_ns {
                armed_ns = due_ns;
                timer.as_mut().reset(self.session.ctx.instant(armed_ns));
            }
            let blocked = self.blocked.is_some();
            let event = tokio::select! {
                // Input first: while there is some, nothing else is as urgent, and the
                // runtime's own budget sees to it that the others get their turn.
                biased;
                result = self.read.read(self.buffer.room()) => Event::Read(result),
                () = &mut bell => Event::Bell,
                _ = write.writable(), if blocked => Event::Writable,
                () = &mut timer => Event::Timer,
            };
            match event {
                Event::Read(Ok(0)) => self.close(CloseReason::ClientClosed),
                Event::Read(Ok(count)) => self.on_input(count).await,
                Event::Read(Err(_)) => self.close(CloseReason::ReadError),
                Event::Bell => {
                    bell.set(socket.bell.notified());
                    self.look_at_output();
                    self.follow_reload().await;
                }
                Event::Writable => self.resume_output(),
                Event::Timer => {
                    self.on_timer();
                    armed_ns = self.next_due_ns();
                    timer.as_mut().reset(self.session.ctx.instant(armed_ns));
                }
            }
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.session.sink.outbox.close(reason);
    }

    fn next_due_ns(&self) -> u64 {
        let due_ns = self.session.next_due_ns();
        self.blocked.as_ref().map_or(due_ns, |blocked| blocked.due_ns.min(due_ns))
    }

    /// Looks whether the configuration was reloaded.
    async fn follow_reload(&mut self) {
        match self.session.follow_reload().await {
            Ok(()) => self.session.batch.finish(),
            Err(reason) => self.close(reason),
        }
    }

    /// Handles what was read, up to the last whole frame.
    async fn on_input(&mut self, count: usize) {
        self.buffer.filled(count);
        if self.session.ctx.reload_turn() != self.session.reload_turn {
            self.follow_reload().await;
            if self.session.sink.outbox.is_closed() {
                return;
            }
        }
        self.session.now_ns = self.session.ctx.now_ns();
        self.session.tracing = tracing::enabled!(tracing::Level::TRACE);
        loop {
            let processed = self.session.process(self.buffer.unread());
            self.buffer.consume(processed.consumed, self.session.parser.needed());
            let reason = match processed.stop {
                None => None,
                Some(Stop::Close(reason)) => Some(reason),
                Some(Stop::Connect(body)) => {
                    // What came before must not wait for a password hash.
                    self.session.finish_batch();
                    match self.session.connect(&body).await {
                        Ok(()) => continue,
                        Err(reason) => Some(reason),
                    }
                }
            };
            self.session.finish_batch();
            if let Some(reason) = reason {
                self.close(reason);
                return;
            }
            break;
        }
        if self.blocked.is_some() {
            self.look_at_output();
        }
        if self.session.batch.should_pause() {
            self.pause().await;
        }
    }

    /// Holds a publisher back that is faster than those it publishes to (`server/client.go`
    /// `stalledWait`).
    async fn pause(&mut self) {
        if self.session.options.stall == Stall::Never {
            return;
        }
        add(&self.session.conn.stalls, 1);
        add(&self.session.ctx.stats.stalls, 1);
        for _ in 0..MAX_STALL_STEPS {
            tokio::time::sleep(STALL_STEP).await;
            // Its own output may be what it waits for.
            self.resume_output();
            if self.session.sink.outbox.is_closed() || !self.session.batch.should_pause() {
                return;
            }
        }
    }

    /// Somebody found the socket full, or closed the outbox.
    fn look_at_output(&mut self) {
        let progress = self.session.sink.outbox.progress();
        if !progress.blocked {
            self.blocked = None;
        } else if self.blocked.as_ref().is_none_or(|blocked| progress.written >= blocked.target) {
            let wait_ns = ping::nanos(self.session.options.write_deadline);
            let pending = self.session.sink.outbox.pending_bytes() as u64;
            self.blocked = Some(Blocked {
                target: progress.written.saturating_add(pending.max(1)),
                due_ns: self.session.ctx.now_ns().saturating_add(wait_ns),
            });
        }
    }

    fn resume_output(&mut self) {
        if self.blocked.is_some() {
            self.session.sink.outbox.resume();
            self.look_at_output();
        }
    }

    fn on_timer(&mut self) {
        let now_ns = self.session.ctx.now_ns();
        self.session.now_ns = now_ns;
        self.look_at_output();
        if self.blocked.as_ref().is_some_and(|blocked| blocked.due_ns <= now_ns) {
            return self.close(CloseReason::SlowConsumerWriteDeadline);
        }
        if let Err(reason) = self.session.on_timer(now_ns) {
            self.session.batch.finish();
            return self.close(reason);
        }
        self.session.batch.finish();
        self.buffer.release_idle_memory();
        self.session.sink.outbox.release_idle_memory();
    }

    /// Takes the client out of everything, and closes the socket.
    async fn finish(mut self) {
        let ctx = Arc::clone(&self.session.ctx);
        let conn = Arc::clone(&self.session.conn);
        let reason = conn.sink.outbox.close_reason().unwrap_or(CloseReason::ClientClosed);
        self.report(reason);
        let mut closed = conn.snapshot(&ctx, WithSubs::List);
        closed.stop = Some(ctx.wall(ctx.now_ns()));
        closed.reason = Some(reason);
        self.session.drop_subscriptions();
        self.session.membership = None;
        self.flush_rest().await;
        self.socket.release();
        closed.traffic = conn.traffic();
        let (msgs, bytes) = (closed.traffic.out_msgs, closed.traffic.out_bytes);
        let keep = self.session.options.max_closed_clients;
        ctx.connections.remove(conn.id(), closed, keep);
        let account = self.session.account.stats();
        for (counter, amount) in [
            (&ctx.stats.closed_out_msgs, msgs),
            (&ctx.stats.closed_out_bytes, bytes),
            (&account.out_msgs, msgs),
            (&account.out_bytes, bytes),
        ] {
            add(counter, amount);
        }
    }

    fn report(&self, reason: CloseReason) {
        let session = &self.session;
        let slow = match reason {
            CloseReason::SlowConsumerPendingBytes => Some(format!(
                "Slow Consumer Detected: MaxPending of {} Exceeded",
                session.options.max_pending
            )),
            CloseReason::SlowConsumerWriteDeadline => Some(format!(
                "Slow Consumer Detected: WriteDeadline of {:?} exceeded with {} total bytes.",
                session.options.write_deadline,
                session.conn.pending_bytes()
            )),
            _ => None,
        };
        if let Some(text) = slow {
            tracing::info!("{} - {text}", session.label);
            add(&session.ctx.stats.slow_consumers, 1);
            add(&session.account.stats().slow_consumers, 1);
        }
        if reason == CloseReason::StaleConnection {
            add(&session.ctx.stats.stale_connections, 1);
        }
        tracing::debug!("{} - Client connection closed: {}", session.label, reason.as_str());
    }

    /// Sends what is worth sending, and says goodbye so that it arrives.
    async fn flush_rest(&mut self) {
        let deadline =
            tokio::time::Instant::now() + self.session.options.write_deadline.min(LAST_FLUSH);
        loop {
            match self.session.sink.outbox.resume() {
                FlushOutcome::Clean | FlushOutcome::Closed | FlushOutcome::Detached => break,
                FlushOutcome::Blocked => {
                    let writable = self.write.writable();
                    if tokio::time::timeout_at(deadline, writable).await.is_err() {
                        return;
                    }
                }
                FlushOutcome::Busy if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(STALL_STEP).await;
                }
                FlushOutcome::Busy => return,
            }
        }
        // A socket closed with input unread resets, and takes the last words with it.
        let stream: &TcpStream = self.read.as_ref();
        let mut discarded = 0;
        let mut waste = [0; 4096];
        while discarded < MAX_DISCARD
            && let Ok(count @ 1..) = stream.try_read(&mut waste)
        {
            discarded += count;
        }
    }
}
