//! The client protocol's edges, as raw bytes.

use tests::{Raw, Setup};

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

#[test]
fn info_says_what_clients_test_for() {
    let node = Setup::core().args(["-n", "edge"]).start();
    let raw = Raw::connect(&node);
    let info = &raw.info;
    assert_eq!(info["version"], "2.14.0");
    assert_eq!(info["server_name"], "edge");
    assert_eq!(info["proto"], 1);
    assert_eq!(info["headers"], true);
    assert_eq!(info["max_payload"], 1_048_576);
    assert_eq!(info["port"], node.port());
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert!(info["client_id"].as_u64().unwrap() > 0);
    let id = info["server_id"].as_str().unwrap();
    assert!(id.len() == 56 && id.starts_with('N'), "{id}");
    assert!(info.get("jetstream").is_none(), "JetStream is off");
    assert!(info.get("auth_required").is_none());
}

#[test]
fn publish_subscribe_and_unsubscribe() {
    let node = Setup::core().start();
    let mut sub = Raw::client(&node);
    sub.send("SUB a.* 1\r\nSUB a.b workers 2\r\nSUB > 3\r\nUNSUB 3\r\n");
    assert!(sub.sync().is_empty());
    let mut publisher = Raw::client(&node);
    publisher.send("PUB a.c 3\r\nxyz\r\npub\ta.d reply.to 0\r\n\r\nPUB b 1\r\nz\r\n");
    assert!(publisher.sync().is_empty());
    sub.expect("MSG a.c 1 3\r\nxyz\r\nMSG a.d 1 reply.to 0\r\n\r\n");
    publisher.send("HPUB a.h 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    sub.expect("HMSG a.h 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    assert!(sub.sync().is_empty());
}

#[test]
fn unsub_with_max_counts_what_was_delivered_before() {
    let node = Setup::core().start();
    let mut raw = Raw::client(&node);
    raw.send("SUB x 1\r\nPUB x 1\r\na\r\nUNSUB 1 2\r\nPUB x 1\r\nb\r\nPUB x 1\r\nc\r\nPING\r\n");
    raw.expect("MSG x 1 1\r\na\r\nMSG x 1 1\r\nb\r\nPONG\r\n");
    raw.send("SUB y 2\r\nPUB y 1\r\na\r\nUNSUB 2 1\r\nPUB y 1\r\nb\r\nPING\r\n");
    raw.expect("MSG y 2 1\r\na\r\nPONG\r\n");
}

#[test]
fn queue_groups_share_and_plain_subscribers_get_all() {
    let node = Setup::core().start();
    let mut members: Vec<_> = (0..3).map(|_| Raw::client(&node)).collect();
    for member in &mut members {
        member.send("SUB q g 1\r\n");
        member.sync();
    }
    let mut plain = Raw::client(&node);
    plain.send("SUB q 1\r\n");
    plain.sync();
    let mut publisher = Raw::client(&node);
    publisher.send("PUB q 1\r\nx\r\n".repeat(300));
    publisher.sync();
    plain.expect(&"MSG q 1 1\r\nx\r\n".repeat(300));
    let counts: Vec<_> = members
        .iter_mut()
        .map(|m| m.sync().iter().filter(|line| line.starts_with("MSG ")).count())
        .collect();
    assert_eq!(counts.iter().sum::<usize>(), 300);
    assert!(counts.iter().all(|n| *n > 20), "{counts:?}");
}

#[test]
fn a_request_without_responders_gets_a_503() {
    let node = Setup::core().start();
    let mut raw = Raw::client(&node);
    raw.send("SUB inbox.* 9\r\nPUB nobody.here inbox.1 0\r\n\r\n");
    raw.expect("HMSG inbox.1 9 43 43\r\nNATS/1.0 503\r\nNats-Subject: nobody.here\r\n\r\n\r\n");
}

#[test]
fn verbose_says_ok_and_echo_off_keeps_own_messages_away() {
    let node = Setup::core().start();
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":true,\"echo\":false,\"protocol\":1}\r\n");
    raw.expect("+OK\r\n");
    raw.send("SUB a 1\r\nPUB a 2\r\nhi\r\nUNSUB 1\r\n");
    raw.expect("+OK\r\n+OK\r\n+OK\r\n");
}

/// What the server answers before it closes, after CONNECT and `input`.
#[track_caller]
fn check_refused(setup: Setup, input: &str, answer: &str) {
    let node = setup.start();
    let mut raw = Raw::connect(&node);
    raw.send(CONNECT);
    raw.sync();
    raw.try_send(input);
    assert_eq!(raw.rest(), answer, "after {:?}", &input[..input.len().min(60)]);
}

#[test]
fn what_is_no_protocol_ends_the_connection() {
    check_refused(Setup::core(), "BOGUS\r\n", "-ERR 'Unknown Protocol Operation'\r\n");
    check_refused(
        Setup::core().config("max_payload: 100"),
        "PUB a 101\r\n",
        "-ERR 'Maximum Payload Violation'\r\n",
    );
    let long = format!("SUB {} 1\r\n", "a".repeat(5000));
    check_refused(Setup::core(), &long, "-ERR 'maximum control line exceeded'\r\n");
}

