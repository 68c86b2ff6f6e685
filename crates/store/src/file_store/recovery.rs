//! Opening a stream's blocks: by the index where it is exact, otherwise from the records.
//!
//! Nothing is deleted here because it is damaged: bytes that make no sound record are kept aside,
//! what they held is reported as lost, everything else is served. A stale index is a witness of
//! what was there: it keeps sequences from being used again and names what is missing.

use std::collections::VecDeque;

use env::EntryKind;
use hashbrown::HashSet;
use types::{Retention, Timestamp};

use super::append::compact_below;
use super::block::{Block, file_path};
use super::index_db::{self, Index};
use super::packed;
use super::purge::{NEW_MSGS, OLD_MSGS};
use super::record::{self, Damage, Kind, Record};
use super::repair::sound_copy;
use super::subjects::{Bound, SubjectInfo};
use super::{FileStore, INDEX, MSGS};
use crate::api::{Durability, StoreError};
use crate::error::io_error;
use crate::ttl;

/// What the last record of a block, as the index has it, is compared with.
const CHECKSUM: usize = 8;

type SeqHashSet = HashSet<u64, foldhash::fast::RandomState>;

/// What a rebuild gathers while it goes from the last block to the first.
#[derive(Default)]
struct Rebuild {
    prior: Option<Index>,
    /// Sequences that some tombstone speaks of.
    tombs: SeqHashSet,
    /// The highest of them, with its time.
    highest_tomb: Option<(u64, i64)>,
    /// No record from here on counts: a later block has it.
    ceiling: u64,
    blocks: VecDeque<Block>,
    /// What to repair: block index, its bytes, and the damage.
    damaged: Vec<(u64, Vec<u8>, Vec<Damage>)>,
}

fn refused(reason: impl Into<String>) -> StoreError {
    StoreError::Damaged(reason.into())
}

