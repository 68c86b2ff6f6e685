//! Interest and work-queue retention.

use types::api::ConsumerAction;
use types::{AckPolicy, Retention, StreamConfig};

use super::harness::{SEC, World, acks_to, config, pull, seqs_to};

fn retained(retention: Retention) -> StreamConfig {
    StreamConfig { retention, ..config(&["a.>"]) }
}

fn held(w: &World) -> (u64, u64, u64) {
    let state = w.stream.state();
    (state.msgs, state.first_seq, state.last_seq)
}

#[test]
fn interest_without_consumers_keeps_nothing() {
    let mut w = World::new(retained(Retention::Interest));
    assert_eq!(w.ack_of("a.1", "", "x"), "{\"stream\":\"S\",\"seq\":1}");
    assert_eq!(w.ack_of("a.1", "Nats-Msg-Id: 1", "x"), "{\"stream\":\"S\",\"seq\":2}");
    assert_eq!(held(&w), (0, 3, 2));
    assert_eq!(
        w.ack_of("a.1", "Nats-Msg-Id: 1", "x"),
        "{\"stream\":\"S\",\"seq\":2,\"duplicate\": true}"
    );
    let mut c = pull("c");
    c.filter_subject = "a.2".into();
    w.create(c);
    assert_eq!(w.ack_of("a.2", "", "x"), "{\"stream\":\"S\",\"seq\":3}");
    assert_eq!(w.ack_of("a.1", "", "x"), "{\"stream\":\"S\",\"seq\":4}");
    assert_eq!(w.ack_of("a.2", "", "x"), "{\"stream\":\"S\",\"seq\":5}");
    assert_eq!(held(&w), (2, 3, 5));
    w.next("c", "in", "5");
    assert_eq!(seqs_to(&w.round(), "in"), [3, 5]);
    assert_eq!(w.server.used(types::Storage::Memory), w.stream.state().bytes);
}

#[test]
fn interest_waits_for_all_that_want_it() {
    let mut w = World::new(retained(Retention::Interest));
    w.create(pull("all"));
    let mut c = pull("one");
    c.filter_subject = "a.1".into();
    w.create(c);
    let mut c = pull("none");
    c.filter_subject = "a.2".into();
    c.ack_policy = AckPolicy::None;
    w.create(c);
    w.publish("a.1", "x");
    w.publish("a.2", "x");
    w.publish("a.3", "x");
    w.next("all", "in", "5");
    let acks = acks_to(&w.round(), "in");
    for ack in &acks {
        w.ack(ack, "", "");
    }
    w.round();
    assert_eq!(held(&w), (2, 1, 3));
    w.next("none", "n", "5");
    assert_eq!(seqs_to(&w.round(), "n"), [2]);
    assert_eq!(held(&w), (1, 1, 3));
    w.next("one", "o", "5");
    let acks = acks_to(&w.round(), "o");
    w.ack(&acks[0], "", "");
    assert_eq!(held(&w), (0, 4, 3));
    assert_eq!(w.server.used(types::Storage::Memory), 0);
    for name in ["all", "one", "none"] {
        assert_eq!(w.info(name).num_pending, 0);
    }
}

#[test]
fn a_leaving_consumer_takes_its_interest_along() {
    let mut w = World::new(retained(Retention::Interest));
    w.create(pull("c"));
    w.create(pull("d"));
    for _ in 0..3 {
        w.publish("a.1", "x");
    }
    w.next("c", "in", "2");
    for ack in acks_to(&w.round(), "in") {
        w.ack(&ack, "", "");
    }
    assert_eq!(held(&w), (3, 1, 3));
    delete(&mut w, "d");
    assert_eq!(held(&w), (1, 3, 3));
    delete(&mut w, "c");
    assert_eq!(held(&w).0, 0);
}

fn delete(w: &mut World, name: &str) {
    let (now, mono_ns) = (w.ctx().now, w.ctx().mono_ns);
    let World { stream, subs, fx, .. } = w;
    stream.delete_consumer(&crate::Ctx { now, mono_ns, interest: &*subs }, name, fx).unwrap();
}

#[test]
fn work_queue_removes_on_ack_and_keeps_the_rest() {
    let mut w = World::new(retained(Retention::WorkQueue));
    w.publish("a.1", "x");
    w.publish("a.2", "x");
    w.publish("a.1", "x");
    w.run();
    assert_eq!(held(&w), (3, 1, 3));
    let mut c = pull("c");
    c.filter_subject = "a.1".into();
    c.max_deliver = 1;
    c.ack_wait_ns = 1_000_000_000;
    w.create(c);
    w.next("c", "in", "5");
    let acks = acks_to(&w.round(), "in");
    w.ack(&acks[0], "+TERM", "");
    assert_eq!(held(&w), (2, 2, 3));
    // Given up is not acknowledged: it stays, and a late ack still removes it.
    w.pass(SEC);
    assert_eq!(held(&w), (2, 2, 3));
    w.ack(&acks[1], "+ACK", "");
    assert_eq!(held(&w), (1, 2, 3));
    delete(&mut w, "c");
    assert_eq!(held(&w), (1, 2, 3));
}

#[test]
fn work_queue_consumers_do_not_overlap() {
    let mut w = World::new(retained(Retention::WorkQueue));
    let filtered = |name: &str, filter: &str| {
        let mut c = pull(name);
        c.filter_subject = filter.into();
        c
    };
    let code = |w: &mut World, c: types::ConsumerConfig| {
        w.try_create(c, ConsumerAction::CreateOrUpdate).map(|_| 0).unwrap_or_else(|e| e.err_code)
    };
    let mut c = pull("c");
    c.ack_policy = AckPolicy::All;
    assert_eq!(code(&mut w, c), 10098);
    let mut c = pull("c");
    c.deliver_policy = types::DeliverPolicy::New;
    assert_eq!(code(&mut w, c), 10101);
    assert_eq!(code(&mut w, filtered("c", "a.1.*")), 0);
    assert_eq!(code(&mut w, pull("d")), 10099);
    assert_eq!(code(&mut w, filtered("d", "a.*.2")), 10100);
    assert_eq!(code(&mut w, filtered("d", "a.2.>")), 0);
    assert_eq!(code(&mut w, filtered("d", "a.>")), 10100);
    assert_eq!(code(&mut w, filtered("d", "a.3.>")), 0);
}

#[test]
fn ack_all_removes_everything_below() {
    let mut w = World::new(retained(Retention::Interest));
    let mut c = pull("c");
    c.ack_policy = AckPolicy::All;
    w.create(c);
    for _ in 0..4 {
        w.publish("a.1", "x");
    }
    w.next("c", "in", "4");
    let acks = acks_to(&w.round(), "in");
    w.ack(&acks[2], "", "");
    assert_eq!(held(&w), (1, 4, 4));
}

#[test]
fn acked_before_a_crash_is_removed_after_it() {
    let mut w = World::new(retained(Retention::Interest));
    w.create(pull("c"));
    w.create(pull("d"));
    for _ in 0..3 {
        w.publish("a.1", "x");
    }
    for (consumer, inbox) in [("c", "in"), ("d", "jn")] {
        w.next(consumer, inbox, "2");
        let acks = acks_to(&w.round(), inbox);
        w.ack(&acks[1], "", "ok");
        w.round();
    }
    assert_eq!(held(&w), (2, 1, 3));
    w.restart(u64::MAX);
    assert_eq!(held(&w), (2, 1, 3));
    assert_eq!(w.info("c").num_pending, 1);
}
