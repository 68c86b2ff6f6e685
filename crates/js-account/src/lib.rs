//! Exact JetStream limits: what servers, accounts and streams use and have reserved.
//!
//! Owns the counters of the server ([`ServerUsage`]), of each account and tier ([`AccountUsage`])
//! and of each stream ([`StreamQuota`]). Bytes, reservations and stream counts are taken with
//! compare-and-swap against the limit, so no counter is above its limit at any moment, however
//! many threads ask; what guards hold goes back when they drop. It must not know streams, stores
//! or requests. Entry points: [`ServerUsage::new`], [`ServerUsage::enrol`],
//! [`AccountUsage::reserve_stream`], [`StreamReservation::quota`].

mod account;
mod api_counters;
mod cluster;
mod correction;
mod exceed;
mod gauge;
mod listing;
mod quota;
mod remote;
mod reservation;
mod server;
mod tier;

pub use account::AccountUsage;
pub use api_counters::ApiCounters;
pub use cluster::{Ends, MIN_UPDATE_GAP_NS, SystemMessages, TakeMessage, UPDATE_INTERVAL_NS};
pub use correction::{Correction, Drift, Recount};
pub use exceed::{Exceeds, Placement, message_size};
pub use quota::{ConsumerTicket, StreamQuota};
pub use remote::RemoteUsageError;
pub use reservation::{ReservationChange, StreamReservation};
pub use server::{ServerLimits, ServerUsage};
pub use tier::{is_same_tier, tier_name};

#[cfg(test)]
mod tests;
