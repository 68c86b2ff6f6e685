//! One message block: its figures, its bytes in memory, and its file.

use std::path::{Path, PathBuf};

use env::{Disk, DiskFile, OpenMode};

use super::borders::Borders;
use super::glance::{Glance, Pace};
use super::record::{self, Damage, Hasher, Kind, Message, Record};
use super::seq_set::SeqSet;
use super::slots::Slots;
use super::waymarks::Waymarks;
use super::{correct, packed};
use crate::api::StoreError;
use crate::error::io_error;

/// A block of a stream. The last one takes the appends, the others are sealed.
#[derive(Debug)]
pub(super) struct Block {
    /// Its number: the file is `<index>.blk`.
    pub(super) index: u64,
    /// First live message; last + 1 if there is none.
    pub(super) first_seq: u64,
    pub(super) first_ns: i64,
    /// Highest sequence that has, or had, its message here; that of the block before if none.
    pub(super) last_seq: u64,
    pub(super) last_ns: i64,
    /// Live messages, and their bytes.
    pub(super) msgs: u64,
    pub(super) bytes: u64,
    /// Sequences within first and last that are gone.
    pub(super) deleted: SeqSet,
    /// How many messages came with a lifetime, and with a schedule.
    pub(super) ttls: u64,
    pub(super) schedules: u64,
    /// Sequences that tombstones in here speak of.
    pub(super) tombs: SeqSet,
    /// Sequences that are gone, but whose record is still in the file.
    pub(super) remains: SeqSet,
    /// Neither of the two sets is known: the block comes from an index and was never read.
    pub(super) unread: bool,
    /// The subjects know all sequences of it, where they remember any.
    pub(super) tracked: bool,
    /// Tombstones since the mark.
    fresh_tombs: Vec<u64>,
    /// Highest sequence that any record in here speaks of.
    pub(super) high: u64,
    /// Length in bytes, what is not yet written included.
    pub(super) raw_len: u64,
    /// Of these in the file.
    pub(super) written: u64,
    /// Length of the file: zeros follow what is written, so that a sync need not store a new
    /// length.
    pub(super) allocated: u64,
    /// Written but not synced.
    pub(super) unsynced: bool,
    /// What tells that messages of it are gone.
    pub(super) told_by: ToldBy,
    /// The file is there.
    pub(super) created: bool,
    /// The file is compressed; lengths and offsets are those of its content.
    pub(super) packed: bool,
    /// Checksum of the last record of a sealed block, where it is known.
    pub(super) seal: Option<[u8; 8]>,
    /// Where the subjects of its messages end, if that is known.
    pub(super) borders: Option<Borders>,
    /// Checksum of the witness that follows the records in the file, as if it were room made ahead.
    pub(super) witnessed: Option<[u8; 8]>,
    /// Compact when the live bytes fall below this.
    pub(super) compact_below: u64,
    pub(super) hasher: Hasher,
    pub(super) file: Option<Box<dyn DiskFile>>,
    pub(super) cache: Option<Cache>,
    /// Where records are while they are not in memory.
    pub(super) waymarks: Waymarks,
    /// A message that was read alone.
    pub(super) glance: Option<Glance>,
    pub(super) pace: Pace,
    /// State at the last flush, to return to.
    mark: Mark,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    last_seq: u64,
    last_ns: i64,
    high: u64,
    borders: Option<Borders>,
}

/// What tells that messages of a block are gone, the weakest of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ToldBy {
    /// Tombstones in later blocks.
    Tombstones,
    /// The stream's limits, as long as nothing else makes room.
    Limits,
    /// Only that its file is gone, or written anew.
    Nothing,
}

/// Bytes of a block in memory, from `base` to its end.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) base: usize,
    pub(super) buf: Vec<u8>,
    slots: Slots,
    used: u64,
}

/// What loading found wrong.
#[derive(Debug, Default)]
pub(super) struct LoadReport {
    pub(super) damage: Vec<Damage>,
    /// Sequences that should be live and have no sound record.
    pub(super) missing: Vec<u64>,
    /// Records that were put right, in memory only.
    pub(super) mended: usize,
    /// It is known where all subjects end.
    pub(super) is_sure: bool,
}

/// What a walk through a block's records finds.
struct Survey {
    slots: Slots,
    missing: Vec<u64>,
    tombs: SeqSet,
    remains: SeqSet,
    damage: Vec<Damage>,
}

impl LoadReport {
    /// Whether all is there that should be; damage among what is gone anyway does not count.
    pub(super) fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.mended == 0
    }
}

/// Path of a block's file.
pub(super) fn file_path(msgs_dir: &Path, index: u64) -> PathBuf {
    msgs_dir.join(format!("{index}.blk"))
}

