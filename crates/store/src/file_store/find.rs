//! Finding messages: by sequence, by subject, by time.

use subject::Flow;

use super::FileStore;
use super::subjects::{Bound, SubjectInfo};
use crate::api::{Filter, MsgRef, StoreError};
use crate::filter_walk::{each_match, only_literal};
use types::Timestamp;

/// Messages looked at one by one before a wildcard filter asks the subject index.
const SCAN_BEFORE_INDEX: u64 = 128;
/// Subjects that the index is asked for at most, before a scan is the better way.
const MOST_SUBJECTS: usize = 20_000;

/// What the subject index says about the next match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// There is none.
    Nothing,
    /// It is this one.
    Exactly(u64),
    /// It is somewhere between these two, if anywhere.
    Between(u64, u64),
}

impl FileStore {
    /// Position of the block that holds `seq` live.
    pub(super) fn locate(&self, seq: u64) -> Option<usize> {
        let at = self.block_for(seq);
        self.blocks.get(at).filter(|block| block.is_live(seq)).map(|_| at)
    }

    /// Position of the first block that ends at or after `seq`.
    pub(super) fn block_for(&self, seq: u64) -> usize {
        match self.blocks.back() {
            Some(tail) if seq >= tail.first_seq => self.blocks.len() - 1,
            _ => self.blocks.partition_point(|block| block.last_seq < seq),
        }
    }

    /// The first live message at or after `from`, with its block.
    pub(super) fn next_live(&self, from: u64) -> Option<(usize, u64)> {
        let from = from.max(self.first_seq);
        let start = self.block_for(from);
        (start..self.blocks.len()).find_map(|at| Some((at, self.blocks.get(at)?.next_live(from)?)))
    }

    /// The last live message at or below `up_to`, with its block.
    pub(super) fn prev_live(&self, up_to: u64) -> Option<(usize, u64)> {
        let start = self.block_for(up_to).min(self.blocks.len().checked_sub(1)?);
        (0..=start).rev().find_map(|at| Some((at, self.blocks.get(at)?.prev_live(up_to)?)))
    }

    /// Whether `seq` is live and its record sound; brings it into memory.
    pub(super) fn is_readable(&mut self, seq: u64) -> Result<bool, StoreError> {
        match self.locate(seq) {
            Some(at) => self.ensure(at, seq),
            None => Ok(false),
        }
    }

    pub(super) fn read(&mut self, seq: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        if !self.is_readable(seq)? {
            return Ok(None);
        }
        let Some(at) = self.locate(seq) else { return Ok(None) };
        let record = self.blocks.get(at).and_then(|block| block.cached(seq));
        Ok(record.map(|record| MsgRef {
            seq,
            ts: Timestamp::from_unix_ns(record.ts_ns),
            subject: record.subject,
            headers: record.headers,
            payload: record.payload,
        }))
    }

