//! The services in the system account, and what other accounts see of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use config_validate::Options;
use server_lifecycle::{Embedded, loopback};
use support::Client;

const CONFIG: &str = r#"
listen: "127.0.0.1:-1"
server_name: S1
accounts {
  $SYS: { users: [ {user: sys, password: p} ] }
  A: { jetstream: enabled, users: [ {user: a, password: p, permissions: {publish: {allow: ["x", "$SYS.REQ.>"]}}} ] }
  B: { users: [ {user: b, password: p} ] }
}
"#;

fn start() -> (Embedded, Arc<tempfile::TempDir>) {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut options = Options::from_text(CONFIG).unwrap();
    options.jetstream.enabled = true;
    options.store_dir = Some(dir.path().to_owned());
    (Embedded::start(options).unwrap(), dir)
}

fn client(server: &Embedded, user: &str) -> Client {
    let connect = format!(r#"{{"user":"{user}","pass":"p","headers":true,"no_responders":true}}"#);
    Client::connect(server.client_addr(), &connect)
}

#[test]
fn the_system_account_asks_for_everything() {
    let (server, _dir) = start();
    let mut sys = client(&server, "sys");
    let id = server.server().id();
    let varz = sys.request(&format!("$SYS.REQ.SERVER.{id}.VARZ"), "");
    assert_eq!(varz["server"]["name"], "S1");
    assert_eq!(varz["data"]["server_id"], id);
    let statsz = sys.request("$SYS.REQ.SERVER.PING", "");
    assert_eq!(statsz["statsz"]["connections"], 1);
    assert_eq!(statsz["server"]["jetstream"], true);
    let idz = sys.request("$SYS.REQ.SERVER.PING.IDZ", "");
    assert_eq!(idz["id"], id);
    let _a = client(&server, "a");
    let connz = sys.request("$SYS.REQ.ACCOUNT.A.CONNZ", r#"{"auth":true}"#);
    assert_eq!(connz["data"]["num_connections"], 1);
    assert_eq!(connz["data"]["connections"][0]["authorized_user"], "a");
    let jsz = sys.request("$SYS.REQ.ACCOUNT.A.JSZ", "");
    assert_eq!(jsz["data"]["name"], "A");
    let none = sys.request("$SYS.REQ.ACCOUNT.NONE.JSZ", "");
    assert_eq!(none["error"]["description"], "account \"NONE\" not found");
    let bad = sys.request("$SYS.REQ.SERVER.PING.CONNZ", r#"{"limit":"x"}"#);
    assert_eq!(bad["error"]["code"], 400);
    // Nobody listens there: the answer is a status without a body.
    assert!(sys.request("$SYS.REQ.SERVER.PING.NOSUCH", "").is_null());
}

#[test]
fn a_request_for_other_servers_is_not_answered() {
    let (server, _dir) = start();
    let mut sys = client(&server, "sys");
    let filter = r#"{"server_name":"another"}"#;
    let size = filter.len();
    sys.send(&format!("SUB r 9\r\nPUB $SYS.REQ.SERVER.PING.IDZ r {size}\r\n{filter}\r\n"));
    // Were it answered, then before the next one.
    let idz = sys.request("$SYS.REQ.SERVER.PING.IDZ", r#"{"server_name":"S","domain":null}"#);
    assert_eq!(idz["name"], "S1");
}

#[test]
fn other_accounts_learn_about_themselves_only() {
    let (server, _dir) = start();
    let (mut a, mut b) = (client(&server, "a"), client(&server, "b"));
    let info = a.request("$SYS.REQ.USER.INFO", "");
    assert_eq!(info["data"]["user"], "a");
    assert_eq!(info["data"]["account"], "A");
    assert_eq!(info["data"]["permissions"]["publish"]["allow"][0], "x");
    let connz = b.request("$SYS.REQ.SERVER.PING.CONNZ", r#"{"acc":"A"}"#);
    assert_eq!(connz["data"]["num_connections"], 1);
    assert_eq!(connz["data"]["connections"][0]["cid"], b.info["client_id"]);
    let stats = b.request("$SYS.REQ.ACCOUNT.PING.STATZ", r#"{"accounts":["A"]}"#);
    assert_eq!(stats["data"]["account_statz"][0]["acc"], "B");
    assert!(b.request("$SYS.REQ.SERVER.PING.VARZ", "").is_null());
}

#[test]
fn an_operator_closes_a_client() {
    let (server, _dir) = start();
    let (mut sys, mut victim) = (client(&server, "sys"), client(&server, "b"));
    let id = server.server().id();
    let kick = format!(r#"{{"cid":{}}}"#, victim.info["client_id"]);
    let done = sys.request(&format!("$SYS.REQ.SERVER.{id}.KICK"), &kick);
    assert_eq!(done.get("error"), None, "{done}");
    while !victim.line().is_empty() {}
    let again = sys.request(&format!("$SYS.REQ.SERVER.{id}.KICK"), r#"{"cid":999}"#);
    assert_eq!(again["error"]["description"], "no such client id: 999");
}

#[test]
fn jetstream_is_for_accounts_that_have_it() {
    let (server, _dir) = start();
    let (mut a, mut b) = (client(&server, "b"), client(&server, "sys"));
    let refused = a.request("$JS.API.INFO", "");
    assert_eq!(refused["error"]["err_code"], 10039);
    assert!(b.request("$JS.API.INFO", "").is_null());
}

#[test]
fn a_domain_is_a_second_name_of_the_api() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = loopback();
    options.jetstream.enabled = true;
    options.jetstream.domain = Some("hub".to_owned());
    options.store_dir = Some(dir.path().to_owned());
    let server = Embedded::start(options).unwrap();
    let mut client = Client::connect(server.client_addr(), "{}");
    assert_eq!(client.info["domain"], "hub");
    let info = client.request("$JS.hub.API.INFO", "");
    assert_eq!(info["domain"], "hub");
    assert_eq!(client.request("$JS.API.INFO", "")["domain"], "hub");
}
