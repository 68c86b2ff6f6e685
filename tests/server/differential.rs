//! The same requests to the reference and to this server, the replies compared field by field.

use serde_json::{Value, json};
use tests::{Node, Raw, Setup, reference};

/// One thing to do on both servers.
enum Step {
    /// A request; its reply is compared.
    Ask(&'static str, String),
    /// A publish with headers; its ack is compared.
    Publish(&'static str, &'static str, &'static str),
    /// A pull; the status and messages are compared.
    Pull(&'static str, &'static str),
}

use Step::{Ask, Publish, Pull};

fn ask(subject: &'static str, body: Value) -> Step {
    Ask(subject, if body.is_null() { String::new() } else { body.to_string() })
}

/// Replaces what differs between any two runs by its type.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                let varies = matches!(
                    key.as_str(),
                    "created"
                        | "ts"
                        | "time"
                        | "first_ts"
                        | "last_ts"
                        | "last_active"
                        | "timestamp"
                        | "id"
                );
                if varies && value.is_string() {
                    *value = json!("<varies>");
                } else {
                    normalise(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(normalise),
        _ => {}
    }
}

/// When a schedule fires next depends on when it was made.
fn without_next_time(headers: String) -> String {
    match headers.split_once("Nats-Schedule-Next: 2") {
        Some((before, after)) => {
            let after = after.split_once("\r\n").map_or("", |(_, after)| after);
            format!("{before}Nats-Schedule-Next: <varies>\r\n{after}")
        }
        None => headers,
    }
}

fn perform(node: &Node, steps: &[Step]) -> Vec<(String, Value)> {
    let mut raw = Raw::client(node);
    let mut replies = Vec::new();
    for step in steps {
        match step {
            Ask(subject, body) => {
                let (headers, body_text) = raw.request(subject, body);
                let mut reply = serde_json::from_str(&body_text)
                    .unwrap_or(json!({"headers": headers, "body": body_text}));
                normalise(&mut reply);
                replies.push((format!("{subject} {body}"), reply));
            }
            Publish(subject, headers, payload) => {
                let block = if headers.is_empty() {
                    String::new()
                } else {
                    format!("NATS/1.0\r\n{headers}\r\n\r\n")
                };
                let (h, t) = (block.len(), block.len() + payload.len());
                let line = if h == 0 {
                    format!("PUB {subject} _P {t}")
                } else {
                    format!("HPUB {subject} _P {h} {t}")
                };
                raw.send(format!("SUB _P 7\r\n{line}\r\n{block}{payload}\r\nUNSUB 7 1\r\n"));
                let (headers, ack) = raw.message();
                let reply =
                    serde_json::from_str(&ack).unwrap_or(json!({"headers": headers, "body": ack}));
                replies.push((format!("publish {subject} {headers:?} {payload:?}"), reply));
            }
            Pull(subject, body) => {
                raw.send(format!("SUB _N 8\r\nPUB {subject} _N {}\r\n{body}\r\n", body.len()));
                let mut got = Vec::new();
                let most = if body.starts_with("{\"batch\":1,") { 1 } else { 2 };
                loop {
                    let (headers, payload) = raw.message();
                    // What follows the dash is the JSON decoder's own wording.
                    let headers = match headers.split_once("Bad Request - ") {
                        Some((status, _)) if body.starts_with("{nonsense") => status.to_owned(),
                        _ => headers,
                    };
                    let ends = headers.starts_with("NATS/1.0 4");
                    got.push(json!([without_next_time(headers), payload]));
                    if ends || got.len() == most {
                        break;
                    }
                }
                raw.send("UNSUB 8\r\n");
                raw.sync();
                replies.push((format!("pull {subject} {body}"), json!(got)));
            }
        }
    }
    replies
}

#[track_caller]
fn check_same(what: &str, steps: &[Step]) {
    let Some(binary) = reference(what) else { return };
    let setup = || Setup::jetstream().args(["-n", "same"]);
    let theirs = perform(&setup().binary(&binary).start(), steps);
    let ours = perform(&setup().start(), steps);
    let mut differences = Vec::new();
    for ((request, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        if theirs != ours {
            differences.push(format!("{request}\n  reference: {theirs}\n  jetcore:   {ours}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        theirs.len(),
        differences.join("\n")
    );
}

const CREATE: &str = "$JS.API.STREAM.CREATE.S";

#[test]
fn streams() {
    check_same(
        "stream requests compared with the reference",
        &[
            ask("$JS.API.INFO", Value::Null),
            ask("$JS.API.STREAM.NAMES", Value::Null),
            ask("$JS.API.STREAM.LIST", Value::Null),
            ask("$JS.API.STREAM.INFO.S", Value::Null),
            ask(CREATE, json!({"name": "S", "subjects": ["s.>"]})),
            ask(CREATE, json!({"name": "S", "subjects": ["s.>"]})),
            ask(CREATE, json!({"name": "S", "subjects": ["t.>"]})),
            ask(CREATE, json!({"name": "T", "subjects": ["t.>"]})),
            ask("$JS.API.STREAM.CREATE.T", json!({"name": "T", "subjects": ["s.a"]})),
            ask("$JS.API.STREAM.CREATE.T", json!({"name": "T", "subjects": ["t..a"]})),
            ask("$JS.API.STREAM.CREATE.T", json!({"name": "T", "subjects": ["$JS.API.>"]})),
            ask("$JS.API.STREAM.CREATE.T", json!({"name": "T", "subjects": ["a.*", "a.b"]})),
            ask("$JS.API.STREAM.CREATE.T", json!({"name": "T", "num_replicas": 3})),
            ask(
                "$JS.API.STREAM.CREATE.T",
                json!({"name": "T", "retention": "workqueue", "storage": "memory", "max_msgs": 10, "max_bytes": 1000, "max_age": 1_000_000_000_i64, "discard": "new", "max_msgs_per_subject": 5, "max_msg_size": 100, "metadata": {"a": "b"}, "description": "d", "allow_direct": true, "allow_rollup_hdrs": true}),
            ),
            ask("$JS.API.STREAM.CREATE.U", json!({"name": "U", "discard_new_per_subject": true})),
            ask(
                "$JS.API.STREAM.CREATE.U",
                json!({"name": "U", "duplicate_window": 10, "max_age": 5}),
            ),
            ask("$JS.API.STREAM.CREATE.U", json!({"name": "U", "max_age": 50_000_000})),
            ask("$JS.API.STREAM.CREATE.U", json!({"name": "U", "sealed": true})),
            ask(
                "$JS.API.STREAM.CREATE.U",
                json!({"name": "U", "deny_purge": true, "allow_rollup_hdrs": true}),
            ),
            ask("$JS.API.STREAM.UPDATE.NONE", json!({"name": "NONE"})),
            ask(
                "$JS.API.STREAM.UPDATE.S",
                json!({"name": "S", "subjects": ["s.>", "s2"], "max_msgs": 100}),
            ),
            ask(
                "$JS.API.STREAM.UPDATE.S",
                json!({"name": "S", "subjects": ["s.>"], "storage": "memory"}),
            ),
            ask(
                "$JS.API.STREAM.UPDATE.S",
                json!({"name": "S", "subjects": ["s.>"], "retention": "workqueue"}),
            ),
            ask(
                "$JS.API.STREAM.UPDATE.S",
                json!({"name": "S", "subjects": ["s.>"], "max_consumers": 5}),
            ),
            ask("$JS.API.STREAM.NAMES", json!({"subject": "s2"})),
            ask("$JS.API.STREAM.NAMES", Value::Null),
            ask("$JS.API.STREAM.LIST", json!({"offset": 1})),
            // Of a stream that never held a message the reference lists sequence 0 as deleted.
            Publish("s.first", "", "x"),
            ask("$JS.API.STREAM.INFO.S", json!({"subjects_filter": ">", "deleted_details": true})),
            ask("$JS.API.STREAM.PURGE.S", json!({"seq": 1, "keep": 1})),
            ask("$JS.API.STREAM.DELETE.NONE", Value::Null),
            ask("$JS.API.STREAM.DELETE.T", Value::Null),
            ask("$JS.API.INFO", Value::Null),
        ],
    );
}

#[test]
fn publishing() {
    check_same(
        "publish acks compared with the reference",
        &[
            ask(
                CREATE,
                json!({"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": true, "max_msg_size": 64, "allow_direct": true}),
            ),
            Publish("s.a", "", "one"),
            Publish("s.a", "Nats-Msg-Id: 1", "two"),
            Publish("s.a", "Nats-Msg-Id: 1", "two"),
            Publish("s.a", "Nats-Expected-Stream: OTHER", "x"),
            Publish("s.a", "Nats-Expected-Stream: S", "x"),
            Publish("s.a", "Nats-Expected-Last-Sequence: 1", "x"),
            Publish("s.a", "Nats-Expected-Last-Sequence: 3", "x"),
            Publish("s.a", "Nats-Expected-Last-Msg-Id: 9", "x"),
            Publish("s.b", "Nats-Expected-Last-Subject-Sequence: 0", "x"),
            Publish("s.b", "Nats-Expected-Last-Subject-Sequence: 0", "x"),
            Publish("s.c", "Nats-TTL: 1s", "x"),
            Publish(
                "s.c",
                "",
                "0123456789012345678901234567890123456789012345678901234567890123456789",
            ),
            Publish("s.b", "Nats-Rollup: sub", "x"),
            Publish("s.b", "Nats-Rollup: nonsense", "x"),
            ask("$JS.API.STREAM.INFO.S", json!({"subjects_filter": ">", "deleted_details": true})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 1})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 2})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 99})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"last_by_subj": "s.b"})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"next_by_subj": "s.>", "seq": 2})),
            ask("$JS.API.STREAM.MSG.GET.S", json!({})),
            ask("$JS.API.STREAM.MSG.DELETE.S", json!({"seq": 2})),
            ask("$JS.API.STREAM.MSG.DELETE.S", json!({"seq": 2})),
            ask("$JS.API.STREAM.INFO.S", json!({"deleted_details": true})),
            ask("$JS.API.STREAM.PURGE.S", json!({"filter": "s.a", "keep": 1})),
            ask("$JS.API.STREAM.PURGE.S", Value::Null),
            Publish("s.a", "", "after"),
            ask("$JS.API.STREAM.INFO.S", Value::Null),
        ],
    );
}

