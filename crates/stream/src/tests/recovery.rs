//! What a restart keeps.

use env::Crash;
use types::DeliverPolicy;

use super::harness::{MS, SEC, World, acks_to, config, pull, seqs_to};

fn world(n: usize) -> (World, Vec<String>) {
    let mut w = World::new(config(&["a.*"]));
    let mut c = pull("c");
    c.ack_wait_ns = 5_000_000_000;
    w.create(c);
    for n in 0..n {
        w.publish(&format!("a.{n}"), "x");
    }
    w.next("c", "in", "4");
    let acks = acks_to(&w.round(), "in");
    (w, acks)
}

#[test]
fn acknowledged_once_is_acknowledged_for_ever() {
    let (mut w, acks) = world(6);
    w.ack(&acks[0], "", "");
    w.ack(&acks[2], "", "ok");
    w.round();
    w.restart(u64::MAX);
    let info = w.info("c");
    assert_eq!((info.delivered.consumer_seq, info.delivered.stream_seq), (4, 4));
    assert_eq!((info.ack_floor.consumer_seq, info.ack_floor.stream_seq), (1, 1));
    assert_eq!((info.num_ack_pending, info.num_pending), (2, 2));
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [5, 6]);
    w.pass(5 * SEC);
    assert_eq!(seqs_to(&w.take(), "in"), [2, 4, 5, 6]);
}

#[test]
fn plain_acks_are_stored_soon() {
    let (mut w, acks) = world(4);
    w.pass(SEC);
    w.ack(&acks[0], "", "");
    w.pass(249 * MS);
    w.pass(MS);
    w.restart(u64::MAX);
    assert_eq!(w.info("c").ack_floor.stream_seq, 1);
}

#[test]
fn duplicates_are_known_after_a_restart() {
    let mut w = World::new(config(&["a"]));
    w.publish_with("a", "Nats-Msg-Id: old", "x", "");
    w.pass(100 * SEC);
    w.publish_with("a", "Nats-Msg-Id: new", "x", "");
    w.run();
    w.pass(30 * SEC);
    w.restart(u64::MAX);
    let new = w.ack_of("a", "Nats-Msg-Id: new", "x");
    assert_eq!(new, "{\"stream\":\"S\",\"seq\":2,\"duplicate\": true}");
    // The last id is known too, and the old one has lapsed.
    let old = w.ack_of("a", "Nats-Msg-Id: old|Nats-Expected-Last-Msg-Id: new", "x");
    assert_eq!(old, "{\"stream\":\"S\",\"seq\":3}");
}

#[test]
fn a_stream_that_lost_its_end_takes_consumers_along() {
    let (mut w, acks) = world(6);
    w.ack(&acks[0], "", "ok");
    w.round();
    w.restart(2);
    let info = w.info("c");
    assert_eq!((info.delivered.stream_seq, info.num_ack_pending, info.num_pending), (2, 1, 0));
    w.publish("a.new", "x");
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [3]);

    let (mut w, acks) = world(6);
    for ack in &acks {
        w.ack(ack, "", "ok");
    }
    w.round();
    w.restart(2);
    let info = w.info("c");
    assert_eq!((info.delivered.stream_seq, info.ack_floor.stream_seq), (2, 2));
    w.publish("a.new", "x");
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [3]);
}

#[test]
fn removed_while_pending() {
    let (mut w, _) = world(6);
    w.pass(SEC);
    for seq in [1, 3] {
        let erase = store::Erase::Keep;
        w.stream.store.remove(seq, erase, &mut |_| {}).unwrap();
    }
    w.restart(u64::MAX);
    let info = w.info("c");
    assert_eq!((info.num_ack_pending, info.ack_floor.stream_seq), (2, 1));
}

#[test]
fn a_list_of_last_messages_is_made_again() {
    let mut w = World::new(config(&["a.*"]));
    for subject in ["a.1", "a.2", "a.1", "a.2", "a.3"] {
        w.publish(subject, "x");
    }
    w.run();
    let mut c = pull("c");
    c.deliver_policy = DeliverPolicy::LastPerSubject;
    c.filter_subject = "a.*".into();
    w.create(c);
    w.restart(u64::MAX);
    assert_eq!(w.info("c").num_pending, 3);
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [3, 4, 5]);
}

#[test]
fn what_a_new_consumer_starts_behind_is_durable_before_it() {
    let mut w = World::on_disk(config(&["a"]));
    w.publish("a", "before");
    let mut c = pull("c");
    c.deliver_policy = DeliverPolicy::New;
    w.create(c);
    w.crash(Crash::DropUnsynced);
    assert_eq!((w.stream.state().last_seq, w.stream.state().lost), (1, None));
    w.publish("a", "after");
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [2]);
}
