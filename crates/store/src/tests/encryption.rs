//! Encryption at rest: what is on disk, other keys and ciphers, and changing them.

use std::path::PathBuf;

use env::{Crash, Disk, DiskOp, Fault, OpenMode};
use types::{Compression, ConsumerConfig, SequencePair, StreamConfig};

use super::{World, at, config, payload_of, put, seqs};
use crate::*;

const CIPHERS: [StoreCipher; 2] = [StoreCipher::ChaCha, StoreCipher::Aes];

/// Encryption under a key, with the one before.
pub(crate) fn keyed(cipher: StoreCipher, key: &str, previous: &str) -> Encryption {
    let key = MasterKey::new(key.as_bytes()).unwrap();
    Encryption { cipher, key, previous: MasterKey::new(previous.as_bytes()) }
}

fn state(number: u64) -> ConsumerState {
    let pair = |of| SequencePair { consumer: of, stream: of };
    ConsumerState { delivered: pair(number), ack_floor: pair(number), ..Default::default() }
}

fn create_consumer(store: &mut dyn StreamStore, name: &str, number: u64) {
    let meta = ConsumerMeta {
        name: name.to_owned(),
        created: at(1),
        config: ConsumerConfig {
            durable_name: name.to_owned(),
            description: "of a secret".to_owned(),
            ..ConsumerConfig::default()
        },
    };
    let mut consumer = store.create_consumer(&meta, &ConsumerState::default()).unwrap();
    consumer.save(&state(number), Durability::Synced).unwrap();
}

const MESSAGES: u64 = 32;
const GONE: [u64; 4] = [10, 11, 20, MESSAGES];

/// Some blocks, deletes, two consumers; stopped cleanly.
fn filled(encryption: Option<Encryption>, compression: Compression) -> World {
    let mut world = World::new(600);
    world.options.encryption = encryption;
    let config = StreamConfig { compression, description: "a secret".to_owned(), ..config() };
    let mut store = world.create(&config);
    for number in 1..=MESSAGES {
        put(&mut store, &format!("secret.{}", number % 5), &format!("secret {number}"), 1);
        if number % 7 == 0 {
            store.flush(Durability::Synced).unwrap();
        }
    }
    for seq in GONE {
        store.remove(seq, Erase::Overwrite, &mut |_| {}).unwrap();
    }
    create_consumer(&mut store, "a", 20);
    create_consumer(&mut store, "b", 30);
    store.stop().unwrap();
    world
}

fn check(store: &mut dyn StreamStore, what: &str) {
    let want: Vec<u64> = (1..=MESSAGES).filter(|seq| !GONE.contains(seq)).collect();
    assert_eq!(seqs(store), want, "{what}");
    for seq in want {
        assert_eq!(payload_of(store, seq), Some(format!("secret {seq}")), "{what}");
    }
    assert_eq!(store.totals().last_seq, MESSAGES, "{what}");
    assert_eq!(store.lost(), None, "{what}");
    let consumers = store.take_recovered_consumers();
    let found: Vec<_> = consumers.iter().map(|c| (&*c.meta.name, c.state.clone())).collect();
    assert_eq!(found, [("a", Some(state(20))), ("b", Some(state(30)))], "{what}");
    assert!(consumers.iter().all(|c| c.meta.config.description == "of a secret"), "{what}");
}

