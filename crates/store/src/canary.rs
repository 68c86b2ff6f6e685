//! Planted bugs, for the simulation to find: a harness is trusted only after it caught one.
//!
//! They exist only with the cargo feature `canary`; without it [`sings`] is constantly false and
//! nothing of them is left in an optimised program.

/// A bug that can be switched on.
#[cfg_attr(
    not(feature = "canary"),
    allow(unreachable_pub, reason = "public where they can be switched on")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// The directory of the blocks is never synced.
    SkipDirSync,
    /// A flush answers before the blocks are synced.
    AckBeforeSync,
    /// A removal leaves no tombstone.
    ForgetTombstone,
    /// What recovery cuts off a torn block is one record too much.
    CutTooMuch,
    /// The highest sequence that an index or a tombstone tells of is not heard.
    ReuseSequence,
    /// A wrong checksum does not matter.
    SkipChecksum,
    /// An erased message is overwritten in memory only.
    EraseInMemoryOnly,
    /// A small file gets its name before its bytes are synced.
    RenameBeforeSync,
    /// A consumer's progress is not synced.
    ConsumerNotSynced,
    /// The limit on messages lets one more in.
    LimitOffByOne,
    /// What could not be written is not taken back.
    KeepRefused,
    /// A loss is not reported.
    HideLoss,
    /// An index counts as exact whatever the last block holds.
    TrustStaleIndex,
    /// Nothing tells of the lengths in the last block.
    NoWitness,
}

#[cfg(feature = "canary")]
impl Canary {
    /// All of them.
    pub const ALL: [Canary; 14] = [
        Canary::SkipDirSync,
        Canary::AckBeforeSync,
        Canary::ForgetTombstone,
        Canary::CutTooMuch,
        Canary::ReuseSequence,
        Canary::SkipChecksum,
        Canary::EraseInMemoryOnly,
        Canary::RenameBeforeSync,
        Canary::ConsumerNotSynced,
        Canary::LimitOffByOne,
        Canary::KeepRefused,
        Canary::HideLoss,
        Canary::TrustStaleIndex,
        Canary::NoWitness,
    ];
}

#[cfg(feature = "canary")]
thread_local! {
    static SINGING: std::cell::Cell<Option<Canary>> = const { std::cell::Cell::new(None) };
}

/// Switches a planted bug on for the stores of this thread, or all of them off.
#[cfg(feature = "canary")]
pub fn plant(canary: Option<Canary>) {
    SINGING.set(canary);
}

/// Whether this bug is to show.
#[inline(always)]
pub(crate) fn sings(canary: Canary) -> bool {
    #[cfg(feature = "canary")]
    let planted = SINGING.get();
    #[cfg(not(feature = "canary"))]
    let planted: Option<Canary> = None;
    planted == Some(canary)
}
