//! Looking at a stream's blocks, and at `index.db` beside them.

use std::io;

use hashbrown::HashSet;

use super::super::authors::is_foreign;
use super::super::block::file_path;
use super::super::borders::{is_torn_witness, mend_borders};
use super::super::checkpoint::{self, CHECKPOINT, Seal};
use super::super::graves::BURIED;
use super::super::index_db::{self, Index};
use super::super::losses::{gone_in, leaves_traces};
use super::super::record::{self, Damage, Hasher, Kind, Record};
use super::super::seq_set::SeqSet;
use super::super::{INDEX, MSGS, correct, packed};
use super::{BlockForm, BlockReport, IndexState, Inspection, block_numbers, numbers_of, ranges};

type Subjects = HashSet<Vec<u8>, foldhash::fast::RandomState>;

/// What the walk gathers, from the last block to the first.
#[derive(Default)]
struct Walk {
    index: Option<Index>,
    /// How blocks ended at some time.
    seals: Vec<Seal>,
    exact: bool,
    /// All that went since the index was written left a trace.
    traced: bool,
    /// Blocks whose files the index may need, but nothing else.
    buried: Vec<u64>,
    /// Sequences that some tombstone speaks of.
    tombs: SeqSet,
    /// Sequences with a sound message or erased record.
    recorded: SeqSet,
    /// Messages that count.
    live: SeqSet,
    subjects: Subjects,
    highest: u64,
    /// No record from here on counts: a later block has it.
    ceiling: u64,
    is_last: bool,
    /// What is found about blocks, last block first.
    findings: Vec<(bool, String, String)>,
}

impl Walk {
    /// Whether a tombstone, or the index, says that it is gone.
    fn is_gone(&self, seq: u64) -> bool {
        self.tombs.contains(seq) || self.index.as_ref().is_some_and(|index| gone_in(index, seq))
    }

    /// Whether a message that is gone was being overwritten when the power went; one bad bit is
    /// another thing.
    fn is_torn_erasure(&self, bytes: &[u8], damage: &Damage, hasher: &Hasher) -> bool {
        let erased = Record::parse(bytes, damage.from)
            .is_some_and(|record| record.kind == Kind::Erased && self.is_gone(record.seq));
        erased && correct::mend(&mut bytes.to_vec(), hasher, &[*damage], &|_| false) == 0
    }
}

