//! Compressed blocks.

use env::{Rng, SeededRng};

use crate::file_store::packed::{is_packed, pack, unpack};

#[test]
fn what_was_packed_unpacks() {
    let rng = SeededRng::new(3);
    for len in [8, 30, 1_000, (1 << 20) + 7, (1 << 20) + 8, (1 << 20) + 9, 3 << 20] {
        let mut plain = vec![0; len];
        // Half noise, half repetition.
        rng.fill(&mut plain[..len / 2]).unwrap();
        let file = pack(&plain);
        assert!(is_packed(&file));
        assert_eq!(file[file.len() - 8..], plain[len - 8..], "the end stays plain");
        assert!(unpack(&file) == plain, "{len}");
    }
}

#[test]
fn damage_keeps_what_is_behind_it_in_place() {
    let mut plain = vec![7; (2 << 20) + 500];
    SeededRng::new(5).fill(&mut plain).unwrap();
    let mut file = pack(&plain);
    file[40] ^= 1;
    let got = unpack(&file);
    assert_eq!(got.len(), plain.len());
    assert!(got[1 << 20..] == plain[1 << 20..]);
    assert!(got[..1 << 20].iter().all(|&byte| byte == 0));
}

#[test]
fn nonsense_is_survived() {
    let rng = SeededRng::new(4);
    let file = pack(&[5; 4_000]);
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 0x55;
        assert!(unpack(&bad).len() < 1 << 20, "byte {at}");
        assert!(unpack(&file[..at]).len() <= 4_000, "cut at {at}");
    }
    for len in 0..300 {
        let mut noise = vec![0; len];
        rng.fill(&mut noise).unwrap();
        let got = unpack(&[b"cmp\x01\xff\x7f", &noise[..]].concat());
        assert!(got.len() < 5 << 20, "{len}");
    }
}
