//! Many messages: purge of a subject, a restart when all expired, encryption, subject details.
//!
//! Tests 32–35 (norace_1_test.go) of the ledger.

use std::time::{Duration, Instant};

use env::{OsRng, Rng};
use serde_json::{Value, json};
use tests::{Basic, DEADLINE, Node, Raw, Setup, get_json, sized};

/// Memory of the server's process, bytes.
fn memory(node: &Node) -> u64 {
    let line = node.wait_log("Starting http monitor on ");
    let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
    get_json(port, "/varz")["mem"].as_u64().expect("a number")
}

#[test]
fn no_race_jetstream_cluster_extended_stream_purge_stall() {
    const SUBJECTS: u64 = 1000;
    let messages: u64 = sized(2_000, 50_000);
    let config = "http: \"127.0.0.1:-1\", jetstream { store_dir: \"$DIR/store\" }";
    let node = Setup::core().config(config).start();
    let mut client = Raw::client(&node);
    let config = json!({"name": "KV", "subjects": ["kv.>"], "storage": "file"});
    client.check_api("$JS.API.STREAM.CREATE.KV", &config);
    let payload = "0".repeat(100 << 10);
    client.check_stored_many(messages, &payload, |number| format!("kv.{}", number % SUBJECTS));
    let info = client.check_api("$JS.API.STREAM.INFO.KV", &Value::Null);
    assert_eq!(info["state"]["messages"], messages, "{info}");
    assert_eq!(info["state"]["num_subjects"], SUBJECTS, "{info}");

    let began = Instant::now();
    let purged = client.check_api("$JS.API.STREAM.PURGE.KV", &json!({"filter": "kv.20"}));
    let took = began.elapsed();
    assert_eq!(purged["success"], true, "{purged}");
    assert_eq!(purged["purged"], messages / SUBJECTS, "{purged}");
    assert!(took < DEADLINE, "it took {took:?}");
    let info = client.check_api("$JS.API.STREAM.INFO.KV", &json!({"subjects_filter": "kv.20"}));
    assert_eq!(info["state"]["messages"], messages - messages / SUBJECTS, "{info}");
    assert_eq!(info["state"].get("subjects"), None, "nothing is left of it");
    let memory = memory(&node);
    assert!(memory <= 100 << 20, "{memory} bytes of memory");
    println!("purged in {took:?}, {memory} bytes of memory");
}

#[test]
fn no_race_jetstream_slow_restart_with_many_expired_msgs() {
    let age = Duration::from_secs(2);
    let mut server = Basic::start();
    let mut client = server.client();
    let config = json!({"name": "ORDERS", "subjects": ["orders.*"], "max_age": age.as_nanos()});
    client.check_api("$JS.API.STREAM.CREATE.ORDERS", &config);
    let consumer = json!({"stream_name": "ORDERS", "config": {
        "durable_name": "c22", "filter_subject": "orders.*", "ack_policy": "explicit"}});
    client.check_api("$JS.API.CONSUMER.CREATE.ORDERS.c22", &consumer);
    client.check_stored_many(100_000, "OK", |number| format!("orders.{}", number + 1));
    let published = Instant::now();
    drop(client);
    server.stop();
    // tidy: allow sleep: ages pass with the clock and tell nobody
    std::thread::sleep((age + Duration::from_millis(500)).saturating_sub(published.elapsed()));

    let began = Instant::now();
    server.start_again();
    let mut client = server.client();
    let took = began.elapsed();
    assert!(took < DEADLINE, "it takes clients after {took:?}");
    // At once, not some time later.
    let info = client.check_api("$JS.API.STREAM.INFO.ORDERS", &Value::Null);
    let state = &info["state"];
    assert_eq!(state["messages"], 0, "{info}");
    assert_eq!(state["last_seq"], 100_000, "no sequence is given out twice");
    assert_eq!(state["first_seq"], 100_001, "{info}");
    let info = client.check_api("$JS.API.CONSUMER.INFO.ORDERS.c22", &Value::Null);
    assert_eq!(info["num_pending"], 0, "{info}");
    println!("started in {took:?}");
}