#[test]
fn a_bad_subject_is_told_and_survived() {
    let node = Setup::core().start();
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":false,\"pedantic\":true}\r\n");
    raw.sync();
    raw.send("PUB a..b 1\r\nx\r\nSUB a..b 1\r\n");
    raw.expect("-ERR 'Invalid Publish Subject'\r\n-ERR 'Invalid Subject'\r\n");
    assert!(raw.sync().is_empty());
}

#[test]
fn wrong_credentials_end_the_connection() {
    let node = Setup::core().args(["-user", "me", "-pass", "secret"]).start();
    let mut raw = Raw::connect(&node);
    assert_eq!(raw.info["auth_required"], true);
    raw.send("CONNECT {\"user\":\"me\",\"pass\":\"wrong\"}\r\n");
    assert_eq!(raw.rest(), "-ERR 'Authorization Violation'\r\n");
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":false,\"user\":\"me\",\"pass\":\"secret\"}\r\n");
    assert!(raw.sync().is_empty());
}

#[test]
fn a_client_that_does_not_authenticate_in_time_is_cut_off() {
    let node = Setup::core().config("authorization { token: t, timeout: 0.2 }").start();
    let mut raw = Raw::connect(&node);
    assert_eq!(raw.rest(), "-ERR 'Authentication Timeout'\r\n");
}

#[test]
fn a_client_that_answers_no_ping_is_stale() {
    let node = Setup::core().config("ping_interval: \"100ms\", ping_max: 1").start();
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":false}\r\nPING\r\n");
    let text = raw.rest();
    assert!(text.contains("PONG\r\n"), "{text}");
    assert!(text.ends_with("-ERR 'Stale Connection'\r\n"), "{text}");
}

#[test]
fn permissions_hold_for_publish_and_subscribe() {
    let node = Setup::core()
        .config(
            "authorization { users [ { user: u, password: p, permissions {
               publish { allow: [\"ok.>\"], deny: \"ok.no\" }, subscribe: [\"in.*\", \"in.q g\"] } } ] }",
        )
        .start();
    let mut raw = Raw::connect(&node);
    raw.send("CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n");
    raw.sync();
    raw.send("PUB ok.yes 0\r\n\r\nPUB ok.no 0\r\n\r\nPUB else 0\r\n\r\nSUB in.a 1\r\nSUB out 2\r\nSUB out q 3\r\n");
    raw.expect("-ERR 'Permissions Violation for Publish to \"ok.no\"'\r\n");
    raw.expect("-ERR 'Permissions Violation for Publish to \"else\"'\r\n");
    raw.expect("-ERR 'Permissions Violation for Subscription to \"out\"'\r\n");
    raw.expect("-ERR 'Permissions Violation for Subscription to \"out\" using queue \"q\"'\r\n");
    assert!(raw.sync().is_empty());
}

#[test]
fn a_slow_consumer_is_cut_off_and_others_go_on() {
    let node = Setup::core().config("max_pending: 1MB, max_payload: 512KB").start();
    let mut slow = Raw::client(&node);
    slow.send("SUB flood 1\r\n");
    slow.sync();
    let mut publisher = Raw::client(&node);
    let payload = "x".repeat(500_000);
    let publish = format!("PUB flood {}\r\n{payload}\r\n", payload.len());
    // More than socket buffers can hold; the slow client reads nothing meanwhile.
    for _ in 0..100 {
        publisher.send(&publish);
    }
    publisher.sync();
    node.wait_log("Slow Consumer");
    assert!(slow.rest().len() < 100 * payload.len(), "it was cut off before it had everything");
    publisher.send("SUB still.here 1\r\nPUB still.here 2\r\nok\r\n");
    publisher.expect("MSG still.here 1 2\r\nok\r\n");
}

#[test]
fn too_many_connections_are_refused() {
    let node = Setup::core().config("max_connections: 1").start();
    let _first = Raw::client(&node);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", node.port())).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    assert!(text.contains("-ERR 'maximum connections exceeded'"), "{text}");
}

#[test]
fn accounts_do_not_hear_each_other() {
    let node = Setup::core()
        .config(
            "accounts { A { users [ {user: a, password: p} ] }, B { users [ {user: b, password: p} ] } }
             no_auth_user: b",
        )
        .start();
    let connect = |options: &str| {
        let mut raw = Raw::connect(&node);
        raw.send(format!("CONNECT {{\"verbose\":false{options}}}\r\n"));
        assert!(raw.sync().is_empty());
        raw
    };
    let mut a = connect(",\"user\":\"a\",\"pass\":\"p\"");
    let mut b = connect(",\"user\":\"b\",\"pass\":\"p\"");
    let mut anonymous = connect("");
    for raw in [&mut a, &mut b, &mut anonymous] {
        raw.send("SUB x 1\r\n");
        raw.sync();
    }
    b.send("PUB x 1\r\nb\r\nPING\r\n");
    b.expect("MSG x 1 1\r\nb\r\nPONG\r\n");
    anonymous.expect("MSG x 1 1\r\nb\r\n");
    assert!(a.sync().is_empty());
}

#[test]
fn a_large_payload_in_small_pieces_arrives_whole() {
    let node = Setup::core().start();
    let mut raw = Raw::client(&node);
    let payload: String = (0..1_000_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let text = format!("SUB big 1\r\nPUB big {}\r\n{payload}\r\n", payload.len());
    for piece in text.as_bytes().chunks(7_919) {
        raw.send(piece);
    }
    raw.expect(&format!("MSG big 1 {}\r\n{payload}\r\n", payload.len()));
}
