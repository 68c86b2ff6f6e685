//! The file store on its own: expiry, caches, compaction, throughput.
//!
//! Tests 20–26 (filestore_test.go) of the ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config_validate::bytes::friendly_bytes;
use env::{Disk, OsDisk};
use store::{
    Durability, Encryption, Erase, FileStore, FileStoreOptions, Filter, MasterKey, NewMsg, Opening,
    StoreCipher, StreamStore, Upkeep, open_stream,
};
use tests::sized;
use types::{Compression, StreamConfig, Timestamp};

/// Appended before they are written together, where nobody waits for each.
const GROUP: u64 = 64;
/// What a record takes besides subject, headers and payload.
const RECORD: usize = 30;
/// Bytes of the record that vouches for the lengths of those before: at the end of a block, and of
/// what a flush writes under a key.
const WITNESS: u64 = 38;

/// A directory for a stream, and how its store is opened.
struct Place {
    dir: tempfile::TempDir,
    options: FileStoreOptions,
    config: StreamConfig,
}

impl Place {
    fn disk() -> Arc<dyn Disk> {
        Arc::new(OsDisk)
    }

    fn create(&self) -> FileStore {
        let created = Timestamp::from_unix_ns(1_790_000_000_000_000_000);
        FileStore::create(Place::disk(), self.dir.path(), created, &self.config, self.options)
            .expect("the store is made")
    }

    fn open(&self) -> Box<dyn StreamStore> {
        let name = self.config.name.clone();
        match open_stream(&Place::disk(), self.dir.path(), name, self.options).opening {
            Opening::Ready { store, .. } => store,
            Opening::Offline { reason, .. } => panic!("offline: {reason}"),
        }
    }

    fn blocks_on_disk(&self) -> usize {
        let msgs = self.dir.path().join("streams").join(&self.config.name).join("msgs");
        blocks_in(&msgs)
    }
}

fn blocks_in(msgs: &Path) -> usize {
    let names = std::fs::read_dir(msgs).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().is_some_and(|name| name.ends_with(".blk"))).count()
}

/// Plain, AES and ChaCha, each with and without compression, each in a fresh directory.
fn permutations(config: &StreamConfig, block_bytes: u64) -> Vec<(String, Place)> {
    let mut places = Vec::new();
    for cipher in [None, Some(StoreCipher::Aes), Some(StoreCipher::ChaCha)] {
        for compression in [Compression::None, Compression::S2] {
            let key = MasterKey::new(b"dlc22").unwrap();
            let encryption = cipher.map(|cipher| Encryption { cipher, key, previous: None });
            let options = FileStoreOptions { block_bytes, encryption, ..Default::default() };
            let config = StreamConfig { compression, ..config.clone() };
            let name = match cipher {
                Some(cipher) => format!("{cipher}, {compression:?}"),
                None => format!("plain, {compression:?}"),
            };
            places.push((name, Place { dir: tempfile::tempdir().unwrap(), options, config }));
        }
    }
    places
}

fn config() -> StreamConfig {
    StreamConfig {
        name: "zzz".to_owned(),
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        ..StreamConfig::default()
    }
}

fn append(store: &mut dyn StreamStore, subject: &str, payload: &[u8]) -> u64 {
    let msg = NewMsg {
        subject: subject.as_bytes(),
        headers: &[],
        payload,
        ts: Timestamp::from_unix_ns(1_790_000_000_000_000_000),
        ttl_seconds: 0,
    };
    store.append(msg, &mut |_| {}).expect("the message is stored")
}

/// Lets time pass for the cache until it is empty: what two periods did not use is given back.
fn expire_cache(store: &mut FileStore) {
    for _ in 0..2 {
        store.release_unused();
    }
    let bytes = store.cache_usage().bytes;
    assert_eq!(bytes, 0, "{} are still in memory", friendly_bytes(bytes as f64));
}

/// Prints how fast `count` messages of `size` bytes went.
fn report(what: &str, count: u64, size: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    let bytes = friendly_bytes(rate * size as f64);
    println!("  {what:<28} {:>8.1} ms  {rate:>10.0} msgs/s  {bytes}/s", took.as_secs_f64() * 1e3);
}

