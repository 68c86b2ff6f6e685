//! The plain model of a stream that stores are compared with: everything in maps, every rule
//! written down once more, as simply as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use store::{Filter, MsgRef, Purge, StreamStore};
use types::{Discard, StreamConfig, Timestamp};

use crate::dice::Dice;
use crate::verdict::{Verdict, ensure, same};

/// A message as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMsg {
    /// Literal subject.
    pub subject: Arc<str>,
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

/// Everything in a map; copies share what is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What the stream is to do.
    pub config: Arc<StreamConfig>,
    /// By sequence.
    pub msgs: BTreeMap<u64, Arc<ModelMsg>>,
    /// Highest sequence ever given out.
    pub last_seq: u64,
    bytes: u64,
    by_subject: BTreeMap<Arc<str>, BTreeSet<u64>>,
}

impl Model {
    /// An empty stream.
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        Model {
            config: Arc::new(config.clone()),
            msgs: BTreeMap::new(),
            last_seq: config.first_seq.max(1) - 1,
            bytes: 0,
            by_subject: BTreeMap::new(),
        }
    }

    /// Puts a message in, whatever the limits.
    pub fn insert(&mut self, seq: u64, msg: Arc<ModelMsg>) {
        self.remove(seq);
        self.bytes += msg.size;
        self.by_subject.entry(Arc::clone(&msg.subject)).or_default().insert(seq);
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

    fn matching(&self, filter: &Filter) -> Matching<'_> {
        let fits = |(subject, _): &(&Arc<str>, &BTreeSet<u64>)| filter.matches(subject.as_bytes());
        let subjects: Vec<_> = self.by_subject.iter().filter(fits).collect();
        let mut seqs: Vec<u64> = subjects.iter().flat_map(|(_, seqs)| *seqs).copied().collect();
        seqs.sort_unstable();
        Matching { subjects, seqs }
    }

    /// Appends and applies the limits: the sequence and what went, or the text of the refusal.
    ///
    /// # Errors
    /// What discard new says.
    pub fn append(&mut self, msg: Arc<ModelMsg>) -> Result<(u64, Vec<u64>), &'static str> {
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
        let subject = Arc::clone(&msg.subject);
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
        let subjects: Vec<Arc<str>> = self.by_subject.keys().cloned().collect();
        let mut gone: Vec<u64> =
            subjects.iter().flat_map(|subject| self.thin_out(subject)).collect();
        gone.extend(self.cut_front());
        gone
    }

    /// What a purge removes.
    pub fn purge(&mut self, purge: &Purge) -> Vec<u64> {
        let end = if purge.below_seq == 0 { u64::MAX } else { purge.below_seq };
        let mut gone = self.matching(&purge.filter).seqs;
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
        self.due_by(now, self.config.max_age_ns)
    }

    /// The same if messages lived as long as `age`.
    #[must_use]
    pub fn due_by(&self, now: Timestamp, age: i64) -> Vec<u64> {
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

    /// Compares everything that a store can be asked, about many places in the stream.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&self, store: &mut dyn StreamStore, filters: &[Filter]) -> Verdict {
        let first_seq = store.totals().first_seq;
        let step = (self.last_seq.saturating_sub(first_seq) / 12).max(1);
        let from = first_seq.saturating_sub(1);
        let places: Vec<u64> =
            (from..=self.last_seq + step).step_by(usize::try_from(step).unwrap_or(1)).collect();
        self.compare_messages(store)?;
        self.compare_filters(store, filters, &places)
    }

    /// Compares the same about some places, as the dice say: most of them are at messages.
    ///
    /// # Errors
    /// What differs.
    pub fn compare_some(
        &self,
        store: &mut dyn StreamStore,
        filters: &[Filter],
        dice: &mut Dice,
    ) -> Verdict {
        let places = [self.some_place(dice), self.some_place(dice)];
        self.compare_messages(store)?;
        self.compare_filters(store, filters, &places)
    }

    /// Asks a single question.
    ///
    /// # Errors
    /// What differs.
    pub fn probe(
        &self,
        store: &mut dyn StreamStore,
        filters: &[Filter],
        dice: &mut Dice,
    ) -> Verdict {
        let place = self.some_place(dice);
        if dice.once_in(4) {
            return self.compare_message(store, place);
        }
        let Some(filter) = dice.pick(filters) else { return Ok(()) };
        let matching = self.matching(filter);
        let question = *dice.pick(&QUESTIONS).unwrap_or(&Question::Next);
        self.ask(store, filter, &matching, place, question)
            .map_err(|wrong| format!("{filter:?}: {wrong}"))
    }

    fn some_place(&self, dice: &mut Dice) -> u64 {
        let first = self.msgs.keys().next().copied().unwrap_or(self.last_seq + 1);
        let any = first.saturating_sub(1) + dice.below((self.last_seq + 3).saturating_sub(first));
        if dice.once_in(4) {
            return any;
        }
        // Long runs of sequences may be left out.
        let held = self.msgs.range(any..).next().map_or(self.last_seq, |(&seq, _)| seq);
        (held + dice.below(3)).saturating_sub(1)
    }

    fn is_as_held(&self, got: Option<&MsgRef<'_>>) -> bool {
        got.is_none_or(|got| self.msgs.get(&got.seq).is_some_and(|want| want.is(got)))
    }

    fn compare_message(&self, store: &mut dyn StreamStore, seq: u64) -> Verdict {
        let got = store.get(seq).map_err(|error| format!("get {seq}: {error}"))?;
        match (got, self.msgs.get(&seq)) {
            (None, None) => Ok(()),
            (Some(got), Some(want)) => {
                ensure!(got.seq == seq && want.is(&got), "{seq}: {got:?}, not {want:?}");
                Ok(())
            }
            (got, want) => Err(format!("{seq}: {got:?}, not {want:?}")),
        }
    }

    /// Compares what is held and what is gone, one by one.
    fn compare_messages(&self, store: &mut dyn StreamStore) -> Verdict {
        self.compare_totals(store)?;
        let totals = store.totals();
        let deleted: Vec<u64> =
            (totals.first_seq..=self.last_seq).filter(|seq| !self.msgs.contains_key(seq)).collect();
        same!(totals.num_deleted, deleted.len() as u64, "num_deleted");
        same!(store.deleted(usize::MAX), deleted, "deleted");
        let some = deleted.len() / 2;
        same!(store.deleted(some), deleted.get(..some).unwrap_or_default(), "some deleted");
        for seq in totals.first_seq.saturating_sub(2)..=self.last_seq + 1 {
            self.compare_message(store, seq)?;
        }
        for (subject, seqs) in &self.by_subject {
            let last = seqs.last().copied().unwrap_or_default();
            same!(store.last_seq_of(subject.as_bytes()), last, "last of {subject}");
        }
        same!(store.last_seq_of(b"not.there"), 0, "last of a subject that is not there");
        Ok(())
    }

    fn compare_filters(
        &self,
        store: &mut dyn StreamStore,
        filters: &[Filter],
        places: &[u64],
    ) -> Verdict {
        for filter in filters {
            self.compare_filter(store, filter, places)
                .map_err(|wrong| format!("{filter:?}: {wrong}"))?;
        }
        Ok(())
    }

    fn compare_filter(
        &self,
        store: &mut dyn StreamStore,
        filter: &Filter,
        places: &[u64],
    ) -> Verdict {
        let matching = self.matching(filter);
        for &from in places {
            for question in QUESTIONS {
                self.ask(store, filter, &matching, from, question)?;
            }
        }
        let mut want = matching.subjects.iter();
        let mut wrong = None;
        store.subject_totals(filter, &mut |subject, count| {
            let want = want.next().map(|(subject, seqs)| (subject, seqs.len() as u64));
            if want.is_none_or(|want| (want.0.as_bytes(), want.1) != (subject, count)) {
                let got = String::from_utf8_lossy(subject).into_owned();
                wrong.get_or_insert_with(|| format!("{count} of {got}, not {want:?}"));
            }
        });
        ensure!(wrong.is_none(), "totals per subject: {}", wrong.unwrap_or_default());
        same!(want.next().map(|(subject, _)| subject), None, "totals per subject: missing");
        Ok(())
    }

    fn ask(
        &self,
        store: &mut dyn StreamStore,
        filter: &Filter,
        matching: &Matching<'_>,
        from: u64,
        question: Question,
    ) -> Verdict {
        match question {
            Question::Next => {
                let next = store.next_match(filter, from).map_err(|error| error.to_string())?;
                let want = matching.from(from).first().copied();
                same!(next.as_ref().map(|got| got.seq), want, "next from {from}");
                ensure!(self.is_as_held(next.as_ref()), "next from {from}: {next:?}");
            }
            Question::Last => {
                let last = store.last_match(filter, from).map_err(|error| error.to_string())?;
                let want = matching.up_to(from).last().copied();
                same!(last.as_ref().map(|got| got.seq), want, "last up to {from}");
                ensure!(self.is_as_held(last.as_ref()), "last up to {from}: {last:?}");
            }
            Question::Count => {
                let count = matching.from(from).len() as u64;
                same!(store.count_from(from, filter), count, "count from {from}");
            }
            Question::LastPerSubject => {
                let last = |seqs: &BTreeSet<u64>| seqs.range(..=from).next_back().copied();
                let mut want: Vec<u64> =
                    matching.subjects.iter().filter_map(|(_, seqs)| last(seqs)).collect();
                want.sort_unstable();
                same!(store.last_per_subject(filter, from), want, "last per subject up to {from}");
            }
        }
        Ok(())
    }
}

/// What a filter selects.
struct Matching<'m> {
    subjects: Vec<(&'m Arc<str>, &'m BTreeSet<u64>)>,
    /// Of all these subjects, ascending.
    seqs: Vec<u64>,
}

impl Matching<'_> {
    fn from(&self, from: u64) -> &[u64] {
        let start = self.seqs.partition_point(|&seq| seq < from);
        self.seqs.get(start..).unwrap_or_default()
    }

    fn up_to(&self, last: u64) -> &[u64] {
        let end = self.seqs.partition_point(|&seq| seq <= last);
        self.seqs.get(..end).unwrap_or_default()
    }
}

/// What can be asked of a filter and a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Next,
    Last,
    Count,
    LastPerSubject,
}

const QUESTIONS: [Question; 4] =
    [Question::Next, Question::Last, Question::Count, Question::LastPerSubject];
