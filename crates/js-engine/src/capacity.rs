//! Whether server and account have room: for messages, for streams, for accounts.
//!
//! These answer by the figures of the moment. What takes the room, exactly and for good, are the
//! guards of `js-account`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use js_account::{AccountUsage, ServerUsage, StreamReservation, tier_name};
use types::{AccountLimits, ApiError, Storage, StreamConfig, errors};

use crate::engine::{Core, Engine};

const KINDS: [Storage; 2] = [Storage::Memory, Storage::File];

/// Limits of an account by tier; `""` is the flat one.
pub type TierLimits = BTreeMap<String, AccountLimits>;

/// Told when what streams reserve on this server changed, in a cluster only: other servers place
/// streams by it. Must not block.
pub trait Statistics: Send + Sync {
    /// The server's statistics are to be sent.
    fn changed(&self);
}

/// Bytes that a stream wants to reserve.
#[derive(Clone, Copy, Debug)]
pub struct ByteRequest {
    /// Where.
    pub kind: Storage,
    /// The stream's `max_bytes`; negative is without limit.
    pub max_bytes: i64,
    /// What the account's other streams reserve already.
    pub reserved: u64,
    /// Bytes on top, of a restore that comes in.
    pub offset: u64,
}

/// What a change of limits asks for: new less old, for the byte limits of each tier that either
/// has. -1 is subtracted like a number; every other field is 0.
///
/// Wire source: `diffCheckedLimits` in `server/jetstream.go`.
pub fn diff_checked_limits(old: &TierLimits, new: &TierLimits) -> TierLimits {
    mark::hit!(F1409);
    let sizes = |limits: &TierLimits, tier: &str| {
        limits.get(tier).map_or((0, 0), |limits| (limits.max_memory, limits.max_storage))
    };
    let tiers: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |tier: &String| {
        let (before, after) = (sizes(old, tier), sizes(new, tier));
        AccountLimits {
            max_memory: after.0.saturating_sub(before.0),
            max_storage: after.1.saturating_sub(before.1),
            ..NOTHING
        }
    };
    tiers.into_iter().map(|tier| (tier.clone(), difference(tier))).collect()
}

const NOTHING: AccountLimits = AccountLimits {
    max_memory: 0,
    max_storage: 0,
    max_streams: 0,
    max_consumers: 0,
    max_ack_pending: 0,
    memory_max_stream_bytes: 0,
    storage_max_stream_bytes: 0,
    max_bytes_required: false,
};

/// Sum of `max_bytes`, as memory and storage, over the streams that a cluster assigned to an
/// account, wherever they lie: of all, or of those of one tier. Once per stream.
///
/// Wire source: `reservedStorage` in `server/jetstream.go`.
pub fn reserved_storage(assigned: Option<&[StreamConfig]>, tier: &str) -> (u64, u64) {
    mark::hit!(F1411);
    let of = |kind| {
        let streams = assigned.unwrap_or_default().iter().filter(|config| config.storage == kind);
        streams
            .filter(|config| tier.is_empty() || tier_name(config.num_replicas) == tier)
            .fold(0u64, |sum, config| {
                sum.saturating_add(u64::try_from(config.max_bytes).unwrap_or(0))
            })
    };
    (of(Storage::Memory), of(Storage::File))
}

/// Checks the byte request of a stream against its account's limit and, where given, the
/// server's.
///
/// Wire source: `checkBytesLimits` in `server/jetstream.go`.
///
/// # Errors
/// 10028 for memory, 10047 for files.
pub fn check_bytes_limits(
    limits: &AccountLimits,
    ask: ByteRequest,
    server: Option<&ServerUsage>,
) -> Result<(), ApiError> {
    mark::hit!(F1436);
    // A stream without limit needs room for something.
    let bytes = u64::try_from(ask.max_bytes).unwrap_or(1).saturating_add(ask.offset);
    let (limit, error) = match ask.kind {
        Storage::Memory => (limits.max_memory, errors::MEMORY_RESOURCES_EXCEEDED),
        Storage::File => (limits.max_storage, errors::STORAGE_RESOURCES_EXCEEDED),
    };
    let fits = |held: u64, limit: Option<u64>| {
        limit.is_none_or(|limit| held.checked_add(bytes).is_some_and(|sum| sum <= limit))
    };
    let account = fits(ask.reserved, u64::try_from(limit).ok());
    let server =
        server.is_none_or(|server| fits(server.reserved(ask.kind), server.limit(ask.kind)));
    if account && server { Ok(()) } else { Err(error.err()) }
}

/// Checks a stream's configuration: its `max_consumers`, then its bytes.
///
/// Wire source: `checkLimits` in `server/jetstream.go`.
fn check_limits(
    limits: &AccountLimits,
    config: &StreamConfig,
    server: Option<&ServerUsage>,
    reserved: u64,
    offset: u64,
) -> Result<(), ApiError> {
    mark::hit!(F1435);
    let (wanted, most) = (config.max_consumers, limits.max_consumers);
    if wanted > 0 && most > 0 && wanted > most {
        return Err(errors::MAXIMUM_CONSUMERS_LIMIT.err());
    }
    let ask = ByteRequest { kind: config.storage, max_bytes: config.max_bytes, reserved, offset };
    check_bytes_limits(limits, ask, server)
}

