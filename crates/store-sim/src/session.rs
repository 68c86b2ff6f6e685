//! A stream with consumers in use: random calls, each told to the oracle before it is made and
//! after it was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use env::Crash;
use store::{
    ConsumerMeta, ConsumerState, ConsumerStore, Durability, Erase, NewMsg, PendingAck, Purge,
    StoreError, StreamStore,
};
use types::{AckPolicy, ConsumerConfig, SequencePair};

use crate::dice::Dice;
use crate::keys::Keys;
use crate::model::{Model, ModelMsg};
use crate::oracle::{Oracle, Since};
use crate::steps::{Op, Scale, filters, is_shown, payloads, random_config, random_op};
use crate::verdict::{Verdict, ensure, same};
use crate::world::{World, at};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was done, or refused as it should.
    Done,
    /// The disk refused it; the stream may go on.
    Failed,
    /// The power is cut, or the stream takes no more writes: it must be opened again.
    Down,
}

/// A stream in use.
pub struct Session {
    /// Its disk.
    pub world: World,
    /// What it must hold.
    pub oracle: Oracle,
    /// What decides on the next call.
    pub dice: Dice,
    /// Seconds since the start.
    pub seconds: i64,
    /// The last calls, for people.
    pub last: String,
    store: Option<Box<dyn StreamStore>>,
    consumers: BTreeMap<String, Box<dyn ConsumerStore>>,
    /// What was overwritten, durably: no file may hold its payload.
    erased: Vec<Arc<ModelMsg>>,
    erasing: Vec<Arc<ModelMsg>>,
}

/// What a power cut leaves open: a session that can be judged more than once.
#[derive(Clone)]
pub struct Ashes {
    world: World,
    oracle: Oracle,
    /// What must be there by now.
    since: Since,
    seconds: i64,
    last: String,
    made: bool,
}

/// All of a session's ashes that what comes after them depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    disk: u64,
    keys: Option<Keys>,
    oracle: Oracle,
    since: Since,
    seconds: i64,
    made: bool,
}

impl State {
    /// A number for the disk alone.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.disk
    }
}

impl Session {
    /// Makes the stream of a seed; false if the disk did not let it.
    #[must_use]
    pub fn create(seed: u64, world: World) -> (Session, bool) {
        let mut dice = Dice::new(seed);
        let config = random_config(&mut dice, Scale::Small);
        let made = world.create(&config);
        let is_made = made.is_ok();
        if is_shown() {
            eprintln!("{config:?}");
        }
        let session = Session {
            oracle: Oracle::new(&config),
            world,
            dice,
            seconds: 0,
            last: "create".to_owned(),
            store: made.ok(),
            consumers: BTreeMap::new(),
            erased: Vec::new(),
            erasing: Vec::new(),
        };
        (session, is_made)
    }

    /// Ends the session, whatever was under way.
    #[must_use]
    pub fn abandon(self, made: bool) -> Ashes {
        Ashes {
            world: self.world,
            oracle: self.oracle,
            since: Since::Synced,
            seconds: self.seconds,
            last: self.last,
            made,
        }
    }

    /// What a crash now would leave; the session goes on.
    #[must_use]
    pub fn fork_ashes(&self) -> Ashes {
        Ashes {
            world: self.world.fork(),
            oracle: self.oracle.clone(),
            since: Since::Synced,
            seconds: self.seconds,
            last: self.last.clone(),
            made: true,
        }
    }

    /// One random call.
    ///
    /// # Errors
    /// What was wrong with the answer.
    pub fn step(&mut self) -> Verdict<Step> {
        match self.dice.below(24) {
            0..=4 => self.flush(Durability::Synced),
            5 => self.flush(Durability::Written),
            6 => self.use_consumer(),
            7 if self.dice.once_in(4) => {
                let rests = self.dice.once_in(2);
                match &mut self.store {
                    Some(store) if rests => drop(store.rest()),
                    Some(store) => store.release_memory(),
                    None => {}
                }
                Ok(Step::Done)
            }
            _ => {
                let op =
                    random_op(&mut self.dice, &self.oracle.now, &mut self.seconds, Scale::Small);
                self.note(&op.name());
                self.apply(&op)
            }
        }
    }

