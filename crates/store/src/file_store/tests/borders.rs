//! Where subjects end, which no record's checksum covers.

use env::Disk as _;

use crate::file_store::borders::{self, Borders};
use crate::file_store::record::{self, Hasher, Lengths, Message};
use crate::tests::encryption::keyed;
use crate::tests::{World, config, msg};
use crate::{Durability, Encryption, Erase, Filter, StoreCipher, StoreEvent, StreamStore as _};

const HEADERS: &[u8] = b"NATS/1.0\r\nA: b\r\n\r\n";

fn content() -> (Vec<u8>, Vec<usize>) {
    let hasher = Hasher::of_block("S", 1);
    let (mut content, mut starts) = (Vec::new(), Vec::new());
    for seq in 1..=20 {
        starts.push(content.len());
        let subject = format!("s.{}", seq % 12);
        let headers = if seq % 5 == 0 { HEADERS } else { b"" };
        let message =
            Message { seq, ts_ns: 5, subject: subject.as_bytes(), headers, payload: b"01" };
        record::push_message(&mut content, &hasher, &message);
        record::push_tombstone(&mut content, &hasher, seq / 2, 6);
        record::push_erased(&mut content, &hasher, seq + 100, b"xx");
    }
    (content, starts)
}

#[test]
fn one_bad_bit_is_put_right() {
    let (content, starts) = content();
    let borders = Borders::of(&content).unwrap();
    let mut added = Borders::default();
    for seq in 1..=20 {
        let subject = if seq % 12 < 10 { 3 } else { 4 };
        let headers = if seq % 5 == 0 { HEADERS.len() as u32 } else { 0 };
        added.add(&Lengths { seq, subject, headers });
    }
    assert_eq!(added, borders);
    assert!(!borders.mend(&mut content.clone()));
    for &start in &starts {
        let record = record::Record::parse(&content, start).unwrap();
        let headers_len = match record.headers {
            b"" => 0..0,
            _ => start + 22 + record.subject.len()..start + 26 + record.subject.len(),
        };
        let places = (start + 20..start + 22).chain(headers_len);
        for (place, bit) in places.flat_map(|place| (0..8).map(move |bit| (place, bit))) {
            let mut bad = content.clone();
            bad[place] ^= 1 << bit;
            assert_ne!(Borders::of(&bad), Some(borders));
            assert!(borders.mend(&mut bad));
            assert_eq!(bad, content);
        }
    }
}

#[test]
fn a_message_that_is_erased_leaves_its_lengths() {
    let hasher = Hasher::of_block("S", 1);
    for (subject, headers, payload) in [
        (1, 0, 0),
        (1, 0, 1),
        (127, 0, 0),
        (128, 1, 0),
        (1, HEADERS.len(), 9),
        (65_535, 65_535, 0),
        (300, 2 << 20, 70_000),
    ] {
        let (subject, headers) = (vec![b's'; subject], vec![b'h'; headers]);
        let message = Message {
            seq: 7,
            ts_ns: 5,
            subject: &subject,
            headers: &headers,
            payload: &vec![b'p'; payload],
        };
        let (mut content, mut erased) = (Vec::new(), Vec::new());
        record::push_message(&mut content, &hasher, &message);
        let record = record::Record::parse(&content, 0).unwrap();
        record::erase(&mut erased, &hasher, &record);
        assert_eq!(erased.len(), content.len());
        assert_eq!(record::lengths_at(&erased, 0), Some(message.lengths()));
        let record = record::Record::parse(&erased, 0).unwrap();
        assert!(record.is_intact(&hasher) && record.is_plausible());
        assert_eq!((record.kind, record.seq), (record::Kind::Erased, 7));
        assert!(
            !erased.windows(2).any(|two| [b"ss", b"hh", b"pp"].contains(&two.as_array().unwrap()))
        );
    }
    // As others erase.
    for body in [&[][..], &[0], &[0; 40], &[9, 1, 1, 1], &[1, 0xff, 0xff], &[0x80; 12]] {
        let mut erased = Vec::new();
        record::push_erased(&mut erased, &hasher, 7, body);
        let lengths = record::lengths_at(&erased, 0);
        assert!(lengths.is_none_or(|lengths| lengths.subject == 1), "{body:?}: {lengths:?}");
    }
}

#[test]
fn what_is_otherwise_wrong_is_left_alone() {
    let (content, starts) = content();
    let borders = Borders::of(&content).unwrap();
    // Two bad lengths, a bad sequence, a bad length of a record, no end.
    for places in [&[starts[1] + 20, starts[5] + 20][..], &[starts[3] + 4], &[starts[2]]] {
        let mut bad = content.clone();
        places.iter().for_each(|&at| bad[at] ^= 2);
        let before = bad.clone();
        assert!(!borders.mend(&mut bad));
        assert_eq!(bad, before);
    }
    assert!(!borders.mend(&mut content[..content.len() - 3].to_vec()));
}

