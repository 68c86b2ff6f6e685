//! A child process writes its marks into the file that its parent names.

use std::process::Command;

/// Not a claim of its own: what the child of the test below does.
#[test]
fn reaches_a_mark() {
    let pass = |n: u32| {
        mark::hit!(F1);
        n
    };
    assert_eq!((1..=3).map(pass).sum::<u32>(), 6);
}

#[test]
fn each_mark_is_written_once_at_its_first_pass() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("marks");
    let mut command = Command::new(std::env::current_exe().expect("tests have a path"));
    command.args(["--exact", "reaches_a_mark"]);
    let output = mark::record_child(&mut command, &file).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(std::fs::read_to_string(&file).expect("it was written"), "F1\n");
}

#[test]
fn a_test_claims_what_its_child_reached() {
    mark::check!(F1);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("marks");
    let mut command = Command::new(std::env::current_exe().expect("tests have a path"));
    command.args(["--exact", "reaches_a_mark"]);
    let output = mark::record_child(&mut command, &file).output().expect("it starts");
    assert!(output.status.success());
    mark::absorb(&file);
}
