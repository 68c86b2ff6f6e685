//! Random operations on a store and on the model, with reopening in between.

use std::collections::BTreeSet;

use env::{Crash, Disk, Rng, SeededRng};
use types::{Compression, Discard, Retention, StreamConfig};

use super::model::{Model, ModelMsg};
use super::{World, at, config};
use crate::*;

const STEPS: usize = 220;

/// So many seeds, or those from `STORE_SEEDS=FIRST-LAST`.
fn seeds(count: u64) -> std::ops::RangeInclusive<u64> {
    let asked = std::env::var("STORE_SEEDS").ok();
    let asked = asked.as_deref().and_then(|range| range.split_once('-'));
    match asked {
        Some((first, last)) => first.parse().unwrap()..=last.parse().unwrap(),
        None => 1_000..=999 + count,
    }
}

struct Dice(SeededRng);

impl Dice {
    fn below(&self, end: u64) -> u64 {
        self.0.next_u64().unwrap() % end
    }
}

fn random_config(dice: &Dice) -> StreamConfig {
    let mut config = config();
    let limit = |chance: u64, low: u64, span: u64| {
        if dice.below(chance) == 0 { (low + dice.below(span)) as i64 } else { -1 }
    };
    config.max_msgs = limit(3, 5, 60);
    config.max_bytes = limit(4, 2_000, 20_000);
    config.max_msgs_per_subject = limit(3, 1, 6);
    if dice.below(3) == 0 {
        config.max_age_ns = 40_000_000_000;
    }
    if dice.below(4) == 0 {
        config.discard = Discard::New;
        config.discard_new_per_subject = config.max_msgs_per_subject > 0 && dice.below(2) == 0;
    }
    if dice.below(3) == 0 {
        config.compression = Compression::S2;
    }
    config.allow_msg_ttl = dice.below(4) == 0;
    if dice.below(4) == 0 {
        config.first_seq = 1 + dice.below(5_000);
    }
    if dice.below(4) == 0 {
        config.retention = Retention::WorkQueue;
    }
    config
}

fn filters() -> Vec<Filter> {
    vec![
        Filter::all(),
        Filter::any_of(["a.1"]),
        Filter::any_of(["a.*"]),
        Filter::any_of(["*.2", "b.>", "b.2"]),
        Filter::any_of(["none.*"]),
        Filter::any_of(["rare"]),
    ]
}

fn random_subject(dice: &Dice) -> String {
    match dice.below(12) {
        0 => "rare".to_owned(),
        n if n < 6 => format!("a.{}", dice.below(5)),
        n if n < 10 => format!("b.{}", dice.below(9)),
        _ => format!("c.d.{}", dice.below(40)),
    }
}

