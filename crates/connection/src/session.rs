//! What one client's task knows about its client.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use account::{Account, Expiring, Membership, Permissions, ReplyPermissions, UserSession};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use routing::{ClientSink, RouteBatch, SubjectSpace};
use wire::{CloseReason, Gate, HeaderSupport, Limits, Parser};

use crate::conn::Conn;
use crate::connect::ConnectOptions;
use crate::limits::ClientOptions;
use crate::ping::{self, Due, Pings};
use crate::requester::ConnRequester;
use crate::stats::add;
use crate::{ServerCtx, info, nonce};

/// One client's session, owned by its task. Nothing here waits, but for
/// [`connect`](Self::connect).
pub(crate) struct Session {
    pub(crate) ctx: Arc<ServerCtx>,
    pub(crate) options: Arc<ClientOptions>,
    pub(crate) conn: Arc<Conn>,
    pub(crate) sink: Arc<ClientSink>,
    pub(crate) parser: Parser,
    pub(crate) batch: RouteBatch,
    pub(crate) account: Arc<Account>,
    pub(crate) space: Arc<SubjectSpace>,
    pub(crate) membership: Option<Membership>,
    pub(crate) permissions: Option<Arc<Permissions>>,
    /// What it was let in as, since CONNECT.
    pub(crate) user: Option<Arc<UserSession>>,
    /// The reload of the configuration that it follows.
    pub(crate) reload_turn: u64,
    pub(crate) publishing: Publishing,
    pub(crate) connect: ConnectOptions,
    pub(crate) stage: Stage,
    pub(crate) pings: Pings,
    pub(crate) auth_due_ns: Option<u64>,
    /// When its token, or its account's, runs out.
    pub(crate) expiry: Option<(u64, Expiring)>,
    /// What it was given to sign.
    pub(crate) nonce: Option<Box<str>>,
    /// Most subscriptions.
    pub(crate) max_subs: Option<u64>,
    /// Number of subscriptions at which finished ones are looked for.
    pub(crate) prune_subs_at: usize,
    /// Time at the start of the batch.
    pub(crate) now_ns: u64,
    pub(crate) counts: Counts,
    /// How the log calls this client.
    pub(crate) label: String,
    pub(crate) scratch: Vec<u8>,
    pub(crate) tracing: bool,
}

/// How far the client has introduced itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not sent CONNECT.
    New,
    /// It has.
    Connected,
    /// It has also sent its first PING.
    Confirmed,
}

/// What the permissions say about subjects published to lately.
#[derive(Default)]
pub(crate) struct Publishing {
    /// Permissions are to be looked at.
    pub(crate) restricted: bool,
    pub(crate) known: HashMap<Box<[u8]>, bool, RandomState>,
    pub(crate) replies: Option<Arc<ReplyPermissions>>,
}

/// What came in with one read.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) msgs: u64,
    pub(crate) bytes: u64,
    pub(crate) subs: u64,
    /// A PING came.
    pub(crate) heard: bool,
}

impl Session {
    pub(crate) fn new(ctx: &Arc<ServerCtx>, conn: &Arc<Conn>, account: &Arc<Account>) -> Self {
        // Before what it stands for.
        let reload_turn = ctx.reload_turn();
        conn.reload_turn.store(reload_turn, Ordering::Release);
        let options = ctx.options.load_full();
        let now_ns = conn.start_ns;
        let accounts = ctx.accounts.load();
        let auth_required = accounts.auth_required();
        let mut session = Session {
            parser: Parser::new(Limits::default()),
            batch: RouteBatch::new(),
            account: Arc::clone(account),
            space: Arc::clone(account.space()),
            membership: None,
            permissions: None,
            user: None,
            reload_turn,
            publishing: Publishing::default(),
            connect: ConnectOptions::default(),
            stage: Stage::New,
            pings: Pings::new(options.ping_interval, options.ping_max, now_ns),
            auth_due_ns: auth_required.then(|| now_ns + ping::nanos(options.auth_timeout)),
            expiry: None,
            nonce: accounts.needs_nonce().then(nonce::generate).flatten(),
            max_subs: None,
            prune_subs_at: 64,
            now_ns,
            counts: Counts::default(),
            label: format!("{} - cid:{}", conn.peer, conn.id()),
            scratch: Vec::new(),
            tracing: false,
            ctx: Arc::clone(ctx),
            conn: Arc::clone(conn),
            sink: Arc::clone(&conn.sink),
            options,
        };
        let requester = ConnRequester { ctx: Arc::clone(ctx), conn: Arc::clone(conn) };
        session.batch.set_requester(Arc::new(requester));
        session.sink.set_headers(false);
        if auth_required {
            session.parser.set_gate(Gate::ConnectOnly);
        }
        session.apply_limits(HeaderSupport::Disabled);
        session
    }

