//! Mirrors and sources: each message once whatever happens, and as the reference has it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use tests::{DEADLINE, Raw, Setup, reference};

fn api(raw: &mut Raw, subject: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    raw.api(&format!("$JS.API.{subject}"), &body)
}

#[track_caller]
fn check_api(raw: &mut Raw, subject: &str, body: &Value) -> Value {
    let reply = api(raw, subject, body);
    assert!(reply.get("error").is_none(), "{subject} {body}: {reply}");
    reply
}

/// Asks until the reply is as wanted.
#[track_caller]
fn expect_api(raw: &mut Raw, subject: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        let reply = api(raw, subject, &Value::Null);
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < until, "{subject} is not as wanted in time: {reply}");
        std::thread::yield_now();
    }
}

#[track_caller]
fn expect_messages(raw: &mut Raw, stream: &str, count: u64) -> Value {
    let subject = format!("STREAM.INFO.{stream}");
    expect_api(raw, &subject, |info| info["state"]["messages"] == count)
}

#[track_caller]
fn expect_last(raw: &mut Raw, stream: &str, last: u64) -> Value {
    let subject = format!("STREAM.INFO.{stream}");
    expect_api(raw, &subject, |info| info["state"]["last_seq"] == last)
}

/// Which message of which origin was stored under which sequences.
#[derive(Default)]
struct Ledger(BTreeMap<(String, u64), u64>);

impl Ledger {
    /// A delivery; the same message may come again, but not be stored again.
    #[track_caller]
    fn note(&mut self, reply: &str, headers: &str) {
        let line = headers.lines().find_map(|line| line.strip_prefix("Nats-Stream-Source: "));
        let line = line.unwrap_or_else(|| panic!("no source in {headers:?}"));
        let mut fields = line.split(' ');
        let origin = fields.next().unwrap().to_owned();
        let origin_seq = fields.next().unwrap().parse().unwrap();
        let seq: u64 = reply.split('.').nth(5).unwrap().parse().unwrap();
        let before = self.0.insert((origin.clone(), origin_seq), seq);
        assert!(
            before.is_none_or(|before| before == seq),
            "message {origin_seq} of {origin} is stored as {before:?} and as {seq}"
        );
    }

    /// Every message of an origin came.
    #[track_caller]
    fn check_complete(&self, origin: &str, last: u64) {
        let missing: Vec<u64> =
            (1..=last).filter(|seq| !self.0.contains_key(&(origin.to_owned(), *seq))).collect();
        assert!(missing.is_empty(), "{origin} has {last} messages, missing are {missing:?}");
    }
}

