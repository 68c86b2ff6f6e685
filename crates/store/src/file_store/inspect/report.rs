//! What an inspection found.

use types::{ConsumerConfig, LostStreamData, StreamConfig, Timestamp};

use crate::api::ConsumerState;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is lost, and the next start deals with it.
    Note,
    /// Bytes are not what was written, or something is missing.
    Damage,
}

/// Something to tell about a part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The file or part, relative to the stream's directory.
    pub part: String,
    /// What is the matter, for people.
    pub text: String,
}

/// How a block lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockForm {
    /// As it was written.
    Plain,
    /// As an S2 stream.
    Compressed,
    /// Under a key that was not given.
    Encrypted,
    /// It cannot be read at all.
    Unreadable,
}

/// A block file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockReport {
    /// Its number: the file is `<index>.blk`.
    pub index: u64,
    /// How it lies on disk.
    pub form: BlockForm,
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// Length of its content in bytes, decompressed, without zeros at its end.
    pub content_bytes: u64,
    /// Lowest sequence of a message or erased record; 0 if there is none.
    pub first_seq: u64,
    /// Highest one; 0 if there is none.
    pub last_seq: u64,
    /// Messages that count.
    pub msgs: u64,
    /// Their bytes, record overhead included.
    pub bytes: u64,
    /// Records of messages that are deleted, or erased.
    pub dead_records: u64,
    /// Records that only say that a sequence is deleted.
    pub tombstones: u64,
    /// Bytes that make no sound record.
    pub damaged_bytes: u64,
}

/// What `index.db` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexState {
    /// There is none: the next start reads the blocks.
    Absent,
    /// It describes the blocks as they are.
    Exact,
    /// It is older than the blocks, as after a crash or on a running server.
    Stale,
    /// It cannot be decoded.
    Damaged,
    /// It is under a key that was not given.
    Encrypted,
}

/// A consumer's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerReport {
    /// Its name, which is its directory's.
    pub name: String,
    /// Its configuration, if it can be read.
    pub config: Option<ConsumerConfig>,
    /// Its progress; `None` if there is none, or it cannot be read.
    pub state: Option<ConsumerState>,
}

/// A stream's directory.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamReport {
    /// Its name, which is its directory's.
    pub name: String,
    /// Creation time, if the configuration can be read.
    pub created: Option<Timestamp>,
    /// The configuration, if it can be read.
    pub config: Option<StreamConfig>,
    /// Keys lie beside the files.
    pub encrypted: bool,
    /// Blocks, ascending.
    pub blocks: Vec<BlockReport>,
    /// What `index.db` is worth.
    pub index: IndexState,
    /// Consumers, in order of their names.
    pub consumers: Vec<ConsumerReport>,
    /// Messages that count.
    pub msgs: u64,
    /// Their bytes, record overhead included.
    pub bytes: u64,
    /// Sequence of the first of them; `last_seq + 1` if there is none.
    pub first_seq: u64,
    /// Highest sequence that anything speaks of.
    pub last_seq: u64,
    /// Distinct subjects.
    pub subjects: u64,
    /// Message schedules in `sched.db`, as of the last stop; `None` without such a file.
    pub schedules: Option<u64>,
    /// What earlier starts reported as lost.
    pub lost: Option<LostStreamData>,
    /// Everything that is to be told, in the order of the parts.
    pub findings: Vec<Finding>,
}

impl StreamReport {
    /// Whether nothing is damaged or missing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Damage)
    }
}
