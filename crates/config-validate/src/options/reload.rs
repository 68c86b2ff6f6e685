//! What differs between the options in effect and new ones, and whether a running server can
//! follow.
//!
//! Wire source: `diffOptions` in `server/reload.go`.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DEFAULT_SYSTEM_ACCOUNT, Options, Port};
use crate::bytes::friendly_bytes;
use crate::duration::format_nanos;

/// Something that a running server can change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `client_advertise`
    ClientAdvertise(String),
    /// `trace`
    Trace(bool),
    /// `debug`
    Debug(bool),
    /// `trace_verbose`
    TraceVerbose(bool),
    /// `trace_headers`
    TraceHeaders(bool),
    /// `logtime`
    Logtime(bool),
    /// `logtime_utc`
    LogtimeUtc(bool),
    /// `max_connections`
    MaxConnections(Option<u64>),
    /// Users; may be the same ones.
    Users,
    /// Accounts; may be the same ones.
    Accounts,
    /// `authorization { user }`
    Username,
    /// `authorization { password }`
    Password,
    /// `authorization { token }`
    Token,
    /// `ping_interval`
    PingInterval(Duration),
    /// `ping_max`
    PingMax(u32),
    /// `authorization { timeout }`
    AuthTimeout(Duration),
    /// `max_control_line`
    MaxControlLine(u32),
    /// `max_payload`
    MaxPayload(Option<u32>),
    /// `no_fast_producer_stall`
    NoFastProducerStall(bool),
    /// JetStream is switched on or off.
    JetStream(bool),
    /// The server's JetStream limits grow, bytes.
    JetStreamLimits {
        /// `max_memory_store`, where that grows.
        max_memory: Option<i64>,
        /// `max_file_store`, where that grows.
        max_store: Option<i64>,
    },
    /// `pid_file`
    PidFile(Option<PathBuf>),
    /// `ports_file_dir`
    PortsFileDir(Option<PathBuf>),
    /// `log_file`
    LogFile(Option<PathBuf>),
    /// `syslog`
    Syslog(bool),
    /// `remote_syslog`
    RemoteSyslog(String),
    /// `write_deadline`
    WriteDeadline(Duration),
    /// `max_traced_msg_len`
    MaxTracedMsgLen(usize),
    /// `server_tags`
    Tags,
    /// `server_metadata`
    Metadata,
}

/// What a running server cannot change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config reload not supported for {0}")]
pub struct ReloadRefused(pub String);

/// What the server is doing now, beyond its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The port that clients connect to.
    pub port: u16,
    /// JetStream runs.
    pub jetstream: bool,
}

impl Change {
    /// The line for the log, where the reference writes one at once.
    pub fn log_line(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| {
            path.as_deref().map(Path::to_string_lossy).unwrap_or_default().into_owned()
        };
        let line = match self {
            Change::ClientAdvertise(to) => return vec![format!("Reload: client_advertise = {to}")],
            Change::Trace(on) => format!("trace = {on}"),
            Change::Debug(on) => format!("debug = {on}"),
            Change::TraceVerbose(on) => format!("trace_verbose = {on}"),
            Change::TraceHeaders(on) => format!("trace_headers = {on}"),
            Change::Logtime(on) => format!("logtime = {on}"),
            Change::LogtimeUtc(on) => format!("logtime_utc = {on}"),
            Change::MaxConnections(max) => {
                format!("max_connections = {}", max.map_or(-1, i128::from))
            }
            Change::Users => "authorization users".to_owned(),
            Change::Accounts => "accounts".to_owned(),
            Change::Username => "authorization username".to_owned(),
            Change::Password => "authorization password".to_owned(),
            Change::Token => "authorization token".to_owned(),
            Change::PingInterval(time) => format!("ping_interval = {}", duration(*time)),
            Change::PingMax(max) => format!("ping_max = {max}"),
            Change::AuthTimeout(time) => {
                format!("authorization timeout = {}", time.as_secs_f64())
            }
            Change::MaxControlLine(max) => format!("max_control_line = {max}"),
            Change::MaxPayload(max) => {
                format!("max_payload = {}", max.map_or(-1, i64::from))
            }
            Change::NoFastProducerStall(true) => "fast producers will not be stalled".to_owned(),
            Change::NoFastProducerStall(false) => "fast producers will be stalled".to_owned(),
            Change::JetStream(_) => "JetStream".to_owned(),
            Change::JetStreamLimits { max_memory, max_store } => {
                #[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
                let size = |bytes: i64| friendly_bytes(bytes as f64);
                let memory = max_memory.map(|b| format!("max_mem_store = {}", size(b)));
                let store = max_store.map(|b| format!("max_file_store = {}", size(b)));
                let lines = memory.into_iter().chain(store);
                return lines.map(|line| format!("Reloaded: JetStream {line}")).collect();
            }
            Change::PidFile(None) => return Vec::new(),
            Change::PidFile(file) => format!("pid_file = {}", path(file)),
            Change::PortsFileDir(dir) => format!("ports_file_dir = {}", path(dir)),
            Change::LogFile(file) => format!("log_file = {}", path(file)),
            Change::Syslog(on) => format!("syslog = {on}"),
            Change::RemoteSyslog(to) => format!("remote_syslog = {to}"),
            Change::WriteDeadline(time) => format!("write_deadline = {}", duration(*time)),
            Change::MaxTracedMsgLen(length) => format!("max_traced_msg_len = {length}"),
            Change::Tags => "tags".to_owned(),
            Change::Metadata => "metadata".to_owned(),
        };
        vec![format!("Reloaded: {line}")]
    }

