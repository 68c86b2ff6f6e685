//! Message TTLs and subject delete markers.
//!
//! Tests 70–72, 76 (jetstream_test.go) of the ledger.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use js_engine::JsAccount;
use serde_json::{Value, json};
use types::ApiError;

use crate::basic::{Basic, Client, expect_within, wait_until_age};

/// Headers of a message that lives for a second.
const ONE_SECOND: &str = "NATS/1.0\r\nNats-TTL: 1s\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

/// A file stream with ten messages that live for a second, and when the first of them was sent.
fn with_short_lived(server: &Basic) -> (Client, Instant) {
    let mut client = server.client();
    let config =
        json!({"name": "TEST", "subjects": ["test"], "storage": "file", "allow_msg_ttl": true});
    client.check_create(&config);
    let began = Instant::now();
    client.check_publish_many("test", ONE_SECOND, "x", 10);
    (client, began)
}

/// What STREAM.INFO says of the stream: messages, first and last sequence.
fn state(client: &mut Client) -> [u64; 3] {
    let info = client.check_info("TEST");
    ["messages", "first_seq", "last_seq"].map(|name| info["state"][name].as_u64().unwrap())
}

#[test]
fn jetstream_message_ttl_restart() {
    // A machine so busy that a second is over before anybody asked tells nothing: once more.
    loop {
        let mut server = Basic::start();
        let (mut client, began) = with_short_lived(&server);
        let [messages, first, last] = state(&mut client);
        if began.elapsed() < SECOND {
            assert_eq!(messages, 10);
            assert_eq!(first, 1);
            assert_eq!(last, 10);
        }
        server.restart();
        let mut client = server.client();
        let [messages, first, last] = state(&mut client);
        if began.elapsed() >= SECOND {
            continue;
        }
        assert_eq!(messages, 10, "none is of age");
        assert_eq!(first, 1);
        assert_eq!(last, 10);
        expect_within(2 * SECOND, "all go", || state(&mut client)[0] == 0);
        assert!(began.elapsed() >= SECOND, "not before their age");
        let [messages, first, last] = state(&mut client);
        assert_eq!(messages, 0);
        assert_eq!(first, 11);
        assert_eq!(last, 10);
        let info = client.check_info("TEST");
        assert_eq!(info["state"]["bytes"], 0, "{info}");
        break;
    }
}

#[test]
fn jetstream_message_ttl_recovered() {
    loop {
        let mut server = Basic::start();
        let (mut client, began) = with_short_lived(&server);
        let [messages, first, last] = state(&mut client);
        if began.elapsed() < SECOND {
            assert_eq!(messages, 10);
            assert_eq!(first, 1);
            assert_eq!(last, 10);
        }
        server.stop();
        // What knows the TTLs; the messages' headers say them, too.
        let wheel = server.stream_dir("TEST").join("msgs/thw.db");
        std::fs::remove_file(wheel).expect("it is written at a stop");
        server.start_again();
        let mut client = server.client();
        let [messages, first, last] = state(&mut client);
        if began.elapsed() >= SECOND {
            continue;
        }
        assert_eq!(messages, 10, "none is of age");
        assert_eq!(first, 1);
        assert_eq!(last, 10);
        expect_within(2 * SECOND, "all go", || state(&mut client)[0] == 0);
        assert!(began.elapsed() >= SECOND, "not before their age");
        let [messages, first, last] = state(&mut client);
        assert_eq!(messages, 0);
        assert_eq!(first, 11);
        assert_eq!(last, 10);
        let info = client.check_info("TEST");
        assert_eq!(info["state"]["bytes"], 0, "{info}");
        break;
    }
}

#[test]
fn jetstream_subject_delete_markers_after_restart() {
    // A machine so busy that all is of age before it is fetched tells nothing: once more.
    'again: loop {
        let mut server = Basic::start();
        let mut client = server.client();
        let config = json!({"name": "TEST", "subjects": ["test"], "storage": "file",
            "max_age": SECOND.as_nanos(), "allow_msg_ttl": true,
            "subject_delete_marker_ttl": SECOND.as_nanos()});
        client.check_create(&config);
        let consumer = json!({"stream_name": "TEST",
            "config": {"name": "test_consumer", "ack_policy": "explicit"}});
        client.check_ok("CONSUMER.CREATE.TEST.test_consumer", &consumer);
        let began = Instant::now();
        for seq in 1..=3 {
            assert_eq!(client.check_publish("test", ""), seq);
        }
        server.restart();
        let mut client = server.client();
        for wanted in 1..=3 {
            let (seq, headers, payload) = fetch(&mut client);
            if began.elapsed() >= SECOND {
                continue 'again;
            }
            assert_eq!(seq, wanted);
            assert_eq!(headers, "");
            assert_eq!(payload, "");
        }
        let (seq, headers, payload) = fetch(&mut client);
        assert_eq!(seq, 4, "the marker comes next");
        assert_eq!(payload, "");
        let header = |name: &str| {
            let value = headers.split("\r\n").find_map(|line| line.strip_prefix(name));
            value.map(|value| value.trim_start_matches(':').trim().to_owned())
        };
        assert_eq!(header("Nats-Marker-Reason").as_deref(), Some("MaxAge"), "{headers}");
        assert_eq!(header("Nats-TTL").as_deref(), Some("1s"), "{headers}");
        assert!(began.elapsed() >= SECOND, "it comes with the age of the last message");
        let info = client.check_ok("CONSUMER.INFO.TEST.test_consumer", &Value::Null);
        assert_eq!(info["num_ack_pending"], 0, "{info}");
        assert_eq!(info["ack_floor"]["stream_seq"], 4, "{info}");
        break;
    }
}

