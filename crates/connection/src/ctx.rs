//! What all connections share.

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use account::{Account, Accounts};
use arc_swap::ArcSwap;
use tokio::sync::Notify;
use types::Timestamp;
use wire::CloseReason;

use crate::info::ClientPart;
use crate::{ClientOptions, Conn, Connections, ServerInfo, ServerStats, Traffic, ping};

/// What all connections of a server share.
pub struct ServerCtx {
    /// Limits and timers; connections read them when they start.
    pub options: ArcSwap<ClientOptions>,
    /// What INFO says. Tell the clients with [`announce_info`](Self::announce_info).
    pub info: ArcSwap<ServerInfo>,
    /// Accounts and users; new connections authenticate against them.
    pub accounts: ArcSwap<Accounts>,
    /// Live and closed connections.
    pub connections: Connections,
    /// Counters.
    pub stats: ServerStats,
    epoch: Instant,
    epoch_wall_ns: i64,
    phase: AtomicU8,
    reload_turn: AtomicU64,
    reload_progress: Notify,
    loader: OnceLock<Arc<dyn AccountLoader>>,
}

/// Finds accounts that no client needed so far, in operator mode (`AccountResolver` in
/// `server/accounts.go`).
pub trait AccountLoader: Send + Sync {
    /// Looks for an account, and puts it into [`ServerCtx::accounts`]; whether it is there then.
    fn load(&self, name: String) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

/// Longest that clients may take to follow a reload; hashing passwords takes time.
const RELOAD_DEADLINE: Duration = Duration::from_secs(10);

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Clients are welcome.
    Running,
    /// Clients are being told to go elsewhere; new ones are refused.
    LameDuck,
    /// Clients are being closed.
    ShuttingDown,
}

