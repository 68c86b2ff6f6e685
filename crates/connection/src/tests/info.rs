//! What INFO says, and when.

use std::sync::Arc;

use serde_json::json;

use super::harness::{Client, TestServer};
use crate::{ServerInfo, generate_server_id};

#[tokio::test]
async fn greeting_has_the_fields_of_nats_server() {
    let server = TestServer::start("server_name: n\nmax_payload: 1000").await;
    let mut info = ServerInfo::clone(&server.ctx.info.load());
    info.server_name = "n".to_owned();
    server.ctx.info.store(Arc::new(info));
    let mut client = Client::dial(server.addr).await;
    let line = client.line().await;
    assert!(line.ends_with("} \r\n"), "{line:?}");
    let id = server.ctx.info.load().server_id.clone();
    let expected = json!({
        "server_id": id, "server_name": "n", "version": "2.14.0", "proto": 1, "go": "rust",
        "host": "127.0.0.1", "port": server.addr.port(), "headers": true, "max_payload": 1000,
        "client_id": 1, "client_ip": "127.0.0.1", "api_lvl": 4, "jetcore": "0.1.0",
    });
    let json: serde_json::Value = serde_json::from_str(&line["INFO ".len()..]).unwrap();
    assert_eq!(json, expected);
    // In the reference's order: some read it by eye.
    assert!(
        line.starts_with(&format!(
            "INFO {{\"server_id\":\"{id}\",\"server_name\":\"n\",\"version\""
        ))
    );
}

#[tokio::test]
async fn first_ping_after_connect_brings_the_account() {
    let server = TestServer::start("").await;
    let mut client = server.dial().await;
    client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n").await;
    client.expect_bytes("PONG\r\n").await;
    let info = client.info().await;
    assert_eq!(info["connect_info"], true);
    assert_eq!(info["remote_account"], "$G");
    assert_eq!(info.get("acc_is_sys"), None);
    client.expect_nothing().await;
    // A client that does not understand it gets none.
    let mut old = server.dial().await;
    old.send("CONNECT {\"verbose\":false}\r\nPING\r\nPING\r\n").await;
    old.expect_bytes("PONG\r\nPONG\r\n").await;
}

#[tokio::test]
async fn lame_duck_is_announced_to_those_who_understand() {
    let server = TestServer::start("").await;
    let mut old = server.connect("").await;
    let mut new = server.connect("\"protocol\":1").await;
    assert_eq!(new.info().await["connect_info"], true);
    server.ctx.enter_lame_duck();
    assert_eq!(new.info().await["ldm"], true);
    old.expect_nothing().await;
    new.expect_nothing().await;
    let mut late = Client::dial(server.addr).await;
    late.info().await;
    late.expect_end("").await;
}

#[test]
fn server_ids_are_server_keys() {
    let id = generate_server_id();
    assert_eq!(id.len(), 56);
    assert!(id.starts_with('N'));
    assert!(nkeys::KeyPair::from_public_key(&id).is_ok());
    assert_ne!(id, generate_server_id());
}
