//! A stream's messages in memory.

mod chunks;
mod postings;

use std::ops::{ControlFlow, Range};

use subject::{Flow, SubjectTree};
use types::{LostStreamData, StreamConfig, Timestamp};

use crate::api::{
    ConsumerMeta, ConsumerState, ConsumerStore, Durability, Erase, Filter, MsgRef, NewMsg,
    OnRemoved, Purge, RecoveredConsumer, Removed, StoreError, StreamStore, Totals,
};
use crate::filter_walk::{each_match, each_match_ordered, only_literal};
use crate::limits::Limits;
use crate::ttl::Lifetimes;
use chunks::{Chunks, Msg};
use postings::Postings;

/// What a message counts for besides its content (`server/memstore.go` `memStoreMsgSizeRaw`).
const OVERHEAD: usize = 16;
/// Messages looked at one by one before a wildcard filter asks the subject index instead.
const SCAN_BEFORE_INDEX: usize = 64;

/// A stream store that lives as long as its process.
#[derive(Debug)]
pub struct MemStore {
    limits: Limits,
    msgs: Chunks,
    subjects: SubjectTree<Postings>,
    totals: Totals,
    lifetimes: Lifetimes,
    /// No message below this one can go by age.
    age_from: u64,
}

impl MemStore {
    /// An empty store; its first sequence is the configuration's.
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        let first_seq = config.first_seq.max(1);
        MemStore {
            limits: Limits::of(config),
            msgs: Chunks::default(),
            subjects: SubjectTree::new(),
            totals: Totals { first_seq, last_seq: first_seq - 1, ..Totals::default() },
            lifetimes: Lifetimes::default(),
            age_from: 0,
        }
    }

    fn size(msg: &Msg) -> u64 {
        (msg.len() + OVERHEAD) as u64
    }

    fn msg_ref(&self, seq: u64) -> Option<MsgRef<'_>> {
        let msg = self.msgs.get(seq)?;
        Some(MsgRef {
            seq,
            ts: Timestamp::from_unix_ns(msg.ts_ns),
            subject: msg.subject(),
            headers: msg.headers(),
            payload: msg.payload(),
        })
    }

    fn take(&mut self, seq: u64, removed: OnRemoved<'_>) -> bool {
        let Some(msg) = self.msgs.remove(seq) else { return false };
        let bytes = Self::size(&msg);
        self.lifetimes.remove(seq, msg.ts_ns, msg.ttl_seconds);
        if self.subjects.get_mut(msg.subject()).is_some_and(|seqs| seqs.remove(seq)) {
            self.subjects.remove(msg.subject());
        }
        self.totals.msgs -= 1;
        self.totals.bytes -= bytes;
        self.totals.num_subjects = self.subjects.len() as u64;
        if seq == self.totals.first_seq {
            self.find_first();
        }
        self.count_deleted();
        removed(Removed { seq, subject: msg.subject(), bytes });
        true
    }

    fn find_first(&mut self) {
        match self.msgs.next(self.totals.first_seq) {
            Some(seq) => {
                self.totals.first_seq = seq;
                self.totals.first_ts = self
                    .msgs
                    .get(seq)
                    .map_or(Timestamp::ZERO, |msg| Timestamp::from_unix_ns(msg.ts_ns));
            }
            None => {
                self.totals.first_seq = self.totals.last_seq + 1;
                self.totals.first_ts = Timestamp::ZERO;
            }
        }
    }

    fn count_deleted(&mut self) {
        let span = (self.totals.last_seq + 1).saturating_sub(self.totals.first_seq);
        self.totals.num_deleted = span.saturating_sub(self.totals.msgs);
    }

    fn enforce(&mut self, removed: OnRemoved<'_>) {
        while self.limits.over(&self.totals) && self.take(self.totals.first_seq, removed) {}
    }

    fn enforce_subject(&mut self, subject: &[u8], removed: OnRemoved<'_>) {
        while let Some(seqs) = self.subjects.get(subject)
            && seqs.len() > self.limits.max_per_subject
        {
            let oldest = seqs.first();
            if !self.take(oldest, removed) {
                break;
            }
        }
    }

    fn next_seq(&self, filter: &Filter, from: u64) -> Option<u64> {
        if filter.is_all() {
            return self.msgs.next(from);
        }
        if let Some(literal) = only_literal(filter) {
            return self.subjects.get(literal)?.next(from);
        }
        let mut at = from;
        for _ in 0..SCAN_BEFORE_INDEX {
            let seq = self.msgs.next(at)?;
            if filter.matches(self.msgs.get(seq)?.subject()) {
                return Some(seq);
            }
            at = seq + 1;
        }
        let mut best: Option<u64> = None;
        each_match(&self.subjects, filter, |_, seqs| {
            if let Some(seq) = seqs.next(at) {
                best = Some(best.map_or(seq, |best| best.min(seq)));
            }
            Flow::Continue
        });
        best
    }

    fn last_seq_match(&self, filter: &Filter, up_to: u64) -> Option<u64> {
        if filter.is_all() {
            return self.msgs.prev(up_to);
        }
        if let Some(literal) = only_literal(filter) {
            return self.subjects.get(literal)?.prev(up_to);
        }
        let mut at = up_to;
        for _ in 0..SCAN_BEFORE_INDEX {
            let seq = self.msgs.prev(at)?;
            if filter.matches(self.msgs.get(seq)?.subject()) {
                return Some(seq);
            }
            at = seq.checked_sub(1)?;
        }
        let mut best: Option<u64> = None;
        each_match(&self.subjects, filter, |_, seqs| {
            best = best.max(seqs.prev(at));
            Flow::Continue
        });
        best
    }

    /// The oldest message that goes by age, and when it was stored.
    fn oldest_ageing(&self) -> Option<(u64, i64)> {
        let mut seq = self.msgs.next(self.age_from)?;
        while self.lifetimes.never_expires(seq) {
            seq = self.msgs.next(seq + 1)?;
        }
        Some((seq, self.msgs.get(seq)?.ts_ns))
    }
}