/// Files in which a text is found.
fn holding(world: &World, text: &str) -> Vec<PathBuf> {
    let text = text.as_bytes();
    let files = world.snapshot().into_iter();
    files
        .filter(|(_, bytes)| bytes.windows(text.len()).any(|window| window == text))
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn nothing_readable_is_on_the_disk() {
    assert!(!holding(&filled(None, Compression::None), "secret").is_empty());
    for cipher in CIPHERS {
        for compression in [Compression::None, Compression::S2] {
            let world = filled(Some(keyed(cipher, "key", "")), compression);
            assert_eq!(holding(&world, "secret"), Vec::<PathBuf>::new());
            let names = world.msgs_files();
            let blocks: Vec<_> =
                names.iter().filter_map(|name| name.strip_suffix(".blk")).collect();
            assert!(blocks.len() > 2, "{names:?}");
            for block in blocks {
                assert!(names.contains(&format!("{block}.key")), "{names:?}");
            }
            check(&mut *world.open(), "");
            world.disk.unlink(&world.msgs_file("index.db")).unwrap();
            check(&mut *world.open(), "");
            assert_eq!(holding(&world, "secret"), Vec::<PathBuf>::new());
        }
    }
}

#[test]
fn no_key_stream_is_laid_bare_ahead_of_the_records() {
    for cipher in CIPHERS {
        let mut world = World::new(1 << 20);
        world.options.encryption = Some(keyed(cipher, "key", ""));
        let mut store = world.create(&config());
        // Each flush ends in a witness, which stays.
        let mut records = 0;
        while records < 100 << 10 {
            let payload = "x".repeat(1000);
            put(&mut store, "s", &payload, 1);
            records += store.size_of(1, 0, 1000) + 38;
            store.flush(Durability::Synced).unwrap();
        }
        assert_eq!(world.disk.read(&world.msgs_file("1.blk")).unwrap().len() as u64, records);
    }
}

#[test]
fn damaged_bytes_kept_aside_are_encrypted() {
    let world = filled(Some(keyed(StoreCipher::ChaCha, "key", "")), Compression::None);
    world.disk.unlink(&world.msgs_file("index.db")).unwrap();
    world.edit("msgs/2.blk", |bytes| bytes[40] ^= 3);
    let store = world.open();
    assert_eq!(store.lost().unwrap().msgs.len(), 1);
    assert!(world.msgs_files().iter().any(|name| name == "2.blk.bad-1"));
    assert_eq!(holding(&world, "secret"), Vec::<PathBuf>::new());
}

#[test]
fn a_wrong_key_touches_nothing() {
    for cipher in CIPHERS {
        let mut world = filled(Some(keyed(cipher, "key", "older")), Compression::None);
        let before = world.snapshot();
        let cases = [
            (Some(keyed(cipher, "wrong", "")), "unable to recover keys"),
            (Some(keyed(cipher, "wrong", "older")), "unable to recover keys"),
            (None, "encryption not enabled"),
        ];
        for (encryption, reason) in cases {
            world.options.encryption = encryption;
            let want = format!("Error decrypting our stream metafile: {reason}");
            assert_eq!(world.refusal(), want);
            assert_eq!(world.snapshot(), before);
        }
        world.options.encryption = Some(keyed(cipher, "key", ""));
        check(&mut *world.open(), "");
    }
}

#[test]
fn a_key_of_another_account_or_stream_is_of_no_use() {
    let encryption = Some(keyed(StoreCipher::Aes, "key", ""));
    let world = filled(encryption, Compression::None);
    let other = World {
        disk: world.disk.clone(),
        account: PathBuf::from("/data/jetstream/OTHER"),
        options: world.options,
    };
    world.disk.rename(&world.account, &other.account).unwrap();
    assert!(other.refusal().contains("unable to recover keys"));
}

/// The keys of the stream, of a consumer, and of blocks.
#[test]
fn a_bad_key_costs_nothing() {
    type Damage = dyn Fn(&mut Vec<u8>);
    let damages: [&Damage; 5] = [
        &|bytes| bytes[30] ^= 1,
        &|bytes| bytes[20..40].fill(0),
        &|bytes| bytes.truncate(63),
        &|bytes| bytes.clear(),
        &|bytes| bytes.extend_from_within(..),
    ];
    for cipher in CIPHERS {
        let encryption = Some(keyed(cipher, "key", ""));
        for key in ["meta.key", "obs/a/meta.key", "msgs/1.key", "msgs/3.key"] {
            for damage in damages.iter().map(Some).chain([None]) {
                let world = filled(encryption, Compression::None);
                match damage {
                    Some(damage) => world.edit(key, damage),
                    None => world.disk.unlink(&world.account.join("streams/S").join(key)).unwrap(),
                }
                let mut store = world.open();
                check(&mut *store, key);
                let events = store.take_events();
                let told = |event: &StoreEvent| matches!(event, StoreEvent::Repaired(what) if what.contains("key"));
                assert!(events.iter().any(told), "{key}: {events:?}");
                store.flush(Durability::Synced).unwrap();
                drop(store);
                world.disk.crash(Crash::DropUnsynced);
                let mut store = world.open();
                check(&mut *store, key);
                assert!(!store.take_events().iter().any(told), "{key}: it was told once");
            }
        }
    }
}

#[test]
fn a_bad_block_key_without_its_copy_takes_the_stream_offline_and_touches_nothing() {
    for (damage, reason) in [
        (
            &(|bytes: &mut Vec<u8>| bytes[30] ^= 3) as &dyn Fn(&mut Vec<u8>),
            "unable to recover keys",
        ),
        (&|bytes| bytes.truncate(63), "encryption bad key size"),
        (&|bytes| bytes.clear(), "encryption bad key size"),
    ] {
        for index in [true, false] {
            let world = filled(Some(keyed(StoreCipher::ChaCha, "key", "")), Compression::None);
            if !index {
                world.disk.unlink(&world.msgs_file("index.db")).unwrap();
            }
            world.edit("msgs/2.key", damage);
            world.disk.unlink(&world.msgs_file("key-2.copy")).unwrap();
            let before = world.snapshot();
            assert_eq!(world.refusal(), format!("the key of block 2: {reason}"));
            assert_eq!(world.snapshot(), before);
        }
    }
    let world = filled(Some(keyed(StoreCipher::ChaCha, "key", "")), Compression::None);
    world.disk.unlink(&world.msgs_file("3.key")).unwrap();
    world.disk.unlink(&world.msgs_file("key-3.copy")).unwrap();
    let before = world.snapshot();
    assert_eq!(world.refusal(), "block 3 has no key");
    assert_eq!(world.snapshot(), before);
}

#[test]
fn an_empty_block_gets_the_key_that_a_crash_took() {
    let world = filled(Some(keyed(StoreCipher::ChaCha, "key", "")), Compression::None);
    let last = world.msgs_files().iter().filter(|name| name.ends_with(".blk")).count() + 5;
    for content in [None, Some(&b""[..])] {
        world.disk.open(&world.msgs_file(&format!("{last}.blk")), OpenMode::Truncate).unwrap();
        if let Some(content) = content {
            let key = world.msgs_file(&format!("{last}.key"));
            world.disk.open(&key, OpenMode::Truncate).unwrap().write_all_at(content, 0).unwrap();
        }
        let mut store = world.open();
        check(&mut *store, "");
        assert_eq!(put(&mut *store, "s", "new", 2), MESSAGES + 1);
        store.remove(MESSAGES + 1, Erase::Keep, &mut |_| {}).unwrap();
        drop(store);
    }
}

#[test]
fn a_consumer_s_state_is_sealed_under_its_own_key() {
    let world = filled(Some(keyed(StoreCipher::ChaCha, "key", "")), Compression::None);
    let file = |consumer: &str, name: &str| {
        world.disk.read(&world.account.join("streams/S/obs").join(consumer).join(name)).unwrap()
    };
    assert_ne!(file("a", "meta.key"), file("b", "meta.key"));
    let of_b = file("b", "o.dat");
    world.edit("obs/a/o.dat", |bytes| *bytes = of_b);
    let mut store = world.open();
    let consumers = store.take_recovered_consumers();
    let (a, b) = (&consumers[0].state, &consumers[1].state);
    assert_eq!((a, b), (&Some(state(20)), &Some(state(30))), "from its own copy");
    drop(store);
    let aside = world.account.join("streams/S/obs/a/o.dat.bad");
    assert!(world.disk.info(&aside).unwrap().is_some());
}

/// From what a directory is converted to what.
fn conversions() -> Vec<(&'static str, Option<Encryption>, Encryption)> {
    let mut all = Vec::new();
    for to in CIPHERS {
        all.push(("plain", None, keyed(to, "new", "")));
        for from in CIPHERS {
            all.push(("rotation", Some(keyed(from, "old", "")), keyed(to, "new", "old")));
            if from != to {
                all.push(("cipher", Some(keyed(from, "new", "")), keyed(to, "new", "")));
            }
        }
    }
    all
}

#[test]
fn keys_and_ciphers_are_changed_with_all_that_is_under_them() {
    for (what, from, to) in conversions() {
        for compression in [Compression::None, Compression::S2] {
            for index in [true, false] {
                let what = format!("{what} to {}, {compression:?}, index {index}", to.cipher);
                let mut world = filled(from, compression);
                if !index {
                    world.disk.unlink(&world.msgs_file("index.db")).unwrap();
                }
                let before = world.snapshot();
                world.options.encryption = Some(to);
                check(&mut *world.open(), &what);
                assert_eq!(holding(&world, "secret"), Vec::<PathBuf>::new(), "{what}");
                // Every file that says something is another one; nothing is left over.
                for (path, bytes) in world.snapshot() {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    // Lengths and checksums of blocks, which say nothing, may come out the same.
                    let same = before.get(&path) == Some(&bytes) && name != "checkpoint.db";
                    assert!(!same, "{what}: {path:?}");
                    assert!(!name.ends_with(".new") && !name.ends_with(".tmp"), "{what}: {path:?}");
                }
                // The old key is of no more use.
                world.options.encryption = Some(Encryption { previous: None, ..to });
                world.disk.crash(Crash::DropUnsynced);
                let mut store = world.open();
                check(&mut *store, &what);
                assert_eq!(put(&mut *store, "s", "one more", 2), MESSAGES + 1, "{what}");
                store.flush(Durability::Synced).unwrap();
                let clean = world.snapshot();
                world.options.encryption = from.map(|from| Encryption { previous: None, ..from });
                if from.is_none_or(|from| from.key != to.key) {
                    world.refusal();
                    assert_eq!(world.snapshot(), clean, "{what}");
                }
            }
        }
    }
}

/// Stops the conversion at every change to the disk, in several ways; `compression` is what the
/// stream is written with.
fn interrupted(from: Option<Encryption>, to: Encryption, compression: Compression, what: &str) {
    let mut done = 0;
    for after in 0.. {
        let world = filled(from, compression);
        let mut world = World { options: world.options, ..world };
        world.options.encryption = Some(to);
        world.disk.inject(Fault {
            op: DiskOp::Any,
            after,
            kind: std::io::ErrorKind::Other,
            once: false,
        });
        let opened = matches!(world.try_open(), Opening::Ready { .. });
        world.disk.clear_faults();
        world.disk.crash(match after % 4 {
            0 => Crash::KeepAll,
            1 => Crash::DropUnsynced,
            _ => Crash::Torn(after * 7919),
        });
        // A second stop at another place, before it may end.
        world.disk.inject(Fault {
            op: DiskOp::Any,
            after: after % 13,
            kind: std::io::ErrorKind::Other,
            once: false,
        });
        drop(world.try_open());
        world.disk.clear_faults();
        world.disk.crash(Crash::Torn(after * 31 + 1));
        check(&mut *world.open(), &format!("{what}, stopped after {after}"));
        world.options.encryption = Some(Encryption { previous: None, ..to });
        check(&mut *world.open(), &format!("{what}, stopped after {after}, the old key gone"));
        done = if opened { done + 1 } else { 0 };
        if done == 3 {
            assert!(after > 30, "{what}: only {after} changes");
            return;
        }
    }
}

#[test]
fn a_change_of_keys_survives_a_stop_at_any_point() {
    let count = conversions().len();
    // By default one of each kind; `STORE_SEEDS` asks for all.
    let all = std::env::var("STORE_SEEDS").is_ok();
    for (number, (what, from, to)) in conversions().into_iter().enumerate() {
        if !all && ![0, 2, count - 1].contains(&number) {
            continue;
        }
        let compression = if number % 2 == 0 { Compression::None } else { Compression::S2 };
        interrupted(from, to, compression, &format!("{what} to {}", to.cipher));
    }
}

#[test]
fn a_change_of_keys_without_room_is_done_at_the_next_start() {
    for room in [0, 50, 400, 2_000] {
        let mut world = filled(Some(keyed(StoreCipher::ChaCha, "old", "")), Compression::None);
        world.options.encryption = Some(keyed(StoreCipher::Aes, "new", "old"));
        world.disk.set_capacity(Some(world.disk.used() + room));
        drop(world.try_open());
        world.disk.set_capacity(None);
        check(&mut *world.open(), &format!("{room}"));
    }
}

/// Blocks as the reference before 2.14.3 rewrote them: without the head, and when encrypted, the
/// cipher text compressed.
#[test]
fn blocks_that_the_reference_broke_are_mended() {
    for encryption in [
        None,
        Some(keyed(StoreCipher::ChaCha, "key", "")),
        Some(keyed(StoreCipher::Aes, "key", "")),
    ] {
        for index in [true, false] {
            let world = filled(encryption, Compression::None);
            if !index {
                world.disk.unlink(&world.msgs_file("index.db")).unwrap();
            }
            let broken = world.msgs_file("2.blk");
            world.edit("msgs/2.blk", |bytes| {
                let packed = crate::file_store::pack_for_tests(bytes);
                let start = packed.windows(4).position(|w| w == b"\xff\x06\x00\x00").unwrap();
                *bytes = packed[start..].to_vec();
            });
            for _ in 0..2 {
                let mut store = world.open();
                check(&mut *store, &format!("{encryption:?}, index {index}"));
                store.stop().unwrap();
            }
            let bytes = world.disk.read(&broken).unwrap();
            assert!(!bytes.starts_with(b"\xff\x06\x00\x00"), "it is as it should be again");
        }
    }
}

#[test]
fn a_changed_compression_is_that_of_later_blocks() {
    for encryption in [None, Some(keyed(StoreCipher::Aes, "key", ""))] {
        let mut world = World::new(2_000);
        world.options.encryption = encryption;
        let mut now = config();
        let mut store = world.create(&now);
        let text = "compressible ".repeat(10);
        let mut stored = Vec::new();
        for (round, compression) in
            [Compression::None, Compression::S2, Compression::None].into_iter().enumerate()
        {
            now.compression = compression;
            store.update_config(&now, &mut |_| {}).unwrap();
            for number in 0..60 {
                put(&mut store, "s", &text, number);
                store.flush(Durability::Synced).unwrap();
            }
            let names = world.msgs_files();
            let length = |name: &String| {
                let index: u64 = name.strip_suffix(".blk")?.parse().ok()?;
                Some((index, world.disk.read(&world.msgs_file(name)).unwrap().len()))
            };
            let mut blocks: Vec<_> = names.iter().filter_map(length).collect();
            blocks.sort_unstable();
            let tail = blocks.pop().unwrap();
            let packed = blocks.iter().filter(|(_, len)| *len < 1_000).count();
            stored.push(packed);
            // With a witness behind all messages, or behind each under a key.
            let message = store.size_of(1, 0, text.len()) as usize;
            let rest = match encryption {
                None => (tail.1 - 38) % message,
                Some(_) => tail.1 % (message + 38),
            };
            assert_eq!(rest, 0, "the last is plain");
            assert!(blocks.len() > 3 * (round + 1));
        }
        assert_eq!(stored[0], 0);
        assert!(stored[1] > 2, "{stored:?}");
        assert!(stored[2] <= stored[1] + 1, "{stored:?}");
        // A purge rewrites a block, which must stay readable.
        store.purge(&Purge { below_seq: 70, ..Purge::default() }, &mut |_| {}).unwrap();
        store.flush(Durability::Synced).unwrap();
        drop(store);
        let mut store = world.open();
        assert_eq!(seqs(&mut *store), (70..=180).collect::<Vec<u64>>());
        assert!((70..=180).all(|seq| payload_of(&mut *store, seq).as_ref() == Some(&text)));
    }
}

/// Opened with encryption after it was plain, the stream holds this, and no file says so.
fn check_encrypted(world: &mut World, want: &[u64], what: &str) {
    for previous in ["older", ""] {
        world.options.encryption = Some(keyed(StoreCipher::Aes, "key", previous));
        let mut store = world.open();
        assert_eq!(seqs(&mut *store), want, "{what}");
        assert_eq!(store.lost(), None, "{what}");
        drop(store);
        assert_eq!(holding(world, "secret"), Vec::<PathBuf>::new(), "{what}");
        world.disk.crash(Crash::DropUnsynced);
    }
}

#[test]
fn a_plain_block_without_a_whole_record_does_not_keep_encryption_from_being_turned_on() {
    for len in [0, 1, 40] {
        let mut world = World::new(600);
        let mut store = world.create(&config());
        put(&mut store, "s", &"secret".repeat(20), 1);
        store.flush(Durability::Written).unwrap();
        drop(store);
        // What a power cut may leave of it.
        world.edit("msgs/1.blk", |bytes| bytes.truncate(len));
        check_encrypted(&mut world, &[], &format!("{len} bytes"));
    }
}

#[test]
fn files_of_emptied_blocks_do_not_stay_plain() {
    let mut world = filled(None, Compression::None);
    // As little as this is not worth a new index then.
    world.options.block_bytes = 1 << 20;
    let mut store = world.open();
    for seq in 1..=12 {
        store.remove(seq, Erase::Keep, &mut |_| {}).unwrap();
    }
    store.flush(Durability::Synced).unwrap();
    drop(store);
    let is_kept = |name: &String| name.ends_with(".dead");
    assert!(world.msgs_files().iter().any(is_kept), "{:?}", world.msgs_files());
    let want: Vec<u64> = (13..=MESSAGES).filter(|seq| !GONE.contains(seq)).collect();
    check_encrypted(&mut world, &want, "");
    assert!(!world.msgs_files().iter().any(is_kept), "{:?}", world.msgs_files());
}

/// A stream without its first messages, whose block's files are there as if it had been killed
/// between the index that no longer lists it and their removal.
fn with_unlisted_block(encryption: Option<Encryption>) -> (World, Vec<u64>) {
    let world = filled(encryption, Compression::None);
    let kept: Vec<_> = ["1.blk", "1.key"]
        .map(|name| (format!("msgs/{name}"), world.disk.read(&world.msgs_file(name)).ok()))
        .into();
    let mut store = world.open();
    let purge = Purge { below_seq: 13, ..Purge::default() };
    store.purge(&purge, &mut |_| {}).unwrap();
    store.stop().unwrap();
    for (name, bytes) in kept.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
        let path = world.account.join("streams/S").join(&name);
        assert!(world.disk.info(&path).unwrap().is_none(), "{name}");
        drop(world.disk.open(&path, OpenMode::Create).unwrap());
        world.edit(&name, |old| *old = bytes);
    }
    (world, (13..=MESSAGES).filter(|seq| !GONE.contains(seq)).collect())
}

