//! Pull requests: deliveries and status replies.

use super::harness::{MS, SEC, World, config, pull, seqs_to};

#[test]
fn a_batch_is_delivered_in_order() {
    let mut w = World::new(config(&["a.*"]));
    w.create(pull("c"));
    w.take();
    w.publish("a.1", "x");
    w.publish_with("a.2", "k: v", "yy", "");
    w.next("c", "in", "{\"batch\":3}");
    assert_eq!(
        w.round(),
        [
            "in <- a.1 ($JS.ACK.S.c.1.1.1.1767323045000000000.1) x",
            "in <- a.2 ($JS.ACK.S.c.1.2.2.1767323045000000000.0) [NATS/1.0|k: v] yy",
        ]
    );
    w.publish("a.3", "z");
    assert_eq!(w.round(), ["in <- a.3 ($JS.ACK.S.c.1.3.3.1767323045000000000.0) z"]);
    w.publish("a.4", "z");
    assert_eq!(w.round(), Vec::<String>::new());
    let info = w.info("c");
    assert_eq!((info.num_pending, info.num_ack_pending, info.num_waiting), (1, 3, 0));
}

#[test]
fn requests_without_a_body_and_plain_numbers() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    for _ in 0..4 {
        w.publish("a", "x");
    }
    w.next("c", "one", "");
    w.next("c", "two", " 2 ");
    let out = w.round();
    assert_eq!(seqs_to(&out, "one"), [1]);
    assert_eq!(seqs_to(&out, "two"), [2, 3]);
}

#[test]
fn waiting_requests_take_turns() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.next("c", "x", "2");
    w.next("c", "y", "2");
    for _ in 0..4 {
        w.publish("a", "");
    }
    let out = w.round();
    assert_eq!(seqs_to(&out, "x"), [1, 3]);
    assert_eq!(seqs_to(&out, "y"), [2, 4]);
}

#[test]
fn no_wait() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.take();
    w.next("c", "in", "{\"batch\":2,\"no_wait\":true}");
    assert_eq!(w.round(), ["in <- [NATS/1.0 404 No Messages]"]);
    w.publish("a", "x");
    w.next("c", "in", "{\"batch\":2,\"no_wait\":true}");
    assert_eq!(
        w.round(),
        ["in <- a ($JS.ACK.S.c.1.1.1.1767323045000000000.0) x", "in <- [NATS/1.0 404 No Messages]"]
    );
    // With an expiry it waits for the first message only.
    w.next("c", "in", "{\"batch\":2,\"no_wait\":true,\"expires\":1000000000}");
    assert_eq!(w.round(), Vec::<String>::new());
    w.publish("a", "y");
    assert_eq!(
        w.round(),
        ["in <- a ($JS.ACK.S.c.1.2.2.1767323045000000000.0) y", "in <- [NATS/1.0 404 No Messages]"]
    );
}

#[test]
fn no_wait_behind_others() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.max_ack_pending = 1;
    w.create(c);
    w.take();
    w.publish("a", "x");
    w.publish("a", "x");
    w.next("c", "in", "5");
    w.round();
    w.next("c", "late", "{\"no_wait\":true}");
    assert_eq!(w.round(), ["late <- [NATS/1.0 408 Requests Pending]"]);
}

#[test]
fn expiry() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.take();
    w.publish("a", "x");
    w.next("c", "in", "{\"batch\":3,\"expires\":1000000000,\"max_bytes\":1000}");
    w.round();
    w.pass(SEC - 1);
    assert_eq!(w.take(), Vec::<String>::new());
    w.pass(1);
    let bytes = 1000 - "a".len() - "$JS.ACK.S.c.1.1.1.1767323045000000000.0".len() - 1;
    assert_eq!(
        w.take(),
        [format!(
            "in <- [NATS/1.0 408 Request Timeout|Nats-Pending-Messages: 2|Nats-Pending-Bytes: {bytes}]"
        )]
    );
    assert_eq!(w.info("c").num_waiting, 0);
}

#[test]
fn heartbeats_while_waiting() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.take();
    w.publish("a", "x");
    w.next("c", "in", "{\"batch\":3,\"expires\":1000000000,\"idle_heartbeat\":400000000}");
    w.round();
    w.pass(300 * MS);
    assert_eq!(w.take(), Vec::<String>::new());
    w.pass(600 * MS);
    let beat = "in <- [NATS/1.0 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1]";
    assert_eq!(w.take(), [beat, beat]);
    w.next("c", "in", "{\"expires\":1000000000,\"idle_heartbeat\":500000001}");
    assert_eq!(w.round(), ["in <- [NATS/1.0 400 Bad Request - heartbeat value too large]"]);
}

