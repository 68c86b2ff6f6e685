//! Asking whether a message would fit, without taking anything.

use types::{AccountLimits, ApiError, Storage, errors};

use crate::account::AccountUsage;

/// What a message counts for in a store: in memory its parts and 16 bytes, in a file 30, or 34
/// with a header (`memStoreMsgSize`, `fileStoreMsgSize` in `server/memstore.go`, `filestore.go`).
pub fn message_size(kind: Storage, subject: usize, headers: usize, payload: usize) -> u64 {
    let parts = (subject as u64).saturating_add(headers as u64).saturating_add(payload as u64);
    let overhead = match kind {
        Storage::Memory => 16,
        Storage::File if headers == 0 => 30,
        Storage::File => 34,
    };
    parts.saturating_add(overhead)
}

/// Whether a message would pass an account's limits.
#[derive(Clone, Debug, PartialEq)]
pub enum Exceeds {
    /// There is room.
    No,
    /// There is none; callers answer 10002.
    Yes,
    /// It is refused for another reason, which is the answer.
    Because(ApiError),
}

impl Exceeds {
    /// Whether the message is refused.
    pub fn is_refused(&self) -> bool {
        *self != Exceeds::No
    }
}

/// A stream as limits see it.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// Where it stores.
    pub kind: Storage,
    /// The tier that it is accounted under; `""` is the flat one.
    pub tier: &'a str,
    /// Its replicas.
    pub replicas: i64,
}

impl AccountUsage {
    /// The limits for a number of replicas, and the tier that has them: the flat one where there
    /// is one, else the one named after the replicas; `None` where neither has limits.
    ///
    /// Wire source: `selectLimits` in `server/jetstream.go`.
    pub fn select_limits(&self, replicas: i64) -> Option<(AccountLimits, String)> {
        mark::hit!(F1428);
        let (name, tier) = self.select(replicas);
        Some((tier?.limits()?, name))
    }

    /// Whether storing a message would pass the account's limits, by the usage of the moment.
    /// Only [`StreamQuota::charge`](crate::StreamQuota::charge) takes the room.
    ///
    /// Looks for limits of exactly that tier. A tier without any usage yet is not checked.
    ///
    /// Wire source: `(*jsAccount).wouldExceedLimits` in `server/jetstream.go`.
    pub fn would_exceed_limits(&self, at: Placement<'_>, size: u64) -> Exceeds {
        mark::hit!(F1432);
        let Some(tier) = self.known_tier(at.tier).filter(|tier| tier.limits().is_some()) else {
            return Exceeds::Because(errors::NO_LIMITS.err());
        };
        if !tier.is_touched() {
            return Exceeds::No;
        }
        let Some(ceiling) = tier.ceiling(at.kind, at.replicas) else { return Exceeds::No };
        let copies = u64::try_from(at.replicas.max(1)).unwrap_or(1);
        let size = i64::try_from(size.saturating_mul(copies)).unwrap_or(i64::MAX);
        let needed = tier.own.of(at.kind).get().saturating_add(size);
        if needed > ceiling { Exceeds::Yes } else { Exceeds::No }
    }

    /// Whether the account is at its limit: not even an empty message fits.
    ///
    /// Wire source: `(*jsAccount).limitsExceeded` in `server/jetstream.go`.
    pub fn limits_exceeded(&self, at: Placement<'_>) -> Exceeds {
        mark::hit!(F1431);
        self.would_exceed_limits(at, message_size(at.kind, 0, 0, 0))
    }
}
