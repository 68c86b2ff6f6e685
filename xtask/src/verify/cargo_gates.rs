//! The gates that are a cargo command: format, clippy, build, docs.

use std::collections::VecDeque;
use std::process::Command;
use std::time::Duration;

use super::diagnostics::{Level, Line, read_line};
use super::{Outcome, Scope};
use crate::finding::Finding;
use crate::process::{Ended, run_lines};
use crate::progress::Progress;
use crate::workspace::cargo;

/// A compiler that prints nothing for this long hangs.
const SILENCE: Duration = Duration::from_secs(600);

/// `cargo fmt --check`.
pub(crate) fn format(scope: &Scope, _progress: &Progress) -> Result<Outcome, String> {
    let mut command = command(scope);
    match &scope.only_crate {
        Some(name) => command.args(["fmt", "--check", "--package", name]),
        None => command.args(["fmt", "--check", "--all"]),
    };
    let root = format!("{}/", scope.workspace.root.display());
    let mut findings = Vec::new();
    let mut last_lines = Tail::default();
    let ended = run_lines(command, SILENCE, |line| {
        last_lines.push(line);
        findings.extend(format_finding(line, &root));
    });
    check_end(ended, &findings, &last_lines)?;
    Ok(Outcome { findings, ..Outcome::default() })
}

/// A finding from `Diff in PATH:LINE:` of rustfmt.
pub(crate) fn format_finding(line: &str, root: &str) -> Option<Finding> {
    let place = line.strip_prefix("Diff in ")?.trim_end().trim_end_matches(':');
    let (path, number) = place.rsplit_once(':')?;
    let path = path.strip_prefix(root).unwrap_or(path);
    Some(Finding::new(path, number.parse().ok()?, "format", "run `cargo fmt`"))
}

/// `cargo clippy`; every warning is a finding, as with `-D warnings`.
///
/// The compiler is told to go no higher than warnings, because an error in one crate would keep
/// those above it from being looked at.
pub(crate) fn clippy(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let mut command = command(scope);
    command.arg("clippy").args(scope.package_args());
    command.args(["--all-targets", "--keep-going", "--message-format=json"]);
    command.args(["--", "--cap-lints", "warn"]);
    diagnose(command, progress, Level::Warnings)
}

/// `cargo build` of everything, tests included.
pub(crate) fn build(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let mut command = command(scope);
    command.arg("build").args(scope.package_args());
    command.args(["--all-targets", "--keep-going", "--message-format=json"]);
    diagnose(command, progress, Level::Errors)
}

/// `cargo doc` with warnings as errors.
pub(crate) fn docs(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let mut command = command(scope);
    command.arg("doc").args(scope.package_args());
    command.args(["--no-deps", "--keep-going", "--message-format=json"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    diagnose(command, progress, Level::Warnings)
}

/// A cargo command in the checkout.
pub(crate) fn command(scope: &Scope) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(&scope.workspace.root).env("CARGO_TERM_COLOR", "never");
    command
}

fn diagnose(command: Command, progress: &Progress, level: Level) -> Result<Outcome, String> {
    let mut findings = Vec::new();
    let mut last_lines = Tail::default();
    let mut built = 0_u32;
    let ended = run_lines(command, SILENCE, |line| match read_line(line, level) {
        Line::Finding(finding) => findings.push(finding),
        Line::Built(name) => {
            built += 1;
            progress.note(&format!("{built}: {name}"));
        }
        Line::Text => last_lines.push(line),
        Line::Other => {}
    });
    check_end(ended, &findings, &last_lines)?;
    Ok(Outcome { findings, ..Outcome::default() })
}

/// Whether a command that found nothing also ended well.
fn check_end(
    ended: std::io::Result<Ended>,
    findings: &[Finding],
    last_lines: &Tail,
) -> Result<(), String> {
    match ended {
        Err(err) => Err(format!("cargo does not start: {err}")),
        Ok(Ended::Silent) => Err(format!("nothing printed for {} s, killed", SILENCE.as_secs())),
        Ok(Ended::Exited(status)) if !status.success() && findings.is_empty() => {
            Err(format!("{status}: {}", last_lines.text()))
        }
        Ok(Ended::Exited(_)) => Ok(()),
    }
}

/// The last lines of an output, for a command that fails without a diagnostic.
#[derive(Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    /// Keeps a line and forgets the oldest.
    pub(crate) fn push(&mut self, line: &str) {
        if !line.trim().is_empty() {
            self.0.push_back(line.trim().to_owned());
        }
        if self.0.len() > 12 {
            self.0.pop_front();
        }
    }

    /// All of them.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}
