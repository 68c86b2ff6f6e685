//! Records and checksums.

use crate::file_store::record::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_checksum_is_the_references() {
    // Taken from a running server: meta.sum of a file with the content `hello`, stream TEST.
    assert_eq!(hex(&Hasher::new("TEST").sum(&[b"hello"])), "04370fd94e10d016");
    assert_eq!(
        hex(&Hasher::new("TEST").sum(&[b"he", b"", b"llo"])),
        "04370fd94e10d016",
        "parts make no difference"
    );
}

#[test]
fn records_of_the_reference_are_sound() {
    // 1.blk of the fixture: every byte of it belongs to a sound record.
    let block =
        std::fs::read(crate::tests::fixture_path("killed/$G/streams/ORDERS/msgs/1.blk")).unwrap();
    let (mut kinds, mut at) = ((0, 0, 0), 0);
    let damage = scan(&block, &Hasher::of_block("ORDERS", 1), |offset, record| {
        assert_eq!(offset, at);
        at += record.len;
        match record.kind {
            Kind::Message => kinds.0 += 1,
            Kind::Tombstone => kinds.1 += 1,
            Kind::Erased => kinds.2 += 1,
            Kind::Witness => panic!("the reference writes none"),
        }
    });
    assert_eq!(damage, []);
    assert_eq!(at, block.len());
    assert_eq!(kinds, (46, 4, 4), "messages, tombstones, erased");
}

#[test]
fn we_write_the_references_bytes() {
    let block =
        std::fs::read(crate::tests::fixture_path("killed/$G/streams/ORDERS/msgs/1.blk")).unwrap();
    let hasher = Hasher::of_block("ORDERS", 1);
    scan(&block, &hasher, |offset, record| {
        let mut out = Vec::new();
        let original = &block[offset..offset + record.len];
        match record.kind {
            Kind::Message => {
                let message = Message {
                    seq: record.seq,
                    ts_ns: record.ts_ns,
                    subject: record.subject,
                    headers: record.headers,
                    payload: record.payload,
                };
                assert_eq!(push_message(&mut out, &hasher, &message), record.len);
            }
            Kind::Tombstone => push_tombstone(&mut out, &hasher, record.seq, record.ts_ns),
            Kind::Erased => push_erased(&mut out, &hasher, record.seq, record.payload),
            Kind::Witness => panic!("the reference writes none"),
        }
        assert_eq!(hex(&out), hex(original));
    });
}

#[test]
fn lengths_at_their_limits() {
    let hasher = Hasher::new("S-1");
    for (subject, headers, payload) in [(1, 0, 0), (1, 12, 0), (300, 0, 1), (65_535, 65_535, 9)] {
        let subject = vec![b's'; subject];
        let mut head = b"NATS/1.0".to_vec();
        head.resize(usize::saturating_sub(headers, 4), b'h');
        head.extend_from_slice(b"\r\n\r\n");
        head.truncate(headers);
        let payload = vec![b'p'; payload];
        let mut out = vec![0xaa; 3];
        let message = Message {
            seq: MAX_SEQ,
            ts_ns: -5,
            subject: &subject,
            headers: &head,
            payload: &payload,
        };
        let len = push_message(&mut out, &hasher, &message);
        assert_eq!(len, len_of(subject.len(), headers, payload.len()));
        assert_eq!(out.len(), len + 3);
        let record = Record::parse(&out, 3).unwrap();
        assert!(record.is_intact(&hasher) && record.is_plausible());
        assert_eq!((record.seq, record.ts_ns), (MAX_SEQ, -5));
        assert_eq!((record.subject, record.headers), (&subject[..], &head[..]));
        assert_eq!(record.payload, payload);
        for cut in [1, 8, len - EMPTY, len - 1] {
            assert!(Record::parse(&out[..out.len() - cut.max(1)], 3).is_none(), "cut {cut}");
        }
    }
}

#[test]
fn a_witness_is_of_no_sequence_and_ends_a_damaged_stretch() {
    let hasher = Hasher::new("S-1");
    let mut block = Vec::new();
    let message = |seq| Message { seq, ts_ns: 1, subject: b"s", headers: b"", payload: b"x" };
    let len = push_message(&mut block, &hasher, &message(7));
    push_message(&mut block, &hasher, &message(8));
    push_witness(&mut block, &hasher, 0x0102, 8);
    assert_eq!(block.len(), 2 * len + WITNESS);
    // Marked as erased, of sequence 0, with the lengths' sum for a payload.
    assert_eq!(hex(&block[2 * len..2 * len + 12]), "260000000000000000000080");
    assert_eq!(hex(&block[2 * len + HEAD..2 * len + HEAD + 8]), "0201000000000000");
    let mut seqs = Vec::new();
    assert_eq!(scan(&block, &hasher, |_, record| seqs.push(record.seq)), []);
    assert_eq!(seqs, [7, 8]);
    block[len + HEAD..2 * len].fill(0xff);
    let damage = Damage { from: len, to: 2 * len, after_seq: 7, before_seq: 9 };
    assert_eq!(scan(&block, &hasher, |_, _| {}), [damage]);
}

#[test]
fn a_bad_bit_of_a_length_that_ends_at_a_later_record_costs_one_record() {
    let hasher = Hasher::new("S-1");
    let (mut block, mut starts) = (Vec::new(), Vec::new());
    // 36 bytes and 64 bytes: with one bit of it flipped, the first one's length is that of both.
    for (seq, payload) in [(1, 5), (2, 33), (3, 5)] {
        starts.push(block.len());
        let payload = vec![b'p'; payload];
        let message = Message { seq, ts_ns: 1, subject: b"s", headers: b"", payload: &payload };
        push_message(&mut block, &hasher, &message);
    }
    assert_eq!(starts[2] - starts[0], 36 ^ 64);
    block[0] ^= 64;
    let damage = Damage { from: 0, to: starts[1], after_seq: 0, before_seq: 2 };
    assert_eq!(scan(&block, &hasher, |_, _| {}), [damage]);
}

#[test]
fn any_bytes_are_survived() {
    use env::Rng;
    let rng = env::SeededRng::new(5);
    let hasher = Hasher::new("S-1");
    for round in 0..400 {
        let mut bytes = vec![0; round];
        rng.fill(&mut bytes).unwrap();
        if let Some(high) = bytes.get_mut(3) {
            *high = 0;
        }
        if let Some(high) = bytes.get_mut(2) {
            *high = 0;
        }
        let damage = scan(&bytes, &hasher, |_, record| panic!("{record:?}"));
        let covered: usize = damage.iter().map(|damage| damage.to - damage.from).sum();
        assert_eq!(covered, bytes.len());
    }
}
