//! The limits of a stream, in the form that the stores check them.

use types::{Discard, StreamConfig};

use crate::api::{StoreError, Totals};
use crate::ttl;

/// A stream's limits; `u64::MAX` where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) max_msgs: u64,
    pub(crate) max_bytes: u64,
    pub(crate) max_per_subject: u64,
    pub(crate) discard: Discard,
    pub(crate) new_per_subject: bool,
    /// 0 is no limit.
    pub(crate) max_age_ns: i64,
}

fn limit(value: i64) -> u64 {
    match u64::try_from(value) {
        Ok(0) | Err(_) => u64::MAX,
        Ok(limit) => limit,
    }
}

impl Limits {
    /// No limits at all.
    pub(crate) fn none() -> Self {
        Limits {
            max_msgs: u64::MAX,
            max_bytes: u64::MAX,
            max_per_subject: u64::MAX,
            discard: Discard::Old,
            new_per_subject: false,
            max_age_ns: 0,
        }
    }

    pub(crate) fn of(config: &StreamConfig) -> Self {
        Limits {
            max_msgs: limit(config.max_msgs),
            max_bytes: limit(config.max_bytes),
            max_per_subject: limit(config.max_msgs_per_subject),
            discard: config.discard,
            new_per_subject: config.discard_new_per_subject,
            max_age_ns: config.max_age_ns.max(0),
        }
    }

    /// Whether any limit takes the oldest messages out.
    pub(crate) fn over(&self, totals: &Totals) -> bool {
        self.discard == Discard::Old
            && (totals.msgs > self.max_msgs || totals.bytes > self.max_bytes)
    }

    /// Refuses a message that discard new keeps out (`server/filestore.go` `storeRawMsg`).
    ///
    /// `oldest_of_subject` answers the size of the message that the per-subject limit would
    /// remove; it is asked only where that matters.
    pub(crate) fn admit(
        &self,
        totals: &Totals,
        of_subject: u64,
        size: u64,
        headers: &[u8],
        oldest_of_subject: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        if self.discard == Discard::Old {
            return Ok(());
        }
        let replaces = of_subject >= self.max_per_subject;
        // A rollup purges its subject right after it is stored.
        if replaces && self.new_per_subject && ttl::header(headers, b"Nats-Rollup").is_none() {
            return Err(StoreError::MaxMsgsPerSubject);
        }
        if totals.msgs >= self.max_msgs && !replaces {
            return Err(StoreError::MaxMsgs);
        }
        if totals.bytes.saturating_add(size) > self.max_bytes
            && (!replaces || oldest_of_subject()? < size)
        {
            return Err(StoreError::MaxBytes);
        }
        Ok(())
    }
}
