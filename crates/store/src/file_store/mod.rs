//! A stream's messages in block files, in the reference's format.
//!
//! Appends go into the last block's buffer, which is also its read cache; a flush writes each
//! block's new bytes once and syncs once. Sealed blocks are read whole on demand and checked then.
//! Deletes are remembered by tombstones in the last block; files of emptied blocks are removed
//! only after the flush that made the reason durable.

mod adopt;
mod append;
mod authors;
mod batches;
mod behind;
mod block;
mod borders;
mod bounds;
mod checkpoint;
mod compact;
mod configure;
mod consumer_copy;
mod consumer_file;
mod consumer_found;
mod correct;
mod crypt;
mod files;
mod find;
mod flush;
mod glance;
mod graves;
mod index_db;
mod index_write;
mod inspect;
mod journal;
mod losses;
mod memory;
mod mend;
mod meta;
mod meta_copy;
mod open;
mod open_consumers;
mod origins;
mod packed;
mod purge;
mod rebuild;
mod record;
mod recovery;
mod refusal;
mod removal;
mod repair;
pub(crate) mod restored;
mod resume;
mod roll_back;
pub(crate) mod schedules;
mod seq_set;
mod slots;
mod snapshot;
mod subject_entry;
mod subjects;
mod timers;
mod tracked;
mod trouble;
mod usage;
mod varint;
mod verify;
mod waymarks;

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Disk;
use types::{LostStreamData, Retention, Storage, StreamConfig, Timestamp};

use crate::api::{
    ConsumerMeta, ConsumerState, ConsumerStore, CutBatch, Durability, Erase, Filter, MsgRef,
    NewMsg, OnRemoved, Purge, RecoveredConsumer, SavedOrigins, SavedSchedule, SavedSchedules,
    StoreError, StoreEvent, StreamStore, Totals, Upkeep,
};
use crate::canary::{self, Canary};
use crate::error::io_error;
use crate::filter_walk::each_match_ordered;
use crate::limits::Limits;
use crate::mem_store::MemConsumer;
use crate::snapshot::{IndexFit, SnapshotPlan};
use crate::ttl::Lifetimes;
use block::Block;
use consumer_file::ConsumerFile;
use crypt::{Asset, BlockDisk, Origin, Vault};
use journal::{Erasure, Journal, Undo};
use origins::OriginsFile;
use record::Hasher;
use subjects::Subjects;

#[cfg(test)]
pub(crate) use packed::pack as pack_for_tests;
pub(crate) use seq_set::SeqSet;
pub(crate) use varint::{Reader, push_u};

pub use configure::configure_stream;
pub use crypt::{Encryption, MasterKey, StoreCipher};
pub use inspect::{
    BlockForm, BlockReport, ConsumerReport, Finding, IndexState, Severity, StreamPlace,
    StreamReport, block_bytes, find_streams, inspect_stream,
};
pub use mend::{MendError, Mended, mend_stream};
pub use open::{
    OfflineConsumer, OpenedStream, Opening, open_account, open_restored, open_stream,
    remove_stream, stream_names,
};
pub use snapshot::{SnapshotBlock, consumer_files};
pub use usage::{BlockUsage, CacheUsage};

/// Directory of the blocks.
const MSGS: &str = "msgs";
/// Directory of the consumers.
const OBS: &str = "obs";
const STREAMS: &str = "streams";
const INDEX: &str = "index.db";

/// How a file store may use the machine.
#[derive(Clone, Copy, Debug)]
pub struct FileStoreOptions {
    /// Memory for sealed blocks, in bytes. One block is held in any case.
    pub cache_bytes: usize,
    /// Size of new blocks in bytes; 0 is what the reference takes for the configuration.
    pub block_bytes: u64,
    /// Encryption at rest. A plain store, and what is under the previous key or the other cipher,
    /// is converted when it is opened.
    pub encryption: Option<Encryption>,
}

impl Default for FileStoreOptions {
    fn default() -> Self {
        FileStoreOptions { cache_bytes: 64 << 20, block_bytes: 0, encryption: None }
    }
}

