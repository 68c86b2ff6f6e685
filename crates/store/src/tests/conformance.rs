//! What any stream store must do, as plain scenarios: run for each implementation.

use types::{Compression, Discard, StreamConfig};

use super::{World, at, config, msg, payload_of, put, seqs};
use crate::*;

type Make<'f> = &'f dyn Fn(&StreamConfig) -> Box<dyn StreamStore>;

fn run(make: Make<'_>) {
    empty(make);
    appends_count_up(make);
    message_fields(make);
    limits_one_by_one(make);
    discard_new(make);
    discard_new_per_subject(make);
    replacing_under_discard_new(make);
    removes(make);
    purges(make);
    purge_beyond_the_end(make);
    ages(make);
    lifetimes(make);
    times(make);
    config_changes(make);
    left_out(make);
}

#[test]
fn memory() {
    run(&|config| Box::new(MemStore::new(config)));
}

#[test]
fn file() {
    run(&|config| Box::new(World::new(0).create(config)));
}

#[test]
fn file_with_tiny_blocks() {
    run(&|config| Box::new(World::new(100).create(config)));
}

#[test]
fn file_encrypted() {
    for cipher in [StoreCipher::ChaCha, StoreCipher::Aes] {
        for (block_bytes, compression) in
            [(0, Compression::None), (100, Compression::None), (300, Compression::S2)]
        {
            run(&|config| {
                let mut world = World::new(block_bytes);
                world.options.encryption = Some(super::encryption::keyed(cipher, "key", ""));
                Box::new(world.create(&StreamConfig { compression, ..config.clone() }))
            });
        }
    }
}

#[test]
fn file_compressed() {
    run(&|config| {
        let config = StreamConfig { compression: Compression::S2, ..config.clone() };
        Box::new(World::new(300).create(&config))
    });
}

fn empty(make: Make<'_>) {
    let mut store = make(&config());
    let totals = store.totals();
    assert_eq!((totals.first_seq, totals.last_seq, totals.msgs), (1, 0, 0));
    assert!(totals.first_ts.is_zero() && totals.last_ts.is_zero());
    assert_eq!(store.get(0).unwrap(), None);
    assert_eq!(store.get(1).unwrap(), None);
    assert_eq!(store.next_match(&Filter::all(), 0).unwrap(), None);
    assert_eq!(store.last_match(&Filter::all(), u64::MAX).unwrap(), None);
    assert_eq!(store.seq_at_time(at(0)), 1);
    assert_eq!(store.next_expiry(), None);
    assert_eq!(store.purge(&Purge::default(), &mut |_| {}).unwrap(), 0);
    store.flush(Durability::Synced).unwrap();
    assert!(!store.is_dirty());
    let mut late = make(&StreamConfig { first_seq: 100, ..config() });
    assert_eq!(late.totals().first_seq, 100);
    assert_eq!(put(&mut *late, "a", "x", 1), 100);
}

fn appends_count_up(make: Make<'_>) {
    let mut store = make(&config());
    for number in 1..=300 {
        assert_eq!(put(&mut *store, &format!("a.{}", number % 7), "x", number), number as u64);
    }
    assert_eq!(store.totals().msgs, 300);
    assert_eq!(store.totals().num_subjects, 7);
    assert_eq!(store.totals().first_ts, at(1));
    assert_eq!(store.totals().last_ts, at(300));
    store.flush(Durability::Synced).unwrap();
    assert_eq!(put(&mut *store, "b", "y", 301), 301);
    assert_eq!(seqs(&mut *store).len(), 301);
}

fn message_fields(make: Make<'_>) {
    let mut store = make(&config());
    let headers: &[u8] = b"NATS/1.0\r\nK: v\r\n\r\n";
    let new = NewMsg { headers, ..msg("s.t", "body", 5) };
    let size = store.size_of(3, headers.len(), 4);
    store.append(new, &mut |_| {}).unwrap();
    store.append(msg("e", "", 6), &mut |_| {}).unwrap();
    for _ in 0..2 {
        let got = store.get(1).unwrap().unwrap();
        let want = MsgRef { seq: 1, ts: at(5), subject: b"s.t", headers, payload: b"body" };
        assert_eq!(got, want);
        assert_eq!(store.get(2).unwrap().unwrap().payload, b"");
        store.flush(Durability::Synced).unwrap();
    }
    assert_eq!(store.totals().bytes, size + store.size_of(1, 0, 0));
}

