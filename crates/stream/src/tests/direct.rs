//! Direct gets, answer by answer.

use super::harness::{SEC, World, config};

const TIME: &str = "Nats-Time-Stamp: 2026-01-02T03:04:05Z";

fn world() -> World {
    let mut w = World::new(config(&["a.*"]));
    w.publish("a.1", "one");
    w.publish_with("a.2", "k: v", "two", "");
    w.publish("a.1", "three");
    w.run();
    w
}

fn msg(seq: u64, subject: &str, payload: &str) -> String {
    let own = if seq == 2 { "|k: v" } else { "" };
    format!(
        "r <- [NATS/1.0{own}|Nats-Stream: S|Nats-Subject: {subject}|Nats-Sequence: {seq}|{TIME}] \
         {payload}"
    )
}

fn batched(seq: u64, subject: &str, payload: &str, pending: u64, last: u64) -> String {
    let one = msg(seq, subject, payload);
    one.replace(TIME, &format!("{TIME}|Nats-Num-Pending: {pending}|Nats-Last-Sequence: {last}"))
}

fn end(pending: u64, last: u64, up_to: &str) -> String {
    format!("r <- [NATS/1.0 204 EOB|Nats-Num-Pending: {pending}|Nats-Last-Sequence: {last}{up_to}]")
}

#[test]
fn single_messages() {
    let mut w = world();
    for (subject, request, want) in [
        (None, "{\"seq\":2}", msg(2, "a.2", "two")),
        (None, "{\"seq\":2,\"no_hdr\":true}", "r <- two".to_owned()),
        (None, "{\"last_by_subj\":\"a.1\"}", msg(3, "a.1", "three")),
        (None, "{\"last_by_subj\":\"a.*\"}", msg(3, "a.1", "three")),
        (None, "{\"next_by_subj\":\"a.1\"}", msg(1, "a.1", "one")),
        (None, "{\"next_by_subj\":\"a.1\",\"seq\":2}", msg(3, "a.1", "three")),
        (None, "{\"start_time\":\"2026-01-02T03:04:05Z\"}", msg(1, "a.1", "one")),
        (Some("a.2"), "", msg(2, "a.2", "two")),
        (Some("a.1"), "{}", msg(3, "a.1", "three")),
    ] {
        assert_eq!(w.direct(subject, request), [want], "{subject:?} {request}");
    }
}

#[test]
fn refusals() {
    let mut w = world();
    for (subject, request, want) in [
        (None, "", "408 Empty Request"),
        (None, "{}", "408 Empty Request"),
        (None, "{\"seq\":", "408 Malformed Request"),
        (None, "{\"seq\":1,\"last_by_subj\":\"a.1\"}", "408 Bad Request"),
        (None, "{\"last_by_subj\":\"a.1\",\"batch\":2}", "408 Bad Request"),
        (None, "{\"next_by_subj\":\"a.1\",\"multi_last\":[\"a\"]}", "408 Bad Request"),
        (None, "{\"seq\":9}", "404 Message Not Found"),
        (None, "{\"last_by_subj\":\"a.9\"}", "404 Message Not Found"),
        (None, "{\"multi_last\":[\"b.*\"]}", "404 No Results"),
        (Some("a.9"), "", "404 Message Not Found"),
        (Some("a.1"), "{\"seq\":1}", "408 Bad Request"),
        (Some("a.1"), "x", "408 Malformed Request"),
        (Some(""), "", "408 Bad Request"),
    ] {
        let want = format!("r <- [NATS/1.0 {want}]");
        assert_eq!(w.direct(subject, request), [want], "{subject:?} {request}");
    }
}

#[test]
fn batches() {
    let mut w = world();
    assert_eq!(
        w.direct(None, "{\"seq\":1,\"batch\":2}"),
        [batched(1, "a.1", "one", 2, 0), batched(2, "a.2", "two", 1, 1), end(1, 2, "")]
    );
    assert_eq!(
        w.direct(None, "{\"next_by_subj\":\"a.1\",\"batch\":9}"),
        [batched(1, "a.1", "one", 1, 0), batched(3, "a.1", "three", 0, 1), end(0, 3, "")]
    );
    // The first message alone is as large as allowed.
    let six = "{\"seq\":1,\"batch\":9,\"max_bytes\":6}";
    assert_eq!(w.direct(None, six), [batched(1, "a.1", "one", 2, 0), end(2, 1, "")]);
    assert_eq!(w.direct(None, &six.replace('6', "7")).len(), 3);
    assert_eq!(
        w.direct(None, "{\"seq\":8,\"batch\":2}"),
        ["r <- [NATS/1.0 404 Message Not Found]"]
    );
}

#[test]
fn last_of_many() {
    let mut w = world();
    assert_eq!(
        w.direct(None, "{\"multi_last\":[\"a.*\"]}"),
        [
            batched(2, "a.2", "two", 1, 0),
            batched(3, "a.1", "three", 0, 2),
            end(0, 3, "|Nats-UpTo-Sequence: 3")
        ]
    );
    assert_eq!(
        w.direct(None, "{\"multi_last\":[\"a.1\",\"a.2\"],\"up_to_seq\":2}"),
        [
            batched(1, "a.1", "one", 1, 0),
            batched(2, "a.2", "two", 0, 1),
            end(0, 2, "|Nats-UpTo-Sequence: 2")
        ]
    );
    assert_eq!(
        w.direct(None, "{\"multi_last\":[\"a.*\"],\"batch\":1}"),
        [batched(2, "a.2", "two", 1, 0), end(1, 2, "|Nats-UpTo-Sequence: 3")]
    );
    assert_eq!(
        w.direct(None, "{\"multi_last\":[\"a.*\"],\"up_to_time\":\"2026-01-02T03:04:05Z\"}"),
        ["r <- [NATS/1.0 404 No Results]"]
    );
    w.pass(SEC);
    w.publish("a.3", "late");
    w.run();
    let out = w.direct(None, "{\"multi_last\":[\"a.*\"],\"up_to_time\":\"2026-01-02T03:04:06Z\"}");
    assert_eq!(out.last(), Some(&end(0, 3, "|Nats-UpTo-Sequence: 3")));

    let mut w = World::new(config(&["b.*"]));
    for n in 0..1025 {
        w.publish(&format!("b.{n}"), "");
    }
    w.run();
    assert_eq!(
        w.direct(None, "{\"multi_last\":[\"b.*\"]}"),
        ["r <- [NATS/1.0 413 Too Many Results]"]
    );
    assert_eq!(w.direct(None, "{\"multi_last\":[\"b.*\"],\"up_to_seq\":1024}").len(), 1025);
}