/// A stream store in a directory.
pub struct FileStore {
    /// Blocks are plain on it.
    disk: Arc<dyn Disk>,
    /// The same disk, with blocks as they are stored.
    raw_disk: Arc<dyn Disk>,
    /// Keys for new files; none in a plain store.
    vault: Option<Arc<Vault>>,
    /// Key of configuration and index.
    asset: Asset,
    asset_origin: Origin,
    /// Blocks that are not under the configured key, by index.
    stale_blocks: Vec<u64>,
    options: FileStoreOptions,
    dir: PathBuf,
    msgs_dir: PathBuf,
    config: StreamConfig,
    created: Timestamp,
    limits: Limits,
    block_size: u64,
    /// Ascending; never empty, the last one takes the appends.
    blocks: VecDeque<Block>,
    subjects: Subjects,
    lifetimes: Lifetimes,
    ageing: timers::Ageing,
    msgs: u64,
    bytes: u64,
    first_seq: u64,
    first_ns: i64,
    last_seq: u64,
    last_ns: i64,
    journal: Journal,
    /// First live message at the last flush that synced.
    synced_first: u64,
    /// Messages that limits removed from the front, and of which nothing on disk says so: block
    /// index, sequence, time.
    untraced: Vec<(u64, u64, i64)>,
    /// Index of the oldest block with unsynced bytes; `u64::MAX` if there is none.
    oldest_unsynced: u64,
    /// Names in `msgs` were made or removed since it was synced.
    dir_dirty: bool,
    /// Blocks to compact after the next flush, by index.
    to_compact: Vec<u64>,
    /// Sealed blocks whose files are longer than their records, by index.
    to_trim: Vec<u64>,
    /// Blocks to compress after the next flush, by index.
    to_pack: Vec<u64>,
    /// Compressed blocks without their head, which only recovery finds, by index.
    headless: Vec<u64>,
    /// Blocks found damaged, by index, to be repaired by the next flush.
    to_repair: Vec<repair::Damaged>,
    index_due: IndexDue,
    /// Highest block that the index on disk lists; 0 without an index.
    indexed_up_to: u64,
    /// Bytes written, and of files buried, since that index.
    since_index: u64,
    /// Blocks whose files are kept for the index's sake, by index.
    buried: Vec<u64>,
    /// Emptied blocks whose files go with the next sync.
    waiting: Vec<Block>,
    /// Dead blocks whose files must not be kept: a message in them was to be erased.
    shred: Vec<u64>,
    /// The index on disk says that the last block is empty.
    index_ends_in_zeros: bool,
    /// Why no writes are taken.
    poisoned: Option<String>,
    trouble: trouble::Trouble,
    /// Appended messages were taken back in a call other than a flush: the next flush says so.
    refusal_owed: bool,
    lost: LostStreamData,
    events: Vec<StoreEvent>,
    offline_consumers: Vec<OfflineConsumer>,
    consumers: Vec<RecoveredConsumer>,
    tick: u64,
    /// Blocks that were used last before this tick go when unused memory is asked for next.
    unused_before: u64,
    /// Blocks read into memory.
    loads: u64,
    /// While rebuilding a block: its last live sequence so far.
    counted_up_to: u64,
    /// The check of blocks that the opening did not read; `None` when all are checked.
    verify: Option<verify::Verify>,
    /// A block was sealed since the last flush.
    rolled: bool,
    /// Memory of a block that went, for the next one.
    spare: Vec<u8>,
    /// Blocks of which a single message was read, by index, the latest last.
    glanced: VecDeque<u64>,
    /// Directories of batches that the next flush makes whole.
    staged: Vec<PathBuf>,
    /// Take the state from the records, however exact the index looks.
    distrust_index: bool,
    snapshot: Option<snapshot::InProgress>,
    /// How far the stream has come with its origins.
    origins: OriginsFile,
    /// Sequences were left out behind the last message; no record says so yet.
    skipped: bool,
    witness: Witness,
}

/// What an index is good for that does not fit the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    /// It knows of messages that are missing.
    Heard,
    /// It was made later than the blocks, as in the reference's snapshots of a busy stream.
    Dismissed,
}

/// Whether the next flush writes `index.db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum IndexDue {
    No,
    /// Unless it is large.
    IfCheap,
    /// The one on disk would say something wrong, or is gone.
    Must,
}

