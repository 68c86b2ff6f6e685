//! Connections as monitoring sees them.

use std::time::Duration;

use wire::CloseReason;

use super::harness::TestServer;
use crate::snapshot::{SubInfo, WithSubs};

#[tokio::test]
async fn a_connection_as_monitoring_sees_it() {
    let server = TestServer::start("").await;
    let mut client = server
        .connect("\"name\":\"me\",\"lang\":\"raw\",\"version\":\"1.2\",\"user\":\"bob\"")
        .await;
    client
        .send(
            "SUB a 10\r\nSUB b.* workers 9\r\nUNSUB 9 5\r\nPUB a 3\r\nabc\r\nPUB b.x 4\r\nabcd\r\n",
        )
        .await;
    client.expect_bytes("MSG a 10 3\r\nabc\r\nMSG b.x 9 4\r\nabcd\r\n").await;
    client.expect_nothing().await;
    let conn = server.last();
    let info = conn.snapshot(&server.ctx, WithSubs::List);
    assert_eq!((info.cid, info.kind, info.protocol), (1, "Client", "nats"));
    assert_eq!(info.ip, "127.0.0.1");
    assert_eq!(info.port, client.stream.local_addr().unwrap().port());
    assert_eq!((&*info.name, &*info.lang, &*info.version), ("me", "raw", "1.2"));
    assert_eq!((&*info.account, &*info.authorized_user), ("$G", "bob"));
    let traffic = info.traffic;
    assert_eq!((traffic.in_msgs, traffic.in_bytes), (2, 7));
    assert_eq!((traffic.out_msgs, traffic.out_bytes), (2, 7));
    assert_eq!((info.num_subs, info.pending_bytes), (2, 0));
    let sub = |subject: &str, queue: Option<&str>, sid: &str, msgs, max| SubInfo {
        subject: subject.to_owned(),
        queue: queue.map(str::to_owned),
        sid: sid.to_owned(),
        msgs,
        max,
    };
    assert_eq!(info.subs, [sub("b.*", Some("workers"), "9", 1, 5), sub("a", None, "10", 1, 0)]);
    assert!(info.start <= info.last_activity && info.stop.is_none() && info.reason.is_none());
    assert!(info.uptime >= info.idle);
    assert_eq!(server.ctx.traffic(), traffic);
    assert!(conn.snapshot(&server.ctx, WithSubs::Count).subs.is_empty());
}

#[tokio::test]
async fn closed_connections_are_remembered_up_to_a_bound() {
    let server = TestServer::start("max_closed_clients: 2").await;
    for _ in 0..3 {
        let mut client = server.connect("\"token\":\"x\",\"auth_token\":\"t\"").await;
        client.send("SUB a 1\r\nPING\r\n").await;
        client.expect_bytes("PONG\r\n").await;
        let closed = server.ctx.connections.total_closed();
        drop(client);
        server.until("closed", |ctx| ctx.connections.total_closed() == closed + 1).await;
    }
    let closed = server.ctx.connections.closed();
    assert_eq!(closed.iter().map(|c| c.cid).collect::<Vec<_>>(), [2, 3]);
    for info in closed {
        assert_eq!(info.reason, Some(CloseReason::ClientClosed));
        assert!(info.stop.is_some_and(|stop| stop >= info.start));
        assert_eq!((info.num_subs, info.subs.len()), (1, 1));
        assert_eq!(info.authorized_user, "[REDACTED]");
    }
    assert!(server.ctx.connections.is_empty());
}

#[tokio::test]
async fn an_operator_can_close_a_connection() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    server.ctx.connections.get(1).unwrap().close_with("kicked", CloseReason::Kicked);
    client.expect_end("-ERR 'kicked'\r\n").await;
    tokio::time::timeout(Duration::from_secs(20), server.ctx.connections.drained()).await.unwrap();
    assert_eq!(server.ctx.connections.closed()[0].reason, Some(CloseReason::Kicked));
}
