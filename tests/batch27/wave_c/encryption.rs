//! Encrypted stores over restarts.
//!
//! Tests 46, 77 (jetstream_test.go) of the ledger.

use serde_json::{Value, json};
use tests::{Node, Raw, Setup, get_json};

/// A server of its own process, whose store's key stands in its environment.
fn encrypted(cipher: &str) -> Setup {
    let config = format!(
        "server_name: S22
         http: \"127.0.0.1:-1\"
         jetstream {{ key: $JS_KEY, {cipher} store_dir: \"$DIR/store\" }}"
    );
    Setup::core().config(&config).env("JS_KEY", "s3cr3t!!")
}

/// JetStream's configuration as `/varz` has it.
fn jetstream_config(node: &Node) -> serde_json::Value {
    let line = node.wait_log("Starting http monitor on ");
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    get_json(port, "/varz")["jetstream"]["config"].clone()
}

#[test]
fn jetstream_server_encryption_server_restarts() {
    for cipher in ["", "cipher: chacha,", "cipher: aes,"] {
        let mut node = encrypted(cipher).start();
        let config = jetstream_config(&node);
        assert!(config.is_object(), "{cipher} JetStream is configured: {config}");
        let mut client = Raw::client(&node);
        let created = client.api(
            "$JS.API.STREAM.CREATE.TEST",
            &json!({"name": "TEST", "subjects": ["foo"]}).to_string(),
        );
        assert!(created.get("error").is_none(), "{cipher} {created}");
        assert!(node.stop().success());
        node.restart();
        let secret = "ENCRYPTED PAYLOAD!!";
        let ack = Raw::client(&node).api("foo", secret);
        assert!(ack.get("error").is_none(), "{cipher} {ack}");
        assert_eq!(ack["seq"], 1, "{cipher} {ack}");
        assert!(node.stop().success());
        let block = std::fs::read(node.store().join("jetstream/$G/streams/TEST/msgs/1.blk"));
        let block = block.expect("the stream's first block");
        assert!(!block.is_empty());
        let plain = block.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!plain, "{cipher} it is not there in plain text");
        node.restart();
        let mut client = Raw::client(&node);
        client.send("SUB deliver 7\r\n");
        client.sync();
        let consumer = json!({"stream_name": "TEST", "config": {
            "deliver_subject": "deliver", "ack_policy": "explicit", "filter_subject": "foo"}});
        let created = Raw::client(&node).api("$JS.API.CONSUMER.CREATE.TEST", &consumer.to_string());
        assert!(created.get("error").is_none(), "{cipher} {created}");
        let (reply, _, payload) = client.delivery().expect("a delivery");
        assert_eq!(payload, secret, "{cipher}");
        // $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>...
        assert_eq!(reply.split('.').nth(5), Some("1"), "{cipher} {reply}");
        assert!(node.stop().success());
    }
}

#[test]
fn jetstream_server_encryption_recovery_without_stream_state_file() {
    for cipher in ["", "cipher: chacha,", "cipher: aes,"] {
        let mut node = encrypted(cipher).start();
        let config = jetstream_config(&node);
        assert!(config.is_object(), "{cipher} JetStream is configured: {config}");
        let mut client = Raw::client(&node);
        let config = json!({"name": "TEST", "subjects": ["foo"]});
        client.check_api("$JS.API.STREAM.CREATE.TEST", &config);
        assert_eq!(client.check_stored("foo", ""), 1);
        let info = client.check_api("$JS.API.STREAM.INFO.TEST", &Value::Null);
        let state = &info["state"];
        assert_eq!(state["messages"], 1, "{cipher} {info}");
        assert_eq!(state["first_seq"], 1, "{cipher} {info}");
        assert_eq!(state["last_seq"], 1, "{cipher} {info}");
        assert_eq!(state["first_ts"], state["last_ts"], "{cipher} {info}");
        for restart in ["without the state", "with all files"] {
            assert!(node.stop().success());
            let msgs = node.store().join("jetstream/$G/streams/TEST/msgs");
            if restart == "without the state" {
                std::fs::remove_file(msgs.join("index.db")).expect("it is written at a stop");
            } else {
                assert!(msgs.join("index.db").exists(), "{cipher} it is there again");
            }
            node.restart();
            let mut client = Raw::client(&node);
            let again = client.check_api("$JS.API.STREAM.INFO.TEST", &Value::Null);
            assert_eq!(&again["state"], state, "{cipher} {restart}");
            assert_eq!(again["created"], info["created"], "{cipher} {restart}");
        }
    }
}
