//! Client sessions: from an accepted socket to routed messages, and back out.
//!
//! What it does: speaks the client protocol with one client per task ([`spawn_client`]): INFO,
//! CONNECT and authentication, publishing, subscribing, pings, limits, slow consumers, closing.
//!
//! State it owns: what all clients share ([`ServerCtx`]), the registry of live and recently
//! closed connections ([`Connections`]), and the server's traffic counters ([`ServerStats`]).
//!
//! What it must not know: streams, consumers, stores, the JetStream API, monitoring's JSON, how
//! a server starts and stops.
//!
//! Tasks: one per client, which reads, routes, keeps the client's timers, and writes only when
//! the socket was full; otherwise whoever produced a client's output writes it. Queues: a
//! client's [`wire::Outbox`], bounded by `max_pending` bytes, beyond which the client is cut off.
//!
//! Wire sources: `server/client.go`, `server/server.go` (`createClientEx`), `server/parser.go`.

mod buffer;
mod conn;
mod connect;
mod ctx;
mod dispatch;
mod info;
mod limits;
mod nonce;
mod ping;
mod publish;
mod reader;
mod refused;
mod registry;
mod reload;
mod requester;
mod session;
mod snapshot;
mod socket;
mod stats;
mod subscribe;

#[cfg(test)]
mod tests;

pub use conn::Conn;
pub use ctx::{AccountLoader, Phase, ServerCtx};
pub use info::{JETCORE_VERSION, NATS_VERSION, ServerInfo, generate_server_id};
pub use limits::ClientOptions;
pub use reader::spawn_client;
pub use registry::{ClosedConn, Connections};
pub use snapshot::{ConnInfo, SubInfo, WithSubs};
pub use stats::{ServerStats, Traffic};
