//! Reloads of a whole server: from its file, by request, and what JetStream does then.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::path::PathBuf;

use config_validate::Options;
use server_lifecycle::Embedded;
use support::Client;

/// A server with a file.
struct Rig {
    server: Embedded,
    file: PathBuf,
    dir: tempfile::TempDir,
}

impl Rig {
    fn start(config: &str) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.conf");
        std::fs::write(&file, Self::text(&dir, config)).unwrap();
        let server = Embedded::start(Options::from_file(&file).unwrap()).unwrap();
        Rig { server, file, dir }
    }

    fn text(dir: &tempfile::TempDir, config: &str) -> String {
        let config = config.replace("STORE", dir.path().to_str().unwrap());
        format!("listen: \"127.0.0.1:-1\"\nserver_name: S\n{config}")
    }

    fn write(&self, config: &str) {
        std::fs::write(&self.file, Self::text(&self.dir, config)).unwrap();
    }

    fn reload(&self, config: &str) -> Result<(), String> {
        let text = Self::text(&self.dir, config);
        let options = Options::from_text(&text).map_err(|error| error.to_string())?;
        self.server.reload_options(options).map_err(|error| error.to_string())
    }

    fn client(&self, user: &str) -> Client {
        let connect =
            format!(r#"{{"user":"{user}","pass":"p","headers":true,"no_responders":true}}"#);
        Client::connect(self.server.client_addr(), &connect)
    }
}

#[test]
fn a_request_reloads_the_file() {
    let base = "accounts {
        $SYS { users: [{user: sys, password: p}] }
        A { users: [{user: a, password: p}] }
        MORE
    }\n";
    let with = |more: &str| base.replace("MORE", more);
    let rig = Rig::start(&with(""));
    let mut sys = rig.client("sys");
    let subject = format!("$SYS.REQ.SERVER.{}.RELOAD", rig.server.server().id());
    rig.write(&format!("{}max_payload: 2048", with("B { users: [{user: b, password: p}] }")));
    let done = sys.request(&subject, "");
    assert_eq!(done["server"]["name"], "S");
    assert!(done["error"].is_null(), "{done}");
    let mut b = rig.client("b");
    assert_eq!(b.info["max_payload"], 2048);
    // The new account has what every account has.
    assert_eq!(b.request("$SYS.REQ.USER.INFO", "")["data"]["account"], "B");
    assert_eq!(b.request("$SYS.REQ.ACCOUNT.PING.CONNZ", "")["data"]["num_connections"], 1);
    // What cannot change, changes nothing of the rest either.
    rig.write(&format!("{}max_pending: 4096\nmax_payload: 1024", with("")));
    let refused = sys.request(&subject, "");
    assert_eq!(refused["error"]["code"], 500);
    assert_eq!(
        refused["error"]["description"],
        "config reload not supported for MaxPending: old=67108864, new=4096"
    );
    rig.write("accounts { A { users: [{user: a, password: p}], imports: 1 } }");
    let invalid = sys.request(&subject, "");
    let text = invalid["error"]["description"].as_str().unwrap();
    assert!(text.contains("Imports should be an array"), "{text}");
    b.flush();
    assert_eq!(rig.client("b").info["max_payload"], 2048);
    let varz = sys.request("$SYS.REQ.SERVER.PING.VARZ", "");
    assert_eq!(varz["data"]["max_payload"], 2048);
}

#[test]
fn a_server_without_a_file_has_nothing_to_reload() {
    let server = Embedded::temporary().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(server.server().reload()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "can only reload config when a file is provided using -c or --config"
    );
}

#[test]
fn jetstream_follows_accounts_and_limits() {
    let config = |a: &str, max_mem: &str| {
        format!(
            "jetstream {{ store_dir: \"STORE\", max_mem: {max_mem}, max_file: 10MB }}
             accounts {{ A {{ {a} users: [{{user: a, password: p}}] }}
                         B {{ jetstream: enabled, users: [{{user: b, password: p}}] }} }}"
        )
    };
    let rig = Rig::start(&config("", "1MB"));
    let mut a = rig.client("a");
    let create = r#"{"name":"S","subjects":["s"]}"#;
    assert_eq!(a.request("$JS.API.INFO", "")["error"]["err_code"], 10039);
    rig.reload(&config("jetstream {max_streams: 1},", "1MB")).unwrap();
    assert_eq!(a.request("$JS.API.INFO", "")["limits"]["max_streams"], 1);
    assert_eq!(a.request("$JS.API.STREAM.CREATE.S", create)["config"]["name"], "S");
    assert_eq!(a.request("s", "x")["seq"], 1);
    let second = create.replace("\"S\"", "\"T\"").replace("\"s\"", "\"t\"");
    let full = a.request("$JS.API.STREAM.CREATE.T", &second);
    assert_eq!(full["error"]["err_code"], 10027, "{full}");
    rig.reload(&config("jetstream {max_streams: 2},", "2MB")).unwrap();
    assert_eq!(a.request("$JS.API.STREAM.CREATE.T", &second)["config"]["name"], "T");
    let config_now = rig.server.server().monitor().varz().jetstream.config.unwrap();
    assert_eq!(config_now.max_memory, 2 << 20);
    let refused = rig.reload(&config("jetstream: enabled,", "1MB")).unwrap_err();
    assert_eq!(
        refused,
        "config reload not supported for decreasing jetstream max memory and store"
    );
    assert_eq!(a.request("$JS.API.INFO", "")["limits"]["max_streams"], 2);
    // Without JetStream the streams rest; with it, they are there again.
    rig.reload(&config("", "2MB")).unwrap();
    assert_eq!(a.request("$JS.API.INFO", "")["error"]["err_code"], 10039);
    rig.reload(&config("jetstream: enabled,", "2MB")).unwrap();
    let info = a.request("$JS.API.STREAM.INFO.S", "");
    assert_eq!(info["state"]["messages"], 1, "{info}");
}

