//! Acknowledged is stored: `kill -9` at any moment loses and repeats nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use futures::StreamExt as _;
use tests::{DEADLINE, Node, Setup};
use tokio::time::timeout;

const CONNECTIONS: usize = 8;
const PER_CONNECTION: usize = 12_500;
const IN_FLIGHT: usize = 256;
const ROUNDS: usize = 10;

async fn connect(node: &Node) -> jetstream::Context {
    jetstream::new(async_nats::connect(node.url()).await.unwrap())
}

/// Publishes `from..to` of one connection and gives what was acknowledged, by sequence. Ends
/// early when the server dies.
async fn publish(
    js: jetstream::Context,
    connection: usize,
    acked_so_far: Arc<AtomicUsize>,
) -> BTreeMap<u64, String> {
    let mut acked = BTreeMap::new();
    let mut waiting = VecDeque::new();
    for n in 0..PER_CONNECTION + IN_FLIGHT {
        if n < PER_CONNECTION {
            let id = format!("{connection}:{n}");
            let Ok(ack) = js.publish(format!("load.{connection}"), id.clone().into()).await else {
                break;
            };
            waiting.push_back((id, ack));
        }
        if waiting.len() >= IN_FLIGHT || n >= PER_CONNECTION {
            let Some((id, ack)) = waiting.pop_front() else { break };
            let Ok(Ok(ack)) = timeout(Duration::from_secs(5), ack).await else { break };
            assert!(acked.insert(ack.sequence, id).is_none(), "{} twice", ack.sequence);
            acked_so_far.fetch_add(1, Ordering::Relaxed);
        }
    }
    acked
}

/// Everything in the stream, by sequence.
async fn read_all(js: &jetstream::Context) -> BTreeMap<u64, String> {
    let mut stream = js.get_stream("LOAD").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut stored = BTreeMap::new();
    if last == 0 {
        return stored;
    }
    let ordered = consumer::pull::OrderedConfig::default();
    let mut messages = stream.create_consumer(ordered).await.unwrap().messages().await.unwrap();
    while stored.last_key_value().is_none_or(|(seq, _)| *seq < last) {
        let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
        let sequence = message.info().unwrap().stream_sequence;
        let id = String::from_utf8(message.payload.to_vec()).unwrap();
        assert!(stored.insert(sequence, id).is_none(), "{sequence} was delivered twice");
    }
    stored
}

