//! The replies of nats-server 2.14.0 to a long run of requests, and ours to the same.
//!
//! `replies.jsonl` was recorded from the running reference (one stand-alone server named `ref`,
//! an empty store directory), times blanked. The requests depend on each other and go in order.

use serde_json::Value;

use super::{World, json};

const RECORDED: &str = include_str!("replies.jsonl");

/// Times and what depends on them say nothing about the server.
fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    "created" | "ts" | "first_ts" | "last_ts" | "time" | "last_active"
                        if value.as_str().is_some_and(|t| !t.starts_with("0001")) =>
                    {
                        *value = "<time>".into();
                    }
                    "pause_remaining" => *value = "<ns>".into(),
                    _ => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// Where the words are Go's JSON decoder's own, the number says enough.
fn blank_decoder_words(value: &mut Value) {
    let Some(error) = value.get_mut("error") else { return };
    let words = error.get("description").and_then(Value::as_str).unwrap_or_default();
    let ours = words.starts_with("invalid JSON: json: unknown field")
        || words == "invalid JSON: unexpected EOF";
    if error.get("err_code") == Some(&10025.into()) && !ours {
        error["description"] = "<decoder>".into();
    }
}

/// Where nothing was delivered yet, the reference shows 0 for durable consumers and the sequence
/// before the first for others; we always show the latter.
fn blank_before_delivery(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("consumer_seq") == Some(&0.into()) && map.contains_key("stream_seq") {
                map.insert("stream_seq".to_owned(), "<before the first>".into());
            }
            map.values_mut().for_each(blank_before_delivery);
        }
        Value::Array(items) => items.iter_mut().for_each(blank_before_delivery),
        _ => {}
    }
}

/// Rows that are different on purpose: subject, part of the request, why.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("$JS.API.STREAM.MSG.DELETE.S", r#""seq": 99"#, "the reference says `stream store EOF`"),
    (
        "$JS.API.STREAM.UPDATE.S",
        r#""num_replicas": 3"#,
        "the reference takes replicas that it cannot make",
    ),
    ("$JS.API.INFO", "", "follows from the rows above"),
];

#[test]
fn replies_are_those_of_the_reference() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::open(dir.path());
    let mut client = world.client();
    let mut different = Vec::new();
    for line in RECORDED.lines() {
        let row = json(line);
        let subject = row["subject"].as_str().expect("a subject");
        let request = row["request"].as_str().expect("a request");
        let mut want = row["reply"].clone();
        let mut got = json(&client.request(subject, request));
        blank(&mut got);
        blank_before_delivery(&mut want);
        blank_before_delivery(&mut got);
        blank_decoder_words(&mut want);
        blank_decoder_words(&mut got);
        let on_purpose = |row: &&(&str, &str, &str)| subject == row.0 && request.contains(row.1);
        if got != want && DIFFERENT.iter().find(on_purpose).is_none() {
            let request = request.get(..200).unwrap_or(request);
            different.push(format!("{subject} {request}\n  ref:  {want}\n  ours: {got}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}
