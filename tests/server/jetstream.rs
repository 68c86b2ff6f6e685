//! JetStream end to end, through the wire.

use serde_json::json;
use tests::{Raw, Setup};

#[test]
fn a_published_message_is_acknowledged_and_can_be_read() {
    let node = Setup::jetstream().start();
    let mut raw = Raw::client(&node);
    let created = raw.api("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.>"]}"#);
    assert_eq!(created["type"], "io.nats.jetstream.api.v1.stream_create_response");
    assert_eq!(created["did_create"], true, "{created}");
    assert_eq!(created["config"]["num_replicas"], 1);
    assert_eq!(raw.api("s.a", "hello"), json!({"stream": "S", "seq": 1}));
    assert_eq!(raw.api("s.b", "world"), json!({"stream": "S", "seq": 2}));
    let got = raw.api("$JS.API.STREAM.MSG.GET.S", r#"{"last_by_subj":"s.a"}"#);
    assert_eq!(got["message"]["seq"], 1);
    assert_eq!(got["message"]["data"], "aGVsbG8=");
    let missing = raw.api("$JS.API.STREAM.INFO.NONE", "");
    assert_eq!(
        missing["error"],
        json!({"code": 404, "err_code": 10059, "description": "stream not found"})
    );
}

#[test]
fn the_same_message_id_is_stored_once() {
    let node = Setup::jetstream().start();
    let mut raw = Raw::client(&node);
    raw.api("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    let mut publish = |id: &str| {
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
        let size = headers.len();
        raw.send(format!("SUB r 5\r\nHPUB s r {size} {}\r\n{headers}x\r\nUNSUB 5 1\r\n", size + 1));
        serde_json::from_str::<serde_json::Value>(&raw.message().1).unwrap()
    };
    assert_eq!(publish("a"), json!({"stream": "S", "seq": 1}));
    assert_eq!(publish("a"), json!({"stream": "S", "seq": 1, "duplicate": true}));
    assert_eq!(publish("b"), json!({"stream": "S", "seq": 2}));
}

#[test]
fn limits_hold_with_many_publishers_at_once() {
    const PUBLISHERS: usize = 8;
    let node = Setup::core()
        .config("jetstream { max_mem: 1MB, max_file: 1MB, store_dir: \"$DIR/store\" }, http: \"127.0.0.1:-1\"")
        .start();
    let mut raw = Raw::client(&node);
    raw.api("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*"]}"#);
    let results: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..PUBLISHERS)
            .map(|n| {
                let node = &node;
                scope.spawn(move || {
                    let mut raw = Raw::client(node);
                    let payload = "x".repeat(1000);
                    let (mut stored, mut refused) = (0, 0);
                    for _ in 0..200 {
                        let ack = raw.api(&format!("s.{n}"), &payload);
                        match ack["error"]["err_code"].as_u64() {
                            None => stored += 1,
                            Some(10023) => refused += 1,
                            other => panic!("{other:?} in {ack}"),
                        }
                    }
                    (stored, refused)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // A record is 30 bytes and its subject and payload: 1033 of them.
    let stored: usize = results.iter().map(|(stored, _)| stored).sum();
    assert_eq!(stored, 1_048_576 / 1033);
    assert!(results.iter().all(|(stored, refused)| stored + refused == 200));
    let info = raw.api("$JS.API.STREAM.INFO.S", "");
    assert_eq!(info["state"]["messages"], stored);
    assert_eq!(info["state"]["last_seq"], stored, "a refused message takes no sequence");
    let account = raw.api("$JS.API.INFO", "");
    assert_eq!(account["storage"], stored * 1033);
    let purged = raw.api("$JS.API.STREAM.PURGE.S", "");
    assert_eq!(purged["purged"], stored);
    assert_eq!(raw.api("$JS.API.INFO", "")["storage"], 0);
    assert_eq!(raw.api("s.1", "again")["seq"], stored + 1);
}
