//! What the endpoints report, gathered from the server's parts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use account::{Account, Accounts, now_unix_s};
use arc_swap::{ArcSwap, ArcSwapOption};
use config_validate::Options;
use config_validate::options::WriteTimeoutPolicy;
use connection::{ServerCtx, SubInfo, WithSubs};
use js_engine::{Engine, JsAccount, StreamView};
use parking_lot::Mutex;
use types::api::StreamInfoRequest;
use types::{ApiError, ConsumerInfo, EngineStats, Storage, StreamInfo, Timestamp};

use crate::accountz::{
    AccountInfo, AccountStat, AccountStatz, AccountStatzOptions, Accountz, AccountzOptions,
    DataStats, Gatewayz, Leafz, MsgBytes, Routez,
};
use crate::connz::{self, ConnInfo, ConnState, Connz, ConnzOptions, SubDetail};
use crate::healthz::{self, Health, Healthz, HealthzOptions, StreamCondition, StreamHealth};
use crate::jsz::{AccountDetail, Jsz, JszOptions, StreamDetail};
use crate::process::{self, ProcessUse};
use crate::query::BadRequest;
use crate::statsz::Statsz;
use crate::subsz::{self, SublistStats, Subsz, SubszOptions};
use crate::text;
use crate::varz::{
    ByKind, ClusterVarz, Empty, JetStreamConfig, JetStreamLimits, JetStreamVarz, Varz,
};

/// Longest that shards are waited for.
const SHARD_DEADLINE: Duration = Duration::from_secs(10);
/// Feature switches of the reference, both off by default (`server/feature_flags.go`).
const FEATURE_FLAGS: [&str; 2] = ["js_ack_fc_v2", "js_raft_delete_range"];

/// What the endpoints report, gathered from the server's parts.
pub struct Monitor {
    ctx: Arc<ServerCtx>,
    options: ArcSwap<Options>,
    base_path: String,
    http_port: u16,
    jetstream: ArcSwapOption<JetStream>,
    ready: AtomicBool,
    process: ProcessUse,
    requests: Mutex<BTreeMap<String, u64>>,
}

struct JetStream {
    engine: Arc<Engine>,
    config: JetStreamConfig,
}

impl Monitor {
    /// A monitor of this server; `http_port` is the endpoint's own port, 0 without one.
    pub fn new(ctx: Arc<ServerCtx>, options: Arc<Options>, http_port: u16) -> Arc<Self> {
        Arc::new(Monitor {
            ctx,
            base_path: options.monitor.base_path.clone(),
            options: ArcSwap::new(options),
            http_port,
            jetstream: ArcSwapOption::empty(),
            ready: AtomicBool::new(false),
            process: ProcessUse::new(),
            requests: Mutex::new(BTreeMap::new()),
        })
    }

    /// JetStream runs, or (`None`) does not any more.
    pub fn set_jetstream(&self, running: Option<(Arc<Engine>, JetStreamConfig)>) {
        let running = running.map(|(engine, config)| Arc::new(JetStream { engine, config }));
        self.jetstream.store(running);
    }

    /// Options were reloaded.
    pub fn set_options(&self, options: Arc<Options>) {
        self.options.store(options);
    }

    /// Clients can connect.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Clients cannot connect any more, or for the time being.
    pub fn set_unready(&self) {
        self.ready.store(false, Ordering::Release);
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.base_path
    }

    pub(crate) fn count_request(&self, path: &str) {
        *self.requests.lock().entry(path.to_owned()).or_default() += 1;
    }

    fn now(&self) -> Timestamp {
        self.ctx.wall(self.ctx.now_ns())
    }

    fn server_id(&self) -> String {
        self.ctx.info.load().server_id.clone()
    }

