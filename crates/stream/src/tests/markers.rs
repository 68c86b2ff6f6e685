//! Subject delete markers: what takes the place of the last message of a subject.

use types::StreamConfig;

use super::harness::{MS, SEC, World, config, pull};

fn marked() -> StreamConfig {
    StreamConfig {
        allow_msg_ttl: true,
        allow_rollup_hdrs: true,
        subject_delete_marker_ttl_ns: 60_000_000_000,
        max_age_ns: 10_000_000_000,
        ..config(&["a.*"])
    }
}

fn headers_of(w: &mut World, seq: u64) -> String {
    let msg = w.stream.store.get(seq).unwrap();
    msg.map_or(String::new(), |msg| String::from_utf8(msg.headers.to_vec()).unwrap())
}

const MARKER: &str =
    "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 1m0s\r\nNats-Rollup: sub\r\n\r\n";

#[test]
fn the_last_message_of_a_subject_leaves_a_marker() {
    let mut w = World::new(marked());
    w.publish("a.1", "x");
    w.publish("a.1", "y");
    w.publish("a.2", "z");
    w.run();
    w.pass(10 * SEC - MS);
    assert_eq!(w.stream.state().msgs, 3);
    w.pass(10 * MS);
    w.run();
    let state = w.stream.state();
    assert_eq!((state.msgs, state.first_seq, state.last_seq), (2, 4, 5));
    assert_eq!(headers_of(&mut w, 4), MARKER);
    assert_eq!(headers_of(&mut w, 5), MARKER);
    // A marker leaves none.
    w.pass(61 * SEC);
    w.run();
    assert_eq!((w.stream.state().msgs, w.stream.state().last_seq), (0, 5));
}

#[test]
fn a_lifetime_leaves_a_marker_too() {
    let mut c = marked();
    c.max_age_ns = 0;
    let mut w = World::new(c);
    w.publish_with("a.1", "Nats-TTL: 90", "x", "");
    w.publish_with("a.2", "Nats-TTL: never", "x", "");
    w.publish_with("a.3", "Nats-TTL: 90|KV-Operation: PURGE", "", "");
    w.run();
    w.pass(91 * SEC);
    w.run();
    assert_eq!((w.stream.state().msgs, w.stream.state().last_seq), (2, 4));
    assert_eq!(headers_of(&mut w, 4), MARKER);
    assert_eq!(w.stream.store.get(4).unwrap().unwrap().subject, b"a.1");
}

#[test]
fn short_lifetimes_are_raised() {
    let mut w = World::new(marked());
    w.publish_with("a.1", "Nats-TTL: 5", "x", "");
    w.publish_with("a.1", "Nats-TTL: 60", "x", "");
    assert_eq!(headers_of(&mut w, 1), "NATS/1.0\r\nNats-TTL: 60\r\n\r\n");
    assert_eq!(headers_of(&mut w, 2), "NATS/1.0\r\nNats-TTL: 60\r\n\r\n");
}

#[test]
fn consumers_get_markers() {
    let mut w = World::new(marked());
    w.create(pull("c"));
    w.publish("a.1", "x");
    w.next("c", "in", "1");
    w.run();
    w.take();
    w.next("c", "in", "1");
    w.pass(11 * SEC);
    w.run();
    let out = w.take();
    assert!(out.iter().any(|line| line.contains("Nats-Marker-Reason")), "{out:?}");
}

#[test]
fn markers_survive_a_restart() {
    let mut w = World::on_disk(marked());
    w.publish("a.1", "x");
    w.run();
    w.crash(env::Crash::KeepAll);
    w.pass(11 * SEC);
    w.run();
    w.crash(env::Crash::DropUnsynced);
    assert_eq!((w.stream.state().msgs, w.stream.state().last_seq), (1, 2));
    assert_eq!(headers_of(&mut w, 2), MARKER);
}
