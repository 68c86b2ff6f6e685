//! Snapshots of streams: one archive that holds a stream with its messages and consumers, as
//! `nats stream backup` keeps it (`server/filestore.go` `streamSnapshot`).
//!
//! An archive is a tar file in S2 framing. Its members, in order: `meta.inf`, `meta.sum`,
//! `msgs/N.blk` (plain, whatever the store does with them), `msgs/index.db`, and per consumer
//! `obs/C/meta.inf`, `obs/C/meta.sum`, `obs/C/o.dat`.

mod archive;
mod s2;
mod staging;
mod tar;

pub use archive::ArchiveWriter;
pub use staging::{RestoreError, Staged, Staging};

/// Name of the member that says why a snapshot ended early.
pub const ERRORS_FILE: &str = "errors.txt";
/// Directory in an account's directory where restores are staged; the reference removes it at
/// its start, too.
pub(crate) const STAGING_DIR: &str = "__snapshots__";

/// A member of an archive that is small enough to be held in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path within the archive.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What a snapshot consists of, as of the moment it began.
#[derive(Debug)]
pub struct SnapshotPlan {
    /// The stream's configuration and its checksum.
    pub meta: Vec<ArchiveFile>,
    /// The blocks, in order, to be asked for one at a time.
    pub blocks: Vec<u64>,
    /// `msgs/index.db`; left out where it would be large.
    pub index: Option<ArchiveFile>,
    /// Messages already known to be lost to damage.
    pub lost: u64,
}

/// Whether [`SnapshotPlan::index`] still says what the blocks of the snapshot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFit {
    /// It does.
    Exact,
    /// Messages were overwritten meanwhile: it must be left out.
    Stale,
}

#[cfg(test)]
mod tests;
