//! What must, may and must not be there after a crash, a failed call, or a restart.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use env::Crash;
use store::{ConsumerMeta, ConsumerState, Filter, RecoveredConsumer, StreamStore};
use types::StreamConfig;

use crate::model::{Model, ModelMsg};
use crate::verdict::{Verdict, ensure};

/// Why a message may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// Somebody asked for it, or it was due.
    Asked,
    /// A limit made room for the message of this sequence; it is there if that one is not.
    MadeRoom(u64),
}

/// What is known since one point in time: all of then, and what was asked since.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    sure: Arc<Model>,
    leaving: BTreeMap<u64, Leaving>,
    /// More than one where a sequence was given out again because the first was refused.
    coming: BTreeMap<u64, Vec<Arc<ModelMsg>>>,
    /// No sequence beyond it was given out.
    highest: u64,
}

impl Known {
    fn of(model: &Arc<Model>) -> Known {
        Known {
            sure: Arc::clone(model),
            leaving: BTreeMap::new(),
            coming: BTreeMap::new(),
            highest: model.last_seq,
        }
    }
}

/// A consumer as it may be found: configuration, and progress if any was stored.
pub type ConsumerFound = (ConsumerMeta, Option<ConsumerState>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ConsumerKnown {
    /// None: there is no such consumer.
    sure: Option<ConsumerFound>,
    maybe: Vec<Option<ConsumerFound>>,
}

/// Since when is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The last flush that synced: the power was cut.
    Synced,
    /// The last flush that handed over to the operating system: the process was killed.
    Written,
}

/// What limits take from `sure` for the messages that came after it, if nothing else goes.
fn displaced_by(sure: &Model, seen: &Model) -> BTreeSet<u64> {
    let mut model = sure.clone();
    let mut displaced = BTreeSet::new();
    for (&seq, msg) in seen.msgs.range(sure.last_seq + 1..) {
        model.last_seq = seq - 1;
        if let Ok((_, gone)) = model.append(Arc::clone(msg)) {
            displaced.extend(gone);
        }
    }
    displaced
}

/// All that is known of a stream and its consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oracle {
    /// With everything that was asked.
    pub now: Arc<Model>,
    synced: Known,
    written: Known,
    configs: Vec<StreamConfig>,
    consumers: BTreeMap<String, ConsumerKnown>,
    /// Something was written without a sync: a power cut may leave holes in it.
    relaxed: bool,
    /// Up to here such holes may be reported, at once or later.
    doubtful_up_to: u64,
    /// What expired when it was last judged.
    expired: Vec<(u64, Arc<ModelMsg>)>,
    /// A power cut kept an arbitrary part of what was not synced.
    torn: bool,
}

