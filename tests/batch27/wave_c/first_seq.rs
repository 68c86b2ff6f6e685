//! The first sequence over restarts.
//!
//! Tests 73–75 (jetstream_test.go) of the ledger.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::basic::{Basic, Client};

/// Takes the last byte off every block of a stream; answers how many there are.
fn cut_blocks(server: &Basic, stream: &str) -> usize {
    let mut cut = 0;
    for entry in std::fs::read_dir(server.stream_dir(stream).join("msgs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "blk") {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len.saturating_sub(1)).unwrap();
            cut += 1;
        }
    }
    cut
}

/// Fetches one message and acknowledges it, confirmed; answers its sequence.
fn fetch(client: &mut Client) -> u64 {
    client
        .send("SUB _F 1\r\nPUB $JS.API.CONSUMER.MSG.NEXT.TEST.CONSUMER _F 1\r\n1\r\nUNSUB 1 1\r\n");
    let (reply, _, _) = client.delivery().expect("a message");
    let (_, confirmed) = client.request(&reply, "+ACK");
    assert_eq!(confirmed, "");
    reply.split('.').nth(5).unwrap().parse().unwrap()
}

#[test]
fn jetstream_recovers_stream_first_seq_when_not_empty() {
    let server = Basic::start();
    let mut client = server.client();
    let config =
        json!({"name": "TEST", "subjects": ["test"], "storage": "file", "retention": "interest"});
    let created = client.check_create(&config);
    assert_eq!(created["config"]["retention"], "interest", "{created}");
    let consumer = json!({"stream_name": "TEST", "config": {
        "name": "CONSUMER", "filter_subject": "test", "ack_policy": "explicit"}});
    client.check_ok("CONSUMER.CREATE.TEST.CONSUMER.test", &consumer);
    client.check_publish_many("test", "", "", 1000);
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 1000, "{info}");
    assert_eq!(info["state"]["first_seq"], 1, "{info}");
    assert_eq!(info["state"]["last_seq"], 1000, "{info}");
    let fetched: BTreeSet<u64> = (0..500).map(|_| fetch(&mut client)).collect();
    assert!(fetched.into_iter().eq(1..=500), "each once");
    let info = client.check_ok("CONSUMER.INFO.TEST.CONSUMER", &Value::Null);
    assert_eq!(info["ack_floor"]["stream_seq"], 500, "{info}");
    assert_eq!(info["num_pending"], 500, "{info}");

    server.disable_jetstream();
    assert!(!server.server().jetstream_enabled());
    assert!(cut_blocks(&server, "TEST") > 0, "there is a block");
    server.restart_jetstream();
    assert!(server.server().jetstream_enabled());
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 500, "{info}");
    assert_eq!(info["state"]["first_seq"], 501, "{info}");
    assert_eq!(info["state"]["last_seq"], 1000, "{info}");
    let info = client.check_ok("CONSUMER.INFO.TEST.CONSUMER", &Value::Null);
    assert_eq!(info["ack_floor"]["stream_seq"], 500, "{info}");
    assert_eq!(info["num_pending"], 500, "{info}");
    assert_eq!(fetch(&mut client), 501, "and it goes on");
}

#[test]
fn jetstream_recovers_stream_first_seq_when_empty() {
    let server = Basic::start();
    let mut client = server.client();
    let config =
        json!({"name": "TEST", "subjects": ["test"], "storage": "file", "retention": "interest"});
    let created = client.check_create(&config);
    assert_eq!(created["config"]["retention"], "interest", "{created}");
    let consumer = json!({"stream_name": "TEST",
        "config": {"durable_name": "CONSUMER", "ack_policy": "explicit"}});
    client.check_ok("CONSUMER.DURABLE.CREATE.TEST.CONSUMER", &consumer);
    client.check_publish_many("test", "", "", 1000);
    client.check_state("TEST", 1000, 1, 1000);
    let purged = client.check_ok("STREAM.PURGE.TEST", &Value::Null);
    assert_eq!(purged["purged"], 1000, "{purged}");
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 0, "{info}");
    assert_eq!(info["state"]["first_seq"], 1001, "{info}");
    assert_eq!(info["state"]["last_seq"], 1000, "{info}");
    let info = client.check_ok("CONSUMER.INFO.TEST.CONSUMER", &Value::Null);
    assert_eq!(info["ack_floor"]["stream_seq"], 1000, "{info}");

    server.disable_jetstream();
    assert!(!server.server().jetstream_enabled());
    assert!(cut_blocks(&server, "TEST") > 0, "there is a block");
    server.restart_jetstream();
    assert!(server.server().jetstream_enabled());
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 0, "{info}");
    assert_eq!(info["state"]["first_seq"], 1001, "{info}");
    assert_eq!(info["state"]["last_seq"], 1000, "{info}");
    assert_eq!(client.check_publish("test", ""), 1001, "and it goes on");
}

#[test]
fn jetstream_file_store_first_seq_after_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "TEST", "subjects": ["foo"], "storage": "file",
        "retention": "limits", "first_seq": 10_000});
    let created = client.check_create(&config);
    assert_eq!(created["state"]["first_seq"], 10_000, "{created}");
    assert_eq!(created["state"]["last_seq"], 9_999, "{created}");
    // An empty stream keeps it, too.
    server.restart();
    let mut client = server.client();
    client.check_state("TEST", 0, 10_000, 9_999);
    assert_eq!(client.check_publish("foo", ""), 10_000);
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 1, "{info}");
    assert_eq!(info["state"]["first_seq"], 10_000, "{info}");
    assert_eq!(info["state"]["last_seq"], 10_000, "{info}");
    server.stop();
    drop(client);
    server.start_again();
    let mut client = server.client();
    let info = client.check_info("TEST");
    assert_eq!(info["state"]["messages"], 1, "{info}");
    assert_eq!(info["state"]["first_seq"], 10_000, "{info}");
    assert_eq!(info["state"]["last_seq"], 10_000, "{info}");
    assert_eq!(client.check_publish("foo", ""), 10_001, "and it goes on");
}
