//! Runs the streams: shards, timers, and the registry of accounts and streams.
//!
//! Does: owns every stream in one of a few threads ([shards](EngineSettings::shards)), feeds them
//! what is published, commits in groups and sends what they answer; enrols accounts with their
//! limits, recovers what is stored for them; creates, changes and deletes streams. Owns the
//! server's and accounts' JetStream state. It must not know JSON requests, clients, users or
//! sockets: messages come in as `routing::IngestBatch`, go out through `routing::RouteBatch`, and
//! control calls are closures with a callback.
//!
//! Entry points: [`Engine::start`], [`Engine::enable_account`], [`JsAccount::create_stream`],
//! [`JsAccount::with_stream`], [`JsAccount::begin_snapshot`], [`JsAccount::begin_restore`],
//! [`Engine::stop`].
//!
//! Wire sources: `server/jetstream.go`, `server/stream.go` (life of a stream).

mod account;
mod advisories;
mod assigned;
mod capacity;
mod engine;
mod ids;
mod origins;
mod recount;
mod registry;
mod restore;
mod settings;
mod shard;
mod snapshot;
mod standalone;
mod stores;
mod subjects;

pub use account::{CreatedStream, JsAccount, Reply, StreamView};
pub use assigned::{Assignment, Assignments};
pub use capacity::{
    ByteRequest, Statistics, TierLimits, check_account_limits, check_all_limits,
    check_bytes_limits, diff_checked_limits, reserved_storage,
};
pub use engine::{EnableError, Engine, EngineParts};
pub use ids::Ids;
pub use restore::StreamRestore;
pub use settings::{EngineSettings, InboxLimits};
pub use snapshot::{SnapshotCheck, SnapshotError, StreamSnapshot};
pub use standalone::LeaderRequests;
pub use stores::{Found, Stores};

#[cfg(test)]
mod tests;