#[test]
fn jetstream_is_switched_off_and_on() {
    let on = "jetstream { store_dir: \"STORE\" }\n";
    let rig = Rig::start(on);
    let mut client = rig.client("");
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    assert_eq!(client.request("s", "x")["seq"], 1);
    rig.reload("").unwrap();
    assert!(client.request("$JS.API.INFO", "").is_null());
    assert_eq!(rig.client("").info["jetstream"], serde_json::Value::Null);
    rig.reload(on).unwrap();
    assert_eq!(rig.client("").info["jetstream"], true);
    assert_eq!(client.request("$JS.API.STREAM.INFO.S", "")["state"]["messages"], 1);
}

/// Account JS has the streams, and lends its API, its deliveries and its acks to account APP.
const LENT: &str = r#"
jetstream { store_dir: "STORE" }
accounts {
  JS { jetstream: enabled
       users: [{user: js, password: p}]
       exports: [
         {service: "$JS.API.>", response: stream}, {service: "$JS.ACK.>"}, {service: "$JS.FC.>"}
         {stream: "deliver.>"}, {service: "orders.*"} ] }
  APP { users: [{user: app, password: p}]
        imports: [
          {service {account: JS, subject: "$JS.API.>"}, to: "JS.LENT.API.>"}
          {service {account: JS, subject: "$JS.ACK.>"}}
          {service {account: JS, subject: "$JS.FC.>"}}
          {stream {account: JS, subject: "deliver.>"}}
          {service {account: JS, subject: "orders.*"}} ] }
  TAP { jetstream: enabled
        users: [{user: tap, password: p}]
        imports: [{stream {account: JS, subject: "deliver.>"}, prefix: "tapped"}] }
}
"#;

#[test]
fn an_account_uses_the_streams_of_another() {
    let rig = Rig::start(LENT);
    let mut app = rig.client("app");
    let mut js = rig.client("js");
    let made =
        app.request("JS.LENT.API.STREAM.CREATE.O", r#"{"name":"O","subjects":["orders.*"]}"#);
    assert_eq!(made["config"]["name"], "O", "{made}");
    assert_eq!(js.request("$JS.API.STREAM.INFO.O", "")["config"]["name"], "O");
    assert_eq!(app.request("orders.one", "1")["seq"], 1);
    // A pull: the message is shown with its own subject, and its ack goes straight back.
    let durable = r#"{"stream_name":"O","config":{"durable_name":"P","ack_policy":"explicit"}}"#;
    let consumer = app.request("JS.LENT.API.CONSUMER.DURABLE.CREATE.O.P", durable);
    assert_eq!(consumer["name"], "P", "{consumer}");
    app.send("SUB in.pull 90\r\nPUB JS.LENT.API.CONSUMER.MSG.NEXT.O.P in.pull 0\r\n\r\n");
    let message = app.wait_for("MSG orders.one 90 ");
    let ack = message.split(' ').nth(3).unwrap().to_owned();
    assert!(ack.starts_with("$JS.ACK.O.P.1.1.1."), "{message}");
    assert_eq!(app.line(), "1");
    app.send(&format!("SUB in.ack 91\r\nPUB {ack} in.ack 4\r\n+ACK\r\n"));
    app.wait_for("MSG in.ack 91 ");
    assert_eq!(app.line(), "");
    let info = js.request("$JS.API.CONSUMER.INFO.O.P", "");
    assert_eq!(
        (&info["num_ack_pending"], &info["ack_floor"]["stream_seq"]),
        (&0.into(), &1.into())
    );
    // A push to a subject that the other account imports.
    app.send("SUB deliver.app 92\r\n");
    app.flush();
    let push = r#"{"stream_name":"O","config":{"durable_name":"D","ack_policy":"explicit","deliver_subject":"deliver.app"}}"#;
    let consumer = js.request("$JS.API.CONSUMER.DURABLE.CREATE.O.D", push);
    assert_eq!(consumer["name"], "D", "{consumer}");
    let message = app.wait_for("MSG orders.one 92 ");
    assert!(message.contains(" $JS.ACK.O.D.1."), "{message}");
    // A stream in a third account takes in what was delivered there, with its prefix.
    let mut tap = rig.client("tap");
    let tapped = r#"{"name":"T","subjects":["tapped.>"]}"#;
    assert_eq!(tap.request("$JS.API.STREAM.CREATE.T", tapped)["config"]["name"], "T");
    js.send("PUB deliver.x 1\r\nz\r\n");
    js.flush();
    let got = tap.request("$JS.API.STREAM.MSG.GET.T", r#"{"last_by_subj":"tapped.deliver.x"}"#);
    assert_eq!(got["message"]["subject"], "tapped.deliver.x", "{got}");
}
