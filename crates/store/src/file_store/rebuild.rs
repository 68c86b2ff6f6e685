//! Building a stream's state from the records of its blocks, from the last block to the first.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use hashbrown::HashSet;
use types::Timestamp;

use super::append::compact_below;
use super::block::{Block, file_path};
use super::borders::{self, Borders};
use super::checkpoint::{self, Seal};
use super::index_db::{Index, Listed};
use super::losses::{gone_in, leaves_traces};
use super::record::{self, Damage, Hasher, Kind, Record};
use super::recovery::refused;
use super::resume::Resumed;
use super::{FileStore, authors};
use super::{correct, packed};
use crate::api::StoreError;
use crate::canary::{self, Canary};
use crate::error::io_error;
use crate::ttl;

pub(super) type SeqHashSet = HashSet<u64, foldhash::fast::RandomState>;

/// What an index said of the blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prior<'i> {
    pub(super) index: Option<&'i Index>,
    /// This server wrote it.
    pub(super) ours: bool,
}

/// What a rebuild gathers while it goes from the last block to the first.
#[derive(Default)]
struct Rebuild<'i> {
    prior: Option<&'i Index>,
    /// All that went since that index was written left a trace.
    traced: bool,
    /// How blocks ended at some time.
    seals: &'i [Seal],
    /// The hashes of that index's subjects, ascending.
    known: OnceCell<Vec<u64>>,
    hashes: foldhash::fast::RandomState,
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

impl<'i> Rebuild<'i> {
    fn by(prior: Prior<'i>, seals: &'i [Seal]) -> Self {
        let Prior { index, ours } = prior;
        Rebuild { prior: index, traced: ours, seals, ceiling: u64::MAX, ..Rebuild::default() }
    }

    /// Whether a message of an older index had this subject.
    fn knows(&self, subject: &[u8]) -> bool {
        let listed = || {
            let subjects = self.prior.map(|prior| &prior.subjects);
            let mut known = Vec::with_capacity(subjects.map_or(0, Listed::len));
            let names = subjects.into_iter().flat_map(|listed| listed.iter());
            known.extend(names.map(|(name, _)| self.hashes.hash_one(name)));
            known.sort_unstable();
            known
        };
        self.known.get_or_init(listed).binary_search(&self.hashes.hash_one(subject)).is_ok()
    }

    /// Whether this message's subject has the wrong length, by the subjects of an older index.
    fn is_stranger(&self, record: &Record<'_>) -> bool {
        self.prior.is_some_and(|prior| record.seq <= prior.last_seq)
            && record::has_moved_subject(record, |subject| self.knows(subject))
    }

    /// Walks through a block's records: takes note of its tombstones, and answers the offsets of
    /// the others.
    fn note_records(&mut self, bytes: &[u8], block: &mut Block) -> (Vec<usize>, Vec<Damage>) {
        let mut offsets: Vec<usize> = Vec::new();
        let damage = record::scan(bytes, &block.hasher.clone(), |offset, record| {
            if record.kind == Kind::Tombstone {
                self.tombs.insert(record.seq);
                block.note_tombstone(record.seq);
                let tomb = (record.seq, record.ts_ns);
                self.highest_tomb = self.highest_tomb.max(Some(tomb));
            } else {
                offsets.push(offset);
            }
        });
        (offsets, damage)
    }
}

impl FileStore {
    /// Builds the state from the records.
    pub(super) fn rebuild(
        &mut self,
        numbers: &[u64],
        prior: Prior<'_>,
        seals: &[Seal],
    ) -> Result<(), StoreError> {
        self.subjects.reset(self.tracks_subjects());
        let mut rebuild = Rebuild::by(prior, seals);
        self.hear_buried(0, &mut rebuild)?;
        for &number in numbers.iter().rev() {
            self.rebuild_block(number, &mut rebuild)?;
        }
        self.complete(Vec::new(), rebuild, 0)
    }

