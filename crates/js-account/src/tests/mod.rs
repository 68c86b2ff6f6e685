//! Limits at, before and after each edge, and under contention.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use types::{AccountLimits, ApiError, Storage, StreamConfig, errors};

mod cluster;
mod usage;

use crate::{AccountUsage, ServerLimits, ServerUsage, StreamReservation};

fn server(max_memory: i64, max_storage: i64) -> Arc<ServerUsage> {
    ServerUsage::new(ServerLimits { max_memory, max_storage, max_ack_pending: 0 })
}

fn flat(limits: AccountLimits) -> BTreeMap<String, AccountLimits> {
    BTreeMap::from([(String::new(), limits)])
}

fn account(server: &Arc<ServerUsage>, limits: AccountLimits) -> Arc<AccountUsage> {
    server.enrol(&"A".into(), &flat(limits))
}

fn stream(storage: Storage, max_bytes: i64) -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        storage,
        max_bytes,
        max_consumers: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

fn code<T>(result: Result<T, ApiError>) -> u16 {
    result.err().map_or(0, |e| e.err_code)
}

#[test]
fn charge_table() {
    // (account limit, server limit, already used, charge, err_code)
    let rows: &[(i64, i64, u64, u64, u16)] = &[
        (100, 1000, 0, 99, 0),
        (100, 1000, 0, 100, 0),
        (100, 1000, 0, 101, 10002),
        (100, 1000, 100, 1, 10002),
        (100, 1000, 99, 1, 0),
        (-1, 100, 0, 100, 0),
        (-1, 100, 0, 101, 10023),
        (-1, 100, 100, 1, 10023),
        (0, 100, 0, 1, 10002),
        (-1, 0, 0, 1, 10023),
        (-1, -1, 0, i64::MAX as u64, 0),
        (i64::MAX, i64::MAX, i64::MAX as u64, 1, 10002),
        (-1, -1, i64::MAX as u64, 1, 10002),
        (i64::MAX, i64::MAX, 1, u64::MAX, 10002),
    ];
    for (i, &(account_limit, server_limit, used, bytes, want)) in rows.iter().enumerate() {
        for kind in [Storage::Memory, Storage::File] {
            let server = server(server_limit, server_limit);
            let limits = AccountLimits {
                max_memory: account_limit.min(server_limit),
                max_storage: account_limit.min(server_limit),
                ..AccountLimits::UNLIMITED
            };
            let limits = if account_limit < 0 { AccountLimits::UNLIMITED } else { limits };
            let account = account(&server, limits);
            let guard = account.adopt_stream(&stream(kind, -1));
            let quota = guard.quota();
            quota.adopt(used);
            assert_eq!(code(quota.charge(bytes)), want, "row {i} {kind:?}");
            let after = if want == 0 { used + bytes } else { used };
            assert_eq!(quota.used(), after, "row {i}");
            assert_eq!(account.used(kind), after, "row {i}");
            assert_eq!(server.used(kind), after, "row {i}");
            drop(quota);
            assert_eq!((account.used(kind), server.used(kind)), (0, 0), "row {i}");
        }
    }
}

#[test]
fn reservation_table() {
    // (account limit, server limit, reserved before, max_bytes, err_code)
    let rows: &[(i64, i64, i64, i64, u16)] = &[
        (100, 1000, 0, 100, 0),
        (100, 1000, 0, 101, 10047),
        (100, 1000, 60, 40, 0),
        (100, 1000, 60, 41, 10047),
        (-1, 100, 60, 40, 0),
        (-1, 100, 60, 41, 10047),
        // Unlimited streams reserve nothing but need one byte of room.
        (100, 1000, 99, -1, 0),
        (100, 1000, 100, -1, 10047),
        (0, 1000, 0, -1, 10047),
        // The reference lets this one through by overflow.
        (100, 1000, 1, i64::MAX, 10047),
        (-1, i64::MAX, 1, i64::MAX, 10047),
        (-1, -1, i64::MAX, i64::MAX, 0),
        (-1, i64::MAX, 0, i64::MAX, 0),
    ];
    for (i, &(account_limit, server_limit, before, max_bytes, want)) in rows.iter().enumerate() {
        let server = server(server_limit, server_limit);
        let limits = AccountLimits { max_storage: account_limit, ..AccountLimits::UNLIMITED };
        let account = account(&server, limits);
        let held: StreamReservation = account.adopt_stream(&stream(Storage::File, before));
        let got = account.reserve_stream(&stream(Storage::File, max_bytes));
        let added = got.as_ref().map_or(0, StreamReservation::bytes);
        assert_eq!(code(got.as_ref().map(|_| ()).map_err(Clone::clone)), want, "row {i}");
        assert_eq!(added, if want == 0 { max_bytes.max(0) as u64 } else { 0 }, "row {i}");
        assert_eq!(server.reserved(Storage::File), before as u64 + added, "row {i}");
        assert_eq!(account.streams(), 1 + u64::from(want == 0), "row {i}");
        drop(got);
        drop(held);
        assert_eq!(account.reserved(Storage::File), 0, "row {i}");
        assert_eq!(server.reserved(Storage::File), 0, "row {i}");
        assert_eq!(account.streams(), 0, "row {i}");
    }
}

