//! Usage that drifted from what is stored, set right.

use std::fmt::Debug;
use std::sync::atomic::Ordering;

use types::Storage;

use crate::account::AccountUsage;

/// Who can count what an account's streams really hold.
pub trait Recount: Debug + Send + Sync {
    /// Own usage of a tier went below zero: count its streams in the background and call
    /// [`AccountUsage::begin_correction`]. Must not block.
    fn request(&self, account: &str, tier: &str, kind: Storage);
}

/// A difference that was found and corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Bytes that the streams hold.
    pub stored: u64,
    /// Bytes that were counted.
    pub counted: i64,
}

/// One correction at work; there is at most one per account.
#[derive(Debug)]
pub struct Correction<'a> {
    account: &'a AccountUsage,
}

impl AccountUsage {
    /// Begins a correction; `None` while another one runs, which makes this one needless.
    pub fn begin_correction(&self) -> Option<Correction<'_>> {
        let free = self.syncing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        free.is_ok().then_some(Correction { account: self })
    }
}

impl Correction<'_> {
    /// Sets own usage of a tier and kind to what its streams hold, and moves the account's total
    /// and the server's counter with it. The caller sees to it that none of these streams
    /// charges or credits meanwhile. A tier without usage is left alone.
    ///
    /// Wire source: `checkAndSyncUsage` in `server/jetstream.go`.
    pub fn correct(&self, tier: &str, kind: Storage, stored: u64) -> Option<Drift> {
        mark::hit!(F1419);
        let tier = self.account.known_tier(tier).filter(|tier| tier.is_touched())?;
        let counted = tier.own.of(kind).get();
        let target = i64::try_from(stored).unwrap_or(i64::MAX);
        if counted == target {
            return None;
        }
        let delta = target.saturating_sub(counted);
        tier.own.of(kind).add(delta);
        self.account.server.used.of(kind).add(delta);
        self.account.changed();
        Some(Drift { stored, counted })
    }
}

impl Drop for Correction<'_> {
    fn drop(&mut self) {
        self.account.syncing.store(false, Ordering::Release);
    }
}
