//! The set of sequences against `BTreeSet`, and its encoding.

use std::collections::BTreeSet;

use env::{Rng, SeededRng};

use crate::file_store::seq_set::SeqSet;

fn check(set: &SeqSet, model: &BTreeSet<u64>) {
    assert_eq!(set.len(), model.len() as u64);
    assert_eq!(set.iter_from(0).collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
    for at in [0, 1, 63, 64, 65, 2047, 2048, 5_000, 9_999] {
        assert_eq!(set.contains(at), model.contains(&at));
        assert_eq!(set.count_from(at), model.range(at..).count() as u64, "count from {at}");
        let absent = (at..).find(|seq| !model.contains(seq)).unwrap();
        assert_eq!(set.next_absent(at), absent, "next absent from {at}");
        let absent = (0..=at).rev().find(|seq| !model.contains(seq));
        assert_eq!(set.prev_absent(at), absent, "last absent up to {at}");
    }
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert_eq!(bytes.len(), set.encoded_len());
    bytes.push(9);
    let (decoded, took) = SeqSet::decode(&bytes).unwrap();
    assert_eq!((&decoded, took), (set, bytes.len() - 1));
    for cut in 1..bytes.len().min(40) {
        assert!(SeqSet::decode(&bytes[..bytes.len() - 1 - cut]).is_none());
    }
}

#[test]
fn random_changes() {
    for seed in 0..40 {
        let rng = SeededRng::new(seed);
        let below = |end: u64| rng.next_u64().unwrap() % end;
        let (mut set, mut model) = (SeqSet::default(), BTreeSet::new());
        for _ in 0..60 {
            let seq = below(10_000);
            match below(5) {
                0 => assert_eq!(set.remove(seq), model.remove(&seq)),
                1 => {
                    let to = seq + below(3_000);
                    set.insert_range(seq, to);
                    model.extend(seq..to);
                }
                2 if below(5) == 0 => {
                    set.remove_from(seq);
                    model.retain(|&held| held < seq);
                }
                _ => assert_eq!(set.insert(seq), model.insert(seq)),
            }
        }
        check(&set, &model);
    }
}

#[test]
fn nodes_are_a_balanced_tree_in_pre_order() {
    // Seven nodes: the middle one first, heights as the reference's tree has them.
    let set: SeqSet = (0..7).map(|node| node * 2048 + 5).collect();
    let mut bytes = Vec::new();
    set.encode(&mut bytes);
    assert_eq!(bytes[..10], [0x16, 2, 7, 0, 0, 0, 7, 0, 0, 0]);
    let nodes: Vec<(u64, u16)> = bytes[10..]
        .chunks(266)
        .map(|node| {
            let base = u64::from_le_bytes(node[..8].try_into().unwrap());
            (base / 2048, u16::from_le_bytes(node[264..].try_into().unwrap()))
        })
        .collect();
    assert_eq!(nodes, [(3, 3), (1, 2), (0, 1), (2, 1), (5, 2), (4, 1), (6, 1)]);
}

#[test]
fn version_one_is_read() {
    let mut bytes = vec![0x16, 1, 1, 0, 0, 0, 2, 0, 0, 0];
    bytes.extend_from_slice(&4096_u64.to_le_bytes());
    let mut words = [0_u64; 64];
    words[0] = 1;
    words[63] = 1 << 63;
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&[1, 0]);
    let (set, took) = SeqSet::decode(&bytes).unwrap();
    assert_eq!(took, bytes.len());
    assert_eq!(set.iter_from(0).collect::<Vec<_>>(), [4096, 4096 + 4095]);
}
