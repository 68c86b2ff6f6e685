//! What holds for every request: accounts, levels, counts, audits, bounds.

use std::sync::Arc;

use routing::SubjectSpace;

use super::{Client, World, json};
use crate::ApiSettings;

#[test]
fn an_account_without_jetstream_is_told_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    for (account, subject, kind) in [
        ("plain", "$JS.API.INFO", "account_info_response"),
        ("plain", "$JS.API.STREAM.NAMES", "stream_names_response"),
        ("$SYS", "$JS.API.INFO", "account_info_response"),
        ("$SYS", "$JS.API.STREAM.NAMES", "system_response"),
    ] {
        let space = SubjectSpace::new(account);
        world.serve(account, &space);
        let reply = json(&Client::new(&space).request(subject, ""));
        assert_eq!(reply["type"], format!("io.nats.jetstream.api.v1.{kind}"));
        assert_eq!(reply["error"]["err_code"], 10039, "{account} {subject}");
    }
}

#[test]
fn a_level_beyond_ours_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut client = world.client();
    let own = types::API_LEVEL;
    for (level, refused) in [
        (own.to_string(), false),
        ((own + 1).to_string(), true),
        ("x".to_owned(), true),
        (String::new(), false),
        ("0".to_owned(), false),
    ] {
        let headers = format!("NATS/1.0\r\nNats-Required-Api-Level: {level}\r\n\r\n");
        let reply = json(&client.request_with("$JS.API.STREAM.NAMES", &headers, ""));
        let code = reply["error"]["err_code"].as_u64();
        assert_eq!(code, refused.then_some(10185), "level {level:?}");
    }
}

#[test]
fn requests_are_counted_once_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut client = world.client();
    let api = |client: &mut Client| json(&client.request("$JS.API.INFO", ""))["api"].clone();
    let level = types::API_LEVEL;
    assert_eq!(api(&mut client), serde_json::json!({"level": level, "total": 0, "errors": 0}));
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
    client.request("$JS.API.STREAM.INFO.NOPE", "");
    assert_eq!(api(&mut client), serde_json::json!({"level": level, "total": 3, "errors": 1}));
    client.request("s", "x");
    // Reading a message is not counted, failing to is.
    client.request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":1}"#);
    assert_eq!(api(&mut client), serde_json::json!({"level": level, "total": 4, "errors": 1}));
    client.request("$JS.API.STREAM.MSG.GET.S", r#"{"seq":2}"#);
    assert_eq!(api(&mut client), serde_json::json!({"level": level, "total": 6, "errors": 2}));
    let server = world.engine.stats().api;
    assert_eq!((server.total, server.errors, server.inflight), (7, 2, 0));
}

#[test]
fn unknown_fields_pass_where_the_server_is_not_strict() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = ApiSettings { strict: false, ..ApiSettings::default() };
    let world = World::with(dir.path(), settings);
    let mut client = world.client();
    let request = r#"{"name":"S","new":1,"consumer_limits":{"newer":2}}"#;
    let reply = json(&client.request("$JS.API.STREAM.CREATE.S", request));
    assert_eq!(reply["config"]["name"], "S", "{reply}");
    let request = r#"{"name":"T","max_msgs":"text","new":1}"#;
    let reply = json(&client.request("$JS.API.STREAM.CREATE.T", request));
    assert_eq!(reply["error"]["err_code"], 10025, "{reply}");
}

#[test]
fn audits_tell_who_asked_what() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut listener = world.client();
    listener.subscribe("$JS.EVENT.ADVISORY.API");
    let reply = world.client().request("$JS.API.STREAM.INFO.NOPE", "{}");
    let audit = json(&listener.next().body);
    assert_eq!(audit["type"], "io.nats.jetstream.advisory.v1.api_audit");
    assert_eq!(audit["server"], "ref");
    assert_eq!(audit["client"]["name"], "tester");
    assert_eq!(audit["subject"], "$JS.API.STREAM.INFO.NOPE");
    assert_eq!((&audit["request"], &audit["response"]), (&"{}".into(), &reply.into()));
}

#[test]
fn too_many_requests_are_dropped_and_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let system = SubjectSpace::new("$SYS");
    let settings = ApiSettings {
        request_limit: 1,
        system_space: Some(Arc::clone(&system)),
        ..ApiSettings::default()
    };
    let world = World::with(dir.path(), settings);
    let mut listener = Client::new(&system);
    listener.subscribe("$JS.EVENT.ADVISORY.API.LIMIT_REACHED");
    let mut client = world.client();
    client.request("$JS.API.STREAM.CREATE.S", r#"{"name":"S"}"#);
    let account = world.engine.account("$G").expect("enabled");
    let (entered, is_in) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    account.with_stream(
        "S",
        move |_, _, _| {
            let _ = entered.send(());
            let _ = gate.recv_timeout(super::WAIT);
            Ok(())
        },
        |_: Result<(), _>| {},
    );
    is_in.recv_timeout(super::WAIT).expect("the shard is held up");
    assert!(client.is_heard("$JS.API.STREAM.INFO.S"), "waits for the stream");
    assert!(client.is_heard("$JS.API.STREAM.NAMES"), "dropped");
    let advisory = json(&listener.next().body);
    assert_eq!(advisory["type"], "io.nats.jetstream.advisory.v1.api_limit_reached");
    assert_eq!((&advisory["server"], &advisory["dropped"]), (&"ref".into(), &1.into()));
    go.send(()).expect("the shard waits");
    let deadline = std::time::Instant::now() + super::WAIT;
    while world.engine.stats().api.inflight > 0 {
        assert!(std::time::Instant::now() < deadline, "never answered");
        std::thread::yield_now();
    }
    assert!(client.request("$JS.API.STREAM.NAMES", "").contains("\"S\""));
}

#[test]
fn nobody_listens_for_streams_that_are_not_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut client = world.client();
    for subject in ["$JS.API.CONSUMER.MSG.NEXT.S.C", "$JS.API.DIRECT.GET.S", "$JS.API.NOPE"] {
        assert!(!client.is_heard(subject), "{subject}");
    }
}
