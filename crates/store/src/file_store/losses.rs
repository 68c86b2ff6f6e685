//! Naming what is lost: from damaged stretches, and from what an older index knew to be there.

use types::{Retention, StreamConfig, Timestamp};

use super::FileStore;
use super::index_db::Index;
use super::rebuild::SeqHashSet;
use super::record::{self, Damage, Kind, Record};
use super::repair::sound_copy;
use crate::api::StoreError;
use crate::canary::{self, Canary};

impl FileStore {
    /// Keeps the damaged blocks aside, names what they lost, and rewrites them.
    pub(super) fn repair_found(
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
                if damage.is_witness(&bytes) {
                    self.note_mended(number, 1);
                } else if !harmless {
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
            if lost_bytes > 0 {
                self.note_lost(lost, lost_bytes as u64, format!("block {number}"));
            }
        }
        if self.lost.bytes > 0 { self.write_lost() } else { Ok(()) }
    }

    /// Whether limits, which leave no trace, may have removed what is missing from the front.
    fn limits_may_have_taken(&self, prior: &Index, tombs: u64) -> bool {
        let gone = prior.blocks.iter().filter(|block| block.first_seq < self.first_seq);
        let (msgs, bytes) = gone.fold((0, 0), |(msgs, bytes), gone| {
            (msgs + gone.msgs_below(self.first_seq), bytes + gone.bytes)
        });
        // What was deleted since made room below the limit.
        let over = |limit: i64, most: u64| u64::try_from(limit).is_ok_and(|limit| most > limit);
        self.config.max_age_ns > 0
            || (self.config.max_msgs > 0 && over(self.config.max_msgs, self.msgs + msgs + tombs))
            || (self.config.max_bytes > 0
                && (tombs > 0 || over(self.config.max_bytes, self.bytes + bytes)))
    }

    /// Compares with what an older index knew to be there from block `from_block` on; what went since
    /// is known if it is `traced`.
    pub(super) fn hear_witness(
        &mut self,
        prior: &Index,
        traced: bool,
        tombs: &SeqHashSet,
        from_block: u64,
    ) -> Result<(), StoreError> {
        let untraced_front = self.limits_may_have_taken(prior, tombs.len() as u64);
        let floor = if untraced_front { self.first_seq } else { 0 };
        let mut lost = Vec::new();
        if traced {
            // Where a block is buried all of it went for a reason, written down or not.
            let buried = |index| self.buried.contains(&index);
            let missed = |index| index >= from_block && !buried(index);
            for block in prior.blocks.iter().filter(|block| missed(block.index)) {
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
        if prior.last_seq > self.last_seq && !canary::sings(Canary::ReuseSequence) {
            let last_ns =
                if prior.last_ns == 0 { Timestamp::ZERO.unix_ns() } else { prior.last_ns };
            self.end_at(prior.last_seq, last_ns);
        }
        lost.retain(|seq| self.lost.msgs.binary_search(seq).is_err());
        if !lost.is_empty() {
            self.note_lost(lost, 0, "missing from the blocks".to_owned());
            self.write_lost()?;
        }
        Ok(())
    }
}

/// Whether every message that goes, other than from the front by a limit, leaves a trace also when
/// the reference removes it.
pub(super) fn leaves_traces(config: &StreamConfig) -> bool {
    config.retention == Retention::Limits
        && config.max_msgs_per_subject <= 0
        && !config.allow_msg_ttl
}

/// Whether an older index knows that `seq` is gone.
pub(super) fn gone_in(prior: &Index, seq: u64) -> bool {
    if seq > prior.last_seq {
        return false;
    }
    let at = prior.blocks.partition_point(|block| block.last_seq < seq);
    !prior.blocks.get(at).is_some_and(|block| block.holds(seq))
}

/// No stream gets this far.
const FARTHEST: u64 = 1 << 40;

/// The sequences whose records a damaged stretch held, as far as can be told: those missing around
/// it, if so many records fit in it.
fn lost_in(damage: &Damage, bytes: &[u8], floor: u64, ceiling: u64) -> std::ops::Range<u64> {
    let low = if damage.after_seq == 0 { floor } else { damage.after_seq };
    let named = Record::parse(bytes, damage.from)
        .filter(|record| record.kind != Kind::Tombstone && record.seq > low)
        .map(|record| record.seq);
    let fit = ((damage.to - damage.from) / record::EMPTY) as u64;
    // With nothing behind it to compare with, a number that leaps is what was damaged: taken for
    // true it would use up all that it leaps over.
    let leaps = |seq: u64| match low {
        0 => seq >= FARTHEST,
        low => seq > low + fit,
    };
    let is_message = Record::parse(bytes, damage.from)
        .is_some_and(|record| record.len > record::EMPTY && record.has_end());
    let named = match (damage.before_seq, ceiling) {
        (0, u64::MAX) => match named.filter(|&seq| !leaps(seq)) {
            None if is_message => Some(low + 1),
            named => named,
        },
        _ => named,
    };
    let high = match (damage.before_seq, ceiling) {
        (0, u64::MAX) => named.map_or(low + 1, |seq| seq + 1),
        (0, ceiling) => ceiling,
        (before, _) => before,
    };
    let missing = high.saturating_sub(low + 1);
    if missing <= fit {
        low + 1..high.max(low + 1)
    } else {
        named.filter(|&seq| seq < high).map_or(0..0, |seq| seq..seq + 1)
    }
}