/// What a store holds: with bad bits, too.
fn all(store: &mut dyn crate::StreamStore) -> Vec<(u64, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(found) = store.next_match(&Filter::all(), from).unwrap() {
        all.push((found.seq, found.subject.to_vec(), found.payload.to_vec()));
        from = found.seq + 1;
    }
    all
}

#[test]
fn a_moved_border_is_put_right_even_if_the_subject_is_known_or_no_index_is_left() {
    let world = World::new(400);
    let mut store = world.create(&config());
    for number in 0..24 {
        // With a bad bit in its length, "s.1" may become "s." or, with the payload, "s.10".
        let subject = ["s.1", "s.10", "s.100"][number % 3];
        let payload = format!("{number:02}");
        store.append(msg(subject, &payload, number as i64), &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
    }
    store.remove(5, Erase::Keep, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    store.remove(9, Erase::Overwrite, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    let held = all(&mut store);
    let mut totals = Vec::new();
    store.subject_totals(&Filter::all(), &mut |name, total| totals.push((name.to_vec(), total)));
    store.stop().unwrap();
    drop(store);
    let msgs = world.account.join("streams/S/msgs");
    let files = world.disk.files(&msgs);
    let mut flips = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| path.extension() == Some("blk".as_ref())) {
        let hasher =
            Hasher::of_block("S", path.file_stem().unwrap().to_str().unwrap().parse().unwrap());
        let mut starts = Vec::new();
        record::scan(bytes, &hasher, |at, record| {
            if record.kind == record::Kind::Message {
                starts.push(at);
            }
        });
        let name = format!("msgs/{}", path.file_name().unwrap().to_str().unwrap());
        for (start, bit) in starts.iter().flat_map(|&start| (0..16).map(move |bit| (start, bit))) {
            for without_index in [false, true] {
                for (path, bytes) in &files {
                    world.disk.plant(path, bytes.clone());
                }
                world.edit(&name, |bytes| bytes[start + 20 + bit / 8] ^= 1 << (bit % 8));
                if without_index {
                    world.disk.unlink(&msgs.join("index.db")).unwrap();
                }
                let mut store = world.open();
                assert_eq!(all(&mut *store), held, "{name}, {start}, {bit}, {without_index}");
                assert_eq!(store.lost(), None);
                let events = store.take_events();
                let mended = |event: &StoreEvent| matches!(event, StoreEvent::Repaired(_));
                assert!(events.iter().any(mended), "{events:?}");
                store.flush(Durability::Synced).unwrap();
                let mut now = Vec::new();
                store.subject_totals(&Filter::all(), &mut |name, total| {
                    now.push((name.to_vec(), total));
                });
                assert_eq!(now, totals);
                drop(store);
                assert_eq!(all(&mut *world.open()), held);
                flips += 1;
            }
        }
    }
    assert!(flips > 600, "{flips}");
}

/// A store whose blocks have no witness, as the reference leaves them, or whose last one had no
/// message when it was stopped.
#[test]
fn what_nothing_told_of_is_known_after_the_check_in_the_background() {
    for made_elsewhere in [false, true] {
        let world = World::new(500);
        let mut store = world.create(&config());
        let put = |store: &mut dyn crate::StreamStore, number: i64| {
            let subject = ["s", "s.1", "s.10"][number as usize % 3];
            store.append(msg(subject, "0123", number), &mut |_| {}).unwrap();
            store.flush(Durability::Synced).unwrap();
        };
        (0..13).for_each(|number| put(&mut store, number));
        store.remove(3, Erase::Keep, &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
        store.stop().unwrap();
        drop(store);
        if made_elsewhere {
            world.disk.unlink(&world.msgs_file("checkpoint.db")).unwrap();
        }
        let mut store = world.open();
        if made_elsewhere {
            while store.verify_some() == crate::Upkeep::More {}
        }
        (13..20).for_each(|number| put(&mut *store, number));
        let held = all(&mut *store);
        store.stop().unwrap();
        drop(store);
        let files = world.disk.files(&world.account);
        let mut flips = 0;
        for number in 1..=2 {
            let name = format!("{number}.blk");
            let bytes = world.disk.read(&world.msgs_file(&name)).unwrap();
            let hasher = Hasher::of_block("S", number);
            let mut starts = Vec::new();
            record::scan(&bytes, &hasher, |at, record| {
                if record.kind == record::Kind::Message {
                    starts.push(at);
                }
            });
            for (at, bit) in starts.iter().flat_map(|&at| (0..4).map(move |bit| (at, bit))) {
                files.iter().for_each(|(path, bytes)| world.disk.plant(path, bytes.clone()));
                world.disk.flip_bit(&world.msgs_file(&name), at + 20, bit);
                assert_eq!(all(&mut *world.open()), held, "{made_elsewhere}, {name}, {at}, {bit}");
                flips += 1;
            }
        }
        assert!(flips > 60, "{flips}");
    }
}

#[test]
fn the_last_witness_tells_of_what_is_before_it() {
    let hasher = Hasher::of_block("S", 1);
    let (mut content, starts) = content();
    borders::push_witness(&mut content, &hasher);
    let end = content.len();
    let mut blind = content.clone();
    assert!(!borders::mend_borders(&mut blind, None, &hasher));
    for at in [starts[0], starts[19]] {
        let mut bad = content.clone();
        bad[at + 20] ^= 4;
        assert!(borders::mend_borders(&mut bad, None, &hasher));
        assert_eq!(bad, content);
    }
    // Behind it nothing is known, until the next.
    let start = content.len();
    let message = Message { seq: 21, ts_ns: 5, subject: b"s.21", headers: b"", payload: b"01" };
    record::push_message(&mut content, &hasher, &message);
    content[start + 20] ^= 1;
    assert!(!borders::mend_borders(&mut content.clone(), None, &hasher));
    content[start + 20] ^= 1;
    borders::push_witness(&mut content, &hasher);
    let whole = content.clone();
    content[start + 20] ^= 1;
    assert!(borders::mend_borders(&mut content, None, &hasher));
    assert_eq!(content, whole);
    // One that is damaged itself is none.
    content[start + 20] ^= 1;
    let last = content.len() - 1;
    content[last] ^= 1;
    assert!(!borders::mend_borders(&mut content, None, &hasher));
    // Of no messages there is none.
    let mut tombs = Vec::new();
    record::push_tombstone(&mut tombs, &hasher, 1, 2);
    borders::push_witness(&mut tombs, &hasher);
    assert_eq!((tombs.len(), end > start - 1), (record::EMPTY, true));
}

fn verified_as_sound(world: &World) -> bool {
    let place = crate::file_store::inspect::tests::place(world);
    crate::inspect_stream(&*world.dyn_disk(), &place, &mut |_| {}).unwrap().is_sound()
}

/// Appends messages, kills, flips bits all over the blocks, and reads.
fn flip_after_kill(encryption: Option<Encryption>) {
    let mut world = World::new(700);
    world.options.encryption = encryption;
    let mut store = world.create(&config());
    for number in 0..18 {
        let subject = ["s.1", "s.10", "never.seen"][number % 3];
        store.append(msg(subject, &format!("{number:02}"), number as i64), &mut |_| {}).unwrap();
        if number % 4 != 1 {
            store.flush(Durability::Synced).unwrap();
        }
    }
    store.remove(5, Erase::Keep, &mut |_| {}).unwrap();
    store.flush(Durability::Synced).unwrap();
    let held = all(&mut store);
    drop(store);
    let files = world.disk.files(&world.account);
    let encrypted = world.options.encryption.is_some();
    let mut flips = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| path.extension() == Some("blk".as_ref())) {
        let name = format!("msgs/{}", path.file_name().unwrap().to_str().unwrap());
        for at in (0..bytes.len() * 8).step_by(if encrypted { 61 } else { 3 }) {
            for (path, bytes) in &files {
                world.disk.plant(path, bytes.clone());
            }
            let (at, bit) = (at / 8, at % 8);
            world.edit(&name, |bytes| bytes[at] ^= 1 << bit);
            // The last witness may as well be one that was never finished.
            if !encrypted && at + record::WITNESS < bytes.len() {
                assert!(!verified_as_sound(&world), "{name}, {at}, {bit}");
            }
            let mut store = world.open();
            assert_eq!(all(&mut *store), held, "{name}, {at}, {bit}");
            assert_eq!(store.lost(), None);
            flips += 1;
        }
    }
    assert!(flips > 100, "{flips}");
}

#[test]
fn after_a_kill_borders_are_put_right_by_the_witness() {
    flip_after_kill(None);
}

#[test]
fn after_a_kill_of_an_encrypted_stream_as_well() {
    flip_after_kill(Some(keyed(StoreCipher::ChaCha, "key", "")));
}

#[test]
fn a_tombstone_between_two_witnesses_is_seen_also_without_a_checkpoint() {
    for encryption in [None, Some(keyed(StoreCipher::Aes, "key", ""))] {
        let mut world = World::new(0);
        world.options.encryption = encryption;
        let mut store = world.create(&config());
        for number in 1..=3 {
            store.append(msg("s", "payload", number), &mut |_| {}).unwrap();
        }
        store.flush(Durability::Synced).unwrap();
        store.stop().unwrap();
        drop(store);
        let mut store = world.open();
        store.remove(1, Erase::Keep, &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
        drop(store);
        // The reference, too, takes the index for exact by the end of the last block.
        world.disk.unlink(&world.msgs_file("checkpoint.db")).unwrap();
        assert_eq!(crate::tests::seqs(&mut *world.open()), [2, 3], "{encryption:?}");
    }
}
