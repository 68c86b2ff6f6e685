//! The naive model of a stream that stores are compared with.

use std::collections::{BTreeMap, BTreeSet};

use types::{Discard, StreamConfig, Timestamp};

use crate::*;

#[derive(Clone, Debug)]
pub(crate) struct ModelMsg {
    pub(crate) subject: String,
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) ts: Timestamp,
    pub(crate) ttl_seconds: i64,
    pub(crate) size: u64,
}

/// Everything in a map, every question by looking at all of it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) config: StreamConfig,
    pub(crate) msgs: BTreeMap<u64, ModelMsg>,
    pub(crate) last_seq: u64,
}

impl Model {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        let first = config.first_seq.max(1);
        Model { config: config.clone(), msgs: BTreeMap::new(), last_seq: first - 1 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.msgs.values().map(|msg| msg.size).sum()
    }

    pub(crate) fn of_subject(&self, subject: &str) -> Vec<u64> {
        let same = |(_, msg): &(&u64, &ModelMsg)| msg.subject == subject;
        self.msgs.iter().filter(same).map(|(&seq, _)| seq).collect()
    }

    pub(crate) fn matching(&self, filter: &Filter) -> Vec<u64> {
        let fits = |(_, msg): &(&u64, &ModelMsg)| filter.matches(msg.subject.as_bytes());
        self.msgs.iter().filter(fits).map(|(&seq, _)| seq).collect()
    }

