//! What the options say about client connections.

use std::time::Duration;

use config_validate::options::Options;

/// What the options say about client connections; `None` is unlimited. A reload swaps it for all
/// connections: those alive keep what they read at their start.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientOptions {
    /// Time between server pings.
    pub ping_interval: Duration,
    /// Unanswered pings before a connection counts as stale.
    pub ping_max: u32,
    /// Longest time without progress when writing to a client.
    pub write_deadline: Duration,
    /// Time a client has to authenticate.
    pub auth_timeout: Duration,
    /// Largest message, bytes.
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
    pub max_pending: usize,
    /// Closed connections remembered for monitoring.
    pub max_closed_clients: usize,
    /// Whether messages may have headers.
    pub headers: wire::HeaderSupport,
    /// Whether publishers are slowed down when a receiver or a stream falls behind.
    pub stall: Stall,
}

/// Whether publishers that outrun a receiver are slowed down (`no_fast_producer_stall`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// They wait a little, up to a bound per read.
    Producers,
    /// They do not.
    Never,
}

impl From<&Options> for ClientOptions {
    fn from(options: &Options) -> Self {
        let limits = &options.limits;
        ClientOptions {
            ping_interval: options.ping_interval,
            ping_max: options.ping_max,
            write_deadline: options.write_deadline,
            auth_timeout: options.auth.timeout,
            max_payload: limits.max_payload,
            max_control_line: limits.max_control_line,
            max_connections: limits.max_connections,
            max_subscriptions: limits.max_subscriptions,
            max_sub_tokens: limits.max_sub_tokens,
            max_pending: usize::try_from(limits.max_pending).unwrap_or(0),
            max_closed_clients: limits.max_closed_clients,
            headers: match options.no_header_support {
                true => wire::HeaderSupport::Disabled,
                false => wire::HeaderSupport::Enabled,
            },
            stall: match options.no_fast_producer_stall {
                true => Stall::Never,
                false => Stall::Producers,
            },
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions::from(&Options::default())
    }
}