impl Inspection<'_> {
    pub(super) fn look_at_blocks(&mut self, advanced: &mut dyn FnMut(u64)) -> io::Result<()> {
        let msgs = self.dir.join(MSGS);
        if self.disk.info(&msgs)?.is_none() {
            self.damage(MSGS, "the directory of the blocks is missing");
            return Ok(());
        }
        let numbers = block_numbers(self.disk, &msgs)?;
        let hasher = Hasher::new(&self.report.name);
        let mut walk = Walk { ceiling: u64::MAX, is_last: true, ..Walk::default() };
        let index = self.read(&msgs.join(INDEX))?;
        for &number in numbers.iter().rev() {
            if self.disk.info(&msgs.join(format!("{number}.key")))?.is_some() {
                self.report.encrypted = true;
            }
        }
        if self.report.encrypted {
            if index.is_some() {
                self.report.index = IndexState::Encrypted;
            }
            return self.list_encrypted(&numbers, advanced);
        }
        let mut trailer = None;
        if let Some(bytes) = index {
            trailer = Some(index_db::trailer(&bytes));
            walk.index = index_db::decode(bytes, &hasher);
            self.report.index = match walk.index {
                Some(_) => IndexState::Stale,
                None => IndexState::Damaged,
            };
        }
        if let Some(bytes) = self.read(&msgs.join(CHECKPOINT))? {
            if !checkpoint::is_intact(&bytes, &hasher) {
                let part = format!("{MSGS}/{CHECKPOINT}");
                self.damage(part, "it is not what was written; a start without it takes longer");
            }
            if let Some((of, checkpoint)) = checkpoint::decode(&bytes, &hasher) {
                walk.seals = checkpoint.seals;
                walk.traced = trailer == Some(of);
            }
        }
        walk.buried = numbers_of(self.disk, &msgs, BURIED)?;
        for &number in &walk.buried {
            let file = self.read(&msgs.join(format!("{number}{BURIED}")))?.unwrap_or_default();
            let content = if packed::is_packed(&file) { packed::unpack(&file) } else { file };
            record::scan(&content, &Hasher::of_block(&self.report.name, number), |_, record| {
                if record.kind == Kind::Tombstone {
                    walk.tombs.insert(record.seq);
                }
            });
        }
        for &number in numbers.iter().rev() {
            let path = file_path(&msgs, number);
            let Some(file) = self.read(&path)? else { continue };
            advanced(file.len() as u64);
            let is_empty = file.is_empty();
            self.look_at_block(number, file, &mut walk);
            walk.is_last &= is_empty;
        }
        self.report.blocks.reverse();
        for (damage, part, text) in std::mem::take(&mut walk.findings).into_iter().rev() {
            if damage { self.damage(part, text) } else { self.note(part, text) }
        }
        walk.exact &= walk
            .index
            .iter()
            .flat_map(|index| &index.blocks)
            .all(|block| block.msgs() == 0 || numbers.binary_search(&block.index).is_ok());
        self.sum_up(&walk);
        self.judge_index(&walk, &numbers);
        Ok(())
    }

    fn list_encrypted(&mut self, numbers: &[u64], advanced: &mut dyn FnMut(u64)) -> io::Result<()> {
        let msgs = self.dir.join(MSGS);
        for &number in numbers {
            let len = self.disk.info(&file_path(&msgs, number))?.map_or(0, |info| info.len);
            if self.disk.info(&msgs.join(format!("{number}.key")))?.is_none() {
                let text = "its key file is missing while others have one";
                self.note(format!("msgs/{number}.blk"), text);
            }
            advanced(len);
            self.report
                .blocks
                .push(BlockReport { file_bytes: len, ..empty_block(number, BlockForm::Encrypted) });
        }
        Ok(())
    }

    fn look_at_block(&mut self, number: u64, file: Vec<u8>, walk: &mut Walk) {
        let part = format!("msgs/{number}.blk");
        let mut report = empty_block(number, BlockForm::Plain);
        report.file_bytes = file.len() as u64;
        let mut content = file;
        if packed::is_packed(&content) {
            report.form = BlockForm::Compressed;
            content = packed::unpack(&content);
            if content.is_empty() {
                report.form = BlockForm::Unreadable;
                report.damaged_bytes = report.file_bytes;
                walk.findings.push((true, part, "it cannot be decompressed".to_owned()));
                self.report.blocks.push(report);
                return;
            }
        }
        let hasher = Hasher::of_block(&self.report.name, number);
        let seal = checkpoint::seal_of(&walk.seals, number);
        if walk.index.as_ref().is_some_and(|index| number >= index.last_block) {
            walk.traced &= !is_foreign(&content, seal);
        }
        if mend_borders(&mut content, seal, &hasher) {
            let text = "one bit of where a subject or headers end is bad; a start puts it right";
            walk.findings.push((true, part.clone(), text.to_owned()));
        }
        let bytes = &content[..];
        if walk.is_last
            && let Some(index) = &walk.index
        {
            let end = bytes.last_chunk::<8>().copied().unwrap_or_default();
            walk.exact = index.last_block == number
                && index.last_checksum == end
                && (bytes.is_empty() || end != [0; 8]);
        }
        // Tombstones speak of messages before them, too.
        let mut others = Vec::new();
        let damage = record::scan(bytes, &hasher, |offset, record| {
            walk.highest = walk.highest.max(record.seq);
            if record.kind == Kind::Tombstone {
                walk.tombs.insert(record.seq);
                report.tombstones += 1;
            } else {
                others.push(offset);
            }
        });
        let mut lowest = u64::MAX;
        for record in others.iter().filter_map(|&offset| Record::parse(bytes, offset)) {
            let seq = record.seq;
            if seq <= report.last_seq || seq >= walk.ceiling {
                report.dead_records += 1;
                continue;
            }
            report.last_seq = seq;
            lowest = lowest.min(seq);
            walk.recorded.insert(seq);
            if record.kind == Kind::Erased || walk.is_gone(seq) {
                report.dead_records += 1;
                continue;
            }
            report.msgs += 1;
            report.bytes += record.len as u64;
            walk.live.insert(seq);
            if !walk.subjects.contains(record.subject) {
                walk.subjects.insert(record.subject.to_vec());
            }
        }
        if lowest < u64::MAX {
            report.first_seq = lowest;
        }
        walk.ceiling = walk.ceiling.min(lowest);
        report.content_bytes = bytes.len() as u64;
        for damage in &damage {
            self.judge_damage(&part, bytes, damage, &hasher, &mut report, walk);
        }
        self.report.blocks.push(report);
    }

    fn judge_damage(
        &self,
        part: &str,
        bytes: &[u8],
        damage: &Damage,
        hasher: &Hasher,
        report: &mut BlockReport,
        walk: &mut Walk,
    ) {
        let stretch = bytes.get(damage.from..damage.to).unwrap_or_default();
        if damage.to == bytes.len() && stretch.iter().all(|&byte| byte == 0) {
            // Room that was made ahead.
            report.content_bytes = damage.from as u64;
            return;
        }
        let len = (damage.to - damage.from) as u64;
        report.damaged_bytes += len;
        // Where the index was written after it, it is none.
        let at_end = walk.is_last && !walk.exact && damage.to == bytes.len();
        if at_end && (!is_whole(bytes, damage) || is_torn_witness(bytes, damage.from, hasher)) {
            let text = format!(
                "its end is torn: {len} bytes at offset {} are the start of a record, as after a \
                 crash or while it is being written",
                damage.from
            );
            walk.findings.push((false, part.to_owned(), text));
            return;
        }
        if walk.is_torn_erasure(bytes, damage, hasher) {
            let text = format!("{len} bytes at {} were being erased", damage.from);
            walk.findings.push((false, part.to_owned(), text));
            return;
        }
        let between = match (damage.after_seq, damage.before_seq) {
            (0, 0) => "no sequence beside them is known".to_owned(),
            (0, before) => format!("before sequence {before}"),
            (after, 0) => format!("after sequence {after}"),
            (after, before) if after + 2 == before => format!("sequence {}", after + 1),
            (after, before) => format!("between sequences {after} and {before}"),
        };
        let (from, to) = (damage.from, damage.to);
        let text = format!("{len} bytes at {from}..{to} make no sound record ({between})");
        walk.findings.push((true, part.to_owned(), text));
    }

    fn sum_up(&mut self, walk: &Walk) {
        let report = &mut self.report;
        report.msgs = report.blocks.iter().map(|block| block.msgs).sum();
        report.bytes = report.blocks.iter().map(|block| block.bytes).sum();
        report.subjects = walk.subjects.len() as u64;
        report.last_seq = walk.highest.max(walk.index.as_ref().map_or(0, |index| index.last_seq));
        report.first_seq = walk.live.iter_from(0).next().unwrap_or(report.last_seq + 1);
    }

    /// Compares what was found with what `index.db` says was there.
    fn judge_index(&mut self, walk: &Walk, numbers: &[u64]) {
        let part = "msgs/index.db";
        let Some(index) = &walk.index else {
            if self.report.index == IndexState::Damaged {
                let text = "it does not match its checksum; a start reads the blocks instead";
                self.damage(part, text);
            }
            return;
        };
        if walk.exact {
            self.report.index = IndexState::Exact;
        }
        // Of what limits took without a trace after a stale index was written nothing tells.
        let traced = walk.traced || self.report.config.as_ref().is_some_and(leaves_traces);
        let limited = self.report.config.as_ref().is_none_or(|config| {
            config.max_msgs > 0 || config.max_bytes > 0 || config.max_age_ns > 0
        });
        if !walk.exact && !traced {
            return;
        }
        let floor = if !walk.exact && limited { self.report.first_seq } else { 0 };
        let listed = index.blocks.iter().filter(|block| !walk.buried.contains(&block.index));
        for block in listed {
            let missing = missing_of(block, floor, walk);
            if missing.is_empty() || (!walk.exact && limited && self.report.msgs == 0) {
                continue;
            }
            let file = format!("msgs/{}.blk", block.index);
            let cause = match numbers.binary_search(&block.index) {
                Ok(_) => "no sound record",
                Err(_) => "no file",
            };
            let text = format!(
                "index.db lists {} of its messages that have {cause}: sequence {}",
                missing.len(),
                ranges(&missing)
            );
            self.damage(file, text);
        }
        if walk.exact && self.report.is_sound() {
            let found = (self.report.msgs, self.report.bytes, self.report.subjects);
            let listed = (index.msgs, index.bytes, index.subjects.len() as u64);
            if found != listed {
                let text = format!(
                    "it counts {} messages, {} bytes, {} subjects where the blocks hold {}, {}, {}",
                    listed.0, listed.1, listed.2, found.0, found.1, found.2
                );
                self.damage(part, text);
            }
        }
    }
}