/// Publishes to both origins and works the queue off until `enough` messages came, then leaves
/// everything as it is.
fn work(raw: &mut Raw, ledger: &mut Ledger, round: usize, enough: usize) {
    raw.send("SUB _Q 1\r\nSUB _A 2\r\n");
    let request = json!({"batch": 100_000, "expires": 60_000_000_000_u64}).to_string();
    let size = request.len();
    raw.send(format!("PUB $JS.API.CONSUMER.MSG.NEXT.Q.D _Q {size}\r\n{request}\r\n"));
    let mut published = 0;
    for _ in 0..enough {
        if published < enough * 2 {
            let mut text = String::new();
            for n in 0..20 {
                let subject = if n % 3 == 0 { "b" } else { "a" };
                let payload = format!("{round}.{published}.{n}");
                text.push_str(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
            }
            published += 20;
            raw.send(text);
        }
        let (reply, headers, _) = raw.delivery().expect("a message, and no status");
        ledger.note(&reply, &headers);
        raw.send(format!("PUB {reply} 4\r\n+ACK\r\n"));
    }
}

#[test]
fn a_queue_gets_each_message_once_over_kills() {
    let mut node = Setup::jetstream().start();
    let mut raw = Raw::client(&node);
    for (name, subject) in [("A", "a"), ("B", "b")] {
        let stream = json!({"name": name, "subjects": [subject]});
        check_api(&mut raw, &format!("STREAM.CREATE.{name}"), &stream);
    }
    let queue = json!({"name": "Q", "retention": "workqueue",
        "sources": [{"name": "A"}, {"name": "B", "filter_subject": "b"}]});
    check_api(&mut raw, "STREAM.CREATE.Q", &queue);
    let mirror = json!({"name": "M", "mirror": {"name": "A"}});
    check_api(&mut raw, "STREAM.CREATE.M", &mirror);
    let consumer = json!({"stream_name": "Q", "config": {
        "durable_name": "D", "ack_policy": "explicit", "ack_wait": 500_000_000,
        "max_ack_pending": 100_000}});
    check_api(&mut raw, "CONSUMER.CREATE.Q.D", &consumer);
    let mut ledger = Ledger::default();
    for round in 0..6 {
        work(&mut raw, &mut ledger, round, 150 + round * 97);
        node.kill9();
        node.restart();
        raw = Raw::client(&node);
    }
    // Now everything comes that is left.
    let last = |raw: &mut Raw, name: &str| {
        let info = check_api(raw, &format!("STREAM.INFO.{name}"), &Value::Null);
        info["state"]["last_seq"].as_u64().unwrap()
    };
    let (a, b) = (last(&mut raw, "A"), last(&mut raw, "B"));
    let mut reader = Raw::client(&node);
    reader.send("SUB _Q 1\r\n");
    let request = json!({"batch": 100_000, "expires": 60_000_000_000_u64}).to_string();
    let size = request.len();
    reader.send(format!("PUB $JS.API.CONSUMER.MSG.NEXT.Q.D _Q {size}\r\n{request}\r\n"));
    while (ledger.0.len() as u64) < a + b {
        let (reply, headers, _) = reader.delivery().expect("a message, and no status");
        ledger.note(&reply, &headers);
        reader.send(format!("PUB {reply} 4\r\n+ACK\r\n"));
    }
    ledger.check_complete("A", a);
    ledger.check_complete("B", b);
    // The mirror has exactly what its origin has.
    expect_last(&mut raw, "M", a);
    let info = check_api(&mut raw, "STREAM.INFO.M", &Value::Null);
    assert_eq!(info["state"]["messages"], a, "{info}");
    for seq in [1, a / 2, a] {
        let get = json!({"seq": seq});
        let mirrored = check_api(&mut raw, "STREAM.MSG.GET.M", &get);
        let original = check_api(&mut raw, "STREAM.MSG.GET.A", &get);
        assert_eq!(mirrored["message"], original["message"]);
    }
}

/// What differs between any two runs.
fn scrub(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["created", "ts", "time", "first_ts", "last_ts", "active", "cluster"] {
                map.remove(key);
            }
            // The reference shows a mirror's filter from its first read on.
            if map.contains_key("did_create") {
                map.remove("mirror");
            }
            map.values_mut().for_each(scrub);
            // The reference lists them in no order.
            if let Some(Value::Array(sources)) = map.get_mut("sources") {
                sources.sort_by_key(|source| {
                    let all = [&source["name"], &source["filter_subject"]];
                    format!("{all:?} {}", source["subject_transforms"])
                });
            }
        }
        Value::Array(list) => list.iter_mut().for_each(scrub),
        _ => {}
    }
}

/// The replies of a story, without what varies.
struct Told {
    raw: Raw,
    port: u16,
    replies: Vec<(String, Value)>,
}

impl Told {
    fn ask(&mut self, subject: &str, body: Value) {
        let reply = api(&mut self.raw, subject, &body);
        self.keep(format!("{subject} {body}"), reply);
    }

    fn keep(&mut self, what: String, mut reply: Value) {
        scrub(&mut reply);
        self.replies.push((what, reply));
    }

    fn publish(&mut self, subject: &str, headers: &str, payload: &str) {
        let block = format!("NATS/1.0\r\n{headers}\r\n");
        let (h, t) = (block.len(), block.len() + payload.len());
        self.raw.send(format!(
            "SUB _P 7\r\nHPUB {subject} _P {h} {t}\r\n{block}{payload}\r\nUNSUB 7 1\r\n"
        ));
        let ack = self.raw.message().1;
        self.replies.push((format!("{subject} {payload}"), Value::String(ack)));
    }

