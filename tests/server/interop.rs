//! Store directories go both ways between this server and nats-server 2.14.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Node, Raw, Setup, reference};

/// Fills a server with streams of several kinds.
pub(crate) fn fill(node: &Node) {
    let mut raw = Raw::client(node);
    let mut ask = |subject: &str, body: Value| {
        let reply = raw.api(subject, &body.to_string());
        assert!(reply.get("error").is_none(), "{subject}: {reply}");
    };
    ask(
        "$JS.API.STREAM.CREATE.PLAIN",
        json!({"name": "PLAIN", "subjects": ["plain.>"], "description": "a > b", "metadata": {"k": "v"}}),
    );
    ask(
        "$JS.API.STREAM.CREATE.KV_b",
        json!({"name": "KV_b", "subjects": ["$KV.b.>"], "max_msgs_per_subject": 2, "allow_direct": true, "allow_rollup_hdrs": true, "discard": "new", "deny_delete": true}),
    );
    ask(
        "$JS.API.STREAM.CREATE.WORK",
        json!({"name": "WORK", "subjects": ["work"], "retention": "workqueue"}),
    );
    for n in 0..200 {
        ask(&format!("plain.{}", n % 7), json!({"n": n, "pad": "x".repeat(n)}));
        ask(&format!("$KV.b.key{}", n % 11), json!(n));
        ask("work", json!(n));
    }
    for seq in [3, 50, 51, 52, 199] {
        ask("$JS.API.STREAM.MSG.DELETE.PLAIN", json!({"seq": seq, "no_erase": seq % 2 == 0}));
    }
    ask("$JS.API.STREAM.PURGE.PLAIN", json!({"filter": "plain.3", "keep": 2}));
    ask(
        "$JS.API.CONSUMER.CREATE.PLAIN.dur",
        json!({"stream_name": "PLAIN", "config": {"name": "dur", "durable_name": "dur", "ack_policy": "explicit", "ack_wait": 3_600_000_000_000_i64}}),
    );
    ask(
        "$JS.API.CONSUMER.CREATE.WORK.w",
        json!({"stream_name": "WORK", "config": {"name": "w", "durable_name": "w", "ack_policy": "explicit", "ack_wait": 3_600_000_000_000_i64}}),
    );
    for consumer in ["PLAIN.dur", "WORK.w"] {
        raw.send(format!(
            "SUB _N 8\r\nPUB $JS.API.CONSUMER.MSG.NEXT.{consumer} _N 12\r\n{{\"batch\":20}}\r\n"
        ));
        let mut acks = Vec::new();
        for _ in 0..20 {
            acks.push(raw.delivery().expect("a delivery").0);
        }
        raw.send("UNSUB 8\r\n");
        for (n, reply) in acks.iter().enumerate() {
            // Some stay pending; those in the middle are acknowledged out of order.
            if n < 5 || n == 9 || n == 12 {
                assert_eq!(raw.request(reply, "+ACK").1, "");
            }
        }
    }
}

/// What a client sees of all of it, without times that a restart may change.
pub(crate) fn picture(node: &Node) -> Value {
    let mut raw = Raw::client(node);
    let mut streams = Vec::new();
    for name in ["PLAIN", "KV_b", "WORK"] {
        let info = raw.api(
            &format!("$JS.API.STREAM.INFO.{name}"),
            r#"{"deleted_details":true,"subjects_filter":">"}"#,
        );
        let last = info["state"]["last_seq"].as_u64().expect("a last sequence");
        let messages: Vec<_> = (1..=last)
            .map(|seq| {
                raw.api(&format!("$JS.API.STREAM.MSG.GET.{name}"), &json!({"seq": seq}).to_string())
                    ["message"]
                    .take()
            })
            .collect();
        let consumers: Vec<_> = raw.api(&format!("$JS.API.CONSUMER.LIST.{name}"), "")["consumers"]
            .as_array()
            .expect("consumers")
            .iter()
            .map(|c| {
                json!([
                    c["name"],
                    c["created"],
                    c["config"],
                    c["delivered"]["consumer_seq"],
                    c["delivered"]["stream_seq"],
                    c["ack_floor"]["consumer_seq"],
                    c["ack_floor"]["stream_seq"],
                    c["num_ack_pending"],
                    c["num_redelivered"],
                    c["num_pending"]
                ])
            })
            .collect();
        streams.push(json!([info["config"], info["created"], info["state"], messages, consumers]));
    }
    json!(streams)
}

/// After a kill the last block ends with the zeros that were written ahead of its records. The
/// reference cuts them off and calls them lost bytes, of no message.
fn forget_lost_bytes_without_messages(streams: &mut Value) {
    for stream in streams.as_array_mut().expect("streams") {
        let state = stream[2].as_object_mut().expect("a state");
        if state.get("lost").is_some_and(|lost| lost["msgs"].is_null()) {
            state.remove("lost");
        }
    }
}

