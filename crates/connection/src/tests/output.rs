//! Clients that do not read.

use std::sync::atomic::Ordering;
use std::time::Duration;

use account::Accounts;
use config_validate::options::Options;
use wire::CloseReason;

use super::harness::TestServer;
use crate::ClientOptions;

const MIB: usize = 1024 * 1024;

async fn server(options: ClientOptions) -> TestServer {
    TestServer::with(options, Accounts::from_options(&Options::default())).await
}

fn message(size: usize) -> String {
    format!("PUB a {size}\r\n{}\r\n", "x".repeat(size))
}

#[tokio::test]
async fn slow_by_pending_bytes() {
    let server = server(ClientOptions { max_pending: 4 * MIB, ..Default::default() }).await;
    let mut slow = server.connect("").await;
    slow.send("SUB a 1\r\nPING\r\n").await;
    slow.expect_bytes("PONG\r\n").await;
    let mut sender = server.connect("").await;
    // Socket buffers take some megabytes before the outbox fills.
    for _ in 0..256 {
        sender.send(&message(MIB / 4)).await;
        if server.ctx.connections.total_closed() > 0 {
            break;
        }
    }
    server.until("cut off", |ctx| ctx.connections.total_closed() == 1).await;
    let closed = &server.ctx.connections.closed()[0];
    assert_eq!(closed.reason, Some(CloseReason::SlowConsumerPendingBytes));
    assert_eq!(server.ctx.stats.slow_consumers.load(Ordering::Relaxed), 1);
    assert!(server.ctx.accounts.load().global().space().is_empty());
    sender.expect_nothing().await;
    assert!(server.ctx.stats.stalls.load(Ordering::Relaxed) > 0, "the sender was held back");
}

#[tokio::test]
async fn slow_by_write_deadline() {
    let options =
        ClientOptions { write_deadline: Duration::from_millis(100), ..Default::default() };
    let server = server(options).await;
    let mut slow = server.connect("").await;
    slow.send("SUB a 1\r\nPING\r\n").await;
    slow.expect_bytes("PONG\r\n").await;
    let mut sender = server.connect("").await;
    for _ in 0..32 {
        sender.send(&message(MIB)).await;
    }
    sender.expect_nothing().await;
    server.until("cut off", |ctx| ctx.connections.total_closed() == 1).await;
    let closed = &server.ctx.connections.closed()[0];
    assert_eq!(closed.reason, Some(CloseReason::SlowConsumerWriteDeadline));
}

#[tokio::test]
async fn a_full_socket_goes_on_when_it_is_read() {
    let server = server(ClientOptions::default()).await;
    let mut slow = server.connect("").await;
    slow.send("SUB a 1\r\nPING\r\n").await;
    slow.expect_bytes("PONG\r\n").await;
    let mut sender = server.connect("").await;
    let count = 24;
    for _ in 0..count {
        sender.send(&message(MIB)).await;
    }
    sender.expect_nothing().await;
    assert!(server.ctx.connections.get(1).unwrap().pending_bytes() > 0, "the socket was full");
    for _ in 0..count {
        assert_eq!(slow.line().await, format!("MSG a 1 {MIB}\r\n"));
        assert_eq!(slow.line().await.len(), MIB + 2);
    }
    slow.expect_nothing().await;
    assert_eq!(server.ctx.connections.total_closed(), 0);
}

#[tokio::test]
async fn what_was_queued_leaves_before_the_connection() {
    let server = server(ClientOptions::default()).await;
    let mut client = server.connect("").await;
    client.send("SUB a 1\r\nPING\r\n").await;
    client.expect_bytes("PONG\r\n").await;
    let mut sender = server.connect("").await;
    let count = 16;
    for _ in 0..count {
        sender.send(&message(MIB)).await;
    }
    sender.expect_nothing().await;
    server.ctx.shut_down();
    for _ in 0..count {
        assert_eq!(client.line().await, format!("MSG a 1 {MIB}\r\n"));
        assert_eq!(client.line().await.len(), MIB + 2);
    }
    client.expect_end("").await;
    server.ctx.connections.drained().await;
    let closed = server.ctx.connections.closed();
    assert_eq!(closed.len(), 2);
    assert!(closed.iter().all(|c| c.reason == Some(CloseReason::ServerShutdown)));
    assert_eq!(server.ctx.traffic().out_msgs, count as u64);
    assert_eq!(server.ctx.traffic().in_bytes, (count * MIB) as u64);
}
