//! Limits under contention: everything that takes or gives room at once, and a recount at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use routing::SubjectSpace;
use types::{AccountLimits, ApiError, Storage, StreamConfig, StreamConfigRequest};

use super::harness::{self, Client, settings, stores, wait};
use crate::{Engine, JsAccount};

/// What the server has of each kind.
const SERVER: i64 = 60_000;
/// What each account, or tier of one, may use and reserve of each kind.
const ACCOUNT: i64 = 25_000;
const MAX_STREAMS: i64 = 3;
const ROUNDS: u64 = 400;
const KINDS: [Storage; 2] = [Storage::Memory, Storage::File];
const STREAMS: [&str; 5] = ["S0", "S1", "S2", "S3", "S4"];

/// Random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// An account, its tier in use, and where its clients are.
struct Party {
    account: Arc<JsAccount>,
    space: Arc<SubjectSpace>,
    tier: &'static str,
}

fn limits() -> AccountLimits {
    AccountLimits {
        max_memory: ACCOUNT,
        max_storage: ACCOUNT,
        max_streams: MAX_STREAMS,
        ..AccountLimits::UNLIMITED
    }
}

/// A flat account, another one, and one with tiers: together they may ask for more than there is.
fn parties(engine: &Arc<Engine>) -> Vec<Party> {
    let parties = [("A", ""), ("B", ""), ("T", "R1")].map(|(name, tier)| {
        let space = SubjectSpace::new(name);
        // Enabled without limits: a server alone promises no more than it has.
        let free = |tier: &str| (tier.to_owned(), AccountLimits::UNLIMITED);
        let tiers: BTreeMap<_, _> =
            if tier.is_empty() { [free("")].into() } else { [free("R1"), free("R3")].into() };
        let account = engine.enable_account(name, &space, &tiers).expect("enabled");
        let bounded: BTreeMap<_, _> = tiers.into_keys().map(|tier| (tier, limits())).collect();
        engine.usage().enrol(&name.into(), &bounded);
        Party { account, space, tier }
    });
    parties.into()
}

fn config(name: &str, kind: Storage, max_bytes: i64) -> StreamConfig {
    let base = harness::config(name, &[&format!("{name}.>")]);
    StreamConfig { storage: kind, max_bytes, ..base }
}

/// Refusals that limits may give, and those of who comes second; anything else is wrong.
fn is_meant(error: &ApiError) -> bool {
    let by_limits = [10002, 10023, 10026, 10027, 10028, 10047, 10077];
    let by_others = [10058, 10059, 10052, 10065, 10056];
    by_limits.contains(&error.err_code) || by_others.contains(&error.err_code)
}

