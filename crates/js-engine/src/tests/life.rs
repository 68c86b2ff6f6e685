//! Streams come, change, fail, go, and come back after a restart.

use std::sync::Arc;

use harness::{World, config, settings, stores, wait};
use store::{StoreError, StreamStore};
use types::{AccountLimits, ApiError, Storage, StreamConfig, StreamSource, Timestamp};

use super::harness;
use crate::{Found, Stores};

fn code<T>(result: Result<T, ApiError>) -> u16 {
    result.err().map_or(0, |e| e.err_code)
}

#[test]
fn creating_the_same_again_is_no_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let first = world.create(config("S", &["s"])).expect("created");
    assert!(first.is_new);
    let again = world.create(config("S", &["s"])).expect("the same");
    assert!(!again.is_new);
    assert_eq!(again.info.created, first.info.created);
    assert_eq!(code(world.create(config("S", &["t"]))), 10058);
    assert_eq!(world.account.usage().streams(), 1);
}

#[test]
fn refused_creates_leave_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = AccountLimits { max_storage: 1000, max_streams: 2, ..AccountLimits::UNLIMITED };
    let world = World::with(settings(), stores(dir.path()), limits);
    world.create(StreamConfig { max_bytes: 600, ..config("A", &["a.*"]) }).expect("created");
    let mirror = StreamConfig {
        mirror: Some(StreamSource { name: "A".into(), ..StreamSource::default() }),
        ..config("M", &["m"])
    };
    let rows: Vec<(StreamConfig, u16)> = vec![
        (config("B", &["a.b"]), 10065),
        (config("B", &["a.>"]), 10065),
        (StreamConfig { max_bytes: 401, ..config("B", &["b"]) }, 10047),
        (StreamConfig { max_bytes: i64::MAX, ..config("B", &["b"]) }, 10047),
        (StreamConfig { num_replicas: 3, ..config("B", &["b"]) }, 10074),
        (config("B", &["b..c"]), 10052),
        (config("B.C", &["b"]), 10052),
        (mirror, 10034),
    ];
    for (refused, want) in rows {
        assert_eq!(code(world.create(refused.clone())), want, "{refused:?}");
        assert_eq!(world.account.usage().streams(), 1);
        assert_eq!(world.account.usage().reserved(Storage::File), 600);
        assert_eq!(world.account.streams().len(), 1);
        assert!(!dir.path().join("A/streams").join(&refused.name).exists());
    }
    world.create(StreamConfig { max_bytes: 400, ..config("B", &["b"]) }).expect("exactly full");
    assert_eq!(code(world.create(config("C", &["c"]))), 10027);
}

/// Stores that make nothing.
struct NoStores;

impl Stores for NoStores {
    fn open_account(&self, _: &str) -> Result<Vec<Found>, StoreError> {
        Ok(Vec::new())
    }

    fn create(
        &self,
        _: &str,
        _: &StreamConfig,
        _: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        Err(StoreError::NoSpace)
    }
}

#[test]
fn a_store_that_cannot_be_made_leaves_nothing() {
    let world = World::with(settings(), Arc::new(NoStores), AccountLimits::UNLIMITED);
    for _ in 0..2 {
        let refused = world.create(StreamConfig { max_bytes: 10, ..config("S", &["s"]) });
        let error = refused.expect_err("no store");
        assert_eq!((error.err_code, error.code), (10049, 500));
        assert_eq!(world.account.usage().streams(), 0);
        assert_eq!(world.engine.usage().reserved(Storage::File), 0);
        assert!(!world.space.has_interest(b"s"));
    }
}

#[test]
fn a_deleted_stream_gives_everything_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    for round in 0..3 {
        let wanted = StreamConfig { max_bytes: 10_000, ..config("S", &["s"]) };
        assert!(world.create(wanted).expect("created").is_new);
        let mut client = world.client();
        let ack = client.request("s", "x").body;
        assert_eq!(ack, r#"{"stream":"S","seq":1}"#, "round {round}");
        assert!(world.account.usage().used(Storage::File) > 0);
        world.delete("S").expect("deleted");
        assert_eq!(world.account.usage().used(Storage::File), 0);
        assert_eq!(world.account.usage().reserved(Storage::File), 0);
        assert_eq!(world.account.usage().streams(), 0);
        assert!(!dir.path().join("A/streams/S").exists());
        assert_eq!(client.publish("s", "", "x"), 0, "nobody listens any more");
        assert_eq!(code(world.delete("S")), 10059);
        assert_eq!(code(world.info("S")), 10059);
    }
}