#[test]
fn a_block_that_the_index_does_not_list_does_not_stay_plain() {
    let (mut world, want) = with_unlisted_block(None);
    check_encrypted(&mut world, &want, "");
    assert!(!world.msgs_files().iter().any(|name| name == "1.blk"), "{:?}", world.msgs_files());
}

#[test]
fn a_block_that_the_index_does_not_list_does_not_come_back_without_the_index() {
    for encryption in [None, Some(keyed(StoreCipher::Aes, "key", ""))] {
        let (world, want) = with_unlisted_block(encryption);
        world.open().stop().unwrap();
        for name in ["index.db", "index.copy"] {
            world.disk.unlink(&world.msgs_file(name)).unwrap();
        }
        assert_eq!(seqs(&mut *world.open()), want);
    }
}

#[test]
fn a_block_that_the_index_does_not_list_does_not_outlive_its_key() {
    let (mut world, want) = with_unlisted_block(Some(keyed(StoreCipher::ChaCha, "a", "")));
    for (key, previous) in [("b", "a"), ("c", "b")] {
        world.options.encryption = Some(keyed(StoreCipher::ChaCha, key, previous));
        assert_eq!(seqs(&mut *world.open()), want, "{key}");
        world.disk.crash(Crash::DropUnsynced);
    }
}