/// Appends `count` messages in groups and stops the store; the time of all of it.
fn fill(store: &mut FileStore, count: u64, payload: &[u8]) -> Duration {
    let start = Instant::now();
    for number in 1..=count {
        let seq = append(store, "foo", payload);
        assert_eq!(seq, number, "sequences have no gap");
        if number % GROUP == 0 {
            store.flush(Durability::Written).expect("the group is written");
        }
    }
    store.stop().expect("the store is durable");
    start.elapsed()
}

#[test]
fn file_store_write_expire_write() {
    for (kind, place) in permutations(&config(), 0) {
        let mut store = place.create();
        for number in 1..=10 {
            let seq = append(&mut store, "zzz", b"Hello World!");
            assert_eq!(seq, number, "{kind}");
        }
        store.flush(Durability::Written).unwrap();
        assert!(store.cache_usage().bytes > 0, "{kind}: what is written last is in memory");
        expire_cache(&mut store);
        for number in 11..=20 {
            let seq = append(&mut store, "zzz", b"Hello World! - 22");
            assert_eq!(seq, number, "{kind}");
        }
        assert_eq!(store.totals().msgs, 20, "{kind}");
        store.stop().expect("a clean stop");

        let mut store = place.open();
        assert_eq!(store.totals().msgs, 20, "{kind}");
        for seq in 1..=20 {
            let msg = store.get(seq).expect("the block can be read");
            let msg = msg.unwrap_or_else(|| panic!("{kind}: {seq} is gone"));
            assert_eq!(msg.subject, b"zzz", "{kind}: {seq}");
            let payload: &[u8] = if seq <= 10 { b"Hello World!" } else { b"Hello World! - 22" };
            assert_eq!(msg.payload, payload, "{kind}: {seq}");
        }
        assert!(store.get(21).unwrap().is_none(), "{kind}");
        assert_eq!(store.lost(), None, "{kind}");
    }
}

fn read_all(store: &mut FileStore, count: u64) {
    for seq in 1..=count {
        assert!(store.get(seq).unwrap().is_some(), "{seq}");
    }
}

#[test]
fn file_store_read_cache() {
    const COUNT: u64 = 500;
    let payload = [0; 1024];
    let record = (RECORD + "foo.bar".len() + payload.len()) as u64;
    assert_eq!(record, 1061);
    for (kind, place) in permutations(&config(), 0) {
        let mut store = place.create();
        for number in 1..=COUNT {
            let seq = append(&mut store, "foo.bar", &payload);
            assert_eq!(seq, number, "{kind}");
        }
        store.flush(Durability::Written).unwrap();
        assert_eq!(store.totals().bytes, COUNT * record, "{kind}");
        expire_cache(&mut store);
        assert_eq!(store.cache_usage().loads, 0, "{kind}: nothing was read");

        // Who reads on gets the whole block into memory, once.
        read_all(&mut store, COUNT);
        let cache = store.cache_usage();
        assert_eq!(cache.loads, 1, "{kind}");
        let whole: u64 = store.block_usage().iter().map(|block| block.raw_bytes).sum();
        assert!((0..=WITNESS).contains(&(whole - COUNT * record)), "{kind}");
        assert_eq!(cache.bytes, whole, "{kind}: the whole block is in memory");
        expire_cache(&mut store);
        assert_eq!(store.cache_usage().loads, 1, "{kind}: giving memory back reads nothing");

        read_all(&mut store, COUNT);
        for round in 0..50 {
            let cache = store.cache_usage();
            assert_eq!(cache.loads, 2, "{kind}, round {round}: what is in use stays");
            assert_eq!(cache.bytes, whole, "{kind}, round {round}");
            store.release_unused();
            assert!(store.get(1).unwrap().is_some(), "{kind}, round {round}");
        }
    }
}