#[test]
fn discard_new() {
    check_same(
        "discard new compared with the reference",
        &[
            ask(CREATE, json!({"name": "S", "subjects": ["s.>"], "discard": "new", "max_msgs": 2})),
            Publish("s.a", "", "1"),
            Publish("s.a", "", "2"),
            Publish("s.a", "", "3"),
            ask(
                "$JS.API.STREAM.CREATE.B",
                json!({"name": "B", "subjects": ["b.>"], "discard": "new", "max_bytes": 100}),
            ),
            Publish("b.a", "", "0123456789012345678901234567890123456789"),
            Publish("b.a", "", "0123456789012345678901234567890123456789"),
            ask(
                "$JS.API.STREAM.CREATE.P",
                json!({"name": "P", "subjects": ["p.>"], "discard": "new", "discard_new_per_subject": true, "max_msgs_per_subject": 1}),
            ),
            Publish("p.a", "", "1"),
            Publish("p.a", "", "2"),
            Publish("p.b", "", "1"),
            ask("$JS.API.STREAM.LIST", Value::Null),
        ],
    );
}

#[test]
fn consumers() {
    const C: &str = "$JS.API.CONSUMER.CREATE.S.c";
    check_same(
        "consumer requests compared with the reference",
        &[
            ask(CREATE, json!({"name": "S", "subjects": ["s.>"]})),
            Publish("s.a", "", "one"),
            Publish("s.b", "A: b", "two"),
            Publish("s.a", "", "three"),
            ask("$JS.API.CONSUMER.INFO.S.c", Value::Null),
            ask("$JS.API.CONSUMER.NAMES.S", Value::Null),
            ask("$JS.API.CONSUMER.LIST.NONE", Value::Null),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "ack_policy": "explicit"}, "action": "update"}),
            ),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.a"}}),
            ),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.a"}}),
            ),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.a"}, "action": "create"}),
            ),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "none", "filter_subject": "s.a"}}),
            ),
            ask(
                C,
                json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "explicit", "filter_subject": "s.a", "max_ack_pending": 7, "description": "new"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "other", "ack_policy": "explicit"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "T", "config": {"name": "d", "ack_policy": "explicit"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.NONE.d",
                json!({"stream_name": "NONE", "config": {"name": "d", "ack_policy": "explicit"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "max_waiting": -1, "deliver_policy": "by_start_sequence"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "deliver_policy": "last_per_subject"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "filter_subject": "s.a", "filter_subjects": ["s.b"]}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "filter_subjects": ["s.*", "s.b"]}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "backoff": [1_000_000_000_i64, 2_000_000_000_i64], "max_deliver": 1}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "flow_control": true, "deliver_subject": "dd"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "deliver_subject": "s.x"}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "deliver_subject": "dd", "idle_heartbeat": 1}}),
            ),
            ask(
                "$JS.API.CONSUMER.CREATE.S.d",
                json!({"stream_name": "S", "config": {"name": "d", "ack_policy": "explicit", "deliver_subject": "dd", "idle_heartbeat": 1_000_000_000_i64, "flow_control": true, "ack_wait": 5_000_000_000_i64, "sample_freq": "50%", "rate_limit_bps": 1000, "headers_only": true, "replay_policy": "original", "metadata": {"k": "v"}}}),
            ),
            ask(
                "$JS.API.CONSUMER.DURABLE.CREATE.S.e",
                json!({"stream_name": "S", "config": {"durable_name": "e", "ack_policy": "all", "deliver_policy": "new", "max_deliver": 3, "backoff": [1_000_000_000_i64, 2_000_000_000_i64]}}),
            ),
            ask("$JS.API.CONSUMER.INFO.S.c", Value::Null),
            ask("$JS.API.CONSUMER.INFO.S.d", Value::Null),
            ask("$JS.API.CONSUMER.INFO.S.e", Value::Null),
            ask("$JS.API.CONSUMER.NAMES.S", Value::Null),
            ask("$JS.API.CONSUMER.LIST.S", Value::Null),
            ask("$JS.API.CONSUMER.DELETE.S.d", Value::Null),
            ask("$JS.API.CONSUMER.DELETE.S.d", Value::Null),
            ask("$JS.API.STREAM.INFO.S", Value::Null),
            ask("$JS.API.INFO", Value::Null),
        ],
    );
}