#[test]
fn memory_refusals_have_their_own_error() {
    let server = server(100, 100);
    let account = account(&server, AccountLimits::UNLIMITED);
    assert_eq!(code(account.reserve_stream(&stream(Storage::Memory, 101))), 10028);
    assert_eq!(code(account.reserve_stream(&stream(Storage::Memory, 100))), 0);
}

#[test]
fn stream_and_consumer_limits() {
    let server = server(-1, -1);
    let limits = AccountLimits { max_streams: 2, max_consumers: 5, ..AccountLimits::UNLIMITED };
    let account = account(&server, limits);
    let config = stream(Storage::File, -1);
    let other = |name: &str| StreamConfig { name: name.into(), ..config.clone() };
    let one = account.reserve_stream(&config).expect("first");
    let two = account.reserve_stream(&other("T")).expect("second");
    assert_eq!(code(account.reserve_stream(&other("U"))), 10027);
    drop(one);
    let many = StreamConfig { max_consumers: 6, ..other("U") };
    assert_eq!(code(account.reserve_stream(&many)), 10026);
    assert_eq!(account.streams(), 1, "a refused stream is not counted");
    let exact = StreamConfig { max_consumers: 5, ..other("U") };
    let three = account.reserve_stream(&exact).expect("as many as allowed");
    let quota = three.quota();
    let tickets = [quota.count_consumer(), quota.count_consumer()];
    assert_eq!(account.stats("").totals.consumers, 2);
    assert_eq!(quota.max_consumers(), Some(5));
    drop(tickets);
    assert_eq!(account.stats("").totals.consumers, 0);
    drop((two, three));
    assert_eq!(account.streams(), 0);
}

#[test]
fn changes_are_kept_or_undone() {
    let server = server(-1, 100);
    let account = account(&server, AccountLimits::UNLIMITED);
    let mut held = account.reserve_stream(&stream(Storage::File, 60)).expect("fits");
    assert_eq!(code(held.change(101).map(drop)), 10047);
    assert_eq!(server.reserved(Storage::File), 60);
    let change = held.change(100).expect("exactly full");
    assert_eq!(server.reserved(Storage::File), 100, "growth counts before it is kept");
    drop(change);
    assert_eq!(server.reserved(Storage::File), 60);
    held.change(100).expect("fits").keep();
    assert_eq!(held.bytes(), 100);
    let change = held.change(10).expect("less always fits");
    assert_eq!(server.reserved(Storage::File), 100, "less only once it is kept");
    drop(change);
    assert_eq!(server.reserved(Storage::File), 100);
    held.change(-1).expect("less always fits").keep();
    assert_eq!(server.reserved(Storage::File), 0);
    assert_eq!(code(held.change(i64::MAX).map(drop)), 10047);
    drop(held);
    assert_eq!(server.reserved(Storage::File), 0);
}