impl ServerCtx {
    /// A context for clients to come.
    pub fn new(info: ServerInfo, options: ClientOptions, accounts: Arc<Accounts>) -> Arc<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(ServerCtx {
            options: ArcSwap::from_pointee(options),
            info: ArcSwap::from_pointee(info),
            accounts: ArcSwap::new(accounts),
            connections: Connections::default(),
            stats: ServerStats::default(),
            epoch: Instant::now(),
            epoch_wall_ns: i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX),
            phase: AtomicU8::new(Phase::Running as u8),
            reload_turn: AtomicU64::new(0),
            reload_progress: Notify::new(),
            loader: OnceLock::new(),
        })
    }

    /// Says who finds accounts that are not there yet; once.
    pub fn set_loader(&self, loader: Arc<dyn AccountLoader>) {
        // There is one server to one context.
        let _ = self.loader.set(loader);
    }

    /// Looks for an account that is not there yet; whether it is now.
    pub(crate) async fn load_account(&self, name: String) -> bool {
        match self.loader.get() {
            Some(loader) => loader.load(name).await,
            None => false,
        }
    }

    /// Nanoseconds since this context was made; never goes back.
    pub fn now_ns(&self) -> u64 {
        ping::nanos(self.epoch.elapsed())
    }

    /// The [`now_ns`](Self::now_ns) of a wall-clock time, seconds since 1970; 0 where that was
    /// before this context was made.
    pub(crate) fn ns_of_wall(&self, unix_s: i64) -> u64 {
        let ns = unix_s.saturating_mul(1_000_000_000).saturating_sub(self.epoch_wall_ns);
        u64::try_from(ns).unwrap_or(0)
    }

    /// The wall-clock time at a [`now_ns`](Self::now_ns).
    pub fn wall(&self, ns: u64) -> Timestamp {
        let ns = i64::try_from(ns).unwrap_or(i64::MAX);
        Timestamp::from_unix_ns(self.epoch_wall_ns.saturating_add(ns))
    }

    /// When this context was made: the server's start.
    pub fn started(&self) -> Timestamp {
        self.wall(0)
    }

    pub(crate) fn instant(&self, ns: u64) -> tokio::time::Instant {
        // A year is as good as never, and cannot overflow.
        const FAR_NS: u64 = 365 * 86_400 * 1_000_000_000;
        let now_ns = self.now_ns();
        let wait = Duration::from_nanos(ns.saturating_sub(now_ns).min(FAR_NS));
        tokio::time::Instant::now() + wait
    }

    /// Where the server is in its life.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Running as u8 => Phase::Running,
            phase if phase == Phase::LameDuck as u8 => Phase::LameDuck,
            _ => Phase::ShuttingDown,
        }
    }

    /// Refuses new clients, and tells those that understand it to go elsewhere
    /// (`server/server.go` `sendLDMToClients`).
    pub fn enter_lame_duck(&self) {
        self.phase.store(Phase::LameDuck as u8, Ordering::Release);
        let mut info = ServerInfo::clone(&self.info.load());
        info.lame_duck = true;
        info.connect_urls.clear();
        self.announce(&info);
    }

    /// Refuses new clients and closes all there are. Wait for
    /// [`Connections::drained`] afterwards.
    pub fn shut_down(&self) {
        self.phase.store(Phase::ShuttingDown as u8, Ordering::Release);
        self.close_all(CloseReason::ServerShutdown);
    }

    /// Closes all clients.
    pub fn close_all(&self, reason: CloseReason) {
        for conn in self.connections.all() {
            conn.close(reason);
        }
    }

    /// Tells all clients that understand it what INFO says now (`server/route.go`
    /// `sendAsyncInfoToClients`).
    pub fn announce_info(&self) {
        self.announce(&self.info.load());
    }

    fn announce(&self, info: &ServerInfo) {
        for conn in self.connections.all() {
            if conn.takes_info() {
                let json = info.render(self.client_part(&conn));
                let _ = conn.sink.outbox.write(|out| wire::encode::info(out, &json));
                conn.sink.outbox.flush();
            }
        }
    }

    pub(crate) fn client_part<'a>(&self, conn: &'a Conn) -> ClientPart<'a> {
        ClientPart {
            id: conn.id(),
            ip: &conn.ip,
            max_payload: conn.max_payload(),
            headers: self.options.load().headers == wire::HeaderSupport::Enabled,
            auth_required: self.accounts.load().auth_required(),
            nonce: None,
            account: None,
        }
    }

    /// Puts changed options and accounts into force, for clients to come and for those there are:
    /// each looks at its own user, permissions and limits anew, and is closed where it may not
    /// stay. Waits for all of them, but not for ever (`server/reload.go` `reloadAuthorization`).
    pub async fn reload(&self, options: ClientOptions, accounts: Arc<Accounts>) {
        let before = self.options.swap(Arc::new(options));
        self.accounts.store(accounts);
        self.let_follow(self.connections.all(), &[]).await;
        let max = self.options.load().max_connections;
        if max != before.max_connections {
            self.close_beyond(max);
        }
        for account in self.accounts.load().iter() {
            self.close_excess(account);
        }
    }

    /// Puts other accounts into force, which differ from those before in these names; clients of
    /// these accounts follow as at a [reload](Self::reload).
    pub async fn renew_accounts(&self, accounts: Arc<Accounts>, changed: &BTreeSet<String>) {
        self.accounts.store(Arc::clone(&accounts));
        let (mut concerned, mut unsettled) = (Vec::new(), Vec::new());
        for conn in self.connections.all() {
            let details = conn.details.lock();
            let (claimed, name) = (details.claimed.is_some(), details.account.name());
            let into = match (changed.contains(name), claimed) {
                (true, _) => &mut concerned,
                // Who is being let in by what was true before looks again, but is not waited for:
                // it may itself wait for another account to be found.
                (false, false) => &mut unsettled,
                (false, true) => continue,
            };
            into.push(Arc::clone(&conn));
        }
        self.let_follow(concerned, &unsettled).await;
        for name in changed {
            if let Some(account) = accounts.get(name) {
                self.close_excess(account);
            }
        }
    }

    /// Tells clients to look at themselves anew, and waits for them; `others` are told only.
    async fn let_follow(&self, clients: Vec<Arc<Conn>>, others: &[Arc<Conn>]) {
        let turn = self.reload_turn.fetch_add(1, Ordering::AcqRel) + 1;
        for conn in clients.iter().chain(others) {
            conn.wake();
        }
        let all_follow = async {
            loop {
                let mut progress = pin!(self.reload_progress.notified());
                progress.as_mut().enable();
                if clients.iter().all(|conn| conn.follows(turn)) {
                    return;
                }
                progress.await;
            }
        };
        if tokio::time::timeout(RELOAD_DEADLINE, all_follow).await.is_err() {
            tracing::warn!("some clients have not followed the reload yet");
        }
    }

    fn close_beyond(&self, max: Option<u64>) {
        let max = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let mut clients = self.open_clients(|_| true);
        let beyond = clients.len().saturating_sub(max);
        if beyond == 0 {
            return;
        }
        clients.truncate(beyond);
        for conn in clients {
            let text = wire::err::MAXIMUM_CONNECTIONS_EXCEEDED;
            conn.close_with(text, CloseReason::MaxConnectionsExceeded);
        }
        tracing::info!("Closed {beyond} connections to fall within max_connections");
    }

    /// Clients of an account that are beyond its limit, the newest first (`server/accounts.go`
    /// `updateRemoteServer`).
    pub fn excess_clients(&self, account: &Account) -> Vec<Arc<Conn>> {
        let excess = usize::try_from(account.excess_connections()).unwrap_or(usize::MAX);
        if excess == 0 {
            return Vec::new();
        }
        let mut clients = self.open_clients(|conn| std::ptr::eq(&*conn.account(), account));
        clients.truncate(excess);
        clients
    }

    /// Closes the newest clients of an account that are beyond its limit; how many.
    pub fn close_excess(&self, account: &Account) -> usize {
        let excess = self.excess_clients(account);
        for conn in &excess {
            let text = wire::err::MAXIMUM_ACCOUNT_CONNECTIONS_EXCEEDED;
            conn.close_with(text, CloseReason::MaxAccountConnectionsExceeded);
        }
        excess.len()
    }

    /// Clients that are not about to end, the newest first.
    fn open_clients(&self, wanted: impl Fn(&Conn) -> bool) -> Vec<Arc<Conn>> {
        let mut clients = self.connections.all();
        clients.retain(|conn| !conn.sink.outbox.is_closed() && wanted(conn));
        clients.sort_by_key(|conn| std::cmp::Reverse((conn.start_ns, conn.id())));
        clients
    }

    pub(crate) fn reload_turn(&self) -> u64 {
        self.reload_turn.load(Ordering::Acquire)
    }

    pub(crate) fn reload_followed(&self) {
        self.reload_progress.notify_waiters();
    }

    /// Messages and bytes of all clients there are and were.
    pub fn traffic(&self) -> Traffic {
        let get = crate::stats::get;
        let mut traffic = Traffic {
            in_msgs: get(&self.stats.in_msgs),
            in_bytes: get(&self.stats.in_bytes),
            out_msgs: get(&self.stats.closed_out_msgs),
            out_bytes: get(&self.stats.closed_out_bytes),
        };
        for conn in self.connections.all() {
            let out = conn.sink.outbox.stats();
            traffic.out_msgs += out.msgs_out;
            traffic.out_bytes += out.bytes_out;
        }
        traffic
    }

    /// Messages and bytes of all clients that an account has and had.
    pub fn account_traffic(&self, account: &Arc<Account>) -> Traffic {
        let get = crate::stats::get;
        let stats = account.stats();
        let mut traffic = Traffic {
            in_msgs: get(&stats.in_msgs),
            in_bytes: get(&stats.in_bytes),
            out_msgs: get(&stats.out_msgs),
            out_bytes: get(&stats.out_bytes),
        };
        for conn in self.connections.all() {
            if Arc::ptr_eq(&conn.account(), account) {
                let out = conn.sink.outbox.stats();
                traffic.out_msgs += out.msgs_out;
                traffic.out_bytes += out.bytes_out;
            }
        }
        traffic
    }
}

impl std::fmt::Debug for ServerCtx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCtx").field("connections", &self.connections).finish_non_exhaustive()
    }
}
