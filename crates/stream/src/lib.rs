//! One stream and its consumers, as synchronous state machines over a store.
//!
//! What it does: takes publishes, acks and pull requests, keeps retention, deduplication and
//! limits, and says what is to be sent ([`Effects`]). Nothing leaves before it is committed:
//! publish acks are held until [`Stream::commit`], and consumers read what was committed.
//!
//! State it owns: the store of one stream, how far it read the streams it takes from, its message-id window, its message schedules, and its
//! consumers with their progress, requests and timers.
//!
//! What it must not know: accounts' subject spaces, connections, threads, clocks, files. Time and
//! interest come in through [`Ctx`]; what is to be routed goes out through [`Effects`].
//!
//! Entry points: [`Stream::new`], [`Stream::recover`], then per batch [`Stream::publish`],
//! [`Stream::ack`], [`Stream::next`], [`Stream::direct_get`], [`Stream::tick`],
//! [`Stream::commit`], [`Stream::deliver`]; between streams [`Stream::origin_reads`],
//! [`Stream::read_origin`], [`Stream::take_origin`].
//!
//! Wire sources: `server/stream.go`, `server/consumer.go`, `server/jetstream_api.go`.

mod consumer;
mod ctx;
mod duration;
mod effects;
mod errors;
mod filter;
mod headers;
mod origins;
mod request;
mod schedule;
mod stream;

pub use consumer::{AckMsg, AckSubject, ConsumerCreate};
pub use ctx::{BatchLimits, Ctx, Interest, StreamEnv, SyncPolicy};
pub use effects::{Effects, Outgoing, Watch};
pub use origins::{OriginBatch, OriginRead, ReadFrom, ReaderId, Ticket};
pub use stream::{
    DirectGet, GoneReader, Publish, Ready, SnapshotConsumers, SnapshotStart, Stream, StreamParts,
};

#[cfg(test)]
mod tests;