#[test]
fn tiers_are_told_apart() {
    let server = server(-1, -1);
    let limits = AccountLimits { max_storage: 100, ..AccountLimits::UNLIMITED };
    let tiers = BTreeMap::from([("R1".to_owned(), limits)]);
    let account = server.enrol(&"A".into(), &tiers);
    let three = StreamConfig { num_replicas: 3, ..stream(Storage::File, -1) };
    assert_eq!(code(account.reserve_stream(&three)), 10120);
    assert_eq!(code(account.limits_for(3)), 10120);
    let adopted = account.adopt_stream(&three);
    assert_eq!(code(adopted.quota().charge(1)), 10120);
    let held = account.reserve_stream(&stream(Storage::File, 10)).expect("fits");
    let quota = held.quota();
    quota.charge(7).expect("fits");
    let stats = account.stats("hub");
    assert_eq!((stats.totals.storage, stats.totals.reserved_storage), (7, 10));
    assert_eq!(stats.totals.limits.max_storage, 0);
    assert_eq!(stats.tiers.keys().collect::<Vec<_>>(), ["R1", "R3"]);
    assert_eq!(stats.tiers.get("R1").map(|t| t.limits), Some(limits));
    assert_eq!(stats.domain, "hub");
}

#[test]
fn lowered_limits_stop_new_charges_only() {
    let server = server(-1, -1);
    let account = account(&server, AccountLimits::UNLIMITED);
    let guard = account.reserve_stream(&stream(Storage::File, -1)).expect("fits");
    let quota = guard.quota();
    quota.charge(100).expect("unlimited");
    let lower = AccountLimits { max_storage: 50, ..AccountLimits::UNLIMITED };
    server.enrol(&"A".into(), &flat(lower));
    assert_eq!(code(quota.charge(1)), 10002);
    quota.credit(60);
    quota.charge(10).expect("exactly full");
    assert_eq!(code(quota.charge(1)), 10002);
}

#[test]
fn api_counters_count_outcomes() {
    let server = server(-1, -1);
    let api = server.api();
    api.started();
    api.started();
    api.started();
    assert_eq!(api.stats().inflight, 3);
    api.finished(&Ok::<(), ApiError>(()));
    api.finished(&Err::<(), ApiError>(errors::BAD_REQUEST.err()));
    api.dropped();
    let stats = server.stats().api;
    assert_eq!(
        (stats.level, stats.total, stats.errors, stats.inflight),
        (types::API_LEVEL, 2, 1, 0)
    );
}

/// Eight streams of two accounts fight for the last bytes; a watcher looks on all the time.
#[test]
fn limits_hold_under_contention() {
    const ACCOUNT: i64 = 1000;
    const SERVER: i64 = 1500;
    let server = server(-1, SERVER);
    // Enrolled while unlimited, so that together they may claim more than the server has.
    let limits = AccountLimits { max_storage: ACCOUNT, ..AccountLimits::UNLIMITED };
    let accounts: Vec<_> = ["A", "B"]
        .map(|name| {
            let account = server.enrol(&name.into(), &flat(AccountLimits::UNLIMITED));
            account.set_limits(&flat(limits));
            account
        })
        .into();
    let stop = AtomicBool::new(false);
    let refused = [const { AtomicU64::new(0) }; 2];
    let held: u64 = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                assert!(server.used(Storage::File) <= SERVER as u64);
                for account in &accounts {
                    assert!(account.used(Storage::File) <= ACCOUNT as u64);
                }
            }
        });
        let workers: Vec<_> = (0..8u64)
            .map(|n| {
                let account = &accounts[(n % 2) as usize];
                let refused = &refused;
                scope.spawn(move || {
                    let guard = account.adopt_stream(&stream(Storage::File, -1));
                    let quota = guard.quota();
                    let mut seed = n + 1;
                    for _ in 0..20_000 {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let bytes = (seed >> 33) % 60;
                        if seed & 0x1000_0000 == 0 {
                            quota.credit(bytes.min(quota.used()));
                        } else if let Err(error) = quota.charge(bytes) {
                            let row = usize::from(error.err_code == 10023);
                            refused[row].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    (quota, guard)
                })
            })
            .collect();
        let quotas: Vec<_> = workers.into_iter().map(|w| w.join().expect("worker")).collect();
        let held = quotas.iter().map(|(q, _)| q.used()).sum();
        assert_eq!(server.used(Storage::File), held);
        let by_account: u64 = accounts.iter().map(|a| a.used(Storage::File)).sum();
        assert_eq!(by_account, held);
        stop.store(true, Ordering::Release);
        watcher.join().expect("watcher saw no excess");
        held
    });
    assert!(held <= SERVER as u64);
    assert!(refused[0].load(Ordering::Relaxed) > 0, "the account limit was never met");
    assert!(refused[1].load(Ordering::Relaxed) > 0, "the server limit was never met");
    assert_eq!(server.used(Storage::File), 0, "dropped quotas give back");
}
