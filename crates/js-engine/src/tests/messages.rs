//! Messages in and out: publishes, acks, pulls, direct gets, advisories.

use harness::{World, config, wait};
use stream::ConsumerCreate;
use types::api::ConsumerAction;
use types::{AckPolicy, ConsumerConfig, Storage, StreamConfig};

use super::harness;

fn consumer(world: &World, stream: &str, change: impl FnOnce(&mut ConsumerConfig)) {
    let mut config = ConsumerConfig {
        durable_name: "C".into(),
        ack_policy: AckPolicy::Explicit,
        ack_wait_ns: 30_000_000_000,
        max_deliver: -1,
        max_waiting: 512,
        max_ack_pending: 1000,
        ..ConsumerConfig::default()
    };
    change(&mut config);
    if !config.deliver_subject.is_empty() {
        config.max_waiting = 0;
    }
    let action = ConsumerAction::CreateOrUpdate;
    let wanted = ConsumerCreate { name: "C".into(), config, action };
    wait(|reply| {
        let work = move |stream: &mut stream::Stream, ctx: &stream::Ctx<'_>, fx: &mut _| {
            stream.create_consumer(ctx, wanted, fx)
        };
        world.account.with_stream(stream, work, reply);
    })
    .expect("created");
}

#[test]
fn a_publish_is_acknowledged_with_its_sequence() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    for (storage, name) in [(Storage::File, "F"), (Storage::Memory, "M")] {
        let subject = format!("in.{name}");
        world.create(StreamConfig { storage, ..config(name, &[&subject]) }).expect("created");
        let mut client = world.client();
        for seq in 1..=3 {
            let ack = client.request(&subject, "hello").body;
            assert_eq!(ack, format!(r#"{{"stream":"{name}","seq":{seq}}}"#));
        }
        assert_eq!(world.info(name).expect("there").state.msgs, 3);
    }
}

#[test]
fn a_burst_is_acknowledged_completely_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("S", &["s.>"])).expect("created");
    let mut client = world.client();
    client.subscribe("inbox.>");
    for n in 0..5000 {
        client.publish(&format!("s.{}", n % 7), &format!("inbox.{n}"), "x");
        if n % 100 == 0 {
            assert_eq!(client.flush(), 0);
        }
    }
    assert_eq!(client.flush(), 0);
    for n in 0..5000 {
        let ack = client.next();
        assert_eq!(ack.subject, format!("inbox.{n}"));
        assert_eq!(ack.body, format!(r#"{{"stream":"S","seq":{}}}"#, n + 1));
    }
}

#[test]
fn pull_ack_and_direct_get_reach_the_stream() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(StreamConfig { allow_direct: true, ..config("S", &["s.*"]) }).expect("created");
    consumer(&world, "S", |_| {});
    let mut client = world.client();
    client.request("s.1", "one");
    client.request("s.2", "two");
    let first = client.request("$JS.API.CONSUMER.MSG.NEXT.S.C", "");
    assert_eq!((first.subject.as_str(), first.body.as_str()), ("s.1", "one"));
    assert!(first.reply.starts_with("$JS.ACK.S.C.1.1.1."), "{}", first.reply);
    let confirmed = client.request(&first.reply, "+ACK");
    assert_eq!(confirmed.body, "");
    let info = wait(|reply| {
        world.account.with_stream("S", |s, ctx, fx| s.consumer_info(ctx, "C", fx), reply);
    })
    .expect("there");
    assert_eq!((info.num_ack_pending, info.ack_floor.stream_seq), (0, 1));
    let direct = client.request("$JS.API.DIRECT.GET.S.s.2", "");
    assert!(direct.body.ends_with("two"), "{}", direct.body);
    let by_seq = client.request("$JS.API.DIRECT.GET.S", r#"{"seq":1}"#);
    assert!(by_seq.body.ends_with("one"), "{}", by_seq.body);
}

#[test]
fn a_push_consumer_waits_for_its_listener() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    world.create(config("S", &["s"])).expect("created");
    consumer(&world, "S", |c| c.deliver_subject = "push.here".into());
    let mut client = world.client();
    client.request("s", "early");
    let mut listener = world.client();
    let sub = listener.subscribe("push.here");
    let got = listener.next();
    assert_eq!((got.subject.as_str(), got.body.as_str()), ("s", "early"));
    world.space.unsubscribe(&sub);
    client.request("s", "unheard");
    let info = wait(|reply| {
        world.account.with_stream("S", |s, ctx, fx| s.consumer_info(ctx, "C", fx), reply);
    })
    .expect("there");
    assert_eq!((info.delivered.stream_seq, info.num_pending), (1, 1));
}

#[test]
fn streams_tell_of_themselves() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut listener = world.client();
    listener.subscribe("$JS.EVENT.ADVISORY.>");
    world.create(config("S", &["s"])).expect("created");
    world.update(config("S", &["s", "t"])).expect("updated");
    world.delete("S").expect("deleted");
    let mut ids = Vec::new();
    for (verb, action) in [("CREATED", "create"), ("UPDATED", "modify"), ("DELETED", "delete")] {
        let got = listener.next();
        assert_eq!(got.subject, format!("$JS.EVENT.ADVISORY.STREAM.{verb}.S"));
        let json: serde_json::Value = serde_json::from_str(&got.body).expect("JSON");
        assert_eq!(json["type"], "io.nats.jetstream.advisory.v1.stream_action");
        assert_eq!((&json["stream"], &json["action"]), (&"S".into(), &action.into()));
        let id = json["id"].as_str().expect("an id").to_owned();
        assert_eq!(id.len(), 22);
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "ids are unique");
}

#[test]
fn old_messages_go_without_anyone_asking() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let aged = StreamConfig { max_age_ns: 100_000_000, ..config("S", &["s"]) };
    world.create(aged).expect("created");
    let mut client = world.client();
    client.request("s", "short-lived");
    let deadline = std::time::Instant::now() + harness::WAIT;
    while world.info("S").expect("there").state.msgs > 0 {
        assert!(std::time::Instant::now() < deadline, "the message is still there");
        std::thread::yield_now();
    }
}