#[test]
fn what_an_earlier_change_left_does_not_decide_a_change_of_keys() {
    let mut planted = 0;
    for after in 0.. {
        let mut world = filled(Some(keyed(StoreCipher::ChaCha, "old", "")), Compression::None);
        world.options.encryption = Some(keyed(StoreCipher::Aes, "new", "old"));
        let kind = std::io::ErrorKind::Other;
        world.disk.inject(Fault { op: DiskOp::Any, after, kind, once: false });
        let opened = matches!(world.try_open(), Opening::Ready { .. });
        world.disk.clear_faults();
        for part in ["", "obs/a", "obs/b"] {
            let dir = world.account.join("streams/S").join(part);
            let is_there = |name: &str| world.disk.info(&dir.join(name)).unwrap().is_some();
            if is_there("meta.key.new") && !is_there("meta.pending") {
                // Its removal was not synced.
                let stored = world.disk.read(&dir.join("meta.inf")).unwrap();
                let pending = world.disk.open(&dir.join("meta.pending"), OpenMode::Create).unwrap();
                pending.write_all_at(&stored, 0).unwrap();
                planted += 1;
            }
        }
        check(&mut *world.open(), &format!("stopped after {after}"));
        if opened {
            break;
        }
    }
    assert!(planted > 2, "only {planted} times");
}