#[track_caller]
fn check_moves(from: Setup, to: Setup, end: fn(&mut Node)) {
    let mut writer = from.start();
    fill(&writer);
    let before = picture(&writer);
    end(&mut writer);
    let reader = to.start_in(writer.shared_dir());
    let mut after = picture(&reader);
    forget_lost_bytes_without_messages(&mut after);
    let (before, after) = (before.as_array().expect("streams"), after.as_array().expect("streams"));
    for (before, after) in before.iter().zip(after) {
        for (part, (b, a)) in ["config", "created", "state", "messages", "consumers"]
            .iter()
            .zip(before.as_array().expect("parts").iter().zip(after.as_array().expect("parts")))
        {
            assert_eq!(b, a, "{part} of {}", before[0]["name"]);
        }
    }
}

fn stop(node: &mut Node) {
    node.stop();
}

fn servers(what: &str) -> Option<(Setup, Setup)> {
    let binary = reference(what)?;
    Some((Setup::jetstream().binary(Path::new(&binary)), Setup::jetstream()))
}

#[test]
fn a_directory_of_the_reference_opens_here() {
    let Some((theirs, ours)) = servers("opening a directory that the reference wrote") else {
        return;
    };
    check_moves(theirs, ours, stop);
}

#[test]
fn a_directory_of_the_killed_reference_opens_here() {
    let Some((theirs, ours)) = servers("opening a directory that the killed reference wrote")
    else {
        return;
    };
    // The reference writes consumer state behind: wait for nothing, compare only the streams.
    let mut writer = theirs.start();
    fill(&writer);
    let before = picture(&writer);
    writer.kill9();
    let after = picture(&ours.start_in(writer.shared_dir()));
    for part in [0, 1, 2, 3] {
        for stream in 0..3 {
            assert_eq!(before[stream][part], after[stream][part], "part {part} of stream {stream}");
        }
    }
}

#[test]
fn a_directory_written_here_opens_in_the_reference() {
    let Some((theirs, ours)) = servers("the reference opening a directory written here") else {
        return;
    };
    check_moves(ours, theirs, stop);
}

#[test]
fn a_directory_of_a_kill_here_opens_in_the_reference() {
    let Some((theirs, ours)) = servers("the reference opening a directory after a kill here")
    else {
        return;
    };
    check_moves(ours, theirs, Node::kill9);
}

#[test]
fn a_kill_here_changes_nothing_that_a_client_sees() {
    check_moves(Setup::jetstream(), Setup::jetstream(), Node::kill9);
}

/// Schedules that fire a while after the first server is gone.
fn check_schedules_move(from: Setup, to: Setup, end: fn(&mut Node)) {
    let mut writer = from.start();
    let mut raw = Raw::client(&writer);
    let config = json!({"name": "S", "subjects": ["s.>"], "allow_msg_schedules": true});
    assert!(raw.api("$JS.API.STREAM.CREATE.S", &config.to_string()).get("error").is_none());
    let mut publish = |subject: &str, headers: &str| {
        let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
        let (h, t) = (block.len(), block.len() + 2);
        raw.send(format!("SUB _P 7\r\nHPUB {subject} _P {h} {t}\r\n{block}hi\r\nUNSUB 7 1\r\n"));
        let (_, ack) = raw.message();
        assert!(ack.contains("\"seq\""), "{ack}");
    };
    publish("s.every", "Nats-Schedule: @every 2s\r\nNats-Schedule-Target: s.a");
    publish("s.late", "Nats-Schedule: @at 2100-01-01T00:00:00Z\r\nNats-Schedule-Target: s.b");
    publish("s.cron", "Nats-Schedule: */2 * * * * *\r\nNats-Schedule-Target: s.c");
    end(&mut writer);
    let reader = to.start_in(writer.shared_dir());
    let mut raw = Raw::client(&reader);
    for target in ["a", "c"] {
        let consumer = json!({
            "stream_name": "S",
            "config": {"name": target, "filter_subject": format!("s.{target}"), "ack_policy": "none"},
        });
        let subject = format!("$JS.API.CONSUMER.CREATE.S.{target}");
        assert!(raw.api(&subject, &consumer.to_string()).get("error").is_none());
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.S.{target}");
        let (headers, _) = raw.request(&subject, "{\"batch\":1,\"expires\":8000000000}");
        assert!(headers.contains("Nats-Scheduler: s."), "{target}: {headers}");
    }
    let late = raw.api("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.late\"}");
    assert_eq!(late["message"]["seq"], 2, "{late}");
    let early = raw.api("$JS.API.STREAM.MSG.GET.S", "{\"last_by_subj\":\"s.b\"}");
    assert_eq!(early["error"]["err_code"], 10037, "{early}");
}

#[test]
fn schedules_go_both_ways() {
    let what = "schedules of a directory of the other server";
    let Some((theirs, ours)) = servers(what) else { return };
    check_schedules_move(theirs, ours, stop);
    let Some((theirs, ours)) = servers(what) else { return };
    check_schedules_move(ours, theirs, stop);
}

#[test]
fn schedules_of_a_killed_server_go_both_ways() {
    let what = "schedules of a directory of the other server, killed";
    let Some((theirs, ours)) = servers(what) else { return };
    check_schedules_move(theirs, ours, Node::kill9);
    let Some((theirs, ours)) = servers(what) else { return };
    check_schedules_move(ours, theirs, Node::kill9);
}

#[test]
fn a_kill_here_keeps_the_schedules() {
    check_schedules_move(Setup::jetstream(), Setup::jetstream(), Node::kill9);
}