    /// A stream when it has so many messages, or has come so far.
    fn expect(&mut self, stream: &str, key: &str, value: u64) {
        let subject = format!("STREAM.INFO.{stream}");
        let wanted = |info: &Value| {
            let all = || info["sources"].as_array().into_iter().flatten().chain(info.get("mirror"));
            let settled = |origin: &Value| {
                origin.get("error").is_some() || origin["active"].as_i64().is_some_and(|n| n >= 0)
            };
            info["state"][key] == value && all().all(settled)
        };
        expect_api(&mut self.raw, &subject, wanted);
        self.ask(&subject, json!({"deleted_details": true}));
    }

    fn get(&mut self, stream: &str, seqs: std::ops::RangeInclusive<u64>) {
        for seq in seqs {
            self.ask(&format!("STREAM.MSG.GET.{stream}"), json!({"seq": seq}));
        }
    }
}

#[track_caller]
fn check_same(what: &str, story: impl Fn(&mut Told)) {
    let setup = Setup::jetstream().args(["-n", "same"]);
    check_same_with(what, &setup, |port| Raw::client_port(port, ""), story);
}

#[track_caller]
fn check_same_with(
    what: &str,
    setup: &Setup,
    login: impl Fn(u16) -> Raw,
    story: impl Fn(&mut Told),
) {
    let Some(binary) = reference(what) else { return };
    let run = |setup: Setup| {
        let node = setup.start();
        let port = node.port();
        let mut told = Told { raw: login(port), port, replies: Vec::new() };
        story(&mut told);
        told.replies
    };
    let theirs = run(setup.clone().binary(&binary));
    let ours = run(setup.clone());
    let differences: Vec<String> = theirs
        .iter()
        .zip(&ours)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|((what, theirs), (_, ours))| {
            format!("{what}\n  reference: {theirs}\n  jetcore:   {ours}")
        })
        .collect();
    assert!(differences.is_empty(), "differ:\n{}", differences.join("\n"));
    assert_eq!(theirs.len(), ours.len());
}

#[test]
fn mirrors_are_as_in_the_reference() {
    check_same("mirrors", |told| {
        let origin = json!({"name": "O", "subjects": ["o.>"], "allow_direct": true,
            "allow_rollup_hdrs": true, "allow_msg_ttl": true});
        told.ask("STREAM.CREATE.O", origin);
        for n in 0..6 {
            told.publish(&format!("o.{}", n % 2), "", &n.to_string());
        }
        told.publish("o.h", "X: 1\r\nNats-Msg-Id: m1\r\n", "headers");
        told.publish("o.h", "Nats-Expected-Last-Sequence: 7\r\nX: 2\r\n", "expects");
        told.publish("o.h", "Nats-Expected-Stream: O\r\n", "expects only");
        told.publish("o.t", "Nats-TTL: 1h\r\n", "ttl");
        told.ask("STREAM.MSG.DELETE.O", json!({"seq": 1}));
        told.ask("STREAM.MSG.DELETE.O", json!({"seq": 4}));
        told.ask("STREAM.CREATE.M", json!({"name": "M", "mirror": {"name": "O"}}));
        told.expect("M", "last_seq", 10);
        told.get("M", 1..=10);
        // An origin's roll-up is stored as it came.
        told.publish("o.0", "Nats-Rollup: sub\r\n", "rolled up");
        told.expect("M", "last_seq", 11);
        told.get("M", 11..=11);
        told.ask(
            "STREAM.CREATE.F",
            json!({"name": "F", "mirror":
            {"name": "O", "filter_subject": "o.h"}}),
        );
        told.expect("F", "messages", 3);
        told.ask(
            "STREAM.CREATE.T",
            json!({"name": "T", "mirror": {"name": "O",
            "subject_transforms": [{"src": "o.h", "dest": "t.h"}, {"src": "o.0", "dest": ""}]}}),
        );
        told.expect("T", "messages", 4);
        told.get("T", 7..=11);
        told.ask(
            "STREAM.CREATE.Q",
            json!({"name": "Q", "mirror":
            {"name": "O", "opt_start_seq": 8}}),
        );
        told.expect("Q", "messages", 4);
        told.ask(
            "STREAM.CREATE.P",
            json!({"name": "P", "mirror":
            {"name": "O", "opt_start_seq": 8, "opt_start_time": "2026-01-01T00:00:00Z"}}),
        );
        told.ask("STREAM.CREATE.L", json!({"name": "L", "max_msgs": 2, "mirror": {"name": "O"}}));
        told.expect("L", "last_seq", 11);
        told.ask("STREAM.CREATE.N", json!({"name": "N", "mirror": {"name": "NONE"}}));
        let absent = |info: &Value| info["mirror"]["error"]["err_code"] == 10059;
        expect_api(&mut told.raw, "STREAM.INFO.N", absent);
        told.ask("STREAM.INFO.N", Value::Null);
        // What a mirror lets be done to it.
        told.ask("STREAM.MSG.DELETE.M", json!({"seq": 3}));
        told.ask("STREAM.UPDATE.M", json!({"name": "M", "max_msgs": 8, "mirror": {"name": "O"}}));
        told.expect("M", "messages", 8);
        told.ask("STREAM.UPDATE.M", json!({"name": "M", "mirror": {"name": "P"}}));
        told.ask(
            "STREAM.UPDATE.M",
            json!({"name": "M", "subjects": ["m"],
            "mirror": {"name": "O"}}),
        );
        told.ask("STREAM.PURGE.M", json!({}));
        told.publish("o.1", "", "after the purge");
        told.expect("M", "last_seq", 12);
        // Promotion.
        told.ask("STREAM.UPDATE.M", json!({"name": "M", "subjects": ["m.>"]}));
        told.publish("m.1", "", "its own");
        told.publish("o.1", "", "not mirrored any more");
        told.ask("STREAM.UPDATE.M", json!({"name": "M", "mirror": {"name": "O"}}));
        told.expect("M", "last_seq", 13);
        // A new origin of the same name that is behind.
        told.ask("STREAM.DELETE.O", Value::Null);
        told.ask("STREAM.NAMES", json!({"subject": "o.1"}));
    });
}

