//! Official clients through their whole JetStream, key-value and object store surface.

use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind, consumer, kv, object_store, stream};
use futures::{StreamExt as _, TryStreamExt as _};
use tests::{DEADLINE, Node, Setup};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

async fn connect(node: &Node) -> jetstream::Context {
    jetstream::new(async_nats::connect(node.url()).await.unwrap())
}

#[test]
fn nats_py() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let has_client = Command::new(&python).args(["-c", "import nats"]).output();
    if !has_client.is_ok_and(|output| output.status.success()) {
        println!(
            "SKIP: nats-py's surface: no nats-py (pip install nats-py; PYTHON names the interpreter)"
        );
        return;
    }
    let node = Setup::jetstream().start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/nats_py_surface.py");
    let output = Command::new(&python).arg(script).arg(node.url()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches("ok ").count(), 5, "{text}");
}

#[tokio::test]
async fn async_nats_streams() {
    let node = Setup::jetstream().start();
    let js = connect(&node).await;
    let config = stream::Config {
        name: "S".into(),
        subjects: vec!["s.>".into()],
        allow_direct: true,
        max_messages: 100,
        ..Default::default()
    };
    let stream = js.create_stream(config.clone()).await.unwrap();
    for n in 0..20 {
        let ack = js.publish(format!("s.{}", n % 4), n.to_string().into()).await.unwrap();
        assert_eq!(ack.await.unwrap().sequence, n + 1);
    }
    let got = stream.get_raw_message(3).await.unwrap();
    assert_eq!((got.subject.as_str(), &got.payload[..]), ("s.2", b"2".as_slice()));
    let direct = stream.direct_get(4).await.unwrap();
    assert_eq!((direct.subject.as_str(), direct.sequence), ("s.3", 4));
    assert_eq!(stream.direct_get_last_for_subject("s.1").await.unwrap().sequence, 18);
    assert_eq!(stream.direct_get_next_for_subject("s.0", Some(2)).await.unwrap().sequence, 5);
    assert!(stream.direct_get(99).await.is_err());
    assert_eq!(stream.get_last_raw_message_by_subject("s.3").await.unwrap().sequence, 20);
    assert!(stream.delete_message(7).await.unwrap());
    assert!(stream.delete_message(7).await.is_err());
    assert_eq!(stream.purge().filter("s.0").await.unwrap().purged, 5);
    assert_eq!(stream.purge().sequence(10).await.unwrap().purged, 5);
    assert_eq!(stream.purge().keep(2).await.unwrap().purged, 7);
    let mut counts = stream.info_with_subjects("s.*").await.unwrap();
    let mut subjects = Vec::new();
    while let Some(count) = counts.try_next().await.unwrap() {
        subjects.push(count);
    }
    subjects.sort();
    assert_eq!(subjects, [("s.2".to_owned(), 1), ("s.3".to_owned(), 1)]);
    let updated = js
        .update_stream(stream::Config { max_messages: 1, description: Some("d".into()), ..config })
        .await
        .unwrap();
    assert_eq!((updated.state.messages, updated.config.max_messages), (1, 1));
    assert_eq!(js.stream_by_subject("s.9").await.unwrap(), "S");
    let names: Vec<String> = js.stream_names().try_collect().await.unwrap();
    assert_eq!(names, ["S"]);
    assert_eq!(js.streams().count().await, 1);
    assert_eq!(js.query_account().await.unwrap().streams, 1);
    assert!(js.delete_stream("S").await.unwrap().success);
    assert!(js.get_stream("S").await.is_err());
}

async fn filled(js: &jetstream::Context, messages: usize) -> stream::Stream {
    let config =
        stream::Config { name: "C".into(), subjects: vec!["c.*".into()], ..Default::default() };
    let stream = js.create_stream(config).await.unwrap();
    for n in 0..messages {
        js.publish(format!("c.{}", n % 2), n.to_string().into()).await.unwrap().await.unwrap();
    }
    stream
}

#[tokio::test]
async fn async_nats_pull_consumers() {
    let node = Setup::jetstream().start();
    let js = connect(&node).await;
    let stream = filled(&js, 20).await;
    let config = consumer::pull::Config {
        durable_name: Some("d".into()),
        filter_subject: "c.0".into(),
        ack_wait: Duration::from_millis(500),
        max_deliver: 3,
        ..Default::default()
    };
    let mut pull = stream.create_consumer(config.clone()).await.unwrap();
    let mut messages = pull.messages().await.unwrap();
    let mut next = async || timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
    for n in 0..7 {
        let message = next().await;
        assert_eq!(message.payload, (2 * n).to_string());
        message.double_ack().await.unwrap();
    }
    next().await.ack_with(AckKind::Nak(Some(Duration::from_millis(20)))).await.unwrap();
    next().await.ack_with(AckKind::Term).await.unwrap();
    let unacked = next().await;
    unacked.ack_with(AckKind::Progress).await.unwrap();
    // The refused one and the one left alone come again, each when it is due.
    for (payload, deliveries) in [("14", 2), ("18", 2)] {
        let again = next().await;
        assert_eq!(
            (&again.payload[..], again.info().unwrap().delivered),
            (payload.as_bytes(), deliveries)
        );
        again.double_ack().await.unwrap();
    }
    let info = pull.info().await.unwrap();
    assert_eq!(
        (info.num_pending, info.num_ack_pending, info.ack_floor.stream_sequence),
        (0, 0, 19)
    );
    let mut none = pull.fetch().max_messages(1).messages().await.unwrap();
    assert!(none.next().await.is_none());
    let mut expired =
        pull.batch().max_messages(1).expires(Duration::from_millis(100)).messages().await.unwrap();
    assert!(timeout(DEADLINE, expired.next()).await.unwrap().is_none());
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    assert_eq!(names, ["d"]);
    assert_eq!(stream.consumers().count().await, 1);
    assert!(
        stream
            .create_consumer_strict(consumer::pull::Config { ack_wait: DEADLINE, ..config })
            .await
            .is_err()
    );
    assert!(stream.delete_consumer("d").await.unwrap().success);
    assert!(stream.get_consumer::<consumer::pull::Config>("d").await.is_err());
}

