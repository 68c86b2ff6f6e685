//! Pulls, key-value deletes, last per subject.
//!
//! Tests 60–63 (jetstream_test.go) of the ledger.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, kv};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use server_lifecycle::Embedded;
use tests::sized;

use crate::basic::{Basic, Client};

/// Clients that pull at the same time, and messages per pull.
const CLIENTS: usize = 10;
const BATCH: usize = 100;

/// Pulls and acknowledges so many batches; answers the sequences that came.
fn pull(client: &mut Client, number: usize, batches: usize) -> Vec<u64> {
    let mut sequences = Vec::with_capacity(batches * BATCH);
    client.send(format!("SUB _P.{number}.* 1\r\n"));
    for batch in 0..batches {
        let request = json!({"batch": BATCH, "expires": 60_000_000_000_u64}).to_string();
        let size = request.len();
        client.send(format!(
            "PUB $JS.API.CONSUMER.MSG.NEXT.mp22.d _P.{number}.{batch} {size}\r\n{request}\r\n"
        ));
        let mut acks = String::new();
        for _ in 0..BATCH {
            let (reply, _, payload) = client.delivery().expect("a message, and no status");
            assert_eq!(payload, "OK");
            sequences.push(reply.split('.').nth(5).unwrap().parse().unwrap());
            acks.push_str(&format!("PUB {reply} 4\r\n+ACK\r\n"));
        }
        client.send(acks);
    }
    assert_eq!(client.sync(), [""; 0], "no more than was asked for");
    sequences
}

#[test]
fn jetstream_multiple_pull_perf() {
    let batches = sized(20, 1000);
    let messages = CLIENTS * batches * BATCH;
    let server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "mp22", "storage": "file"}));
    let began = Instant::now();
    client.check_publish_many("mp22", "", "OK", messages);
    let published = began.elapsed();
    assert!(published < Duration::from_secs(10), "publishing took {published:?}");
    let info = client.check_info("mp22");
    assert_eq!(info["state"]["messages"], messages, "{info}");
    let consumer = json!({"stream_name": "mp22", "config": {
        "durable_name": "d", "max_ack_pending": 8000, "ack_policy": "explicit"}});
    client.check_ok("CONSUMER.CREATE.mp22.d", &consumer);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let together = Barrier::new(CLIENTS);
    let began = Instant::now();
    let mut sequences: Vec<u64> = std::thread::scope(|scope| {
        let together = &together;
        let pulling = clients.iter_mut().enumerate().map(|(number, client)| {
            scope.spawn(move || {
                together.wait();
                pull(client, number, batches)
            })
        });
        let pulling: Vec<_> = pulling.collect();
        pulling.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let took = began.elapsed();
    let rate = messages as f64 / took.as_secs_f64();
    println!("{messages} messages published in {published:?}, pulled in {took:?}: {rate:.0}/s");
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(1..=messages as u64), "each comes once");
    let info = client.check_ok("CONSUMER.INFO.mp22.d", &Value::Null);
    assert_eq!(info["num_pending"], 0, "{info}");
    assert_eq!(info["num_ack_pending"], 0, "{info}");
    assert_eq!(info["ack_floor"]["stream_seq"], messages, "{info}");
}