#[test]
fn sources_are_as_in_the_reference() {
    check_same("sources", |told| {
        told.ask("STREAM.CREATE.A", json!({"name": "A", "subjects": ["a.>"]}));
        told.ask("STREAM.CREATE.B", json!({"name": "B", "subjects": ["b.>"], "max_msgs": 3}));
        for n in 0..5 {
            told.publish(&format!("a.{}", n % 2), "X: y\r\n", &n.to_string());
        }
        for n in 0..5 {
            told.publish(&format!("b.{}", n % 2), "", &n.to_string());
        }
        told.publish("a.h", "Nats-Expected-Last-Sequence: 5\r\nNats-Msg-Id: 1\r\n", "expects");
        told.publish("a.h", "Nats-Stream-Source: X 9 > > x.y\r\n", "chained");
        let wanted = json!({"name": "S", "sources": [{"name": "A"}]});
        told.ask("STREAM.CREATE.S", wanted.clone());
        told.expect("S", "messages", 7);
        told.get("S", 1..=7);
        told.ask("STREAM.CREATE.S", wanted);
        // More of them, with filters and other names.
        told.ask(
            "STREAM.UPDATE.S",
            json!({"name": "S", "subjects": ["s.>"], "sources": [
            {"name": "A"}, {"name": "B", "filter_subject": "b.1"}]}),
        );
        told.expect("S", "messages", 8);
        told.get("S", 8..=8);
        told.publish("s.own", "", "its own");
        told.ask(
            "STREAM.CREATE.T",
            json!({"name": "T", "sources": [{"name": "A",
            "subject_transforms": [{"src": "a.0", "dest": "t.{{wildcard(1)}}"}]}]}),
        );
        told.ask(
            "STREAM.CREATE.T",
            json!({"name": "T", "sources": [{"name": "A",
            "subject_transforms": [{"src": "a.0", "dest": "t"}, {"src": "a.h", "dest": ""}]}]}),
        );
        told.expect("T", "messages", 5);
        told.get("T", 1..=5);
        told.ask(
            "STREAM.CREATE.U",
            json!({"name": "U", "sources": [
            {"name": "A", "opt_start_seq": 6}, {"name": "NONE"}]}),
        );
        told.expect("U", "messages", 2);
        told.get("U", 1..=2);
        // Ids are known in the window of the stream that gathers.
        told.ask(
            "STREAM.CREATE.V",
            json!({"name": "V", "duplicate_window": 60_000_000_000_u64,
            "sources": [{"name": "A", "filter_subject": "a.h"}, {"name": "A",
                "subject_transforms": [{"src": "a.>", "dest": "v.>"}]}]}),
        );
        // Which of the two comes first is not said.
        expect_messages(&mut told.raw, "V", 8);
        told.ask(
            "STREAM.CREATE.X",
            json!({"name": "X",
            "sources": [{"name": "A"}, {"name": "S"}]}),
        );
        // Without those it had, and one of them again.
        told.ask("STREAM.UPDATE.S", json!({"name": "S", "subjects": ["s.>"]}));
        told.publish("a.0", "", "missed");
        told.expect("S", "messages", 9);
        told.ask(
            "STREAM.UPDATE.S",
            json!({"name": "S", "subjects": ["s.>"],
            "sources": [{"name": "A"}]}),
        );
        told.expect("S", "messages", 10);
        told.get("S", 10..=10);
        // Cycles.
        told.ask(
            "STREAM.UPDATE.A",
            json!({"name": "A", "subjects": ["a.>"],
            "sources": [{"name": "S"}]}),
        );
        told.ask(
            "STREAM.UPDATE.A",
            json!({"name": "A", "subjects": ["a.>"],
            "sources": [{"name": "S", "filter_subject": "z"}]}),
        );
        told.ask("STREAM.CREATE.C", json!({"name": "C", "mirror": {"name": "C"}}));
        // Purged, it goes on where it was.
        told.ask("STREAM.PURGE.T", json!({}));
        told.publish("a.0", "", "new");
        told.expect("T", "messages", 1);
        told.get("T", 6..=7);
        told.ask("STREAM.DELETE.A", Value::Null);
    });
}

