//! Guards over what a stream has reserved.

use std::sync::Arc;

use types::{ApiError, Storage, StreamConfig, errors};

use crate::account::AccountUsage;
use crate::listing::ListingId;
use crate::quota::StreamQuota;
use crate::tier::Tier;

/// One stream's place in its account's limits: the stream count and its `max_bytes`.
///
/// Held by the registry for as long as the stream exists; dropping it gives everything back.
#[derive(Debug)]
pub struct StreamReservation {
    account: Arc<AccountUsage>,
    tier: Arc<Tier>,
    kind: Storage,
    replicas: i64,
    listed: ListingId,
    bytes: u64,
}

/// The refusal where `max_bytes` does not fit.
fn exceeded(kind: Storage) -> ApiError {
    match kind {
        Storage::Memory => errors::MEMORY_RESOURCES_EXCEEDED.err(),
        Storage::File => errors::STORAGE_RESOURCES_EXCEEDED.err(),
    }
}

/// What `max_bytes` reserves; without a limit nothing.
fn wanted(max_bytes: i64) -> u64 {
    u64::try_from(max_bytes).unwrap_or(0)
}

impl StreamReservation {
    pub(crate) fn take(
        account: Arc<AccountUsage>,
        tier: Arc<Tier>,
        config: &StreamConfig,
    ) -> Result<Self, ApiError> {
        let limits = tier.limits().ok_or_else(|| errors::NO_LIMITS.err())?;
        let max_streams = u64::try_from(limits.max_streams).ok().filter(|n| *n > 0);
        let listed = {
            let mut listing = account.listing.lock();
            let others = listing.competitors(tier.name(), config);
            if max_streams.is_some_and(|max| others >= max) {
                return Err(errors::MAXIMUM_STREAMS_LIMIT.err());
            }
            listing.add(tier.name(), config)
        };
        let (kind, replicas) = (config.storage, config.num_replicas);
        let mut reservation = StreamReservation { account, tier, kind, replicas, listed, bytes: 0 };
        if config.max_consumers > 0
            && limits.max_consumers > 0
            && config.max_consumers > limits.max_consumers
        {
            return Err(errors::MAXIMUM_CONSUMERS_LIMIT.err());
        }
        // A stream without max_bytes reserves nothing, yet needs room for at least one byte.
        if config.max_bytes <= 0 && !reservation.would_fit(1) {
            return Err(exceeded(config.storage));
        }
        reservation.add(wanted(config.max_bytes))?;
        Ok(reservation)
    }

    pub(crate) fn adopt(
        account: Arc<AccountUsage>,
        tier: Arc<Tier>,
        config: &StreamConfig,
    ) -> Self {
        let bytes = wanted(config.max_bytes);
        let listed = account.listing.lock().add(tier.name(), config);
        tier.reserved.of(config.storage).add(bytes);
        account.server.reserved.of(config.storage).add(bytes);
        let (kind, replicas) = (config.storage, config.num_replicas);
        StreamReservation { account, tier, kind, replicas, listed, bytes }
    }

    /// Registers a stream that is not served: it reserves nothing.
    pub(crate) fn list(account: Arc<AccountUsage>, tier: Arc<Tier>, config: &StreamConfig) -> Self {
        let listed = account.listing.lock().add(tier.name(), config);
        let (kind, replicas) = (config.storage, config.num_replicas);
        StreamReservation { account, tier, kind, replicas, listed, bytes: 0 }
    }

    /// Gives the bytes back of a stream that is not served any more; it stays registered.
    pub fn release(&mut self) {
        self.sub(self.bytes);
    }

    fn would_fit(&self, bytes: u64) -> bool {
        let server = &self.account.server;
        self.tier.reserved.of(self.kind).would_fit(bytes, self.tier.bytes.of(self.kind))
            && server.reserved.of(self.kind).would_fit(bytes, server.limits.of(self.kind))
    }

    fn add(&mut self, bytes: u64) -> Result<(), ApiError> {
        let server = &self.account.server;
        let account = self.tier.reserved.of(self.kind);
        if !account.try_add(bytes, self.tier.bytes.of(self.kind)) {
            return Err(exceeded(self.kind));
        }
        if !server.reserved.of(self.kind).try_add(bytes, server.limits.of(self.kind)) {
            account.sub(bytes);
            return Err(exceeded(self.kind));
        }
        self.bytes += bytes;
        Ok(())
    }

    fn sub(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.tier.reserved.of(self.kind).sub(bytes);
        self.account.server.reserved.of(self.kind).sub(bytes);
        self.bytes -= bytes;
    }

    /// Changes `max_bytes` of the stream: more is reserved at once (or refused with 10028 or
    /// 10047), less is given back on [`ReservationChange::keep`]. A change that is dropped
    /// without `keep` is undone.
    pub fn change(&mut self, max_bytes: i64) -> Result<ReservationChange<'_>, ApiError> {
        let (before, after) = (self.bytes, wanted(max_bytes));
        if after > before {
            self.add(after - before)?;
        }
        Ok(ReservationChange { reservation: self, max_bytes, before, after, kept: false })
    }

    /// The quota that the stream charges its messages to. One per stream.
    pub fn quota(&self) -> StreamQuota {
        let (account, tier) = (Arc::clone(&self.account), Arc::clone(&self.tier));
        StreamQuota::new(account, tier, self.kind, self.replicas)
    }

    /// The account that it is taken from.
    pub fn account(&self) -> &Arc<AccountUsage> {
        &self.account
    }

    /// Bytes reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for StreamReservation {
    fn drop(&mut self) {
        self.sub(self.bytes);
        self.account.listing.lock().remove(self.listed);
    }
}

/// A change of a reservation that is not yet decided.
#[derive(Debug)]
pub struct ReservationChange<'a> {
    reservation: &'a mut StreamReservation,
    max_bytes: i64,
    before: u64,
    after: u64,
    kept: bool,
}

impl ReservationChange<'_> {
    /// The stream took the change.
    pub fn keep(mut self) {
        self.kept = true;
        let held = &self.reservation;
        held.account.listing.lock().set_max_bytes(held.listed, self.max_bytes);
    }
}

impl Drop for ReservationChange<'_> {
    fn drop(&mut self) {
        let target = if self.kept { self.after } else { self.before };
        let held = self.reservation.bytes;
        self.reservation.sub(held.saturating_sub(target));
    }
}
