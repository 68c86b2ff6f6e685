//! `sched.db`, byte by byte, and finding messages with schedules.

use types::StreamConfig;

use super::super::schedules::{decode, encode};
use crate::tests::{World, at, config, put};
use crate::*;

fn saved(subject: &str, seq: u64, due_ns: i64) -> SavedSchedule {
    SavedSchedule { subject: subject.into(), seq, due_ns }
}

#[test]
fn the_format() {
    let schedules = vec![saved("ab", 200, -1), saved("c", 3, 64)];
    let file = encode(201, &schedules);
    let mut expected = vec![1, 2, 0, 0, 0, 0, 0, 0, 0, 201, 0, 0, 0, 0, 0, 0, 0];
    expected.extend([2, 0, b'a', b'b', 0x01, 0xc8, 0x01]);
    expected.extend([1, 0, b'c', 0x80, 0x01, 3]);
    assert_eq!(file, expected);
    assert_eq!(decode(&file), Some(SavedSchedules { next_seq: 201, schedules }));
    for len in 0..file.len() {
        assert_eq!(decode(&file[..len]), None, "{len}");
    }
    let longer = [&file[..], &[0]].concat();
    assert_eq!(decode(&longer), None);
    // Another version, a count that the file cannot hold, a message that was not there yet.
    for (place, byte) in [(0, 2), (8, 0xff), (1, 3), (1, 1), (9, 200)] {
        let mut bad = file.clone();
        bad[place] = byte;
        assert_eq!(decode(&bad), None, "{place}");
    }
}

#[test]
fn schedules_are_kept_over_a_stop() {
    let world = World::new(400);
    let config = StreamConfig { allow_msg_schedules: true, ..config() };
    let mut store = world.create(&config);
    for number in 1..=60 {
        if number % 25 == 0 {
            let headers = b"NATS/1.0\r\nNats-Schedule: @every 1h\r\n\r\n";
            let msg =
                NewMsg { subject: b"s", headers, payload: b"x", ts: at(number), ttl_seconds: 0 };
            store.append(msg, &mut |_| {}).unwrap();
        } else {
            put(&mut store, "other", "some payload", number);
        }
    }
    store.flush(Durability::Synced).unwrap();
    let find = |store: &mut dyn StreamStore| {
        let mut found = Vec::new();
        while let Some(seq) = store.next_scheduled(found.last().map_or(0, |seq| seq + 1)).unwrap() {
            found.push(seq);
        }
        found
    };
    assert_eq!(find(&mut store), [25, 50]);
    assert_eq!(store.take_schedules(), SavedSchedules::default());
    // Without a stop, then with one.
    drop(store);
    let mut store = world.open();
    assert_eq!(find(&mut *store), [25, 50]);
    store.stop().unwrap();
    let schedules = vec![saved("s", 50, 1)];
    store.save_schedules(&schedules).unwrap();
    let mut store = world.open();
    assert_eq!(find(&mut *store), [25, 50]);
    assert_eq!(store.take_schedules(), SavedSchedules { next_seq: 61, schedules });
    world.edit("msgs/sched.db", |bytes| bytes.truncate(20));
    let mut store = world.open();
    assert_eq!(store.take_schedules(), SavedSchedules::default());
    let events = store.take_events();
    assert!(matches!(&events[..], [StoreEvent::Repaired(text)] if text.contains("sched.db")));
}
