//! Unit tests of the tool's small helpers: tables and child processes.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Ended, run_lines};
use crate::table::{Align, render, thousands};

#[test]
fn lines_of_both_streams_arrive_in_order() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo a; echo b >&2; echo c; exit 3"]);
    let mut seen = Vec::new();
    let ended = run_lines(command, Duration::from_secs(30), |line| seen.push(line.to_owned()))
        .expect("sh runs");
    assert_eq!(seen, ["a", "b", "c"]);
    assert!(matches!(ended, Ended::Exited(status) if status.code() == Some(3)));
}

#[test]
fn a_silent_command_is_killed_with_its_children() {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 1000 & echo $!; wait"]);
    let mut child = String::new();
    let ended = run_lines(command, Duration::from_millis(300), |line| child = line.to_owned())
        .expect("sh runs");
    assert!(matches!(ended, Ended::Silent));
    // A killed process is gone once the kernel has come round to it.
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(&child) {
        assert!(Instant::now() < deadline, "the sleeping grandchild {child} was left behind");
        std::thread::yield_now();
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim().starts_with(['Z', 'X']))
}

#[test]
fn thousands_are_grouped_from_the_right() {
    assert_eq!(thousands(0), "0");
    assert_eq!(thousands(999), "999");
    assert_eq!(thousands(1_000), "1,000");
    assert_eq!(thousands(12_345_678), "12,345,678");
}

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let rows = vec![vec!["a".to_owned(), "12".to_owned()], vec!["long".into(), "3".into()]];
    let text = render(&[("n", Align::Left), ("v", Align::Right)], &rows);
    assert_eq!(text, "n      v\n----  --\na     12\nlong   3\n");
}
