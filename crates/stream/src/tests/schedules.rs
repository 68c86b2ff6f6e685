//! Message schedules: messages that have the stream store others when they are due.

use std::path::Path;

use env::Crash;
use types::StreamConfig;

use super::harness::{MS, SEC, World, config};

fn scheduling() -> StreamConfig {
    StreamConfig {
        allow_msg_schedules: true,
        allow_rollup_hdrs: true,
        allow_msg_ttl: true,
        ..config(&["a.*"])
    }
}

/// Subject, headers as lines and payload of a message.
fn stored(w: &mut World, seq: u64) -> String {
    w.stream.store.get(seq).unwrap().map_or(String::new(), |msg| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = text(msg.headers).replace("\r\n", "|");
        format!("{} {headers} {}", text(msg.subject), text(msg.payload))
    })
}

fn held(w: &mut World) -> Vec<u64> {
    let last = w.stream.state().last_seq;
    (1..=last).filter(|&seq| w.stream.store.get(seq).unwrap().is_some()).collect()
}

fn delete(w: &mut World, seq: u64) {
    let request = types::api::MsgDeleteRequest { seq, no_erase: true };
    w.with_ctx(|stream, ctx| stream.delete_msg(ctx, request)).unwrap();
}

/// The clock of a new world shows 2026-01-02T03:04:05Z.
const IN_TEN: &str = "Nats-Schedule: @at 2026-01-02T03:04:15Z|Nats-Schedule-Target: a.t";
const EVERY_TEN: &str = "Nats-Schedule: @every 10s|Nats-Schedule-Target: a.t";

#[test]
fn once_at_a_time() {
    let mut w = World::new(scheduling());
    w.publish_with("a.s", &format!("X: y|{IN_TEN}|Nats-Msg-Id: 1"), "hi", "");
    w.run();
    let schedule = stored(&mut w, 1);
    assert!(schedule.ends_with("|Nats-Msg-Id: 1|Nats-Rollup: sub|| hi"), "{schedule}");
    w.pass(10 * SEC - MS);
    assert_eq!(held(&mut w), [1]);
    w.pass(10 * MS);
    assert_eq!(held(&mut w), [2]);
    let made = "a.t NATS/1.0|X: y|Nats-Scheduler: a.s|Nats-Schedule-Next: purge|| hi";
    assert_eq!(stored(&mut w, 2), made);
    w.pass(100 * SEC);
    assert_eq!(held(&mut w), [2]);
}

#[test]
fn again_and_again() {
    let mut w = World::new(scheduling());
    w.publish_with("a.s", &format!("{EVERY_TEN}|Nats-Schedule-TTL: 5s"), "hi", "");
    w.pass(11 * SEC);
    assert_eq!(held(&mut w), [1, 2]);
    let made = "a.t NATS/1.0|Nats-Scheduler: a.s|Nats-Schedule-Next: 2026-01-02T03:04:25Z\
                |Nats-TTL: 5s|| hi";
    assert_eq!(stored(&mut w, 2), made);
    w.pass(8 * SEC);
    assert_eq!(held(&mut w), [1]);
    w.pass(2 * SEC);
    assert_eq!(held(&mut w), [1, 3]);
    // A message of its own ends it.
    w.publish("a.s", "stop");
    w.pass(60 * SEC);
    assert_eq!(held(&mut w), [1, 4]);
}

#[test]
fn what_is_replaced_or_removed_does_not_fire() {
    let mut w = World::new(scheduling());
    w.publish_with("a.s", IN_TEN, "old", "");
    let later = "Nats-Schedule: @at 2026-01-02T03:04:35Z|Nats-Schedule-Target: a.t";
    w.publish_with("a.s", later, "new", "");
    w.publish_with("a.r", IN_TEN, "removed", "");
    w.publish_with("a.p", IN_TEN, "purged", "");
    w.publish_with("a.x", "Nats-Schedule-Next: purge|Nats-Scheduler: a.p", "", "");
    w.run();
    delete(&mut w, 3);
    assert_eq!(held(&mut w), [2, 5]);
    w.pass(20 * SEC);
    assert_eq!(held(&mut w), [2, 5]);
    w.pass(11 * SEC);
    assert_eq!(held(&mut w), [5, 6]);
    assert!(stored(&mut w, 6).ends_with("new"));
}

