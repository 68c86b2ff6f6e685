//! Publishing: acks and refusals byte for byte, and that refused messages leave no trace.

use std::sync::atomic::Ordering;

use types::{AccountLimits, Discard, RePublish, Storage, SubjectTransformConfig};

use super::harness::{MS, SEC, World, config};

fn error(code: u16, err_code: u16, text: &str) -> String {
    format!(
        "{{\"error\":{{\"code\":{code},\"err_code\":{err_code},\"description\":\"{text}\"}},\
         \"stream\":\"S\",\"seq\":0}}"
    )
}

#[test]
fn acks_are_held_until_commit() {
    let mut w = World::new(config(&["a.>"]));
    w.publish_with("a.b", "", "x", "ack");
    assert_eq!(w.take(), Vec::<String>::new());
    assert_eq!(w.round(), ["ack <- {\"stream\":\"S\",\"seq\":1}"]);
    w.publish("a.b", "no reply");
    assert_eq!(w.round(), Vec::<String>::new());
    assert_eq!(w.stream.state().msgs, 2);
}

#[test]
fn no_ack_streams_stay_silent() {
    let mut c = config(&["a"]);
    c.no_ack = true;
    let mut w = World::new(c);
    assert_eq!(w.ack_of("a", "", "x"), "");
    assert_eq!(w.stream.state().msgs, 1);
}

#[test]
fn duplicates_within_the_window() {
    let mut w = World::new(config(&["a"]));
    assert_eq!(w.ack_of("a", "Nats-Msg-Id: 1", "x"), "{\"stream\":\"S\",\"seq\":1}");
    assert_eq!(w.ack_of("a", "Nats-Msg-Id: 2", "x"), "{\"stream\":\"S\",\"seq\":2}");
    let duplicate = "{\"stream\":\"S\",\"seq\":1,\"duplicate\": true}";
    assert_eq!(w.ack_of("a", "Nats-Msg-Id: 1", "x"), duplicate);
    w.pass(120 * SEC - 1);
    assert_eq!(w.ack_of("a", "Nats-Msg-Id: 1", "x"), duplicate);
    w.pass(1);
    assert_eq!(w.ack_of("a", "Nats-Msg-Id: 1", "x"), "{\"stream\":\"S\",\"seq\":3}");
    assert_eq!(w.stream.state().msgs, 3);
}

#[test]
fn expectations() {
    let mut w = World::new(config(&["a.*"]));
    w.publish("a.1", "x");
    w.publish_with("a.2", "Nats-Msg-Id: m", "x", "");
    let ok = |n: u64| format!("{{\"stream\":\"S\",\"seq\":{n}}}");
    for (lines, want) in [
        ("Nats-Expected-Stream: T", error(400, 10060, "expected stream does not match")),
        ("Nats-Expected-Last-Sequence: 1", error(400, 10071, "wrong last sequence: 2")),
        ("Nats-Expected-Last-Sequence: x", error(400, 10071, "wrong last sequence: 2")),
        ("Nats-Expected-Last-Subject-Sequence: 2", error(400, 10071, "wrong last sequence: 1")),
        ("Nats-Expected-Last-Subject-Sequence: 0", error(400, 10071, "wrong last sequence: 1")),
        (
            "Nats-Expected-Last-Subject-Sequence: 1|\
             Nats-Expected-Last-Subject-Sequence-Subject: a.*",
            error(400, 10071, "wrong last sequence: 2"),
        ),
        (
            "Nats-Expected-Last-Subject-Sequence-Subject: a.*",
            error(400, 10193, "missing sequence for expected last sequence per subject"),
        ),
        ("Nats-Expected-Last-Msg-Id: n", error(400, 10070, "wrong last msg ID: m")),
        ("Nats-Rollup: sub", error(500, 10111, "rollup not permitted")),
        ("Nats-TTL: 5", error(400, 10166, "per-message TTL is disabled")),
        ("Nats-TTL: x", error(400, 10165, "invalid per-message TTL")),
        ("Nats-TTL: 0", error(400, 10165, "invalid per-message TTL")),
        ("Nats-Incr: 1", error(400, 10168, "message counters is disabled")),
        ("Nats-Incr: x", error(400, 10171, "message counter increment is invalid")),
        ("Nats-Batch-Id: b", error(400, 10174, "atomic publish is disabled")),
    ] {
        assert_eq!(w.ack_of("a.1", lines, "x"), want, "{lines}");
    }
    assert_eq!(w.stream.state().last_seq, 2);
    for (lines, seq) in [
        ("Nats-Expected-Stream: S", 3),
        ("Nats-Expected-Last-Sequence: 3", 4),
        ("Nats-Expected-Last-Subject-Sequence: 4", 5),
        (
            "Nats-Expected-Last-Subject-Sequence: 5|Nats-Expected-Last-Subject-Sequence-Subject: a.1",
            6,
        ),
        ("Nats-Msg-Id: z", 7),
        ("Nats-Expected-Last-Msg-Id: z", 8),
    ] {
        assert_eq!(w.ack_of("a.1", lines, "x"), ok(seq), "{lines}");
    }
}