/// What a server has on its directory, by stream.
fn states(raw: &mut Raw, streams: &[&str]) -> Vec<Value> {
    let asked = json!({"deleted_details": true});
    let state = |stream: &&str| {
        let info = check_api(raw, &format!("STREAM.INFO.{stream}"), &asked);
        let mut state = info["state"].clone();
        scrub(&mut state);
        state
    };
    streams.iter().map(state).collect()
}

fn acknowledge_all(raw: &mut Raw, stream: &str, count: usize) {
    let consumer = json!({"stream_name": stream, "config": {
        "durable_name": "D", "ack_policy": "explicit"}});
    check_api(raw, &format!("CONSUMER.CREATE.{stream}.D"), &consumer);
    raw.send("SUB _Q 1\r\n");
    let request = json!({"batch": count, "expires": 60_000_000_000_u64}).to_string();
    let size = request.len();
    raw.send(format!("PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.D _Q {size}\r\n{request}\r\n"));
    let replies: Vec<String> = (0..count).map(|_| raw.delivery().expect("a message").0).collect();
    raw.send("UNSUB 1\r\n");
    for reply in replies {
        raw.request(&reply, "+ACK");
    }
}

/// A server makes streams, the other one goes on with them.
fn hand_over(first: Setup, second: Setup) {
    let mut node = first.start();
    let mut raw = Raw::client(&node);
    check_api(&mut raw, "STREAM.CREATE.A", &json!({"name": "A", "subjects": ["a.>"]}));
    for n in 0..20 {
        raw.api(&format!("a.{}", n % 4), "x");
    }
    check_api(&mut raw, "STREAM.MSG.DELETE.A", &json!({"seq": 7}));
    for (name, more) in [
        ("M", json!({"mirror": {"name": "A"}})),
        ("F", json!({"mirror": {"name": "A", "filter_subject": "a.3"}})),
        ("S", json!({"sources": [{"name": "A", "filter_subject": "a.1"}]})),
        ("Q", json!({"retention": "workqueue", "sources": [{"name": "A"}]})),
        ("W", json!({"retention": "workqueue", "subjects": ["w"]})),
        ("X", json!({"sources": [{"name": "W"}]})),
    ] {
        let mut config = more;
        config["name"] = json!(name);
        check_api(&mut raw, &format!("STREAM.CREATE.{name}"), &config);
    }
    expect_last(&mut raw, "M", 20);
    expect_messages(&mut raw, "F", 5);
    expect_messages(&mut raw, "S", 5);
    expect_messages(&mut raw, "Q", 19);
    acknowledge_all(&mut raw, "Q", 19);
    expect_messages(&mut raw, "Q", 0);
    for _ in 0..3 {
        raw.api("w", "x");
    }
    expect_messages(&mut raw, "X", 3);
    expect_messages(&mut raw, "W", 0);
    let streams = ["A", "M", "F", "S", "Q", "W", "X"];
    let before = states(&mut raw, &streams);
    let dir = node.shared_dir();
    node.stop();
    let node = second.start_in(dir);
    let mut raw = Raw::client(&node);
    assert_eq!(states(&mut raw, &streams), before, "nothing is lost, nothing comes again");
    for n in 0..4 {
        raw.api(&format!("a.{n}"), "y");
    }
    let attached = |info: &Value| info["state"]["last_seq"] == 24;
    expect_api(&mut raw, "STREAM.INFO.M", attached);
    expect_last(&mut raw, "F", 24);
    expect_messages(&mut raw, "S", 6);
    let info = expect_messages(&mut raw, "Q", 4);
    assert_eq!(info["state"]["first_seq"], 20, "{info}");
    assert_eq!(info["state"]["last_seq"], 23, "{info}");
    raw.api("w", "y");
    expect_messages(&mut raw, "X", 4);
    expect_messages(&mut raw, "W", 0);
}