#[test]
fn a_source_gives_the_content() {
    let mut w = World::new(scheduling());
    let lines = format!("{IN_TEN}|Nats-Schedule-Source: a.d|Nats-Schedule-Rollup: sub");
    w.publish_with("a.s", &lines, "own", "");
    w.publish("a.d", "first");
    w.publish_with("a.d", "K: v|Nats-TTL: 1h|Nats-Expected-Last-Sequence: 2", "last", "");
    w.publish("a.t", "rolled up");
    w.pass(11 * SEC);
    let made =
        "a.t NATS/1.0|K: v|Nats-Scheduler: a.s|Nats-Schedule-Next: purge|Nats-Rollup: sub|| last";
    assert_eq!(stored(&mut w, 5), made);
    assert_eq!(held(&mut w), [2, 3, 5]);
    // Without one, its own.
    let lines = "Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-Source: a.none";
    w.publish_with("a.s", lines, "own", "");
    w.pass(2 * SEC);
    assert!(stored(&mut w, 7).ends_with("own"));
}

#[test]
fn refusals() {
    let mut w = World::new(StreamConfig { allow_msg_ttl: false, ..scheduling() });
    let mut code = |lines: &str| {
        let ack = w.ack_of("a.s", lines, "x");
        let found = ack.split_once("\"err_code\":").map(|(_, rest)| rest[..5].to_owned());
        found.unwrap_or(ack)
    };
    for (lines, expected) in [
        ("Nats-Schedule: soon|Nats-Schedule-Target: a.t", "10189"),
        ("Nats-Schedule: @every 1s", "10190"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.*", "10190"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.s", "10190"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: b.t", "10190"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-TTL: x", "10191"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-TTL: 1s", "10166"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-Rollup: all", "10192"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Rollup: all", "10192"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-Source: a.t", "10203"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-Source: a.s", "10203"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Target: a.t|Nats-Schedule-Source: b.s", "10203"),
        ("Nats-Schedule: @every 1s|Nats-Schedule-Time-Zone: UTC", "10189"),
        ("Nats-Schedule: @daily|Nats-Schedule-Time-Zone: Mars", "10223"),
        ("Nats-Scheduler: a.t", "10212"),
        ("Nats-Schedule-Next: purge", "10212"),
        ("Nats-Schedule-Next: purge|Nats-Scheduler: a.s", "10212"),
        ("Nats-Schedule-Next: purge|Nats-Scheduler: a.*", "10212"),
        ("Nats-Schedule-Next: 2026-01-02T03:04:15Z|Nats-Scheduler: a.t", "10212"),
    ] {
        assert_eq!(code(lines), expected, "{lines}");
    }
    assert_eq!(code(EVERY_TEN), "{\"stream\":\"S\",\"seq\":1}");
    let mut w = World::new(config(&["a.*"]));
    for lines in [EVERY_TEN, "Nats-Schedule: x", "Nats-Schedule-Next: purge|Nats-Scheduler: a.t"] {
        let ack = w.ack_of("a.s", lines, "x");
        assert!(ack.contains("10188"), "{lines}: {ack}");
    }
    assert!(w.ack_of("a.s", "Nats-Schedule-Time-Zone: UTC", "x").contains("\"seq\":1"));
}

#[test]
fn a_batch_brings_schedules() {
    let mut w = World::new(StreamConfig { allow_atomic: true, ..scheduling() });
    w.publish_with("a.1", &format!("Nats-Batch-Id: b|Nats-Batch-Sequence: 1|{IN_TEN}"), "x", "");
    let last = "Nats-Batch-Id: b|Nats-Batch-Sequence: 2|Nats-Batch-Commit: 1";
    w.publish_with("a.2", last, "y", "");
    w.pass(11 * SEC);
    assert_eq!(held(&mut w), [2, 3]);
    assert!(stored(&mut w, 3).starts_with("a.t "));
}

#[test]
fn what_was_taken_back_does_not_fire() {
    let mut w = World::new(scheduling());
    w.publish_with("a.s", EVERY_TEN, "x", "");
    w.run();
    w.fail.store(true, std::sync::atomic::Ordering::Relaxed);
    w.publish_with("a.r", IN_TEN, "x", "");
    w.run();
    w.fail.store(false, std::sync::atomic::Ordering::Relaxed);
    w.pass(11 * SEC);
    let last = w.stream.state().last_seq;
    assert!(stored(&mut w, last).starts_with("a.t "));
}