    /// `/varz`.
    pub fn varz(&self) -> Varz {
        let options = self.options.load_full();
        let (info, accounts) = (self.ctx.info.load(), self.ctx.accounts.load());
        let now_ns = self.ctx.now_ns();
        let traffic = self.ctx.traffic();
        let stats = &self.ctx.stats;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let slow_consumers = load(&stats.slow_consumers);
        let stale_connections = load(&stats.stale_connections);
        let limits = &options.limits;
        let cores = process::cores();
        Varz {
            server_id: info.server_id.clone(),
            server_name: info.server_name.clone(),
            version: types::COMPATIBLE_VERSION.to_owned(),
            proto: 1,
            git_commit: info.git_commit.clone().unwrap_or_default(),
            go: "rust".to_owned(),
            host: info.host.clone(),
            port: info.port,
            auth_required: accounts.advertise_auth(),
            max_connections: wire_limit(limits.max_connections),
            max_subscriptions: limits.max_subscriptions.map_or(0, |max| wire_limit(Some(max))),
            ping_interval_ns: nanoseconds(options.ping_interval),
            ping_max: options.ping_max,
            http_host: match self.http_port {
                0 => String::new(),
                _ => options.monitor_host().to_owned(),
            },
            http_port: self.http_port,
            http_base_path: match &*options.monitor.base_path {
                "/" => String::new(),
                path => path.to_owned(),
            },
            https_port: 0,
            auth_timeout: options.auth.timeout.as_secs_f64(),
            max_control_line: limits.max_control_line,
            max_payload: wire_limit(limits.max_payload.map(u64::from)),
            max_pending: limits.max_pending,
            cluster: ClusterVarz { name: options.cluster.name.clone().unwrap_or_default() },
            gateway: Empty {},
            leaf: Empty {},
            mqtt: Empty {},
            websocket: Empty {},
            jetstream: self.jetstream_varz(),
            tls_timeout: 2.0,
            write_deadline_ns: nanoseconds(options.write_deadline),
            write_timeout: match options.write_timeout {
                WriteTimeoutPolicy::Default => String::new(),
                WriteTimeoutPolicy::Close => "close".to_owned(),
                WriteTimeoutPolicy::Retry => "retry".to_owned(),
            },
            start: self.ctx.started(),
            now: self.ctx.wall(now_ns),
            uptime: text::uptime(now_ns),
            mem: process::memory_bytes(),
            cores,
            gomaxprocs: cores,
            cpu: self.process.cpu_percent(),
            connections: self.ctx.connections.len(),
            total_connections: load(&stats.total_connections),
            routes: 0,
            remotes: 0,
            leafnodes: 0,
            in_msgs: traffic.in_msgs,
            out_msgs: traffic.out_msgs,
            in_bytes: traffic.in_bytes,
            out_bytes: traffic.out_bytes,
            slow_consumers,
            stale_connections,
            stalled_clients: load(&stats.stalls),
            subscriptions: accounts.iter().map(|account| subscriptions(account)).sum(),
            http_req_stats: self.requests.lock().clone(),
            config_load_time: self.ctx.started(),
            config_digest: options.config_digest.clone().unwrap_or_default(),
            tags: options.server_tags.clone(),
            metadata: options.server_metadata.clone(),
            feature_flags: self.feature_flags(),
            system_account: accounts.system().map(|a| a.name().to_owned()).unwrap_or_default(),
            slow_consumer_stats: ByKind { clients: slow_consumers, ..ByKind::default() },
            stale_connection_stats: ByKind { clients: stale_connections, ..ByKind::default() },
        }
    }

    fn jetstream_varz(&self) -> JetStreamVarz {
        match &*self.jetstream.load() {
            None => JetStreamVarz::default(),
            Some(running) => JetStreamVarz {
                config: Some(running.config.clone()),
                stats: Some(running.engine.stats()),
                limits: Some(self.jetstream_limits()),
            },
        }
    }

    fn jetstream_limits(&self) -> JetStreamLimits {
        let options = self.options.load();
        let limits = &options.jetstream.limits;
        JetStreamLimits {
            max_request_batch: limits.max_request_batch,
            max_ack_pending: limits.max_ack_pending,
            max_ha_assets: limits.max_ha_assets,
            max_duplicate_window_ns: nanoseconds(limits.duplicate_window),
            max_batch_inflight_per_stream: limits.batch.max_inflight_per_stream,
            max_batch_inflight_total: limits.batch.max_inflight_total,
            max_batch_size: limits.batch.max_msgs,
            max_batch_timeout_ns: nanoseconds(limits.batch.timeout),
        }
    }

