//! Push consumers: interest, heartbeats, flow control, pacing.

use types::{AckPolicy, ReplayPolicy};

use super::harness::{MS, SEC, World, config, push, seqs_to};
use crate::{Ctx, Watch};

fn interest(w: &mut World, consumer: &str) {
    let ctx = w.ctx();
    let (now, mono_ns) = (ctx.now, ctx.mono_ns);
    let World { stream, subs, fx, .. } = w;
    stream.interest_changed(&Ctx { now, mono_ns, interest: &*subs }, consumer, fx);
}

#[test]
fn delivers_while_somebody_listens() {
    let mut w = World::new(config(&["a"]));
    w.publish("a", "1");
    let info = w.create(push("c", "d"));
    assert!(!info.push_bound);
    assert_eq!(w.fx.watches(), [Watch::Start { consumer: "c".into(), subject: "d".into() }]);
    w.take();
    assert_eq!(w.round(), Vec::<String>::new());
    w.sub("d");
    interest(&mut w, "c");
    assert_eq!(w.round(), ["d <- a ($JS.ACK.S.c.1.1.1.1767323045000000000.0) 1"]);
    assert!(w.info("c").push_bound);
    w.unsub("d");
    interest(&mut w, "c");
    w.publish("a", "2");
    assert_eq!(w.round(), Vec::<String>::new());
    w.sub("d");
    interest(&mut w, "c");
    assert_eq!(seqs_to(&w.round(), "d"), [2]);
    let info = w.info("c");
    assert_eq!(
        (info.ack_floor.stream_seq, info.ack_floor.consumer_seq, info.num_pending),
        (2, 2, 0)
    );
}

#[test]
fn queue_groups_need_a_member() {
    let mut w = World::new(config(&["a"]));
    let mut c = push("c", "d");
    c.deliver_group = "g".into();
    w.sub("d");
    assert!(!w.create(c.clone()).push_bound);
    w.sub_queue("d", "g");
    interest(&mut w, "c");
    assert!(w.info("c").push_bound);
}

#[test]
fn onlookers_do_not_count() {
    let mut w = World::new(config(&["a"]));
    w.sub(">");
    w.sub("*");
    w.publish("a", "x");
    assert!(!w.create(push("c", "d")).push_bound);
    w.take();
    assert_eq!(w.round(), Vec::<String>::new());
}

#[test]
fn idle_heartbeats() {
    let mut w = World::new(config(&["a"]));
    w.sub("d");
    let mut c = push("c", "d");
    c.idle_heartbeat_ns = 500_000_000;
    w.create(c);
    w.take();
    w.pass(400 * MS);
    w.publish("a", "x");
    w.run();
    w.take();
    w.pass(499 * MS);
    assert_eq!(w.take(), Vec::<String>::new());
    w.pass(MS);
    let beat = "d <- [NATS/1.0 100 Idle Heartbeat|Nats-Last-Consumer: 1|Nats-Last-Stream: 1]";
    assert_eq!(w.take(), [beat]);
    w.pass(SEC);
    assert_eq!(w.take(), [beat, beat]);
    w.unsub("d");
    interest(&mut w, "c");
    w.pass(SEC);
    assert_eq!(w.take(), Vec::<String>::new());
}

#[test]
fn flow_control_stalls_until_answered() {
    let mut w = World::new(config(&["a"]));
    w.sub("d");
    let mut c = push("c", "d");
    c.idle_heartbeat_ns = 5_000_000_000;
    c.flow_control = true;
    w.create(c);
    w.take();
    let payload = "x".repeat(500_000);
    for _ in 0..8 {
        w.publish("a", &payload);
    }
    let out: Vec<String> = w.round().iter().map(|l| l.chars().take(200).collect()).collect();
    // The first window is 2 MiB; past half of it the client is asked.
    let delivered = out.iter().filter(|l| l.contains("$JS.ACK")).count();
    assert_eq!(delivered, 5);
    let asked = out.iter().find(|l| l.contains("FlowControl Request")).unwrap();
    let token = asked.split_once('(').unwrap().1.split(')').next().unwrap().to_owned();
    assert_eq!(asked, &format!("d <- ({token}) [NATS/1.0 100 FlowControl Request]"));
    assert!(token.starts_with("$JS.FC.S.c.") && token.len() == "$JS.FC.S.c.".len() + 4);
    w.pass(5 * SEC);
    assert_eq!(
        w.take(),
        [format!(
            "d <- [NATS/1.0 100 Idle Heartbeat|Nats-Last-Consumer: 5|Nats-Last-Stream: 5|\
             Nats-Consumer-Stalled: {token}]"
        )]
    );
    let ctx = w.ctx();
    let (now, mono_ns) = (ctx.now, ctx.mono_ns);
    let World { stream, subs, fx, .. } = &mut w;
    let ctx = Ctx { now, mono_ns, interest: &*subs };
    stream.flow_control(&ctx, b"c", b"$JS.FC.S.c.oops", fx);
    stream.flow_control(&ctx, b"c", token.as_bytes(), fx);
    let out = w.round();
    assert_eq!(out.iter().filter(|l| l.contains("$JS.ACK")).count(), 3);
}