#[test]
fn sizes() {
    let mut c = config(&["a"]);
    c.max_msg_size = 20;
    let mut w = World::new(c);
    let refused = error(400, 10054, "message size exceeds maximum allowed");
    assert_eq!(w.ack_of("a", "", &"x".repeat(21)), refused);
    assert_eq!(w.ack_of("a", "", &"x".repeat(20)), "{\"stream\":\"S\",\"seq\":1}");
    // NATS/1.0, a: b and an empty line are 18 bytes.
    assert_eq!(w.ack_of("a", "a: b", "xxx"), refused);
    assert_eq!(w.ack_of("a", "a: b", "xx"), "{\"stream\":\"S\",\"seq\":2}");

    let mut w = World::new(config(&["a"]));
    let big = format!("k: {}", "v".repeat(65535 - 17));
    assert_eq!(w.ack_of("a", &big, ""), "{\"stream\":\"S\",\"seq\":1}");
    let refused = error(400, 10097, "header size exceeds maximum allowed of 64k");
    assert_eq!(w.ack_of("a", &format!("{big}v"), ""), refused);
}

#[test]
fn full_streams_refuse_with_discard_new() {
    let mut c = config(&["a.*"]);
    c.max_msgs = 2;
    c.discard = Discard::New;
    let mut w = World::new(c);
    w.publish("a.1", "x");
    w.publish("a.1", "x");
    assert_eq!(
        w.ack_of("a.1", "Nats-Msg-Id: 1", "x"),
        error(503, 10077, "maximum messages exceeded")
    );
    let used = w.server.used(Storage::Memory);
    assert_eq!(used, w.stream.state().bytes);
    // The id of a refused message is not remembered.
    let mut c = w.stream.config().clone();
    c.max_msgs = 3;
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx {
        now: types::Timestamp::from_unix_ns(super::harness::EPOCH),
        mono_ns: SEC,
        interest: &subs,
    };
    w.stream.update(&ctx, c, &mut w.fx).unwrap();
    w.take();
    assert_eq!(w.ack_of("a.1", "Nats-Msg-Id: 1", "x"), "{\"stream\":\"S\",\"seq\":3}");
}

#[test]
fn sealed_streams_refuse() {
    let mut c = config(&["a"]);
    c.sealed = true;
    let mut w = World::new(c);
    assert_eq!(w.ack_of("a", "", "x"), error(400, 10109, "invalid operation on sealed stream"));
}

#[test]
fn account_limits_are_exact() {
    // A memory record counts 16 bytes besides subject and payload: 20 here.
    let limits = AccountLimits { max_memory: 40, ..AccountLimits::UNLIMITED };
    let mut w = World::limited(config(&["a"]), limits);
    assert_eq!(w.ack_of("a", "", "xxx"), "{\"stream\":\"S\",\"seq\":1}");
    let refused = error(400, 10002, "resource limits exceeded for account");
    assert_eq!(w.ack_of("a", "", "xxxx"), refused);
    assert_eq!(w.ack_of("a", "", "xxx"), "{\"stream\":\"S\",\"seq\":2}");
    assert_eq!(w.ack_of("a", "", ""), refused);
    assert_eq!(w.server.used(Storage::Memory), 40);
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx {
        now: types::Timestamp::from_unix_ns(super::harness::EPOCH),
        mono_ns: SEC,
        interest: &subs,
    };
    w.stream.delete_msg(&ctx, types::api::MsgDeleteRequest { seq: 1, no_erase: false }).unwrap();
    assert_eq!(w.server.used(Storage::Memory), 20);
    assert_eq!(w.ack_of("a", "", "xxx"), "{\"stream\":\"S\",\"seq\":3}");
}