/// What a purge leaves of a block, and what it does not.
#[test]
fn a_purge_of_a_part_of_a_block_is_cut_short_at_any_change() {
    const COUNT: i64 = 400;
    const FROM: u64 = 301;
    let keys = CIPHERS.map(|cipher| Some(keyed(cipher, "key", "")));
    let compressions = [Compression::None, Compression::None, Compression::S2];
    for (encryption, compression) in [None].into_iter().chain(keys).zip(compressions) {
        let mut world = World::new(1 << 20);
        world.options.encryption = encryption;
        let config = StreamConfig { compression, ..config() };
        let mut store = world.create(&config);
        for number in 0..COUNT {
            put(&mut store, "s", &format!("secret {number}"), number);
        }
        store.flush(Durability::Synced).unwrap();
        drop(store);
        let purge = Purge { below_seq: FROM, ..Purge::default() };
        let mut after = 0;
        loop {
            let cut = World { disk: world.disk.fork(), account: world.account.clone(), ..world };
            let mut store = cut.open();
            let kind = std::io::ErrorKind::Other;
            cut.disk.inject(Fault { op: DiskOp::Any, after, kind, once: false });
            let done =
                store.purge(&purge, &mut |_| {}).is_ok() && store.flush(Durability::Synced).is_ok();
            drop(store);
            cut.disk.clear_faults();
            let crash = if after % 2 == 0 { Crash::DropUnsynced } else { Crash::Torn(after) };
            cut.disk.crash(crash);
            let mut store = cut.open();
            assert_eq!(store.lost(), None, "{encryption:?}, change {after}");
            let held = seqs(&mut *store);
            let first = held.first().copied().unwrap();
            assert!(first == FROM || !done, "{encryption:?}, change {after}: {first} is back");
            assert_eq!(held, (first..=COUNT as u64).collect::<Vec<_>>(), "change {after}");
            for seq in held {
                let want = format!("secret {}", seq - 1);
                assert_eq!(payload_of(&mut *store, seq), Some(want), "change {after}");
            }
            if done {
                assert!(after > 3, "only {after} changes were tried");
                break;
            }
            after += 1;
        }
    }
}