#[test]
fn file_store_perf() {
    let payload = [b'D'; 991];
    let record = RECORD + "foo".len() + payload.len();
    assert_eq!(record, 1024);
    let count: u64 = sized(6 << 20, 5 << 30) / record as u64;
    for (kind, place) in permutations(&config(), 0) {
        println!("{kind}: {count} messages, {}", friendly_bytes((count * 1024) as f64));
        let mut store = place.create();
        let took = fill(&mut store, count, &payload);
        report("store, and stop", count, record, took);
        drop(store);

        let start = Instant::now();
        let mut store = place.open();
        report("restore", count, record, start.elapsed());
        assert_eq!(store.totals().msgs, count, "{kind}");
        assert_eq!(store.totals().bytes, count * 1024, "{kind}");

        for pass in ["load in order", "load in order, again"] {
            let start = Instant::now();
            for seq in 1..=count {
                let msg = store.get(seq).expect("the block can be read");
                let msg = msg.unwrap_or_else(|| panic!("{kind}: {seq} is gone"));
                assert_eq!(msg.payload.len(), payload.len(), "{kind}: {seq}");
            }
            report(pass, count, record, start.elapsed());
        }
        store.stop().expect("a clean stop");

        let mut store = place.open();
        let start = Instant::now();
        for seq in 1..=count {
            let was_held = store.remove(seq, Erase::Keep, &mut |_| {});
            assert!(was_held.expect("the message can be removed"), "{kind}: {seq}");
            if seq % GROUP == 0 {
                store.flush(Durability::Written).unwrap();
            }
        }
        store.stop().expect("a clean stop");
        report("remove in order, and stop", count, record, start.elapsed());

        let store = place.open();
        assert_eq!(store.totals().msgs, 0, "{kind}");
        assert_eq!(store.totals().bytes, 0, "{kind}");
        assert_eq!(store.totals().last_seq, count, "{kind}: no sequence is given out twice");
        assert_eq!(place.blocks_on_disk(), 1, "{kind}: files of emptied blocks are gone");
    }
}

#[test]
fn file_store_read_back_msg_perf() {
    let payload = b"ABCDEFGH";
    let record = RECORD + "foo".len() + payload.len();
    assert_eq!(record, 41);
    let block: u64 = sized(64 << 10, 8 << 20);
    let count = 2 * block / record as u64;
    for (kind, place) in permutations(&config(), block) {
        println!("{kind}: {count} messages");
        let mut store = place.create();
        let start = Instant::now();
        for number in 1..=count {
            let seq = append(&mut store, "foo", payload);
            assert_eq!(seq, number, "{kind}");
            if number % GROUP == 0 {
                store.flush(Durability::Written).unwrap();
            }
        }
        store.flush(Durability::Written).unwrap();
        report("store", count, record, start.elapsed());
        assert!(store.block_usage().len() >= 2, "{kind}: two blocks are full");
        store.release_memory();
        let first = store.block_usage()[0].live_bytes / record as u64 - 22;
        for (what, seq) in [("first load", first), ("second load", first + 2)] {
            let start = Instant::now();
            let msg = store.get(seq).expect("the block can be read");
            let msg = msg.unwrap_or_else(|| panic!("{kind}: {seq} is gone"));
            let took = start.elapsed();
            assert_eq!((msg.seq, msg.subject, msg.payload), (seq, &b"foo"[..], &payload[..]));
            println!("  {what:<28} {:>8.1} us", took.as_secs_f64() * 1e6);
        }
        let loads = store.cache_usage().loads;
        assert!(loads <= 1, "{kind}: the second comes from memory, where both are not read alone");
    }
}

#[test]
fn file_store_store_limit_remove_perf() {
    let payload = [b'D'; 991];
    let record = RECORD + "foo".len() + payload.len();
    let count: u64 = sized(4 << 20, 1 << 30) / record as u64;
    for (kind, place) in permutations(&config(), 0) {
        let mut store = place.create();
        let mut told = 0;
        let start = Instant::now();
        for number in 1..=count {
            let seq = append(&mut store, "foo", &payload);
            assert_eq!(seq, number, "{kind}");
            if seq > 1 {
                let was_held = store.remove(seq - 1, Erase::Keep, &mut |gone| told += gone.seq);
                assert!(was_held.expect("the message can be removed"), "{kind}: {seq}");
            }
            if number % GROUP == 0 {
                store.flush(Durability::Written).expect("the group is written");
            }
        }
        store.stop().expect("a clean stop");
        println!("{kind}: {count} messages");
        report("store and remove, and stop", count, record, start.elapsed());
        assert_eq!(told, (count - 1) * count / 2, "{kind}: each removal is told once");
        let store = place.open();
        let totals = store.totals();
        assert_eq!((totals.msgs, totals.first_seq, totals.last_seq), (1, count, count), "{kind}");
    }
}

