//! What one stream charges for the messages it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use types::{AccountLimits, ApiError, Storage, errors};

use crate::account::AccountUsage;
use crate::tier::Tier;

/// Handle of one stream on the byte counters of its account and the server.
///
/// What was charged and not credited goes back when it drops.
#[derive(Debug)]
pub struct StreamQuota {
    account: Arc<AccountUsage>,
    tier: Arc<Tier>,
    kind: Storage,
    replicas: i64,
    used: Arc<AtomicU64>,
    /// Under which the tier knows `used`.
    number: u64,
}

impl StreamQuota {
    pub(crate) fn new(
        account: Arc<AccountUsage>,
        tier: Arc<Tier>,
        kind: Storage,
        replicas: i64,
    ) -> Self {
        let used = Arc::new(AtomicU64::new(0));
        let number = tier.add_quota(kind, &used);
        StreamQuota { account, tier, kind, replicas, used, number }
    }

    /// Takes `bytes` for a message about to be stored, or refuses and changes nothing: 10120
    /// without limits, 10002 over the account's, 10023 over the server's
    /// (`server/jetstream.go` `wouldExceedLimits`).
    ///
    /// Several stores may charge at once: none of the counters is above its limit at any moment.
    pub fn charge(&self, bytes: u64) -> Result<(), ApiError> {
        let account = self.tier.own.of(self.kind);
        let copies = u64::try_from(self.replicas.max(1)).unwrap_or(1);
        let ceiling = self.tier.ceiling(self.kind, self.replicas);
        if !account.try_add(bytes, bytes.saturating_mul(copies), ceiling) {
            let no_limits = self.tier.limits().is_none();
            let row =
                if no_limits { errors::NO_LIMITS } else { errors::ACCOUNT_RESOURCES_EXCEEDED };
            return Err(row.err());
        }
        let server = &self.account.server;
        let limit = Some(server.limits.raw(self.kind)).filter(|limit| *limit >= 0);
        if !server.used.of(self.kind).try_add(bytes, bytes, limit) {
            // It was below the ceiling of an i64 when it was added.
            account.add(-i64::try_from(bytes).unwrap_or(i64::MAX));
            return Err(errors::INSUFFICIENT_RESOURCES.err());
        }
        self.tier.touch();
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.account.changed();
        if account.get() < 0 {
            self.account.ask_recount(&self.tier, self.kind);
        }
        Ok(())
    }

    /// Gives back the bytes of messages that are gone; never more than this stream took.
    pub fn credit(&self, bytes: u64) {
        let before = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now.saturating_sub(bytes))
            })
            .unwrap_or_default();
        debug_assert!(before >= bytes, "stream gave back {bytes} of {before}");
        let bytes = bytes.min(before);
        self.account.add_usage(&self.tier, self.kind, -i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts bytes that are already stored (recovery), whatever the limits say.
    pub fn adopt(&self, bytes: u64) {
        let bytes = bytes.min(i64::MAX as u64);
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.account.add_usage(&self.tier, self.kind, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Bytes that this stream holds.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The account's limits as they stand now; `None` where no tier applies.
    pub fn limits(&self) -> Option<AccountLimits> {
        self.tier.limits()
    }

    /// Most unacknowledged messages of a consumer by the account's limit; -1 is no limit.
    pub fn max_ack_pending(&self) -> i64 {
        self.tier.limits().map_or(-1, |l| l.max_ack_pending)
    }

    /// Most consumers of a stream by the account's limit; `None` is no limit.
    pub fn max_consumers(&self) -> Option<u64> {
        let limit = self.tier.limits().map_or(-1, |l| l.max_consumers);
        u64::try_from(limit).ok().filter(|n| *n > 0)
    }

    /// Counts a consumer for as long as the ticket lives.
    pub fn count_consumer(&self) -> ConsumerTicket {
        self.tier.consumers.add(1);
        ConsumerTicket { tier: Arc::clone(&self.tier) }
    }
}

impl Drop for StreamQuota {
    fn drop(&mut self) {
        self.credit(self.used());
        self.tier.remove_quota(self.kind, self.number);
    }
}

/// Counts one consumer in its account until it drops.
#[derive(Debug)]
pub struct ConsumerTicket {
    tier: Arc<Tier>,
}

impl Drop for ConsumerTicket {
    fn drop(&mut self) {
        self.tier.consumers.sub(1);
    }
}
