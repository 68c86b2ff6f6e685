//! Directories written by nats-server 2.14 open with everything in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::OsDisk;
use serde_json::Value;
use types::{AckPolicy, StreamState};

use super::put;
use crate::*;

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/store/v2.14").join(name)
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn open_all(account: &Path) -> Vec<OpenedStream> {
    open_all_with(account, FileStoreOptions::default())
}

pub(super) fn open_all_with(account: &Path, options: FileStoreOptions) -> Vec<OpenedStream> {
    let disk: Arc<dyn env::Disk> = Arc::new(OsDisk);
    open_account(&disk, account, options).unwrap()
}

/// What the reference answered for a stream, compared with the store.
pub(super) fn check_stream(want: &Value, store: &mut dyn StreamStore) {
    let state: StreamState = serde_json::from_value(want["state"].clone()).unwrap();
    let totals = store.totals();
    assert_eq!(totals.msgs, state.msgs);
    assert_eq!(totals.bytes, state.bytes);
    assert_eq!((totals.first_seq, totals.last_seq), (state.first_seq, state.last_seq));
    assert_eq!((totals.first_ts, totals.last_ts), (state.first_ts, state.last_ts));
    assert_eq!((totals.num_subjects, totals.num_deleted), (state.num_subjects, state.num_deleted));
    assert_eq!(store.deleted(usize::MAX), state.deleted);
    let mut subjects = std::collections::BTreeMap::new();
    store.subject_totals(&Filter::all(), &mut |subject, count| {
        subjects.insert(String::from_utf8(subject.to_vec()).unwrap(), count);
    });
    assert_eq!(Some(subjects), state.subjects);
    let messages = want["messages"].as_array().unwrap();
    assert_eq!(messages.len() as u64, totals.msgs);
    for message in messages {
        let bytes = |key: &str| STANDARD.decode(message[key].as_str().unwrap_or_default()).unwrap();
        let got = store.get(message["seq"].as_u64().unwrap()).unwrap().unwrap();
        assert_eq!(got.subject, message["subject"].as_str().unwrap().as_bytes());
        assert_eq!(got.headers, bytes("hdrs"));
        assert_eq!(got.payload, bytes("data"));
        assert_eq!(got.ts.to_string(), message["time"].as_str().unwrap());
    }
}

fn check_consumers(want: &Value, store: &mut dyn StreamStore) {
    let mut found = store.take_recovered_consumers();
    assert_eq!(found.len(), want.as_object().unwrap().len());
    for consumer in &mut found {
        let want = &want[&consumer.meta.name];
        let pair = |key: &str| {
            let pair: [u64; 2] = serde_json::from_value(want[key].clone()).unwrap();
            types::SequencePair { consumer: pair[0], stream: pair[1] }
        };
        assert_eq!(consumer.meta.config.durable_name, want["durable"].as_str().unwrap());
        assert_eq!(consumer.meta.config.ack_policy, AckPolicy::Explicit);
        let state = consumer.state.clone().unwrap();
        assert_eq!(state.delivered, pair("delivered"));
        assert_eq!(state.ack_floor, pair("ack_floor"));
        let pending: Vec<[u64; 2]> =
            state.pending.iter().map(|ack| [ack.stream_seq, ack.consumer_seq]).collect();
        assert_eq!(serde_json::to_value(&pending).unwrap(), want["pending"]);
        consumer.store.save(&state, Durability::Synced).unwrap();
    }
    assert!(store.take_recovered_consumers().is_empty());
}