fn limits_one_by_one(make: Make<'_>) {
    let mut store = make(&StreamConfig { max_msgs: 3, ..config() });
    let mut gone = Vec::new();
    for number in 1..=5 {
        store.append(msg("a", "x", number), &mut |r| gone.push(r.seq)).unwrap();
        assert_eq!(gone.len() as i64, (number - 3).max(0), "after {number}");
    }
    assert_eq!(gone, [1, 2]);
    let size = store.size_of(1, 0, 10);
    let max_bytes = size as i64 * 3;
    let mut store = make(&StreamConfig { max_bytes, ..config() });
    for number in 1..=3 {
        put(&mut *store, "a", "0123456789", number);
    }
    assert_eq!((store.totals().msgs, store.totals().bytes), (3, size * 3));
    put(&mut *store, "a", "", 4);
    assert_eq!(seqs(&mut *store), [2, 3, 4]);
    let mut store = make(&StreamConfig { max_msgs_per_subject: 2, ..config() });
    for (number, subject) in ["a", "b", "a", "a", "b", "c"].into_iter().enumerate() {
        put(&mut *store, subject, "x", number as i64);
    }
    assert_eq!(seqs(&mut *store), [2, 3, 4, 5, 6]);
    assert_eq!(store.totals().num_deleted, 0);
}

fn refusal(store: &mut dyn StreamStore, subject: &str, payload: &str) -> String {
    let before = store.totals();
    let error =
        store.append(msg(subject, payload, 9), &mut |_| panic!("nothing goes")).unwrap_err();
    assert_eq!(store.totals(), before);
    error.to_string()
}

fn discard_new(make: Make<'_>) {
    let mut store = make(&StreamConfig { max_msgs: 2, discard: Discard::New, ..config() });
    put(&mut *store, "a", "x", 1);
    put(&mut *store, "a", "x", 2);
    assert_eq!(refusal(&mut *store, "a", "x"), "maximum messages exceeded");
    store.remove(1, Erase::Keep, &mut |_| {}).unwrap();
    assert_eq!(put(&mut *store, "a", "x", 3), 3);
    let max_bytes = store.size_of(1, 0, 5) as i64 * 2;
    let mut store = make(&StreamConfig { max_bytes, discard: Discard::New, ..config() });
    put(&mut *store, "a", "12345", 1);
    assert_eq!(refusal(&mut *store, "a", "123456"), "maximum bytes exceeded");
    assert_eq!(put(&mut *store, "a", "12345", 1), 2);
}