    /// Takes over the limits of server and account, the smaller of each.
    pub(crate) fn apply_limits(&mut self, headers: HeaderSupport) {
        let ours = self.account.limits();
        let claimed = self.user.as_ref().and_then(|user| user.claimed.as_ref());
        let own = claimed.map(|claimed| claimed.limits()).unwrap_or_default();
        let smaller = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        let max_payload =
            smaller(self.options.max_payload.map(u64::from), ours.max_payload.map(u64::from));
        let max_payload = smaller(max_payload, own.max_payload.map(u64::from));
        let max_payload = max_payload.and_then(|max| usize::try_from(max).ok());
        self.conn.set_max_payload(max_payload);
        self.max_subs =
            smaller(self.options.max_subscriptions, ours.max_subscriptions.map(u64::from));
        self.max_subs = smaller(self.max_subs, own.max_subscriptions.map(u64::from));
        self.parser.set_limits(Limits {
            max_control_line: self.options.max_control_line as usize,
            max_payload,
            headers,
        });
    }

    /// Adds protocol bytes to the client's output; they leave with the batch.
    pub(crate) fn send(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        if self.sink.outbox.write(append) == wire::Pushed::First {
            self.batch.mark_dirty(&self.sink);
        }
    }

    pub(crate) fn send_err(&mut self, text: &str) {
        if self.tracing {
            tracing::trace!("{} - ->> [-ERR {text}]", self.label);
        }
        self.send(|out| wire::encode::err(out, text));
    }

    /// `+OK`, if the client wants that.
    pub(crate) fn confirm(&mut self) {
        if self.connect.verbose {
            self.send(wire::encode::ok);
        }
    }

    /// The INFO for this client, with or without its account.
    pub(crate) fn send_info(&mut self, kind: InfoKind) {
        let accounts = self.ctx.accounts.load();
        let mut part = self.ctx.client_part(&self.conn);
        match kind {
            InfoKind::Greeting => {
                part.auth_required = accounts.advertise_auth();
                part.nonce = self.nonce.as_deref();
            }
            InfoKind::Connected => {
                part.account = Some(info::AccountPart {
                    name: self.account.name(),
                    is_system: accounts.is_system(&self.account),
                });
            }
        }
        let json = self.ctx.info.load().render(part);
        self.send(|out| wire::encode::info(out, &json));
    }

    /// Writes an error about this client to the log.
    pub(crate) fn log_error(&self, text: &str) {
        tracing::error!("{} - {text}", self.label);
    }

    /// Tells the client why, and ends the session.
    pub(crate) fn reject(&mut self, text: &str, reason: CloseReason) -> CloseReason {
        self.send_err(text);
        reason
    }

    /// The next time at which [`on_timer`](Self::on_timer) has something to do.
    pub(crate) fn next_due_ns(&self) -> u64 {
        let ping = self.pings.due_ns();
        let expiry = self.expiry.map(|(due, _)| due);
        self.auth_due_ns.into_iter().chain(expiry).fold(ping, u64::min)
    }

    /// Does what is due.
    pub(crate) fn on_timer(&mut self, now_ns: u64) -> Result<(), CloseReason> {
        if self.auth_due_ns.is_some_and(|due| due <= now_ns) {
            tracing::debug!("{} - {}", self.label, wire::err::AUTHENTICATION_TIMEOUT);
            let text = wire::err::AUTHENTICATION_TIMEOUT;
            return Err(self.reject(text, CloseReason::AuthenticationTimeout));
        }
        if let Some((_, whose)) = self.expiry.filter(|(due, _)| *due <= now_ns) {
            return Err(self.on_expiry(whose));
        }
        match self.pings.due(now_ns) {
            Due::Wait => Ok(()),
            Due::Ping => {
                tracing::debug!("{} - Client Ping Timer", self.label);
                self.send(wire::encode::ping);
                Ok(())
            }
            Due::Stale => {
                tracing::debug!("{} - Stale Client Connection - Closing", self.label);
                Err(self.reject(wire::err::STALE_CONNECTION, CloseReason::StaleConnection))
            }
        }
    }

    /// A token has run out (`authExpired` and `accountAuthExpired` in `server/client.go`).
    pub(crate) fn on_expiry(&mut self, whose: Expiring) -> CloseReason {
        let text = match whose {
            Expiring::User => wire::err::USER_AUTHENTICATION_EXPIRED,
            Expiring::Account => wire::err::ACCOUNT_AUTHENTICATION_EXPIRED,
        };
        tracing::debug!("{} - {text}", self.label);
        self.reject(text, CloseReason::AuthenticationExpired)
    }

    /// Ends a batch: hands everything over and counts it, once for all its messages.
    pub(crate) fn finish_batch(&mut self) {
        self.batch.finish();
        self.answer_refused();
        let counts = std::mem::take(&mut self.counts);
        if counts.msgs > 0 {
            add(&self.conn.in_msgs, counts.msgs);
            add(&self.conn.in_bytes, counts.bytes);
            add(&self.account.stats().in_msgs, counts.msgs);
            add(&self.account.stats().in_bytes, counts.bytes);
            add(&self.ctx.stats.in_msgs, counts.msgs);
            add(&self.ctx.stats.in_bytes, counts.bytes);
        }
        if counts.msgs > 0 || counts.subs > 0 {
            self.conn.last_activity_ns.store(self.now_ns, Ordering::Relaxed);
            self.pings.heard(self.now_ns);
        } else if counts.heard {
            self.pings.heard(self.now_ns);
        }
    }
}

/// Which INFO.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InfoKind {
    /// The first bytes of a connection.
    Greeting,
    /// The answer to CONNECT and the first PING.
    Connected,
}
