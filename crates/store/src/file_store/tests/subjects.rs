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
            assert!(subjects.known_from(&name, 0).eq(held.iter().copied()));
            assert_eq!(subjects.seqs(&name).is_some(), held.len() > 2);
        }
    }
}

/// A subject's messages, and which of them the index was told of.
#[derive(Default)]
struct Held {
    seqs: BTreeSet<u64>,
    told: BTreeSet<u64>,
}

#[test]
fn what_was_learned_is_known_and_no_bound_is_wrong() {
    for seed in 0..200 {
        let rng = SeededRng::new(seed);
        let mut subjects = Subjects::default();
        subjects.reset(true);
        let mut last = 40;
        let mut model: Vec<Held> = (0..3).map(|_| Held::default()).collect();
        for seq in 1..=last {
            model[below(&rng, 3) as usize].seqs.insert(seq);
        }
        let name = |which: usize| [b'a' + which as u8];
        for (which, held) in model.iter_mut().enumerate() {
            // As an index says it.
            let (first, end) = (held.seqs.first().copied(), held.seqs.last().copied());
            let (Some(first), Some(end)) = (first, end) else { continue };
            let mut info = SubjectInfo {
                total: held.seqs.len() as u64,
                first: Bound::loose(first / 8 * 8),
                last: Bound::loose(end / 8 * 8 + 7),
            };
            if below(&rng, 2) == 0 {
                (info.first, info.last) = (Bound::exact(first), Bound::exact(end));
                held.told.extend([first, end]);
            }
            subjects.set(&name(which), info);
        }
        for _ in 0..60 {
            let which = below(&rng, 3) as usize;
            let held = &mut model[which];
            let any = held.seqs.iter().nth(below(&rng, 20) as usize).copied();
            match (below(&rng, 4), any) {
                (0, _) => {
                    last += 1;
                    subjects.append(&name(which), last);
                    held.seqs.insert(last);
                    held.told.insert(last);
                }
                (1, Some(seq)) => {
                    subjects.remove(&name(which), seq);
                    held.seqs.remove(&seq);
                    held.told.remove(&seq);
                }
                (_, Some(seq)) => {
                    subjects.learn(&name(which), seq);
                    held.told.insert(seq);
                }
                (_, None) => {}
            }
            for (which, Held { seqs, told }) in model.iter().enumerate() {
                let known: BTreeSet<u64> = subjects.known_from(&name(which), 0).collect();
                assert!(known.is_superset(told) && known.is_subset(seqs), "{seed}: {known:?}");
                let from = below(&rng, 40);
                assert!(subjects.known_from(&name(which), from).eq(known.range(from..).copied()));
                let Some(info) = subjects.get(&name(which)) else {
                    assert!(seqs.is_empty());
                    continue;
                };
                let (first, end) = (*seqs.first().unwrap(), *seqs.last().unwrap());
                assert_eq!(info.total, seqs.len() as u64);
                assert!(info.first.seq() == first || !info.first.is_exact());
                assert!(info.last.seq() == end || !info.last.is_exact());
                assert!(info.first.seq() <= first && info.last.seq() >= end);
                if known == *seqs {
                    assert!(info.first.is_exact() && info.last.is_exact(), "{seed}: {info:?}");
                    assert!(info.tells_all() || subjects.seqs(&name(which)).is_some());
                }
            }
        }
    }
}
