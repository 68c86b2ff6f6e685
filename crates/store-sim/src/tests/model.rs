//! At least a million random operations in all, on every store.

use crate::model_run::{Kind, OPS_PER_RUN, run};
use crate::verdict::guarded;

/// Each of the tests here takes an equal share.
const RUNS: u64 = 1_000_000 / OPS_PER_RUN / 4 + 1;

fn check_runs(part: u64) {
    for number in 0..RUNS {
        let seed = part * 1_000_000 + number;
        if let Err(wrong) = guarded(|| run(seed, Kind::of(seed))) {
            panic!("model, seed {seed}: {wrong}");
        }
    }
}

#[test]
fn stores_do_as_the_model_1() {
    check_runs(1);
}

#[test]
fn stores_do_as_the_model_2() {
    check_runs(2);
}

#[test]
fn stores_do_as_the_model_3() {
    check_runs(3);
}

#[test]
fn stores_do_as_the_model_4() {
    check_runs(4);
}