    /// What tombstones in buried blocks from `from` on speak of is gone, also where the prior index knows it live.
    fn hear_buried(&self, from: u64, rebuild: &mut Rebuild<'_>) -> Result<(), StoreError> {
        for &number in self.buried.iter().filter(|&&number| number >= from) {
            let Some(content) = self.content_of(&self.buried_path(number))? else { continue };
            let hasher = Hasher::of_block(&self.config.name, number);
            record::scan(&content, &hasher, |_, record| {
                if record.kind == Kind::Tombstone {
                    rebuild.tombs.insert(record.seq);
                }
            });
        }
        Ok(())
    }

    /// Builds the state of the blocks `tail` behind `sealed` ones that are as the index has them.
    pub(super) fn rebuild_tail(
        &mut self,
        mut sealed: Vec<Block>,
        tail: &[u64],
        index: &Index,
        seals: &[Seal],
    ) -> Result<Resumed, StoreError> {
        let mut rebuild = Rebuild::by(Prior { index: Some(index), ours: true }, seals);
        self.hear_buried(index.last_block, &mut rebuild)?;
        for &number in tail.iter().rev() {
            self.rebuild_block(number, &mut rebuild)?;
        }
        if sealed.last().is_some_and(|last| rebuild.ceiling <= last.last_seq)
            || !self.apply_tombs(&mut sealed, rebuild.tombs.iter().copied())?
        {
            return Ok(Resumed::No);
        }
        // Where the block that was the last one then is gone, there is no more to miss of it.
        let from = match tail.first() {
            Some(&first) if first == index.last_block => first,
            _ => u64::MAX,
        };
        self.complete(sealed, rebuild, from)?;
        Ok(Resumed::Yes)
    }

    /// Puts the state together; what the prior index has from block `from` on must be there.
    fn complete(
        &mut self,
        sealed: Vec<Block>,
        rebuild: Rebuild<'_>,
        from: u64,
    ) -> Result<(), StoreError> {
        let Rebuild { prior, traced, tombs, highest_tomb, blocks: tail, damaged, .. } = rebuild;
        let mut blocks = VecDeque::from(sealed);
        blocks.extend(tail);
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
        if let Some(tomb) =
            highest_tomb.filter(|tomb| tomb.0 >= last.0 && !canary::sings(Canary::ReuseSequence))
        {
            last = tomb;
        }
        (self.last_seq, self.last_ns) = last;
        self.blocks = blocks;
        self.doubt_syncs(prior)?;
        if self.blocks.is_empty() {
            self.roll();
            self.index_due = super::IndexDue::No;
        }
        let first = self.blocks.iter().find(|block| block.msgs > 0);
        (self.first_seq, self.first_ns) =
            first.map_or((last.0 + 1, 0), |block| (block.first_seq, block.first_ns));
        let is_gone =
            |seq: u64| tombs.contains(&seq) || prior.is_some_and(|prior| gone_in(prior, seq));
        self.repair_found(damaged, &is_gone)?;
        if let Some(prior) = prior {
            let traced = traced || leaves_traces(&self.config);
            self.hear_witness(prior, traced, &tombs, from)?;
        }
        Ok(())
    }

    /// A process that was killed may have left what is only in the page cache; what is served from
    /// here on must not be lost to a power cut. All up to the index was synced when it was written.
    fn doubt_syncs(&mut self, prior: Option<&Index>) -> Result<(), StoreError> {
        let from = prior.map_or(0, |prior| prior.last_block);
        for block in self.blocks.iter_mut().rev().take_while(|block| block.index >= from) {
            block.unsynced = block.created;
            if block.created {
                self.oldest_unsynced = block.index;
            }
        }
        self.dir_dirty = true;
        self.sync_place()
    }

