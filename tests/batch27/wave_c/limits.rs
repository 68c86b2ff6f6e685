//! Limits, reservations and usage.
//!
//! Tests 39, 53, 67–69 (jetstream_test.go) of the ledger.

use account::TierLimits;
use serde_json::{Value, json};
use tests::get_json;
use types::AccountLimits;

use crate::basic::{Basic, Client};

/// One tier for all streams, and zero for what is not named.
fn one_tier(max_memory: i64, max_storage: i64, max_streams: i64) -> TierLimits {
    let zero = AccountLimits {
        max_memory: 0,
        max_storage: 0,
        max_streams: 0,
        max_consumers: 0,
        max_ack_pending: 0,
        memory_max_stream_bytes: 0,
        storage_max_stream_bytes: 0,
        max_bytes_required: false,
    };
    let limits = AccountLimits { max_memory, max_storage, max_streams, ..zero };
    TierLimits::from([(String::new(), limits)])
}

#[test]
fn jetstream_stream_limit_update() {
    let server = Basic::start();
    let limited = server.account("$G").update_jetstream_limits(&one_tier(128, 128, 1));
    limited.expect("the server has so much");
    let mut client = server.client();
    for storage in ["memory", "file"] {
        let config = |max_bytes: i32| json!({"name": "TEST", "subjects": ["foo"], "storage": storage, "max_bytes": max_bytes});
        client.check_create(&config(32));
        // The same again is no second stream.
        client.check_create(&config(32));
        client.check_refused("STREAM.CREATE.MORE", &json!({"name": "MORE", "max_bytes": 1}), 10027);
        client.check_ok("STREAM.UPDATE.TEST", &config(16));
        assert_eq!(client.check_info("TEST")["config"]["max_bytes"], 16);
        client.check_ok("STREAM.DELETE.TEST", &Value::Null);
    }
}

/// What `/varz` says that streams of this storage have reserved.
fn reserved(server: &Basic, storage: &str) -> Value {
    let name = if storage == "file" { "reserved_storage" } else { "reserved_memory" };
    let port = server.monitor_addr().expect("monitoring listens").port();
    get_json(port, "/varz")["jetstream"]["stats"][name].clone()
}

/// A row of the reservation test.
struct Change {
    /// The account's limit.
    limit: i64,
    created: i64,
    updated: i64,
    fits: bool,
}

#[test]
fn jetstream_storage_reserved_bytes() {
    let server = Basic::start_with(|options| {
        options.jetstream.max_memory = Some(1024);
        options.jetstream.max_store = Some(1024);
    });
    let port = server.monitor_addr().expect("monitoring listens").port();
    let config = get_json(port, "/varz")["jetstream"]["config"].clone();
    assert_eq!(config["max_memory"], 1024);
    assert_eq!(config["max_storage"], 1024);
    let row = |limit, created, updated, fits| Change { limit, created, updated, fits };
    let rows = [
        row(-1, 682, 683, true),
        row(-1, 1024, 1025, false),
        row(-1, 1023, 1024, true),
        row(512, 341, 342, true),
        row(512, 512, 513, false),
        row(512, 511, 512, true),
    ];
    let account = server.account("$G");
    let mut client = server.client();
    for (n, Change { limit, created, updated, fits }) in rows.into_iter().enumerate() {
        for storage in ["file", "memory"] {
            let limited = account.update_jetstream_limits(&one_tier(limit, limit, 0));
            assert!(limited.is_ok(), "row {n}: {limited:?}");
            let config = |max_bytes: i64| json!({"name": "TEST", "subjects": ["foo"], "storage": storage, "max_bytes": max_bytes});
            client.check_create(&config(created));
            assert_eq!(reserved(&server, storage), created, "row {n}, {storage}");
            if fits {
                client.check_ok("STREAM.UPDATE.TEST", &config(updated));
                assert_eq!(reserved(&server, storage), updated, "row {n}, {storage}");
            } else {
                check_no_room(&mut client, &config(updated), storage);
                assert_eq!(reserved(&server, storage), created, "row {n}, {storage}");
                assert_eq!(client.check_info("TEST")["config"]["max_bytes"], created);
            }
            client.check_ok("STREAM.DELETE.TEST", &Value::Null);
            assert_eq!(reserved(&server, storage), 0, "row {n}, {storage}");
        }
    }
}

/// The update must be refused for lack of the server's or the account's resources.
#[track_caller]
fn check_no_room(client: &mut Client, config: &Value, storage: &str) {
    let answer = client.ask("STREAM.UPDATE.TEST", config);
    let number = if storage == "file" { 10047 } else { 10028 };
    assert_eq!(answer["error"]["err_code"], number, "{config}: {answer}");
    assert_eq!(answer["error"]["code"], 500, "{config}: {answer}");
}
