//! What a restart finds again, and restored snapshots.
//!
//! Tests 47, 49–52, 54, 56, 66 (jetstream_test.go) of the ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use monitor::HealthzOptions;
use serde_json::{Value, json};
use store::{ArchiveWriter, FileStore, FileStoreOptions, StreamStore as _};
use types::{StreamConfig, StreamSource, Timestamp};

use crate::basic::{Basic, expect_within, wait_until_age};

#[test]
fn jetstream_expire_all_while_server_down() {
    let mut server = Basic::start();
    let mut client = server.client();
    let age = Duration::from_millis(250);
    client.check_create(&json!({"name": "TEST", "max_age": age.as_nanos()}));
    client.check_publish_many("TEST", "", "OK", 10_000);
    let published = Instant::now();
    server.stop();
    wait_until_age(published, age + Duration::from_millis(50));
    server.start_again();
    let mut client = server.client();
    client.check_state("TEST", 0, 10_001, 10_000);
    // They are new: they go by their own age only. Asked again where the machine was so busy
    // that they may have gone.
    let mut last = 10_000;
    loop {
        let began = Instant::now();
        client.check_publish_many("TEST", "", "OK", 10);
        last += 10;
        let info = client.check_info("TEST");
        assert_eq!(info["state"]["last_seq"], last, "{info}");
        if began.elapsed() < age {
            assert_eq!(info["state"]["messages"], 10, "{info}");
            break;
        }
        client.check_ok("STREAM.PURGE.TEST", &Value::Null);
    }
}

#[test]
fn jetstream_large_expires_and_server_restart() {
    let mut server = Basic::start();
    let age = Duration::from_secs(2);
    let config = json!({"name": "S", "subjects": ["foo"], "max_age": age.as_nanos()});
    let mut client = server.client();
    client.check_create(&config);
    let began = Instant::now();
    client.check_publish("foo", "ok");
    wait_until_age(began, age / 2);
    server.restart();
    let mut client = server.client();
    let mut seen = Vec::new();
    expect_within(Duration::from_secs(5), "the message goes by its age", || {
        let info = client.check_info("S");
        let left = info["state"]["messages"].as_u64().unwrap();
        seen.push((began.elapsed(), left));
        left == 0
    });
    let (gone, _) = seen.last().unwrap();
    assert!(*gone <= age + Duration::from_secs(1), "its age counts from when it was stored");
    assert!(*gone >= age, "not before its age: {seen:?}");
}

#[test]
fn jetstream_recover_bad_stream_subjects() {
    let mut server = Basic::start();
    let dir = server.store();
    server.stop();
    let config = StreamConfig {
        name: "TEST".to_owned(),
        subjects: ["foo", "bar", " baz "].map(str::to_owned).to_vec(),
        max_msg_size: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    };
    let disk = Arc::new(env::OsDisk);
    let created = Timestamp::from_unix_ns(1_700_000_000_000_000_000);
    let options = FileStoreOptions::default();
    let made = FileStore::create(disk, &dir.join("$G"), created, &config, options);
    let mut store = made.expect("a store");
    store.stop().expect("it stops");
    drop(store);
    server.start_again();
    let mut client = server.client();
    let info = client.check_info("TEST");
    assert_eq!(info["config"]["subjects"].as_array().map(Vec::len), Some(3), "{info}");
    assert_eq!(info["config"]["subjects"], json!(["foo", "bar", "baz"]), "{info}");
    assert_eq!(client.check_publish("foo", "x"), 1, "the sound subjects work");
    assert_eq!(client.check_publish("bar", "x"), 2, "the sound subjects work");
    assert_eq!(client.check_publish("baz", "x"), 3, "and the repaired one");
}

#[test]
fn jetstream_recover_bad_mirror_config_with_subjects() {
    mark::check!(F1450);
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "S", "subjects": ["foo"]}));
    assert_eq!(client.check_publish("foo", "one"), 1);
    let dir = server.store();
    drop(client);
    server.stop();
    let config = StreamConfig {
        name: "M".to_owned(),
        subjects: ["foo", "bar", "baz"].map(str::to_owned).to_vec(),
        mirror: Some(StreamSource { name: "S".to_owned(), ..StreamSource::default() }),
        duplicate_window_ns: 120_000_000_000,
        max_msg_size: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    };
    let disk = Arc::new(env::OsDisk);
    let created = Timestamp::from_unix_ns(1_700_000_000_000_000_000);
    let options = FileStoreOptions::default();
    let made = FileStore::create(disk, &dir.join("$G"), created, &config, options);
    let mut store = made.expect("a store");
    store.stop().expect("it stops");
    drop(store);
    server.start_again();
    let mut client = server.client();
    let info = client.check_info("M");
    assert!(info["config"].get("subjects").is_none(), "{info}");
    assert!(info["config"].get("duplicate_window").is_none(), "{info}");
    assert_eq!(info["config"]["mirror"]["name"], "S", "{info}");
    expect_within(Duration::from_secs(5), "it mirrors", || {
        client.check_info("M")["state"]["messages"] == 1
    });
    assert_eq!(client.check_publish("foo", "two"), 2, "the subjects are the origin's alone");
}

