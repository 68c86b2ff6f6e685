//! The server's options: every setting of a config file or command line, with defaults filled in.

mod accounts;
mod auth;
mod deferred;
mod error;
mod exchange;
mod imports;
mod jetstream;
mod load;
mod mappings;
mod operator;
mod overrides;
mod permissions;
mod reader;
mod reload;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use accounts::{AccountLimits, AccountOptions, ClusterTraffic, MsgTrace};
pub use auth::{AuthOptions, ConnectionType, Proof, User, is_account_key};
pub use deferred::DeferredKey;
pub use error::{ConfigErrors, ConfigIssue, OptionError};
pub use exchange::{
    Export, Import, ResponseKind, ServiceExport, ServiceImport, ServiceLatency, StreamExport,
    StreamImport,
};
pub use imports::retain_usable_imports;
pub use jetstream::{
    BatchLimits, Cipher, JetStreamLimits, JetStreamOptions, StoreKey, SyncPolicy, TpmOptions,
};
pub use mappings::{MappingDestination, SubjectMapping};
pub use operator::{Coverage, Deletion, DirectoryResolver, OperatorOptions, ResolverOptions};
pub use overrides::Overrides;
pub use permissions::{AllowResponses, Permissions, SubjectPermission};
pub use reload::{Change, ReloadRefused, Running};
/// JetStream limits of an account: every number as written, -1 where nothing was.
pub use types::AccountLimits as JetStreamAccountLimits;
pub use validate::{validate, validate_jetstream};

/// Port for clients when nothing else is configured (`DEFAULT_PORT`).
pub const DEFAULT_PORT: u16 = 4222;
/// Name of the account of every user that no account claims (`globalAccountName`).
pub const GLOBAL_ACCOUNT: &str = "$G";
/// Name of the system account when none is configured (`DEFAULT_SYSTEM_ACCOUNT`).
pub const DEFAULT_SYSTEM_ACCOUNT: &str = "$SYS";

/// A TCP port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This port.
    Fixed(u16),
    /// Any free port (`-1` in a config file).
    Random,
}

impl Port {
    /// The number to bind: 0 lets the system choose.
    pub fn bind_number(self) -> u16 {
        match self {
            Port::Fixed(port) => port,
            Port::Random => 0,
        }
    }
}

/// What happens to a connection whose write hits the deadline (`write_timeout`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteTimeoutPolicy {
    /// Close clients, retry other kinds of connection.
    #[default]
    Default,
    /// Close the connection.
    Close,
    /// Keep the connection and try again.
    Retry,
}

/// Every option of the server, always with effective values: what was not set holds its default.
///
/// Wire source: `Options` and `setBaselineOptions` in `server/opts.go`. A value of 0 in the file
/// means "the default" for most keys, as it does there.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The file the options came from.
    pub config_file: Option<PathBuf>,
    /// `sha256:<hex>` over the parsed file, as `-t` prints it.
    pub config_digest: Option<String>,
    /// Address to listen on for clients.
    pub host: String,
    /// Port to listen on for clients.
    pub port: Port,
    /// `host:port` told to clients instead of the own address.
    pub client_advertise: Option<String>,
    /// Name of this server; the server makes one up when absent.
    pub server_name: Option<String>,
    /// Tags of this server (`server_tags`), in order, without duplicates, lower case.
    pub server_tags: Vec<String>,
    /// Free-form metadata of this server.
    pub server_metadata: BTreeMap<String, String>,
    /// Feature switches by name.
    pub feature_flags: BTreeMap<String, bool>,
    /// The monitoring endpoint.
    pub monitor: MonitorOptions,
    /// Limits for client connections.
    pub limits: ConnectionLimits,
    /// Time between server pings.
    pub ping_interval: Duration,
    /// Unanswered pings before a connection counts as stale.
    pub ping_max: u32,
    /// Longest time one write to a client may take.
    pub write_deadline: Duration,
    /// What a missed write deadline does.
    pub write_timeout: WriteTimeoutPolicy,
    /// Time over which lame duck mode spreads the closing of clients.
    pub lame_duck_duration: Duration,
    /// Wait before lame duck mode starts closing clients.
    pub lame_duck_grace_period: Duration,
    /// Do not slow down publishers that outrun a subscriber.
    pub no_fast_producer_stall: bool,
    /// Refuse message headers.
    pub no_header_support: bool,
    /// Keep no cache of subject lookups.
    pub disable_sublist_cache: bool,
    /// Users, passwords, tokens.
    pub auth: AuthOptions,
    /// Configured accounts in file order; `$G` is here only when it has mappings.
    pub accounts: Vec<AccountOptions>,
    /// Name of the system account, when configured; it need not be in `accounts`.
    pub system_account: Option<String>,
    /// Run without a system account.
    pub no_system_account: bool,
    /// JetStream.
    pub jetstream: JetStreamOptions,
    /// Directory given as `store_dir`, at either level, or with `-sd`; JetStream puts its own
    /// `jetstream` directory inside.
    pub store_dir: Option<PathBuf>,
    /// JetStream domain that an account without JetStream uses, by account name.
    pub default_js_domain: BTreeMap<String, String>,
    /// The part of `cluster {}` that other checks need.
    pub cluster: ClusterOptions,
    /// Operator mode: accounts and users are those of tokens.
    pub operator: OperatorOptions,
    /// Servers that this one connects to as a leaf node, in order.
    pub leaf_remotes: Vec<LeafRemote>,
    /// Logging.
    pub log: LogOptions,
    /// File that receives the process id.
    pub pid_file: Option<PathBuf>,
    /// Directory that receives the file of listening ports.
    pub ports_file_dir: Option<PathBuf>,
    /// Port of the profiling endpoint.
    pub prof_port: Option<Port>,
    /// Keys that were accepted but have no effect yet: warn once for each.
    pub deferred_keys: Vec<DeferredKey>,
    /// Warnings found while reading the file, ready to print.
    pub warnings: Vec<ConfigIssue>,
}