    /// `/connz`.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn connz(&self, options: &ConnzOptions) -> Result<Connz, BadRequest> {
        let sort = connz::check(options)?;
        let now = self.now();
        let filter = Some(&*options.filter_subject).filter(|f| !matches!(*f, "" | ">"));
        let detail = options.subscriptions || options.subscriptions_detail || filter.is_some();
        let with = if detail { WithSubs::List } else { WithSubs::Count };
        let of_account =
            |info: &connection::ConnInfo| options.acc.is_empty() || info.account == options.acc;
        let mut all: Vec<connection::ConnInfo> = Vec::new();
        if options.state != ConnState::Closed {
            let live = self.ctx.connections.all();
            all.extend(live.iter().map(|conn| conn.snapshot(&self.ctx, with)).filter(of_account));
        }
        if options.state != ConnState::Open {
            let closed = self.ctx.connections.closed();
            all.extend(closed.iter().filter(|info| of_account(info)).map(|info| (**info).clone()));
        }
        let total = all.len();
        let wanted = |info: &connection::ConnInfo| {
            (options.cid == 0 || info.cid == options.cid)
                && (options.user.is_empty() || info.authorized_user == options.user)
                && filter.is_none_or(|filter| overlaps(info, filter))
        };
        let picked = all.iter().filter(|info| wanted(info));
        let picked = picked.map(|info| conn_info(info, options)).collect();
        Ok(connz::page(&self.server_id(), now, options, sort, total, picked))
    }

    /// `/subsz`.
    ///
    /// # Errors
    /// When the test subject is not one that can be published to.
    pub fn subsz(&self, options: &SubszOptions) -> Result<Subsz, BadRequest> {
        subsz::check(options)?;
        let mut stats = SublistStats::default();
        let mut picked = Vec::new();
        let accounts = self.ctx.accounts.load();
        let wanted = |a: &&Arc<Account>| options.account.is_empty() || a.name() == options.account;
        for account in accounts.iter().filter(wanted) {
            stats.add(account);
            if !options.subscriptions {
                continue;
            }
            for sub in account.space().subscriptions() {
                // The server's own are no client's subscriptions.
                let Some(sink) = sub.sink() else { continue };
                let matches = options.test.is_empty()
                    || subject::matches(options.test.as_bytes(), &sub.pattern);
                if matches {
                    let name = || account.name().to_owned();
                    let detail = sub_detail(&SubInfo::of(&sub), sink.id);
                    picked.push(SubDetail { account: name(), account_tag: name(), ..detail });
                }
            }
        }
        // So that pages fit together.
        picked.sort_by(|a, b| (&a.account, a.cid, &a.sid).cmp(&(&b.account, b.cid, &b.sid)));
        Ok(subsz::page(&self.server_id(), self.now(), options, stats, picked))
    }

    /// `/jsz`. Waits for shards.
    pub fn jsz(&self, options: JszOptions) -> Jsz {
        let options = options.complete();
        let (server_id, now) = (self.server_id(), self.now());
        let running = self.jetstream.load();
        let Some(running) = &*running else {
            return Jsz { server_id, now, disabled: true, ..Jsz::default() };
        };
        let accounts = running.engine.accounts();
        let names: Vec<&str> = accounts.iter().map(|account| account.name()).collect();
        let listed = options.listed(&names);
        let mut jsz = Jsz {
            stats: running.engine.stats(),
            server_id,
            now,
            config: running.config.clone(),
            limits: Some(self.jetstream_limits()),
            total: accounts.len(),
            ..Jsz::default()
        };
        for (place, account) in accounts.iter().enumerate() {
            let list = listed.contains(&place);
            let details = stream_details(account, &options, list && options.consumer);
            jsz.streams += details.len() as u64;
            for detail in &details {
                jsz.consumers += detail.state.consumer_count;
                jsz.messages += detail.state.msgs;
                jsz.bytes += detail.state.bytes;
            }
            if list {
                let stream_detail = if options.streams { details } else { Vec::new() };
                jsz.account_details.push(account_detail(account, stream_detail));
            }
        }
        if options.raft_groups {
            jsz.streams_leader = jsz.streams;
            jsz.consumers_leader = jsz.consumers;
        }
        jsz
    }

    /// `/healthz`. Waits for shards; reads the store directory.
    pub fn healthz(&self, options: &HealthzOptions) -> Healthz {
        healthz::judge(options, &self.health(options))
    }

    fn health(&self, options: &HealthzOptions) -> Health {
        if !self.ready.load(Ordering::Acquire) {
            return Health::NotReady;
        }
        if !self.options.load().jetstream.enabled {
            return Health::NoJetStream;
        }
        let running = self.jetstream.load();
        let Some(running) = &*running else { return Health::JetStreamDown };
        let simple = options.js_server_only || options.js_enabled_only || options.js_enabled;
        if simple {
            return Health::JetStream { accounts: Vec::new(), streams: Vec::new() };
        }
        let known = self.ctx.accounts.load();
        let store_dir = std::path::Path::new(&running.config.store_dir);
        // What is on disk must run; what is in memory only is listed so that it can be named.
        let on_disk = directories(store_dir);
        let mut accounts: Vec<(String, bool)> =
            on_disk.iter().map(|name| (name.clone(), known.get(name).is_some())).collect();
        let mut streams = Vec::new();
        for account in running.engine.accounts() {
            if !on_disk.iter().any(|name| name == account.name()) {
                accounts.push((account.name().to_owned(), true));
            }
            streams.extend(stream_health(&account, store_dir));
        }
        Health::JetStream { accounts, streams }
    }

    /// JetStream of one account. Waits for shards.
    ///
    /// # Errors
    /// When the account does not exist or has no JetStream.
    pub fn jsz_account(&self, options: JszOptions) -> Result<AccountDetail, BadRequest> {
        let running = self.jetstream.load();
        let Some(running) = &*running else {
            return Err(BadRequest("jetstream not enabled".to_owned()));
        };
        let name = &options.account;
        if self.ctx.accounts.load().get(name).is_none() {
            return Err(BadRequest(format!("account {name:?} not found")));
        }
        let Some(account) = running.engine.account(name) else {
            return Err(BadRequest(format!("account {name:?} not jetstream enabled")));
        };
        let streams = match options.streams {
            true => stream_details(&account, &options, options.consumer),
            false => Vec::new(),
        };
        Ok(account_detail(&account, streams))
    }

    /// What the server answers to a ping in the system account.
    pub fn statsz(&self) -> Statsz {
        let accounts = self.ctx.accounts.load();
        let traffic = self.ctx.traffic();
        let stats = &self.ctx.stats;
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let by_kind =
            |clients: u64| (clients > 0).then_some(ByKind { clients, ..ByKind::default() });
        let slow_consumers = load(&stats.slow_consumers);
        let stale_connections = load(&stats.stale_connections);
        let mut jetstream = self.jetstream.load().as_ref().map(|_| self.jetstream_varz());
        if let Some(config) = jetstream.as_mut().and_then(|js| js.config.as_mut()) {
            config.store_dir.clear();
        }
        Statsz {
            start: self.ctx.started(),
            mem: process::memory_bytes(),
            cores: process::cores(),
            cpu: self.process.cpu_percent(),
            connections: self.ctx.connections.len(),
            total_connections: load(&stats.total_connections),
            active_accounts: accounts.iter().filter(|a| a.connections() > 0).count(),
            subscriptions: accounts.iter().map(|account| subscriptions(account)).sum(),
            sent: MsgBytes { msgs: traffic.out_msgs, bytes: traffic.out_bytes },
            received: MsgBytes { msgs: traffic.in_msgs, bytes: traffic.in_bytes },
            slow_consumers,
            slow_consumer_stats: by_kind(slow_consumers),
            stale_connections,
            stale_connection_stats: by_kind(stale_connections),
            stalled_clients: load(&stats.stalls),
            active_servers: 1,
            jetstream,
            gomaxprocs: process::cores(),
        }
    }

    /// Feature switches and their state.
    pub fn feature_flags(&self) -> BTreeMap<String, bool> {
        FEATURE_FLAGS
            .iter()
            .map(|&flag| (flag.to_owned(), false))
            .chain(self.options.load().feature_flags.clone())
            .collect()
    }

    /// `/accountz`.
    ///
    /// # Errors
    /// When the account that is asked for does not exist.
    pub fn accountz(&self, options: &AccountzOptions) -> Result<Accountz, BadRequest> {
        let accounts = self.ctx.accounts.load();
        let mut answer = Accountz {
            server_id: self.server_id(),
            now: self.now(),
            system_account: accounts.system().map(|a| a.name().to_owned()).unwrap_or_default(),
            accounts: Vec::new(),
            account_detail: None,
        };
        if options.account.is_empty() {
            answer.accounts = accounts.iter().map(|account| account.name().to_owned()).collect();
            return Ok(answer);
        }
        let name = &options.account;
        let Some(account) = accounts.get(name) else {
            return Err(BadRequest(format!("Account {name} does not exist")));
        };
        let mut sublist_stats = SublistStats::default();
        sublist_stats.add(account);
        let running = self.jetstream.load();
        let claimed = accounts.trust().and_then(|trust| trust.account(name));
        let claims = claimed.map(|claimed| claimed.claims());
        let seconds = |s: i64| Timestamp::from_unix_ns(s.saturating_mul(1_000_000_000));
        let revoked = claims.iter().flat_map(|claims| &claims.nats.revocations);
        answer.account_detail = Some(AccountInfo {
            account_name: name.clone(),
            update_time: Timestamp::ZERO,
            is_system: accounts.is_system(account),
            expired: claims.is_some_and(|claims| claims.is_expired(now_unix_s())),
            complete: true,
            jetstream_enabled: running
                .as_ref()
                .is_some_and(|running| running.engine.account(name).is_some()),
            leafnode_connections: 0,
            client_connections: account.connections(),
            subscriptions: subscriptions(account),
            jwt: claimed.map(|claimed| claimed.token().to_owned()).unwrap_or_default(),
            issuer_key: claims.map(|claims| claims.common.issuer.clone()).unwrap_or_default(),
            name_tag: accounts_tag(&accounts, account),
            tags: claims.map(|claims| claims.nats.tags.clone()).unwrap_or_default(),
            revoked_user: revoked.map(|(user, time)| (user.clone(), seconds(*time))).collect(),
            sublist_stats,
        });
        Ok(answer)
    }

    /// `/accstatz`.
    pub fn account_statz(&self, options: &AccountStatzOptions) -> AccountStatz {
        let accounts = self.ctx.accounts.load();
        let wanted = |account: &&Arc<Account>| {
            let named = options.accounts.iter().any(|name| name == account.name());
            (options.accounts.is_empty() || named)
                && (options.include_unused || account.connections() > 0)
        };
        let stats = accounts.iter().filter(wanted).map(|account| self.account_stat(account));
        AccountStatz {
            server_id: self.server_id(),
            now: self.now(),
            account_statz: stats.collect(),
        }
    }

    fn account_stat(&self, account: &Arc<Account>) -> AccountStat {
        let traffic = self.ctx.account_traffic(account);
        let none = MsgBytes::default();
        let data =
            |msgs, bytes| DataStats { msgs, bytes, gateways: none, routes: none, leafs: none };
        AccountStat {
            acc: account.name().to_owned(),
            name: accounts_tag(&self.ctx.accounts.load(), account),
            conns: account.connections(),
            leafnodes: 0,
            total_conns: account.connections(),
            num_subscriptions: subscriptions(account),
            sent: data(traffic.out_msgs, traffic.out_bytes),
            received: data(traffic.in_msgs, traffic.in_bytes),
            slow_consumers: account.stats().slow_consumers.load(Ordering::Relaxed),
        }
    }

    /// `/routez`.
    pub fn routez(&self) -> Routez {
        Routez {
            server_id: self.server_id(),
            server_name: self.ctx.info.load().server_name.clone(),
            now: self.now(),
            num_routes: 0,
            routes: Vec::new(),
        }
    }

    /// `/gatewayz`.
    pub fn gatewayz(&self) -> Gatewayz {
        Gatewayz {
            server_id: self.server_id(),
            now: self.now(),
            outbound_gateways: BTreeMap::new(),
            inbound_gateways: BTreeMap::new(),
        }
    }

    /// `/leafz`.
    pub fn leafz(&self) -> Leafz {
        Leafz { server_id: self.server_id(), now: self.now(), leafnodes: 0, leafs: Vec::new() }
    }
}