#[tokio::test]
async fn async_nats_push_and_ordered_consumers() {
    let node = Setup::jetstream().start();
    let js = connect(&node).await;
    let stream = filled(&js, 50).await;
    let inbox = js.client().new_inbox();
    let push = stream
        .create_consumer(consumer::push::Config {
            deliver_subject: inbox,
            durable_name: Some("p".into()),
            idle_heartbeat: Duration::from_millis(200),
            flow_control: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let mut messages = push.messages().await.unwrap();
    for n in 0..50 {
        let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(message.payload, n.to_string());
        message.ack().await.unwrap();
    }
    let ordered = stream
        .create_consumer(consumer::push::OrderedConfig {
            deliver_subject: js.client().new_inbox(),
            filter_subject: "c.1".into(),
            ..Default::default()
        })
        .await
        .unwrap();
    let mut messages = ordered.messages().await.unwrap();
    for n in 0..25 {
        let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(message.payload, (2 * n + 1).to_string());
    }
    js.publish("c.1", "live".into()).await.unwrap().await.unwrap();
    let live = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(live.payload, "live");
}

#[tokio::test]
async fn async_nats_key_value() {
    let node = Setup::jetstream().start();
    let js = connect(&node).await;
    let store = js
        .create_key_value(kv::Config { bucket: "B".into(), history: 4, ..Default::default() })
        .await
        .unwrap();
    assert_eq!(store.put("a", "1".into()).await.unwrap(), 1);
    assert_eq!(store.put("a", "2".into()).await.unwrap(), 2);
    assert_eq!(store.create("b", "x".into()).await.unwrap(), 3);
    assert!(store.create("b", "y".into()).await.is_err());
    assert_eq!(store.update("b", "z".into(), 3).await.unwrap(), 4);
    assert!(store.update("b", "w".into(), 3).await.is_err());
    assert_eq!(store.get("a").await.unwrap().unwrap(), "2");
    assert_eq!(store.entry_for_revision("a", 1).await.unwrap().unwrap().value, "1");
    let mut keys: Vec<String> = store.keys().await.unwrap().try_collect().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["a", "b"]);
    let history: Vec<_> = store.history("a").await.unwrap().try_collect().await.unwrap();
    assert_eq!(history.iter().map(|e| &e.value[..]).collect::<Vec<_>>(), [b"1", b"2"]);
    let mut watch = store.watch_all().await.unwrap();
    store.delete("a").await.unwrap();
    let seen = timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((seen.key.as_str(), seen.operation), ("a", kv::Operation::Delete));
    assert!(store.get("a").await.unwrap().is_none());
    store.purge("b").await.unwrap();
    let seen = timeout(DEADLINE, watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((seen.key.as_str(), seen.operation), ("b", kv::Operation::Purge));
    assert_eq!(store.history("b").await.unwrap().count().await, 1);
    assert_eq!(store.status().await.unwrap().history(), 4);
    js.delete_key_value("B").await.unwrap();
}

#[tokio::test]
async fn async_nats_object_store() {
    let node = Setup::jetstream().start();
    let js = connect(&node).await;
    let mut store = js
        .create_object_store(object_store::Config { bucket: "O".into(), ..Default::default() })
        .await
        .unwrap();
    let big: Vec<u8> =
        (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    store.put("big", &mut &big[..]).await.unwrap();
    let mut read = Vec::new();
    store.get("big").await.unwrap().read_to_end(&mut read).await.unwrap();
    assert!(read == big, "the object came back different");
    store.put("big", &mut &b"small"[..]).await.unwrap();
    let mut read = Vec::new();
    store.get("big").await.unwrap().read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"small");
    assert_eq!(store.list().await.unwrap().count().await, 1);
    store.delete("big").await.unwrap();
    assert!(store.get("big").await.is_err());
    store.seal().await.unwrap();
    assert!(store.put("more", &mut &b"x"[..]).await.is_err());
    js.delete_object_store("O").await.unwrap();
}
