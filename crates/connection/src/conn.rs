//! One connection as others see it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use account::{Account, ClaimedUser};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use routing::{ClientSink, ConnId, Subscription};
use types::Timestamp;
use wire::CloseReason;

use crate::info::PROTO_INFO;
use crate::socket::Socket;
use crate::{ServerCtx, stats};

/// A client's subscriptions by their id.
pub(crate) type Subscriptions = HashMap<Box<[u8]>, Arc<Subscription>, RandomState>;

/// One client connection as others see it; its own task owns everything else.
pub struct Conn {
    /// Its receiving side.
    pub sink: Arc<ClientSink>,
    pub(crate) peer: SocketAddr,
    pub(crate) ip: Box<str>,
    pub(crate) start_ns: u64,
    pub(crate) last_activity_ns: AtomicU64,
    pub(crate) in_msgs: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) stalls: AtomicU64,
    /// Round trip time; 0 is not known yet.
    pub(crate) rtt_ns: AtomicU64,
    /// It had CONNECT and the first PING, and understands INFO at any time.
    pub(crate) takes_info: AtomicBool,
    /// Largest message it may send; `u64::MAX` is unlimited.
    pub(crate) max_payload: AtomicU64,
    pub(crate) details: Mutex<Details>,
    /// The reload of the configuration that it follows.
    pub(crate) reload_turn: AtomicU64,
    pub(crate) bell: OnceLock<Arc<Socket>>,
}

/// What changes rarely.
pub(crate) struct Details {
    pub(crate) account: Arc<Account>,
    /// Who it is, as monitoring shows it.
    pub(crate) user: String,
    /// Its token, in operator mode.
    pub(crate) claimed: Option<Arc<ClaimedUser>>,
    pub(crate) name: String,
    pub(crate) lang: String,
    pub(crate) version: String,
    pub(crate) protocol: i64,
    pub(crate) subs: Subscriptions,
}

impl Conn {
    pub(crate) fn new(
        sink: Arc<ClientSink>,
        peer: SocketAddr,
        now_ns: u64,
        account: &Arc<Account>,
    ) -> Arc<Self> {
        Arc::new(Conn {
            sink,
            peer,
            ip: peer.ip().to_canonical().to_string().into(),
            start_ns: now_ns,
            last_activity_ns: AtomicU64::new(now_ns),
            in_msgs: AtomicU64::new(0),
            in_bytes: AtomicU64::new(0),
            stalls: AtomicU64::new(0),
            rtt_ns: AtomicU64::new(0),
            takes_info: AtomicBool::new(false),
            max_payload: AtomicU64::new(u64::MAX),
            details: Mutex::new(Details {
                account: Arc::clone(account),
                user: String::new(),
                claimed: None,
                name: String::new(),
                lang: String::new(),
                version: String::new(),
                protocol: 0,
                subs: Subscriptions::default(),
            }),
            reload_turn: AtomicU64::new(0),
            bell: OnceLock::new(),
        })
    }

    /// Its id, unique since the server's start.
    pub fn id(&self) -> ConnId {
        self.sink.id
    }

    /// When it was accepted.
    pub fn started(&self, ctx: &ServerCtx) -> Timestamp {
        ctx.wall(self.start_ns)
    }

    /// The address it came from.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Its account.
    pub fn account(&self) -> Arc<Account> {
        Arc::clone(&self.details.lock().account)
    }

    /// Ends it: its task flushes what can be flushed, and closes the socket. Only the first
    /// reason counts.
    pub fn close(&self, reason: CloseReason) {
        self.sink.outbox.close(reason);
    }

    /// Wakes its task.
    pub(crate) fn wake(&self) {
        if let Some(socket) = self.bell.get() {
            socket.bell.notify_one();
        }
    }

    /// Whether it follows that reload, or is about to end.
    pub(crate) fn follows(&self, turn: u64) -> bool {
        self.reload_turn.load(Ordering::Acquire) >= turn || self.sink.outbox.is_closed()
    }

    /// Tells the client why (`-ERR`), and ends it.
    pub fn close_with(&self, text: &str, reason: CloseReason) {
        let _ = self.sink.outbox.write(|out| wire::encode::err(out, text));
        self.close(reason);
    }

    /// Bytes that wait to be sent.
    pub fn pending_bytes(&self) -> usize {
        self.sink.outbox.pending_bytes()
    }

    /// The message size limit in force, bytes; `None` is unlimited.
    pub(crate) fn max_payload(&self) -> Option<usize> {
        match self.max_payload.load(Ordering::Relaxed) {
            u64::MAX => None,
            max => usize::try_from(max).ok(),
        }
    }

    pub(crate) fn set_max_payload(&self, max: Option<usize>) {
        self.max_payload.store(max.map_or(u64::MAX, |max| max as u64), Ordering::Relaxed);
    }

    pub(crate) fn takes_info(&self) -> bool {
        self.takes_info.load(Ordering::Acquire) && self.details.lock().protocol >= PROTO_INFO
    }

    pub(crate) fn traffic(&self) -> stats::Traffic {
        let out = self.sink.outbox.stats();
        stats::Traffic {
            in_msgs: stats::get(&self.in_msgs),
            in_bytes: stats::get(&self.in_bytes),
            out_msgs: out.msgs_out,
            out_bytes: out.bytes_out,
        }
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