/// Block size for a stream (`server/filestore.go` `dynBlkSize`, `maxBlkSize`).
fn block_size(config: &StreamConfig, options: FileStoreOptions) -> u64 {
    const SMALLEST: u64 = 32_000;
    const ENCRYPTED: u64 = 2 << 20;
    const MEDIUM: u64 = 4 << 20;
    const LARGEST: u64 = 8 << 20;
    if options.block_bytes > 0 {
        return options.block_bytes;
    }
    let positive = |value: i64| u64::try_from(value).ok().filter(|&value| value > 0);
    let estimate = positive(config.max_bytes).or_else(|| {
        let msgs = positive(config.max_msgs)?;
        let literal = |subject: &&String| subject::is_literal(subject.as_bytes());
        let subject = config.subjects.iter().filter(literal).map(String::len).max().unwrap_or(256);
        let size = u64::try_from(config.max_msg_size).ok().filter(|&size| size > 0);
        let record = record::EMPTY as u64 + subject as u64 + 4 + size.unwrap_or(1 << 20);
        Some(record.saturating_mul(msgs))
    });
    if let Some(estimate) = estimate {
        let size = (estimate / 4 + 1).next_multiple_of(100);
        return match size {
            ..=SMALLEST => SMALLEST,
            LARGEST.. => LARGEST,
            _ => MEDIUM,
        };
    }
    if positive(config.max_msgs_per_subject).is_some() {
        return MEDIUM;
    }
    if options.encryption.is_some() {
        return ENCRYPTED;
    }
    match config.retention {
        Retention::Limits => LARGEST,
        Retention::Interest | Retention::WorkQueue => MEDIUM,
    }
}

impl FileStore {
    /// Makes a new stream in `<account_dir>/streams/<name>`: directories, configuration and first
    /// block, all durable when this returns.
    ///
    /// # Errors
    /// What the disk refuses; `Damaged` if the stream's directory is there already.
    pub fn create(
        disk: Arc<dyn Disk>,
        account_dir: &Path,
        created: Timestamp,
        config: &StreamConfig,
        options: FileStoreOptions,
    ) -> Result<FileStore, StoreError> {
        let error = |error| io_error("creating the stream's directory", error);
        let streams = account_dir.join(STREAMS);
        let dir = streams.join(&config.name);
        if disk.info(&dir.join(meta::META)).map_err(error)?.is_some() {
            return Err(StoreError::Damaged(format!(
                "stream {:?} has a directory already",
                config.name
            )));
        }
        disk.create_dir_all(&dir).map_err(error)?;
        let vault = options
            .encryption
            .map(|encryption| Arc::new(Vault::new(encryption, account_dir, &config.name)));
        let asset = meta::create_key(&*disk, &dir, vault.as_deref(), &config.name)?;
        meta::write_stream(&*disk, &dir, created, config, &asset)?;
        disk.create_dir_all(&dir.join(MSGS)).map_err(error)?;
        disk.create_dir_all(&dir.join(OBS)).map_err(error)?;
        disk.sync_dir(&dir).map_err(error)?;
        let mut store =
            FileStore::empty(Arc::clone(&disk), dir.clone(), created, config, options, vault);
        store.asset = asset;
        store.start_at(config.first_seq.max(1) - 1, Timestamp::ZERO.unix_ns())?;
        store.sync_place()?;
        Ok(store)
    }

    /// Makes the way to the stream durable, from its own directory upwards.
    fn sync_place(&self) -> Result<(), StoreError> {
        let error = |error| io_error("syncing the stream's place", error);
        // Its own, that of the streams, and the account's.
        for dir in self.dir.ancestors().take(3) {
            self.disk.sync_dir(dir).map_err(error)?;
        }
        for dir in self.dir.ancestors().skip(3).take(2) {
            match self.disk.sync_dir(dir) {
                // The store directory's own parents may not be ours to open.
                Err(refused) if refused.kind() == std::io::ErrorKind::PermissionDenied => {}
                synced => synced.map_err(error)?,
            }
        }
        Ok(())
    }

