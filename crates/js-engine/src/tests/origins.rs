//! Mirrors and sources between streams of an account, on several shards and over restarts.

use std::time::Instant;

use types::{Retention, StreamConfig, StreamInfo, StreamSource};

use super::harness::{WAIT, World, config};

fn from(name: &str) -> StreamSource {
    StreamSource { name: name.into(), ..StreamSource::default() }
}

fn mirror_of(name: &str, origin: &str) -> StreamConfig {
    StreamConfig { mirror: Some(from(origin)), ..config(name, &[]) }
}

fn with_sources(name: &str, origins: &[&str]) -> StreamConfig {
    let sources = origins.iter().map(|origin| from(origin)).collect();
    StreamConfig { sources, ..config(name, &[]) }
}

/// Waits until a stream's description is as wanted.
fn expect_info(world: &World, name: &str, wanted: impl Fn(&StreamInfo) -> bool) -> StreamInfo {
    let deadline = Instant::now() + WAIT;
    loop {
        let info = world.info(name).expect("the stream is there");
        if wanted(&info) {
            return info;
        }
        assert!(Instant::now() < deadline, "{name} is not as wanted in time: {info:?}");
        std::thread::yield_now();
    }
}

fn publish(world: &World, subject: &str, count: usize) {
    let mut client = world.client();
    for _ in 0..count {
        client.request(subject, "x");
    }
}

fn purge(world: &World, name: &str) -> u64 {
    let request = types::api::PurgeRequest::default();
    let purged: Result<u64, _> = super::harness::wait(|reply| {
        world.account.with_stream(name, move |s, ctx, _| s.purge(ctx, &request), reply);
    });
    purged.expect("purged")
}

#[test]
fn a_mirror_follows_its_origin_over_restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let world = World::open(dir.path());
        world.create(config("O", &["o.*"])).expect("created");
        publish(&world, "o.1", 10);
        world.create(mirror_of("M", "O")).expect("created");
        let info = expect_info(&world, "M", |info| info.state.last_seq == 10);
        assert_eq!(info.state.msgs, 10);
        publish(&world, "o.2", 5);
        let info = expect_info(&world, "M", |info| info.state.last_seq == 15);
        let mirror = info.mirror.expect("it is a mirror");
        assert_eq!((mirror.name.as_str(), mirror.lag), ("O", 0));
        assert!(mirror.active_ns >= 0 && mirror.error.is_none());
    }
    let world = World::open(dir.path());
    assert_eq!(world.info("M").expect("there").state.msgs, 15);
    publish(&world, "o.2", 1);
    expect_info(&world, "M", |info| info.state.msgs == 16 && info.state.last_seq == 16);
}

#[test]
fn sources_gather_and_origins_may_come_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(with_sources("S", &["A", "B"])).expect("created");
    let info = expect_info(&world, "S", |info| info.sources.iter().all(|s| s.error.is_some()));
    assert_eq!(info.sources.len(), 2);
    assert!(info.sources.iter().all(|source| source.active_ns == -1));
    world.create(config("A", &["a"])).expect("created");
    world.create(config("B", &["b"])).expect("created");
    publish(&world, "a", 7);
    publish(&world, "b", 8);
    let info = expect_info(&world, "S", |info| info.state.msgs == 15);
    assert!(info.sources.iter().all(|source| source.error.is_none() && source.active_ns >= 0));
    world.delete("A").expect("deleted");
    expect_info(&world, "S", |info| info.sources.iter().any(|s| s.error.is_some()));
    world.create(config("A", &["a"])).expect("created");
    publish(&world, "a", 8);
    // As in the reference, a new stream of that name counts from where the old one was.
    expect_info(&world, "S", |info| info.state.msgs == 16);
}

#[test]
fn a_work_queue_does_not_take_in_again_what_was_done() {
    let dir = tempfile::tempdir().expect("a directory");
    {
        let world = World::open(dir.path());
        world.create(config("A", &["a"])).expect("created");
        let queue = StreamConfig { retention: Retention::WorkQueue, ..with_sources("Q", &["A"]) };
        world.create(queue).expect("created");
        publish(&world, "a", 10);
        expect_info(&world, "Q", |info| info.state.msgs == 10);
        assert_eq!(purge(&world, "Q"), 10);
    }
    let world = World::open(dir.path());
    publish(&world, "a", 1);
    let info = expect_info(&world, "Q", |info| info.state.last_seq > 10);
    assert_eq!((info.state.msgs, info.state.last_seq), (1, 11));
}

#[test]
fn a_mirror_answers_direct_gets_while_its_origin_is_not_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let origin = StreamConfig { allow_direct: true, ..config("O", &["o.*"]) };
    world.create(origin.clone()).expect("created");
    publish(&world, "o.1", 3);
    let made = world.create(mirror_of("M", "O")).expect("created");
    assert!(made.info.config.mirror_direct, "it takes that over from its origin");
    expect_info(&world, "M", |info| info.state.last_seq == 3);
    let mut client = world.client();
    let subject = "$JS.API.DIRECT.GET.O.o.1";
    let got = client.request(subject, "");
    assert!(got.body.contains("Nats-Stream: O\r\n"), "{got:?}");
    world.delete("O").expect("deleted");
    expect_info(&world, "M", |info| info.mirror.as_ref().is_some_and(|m| m.error.is_some()));
    let got = client.request(subject, "");
    assert!(got.body.contains("Nats-Stream: M\r\n"), "{got:?}");
    assert!(got.body.contains("Nats-Sequence: 3\r\n"), "{got:?}");
    world.create(origin).expect("created");
    expect_info(&world, "M", |info| info.mirror.as_ref().is_some_and(|m| m.error.is_none()));
    let got = client.request(subject, "");
    assert!(got.body.starts_with("NATS/1.0 404"), "the new origin has none: {got:?}");
}

#[test]
fn a_full_stream_takes_the_rest_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("A", &["a"])).expect("created");
    let mut client = world.client();
    for _ in 0..300 {
        client.publish("a", "", "x");
    }
    assert_eq!(client.flush(), 0, "nothing is refused");
    let full = StreamConfig {
        retention: Retention::WorkQueue,
        discard: types::Discard::New,
        max_msgs: 10,
        ..with_sources("Q", &["A"])
    };
    world.create(full).expect("created");
    let mut taken = 0;
    while taken < 300 {
        let due = (taken + 10).min(300);
        let info = expect_info(&world, "Q", |info| info.state.last_seq == due);
        assert_eq!(info.sources.first().map(|source| source.lag), Some(300 - due));
        taken += purge(&world, "Q");
    }
    publish(&world, "a", 1);
    expect_info(&world, "Q", |info| info.state.msgs == 1 && info.state.last_seq == 301);
}

#[test]
fn mirrors_of_mirrors_on_every_shard() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    // More of them than there are shards, each an origin of the next.
    let chain = ["C0", "C1", "C2", "C3", "C4", "C5"];
    world.create(config("C0", &["c"])).expect("created");
    for (origin, name) in chain.iter().zip(chain.iter().skip(1)) {
        world.create(mirror_of(name, origin)).expect("created");
        world.create(with_sources(&format!("S{name}"), &[name])).expect("created");
    }
    publish(&world, "c", 50);
    for name in chain {
        expect_info(&world, name, |info| info.state.msgs == 50);
    }
    for name in chain.iter().skip(1) {
        expect_info(&world, &format!("S{name}"), |info| info.state.msgs == 50);
    }
    world.delete("C0").expect("deleted");
    for name in chain.iter().skip(1) {
        assert_eq!(world.info(name).expect("there").state.msgs, 50);
    }
}
