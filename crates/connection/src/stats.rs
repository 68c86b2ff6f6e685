//! Counters of the server.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the server since its start; relaxed.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Messages received from clients.
    pub in_msgs: AtomicU64,
    /// Their headers and payloads, bytes.
    pub in_bytes: AtomicU64,
    /// Messages sent to clients that are gone; [`crate::ServerCtx::traffic`] has the whole.
    pub closed_out_msgs: AtomicU64,
    /// Their headers and payloads, bytes.
    pub closed_out_bytes: AtomicU64,
    /// Connections accepted.
    pub total_connections: AtomicU64,
    /// Clients cut off because they read too slowly.
    pub slow_consumers: AtomicU64,
    /// Clients cut off because pings went unanswered.
    pub stale_connections: AtomicU64,
    /// Times a publisher was made to wait.
    pub stalls: AtomicU64,
    /// Failed authentications.
    pub auth_errors: AtomicU64,
}

/// Messages and bytes in and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages received.
    pub in_msgs: u64,
    /// Their headers and payloads, bytes.
    pub in_bytes: u64,
    /// Messages sent.
    pub out_msgs: u64,
    /// Their headers and payloads, bytes.
    pub out_bytes: u64,
}

pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

pub(crate) fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