/// One step on both; answers what happened for the message of a failed comparison.
fn step(store: &mut dyn StreamStore, model: &mut Model, dice: &Dice, seconds: &mut i64) -> String {
    let mut gone = Vec::new();
    let held = store.totals();
    let pick =
        || held.first_seq + dice.below((held.last_seq + 2).saturating_sub(held.first_seq).max(1));
    let what;
    let want: Vec<u64>;
    let mut told = |removed: Removed<'_>| gone.push(removed.seq);
    match dice.below(24) {
        0 => {
            let erase = if dice.below(3) == 0 { Erase::Overwrite } else { Erase::Keep };
            let seq = pick();
            what = format!("remove {seq} {erase:?}");
            let done = store.remove(seq, erase, &mut told).unwrap();
            want = model.msgs.remove(&seq).map(|_| seq).into_iter().collect();
            assert_eq!(done, !want.is_empty(), "{what}");
        }
        1 if dice.below(3) == 0 => {
            let filters = filters();
            let filter = filters[dice.below(filters.len() as u64) as usize].clone();
            let below_seq = if dice.below(2) == 0 { pick() + dice.below(3) } else { 0 };
            let keep = if dice.below(3) == 0 { dice.below(6) } else { 0 };
            let purge = Purge { filter, below_seq, keep };
            what = format!("{purge:?}");
            let count = store.purge(&purge, &mut told).unwrap();
            want = model.purge(&purge);
            assert_eq!(count, want.len() as u64, "{what}");
        }
        2 => {
            what = format!("expire {seconds}");
            let next = store.expire(at(*seconds), &mut told).unwrap();
            want = model.expire(at(*seconds)).into_iter().collect();
            assert!(next.is_none_or(|next| next > at(*seconds)), "{what}: next {next:?}");
            if model.config.max_age_ns > 0 && model.msgs.values().any(|m| m.ttl_seconds >= 0) {
                assert!(next.is_some(), "{what}");
            }
        }
        3 => {
            // A work queue's consumer acks from the front.
            let seq = held.first_seq;
            what = format!("ack {seq}");
            store.remove(seq, Erase::Keep, &mut told).unwrap();
            want = model.msgs.remove(&seq).map(|_| seq).into_iter().collect();
        }
        _ => {
            *seconds += dice.below(4) as i64;
            let ttl_seconds = match dice.below(5) {
                _ if !model.config.allow_msg_ttl => 0,
                0 => -1,
                1 => 1 + dice.below(60) as i64,
                _ => 0,
            };
            let headers = match ttl_seconds {
                0 if dice.below(3) == 0 => b"NATS/1.0\r\nA: b\r\n\r\n".to_vec(),
                0 => Vec::new(),
                -1 => b"NATS/1.0\r\nNats-TTL: never\r\n\r\n".to_vec(),
                ttl => format!("NATS/1.0\r\nNats-TTL: {ttl}s\r\n\r\n").into_bytes(),
            };
            let subject = random_subject(dice);
            let payload = vec![b'a' + dice.below(26) as u8; dice.below(700) as usize];
            let new = NewMsg {
                subject: subject.as_bytes(),
                headers: &headers,
                payload: &payload,
                ts: at(*seconds),
                ttl_seconds,
            };
            what = format!("append {subject} of {}", payload.len());
            let size = store.size_of(subject.len(), headers.len(), payload.len());
            let got = store.append(new, &mut told);
            let msg = ModelMsg {
                subject: subject.clone(),
                headers: headers.clone(),
                payload: payload.clone(),
                ts: at(*seconds),
                ttl_seconds,
                size,
            };
            match (got, model.append(msg)) {
                (Ok(seq), Ok((model_seq, model_gone))) => {
                    assert_eq!(seq, model_seq, "{what}");
                    want = model_gone;
                }
                (Err(error), Err(refusal)) => {
                    assert_eq!(error.to_string(), refusal, "{what}");
                    want = Vec::new();
                }
                (got, model) => panic!("{what}: {got:?} is not {model:?}"),
            }
        }
    }
    let told: BTreeSet<u64> = gone.iter().copied().collect();
    assert_eq!(told.len(), gone.len(), "{what}: told twice");
    assert_eq!(told, want.into_iter().collect(), "{what}: removed");
    what
}

#[test]
fn memory_store_does_as_the_model() {
    for seed in 0..60 {
        let dice = Dice(SeededRng::new(seed));
        let config = random_config(&dice);
        let mut store = MemStore::new(&config);
        let mut model = Model::new(&config);
        let mut seconds = 0;
        for number in 0..STEPS {
            let what = step(&mut store, &mut model, &dice, &mut seconds);
            if number % 20 == 19 {
                model.compare(&mut store, &filters(), &format!("seed {seed}, {number}: {what}"));
            }
        }
    }
}

/// How a file store comes back between steps.
fn reopen(
    world: &World,
    mut store: Box<dyn StreamStore>,
    dice: &Dice,
) -> (String, Box<dyn StreamStore>) {
    let how = match dice.below(5) {
        0 => {
            store.stop().unwrap();
            "clean stop"
        }
        1 => {
            store.stop().unwrap();
            let index = world.msgs_file("index.db");
            world.disk.unlink(&index).unwrap();
            "stop, index removed"
        }
        2 => {
            store.flush(Durability::Written).unwrap();
            world.disk.crash(Crash::KeepAll);
            "process killed"
        }
        3 => {
            store.flush(Durability::Synced).unwrap();
            world.disk.crash(Crash::DropUnsynced);
            "power cut, unsynced lost"
        }
        _ => {
            store.flush(Durability::Synced).unwrap();
            world.disk.crash(Crash::Torn(dice.below(1 << 40)));
            "power cut, unsynced torn"
        }
    };
    drop(store);
    (how.to_owned(), world.open())
}

