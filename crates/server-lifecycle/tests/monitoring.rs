//! The monitoring endpoints: what they say of what clients did, and in the reference's shape.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use server_lifecycle::Embedded;
use support::{Client, get, get_json};

#[test]
fn connections_and_subscriptions_show_what_clients_do() {
    let server = Embedded::temporary().unwrap();
    let http = server.monitor_addr().unwrap();
    let mut client = Client::connect(
        server.client_addr(),
        r#"{"name":"one","lang":"rust","version":"1.2","user":"u","pass":"p"}"#,
    );
    client.send("SUB a.* 1\r\nSUB b q 2\r\nPUB a.x 3\r\nabc\r\n");
    assert_eq!(client.payload(), b"abc");
    client.flush();
    let connz = get_json(http, "/connz?subs=1");
    let conn = &connz["connections"][0];
    assert_eq!(connz["num_connections"], 1);
    let named = fields(conn, ["name", "lang", "version", "in_msgs", "out_bytes"]);
    assert_eq!(named, json!(["one", "rust", "1.2", 1, 3]));
    assert_eq!(conn["subscriptions_list"], json!(["a.*", "b"]));
    let detail = &get_json(http, "/connz?subs=detail")["connections"][0];
    let subs = detail["subscriptions_list_detail"].as_array().unwrap();
    assert_eq!(subs[0]["msgs"], 1);
    assert_eq!(subs[1]["qgroup"], "q");
    assert_eq!(get_json(http, "/connz?cid=99")["num_connections"], 0);
    let subsz = get_json(http, "/subsz?subs=1&test=a.y");
    assert_eq!(subsz["total"], 1);
    assert_eq!(subsz["subscriptions_list"][0]["subject"], "a.*");
    drop(client);
    // The server learns of the end a moment later.
    let closed = wait_until(|| {
        let closed = get_json(http, "/connz?state=closed");
        (closed["num_connections"] == 1).then_some(closed)
    });
    assert_eq!(closed["connections"][0]["reason"], "Client Closed");
    assert_eq!(get_json(http, "/connz")["num_connections"], 0);
}

#[test]
fn answers_have_the_headers_and_errors_of_the_reference() {
    let server = Embedded::temporary().unwrap();
    let http = server.monitor_addr().unwrap();
    let (status, head, body) = get(http, "/healthz");
    assert_eq!((status, &*body), (200, r#"{"status":"ok"}"#));
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    let (_, head, body) = get(http, "/healthz?callback=cb");
    assert_eq!(body, r#"cb({"status":"ok"})"#);
    assert!(head.contains("content-type: application/javascript"), "{head}");
    let bad = get(http, "/connz?limit=x");
    assert_eq!((bad.0, &*bad.2), {
        (400, "Error decoding int for 'limit': strconv.Atoi: parsing \"x\": invalid syntax")
    });
    assert_eq!(get(http, "/connz?sort=foo").2, "invalid sorting option: foo");
    assert_eq!(get(http, "/nosuch").0, 404);
    assert_eq!(get(http, "/").0, 200);
    let counted = &get_json(http, "/varz")["http_req_stats"];
    assert_eq!(fields(counted, ["/healthz", "/varz"]), json!([2, 1]));
}

#[test]
fn a_base_path_comes_before_every_path() {
    let server =
        Embedded::temporary_with(|options| options.monitor.base_path = "/nats".to_owned()).unwrap();
    let http = server.monitor_addr().unwrap();
    assert_eq!(get(http, "/nats/varz").0, 200);
    assert_eq!(get(http, "/varz").0, 404);
    assert_eq!(get(http, "/natsvarz").0, 404);
}

#[test]
fn jsz_counts_streams_and_health_names_a_lost_one() {
    let server = Embedded::temporary().unwrap();
    let http = server.monitor_addr().unwrap();
    let mut client = Client::connect(server.client_addr(), "{}");
    prepare(&mut client);
    let jsz = get_json(http, "/jsz?consumers=1&config=1");
    let counts = fields(&jsz, ["streams", "consumers", "messages", "total", "accounts"]);
    assert_eq!(counts, json!([1, 1, 2, 1, 1]));
    let stream = &jsz["account_details"][0]["stream_detail"][0];
    assert_eq!(stream["name"], "S");
    assert_eq!(stream["config"]["name"], "S");
    assert_eq!(stream["consumer_detail"][0]["name"], "C");
    assert_eq!(jsz["storage"], stream["state"]["bytes"]);
    assert_eq!(get_json(http, "/jsz").get("account_details"), None);
    let store = server.temporary_dir().unwrap().join("jetstream/$G/streams/LOST");
    std::fs::create_dir_all(store).unwrap();
    let (status, _, body) = get(http, "/healthz");
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503);
    assert_eq!(health["error"], "JetStream stream '$G > LOST' could not be recovered");
    assert_eq!(get(http, "/healthz?js-server-only=1").0, 200);
}

/// Makes a stream with two messages and a consumer.
fn prepare(client: &mut Client) {
    let stream = r#"{"name":"S","subjects":["s.>"],"storage":"file"}"#;
    let reply = client.request("$JS.API.STREAM.CREATE.S", stream);
    assert_eq!(reply["config"]["name"], "S", "{reply}");
    let consumer = r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#;
    let reply = client.request("$JS.API.CONSUMER.CREATE.S.C", consumer);
    assert_eq!(reply["name"], "C", "{reply}");
    for _ in 0..2 {
        assert_eq!(client.request("s.x", "payload")["stream"], "S");
    }
}

fn fields<const N: usize>(value: &Value, keys: [&str; N]) -> Value {
    keys.iter().map(|key| value[*key].clone()).collect()
}

fn wait_until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let until = std::time::Instant::now() + support::DEADLINE;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(std::time::Instant::now() < until, "nothing happened in time");
        std::thread::yield_now();
    }
}

