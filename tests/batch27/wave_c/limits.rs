//! Limits, reservations and usage.
//!
//! Tests 39, 53, 67–69 (jetstream_test.go) of the ledger.

use std::sync::atomic::{AtomicBool, Ordering};

use account::TierLimits;
use serde_json::{Value, json};
use tests::{DEADLINE, get_json};
use types::{AccountLimits, Storage};

use crate::basic::{Basic, Client, expect_within};

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

/// A server and a client with a full stream of ten messages of a MiB, of which nine fit.
fn with_full_stream() -> (Basic, Client, String) {
    let server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "TEST", "subjects": ["*"], "max_bytes": MAX_BYTES});
    client.check_create(&config);
    let payload = "A".repeat(1 << 20);
    client.check_publish_many("x", "", &payload, 10);
    (server, client, payload)
}

const MAX_BYTES: u64 = 10 << 20;

#[test]
fn jetstream_max_bytes_ignored() {
    let (mut server, mut client, payload) = with_full_stream();
    client.check_state("TEST", 9, 2, 10);
    let info = client.check_info("TEST");
    let bytes = info["state"]["bytes"].as_u64().expect("a number");
    assert!(bytes <= MAX_BYTES, "{info}");
    server.stop();
    let block = server.stream_dir("TEST").join("msgs/1.blk");
    let file = std::fs::OpenOptions::new().write(true).open(block).expect("the first block");
    file.set_len(0).expect("it is cut");
    server.start_again();
    let mut client = server.client();
    client.check_publish_many("x", "", &payload, 10);
    let info = client.check_info("TEST");
    let state = &info["state"];
    assert!(state["bytes"].as_u64().expect("a number") <= MAX_BYTES, "{info}");
    assert_eq!(state["messages"], 9, "{info}");
    assert_eq!(state["last_seq"], 20, "{info}");
    // Nor do the account and the server count more than there is.
    let usage = client.check_ok("INFO", &Value::Null);
    assert_eq!(usage["storage"], state["bytes"], "{usage}");
}

#[test]
fn jetstream_usage_sync_deadlock() {
    let server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "TEST", "subjects": ["*"]}));
    assert_eq!(client.check_publish("foo", "hello"), 1);
    client.check_create(&json!({"name": "BUSY", "subjects": ["busy.it"], "max_msgs": 50}));
    let engine = server.server().jetstream_engine().expect("JetStream is on");
    let account = engine.account("$G").expect("it is enabled");
    let usage = account.usage();
    // Another stream is busy all the time, and not one of its bytes may be counted wrong.
    let goes_on = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut busy = server.client();
            while goes_on.load(Ordering::Relaxed) {
                busy.check_publish_many("busy.it", "", "something", 100);
            }
        });
        for round in 0..20 {
            let held = i64::try_from(usage.used(Storage::File)).unwrap();
            assert!(held > 0, "the default tier has an entry");
            usage.update_usage("", Storage::File, -1000 - held);
            assert_eq!(client.check_publish("foo", "hello"), round + 2);
            // It is found and counted again.
            expect_within(DEADLINE, "usage is set right", || usage.used(Storage::File) > 0);
        }
        goes_on.store(false, Ordering::Relaxed);
    });
    let mut stored = |stream| client.check_info(stream)["state"]["bytes"].as_u64().unwrap();
    let bytes = stored("TEST") + stored("BUSY");
    assert_eq!(usage.used(Storage::File), bytes);
    assert_eq!(engine.usage().used(Storage::File), bytes);
    for stream in ["TEST", "BUSY"] {
        client.check_ok(&format!("STREAM.DELETE.{stream}"), &Value::Null);
    }
    assert_eq!(usage.used(Storage::File), 0);
    assert_eq!(engine.usage().used(Storage::File), 0);
}

#[test]
fn jetstream_would_exceed_limits() {
    let server = Basic::start();
    let engine = server.server().jetstream_engine().expect("JetStream is on");
    let config = server.server().jetstream_config().expect("a configuration");
    let memory = u64::try_from(config.max_memory).expect("a limit");
    let storage = u64::try_from(config.max_storage).expect("a limit");
    assert!(memory > 0 && storage > 0);
    assert!(!engine.would_exceed_limits(Storage::Memory, memory));
    assert!(!engine.would_exceed_limits(Storage::File, storage));
    assert!(engine.would_exceed_limits(Storage::Memory, memory + 1));
    assert!(engine.would_exceed_limits(Storage::File, storage + 1));
}