#[test]
fn what_the_reference_began_goes_on_here() {
    let Some(binary) = reference("a directory of the reference") else { return };
    hand_over(Setup::jetstream().binary(&binary), Setup::jetstream());
}

#[test]
fn what_began_here_goes_on_in_the_reference() {
    let Some(binary) = reference("a directory for the reference") else { return };
    hand_over(Setup::jetstream(), Setup::jetstream().binary(&binary));
}

#[test]
fn what_began_here_goes_on_here() {
    hand_over(Setup::jetstream(), Setup::jetstream());
}

/// An origin that keeps messages only for those who need them keeps them for who reads it.
fn interest_story(told: &mut Told) {
    for (name, retention) in [("I", "interest"), ("W", "workqueue")] {
        let subject = name.to_lowercase();
        told.ask(
            &format!("STREAM.CREATE.{name}"),
            json!({"name": name,
            "subjects": [format!("{subject}.>")], "retention": retention}),
        );
    }
    told.ask("STREAM.CREATE.S", json!({"name": "S", "sources": [{"name": "I"}, {"name": "W"}]}));
    let attached = |info: &Value| {
        info["sources"].as_array().is_some_and(|all| {
            all.iter().all(|source| source["active"].as_i64().is_some_and(|n| n >= 0))
        })
    };
    expect_api(&mut told.raw, "STREAM.INFO.S", attached);
    for n in 0..5 {
        told.publish(&format!("i.{n}"), "", "x");
        told.publish(&format!("w.{n}"), "", "x");
    }
    told.expect("S", "messages", 10);
    // All of it is safe elsewhere by now.
    told.expect("I", "messages", 0);
    told.expect("W", "messages", 0);
    for name in ["I", "W"] {
        let list = api(&mut told.raw, &format!("CONSUMER.LIST.{name}"), &Value::Null);
        let consumers = list["consumers"].as_array().unwrap();
        let shown: Vec<Value> = consumers
            .iter()
            .map(|c| {
                let config = &c["config"];
                json!([
                    c["name"],
                    config["durable_name"],
                    config["ack_policy"],
                    config["sourcing"],
                    config["metadata"]["_nats.src.stream"],
                    c["ack_floor"]["stream_seq"],
                    c["num_pending"]
                ])
            })
            .collect();
        told.keep(format!("consumers of {name}"), json!(shown));
    }
    told.ask("STREAM.UPDATE.S", json!({"name": "S", "sources": [{"name": "W"}]}));
    let none = |list: &Value| list["total"] == 0;
    expect_api(&mut told.raw, "CONSUMER.NAMES.I", none);
    told.ask("CONSUMER.NAMES.I", Value::Null);
}

#[test]
fn origins_that_keep_for_readers_are_as_in_the_reference() {
    check_same("interest and work queues as origins", interest_story);
}

