//! What the index of subjects keeps of each.

use std::collections::BTreeSet;

use env::SeededRng;

use crate::file_store::subject_entry::{Entry, Kept};
use crate::file_store::subjects::{Bound, SubjectInfo, Subjects};

fn below(rng: &SeededRng, end: u64) -> u64 {
    env::Rng::next_u64(rng).unwrap() % end
}

#[test]
fn a_subject_costs_twelve_bytes() {
    assert_eq!(size_of::<Entry>(), 12);
    for seq in [0, 1, 2, 7, u64::MAX >> 1] {
        assert_eq!((Bound::loose(seq).seq(), Bound::loose(seq).is_exact()), (seq, false));
    }
    assert_eq!((Bound::exact(5).seq(), Bound::exact(5).is_exact()), (5, true));
}

#[test]
fn entries_say_what_they_were_told() {
    let rng = SeededRng::new(7);
    // About where the forms of an entry end.
    let number = || {
        let edge = [0, 1 << 16, 1 << 32, 1 << 40, 1 << 62][below(&rng, 5) as usize];
        (edge + below(&rng, 3)).saturating_sub(1)
    };
    let bound = || match below(&rng, 2) {
        0 => Bound::exact(number()),
        _ => Bound::loose(number()),
    };
    let mut kept = Kept::default();
    let mut entries: Vec<(Entry, SubjectInfo)> =
        (0..4).map(|_| (Entry::default(), kept.info(&Entry::default()))).collect();
    for _ in 0..20_000 {
        let info = SubjectInfo { total: number(), first: bound(), last: bound() };
        let (entry, model) = &mut entries[below(&rng, 4) as usize];
        kept.set(entry, info);
        *model = info;
        for (entry, info) in &entries {
            assert_eq!(kept.info(entry), *info);
        }
    }
}

#[test]
fn tracked_sequences_are_those_that_are_held() {
    let rng = SeededRng::new(8);
    let mut subjects = Subjects::default();
    subjects.reset(true);
    let mut model = vec![BTreeSet::new(); 3];
    let mut last = 1_000;
    for _ in 0..20_000 {
        let which = below(&rng, 3) as usize;
        let name = [b'a' + which as u8];
        let held = &mut model[which];
        match below(&rng, 4) {
            0 => {
                last += 1;
                subjects.append(&name, last);
                held.insert(last);
            }
            1 => {
                let seq = 1 + below(&rng, last);
                if held.insert(seq) {
                    subjects.insert(&name, seq);
                }
            }
            _ => {
                if let Some(&seq) = held.iter().nth(below(&rng, 5) as usize) {
                    held.remove(&seq);
                    subjects.remove(&name, seq);
                }
            }
        }
        for (which, held) in model.iter().enumerate() {
            let name = [b'a' + which as u8];
            let Some(info) = subjects.get(&name) else {
                assert!(held.is_empty());
                continue;
            };
            assert_eq!(info.total, held.len() as u64);
            assert_eq!(Some(info.first), held.first().map(|&seq| Bound::exact(seq)));
            assert_eq!(Some(info.last), held.last().map(|&seq| Bound::exact(seq)));
            if held.len() > 1 {
                assert!(subjects.seqs(&name).unwrap().iter().eq(held));
            }
        }
    }
}