/// A limit as the wire has it: -1 is none.
fn wire_limit(limit: Option<u64>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn overlaps(info: &connection::ConnInfo, filter: &str) -> bool {
    info.subs.iter().any(|sub| subject::collide(sub.subject.as_bytes(), filter.as_bytes()))
}

fn conn_info(info: &connection::ConnInfo, options: &ConnzOptions) -> ConnInfo {
    let rtt_ns = info.rtt.map_or(0, nanoseconds);
    let claimed = info.claimed.as_ref().filter(|_| options.auth);
    let subjects = || info.subs.iter().map(|sub| sub.subject.clone()).collect();
    let details = || info.subs.iter().map(|sub| sub_detail(sub, info.cid)).collect();
    ConnInfo {
        cid: info.cid,
        kind: info.kind.to_owned(),
        client_type: info.protocol.to_owned(),
        ip: info.ip.clone(),
        port: info.port,
        start: info.start,
        last_activity: info.last_activity,
        stop: info.stop,
        reason: info.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
        rtt: text::go_duration(rtt_ns),
        uptime: text::uptime(nanoseconds(info.uptime)),
        idle: text::uptime(nanoseconds(info.idle)),
        pending_bytes: info.pending_bytes as u64,
        in_msgs: info.traffic.in_msgs,
        out_msgs: info.traffic.out_msgs,
        in_bytes: info.traffic.in_bytes,
        out_bytes: info.traffic.out_bytes,
        stalls: info.stalls,
        subscriptions: info.num_subs,
        name: info.name.clone(),
        lang: info.lang.clone(),
        version: info.version.clone(),
        authorized_user: match options.auth {
            true => info.authorized_user.clone(),
            false => String::new(),
        },
        name_tag: match options.auth {
            true => account_tag(info),
            false => String::new(),
        },
        jwt: claimed.and_then(|claimed| claimed.shown_token()).map(str::to_owned),
        issuer_key: claimed.map(|claimed| claimed.issuer().to_owned()),
        tags: claimed.map(|claimed| claimed.tags().to_vec()).unwrap_or_default(),
        account: match options.auth && info.account != types::GLOBAL_ACCOUNT {
            true => info.account.clone(),
            false => String::new(),
        },
        subscriptions_list: match options.subscriptions && !options.subscriptions_detail {
            true => subjects(),
            false => Vec::new(),
        },
        subscriptions_list_detail: match options.subscriptions_detail {
            true => details(),
            false => Vec::new(),
        },
        rtt_ns,
    }
}

/// The name for people of a connection's account, or its name.
fn account_tag(info: &connection::ConnInfo) -> String {
    let tag = info.claimed.as_ref().map(|claimed| claimed.account_name());
    tag.filter(|tag| !tag.is_empty()).unwrap_or(&info.account).to_owned()
}

/// The name for people of an account, or its name.
fn accounts_tag(accounts: &Accounts, account: &Account) -> String {
    let claimed = accounts.trust().and_then(|trust| trust.account(account.name()));
    let tag = claimed.map(|claimed| &*claimed.claims().common.name);
    tag.filter(|tag| !tag.is_empty()).unwrap_or(account.name()).to_owned()
}

/// Subscriptions of an account as others count them.
fn subscriptions(account: &Account) -> u64 {
    account.space().len().saturating_sub(account.jetstream_api_surplus()) as u64
}

fn sub_detail(sub: &SubInfo, cid: u64) -> SubDetail {
    SubDetail {
        account: String::new(),
        account_tag: String::new(),
        subject: sub.subject.clone(),
        queue: sub.queue.clone().unwrap_or_default(),
        sid: sub.sid.clone(),
        msgs: sub.msgs,
        max: sub.max,
        cid,
    }
}

/// What shards say of an account's streams; a shard that does not answer in time is left out.
fn stream_details(
    account: &Arc<JsAccount>,
    options: &JszOptions,
    consumers: bool,
) -> Vec<StreamDetail> {
    let names: Vec<String> = account.streams().into_iter().map(|stream| stream.name).collect();
    let (tx, rx) = mpsc::channel();
    account.with_streams(
        names,
        move |stream, ctx, fx| Ok::<_, ApiError>(describe(stream, ctx, consumers, fx)),
        move |answers| drop(tx.send(answers)),
    );
    let answers = rx.recv_timeout(SHARD_DEADLINE).unwrap_or_default();
    answers
        .into_iter()
        .map(|(info, consumers)| StreamDetail::new(info, consumers, options))
        .collect()
}

fn account_detail(account: &JsAccount, stream_detail: Vec<StreamDetail>) -> AccountDetail {
    let usage = account.usage();
    let stats = account.stats();
    // The reference shows the limits here, and no limit as the largest number.
    let limit = |kind: Storage| {
        let limits = usage.limits();
        limits.get("").map_or(0, |limits| match kind {
            Storage::Memory => limits.max_memory.cast_unsigned(),
            Storage::File => limits.max_storage.cast_unsigned(),
        })
    };
    AccountDetail {
        name: account.name().to_owned(),
        id: account.name().to_owned(),
        stats: EngineStats {
            memory: stats.totals.memory,
            storage: stats.totals.storage,
            reserved_memory: limit(Storage::Memory),
            reserved_storage: limit(Storage::File),
            accounts: 0,
            ha_assets: 0,
            // The reference leaves out the level here.
            api: types::ApiStats { level: 0, ..stats.api },
        },
        stream_detail,
    }
}

fn describe(
    stream: &mut stream::Stream,
    ctx: &stream::Ctx<'_>,
    consumers: bool,
    fx: &mut stream::Effects,
) -> (StreamInfo, Vec<ConsumerInfo>) {
    let info = stream.info(ctx, &StreamInfoRequest::default()).info;
    let consumers = if consumers { stream.all_consumers(ctx, fx) } else { Vec::new() };
    (info, consumers)
}

/// Names of the directories in a directory; none where it cannot be read.
fn directories(dir: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let own = entry.file_type().ok()?.is_dir() && name != SNAPSHOT_STAGING;
            own.then_some(name)
        })
        .collect()
}

