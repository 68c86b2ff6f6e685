//! The tests gate: `cargo test`, counted, with every failure repeated at the end.

use std::time::Duration;

use super::cargo_gates::{Tail, command};
use super::test_log::TestLog;
use super::{Outcome, Scope};
use crate::finding::Finding;
use crate::process::{Ended, run_lines};
use crate::progress::Progress;

/// Tests that print nothing for this long hang.
const SILENCE: Duration = Duration::from_secs(300);

/// Runs the gate.
pub(crate) fn gate(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let mut command = command(scope);
    command.arg("test").args(scope.package_args());
    // With their output, tests that passed can say that they skipped something.
    command.args(["--no-fail-fast", "--", "--show-output"]);
    let passed = scope.passed.borrow();
    if !passed.is_empty() {
        command.arg("--exact");
        for name in passed.iter() {
            command.args(["--skip", name]);
        }
    }
    let mut log = TestLog::default();
    let mut last_lines = Tail::default();
    let ended = run_lines(command, SILENCE, |line| {
        last_lines.push(line);
        if let Some(what) = log.push(line) {
            progress.note(&format!("{} passed, {} failed: {what}", log.passed, log.failed));
        }
    });
    log.finish();
    let mut findings: Vec<Finding> = log.failures.iter().map(|failure| failure.finding()).collect();
    let problem = match ended {
        Err(err) => Some(format!("cargo does not start: {err}")),
        Ok(Ended::Silent) => Some(format!(
            "nothing printed for {} s, killed: {}",
            SILENCE.as_secs(),
            last_lines.text()
        )),
        Ok(Ended::Exited(status)) if !status.success() && findings.is_empty() => {
            Some(format!("{status}: {}", last_lines.text()))
        }
        Ok(Ended::Exited(_)) => None,
    };
    if let Some(problem) = problem {
        log.failed = log.failed.max(1);
        findings.push(Finding::new("Cargo.toml", 1, "tests", problem));
    }
    if log.failed > 0 && findings.is_empty() {
        let advice = format!("{} tests failed without output", log.failed);
        findings.push(Finding::new("Cargo.toml", 1, "tests", advice));
    }
    let details = log.failures.iter().map(|failure| {
        format!("---- {} ----\n{}", failure.name, failure.output.join("\n").trim_end())
    });
    let details = details.collect();
    let note = match log.ignored {
        0 => format!("{} passed, {} failed", log.passed, log.failed),
        ignored => format!("{} passed, {} failed, {ignored} ignored", log.passed, log.failed),
    };
    Ok(Outcome {
        findings,
        note,
        details,
        skips: log.skips.into_iter().collect(),
        tests: Some((log.passed, log.failed)),
    })
}
