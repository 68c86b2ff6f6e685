//! Runs in pools against vectors.

use proptest::prelude::*;

use crate::pool::Pool;

/// A step on one of the runs: which, what, where.
fn steps() -> impl Strategy<Value = Vec<(usize, u8, usize)>> {
    prop::collection::vec((0..8usize, 0..4u8, any::<usize>()), 0..400)
}

proptest! {
    #[test]
    fn runs_keep_their_items(steps in steps()) {
        let mut pool: Pool<Option<Box<usize>>> = Pool::new();
        let mut runs: Vec<(u32, Vec<usize>)> = vec![(0, Vec::new()); 8];
        for (step, (which, what, place)) in steps.into_iter().enumerate() {
            let (at, model) = &mut runs[which];
            let len = model.len();
            match what {
                // All at once, some of them longer than a segment.
                3 if place % 16 == 0 => {
                    for slot in pool.run_mut(*at, len) {
                        *slot = None;
                    }
                    pool.give_back(*at, len);
                    let new = [0, 1, 300, 4_096, 5_000][place / 16 % 5];
                    *at = pool.take(new);
                    *model = (0..new).collect();
                    for (slot, item) in pool.run_mut(*at, new).iter_mut().zip(model) {
                        prop_assert_eq!(&*slot, &None);
                        *slot = Some(Box::new(*item));
                    }
                }
                2 if len > 0 => {
                    let (item, now) = pool.remove(*at, len, place % len);
                    prop_assert_eq!(item, Some(Box::new(model.remove(place % len))));
                    *at = now;
                }
                _ => {
                    let place = place % (len + 1);
                    *at = pool.insert(*at, len, place, Some(Box::new(step)));
                    model.insert(place, step);
                }
            }
            for (at, model) in &runs {
                let items = pool.run(*at, model.len());
                prop_assert_eq!(items.len(), model.len());
                prop_assert!(items.iter().zip(model).all(|(a, b)| a.as_deref() == Some(b)));
            }
        }
    }
}

#[test]
fn what_was_given_back_is_used_again() {
    let mut pool: Pool<u64> = Pool::new();
    let runs: Vec<u32> = (0..10_000).map(|_| pool.take(12)).collect();
    assert!(!pool.is_sparse());
    for &at in &runs {
        pool.give_back(at, 12);
    }
    assert!(pool.is_sparse());
    // The same memory, in smaller pieces.
    let highest = runs.into_iter().max().unwrap();
    for _ in 0..20_000 {
        assert!(pool.take(6) < highest + 12);
    }
}
