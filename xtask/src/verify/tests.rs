//! The readers of cargo's output, the flags, and the layers rule on its sample graphs.

use super::cargo_gates::format_finding;
use super::diagnostics::{Level, Line, read_line};
use super::layers;
use super::options::Options;
use super::test_log::TestLog;
use crate::finding::Finding;

const OUTPUT: &str = "\
   Compiling x v0.1.0 (x)
     Running unittests src/lib.rs (target/debug/deps/x-1)

running 3 tests
test a::good ... ok
test a::bad ... FAILED
test a::skipped ... ok

successes:

---- a::skipped stdout ----
SKIP: no nats-server on PATH


successes:
    a::good
    a::skipped

failures:

---- a::bad stdout ----

thread 'a::bad' (77) panicked at crates/x/src/a.rs:12:5:
assertion `left == right` failed
  left: 1
 right: 2


failures:
    a::bad

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: test failed, to rerun pass `-p x --lib`
     Running tests/all.rs (target/debug/deps/all-1)

running 9 tests
error: test failed, to rerun pass `-p x --test all`
     Running unittests src/lib.rs (target/debug/deps/y-1)

running 1 test
test one ... ignored

test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

fn log_of(text: &str) -> TestLog {
    let mut log = TestLog::default();
    for line in text.lines() {
        log.push(line);
    }
    log.finish();
    log
}

#[test]
fn tests_are_counted_over_all_binaries_and_a_silent_death_is_a_failure() {
    let log = log_of(OUTPUT);
    assert_eq!((log.passed, log.failed, log.ignored), (6, 2, 1));
}

#[test]
fn a_failure_becomes_a_finding_at_its_panic() {
    let log = log_of(OUTPUT);
    let findings: Vec<String> = log.failures.iter().map(|f| f.finding().to_string()).collect();
    assert_eq!(
        findings,
        [
            "crates/x/src/a.rs:12: test: a::bad (Running unittests src/lib.rs): \
             assertion `left == right` failed",
            "tests:1: test: Running tests/all.rs: it ended without a result",
        ]
    );
    assert!(log.failures[0].output.iter().any(|line| line == " right: 2"));
}

#[test]
fn skips_are_collected_once() {
    let log = log_of(&format!("{OUTPUT}{OUTPUT}"));
    let skips: Vec<&str> = log.skips.iter().map(String::as_str).collect();
    assert_eq!(skips, ["SKIP: no nats-server on PATH"]);
}

#[test]
fn progress_names_the_binary_and_the_test() {
    let mut log = TestLog::default();
    let seen: Vec<String> = OUTPUT.lines().filter_map(|line| log.push(line)).collect();
    assert_eq!(seen.first().map(String::as_str), Some("Running unittests src/lib.rs"));
    assert_eq!(seen.get(1).map(String::as_str), Some("a::good"));
}

#[test]
fn rustfmt_lines_become_findings() {
    assert_eq!(
        format_finding("Diff in /r/crates/a/src/b.rs:7:", "/r/"),
        Some(Finding::new("crates/a/src/b.rs", 7, "format", "run `cargo fmt`"))
    );
    assert_eq!(format_finding("-let x = 1;", "/r/"), None);
}

fn finding_of(json: &str, level: Level) -> Option<String> {
    match read_line(json, level) {
        Line::Finding(finding) => Some(finding.to_string()),
        _ => None,
    }
}

#[test]
fn compiler_messages_become_findings() {
    let warning = r#"{"reason":"compiler-message","message":{"message":"unused import: `x`","level":"warning","code":{"code":"unused_imports"},"spans":[{"file_name":"a.rs","line_start":3,"is_primary":true}],"children":[{"message":"see https://x","level":"help","spans":[]},{"message":"remove it","level":"help","spans":[]}]}}"#;
    let text = "a.rs:3: unused_imports: unused import: `x`; remove it".to_owned();
    assert_eq!(finding_of(warning, Level::Warnings), Some(text));
    assert_eq!(finding_of(warning, Level::Errors), None);
    let error = r#"{"reason":"compiler-message","message":{"message":"linking failed","level":"error","code":null,"spans":[]}}"#;
    let text = "Cargo.toml:1: error: linking failed".to_owned();
    assert_eq!(finding_of(error, Level::Errors), Some(text));
    let closing = r#"{"reason":"compiler-message","message":{"message":"aborting due to 2 previous errors","level":"error","code":null,"spans":[]}}"#;
    assert_eq!(finding_of(closing, Level::Errors), None);
}

#[test]
fn flags_choose_the_gates() {
    let gates = ["format", "tidy", "tests"];
    let parse =
        |args: &[&str]| Options::parse(args.iter().map(|arg| (*arg).to_owned()).collect(), &gates);
    let chosen = |args: &[&str]| -> Vec<&str> {
        let options = parse(args).expect("the flags are known");
        gates.iter().copied().filter(|gate| options.wants(gate)).collect()
    };
    assert_eq!(chosen(&[]), gates);
    assert_eq!(chosen(&["--only", "tidy,tests"]), ["tidy", "tests"]);
    assert_eq!(chosen(&["--skip=tests"]), ["format", "tidy"]);
    assert!(parse(&["--only", "tody"]).is_err());
    assert!(parse(&["--crates", "x"]).is_err());
}

#[test]
fn the_layers_rule_judges_its_sample_graphs() {
    let (graphs, findings) = layers::self_test();
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!((graphs, text), (3, Vec::<String>::new()));
}