impl Oracle {
    /// A stream that was just made.
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        let now = Arc::new(Model::new(config));
        Oracle {
            synced: Known::of(&now),
            written: Known::of(&now),
            configs: vec![config.clone()],
            consumers: BTreeMap::new(),
            relaxed: false,
            doubtful_up_to: 0,
            expired: Vec::new(),
            torn: false,
            now,
        }
    }

    fn both(&mut self, mut change: impl FnMut(&mut Known)) {
        change(&mut self.synced);
        change(&mut self.written);
    }

    /// Somebody is about to ask for the removal of these.
    pub fn asked_to_go(&mut self, seqs: &[u64]) {
        self.both(|known| {
            for &seq in seqs {
                known.leaving.insert(seq, Leaving::Asked);
            }
        });
    }

    /// Somebody is about to ask for the removal of what this selects, wherever that is held.
    pub fn asked_of_all(&mut self, mut select: impl FnMut(&mut Model) -> Vec<u64>) {
        self.both(|known| {
            for seq in select(&mut Model::clone(&known.sure)) {
                known.leaving.insert(seq, Leaving::Asked);
            }
        });
    }

    /// A message is about to be appended as `seq`, and limits to make room for it.
    pub fn asked_to_come(&mut self, seq: u64, msg: &Arc<ModelMsg>, gone: &[u64]) {
        self.both(|known| {
            known.coming.entry(seq).or_default().push(Arc::clone(msg));
            known.highest = known.highest.max(seq);
            for &gone in gone {
                known.leaving.entry(gone).or_insert(Leaving::MadeRoom(seq));
            }
        });
    }

    /// The stream may end there by now.
    pub fn may_end_at(&mut self, last_seq: u64) {
        self.both(|known| known.highest = known.highest.max(last_seq));
    }

    /// The configuration is about to change.
    pub fn configuring(&mut self, config: &StreamConfig) {
        self.configs.push(config.clone());
    }

    /// It was acknowledged.
    pub fn configured(&mut self) {
        self.configs.drain(..self.configs.len().saturating_sub(1));
    }

    /// A flush that does not sync is under way.
    pub fn relax(&mut self) {
        self.relaxed = true;
    }

    /// Everything so far was acknowledged.
    pub fn flushed(&mut self, since: Since) {
        self.written = Known::of(&self.now);
        if since == Since::Synced {
            self.synced = Known::of(&self.now);
            self.relaxed = false;
            self.torn = false;
        }
    }

    /// The power is cut, or the process ends; answers since when is to be judged.
    pub fn crashed(&mut self, crash: Crash) -> Since {
        self.torn |= self.relaxed && matches!(crash, Crash::Torn(_) | Crash::Scattered(_));
        match crash {
            Crash::KeepAll if self.written != self.synced => Since::Written,
            _ => Since::Synced,
        }
    }

    /// Appended messages since the last flush, which a refused flush takes back.
    #[must_use]
    pub fn last_flushed_seq(&self) -> u64 {
        self.written.sure.last_seq
    }

    /// A consumer is about to become this; none is a deletion.
    pub fn consumer_changing(&mut self, name: &str, to: Option<ConsumerFound>) {
        self.consumers.entry(name.to_owned()).or_default().maybe.push(to);
    }

    /// It was acknowledged.
    pub fn consumer_changed(&mut self, name: &str) {
        if let Some(known) = self.consumers.get_mut(name)
            && let Some(last) = known.maybe.pop()
        {
            known.sure = last;
            known.maybe.clear();
        }
    }

    /// Its configuration is about to become this.
    pub fn consumer_configuring(&mut self, name: &str, meta: &ConsumerMeta) {
        let Some(known) = self.consumers.get_mut(name) else { return };
        let all = known.maybe.iter().chain([&known.sure]).flatten();
        let all: Vec<_> = all.map(|(_, state)| Some((meta.clone(), state.clone()))).collect();
        known.maybe.splice(0..0, all);
    }

    /// That was acknowledged.
    pub fn consumer_configured(&mut self, name: &str, meta: &ConsumerMeta) {
        let Some(known) = self.consumers.get_mut(name) else { return };
        if let Some((sure, _)) = &mut known.sure {
            *sure = meta.clone();
        }
        for (maybe, _) in known.maybe.iter_mut().flatten() {
            *maybe = meta.clone();
        }
    }

    /// The consumer as it was last seen.
    #[must_use]
    pub fn consumer(&self, name: &str) -> Option<&ConsumerFound> {
        let known = self.consumers.get(name)?;
        known.maybe.last().unwrap_or(&known.sure).as_ref()
    }

    /// Names of the consumers that are sure to be there.
    #[must_use]
    pub fn consumers(&self) -> Vec<String> {
        let sure = self.consumers.iter().filter(|(_, known)| known.sure.is_some());
        sure.map(|(name, _)| name.clone()).collect()
    }

    /// What is due at `now` by the configuration that was found may go without anybody asking: it
    /// may be newer than what is sure.
    fn let_go_of_due(&mut self, now: types::Timestamp, config: &StreamConfig) {
        let due = |model: &Model| model.due_by(now, config.max_age_ns);
        self.both(|known| {
            for seq in due(&known.sure) {
                known.leaving.insert(seq, Leaving::Asked);
            }
        });
        let due = due(&self.now);
        self.asked_to_go(&due);
    }

    /// Judges what a store holds, and takes it for what there is.
    ///
    /// `is_open` is for a store that was opened just now: what it serves must not be lost later.
    ///
    /// # Errors
    /// What is missing, changed, back again, or out of order.
    pub fn judge(
        &mut self,
        store: &mut dyn StreamStore,
        since: Since,
        now: types::Timestamp,
        config: &StreamConfig,
    ) -> Verdict {
        ensure!(self.configs.contains(config), "nobody stored this configuration: {config:?}");
        self.let_go_of_due(now, config);
        let mut expired = Vec::new();
        store
            .expire(now, &mut |removed| expired.push(removed.seq))
            .map_err(|error| format!("expire: {error}"))?;
        let known = match since {
            Since::Synced => &self.synced,
            Since::Written => &self.written,
        };
        let totals = store.totals();
        ensure!(
            totals.last_seq >= known.sure.last_seq,
            "the last sequence went back from {} to {}",
            known.sure.last_seq,
            totals.last_seq
        );
        ensure!(
            totals.last_seq <= known.highest,
            "the last sequence is {}, but only {} were given out",
            totals.last_seq,
            known.highest
        );
        let lost = store.lost().unwrap_or_default();
        let has_holes = self.relaxed && (self.torn || lost.bytes > 0);
        let lost: BTreeSet<u64> = lost.msgs.into_iter().collect();
        let mut seen = Model::new(config);
        let mut from = 0;
        loop {
            let got = store.next_match(&Filter::all(), from);
            let Some(got) = got.map_err(|error| format!("reading from {from}: {error}"))? else {
                break;
            };
            let seq = got.seq;
            let sure = known.sure.msgs.get(&seq);
            let coming = known.coming.get(&seq).into_iter().flatten();
            let Some(msg) = sure.into_iter().chain(coming).find(|msg| msg.is(&got)) else {
                let what = match sure {
                    Some(_) => "is changed",
                    None if seq <= known.sure.last_seq => "is back, or was never there",
                    None => "is not what was appended",
                };
                return Err(format!("{seq} {what}: {got:?}"));
            };
            ensure!(from <= seq, "{seq} again");
            seen.insert(seq, Arc::clone(msg));
            from = seq + 1;
        }
        seen.last_seq = totals.last_seq;
        let displaced = LazyCell::new(|| displaced_by(&known.sure, &seen));
        for seq in known.sure.msgs.keys().filter(|seq| !seen.msgs.contains_key(seq)) {
            match known.leaving.get(seq) {
                Some(Leaving::Asked) => {}
                // A limit may have made room again for what came instead.
                Some(Leaving::MadeRoom(other)) if seen.last_seq >= *other => {}
                // That one was only written, and may be in a hole that a power cut left.
                Some(Leaving::MadeRoom(_)) if has_holes => {}
                // Removals that nobody acknowledged may not have come to pass, and left no room.
                Some(Leaving::MadeRoom(_)) if displaced.contains(seq) => {}
                // Likewise those that were only written, and are in such a hole.
                None if has_holes && displaced.contains(seq) => {}
                why => {
                    let lost = if lost.contains(seq) { ", reported" } else { ", unreported" };
                    return Err(format!("{seq} is lost{lost} (may leave: {why:?})"));
                }
            }
        }
        let newest = seen.msgs.keys().next_back().copied().unwrap_or(0);
        for seq in known.coming.keys().filter(|&&seq| seq < newest) {
            let excused = known.leaving.contains_key(seq) || self.relaxed;
            ensure!(
                excused || seen.msgs.contains_key(seq),
                "{seq} is missing before {newest}: no prefix of what was appended"
            );
        }
        for seq in &lost {
            ensure!(
                self.relaxed || *seq <= self.doubtful_up_to,
                "{seq} is reported lost by a disk that is well"
            );
            ensure!(!seen.msgs.contains_key(seq), "{seq} is reported lost, but there");
        }
        let over = seen.clone().enforce();
        ensure!(over.is_empty(), "the limits do not hold: {over:?} are too many");
        if self.relaxed {
            self.doubtful_up_to = known.highest;
        }
        let held = |seq: u64| {
            let coming = known.coming.get(&seq).and_then(|msgs| msgs.last());
            Some((seq, Arc::clone(known.sure.msgs.get(&seq).or(coming)?)))
        };
        self.expired = expired.into_iter().filter_map(held).collect();
        self.now = Arc::new(seen);
        Ok(())
    }

    /// Judges the consumers that were found.
    ///
    /// # Errors
    /// What is missing, or was never stored.
    pub fn judge_consumers(&mut self, found: &[RecoveredConsumer]) -> Verdict {
        for consumer in found {
            let name = &consumer.meta.name;
            ensure!(self.consumers.contains_key(name), "consumer {name:?} was never made");
        }
        for (name, known) in &mut self.consumers {
            let found = found.iter().find(|consumer| consumer.meta.name == *name);
            let found = found.map(|found| (found.meta.clone(), found.state.clone()));
            let allowed = known.sure == found || known.maybe.contains(&found);
            ensure!(allowed, "consumer {name:?}: {found:?}, not one of {known:?}");
            known.sure = found;
            known.maybe.clear();
        }
        Ok(())
    }

    /// Takes what was judged for what must be there from now on.
    pub fn adopt(&mut self, config: &StreamConfig) {
        self.configs = vec![config.clone()];
        self.flushed(Since::Synced);
        // Nobody flushed that: they may be back, and take room before they go again.
        let expired = std::mem::take(&mut self.expired);
        self.both(|known| {
            for (seq, msg) in &expired {
                Arc::make_mut(&mut known.sure).insert(*seq, Arc::clone(msg));
                known.leaving.insert(*seq, Leaving::Asked);
            }
        });
    }
}
