//! Random operations on a store and on the model, which must answer alike; the store is stopped,
//! killed, powered off and opened again in between, and its disk fills up.

use std::sync::Arc;

use env::{Crash, Disk};
use store::{Durability, Filter, MemStore, NewMsg, Removed, StoreError, StreamStore, Upkeep};

use crate::dice::Dice;
use crate::keys::Keys;
use crate::model::{Model, ModelMsg};
use crate::steps::{Op, Scale, filters, is_shown, random_config, random_op};
use crate::verdict::{Verdict, ensure, same};
use crate::world::{World, at};

/// Operations of one run.
pub const OPS_PER_RUN: u64 = 400;
/// The whole store is compared after so many.
const COMPARE_EVERY: u64 = 50;

/// Which store a run drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory.
    Memory,
    /// In files, with blocks of some messages.
    SmallBlocks,
    /// In files, with blocks of the usual size.
    UsualBlocks,
}

impl Kind {
    /// The kind that a seed stands for, when all take turns.
    #[must_use]
    pub fn of(seed: u64) -> Kind {
        match seed % 8 {
            0 => Kind::Memory,
            1 | 2 => Kind::UsualBlocks,
            _ => Kind::SmallBlocks,
        }
    }
}

/// Does one operation on both; they must answer alike.
///
/// # Errors
/// What differs.
pub fn apply(store: &mut dyn StreamStore, model: &mut Model, op: &Op, seconds: i64) -> Verdict {
    let mut told = Vec::new();
    let held = &model.msgs;
    let mut removed = |removed: Removed<'_>| {
        told.push((removed.seq, removed.bytes, held.get(&removed.seq).map(|msg| msg.size)));
    };
    let want = match op {
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
            let got = store.append(new, &mut removed).map_err(|error| error.to_string());
            match (got, model.append(msg)) {
                (Ok(seq), Ok((model_seq, gone))) => {
                    same!(seq, model_seq, "sequence");
                    // What does not fit at all goes at once.
                    if gone.contains(&seq) {
                        ensure!(told.contains(&(seq, size, None)), "{seq} went untold");
                    }
                    gone
                }
                (Err(error), Err(refusal)) => {
                    same!(error, refusal, "refusal");
                    Vec::new()
                }
                (got, model) => return Err(format!("{got:?}, not {model:?}")),
            }
        }
        Op::Skip(next) => {
            store.skip_to(*next).map_err(|error| format!("skip: {error}"))?;
            model.skip_to(*next);
            Vec::new()
        }
        Op::Remove(seq, erase) => {
            let done = store
                .remove(*seq, *erase, &mut removed)
                .map_err(|error| format!("remove: {error}"))?;
            same!(done, model.remove(*seq), "held");
            if done { vec![*seq] } else { Vec::new() }
        }
        Op::Purge(purge) => {
            let count =
                store.purge(purge, &mut removed).map_err(|error| format!("purge: {error}"))?;
            let gone = model.purge(purge);
            same!(count, gone.len() as u64, "purged");
            gone
        }
        Op::Expire => {
            let next = store
                .expire(at(seconds), &mut removed)
                .map_err(|error| format!("expire: {error}"))?;
            ensure!(next.is_none_or(|next| next > at(seconds)), "next expiry is past: {next:?}");
            let gone = model.expire(at(seconds));
            let ages =
                model.config.max_age_ns > 0 && model.msgs.values().any(|msg| msg.ttl_seconds >= 0);
            ensure!(!ages || next.is_some(), "no next expiry");
            gone
        }
        Op::Configure(config) => {
            store
                .update_config(config, &mut removed)
                .map_err(|error| format!("configure: {error}"))?;
            model.config = Arc::new((**config).clone());
            model.enforce()
        }
    };
    let mut want = want;
    want.sort_unstable();
    told.sort_unstable();
    let told_seqs: Vec<u64> = told.iter().map(|&(seq, ..)| seq).collect();
    same!(told_seqs, want, "removed");
    for (seq, bytes, size) in told {
        same!(bytes, size.unwrap_or(bytes), "bytes of {seq}");
    }
    Ok(())
}

/// One run of [`OPS_PER_RUN`] operations.
///
/// # Errors
/// What differs, and after which operation.
pub fn run(seed: u64, kind: Kind) -> Verdict {
    let mut run = Run::new(seed, kind)?;
    for number in 0..OPS_PER_RUN {
        run.step(number).map_err(|wrong| format!("operation {number}, {}: {wrong}", run.last))?;
    }
    Ok(())
}

struct Run {
    dice: Dice,
    /// What is looked at, without an effect on what is done.
    looks: Dice,
    filters: Vec<Filter>,
    /// None for the store in memory.
    world: Option<World>,
    store: Box<dyn StreamStore>,
    model: Model,
    seconds: i64,
    expired_at: i64,
    last: String,
}

impl Run {
    fn new(seed: u64, kind: Kind) -> Verdict<Run> {
        let mut dice = Dice::new(seed);
        let config = random_config(&mut dice, Scale::Usual);
        let (world, store): (_, Box<dyn StreamStore>) = match kind {
            Kind::Memory => (None, Box::new(MemStore::new(&config))),
            Kind::SmallBlocks | Kind::UsualBlocks => {
                let size = if kind == Kind::SmallBlocks { 300 + dice.below(3_000) } else { 0 };
                let mut world = World::new(size).with_keys(Keys::of(seed / 8));
                if !(seed / 8).is_multiple_of(3) {
                    world.options.cache_bytes = 256 << 10;
                }
                let store = world.create(&config).map_err(|error| format!("create: {error}"))?;
                (Some(world), store)
            }
        };
        let model = Model::new(&config);
        if is_shown() {
            eprintln!("{config:?}");
        }
        Ok(Run {
            dice,
            looks: Dice::new(!seed),
            filters: filters(),
            world,
            store,
            model,
            seconds: 0,
            expired_at: 0,
            last: String::new(),
        })
    }