fn empty_block(index: u64, form: BlockForm) -> BlockReport {
    BlockReport {
        index,
        form,
        file_bytes: 0,
        content_bytes: 0,
        first_seq: 0,
        last_seq: 0,
        msgs: 0,
        bytes: 0,
        dead_records: 0,
        tombstones: 0,
        damaged_bytes: 0,
    }
}

/// Live messages of `block` in the index that neither a record nor a tombstone speaks of.
fn missing_of(block: &index_db::BlockState, floor: u64, walk: &Walk) -> Vec<u64> {
    // A hostile index may claim any range.
    const MOST: usize = 1 << 20;
    let mut missing = Vec::new();
    let mut seq = block.first_seq.max(floor);
    while seq <= block.last_seq && missing.len() < MOST {
        let known = walk.recorded.next_absent(seq);
        if known > seq {
            seq = known;
            continue;
        }
        if block.holds(seq) && !walk.tombs.contains(seq) {
            missing.push(seq);
        }
        seq += 1;
    }
    missing
}

/// Whether a whole record is where damage starts: one that is cut off does not even parse.
fn is_whole(bytes: &[u8], damage: &Damage) -> bool {
    Record::parse(bytes, damage.from).is_some_and(|record| {
        let follows = record.kind == Kind::Tombstone || record.seq > damage.after_seq;
        record.is_plausible() && follows && record.seq > 0
    })
}
