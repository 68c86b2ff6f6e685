//! Consumers over restarts, filters and pending counts.
//!
//! Tests 27–31 (jetstream_consumer_test.go) of the ledger.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Basic, Raw};

/// Waits until the consumer has so many messages left to deliver.
#[track_caller]
fn expect_pending(client: &mut Raw, consumer: &str, pending: u64) {
    let subject = format!("$JS.API.CONSUMER.INFO.{consumer}");
    let info = client.expect_api(&subject, &Value::Null, &format!("{pending} pending"), |info| {
        info["num_pending"] == pending
    });
    assert_eq!(info["num_pending"], pending);
}

#[test]
fn jetstream_consumer_update_survival() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_api("$JS.API.STREAM.CREATE.X", &json!({"name": "X"}));
    let config = |max: u64| {
        json!({"stream_name": "X", "config": {
            "durable_name": "dlc", "ack_policy": "explicit", "max_ack_pending": max,
        }})
    };
    let create = "$JS.API.CONSUMER.DURABLE.CREATE.X.dlc";
    let made = client.check_api(create, &config(1024));
    assert_eq!(made["config"]["max_ack_pending"], 1024);
    let updated = client.check_api(create, &config(22));
    assert_eq!(updated["config"]["max_ack_pending"], 22);
    let store_dir = server.store_dir();
    assert!(store_dir.ends_with("jetstream"), "{}", store_dir.display());

    server.restart();
    assert_eq!(server.store_dir(), store_dir);
    let mut client = server.client();
    let info = client.check_api("$JS.API.CONSUMER.INFO.X.dlc", &Value::Null);
    assert_eq!(info["name"], "dlc");
    assert_eq!(info["config"]["max_ack_pending"], 22);
    assert_eq!(info["config"]["ack_policy"], "explicit");
}

#[test]
fn jetstream_consumer_deliver_new_not_consuming_before_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_api("$JS.API.STREAM.CREATE.TEST", &json!({"name": "TEST", "subjects": ["foo"]}));
    assert_eq!(client.check_stored("foo", "before the consumer"), 1);
    client.check_api(
        "$JS.API.CONSUMER.DURABLE.CREATE.TEST.dur",
        &json!({"stream_name": "TEST", "config": {
            "durable_name": "dur", "deliver_subject": "_INBOX.new", "ack_policy": "explicit",
            "deliver_policy": "new", "filter_subject": "foo",
        }}),
    );
    for number in 0..10 {
        let seq = client.check_stored("foo", &number.to_string());
        assert_eq!(seq, number + 2);
    }
    expect_pending(&mut client, "TEST.dur", 10);
    client.expect_silence(Duration::from_millis(300));
    drop(client);

    server.restart();
    let mut client = server.client();
    expect_pending(&mut client, "TEST.dur", 10);
    client.send("SUB _INBOX.new 9\r\n");
    let mut acks = Vec::new();
    for number in 0..10 {
        let (ack, _, payload) = client.delivery().expect("a delivery that can be acknowledged");
        assert_eq!(payload, number.to_string());
        acks.push(ack);
    }
    for ack in acks {
        let (_, confirmed) = client.request(&ack, "+ACK");
        assert_eq!(confirmed, "", "the ack is confirmed");
    }
    expect_pending(&mut client, "TEST.dur", 0);
    let info = client.check_api("$JS.API.CONSUMER.INFO.TEST.dur", &Value::Null);
    assert_eq!(info["num_ack_pending"], 0);
    assert_eq!(info["ack_floor"]["stream_seq"], 11);
    client.expect_silence(Duration::from_millis(100));
}

#[test]
fn jetstream_consumer_deliver_new_max_redeliveries_and_server_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_api("$JS.API.STREAM.CREATE.TEST", &json!({"name": "TEST", "subjects": ["foo.*"]}));
    client.check_api(
        "$JS.API.CONSUMER.DURABLE.CREATE.TEST.dur",
        &json!({"stream_name": "TEST", "config": {
            "durable_name": "dur", "deliver_subject": "_INBOX.max", "ack_policy": "explicit",
            "deliver_policy": "new", "max_deliver": 3, "ack_wait": 250_000_000,
            "filter_subject": "foo.bar",
        }}),
    );
    assert_eq!(client.check_stored("foo.bar", "msg"), 1);
    client.send("SUB _INBOX.max 9\r\n");
    for delivery in 1..=3 {
        let (ack, _, payload) = client.delivery().expect("a delivery that can be acknowledged");
        assert_eq!(payload, "msg");
        let start = format!("$JS.ACK.TEST.dur.{delivery}.1.{delivery}.");
        assert!(ack.starts_with(&start), "{ack} does not start with {start}");
    }
    // Longer than it took for each of the others to come.
    client.expect_silence(Duration::from_millis(600));
    drop(client);

    server.restart();
    let mut client = server.client();
    client.send("SUB _INBOX.max 9\r\n");
    client.sync();
    client.expect_silence(Duration::from_millis(300));
    let info = client.check_api("$JS.API.CONSUMER.INFO.TEST.dur", &Value::Null);
    assert_eq!(info["push_bound"], true, "somebody listens, and gets nothing");
    assert_eq!(info["num_pending"], 0);
    assert_eq!(info["delivered"]["stream_seq"], 1);
    assert_eq!(client.check_stored("foo.bar", "another"), 2);
    assert_eq!(client.delivery().expect("a delivery").2, "another", "the consumer works");
}

