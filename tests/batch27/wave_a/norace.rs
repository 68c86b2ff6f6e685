//! Encoding of what a stream has deleted.
//!
//! Tests 18 (norace_2_test.go) of the ledger.

use std::sync::Arc;

use config_validate::bytes::friendly_bytes;
use env::OsDisk;
use store::{Durability, FileStore, FileStoreOptions, MemStore, NewMsg, StreamState, StreamStore};
use tests::sized;
use types::{StreamConfig, Timestamp};

/// Subjects, each of which keeps its last message.
const SUBJECTS: u64 = 256_000;
const LARGEST: usize = 700 * 1024;

/// Random numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// Stores messages on random subjects, and encodes the stream's state every so often.
fn expect_small_states(kind: &str, store: &mut dyn StreamStore) {
    let messages = sized(300_000, 6_000_000);
    let payload = "ABC".repeat(33);
    let mut random = Random(2_222_222);
    let (mut largest, mut encoded) = (0, 0);
    for number in 1..=messages {
        let subject = random.below(SUBJECTS).to_string();
        let msg = NewMsg {
            subject: subject.as_bytes(),
            headers: &[],
            payload: payload.as_bytes(),
            ts: Timestamp::from_unix_ns(1_790_000_000_000_000_000),
            ttl_seconds: 0,
        };
        store.append(msg, &mut |_| {}).expect("the message is stored");
        if number % 500 == 0 {
            store.flush(Durability::Written).expect("the messages are written");
        }
        let totals = store.totals();
        if number % (messages / 10) != 0 || totals.num_deleted == 0 {
            continue;
        }
        let bytes = store.encoded_state(0);
        let size = friendly_bytes(bytes.len() as f64);
        assert!(bytes.len() <= LARGEST, "{kind}: {size} after {number} messages");
        let state = StreamState::decode(&bytes).expect("it can be decoded");
        assert!(state.num_deleted() > 0, "{kind}");
        assert_eq!(state.num_deleted(), totals.num_deleted, "{kind}");
        let deleted =
            state.deleted().filter(|seq| !(totals.first_seq..totals.last_seq).contains(seq));
        assert_eq!(deleted.count(), 0, "{kind}: all between first and last");
        let head = (state.msgs, state.bytes, state.first_seq, state.last_seq, state.failed);
        let wanted = (totals.msgs, totals.bytes, totals.first_seq, totals.last_seq, 0);
        assert_eq!(head, wanted, "{kind}");
        (largest, encoded) = (largest.max(bytes.len()), encoded + 1);
    }
    assert_eq!(encoded, 10, "{kind}: often enough");
    println!("{kind}: {messages} messages, at most {}", friendly_bytes(largest as f64));
}

#[test]
fn no_race_store_stream_encoder_decoder() {
    let config = StreamConfig {
        name: "zzz".to_owned(),
        subjects: vec!["*".to_owned()],
        max_msgs_per_subject: 1,
        ..StreamConfig::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let created = Timestamp::from_unix_ns(1_790_000_000_000_000_000);
    // All of it stays in memory, as it does in the reference for as long as it is in use.
    let options = FileStoreOptions { cache_bytes: 1 << 30, ..FileStoreOptions::default() };
    let mut memory = MemStore::new(&config);
    let mut file = FileStore::create(Arc::new(OsDisk), dir.path(), created, &config, options)
        .expect("the store is made");
    std::thread::scope(|scope| {
        scope.spawn(|| expect_small_states("memory", &mut memory));
        scope.spawn(|| expect_small_states("file", &mut file));
    });
    assert_eq!(memory.deleted(usize::MAX), file.deleted(usize::MAX), "both hold the same");
}