impl FileStore {
    /// Fills an empty store from its directory.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        self.finish_purge()?;
        self.read_lost();
        let numbers = self.list_blocks()?;
        let hasher = self.hasher();
        let index = match self.disk.read(&self.msgs_dir.join(INDEX)) {
            Ok(bytes) => index_db::decode(&bytes, &hasher),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("reading the index", error)),
        };
        self.index_ends_in_zeros =
            index.as_ref().is_some_and(|index| index.last_checksum == [0; CHECKSUM]);
        let exact = match &index {
            Some(index) => self.is_exact(index, &numbers)?,
            None => false,
        };
        match index {
            // Lifetimes are read from the messages: those that never expire are in no file.
            Some(index) if exact && !self.config.allow_msg_ttl => self.adopt(&index)?,
            prior => self.rebuild(&numbers, prior)?,
        }
        self.journal.last_seq = self.last_seq;
        self.journal.last_ns = self.last_ns;
        if self.blocks.back().is_some_and(|tail| tail.packed) {
            // Nothing can be added to a compressed block.
            self.roll();
            self.to_pack.clear();
            self.keep_last_seq();
        }
        Ok(())
    }

    /// After the consumers were looked at: the stream must not give out again what they had.
    pub(super) fn finish_recovery(&mut self, delivered: u64) -> Result<(), StoreError> {
        // Beyond this it is no sequence that was ever reached.
        const FARTHEST: u64 = 1 << 40;
        if delivered > self.last_seq && delivered - self.last_seq < FARTHEST {
            self.end_at(delivered, self.last_ns);
        }
        self.enforce_all(&mut |_| {})?;
        self.find_first();
        if self.msgs == 0 && self.config.first_seq > self.last_seq + 1 {
            let purge =
                crate::api::Purge { below_seq: self.config.first_seq, ..Default::default() };
            self.purge_matching(&purge, &mut |_| {})?;
        }
        match self.flush_all(Durability::Synced) {
            // It is tried again with the next flush.
            Err(StoreError::NoSpace) => Ok(()),
            other => other,
        }
    }

    /// Moves the end of the stream up to `last_seq`, of which nothing is left.
    fn end_at(&mut self, last_seq: u64, last_ns: i64) {
        self.last_seq = last_seq;
        self.last_ns = last_ns;
        self.journal.last_seq = last_seq;
        self.journal.last_ns = last_ns;
        self.tombstone(last_seq, last_ns);
        if self.msgs == 0 {
            self.first_seq = last_seq + 1;
        }
    }

    /// Completes or drops a purge that was cut short.
    fn finish_purge(&mut self) -> Result<(), StoreError> {
        let error = |error| io_error("finishing a purge", error);
        let disk = &*self.disk;
        let (fresh, old, msgs) =
            (self.dir.join(NEW_MSGS), self.dir.join(OLD_MSGS), self.dir.join(MSGS));
        if disk.info(&fresh).map_err(error)?.is_some() {
            let decided = disk
                .list(&fresh)
                .map_err(error)?
                .iter()
                .any(|entry| entry.name.as_encoded_bytes().ends_with(b".blk"));
            if decided {
                disk.remove_dir_all(&msgs).map_err(error)?;
                disk.rename(&fresh, &msgs).map_err(error)?;
                disk.sync_dir(&self.dir).map_err(error)?;
            } else {
                disk.remove_dir_all(&fresh).map_err(error)?;
            }
        }
        disk.remove_dir_all(&old).map_err(error)
    }

    /// The numbers of the blocks, ascending.
    fn list_blocks(&self) -> Result<Vec<u64>, StoreError> {
        let error = |error| io_error("listing the blocks", error);
        self.disk.create_dir_all(&self.msgs_dir).map_err(error)?;
        let mut numbers = Vec::new();
        for entry in self.disk.list(&self.msgs_dir).map_err(error)? {
            let Some(name) = entry.name.to_str().filter(|_| entry.kind == EntryKind::File) else {
                continue;
            };
            if name.ends_with(".key") {
                return Err(refused("its blocks are encrypted, which is not supported yet"));
            }
            let number = name.strip_suffix(".blk").and_then(|number| number.parse::<u32>().ok());
            if let Some(number) = number {
                numbers.push(u64::from(number));
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn info_len(&self, number: u64) -> Result<u64, StoreError> {
        let info = self
            .disk
            .info(&file_path(&self.msgs_dir, number))
            .map_err(|error| io_error("looking at a block", error))?;
        Ok(info.map_or(0, |info| info.len))
    }

    /// Whether the index says what the files hold, as far as the reference looks.
    fn is_exact(&self, index: &Index, numbers: &[u64]) -> Result<bool, StoreError> {
        let Some(last) = index.blocks.last() else { return Ok(false) };
        if last.index != index.last_block || numbers.last() != Some(&last.index) {
            return Ok(false);
        }
        let ascending = index
            .blocks
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.index < b.index && a.last_seq <= b.last_seq));
        let there = |block: &index_db::BlockState| {
            block.msgs() == 0 || numbers.binary_search(&block.index).is_ok()
        };
        let msgs: u64 = index.blocks.iter().map(index_db::BlockState::msgs).sum();
        let bytes: u64 = index.blocks.iter().map(|block| block.bytes).sum();
        let by_subject: u64 = index.subjects.iter().map(|subject| subject.total).sum();
        if !ascending
            || !index.blocks.iter().all(there)
            || (msgs, bytes, by_subject) != (index.msgs, index.bytes, index.msgs)
            || last.last_seq > index.last_seq
        {
            return Ok(false);
        }
        for block in &index.blocks {
            let len = self.info_len(block.index)?;
            if len > u64::from(u32::MAX)
                || (len < block.bytes && !self.is_packed(block.index, len)?)
            {
                return Ok(false);
            }
        }
        let len = self.info_len(last.index)?;
        let mut end = [0; CHECKSUM];
        if len >= CHECKSUM as u64 {
            let file = self
                .disk
                .open(&file_path(&self.msgs_dir, last.index), env::OpenMode::Existing)
                .map_err(|error| io_error("opening a block", error))?;
            file.read_exact_at(&mut end, len - CHECKSUM as u64)
                .map_err(|error| io_error("reading a block", error))?;
        }
        // Zeros stand for a block without records, and may be room made ahead in one with some.
        Ok(end == index.last_checksum && (len == 0 || end != [0; CHECKSUM]))
    }

    fn is_packed(&self, number: u64, len: u64) -> Result<bool, StoreError> {
        let mut start = [0; packed::START];
        if len < start.len() as u64 {
            return Ok(false);
        }
        self.disk
            .open(&file_path(&self.msgs_dir, number), env::OpenMode::Existing)
            .and_then(|file| file.read_exact_at(&mut start, 0))
            .map_err(|error| io_error("reading a block", error))?;
        Ok(packed::is_packed(&start))
    }

    /// Takes over the state of an exact index.
    fn adopt(&mut self, index: &Index) -> Result<(), StoreError> {
        self.msgs = index.msgs;
        self.bytes = index.bytes;
        self.first_ns = index.first_ns;
        self.last_seq = index.last_seq;
        self.last_ns = if index.last_ns == 0 { Timestamp::ZERO.unix_ns() } else { index.last_ns };
        let last_block = index.blocks.len() - 1;
        for (at, state) in index.blocks.iter().enumerate() {
            let len = self.info_len(state.index)?;
            if len == 0 && at != last_block {
                continue;
            }
            let mut block =
                Block::new(&self.config.name, state.index, state.last_seq, state.last_ns);
            block.first_seq = state.first_seq;
            block.first_ns = state.first_ns;
            block.msgs = state.msgs();
            block.bytes = state.bytes;
            block.deleted = state.deleted.clone();
            block.ttls = state.ttls;
            block.schedules = state.schedules;
            block.unread = true;
            block.high = if at == last_block { index.last_seq } else { state.last_seq };
            block.created = true;
            block.packed = self.is_packed(state.index, len)?;
            // The length of compressed content is known when it is read.
            block.raw_len = if block.packed { len.max(state.bytes) } else { len };
            block.written = block.raw_len;
            block.allocated = block.raw_len;
            block.compact_below = compact_below(&block);
            block.set_mark();
            self.blocks.push_back(block);
        }
        let bounds = |number: u64| {
            let at = self.blocks.partition_point(|block| block.index < number);
            self.blocks.get(at.min(self.blocks.len() - 1))
        };
        let mut infos = Vec::with_capacity(index.subjects.len());
        for subject in &index.subjects {
            let first = bounds(subject.first_block).map_or(0, |block| block.first_seq);
            let last = bounds(subject.last_block).map_or(u64::MAX, |block| block.last_seq);
            infos.push(SubjectInfo {
                total: subject.total,
                first: Bound::loose(first),
                last: Bound::loose(last),
            });
        }
        for (subject, info) in index.subjects.iter().zip(infos) {
            self.subjects.set(&subject.subject, info);
        }
        self.first_seq = if index.msgs == 0 { index.last_seq + 1 } else { index.first_seq };
        Ok(())
    }

    /// Builds the state from the records.
    fn rebuild(&mut self, numbers: &[u64], prior: Option<Index>) -> Result<(), StoreError> {
        self.subjects.reset(self.tracks_subjects());
        let mut rebuild = Rebuild { prior, ceiling: u64::MAX, ..Rebuild::default() };
        for &number in numbers.iter().rev() {
            self.rebuild_block(number, &mut rebuild)?;
        }
        let Rebuild { prior, tombs, highest_tomb, mut blocks, damaged, .. } = rebuild;
        let mut last = (0, Timestamp::ZERO.unix_ns());
        for block in &mut blocks {
            if block.last_seq == 0 {
                (block.last_seq, block.last_ns) = last;
                block.first_seq = last.0 + 1;
            }
            last = (block.last_seq, block.last_ns);
            block.set_mark();
            self.msgs += block.msgs;
            self.bytes += block.bytes;
        }
        // That of the last message also has its time, which an erased record has not.
        if let Some(tomb) = highest_tomb.filter(|tomb| tomb.0 >= last.0) {
            last = tomb;
        }
        (self.last_seq, self.last_ns) = last;
        self.blocks = blocks;
        if self.blocks.is_empty() {
            self.roll();
            self.index_due = super::IndexDue::No;
        }
        let first = self.blocks.iter().find(|block| block.msgs > 0);
        (self.first_seq, self.first_ns) =
            first.map_or((last.0 + 1, 0), |block| (block.first_seq, block.first_ns));
        let is_gone = |seq: u64| {
            tombs.contains(&seq) || prior.as_ref().is_some_and(|prior| gone_in(prior, seq))
        };
        self.repair_found(damaged, &is_gone)?;
        if let Some(prior) = &prior {
            self.hear_witness(prior, &tombs)?;
        }
        Ok(())
    }

    fn rebuild_block(&mut self, number: u64, rebuild: &mut Rebuild) -> Result<(), StoreError> {
        let file = self
            .disk
            .read(&file_path(&self.msgs_dir, number))
            .map_err(|error| io_error("reading a block", error))?;
        let packed = packed::is_packed(&file);
        let bytes = if packed { packed::unpack(&file) } else { Some(file) };
        let Some(bytes) = bytes else {
            return Err(refused(format!("block {number} cannot be decompressed")));
        };
        if bytes.len() > u32::MAX as usize {
            return Err(refused("a block is larger than 4 GiB"));
        }
        let mut block = Block::new(&self.config.name, number, 0, 0);
        block.created = true;
        block.packed = packed;
        let mut offsets: Vec<usize> = Vec::new();
        let mut damage = record::scan(&bytes, &block.hasher.clone(), |offset, record| {
            if record.kind == Kind::Tombstone {
                rebuild.tombs.insert(record.seq);
                block.note_tombstone(record.seq);
                let tomb = (record.seq, record.ts_ns);
                rebuild.highest_tomb = rebuild.highest_tomb.max(Some(tomb));
            } else {
                offsets.push(offset);
            }
        });
        let end = match packed {
            true => bytes.len(),
            false => self.cut_torn_tail(number, &bytes, &mut damage, rebuild)?,
        };
        block.raw_len = end as u64;
        block.written = end as u64;
        block.allocated = end as u64;
        let (mut lowest, mut last_seq) = (u64::MAX, 0);
        for offset in offsets {
            let Some(record) = Record::parse(&bytes, offset) else { continue };
            let seq = record.seq;
            if seq <= last_seq || seq >= rebuild.ceiling {
                continue;
            }
            last_seq = seq;
            lowest = lowest.min(seq);
            block.high = block.high.max(seq);
            let gone = record.kind == Kind::Erased
                || rebuild.tombs.contains(&seq)
                || rebuild.prior.as_ref().is_some_and(|prior| gone_in(prior, seq));
            if gone {
                block.remains.insert(seq);
                if record.kind == Kind::Message && !rebuild.tombs.contains(&seq) {
                    self.untrace(number, seq, record.ts_ns);
                }
            } else {
                self.count_in(&mut block, &record);
            }
            block.last_seq = seq;
            if record.kind == Kind::Message {
                block.last_ns = record.ts_ns;
            }
        }
        if block.msgs == 0 {
            block.clear_live();
        } else {
            // What follows the last live one is gone.
            block.deleted.insert_range(self.counted_up_to + 1, block.last_seq + 1);
        }
        block.compact_below = compact_below(&block);
        rebuild.ceiling = rebuild.ceiling.min(lowest);
        if !damage.is_empty() {
            rebuild.damaged.push((number, bytes, damage));
        }
        rebuild.blocks.push_front(block);
        Ok(())
    }

    /// Counts a live message of a block that is being rebuilt.
    fn count_in(&mut self, block: &mut Block, record: &Record<'_>) {
        let seq = record.seq;
        if block.msgs == 0 {
            block.first_seq = seq;
            block.first_ns = record.ts_ns;
        } else {
            block.deleted.insert_range(self.counted_up_to + 1, seq);
        }
        self.counted_up_to = seq;
        block.msgs += 1;
        block.bytes += record.len as u64;
        self.subjects.insert(record.subject, seq);
        if self.config.allow_msg_ttl {
            let seconds = ttl::of_headers(record.headers);
            self.lifetimes.add(seq, record.ts_ns, seconds);
            block.ttls += u64::from(seconds > 0);
        }
        if self.config.allow_msg_schedules
            && ttl::header(record.headers, b"Nats-Schedule").is_some()
        {
            block.schedules += 1;
        }
    }

    /// Cuts off what a crash left unfinished at the end of the last block with content; answers
    /// where its records end. A whole record with a wrong checksum is no such thing.
    fn cut_torn_tail(
        &mut self,
        number: u64,
        bytes: &[u8],
        damage: &mut Vec<Damage>,
        rebuild: &Rebuild,
    ) -> Result<usize, StoreError> {
        let is_last = rebuild.blocks.iter().all(|later| later.raw_len == 0);
        let torn = damage.last().copied().filter(|last| {
            let whole = Record::parse(bytes, last.from).is_some_and(|record| {
                record.is_plausible() && record.seq > last.after_seq && record.seq > 0
            });
            is_last && last.to == bytes.len() && !whole
        });
        let Some(torn) = torn else { return Ok(bytes.len()) };
        damage.pop();
        // Zeros are room that was made ahead.
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if let Some(tail) = bytes.get(torn.from..end).filter(|tail| !tail.is_empty()) {
            self.set_aside(number, tail)?;
        }
        self.disk
            .open(&file_path(&self.msgs_dir, number), env::OpenMode::Existing)
            .and_then(|file| {
                file.set_len(torn.from as u64)?;
                file.sync_data()
            })
            .map_err(|error| io_error("cutting a torn record off", error))?;
        Ok(torn.from)
    }

    /// Keeps the damaged blocks aside, names what they lost, and rewrites them.
    fn repair_found(
        &mut self,
        damaged: Vec<(u64, Vec<u8>, Vec<Damage>)>,
        is_gone: &dyn Fn(u64) -> bool,
    ) -> Result<(), StoreError> {
        for (number, bytes, damage) in damaged {
            let Ok(at) = self.blocks.binary_search_by_key(&number, |block| block.index) else {
                continue;
            };
            let before = at.checked_sub(1).and_then(|at| self.blocks.get(at));
            let floor = before.map_or(0, |block| block.last_seq);
            let next = self.blocks.range(at + 1..).find(|block| block.high > 0);
            let ceiling = next.map_or(u64::MAX, |block| block.first_seq.min(block.last_seq + 1));
            let mut lost = Vec::new();
            let mut lost_bytes = 0;
            for damage in &damage {
                let held = lost_in(damage, &bytes, floor, ceiling);
                // An erasure that was cut short damages what is deleted anyway.
                let harmless = !held.is_empty() && held.clone().all(is_gone);
                if !harmless {
                    lost_bytes += damage.to - damage.from;
                    lost.extend(held.filter(|&seq| !is_gone(seq)));
                }
            }
            if lost_bytes > 0 {
                self.keep_original_of(number)?;
            }
            lost.sort_unstable();
            lost.dedup();
            let Some(block) = self.blocks.get(at) else { continue };
            let (out, slots) = sound_copy(block, &bytes, &lost);
            match self.rewrite(at, &out) {
                Ok(()) => {
                    if let Some(block) = self.blocks.get_mut(at) {
                        block.replace(out, slots);
                    }
                }
                // Served as it is; reading skips what is damaged.
                Err(StoreError::NoSpace) => {}
                Err(error) => return Err(error),
            }
            if let (Some(&last), Some(block)) = (lost.last(), self.blocks.get_mut(at)) {
                block.high = block.high.max(last);
                if last > block.last_seq {
                    if block.msgs > 0 {
                        block.deleted.insert_range(block.last_seq + 1, last + 1);
                    }
                    block.last_seq = last;
                    if block.msgs == 0 {
                        block.clear_live();
                    }
                    block.set_mark();
                }
                if last > self.last_seq {
                    self.last_seq = last;
                    if self.msgs == 0 {
                        self.first_seq = last + 1;
                    }
                }
            }
            self.note_lost(lost, lost_bytes as u64);
        }
        if self.lost.bytes > 0 { self.write_lost() } else { Ok(()) }
    }

    /// Whether every message that goes, other than from the front by a limit, leaves a trace also
    /// when the reference removes it.
    pub(super) fn leaves_traces(&self) -> bool {
        self.config.retention == Retention::Limits
            && self.config.max_msgs_per_subject <= 0
            && !self.config.allow_msg_ttl
    }

    /// Compares with what an older index knew to be there.
    fn hear_witness(&mut self, prior: &Index, tombs: &SeqHashSet) -> Result<(), StoreError> {
        let traced = self.leaves_traces();
        let untraced_front =
            self.config.max_msgs > 0 || self.config.max_bytes > 0 || self.config.max_age_ns > 0;
        let floor = if untraced_front { self.first_seq } else { 0 };
        let mut lost = Vec::new();
        if traced {
            for block in &prior.blocks {
                let mut seq = block.first_seq.max(floor);
                while seq <= block.last_seq {
                    let here = self.locate(seq).is_some();
                    if !here && block.holds(seq) && !tombs.contains(&seq) {
                        lost.push(seq);
                    }
                    seq += 1;
                }
            }
        }
        // With all messages gone, limits may have taken them.
        if untraced_front && self.msgs == 0 {
            lost.clear();
        }
        if prior.last_seq > self.last_seq {
            let last_ns =
                if prior.last_ns == 0 { Timestamp::ZERO.unix_ns() } else { prior.last_ns };
            self.end_at(prior.last_seq, last_ns);
        }
        lost.retain(|seq| self.lost.msgs.binary_search(seq).is_err());
        if !lost.is_empty() {
            self.note_lost(lost, 0);
            self.write_lost()?;
        }
        Ok(())
    }
}