#[test]
fn refused_updates_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = AccountLimits { max_storage: 1000, ..AccountLimits::UNLIMITED };
    let world = World::with(settings(), stores(dir.path()), limits);
    world.create(config("O", &["other.*"])).expect("created");
    let made = world.create(StreamConfig { max_bytes: 600, ..config("S", &["s"]) });
    let before = made.expect("created").info.config;
    let rows: Vec<(StreamConfig, u16)> = vec![
        (StreamConfig { subjects: vec!["other.x".into()], ..before.clone() }, 10065),
        (StreamConfig { max_bytes: 1001, ..before.clone() }, 10047),
        (StreamConfig { storage: Storage::Memory, ..before.clone() }, 10052),
        (StreamConfig { num_replicas: 3, ..before.clone() }, 10074),
        (StreamConfig { name: "T".into(), ..before.clone() }, 10059),
    ];
    for (change, want) in rows {
        assert_eq!(code(world.update(change.clone())), want, "{change:?}");
        assert_eq!(world.info("S").expect("there").config, before);
        assert_eq!(world.account.usage().reserved(Storage::File), 600);
        world.create(config("P", &["free"])).expect("its subject was not claimed");
        world.delete("P").expect("deleted");
    }
    world.update(StreamConfig { max_bytes: 1000, ..before.clone() }).expect("exactly full");
    assert_eq!(world.account.usage().reserved(Storage::File), 1000);
    world.update(StreamConfig { max_bytes: -1, ..before }).expect("less");
    assert_eq!(world.account.usage().reserved(Storage::File), 0);
}

#[test]
fn changed_subjects_take_effect() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("S", &["old", "both"])).expect("created");
    world.update(config("S", &["new", "both"])).expect("updated");
    let mut client = world.client();
    assert_eq!(client.publish("old", "", "x"), 0);
    assert_eq!(client.request("new", "x").body, r#"{"stream":"S","seq":1}"#);
    assert_eq!(client.request("both", "x").body, r#"{"stream":"S","seq":2}"#);
    assert_eq!(client.publish("$JS.API.DIRECT.GET.S", "r", ""), 0);
    let direct = StreamConfig { allow_direct: true, ..config("S", &["new", "both"]) };
    world.update(direct).expect("updated");
    assert_eq!(client.publish("$JS.API.DIRECT.GET.S", "r", ""), 1);
    world.create(config("T", &["old"])).expect("the old subject is free");
    assert_eq!(code(world.create(config("U", &["new"]))), 10065);
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (created, bytes) = {
        let world = World::open(dir.path());
        let wanted = StreamConfig { max_bytes: 10_000, ..config("S", &["s"]) };
        let created = world.create(wanted).expect("created").info.created;
        let memory = StreamConfig { storage: Storage::Memory, ..config("M", &["m"]) };
        world.create(memory).expect("created");
        let mut client = world.client();
        for _ in 0..10 {
            client.request("s", "x");
        }
        let bytes = world.info("S").expect("there").state.bytes;
        assert!(world.engine.stop(harness::WAIT), "stopped in time");
        (created, bytes)
    };
    let world = World::open(dir.path());
    assert_eq!(world.account.streams().len(), 1, "memory streams are gone");
    let info = world.info("S").expect("recovered");
    assert_eq!((info.created, info.state.msgs, info.state.bytes), (created, 10, bytes));
    assert_eq!(world.account.usage().used(Storage::File), bytes);
    assert_eq!(world.account.usage().reserved(Storage::File), 10_000);
    let ack = world.client().request("s", "x").body;
    assert_eq!(ack, r#"{"stream":"S","seq":11}"#);
    assert_eq!(code(world.create(config("T", &["s"]))), 10065);
}

#[test]
fn a_panic_costs_one_stream_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("BAD", &["bad"])).expect("created");
    world.create(config("GOOD", &["good"])).expect("created");
    world.create(config("ALSO", &["also"])).expect("created");
    let answer: Result<(), ApiError> = wait(|reply| {
        world.account.with_stream("BAD", |_, _, _| panic!("on purpose"), reply);
    });
    assert!(answer.is_err(), "whoever waits is told");
    assert_eq!(code(world.info("BAD")), 10194);
    let mut client = world.client();
    assert_eq!(client.publish("bad", "", "x"), 0, "off its subjects");
    for name in ["good", "also"] {
        let ack = client.request(name, "x").body;
        assert!(ack.ends_with(r#""seq":1}"#), "{ack}");
    }
    let views = world.account.streams();
    let offline = views.iter().filter(|v| v.offline.is_some()).count();
    assert_eq!((views.len(), offline), (3, 1));
}

#[test]
fn a_disabled_account_stops_and_can_come_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("S", &["s"])).expect("created");
    let mut client = world.client();
    client.request("s", "x");
    world.engine.disable_account("A").expect("enabled");
    assert!(world.engine.account("A").is_none());
    assert_eq!(client.publish("s", "", "x"), 0);
    assert_eq!(world.engine.usage().used(Storage::File), 0);
    let limits = harness::flat(AccountLimits::UNLIMITED);
    let account = world.engine.enable_account("A", &world.space, &limits).expect("enabled");
    assert_eq!(account.streams().len(), 1);
    assert_eq!(client.request("s", "x").body, r#"{"stream":"S","seq":2}"#);
}

#[test]
fn streams_answer_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    for name in ["A", "B", "C"] {
        world.create(config(name, &[name])).expect("created");
    }
    let names = ["C", "gone", "A", "B"].map(str::to_owned).to_vec();
    let got: Vec<String> = wait(|reply| {
        world.account.with_streams(names, |s, _, _| Ok(s.name().to_owned()), reply);
    });
    assert_eq!(got, ["C", "A", "B"]);
    let none: Vec<String> = wait(|reply| {
        world.account.with_streams(Vec::new(), |s, _, _| Ok(s.name().to_owned()), reply);
    });
    assert!(none.is_empty());
}