/// Directory in the store directory that is no account (`server/jetstream.go` `snapStagingDir`).
const SNAPSHOT_STAGING: &str = ".snap-staging";

fn stream_health(account: &Arc<JsAccount>, store_dir: &std::path::Path) -> Vec<StreamHealth> {
    let options = JszOptions::default();
    let live = stream_details(account, &options, true);
    let views = account.streams();
    let health = |view: StreamView| {
        let detail = live.iter().find(|detail| detail.name == view.name);
        let state = match (&view.offline, detail) {
            (Some(_), _) => StreamCondition::NotRecovered,
            (None, Some(detail)) if !detail.store_error.is_empty() => {
                StreamCondition::CannotStore(detail.store_error.clone())
            }
            (None, _) => StreamCondition::Good,
        };
        let consumers = detail.map(|detail| &detail.consumer_detail[..]).unwrap_or_default();
        let lost = detail.and_then(|detail| detail.state.lost.as_ref());
        StreamHealth {
            account: account.name().to_owned(),
            state,
            lost: lost.map_or(0, |lost| lost.msgs.len()),
            consumers: consumers.iter().map(|consumer| consumer.name.clone()).collect(),
            stream: view.name,
        }
    };
    let mut found: Vec<StreamHealth> = views.into_iter().map(health).collect();
    for stream in directories(&store_dir.join(account.name()).join("streams")) {
        if !found.iter().any(|health| health.stream == stream) {
            found.push(StreamHealth {
                account: account.name().to_owned(),
                stream,
                state: StreamCondition::NotRecovered,
                lost: 0,
                consumers: Vec::new(),
            });
        }
    }
    found
}
