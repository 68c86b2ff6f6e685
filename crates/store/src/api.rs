//! The contract that every stream store keeps: memory, file, and any to come.

use std::ops::{ControlFlow, Range};

use crate::file_store::SnapshotBlock;
use crate::snapshot::{IndexFit, SnapshotPlan};
use types::{LostStreamData, StreamConfig, Timestamp};

/// A message to append.
#[derive(Clone, Copy, Debug)]
pub struct NewMsg<'a> {
    /// Literal subject.
    pub subject: &'a [u8],
    /// Header block with its `NATS/1.0` line, or empty.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
    /// When it was received.
    pub ts: Timestamp,
    /// Time to live in seconds; 0 is none of its own, -1 is never expires (not even by max_age).
    pub ttl_seconds: i64,
}

/// A message to append, with its own bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedMsg {
    /// Literal subject.
    pub subject: Vec<u8>,
    /// Header block, or empty.
    pub headers: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What makes a batch whole that a crash cut short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutBatch {
    /// These are to be removed.
    pub remove: Vec<u64>,
    /// Then these are to be appended.
    pub append: Vec<OwnedMsg>,
}

/// A message schedule, as it is kept over a stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSchedule {
    /// Subject of the message that is the schedule.
    pub subject: Vec<u8>,
    /// Its sequence.
    pub seq: u64,
    /// When it fires next, in ns since the Unix epoch.
    pub due_ns: i64,
}

/// The message schedules as of an earlier stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedSchedules {
    /// Messages from this sequence on came later.
    pub next_seq: u64,
    /// One for each subject.
    pub schedules: Vec<SavedSchedule>,
}

/// How far a stream had come with its origins when its last sequence was `last_seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginMark {
    /// Last sequence of the stream itself.
    pub last_seq: u64,
    /// Per origin, by the name that the stream gives it, the last sequence that was dealt with.
    pub positions: Vec<(String, u64)>,
}

/// How far a stream has come with the streams that it gathers from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedOrigins {
    /// Ascending by `last_seq`; the last one that is not above the stream's last sequence holds.
    pub marks: Vec<OriginMark>,
}

/// A stored message, borrowed from the store's cache until the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsgRef<'a> {
    /// Stream sequence.
    pub seq: u64,
    /// When it was received.
    pub ts: Timestamp,
    /// Literal subject.
    pub subject: &'a [u8],
    /// Header block, or empty.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// A message that left the store, by whatever cause.
#[derive(Clone, Copy, Debug)]
pub struct Removed<'a> {
    /// Stream sequence.
    pub seq: u64,
    /// Subject; empty if a purge of everything took what could not be read.
    pub subject: &'a [u8],
    /// Bytes it counted for in [`Totals::bytes`]; of a block that could not be read, all with the
    /// first of its messages.
    pub bytes: u64,
}

/// Told about each message that leaves the store.
pub type OnRemoved<'f> = &'f mut dyn FnMut(Removed<'_>);

/// Which subjects: none given means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    patterns: Vec<String>,
}

impl Filter {
    /// All subjects.
    pub fn all() -> Self {
        Filter::default()
    }

    /// Any of these patterns; empty, or `>` among them, is all subjects.
    pub fn any_of<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let patterns: Vec<String> = patterns.into_iter().map(Into::into).collect();
        if patterns.iter().any(|p| p == ">") { Filter::all() } else { Filter { patterns } }
    }

    /// Whether every subject matches.
    pub fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns; empty is all subjects.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether a literal subject matches.
    pub fn matches(&self, literal: &[u8]) -> bool {
        self.is_all() || self.patterns.iter().any(|p| subject::matches(literal, p.as_bytes()))
    }
}

/// Cheap figures of a stream's content; all kept up to date by every call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages held.
    pub msgs: u64,
    /// Bytes held, record overhead included.
    pub bytes: u64,
    /// Sequence of the first message; `last_seq + 1` when empty.
    pub first_seq: u64,
    /// Time of the first message; zero time when empty.
    pub first_ts: Timestamp,
    /// Highest sequence ever given out.
    pub last_seq: u64,
    /// Time of the last message ever stored.
    pub last_ts: Timestamp,
    /// Distinct subjects held.
    pub num_subjects: u64,
    /// Interior deletes: sequences between first and last that are gone.
    pub num_deleted: u64,
}

/// How a deleted message's bytes are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Leave them until compaction.
    Keep,
    /// Overwrite them now.
    Overwrite,
}