    fn step(&mut self, number: u64) -> Verdict {
        let op = random_op(&mut self.dice, &self.model, &mut self.seconds, Scale::Usual);
        self.last = op.name();
        self.show(&self.last);
        apply(&mut *self.store, &mut self.model, &op, self.seconds)?;
        self.model.compare_totals(&*self.store)?;
        if matches!(op, Op::Expire) {
            self.expired_at = self.seconds;
        }
        if self.dice.once_in(6) {
            let durability =
                if self.dice.once_in(2) { Durability::Synced } else { Durability::Written };
            self.flush(durability)?;
        }
        if self.dice.once_in(20) {
            match self.dice.below(3) {
                0 => self.store.release_memory(),
                1 => self.store.release_unused(),
                _ => while self.store.rest() == Upkeep::More {},
            }
        }
        if self.dice.once_in(60) {
            self.no_room()?;
        }
        if self.dice.once_in(50) && self.world.is_some() {
            self.reopen()?;
            return self.compare_some();
        }
        if number == OPS_PER_RUN - 1 {
            return self.model.compare(&mut *self.store, &self.filters);
        }
        if number % COMPARE_EVERY == COMPARE_EVERY - 1 {
            return self.compare_some();
        }
        if self.looks.once_in(3) {
            return self.model.probe(&mut *self.store, &self.filters, &mut self.looks);
        }
        Ok(())
    }

    fn compare_some(&mut self) -> Verdict {
        self.model.compare_some(&mut *self.store, &self.filters, &mut self.looks)
    }

    /// The calls, for people.
    fn show(&self, what: &str) {
        if is_shown() {
            let held: Vec<u64> = self.model.msgs.keys().copied().collect();
            eprintln!("{held:?} {what}");
        }
    }

    fn flush(&mut self, durability: Durability) -> Verdict {
        self.show(&format!("flush {durability:?}"));
        self.store.flush(durability).map_err(|error| format!("flush: {error}"))?;
        Ok(())
    }

    /// A full disk at the flush of a batch of appends: all is as after the flush before.
    fn no_room(&mut self) -> Verdict {
        if self.world.is_none() {
            return Ok(());
        }
        self.flush(Durability::Synced)?;
        let mut model = self.model.clone();
        for _ in 0..=self.dice.below(4) {
            let op = random_op(&mut self.dice, &model, &mut self.seconds, Scale::Usual);
            if matches!(op, Op::Append(_)) {
                self.last = format!("{}, disk full", op.name());
                apply(&mut *self.store, &mut model, &op, self.seconds)?;
            }
        }
        let room = self.dice.below(400);
        let Some(world) = &self.world else { return Ok(()) };
        world.disk.set_capacity(Some(world.disk.used() + room));
        let flushed = self.store.flush(Durability::Synced);
        world.disk.set_capacity(None);
        match flushed {
            // Where only rewriting found no room, that waits.
            Ok(()) => self.model = model,
            Err(StoreError::NoSpace) if self.store.totals().last_seq == model.last_seq => {
                self.model = model;
            }
            Err(StoreError::NoSpace) => self.compare_some()?,
            Err(error) => return Err(format!("on a full disk: {error}")),
        }
        self.flush(Durability::Synced)?;
        self.model.compare_totals(&*self.store)
    }

    fn reopen(&mut self) -> Verdict {
        let Some(mut world) = self.world.clone() else { return Ok(()) };
        let (how, crash) = match self.dice.below(6) {
            0 => ("stop", None),
            1 => ("stop, index removed", None),
            2 => ("process killed", Some(Crash::KeepAll)),
            3 => ("power cut", Some(Crash::DropUnsynced)),
            4 => ("power cut, torn", Some(Crash::Torn(self.dice.roll()))),
            _ => ("power cut, scattered", Some(Crash::Scattered(self.dice.roll()))),
        };
        self.last = format!("{}, {how}", self.last);
        match crash {
            None => {
                self.store.stop().map_err(|error| format!("stop: {error}"))?;
                if how != "stop" {
                    // It may not be there where it found no room.
                    let _ = world.disk.unlink(&world.dir().join("msgs/index.db"));
                }
            }
            Some(Crash::KeepAll) => {
                self.flush(Durability::Written)?;
                world.disk.crash(Crash::KeepAll);
            }
            Some(crash) => {
                self.flush(Durability::Synced)?;
                world.disk.crash(crash);
            }
        }
        if !matches!(crash, Some(Crash::Torn(_) | Crash::Scattered(_))) {
            // What was being erased may be torn so that it looks like one bad bit.
            let seen = world.check_sound()?;
            let config = &self.model.config;
            let untraced = config.max_msgs.max(config.max_bytes).max(config.max_age_ns) > 0;
            if let Some(seen) = seen.filter(|_| !untraced) {
                same!(seen, self.model.msgs.len() as u64, "messages seen in the files");
            }
        }
        world.change_keys(&mut self.looks);
        let opened = world.open()?.ok_or("the stream is gone")?;
        world.settle_keys();
        world.check_encrypted()?;
        self.world = Some(world);
        self.store = opened.store;
        ensure!(opened.config == *self.model.config, "another configuration: {:?}", opened.config);
        // Age is applied by the owner, who knows the time.
        self.model.expire(at(self.expired_at));
        self.store
            .expire(at(self.expired_at), &mut |_| {})
            .map_err(|error| format!("expire: {error}"))?;
        same!(self.store.lost(), None, "lost");
        Ok(())
    }
}
