//! Who gets in, and what they may do.

use wire::CloseReason;

use super::harness::TestServer;
use crate::conn::Conn;

const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";
const USERS: &str = "authorization { users: [
    {user: a, password: pa, permissions: {
        publish: {deny: [\"no.>\"]},
        subscribe: {allow: [\"foo.>\", \"q1 v1\"], deny: \"foo.secret\"}}}
    {user: b, password: pb, permissions: {subscribe: req, allow_responses: {max: 2}}}
    {user: c, password: pc}
] }";

#[tokio::test]
async fn wrong_and_missing_credentials() {
    let server = TestServer::start(USERS).await;
    let mut client = server.dial().await;
    client.expect_end_after("CONNECT {\"user\":\"a\",\"pass\":\"pb\"}\r\n", VIOLATION).await;
    let mut client = server.dial().await;
    client.expect_end_after("CONNECT {}\r\n", VIOLATION).await;
    // Nothing else is listened to before CONNECT, not even to its end.
    for sent in ["PUB a 1\r\n", "PING\r\n", "P"] {
        let mut client = server.dial().await;
        client.expect_end_after(sent, VIOLATION).await;
    }
    server.until("closed", |ctx| ctx.connections.total_closed() == 5).await;
    let closed = server.ctx.connections.closed();
    assert!(closed.iter().all(|c| c.reason == Some(CloseReason::AuthenticationViolation)));
}

#[tokio::test]
async fn auth_required_is_announced() {
    let server = TestServer::start(USERS).await;
    let mut client = super::harness::Client::dial(server.addr).await;
    assert_eq!(client.info().await["auth_required"], true);
    let open = TestServer::start(&format!("{USERS}\nno_auth_user: c")).await;
    let mut client = super::harness::Client::dial(open.addr).await;
    assert_eq!(client.info().await.get("auth_required"), None);
    client.send("CONNECT {}\r\n").await;
    client.expect_bytes("+OK\r\n").await;
    assert_eq!(open.last().details.lock().user, "c");
}

#[tokio::test]
async fn a_stand_in_needs_no_connect() {
    let server = TestServer::start(&format!("{USERS}\nno_auth_user: b")).await;
    let mut client = server.dial().await;
    client.send("PUB x 0\r\n\r\nSUB req 1\r\nPING\r\n").await;
    client
        .expect_bytes("-ERR 'Permissions Violation for Publish to \"x\"'\r\n+OK\r\nPONG\r\n")
        .await;
    client.send("CONNECT {\"user\":\"c\",\"pass\":\"pc\"}\r\nPUB x 0\r\n\r\n").await;
    client.expect_bytes("+OK\r\n+OK\r\n").await;
    assert!(server.ctx.accounts.load().global().space().is_empty());
}

#[tokio::test]
async fn auth_timeout() {
    let server = TestServer::start("authorization {user: a, password: b, timeout: 0.5}").await;
    let mut client = server.dial().await;
    client.expect_end("-ERR 'Authentication Timeout'\r\n").await;
    // A CONNECT that drips in does not help.
    let mut client = server.dial().await;
    client.expect_end_after("CONNECT {\"us", "-ERR 'Authentication Timeout'\r\n").await;
    let mut client = server.connect("\"user\":\"a\",\"pass\":\"b\"").await;
    // It outlives one that came later and said nothing.
    server.dial().await.expect_end("-ERR 'Authentication Timeout'\r\n").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn hashed_passwords() {
    let hash = bcrypt::hash("secret", 4).unwrap();
    let config = format!("authorization {{ users: [{{user: a, password: \"{hash}\"}}] }}");
    let server = TestServer::start(&config).await;
    let mut client = server.dial().await;
    client.expect_end_after("CONNECT {\"user\":\"a\",\"pass\":\"wrong\"}\r\n", VIOLATION).await;
    // What follows in the same packet waits for the check.
    let mut client = server.dial().await;
    client.send("CONNECT {\"user\":\"a\",\"pass\":\"secret\"}\r\nSUB a 1\r\nPUB a 0\r\n\r\n").await;
    client.expect_bytes("+OK\r\n+OK\r\n+OK\r\nMSG a 1 0\r\n\r\n").await;
}

#[tokio::test]
async fn subscribe_permissions() {
    let server = TestServer::start(USERS).await;
    let mut client = server.connect("\"user\":\"a\",\"pass\":\"pa\"").await;
    let violation =
        |what: &str| format!("-ERR 'Permissions Violation for Subscription to {what}'\r\n");
    for (sub, what) in [
        ("SUB > 1", "\">\""),
        ("SUB foo.secret 1", "\"foo.secret\""),
        ("SUB q1 1", "\"q1\""),
        ("SUB q1 v2 1", "\"q1\" using queue \"v2\""),
    ] {
        client.send(&format!("{sub}\r\n")).await;
        client.expect_bytes(&violation(what)).await;
    }
    client.send("SUB q1 v1 1\r\nPUB q1 0\r\n\r\n").await;
    client.expect_bytes("MSG q1 1 0\r\n\r\n").await;
    // A wider subscription is filtered when messages are delivered.
    client.send("SUB foo.* 2\r\nPUB foo.secret 0\r\n\r\nPUB foo.open 0\r\n\r\n").await;
    client.expect_bytes("MSG foo.open 2 0\r\n\r\n").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn publish_permissions() {
    let server = TestServer::start(USERS).await;
    let mut client = server.connect("\"user\":\"a\",\"pass\":\"pa\"").await;
    for _ in 0..2 {
        client.send("PUB no.way 2\r\nhi\r\n").await;
        client.expect_bytes("-ERR 'Permissions Violation for Publish to \"no.way\"'\r\n").await;
    }
    client.send("SUB foo.x 1\r\nPUB foo.x 2\r\nhi\r\n").await;
    client.expect_bytes("MSG foo.x 1 2\r\nhi\r\n").await;
}

#[tokio::test]
async fn answers_are_permitted_as_often_as_configured() {
    let server = TestServer::start(USERS).await;
    let mut responder = server.connect("\"user\":\"b\",\"pass\":\"pb\"").await;
    responder.send("SUB req 1\r\nPUB in.1 0\r\n\r\n").await;
    responder.expect_bytes("-ERR 'Permissions Violation for Publish to \"in.1\"'\r\n").await;
    let mut requester = server.connect("\"user\":\"c\",\"pass\":\"pc\"").await;
    requester.send("SUB in.* 1\r\nPUB req in.1 0\r\n\r\n").await;
    responder.expect_bytes("MSG req 1 in.1 0\r\n\r\n").await;
    responder.send("PUB in.1 1\r\na\r\nPUB in.1 1\r\nb\r\nPUB in.1 1\r\nc\r\n").await;
    requester.expect_bytes("MSG in.1 1 1\r\na\r\nMSG in.1 1 1\r\nb\r\n").await;
    responder.expect_bytes("-ERR 'Permissions Violation for Publish to \"in.1\"'\r\n").await;
    requester.expect_nothing().await;
}

#[tokio::test]
async fn accounts_do_not_hear_each_other() {
    let server = TestServer::start(
        "accounts { A { users: [{user: a, password: a}] }, B { users: [{user: b, password: b}] } }",
    )
    .await;
    let mut a = server.connect("\"user\":\"a\",\"pass\":\"a\"").await;
    let mut b = server.connect("\"user\":\"b\",\"pass\":\"b\"").await;
    for client in [&mut a, &mut b] {
        client.send("SUB x 1\r\nPING\r\n").await;
        client.expect_bytes("PONG\r\n").await;
    }
    a.send("PUB x 1\r\na\r\n").await;
    a.expect_bytes("MSG x 1 1\r\na\r\n").await;
    b.expect_nothing().await;
    let accounts = server.ctx.accounts.load();
    let in_msgs = |name: &str| server.ctx.account_traffic(accounts.get(name).unwrap()).in_msgs;
    assert_eq!((in_msgs("A"), in_msgs("B"), in_msgs("$G")), (1, 0, 0));
    let names: Vec<_> = server
        .ctx
        .connections
        .all()
        .iter()
        .map(|c: &std::sync::Arc<Conn>| c.account().name().to_owned())
        .collect();
    assert_eq!(names, ["A", "B"]);
}

#[tokio::test]
async fn system_account_is_named_in_info() {
    let server = TestServer::start(
        "accounts { SYS { users: [{user: s, password: s}] } }\nsystem_account: SYS",
    )
    .await;
    let mut client = server.connect("\"user\":\"s\",\"pass\":\"s\",\"protocol\":1").await;
    let info = client.info().await;
    assert_eq!(info["remote_account"], "SYS");
    assert_eq!(info["acc_is_sys"], true);
    // It alone may publish to groups.
    client.send("SUB $NRG.x 1\r\nPUB $NRG.x 0\r\n\r\n").await;
    client.expect_bytes("MSG $NRG.x 1 0\r\n\r\n").await;
}