#[test]
fn pulling_statuses() {
    const NEXT: &str = "$JS.API.CONSUMER.MSG.NEXT.S.c";
    check_same(
        "pull statuses compared with the reference",
        &[
            ask(CREATE, json!({"name": "S", "subjects": ["s.>"], "storage": "memory"})),
            ask(
                "$JS.API.CONSUMER.CREATE.S.c",
                json!({"stream_name": "S", "config": {"name": "c", "ack_policy": "none", "max_batch": 10, "max_expires": 2_000_000_000_i64, "max_bytes": 1000}}),
            ),
            Pull(NEXT, r#"{"batch":1,"no_wait":true}"#),
            Pull(NEXT, r#"{"batch":1,"expires":50000000}"#),
            Pull(NEXT, r#"{"batch":11,"expires":50000000}"#),
            Pull(NEXT, r#"{"batch":1,"expires":3000000000}"#),
            Pull(NEXT, r#"{"batch":1,"max_bytes":2000,"expires":50000000}"#),
            Pull(NEXT, r#"{"batch":1,"expires":50000000,"idle_heartbeat":40000000}"#),
            Pull(NEXT, "{nonsense"),
            ask("$JS.API.CONSUMER.INFO.S.c", Value::Null),
        ],
    );
}

#[test]
fn malformed_requests() {
    check_same(
        "malformed requests compared with the reference",
        &[
            ask("$JS.API.STREAM.CREATE.S", Value::Null),
            ask("$JS.API.STREAM.CREATE.S", json!({"name": "OTHER"})),
            ask("$JS.API.STREAM.CREATE.S", json!({"name": "S", "subjects": ["s"]})),
            ask("$JS.API.STREAM.PURGE.NONE", Value::Null),
            ask("$JS.API.STREAM.MSG.GET.NONE", json!({"seq": 1})),
            ask("$JS.API.STREAM.MSG.DELETE.S", json!({"seq": 5})),
            ask("$JS.API.STREAM.MSG.DELETE.S", Value::Null),
            ask("$JS.API.CONSUMER.CREATE.S", Value::Null),
            ask("$JS.API.STREAM.LEADER.STEPDOWN.S", Value::Null),
            ask("$JS.API.STREAM.PEER.REMOVE.S", json!({"peer": "x"})),
            ask("$JS.API.CONSUMER.LEADER.STEPDOWN.S.c", Value::Null),
        ],
    );
}

/// What a server says of itself; own additions and what differs between any two left out.
fn greeting(node: &Node) -> Value {
    let mut info = Raw::connect(node).info;
    let fields = info.as_object_mut().expect("an object");
    fields.remove("jetcore");
    // The reference's own internal clients take numbers too.
    for varies in ["server_id", "server_name", "port", "go", "client_id"] {
        if let Some(value) = fields.get_mut(varies) {
            *value = json!(if value.is_string() { "<text>" } else { "<number>" });
        }
    }
    // The key serves the authentication callout, which is not there yet; a build of the
    // reference knows its commit.
    fields.remove("xkey");
    fields.remove("git_commit");
    info
}

#[test]
fn info() {
    let Some(binary) = reference("INFO of both servers") else { return };
    let setups = [
        Setup::core(),
        Setup::jetstream(),
        Setup::jetstream().args(["-n", "one", "--user", "u", "--pass", "p"]),
        Setup::core().config("max_payload: 4096\nauthorization { token: t }"),
        Setup::core().config("client_advertise: \"example.org:4222\"\nno_header_support: true"),
        Setup::core().config("jetstream { domain: hub, store_dir: \"$DIR/store\" }"),
    ];
    for (index, setup) in setups.into_iter().enumerate() {
        let theirs = greeting(&setup.clone().binary(&binary).start());
        assert_eq!(theirs, greeting(&setup.start()), "setup {index}");
    }
}

/// The headers of a message of a batch.
macro_rules! batch {
    ($id:literal, $seq:literal) => {
        concat!("Nats-Batch-Id: ", $id, "\r\nNats-Batch-Sequence: ", $seq)
    };
    ($id:literal, $seq:literal, $more:literal) => {
        concat!("Nats-Batch-Id: ", $id, "\r\nNats-Batch-Sequence: ", $seq, "\r\n", $more)
    };
}

#[test]
fn atomic_batches() {
    let config = json!({
        "name": "S", "subjects": ["s.>"], "allow_atomic": true, "allow_rollup_hdrs": true,
        "allow_msg_ttl": true, "max_msg_size": 400,
    });
    let long = "Nats-Batch-Sequence: 1\r\nNats-Batch-Id: \
                0123456789012345678901234567890123456789012345678901234567890123";
    let longer = "Nats-Batch-Sequence: 1\r\nNats-Batch-Id: \
                  01234567890123456789012345678901234567890123456789012345678901234";
    check_same(
        "atomic batches compared with the reference",
        &[
            ask(CREATE, config),
            Publish("s.0", "Nats-Msg-Id: old", "zero"),
            Publish("s.a", batch!("b", "1"), "one"),
            Publish("s.b", batch!("b", "2"), "two"),
            Publish("s.c", batch!("b", "3", "Nats-Batch-Commit: 1"), "three"),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 4})),
            // Ended by a message that is not stored.
            Publish("s.a", batch!("e", "1"), "one"),
            Publish("s.a", batch!("e", "2"), "two"),
            Publish("s.a", batch!("e", "3", "Nats-Batch-Commit: eob"), "mark"),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 6})),
            Publish("s.a", batch!("e", "1", "Nats-Batch-Commit: eob"), "mark"),
            // Broken ones.
            Publish("s.a", batch!("g", "2"), "gap"),
            Publish("s.a", batch!("g", "1001"), "gap"),
            Publish("s.a", batch!("g", "x"), "gap"),
            Publish("s.a", batch!("g", "1"), "one"),
            Publish("s.a", batch!("g", "3"), "three"),
            Publish("s.a", batch!("g", "2", "Nats-Batch-Commit: 1"), "two"),
            Publish("s.a", batch!("g", "1", "Nats-Batch-Commit: 2"), "one"),
            Publish("s.a", "Nats-Batch-Id: g", "no sequence"),
            Publish("s.a", long, "x"),
            Publish("s.a", longer, "x"),
            Publish("s.a", batch!("l", "1", "Nats-Required-Api-Level: 99"), "x"),
            Publish(
                "s.a",
                batch!("l", "1", "Nats-Required-Api-Level: 1\r\nNats-Batch-Commit: 1"),
                "x",
            ),
            // Checks at the commit.
            Publish("s.a", batch!("c", "1", "Nats-Expected-Last-Sequence: 7"), "x"),
            Publish("s.a", batch!("c", "2", "Nats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1"), "x"),
            Publish(
                "s.a",
                batch!("c", "2", "Nats-Expected-Last-Sequence: 10\r\nNats-Batch-Commit: 1"),
                "x",
            ),
            Publish("s.a", batch!("c", "1"), "x"),
            Publish(
                "s.a",
                batch!("c", "2", "Nats-Expected-Last-Subject-Sequence: 9\r\nNats-Batch-Commit: 1"),
                "x",
            ),
            Publish("s.a", batch!("c", "1", "Nats-Msg-Id: new"), "x"),
            Publish("s.a", batch!("c", "2", "Nats-Msg-Id: new\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1", "Nats-Msg-Id: old\r\nNats-Batch-Commit: 1"), "x"),
            Publish(
                "s.a",
                batch!("c", "1", "Nats-Expected-Last-Msg-Id: old\r\nNats-Batch-Commit: 1"),
                "x",
            ),
            Publish("s.a", batch!("c", "1", "Nats-TTL: soon\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1", "Nats-TTL: 1h\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1", "Nats-Incr: 1\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1", "Nats-Schedule: @at x\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("c", "1", "Nats-Rollup: odd\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("r", "1"), "x"),
            Publish("s.a", batch!("r", "2", "Nats-Rollup: sub\r\nNats-Batch-Commit: 1"), "x"),
            Publish("s.a", batch!("r", "1", "Nats-Rollup: all"), "x"),
            Publish("s.b", batch!("r", "2", "Nats-Batch-Commit: 1"), "y"),
            ask("$JS.API.STREAM.INFO.S", json!({"subjects_filter": ">"})),
            ask(
                "$JS.API.STREAM.CREATE.D",
                json!({
                    "name": "D", "subjects": ["d.>"], "allow_atomic": true, "discard": "new",
                    "max_msgs": 2,
                }),
            ),
            Publish("d.a", batch!("d", "1"), "x"),
            Publish("d.a", batch!("d", "2"), "x"),
            Publish("d.a", batch!("d", "3", "Nats-Batch-Commit: 1"), "x"),
            Publish("d.a", batch!("d", "1"), "x"),
            Publish("d.a", batch!("d", "2", "Nats-Batch-Commit: 1"), "x"),
            ask("$JS.API.STREAM.CREATE.P", json!({"name": "P", "subjects": ["p.>"]})),
            Publish("p.a", batch!("d", "1"), "x"),
        ],
    );
}

#[test]
fn delete_markers() {
    let config = json!({
        "name": "S", "subjects": ["s.>"], "subject_delete_marker_ttl": 60_000_000_000u64,
        "max_age": 1_000_000_000,
    });
    check_same(
        "delete markers compared with the reference",
        &[
            ask(CREATE, config),
            ask(
                "$JS.API.STREAM.CREATE.B",
                json!({"name": "B", "subjects": ["b"], "subject_delete_marker_ttl": 999_999_999}),
            ),
            ask(
                "$JS.API.STREAM.CREATE.B",
                json!({
                    "name": "B", "subjects": ["b"], "subject_delete_marker_ttl": 1_000_000_000,
                    "pedantic": true,
                }),
            ),
            Publish("s.a", "Nats-TTL: 1s", "raised"),
            ask("$JS.API.STREAM.MSG.GET.S", json!({"seq": 1})),
            // The pull waits until the marker is there.
            ask(
                "$JS.API.CONSUMER.CREATE.S.c",
                json!({
                    "stream_name": "S",
                    "config": {"name": "c", "deliver_policy": "new", "ack_policy": "none"},
                }),
            ),
            Pull("$JS.API.CONSUMER.MSG.NEXT.S.c", "{\"batch\":2,\"expires\":3000000000}"),
        ],
    );
}

/// Headers of a schedule with target `s.t`.
macro_rules! schedule {
    ($pattern:literal) => {
        concat!("Nats-Schedule: ", $pattern, "\r\nNats-Schedule-Target: s.t")
    };
    ($pattern:literal, $more:literal) => {
        concat!("Nats-Schedule: ", $pattern, "\r\nNats-Schedule-Target: s.t\r\n", $more)
    };
}

#[test]
fn message_schedules() {
    let pull = || Pull("$JS.API.CONSUMER.MSG.NEXT.S.c", "{\"batch\":1,\"expires\":4000000000}");
    let mut steps = vec![
        ask(
            CREATE,
            json!({
                "name": "S", "subjects": ["s.>"], "allow_msg_schedules": true,
                "allow_msg_ttl": true, "allow_atomic": true,
            }),
        ),
        ask(
            "$JS.API.STREAM.CREATE.P",
            json!({
                "name": "P", "subjects": ["p"], "allow_msg_schedules": true, "pedantic": true,
            }),
        ),
        ask(
            "$JS.API.STREAM.UPDATE.S",
            json!({"name": "S", "subjects": ["s.>"], "allow_msg_ttl": true, "allow_atomic": true}),
        ),
        ask("$JS.API.STREAM.CREATE.N", json!({"name": "N", "subjects": ["n"]})),
        Publish("n", schedule!("@every 1h"), "x"),
        Publish("n", schedule!("odd"), "x"),
        Publish("n", "Nats-Schedule-Time-Zone: Mars", "x"),
        Publish("n", "Nats-Schedule-Time-Zone: UTC", "x"),
        Publish("n", "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.a", "x"),
        Publish("n", "Nats-Schedule-Next: odd\r\nNats-Scheduler: s.a", "x"),
        Publish("n", "Nats-Scheduler: s.a", "x"),
    ];
    // Each is refused, or replaced by the next one.
    steps.extend(
        [
            schedule!("odd"),
            schedule!(""),
            schedule!("@at"),
            schedule!("@at 2100-01-01"),
            schedule!("@at 2100-01-01T00:00:00Z"),
            schedule!("@at 2100-01-01T00:00:00.5+02:00"),
            schedule!("@at 2100-01-01T00:00:60Z"),
            schedule!("@at 2100-01-01t00:00:00Z"),
            schedule!("@at 2100-01-01 00:00:00Z"),
            schedule!("@at 0001-01-01T00:00:00Z"),
            schedule!("@at 9999-01-01T00:00:00Z"),
            schedule!("@every 999ms"),
            schedule!("@every 1000h"),
            schedule!("@every x"),
            schedule!("@every"),
            schedule!("@yearly"),
            schedule!("@sometimes"),
            schedule!("0 0 0 1 1 *"),
            schedule!("0 0 0 1 1"),
            schedule!("0 0 0 1 1 * *"),
            schedule!("0 0 0 1 jan,FEB ?"),
            schedule!("0 0 0 1 1 7"),
            schedule!("0 0 0 30 2 *"),
            schedule!("0 0 0 29 2 *"),
            schedule!("60 0 0 1 1 *"),
            schedule!("+5 0 0 1 1 *"),
            schedule!("5/100 0 0 1 1 *"),
            schedule!("*-5 0 0 1 1 *"),
            schedule!("1-2-3 0 0 1 1 *"),
            schedule!("*/0 0 0 1 1 *"),
            schedule!("1,,2 0 0 1 1 *"),
            schedule!("@yearly", "Nats-Schedule-Time-Zone: UTC"),
            schedule!("@yearly", "Nats-Schedule-Time-Zone: Mars"),
            schedule!("@yearly", "Nats-Schedule-Time-Zone: "),
            schedule!("@yearly", "Nats-Schedule-Time-Zone: ../UTC"),
            schedule!("@every 1h", "Nats-Schedule-Time-Zone: UTC"),
            schedule!("@yearly", "Nats-Schedule-TTL: 1h"),
            schedule!("@yearly", "Nats-Schedule-TTL: odd"),
            schedule!("@yearly", "Nats-Schedule-TTL: 1ms"),
            schedule!("@yearly", "Nats-Schedule-Rollup: sub"),
            schedule!("@yearly", "Nats-Schedule-Rollup: all"),
            schedule!("@yearly", "Nats-Schedule-Rollup: SUB"),
            schedule!("@yearly", "Nats-Schedule-Source: s.x"),
            schedule!("@yearly", "Nats-Schedule-Source: s.*"),
            schedule!("@yearly", "Nats-Schedule-Source: s.t"),
            schedule!("@yearly", "Nats-Schedule-Source: s.a"),
            schedule!("@yearly", "Nats-Schedule-Source: x"),
            schedule!("@yearly", "Nats-Rollup: sub"),
            schedule!("@yearly", "Nats-Rollup: SUB"),
            schedule!("@yearly", "Nats-Rollup: all"),
            "Nats-Schedule: @yearly",
            "Nats-Schedule: @yearly\r\nNats-Schedule-Target: s.a",
            "Nats-Schedule: @yearly\r\nNats-Schedule-Target: s.*",
            "Nats-Schedule: @yearly\r\nNats-Schedule-Target: x",
            "Nats-Schedule-Time-Zone: Mars",
            "Nats-Schedule-Next: purge",
            "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.a",
            "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.*",
            "Nats-Schedule-Next: 2100-01-01T00:00:00Z\r\nNats-Scheduler: s.x",
            "Nats-Scheduler: s.x",
            schedule!(
                "@yearly",
                "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1"
            ),
            schedule!("odd", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1"),
        ]
        .map(|headers| Publish("s.a", headers, "x")),
    );
    steps.extend([
        Ask("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.a\"}".to_owned()),
        ask("$JS.API.STREAM.INFO.S", json!({"subjects_filter": ">"})),
        // Firing: the pulls wait for it.
        ask(
            "$JS.API.CONSUMER.CREATE.S.c",
            json!({
                "stream_name": "S",
                "config": {"name": "c", "filter_subject": "s.t", "ack_policy": "none"},
            }),
        ),
        Publish("s.b", schedule!("@at 2020-01-01T00:00:00Z", "A: b\r\nNats-Msg-Id: 1"), "once"),
        pull(),
        Ask("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.b\"}".to_owned()),
        Publish("s.src", "K: v\r\nNats-Expected-Stream: S", "of the source"),
        Publish(
            "s.b",
            schedule!("@at 2020-01-01T00:00:00Z", "Nats-Schedule-Source: s.src\r\nA: b"),
            "own",
        ),
        pull(),
        Publish(
            "s.b",
            schedule!("@at 2020-01-01T00:00:00Z", "Nats-Schedule-Source: s.none\r\nA: b"),
            "own",
        ),
        pull(),
        Publish(
            "s.b",
            schedule!(
                "@every 1s",
                "Nats-Schedule-TTL: 90m\r\nNats-Schedule-Rollup: sub\r\nNats-TTL: 1h"
            ),
            "again",
        ),
        pull(),
        pull(),
        Publish("s.t", "Nats-Schedule-Next: purge\r\nNats-Scheduler: s.b", "end"),
        pull(),
        Publish("s.b", schedule!("* * * * * *"), "each second"),
        pull(),
        Publish("s.b", "", "plain"),
        ask("$JS.API.STREAM.PURGE.S", json!({"filter": "s.t"})),
        Ask("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.b\"}".to_owned()),
    ]);
    check_same("message schedules compared with the reference", &steps);
}
