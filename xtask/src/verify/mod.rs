//! `cargo xtask verify`: runs the gates, quick ones first, and says what each of them found.

mod cargo_gates;
mod diagnostics;
mod layers;
mod ledger_gates;
mod options;
mod source_gates;
mod test_gate;
mod test_log;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use crate::finding::Finding;
use crate::progress::Progress;
use crate::table::{self, Align};
use crate::workspace::Workspace;
pub(crate) use cargo_gates::Tail;
use options::Options;
pub(crate) use test_log::TestLog;

/// What the gates look at.
pub(crate) struct Scope {
    /// The checkout.
    pub(crate) workspace: Workspace,
    /// Only this crate, when one was named.
    pub(crate) only_crate: Option<String>,
    /// Tests that passed in a gate already, named as a test binary names them, and that no other
    /// binary has.
    pub(crate) passed: RefCell<BTreeSet<String>>,
}

impl Scope {
    /// Whether a file belongs to what is looked at.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let Some(name) = &self.only_crate else { return true };
        let package = self.workspace.package(name);
        package.is_some_and(|package| {
            path.strip_prefix(package.folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// `-p NAME` or `--workspace`.
    pub(crate) fn package_args(&self) -> Vec<String> {
        match &self.only_crate {
            Some(name) => vec!["--package".to_owned(), name.clone()],
            None => vec!["--workspace".to_owned()],
        }
    }
}

/// What one gate has to say.
#[derive(Default)]
pub(crate) struct Outcome {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// One remark for the table.
    pub(crate) note: String,
    /// Longer text for the end, such as the output of failed tests.
    pub(crate) details: Vec<String>,
    /// Tests that said that they could not run here.
    pub(crate) skips: Vec<String>,
    /// Passed and failed tests.
    pub(crate) tests: Option<(u64, u64)>,
}

struct Gate {
    name: &'static str,
    run: fn(&Scope, &Progress) -> Result<Outcome, String>,
}

/// In the order in which they run.
const GATES: &[Gate] = &[
    Gate { name: "format", run: cargo_gates::format },
    Gate { name: "self-test", run: source_gates::self_test },
    Gate { name: "tidy", run: source_gates::tidy },
    Gate { name: "layers", run: layers::gate },
    Gate { name: "mentions", run: source_gates::mentions },
    Gate { name: "ledger", run: ledger_gates::ledger },
    Gate { name: "clippy", run: cargo_gates::clippy },
    Gate { name: "build", run: cargo_gates::build },
    Gate { name: "evidence", run: ledger_gates::evidence },
    Gate { name: "tests", run: test_gate::gate },
    Gate { name: "docs", run: cargo_gates::docs },
];

/// Entry point of the command.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    let names: Vec<&str> = GATES.iter().map(|gate| gate.name).collect();
    let scope = Options::parse(args, &names).and_then(|options| {
        let workspace = Workspace::load()?;
        if let Some(name) = options.only_crate.as_deref()
            && workspace.package(name).is_none()
        {
            return Err(format!("there is no crate `{name}`"));
        }
        let only_crate = options.only_crate.clone();
        Ok((Scope { workspace, only_crate, passed: RefCell::default() }, options))
    });
    match scope {
        Ok((scope, options)) => run_gates(&scope, &options),
        Err(message) => {
            eprintln!("xtask verify: {message}");
            ExitCode::from(2)
        }
    }
}

struct Report {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

fn run_gates(scope: &Scope, options: &Options) -> ExitCode {
    let gates: Vec<&Gate> = GATES.iter().filter(|gate| options.wants(gate.name)).collect();
    let mut reports = Vec::new();
    for (i, gate) in gates.iter().enumerate() {
        let progress = Progress::start(&format!("{}/{}", i + 1, gates.len()), gate.name);
        let mut outcome = (gate.run)(scope, &progress).unwrap_or_else(|message| Outcome {
            findings: vec![Finding::new("Cargo.toml", 1, gate.name, message)],
            ..Outcome::default()
        });
        outcome.findings.sort();
        outcome.findings.dedup();
        let verdict = verdict(&outcome);
        let took = progress.finish(&format!("[{}/{}] {} {verdict}", i + 1, gates.len(), gate.name));
        for finding in &outcome.findings {
            println!("{finding}");
        }
        reports.push(Report { name: gate.name, outcome, took });
    }
    print_summary(&reports);
    if reports.iter().all(|report| report.outcome.findings.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.findings.is_empty() { "ok" } else { "FAILED" }
}

fn print_summary(reports: &[Report]) {
    let details = reports.iter().flat_map(|report| &report.outcome.details);
    for detail in details {
        println!("\n{detail}");
    }
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|report| {
            vec![
                report.name.to_owned(),
                verdict(&report.outcome).to_owned(),
                format!("{:.1}", report.took.as_secs_f64()),
                report.outcome.findings.len().to_string(),
                report.outcome.note.clone(),
            ]
        })
        .collect();
    let head = [
        ("gate", Align::Left),
        ("result", Align::Left),
        ("seconds", Align::Right),
        ("findings", Align::Right),
        ("note", Align::Left),
    ];
    println!("\n{}", table::render(&head, &rows));
    for skip in reports.iter().flat_map(|report| &report.outcome.skips) {
        println!("{skip}");
    }
    let total: Duration = reports.iter().map(|report| report.took).sum();
    println!("total {:.1} s", total.as_secs_f64());
    let counts = reports.iter().filter_map(|report| report.outcome.tests);
    if let Some((passed, failed)) = counts.reduce(|a, b| (a.0 + b.0, a.1 + b.1)) {
        println!("{passed} passed, {failed} failed");
    }
}

#[cfg(test)]
mod tests;
