//! Every kind of ack, and what becomes of messages that get none.

use types::AckPolicy;

use super::harness::{MS, SEC, World, acks_to, config, pull, seqs_to};

fn world(n: usize, change: impl FnOnce(&mut types::ConsumerConfig)) -> (World, Vec<String>) {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    change(&mut c);
    w.create(c);
    for _ in 0..n {
        w.publish("a", "x");
    }
    w.next("c", "in", "100");
    let acks = acks_to(&w.round(), "in");
    assert_eq!(acks.len(), n);
    (w, acks)
}

fn floor(w: &mut World) -> (u64, u64, u64) {
    let info = w.info("c");
    (info.ack_floor.consumer_seq, info.ack_floor.stream_seq, info.num_ack_pending)
}

#[test]
fn explicit_acks_raise_the_floor_in_order() {
    let (mut w, acks) = world(4, |_| ());
    assert_eq!(floor(&mut w), (0, 0, 4));
    w.ack(&acks[1], "+ACK", "");
    assert_eq!(floor(&mut w), (0, 0, 3));
    w.ack(&acks[0], "", "");
    assert_eq!(floor(&mut w), (2, 2, 2));
    w.ack(&acks[3], "+ACK", "");
    assert_eq!(floor(&mut w), (2, 2, 1));
    w.ack(&acks[2], "+ACK", "");
    assert_eq!(floor(&mut w), (4, 4, 0));
    w.ack(&acks[2], "+ACK", "");
    assert_eq!(floor(&mut w), (4, 4, 0));
}

#[test]
fn ack_all_covers_what_is_before() {
    let (mut w, acks) = world(5, |c| c.ack_policy = AckPolicy::All);
    w.ack(&acks[2], "+ACK", "");
    assert_eq!(floor(&mut w), (3, 3, 2));
    w.ack(&acks[1], "+ACK", "");
    assert_eq!(floor(&mut w), (3, 3, 2));
    w.ack(&acks[4], "+ACK", "");
    assert_eq!(floor(&mut w), (5, 5, 0));
}

#[test]
fn acks_are_confirmed_after_the_progress_is_stored() {
    let (mut w, acks) = world(3, |_| ());
    w.ack(&acks[0], "+ACK", "ok");
    assert_eq!(w.take(), Vec::<String>::new());
    assert_eq!(w.round(), ["ok <-"]);
    w.restart(u64::MAX);
    assert_eq!(floor(&mut w), (1, 1, 2));
    // Seen before: confirmed again. Never delivered or nonsense: not.
    w.ack(&acks[0], "+ACK", "again");
    w.ack("$JS.ACK.S.c.1.9.9.0.0", "+ACK", "never");
    w.ack("$JS.ACK.S.c.1.x.9.0.0", "+ACK", "nonsense");
    assert_eq!(w.round(), ["again <-"]);
}

#[test]
fn nak_redelivers_at_once_and_with_delay() {
    let (mut w, acks) = world(3, |_| ());
    w.ack(&acks[1], "-NAK", "");
    assert_eq!(
        w.round(),
        [
            "in <- a ($JS.ACK.S.c.2.2.4.1767323045000000000.0) x",
            "! $JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.c"
        ]
    );
    w.ack(&acks[0], "-NAK {\"delay\": 1000000000}", "");
    w.ack(&acks[2], "-NAK 500ms", "");
    assert_eq!(seqs_to(&w.round(), "in"), [] as [u64; 0]);
    w.pass(500 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [3]);
    w.pass(500 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [1]);
    let info = w.info("c");
    assert_eq!((info.num_redelivered, info.delivered.consumer_seq), (3, 6));
}

#[test]
fn unacknowledged_messages_come_again_in_order() {
    let (mut w, acks) = world(3, |c| c.ack_wait_ns = 1_000_000_000);
    w.ack(&acks[1], "+ACK", "");
    w.pass(SEC - 1);
    assert_eq!(seqs_to(&w.take(), "in"), [] as [u64; 0]);
    w.pass(1);
    assert_eq!(seqs_to(&w.take(), "in"), [1, 3]);
    // Working on it: the clock starts again.
    w.pass(900 * MS);
    w.ack(&acks[0], "+WPI", "");
    w.pass(100 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [3]);
    w.pass(800 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [] as [u64; 0]);
    w.pass(100 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [1]);
    w.pass(100 * MS);
    assert_eq!(seqs_to(&w.take(), "in"), [3]);
}

#[test]
fn backoff_steps() {
    let (mut w, _) = world(1, |c| {
        c.backoff_ns = vec![100_000_000, 300_000_000, 500_000_000];
        c.ack_wait_ns = 100_000_000;
    });
    for wait in [100, 300, 500, 500] {
        w.pass(wait * MS - 1);
        assert_eq!(seqs_to(&w.take(), "in"), [] as [u64; 0], "{wait}");
        w.pass(1);
        assert_eq!(seqs_to(&w.take(), "in"), [1], "{wait}");
    }
}