/// A consumer of the last message of each subject, that pushes to a subject.
fn last_per_subject(stream: &str, name: &str, filter: &str, deliver: &str) -> (String, Value) {
    let config = json!({
        "name": name,
        "filter_subject": filter,
        "deliver_policy": "last_per_subject",
        "deliver_subject": deliver,
        "max_deliver": 1,
        "ack_policy": "none",
        "mem_storage": true,
        "flow_control": true,
        "idle_heartbeat": 5_000_000_000_u64,
    });
    let subject = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
    (subject, json!({"stream_name": stream, "config": config}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_kv_delete() {
    let start = || (Embedded::temporary().unwrap(), ());
    let (server, ()) = tokio::task::spawn_blocking(start).await.unwrap();
    let client = async_nats::connect(server.client_url()).await.expect("it connects");
    let js = jetstream::new(client.clone());
    let config = kv::Config { bucket: "deletion".to_owned(), history: 10, ..kv::Config::default() };
    let bucket = js.create_key_value(config).await.expect("a bucket");
    for key in ["a", "a.a", "a.b", "a.b.c"] {
        bucket.put(key, "".into()).await.expect("it is put");
    }
    let mut keys: Vec<String> =
        bucket.keys().await.expect("the keys").try_collect().await.expect("each key");
    keys.sort_unstable();
    assert_eq!(keys, ["a", "a.a", "a.b", "a.b.c"]);

    let mut pushed = client.subscribe("keys").await.expect("a subscription");
    client.flush().await.expect("the server has it");
    let (subject, request) = last_per_subject("KV_deletion", "keys", "$KV.deletion.a.*", "keys");
    let info: Value = js.request(subject, &request).await.expect("an answer");
    assert!(info.get("error").is_none(), "{info}");
    let two = |info: &Value| {
        info["num_pending"].as_u64().unwrap() + info["delivered"]["consumer_seq"].as_u64().unwrap()
    };
    assert_eq!(two(&info), 2, "{info}");
    for wanted in ["$KV.deletion.a.a", "$KV.deletion.a.b"] {
        let wait = tokio::time::timeout(tests::DEADLINE, pushed.next());
        let message = wait.await.expect("it comes").expect("a message");
        assert_eq!(message.subject.as_str(), wanted);
    }
    let third = tokio::time::timeout(Duration::from_secs(1), pushed.next()).await;
    assert!(third.is_err(), "no third one comes: {third:?}");
    let info: Value =
        js.request("CONSUMER.INFO.KV_deletion.keys", &json!({})).await.expect("an answer");
    assert_eq!(info["num_pending"], 0, "{info}");
    assert_eq!(info["delivered"]["consumer_seq"], 2, "{info}");

    bucket.delete("a.a").await.expect("it is deleted");
    bucket.delete("a.b").await.expect("it is deleted");
    let mut watch = bucket.watch_with_history(">").await.expect("a watch");
    let mut deleted = Vec::new();
    loop {
        let wait = tokio::time::timeout(tests::DEADLINE, watch.next());
        let entry = wait.await.expect("it comes").expect("an entry").expect("a good one");
        if entry.operation == kv::Operation::Delete {
            deleted.push(entry.key.clone());
        }
        // So many follow as the entry says; the last one has seen it all.
        if entry.delta == 0 {
            break;
        }
    }
    assert_eq!(deleted, ["a.a", "a.b"]);
    let left: Vec<String> =
        bucket.keys().await.expect("the keys").try_collect().await.expect("each key");
    assert_eq!(left.len(), 2, "{left:?}");
    drop(client);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[test]
fn jetstream_deliver_last_per_subject_with_kv() {
    let server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "TEST", "subjects": ["kv.>"], "max_msgs_per_subject": 5});
    client.check_create(&config);
    let rows = [("kv.a", 3, "a"), ("kv.a.b", 2, "a.b"), ("kv.a.b.c", 3, "a.b.c")];
    let mut last = 0;
    for (subject, bad, good) in rows {
        for _ in 0..bad {
            last += 1;
            assert_eq!(client.check_publish(subject, "bad"), last);
        }
        last += 1;
        assert_eq!(client.check_publish(subject, good), last);
    }
    client.check_state("TEST", 11, 1, 11);
    let mut pushed = server.client();
    pushed.send("SUB deliver 1\r\n");
    assert_eq!(pushed.sync(), [""; 0]);
    let (subject, request) = last_per_subject("TEST", "CONSUMER", "kv.>", "deliver");
    let created = client.check_ok(&subject, &request);
    assert_eq!(created["config"]["mem_storage"], true, "{created}");
    let (reply, _, first) = pushed.delivery().expect("the first");
    assert_eq!(first, "a");
    assert_eq!(reply.split('.').nth(5), Some("4"), "{reply}");
    let (reply, _, second) = pushed.delivery().expect("the second");
    assert_eq!(second, "a.b");
    assert_eq!(reply.split('.').nth(5), Some("7"), "{reply}");
    let (reply, _, third) = pushed.delivery().expect("the third");
    assert_eq!(third, "a.b.c");
    assert_eq!(reply.split('.').nth(5), Some("11"), "{reply}");
    pushed.expect_silence(Duration::from_secs(1));
    let info = client.check_ok("CONSUMER.INFO.TEST.CONSUMER", &Value::Null);
    assert_eq!(info["num_pending"], 0, "{info}");
    assert_eq!(info["delivered"], created_after(&info, 3, 11), "{info}");
}

/// What `delivered` must be, with the time that the server gives.
fn created_after(info: &Value, consumer_seq: u64, stream_seq: u64) -> Value {
    let mut wanted = json!({"consumer_seq": consumer_seq, "stream_seq": stream_seq});
    wanted["last_active"] = info["delivered"]["last_active"].clone();
    wanted
}

/// Progress of a consumer with nothing pending, as nats-server stores it: ack floor and delivered,
/// each by consumer and stream sequence.
fn progress(ack_floor: u8, delivered: u8) -> Vec<u8> {
    let one_byte_each = [ack_floor, ack_floor, delivered, delivered];
    assert!(one_byte_each.iter().all(|&seq| seq < 0x80));
    [&[22, 2][..], &one_byte_each, &[0, 0]].concat()
}

#[test]
fn jetstream_dangling_message_auto_cleanup() {
    let mut server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "TEST", "subjects": ["foo"], "retention": "interest"});
    client.check_create(&config);
    let consumer = json!({"stream_name": "TEST", "config": {
        "durable_name": "dlc", "ack_policy": "explicit", "max_ack_pending": 10}});
    client.check_ok("CONSUMER.CREATE.TEST.dlc", &consumer);
    for seq in 1..=100 {
        assert_eq!(client.check_publish("foo", "msg"), seq);
    }
    client.send("SUB _P p\r\nPUB $JS.API.CONSUMER.MSG.NEXT.TEST.dlc _P 12\r\n{\"batch\":10}\r\n");
    let replies: Vec<String> =
        (0..10).map(|_| client.delivery().expect("a delivery, and no status").0).collect();
    client.send("UNSUB p\r\n");
    for reply in replies {
        assert_eq!(client.request(&reply, "+ACK").1, "", "the ack is confirmed");
    }
    let info = client.check_ok("CONSUMER.INFO.TEST.dlc", &Value::Null);
    assert_eq!(info["ack_floor"]["stream_seq"], 10, "{info}");
    client.check_state("TEST", 90, 11, 100);
    let file = server.stream_dir("TEST").join("obs/dlc/o.dat");
    drop(client);
    server.stop();

    let stored = std::fs::read(&file).expect("the consumer's progress");
    assert_eq!(stored.get(..8), Some(&*progress(10, 10)), "as it was");
    std::fs::write(&file, progress(90, 90)).expect("it is written");
    server.start_again();
    let mut client = server.client();
    client.check_state("TEST", 10, 91, 100);
    let info = client.check_ok("CONSUMER.INFO.TEST.dlc", &Value::Null);
    assert_eq!(info["ack_floor"]["stream_seq"], 90, "{info}");
    assert_eq!(info["num_pending"], 10, "{info}");
}