#[test]
fn jetstream_stream_info_subjects_details_after_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "TEST", "subjects": ["*"]}));
    for (n, subject) in ["foo", "foo", "bar", "baz", "baz"].into_iter().enumerate() {
        assert_eq!(client.check_publish(subject, ""), n as u64 + 1);
    }
    let wanted = json!({"foo": 2, "bar": 1, "baz": 2});
    let asked = json!({"subjects_filter": ">"});
    let info = client.check_ok("STREAM.INFO.TEST", &asked);
    assert_eq!(info["state"]["num_subjects"], 3, "{info}");
    assert_eq!(info["state"]["subjects"], wanted, "{info}");
    drop(client);
    server.restart();
    let info = server.client().check_ok("STREAM.INFO.TEST", &asked);
    assert_eq!(info["state"]["num_subjects"], 3, "{info}");
    assert_eq!(info["state"]["subjects"], wanted, "{info}");
}

/// Names and contents of all files below a directory.
fn files(root: &Path, below: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files(root, &path, found);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.push((path.to_string_lossy().into_owned(), bytes));
        }
    }
}

#[test]
fn jetstream_restore_bad_stream() {
    // What a real stream has on disk, and two members that lead out of its directory.
    let mut origin = Basic::start();
    let mut client = origin.client();
    let config =
        client.check_create(&json!({"name": "TEST", "subjects": ["foo"]}))["config"].take();
    client.check_publish_many("foo", "", "a message", 10);
    let consumer = json!({"stream_name": "TEST", "config": {"durable_name": "test", "ack_policy": "explicit"}});
    client.check_ok("CONSUMER.CREATE.TEST.test", &consumer);
    let state = client.check_info("TEST")["state"].take();
    origin.stop();
    let mut members = Vec::new();
    files(&origin.stream_dir("TEST"), Path::new(""), &mut members);
    members.retain(|(name, _)| {
        let parts = ["meta.inf", "meta.sum", ".blk", "o.dat"];
        parts.iter().any(|part| name.ends_with(part))
    });
    assert!(members.len() >= 6, "stream, block and consumer: {}", members.len());
    let pack = |more: &[&str]| {
        let mut archive = ArchiveWriter::new(Vec::new(), 0);
        for (name, bytes) in &members {
            archive.add(name, bytes).unwrap();
        }
        for name in more {
            archive.add(name, b"this must not be written").unwrap();
        }
        archive.finish().unwrap()
    };
    let server = Basic::start();
    let mut client = server.client();
    let request = json!({"config": config, "state": state});
    let restore = |client: &mut crate::basic::Client, archive: &[u8]| {
        let answer = client.check_ok("STREAM.RESTORE.TEST", &request);
        let subject = answer["deliver_subject"].as_str().expect("where to send it").to_owned();
        for chunk in archive.chunks(1024) {
            let reply = client.request_bytes(&subject, chunk);
            assert!(!reply.contains("error"), "no chunk is refused: {reply}");
        }
        client.api(&subject, "")
    };
    let bad = ["../../fail1.txt", "obs/test/../../../../fail2.txt"];
    for one in [&bad[..], &bad[..1], &bad[1..]] {
        let answer = restore(&mut client, &pack(one));
        let text = answer["error"]["description"].as_str().expect("it is refused");
        assert!(text.contains("unexpected"), "{answer}");
        assert!(!text.contains("txt"), "the archive is not quoted: {answer}");
    }
    let account = server.store().join("$G");
    assert!(!account.join("fail1.txt").exists(), "nothing is written outside");
    assert!(!account.join("fail2.txt").exists(), "nothing is written outside");
    let mut left = Vec::new();
    files(&server.store(), Path::new(""), &mut left);
    assert!(!left.iter().any(|(name, _)| name.contains("fail")), "nor anywhere else");
    client.check_refused("STREAM.INFO.TEST", &Value::Null, 10059);
    // Without them it is a good archive.
    let answer = restore(&mut client, &pack(&[]));
    assert!(answer.get("error").is_none(), "{answer}");
    client.check_state("TEST", 10, 1, 10);
    client.check_ok("CONSUMER.INFO.TEST.test", &Value::Null);
}

#[test]
fn jetstream_recover_sealed_after_server_restart() {
    let mut server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "foo"}));
    client.check_publish_many("foo", "", "OK", 100);
    client.check_ok("STREAM.UPDATE.foo", &json!({"name": "foo", "sealed": true}));
    drop(client);
    server.restart();
    let mut client = server.client();
    client.check_state("foo", 100, 1, 100);
    assert_eq!(client.check_info("foo")["config"]["sealed"], true);
    let refused = client.api("foo", "OK");
    assert_eq!(refused["error"]["err_code"], 10109, "{refused}");
}

#[test]
fn jetstream_snapshot_restore_stall_and_healthz() {
    let server = Basic::start();
    let mut client = server.client();
    client.check_create(&json!({"name": "ORDERS", "subjects": ["orders.*"]}));
    client.check_publish_many("orders.created", "", "new order", 1000);
    client.check_state("ORDERS", 1000, 1, 1000);
    let health = || server.server().monitor().healthz(&HealthzOptions::default());
    assert_eq!(health().status, "ok");
    assert_eq!(health().error, "");
    // Where restores are unpacked; it is no account.
    for dir in [".snap-staging", "$G/.snap-staging"] {
        std::fs::create_dir(server.store().join(dir)).expect("it is made");
        assert_eq!(health().status, "ok", "{dir}");
        assert_eq!(health().error, "", "{dir}");
    }
    std::fs::create_dir_all(server.store().join("$G/streams/GONE")).expect("it is made");
    assert_eq!(health().status, "unavailable", "a stream that is not served is missed");
}
