//! The encoded state of a stream: both stores, both forms of what is deleted, and bad bytes.

use types::StreamConfig;

use super::{World, at};
use crate::{Erase, MemStore, NewMsg, StreamState, StreamStateError, StreamStore};

fn fill(store: &mut dyn StreamStore, count: u64) {
    for n in 0..count {
        let msg =
            NewMsg { subject: b"s", headers: &[], payload: b"x", ts: at(n as i64), ttl_seconds: 0 };
        assert_eq!(store.append(msg, &mut |_| {}).unwrap(), n + 1);
    }
}

fn config() -> StreamConfig {
    StreamConfig { name: "S".to_owned(), subjects: vec!["s".to_owned()], ..Default::default() }
}

/// Removes what `gone` says and compares what is decoded with the store.
fn check(store: &mut dyn StreamStore, gone: impl Iterator<Item = u64>) -> usize {
    for seq in gone {
        assert!(store.remove(seq, Erase::Keep, &mut |_| {}).unwrap(), "{seq}");
    }
    let bytes = store.encoded_state(7);
    let state = StreamState::decode(&bytes).unwrap();
    let totals = store.totals();
    assert_eq!((state.msgs, state.bytes), (totals.msgs, totals.bytes));
    assert_eq!((state.first_seq, state.last_seq), (totals.first_seq, totals.last_seq));
    assert_eq!(state.failed, 7);
    assert_eq!(state.num_deleted(), totals.num_deleted);
    assert_eq!(state.deleted().collect::<Vec<_>>(), store.deleted(usize::MAX));
    for cut in 2..bytes.len() {
        // Cut between two parts it is shorter; never more than what was there.
        if let Ok(part) = StreamState::decode(&bytes[..cut]) {
            assert!(part.num_deleted() < totals.num_deleted, "cut to {cut}");
        }
    }
    bytes.len()
}

fn stores() -> Vec<Box<dyn StreamStore>> {
    let world = World::new(4096);
    vec![Box::new(MemStore::new(&config())), Box::new(world.create(&config()))]
}

#[test]
fn what_is_deleted_comes_back_in_the_shorter_form() {
    for mut store in stores() {
        let store = &mut *store;
        assert_eq!(check(store, 0..0), 8, "an empty one");
        fill(store, 10_000);
        let empty = check(store, 0..0);
        assert_eq!(check(store, 100..5000), empty + 1 + 1 + 1 + 2, "one long gap is a run");
        // Every second one of two thousand: bitmaps.
        let dense = check(store, (6000..8000).step_by(2));
        assert!(dense < empty + 6 + 2 * 266 + 10, "{dense}");
        assert!(dense > 266, "{dense}");
        let both = check(store, [9000, 9001, 9500].into_iter());
        assert!(both <= dense + 2 * 5, "{both}");
    }
}

#[test]
fn bytes_of_the_reference_are_read() {
    // Messages 90 of 100 from sequence 1, 900 bytes, failed 0; gaps 5..=9 and a set of 20 and 22.
    let mut bytes = vec![42, 1, 90, 0x84, 0x07, 1, 100, 0, 7, 33, 5, 5];
    bytes.extend([22, 2, 1, 0, 0, 0, 2, 0, 0, 0]);
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend((1_u64 << 20 | 1 << 22).to_le_bytes());
    bytes.extend([0; 31 * 8]);
    bytes.extend([1, 0]);
    let state = StreamState::decode(&bytes).unwrap();
    assert_eq!((state.msgs, state.bytes, state.first_seq, state.last_seq), (90, 900, 1, 100));
    assert_eq!(state.deleted().collect::<Vec<_>>(), [5, 6, 7, 8, 9, 20, 22]);
}

#[test]
fn bad_bytes_are_refused() {
    for bytes in [&[][..], &[42], &[41, 1, 0, 0, 0, 0, 0, 0], &[42, 2, 0, 0, 0, 0, 0, 0]] {
        let error = StreamState::decode(bytes).unwrap_err();
        assert_eq!(error, StreamStateError::BadEncoding, "{bytes:?}");
        assert_eq!(error.to_string(), "bad stream state encoding");
    }
    let head = [42, 1, 1, 1, 1, 9, 0, 5];
    for tail in [&[34][..], &[33], &[33, 5], &[22, 2], &[22, 3, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let error = StreamState::decode(&[&head[..], tail].concat()).unwrap_err();
        assert_eq!(error, StreamStateError::Corrupt, "{tail:?}");
        assert_eq!(error.to_string(), "stream state snapshot is corrupt");
    }
    // A run of all sequences costs nothing but to walk; beyond the last there is none.
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let whole = [&head[..], &[33, 0], &most].concat();
    assert_eq!(StreamState::decode(&whole).unwrap().num_deleted(), u64::MAX);
    let twice = [&whole[..], &[33, 0], &most].concat();
    assert_eq!(StreamState::decode(&twice).unwrap().num_deleted(), u64::MAX);
    let beyond = [&head[..], &[33, 1], &most].concat();
    assert_eq!(StreamState::decode(&beyond), Err(StreamStateError::Corrupt));
}