#[test]
fn file_store_pub_perf_with_small_blk_size() {
    const SMALLEST_BLOCK: u64 = 32_000;
    let payload = [b'D'; 991];
    let record = RECORD + "foo".len() + payload.len();
    let count: u64 = sized(4 << 20, 1 << 30) / record as u64;
    for (kind, place) in permutations(&config(), SMALLEST_BLOCK) {
        let mut store = place.create();
        let took = fill(&mut store, count, &payload);
        println!("{kind}: {count} messages");
        report("store, and stop", count, record, took);
        let blocks = count.div_ceil(SMALLEST_BLOCK / record as u64);
        assert_eq!(store.block_usage().len() as u64, blocks, "{kind}: blocks are of that size");
        drop(store);
        assert_eq!(place.open().totals().msgs, count, "{kind}");
    }
}

/// With records of 50 bytes in blocks of 1000, and once more with 300 in 6000: each message that
/// replaces another is stored with a tombstone of 30 bytes, and only there are the second round's
/// 18 within one block.
#[test]
fn file_store_compacting_blocks_on_sync() {
    let config =
        StreamConfig { subjects: vec!["*".to_owned()], max_msgs_per_subject: 1, ..config() };
    for (record, most_blocks) in [(50_u64, 3), (300, 2)] {
        for (kind, place) in permutations(&config, 20 * record) {
            let payload = vec![b'Z'; record as usize - RECORD - 1];
            let mut store = place.create();
            for letter in 'A'..='T' {
                append(&mut store, &letter.to_string(), &payload);
            }
            store.flush(Durability::Written).expect("the first block is written");
            let blocks = store.block_usage();
            assert_eq!(blocks.len(), 1, "{kind}");
            let total: u64 = blocks.iter().map(|block| block.raw_bytes).sum();
            let live: u64 = blocks.iter().map(|block| block.live_bytes).sum();
            assert_eq!(live, 20 * record, "{kind}: nothing is removed yet");
            assert!((0..=WITNESS).contains(&(total - live)), "{kind}");

            for letter in 'B'..='S' {
                append(&mut store, &letter.to_string(), &payload);
            }
            store.flush(Durability::Synced).expect("the rest is written");
            let blocks = store.block_usage();
            assert_eq!(blocks.len(), most_blocks, "{kind}");
            assert_eq!(blocks[0].live_bytes, 2 * record, "{kind}");
            assert_eq!(
                blocks[0].raw_bytes,
                20 * record + WITNESS,
                "{kind}: removed is not yet gone"
            );
            assert_eq!(store.totals().bytes, 20 * record, "{kind}");

            while store.rest() == Upkeep::More {}
            let blocks = store.block_usage();
            assert_eq!(
                blocks[0].raw_bytes,
                blocks[0].live_bytes + WITNESS,
                "{kind}: gone when there is time"
            );
            assert_eq!(blocks[0].live_bytes, 2 * record, "{kind}: and nothing else");
            let file = place.dir.path().join("streams/zzz/msgs/1.blk");
            let len = std::fs::metadata(file).unwrap().len();
            assert!(len < 20 * record / 2, "{kind}: so is the file's space, {len} bytes are left");

            drop(store);
            let mut store = place.open();
            let all = Filter::all();
            let mut subjects = String::new();
            store.subject_totals(&all, &mut |subject, total| {
                assert_eq!(total, 1);
                subjects.push(char::from(subject[0]));
            });
            assert_eq!(subjects, "ABCDEFGHIJKLMNOPQRST", "{kind}");
            assert_eq!(
                store.get(1).unwrap().map(|msg| msg.payload.to_vec()),
                Some(payload),
                "{kind}"
            );
            assert!(store.get(2).unwrap().is_none(), "{kind}: replaced stays replaced");
        }
    }
}