    fn note(&mut self, what: &str) {
        if is_shown() {
            let held: Vec<u64> = self.oracle.now.msgs.keys().copied().collect();
            eprintln!("{held:?} {what}");
        }
        let keep = self.last.char_indices().rev().nth(240).map_or(0, |(at, _)| at);
        self.last.drain(..keep);
        self.last.push_str("; ");
        self.last.push_str(what);
    }

    /// What an error of the store means for the session.
    fn failed(&mut self, error: &StoreError) -> Verdict<Step> {
        self.note(&format!("({error})"));
        if self.world.disk.is_dead() {
            return Ok(Step::Down);
        }
        match error {
            StoreError::Poisoned(_) => Ok(Step::Down),
            StoreError::NoSpace | StoreError::Io { .. } => Ok(Step::Failed),
            other => Err(format!("an undamaged disk, and yet: {other}")),
        }
    }

    /// After a failed call: what is held must be within what may be; that is how it goes on.
    fn look_again(&mut self) -> Verdict<Step> {
        let Some(store) = &mut self.store else { return Ok(Step::Down) };
        if let Err(StoreError::Poisoned(_)) = store.expire(at(self.seconds), &mut |_| {}) {
            return Ok(Step::Down);
        }
        self.oracle
            .judge(
                &mut **store,
                Since::Written,
                at(self.seconds),
                &Arc::clone(&self.oracle.now.config),
            )
            .map_err(|wrong| format!("after a failed call: {wrong}"))?;
        Ok(Step::Failed)
    }

    /// # Errors
    /// If an answer is wrong.
    pub fn apply(&mut self, op: &Op) -> Verdict<Step> {
        if matches!(op, Op::Configure(_)) && self.store.as_ref().is_some_and(|s| s.is_dirty()) {
            // As its callers have to: what came in before has its answer then.
            let flushed = self.flush(Durability::Synced)?;
            if flushed != Step::Done {
                return Ok(flushed);
            }
        }
        let mut next = Model::clone(&self.oracle.now);
        let Some(store) = &mut self.store else { return Ok(Step::Down) };
        let mut told = Vec::new();
        let now = at(self.seconds);
        let mut removed = |removed: store::Removed<'_>| told.push(removed.seq);
        let (result, gone) = match op {
            Op::Append(msg) => {
                let size = store.size_of(msg.subject.len(), msg.headers.len(), msg.payload.len());
                let msg = Arc::new(ModelMsg { size, ..msg.clone() });
                let new = NewMsg {
                    subject: msg.subject.as_bytes(),
                    headers: &msg.headers,
                    payload: &msg.payload,
                    ts: msg.ts,
                    ttl_seconds: msg.ttl_seconds,
                };
                match next.append(Arc::clone(&msg)) {
                    Ok((seq, gone)) => {
                        self.oracle.asked_to_come(seq, &msg, &gone);
                        let result = store.append(new, &mut removed);
                        if let Ok(got) = result {
                            same!(got, seq, "sequence");
                        }
                        (result.map(|_| ()), gone)
                    }
                    Err(refusal) => match store.append(new, &mut removed) {
                        Ok(seq) => return Err(format!("{seq} appended, not {refusal}")),
                        Err(error) if error.to_string() == refusal => return Ok(Step::Done),
                        Err(error) => (Err(error), Vec::new()),
                    },
                }
            }
            Op::Skip(next_seq) => {
                next.skip_to(*next_seq);
                self.oracle.may_end_at(next.last_seq);
                (store.skip_to(*next_seq), Vec::new())
            }
            Op::Remove(seq, erase) => {
                let held = next.msgs.get(seq).cloned();
                next.remove(*seq);
                self.oracle.asked_to_go(&[*seq]);
                let result = store.remove(*seq, *erase, &mut removed);
                if let Ok(done) = result {
                    same!(done, held.is_some(), "held");
                }
                if let Some(held) = held
                    && result.is_ok()
                    && *erase == Erase::Overwrite
                    && !held.payload.is_empty()
                {
                    self.erasing.push(held);
                }
                (result.map(|_| ()), if next.last_seq >= *seq { vec![*seq] } else { Vec::new() })
            }
            Op::Purge(purge) => {
                let gone = next.purge(purge);
                self.oracle.asked_to_go(&gone);
                // Also what comes back when the message that it made room for is refused.
                self.oracle.asked_of_all(|model| model.purge(&Purge { keep: 0, ..purge.clone() }));
                self.oracle.may_end_at(next.last_seq);
                let result = store.purge(purge, &mut removed);
                if let Ok(count) = result {
                    same!(count, gone.len() as u64, "purged");
                }
                (result.map(|_| ()), gone)
            }
            Op::Expire => {
                let gone = next.expire(now);
                self.oracle.asked_to_go(&gone);
                (store.expire(now, &mut removed).map(|_| ()), gone)
            }
            Op::Configure(config) => {
                self.oracle.configuring(config);
                next.config = Arc::new((**config).clone());
                let gone = next.enforce();
                self.oracle.asked_to_go(&gone);
                self.oracle.asked_of_all(|model| {
                    model.config = Arc::new((**config).clone());
                    model.enforce()
                });
                (store.update_config(config, &mut removed), gone)
            }
        };
        match result {
            Ok(()) => {
                if matches!(op, Op::Configure(_)) {
                    self.oracle.configured();
                }
                told.sort_unstable();
                let mut want: Vec<u64> =
                    gone.into_iter().filter(|seq| !next.msgs.contains_key(seq)).collect();
                want.sort_unstable();
                want.dedup();
                if !matches!(op, Op::Remove(..)) {
                    same!(told, want, "removed");
                }
                self.oracle.now = Arc::new(next);
                if let Some(store) = &self.store {
                    self.oracle.now.compare_totals(&**store)?;
                }
                Ok(Step::Done)
            }
            Err(error) => {
                let step = self.failed(&error)?;
                if step == Step::Failed {
                    // Of a failed change of limits either may hold.
                    if let Op::Configure(config) = op {
                        Arc::make_mut(&mut self.oracle.now).config = Arc::new((**config).clone());
                        return Ok(Step::Down);
                    }
                    return self.look_again();
                }
                Ok(step)
            }
        }
    }

