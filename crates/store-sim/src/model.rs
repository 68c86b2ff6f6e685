//! The plain model of a stream that stores are compared with: everything in maps, every rule
//! written down once more, as simply as possible.

use std::collections::{BTreeMap, BTreeSet};

use store::{Filter, MsgRef, Purge, StreamStore};
use types::{Discard, StreamConfig, Timestamp};

use crate::verdict::{Verdict, ensure, same};

/// A message as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMsg {
    /// Literal subject.
    pub subject: String,
    /// Header block, or empty.
    pub headers: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
    /// When it was received.
    pub ts: Timestamp,
    /// As in [`store::NewMsg`].
    pub ttl_seconds: i64,
    /// Bytes that it counts for in the store at hand.
    pub size: u64,
}

impl ModelMsg {
    /// Whether a store answered this message.
    #[must_use]
    pub fn is(&self, got: &MsgRef<'_>) -> bool {
        got.subject == self.subject.as_bytes()
            && got.headers == self.headers
            && got.payload == self.payload
            && got.ts == self.ts
    }
}

/// Everything in a map.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the stream is to do.
    pub config: StreamConfig,
    /// By sequence.
    pub msgs: BTreeMap<u64, ModelMsg>,
    /// Highest sequence ever given out.
    pub last_seq: u64,
    bytes: u64,
    by_subject: BTreeMap<String, BTreeSet<u64>>,
}