/// Checks a stream's configuration against its account's limits alone, as before a cluster is
/// asked to place it. `reserved` is what the account's other streams reserve.
///
/// Wire source: `checkAccountLimits` in `server/jetstream.go`.
///
/// # Errors
/// 10026 consumers, 10028 memory, 10047 storage.
pub fn check_account_limits(
    limits: &AccountLimits,
    config: &StreamConfig,
    reserved: u64,
) -> Result<(), ApiError> {
    mark::hit!(F1433);
    check_limits(limits, config, None, reserved, 0)
}

/// Checks a stream's configuration against the limits of its account and of the server that is
/// to hold it. `offset` is added to its bytes.
///
/// Wire source: `checkAllLimits` in `server/jetstream.go`.
///
/// # Errors
/// 10026 consumers, 10028 memory, 10047 storage.
pub fn check_all_limits(
    limits: &AccountLimits,
    config: &StreamConfig,
    server: &ServerUsage,
    reserved: u64,
    offset: u64,
) -> Result<(), ApiError> {
    mark::hit!(F1434);
    check_limits(limits, config, Some(server), reserved, offset)
}

/// Whether the server can promise an account limits that ask for more, beside what its streams
/// reserve and beside what all `accounts` were promised. Only what is positive asks for anything.
///
/// Wire source: `sufficientResources` in `server/jetstream.go`.
pub(crate) fn sufficient_resources(
    server: &ServerUsage,
    accounts: &BTreeMap<String, Arc<AccountUsage>>,
    ask: &TierLimits,
) -> Result<(), ApiError> {
    // In a cluster the servers share the promise.
    if !server.is_standalone() {
        return Ok(());
    }
    mark::hit!(F1441);
    let promised = accounts.values().filter(|account| !account.is_expired());
    let promised: Vec<TierLimits> = promised.map(|account| account.limits()).collect();
    let of_streams = KINDS.map(|kind| (kind, server.reserved(kind)));
    let of_accounts = KINDS.map(|kind| {
        (kind, promised.iter().fold(0u64, |sum, limits| sum.saturating_add(claim(limits, kind))))
    });
    for (kind, held) in of_streams.into_iter().chain(of_accounts) {
        let ask = claim(ask, kind);
        let Some(limit) = server.limit(kind).filter(|_| ask > 0) else { continue };
        if held.checked_add(ask).is_none_or(|sum| sum > limit) {
            return Err(match kind {
                Storage::Memory => errors::MEMORY_RESOURCES_EXCEEDED.err(),
                Storage::File => errors::STORAGE_RESOURCES_EXCEEDED.err(),
            });
        }
    }
    Ok(())
}

/// What limits claim of the server, over all tiers.
fn claim(limits: &TierLimits, kind: Storage) -> u64 {
    limits.values().fold(0u64, |sum, limits| {
        let bytes = match kind {
            Storage::Memory => limits.max_memory,
            Storage::File => limits.max_storage,
        };
        sum.saturating_add(u64::try_from(bytes).unwrap_or(0))
    })
}

impl Core {
    /// Reserves what a stream may grow to, once whatever its replicas.
    ///
    /// Wire source: `reserveStreamResources` in `server/jetstream.go`.
    pub(crate) fn reserve_stream_resources(
        &self,
        account: &Arc<AccountUsage>,
        config: &StreamConfig,
    ) -> Result<StreamReservation, ApiError> {
        let reserved = account.reserve_stream(config)?;
        if reserved.bytes() > 0 {
            mark::hit!(F1442);
            self.reservations_changed(account.server());
        }
        Ok(reserved)
    }

    /// Gives back what a stream had reserved; nothing where it had not.
    ///
    /// Wire source: `releaseStreamResources` in `server/jetstream.go`.
    pub(crate) fn release_stream_resources(&self, reserved: Option<StreamReservation>) {
        let Some(reserved) = reserved else { return };
        if reserved.bytes() > 0 {
            mark::hit!(F1443);
            let server = Arc::clone(reserved.account().server());
            drop(reserved);
            self.reservations_changed(&server);
        }
    }

    pub(crate) fn reservations_changed(&self, server: &ServerUsage) {
        if !server.is_standalone()
            && let Some(statistics) = self.statistics.get()
        {
            statistics.changed();
        }
    }
}

impl Engine {
    /// Whether `more` bytes of a kind would pass what the server may hold.
    ///
    /// Wire source: `(*jetStream).wouldExceedLimits` in `server/jetstream.go`.
    pub fn would_exceed_limits(&self, kind: Storage, more: u64) -> bool {
        mark::hit!(F1423);
        let usage = self.usage();
        let limit = usage.limit(kind);
        limit.is_some_and(|limit| usage.used(kind).saturating_add(more) > limit)
    }

    /// Whether the server holds more of a kind than it may.
    ///
    /// Wire source: `(*jetStream).limitsExceeded` in `server/jetstream.go`.
    pub fn limits_exceeded(&self, kind: Storage) -> bool {
        mark::hit!(F1424);
        self.would_exceed_limits(kind, 0)
    }
}
