//! Reloads of options and accounts, as connected clients feel them.

use std::sync::Arc;

use config_validate::options::Options;

use super::harness::TestServer;
use crate::ClientOptions;

async fn reload(server: &TestServer, config: &str) {
    let options = Options::from_text(config).unwrap();
    let before = server.ctx.accounts.load_full();
    let accounts = Arc::new(before.reload(&options));
    accounts.apply(&options);
    accounts.retire_from(&before);
    server.ctx.reload(ClientOptions::from(&options), accounts).await;
}

fn user(name: &str, password: &str) -> String {
    format!("\"user\":\"{name}\",\"pass\":\"{password}\"")
}

#[tokio::test]
async fn users_that_go_move_or_change_their_password_are_closed() {
    let accounts = |users: &str, others: &str| {
        format!("accounts {{ A {{ users: [{users}] }}, B {{ users: [{others}] }} }}")
    };
    let server = TestServer::start(&accounts(
        "{user: stays, password: p}, {user: goes, password: p}, {user: moves, password: p}, \
         {user: secret, password: p}, {user: twice, password: p}",
        "",
    ))
    .await;
    let mut stays = server.connect(&user("stays", "p")).await;
    let mut goes = server.connect(&user("goes", "p")).await;
    let mut moves = server.connect(&user("moves", "p")).await;
    let mut secret = server.connect(&user("secret", "p")).await;
    stays.send("SUB a 1\r\n").await;
    stays.expect_nothing().await;
    reload(
        &server,
        &accounts(
            "{user: stays, password: p}, {user: secret, password: q}",
            "{user: moves, password: p}",
        ),
    )
    .await;
    goes.expect_end("").await;
    moves.expect_end("").await;
    secret.expect_end("-ERR 'Authorization Violation'\r\n").await;
    stays.send("PUB a 1\r\nx\r\n").await;
    stays.expect_bytes("MSG a 1 1\r\nx\r\n").await;
    stays.expect_nothing().await;
    let mut moved = server.connect(&user("moves", "p")).await;
    moved.send("SUB a 1\r\n").await;
    moved.expect_nothing().await;
    assert_eq!(server.last().account().name(), "B");
}

#[tokio::test]
async fn permissions_that_change_end_subscriptions_and_publishing() {
    let config = |permissions: &str| {
        format!(
            "authorization {{ users: [{{user: u, password: p, permissions: {{{permissions}}}}}] }}"
        )
    };
    let server = TestServer::start(&config("subscribe: '>'")).await;
    let mut client = server.connect(&user("u", "p")).await;
    client.send("SUB a 1\r\nSUB b 2\r\nSUB b q 3\r\nSUB w.* 4\r\nPUB a 0\r\n\r\n").await;
    client.expect_bytes("MSG a 1 0\r\n\r\n").await;
    client.expect_nothing().await;
    reload(
        &server,
        &config("subscribe: {allow: [a, 'b q', 'w.*'], deny: 'w.no'}, publish: {deny: x}"),
    )
    .await;
    client
        .expect_bytes("-ERR 'Permissions Violation for Subscription to \"b\" (sid \"2\")'\r\n")
        .await;
    client.send("PUB w.no 0\r\n\r\nPUB w.ok 0\r\n\r\nPUB x 0\r\n\r\nPUB a 0\r\n\r\n").await;
    client
        .expect_bytes(
            "MSG w.ok 4 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"x\"'\r\n\
             MSG a 1 0\r\n\r\n",
        )
        .await;
    client.send("PUB b 0\r\n\r\n").await;
    client.expect_bytes("MSG b 3 0\r\n\r\n").await;
    // Without permissions, everything is permitted again.
    reload(&server, "authorization { users: [{user: u, password: p}] }").await;
    client.send("SUB x 5\r\nPUB x 0\r\n\r\nPUB w.no 0\r\n\r\n").await;
    client.expect_bytes("MSG x 5 0\r\n\r\nMSG w.no 4 0\r\n\r\n").await;
}