    fn flush(&mut self, durability: Durability) -> Verdict<Step> {
        self.note(&format!("flush {durability:?}"));
        if durability == Durability::Written {
            self.oracle.relax();
        }
        let Some(store) = &mut self.store else { return Ok(Step::Down) };
        match store.flush(durability) {
            Ok(()) => {
                let since = match durability {
                    Durability::Synced => Since::Synced,
                    Durability::Written => Since::Written,
                };
                self.oracle.flushed(since);
                // Otherwise they are tried again.
                let well = store.trouble().is_none() && !self.world.disk.is_dead();
                if since == Since::Synced && well {
                    self.erased.append(&mut self.erasing);
                    self.check_erased()?;
                    self.world.check_encrypted()?;
                }
                Ok(Step::Done)
            }
            Err(error) => {
                let refused = matches!(error, StoreError::NoSpace);
                let step = self.failed(&error)?;
                if step == Step::Failed && self.look_again()? == Step::Failed {
                    // The store goes on: then what was refused is not there.
                    let before = self.oracle.last_flushed_seq();
                    let newest = self.oracle.now.msgs.keys().next_back().copied().unwrap_or(0);
                    ensure!(
                        !refused || newest <= before,
                        "refused, and yet {newest} after {before}"
                    );
                    return Ok(Step::Failed);
                }
                Ok(if step == Step::Failed { Step::Down } else { step })
            }
        }
    }

    /// No file holds what was overwritten.
    fn check_erased(&self) -> Verdict {
        if self.erased.is_empty() {
            return Ok(());
        }
        let is_erased =
            |start: &[u8]| self.erased.iter().any(|msg| start.starts_with(&msg.payload));
        self.world
            .no_file(&self.world.dir(), |bytes| payloads(bytes).any(is_erased))
            .map_err(|path| format!("an erased payload is still in {path}"))
    }