    /// The first message from `from` to `to` that `wanted` takes by its subject, looking at `most`
    /// messages; otherwise where the search ended.
    fn scan_up(
        &mut self,
        from: u64,
        to: u64,
        most: u64,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Result<u64, Option<u64>>, StoreError> {
        let mut from = from;
        for _ in 0..most {
            let Some((at, seq)) = self.next_live(from).filter(|&(_, seq)| seq <= to) else {
                return Ok(Err(None));
            };
            if self.ensure(at, seq)?
                && let Some(record) = self.blocks.get(at).and_then(|block| block.cached(seq))
                && wanted(record.subject)
            {
                return Ok(Ok(seq));
            }
            from = seq + 1;
        }
        Ok(Err(Some(from)))
    }

    fn scan_down(
        &mut self,
        from: u64,
        to: u64,
        most: u64,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Result<u64, Option<u64>>, StoreError> {
        let mut from = from;
        for _ in 0..most {
            let Some((at, seq)) = self.prev_live(from).filter(|&(_, seq)| seq >= to) else {
                return Ok(Err(None));
            };
            if self.ensure(at, seq)?
                && let Some(record) = self.blocks.get(at).and_then(|block| block.cached(seq))
                && wanted(record.subject)
            {
                return Ok(Ok(seq));
            }
            let Some(below) = seq.checked_sub(1) else { return Ok(Err(None)) };
            from = below;
        }
        Ok(Err(Some(from)))
    }

    /// Whether the message of an exact bound is still there: subjects are counted again only some
    /// time after a message is found lost.
    fn is_certain(&self, bound: Bound) -> bool {
        bound.is_exact() && self.locate(bound.seq()).is_some()
    }

    /// The first message of exactly this subject.
    pub(super) fn first_of(&mut self, subject: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(info) = self.subjects.get(subject) else { return Ok(None) };
        if self.is_certain(info.first) {
            return Ok(Some(info.first.seq()));
        }
        let (low, high) = (info.first.seq(), info.last.seq());
        let found = match self.subjects.is_tracking() {
            true => self.first_tracked(subject, low, high)?,
            false => self.scan_up(low, high, u64::MAX, &|other| other == subject)?.ok(),
        };
        if let Some(seq) = found {
            self.subjects.found_first(subject, seq);
        }
        Ok(found)
    }

    /// The last message of exactly this subject.
    pub(super) fn last_of(&mut self, subject: &[u8]) -> Result<Option<u64>, StoreError> {
        let Some(info) = self.subjects.get(subject) else { return Ok(None) };
        if self.is_certain(info.last) {
            return Ok(Some(info.last.seq()));
        }
        let found =
            self.scan_down(info.last.seq(), info.first.seq(), u64::MAX, &|other| other == subject)?;
        if let Ok(seq) = found {
            self.subjects.found_last(subject, seq);
        }
        Ok(found.ok())
    }

    pub(super) fn find_next(
        &mut self,
        filter: &Filter,
        from: u64,
    ) -> Result<Option<u64>, StoreError> {
        if filter.is_all() {
            return Ok(self.next_live(from).map(|(_, seq)| seq));
        }
        if let Some(literal) = only_literal(filter) {
            let Some(info) = self.subjects.get(literal) else { return Ok(None) };
            if from > info.last.seq() {
                return Ok(None);
            }
            if from <= info.first.seq() {
                return self.first_of(literal);
            }
            if let Some(seqs) = self.subjects.seqs(literal) {
                return Ok(seqs.get(seqs.partition_point(|&seq| seq < from)).copied());
            }
            if info.tells_all() {
                return Ok(Some(info.last.seq()));
            }
            let found = self.scan_up(from, info.last.seq(), u64::MAX, &|other| other == literal)?;
            return Ok(found.ok());
        }
        let wanted = |literal: &[u8]| filter.matches(literal);
        let at = match self.scan_up(from, u64::MAX, SCAN_BEFORE_INDEX, &wanted)? {
            Ok(seq) => return Ok(Some(seq)),
            Err(None) => return Ok(None),
            Err(Some(at)) => at,
        };
        match self.hint_up(filter, at) {
            Hint::Nothing => Ok(None),
            Hint::Exactly(seq) => Ok(Some(seq)),
            Hint::Between(low, high) => Ok(self.scan_up(low, high, u64::MAX, &wanted)?.ok()),
        }
    }

    fn hint_up(&self, filter: &Filter, at: u64) -> Hint {
        let (mut exact, mut low, mut high) = (u64::MAX, u64::MAX, 0);
        let mut seen = 0;
        each_match(self.subjects.tree(), filter, |_, entry| {
            let info = self.subjects.info(entry);
            seen += 1;
            if info.last.seq() >= at {
                high = high.max(info.last.seq());
                if info.first.seq() < at {
                    low = at;
                } else if info.first.is_exact() {
                    exact = exact.min(info.first.seq());
                } else {
                    low = low.min(info.first.seq());
                }
            }
            if seen > MOST_SUBJECTS { Flow::Stop } else { Flow::Continue }
        });
        if seen > MOST_SUBJECTS {
            return Hint::Between(at, u64::MAX);
        }
        match (exact, low) {
            (u64::MAX, u64::MAX) => Hint::Nothing,
            _ if exact <= low => Hint::Exactly(exact),
            _ => Hint::Between(low, high),
        }
    }

    pub(super) fn find_last(
        &mut self,
        filter: &Filter,
        up_to: u64,
    ) -> Result<Option<u64>, StoreError> {
        if filter.is_all() {
            return Ok(self.prev_live(up_to).map(|(_, seq)| seq));
        }
        if let Some(literal) = only_literal(filter) {
            let Some(info) = self.subjects.get(literal) else { return Ok(None) };
            if up_to < info.first.seq() {
                return Ok(None);
            }
            if up_to >= info.last.seq() {
                return self.last_of(literal);
            }
            if info.tells_all() {
                return Ok(Some(info.first.seq()));
            }
            if let Some(seqs) = self.subjects.seqs(literal) {
                let after = seqs.partition_point(|&seq| seq <= up_to);
                return Ok(after.checked_sub(1).and_then(|at| seqs.get(at)).copied());
            }
            let found =
                self.scan_down(up_to, info.first.seq(), u64::MAX, &|other| other == literal)?;
            return Ok(found.ok());
        }
        let wanted = |literal: &[u8]| filter.matches(literal);
        let at = match self.scan_down(up_to, 0, SCAN_BEFORE_INDEX, &wanted)? {
            Ok(seq) => return Ok(Some(seq)),
            Err(None) => return Ok(None),
            Err(Some(at)) => at,
        };
        match self.hint_down(filter, at) {
            Hint::Nothing => Ok(None),
            Hint::Exactly(seq) => Ok(Some(seq)),
            Hint::Between(low, high) => Ok(self.scan_down(high, low, u64::MAX, &wanted)?.ok()),
        }
    }

    fn hint_down(&self, filter: &Filter, at: u64) -> Hint {
        let (mut exact, mut low, mut high) = (0, u64::MAX, 0);
        let mut seen = 0;
        each_match(self.subjects.tree(), filter, |_, entry| {
            let info = self.subjects.info(entry);
            seen += 1;
            if info.first.seq() <= at {
                low = low.min(info.first.seq());
                if info.last.seq() > at {
                    high = at;
                } else if info.last.is_exact() {
                    exact = exact.max(info.last.seq());
                } else {
                    high = high.max(info.last.seq());
                }
            }
            if seen > MOST_SUBJECTS { Flow::Stop } else { Flow::Continue }
        });
        if seen > MOST_SUBJECTS {
            return Hint::Between(0, at);
        }
        match (exact, high) {
            (0, 0) => Hint::Nothing,
            _ if exact >= high => Hint::Exactly(exact),
            _ => Hint::Between(low, high),
        }
    }

    pub(super) fn find_last_per_subject(&mut self, filter: &Filter, up_to: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        let mut open: hashbrown::HashSet<Vec<u8>, foldhash::fast::RandomState> =
            hashbrown::HashSet::default();
        let (mut high, mut low) = (0, u64::MAX);
        each_match(self.subjects.tree(), filter, |literal, entry| {
            let info = self.subjects.info(entry);
            if info.last.is_exact() && info.last.seq() <= up_to {
                seqs.push(info.last.seq());
            } else if info.first.seq() <= up_to {
                open.insert(literal.to_vec());
                high = high.max(info.last.seq().min(up_to));
                low = low.min(info.first.seq());
            }
            Flow::Continue
        });
        // One pass down answers for all subjects whose last is not known.
        let mut from = high;
        while !open.is_empty()
            && let Some((at, seq)) = self.prev_live(from).filter(|&(_, seq)| seq >= low)
        {
            if let Ok(true) = self.ensure(at, seq)
                && let Some(record) = self.blocks.get(at).and_then(|block| block.cached(seq))
                && open.remove(record.subject)
            {
                seqs.push(seq);
                let loose = |info: SubjectInfo| !info.last.is_exact();
                if self.subjects.get(record.subject).is_some_and(loose) && up_to >= self.last_seq {
                    self.subjects.found_last(record.subject, seq);
                }
            }
            let Some(below) = seq.checked_sub(1) else { break };
            from = below;
        }
        seqs.sort_unstable();
        seqs
    }

    pub(super) fn count_matches_from(&mut self, from: u64, filter: &Filter) -> u64 {
        if filter.is_all() {
            if from <= self.first_seq {
                return self.msgs;
            }
            let start = self.block_for(from);
            return self.blocks.iter().skip(start).map(|block| block.count_from(from)).sum();
        }
        let (mut count, mut straddling) = (0, 0);
        let (mut low, mut high) = (u64::MAX, 0);
        each_match(self.subjects.tree(), filter, |_, entry| {
            let info = self.subjects.info(entry);
            if info.first.seq() >= from {
                count += info.total;
            } else if info.last.seq() >= from {
                straddling += info.total;
                low = low.min(info.first.seq());
                high = high.max(info.last.seq());
            }
            Flow::Continue
        });
        if straddling == 0 {
            return count;
        }
        // Subjects on both sides are counted on the side with fewer messages to look at.
        let below = self.count_matches_from(low, &Filter::all())
            - self.count_matches_from(from, &Filter::all());
        let above = self.count_matches_from(from, &Filter::all())
            - self.count_matches_from(high + 1, &Filter::all());
        if below < above {
            let gone = self.count_straddling(filter, low, from - 1, from);
            count + straddling.saturating_sub(gone)
        } else {
            count + self.count_straddling(filter, from, high, from)
        }
    }

    /// Messages from `low` to `high` whose subject matches and is on both sides of `split`.
    fn count_straddling(&mut self, filter: &Filter, low: u64, high: u64, split: u64) -> u64 {
        let mut count = 0;
        let mut at = low;
        while let Some((block, seq)) = self.next_live(at).filter(|&(_, seq)| seq <= high) {
            at = seq + 1;
            let Ok(true) = self.ensure(block, seq) else { continue };
            let Some(record) = self.blocks.get(block).and_then(|block| block.cached(seq)) else {
                continue;
            };
            if filter.matches(record.subject)
                && self
                    .subjects
                    .get(record.subject)
                    .is_some_and(|info| info.first.seq() < split && info.last.seq() >= split)
            {
                count += 1;
            }
        }
        count
    }

    /// The first message of `ts_ns` or later, as times do not go back; one more than the last
    /// sequence if there is none.
    pub(super) fn find_time(&mut self, ts_ns: i64) -> u64 {
        let at = self.blocks.partition_point(|block| block.last_ns < ts_ns);
        let Some(block) = self.blocks.get(at) else { return self.last_seq + 1 };
        let (mut low, mut high) = (block.first_seq, block.last_seq + 1);
        if block.first_ns >= ts_ns {
            high = low;
        }
        // Messages before `low` are earlier, those of the block from `high` on are not.
        while low < high {
            let middle = low + (high - low) / 2;
            let live = self.blocks.get(at).and_then(|block| block.next_live(middle));
            match live.filter(|&seq| seq < high) {
                None => high = middle,
                // What cannot be read is passed over.
                Some(seq) => match self.read(seq) {
                    Ok(Some(msg)) if msg.ts.unix_ns() >= ts_ns => high = middle,
                    _ => low = seq + 1,
                },
            }
        }
        self.next_live(low).map_or(self.last_seq + 1, |(_, seq)| seq)
    }

    /// All messages that match, in order, where the subject index knows each of them.
    pub(super) fn known_matches(&self, filter: &Filter) -> Option<Vec<u64>> {
        let mut seqs = Vec::new();
        let mut all = true;
        each_match(self.subjects.tree(), filter, |literal, entry| {
            let SubjectInfo { total, first, last } = self.subjects.info(entry);
            match self.subjects.seqs(literal) {
                Some(tracked) => seqs.extend(tracked),
                None if total <= 2 && self.is_certain(first) && self.is_certain(last) => {
                    seqs.extend([first, last].map(Bound::seq).into_iter().take(total as usize));
                }
                None => all = false,
            }
            if all { Flow::Continue } else { Flow::Stop }
        });
        seqs.sort_unstable();
        all.then_some(seqs)
    }
}
