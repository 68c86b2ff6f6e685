//! What a stream takes from other streams: as a mirror all of one, as a stream with sources some
//! of each.
//!
//! Nothing here asks anybody: [`Stream::origin_reads`](crate::Stream::origin_reads) says what is
//! wanted, the origin's [`read_origin`](crate::Stream::read_origin) finds it, and
//! [`take_origin`](crate::Stream::take_origin) stores it. A feed wants one batch at a time, so
//! what is under way is bounded by the number of feeds.

mod batch;
mod feed;
mod header;
mod name;
mod progress;

pub(crate) use batch::OriginMsg;
pub use batch::{OriginBatch, OriginRead, ReadFrom, ReaderId, Ticket};
pub(crate) use feed::{Feed, Held, Home};
#[cfg(test)]
pub(crate) use header::index_of;
pub(crate) use header::{from_mirrored, from_sourced};
pub(crate) use progress::Origins;
