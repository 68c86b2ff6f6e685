//! Mirrors, sources and work queues over restarts.
//!
//! Tests 48, 57, 58 (jetstream_test.go) of the ledger.

use std::time::Duration;

use monitor::HealthzOptions;
use serde_json::{Value, json};

use crate::basic::{Basic, Client, expect_within};

/// A durable pull consumer with explicit acks.
fn check_durable(client: &mut Client, stream: &str, name: &str, more: Value) -> Value {
    let mut config = json!({"durable_name": name, "ack_policy": "explicit"});
    if let (Some(config), Some(more)) = (config.as_object_mut(), more.as_object()) {
        config.extend(more.clone());
    }
    let request = json!({"stream_name": stream, "config": config});
    let answer = client.check_ok(&format!("CONSUMER.CREATE.{stream}.{name}"), &request);
    assert_eq!(answer["config"]["durable_name"], name, "{answer}");
    answer
}

/// Pulls exactly so many messages, acknowledges each and waits until that is confirmed.
fn check_fetched(client: &mut Client, stream: &str, consumer: &str, count: usize) {
    client.send("SUB _F 31\r\n");
    let request = json!({"batch": count, "expires": 60_000_000_000_u64}).to_string();
    let size = request.len();
    client.send(format!(
        "PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer} _F {size}\r\n{request}\r\n"
    ));
    let replies: Vec<String> =
        (0..count).map(|_| client.delivery().expect("a message, and no status").0).collect();
    client.send("UNSUB 31\r\n");
    assert_eq!(client.sync(), [""; 0], "no more than was asked for");
    for reply in replies {
        let (headers, payload) = client.request(&reply, "+ACK");
        assert!(headers.is_empty() && payload.is_empty(), "{reply} is confirmed: {headers}");
    }
}

fn expect_pending(client: &mut Client, stream: &str, consumer: &str, pending: u64) {
    let subject = format!("CONSUMER.INFO.{stream}.{consumer}");
    expect_within(Duration::from_secs(20), "the messages are there", || {
        client.check_ok(&subject, &Value::Null)["num_pending"] == pending
    });
}

/// Healthy within the time that the Go tests allow, and without a complaint.
fn expect_healthy(server: &Basic) {
    let health = || server.server().monitor().healthz(&HealthzOptions::default());
    expect_within(Duration::from_secs(10), "the server is healthy", || health().status == "ok");
    let health = health();
    assert_eq!(health.status, "ok");
    assert_eq!(health.error, "", "and has nothing to complain of");
}

/// Restarts as an operator does, and waits until the server is healthy.
fn restart(server: &mut Basic, client: Client) -> Client {
    drop(client);
    server.restart();
    expect_healthy(server);
    server.client()
}

#[test]
fn jetstream_mirrored_consumer_fail_after_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "S1", "subjects": ["foo", "bar", "baz"]}));
    client.check_create(&json!({"name": "M1", "mirror": {"name": "S1"}}));
    check_durable(&mut client, "M1", "C1", json!({"filter_subject": ">"}));
    client.check_publish("bar", "before");
    expect_pending(&mut client, "M1", "C1", 1);
    let mut client = restart(&mut server, client);
    let info = client.check_info("M1");
    assert_eq!(info["mirror"]["name"], "S1", "{info}");
    assert_eq!(info["state"]["messages"], 1, "{info}");
    let info = client.check_ok("CONSUMER.INFO.M1.C1", &Value::Null);
    assert_eq!(info["num_pending"], 1, "{info}");
    client.check_publish("foo", "after");
    expect_pending(&mut client, "M1", "C1", 2);
}

#[test]
fn jetstream_work_queue_source_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "FOO", "subjects": ["foo"], "num_replicas": 1}));
    client.check_publish_many("foo", "", "", 10);
    client.check_create(&json!({
        "name": "TEST",
        "retention": "workqueue",
        "num_replicas": 1,
        "sources": [{"name": "FOO"}],
    }));
    check_durable(&mut client, "TEST", "dur", Value::Null);
    expect_pending(&mut client, "TEST", "dur", 10);
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 10, "{info}");
    assert_eq!(info["sources"][0]["name"], "FOO", "{info}");
    assert_eq!(info["sources"][0]["lag"], 0, "{info}");
    check_fetched(&mut client, "TEST", "dur", 10);
    let info = client.check_ok("CONSUMER.INFO.TEST.dur", &Value::Null);
    assert_eq!(info["num_pending"], 0, "{info}");
    assert_eq!(info["num_ack_pending"], 0, "{info}");
    client.check_state("TEST", 0, 11, 10);
    let mut client = restart(&mut server, client);
    client.check_state("TEST", 0, 11, 10);
    let info = client.check_ok("CONSUMER.INFO.TEST.dur", &Value::Null);
    assert_eq!(info["num_pending"], 0, "{info}");
    let request = json!({"batch": 1, "expires": 1_000_000_000_u64}).to_string();
    let (headers, payload) = client.request("$JS.API.CONSUMER.MSG.NEXT.TEST.dur", &request);
    assert!(headers.starts_with("NATS/1.0 408"), "nothing comes in that time: {headers}");
    assert_eq!(payload, "");
    // What is new does come, and shows that the source was read all the while.
    assert_eq!(client.check_publish("foo", "new"), 11);
    expect_pending(&mut client, "TEST", "dur", 1);
    client.check_state("TEST", 1, 11, 11);
    let stored = client.check_ok("STREAM.MSG.GET.TEST", &json!({"seq": 11}));
    assert!(stored["message"]["hdrs"].is_string(), "it says where it comes from: {stored}");
    check_fetched(&mut client, "TEST", "dur", 1);
    client.check_state("TEST", 0, 12, 11);
    let info = client.check_info("FOO");
    assert_eq!(info["state"]["messages"], 11, "the origin keeps what it has: {info}");
}

#[test]
fn jetstream_work_queue_source_naming_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "C1", "subjects": ["foo.*"]}));
    client.check_create(&json!({"name": "C2", "subjects": ["bar.*"]}));
    for n in 0..10 {
        assert_eq!(client.check_publish(&format!("foo.{n}"), ""), n + 1);
        assert_eq!(client.check_publish(&format!("bar.{n}"), ""), n + 1);
    }
    client.check_create(&json!({
        "name": "D",
        "retention": "workqueue",
        "sources": [{"name": "C1"}, {"name": "C2"}],
    }));
    check_durable(&mut client, "D", "dur", Value::Null);
    expect_pending(&mut client, "D", "dur", 20);
    check_fetched(&mut client, "D", "dur", 18);
    let info = client.check_ok("CONSUMER.INFO.D.dur", &Value::Null);
    assert_eq!(info["num_pending"], 2, "{info}");
    assert_eq!(info["num_ack_pending"], 0, "{info}");
    client.check_state("D", 2, 19, 20);
    let mut client = restart(&mut server, client);
    client.check_state("D", 2, 19, 20);
    // Both sources go on where they were: one new message of each, and nothing else.
    assert_eq!(client.check_publish("foo.x", ""), 11);
    assert_eq!(client.check_publish("bar.x", ""), 11);
    expect_pending(&mut client, "D", "dur", 4);
    client.check_state("D", 4, 19, 22);
    check_fetched(&mut client, "D", "dur", 4);
    client.check_state("D", 0, 23, 22);
    let info = client.check_info("D");
    let lags: Vec<&Value> = info["sources"].as_array().unwrap().iter().map(|s| &s["lag"]).collect();
    assert_eq!(lags, [0, 0], "{info}");
    let mut client = restart(&mut server, client);
    client.check_state("D", 0, 23, 22);
}
