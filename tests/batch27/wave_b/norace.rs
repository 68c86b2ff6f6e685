//! Memory of a limited stream and its mirror.
//!
//! Test 36 (norace_1_test.go) of the ledger.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use config_validate::bytes::friendly_bytes;
use serde_json::{Value, json};
use tests::{Basic, sized};

/// Publishes that wait for their ack.
const WINDOW: u64 = 4000;

#[test]
fn no_race_jetstream_memory_usage_on_limited_stream_with_mirror() {
    let messages = sized(30_000, 1_000_000_u64);
    let most = sized(300, 10_000_u64);
    let server = Basic::start();
    let mut client = server.client();
    let stream = json!({"name": "DD", "subjects": ["ORDERS.*"], "max_msgs": most});
    client.check_api("$JS.API.STREAM.CREATE.DD", &stream);
    let mirror = json!({"name": "M", "mirror": {"name": "DD"}, "max_msgs": most});
    client.check_api("$JS.API.STREAM.CREATE.M", &mirror);
    let payload = "Z".repeat(2048);
    let began = Instant::now();
    client.send("SUB _ACKS 77\r\n");
    let mut text = String::new();
    for number in 0..messages {
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: {number}\r\n\r\n");
        let (head, size) = (headers.len(), headers.len() + payload.len());
        write!(text, "HPUB ORDERS.{number} _ACKS {head} {size}\r\n{headers}{payload}\r\n").unwrap();
        let sent = number + 1;
        if sent % WINDOW == 0 || sent == messages {
            client.send(std::mem::take(&mut text));
            let waiting = if sent % WINDOW == 0 { WINDOW } else { sent % WINDOW };
            for _ in 0..waiting {
                let ack = client.message().1;
                assert!(ack.contains("\"seq\"") && !ack.contains("\"error\""), "{ack}");
            }
        }
    }
    let took = began.elapsed();
    // The Go test gives a million messages twenty seconds.
    assert!(took < Duration::from_secs(300), "publishing took {took:?}");
    let info = client.check_api("$JS.API.STREAM.INFO.DD", &Value::Null);
    assert_eq!(info["state"]["last_seq"], messages, "{info}");
    assert_eq!(info["state"]["messages"], most, "{info}");
    let caught_up = |info: &Value| info["state"]["last_seq"] == messages;
    let subject = "$JS.API.STREAM.INFO.M";
    let info = client.expect_api(subject, &Value::Null, "the end of the origin", caught_up);
    assert_eq!(info["state"]["messages"], most, "{info}");
    assert_eq!(info["state"]["first_seq"], messages - most + 1, "{info}");
    let rate = messages as f64 / took.as_secs_f64();
    let bytes = friendly_bytes(rate * payload.len() as f64);
    let memory = server.server().server().monitor().varz().mem;
    let memory = friendly_bytes(memory as f64);
    println!("{messages} messages in {took:?}: {rate:.0} msgs/s, {bytes}/s, memory {memory}");
}
