//! Stream snapshots and restores through the wire, here and with nats-server 2.14.

use std::path::Path;
use std::process::Command;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tests::{Node, Raw, Setup, reference};
use tokio::time::timeout;

const CREATE: &str = "$JS.API.STREAM.CREATE.S";

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(tests::DEADLINE, work).await.expect("in time") })
}

async fn connect(node: &Node) -> async_nats::Client {
    async_nats::connect(node.url()).await.unwrap()
}

async fn ask(client: &async_nats::Client, subject: String, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = client.request(subject, body.into()).await.unwrap();
    serde_json::from_slice(&reply.payload).unwrap()
}

/// A snapshot as a client gets it: the reply to the request, the archive, and the final headers.
async fn backup(client: &async_nats::Client, request: Value) -> (Value, Vec<u8>, HeaderMap) {
    let inbox = client.new_inbox();
    let mut chunks = client.subscribe(inbox.clone()).await.unwrap();
    let mut request = request;
    request["deliver_subject"] = json!(inbox);
    let answer = ask(client, "$JS.API.STREAM.SNAPSHOT.S".into(), request).await;
    if answer.get("error").is_some() {
        return (answer, Vec::new(), HeaderMap::new());
    }
    let mut archive = Vec::new();
    while let Some(chunk) = chunks.next().await {
        if chunk.payload.is_empty() {
            return (answer, archive, chunk.headers.unwrap_or_default());
        }
        archive.extend_from_slice(&chunk.payload);
        if let Some(reply) = chunk.reply {
            client.publish(reply, Bytes::new()).await.unwrap();
        }
    }
    panic!("the chunks ended without an empty one");
}

/// Sends an archive; answers the last reply, or the first that says no.
async fn restore(client: &async_nats::Client, config: Value, archive: &[u8]) -> Value {
    let request = json!({"config": config, "state": {}});
    let answer = ask(client, "$JS.API.STREAM.RESTORE.S".into(), request).await;
    if answer.get("error").is_some() {
        return answer;
    }
    let subject = answer["deliver_subject"].as_str().unwrap().to_owned();
    for chunk in archive.chunks(100_000) {
        let reply = client.request(subject.clone(), Bytes::copy_from_slice(chunk)).await.unwrap();
        if !reply.payload.is_empty() {
            return serde_json::from_slice(&reply.payload).unwrap();
        }
    }
    let last = client.request(subject, Bytes::new()).await.unwrap();
    serde_json::from_slice(&last.payload).unwrap()
}

/// A stream with deletes, and a consumer that stands in the middle of it.
fn fill(node: &Node, messages: usize) {
    let mut raw = Raw::client(node);
    let mut ask = |subject: &str, body: Value| {
        let reply = raw.api(subject, &body.to_string());
        assert!(reply.get("error").is_none(), "{subject}: {reply}");
    };
    ask(CREATE, json!({"name": "S", "subjects": ["s.>"], "metadata": {"k": "v"}}));
    for n in 0..messages {
        ask(&format!("s.{}", n % 7), json!({"n": n, "pad": "x".repeat(n % 300)}));
    }
    for seq in [3, 50, 51, messages] {
        ask("$JS.API.STREAM.MSG.DELETE.S", json!({"seq": seq, "no_erase": seq != 50}));
    }
    ask(
        "$JS.API.CONSUMER.CREATE.S.c",
        json!({"stream_name": "S", "config": {"name": "c", "durable_name": "c", "ack_policy": "explicit", "ack_wait": 3_600_000_000_000_i64}}),
    );
    raw.send("SUB _N 8\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.c _N 12\r\n{\"batch\":20}\r\n");
    let replies: Vec<_> = (0..20).map(|_| raw.delivery().expect("a delivery").0).collect();
    raw.send("UNSUB 8\r\n");
    for reply in replies.iter().take(9) {
        assert_eq!(raw.request(reply, "+ACK").1, "");
    }
}

