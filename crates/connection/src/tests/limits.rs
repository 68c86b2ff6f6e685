//! Each limit: below, at and beyond it.

use wire::CloseReason;

use super::harness::{Client, TestServer};

#[tokio::test]
async fn max_payload() {
    let server = TestServer::start("max_payload: 10").await;
    let mut client = server.connect("\"headers\":true").await;
    client.send("SUB a 1\r\nPUB a 10\r\n0123456789\r\n").await;
    client.expect_bytes("MSG a 1 10\r\n0123456789\r\n").await;
    client.expect_end_after("PUB a 11\r\n", "-ERR 'Maximum Payload Violation'\r\n").await;
    server.until("closed", |ctx| ctx.connections.total_closed() == 1).await;
    let closed = &server.ctx.connections.closed()[0];
    assert_eq!(closed.reason, Some(CloseReason::MaxPayloadExceeded));
    assert_eq!((closed.traffic.in_msgs, closed.traffic.in_bytes), (1, 10));
}

#[tokio::test]
async fn headers_count_as_payload() {
    let server = TestServer::start("max_payload: 12").await;
    let mut client = server.connect("\"headers\":true").await;
    client.send("SUB a 1\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n").await;
    client.expect_bytes("HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n").await;
    client.expect_end_after("HPUB a 12 13\r\n", "-ERR 'Maximum Payload Violation'\r\n").await;
}

#[tokio::test]
async fn max_control_line() {
    let server = TestServer::start("max_control_line: 60").await;
    let subject = |length: usize| "x".repeat(length);
    let mut client = server.dial().await;
    client.send("CONNECT {\"verbose\":false}\r\n").await;
    client.send(&format!("SUB {} 1\r\n", subject(58))).await;
    client.expect_nothing().await;
    let text = "-ERR 'maximum control line exceeded'\r\n";
    client.expect_end_after(&format!("SUB {} 1\r\n", subject(59)), text).await;
    // Also before the line is complete.
    let mut client = server.dial().await;
    client.expect_end_after(&format!("PUB {}", subject(61)), text).await;
    server.until("closed", |ctx| ctx.connections.total_closed() == 2).await;
    let closed = server.ctx.connections.closed();
    assert!(closed.iter().all(|c| c.reason == Some(CloseReason::MaxControlLineExceeded)));
}

#[tokio::test]
async fn max_connections() {
    let server = TestServer::start("max_connections: 2").await;
    let first = server.connect("").await;
    let _second = server.connect("").await;
    let mut third = Client::dial(server.addr).await;
    third.info().await;
    third.expect_end("-ERR 'maximum connections exceeded'\r\n").await;
    drop(first);
    server.until("room", |ctx| ctx.connections.len() == 1).await;
    server.connect("").await;
    server
        .until("noted", |ctx| {
            ctx.connections
                .closed()
                .iter()
                .any(|c| c.cid == 3 && c.reason == Some(CloseReason::MaxConnectionsExceeded))
        })
        .await;
}

#[tokio::test]
async fn max_subscriptions() {
    let server = TestServer::start("max_subscriptions: 2").await;
    let mut client = server.connect("").await;
    client.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n").await;
    client.expect_bytes("-ERR 'maximum subscriptions exceeded'\r\n").await;
    client.send("UNSUB 1\r\nSUB c 3\r\nPUB c 0\r\n\r\n").await;
    client.expect_bytes("MSG c 3 0\r\n\r\n").await;
    // One that ended by itself makes room, too.
    client.send("UNSUB 3 2\r\nPUB c 0\r\n\r\nSUB d 4\r\nPUB d 0\r\n\r\n").await;
    client.expect_bytes("MSG c 3 0\r\n\r\nMSG d 4 0\r\n\r\n").await;
}

#[tokio::test]
async fn max_sub_tokens() {
    let server = TestServer::start("max_subscription_tokens: 2").await;
    let mut client = server.connect("").await;
    client.send("SUB a.b 1\r\nSUB a.b.c 2\r\n").await;
    client
        .expect_bytes(
            "-ERR 'Permissions Violation for Subscription to \"a.b.c\", too many tokens'\r\n",
        )
        .await;
}

#[tokio::test]
async fn limits_of_an_account() {
    let server = TestServer::start(
        "max_payload: 100
         accounts { A { limits {max_conn: 1, max_subs: 1, max_payload: 5}
                        users: [{user: a, password: a}] } }",
    )
    .await;
    let login = "\"user\":\"a\",\"pass\":\"a\",\"protocol\":1";
    let mut client = server.connect(login).await;
    assert_eq!(client.info().await["max_payload"], 5);
    client.send("SUB a 1\r\nSUB b 2\r\n").await;
    client.expect_bytes("-ERR 'maximum subscriptions exceeded'\r\n").await;
    let mut second = server.dial().await;
    second
        .expect_end_after(
            "CONNECT {\"user\":\"a\",\"pass\":\"a\"}\r\n",
            "-ERR 'maximum account active connections exceeded'\r\n",
        )
        .await;
    client.expect_end_after("PUB a 6\r\n", "-ERR 'Maximum Payload Violation'\r\n").await;
    server.until("room", |ctx| ctx.connections.is_empty()).await;
    server.connect(login).await;
}