#[test]
fn a_heartbeat_ends_a_no_wait_request_behind_max_ack_pending() {
    let mut w = World::new(config(&["a"]));
    w.create(types::ConsumerConfig { max_ack_pending: 1, ..pull("c") });
    w.take();
    w.publish("a", "x");
    w.publish("a", "y");
    let request =
        "{\"batch\":3,\"expires\":1000000000,\"idle_heartbeat\":400000000,\"no_wait\":true}";
    w.next("c", "in", request);
    assert_eq!(seqs_to(&w.round(), "in"), [1]);
    w.pass(400 * MS - 1);
    assert_eq!(w.take(), Vec::<String>::new());
    w.pass(1);
    assert_eq!(w.take(), ["in <- [NATS/1.0 404 No Messages]"]);
    assert_eq!(w.info("c").num_waiting, 0);
    // Nothing was delivered to this one: it stays until it expires.
    w.next("c", "in", request);
    w.pass(400 * MS);
    assert!(w.take().iter().all(|line| line.contains("100 Idle Heartbeat")));
    assert_eq!(w.info("c").num_waiting, 1);
}

#[test]
fn max_bytes() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.take();
    let one = "a".len() + "$JS.ACK.S.c.1.1.1.1767323045000000000.2".len() + 10;
    for _ in 0..3 {
        w.publish("a", &"x".repeat(10));
    }
    // Exactly two fit: the request ends without a status.
    w.next("c", "in", &format!("{{\"batch\":9,\"max_bytes\":{}}}", 2 * one));
    let out = w.round();
    assert_eq!(seqs_to(&out, "in"), [1, 2]);
    assert_eq!(out.len(), 2);
    // One byte short for one.
    w.next("c", "in", &format!("{{\"batch\":9,\"max_bytes\":{}}}", one - 1));
    assert_eq!(
        w.round(),
        [format!(
            "in <- [NATS/1.0 409 Message Size Exceeds MaxBytes|Nats-Pending-Messages: 9|\
             Nats-Pending-Bytes: {}]",
            one - 1
        )]
    );
    // More bytes than the batch needs: the rest is told.
    w.next("c", "in", &format!("{{\"batch\":1,\"max_bytes\":{}}}", one + 5));
    let out = w.round();
    assert_eq!(seqs_to(&out, "in"), [3]);
    assert_eq!(
        out[1],
        "in <- [NATS/1.0 409 Batch Completed|Nats-Pending-Messages: 0|Nats-Pending-Bytes: 5]"
    );
}

#[test]
fn limits_of_requests() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.max_batch = 10;
    c.max_expires_ns = 1_500_000_000;
    c.max_bytes = 100;
    c.max_waiting = 1;
    w.create(c);
    w.take();
    for (body, want) in [
        ("11", "409 Exceeded MaxRequestBatch of 10"),
        ("{\"batch\":1,\"expires\":1500000001}", "409 Exceeded MaxRequestExpires of 1.5s"),
        ("{\"batch\":1,\"max_bytes\":101}", "409 Exceeded MaxRequestMaxBytes of 100"),
        ("{\"batch\":1,\"priority\":10}", "400 Bad Request - Priority must be between 0 and 9"),
    ] {
        w.next("c", "in", body);
        assert_eq!(w.round(), [format!("in <- [NATS/1.0 {want}]")], "{body}");
    }
    w.next("c", "in", "{\"batch\":10,\"expires\":1500000000,\"max_bytes\":100,\"odd\":1}");
    assert_eq!(w.round(), Vec::<String>::new());
    w.next("c", "late", "1");
    assert_eq!(w.round(), ["late <- [NATS/1.0 409 Exceeded MaxWaiting]"]);
    w.next("c", "late", "{\"batch\":1,\"expires\":1000000000,\"idle_heartbeat\":100000000}");
    assert_eq!(w.round(), Vec::<String>::new());
    w.next("c", "bad", "{\"batch\":");
    let out = w.round();
    assert!(out[0].starts_with("bad <- [NATS/1.0 400 Bad Request - "), "{out:?}");
}

#[test]
fn requests_of_clients_that_left_are_dropped() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.take();
    w.next("c", "gone", "5");
    w.round();
    w.unsub("gone");
    w.pass(MS);
    w.next("c", "here", "1");
    w.publish("a", "x");
    let out = w.round();
    assert_eq!(seqs_to(&out, "gone"), [] as [u64; 0]);
    assert_eq!(seqs_to(&out, "here"), [1]);
}

#[test]
fn nobody_answers_for_a_consumer_that_is_not_there() {
    let mut w = World::new(config(&["a"]));
    w.create(super::harness::push("none", "d"));
    w.take();
    w.next("c", "in", "1");
    w.ack("$JS.ACK.S.c.1.1.1.0.0", "+ACK", "ok");
    w.ack("$JS.ACK.S.none.1.1.1.0.0", "+ACK", "ok");
    w.ack("$JS.ACK.S.c.1.1.1.0.0", "+ACK", "");
    assert_eq!(
        w.round(),
        [
            "in <- [NATS/1.0 503|Nats-Subject: $JS.API.CONSUMER.MSG.NEXT.S.c]",
            "ok <- [NATS/1.0 503]",
            "ok <- [NATS/1.0 503]",
        ]
    );
}