/// A full disk at the flush of a batch of appends: all is as after the flush before.
fn no_room(world: &World, store: &mut dyn StreamStore, before: &Model, dice: &Dice, what: &str) {
    world.disk.set_capacity(Some(world.disk.used() + dice.below(400)));
    let flushed = store.flush(Durability::Synced);
    world.disk.set_capacity(None);
    match flushed {
        Ok(()) => {}
        Err(StoreError::NoSpace) => {
            before.compare(store, &filters(), what);
            store.flush(Durability::Synced).unwrap();
            before.compare(store, &filters(), what);
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

fn file_store_run(seed: u64, block_bytes: u64) {
    run_in(World::new(block_bytes), seed);
}

/// Encryption changes from start to start: another key, another cipher, sometimes neither.
fn turn_key(world: &mut World, dice: &Dice, turns: &mut u64) {
    let Some(now) = world.options.encryption else { return };
    let cipher = if dice.below(3) == 0 { StoreCipher::Aes } else { now.cipher };
    let next = match dice.below(3) {
        0 => {
            *turns += 1;
            let name = |turn: u64| format!("key {turn}");
            super::encryption::keyed(cipher, &name(*turns), &name(*turns - 1))
        }
        _ => Encryption { cipher, ..now },
    };
    world.options.encryption = Some(next);
}

fn run_in(mut world: World, seed: u64) {
    let mut turns = 0;
    let dice = Dice(SeededRng::new(seed));
    let config = random_config(&dice);
    let mut store: Box<dyn StreamStore> = Box::new(world.create(&config));
    let mut model = Model::new(&config);
    let mut seconds = 0;
    let mut expired_at = None;
    let mut flushed = Some(model.clone());
    println!("seed {seed}");
    for number in 0..STEPS {
        let mut what = step(&mut *store, &mut model, &dice, &mut seconds);
        if what.starts_with("expire") {
            expired_at = Some(seconds);
        }
        if !what.starts_with("append") {
            // What was asked for stays when there is no room, which the model does not tell apart.
            flushed = None;
        }
        if dice.below(12) == 0
            && let Some(before) = flushed.take()
        {
            let context = format!("seed {seed}, {number}: {what}, disk full");
            no_room(&world, &mut *store, &before, &dice, &context);
            if store.totals().last_seq == before.last_seq {
                model = before.clone();
            }
            flushed = Some(model.clone());
        }
        if dice.below(6) == 0 {
            let durability =
                if dice.below(2) == 0 { Durability::Synced } else { Durability::Written };
            store.flush(durability).unwrap();
            flushed = Some(model.clone());
        }
        if dice.below(20) == 0 {
            store.release_memory();
        }
        if dice.below(40) == 0 {
            let how;
            flushed = None;
            turn_key(&mut world, &dice, &mut turns);
            (how, store) = reopen(&world, store, &dice);
            if let Some(then) = expired_at {
                // Age is applied by the owner, who knows the time.
                store.expire(at(then), &mut |_| {}).unwrap();
            }
            what = format!("{what}, {how}");
            model.compare(&mut *store, &filters(), &format!("seed {seed}, {number}: {what}"));
            assert_eq!(store.lost(), None, "seed {seed}, {number}: {what}");
        } else if number % 40 == 39 {
            model.compare(&mut *store, &filters(), &format!("seed {seed}, {number}: {what}"));
        }
    }
}

#[test]
fn file_store_does_as_the_model_in_small_blocks() {
    for seed in seeds(60) {
        file_store_run(seed, 2_000);
    }
}

#[test]
fn encrypted_file_store_does_as_the_model() {
    for seed in seeds(8) {
        let mut world = World::new(if seed % 3 == 0 { 0 } else { 2_000 });
        let cipher = if seed % 2 == 0 { StoreCipher::ChaCha } else { StoreCipher::Aes };
        world.options.encryption = Some(super::encryption::keyed(cipher, "key 0", ""));
        run_in(world, seed);
    }
}

#[test]
fn file_store_does_as_the_model_in_usual_blocks() {
    for seed in seeds(20) {
        file_store_run(seed, 0);
    }
}