#[test]
fn max_deliver_gives_up_with_an_advisory() {
    let (mut w, acks) = world(2, |c| {
        c.max_deliver = 2;
        c.ack_wait_ns = 1_000_000_000;
    });
    w.ack(&acks[1], "", "");
    w.pass(SEC);
    assert_eq!(seqs_to(&w.take(), "in"), [1]);
    w.pass(SEC);
    assert_eq!(w.take(), ["! $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c"]);
    assert_eq!(floor(&mut w), (3, 2, 0));
    w.pass(10 * SEC);
    assert_eq!(w.take(), Vec::<String>::new());
}

#[test]
fn nak_of_the_last_delivery_gives_up_too() {
    let (mut w, acks) = world(1, |c| c.max_deliver = 1);
    w.ack(&acks[0], "-NAK", "");
    assert_eq!(
        w.round(),
        [
            "! $JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.c",
            "! $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c"
        ]
    );
    assert_eq!(w.info("c").num_redelivered, 0);
}

#[test]
fn term_ends_it() {
    let (mut w, acks) = world(1, |c| c.ack_wait_ns = 1_000_000_000);
    w.ack(&acks[0], "+TERM  because ", "ok");
    assert!(w.fx.advisories().iter().any(|a| matches!(a,
        types::advisory::Advisory::Terminated { reason, deliveries: 1, stream_seq: 1, .. }
            if reason == "because")));
    assert_eq!(w.round(), ["ok <-", "! $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c"]);
    w.pass(5 * SEC);
    assert_eq!(w.take(), Vec::<String>::new());
    assert_eq!(floor(&mut w), (1, 1, 0));
}

#[test]
fn next_acks_and_asks() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    for _ in 0..5 {
        w.publish("a", "x");
    }
    w.next("c", "in", "");
    let acks = acks_to(&w.round(), "in");
    w.sub("more");
    w.ack(&acks[0], "+NXT", "more");
    let acks = acks_to(&w.round(), "more");
    assert_eq!(acks.len(), 1);
    w.ack(&acks[0], "+NXT {\"batch\": 2}", "more");
    assert_eq!(seqs_to(&w.round(), "more"), [3, 4]);
    assert_eq!(floor(&mut w), (2, 2, 2));
    w.ack("$JS.ACK.S.c.1.3.3.0.0", "+NXT 5", "more");
    assert_eq!(seqs_to(&w.round(), "more"), [5]);
}

#[test]
fn max_ack_pending_stalls() {
    let mut w = World::new(config(&["a"]));
    let mut c = pull("c");
    c.max_ack_pending = 2;
    w.create(c);
    for _ in 0..5 {
        w.publish("a", "x");
    }
    w.next("c", "in", "10");
    let acks = acks_to(&w.round(), "in");
    assert_eq!(acks.len(), 2);
    w.ack(&acks[0], "", "");
    assert_eq!(seqs_to(&w.round(), "in"), [3]);
    assert_eq!(w.info("c").num_pending, 2);
}

#[test]
fn removed_messages_are_no_longer_pending() {
    let mut c = config(&["a"]);
    c.max_msgs = 3;
    let mut w = World::new(c);
    w.create(pull("c"));
    for _ in 0..3 {
        w.publish("a", "x");
    }
    w.next("c", "in", "2");
    w.round();
    w.publish("a", "x");
    assert_eq!(w.round(), ["! $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c"]);
    assert_eq!(floor(&mut w), (1, 1, 1));
    assert_eq!(w.info("c").num_pending, 2);
    for _ in 0..3 {
        w.publish("a", "x");
    }
    w.round();
    assert_eq!(floor(&mut w), (2, 2, 0));
    assert_eq!(w.info("c").num_pending, 3);
}

#[test]
fn a_removal_unblocks_a_stalled_consumer() {
    let mut c = config(&["a"]);
    c.max_msgs = 3;
    let mut w = World::new(c);
    let mut c = pull("c");
    c.max_ack_pending = 1;
    w.create(c);
    for _ in 0..3 {
        w.publish("a", "x");
    }
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [1]);
    w.publish("a", "x");
    assert_eq!(seqs_to(&w.round(), "in"), [2]);
}

#[test]
fn sampled_acks_are_reported() {
    let (mut w, acks) = world(2, |c| c.sample_freq = "100%".into());
    w.pass(3 * MS);
    w.take();
    w.ack(&acks[0], "+ACK", "");
    assert!(w.fx.advisories().iter().any(|a| matches!(
        a,
        types::advisory::Advisory::ConsumerAck { ack_time_ns: 3_000_000, stream_seq: 1, .. }
    )));
    let (mut w, acks) = world(2, |_| ());
    w.ack(&acks[0], "+ACK", "");
    assert_eq!(w.take(), Vec::<String>::new());
}
