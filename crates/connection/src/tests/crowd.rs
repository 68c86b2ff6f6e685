//! Many connections at once.

use super::harness::TestServer;

#[tokio::test]
async fn two_hundred_clients_hear_one_message() {
    let server = TestServer::start("").await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = server.connect("").await;
        client.send("SUB news 1\r\nPING\r\n").await;
        client.expect_bytes("PONG\r\n").await;
        clients.push(client);
    }
    let mut sender = server.connect("").await;
    sender.send("PUB news 5\r\nhello\r\n").await;
    for client in &mut clients {
        client.expect_bytes("MSG news 1 5\r\nhello\r\n").await;
    }
    assert_eq!(server.ctx.connections.len(), 201);
    drop(clients);
    server.until("gone", |ctx| ctx.connections.len() == 1).await;
    assert!(server.ctx.accounts.load().global().space().is_empty());
}