fn discard_new_per_subject(make: Make<'_>) {
    let mut store = make(&StreamConfig {
        max_msgs_per_subject: 1,
        discard: Discard::New,
        discard_new_per_subject: true,
        ..config()
    });
    put(&mut *store, "a", "x", 1);
    assert_eq!(refusal(&mut *store, "a", "x"), "maximum messages per subject exceeded");
    let rollup = NewMsg { headers: b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n", ..msg("a", "y", 2) };
    let mut gone = Vec::new();
    store.append(rollup, &mut |r| gone.push(r.seq)).unwrap();
    assert_eq!(gone, [1]);
    put(&mut *store, "b", "x", 3);
}

fn replacing_under_discard_new(make: Make<'_>) {
    let mut store = make(&StreamConfig {
        max_msgs_per_subject: 1,
        max_msgs: 2,
        discard: Discard::New,
        ..config()
    });
    put(&mut *store, "a", "x", 1);
    put(&mut *store, "b", "x", 2);
    put(&mut *store, "a", "y", 3);
    assert_eq!(refusal(&mut *store, "c", "x"), "maximum messages exceeded");
    assert_eq!(seqs(&mut *store), [2, 3]);
}

fn removes(make: Make<'_>) {
    let mut store = make(&config());
    for number in 1..=6 {
        put(&mut *store, &format!("a.{}", number % 2), "x", number);
    }
    let mut told = Vec::new();
    let size = store.size_of(3, 0, 1);
    for (seq, erase) in [(3, Erase::Keep), (6, Erase::Overwrite), (1, Erase::Keep)] {
        let done = store
            .remove(seq, erase, &mut |r| {
                told.push((r.seq, String::from_utf8(r.subject.to_vec()).unwrap(), r.bytes));
            })
            .unwrap();
        assert!(done);
        assert_eq!(store.get(seq).unwrap(), None);
        assert!(!store.remove(seq, erase, &mut |_| {}).unwrap(), "{seq} twice");
    }
    assert_eq!(
        told,
        [(3, "a.1".to_owned(), size), (6, "a.0".to_owned(), size), (1, "a.1".to_owned(), size)]
    );
    assert!(!store.remove(0, Erase::Keep, &mut |_| {}).unwrap());
    assert!(!store.remove(7, Erase::Keep, &mut |_| {}).unwrap());
    let totals = store.totals();
    assert_eq!((totals.first_seq, totals.last_seq, totals.msgs), (2, 6, 3));
    assert_eq!((totals.first_ts, totals.last_ts), (at(2), at(6)));
    assert_eq!(store.deleted(10), [3, 6]);
    assert_eq!(put(&mut *store, "n", "x", 7), 7, "a removed sequence is not used again");
}

fn purges(make: Make<'_>) {
    let filled = || {
        let mut store = make(&config());
        for number in 1..=9 {
            put(&mut *store, ["a", "b", "c"][number as usize % 3], "x", number);
        }
        store
    };
    let purge = |purge: Purge| {
        let mut store = filled();
        let mut gone = Vec::new();
        let count = store.purge(&purge, &mut |r| gone.push(r.seq)).unwrap();
        assert_eq!(count, gone.len() as u64);
        assert_eq!(store.totals().last_seq, 9);
        seqs(&mut *store)
    };
    let a = Filter::any_of(["a"]);
    assert!(purge(Purge::default()).is_empty());
    assert_eq!(purge(Purge { below_seq: 4, ..Purge::default() }), [4, 5, 6, 7, 8, 9]);
    assert!(purge(Purge { below_seq: 10, ..Purge::default() }).is_empty());
    assert_eq!(purge(Purge { below_seq: 1, ..Purge::default() }).len(), 9);
    assert_eq!(purge(Purge { keep: 2, ..Purge::default() }), [8, 9]);
    assert_eq!(purge(Purge { keep: 9, ..Purge::default() }).len(), 9);
    assert_eq!(purge(Purge { filter: a.clone(), ..Purge::default() }), [1, 2, 4, 5, 7, 8]);
    assert_eq!(
        purge(Purge { filter: a.clone(), keep: 1, ..Purge::default() }),
        [1, 2, 4, 5, 7, 8, 9]
    );
    assert_eq!(
        purge(Purge { filter: a, below_seq: 6, ..Purge::default() }),
        [1, 2, 4, 5, 6, 7, 8, 9]
    );
    let mut store = filled();
    store.purge(&Purge::default(), &mut |_| {}).unwrap();
    let totals = store.totals();
    assert_eq!((totals.first_seq, totals.bytes, totals.num_subjects), (10, 0, 0));
    assert_eq!(put(&mut *store, "a", "again", 10), 10);
    assert_eq!(payload_of(&mut *store, 10).as_deref(), Some("again"));
}

fn purge_beyond_the_end(make: Make<'_>) {
    let mut store = make(&config());
    put(&mut *store, "a", "x", 1);
    let purge = Purge { below_seq: 50, ..Purge::default() };
    assert_eq!(store.purge(&purge, &mut |_| {}).unwrap(), 1);
    assert_eq!((store.totals().first_seq, store.totals().last_seq), (50, 49));
    assert_eq!(put(&mut *store, "a", "x", 2), 50);
}

fn ages(make: Make<'_>) {
    let mut store = make(&StreamConfig { max_age_ns: 10_000_000_000, ..config() });
    assert_eq!(store.next_expiry(), None);
    for number in 0..4 {
        put(&mut *store, "a", "x", number);
    }
    assert_eq!(store.next_expiry(), Some(at(10)));
    let just_before = types::Timestamp::from_unix_ns(at(10).unix_ns() - 1);
    store.expire(just_before, &mut |_| panic!("too early")).unwrap();
    let mut gone = Vec::new();
    let next = store.expire(at(11), &mut |r| gone.push(r.seq)).unwrap();
    assert_eq!((gone, next), (vec![1, 2], Some(at(12))));
    assert_eq!(store.expire(at(99), &mut |_| {}).unwrap(), None);
    assert_eq!(store.totals().first_seq, 5);
    assert_eq!(put(&mut *store, "a", "x", 100), 5);
    assert_eq!(store.next_expiry(), Some(at(110)));
}

fn lifetimes(make: Make<'_>) {
    let mut store =
        make(&StreamConfig { max_age_ns: 10_000_000_000, allow_msg_ttl: true, ..config() });
    let mut add = |ttl_seconds, header: &str, seconds| {
        let headers = format!("NATS/1.0\r\nNats-TTL: {header}\r\n\r\n").into_bytes();
        let new = NewMsg { headers: &headers, ttl_seconds, ..msg("a", "x", seconds) };
        store.append(new, &mut |_| {}).unwrap()
    };
    add(-1, "never", 0);
    add(3, "3s", 0);
    add(60, "1m", 0);
    put(&mut *store, "a", "x", 1);
    assert_eq!(store.next_expiry(), Some(at(3)));
    let mut gone = Vec::new();
    assert_eq!(store.expire(at(3), &mut |r| gone.push(r.seq)).unwrap(), Some(at(10)));
    assert_eq!(gone, [2]);
    assert_eq!(store.expire(at(10), &mut |r| gone.push(r.seq)).unwrap(), Some(at(11)));
    assert_eq!(gone, [2, 3], "max_age holds for a longer lifetime too");
    assert_eq!(store.expire(at(11), &mut |r| gone.push(r.seq)).unwrap(), None);
    assert_eq!(seqs(&mut *store), [1], "never means never");
    put(&mut *store, "a", "x", 20);
    assert_eq!(store.next_expiry(), Some(at(30)));
}

fn times(make: Make<'_>) {
    let mut store = make(&config());
    for number in 1..=20 {
        put(&mut *store, "a", "x", number * 10);
    }
    store.remove(5, Erase::Keep, &mut |_| {}).unwrap();
    for (seconds, seq) in [(0, 1), (10, 1), (11, 2), (50, 6), (60, 6), (200, 20), (201, 21)] {
        assert_eq!(store.seq_at_time(at(seconds)), seq, "at {seconds}");
    }
}

fn config_changes(make: Make<'_>) {
    let mut store = make(&config());
    for number in 1..=8 {
        put(&mut *store, ["a", "b"][number as usize % 2], "x", number);
    }
    let mut gone = Vec::new();
    let fewer = StreamConfig { max_msgs_per_subject: 3, ..config() };
    store.update_config(&fewer, &mut |r| gone.push(r.seq)).unwrap();
    gone.sort_unstable();
    assert_eq!(gone, [1, 2]);
    let least = StreamConfig { max_msgs: 2, ..config() };
    store.update_config(&least, &mut |_| {}).unwrap();
    assert_eq!(seqs(&mut *store), [7, 8]);
    put(&mut *store, "a", "x", 9);
    assert_eq!(seqs(&mut *store), [8, 9]);
}

fn left_out(make: Make<'_>) {
    let mut store = make(&config());
    store.skip_to(5).unwrap();
    let totals = store.totals();
    assert_eq!((totals.first_seq, totals.last_seq, totals.num_deleted), (5, 4, 0));
    assert_eq!(put(&mut *store, "a", "five", 1), 5);
    store.skip_to(3).unwrap();
    store.skip_to(6).unwrap();
    assert_eq!(put(&mut *store, "a", "six", 2), 6);
    store.skip_to(90).unwrap();
    store.flush(Durability::Synced).unwrap();
    let totals = store.totals();
    assert_eq!((totals.first_seq, totals.last_seq, totals.num_deleted), (5, 89, 83));
    assert_eq!(store.deleted(2), [7, 8]);
    assert_eq!(put(&mut *store, "b", "ninety", 3), 90);
    assert_eq!(seqs(&mut *store), [5, 6, 90]);
    assert_eq!(store.count_from(7, &Filter::all()), 1);
    assert_eq!(store.get(50).unwrap(), None);
    assert_eq!(store.seq_at_time(at(3)), 90);
    store.remove(90, Erase::Keep, &mut |_| {}).unwrap();
    assert_eq!(store.totals().last_seq, 90);
    assert_eq!(put(&mut *store, "b", "more", 4), 91);
    store.purge(&Purge::default(), &mut |_| {}).unwrap();
    store.skip_to(1_000_000).unwrap();
    assert_eq!(put(&mut *store, "b", "far", 5), 1_000_000);
    assert_eq!(store.totals().first_seq, 1_000_000);
    assert!(!store.is_dirty() || store.flush(Durability::Synced).is_ok());
}