impl Model {
    /// An empty stream.
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        Model {
            config: config.clone(),
            msgs: BTreeMap::new(),
            last_seq: config.first_seq.max(1) - 1,
            bytes: 0,
            by_subject: BTreeMap::new(),
        }
    }

    /// Puts a message in, whatever the limits.
    pub fn insert(&mut self, seq: u64, msg: ModelMsg) {
        self.remove(seq);
        self.bytes += msg.size;
        self.by_subject.entry(msg.subject.clone()).or_default().insert(seq);
        self.msgs.insert(seq, msg);
    }

    /// Takes a message out; whether it was there.
    pub fn remove(&mut self, seq: u64) -> bool {
        let Some(msg) = self.msgs.remove(&seq) else { return false };
        self.bytes -= msg.size;
        if let Some(seqs) = self.by_subject.get_mut(&msg.subject) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.by_subject.remove(&msg.subject);
            }
        }
        true
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Leaves sequences out.
    pub fn skip_to(&mut self, next: u64) {
        self.last_seq = self.last_seq.max(next.saturating_sub(1));
    }

    fn count_of(&self, subject: &str) -> u64 {
        self.by_subject.get(subject).map_or(0, |seqs| seqs.len() as u64)
    }

    fn first_of(&self, subject: &str) -> Option<u64> {
        self.by_subject.get(subject)?.first().copied()
    }

    fn matching(&self, filter: &Filter) -> Vec<u64> {
        let fits = |(_, msg): &(&u64, &ModelMsg)| filter.matches(msg.subject.as_bytes());
        self.msgs.iter().filter(fits).map(|(&seq, _)| seq).collect()
    }

    /// Appends and applies the limits: the sequence and what went, or the text of the refusal.
    ///
    /// # Errors
    /// What discard new says.
    pub fn append(&mut self, msg: ModelMsg) -> Result<(u64, Vec<u64>), &'static str> {
        let config = &self.config;
        let held = self.count_of(&msg.subject);
        let full = config.max_msgs_per_subject > 0 && held as i64 >= config.max_msgs_per_subject;
        if config.discard == Discard::New {
            if full && config.discard_new_per_subject {
                return Err("maximum messages per subject exceeded");
            }
            if config.max_msgs > 0 && self.msgs.len() as i64 >= config.max_msgs && !full {
                return Err("maximum messages exceeded");
            }
            if config.max_bytes > 0 && (self.bytes + msg.size) as i64 > config.max_bytes {
                let oldest = self.first_of(&msg.subject).and_then(|seq| self.msgs.get(&seq));
                let replaced = oldest.filter(|_| full).map(|oldest| oldest.size);
                if replaced.is_none_or(|size| size < msg.size) {
                    return Err("maximum bytes exceeded");
                }
            }
        }
        let subject = msg.subject.clone();
        self.last_seq += 1;
        self.insert(self.last_seq, msg);
        let mut gone = self.thin_out(&subject);
        gone.extend(self.cut_front());
        Ok((self.last_seq, gone))
    }

    /// Applies the limit per subject.
    fn thin_out(&mut self, subject: &str) -> Vec<u64> {
        let limit = self.config.max_msgs_per_subject;
        let mut gone = Vec::new();
        while limit > 0 && self.count_of(subject) as i64 > limit {
            let Some(seq) = self.first_of(subject) else { break };
            self.remove(seq);
            gone.push(seq);
        }
        gone
    }

    /// Applies the limits on all, where the oldest are to go.
    fn cut_front(&mut self) -> Vec<u64> {
        let (max_msgs, max_bytes) = (self.config.max_msgs, self.config.max_bytes);
        let mut gone = Vec::new();
        while self.config.discard == Discard::Old
            && ((max_msgs > 0 && self.msgs.len() as i64 > max_msgs)
                || (max_bytes > 0 && self.bytes as i64 > max_bytes))
        {
            let Some(&seq) = self.msgs.keys().next() else { break };
            self.remove(seq);
            gone.push(seq);
        }
        gone
    }

    /// Applies the limits to what is held; answers what went.
    pub fn enforce(&mut self) -> Vec<u64> {
        let subjects: Vec<String> = self.by_subject.keys().cloned().collect();
        let mut gone: Vec<u64> =
            subjects.iter().flat_map(|subject| self.thin_out(subject)).collect();
        gone.extend(self.cut_front());
        gone
    }

    /// What a purge removes.
    pub fn purge(&mut self, purge: &Purge) -> Vec<u64> {
        let end = if purge.below_seq == 0 { u64::MAX } else { purge.below_seq };
        let mut gone = self.matching(&purge.filter);
        gone.retain(|&seq| seq < end);
        gone.truncate(gone.len().saturating_sub(purge.keep as usize));
        for &seq in &gone {
            self.remove(seq);
        }
        if purge.filter.is_all() && purge.keep == 0 && purge.below_seq > self.last_seq + 1 {
            self.last_seq = purge.below_seq - 1;
        }
        gone
    }

    /// What is due, without removing it.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<u64> {
        let age = self.config.max_age_ns;
        let is_due = |msg: &ModelMsg| {
            let lived = now.unix_ns() - msg.ts.unix_ns();
            let by_age = age > 0 && msg.ttl_seconds >= 0 && lived >= age;
            by_age || (msg.ttl_seconds > 0 && lived >= msg.ttl_seconds * 1_000_000_000)
        };
        self.msgs.iter().filter(|(_, msg)| is_due(msg)).map(|(&seq, _)| seq).collect()
    }

    /// Removes what is due.
    pub fn expire(&mut self, now: Timestamp) -> Vec<u64> {
        let gone = self.due(now);
        for &seq in &gone {
            self.remove(seq);
        }
        gone
    }

    /// Compares the figures that every call keeps up to date.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_totals(&self, store: &dyn StreamStore) -> Verdict {
        let totals = store.totals();
        let first = self.msgs.first_key_value();
        same!(totals.msgs, self.msgs.len() as u64, "msgs");
        same!(totals.bytes, self.bytes, "bytes");
        same!(totals.last_seq, self.last_seq, "last_seq");
        same!(totals.first_seq, first.map_or(self.last_seq + 1, |(&seq, _)| seq), "first_seq");
        same!(totals.first_ts, first.map_or(Timestamp::ZERO, |(_, msg)| msg.ts), "first_ts");
        same!(totals.num_subjects, self.by_subject.len() as u64, "subjects");
        Ok(())
    }

    /// Compares everything that a store can be asked.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&self, store: &mut dyn StreamStore, filters: &[Filter]) -> Verdict {
        self.compare_totals(store)?;
        let totals = store.totals();
        let deleted: Vec<u64> =
            (totals.first_seq..=self.last_seq).filter(|seq| !self.msgs.contains_key(seq)).collect();
        same!(totals.num_deleted, deleted.len() as u64, "num_deleted");
        same!(store.deleted(usize::MAX), deleted, "deleted");
        let some = deleted.len() / 2;
        same!(store.deleted(some), deleted.get(..some).unwrap_or_default(), "some deleted");
        for seq in totals.first_seq.saturating_sub(2)..=self.last_seq + 1 {
            let got = store.get(seq).map_err(|error| format!("get {seq}: {error}"))?;
            match (got, self.msgs.get(&seq)) {
                (None, None) => {}
                (Some(got), Some(want)) => {
                    ensure!(got.seq == seq && want.is(&got), "{seq}: {got:?}, not {want:?}");
                }
                (got, want) => return Err(format!("{seq}: {got:?}, not {want:?}")),
            }
        }
        for (subject, seqs) in &self.by_subject {
            let last = seqs.last().copied().unwrap_or_default();
            same!(store.last_seq_of(subject.as_bytes()), last, "last of {subject}");
        }
        same!(store.last_seq_of(b"not.there"), 0, "last of a subject that is not there");
        for filter in filters {
            self.compare_filter(store, filter).map_err(|wrong| format!("{filter:?}: {wrong}"))?;
        }
        Ok(())
    }

    fn compare_filter(&self, store: &mut dyn StreamStore, filter: &Filter) -> Verdict {
        let matching = self.matching(filter);
        let first_seq = store.totals().first_seq;
        let step = (self.last_seq.saturating_sub(first_seq) / 12).max(1);
        let mut from = first_seq.saturating_sub(1);
        loop {
            let next = store.next_match(filter, from).map_err(|error| error.to_string())?;
            let want = matching.iter().copied().find(|&seq| seq >= from);
            same!(next.map(|got| got.seq), want, "next from {from}");
            let last = store.last_match(filter, from).map_err(|error| error.to_string())?;
            let want = matching.iter().copied().rfind(|&seq| seq <= from);
            same!(last.map(|got| got.seq), want, "last up to {from}");
            let count = matching.iter().filter(|&&seq| seq >= from).count() as u64;
            same!(store.count_from(from, filter), count, "count from {from}");
            let mut per_subject: BTreeMap<&str, u64> = BTreeMap::new();
            for seq in matching.iter().filter(|&&seq| seq <= from) {
                if let Some(msg) = self.msgs.get(seq) {
                    per_subject.insert(&msg.subject, *seq);
                }
            }
            let mut want: Vec<u64> = per_subject.into_values().collect();
            want.sort_unstable();
            same!(store.last_per_subject(filter, from), want, "last per subject up to {from}");
            if from > self.last_seq {
                break;
            }
            from += step;
        }
        let fits = |(subject, _): &(&String, &BTreeSet<u64>)| filter.matches(subject.as_bytes());
        let want: Vec<(String, u64)> = self
            .by_subject
            .iter()
            .filter(fits)
            .map(|(subject, seqs)| (subject.clone(), seqs.len() as u64))
            .collect();
        let mut got = Vec::new();
        store.subject_totals(filter, &mut |subject, count| {
            got.push((String::from_utf8_lossy(subject).into_owned(), count));
        });
        same!(got, want, "totals per subject");
        Ok(())
    }
}