#[test]
fn rollups() {
    let mut c = config(&["a.*"]);
    c.allow_rollup_hdrs = true;
    let mut w = World::new(c);
    for subject in ["a.1", "a.2", "a.1", "a.2"] {
        w.publish(subject, "x");
    }
    assert_eq!(w.ack_of("a.1", "Nats-Rollup: sub", "y"), "{\"stream\":\"S\",\"seq\":5}");
    assert_eq!((w.stream.state().msgs, w.stream.state().first_seq), (3, 2));
    assert_eq!(w.ack_of("a.1", "Nats-Rollup: ALL", "z"), "{\"stream\":\"S\",\"seq\":6}");
    assert_eq!((w.stream.state().msgs, w.stream.state().first_seq), (1, 6));
    assert_eq!(
        w.ack_of("a.1", "Nats-Rollup: Some", "z"),
        error(500, 10111, "rollup value invalid: \\\"some\\\"")
    );
    assert_eq!(w.server.used(Storage::Memory), w.stream.state().bytes);
}

#[test]
fn transform_and_republish() {
    let mut c = config(&["a.*"]);
    c.subject_transform =
        Some(SubjectTransformConfig { src: "a.*".into(), dest: "b.{{wildcard(1)}}".into() });
    c.republish = Some(RePublish { src: "b.>".into(), dest: "r.>".into(), headers_only: false });
    let mut w = World::new(c);
    w.publish_with("a.1", "", "x", "ack");
    w.publish_with("a.1", "k: v", "yy", "");
    assert_eq!(
        w.round(),
        [
            "r.1 <- [NATS/1.0|Nats-Stream: S|Nats-Subject: b.1|Nats-Sequence: 1|\
             Nats-Time-Stamp: 2026-01-02T03:04:05Z|Nats-Last-Sequence: 0] x",
            "ack <- {\"stream\":\"S\",\"seq\":1}",
            "r.1 <- [NATS/1.0|k: v|Nats-Stream: S|Nats-Subject: b.1|Nats-Sequence: 2|\
             Nats-Time-Stamp: 2026-01-02T03:04:05Z|Nats-Last-Sequence: 1] yy",
        ]
    );
    let mut c = w.stream.config().clone();
    c.republish = Some(RePublish { src: "b.>".into(), dest: "r.>".into(), headers_only: true });
    let mut w = World::new(c);
    w.publish("a.1", "xyz");
    assert_eq!(
        w.round(),
        ["r.1 <- [NATS/1.0|Nats-Stream: S|Nats-Subject: b.1|Nats-Sequence: 1|\
          Nats-Time-Stamp: 2026-01-02T03:04:05Z|Nats-Last-Sequence: 0|Nats-Msg-Size: 3]"]
    );
}

#[test]
fn a_failed_flush_refuses_and_forgets() {
    let mut w = World::new(config(&["a"]));
    w.create(super::harness::pull("c"));
    w.take();
    w.next("c", "in", "5");
    assert_eq!(w.ack_of("a", "", "x"), "{\"stream\":\"S\",\"seq\":1}");
    w.fail.store(true, Ordering::Relaxed);
    w.publish_with("a", "Nats-Msg-Id: 1", "lost", "ack");
    assert_eq!(
        w.round(),
        [format!("ack <- {}", error(503, 10077, "no space left on device"))],
        "neither an ack nor a delivery"
    );
    assert_eq!(w.round(), Vec::<String>::new());
}

#[test]
fn expired_messages_go_and_are_credited() {
    let mut c = config(&["a"]);
    c.max_age_ns = 1_000_000_000;
    let mut w = World::new(c);
    w.create(super::harness::pull("c"));
    w.publish("a", "x");
    w.run();
    assert_eq!(w.info("c").num_pending, 1);
    w.pass(SEC - MS);
    assert_eq!(w.stream.state().msgs, 1);
    w.pass(20 * MS);
    assert_eq!(w.stream.state().msgs, 0);
    assert_eq!(w.info("c").num_pending, 0);
    assert_eq!(w.server.used(Storage::Memory), 0);
}
