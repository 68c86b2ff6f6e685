//! The protocol's edges: what is said to what.

use super::harness::TestServer;

const QUIET: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

/// Sends to a fresh client, then PING; expects exactly this before the PONG.
#[track_caller]
fn check(sent: &str, expected: &str) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    let (sent, expected) = (sent.to_owned(), expected.to_owned());
    async move {
        let server = TestServer::start("").await;
        let mut client = server.dial().await;
        client.send(&format!("{sent}PING\r\n")).await;
        let mut got = String::new();
        loop {
            match client.line().await {
                line if line == "PONG\r\n" => break,
                line => got.push_str(&line),
            }
        }
        assert_eq!(got, expected, "{at}: after {sent:?}");
    }
}

/// Sends to a fresh client; expects exactly this before the connection ends.
#[track_caller]
fn check_end(sent: &str, expected: &str) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    let (sent, expected) = (sent.to_owned(), expected.to_owned());
    async move {
        let server = TestServer::start("").await;
        let mut client = server.dial().await;
        client.send(&sent).await;
        assert_eq!(client.rest().await, expected, "{at}: after {sent:?}");
    }
}

#[tokio::test]
async fn without_connect_clients_are_verbose_and_pedantic() {
    check("PUB foo 2\r\nhi\r\n", "+OK\r\n").await;
    check("SUB foo 1\r\nUNSUB 1\r\n", "+OK\r\n+OK\r\n").await;
    check("PUB foo.* 1\r\na\r\n", "-ERR 'Invalid Publish Subject'\r\n+OK\r\n").await;
    check("PUB foo..b 1\r\na\r\n", "-ERR 'Invalid Publish Subject'\r\n+OK\r\n").await;
}

#[tokio::test]
async fn connect_fields() {
    check("CONNECT {}\r\n", "+OK\r\n").await;
    check("CONNECT null\r\n", "+OK\r\n").await;
    check("CONNECT {\"Verbose\":false,\"PEDANTIC\":false}\r\nPUB a.* 0\r\n\r\n", "").await;
    check("CONNECT {\"verbose\":null}\r\n", "+OK\r\n").await;
    check("CONNECT {\"verbose\":false,\"unknown\":[{}]}\r\n", "").await;
    check_end("CONNECT {\r\n", "").await;
    check_end("CONNECT\r\n", "").await;
    check_end("CONNECT []\r\n", "").await;
    check_end("CONNECT {\"verbose\":\"x\"}\r\n", "").await;
    check_end("CONNECT {\"protocol\":1.5}\r\n", "").await;
    check_end("CONNECT {\"protocol\":2}\r\n", "-ERR 'invalid client protocol'\r\n").await;
    check_end("CONNECT {\"protocol\":-1}\r\n", "-ERR 'invalid client protocol'\r\n").await;
    check_end("CONNECT {\"account\":\"x\"}\r\n", "-ERR 'Authorization Violation'\r\n").await;
    check_end("CONNECT {\"new_account\":true}\r\n", "-ERR 'Authorization Violation'\r\n").await;
    let refused = "-ERR 'no responders requires headers support'\r\n";
    check_end("CONNECT {\"no_responders\":true}\r\n", refused).await;
}

#[tokio::test]
async fn what_is_no_protocol() {
    check_end("GET / HTTP/1.1\r\n", "-ERR 'Unknown Protocol Operation'\r\n").await;
    check_end("PUB foo 1\r\nab\r\n", "-ERR 'Unknown Protocol Operation'\r\n").await;
    check_end("PUB foo\r\n", "").await;
    check_end("SUB foo\r\n", "").await;
    check_end("-ERR 'bye'\r\n", "").await;
    check_end("INFO x\r\n", "").await;
    check("INFO {}\r\n+OK\r\n", "").await;
    check_end(&format!("{QUIET}HPUB x 12 12\r\nNATS/1.0\r\n\r\n\r\n"), "").await;
}

#[tokio::test]
async fn what_was_said_before_an_error_is_done() {
    let sent = format!("{QUIET}SUB a 1\r\nPUB a 1\r\nx\r\nBOO\r\nPUB a 1\r\ny\r\n");
    check_end(&sent, "MSG a 1 1\r\nx\r\n-ERR 'Unknown Protocol Operation'\r\n").await;
}