/// What a purge takes; all conditions hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Only these subjects.
    pub filter: Filter,
    /// Only below this sequence; 0 is no bound.
    pub below_seq: u64,
    /// Keep that many of the newest that match; 0 keeps none.
    pub keep: u64,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The device is full (ENOSPC, EDQUOT). Nothing of the call was applied; it may work later.
    #[error("no space left on device")]
    NoSpace,
    /// With discard new: `max_msgs` reached (`server/store.go` `ErrMaxMsgs`).
    #[error("maximum messages exceeded")]
    MaxMsgs,
    /// With discard new: `max_bytes` reached (`ErrMaxBytes`).
    #[error("maximum bytes exceeded")]
    MaxBytes,
    /// With discard new per subject: `max_msgs_per_subject` reached (`ErrMaxMsgsPerSubject`).
    #[error("maximum messages per subject exceeded")]
    MaxMsgsPerSubject,
    /// The record would be larger than the format allows (`ErrMsgTooLarge`).
    #[error("message to large")]
    TooLarge,
    /// The header block does not end with its first empty line: on disk that could not be told
    /// from damage.
    #[error("malformed message headers")]
    BadHeaders,
    /// An earlier write or sync failed; the store takes no writes until it healed.
    #[error("store failed earlier: {0}")]
    Poisoned(String),
    /// The operating system refused.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The refusal.
        source: std::io::Error,
    },
    /// The store makes no snapshots: a memory store, as in the reference.
    #[error("no impl")]
    NoSnapshots,
    /// One snapshot of a stream at a time (`ErrStoreSnapshotInProgress`).
    #[error("snapshot in progress")]
    SnapshotInProgress,
    /// Bytes on disk are not what was written.
    #[error("{0}")]
    Damaged(String),
}

/// Whether there is more to do of some work in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing is left.
    Done,
    /// Call again.
    More,
}

/// How far [`StreamStore::flush`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Hand to the operating system: survives the process.
    Written,
    /// And sync: survives a power cut.
    Synced,
}

/// Something about a store that the people who run the server must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEvent {
    /// Messages are lost and counted out; their bytes, where any are left, are kept aside.
    Lost {
        /// Their sequences, ascending; empty if it cannot be told what the bytes held.
        msgs: Vec<u64>,
        /// Damaged bytes.
        bytes: u64,
        /// Where it was found.
        place: String,
    },
    /// Damage that cost no message: what of, and what was done.
    Repaired(String),
}

/// A stream's messages. One owner (a shard) calls it; nothing here blocks but disk I/O.
///
/// `append` and the removing calls work on memory and a write buffer; [`flush`](Self::flush)
/// makes them durable. An ack may be sent only after a flush that returned `Ok`. After a failed
/// flush the appended messages since the last good one are rolled back (the state is as after that
/// flush). Where the device may have lost bytes the store takes no writes until
/// [`heal`](Self::heal) worked.
pub trait StreamStore: Send {
    /// Appends under the next sequence and applies the limits: with discard old the oldest go
    /// (told to `removed`), with discard new the message is refused and nothing changes.
    fn append(&mut self, msg: NewMsg<'_>, removed: OnRemoved<'_>) -> Result<u64, StoreError>;

    /// Leaves sequences out: the next message gets `next`, those before it count as deleted. Does
    /// nothing where they are in use already.
    ///
    /// # Errors
    /// `TooLarge` beyond what the format allows; as [`append`](Self::append) where the store takes
    /// no writes.
    fn skip_to(&mut self, next: u64) -> Result<(), StoreError>;

    /// The message with this sequence; `None` if it is not held.
    fn get(&mut self, seq: u64) -> Result<Option<MsgRef<'_>>, StoreError>;

    /// The first message at or after `from` whose subject matches.
    fn next_match(&mut self, filter: &Filter, from: u64) -> Result<Option<MsgRef<'_>>, StoreError>;

    /// The last message at or below `up_to` whose subject matches.
    fn last_match(&mut self, filter: &Filter, up_to: u64)
    -> Result<Option<MsgRef<'_>>, StoreError>;

    /// Sequence of the last message on exactly this subject, without reading it; 0 if none.
    fn last_seq_of(&mut self, subject: &[u8]) -> u64;

    /// The last sequence of each subject that matches, at or below `up_to`, ascending.
    fn last_per_subject(&mut self, filter: &Filter, up_to: u64) -> Vec<u64>;

    /// Messages at or after `from` that match.
    fn count_from(&mut self, from: u64, filter: &Filter) -> u64;

    /// Messages held per subject that matches, in lexical order of subjects.
    fn subject_totals(&mut self, filter: &Filter, each: &mut dyn FnMut(&[u8], u64));

    /// First sequence stored at or after `ts`; `last_seq + 1` if there is none.
    fn seq_at_time(&mut self, ts: Timestamp) -> u64;

    /// Removes one message; false if it was not held.
    fn remove(
        &mut self,
        seq: u64,
        erase: Erase,
        removed: OnRemoved<'_>,
    ) -> Result<bool, StoreError>;