    fn rebuild_block(&mut self, number: u64, rebuild: &mut Rebuild<'_>) -> Result<(), StoreError> {
        let file = self
            .disk
            .read(&file_path(&self.msgs_dir, number))
            .map_err(|error| io_error("reading a block", error))?;
        let packed = packed::is_packed(&file);
        if packed::is_headless(&file) {
            self.headless.push(number);
        }
        let file_len = file.len();
        let mut bytes = if packed { packed::unpack(&file) } else { file };
        if bytes.len() > u32::MAX as usize {
            return Err(refused("a block is larger than 4 GiB"));
        }
        let mut block = Block::new(&self.config.name, number, 0, 0);
        block.created = true;
        block.packed = packed;
        let seal = checkpoint::seal_of(rebuild.seals, number);
        let moved = borders::mend_borders(&mut bytes, seal, &block.hasher);
        if rebuild.prior.is_some_and(|prior| number >= prior.last_block) {
            rebuild.traced &= !authors::is_foreign(&bytes, seal);
        }
        let (mut offsets, mut damage) = rebuild.note_records(&bytes, &mut block);
        if packed && bytes.is_empty() {
            // Nothing of it can be decompressed.
            damage.push(Damage { from: 0, to: file_len, after_seq: 0, before_seq: 0 });
        }
        let mut mended = match damage.is_empty() {
            true => 0,
            false => {
                let known = |subject: &[u8]| rebuild.knows(subject);
                correct::mend(&mut bytes, &block.hasher, &damage, &known)
            }
        };
        if mended > 0 {
            (offsets, damage) = rebuild.note_records(&bytes, &mut block);
        }
        mended += usize::from(moved);
        let end = match packed {
            true => bytes.len(),
            false => self.cut_torn_tail(number, &bytes, &mut damage, rebuild)?,
        };
        block.raw_len = end as u64;
        block.written = end as u64;
        block.allocated = end as u64;
        let (mut lowest, mut last_seq) = (u64::MAX, 0);
        for offset in offsets {
            if rebuild.prior.is_some_and(|prior| {
                Record::parse(&bytes, offset).is_some_and(|record| record.seq <= prior.last_seq)
            }) {
                let known = |subject: &[u8]| rebuild.knows(subject);
                mended += usize::from(correct::mend_stranger(&mut bytes, offset, known));
            }
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
                || rebuild.prior.is_some_and(|prior| gone_in(prior, seq));
            if !gone && record.kind == Kind::Message && rebuild.is_stranger(&record) {
                // Intact but for a length that no checksum covers.
                damage.push(Damage {
                    from: offset,
                    to: offset + record.len,
                    after_seq: seq.saturating_sub(1),
                    before_seq: seq + 1,
                });
                continue;
            }
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
        block.borders = bytes.get(..end).and_then(Borders::of).filter(|_| damage.is_empty());
        rebuild.ceiling = rebuild.ceiling.min(lowest);
        if mended > 0 {
            self.keep_original_of(number)?;
            self.note_mended(number, mended);
        }
        if mended > 0 || !damage.is_empty() {
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
        if self.config.allow_msg_schedules && ttl::has_schedule(record.headers) {
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
        rebuild: &Rebuild<'_>,
    ) -> Result<usize, StoreError> {
        let is_last = rebuild.blocks.iter().all(|later| later.raw_len == 0);
        let torn = damage.last().copied().filter(|last| {
            // An unfinished one has no end, or zeros that were made ahead of it.
            let whole = Record::parse(bytes, last.from).is_some_and(|record| record.has_end());
            let hasher = || Hasher::of_block(&self.config.name, number);
            let is_witness =
                || last.is_witness(bytes) || borders::is_torn_witness(bytes, last.from, &hasher());
            is_last && last.to == bytes.len() && (!whole || is_witness())
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
                let too_much = u64::from(canary::sings(Canary::CutTooMuch));
                file.set_len((torn.from as u64).saturating_sub(too_much))?;
                file.sync_data()
            })
            .map_err(|error| io_error("cutting a torn record off", error))?;
        Ok(torn.from)
    }
}