impl StreamStore for MemStore {
    fn append(&mut self, msg: NewMsg<'_>, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        let size = self.size_of(msg.subject.len(), msg.headers.len(), msg.payload.len());
        let of_subject = self.subjects.get(msg.subject);
        self.limits.admit(
            &self.totals,
            of_subject.map_or(0, Postings::len),
            size,
            msg.headers,
            || {
                let oldest = of_subject.and_then(|seqs| self.msgs.get(seqs.first()));
                Ok(oldest.map_or(0, Self::size))
            },
        )?;
        let seq = self.totals.last_seq + 1;
        let ts_ns = msg.ts.unix_ns();
        self.msgs
            .push(seq, Msg::new(ts_ns, msg.ttl_seconds, msg.subject, msg.headers, msg.payload));
        self.lifetimes.add(seq, ts_ns, msg.ttl_seconds);
        if let Some(seqs) = self.subjects.get_mut(msg.subject) {
            seqs.push(seq);
        } else {
            self.subjects.insert(msg.subject, Postings::One(seq));
        }
        if self.totals.msgs == 0 {
            self.totals.first_seq = seq;
            self.totals.first_ts = msg.ts;
        }
        self.totals.msgs += 1;
        self.totals.bytes += size;
        self.totals.last_seq = seq;
        self.totals.last_ts = msg.ts;
        self.totals.num_subjects = self.subjects.len() as u64;
        self.count_deleted();
        if self.limits.max_per_subject != u64::MAX {
            self.enforce_subject(msg.subject, removed);
        }
        self.enforce(removed);
        Ok(seq)
    }

    fn skip_to(&mut self, next: u64) -> Result<(), StoreError> {
        if next > self.totals.last_seq + 1 {
            self.totals.last_seq = next - 1;
            if self.totals.msgs == 0 {
                self.totals.first_seq = next;
            }
            self.count_deleted();
        }
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        Ok(self.msg_ref(seq))
    }