    /// Removes what [`Purge`] selects; answers how many. A purge of everything keeps `last_seq`;
    /// `below_seq` beyond the last sequence moves `first_seq` to it and `last_seq` below it.
    fn purge(&mut self, purge: &Purge, removed: OnRemoved<'_>) -> Result<u64, StoreError>;

    /// Removes what max_age and message TTLs say is due at `now`; answers when to call again.
    fn expire(
        &mut self,
        now: Timestamp,
        removed: OnRemoved<'_>,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// A message that max_age or its own lifetime says is due at `now`, without removing it;
    /// `None` if there is none. For streams that leave a marker in its place.
    fn next_due(&mut self, now: Timestamp) -> Result<Option<u64>, StoreError>;

    /// Keeps messages that are about to be appended as one, so that a crash leaves all or nothing
    /// of them; until the next flush succeeds.
    fn stage_batch(
        &mut self,
        id: &[u8],
        msgs: &[NewMsg<'_>],
        durability: Durability,
    ) -> Result<(), StoreError> {
        // What does not outlive the process has nothing to keep.
        let _ = (id, msgs, durability);
        Ok(())
    }

    /// What recovery found of a batch that a crash cut short; asked once, after opening.
    fn take_cut_batch(&mut self) -> Result<Option<CutBatch>, StoreError> {
        Ok(None)
    }

    /// Sequence of the next message at or after `from` that comes with a schedule
    /// (`Nats-Schedule`).
    fn next_scheduled(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        let mut from = from;
        while let Some(msg) = self.next_match(&Filter::all(), from)? {
            if crate::ttl::has_schedule(msg.headers) {
                return Ok(Some(msg.seq));
            }
            from = msg.seq + 1;
        }
        Ok(None)
    }

    /// The schedules that [`save_schedules`](Self::save_schedules) stored before the opening;
    /// asked once. They are a hint: messages that are schedules may have come or gone since.
    fn take_schedules(&mut self) -> SavedSchedules {
        // What does not outlive the process has nothing stored.
        SavedSchedules::default()
    }

    /// Stores the schedules of a stream that was [stopped](Self::stop).
    fn save_schedules(&mut self, schedules: &[SavedSchedule]) -> Result<(), StoreError> {
        // What does not outlive the process has nothing to store.
        let _ = schedules;
        Ok(())
    }

    /// Stores how far the stream has come with its origins, before anything else that the next
    /// flush or purge writes; these fail where it cannot be stored. `durability` is what holds
    /// also where that flush does not sync.
    fn save_origins(&mut self, saved: SavedOrigins, durability: Durability) {
        // What does not outlive the process has nothing to store.
        let _ = (saved, durability);
    }

    /// What [`save_origins`](Self::save_origins) stored before the opening; asked once.
    fn take_origins(&mut self) -> Option<SavedOrigins> {
        // What does not outlive the process has nothing stored.
        None
    }

    /// When [`expire`](Self::expire) is due; `None` if nothing can expire.
    fn next_expiry(&self) -> Option<Timestamp>;

    /// Messages that will end by a lifetime of their own (`Count` of the reference's `thw`).
    fn mortal(&self) -> usize;

    /// Cheap figures.
    fn totals(&self) -> Totals;

    /// The gaps between first and last sequence, ascending, until `each` breaks it off.
    fn deleted_runs(&self, each: &mut dyn FnMut(Range<u64>) -> ControlFlow<()>);

    /// Interior deleted sequences, ascending (at most `max`).
    fn deleted(&self, max: usize) -> Vec<u64> {
        let mut deleted = Vec::new();
        if max > 0 {
            self.deleted_runs(&mut |run| {
                deleted.extend(run.take(max - deleted.len()));
                if deleted.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
        deleted
    }

    /// Counts, bounds and deleted sequences as one server of a group tells them another, with the
    /// count of proposals that failed (`server/store.go` `EncodedStreamState`).
    fn encoded_state(&self, failed: u64) -> Vec<u8> {
        crate::stream_state::encode(self, failed)
    }

    /// Messages lost to damage, if any.
    fn lost(&self) -> Option<LostStreamData>;

    /// Bytes that this message counts for in this store.
    fn size_of(&self, subject: usize, headers: usize, payload: usize) -> u64;

    /// Applies a changed configuration (limits now, also to what is held) and stores it. Whoever
    /// calls it flushes first: what was appended before is durable when the limits change.
    fn update_config(
        &mut self,
        config: &StreamConfig,
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError>;

    /// Whether anything waits for [`flush`](Self::flush).
    fn is_dirty(&self) -> bool;

    /// Makes everything so far durable.
    fn flush(&mut self, durability: Durability) -> Result<(), StoreError>;

    /// Adds a consumer, durably: stores its configuration and where it starts.
    fn create_consumer(
        &mut self,
        meta: &ConsumerMeta,
        state: &ConsumerState,
    ) -> Result<Box<dyn ConsumerStore>, StoreError>;

    /// Consumers found at recovery, with their stores; each only once.
    fn take_recovered_consumers(&mut self) -> Vec<RecoveredConsumer>;

    /// Why writes fail at present, for people; `None` where they do not.
    fn trouble(&self) -> Option<String> {
        // A store that writes nothing cannot fail to.
        None
    }

    /// After a failure: makes durable again what may have been lost by the device, then what
    /// waits. Does nothing where there is no [`trouble`](Self::trouble).
    ///
    /// # Errors
    /// Where it still fails; to be tried again a little later.
    fn heal(&mut self) -> Result<(), StoreError> {
        // Nothing fails in a store that writes nothing.
        Ok(())
    }

    /// What was found since the last call, for advisories and the log.
    fn take_events(&mut self) -> Vec<StoreEvent> {
        // Memory is taken to be sound.
        Vec::new()
    }

    /// Begins a snapshot of what is flushed, which must be all. It must be ended.
    ///
    /// # Errors
    /// `NoSnapshots` where the store has none, `SnapshotInProgress` where there is one already.
    fn begin_snapshot(&mut self) -> Result<SnapshotPlan, StoreError> {
        Err(StoreError::NoSnapshots)
    }

    /// A block of the snapshot in progress, as it was when that began; each only once.
    ///
    /// # Errors
    /// Where it is in none, or could not be kept.
    fn snapshot_block(&mut self, index: u64) -> Result<SnapshotBlock, StoreError> {
        // A store without snapshots has no block of one.
        let _ = index;
        Err(StoreError::NoSnapshots)
    }

    /// Ends the snapshot: blocks that were not asked for are let go.
    fn end_snapshot(&mut self) -> IndexFit {
        IndexFit::Stale
    }

    /// Gives back memory that only makes reads faster; for a stream that is idle.
    fn release_memory(&mut self) {
        // A store that holds nothing of the kind has nothing to give back.
    }

    /// As [`release_memory`](Self::release_memory), but only what nobody used since the last call;
    /// for a stream that is busy.
    fn release_unused(&mut self) {
        // A store that holds nothing of the kind has nothing to give back.
    }

    /// For a stream that is idle: gives memory back, gives space on disk back that removed
    /// messages take (at most that of one block in a call), and makes the next start short should
    /// the process be killed.
    fn rest(&mut self) -> Upkeep {
        self.release_memory();
        Upkeep::Done
    }

    /// Checks a little of what an opening left unread, for well under a millisecond where that is
    /// possible; what it finds damaged is reported as by a read.
    fn verify_some(&mut self) -> Upkeep {
        Upkeep::Done
    }

    /// A clean stop: everything durable, index written, files closed.
    fn stop(&mut self) -> Result<(), StoreError>;

    /// Deletes the stream's files. The store is of no use afterwards.
    fn delete(&mut self) -> Result<(), StoreError>;
}

/// A consumer's identity and configuration, as its `meta.inf` holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerMeta {
    /// Consumer name.
    pub name: String,
    /// Creation time.
    pub created: Timestamp,
    /// Configuration.
    pub config: types::ConsumerConfig,
}

/// A consumer found on disk.
pub struct RecoveredConsumer {
    /// Identity and configuration.
    pub meta: ConsumerMeta,
    /// Progress; `None` where none was stored (or it was unreadable and reported).
    pub state: Option<ConsumerState>,
    /// Where it goes on storing.
    pub store: Box<dyn ConsumerStore>,
}

/// A delivered message that is not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingAck {
    /// Stream sequence.
    pub stream_seq: u64,
    /// Consumer sequence of the first delivery.
    pub consumer_seq: u64,
    /// When it was delivered last.
    pub delivered: Timestamp,
}

/// A consumer's progress, as `o.dat` holds it (`server/store.go` `ConsumerState`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// Last delivered.
    pub delivered: types::SequencePair,
    /// All up to here is acknowledged.
    pub ack_floor: types::SequencePair,
    /// Delivered, not acknowledged; ascending by stream sequence.
    pub pending: Vec<PendingAck>,
    /// Redelivery counts (deliveries - 1) by stream sequence, ascending.
    pub redelivered: Vec<(u64, u64)>,
}

/// Where one consumer keeps its configuration and progress.
pub trait ConsumerStore: Send {
    /// Stores the progress.
    fn save(&mut self, state: &ConsumerState, durability: Durability) -> Result<(), StoreError>;

    /// Stores a changed configuration.
    fn update_config(&mut self, meta: &ConsumerMeta) -> Result<(), StoreError>;

    /// Deletes the consumer's files.
    fn delete(&mut self) -> Result<(), StoreError>;
}
