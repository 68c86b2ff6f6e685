//! `o.dat`.

use types::{SequencePair, Timestamp};

use crate::api::{ConsumerState, PendingAck};
use crate::file_store::consumer_file::{decode, encode};

#[test]
fn the_references_file_is_understood() {
    let path = crate::tests::fixture_path("killed/$G/streams/ORDERS/obs/worker/o.dat");
    let state = decode(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(state.delivered, SequencePair { consumer: 8, stream: 10 });
    assert_eq!(state.ack_floor, SequencePair { consumer: 4, stream: 5 });
    let pending: Vec<(u64, u64)> =
        state.pending.iter().map(|ack| (ack.stream_seq, ack.consumer_seq)).collect();
    assert_eq!(pending, [(6, 5), (8, 6), (10, 8)]);
    assert!(state.pending[0].delivered.to_string().starts_with("2026-11-2"));
}

#[test]
fn bytes() {
    let mut state = ConsumerState {
        delivered: SequencePair { consumer: 3, stream: 300 },
        ack_floor: SequencePair { consumer: 1, stream: 200 },
        ..ConsumerState::default()
    };
    let mut out = Vec::new();
    encode(&state, &mut out);
    assert_eq!(out, [0x16, 2, 1, 0xc8, 1, 3, 0xac, 2, 0, 0]);
    assert_eq!(decode(&out), Some(state.clone()));
    state.pending.push(PendingAck {
        stream_seq: 201,
        consumer_seq: 2,
        delivered: Timestamp::from_unix_ns(64_000_000_000),
    });
    state.pending.push(PendingAck {
        stream_seq: 300,
        consumer_seq: 3,
        delivered: Timestamp::from_unix_ns(65_000_000_000),
    });
    state.redelivered.push((201, 4));
    encode(&state, &mut out);
    // Two pending: base 65 s; +1, +1, 1 s before; +100, +2, 0 s. One redelivered: +1, 4 times.
    let tail = [2, 0x82, 1, 1, 1, 2, 100, 2, 0, 1, 1, 4];
    assert_eq!(out[8..], tail);
    assert_eq!(decode(&out), Some(state));
    for cut in 0..out.len() {
        assert_eq!(decode(&out[..cut]), None, "cut at {cut}");
    }
}

#[test]
fn version_one() {
    // Delivered values are relative to the ack floor, pending has no consumer sequence.
    let bytes = [0x16, 1, 5, 10, 3, 4, 1, 0x82, 1, 2, 6, 0];
    let state = decode(&bytes).unwrap();
    assert_eq!(state.delivered, SequencePair { consumer: 7, stream: 13 });
    assert_eq!(
        state.pending,
        [PendingAck {
            stream_seq: 12,
            consumer_seq: 0,
            delivered: Timestamp::from_unix_ns(68_000_000_000),
        }]
    );
}

#[test]
fn nonsense_is_refused() {
    assert_eq!(decode(&[]), None);
    assert_eq!(decode(&[0x16, 3, 0, 0, 0, 0, 0, 0]), None, "version");
    assert_eq!(decode(&[0x17, 2, 0, 0, 0, 0, 0, 0]), None, "magic");
    let top_bit = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let bytes = [&[0x16, 2, 0][..], &top_bit, &[0, 0, 0, 0]].concat();
    assert_eq!(decode(&bytes), None, "top bit of the ack floor");
    assert_eq!(decode(&[0x16, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), None, "pending sequence 0");
}