#[test]
fn rate_limit_spreads_messages() {
    let mut c = config(&["a"]);
    c.max_msg_size = 1000;
    let mut w = World::new(c);
    w.sub("d");
    let mut c = push("c", "d");
    c.rate_limit_bps = 8 * 1000;
    w.create(c);
    w.take();
    for _ in 0..3 {
        w.publish("a", &"x".repeat(960));
    }
    // About 1000 bytes each, a burst of 1000 bytes, 1000 bytes per second.
    assert_eq!(seqs_to(&w.round(), "d"), [1]);
    w.pass(900 * MS);
    assert_eq!(seqs_to(&w.take(), "d"), [] as [u64; 0]);
    w.pass(110 * MS);
    assert_eq!(seqs_to(&w.take(), "d"), [2]);
    w.pass(1_010 * MS);
    assert_eq!(seqs_to(&w.take(), "d"), [3]);
}

#[test]
fn replay_original_keeps_the_gaps() {
    let mut w = World::new(config(&["a"]));
    for gap in [0, 300, 200] {
        w.pass(gap * MS);
        w.publish("a", "x");
        w.run();
    }
    w.pass(50 * MS);
    w.sub("d");
    let mut c = push("c", "d");
    c.replay_policy = ReplayPolicy::Original;
    w.create(c);
    assert_eq!(seqs_to(&w.round(), "d"), [1]);
    w.pass(299 * MS);
    assert_eq!(seqs_to(&w.take(), "d"), [] as [u64; 0]);
    w.pass(MS);
    assert_eq!(seqs_to(&w.take(), "d"), [2]);
    w.pass(200 * MS);
    assert_eq!(seqs_to(&w.take(), "d"), [3]);
    // Caught up: new messages come at once.
    w.pass(SEC);
    w.publish("a", "x");
    assert_eq!(seqs_to(&w.round(), "d"), [4]);
}

#[test]
fn paused_consumers_wait() {
    let mut w = World::new(config(&["a"]));
    w.sub("d");
    w.create(push("c", "d"));
    w.take();
    let ctx = w.ctx();
    let (now, mono_ns) = (ctx.now, ctx.mono_ns);
    let until = types::Timestamp::from_unix_ns(now.unix_ns() + 2_000_000_000);
    let World { stream, subs, fx, .. } = &mut w;
    let ctx = Ctx { now, mono_ns, interest: &*subs };
    let paused = stream.pause_consumer(&ctx, "c", Some(until), fx).unwrap();
    assert!(paused.paused && paused.pause_remaining_ns == 2_000_000_000);
    assert_eq!(w.take(), ["! $JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c"]);
    w.publish("a", "x");
    assert_eq!(w.round(), Vec::<String>::new());
    assert!(w.info("c").paused);
    w.pass(2 * SEC - 1);
    assert_eq!(w.take(), Vec::<String>::new());
    w.pass(1);
    let out = w.take();
    assert_eq!(seqs_to(&out, "d"), [1]);
    assert!(out.contains(&"! $JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c".to_owned()));
}

#[test]
fn idle_ephemerals_go() {
    let mut w = World::new(config(&["a"]));
    let mut c = push("e", "d");
    c.durable_name.clear();
    w.sub("d");
    let info = w.create(c);
    assert_eq!(info.config.unwrap().inactive_threshold_ns, 5_000_000_000);
    w.pass(20 * SEC);
    w.take();
    assert_eq!(w.stream.consumer_count(), 1);
    w.unsub("d");
    interest(&mut w, "e");
    w.pass(5 * SEC);
    assert_eq!(w.stream.consumer_count(), 1);
    w.pass(SEC + MS);
    assert_eq!(w.take(), ["! $JS.EVENT.ADVISORY.CONSUMER.DELETED.S.e", "gone e"]);
    assert_eq!(w.stream.consumer_count(), 0);
}

#[test]
fn idle_pull_ephemerals_go_but_not_busy_ones() {
    let mut w = World::new(config(&["a"]));
    let mut c = super::harness::pull("e");
    c.durable_name.clear();
    c.inactive_threshold_ns = 2_000_000_000;
    c.ack_wait_ns = 10_000_000_000;
    w.create(c);
    w.publish("a", "x");
    w.next("e", "in", "1");
    w.round();
    // It may still be working on what it got.
    w.pass(9 * SEC);
    assert_eq!(w.stream.consumer_count(), 1);
    w.pass(8 * SEC);
    assert_eq!(w.stream.consumer_count(), 0);
}

#[test]
fn acks_for_push() {
    let mut w = World::new(config(&["a"]));
    w.sub("d");
    let mut c = push("c", "d");
    c.ack_policy = AckPolicy::Explicit;
    c.ack_wait_ns = 1_000_000_000;
    c.max_ack_pending = 2;
    w.create(c);
    for _ in 0..3 {
        w.publish("a", "x");
    }
    let acks = super::harness::acks_to(&w.round(), "d");
    assert_eq!(acks.len(), 2);
    w.ack(&acks[0], "", "");
    assert_eq!(seqs_to(&w.round(), "d"), [3]);
    w.pass(SEC);
    assert_eq!(seqs_to(&w.take(), "d"), [2, 3]);
}