/// The monitoring endpoint (`http`, `http_port`, `http_base_path`).
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorOptions {
    /// Address, when it differs from the client address.
    pub host: Option<String>,
    /// Port; absent means no monitoring.
    pub http_port: Option<Port>,
    /// Path in front of every endpoint, `/` by default.
    pub base_path: String,
}

/// Limits for client connections; `None` means unlimited.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionLimits {
    /// Largest payload, bytes.
    pub max_payload: Option<u32>,
    /// Longest protocol line, bytes.
    pub max_control_line: u32,
    /// Most client connections.
    pub max_connections: Option<u64>,
    /// Most subscriptions of one connection.
    pub max_subscriptions: Option<u64>,
    /// Most tokens in a subscription's subject.
    pub max_sub_tokens: Option<u8>,
    /// Most bytes waiting to be written to one connection.
    pub max_pending: i64,
    /// Closed connections remembered for monitoring.
    pub max_closed_clients: usize,
}

/// The part of `cluster {}` that JetStream checks need; clustering itself is not there yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterOptions {
    /// Cluster name.
    pub name: Option<String>,
    /// Port for routes; absent means no cluster.
    pub port: Option<Port>,
}

/// A server to connect to as a leaf node, as far as other checks need it (`RemoteLeafOpts` in
/// `server/opts.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeafRemote {
    /// The account that is connected.
    pub local_account: String,
    /// Subjects that do not come in.
    pub deny_imports: Vec<String>,
    /// Subjects that do not go out.
    pub deny_exports: Vec<String>,
}

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct LogOptions {
    /// Log debug lines.
    pub debug: bool,
    /// Log the protocol.
    pub trace: bool,
    /// Log the protocol of the system account too.
    pub trace_verbose: bool,
    /// Log only message headers, not payloads.
    pub trace_headers: bool,
    /// Longest printed part of a traced message; `None` is all of it.
    pub max_traced_msg_len: Option<usize>,
    /// Put a time in front of each line.
    pub logtime: bool,
    /// Use UTC for that time.
    pub logtime_utc: bool,
    /// File to log to instead of standard error.
    pub file: Option<PathBuf>,
    /// Size in bytes at which the file is rotated; `None` never.
    pub size_limit: Option<u64>,
    /// Rotated files kept; `None` all.
    pub max_files: Option<u64>,
    /// Log to the local syslog.
    pub syslog: bool,
    /// Log to this syslog server.
    pub remote_syslog: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            config_file: None,
            config_digest: None,
            host: "0.0.0.0".to_owned(),
            port: Port::Fixed(DEFAULT_PORT),
            client_advertise: None,
            server_name: None,
            server_tags: Vec::new(),
            server_metadata: BTreeMap::new(),
            feature_flags: BTreeMap::new(),
            monitor: MonitorOptions { host: None, http_port: None, base_path: "/".to_owned() },
            limits: ConnectionLimits::default(),
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
            write_deadline: Duration::from_secs(10),
            write_timeout: WriteTimeoutPolicy::Default,
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace_period: Duration::from_secs(10),
            no_fast_producer_stall: false,
            no_header_support: false,
            disable_sublist_cache: false,
            auth: AuthOptions::default(),
            accounts: Vec::new(),
            system_account: None,
            no_system_account: false,
            jetstream: JetStreamOptions::default(),
            store_dir: None,
            default_js_domain: BTreeMap::new(),
            cluster: ClusterOptions::default(),
            operator: OperatorOptions::default(),
            leaf_remotes: Vec::new(),
            log: LogOptions::default(),
            pid_file: None,
            ports_file_dir: None,
            prof_port: None,
            deferred_keys: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits {
            max_payload: Some(1024 * 1024),
            max_control_line: 4096,
            max_connections: Some(64 * 1024),
            max_subscriptions: None,
            max_sub_tokens: None,
            max_pending: 64 * 1024 * 1024,
            max_closed_clients: 10_000,
        }
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            max_traced_msg_len: None,
            logtime: true,
            logtime_utc: false,
            file: None,
            size_limit: None,
            max_files: None,
            syslog: false,
            remote_syslog: None,
        }
    }
}

impl Options {
    /// Address the monitoring endpoint listens on.
    pub fn monitor_host(&self) -> &str {
        self.monitor.host.as_deref().unwrap_or(&self.host)
    }

    /// The configured account of this name.
    pub fn account(&self, name: &str) -> Option<&AccountOptions> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// Whether a client without credentials belongs to the global account although users exist:
    /// the only users are those of the system account, so nobody else could connect.
    ///
    /// Wire source: the end of `configureAccounts` in `server/server.go`.
    pub fn admits_anonymous(&self) -> bool {
        !self.auth.is_required()
            || (self.only_system_account()
                && self.auth.no_auth_user.is_none()
                && !self.auth.block_defined)
    }

    fn only_system_account(&self) -> bool {
        self.system_account.as_ref().is_some_and(|system| {
            self.accounts.iter().all(|a| a.name == *system || a.name == GLOBAL_ACCOUNT)
        })
    }

    /// Name of the system account in effect, or `None` with `no_system_account`.
    pub fn effective_system_account(&self) -> Option<&str> {
        match &self.system_account {
            Some(name) => Some(name),
            None if self.no_system_account => None,
            None => Some(DEFAULT_SYSTEM_ACCOUNT),
        }
    }
}