    fn next_match(&mut self, filter: &Filter, from: u64) -> Result<Option<MsgRef<'_>>, StoreError> {
        Ok(self.next_seq(filter, from).and_then(|seq| self.msg_ref(seq)))
    }

    fn last_match(
        &mut self,
        filter: &Filter,
        up_to: u64,
    ) -> Result<Option<MsgRef<'_>>, StoreError> {
        Ok(self.last_seq_match(filter, up_to).and_then(|seq| self.msg_ref(seq)))
    }

    fn last_seq_of(&mut self, subject: &[u8]) -> u64 {
        self.subjects.get(subject).map_or(0, Postings::last)
    }

    fn last_per_subject(&mut self, filter: &Filter, up_to: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        each_match(&self.subjects, filter, |_, of_subject| {
            seqs.extend(of_subject.prev(up_to));
            Flow::Continue
        });
        seqs.sort_unstable();
        seqs
    }

    fn count_from(&mut self, from: u64, filter: &Filter) -> u64 {
        if filter.is_all() {
            if from <= self.totals.first_seq {
                return self.totals.msgs;
            }
            return self.msgs.count_from(from);
        }
        let mut count = 0;
        each_match(&self.subjects, filter, |_, seqs| {
            count += seqs.count_from(from);
            Flow::Continue
        });
        count
    }

    fn subject_totals(&mut self, filter: &Filter, each: &mut dyn FnMut(&[u8], u64)) {
        each_match_ordered(&self.subjects, filter, |literal, seqs| each(literal, seqs.len()));
    }

    fn seq_at_time(&mut self, ts: Timestamp) -> u64 {
        let (mut low, mut high) = (self.totals.first_seq, self.totals.last_seq + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.msgs.next(middle).and_then(|seq| Some((seq, self.msgs.get(seq)?))) {
                Some((seq, msg)) if msg.ts_ns < ts.unix_ns() => low = seq + 1,
                _ => high = middle,
            }
        }
        self.msgs.next(low).unwrap_or(self.totals.last_seq + 1)
    }

    fn remove(
        &mut self,
        seq: u64,
        _erase: Erase,
        removed: OnRemoved<'_>,
    ) -> Result<bool, StoreError> {
        Ok(self.take(seq, removed))
    }

    fn purge(&mut self, purge: &Purge, removed: OnRemoved<'_>) -> Result<u64, StoreError> {
        let end = if purge.below_seq == 0 { u64::MAX } else { purge.below_seq };
        let mut matching: u64 = 0;
        let mut at = self.totals.first_seq;
        if purge.keep > 0 {
            while let Some(seq) = self.next_seq(&purge.filter, at).filter(|&seq| seq < end) {
                matching += 1;
                at = seq + 1;
            }
        }
        let most = if purge.keep > 0 { matching.saturating_sub(purge.keep) } else { u64::MAX };
        let mut count = 0;
        let mut at = self.totals.first_seq;
        while count < most
            && let Some(seq) = self.next_seq(&purge.filter, at).filter(|&seq| seq < end)
        {
            self.take(seq, removed);
            count += 1;
            at = seq + 1;
        }
        if purge.filter.is_all() && purge.keep == 0 && purge.below_seq > self.totals.last_seq + 1 {
            self.totals.first_seq = purge.below_seq;
            self.totals.last_seq = purge.below_seq - 1;
            self.totals.first_ts = Timestamp::ZERO;
            self.count_deleted();
        }
        Ok(count)
    }

    fn expire(
        &mut self,
        now: Timestamp,
        removed: OnRemoved<'_>,
    ) -> Result<Option<Timestamp>, StoreError> {
        while let Some(seq) = self.lifetimes.pop_due(now.unix_ns()) {
            self.take(seq, removed);
        }
        if self.limits.max_age_ns > 0 {
            let cutoff = now.unix_ns().saturating_sub(self.limits.max_age_ns);
            while let Some((seq, ts_ns)) = self.oldest_ageing() {
                self.age_from = seq;
                if ts_ns > cutoff {
                    break;
                }
                self.take(seq, removed);
            }
        }
        Ok(self.next_expiry())
    }

    fn next_due(&mut self, now: Timestamp) -> Result<Option<u64>, StoreError> {
        if let Some(seq) = self.lifetimes.first_due(now.unix_ns()) {
            return Ok(Some(seq));
        }
        if self.limits.max_age_ns == 0 {
            return Ok(None);
        }
        let cutoff = now.unix_ns().saturating_sub(self.limits.max_age_ns);
        Ok(self.oldest_ageing().filter(|&(_, ts_ns)| ts_ns <= cutoff).map(|(seq, _)| seq))
    }

    fn next_expiry(&self) -> Option<Timestamp> {
        let by_age = (self.limits.max_age_ns > 0)
            .then(|| self.oldest_ageing())
            .flatten()
            .map(|(_, ts_ns)| ts_ns.saturating_add(self.limits.max_age_ns));
        let due = self.lifetimes.next_due_ns();
        by_age.into_iter().chain(due).min().map(Timestamp::from_unix_ns)
    }

    fn mortal(&self) -> usize {
        self.lifetimes.entries().len()
    }

    fn totals(&self) -> Totals {
        self.totals
    }

    fn deleted_runs(&self, each: &mut dyn FnMut(Range<u64>) -> ControlFlow<()>) {
        let mut expected = self.totals.first_seq;
        while expected <= self.totals.last_seq {
            let next = self.msgs.next(expected).unwrap_or(self.totals.last_seq + 1);
            if next > expected && each(expected..next).is_break() {
                return;
            }
            expected = next + 1;
        }
    }

    fn lost(&self) -> Option<LostStreamData> {
        None
    }

    fn size_of(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        (subject + headers + payload + OVERHEAD) as u64
    }

    fn update_config(
        &mut self,
        config: &StreamConfig,
        removed: OnRemoved<'_>,
    ) -> Result<(), StoreError> {
        let before = self.limits;
        self.limits = Limits::of(config);
        self.age_from = 0;
        if self.limits.max_per_subject < before.max_per_subject {
            let mut over = Vec::new();
            self.subjects.for_each(|literal, seqs| {
                if seqs.len() > self.limits.max_per_subject {
                    over.push(literal.to_vec());
                }
            });
            for literal in over {
                self.enforce_subject(&literal, removed);
            }
        }
        self.enforce(removed);
        Ok(())
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _durability: Durability) -> Result<(), StoreError> {
        // Memory is as durable as it gets.
        Ok(())
    }

    fn create_consumer(
        &mut self,
        _meta: &ConsumerMeta,
        _state: &ConsumerState,
    ) -> Result<Box<dyn ConsumerStore>, StoreError> {
        Ok(Box::new(MemConsumer))
    }

    fn take_recovered_consumers(&mut self) -> Vec<RecoveredConsumer> {
        Vec::new()
    }

    fn stop(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn delete(&mut self) -> Result<(), StoreError> {
        self.msgs.clear();
        self.subjects.clear();
        self.lifetimes.clear();
        self.totals = Totals::default();
        Ok(())
    }
}

/// A consumer of a memory stream, or one with `mem_storage`: nothing outlives the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemConsumer;

impl ConsumerStore for MemConsumer {
    fn save(&mut self, _state: &ConsumerState, _durability: Durability) -> Result<(), StoreError> {
        // The consumer itself has it; nothing of it outlives the process.
        Ok(())
    }

    fn update_config(&mut self, _meta: &ConsumerMeta) -> Result<(), StoreError> {
        // The consumer itself has it; nothing of it outlives the process.
        Ok(())
    }

    fn delete(&mut self) -> Result<(), StoreError> {
        // The consumer itself has it; nothing of it outlives the process.
        Ok(())
    }
}