#[test]
fn deleted_consumers_end_their_requests() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.next("c", "in", "{\"batch\":5,\"max_bytes\":100}");
    w.round();
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx { interest: &subs, ..w.ctx() };
    let (now, mono_ns) = (ctx.now, ctx.mono_ns);
    let ctx = crate::Ctx { now, mono_ns, interest: &subs };
    w.stream.delete_consumer(&ctx, "c", &mut w.fx).unwrap();
    assert_eq!(
        w.take(),
        [
            "in <- [NATS/1.0 409 Consumer Deleted]",
            "! $JS.EVENT.ADVISORY.CONSUMER.DELETED.S.c",
            "gone c"
        ]
    );
}

#[test]
fn shutdown_ends_requests() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.next("c", "in", "{\"batch\":5,\"max_bytes\":100}");
    w.round();
    w.stream.stop(&mut w.fx).unwrap();
    assert_eq!(
        w.take(),
        ["in <- [NATS/1.0 409 Server Shutdown|Nats-Pending-Messages: 5|Nats-Pending-Bytes: 100]"]
    );
}

#[test]
fn push_consumers_refuse_requests() {
    let mut w = World::new(config(&["a"]));
    w.create(super::harness::push("c", "d"));
    w.take();
    w.next("c", "in", "1");
    assert_eq!(w.round(), ["in <- [NATS/1.0 409 Consumer is push based]"]);
}

#[test]
fn headers_only() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.headers_only = true;
    w.create(c);
    w.take();
    w.publish("a", "12345");
    w.publish_with("a", "k: v", "", "");
    w.next("c", "in", "2");
    assert_eq!(
        w.round(),
        [
            "in <- a ($JS.ACK.S.c.1.1.1.1767323045000000000.1) [NATS/1.0|Nats-Msg-Size: 5]",
            "in <- a ($JS.ACK.S.c.1.2.2.1767323045000000000.0) [NATS/1.0|k: v|Nats-Msg-Size: 0]",
        ]
    );
}

#[test]
fn prioritized_requests_first() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.priority_policy = types::PriorityPolicy::Prioritized;
    c.priority_groups = vec!["g".into()];
    w.create(c);
    w.take();
    w.next("c", "in", "{\"batch\":1}");
    assert_eq!(w.round(), ["in <- [NATS/1.0 400 Bad Request - Priority Group missing]"]);
    w.next("c", "in", "{\"batch\":1,\"group\":\"h\"}");
    assert_eq!(w.round(), ["in <- [NATS/1.0 400 Bad Request - Invalid Priority Group]"]);
    w.next("c", "low", "{\"batch\":2,\"group\":\"g\",\"priority\":5}");
    w.next("c", "high", "{\"batch\":2,\"group\":\"g\",\"priority\":1}");
    for _ in 0..3 {
        w.publish("a", "");
    }
    let out = w.round();
    assert_eq!((seqs_to(&out, "high"), seqs_to(&out, "low")), (vec![1, 2], vec![3]));
}

#[test]
fn overflow_requests_wait_for_enough() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.priority_policy = types::PriorityPolicy::Overflow;
    c.priority_groups = vec!["g".into()];
    w.create(c);
    w.next("c", "in", "{\"batch\":5,\"group\":\"g\",\"min_pending\":3}");
    w.publish("a", "");
    w.publish("a", "");
    assert_eq!(seqs_to(&w.round(), "in"), [] as [u64; 0]);
    w.publish("a", "");
    assert_eq!(seqs_to(&w.round(), "in"), [1]);
}

#[test]
fn pinned_client_keeps_its_group() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.priority_policy = types::PriorityPolicy::PinnedClient;
    c.priority_groups = vec!["g".into()];
    c.priority_timeout_ns = 1_000_000_000;
    w.create(c);
    w.take();
    w.next("c", "one", "{\"batch\":1,\"group\":\"g\"}");
    w.next("c", "two", "{\"batch\":5,\"group\":\"g\"}");
    w.publish("a", "");
    w.publish("a", "");
    let out = w.round();
    assert_eq!((seqs_to(&out, "one"), seqs_to(&out, "two")), (vec![1], vec![]));
    let pin = out[0].split_once("Nats-Pin-Id: ").unwrap().1.split(']').next().unwrap().to_owned();
    assert_eq!(w.info("c").priority_groups[0].pinned_client_id, pin);
    w.next("c", "bad", "{\"batch\":1,\"group\":\"g\",\"id\":\"other\"}");
    assert_eq!(w.round(), ["bad <- [NATS/1.0 423 Nats-Pin-Id mismatch]"]);
    w.next("c", "one", &format!("{{\"batch\":1,\"group\":\"g\",\"id\":\"{pin}\"}}"));
    assert_eq!(seqs_to(&w.round(), "one"), [2]);
    // The pin lapses and the other client takes over.
    w.publish("a", "");
    w.pass(1_100 * MS);
    let out = w.take();
    assert_eq!(seqs_to(&out, "two"), [3]);
    let pins: Vec<&String> = out.iter().filter(|line| line.contains("PINNED")).collect();
    assert_eq!(
        pins,
        ["! $JS.EVENT.ADVISORY.CONSUMER.UNPINNED.S.c", "! $JS.EVENT.ADVISORY.CONSUMER.PINNED.S.c"]
    );
}