    fn empty(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        created: Timestamp,
        config: &StreamConfig,
        options: FileStoreOptions,
        vault: Option<Arc<Vault>>,
    ) -> FileStore {
        let raw_disk = Arc::clone(&disk);
        let disk = match &vault {
            Some(vault) => Arc::new(BlockDisk::new(disk, Arc::clone(vault))),
            None => disk,
        };
        FileStore {
            disk,
            raw_disk,
            vault,
            asset: Asset::default(),
            asset_origin: Origin::Current,
            stale_blocks: Vec::new(),
            options,
            msgs_dir: dir.join(MSGS),
            dir,
            config: config.clone(),
            created,
            limits: Limits::of(config),
            block_size: block_size(config, options),
            blocks: VecDeque::new(),
            subjects: Subjects::default(),
            lifetimes: Lifetimes::default(),
            ageing: timers::Ageing::default(),
            msgs: 0,
            bytes: 0,
            first_seq: 1,
            first_ns: 0,
            last_seq: 0,
            last_ns: Timestamp::ZERO.unix_ns(),
            journal: Journal::default(),
            synced_first: 1,
            oldest_unsynced: u64::MAX,
            dir_dirty: false,
            to_compact: Vec::new(),
            to_trim: Vec::new(),
            to_pack: Vec::new(),
            headless: Vec::new(),
            to_repair: Vec::new(),
            index_due: IndexDue::No,
            indexed_up_to: 0,
            since_index: 0,
            buried: Vec::new(),
            waiting: Vec::new(),
            shred: Vec::new(),
            index_ends_in_zeros: false,
            untraced: Vec::new(),
            poisoned: None,
            trouble: trouble::Trouble::default(),
            refusal_owed: false,
            lost: LostStreamData::default(),
            events: Vec::new(),
            consumers: Vec::new(),
            offline_consumers: Vec::new(),
            tick: 0,
            unused_before: 0,
            loads: 0,
            counted_up_to: 0,
            verify: None,
            rolled: false,
            spare: Vec::new(),
            glanced: VecDeque::new(),
            staged: Vec::new(),
            distrust_index: false,
            snapshot: None,
            origins: OriginsFile::default(),
            skipped: false,
            witness: Witness::Heard,
        }
    }

    /// Makes the first block of an empty stream that ends at `last_seq`, durably.
    fn start_at(&mut self, last_seq: u64, last_ns: i64) -> Result<(), StoreError> {
        self.last_seq = last_seq;
        self.last_ns = last_ns;
        self.first_seq = last_seq + 1;
        let mut block = Block::new(&self.config.name, 1, last_seq, last_ns);
        if last_seq > 0 {
            block.push_tombstone(last_seq, last_ns);
        }
        self.blocks.push_back(block);
        self.subjects.reset(self.tracks_subjects());
        self.journal.last_seq = last_seq;
        self.journal.last_ns = last_ns;
        self.create_tail_file()?;
        self.flush_all(Durability::Synced)
    }

    fn create_tail_file(&mut self) -> Result<(), StoreError> {
        if let Some(tail) = self.blocks.back_mut().filter(|tail| !tail.created) {
            tail.open_file(&*self.disk, &self.msgs_dir)
                .map_err(|error| io_error("creating a block", error))?;
            self.dir_dirty = true;
            self.disk
                .sync_dir(&self.msgs_dir)
                .map_err(|error| io_error("creating a block", error))?;
        }
        Ok(())
    }

    fn hasher(&self) -> Hasher {
        Hasher::new(&self.config.name)
    }

    fn consumer_dir(&self, name: &str) -> PathBuf {
        self.dir.join(OBS).join(name)
    }

    fn note_lost(&mut self, mut msgs: Vec<u64>, bytes: u64, place: String) {
        if canary::sings(Canary::HideLoss) {
            return;
        }
        self.events.push(StoreEvent::Lost { msgs: msgs.clone(), bytes, place });
        self.lost.msgs.append(&mut msgs);
        self.lost.msgs.sort_unstable();
        self.lost.msgs.dedup();
        self.lost.bytes += bytes;
    }
}

impl StreamStore for FileStore {
    fn append(&mut self, msg: NewMsg<'_>, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        self.append_msg(msg, removed)
    }

    fn skip_to(&mut self, next: u64) -> Result<(), StoreError> {
        self.skip_seqs(next)
    }

    fn get(&mut self, seq: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        self.read(seq)
    }

    fn next_match(&mut self, filter: &Filter, from: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        let mut from = from;
        while let Some(seq) = self.find_next(filter, from)? {
            if self.is_readable(seq)? {
                return self.read(seq);
            }
            // It turned out to be lost; what follows is not.
            from = seq + 1;
        }
        Ok(None)
    }