impl Block {
    /// A new, empty block after a stream that ends at `last_seq`. Its file is made by the flush.
    pub(super) fn new(stream: &str, index: u64, last_seq: u64, last_ns: i64) -> Self {
        Block {
            index,
            first_seq: last_seq + 1,
            first_ns: 0,
            last_seq,
            last_ns,
            msgs: 0,
            bytes: 0,
            deleted: SeqSet::default(),
            ttls: 0,
            schedules: 0,
            tombs: SeqSet::default(),
            remains: SeqSet::default(),
            unread: false,
            tracked: true,
            fresh_tombs: Vec::new(),
            high: 0,
            raw_len: 0,
            written: 0,
            allocated: 0,
            unsynced: false,
            told_by: ToldBy::Tombstones,
            created: false,
            packed: false,
            seal: None,
            borders: Some(Borders::default()),
            witnessed: None,
            compact_below: 0,
            hasher: Hasher::of_block(stream, index),
            file: None,
            cache: None,
            waymarks: Waymarks::default(),
            glance: None,
            pace: Pace::default(),
            mark: Mark { last_seq, last_ns, high: 0, borders: Some(Borders::default()) },
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.raw_len > self.written
    }

    pub(super) fn is_live(&self, seq: u64) -> bool {
        seq >= self.first_seq && seq <= self.last_seq && !self.deleted.contains(seq)
    }

    /// The first live sequence at or after `from`.
    pub(super) fn next_live(&self, from: u64) -> Option<u64> {
        let seq = self.deleted.next_absent(from.max(self.first_seq));
        (self.msgs > 0 && seq <= self.last_seq).then_some(seq)
    }

    /// The last live sequence at or below `up_to`.
    pub(super) fn prev_live(&self, up_to: u64) -> Option<u64> {
        let seq = self.deleted.prev_absent(up_to.min(self.last_seq))?;
        (self.msgs > 0 && seq >= self.first_seq).then_some(seq)
    }

    /// Live messages at or after `from`.
    pub(super) fn count_from(&self, from: u64) -> u64 {
        if from <= self.first_seq {
            return self.msgs;
        }
        (self.last_seq + 1).saturating_sub(from).saturating_sub(self.deleted.count_from(from))
    }

    /// Remembers the state to return to if what comes cannot be written.
    pub(super) fn set_mark(&mut self) {
        let Block { last_seq, last_ns, high, borders, .. } = *self;
        self.mark = Mark { last_seq, last_ns, high, borders };
        self.fresh_tombs.clear();
    }

    pub(super) fn tail(&mut self) -> &mut Cache {
        let base = self.raw_len as usize;
        self.cache.get_or_insert_with(|| Cache {
            base,
            buf: Vec::new(),
            slots: Slots::new(),
            used: 0,
        })
    }

    /// Takes over the memory of a block that is gone.
    pub(super) fn reuse(&mut self, mut buf: Vec<u8>) {
        if self.cache.is_none() && self.raw_len == 0 {
            buf.clear();
            self.tail().buf = buf;
        }
    }

    /// Adds a message record; the caller keeps the stream's figures.
    pub(super) fn push_message(&mut self, message: &Message<'_>) -> usize {
        let offset = self.raw_len as u32;
        self.seal = None;
        self.tail();
        let Some(cache) = self.cache.as_mut() else { return 0 };
        let len = record::push_message(&mut cache.buf, &self.hasher, message);
        cache.slots.push(message.seq, offset);
        if let Some(borders) = &mut self.borders {
            borders.add(&message.lengths());
        }
        self.raw_len += len as u64;
        if self.msgs == 0 {
            self.first_seq = message.seq;
            self.first_ns = message.ts_ns;
            self.deleted.clear();
        } else if message.seq > self.last_seq + 1 {
            self.deleted.insert_range(self.last_seq + 1, message.seq);
        }
        self.last_seq = message.seq;
        self.last_ns = message.ts_ns;
        self.high = message.seq;
        self.msgs += 1;
        self.bytes += len as u64;
        len
    }

    /// Adds a tombstone.
    pub(super) fn push_tombstone(&mut self, seq: u64, ts_ns: i64) {
        self.seal = None;
        self.tail();
        let Some(cache) = self.cache.as_mut() else { return };
        record::push_tombstone(&mut cache.buf, &self.hasher, seq, ts_ns);
        self.raw_len += record::EMPTY as u64;
        self.note_tombstone(seq);
    }

    pub(super) fn note_tombstone(&mut self, seq: u64) {
        if self.tombs.insert(seq) {
            self.fresh_tombs.push(seq);
        }
        self.high = self.high.max(seq);
    }

    /// Whether it has tombstones since the mark.
    pub(super) fn has_unwritten_tombs(&self) -> bool {
        !self.fresh_tombs.is_empty()
    }

    /// Whether a gone message's record may still be in the file.
    pub(super) fn may_hold_remains(&self, seq: u64) -> bool {
        self.unread || self.remains.contains(seq)
    }

    /// Counts the message of `seq` out; its record stays. `next_first_ns` finds the time of a
    /// message that becomes the first.
    pub(super) fn forget(&mut self, seq: u64, len: usize) {
        self.msgs -= 1;
        self.bytes -= len as u64;
        self.remains.insert(seq);
        if self.msgs == 0 {
            self.first_seq = self.last_seq + 1;
            self.first_ns = 0;
            self.deleted.clear();
        } else if seq == self.first_seq {
            let mut next = seq + 1;
            while self.deleted.remove(next) {
                next += 1;
            }
            self.first_seq = next;
            self.first_ns = self.cached(next).map_or(self.first_ns, |record| record.ts_ns);
        } else {
            self.deleted.insert(seq);
        }
    }

    /// Counts all messages out.
    pub(super) fn clear_live(&mut self) {
        self.msgs = 0;
        self.bytes = 0;
        self.first_seq = self.last_seq + 1;
        self.first_ns = 0;
        self.deleted.clear();
    }

    /// Counts a message in again that [`forget`](Self::forget) counted out.
    pub(super) fn restore(&mut self, seq: u64, len: usize, ts_ns: i64) {
        if self.msgs == 0 {
            self.first_seq = seq;
            self.first_ns = ts_ns;
            self.deleted.insert_range(seq + 1, self.last_seq + 1);
        } else if seq < self.first_seq {
            self.deleted.insert_range(seq + 1, self.first_seq);
            self.first_seq = seq;
            self.first_ns = ts_ns;
        } else {
            self.deleted.remove(seq);
        }
        self.remains.remove(seq);
        self.msgs += 1;
        self.bytes += len as u64;
    }

    /// Cuts off what was added since the mark; the messages of it are counted out already.
    pub(super) fn roll_back(&mut self) {
        self.seal = None;
        if self.file.is_some() {
            // It was cut.
            self.allocated = self.written;
            self.witnessed = None;
        }
        self.borders = self.mark.borders;
        self.forget_places();
        self.raw_len = self.written;
        if let Some(cache) = &mut self.cache {
            cache.buf.truncate((self.written as usize).saturating_sub(cache.base));
            cache.slots.truncate(self.mark.last_seq);
            if cache.base > self.written as usize {
                self.cache = None;
            }
        }
        self.last_seq = self.mark.last_seq;
        self.last_ns = self.mark.last_ns;
        for seq in std::mem::take(&mut self.fresh_tombs) {
            self.tombs.remove(seq);
        }
        self.high = self.mark.high;
        self.deleted.remove_from(self.last_seq + 1);
        self.remains.remove_from(self.last_seq + 1);
        if self.msgs == 0 {
            self.first_seq = self.last_seq + 1;
            self.first_ns = 0;
            self.deleted.clear();
        }
    }

    /// The record of `seq` if its bytes are in memory.
    pub(super) fn cached(&self, seq: u64) -> Option<Record<'_>> {
        let in_cache = self.cache.as_ref().and_then(|cache| {
            let offset = cache.slots.get(seq)? as usize;
            Record::parse(&cache.buf, offset.checked_sub(cache.base)?)
        });
        in_cache.or_else(|| self.glance.as_ref()?.record(seq))
    }

