//! Marks in this process: each test has ids of its own, because all share the list.

use std::panic::catch_unwind;

use crate::Guard;
use crate::record::count;

#[test]
fn a_test_that_reaches_its_feature_passes() {
    crate::check!(F1, F2);
    crate::hit!(F1);
    std::thread::spawn(|| crate::hit!(F2)).join().expect("the thread only counts");
    assert_eq!((count("F1"), count("F2")), (1, 1));
}

#[test]
fn a_test_that_misses_a_feature_fails_and_names_it() {
    let failed = catch_unwind(|| {
        crate::check!(F3, F4);
        crate::hit!(F3);
    });
    let text = failed.expect_err("F4 was never reached");
    assert_eq!(
        text.downcast_ref::<String>().map(String::as_str),
        Some("the test never reached F4")
    );
}

#[test]
fn what_was_reached_before_does_not_count() {
    let pass = || crate::hit!(F5);
    pass();
    let guard = Guard::new(&["F5"]);
    assert_eq!(guard.missing(), ["F5"]);
    pass();
    assert_eq!(guard.missing(), Vec::<&str>::new());
}

#[test]
fn a_failing_test_is_not_made_to_panic_twice() {
    let failed = catch_unwind(|| {
        crate::check!(F6);
        panic!("its own reason");
    });
    let text = failed.expect_err("it panics");
    assert_eq!(text.downcast_ref::<&str>(), Some(&"its own reason"));
}

#[test]
fn threads_at_once_lose_no_pass() {
    let guard = Guard::new(&["F7"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    crate::hit!(F7);
                }
                assert!(guard.missing().is_empty(), "after a pass the mark is listed");
            });
        }
    });
    assert_eq!(count("F7"), 8000);
}

#[test]
fn marks_of_a_child_are_taken_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("marks");
    let guard = Guard::new(&["F8", "F9"]);
    crate::absorb(&file);
    assert_eq!(guard.missing(), ["F8", "F9"], "no file, no marks");
    std::fs::write(&file, "F8\n").expect("it is written");
    crate::absorb(&file);
    assert_eq!(guard.missing(), ["F9"]);
    std::mem::forget(guard);
}