#[test]
fn no_race_jetstream_encryption_enabled_on_restart_with_expire() {
    const MESSAGES: u64 = 10_000;
    let mut server = Basic::start();
    let config = server.server().server().jetstream_config().expect("JetStream is configured");
    let mut client = server.client();
    let stream = json!({"name": "TEST", "subjects": ["foo", "bar"], "max_msgs": MESSAGES});
    client.check_api("$JS.API.STREAM.CREATE.TEST", &stream);
    // 4 KiB of random text, as the client of these tests takes text only.
    let random = || OsRng.next_u64().expect("the system gives random numbers");
    let payload: String = (0..256).map(|_| format!("{:016x}", random())).collect();
    assert_eq!(payload.len(), 4096);
    let began = Instant::now();
    client.check_stored_many(2 * MESSAGES, &payload, |number| ["foo", "bar"][number as usize % 2]);
    assert!(began.elapsed() < DEADLINE, "all are acknowledged");
    let consumer = json!({"stream_name": "TEST", "config": {
        "durable_name": "dlc", "ack_policy": "explicit"}});
    client.check_api("$JS.API.CONSUMER.CREATE.TEST.dlc", &consumer);
    let before = client.check_api("$JS.API.STREAM.INFO.TEST", &Value::Null);
    assert_eq!(before["state"]["messages"], MESSAGES, "{before}");
    drop(client);
    // What others take of the system's randomness is none of a start's time.
    OsRng.fill(&mut vec![0; 32 << 20]).expect("the system gives random bytes");

    let began = Instant::now();
    server.restart_with(&format!(
        "listen: \"127.0.0.1:-1\", jetstream {{ key: \"s3cr3t!\", store_dir: \"{}\" }}",
        config.store_dir
    ));
    let mut client = server.client();
    let took = began.elapsed();
    assert!(took < DEADLINE, "it takes clients after {took:?}");
    // The directory that ended with `jetstream` is taken for one of before that was usual.
    let store = server.store_dir();
    assert_eq!(store, std::path::Path::new(&config.store_dir).join("jetstream"));
    let info = client.check_api("$JS.API.STREAM.INFO.TEST", &Value::Null);
    assert_eq!(info["state"], before["state"]);
    let info = client.check_api("$JS.API.CONSUMER.INFO.TEST.dlc", &Value::Null);
    assert_eq!(info["num_pending"], MESSAGES, "{info}");
    let dir = store.join("$G/streams/TEST");
    assert!(dir.join("meta.key").exists(), "it has a key");
    for block in std::fs::read_dir(dir.join("msgs")).expect("its blocks") {
        let bytes = std::fs::read(block.unwrap().path()).unwrap();
        let plain = bytes.windows(64).any(|part| part == &payload.as_bytes()[..64]);
        assert!(!plain, "nothing is left in plain text");
    }
    println!("started in {took:?}");
}

#[test]
fn no_race_jetstream_stream_info_subject_details_limits() {
    const PAGE: u64 = 100_000;
    const LARGEST: usize = 512;
    let server = Basic::with_config(
        "listen: \"127.0.0.1:-1\", jetstream { store_dir: \"$DIR\" }
         accounts {
           default { jetstream: true, users [{user: me, password: pwd}], limits { max_payload: 512 } }
         }",
    );
    let login = || Raw::client_port(server.port(), "\"user\":\"me\",\"pass\":\"pwd\"");
    let mut loud = Raw::connect_port(server.port());
    loud.send(
        "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"me\",\"pass\":\"pwd\"}\r\nPING\r\n",
    );
    assert_eq!(loud.line(), "PONG");
    let again = loud.line();
    let info: Value = serde_json::from_str(again.strip_prefix("INFO ").expect("a second INFO"))
        .expect("the INFO is JSON");
    assert_eq!(info["max_payload"], LARGEST, "{info}");
    loud.send(format!("SUB foo 1\r\nPUB foo 600\r\n{}\r\n", "A".repeat(600)));
    assert_eq!(loud.line(), "-ERR 'Maximum Payload Violation'");
    assert_eq!(loud.rest(), "", "nothing is delivered");

    let mut client = login();
    let config = json!({"name": "TEST", "subjects": ["*", "X.*"]});
    client.check_api("$JS.API.STREAM.CREATE.TEST", &config);
    let began = Instant::now();
    client.check_stored_many(PAGE, "OK", |number| format!("X.{number}"));
    assert!(began.elapsed() < DEADLINE, "all are acknowledged");

    let request = json!({"subjects_filter": "X.*"}).to_string();
    let (_, reply) = client.request("$JS.API.STREAM.INFO.TEST", &request);
    assert!(reply.len() > LARGEST, "a reply may be larger than what the client may send");
    let info: Value = serde_json::from_str(&reply).expect("the reply is JSON");
    let subjects = info["state"]["subjects"].as_object().expect("subjects in the state");
    assert_eq!(subjects.len() as u64, PAGE);
    assert!(subjects.values().all(|count| count == 1), "each once");
    assert!((0..PAGE).all(|n| subjects.contains_key(&format!("X.{n}"))), "each of them");

    assert_eq!(client.check_stored("foo", "TOO MUCH"), PAGE + 1);
    let request = json!({"offset": PAGE, "subjects_filter": ">"});
    let info = client.check_api("$JS.API.STREAM.INFO.TEST", &request);
    assert_eq!(info["state"]["subjects"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(info["total"], PAGE + 1, "of both pages");
    assert_eq!(info["offset"], PAGE);
}