    fn use_consumer(&mut self) -> Verdict<Step> {
        let name = format!("c{}", self.dice.below(2));
        let known = self.oracle.consumer(&name).cloned();
        let Some(consumer) = self.consumers.get_mut(&name) else {
            let config = ConsumerConfig {
                durable_name: name.clone(),
                name: name.clone(),
                ack_policy: AckPolicy::Explicit,
                ..ConsumerConfig::default()
            };
            let meta = ConsumerMeta { name: name.clone(), created: at(self.seconds), config };
            let start = SequencePair { consumer: 0, stream: self.oracle.last_flushed_seq() };
            let state =
                ConsumerState { delivered: start, ack_floor: start, ..ConsumerState::default() };
            self.oracle.consumer_changing(&name, Some((meta.clone(), Some(state.clone()))));
            self.note(&format!("create {name}"));
            let Some(store) = &mut self.store else { return Ok(Step::Down) };
            return match store.create_consumer(&meta, &state) {
                Ok(made) => {
                    self.oracle.consumer_changed(&name);
                    self.consumers.insert(name, made);
                    Ok(Step::Done)
                }
                Err(error) => self.consumer_failed(&error),
            };
        };
        let Some((meta, state)) = known else { return Ok(Step::Done) };
        let (what, to, result) = match self.dice.below(8) {
            0 => {
                self.oracle.consumer_changing(&name, None);
                ("delete", None, consumer.delete())
            }
            1 => {
                let mut meta = meta;
                meta.config.description = format!("changed at {}", self.seconds);
                self.oracle.consumer_configuring(&name, &meta);
                let result = consumer.update_config(&meta);
                self.note(&format!("change {name}"));
                return match result {
                    Ok(()) => {
                        self.oracle.consumer_configured(&name, &meta);
                        Ok(Step::Done)
                    }
                    Err(error) => self.consumer_failed(&error),
                };
            }
            2 => {
                let state = progress(&mut self.dice, state, self.oracle.last_flushed_seq());
                self.oracle.consumer_changing(&name, Some((meta, Some(state.clone()))));
                let result = consumer.save(&state, Durability::Written);
                self.note(&format!("save {name}, unsynced"));
                return match result {
                    Ok(()) => Ok(Step::Done),
                    Err(error) => self.consumer_failed(&error),
                };
            }
            _ => {
                let state = progress(&mut self.dice, state, self.oracle.last_flushed_seq());
                let to = Some((meta, Some(state.clone())));
                self.oracle.consumer_changing(&name, to.clone());
                ("save", to, consumer.save(&state, Durability::Synced))
            }
        };
        self.note(&format!("{what} {name}"));
        match result {
            Ok(()) => {
                self.oracle.consumer_changed(&name);
                if to.is_none() {
                    self.consumers.remove(&name);
                }
                Ok(Step::Done)
            }
            Err(error) => self.consumer_failed(&error),
        }
    }

    /// Whoever cannot store a consumer's progress has to look at the files again.
    fn consumer_failed(&mut self, error: &StoreError) -> Verdict<Step> {
        self.failed(error)?;
        Ok(Step::Down)
    }

    /// A clean stop, and what was not acknowledged is.
    ///
    /// # Errors
    /// If a store that is well does not stop.
    pub fn stop(&mut self) -> Verdict<Step> {
        self.note("stop");
        let Some(store) = &mut self.store else { return Ok(Step::Down) };
        match store.stop() {
            Ok(()) => {
                self.oracle.flushed(Since::Synced);
                self.store = None;
                Ok(Step::Done)
            }
            Err(error) => {
                self.failed(&error)?;
                Ok(Step::Down)
            }
        }
    }

    /// Compares everything with the model.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&mut self) -> Verdict {
        let Some(store) = &mut self.store else { return Ok(()) };
        self.oracle.now.compare(&mut **store, &filters())
    }
}

