//! The vocabulary of JetStream: configurations, states, API requests and replies, errors, limits.
//!
//! Plain data with its JSON; owns no state and does no I/O. It must not know how anything is
//! checked, stored or sent. Entry points: [`StreamConfig`], [`ConsumerConfig`], [`StreamInfo`],
//! [`ConsumerInfo`], [`ApiError`] with the table in [`errors`], requests and replies in [`api`].
//! Wire sources: `server/stream.go`, `consumer.go`, `store.go`, `jetstream_api.go`,
//! `jetstream_events.go`, `errors.json`.

pub mod advisory;
pub mod api;
mod consumer_config;
mod error;
pub mod errors;
mod limits;
mod skip;
mod state;
mod stream_config;
mod time;

pub use consumer_config::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy, ReplayPolicy};
pub use error::{ApiError, ApiErrorDef};
pub use limits::{AccountLimits, AccountStats, ApiStats, EngineStats, TierStats};
pub use state::{
    ClusterInfo, ConsumerInfo, LostStreamData, PriorityGroupState, SequenceInfo, SequencePair,
    StreamAlternate, StreamInfo, StreamSourceInfo, StreamState,
};
pub use stream_config::{
    Compression, Discard, ExternalStream, PersistMode, Placement, RePublish, Retention, Storage,
    StreamConfig, StreamConfigRequest, StreamConsumerLimits, StreamConsumerSource, StreamSource,
    SubjectTransformConfig,
};
pub use time::{BadTimestamp, Timestamp};

/// JetStream API level that this server speaks (`server/jetstream_versioning.go`).
pub const API_LEVEL: u32 = 4;
/// Version of nats-server that clients may take this server for.
pub const COMPATIBLE_VERSION: &str = "2.14.0";
/// Name of the account of users without one (`server/const.go`).
pub const GLOBAL_ACCOUNT: &str = "$G";
/// Default name of the system account.
pub const SYSTEM_ACCOUNT: &str = "$SYS";

#[cfg(test)]
mod tests;