#[test]
fn jetstream_consumer_multiple_subjects_with_empty() {
    let server = Basic::start();
    let mut client = server.client();
    client.check_api(
        "$JS.API.STREAM.CREATE.name",
        &json!({"name": "name", "subjects": ["events.>"]}),
    );
    for number in 0..10 {
        let seq = client.check_stored("events.created", &number.to_string());
        assert_eq!(seq, number + 1);
    }
    let made = client.check_api(
        "$JS.API.CONSUMER.DURABLE.CREATE.name.durable",
        &json!({"stream_name": "name", "config": {
            "durable_name": "durable", "deliver_subject": "deliver", "filter_subject": "",
            "ack_policy": "explicit",
        }}),
    );
    assert_eq!(made["name"], "durable");
    assert_eq!(made["num_pending"], 10, "an empty filter takes all");
    client.send("SUB deliver 9\r\n");
    let mut acks = Vec::new();
    for number in 0..10 {
        let (ack, _, payload) = client.delivery().expect("a delivery that can be acknowledged");
        assert_eq!(payload, number.to_string());
        acks.push(ack);
    }
    // One stays unacknowledged.
    for ack in &acks[..9] {
        let (_, confirmed) = client.request(ack, "+ACK");
        assert_eq!(confirmed, "", "the ack is confirmed");
    }
    let info = client.check_api("$JS.API.CONSUMER.INFO.name.durable", &Value::Null);
    assert_eq!(info["delivered"]["stream_seq"], 10);
    assert_eq!(info["delivered"]["consumer_seq"], 10);
    assert_eq!(info["ack_floor"]["stream_seq"], 9);
    assert_eq!(info["ack_floor"]["consumer_seq"], 9);
    assert_eq!(info["num_ack_pending"], 1);

    let multiple = json!({"stream_name": "name", "config": {
        "durable_name": "multiple", "deliver_subject": "multiple", "filter_subjects": [""],
        "ack_policy": "explicit",
    }});
    let subject = "$JS.API.CONSUMER.DURABLE.CREATE.name.multiple";
    let refused = client.api(subject, &multiple.to_string());
    let error = &refused["error"];
    assert_eq!(error["code"], 400, "{refused}");
    assert_eq!(error["err_code"], 10139, "{refused}");
    assert_eq!(error["description"], "consumer filter in FilterSubjects cannot be empty");
    let missing = client.api("$JS.API.CONSUMER.INFO.name.multiple", "");
    assert_eq!(missing["error"]["err_code"], 10014, "what was refused is not there");
}

#[test]
fn jetstream_consumer_info_num_pending() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_api(
        "$JS.API.STREAM.CREATE.LIMITS",
        &json!({"name": "LIMITS", "subjects": ["js.in.limits"], "max_msgs": 100}),
    );
    client.check_api(
        "$JS.API.CONSUMER.CREATE.LIMITS.PULL",
        &json!({"stream_name": "LIMITS", "config": {"name": "PULL", "ack_policy": "explicit"}}),
    );
    client.check_stored_many(1000, "x", |_| "js.in.limits");
    let info = client.check_api("$JS.API.CONSUMER.INFO.LIMITS.PULL", &Value::Null);
    assert_eq!(info["num_pending"], 100);
    assert_eq!(info["delivered"]["stream_seq"], 0);

    server.restart();
    let mut client = server.client();
    let info = client.check_api("$JS.API.CONSUMER.INFO.LIMITS.PULL", &Value::Null);
    assert_eq!(info["name"], "PULL");
    assert_eq!(info["num_pending"], 100);
    let stream = client.check_api("$JS.API.STREAM.INFO.LIMITS", &Value::Null);
    assert_eq!(stream["state"]["messages"], 100);
    assert_eq!(stream["state"]["first_seq"], 901);
}