/// Progress after that in `state`: floors and deliveries only go up.
fn progress(dice: &mut Dice, state: Option<ConsumerState>, last_seq: u64) -> ConsumerState {
    let mut state = state.unwrap_or_default();
    let delivered = (state.delivered.stream + dice.below(3)).min(last_seq);
    let more = delivered.saturating_sub(state.delivered.stream);
    state.delivered = SequencePair {
        consumer: state.delivered.consumer + more.max(1),
        stream: delivered.max(state.delivered.stream),
    };
    let open = state.delivered.stream.saturating_sub(state.ack_floor.stream);
    let acked = dice.below(open + 1);
    state.ack_floor = SequencePair {
        consumer: (state.ack_floor.consumer + acked).min(state.delivered.consumer),
        stream: state.ack_floor.stream + acked,
    };
    state.pending.clear();
    for stream_seq in state.ack_floor.stream + 1..=state.delivered.stream {
        if dice.once_in(2) {
            state.pending.push(PendingAck {
                stream_seq,
                consumer_seq: state.ack_floor.consumer + 1,
                delivered: at(dice.below(100) as i64),
            });
        }
    }
    state.redelivered = state.pending.iter().take(1).map(|ack| (ack.stream_seq, 2)).collect();
    state
}

impl Ashes {
    /// A copy on a disk of its own.
    #[must_use]
    pub fn fork(&self) -> Ashes {
        Ashes { world: self.world.fork(), ..self.clone() }
    }

    /// The last calls, for people.
    #[must_use]
    pub fn last(&self) -> &str {
        &self.last
    }

    /// The disk.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Everything that decides on what comes of them, but for dice.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            disk: self.world.disk.digest(),
            keys: self.world.keys().cloned(),
            oracle: self.oracle.clone(),
            since: self.since,
            seconds: self.seconds,
            made: self.made,
        }
    }

    /// The power is cut, or the process ends.
    pub fn crash(&mut self, crash: Crash) {
        self.since = self.oracle.crashed(crash);
        self.world.disk.crash(crash);
        self.last.push_str(&format!("; {crash:?}"));
    }

    /// One call of the disk fails while the stream is opened, whether that succeeds or not. What
    /// is left was never served. A sync that fails may lose what was only written.
    pub fn stumble(&mut self, seed: u64, call: u64) {
        self.since = Since::Synced;
        self.world.change_keys(&mut Dice::new(seed));
        let at = self.world.disk.changes() + call;
        self.world.disk.inject_at(at, env::Incident::Error(std::io::ErrorKind::Other));
        drop(self.world.open());
        self.world.disk.clear_faults();
    }

    /// Opens the stream again and judges what is there. `None` where there is no stream, or the
    /// power went again while it was opened; `seed` decides what happens next.
    ///
    /// # Errors
    /// What is wrong.
    pub fn rise(&mut self, seed: u64, cut_at: Option<u64>) -> Verdict<Option<Session>> {
        if let Some(offset) = cut_at {
            let at = self.world.disk.changes() + offset;
            self.world.disk.inject_at(at, env::Incident::PowerCut);
        }
        self.world.change_keys(&mut Dice::new(seed ^ 1 << 57));
        let opened = self.world.open();
        if self.world.disk.is_dead() {
            return Ok(None);
        }
        let Some(opened) = opened? else {
            ensure!(!self.made, "the stream is gone");
            return Ok(None);
        };
        self.world.settle_keys();
        self.world.check_encrypted()?;
        let mut store = opened.store;
        let mut oracle = self.oracle.clone();
        let found = store.take_recovered_consumers();
        oracle.judge_consumers(&found)?;
        oracle.judge(&mut *store, self.since, at(self.seconds), &opened.config)?;
        oracle.adopt(&opened.config);
        oracle
            .now
            .compare(&mut *store, &filters())
            .map_err(|wrong| format!("as opened: {wrong}"))?;
        let consumers =
            found.into_iter().map(|found| (found.meta.name.clone(), found.store)).collect();
        Ok(Some(Session {
            world: self.world.clone(),
            oracle,
            dice: Dice::new(seed),
            seconds: self.seconds,
            last: self.last.clone(),
            store: Some(store),
            consumers,
            erased: Vec::new(),
            erasing: Vec::new(),
        }))
    }
}
