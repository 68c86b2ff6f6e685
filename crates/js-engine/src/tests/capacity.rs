//! Room for messages, streams and accounts, at, before and after each edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use js_account::{ServerLimits, ServerUsage};
use routing::SubjectSpace;
use types::{AccountLimits, ApiError, Storage, StreamConfig};

use super::harness::{World, flat, settings, start, stores};
use crate::{
    ByteRequest, EnableError, Engine, EngineSettings, Statistics, TierLimits, check_account_limits,
    check_all_limits, check_bytes_limits, diff_checked_limits, reserved_storage,
};

const FREE: AccountLimits = AccountLimits::UNLIMITED;

fn code<T>(result: Result<T, ApiError>) -> u16 {
    result.err().map_or(0, |error| error.err_code)
}

fn server(max_memory: i64, max_storage: i64) -> Arc<ServerUsage> {
    ServerUsage::new(ServerLimits { max_memory, max_storage, max_ack_pending: 0 })
}

fn bounded(max_memory: i64, max_storage: i64) -> EngineSettings {
    let limits = ServerLimits { max_memory, max_storage, max_ack_pending: 0 };
    EngineSettings { limits, ..settings() }
}

fn config(name: &str, storage: Storage, max_bytes: i64) -> StreamConfig {
    StreamConfig {
        name: name.into(),
        subjects: vec![format!("{name}.>")],
        storage,
        max_bytes,
        max_consumers: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

fn ask(kind: Storage, max_bytes: i64, reserved: u64, offset: u64) -> ByteRequest {
    ByteRequest { kind, max_bytes, reserved, offset }
}

fn tiers(rows: &[(&str, i64, i64)]) -> TierLimits {
    let row = |(name, memory, storage): &(&str, i64, i64)| {
        let limits = AccountLimits { max_memory: *memory, max_storage: *storage, ..FREE };
        ((*name).to_owned(), limits)
    };
    rows.iter().map(row).collect()
}

fn sizes(limits: &TierLimits) -> Vec<(&str, i64, i64)> {
    limits.iter().map(|(name, l)| (name.as_str(), l.max_memory, l.max_storage)).collect()
}

#[test]
fn byte_requests_table() {
    mark::check!(F1436);
    // (account limit, request, reserved, offset, refused)
    let rows = [
        (100, 100, 0, 0, false),
        (100, 101, 0, 0, true),
        (100, -1, 99, 0, false),
        (100, -1, 100, 0, true),
        (100, 0, 100, 0, false),
        (0, -1, 0, 0, true),
        (0, 0, 0, 0, false),
        (-1, i64::MAX, u64::MAX, 0, false),
        (100, i64::MAX, 1, 0, true),
        (i64::MAX, i64::MAX, 1, 0, true),
        (100, 60, 20, 20, false),
        (100, 60, 20, 21, true),
    ];
    for (i, (limit, request, reserved, offset, refused)) in rows.into_iter().enumerate() {
        for (kind, error) in [(Storage::Memory, 10028), (Storage::File, 10047)] {
            let limits = match kind {
                Storage::Memory => AccountLimits { max_memory: limit, ..FREE },
                Storage::File => AccountLimits { max_storage: limit, ..FREE },
            };
            let got = check_bytes_limits(&limits, ask(kind, request, reserved, offset), None);
            assert_eq!(code(got), if refused { error } else { 0 }, "row {i} {kind:?}");
        }
    }
    let small = server(1024, 1024);
    for (request, refused) in [(1024, 0), (1025, 10047), (-1, 0), (i64::MAX, 10047)] {
        let ask = ask(Storage::File, request, 0, 0);
        assert_eq!(code(check_bytes_limits(&FREE, ask, Some(&small))), refused, "{request}");
        assert_eq!(code(check_bytes_limits(&FREE, ask, None)), 0, "{request}: no server asked");
    }
}

#[test]
fn consumers_are_checked_before_bytes() {
    mark::check!(F1435);
    let limits = AccountLimits { max_consumers: 5, max_storage: 10, ..FREE };
    for (consumers, bytes, want) in
        [(6, 5, 10026), (5, 5, 0), (-1, 5, 0), (6, 11, 10026), (5, 11, 10047)]
    {
        let config = StreamConfig { max_consumers: consumers, ..config("S", Storage::File, bytes) };
        assert_eq!(code(check_account_limits(&limits, &config, 0)), want, "{consumers} {bytes}");
    }
    for none in [0, -1] {
        let limits = AccountLimits { max_consumers: none, ..FREE };
        let config = StreamConfig { max_consumers: 1_000_000, ..config("S", Storage::File, -1) };
        assert_eq!(code(check_account_limits(&limits, &config, 0)), 0);
    }
}

#[test]
fn account_limits_look_at_no_server() {
    mark::check!(F1433);
    let big = config("S", Storage::File, 1 << 40);
    assert_eq!(code(check_account_limits(&FREE, &big, 0)), 0);
    assert_eq!(code(check_all_limits(&FREE, &big, &server(10, 10), 0, 0)), 10047);
    let limits = AccountLimits { max_memory: 100, max_storage: 100, ..FREE };
    let (memory, file) = (config("M", Storage::Memory, 60), config("F", Storage::File, 60));
    assert_eq!(code(check_account_limits(&limits, &memory, 40)), 0);
    assert_eq!(code(check_account_limits(&limits, &memory, 41)), 10028);
    assert_eq!(code(check_account_limits(&limits, &file, 41)), 10047);
}

#[test]
fn all_limits_look_at_account_and_server() {
    mark::check!(F1434);
    let server = server(1000, 1000);
    let account = server.enrol(&"B".into(), &flat(FREE));
    let held = account.adopt_stream(&config("B", Storage::File, 900));
    for (bytes, want) in [(100, 0), (101, 10047)] {
        let config = config("S", Storage::File, bytes);
        assert_eq!(code(check_all_limits(&FREE, &config, &server, 0, 0)), want, "{bytes}");
    }
    drop(held);
    let limits = AccountLimits { max_memory: 100, ..FREE };
    let memory = config("S", Storage::Memory, 60);
    assert_eq!(code(check_all_limits(&limits, &memory, &server, 20, 20)), 0);
    assert_eq!(code(check_all_limits(&limits, &memory, &server, 20, 21)), 10028);
}

#[test]
fn streams_are_refused_where_the_server_is_full() {
    mark::check!(F1434, F1435, F1436, F1442, F1443);
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::with(bounded(1 << 20, 1024), stores(dir.path()), FREE);
    let reserved = || world.engine.usage().reserved(Storage::File);
    world.create(config("A", Storage::File, 1000)).expect("fits");
    assert_eq!(reserved(), 1000);
    assert_eq!(code(world.create(config("B", Storage::File, 25))), 10047);
    world.create(config("B", Storage::File, 24)).expect("exactly full");
    assert_eq!(reserved(), 1024);
    assert_eq!(code(world.create(config("C", Storage::File, -1))), 10047);
    assert_eq!(code(world.update(config("A", Storage::File, 1001))), 10047);
    assert_eq!(reserved(), 1024, "a refused update changes nothing");
    world.update(config("A", Storage::File, 400)).expect("less");
    assert_eq!(reserved(), 424);
    world.update(config("A", Storage::File, 450)).expect("more");
    assert_eq!(reserved(), 474);
    world.update(config("A", Storage::File, -1)).expect("without limit reserves nothing");
    assert_eq!(reserved(), 24);
    world.delete("B").expect("there");
    world.delete("A").expect("there");
    assert_eq!(reserved(), 0);
    assert_eq!(code(world.create(config("M", Storage::Memory, i64::MAX))), 10028);
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Statistics for Counted {
    fn changed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_cluster_is_told_of_reservations() {
    mark::check!(F1442, F1443);
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let told = Arc::new(Counted::default());
    world.engine.tell_statistics(Arc::clone(&told) as Arc<dyn Statistics>);
    let count = || told.0.load(Ordering::Relaxed);
    world.create(config("A", Storage::File, 10)).expect("fits");
    assert_eq!(count(), 0, "a standalone server tells nobody");
    world.engine.usage().set_clustered();
    world.create(config("B", Storage::File, 10)).expect("fits");
    assert_eq!(count(), 1);
    world.create(config("C", Storage::File, -1)).expect("fits");
    assert_eq!(count(), 1, "nothing was reserved");
    world.update(config("B", Storage::File, 20)).expect("fits");
    assert_eq!(count(), 2);
    world.delete("B").expect("there");
    world.delete("C").expect("there");
    assert_eq!(count(), 3);
}

#[test]
fn the_server_s_limit_for_messages() {
    mark::check!(F1423, F1424);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(bounded(100, 0), stores(dir.path()));
    let account = engine.usage().enrol(&"A".into(), &flat(FREE));
    assert!(!engine.would_exceed_limits(Storage::Memory, 100));
    assert!(engine.would_exceed_limits(Storage::Memory, 101));
    assert!(!engine.would_exceed_limits(Storage::File, 0));
    assert!(engine.would_exceed_limits(Storage::File, 1));
    account.update_usage("", Storage::Memory, 100);
    assert!(!engine.limits_exceeded(Storage::Memory), "equal is not above");
    assert!(engine.would_exceed_limits(Storage::Memory, i64::MAX as u64));
    assert!(engine.would_exceed_limits(Storage::Memory, u64::MAX));
    account.update_usage("", Storage::Memory, 1);
    assert!(engine.limits_exceeded(Storage::Memory));
    assert!(!engine.limits_exceeded(Storage::File), "the kinds are independent");
}

#[test]
fn differences_of_limits() {
    mark::check!(F1409);
    let old = tiers(&[("R1", 5, -1)]);
    let new = tiers(&[("", -1, 10)]);
    let difference = diff_checked_limits(&old, &new);
    assert_eq!(sizes(&difference), [("", -1, 10), ("R1", -5, 1)]);
    let other = difference.values().all(|limits| {
        (limits.max_streams, limits.max_consumers, limits.max_ack_pending) == (0, 0, 0)
            && (limits.memory_max_stream_bytes, limits.storage_max_stream_bytes) == (0, 0)
            && !limits.max_bytes_required
    });
    assert!(other, "only the sizes are compared");
    assert_eq!(sizes(&diff_checked_limits(&old, &old)), [("R1", 0, 0)]);
    let rows = [(-1, 1000, 1001), (1000, -1, -1001), (i64::MIN, i64::MAX, i64::MAX)];
    for (before, after, want) in rows {
        let (old, new) = (tiers(&[("", before, 0)]), tiers(&[("", after, 0)]));
        assert_eq!(sizes(&diff_checked_limits(&old, &new)), [("", want, 0)]);
    }
}

#[test]
fn assigned_streams_add_up() {
    mark::check!(F1411);
    let assigned = [
        StreamConfig { num_replicas: 3, ..config("A", Storage::File, 1024) },
        config("B", Storage::File, 100),
        config("C", Storage::Memory, 7),
        config("D", Storage::Memory, -1),
    ];
    assert_eq!(reserved_storage(None, ""), (0, 0));
    assert_eq!(reserved_storage(Some(&assigned), ""), (7, 1124));
    assert_eq!(reserved_storage(Some(&assigned), "R3"), (0, 1024));
    assert_eq!(reserved_storage(Some(&assigned), "R1"), (7, 100));
}

/// Enables an account, or changes its limits.
fn enable(engine: &Engine, name: &str, limits: &TierLimits) -> u16 {
    if engine.account(name).is_some() {
        return engine.update_account_limits(name, limits).map_or_else(|e| e.err_code, |()| 0);
    }
    match engine.enable_account(name, &SubjectSpace::new(name), limits) {
        Ok(_) => 0,
        Err(EnableError::Limits(error)) => error.err_code,
        Err(EnableError::Store(error)) => panic!("{error}"),
    }
}

#[test]
fn accounts_may_not_be_promised_more_than_there_is() {
    mark::check!(F1441);
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(bounded(1024, 1024), stores(dir.path()));
    let memory = |bytes| tiers(&[("", bytes, 0)]);
    assert_eq!(enable(&engine, "A", &memory(24)), 0);
    assert_eq!(enable(&engine, "B", &memory(1000)), 0);
    assert_eq!(enable(&engine, "C", &memory(1)), 10028);
    assert!(engine.account("C").is_none(), "a refused account is not enabled");
    assert_eq!(enable(&engine, "C", &tiers(&[("", 1025, 1025)])), 10028, "memory comes first");
    assert_eq!(enable(&engine, "C", &tiers(&[("", 1, 1025)])), 10047, "streams come first");
    assert_eq!(enable(&engine, "C", &tiers(&[("", 0, 1025)])), 10047);
    assert_eq!(enable(&engine, "C", &flat(FREE)), 0, "without limits nothing is promised");
    // A change asks for its growth alone.
    assert_eq!(enable(&engine, "B", &memory(1001)), 10028);
    assert_eq!(enable(&engine, "B", &memory(500)), 0);
    assert_eq!(enable(&engine, "A", &memory(524)), 0);
    assert_eq!(enable(&engine, "A", &memory(525)), 10028);
    // Shrinking one tier does not pay for another one.
    let split = |first, second| tiers(&[("R1", first, 0), ("R3", second, 0)]);
    assert_eq!(enable(&engine, "B", &memory(0)), 0);
    assert_eq!(enable(&engine, "D", &split(300, 200)), 0);
    assert_eq!(enable(&engine, "D", &split(200, 300)), 10028);
    assert_eq!(enable(&engine, "A", &memory(-1)), 0);
    assert_eq!(enable(&engine, "D", &split(200, 300)), 0);
    // Limits that cannot be added up do not wrap around.
    assert_eq!(enable(&engine, "E", &split(i64::MAX, i64::MAX)), 10028);
    let usage = engine.account("D").expect("enabled");
    usage.usage().set_expired(true);
    assert_eq!(enable(&engine, "E", &memory(1024)), 0, "an expired account no longer counts");
    assert_eq!(enable(&engine, "F", &memory(1)), 10028);
    engine.usage().set_clustered();
    assert_eq!(enable(&engine, "F", &memory(1 << 40)), 0, "a cluster shares the promise");
}

#[test]
fn accounts_are_looked_up_and_taken_off() {
    mark::check!(F1415, F1439, F1440);
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let engine = &world.engine;
    assert!(engine.account("A").is_some_and(|account| Arc::ptr_eq(&account, &world.account)));
    assert!(engine.account("").is_none() && engine.account("B").is_none());
    let stats = engine.stats();
    assert_eq!((stats.accounts, stats.memory, stats.storage, stats.ha_assets), (1, 0, 0, 0));
    assert_eq!((stats.api.level, stats.api.total), (types::API_LEVEL, 0));
    world.create(config("S", Storage::File, 1024)).expect("fits");
    assert_eq!(engine.stats().reserved_storage, 1024);
    let drift = -(1 << 20);
    world.account.usage().update_usage("", Storage::File, drift);
    assert_eq!(engine.stats().storage, 0, "nothing negative is shown");
    world.account.usage().update_usage("", Storage::File, -drift);
    engine.disable_account("A").expect("enabled");
    assert!(engine.account("A").is_none());
    assert_eq!((engine.stats().accounts, engine.stats().reserved_storage), (0, 0));
    assert_eq!(code(engine.disable_account("A")), 10039);
    let again = engine.enable_account("A", &world.space, &flat(FREE)).expect("enabled");
    assert_eq!(again.streams().len(), 1, "what is stored stays");
}

#[test]
fn the_engine_s_own_state() {
    mark::check!(F1388, F1389, F1394);
    assert!(!Engine::is_enabled(None));
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(settings(), stores(dir.path()));
    assert!(Engine::is_enabled(Some(&engine)), "before its start is done");
    assert_eq!(engine.started(), None);
    engine.set_started();
    let first = engine.started().expect("started");
    engine.set_started();
    assert_eq!(engine.started(), Some(first), "a start is done once");
    engine.set_disabled();
    assert!(!Engine::is_enabled(Some(&engine)));
    assert!(!engine.is_shutting_down());
    assert!(engine.stop(super::harness::WAIT));
    assert!(engine.is_shutting_down(), "for good");
    assert!(engine.account("A").is_none());
    let next = start(settings(), stores(dir.path()));
    assert!(!next.is_shutting_down());
    next.set_started();
    assert!(next.started() >= Some(first));
}