    /// Forgets where records are in the file.
    fn forget_places(&mut self) {
        self.waymarks = Waymarks::default();
        self.glance = None;
    }

    /// Whether all live records are in memory.
    pub(super) fn is_whole(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.base == 0)
    }

    /// Marks the memory as used now.
    pub(super) fn touch(&mut self, tick: u64) {
        if let Some(cache) = &mut self.cache {
            cache.used = tick;
        }
    }

    /// When the memory was used last; `None` if there is none or it must stay.
    pub(super) fn evictable(&self) -> Option<u64> {
        if self.is_dirty() {
            return None;
        }
        self.cache.as_ref().map(|cache| cache.used)
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.cache.as_ref().map_or(0, |cache| cache.buf.capacity() + cache.slots.memory())
    }

    /// Bytes of records in memory.
    pub(super) fn cached_bytes(&self) -> usize {
        self.cache.as_ref().map_or(0, |cache| cache.buf.len())
    }

    /// Gives the memory back; must not be dirty.
    pub(super) fn evict(&mut self) -> Vec<u8> {
        self.glance = None;
        let Some(cache) = self.cache.take() else { return Vec::new() };
        if !self.packed {
            self.waymarks.extend(&cache.slots, cache.base + cache.buf.len());
        }
        cache.buf
    }

    /// As [`evict`](Self::evict), and closes the file: descriptors are bounded by what is in memory.
    pub(super) fn let_go(&mut self) -> Vec<u8> {
        if !self.unsynced {
            self.file = None;
        }
        self.evict()
    }

    /// What a flush has to write: the bytes after `written`.
    pub(super) fn pending(&self) -> &[u8] {
        let Some(cache) = &self.cache else { return &[] };
        (self.written as usize)
            .checked_sub(cache.base)
            .and_then(|from| cache.buf.get(from..))
            .unwrap_or_default()
    }

    /// The file, opened (and made) if it was not.
    pub(super) fn open_file(
        &mut self,
        disk: &dyn Disk,
        msgs_dir: &Path,
    ) -> Result<&dyn DiskFile, std::io::Error> {
        if self.file.is_none() {
            let mode = if self.created { OpenMode::Existing } else { OpenMode::Truncate };
            self.file = Some(disk.open(&file_path(msgs_dir, self.index), mode)?);
            self.created = true;
        }
        self.file.as_deref().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    /// All of its length is in the file.
    pub(super) fn settle_len(&mut self) {
        self.written = self.raw_len;
        self.allocated = self.raw_len;
        self.compact_below = super::append::compact_below(self);
        self.set_mark();
    }

    /// Where the subjects of its messages end, if that is known or in memory.
    pub(super) fn known_borders(&mut self) -> Option<Borders> {
        if self.borders.is_none() {
            self.borders = self.content().and_then(Borders::of);
        }
        self.borders
    }

    /// [`last_checksum`](Self::last_checksum) of a sealed block, remembered.
    pub(super) fn seal(&mut self, disk: &dyn Disk, msgs_dir: &Path) -> Result<[u8; 8], StoreError> {
        if let Some(sum) = self.seal {
            return Ok(sum);
        }
        let was_open = self.file.is_some();
        let sum = self.last_checksum(disk, msgs_dir)?;
        if !was_open && !self.unsynced {
            self.file = None;
        }
        self.seal = Some(sum);
        Ok(sum)
    }

    /// Checksum of the last record; zeros if there is none.
    pub(super) fn last_checksum(
        &mut self,
        disk: &dyn Disk,
        msgs_dir: &Path,
    ) -> Result<[u8; 8], StoreError> {
        if let Some(sum) = self.cache.as_ref().and_then(|cache| cache.buf.last_chunk::<8>()) {
            return Ok(*sum);
        }
        let mut sum = [0; 8];
        let (packed, raw_len) = (self.packed, self.raw_len);
        if raw_len >= 8 {
            self.open_file(disk, msgs_dir)
                .and_then(|file| {
                    let len = if packed { file.len()? } else { raw_len };
                    file.read_exact_at(&mut sum, len.saturating_sub(8))
                })
                .map_err(|error| io_error("reading a block's end", error))?;
        }
        Ok(sum)
    }

    /// Walks through the records of `buf`, its whole content.
    fn survey(&self, buf: &[u8]) -> Survey {
        let mut slots = Slots::new();
        let mut missing = Vec::new();
        let mut expected = self.next_live(0);
        let (mut tombs, mut remains) = (SeqSet::default(), SeqSet::default());
        let damage = record::scan(buf, &self.hasher, |offset, record| {
            if record.kind == Kind::Tombstone {
                tombs.insert(record.seq);
                return;
            }
            if record.kind != Kind::Message || !self.is_live(record.seq) {
                remains.insert(record.seq);
                return;
            }
            slots.push(record.seq, offset as u32);
            while let Some(seq) = expected.filter(|&seq| seq < record.seq) {
                missing.push(seq);
                expected = self.next_live(seq + 1);
            }
            if expected == Some(record.seq) {
                expected = self.next_live(record.seq + 1);
            }
        });
        while let Some(seq) = expected {
            missing.push(seq);
            expected = self.next_live(seq + 1);
        }
        Survey { slots, missing, tombs, remains, damage }
    }

    /// Reads the whole block into memory and checks every record; `known` says whether a message
    /// of the stream has this subject.
    pub(super) fn load(
        &mut self,
        disk: &dyn Disk,
        msgs_dir: &Path,
        spare: Vec<u8>,
        known: &dyn Fn(&[u8]) -> bool,
    ) -> Result<LoadReport, StoreError> {
        let base = self.cache.as_ref().map_or(self.written as usize, |cache| cache.base);
        self.forget_places();
        let mut buf = spare;
        buf.clear();
        if self.packed && base > 0 {
            let file = disk
                .read(&file_path(msgs_dir, self.index))
                .map_err(|error| io_error("reading a block", error))?;
            buf = packed::unpack(&file);
            self.raw_len = buf.len() as u64;
            self.written = self.raw_len;
            self.compact_below = self.raw_len / 2;
        } else if base > 0 {
            buf.resize(base, 0);
            self.open_file(disk, msgs_dir)
                .and_then(|file| {
                    // What is cut off is lost, not out of reach: the rest reads as zeros.
                    let there = usize::try_from(file.len()?).unwrap_or(base).min(base);
                    file.read_exact_at(buf.get_mut(..there).unwrap_or_default(), 0)
                })
                .map_err(|error| io_error("reading a block", error))?;
        }
        let used = self.cache.as_ref().map_or(0, |cache| cache.used);
        if let Some(cache) = self.cache.take() {
            buf.extend_from_slice(&cache.buf);
        }
        let held = self.borders.is_some_and(|borders| Borders::of(&buf) == Some(borders));
        let moved = !held && self.borders.is_some_and(|borders| borders.mend(&mut buf));
        let is_sure = held || moved;
        let mut survey = self.survey(&buf);
        let mut mended = match survey.damage.is_empty() {
            true => 0,
            false => correct::mend(&mut buf, &self.hasher, &survey.damage, known),
        };
        if mended > 0 {
            survey = self.survey(&buf);
        }
        mended += usize::from(moved);
        let Survey { slots, missing, tombs, remains, damage } = survey;
        if self.unread && !is_sure {
            // A subject that nobody knows is the work of a bad length, too.
            let mut next = self.next_live(0);
            while let Some(seq) = next {
                if let Some(at) = slots.get(seq) {
                    mended += usize::from(correct::mend_stranger(&mut buf, at as usize, known));
                }
                next = self.next_live(seq + 1);
            }
        }
        self.cache = Some(Cache { base: 0, buf, slots, used });
        if self.unread {
            (self.tombs, self.remains) = (tombs, remains);
            self.unread = false;
        }
        Ok(LoadReport { damage, missing, mended, is_sure })
    }

    /// Takes the messages whose subject is not known out of what can be read; answers which.
    pub(super) fn forget_strangers(&mut self, known: impl Fn(&[u8]) -> bool) -> Vec<u64> {
        let mut strangers = Vec::new();
        let mut next = self.next_live(0);
        while let Some(seq) = next {
            if self.cached(seq).is_some_and(|record| record::has_moved_subject(&record, &known)) {
                strangers.push(seq);
            }
            next = self.next_live(seq + 1);
        }
        if let Some(cache) = &mut self.cache {
            for &seq in &strangers {
                cache.slots.remove(seq);
            }
        }
        strangers
    }

    /// The whole content, if it is in memory.
    pub(super) fn content(&self) -> Option<&[u8]> {
        self.cache.as_ref().filter(|cache| cache.base == 0).map(|cache| &cache.buf[..])
    }

    /// What overwrites the record of `seq`, which is in memory, with its offset.
    pub(super) fn erasure(&self, seq: u64) -> Option<(u64, Vec<u8>)> {
        let record = self.cached(seq)?;
        let offset = self.cache.as_ref()?.slots.get(seq)?;
        let mut bytes = Vec::with_capacity(record.len);
        record::erase(&mut bytes, &self.hasher, &record);
        Some((u64::from(offset), bytes))
    }

    /// Puts bytes over what is in memory.
    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8]) {
        self.seal = None;
        self.glance = None;
        if let Some(cache) = &mut self.cache
            && let Some(at) = (offset as usize).checked_sub(cache.base)
            && let Some(place) = cache.buf.get_mut(at..at + bytes.len())
        {
            place.copy_from_slice(bytes);
        }
    }

    /// Replaces content and slots after the file was rewritten.
    pub(super) fn replace(&mut self, buf: Vec<u8>, slots: Slots) {
        self.unread = false;
        self.seal = None;
        self.borders = Borders::of(&buf);
        self.forget_places();
        self.raw_len = buf.len() as u64;
        self.written = self.raw_len;
        self.allocated = self.raw_len;
        self.witnessed = None;
        self.unsynced = false;
        self.file = None;
        self.created = true;
        let used = self.cache.as_ref().map_or(0, |cache| cache.used);
        self.cache = Some(Cache { base: 0, buf, slots, used });
        self.set_mark();
    }
}