    /// `Err` is the text of the refusal.
    pub(crate) fn append(&mut self, msg: ModelMsg) -> Result<(u64, Vec<u64>), &'static str> {
        let config = &self.config;
        let per_subject = config.max_msgs_per_subject;
        let same = self.of_subject(&msg.subject);
        let full = per_subject > 0 && same.len() as i64 >= per_subject;
        if config.discard == Discard::New {
            if full && config.discard_new_per_subject {
                return Err("maximum messages per subject exceeded");
            }
            if config.max_msgs > 0 && self.msgs.len() as i64 >= config.max_msgs && !full {
                return Err("maximum messages exceeded");
            }
            if config.max_bytes > 0 && (self.bytes() + msg.size) as i64 > config.max_bytes {
                let replaced = full.then(|| self.msgs[&same[0]].size);
                if replaced.is_none_or(|size| size < msg.size) {
                    return Err("maximum bytes exceeded");
                }
            }
        }
        let subject = msg.subject.clone();
        self.last_seq += 1;
        self.msgs.insert(self.last_seq, msg);
        let mut gone = Vec::new();
        let same = self.of_subject(&subject);
        if per_subject > 0 && same.len() as i64 > per_subject {
            gone.extend(&same[..same.len() - per_subject as usize]);
        }
        gone.iter().for_each(|seq| {
            self.msgs.remove(seq);
        });
        if self.config.discard == Discard::Old {
            let (max_msgs, max_bytes) = (self.config.max_msgs, self.config.max_bytes);
            while (max_msgs > 0 && self.msgs.len() as i64 > max_msgs)
                || (max_bytes > 0 && self.bytes() as i64 > max_bytes)
            {
                gone.push(self.msgs.pop_first().unwrap().0);
            }
        }
        Ok((self.last_seq, gone))
    }

    pub(crate) fn purge(&mut self, purge: &Purge) -> Vec<u64> {
        let end = if purge.below_seq == 0 { u64::MAX } else { purge.below_seq };
        let mut gone = self.matching(&purge.filter);
        gone.retain(|&seq| seq < end);
        gone.truncate(gone.len().saturating_sub(purge.keep as usize));
        gone.iter().for_each(|seq| {
            self.msgs.remove(seq);
        });
        if purge.filter.is_all() && purge.keep == 0 && purge.below_seq > self.last_seq + 1 {
            self.last_seq = purge.below_seq - 1;
        }
        gone
    }

    /// What is due, without order.
    pub(crate) fn expire(&mut self, now: Timestamp) -> BTreeSet<u64> {
        let age = self.config.max_age_ns;
        let due = |msg: &ModelMsg| {
            let lived = now.unix_ns() - msg.ts.unix_ns();
            let by_age = age > 0 && msg.ttl_seconds >= 0 && lived >= age;
            by_age || (msg.ttl_seconds > 0 && lived >= msg.ttl_seconds * 1_000_000_000)
        };
        let gone: BTreeSet<u64> =
            self.msgs.iter().filter(|(_, msg)| due(msg)).map(|(&seq, _)| seq).collect();
        self.msgs.retain(|seq, _| !gone.contains(seq));
        gone
    }

    /// Asserts that a store answers everything as this model does.
    pub(crate) fn compare(&self, store: &mut dyn StreamStore, filters: &[Filter], context: &str) {
        let totals = store.totals();
        let first = self.msgs.first_key_value();
        assert_eq!(totals.msgs, self.msgs.len() as u64, "{context}: msgs");
        assert_eq!(totals.bytes, self.bytes(), "{context}: bytes");
        assert_eq!(totals.last_seq, self.last_seq, "{context}: last_seq");
        assert_eq!(
            totals.first_seq,
            first.map_or(self.last_seq + 1, |(&seq, _)| seq),
            "{context}: first_seq"
        );
        assert_eq!(
            totals.first_ts,
            first.map_or(Timestamp::ZERO, |(_, msg)| msg.ts),
            "{context}: first_ts"
        );
        let subjects: BTreeSet<&str> = self.msgs.values().map(|msg| &*msg.subject).collect();
        assert_eq!(totals.num_subjects, subjects.len() as u64, "{context}: subjects");
        let deleted: Vec<u64> =
            (totals.first_seq..=self.last_seq).filter(|seq| !self.msgs.contains_key(seq)).collect();
        assert_eq!(totals.num_deleted, deleted.len() as u64, "{context}: num_deleted");
        assert_eq!(store.deleted(usize::MAX), deleted, "{context}: deleted");
        let some = deleted.len() / 2;
        assert_eq!(store.deleted(some), deleted[..some], "{context}: some deleted");
        let low = totals.first_seq.saturating_sub(2);
        for seq in low..=self.last_seq + 1 {
            let got = store.get(seq).unwrap();
            match (got, self.msgs.get(&seq)) {
                (None, None) => {}
                (Some(got), Some(want)) => {
                    assert_eq!(got.seq, seq, "{context}");
                    assert_eq!(got.subject, want.subject.as_bytes(), "{context}: {seq}");
                    assert_eq!(got.headers, want.headers, "{context}: {seq}");
                    assert_eq!(got.payload, want.payload, "{context}: {seq}");
                    assert_eq!(got.ts, want.ts, "{context}: {seq}");
                }
                (got, want) => panic!("{context}: {seq}: {got:?} is not {want:?}"),
            }
        }
        for subject in &subjects {
            let last = self.of_subject(subject).last().copied().unwrap();
            assert_eq!(store.last_seq_of(subject.as_bytes()), last, "{context}: last of {subject}");
        }
        assert_eq!(store.last_seq_of(b"not.there"), 0);
        for filter in filters {
            self.compare_filter(store, filter, &format!("{context}: {filter:?}"));
        }
    }

    fn compare_filter(&self, store: &mut dyn StreamStore, filter: &Filter, context: &str) {
        let matching = self.matching(filter);
        let span = self.last_seq.saturating_sub(store.totals().first_seq);
        let step = (span / 12).max(1);
        let mut from = store.totals().first_seq.saturating_sub(1);
        loop {
            let next = store.next_match(filter, from).unwrap().map(|got| got.seq);
            let want = matching.iter().copied().find(|&seq| seq >= from);
            assert_eq!(next, want, "{context}: next from {from}");
            let last = store.last_match(filter, from).unwrap().map(|got| got.seq);
            let want = matching.iter().copied().rfind(|&seq| seq <= from);
            assert_eq!(last, want, "{context}: last up to {from}");
            let count = matching.iter().filter(|&&seq| seq >= from).count() as u64;
            assert_eq!(store.count_from(from, filter), count, "{context}: count from {from}");
            let mut per_subject: BTreeMap<&str, u64> = BTreeMap::new();
            for &seq in matching.iter().filter(|&&seq| seq <= from) {
                per_subject.insert(&self.msgs[&seq].subject, seq);
            }
            let mut want: Vec<u64> = per_subject.into_values().collect();
            want.sort_unstable();
            assert_eq!(store.last_per_subject(filter, from), want, "{context}: up to {from}");
            if from > self.last_seq {
                break;
            }
            from += step;
        }
        let mut totals: BTreeMap<String, u64> = BTreeMap::new();
        for seq in &matching {
            *totals.entry(self.msgs[seq].subject.clone()).or_default() += 1;
        }
        let mut got = Vec::new();
        store.subject_totals(filter, &mut |subject, count| {
            got.push((String::from_utf8(subject.to_vec()).unwrap(), count));
        });
        assert_eq!(got, totals.into_iter().collect::<Vec<_>>(), "{context}: totals");
    }
}