    fn last_match(
        &mut self,
        filter: &Filter,
        up_to: u64,
    ) -> Result<Option<MsgRef<'_>>, StoreError> {
        let mut up_to = up_to;
        while let Some(seq) = self.find_last(filter, up_to)? {
            if self.is_readable(seq)? {
                return self.read(seq);
            }
            up_to = seq.saturating_sub(1);
        }
        Ok(None)
    }

    fn last_seq_of(&mut self, subject: &[u8]) -> u64 {
        // An unreadable block means that it cannot be told; get and next_match report that.
        self.last_of(subject).ok().flatten().unwrap_or(0)
    }

    fn last_per_subject(&mut self, filter: &Filter, up_to: u64) -> Vec<u64> {
        self.find_last_per_subject(filter, up_to)
    }

    fn count_from(&mut self, from: u64, filter: &Filter) -> u64 {
        self.count_matches_from(from, filter)
    }

    fn subject_totals(&mut self, filter: &Filter, each: &mut dyn FnMut(&[u8], u64)) {
        each_match_ordered(self.subjects.tree(), filter, |literal, entry| {
            each(literal, self.subjects.info(entry).total);
        });
    }

    fn seq_at_time(&mut self, ts: Timestamp) -> u64 {
        self.find_time(ts.unix_ns())
    }

    fn remove(
        &mut self,
        seq: u64,
        erase: Erase,
        removed: OnRemoved<'_>,
    ) -> Result<bool, StoreError> {
        self.remove_one(seq, erase, removed)
    }

    fn purge(&mut self, purge: &Purge, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        self.purge_matching(purge, removed)
    }

    fn expire(
        &mut self,
        now: Timestamp,
        removed: OnRemoved<'_>,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.expire_due(now.unix_ns(), removed)?;
        Ok(self.next_expiry())
    }

    fn next_due(&mut self, now: Timestamp) -> Result<Option<u64>, StoreError> {
        self.find_due(now.unix_ns())
    }

    fn stage_batch(
        &mut self,
        id: &[u8],
        msgs: &[NewMsg<'_>],
        durability: Durability,
    ) -> Result<(), StoreError> {
        self.keep_batch(id, msgs, durability)
    }

    fn take_cut_batch(&mut self) -> Result<Option<CutBatch>, StoreError> {
        self.find_cut_batch()
    }

    fn next_scheduled(&mut self, from: u64) -> Result<Option<u64>, StoreError> {
        self.find_scheduled(from)
    }

    fn take_schedules(&mut self) -> SavedSchedules {
        self.read_schedules()
    }

    fn save_schedules(&mut self, schedules: &[SavedSchedule]) -> Result<(), StoreError> {
        self.write_schedules(schedules)
    }

    fn save_origins(&mut self, saved: SavedOrigins, durability: Durability) {
        self.origins.due = Some((saved, durability));
    }

    fn take_origins(&mut self) -> Option<SavedOrigins> {
        self.read_origins()
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        self.next_expiry_ns().map(Timestamp::from_unix_ns)
    }

    fn mortal(&self) -> usize {
        self.lifetimes.entries().len()
    }

    fn totals(&self) -> Totals {
        let first_ts = match self.msgs {
            0 => Timestamp::ZERO,
            _ => Timestamp::from_unix_ns(self.first_ns),
        };
        Totals {
            msgs: self.msgs,
            bytes: self.bytes,
            first_seq: self.first_seq,
            first_ts,
            last_seq: self.last_seq,
            last_ts: Timestamp::from_unix_ns(self.last_ns),
            num_subjects: self.subjects.len(),
            num_deleted: (self.last_seq + 1 - self.first_seq).saturating_sub(self.msgs),
        }
    }

    fn deleted_runs(&self, each: &mut dyn FnMut(Range<u64>) -> ControlFlow<()>) {
        let mut expected = self.first_seq;
        for block in &self.blocks {
            let mut live = block.next_live(expected);
            while let Some(seq) = live {
                if seq > expected && each(expected..seq).is_break() {
                    return;
                }
                // Jump over the run of live ones by the next deleted one.
                let next_gone = block.deleted.iter_from(seq).next().unwrap_or(block.last_seq + 1);
                expected = next_gone;
                live = block.next_live(expected);
            }
        }
        if expected <= self.last_seq {
            let _ = each(expected..self.last_seq + 1);
        }
    }

    fn lost(&self) -> Option<LostStreamData> {
        (!self.lost.msgs.is_empty() || self.lost.bytes > 0).then(|| self.lost.clone())
    }

    fn size_of(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        record::len_of(subject, headers, payload) as u64
    }

    fn update_config(
        &mut self,
        config: &StreamConfig,
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError> {
        self.writable()?;
        if config.storage != Storage::File || config.name != self.config.name {
            return Err(StoreError::Damaged("a stream keeps its name and storage".to_owned()));
        }
        if Limits::of(config) != self.limits {
            self.trace_before_change()?;
        }
        meta::write_stream(&*self.disk, &self.dir, self.created, config, &self.asset)?;
        self.config = config.clone();
        self.limits = Limits::of(config);
        // The one on disk is a witness by the limits of its time.
        self.index_due = IndexDue::Must;
        self.block_size = block_size(config, self.options);
        self.ageing = timers::Ageing::default();
        if self.tracks_subjects() != self.subjects.is_tracking() {
            self.subjects.set_tracking(self.tracks_subjects());
            self.blocks.iter_mut().for_each(|block| block.tracked = false);
        }
        self.enforce_all(removed)?;
        // They make room for no message that could be refused: nothing brings them back.
        self.journal.by_limits.clear();
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        self.needs_flush()
    }

    fn flush(&mut self, durability: Durability) -> Result<(), StoreError> {
        self.flush_all(durability)
    }

    fn create_consumer(
        &mut self,
        meta: &ConsumerMeta,
        state: &ConsumerState,
    ) -> Result<Box<dyn ConsumerStore>, StoreError> {
        if meta.config.mem_storage {
            return Ok(Box::new(MemConsumer));
        }
        let mut file = ConsumerFile::new(
            Arc::clone(&self.disk),
            self.consumer_dir(&meta.name),
            &self.config.name,
            Asset::default(),
        );
        file.create(meta, state, self.vault.as_deref())?;
        Ok(Box::new(file))
    }

    fn take_recovered_consumers(&mut self) -> Vec<RecoveredConsumer> {
        std::mem::take(&mut self.consumers)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.cause().map(str::to_owned)
    }

    fn heal(&mut self) -> Result<(), StoreError> {
        self.heal_all()
    }

    fn take_events(&mut self) -> Vec<StoreEvent> {
        std::mem::take(&mut self.events)
    }

    fn begin_snapshot(&mut self) -> Result<SnapshotPlan, StoreError> {
        self.begin()
    }

    fn snapshot_block(&mut self, index: u64) -> Result<SnapshotBlock, StoreError> {
        self.pinned_block(index)
    }

    fn end_snapshot(&mut self) -> IndexFit {
        self.end()
    }

    fn release_memory(&mut self) {
        self.evict_used_before(u64::MAX);
        self.spare = Vec::new();
        self.subjects.shrink();
    }

    fn release_unused(&mut self) {
        self.evict_unused();
    }

    fn rest(&mut self) -> Upkeep {
        self.release_memory();
        if self.poisoned.is_some() || self.needs_flush() {
            return Upkeep::Done;
        }
        if self.compact_one() {
            self.release_memory();
            return Upkeep::More;
        }
        if self.since_index > 0 || self.index_due > IndexDue::No {
            // It only makes a start shorter, and is tried again after the next change.
            let due = std::mem::replace(&mut self.index_due, IndexDue::No);
            if self.write_index().is_err() {
                self.index_due = due;
            }
            self.release_memory();
        }
        Upkeep::Done
    }

    fn verify_some(&mut self) -> Upkeep {
        self.verify_slice()
    }

    fn stop(&mut self) -> Result<(), StoreError> {
        self.flush_all(Durability::Synced)?;
        if let Some(tail) = self.blocks.back().filter(|tail| tail.has_slack()) {
            self.to_trim.push(tail.index);
            let synced = self.trim_blocks().and_then(|()| self.sync_blocks());
            synced.map_err(|failure| self.flush_failed(failure))?;
        }
        self.create_tail_file()?;
        self.dir_dirty = false;
        self.write_index()?;
        if self.config.allow_msg_ttl {
            self.write_timers()?;
        }
        self.leave_stopped();
        for block in &mut self.blocks {
            block.evict();
            block.file = None;
        }
        Ok(())
    }

    fn delete(&mut self) -> Result<(), StoreError> {
        let error = |error| io_error("deleting the stream", error);
        self.poisoned = Some("the stream is deleted".to_owned());
        let Some(streams) = self.dir.parent() else { return Ok(()) };
        open::remove_dir(&*self.disk, streams, &self.config.name).map_err(error)
    }
}

#[cfg(test)]
pub(crate) use meta::checksum as meta_sum;
#[cfg(test)]
mod tests;