#[test]
fn a_full_stream_fires_when_there_is_room() {
    let mut w =
        World::new(StreamConfig { max_msgs: 2, discard: types::Discard::New, ..scheduling() });
    w.publish_with("a.s", IN_TEN, "x", "");
    w.publish("a.1", "in the way");
    w.pass(30 * SEC);
    assert_eq!(held(&mut w), [1, 2]);
    delete(&mut w, 2);
    w.pass(2 * SEC);
    assert_eq!(held(&mut w), [3]);
}

#[test]
fn interest_that_nobody_has_ends_a_schedule_too() {
    let mut w = World::new(StreamConfig { retention: types::Retention::Interest, ..scheduling() });
    let mut all = super::harness::pull("c");
    all.filter_subject = "a.s".into();
    w.create(all);
    w.publish_with("a.s", IN_TEN, "x", "");
    w.run();
    assert_eq!(held(&mut w), [1]);
    w.pass(60 * SEC);
    assert_eq!((held(&mut w).len(), w.stream.state().last_seq), (0, 2));
}

#[test]
fn a_kill_loses_no_schedule() {
    for crash in [Crash::KeepAll, Crash::DropUnsynced] {
        let mut w = World::on_disk(scheduling());
        w.publish_with("a.s", IN_TEN, "once", "");
        w.publish_with("a.e", EVERY_TEN.replace("a.t", "a.u").as_str(), "every", "");
        w.run();
        w.crash(crash);
        w.pass(11 * SEC);
        assert_eq!(held(&mut w), [2, 3, 4]);
        // What fired does not fire again, and goes on when it was to.
        w.crash(crash);
        w.pass(8 * SEC);
        assert_eq!(held(&mut w), [2, 3, 4]);
        w.pass(2 * SEC);
        assert_eq!(held(&mut w), [2, 3, 4, 5]);
        // While nobody was there it fell due.
        w.publish_with(
            "a.s",
            "Nats-Schedule: @at 2026-01-02T03:05:00Z|Nats-Schedule-Target: a.t",
            "x",
            "",
        );
        w.run();
        w.mono += 100 * SEC;
        w.crash(crash);
        w.pass(SEC);
        assert_eq!(held(&mut w), [2, 3, 4, 5, 7, 8]);
        assert!(stored(&mut w, 7).starts_with("a.u "));
        assert!(stored(&mut w, 8).starts_with("a.t "));
    }
}

#[test]
fn a_stop_keeps_the_schedules() {
    let mut w = World::on_disk(scheduling());
    w.publish_with("a.s", EVERY_TEN, "x", "");
    w.publish_with("a.o", IN_TEN, "x", "");
    w.pass(11 * SEC);
    w.publish_with("a.r", &IN_TEN.replace("03:04:15", "03:04:55"), "x", "");
    w.run();
    let held_before = held(&mut w);
    let mut fx = crate::Effects::new();
    w.stream.stop(&mut fx).unwrap();
    let path = Path::new("/js/A/streams/S/msgs/sched.db");
    let file = env::Disk::read(w.disk(), path).unwrap();
    assert_eq!(file.first(), Some(&1));
    assert_eq!(file[1..9], 2u64.to_le_bytes());
    assert_eq!(file[9..17], (w.stream.state().last_seq + 1).to_le_bytes());
    w.crash(Crash::KeepAll);
    assert_eq!(held(&mut w), held_before);
    w.pass(10 * SEC);
    let last = w.stream.state().last_seq;
    assert!(stored(&mut w, last).contains("Nats-Scheduler: a.s"));
    // The file is of an earlier time now; and without it, or with a damaged one, it is the same.
    for content in [None, Some(&b"\x01junk"[..]), Some(&file[..file.len() - 1])] {
        if let Some(content) = content {
            w.disk().plant(path, content.to_vec());
        }
        w.crash(Crash::KeepAll);
        let before = held(&mut w).len();
        w.pass(9 * SEC);
        assert!(held(&mut w).len() <= before + 1);
        w.pass(2 * SEC);
    }
    let all: Vec<String> = held(&mut w).into_iter().map(|seq| stored(&mut w, seq)).collect();
    let fired = |by: &str| all.iter().filter(|m| m.contains(&format!("Scheduler: {by}|"))).count();
    assert_eq!((fired("a.o"), fired("a.r")), (1, 1), "{all:?}");
    assert_eq!(fired("a.s"), 5, "{all:?}");
}