#[tokio::test]
async fn an_open_server_that_closes_turns_its_clients_away() {
    let server = TestServer::start("").await;
    let mut connected = server.connect("").await;
    let mut new = server.dial().await;
    reload(&server, "authorization {user: u, password: p}").await;
    connected.expect_end("-ERR 'Authorization Violation'\r\n").await;
    new.expect_end("-ERR 'Authorization Violation'\r\n").await;
    let mut client = server.connect(&user("u", "p")).await;
    reload(&server, "authorization {user: u, password: p}\nmax_control_line: 2000").await;
    client.expect_nothing().await;
    reload(&server, "authorization {user: u, password: q}").await;
    client.expect_end("-ERR 'Authorization Violation'\r\n").await;
}

#[tokio::test]
async fn limits_hold_for_clients_there_are() {
    let config = |limits: &str, server: &str| {
        format!(
            "accounts {{ A {{ limits {{{limits}}}, users: [{{user: u, password: p}}] }} }}\n{server}"
        )
    };
    let server = TestServer::start(&config("", "")).await;
    let mut client = server.connect(&user("u", "p")).await;
    client.send("SUB a 1\r\nSUB a 2\r\n").await;
    client.expect_nothing().await;
    reload(&server, &config("max_subs: 2, max_payload: 5", "")).await;
    client.send("SUB b 3\r\n").await;
    client.expect_bytes("-ERR 'maximum subscriptions exceeded'\r\n").await;
    client.send("PUB x 5\r\n12345\r\n").await;
    client.expect_nothing().await;
    client.expect_end_after("PUB x 6\r\n", "-ERR 'Maximum Payload Violation'\r\n").await;
    let mut client = server.connect(&user("u", "p")).await;
    reload(&server, &config("", "max_payload: 3")).await;
    client.send("PUB x 3\r\n123\r\n").await;
    client.expect_nothing().await;
    client.expect_end_after("PUB x 4\r\n", "-ERR 'Maximum Payload Violation'\r\n").await;
}

#[tokio::test]
async fn connections_beyond_new_limits_are_closed_newest_first() {
    let config = |account: &str, server: &str| {
        format!(
            "accounts {{ A {{ limits {{{account}}}, users: [{{user: u, password: p}}] }} }}\n{server}"
        )
    };
    let server = TestServer::start(&config("", "")).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(server.connect(&user("u", "p")).await);
    }
    reload(&server, &config("max_conn: 3", "")).await;
    let full = "-ERR 'maximum account active connections exceeded'\r\n";
    clients.pop().unwrap().expect_end(full).await;
    server.until("three are left", |ctx| ctx.connections.len() == 3).await;
    reload(&server, &config("max_conn: 3", "max_connections: 1")).await;
    for _ in 0..2 {
        clients.pop().unwrap().expect_end("-ERR 'maximum connections exceeded'\r\n").await;
    }
    clients.pop().unwrap().expect_nothing().await;
}

#[tokio::test]
async fn imports_and_mappings_come_and_go() {
    let config = |a: &str, b: &str| {
        format!(
            "accounts {{ A {{ exports: [{{stream: s}}, {{service: q}}], users: [{{user: a, password: p}}] {a} }}
                         B {{ users: [{{user: b, password: p}}] {b} }} }}"
        )
    };
    let server = TestServer::start(&config("", "")).await;
    let mut a = server.connect(&user("a", "p")).await;
    let mut b = server.connect(&user("b", "p")).await;
    b.send("SUB s 1\r\n").await;
    b.expect_nothing().await;
    a.send("SUB q 1\r\nSUB m 2\r\nPUB s 1\r\n1\r\n").await;
    a.expect_nothing().await;
    b.expect_nothing().await;
    let imports =
        "imports: [{stream {account: A, subject: s}}, {service {account: A, subject: q}}]";
    reload(&server, &config(", mappings {x: m}", &format!(", {imports}"))).await;
    a.send("PUB s 1\r\n2\r\nPUB x 1\r\n3\r\n").await;
    a.expect_bytes("MSG m 2 1\r\n3\r\n").await;
    b.expect_bytes("MSG s 1 1\r\n2\r\n").await;
    b.send("PUB q 1\r\n4\r\n").await;
    a.expect_bytes("MSG q 1 1\r\n4\r\n").await;
    reload(&server, &config("", "")).await;
    a.send("PUB s 1\r\n5\r\nPUB x 1\r\n6\r\n").await;
    a.expect_nothing().await;
    b.send("PUB q 1\r\n7\r\n").await;
    b.expect_nothing().await;
    a.expect_nothing().await;
}