    /// Whether the log is set up anew.
    pub fn is_logging(&self) -> bool {
        matches!(
            self,
            Change::Trace(_)
                | Change::Debug(_)
                | Change::TraceVerbose(_)
                | Change::TraceHeaders(_)
                | Change::Logtime(_)
                | Change::LogtimeUtc(_)
                | Change::LogFile(_)
                | Change::Syslog(_)
                | Change::RemoteSyslog(_)
                | Change::MaxTracedMsgLen(_)
        )
    }
}

fn duration(time: Duration) -> String {
    format_nanos(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// Compares in the order of the reference's fields: the first that cannot change is told.
struct Diff {
    changes: Vec<Change>,
}

impl Diff {
    fn fixed<T: PartialEq>(
        &self,
        field: &str,
        old: &T,
        new: &T,
        show: impl Fn(&T) -> String,
    ) -> Result<(), ReloadRefused> {
        if old == new {
            return Ok(());
        }
        Err(ReloadRefused(format!("{field}: old={}, new={}", show(old), show(new))))
    }

    /// As [`fixed`](Self::fixed), for values that hold secrets or have no words of their own.
    fn unshown<T: PartialEq>(&self, field: &str, old: &T, new: &T) -> Result<(), ReloadRefused> {
        self.fixed(field, old, new, |_| "...".to_owned())
    }

    fn may<T: PartialEq + Clone>(&mut self, old: &T, new: &T, change: impl Fn(T) -> Change) {
        if old != new {
            self.changes.push(change(new.clone()));
        }
    }
}

fn text<T: Display>(value: &T) -> String {
    value.to_string()
}

fn or_empty(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn or_zero<T: Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "0".to_owned(), T::to_string)
}

fn port_number(port: &Option<Port>) -> String {
    match port {
        None => "0".to_owned(),
        Some(Port::Random) => "-1".to_owned(),
        Some(Port::Fixed(port)) => port.to_string(),
    }
}

impl Options {
    /// What has to be done to go from these options to `new`. Some values of `new` are taken over
    /// from here where the file leaves them to the server, such as a random port.
    ///
    /// # Errors
    /// When something changed that a running server cannot change.
    pub fn reload_changes(
        &self,
        new: &mut Options,
        running: Running,
    ) -> Result<Vec<Change>, ReloadRefused> {
        if new.port == Port::Random || new.port == Port::Fixed(running.port) {
            new.port = self.port;
        }
        let old = self;
        let new = &*new;
        let mut diff = Diff { changes: Vec::new() };
        diff.fixed("ServerName", &old.server_name, &new.server_name, or_empty)?;
        diff.fixed("Host", &old.host, &new.host, text)?;
        let actual = Some(Port::Fixed(running.port));
        if old.port != new.port {
            diff.fixed("Port", &actual, &Some(new.port), port_number)?;
        }
        diff.may(&old.client_advertise, &new.client_advertise, |to| {
            Change::ClientAdvertise(to.unwrap_or_default())
        });
        diff.may(&old.log.trace, &new.log.trace, Change::Trace);
        diff.may(&old.log.debug, &new.log.debug, Change::Debug);
        diff.may(&old.log.trace_verbose, &new.log.trace_verbose, Change::TraceVerbose);
        diff.may(&old.log.trace_headers, &new.log.trace_headers, Change::TraceHeaders);
        let cache = (&old.disable_sublist_cache, &new.disable_sublist_cache);
        diff.fixed("NoSublistCache", cache.0, cache.1, text)?;
        diff.fixed("NoHeaderSupport", &old.no_header_support, &new.no_header_support, text)?;
        diff.may(&old.log.logtime, &new.log.logtime, Change::Logtime);
        diff.may(&old.log.logtime_utc, &new.log.logtime_utc, Change::LogtimeUtc);
        let (was, is) = (&old.limits, &new.limits);
        diff.may(&was.max_connections, &is.max_connections, Change::MaxConnections);
        diff.fixed("MaxSubs", &was.max_subscriptions, &is.max_subscriptions, or_zero)?;
        diff.fixed("MaxSubTokens", &was.max_sub_tokens, &is.max_sub_tokens, or_zero)?;
        // Their innards always differ in the reference, so it always looks at them.
        diff.changes.push(Change::Users);
        diff.changes.push(Change::Accounts);
        diff.accounts(old, new)?;
        let (was, is) = (&old.auth, &new.auth);
        diff.may(&was.user, &is.user, |_| Change::Username);
        diff.may(&was.password, &is.password, |_| Change::Password);
        diff.may(&was.token, &is.token, |_| Change::Token);
        diff.may(&old.ping_interval, &new.ping_interval, Change::PingInterval);
        diff.may(&old.ping_max, &new.ping_max, Change::PingMax);
        let (was, is) = (&old.monitor, &new.monitor);
        diff.fixed("HTTPHost", &was.host, &is.host, or_empty)?;
        diff.fixed("HTTPPort", &was.http_port, &is.http_port, port_number)?;
        diff.fixed("HTTPBasePath", &was.base_path, &is.base_path, text)?;
        diff.may(&old.auth.timeout, &new.auth.timeout, Change::AuthTimeout);
        let (was, is) = (&old.limits, &new.limits);
        diff.may(&was.max_control_line, &is.max_control_line, Change::MaxControlLine);
        diff.may(&was.max_payload, &is.max_payload, Change::MaxPayload);
        diff.fixed("MaxPending", &was.max_pending, &is.max_pending, text)?;
        let stall = (&old.no_fast_producer_stall, &new.no_fast_producer_stall);
        diff.may(stall.0, stall.1, Change::NoFastProducerStall);
        let (was, is) = (&old.operator, &new.operator);
        diff.unshown("TrustedOperators", &was.operators, &is.operators)?;
        diff.unshown("TrustedKeys", &was.trusted_keys, &is.trusted_keys)?;
        diff.unshown("AccountResolver", &was.resolver, &is.resolver)?;
        diff.unshown("Cluster", &old.cluster, &new.cluster)?;
        diff.jetstream(old, new, running)?;
        diff.unshown("JsAccDefaultDomain", &old.default_js_domain, &new.default_js_domain)?;
        diff.fixed("ProfPort", &old.prof_port, &new.prof_port, port_number)?;
        diff.may(&old.pid_file, &new.pid_file, Change::PidFile);
        diff.may(&old.ports_file_dir, &new.ports_file_dir, Change::PortsFileDir);
        let (was, is) = (&old.log, &new.log);
        diff.may(&was.file, &is.file, Change::LogFile);
        diff.fixed("LogSizeLimit", &was.size_limit, &is.size_limit, or_zero)?;
        diff.fixed("LogMaxFiles", &was.max_files, &is.max_files, or_zero)?;
        diff.may(&was.syslog, &is.syslog, Change::Syslog);
        diff.may(&was.remote_syslog, &is.remote_syslog, |to| {
            Change::RemoteSyslog(to.unwrap_or_default())
        });
        diff.may(&old.write_deadline, &new.write_deadline, Change::WriteDeadline);
        diff.unshown("WriteTimeout", &old.write_timeout, &new.write_timeout)?;
        let closed = (&old.limits.max_closed_clients, &new.limits.max_closed_clients);
        diff.fixed("MaxClosedClients", closed.0, closed.1, text)?;
        let time = |time: &Duration| duration(*time);
        diff.fixed("LameDuckDuration", &old.lame_duck_duration, &new.lame_duck_duration, time)?;
        let grace = (&old.lame_duck_grace_period, &new.lame_duck_grace_period);
        diff.fixed("LameDuckGracePeriod", grace.0, grace.1, time)?;
        diff.may(&old.log.max_traced_msg_len, &new.log.max_traced_msg_len, |length| {
            Change::MaxTracedMsgLen(length.unwrap_or_default())
        });
        diff.may(&old.server_tags, &new.server_tags, |_| Change::Tags);
        diff.may(&old.server_metadata, &new.server_metadata, |_| Change::Metadata);
        diff.unshown("FeatureFlags", &old.feature_flags, &new.feature_flags)?;
        Ok(diff.changes)
    }
}

impl Diff {
    fn accounts(&self, old: &Options, new: &Options) -> Result<(), ReloadRefused> {
        let (was, is) = (&old.auth.no_auth_user, &new.auth.no_auth_user);
        let gone = match (was, is) {
            (Some(was), None) => !new.auth.users.iter().any(|user| user.username == *was),
            _ => false,
        };
        if !gone {
            self.fixed("NoAuthUser", was, is, or_empty)?;
        }
        let (was, is) = (&old.system_account, &new.system_account);
        if was.as_deref() != Some(DEFAULT_SYSTEM_ACCOUNT) || is.is_some() {
            self.fixed("SystemAccount", was, is, or_empty)?;
        }
        self.fixed("NoSystemAccount", &old.no_system_account, &new.no_system_account, text)
    }

    fn jetstream(
        &mut self,
        old: &Options,
        new: &Options,
        running: Running,
    ) -> Result<(), ReloadRefused> {
        let refuse = |what: &str| Err(ReloadRefused(what.to_owned()));
        let (was, is) = (&old.jetstream, &new.jetstream);
        if was.enabled != is.enabled || (is.enabled && !running.jetstream) {
            self.changes.push(Change::JetStream(is.enabled));
        }
        self.fixed("NoJetStreamStrict", &!was.strict, &!is.strict, text)?;
        let limits = [(was.max_memory, is.max_memory), (was.max_store, is.max_store)];
        let mut grown = [None, None];
        let mut unset = false;
        for ((was, is), grown) in limits.into_iter().zip(&mut grown) {
            if !running.jetstream || was == is {
                continue;
            }
            match (was, is) {
                (Some(was), Some(is)) if is > was => *grown = Some(is),
                (Some(_), None) => unset = true,
                (None, Some(_)) => return refuse("jetstream dynamic max memory and store"),
                _ => return refuse("decreasing jetstream max memory and store"),
            }
        }
        if let [max_memory, max_store] = grown
            && (max_memory.is_some() || max_store.is_some())
        {
            self.changes.push(Change::JetStreamLimits { max_memory, max_store });
        }
        self.fixed("JetStreamDomain", &was.domain, &is.domain, or_empty)?;
        self.fixed("JetStreamExtHint", &was.extension_hint, &is.extension_hint, text)?;
        // The reference prints the keys.
        self.unshown("JetStreamKey", &was.key, &is.key)?;
        self.unshown("JetStreamOldKey", &was.prev_key, &is.prev_key)?;
        self.unshown("JetStreamCipher", &was.cipher, &is.cipher)?;
        self.fixed("JetStreamUniqueTag", &was.unique_tag, &is.unique_tag, or_empty)?;
        self.unshown("JetStreamLimits", &was.limits, &is.limits)?;
        self.unshown("JetStreamTpm", &was.tpm, &is.tpm)?;
        let catchup = (&was.max_outstanding_catchup, &is.max_outstanding_catchup);
        self.fixed("JetStreamMaxCatchup", catchup.0, catchup.1, or_zero)?;
        let queue = (&was.request_queue_limit, &is.request_queue_limit);
        self.fixed("JetStreamRequestQueueLimit", queue.0, queue.1, text)?;
        self.fixed("JetStreamInfoQueueLimit", &was.info_queue_limit, &is.info_queue_limit, text)?;
        self.fixed("StreamMaxBufferedMsgs", &was.max_buffered_msgs, &is.max_buffered_msgs, text)?;
        self.fixed("StreamMaxBufferedSize", &was.max_buffered_size, &is.max_buffered_size, text)?;
        let mut moved = false;
        if running.jetstream && old.store_dir != new.store_dir {
            if new.store_dir.is_some() {
                return refuse("jetstream storage directory");
            }
            moved = true;
        }
        let time = |time: &Duration| duration(*time);
        self.fixed("SyncInterval", &was.sync.interval, &is.sync.interval, time)?;
        self.fixed("SyncAlways", &was.sync.always, &is.sync.always, text)?;
        if is.enabled && unset {
            return refuse("jetstream max memory and max store");
        }
        if is.enabled && moved {
            return refuse("jetstream storage dir");
        }
        Ok(())
    }
}