fn check_directory(name: &str) {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap();
    let mut expected = expected;
    if name == "clean" {
        for (stream, last_ts) in expected["clean_last_ts"].as_object().unwrap().clone() {
            expected["streams"][stream]["state"]["last_ts"] = last_ts;
        }
    }
    let streams = expected["streams"].as_object().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let account = temp.path().join("jetstream/$G");
    copy_dir(&fixture(name).join("$G"), &account);
    // Twice: as the reference left it, and as we left it, with two messages more.
    for round in 0..2 {
        let opened = open_all(&account);
        assert_eq!(opened.len(), streams.len());
        for stream in opened {
            let want = &streams[&stream.name];
            let Opening::Ready { created, config, mut store } = stream.opening else {
                panic!("{} is offline", stream.name)
            };
            assert_eq!(created.to_string(), want["created"].as_str().unwrap());
            assert_eq!(config.name, stream.name);
            assert_eq!(store.lost(), None);
            if round == 0 {
                check_stream(want, &mut *store);
                if stream.name == "ORDERS" {
                    check_consumers(&want["consumers"], &mut *store);
                }
                let before = store.totals();
                let subject = if stream.name == "ORDERS" { "orders.new" } else { "$KV.CONFIG.new" };
                assert_eq!(put(&mut *store, subject, "one", 1), before.last_seq + 1);
                assert_eq!(put(&mut *store, subject, "two", 2), before.last_seq + 2);
            } else {
                let state: StreamState = serde_json::from_value(want["state"].clone()).unwrap();
                assert_eq!(store.totals().msgs, state.msgs + 2);
                let last = store.last_match(&Filter::any_of(["*.new", "*.*.new"]), u64::MAX);
                assert_eq!(last.unwrap().unwrap().payload, b"two");
                if stream.name == "ORDERS" {
                    check_consumers(&want["consumers"], &mut *store);
                }
            }
            store.stop().unwrap();
        }
    }
}

#[test]
fn a_cleanly_stopped_directory_opens_whole() {
    check_directory("clean");
}

#[test]
fn a_killed_servers_directory_opens_whole() {
    check_directory("killed");
}

/// The encrypted directory `v2.14-<cipher>/<name>`, opened with several keys in turn.
fn check_encrypted(directory: &str, name: &str, keys: &[Encryption]) {
    let root = fixture("..").join(directory);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(root.join("expected.json")).unwrap()).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let account = temp.path().join("jetstream/$G");
    copy_dir(&root.join(name).join("$G"), &account);
    for (round, &encryption) in keys.iter().enumerate() {
        let options =
            FileStoreOptions { encryption: Some(encryption), ..FileStoreOptions::default() };
        let opened = open_all_with(&account, options);
        assert_eq!(opened.len(), 2);
        for stream in opened {
            let want = &expected["streams"][&stream.name];
            let Opening::Ready { created, config, mut store } = stream.opening else {
                panic!("{} is offline", stream.name)
            };
            assert_eq!(created.to_string(), want["created"].as_str().unwrap());
            assert_eq!(store.lost(), None);
            if stream.name == "ORDERS" {
                assert_eq!(config.description, "sealed");
                let mut want = want.clone();
                if name == "clean" {
                    want["state"]["last_ts"] = expected["clean_last_ts"]["ORDERS"].clone();
                }
                if round == 0 {
                    check_stream(&want, &mut *store);
                }
                check_consumers(&want["consumers"], &mut *store);
            } else {
                for seq in 1..=50 {
                    let got = store.get(seq).unwrap().unwrap();
                    assert_eq!(got.subject, format!("packed.{}", seq % 3).as_bytes());
                    assert_eq!(got.payload, format!("{seq:04} ").repeat(300).as_bytes());
                }
            }
            let state: StreamState = serde_json::from_value(want["state"].clone()).unwrap();
            let totals = store.totals();
            let added = round as u64;
            assert_eq!(
                (totals.msgs, totals.last_seq),
                (state.msgs + added, state.last_seq + added)
            );
            assert_eq!(put(&mut *store, "new", "one", 1), totals.last_seq + 1);
            if round % 2 == 0 {
                store.stop().unwrap();
            } else {
                store.flush(Durability::Synced).unwrap();
            }
        }
    }
}

#[test]
fn encrypted_directories_open_whole_and_change_their_keys() {
    use super::encryption::keyed;
    use StoreCipher::{Aes, ChaCha};
    const KEY: &str = "fixture key";
    for (directory, own, other) in [("v2.14-chacha", ChaCha, Aes), ("v2.14-aes", Aes, ChaCha)] {
        for name in ["clean", "killed"] {
            let turns = [
                keyed(own, KEY, ""),
                keyed(own, KEY, ""),
                keyed(other, KEY, ""),
                keyed(own, "second key", KEY),
                keyed(other, "third key", "second key"),
                keyed(other, "third key", ""),
            ];
            check_encrypted(directory, name, &turns);
        }
    }
}
