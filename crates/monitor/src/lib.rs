//! Monitoring: what a running server tells of itself, as JSON, over HTTP and to whoever asks in
//! the system account.
//!
//! What it does: gathers the figures of connections, subscriptions, accounts and JetStream into
//! the documents of nats-server ([`Monitor`]), and serves them ([`serve`]).
//!
//! State it owns: how often each path was asked for, and the last sample of processor use.
//!
//! What it must not know: how the server is started and stopped, the client protocol, files of
//! streams (but which directories there are, for health).
//!
//! Entry points: [`Monitor::varz`], [`Monitor::connz`], [`Monitor::subsz`], [`Monitor::jsz`],
//! [`Monitor::healthz`], [`serve`].
//!
//! Wire sources: `server/monitor.go`, `server/monitor_sort_opts.go`.

mod accountz;
mod connz;
mod healthz;
mod http;
mod jsz;
mod monitor;
mod process;
mod query;
mod root;
mod statsz;
mod subsz;
mod text;
mod varz;

#[cfg(test)]
mod tests;

pub use accountz::{
    AccountInfo, AccountStat, AccountStatz, AccountStatzOptions, Accountz, AccountzOptions,
    DataStats, Gatewayz, Leafz, MsgBytes, Routez,
};
pub use connz::{ConnInfo, ConnState, Connz, ConnzOptions, SubDetail};
pub use healthz::{Healthz, HealthzError, HealthzErrorKind, HealthzOptions};
pub use http::serve;
pub use jsz::{AccountDetail, Jsz, JszOptions, StreamDetail};
pub use monitor::Monitor;
pub use query::BadRequest;
pub use statsz::Statsz;
pub use subsz::{SublistStats, Subsz, SubszOptions};
pub use text::go_duration;
pub use varz::{ByKind, ClusterVarz, Empty, JetStreamConfig, JetStreamLimits, JetStreamVarz, Varz};
