//! Crashes and failures at every call of some sessions.

use crate::crash_run::{CrashRun, Tally, WAYS_TO_FAIL, calls};
use crate::verdict::guarded;

/// Every call of the sessions of these seeds: cut, and failing in one way.
fn check_seeds(seeds: std::ops::Range<u64>) {
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for seed in seeds {
        let (changes, reads) =
            guarded(|| calls(seed)).unwrap_or_else(|wrong| panic!("session {seed}: {wrong}"));
        let mut run = CrashRun::new(seed);
        assert!(changes > 20, "session {seed} changes nothing");
        for change in 0..changes {
            match guarded(|| run.crash_at(change, 1)) {
                Ok(done) => tally.add(done),
                Err(words) => wrong.push(format!("crash {seed} {change}: {words}")),
            }
            let way = (seed + change) as usize % WAYS_TO_FAIL;
            match guarded(|| run.fail_at(change, way)) {
                Ok(done) => tally.add(done),
                Err(words) => wrong.push(format!("fail {seed} {change} {way}: {words}")),
            }
        }
        for read in 0..reads {
            match guarded(|| run.fail_at(read, WAYS_TO_FAIL)) {
                Ok(done) => tally.add(done),
                Err(words) => wrong.push(format!("fail {seed} {read} {WAYS_TO_FAIL}: {words}")),
            }
        }
    }
    println!("{tally:?}");
    assert!(wrong.is_empty(), "{} times: {wrong:#?}", wrong.len());
}

#[test]
fn nothing_acknowledged_is_lost_at_any_call_1() {
    check_seeds(1..4);
}

#[test]
fn nothing_acknowledged_is_lost_at_any_call_2() {
    check_seeds(4..7);
}