#[test]
fn origins_keep_for_readers_what_is_not_safe_with_them() {
    let mut node = Setup::jetstream().start();
    let (raw, port) = (Raw::client(&node), node.port());
    let mut told = Told { raw, port, replies: Vec::new() };
    interest_story(&mut told);
    let mut raw = told.raw;
    for n in 0..200 {
        raw.send(format!("PUB w.{n} 1\r\nx\r\n"));
    }
    // Some of them may be on their way.
    node.kill9();
    node.restart();
    let mut raw = Raw::client(&node);
    raw.api("w.end", "x");
    let info = expect_messages(&mut raw, "W", 0);
    let stored = info["state"]["last_seq"].as_u64().unwrap();
    let info = check_api(&mut raw, "STREAM.INFO.S", &Value::Null);
    // The five of I, and each of W once.
    assert_eq!(info["state"]["messages"], 5 + stored, "{info}");
}

/// Two accounts: one takes the API of the other, and what that delivers for it.
const ACCOUNTS: &str = r#"
listen: "127.0.0.1:-1"
jetstream { store_dir: "$DIR/store" }
accounts {
  A {
    jetstream: enabled
    users: [{ user: a, password: pwd }]
    exports: [{ service: "$JS.API.>" }, { service: "$JS.FC.>" }, { stream: "to.b.>" }]
  }
  B {
    jetstream: enabled
    users: [{ user: b, password: pwd }]
    imports: [
      { service: { account: A, subject: "$JS.API.>" }, to: "A.API.>" }
      { service: { account: A, subject: "$JS.FC.>" } }
      { stream: { account: A, subject: "to.b.>" } }
    ]
  }
}
"#;

fn log_in(port: u16, user: &str) -> Raw {
    Raw::client_port(port, &format!("\"user\":\"{user}\",\"pass\":\"pwd\""))
}

fn story_of_two_accounts(told: &mut Told) {
    let external = json!({"api": "A.API", "deliver": "to.b"});
    let mut theirs = log_in(told.port, "a");
    check_api(&mut theirs, "STREAM.CREATE.O", &json!({"name": "O", "subjects": ["o.>"]}));
    for n in 0..5 {
        theirs.api(&format!("o.{}", n % 2), "x");
    }
    // A stream of the same name is another one.
    told.ask("STREAM.CREATE.O", json!({"name": "O", "subjects": ["mine"]}));
    told.ask(
        "STREAM.CREATE.M",
        json!({"name": "M", "mirror":
        {"name": "O", "external": external}}),
    );
    told.expect("M", "messages", 5);
    told.get("M", 1..=1);
    told.ask(
        "STREAM.CREATE.S",
        json!({"name": "S", "sources": [{"name": "O"},
        {"name": "O", "filter_subject": "o.1", "external": external}]}),
    );
    told.expect("S", "messages", 2);
    told.get("S", 1..=2);
    told.publish("mine", "", "x");
    told.expect("S", "messages", 3);
    told.get("S", 3..=3);
    for prefix in ["$JS.API", "A.*", ""] {
        told.ask(
            "STREAM.CREATE.X",
            json!({"name": "X", "mirror":
            {"name": "O", "external": {"api": prefix, "deliver": "to.b.*"}}}),
        );
    }
}

#[test]
fn origins_in_other_accounts_are_as_in_the_reference() {
    let setup = Setup::core().args(["-n", "same"]).config(ACCOUNTS);
    check_same_with("accounts", &setup, |port| log_in(port, "b"), story_of_two_accounts);
}

#[test]
fn origins_in_other_accounts_need_both_imports() {
    let node = Setup::core().config(ACCOUNTS).start();
    let mut told = Told { raw: log_in(node.port(), "b"), port: node.port(), replies: Vec::new() };
    story_of_two_accounts(&mut told);
    let mut raw = told.raw;
    let with = |api: &str, deliver: &str| json!({"name": "Y", "mirror": {"name": "O", "external": {"api": api, "deliver": deliver}}});
    let refused = api(&mut raw, "STREAM.CREATE.Y", &with("NOBODY.API", "to.b"));
    assert_eq!(refused["error"]["err_code"], 10052, "{refused}");
    check_api(&mut raw, "STREAM.CREATE.Y", &with("A.API", "to.c"));
    let failed = |info: &Value| info["mirror"]["error"]["err_code"] == 10045;
    let info = expect_api(&mut raw, "STREAM.INFO.Y", failed);
    assert_eq!(info["state"]["messages"], 0, "{info}");
}