/// Creates, updates, deletes, purges and publishes at random; answers how often a limit said no.
fn worker(party: &Party, seed: u64, refused: &AtomicU64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = Client::new(&party.space);
    client.subscribe(&format!("inbox.{seed}.>"));
    let note = |outcome: Result<(), ApiError>| {
        if let Err(error) = outcome {
            assert!(is_meant(&error), "{error:?}");
            if [10002, 10023, 10027, 10028, 10047].contains(&error.err_code) {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    for round in 0..ROUNDS {
        let name = STREAMS[random.below(STREAMS.len() as u64) as usize];
        let kind = KINDS[random.below(2) as usize];
        // Negative, zero, usual, as much as there is, more than fits into anything.
        let max_bytes = [-1, 0, 3_000, 9_000, 14_000, ACCOUNT, i64::MAX][random.below(7) as usize];
        let request = |config| StreamConfigRequest { config, pedantic: false };
        match random.below(8) {
            0 | 1 => {
                let request = request(config(name, kind, max_bytes));
                note(wait(|reply| party.account.create_stream(request, reply)).map(drop));
            }
            2 => {
                let held = party.account.stream(name);
                let kind = held.map_or(kind, |stream| stream.config.storage);
                let request = request(config(name, kind, max_bytes));
                note(wait(|reply| party.account.update_stream(request, reply)).map(drop));
            }
            3 if round % 3 == 0 => {
                note(wait(|reply| party.account.delete_stream(name, reply)));
            }
            _ => {
                let payload = "x".repeat(1 + random.below(400) as usize);
                for n in 0..8 {
                    client.publish(&format!("{name}.{n}"), &format!("inbox.{seed}.{n}"), &payload);
                }
                // Where nobody listens there is no answer, but one of the server.
                client.flush();
            }
        }
    }
}

/// At no moment may anything be beyond its limit.
fn look(engine: &Engine, parties: &[Party]) {
    let usage = engine.usage();
    for kind in KINDS {
        assert!(usage.used(kind) <= SERVER as u64, "{kind:?} of the server");
        assert!(usage.reserved(kind) <= SERVER as u64, "{kind:?} reserved of the server");
        for party in parties {
            let usage = party.account.usage();
            assert!(usage.used(kind) <= ACCOUNT as u64, "{kind:?} of an account");
            assert!(usage.reserved(kind) <= ACCOUNT as u64, "{kind:?} reserved of an account");
        }
    }
    for party in parties {
        assert!(party.account.usage().streams() <= MAX_STREAMS as u64, "streams");
    }
}

/// Counts everything anew, and compares.
fn recount(engine: &Engine, parties: &[Party]) -> u64 {
    let mut server = [(0, 0); 2];
    for party in parties {
        let streams = party.account.streams();
        let usage = party.account.usage();
        assert_eq!(usage.streams(), streams.len() as u64, "streams");
        for (at, kind) in KINDS.into_iter().enumerate() {
            let (mut bytes, mut reserved) = (0, 0);
            for stream in streams.iter().filter(|stream| stream.config.storage == kind) {
                let state = wait(|reply| {
                    let work = |stream: &mut stream::Stream, ctx: &stream::Ctx<'_>, _: &mut _| {
                        Ok(stream.brief_info(ctx).state)
                    };
                    party.account.with_stream(&stream.name, work, reply);
                });
                bytes += state.expect("it is served").bytes;
                reserved += u64::try_from(stream.config.max_bytes).unwrap_or(0);
            }
            assert_eq!(usage.used(kind), bytes, "{kind:?} of {}", party.account.name());
            assert_eq!(usage.taken(party.tier, kind), bytes, "{kind:?} by streams");
            assert_eq!(usage.reserved(kind), reserved, "{kind:?} reserved");
            server[at] = (server[at].0 + bytes, server[at].1 + reserved);
        }
        let stats = party.account.stats();
        assert_eq!(stats.totals.streams, streams.len() as u64);
        assert_eq!((stats.totals.memory, stats.totals.storage), usage.storage_totals());
        let by_tier = stats.tiers.get("R1").map_or(stats.totals.storage, |tier| tier.storage);
        assert_eq!(by_tier, stats.totals.storage, "all of it is in one tier");
    }
    for (at, kind) in KINDS.into_iter().enumerate() {
        let usage = engine.usage();
        assert_eq!((usage.used(kind), usage.reserved(kind)), server[at], "{kind:?} of the server");
    }
    server.iter().map(|(bytes, _)| bytes).sum()
}

#[test]
fn limits_hold_while_everything_happens_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = settings();
    (settings.limits.max_memory, settings.limits.max_storage) = (SERVER, SERVER);
    settings.shards = 3;
    let engine = harness::start(settings, stores(dir.path()));
    let parties = parties(&engine);
    let (done, refused) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                look(&engine, &parties);
                std::thread::yield_now();
            }
        });
        let workers: Vec<_> = (1..=9_u64)
            .map(|seed| {
                let party = &parties[seed as usize % parties.len()];
                let refused = &refused;
                scope.spawn(move || worker(party, seed, refused))
            })
            .collect();
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Release);
        assert!(watcher.join().is_ok(), "a limit was passed");
        assert!(outcomes.iter().all(Result::is_ok), "a worker saw what it should not");
    });
    assert!(refused.load(Ordering::Relaxed) > 20, "limits were met");
    assert!(recount(&engine, &parties) > 0, "something is stored");
    // All of it goes back, to the last byte.
    for party in &parties {
        for stream in party.account.streams() {
            wait(|reply| party.account.delete_stream(&stream.name, reply)).expect("deleted");
        }
    }
    assert_eq!(recount(&engine, &parties), 0);
    for kind in KINDS {
        assert_eq!((engine.usage().used(kind), engine.usage().reserved(kind)), (0, 0));
    }
}