/// Documents whose shape is compared. A closed connection, a stream and a consumer are there.
const DOCUMENTS: [&str; 16] = [
    "/varz",
    "/connz",
    "/connz?subs=1&auth=1",
    "/connz?subs=detail",
    "/connz?state=closed",
    "/connz?state=all&sort=cid",
    "/subsz",
    "/subsz?subs=1",
    "/jsz",
    "/jsz?accounts=1",
    "/jsz?consumers=1&config=1",
    "/routez",
    "/gatewayz",
    "/leafz",
    "/accountz",
    "/accstatz?unused=1",
];

/// Where the two may differ, each with its reason.
const EXCEPTIONS: [&str; 2] = [
    // Only a build from a repository knows its commit.
    "/varz: .git_commit",
    // Which paths were asked for so far.
    "/varz: .http_req_stats",
];

#[test]
fn documents_have_the_shape_of_the_reference() {
    let Some(binary) = std::env::var_os("NATS_SERVER_REFERENCE") else {
        println!(
            "SKIP: monitoring documents against the reference: \
             set NATS_SERVER_REFERENCE to a nats-server 2.14 binary"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let reference = Reference::start(Path::new(&binary), dir.path());
    let server = Embedded::temporary().unwrap();
    let theirs = documents(reference.client, reference.monitor);
    let ours = documents(server.client_addr(), server.monitor_addr().unwrap());
    let mut differences = BTreeSet::new();
    for (path, (ours, theirs)) in DOCUMENTS.iter().zip(ours.iter().zip(&theirs)) {
        compare(&format!("{path}: "), ours, theirs, &mut differences);
    }
    differences.retain(|difference| !EXCEPTIONS.iter().any(|known| difference.starts_with(known)));
    assert!(differences.is_empty(), "{differences:#?}");
}

fn documents(client: SocketAddr, monitor: SocketAddr) -> Vec<Value> {
    drop(Client::connect(client, r#"{"name":"gone"}"#));
    let mut client =
        Client::connect(client, r#"{"name":"here","lang":"rust","version":"1","user":"me"}"#);
    client.send("SUB a 7\r\nSUB b q 8\r\nUNSUB 8 5\r\n");
    prepare(&mut client);
    wait_until(|| (get_json(monitor, "/connz?state=closed")["total"] == 1).then_some(()));
    DOCUMENTS.iter().map(|path| get_json(monitor, path)).collect()
}

/// Notes each place where two documents have other fields or types.
fn compare(place: &str, ours: &Value, theirs: &Value, differences: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for key in ours.keys().chain(theirs.keys()) {
                let place = format!("{place}.{key}");
                match (ours.get(key), theirs.get(key)) {
                    (Some(ours), Some(theirs)) => compare(&place, ours, theirs, differences),
                    (Some(_), None) => drop(differences.insert(format!("{place}: only here"))),
                    (None, _) => drop(differences.insert(format!("{place}: missing here"))),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if ours.is_empty() != theirs.is_empty() {
                differences.insert(format!("{place}[]: {} against {}", ours.len(), theirs.len()));
            }
            for (ours, theirs) in comparable(ours).iter().zip(&comparable(theirs)) {
                compare(&format!("{place}[]"), ours, theirs, differences);
            }
        }
        (ours, theirs) if kind(ours) != kind(theirs) => {
            differences.insert(format!("{place}: {ours} against {theirs}"));
        }
        _ => {}
    }
}

/// Subscriptions of the client only, in one order: the reference has internal ones too, and lists
/// them in the order of its hash maps.
fn comparable(values: &[Value]) -> Vec<Value> {
    let subject = |value: &Value| value["subject"].as_str().map(str::to_owned);
    let mut kept = values.to_vec();
    kept.retain(|value| subject(value).is_none_or(|subject| subject == "a" || subject == "b"));
    kept.sort_by_key(subject);
    kept
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

struct Reference {
    process: Child,
    client: SocketAddr,
    monitor: SocketAddr,
}

impl Reference {
    fn start(binary: &Path, dir: &Path) -> Reference {
        let mut process = Command::new(binary)
            .args(["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-js", "-sd"])
            .arg(dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut client, mut monitor) = (None, None);
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        while client.is_none() {
            let line = lines.next().expect("the reference ended").unwrap();
            let address = |text: &str| line.split_once(text).map(|(_, a)| a.parse().unwrap());
            monitor = monitor.or(address("Starting http monitor on "));
            client = address("Listening for client connections on ");
        }
        // Somebody must read on, or the process would block.
        std::thread::spawn(move || lines.for_each(drop));
        Reference { process, client: client.unwrap(), monitor: monitor.unwrap() }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