#[tokio::test]
async fn reserved_subjects() {
    let reply = |subject: &str| {
        format!("-ERR 'Permissions Violation for Publish with Reply of \"{subject}\"'\r\n")
    };
    let publish =
        |subject: &str| format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
    for subject in ["$JS.ACK.x", "_R_.x", "_GR_.x"] {
        let sent = format!("{QUIET}SUB a 1\r\nPUB a {subject} 1\r\nx\r\n");
        check(&sent, &reply(subject)).await;
    }
    for subject in ["$NRG.x", "_GR_.x"] {
        check(&format!("{QUIET}SUB > 1\r\nPUB {subject} 1\r\nx\r\n"), &publish(subject)).await;
    }
    for subject in ["$GR.abcdef.x", "_GR_.", "_R_.x"] {
        let delivered = if subject.ends_with('.') {
            String::new()
        } else {
            format!("MSG {subject} 1 1\r\nx\r\n")
        };
        check(&format!("{QUIET}SUB > 1\r\nPUB {subject} 1\r\nx\r\n"), &delivered).await;
    }
    let queue = "-ERR 'Permissions Violation for Subscription to \"x\" using queue \"_sys_\"'\r\n";
    check(&format!("{QUIET}SUB x _sys_ 1\r\n"), queue).await;
}

#[tokio::test]
async fn pedantic_subjects_are_reported_and_still_routed() {
    let sent = "CONNECT {\"verbose\":false,\"pedantic\":true}\r\nSUB a.* 1\r\nPUB a.* 1\r\nx\r\n";
    check(sent, "-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n").await;
}

#[tokio::test]
async fn odd_subjects_reach_nobody() {
    let sent = "SUB foo.> 1\r\nPUB foo. 1\r\na\r\nPUB .foo 1\r\na\r\nPUB foo..x 1\r\na\r\n";
    check(&format!("{QUIET}{sent}PUB foo.a*b 1\r\na\r\n"), "MSG foo.a*b 1 1\r\na\r\n").await;
}

#[tokio::test]
async fn no_responders_status() {
    let options = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";
    let status = |reply: &str| {
        format!("HMSG {reply} 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: x\r\n\r\n\r\n")
    };
    let sent = format!("{options}SUB in.* 1\r\nPUB x in.1 1\r\na\r\n");
    check(&sent, &status("in.1")).await;
    let sent = format!("{options}SUB in.* 1\r\nHPUB x in.2 12 13\r\nNATS/1.0\r\n\r\na\r\n");
    check(&sent, &status("in.2")).await;
    // Nobody asked, nobody there to tell, or somebody answers.
    check(&format!("{options}SUB in.* 1\r\nPUB x 1\r\na\r\n"), "").await;
    check(&format!("{options}PUB x in.1 1\r\na\r\n"), "").await;
    let sent = format!("{options}SUB in.* 1\r\nSUB x 2\r\nPUB x in.1 1\r\na\r\n");
    check(&sent, "MSG x 2 in.1 1\r\na\r\n").await;
    let quiet =
        "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in.* 1\r\nPUB x in.1 0\r\n\r\n";
    check(quiet, "").await;
}

#[tokio::test]
async fn headers_are_for_those_who_understand() {
    let server = TestServer::start("").await;
    let mut with = server.connect("\"headers\":true").await;
    let mut without = server.connect("").await;
    for client in [&mut with, &mut without] {
        client.send("SUB a 1\r\nPING\r\n").await;
        client.expect_bytes("PONG\r\n").await;
    }
    with.send("HPUB a r 18 20\r\nNATS/1.0\r\nK: V\r\n\r\nhi\r\n").await;
    with.expect_bytes("HMSG a 1 r 18 20\r\nNATS/1.0\r\nK: V\r\n\r\nhi\r\n").await;
    without.expect_bytes("MSG a 1 r 2\r\nhi\r\n").await;
}

#[tokio::test]
async fn echo_can_be_off() {
    let server = TestServer::start("").await;
    let mut other = server.connect("").await;
    other.send("SUB a 9\r\nPING\r\n").await;
    other.expect_bytes("PONG\r\n").await;
    let mut client = server.connect("\"echo\":false").await;
    client.send("SUB a 1\r\nPUB a 1\r\nx\r\n").await;
    client.expect_nothing().await;
    other.expect_bytes("MSG a 9 1\r\nx\r\n").await;
}

#[tokio::test]
async fn second_connect_starts_over() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    client.send("SUB a 1\r\nCONNECT {\"verbose\":true}\r\nPUB a 1\r\nx\r\n").await;
    client.expect_bytes("+OK\r\n+OK\r\n").await;
    client.expect_nothing().await;
    assert_eq!(server.ctx.accounts.load().global().space().len(), 0);
}

#[tokio::test]
async fn bytes_one_by_one() {
    let server = TestServer::start("").await;
    let mut client = server.dial().await;
    for byte in format!("{QUIET}SUB a.b q 12\r\nPUB a.b r 3\r\nx\r\n\r\nPING\r\n").chars() {
        client.send(&byte.to_string()).await;
    }
    client.expect_bytes("MSG a.b 12 r 3\r\nx\r\n\r\nPONG\r\n").await;
}
