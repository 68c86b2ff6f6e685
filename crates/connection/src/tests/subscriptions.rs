//! SUB and UNSUB.

use super::harness::TestServer;

#[tokio::test]
async fn bad_subjects_leave_the_connection_open() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    for subject in ["foo.", ".foo", "a..b", "a.>.b"] {
        client.send(&format!("SUB {subject} 1\r\n")).await;
        client.expect_bytes("-ERR 'Invalid Subject'\r\n").await;
    }
    // The id is still free.
    client.send("SUB foo 1\r\nPUB foo 1\r\nx\r\n").await;
    client.expect_bytes("MSG foo 1 1\r\nx\r\n").await;
}

#[tokio::test]
async fn a_taken_id_keeps_its_subscription() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    client
        .send("SUB foo 2\r\nSUB foo 2\r\nSUB bar q 2\r\nPUB foo 1\r\nx\r\nPUB bar 1\r\ny\r\n")
        .await;
    client.expect_bytes("MSG foo 2 1\r\nx\r\n").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn unsub_after_a_number_of_messages() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    client.send("SUB foo 1\r\nUNSUB 1 2\r\n").await;
    client.send("PUB foo 1\r\na\r\nPUB foo 1\r\nb\r\nPUB foo 1\r\nc\r\n").await;
    client.expect_bytes("MSG foo 1 1\r\na\r\nMSG foo 1 1\r\nb\r\n").await;
    client.expect_nothing().await;
    assert!(server.ctx.accounts.load().global().space().is_empty());
    // The id can be used again.
    client.send("SUB foo 1\r\nPUB foo 1\r\nd\r\n").await;
    client.expect_bytes("MSG foo 1 1\r\nd\r\n").await;
    // What was delivered before counts.
    client.send("UNSUB 1 1\r\nPUB foo 1\r\ne\r\n").await;
    client.expect_nothing().await;
    // Raising the number, and taking it away.
    client.send("SUB foo 3\r\nUNSUB 3 1\r\nUNSUB 3 2\r\nPUB foo 1\r\nf\r\n").await;
    client.expect_bytes("MSG foo 3 1\r\nf\r\n").await;
    client.send("UNSUB 3\r\nUNSUB 3\r\nUNSUB 77\r\nPUB foo 1\r\ng\r\n").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn queue_groups_share() {
    let server = TestServer::start("").await;
    let mut members = Vec::new();
    for _ in 0..3 {
        let mut member = server.connect("").await;
        member.send("SUB work.* pool 1\r\nPING\r\n").await;
        member.expect_bytes("PONG\r\n").await;
        members.push(member);
    }
    let mut sender = server.connect("").await;
    sender.send(&"PUB work.x 1\r\nw\r\n".repeat(300)).await;
    sender.expect_nothing().await;
    let mut counts = Vec::new();
    for mut member in members {
        member.send("PING\r\n").await;
        let mut count = 0;
        while member.line().await != "PONG\r\n" {
            assert_eq!(member.line().await, "w\r\n");
            count += 1;
        }
        counts.push(count);
    }
    assert_eq!(counts.iter().sum::<i32>(), 300);
    assert!(counts.iter().all(|&count| count > 30), "{counts:?}");
}

#[tokio::test]
async fn subscriptions_leave_with_their_client() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    client.send("SUB a 1\r\nSUB b q 2\r\nSUB > 3\r\nPING\r\n").await;
    client.expect_bytes("PONG\r\n").await;
    assert_eq!(server.ctx.accounts.load().global().space().len(), 3);
    drop(client);
    server.until("gone", |ctx| ctx.connections.is_empty()).await;
    assert!(server.ctx.accounts.load().global().space().is_empty());
}

#[tokio::test]
async fn finished_subscriptions_are_not_kept() {
    let server = TestServer::start("").await;
    let mut client = server.connect("").await;
    for i in 0..1000 {
        client.send(&format!("SUB in.{i} {i}\r\nUNSUB {i} 1\r\nPUB in.{i} 0\r\n\r\n")).await;
        client.expect_bytes(&format!("MSG in.{i} {i} 0\r\n\r\n")).await;
    }
    let held = server.last().details.lock().subs.len();
    assert!(held <= 64, "{held} of 1000 are still held");
}