/// Waits for a message, and acknowledges it, confirmed: sequence, headers and payload.
fn fetch(client: &mut Client) -> (u64, String, String) {
    let request = json!({"batch": 1, "expires": 30_000_000_000_u64}).to_string();
    let size = request.len();
    client.send(format!(
        "SUB _F 1\r\nPUB $JS.API.CONSUMER.MSG.NEXT.TEST.test_consumer _F {size}\r\n{request}\r\nUNSUB 1 1\r\n"
    ));
    let (reply, headers, payload) = client.delivery().expect("a message");
    let (_, confirmed) = client.request(&reply, "+ACK");
    assert_eq!(confirmed, "", "the ack is confirmed");
    (reply.split('.').nth(5).unwrap().parse().unwrap(), headers, payload)
}

/// Removes what is due, and answers how many messages still have a lifetime.
fn expire_pass(account: &JsAccount) -> usize {
    let (tx, rx) = mpsc::channel();
    let work = |stream: &mut stream::Stream, ctx: &stream::Ctx<'_>, _: &mut stream::Effects| {
        stream.expire(ctx);
        Ok(stream.mortal_msgs())
    };
    account.with_stream("TEST", work, move |left: Result<usize, ApiError>| {
        tx.send(left).unwrap();
    });
    rx.recv_timeout(tests::DEADLINE).expect("in time").expect("there is a stream")
}

#[test]
fn jetstream_thw_expire_tasks_race() {
    for storage in ["file", "memory"] {
        let server = Basic::start();
        let mut client = server.client();
        let config =
            json!({"name": "TEST", "subjects": ["foo"], "storage": storage, "allow_msg_ttl": true});
        client.check_create(&config);
        client.check_publish_many("foo", ONE_SECOND, "", 10_000);
        let published = Instant::now();
        let engine = server.server().jetstream_engine().expect("it is on");
        let account = engine.account("$G").expect("it is enabled");
        // Whoever holds up the stream's shard holds its store.
        let (held, is_held) = mpsc::channel();
        let (release, until) = mpsc::channel::<()>();
        let hold =
            move |stream: &mut stream::Stream, _: &stream::Ctx<'_>, _: &mut stream::Effects| {
                held.send(stream.mortal_msgs()).unwrap();
                let _ = until.recv();
                Ok(())
            };
        account.with_stream("TEST", hold, |_| {});
        let mortal = is_held.recv_timeout(tests::DEADLINE).expect("it is held");
        assert!(mortal > 0, "{storage}: some are left, so the passes have something to do");
        wait_until_age(published, SECOND * 3 / 2);
        std::thread::scope(|scope| {
            let passes: Vec<_> = (0..50)
                .map(|_| {
                    let (asked, is_asked) = mpsc::channel();
                    let account = &account;
                    let pass = scope.spawn(move || {
                        asked.send(()).unwrap();
                        // What is asked while it is held is of the time it was held at: each asks
                        // until it has seen the end.
                        while expire_pass(account) > 0 {}
                    });
                    is_asked.recv_timeout(tests::DEADLINE).expect("it runs");
                    pass
                })
                .collect();
            release.send(()).unwrap();
            for pass in passes {
                pass.join().unwrap();
            }
        });
        assert_eq!(expire_pass(&account), 0, "{storage}: none is counted, nor less than none");
        client.check_state("TEST", 0, 10_001, 10_000);
        let usage = client.check_ok("INFO", &Value::Null);
        assert_eq!((&usage["storage"], &usage["memory"]), (&json!(0), &json!(0)), "{usage}");
        // It goes on counting.
        client.check_publish_many("foo", ONE_SECOND, "", 10);
        client.check_ok("STREAM.PURGE.TEST", &Value::Null);
        assert_eq!(expire_pass(&account), 0, "{storage}");
    }
}