/// What a client sees of the stream, without what differs between two servers.
fn picture(node: &Node) -> Value {
    let mut raw = Raw::client(node);
    let info =
        raw.api("$JS.API.STREAM.INFO.S", r#"{"deleted_details":true,"subjects_filter":">"}"#);
    let last = info["state"]["last_seq"].as_u64().expect("a last sequence");
    let messages: Vec<_> = (1..=last)
        .map(|seq| {
            raw.api("$JS.API.STREAM.MSG.GET.S", &json!({"seq": seq}).to_string())["message"].take()
        })
        .collect();
    let c = raw.api("$JS.API.CONSUMER.INFO.S.c", "");
    json!({
        "config": info["config"], "created": info["created"], "state": info["state"],
        "messages": messages,
        "consumer": [
            c["config"], c["delivered"]["consumer_seq"], c["delivered"]["stream_seq"],
            c["ack_floor"]["consumer_seq"], c["ack_floor"]["stream_seq"],
            c["num_ack_pending"], c["num_pending"],
        ],
    })
}

#[track_caller]
fn check_same(before: &Value, after: &Value) {
    for (part, before) in before.as_object().unwrap() {
        assert_eq!(before, &after[part], "{part}");
    }
}

/// Backs up on one server and restores on the other.
#[track_caller]
fn check_moves(from: Setup, to: Setup) {
    let (from, to) = (from.start(), to.start());
    fill(&from, 500);
    let before = picture(&from);
    run(async {
        let (source, target) = (connect(&from).await, connect(&to).await);
        let request = json!({"chunk_size": 1024, "window_size": 8192, "jsck": true});
        let (answer, archive, headers) = backup(&source, request).await;
        assert_eq!(answer["type"], "io.nats.jetstream.api.v1.stream_snapshot_response");
        assert_eq!(answer["state"]["messages"], 496);
        assert!(archive.len() > 1024);
        assert!(headers.is_empty(), "only a status: {headers:?}");
        let restored = restore(&target, answer["config"].clone(), &archive).await;
        assert_eq!(restored["type"], "io.nats.jetstream.api.v1.stream_create_response");
        assert_eq!(restored["state"]["messages"], 496, "{restored}");
        assert_eq!(restored.get("did_create"), None);
    });
    check_same(&before, &picture(&to));
}

#[test]
fn a_backup_restores_on_another_server() {
    check_moves(Setup::jetstream(), Setup::jetstream());
}

#[test]
fn a_backup_of_the_reference_restores_here() {
    let Some(binary) = reference("restoring a backup of the reference") else { return };
    check_moves(Setup::jetstream().binary(&binary), Setup::jetstream());
}

#[test]
fn a_backup_restores_on_the_reference() {
    let Some(binary) = reference("restoring a backup on the reference") else { return };
    check_moves(Setup::jetstream(), Setup::jetstream().binary(&binary));
}

#[test]
fn a_restored_stream_survives_a_kill() {
    let node = Setup::jetstream().start();
    fill(&node, 200);
    let (archive, config) = run(async {
        let client = connect(&node).await;
        let (answer, archive, _) = backup(&client, json!({})).await;
        (archive, answer["config"].clone())
    });
    let before = picture(&node);
    let mut other = Setup::jetstream().start();
    run(async {
        let client = connect(&other).await;
        let restored = restore(&client, config, &archive).await;
        assert_eq!(restored.get("error"), None, "{restored}");
    });
    other.restart();
    check_same(&before, &picture(&other));
}

#[test]
fn refused_restores_leave_nothing() {
    let node = Setup::jetstream().start();
    fill(&node, 200);
    let other = Setup::core()
        .config("jetstream { max_mem: 1MB, max_file: 20KB, store_dir: \"$DIR/store\" }")
        .start();
    run(async {
        let client = connect(&node).await;
        let (answer, archive, _) = backup(&client, json!({})).await;
        let config = answer["config"].clone();
        let code = |reply: &Value| reply["error"]["err_code"].as_u64();
        assert_eq!(code(&restore(&client, config.clone(), &archive).await), Some(10130));
        let mut wrong = config.clone();
        wrong["name"] = json!("T");
        assert_eq!(code(&restore(&client, wrong, &archive).await), Some(10056));
        ask(&client, "$JS.API.STREAM.DELETE.S".into(), Value::Null).await;
        let cut = restore(&client, config.clone(), &archive[..archive.len() / 2]).await;
        assert_eq!(code(&cut), Some(10062), "{cut}");
        assert_eq!(cut["error"]["description"], "restore failed: unexpected EOF");
        let nonsense = restore(&client, config.clone(), b"nonsense").await;
        assert_eq!(code(&nonsense), Some(10062), "{nonsense}");
        let gone = ask(&client, "$JS.API.STREAM.INFO.S".into(), Value::Null).await;
        assert_eq!(code(&gone), Some(10059));
        let small = connect(&other).await;
        let refused = restore(&small, config.clone(), &archive).await;
        assert_eq!(code(&refused), Some(10047), "{refused}");
        for client in [&client, &small] {
            let usage = ask(client, "$JS.API.INFO".into(), Value::Null).await;
            assert_eq!((&usage["storage"], &usage["streams"]), (&json!(0), &json!(0)), "{usage}");
        }
        // Nothing is in the way of the next one.
        let restored = restore(&client, config, &archive).await;
        assert_eq!(restored["state"]["messages"], 196, "{restored}");
    });
    for node in [&node, &other] {
        let staging = node.store().join("jetstream/$G/__snapshots__");
        let left = std::fs::read_dir(staging).map_or(0, Iterator::count);
        assert_eq!(left, 0);
    }
}

#[test]
fn a_backup_under_publishing_is_a_prefix() {
    const BEFORE: u64 = 300;
    let node = Setup::jetstream().start();
    let target = Setup::jetstream().start();
    run(async {
        let client = connect(&node).await;
        ask(&client, CREATE.into(), json!({"name": "S", "subjects": ["s.>"]})).await;
        for n in 1..=BEFORE {
            ask(&client, "s.a".into(), json!({"n": n})).await;
        }
        let publisher = connect(&node).await;
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let publishing = tokio::spawn(async move {
            let mut n = BEFORE;
            while stopped.try_recv().is_err() {
                n += 1;
                let ack = ask(&publisher, "s.a".into(), json!({"n": n})).await;
                assert_eq!(ack["seq"], n);
            }
            n
        });
        let (answer, archive, _) = backup(&client, json!({"chunk_size": 1024})).await;
        stop.send(()).unwrap();
        let published = publishing.await.unwrap();
        let held = answer["state"]["last_seq"].as_u64().unwrap();
        assert!((BEFORE..=published).contains(&held));
        let there = connect(&target).await;
        let restored = restore(&there, answer["config"].clone(), &archive).await;
        let (mut told, mut found) = (answer["state"].clone(), restored["state"].clone());
        for state in [&mut told, &mut found] {
            state.as_object_mut().unwrap().remove("consumer_count");
        }
        assert_eq!(found, told);
        for seq in 1..=held {
            let got = ask(&there, "$JS.API.STREAM.MSG.GET.S".into(), json!({"seq": seq})).await;
            assert!(got["message"]["data"].is_string(), "{seq}: {got}");
        }
    });
}

#[test]
fn requests_are_refused_as_by_the_reference() {
    let answers = |node: &Node| {
        let mut raw = Raw::client(node);
        raw.api("$JS.API.STREAM.CREATE.M", r#"{"name":"M","subjects":["m"],"storage":"memory"}"#);
        raw.api("$JS.API.STREAM.CREATE.S", r#"{"name":"S","subjects":["s"]}"#);
        let mut all = Vec::new();
        for (subject, body) in [
            ("SNAPSHOT.S", ""),
            ("SNAPSHOT.S", "{}"),
            ("SNAPSHOT.S", r#"{"deliver_subject":""}"#),
            ("SNAPSHOT.S", r#"{"deliver_subject":"a..b"}"#),
            ("SNAPSHOT.NONE", r#"{"deliver_subject":"x"}"#),
            ("SNAPSHOT.M", r#"{"deliver_subject":"x"}"#),
            ("RESTORE.S", ""),
            ("RESTORE.S", r#"{"config":{"name":"T"}}"#),
            ("RESTORE.S", r#"{"config":{"name":"S","subjects":["s"]}}"#),
            ("RESTORE.N", r#"{"config":{"name":"N","subjects":["n"],"max_age":-1}}"#),
        ] {
            all.push((subject, body, raw.api(&format!("$JS.API.STREAM.{subject}"), body)));
        }
        all
    };
    let ours = answers(&Setup::jetstream().start());
    for (subject, body, reply) in &ours {
        assert!(reply["error"]["err_code"].is_number(), "{subject} {body}: {reply}");
    }
    let Some(binary) = reference("refusals compared") else { return };
    let theirs = answers(&Setup::jetstream().binary(&binary).start());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_receiver_that_acknowledges_nothing_is_given_up() {
    let node = Setup::jetstream().start();
    fill(&node, 300);
    let mut raw = Raw::client(&node);
    raw.send("SUB chunks 5\r\n");
    raw.sync();
    let body = r#"{"deliver_subject":"chunks","chunk_size":1024,"window_size":2048}"#;
    raw.api("$JS.API.STREAM.SNAPSHOT.S", body);
    for n in 1..=2 {
        let (reply, chunk) = chunk(&mut raw);
        assert!(reply.ends_with(&format!(".1024.{n}")), "{reply}");
        assert!(reply.starts_with("$JS.SNAPSHOT.ACK.S."), "{reply}");
        assert_eq!(chunk, 1024);
    }
    let (headers, payload) = raw.message();
    assert_eq!((headers.as_str(), payload.as_str()), ("NATS/1.0 408 No Flow Response\r\n\r\n", ""));
    // The next one is not in its way.
    run(async {
        let client = connect(&node).await;
        let (answer, archive, _) = backup(&client, json!({})).await;
        assert_eq!(answer.get("error"), None);
        assert!(archive.len() > 1024);
    });
}

/// A chunk of bytes: reply subject and length.
fn chunk(raw: &mut Raw) -> (String, usize) {
    let line = raw.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words.len()), ("MSG", 5), "{line}");
    let size: usize = words[4].parse().unwrap();
    raw.skip(size + 2);
    (words[3].to_owned(), size)
}

/// Runs the `nats` command; `None` where there is none.
fn nats(node: &Node, args: &[&str]) -> Option<String> {
    let output = match Command::new("nats").args(["-s", &node.url()]).args(args).output() {
        Ok(output) => output,
        Err(_) => {
            println!("SKIP: backups by the nats command: it is not on PATH");
            return None;
        }
    };
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "nats {args:?}: {text}");
    Some(text)
}

#[test]
fn the_nats_command_backs_up_and_restores() {
    let (node, other) = (Setup::jetstream().start(), Setup::jetstream().start());
    fill(&node, 400);
    let before = picture(&node);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let one = ["stream", "backup", "S", &path("one"), "--consumers", "--no-progress"];
    if nats(&node, &one).is_none() {
        return;
    }
    nats(&other, &["stream", "restore", &path("one"), "--no-progress"]);
    check_same(&before, &picture(&other));
    nats(&node, &["account", "backup", &path("all"), "--consumers", "--force"]);
    assert!(Path::new(&path("all")).join("S").is_dir());
    let third = Setup::jetstream().start();
    nats(&third, &["account", "restore", &path("all")]);
    check_same(&before, &picture(&third));
}