/// A number in `0..below` that differs from run to run.
fn random(below: usize) -> usize {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0) as usize % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_a_random_moment_every_acknowledged_message_is_there_once_and_in_order() {
    for round in 0..ROUNDS {
        let mut node = Setup::jetstream().start();
        let js = connect(&node).await;
        js.create_stream(stream::Config {
            name: "LOAD".into(),
            subjects: vec!["load.*".into()],
            ..Default::default()
        })
        .await
        .unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let mut publishers = Vec::new();
        for connection in 0..CONNECTIONS {
            let js = connect(&node).await;
            publishers.push(tokio::spawn(publish(js, connection, Arc::clone(&count))));
        }
        let kill_after = random(CONNECTIONS * PER_CONNECTION);
        let kill = async {
            while count.load(Ordering::Relaxed) < kill_after {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, kill).await.unwrap();
        node.kill9();
        let mut acked = BTreeMap::new();
        for publisher in publishers {
            for (sequence, id) in publisher.await.unwrap() {
                assert!(acked.insert(sequence, id).is_none(), "{sequence} acknowledged twice");
            }
        }
        node.restart();
        let stored = read_all(&connect(&node).await).await;
        for (sequence, id) in &acked {
            assert_eq!(stored.get(sequence), Some(id), "round {round}, killed after {kill_after}");
        }
        let mut next = [0; CONNECTIONS];
        for id in stored.values() {
            let (connection, n) = id.split_once(':').unwrap();
            let next = &mut next[connection.parse::<usize>().unwrap()];
            assert_eq!(n.parse::<usize>().unwrap(), *next, "of connection {connection}");
            *next += 1;
        }
        println!(
            "round {round}: killed at {kill_after}, {} acked, {} stored",
            acked.len(),
            stored.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_consuming_nothing_acknowledged_comes_again_and_nothing_else_is_missed() {
    const MESSAGES: u64 = 2_000;
    for round in 0..ROUNDS {
        let mut node = Setup::jetstream().start();
        let js = connect(&node).await;
        let stream = js
            .create_stream(stream::Config {
                name: "WORK".into(),
                subjects: vec!["work".into()],
                ..Default::default()
            })
            .await
            .unwrap();
        for n in 0..MESSAGES {
            js.publish("work", n.to_string().into()).await.unwrap();
        }
        let config = consumer::pull::Config {
            durable_name: Some("worker".into()),
            // Few at a time, so that each is acknowledged long before it is due again, however
            // slowly the disk syncs.
            ack_wait: Duration::from_secs(3),
            max_ack_pending: 10,
            ..Default::default()
        };
        let durable = stream.create_consumer(config).await.unwrap();
        let stop_after = 1 + random(MESSAGES as usize - 2) as u64;
        let mut acked = Vec::new();
        let mut messages = durable.messages().await.unwrap();
        while (acked.len() as u64) < stop_after {
            let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
            // A confirmed ack: the server says that it has it.
            message.double_ack().await.unwrap();
            acked.push(message.info().unwrap().stream_sequence);
        }
        node.kill9();
        drop(messages);
        node.restart();
        let js = connect(&node).await;
        let durable: consumer::PullConsumer =
            js.get_stream("WORK").await.unwrap().get_consumer("worker").await.unwrap();
        let mut seen = BTreeMap::new();
        let mut messages = durable.messages().await.unwrap();
        while acked.len() + seen.len() < MESSAGES as usize {
            let message = timeout(DEADLINE, messages.next()).await.unwrap().unwrap().unwrap();
            let sequence = message.info().unwrap().stream_sequence;
            assert!(!acked.contains(&sequence), "round {round}: {sequence} was acknowledged");
            message.double_ack().await.unwrap();
            *seen.entry(sequence).or_insert(0) += 1;
        }
        assert!(seen.values().all(|times| *times == 1));
    }
}

#[tokio::test]
async fn a_clean_stop_keeps_streams_and_consumers() {
    let mut node = Setup::jetstream().start();
    let js = connect(&node).await;
    let stream = js
        .create_stream(stream::Config {
            name: "KEEP".into(),
            subjects: vec!["keep.>".into()],
            ..Default::default()
        })
        .await
        .unwrap();
    for n in 0..100 {
        js.publish(format!("keep.{n}"), "x".into()).await.unwrap().await.unwrap();
    }
    stream.delete_message(50).await.unwrap();
    let config = consumer::pull::Config { durable_name: Some("d".into()), ..Default::default() };
    let durable = stream.create_consumer(config).await.unwrap();
    let mut batch = durable.fetch().max_messages(10).messages().await.unwrap();
    while let Some(message) = batch.next().await {
        message.unwrap().double_ack().await.unwrap();
    }
    let before = stream.get_info().await.unwrap().state;
    assert!(node.stop().success());
    node.restart();
    let js = connect(&node).await;
    let stream = js.get_stream("KEEP").await.unwrap();
    let after = stream.get_info().await.unwrap().state;
    assert_eq!(
        (
            after.messages,
            after.bytes,
            after.first_sequence,
            after.last_sequence,
            after.consumer_count
        ),
        (before.messages, before.bytes, before.first_sequence, before.last_sequence, 1)
    );
    let mut durable: consumer::PullConsumer = stream.get_consumer("d").await.unwrap();
    let info = durable.info().await.unwrap();
    assert_eq!(
        (info.ack_floor.stream_sequence, info.num_pending, info.num_ack_pending),
        (10, 89, 0)
    );
}