/// Whether an older index knows that `seq` is gone.
fn gone_in(prior: &Index, seq: u64) -> bool {
    if seq > prior.last_seq {
        return false;
    }
    let at = prior.blocks.partition_point(|block| block.last_seq < seq);
    !prior.blocks.get(at).is_some_and(|block| block.holds(seq))
}

/// The sequences whose records a damaged stretch held, as far as can be told: those missing around
/// it, if so many records fit in it.
fn lost_in(damage: &Damage, bytes: &[u8], floor: u64, ceiling: u64) -> std::ops::Range<u64> {
    let low = if damage.after_seq == 0 { floor } else { damage.after_seq };
    let named = Record::parse(bytes, damage.from)
        .filter(|record| record.kind != Kind::Tombstone && record.seq > low)
        .map(|record| record.seq);
    let high = match (damage.before_seq, ceiling) {
        (0, u64::MAX) => named.map_or(low + 1, |seq| seq + 1),
        (0, ceiling) => ceiling,
        (before, _) => before,
    };
    let fit = ((damage.to - damage.from) / record::EMPTY) as u64;
    let missing = high.saturating_sub(low + 1);
    if missing <= fit {
        low + 1..high.max(low + 1)
    } else {
        named.filter(|&seq| seq < high).map_or(0..0, |seq| seq..seq + 1)
    }
}
