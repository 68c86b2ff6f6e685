//! `cargo xtask bench batch27`: the tests of a batch that measure, at the reference's own size.

use std::process::{Command, ExitCode};

use crate::ledger::{self, Book, Checked, Code};
use crate::workspace::{Workspace, cargo};

/// Tells the tests (`tests::sized`) that they have the time.
const FULL_SIZE: &str = "JETCORE_FULL_SIZE";

/// The number in `batch27`; `None` where it is something else that is asked for.
pub(super) fn number(word: &str) -> Option<u32> {
    word.strip_prefix("batch")?.parse().ok()
}

/// Runs them one after the other in a release build, and the further tests that `names` ask for.
pub(super) fn main(batch: u32, names: &[String]) -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    let Ok(book) = ledger::book_of(&workspace)? else {
        return Err("the ledger cannot be read: see `cargo xtask verify --only ledger`".to_owned());
    };
    let tests = selected(&book, &ledger::code_of(&workspace), batch, names)?;
    // Servers of their own process lie beside the tests.
    run(cargo_in(&workspace).args(["build", "--release", "--package", "jetcore"]))?;
    let mut failed = Vec::new();
    for test in &tests {
        let (target, name) = test.split_once("::").unwrap_or(("", test));
        println!("\n{test}");
        let mut command = cargo_in(&workspace);
        command.args([
            "test",
            "--release",
            "--quiet",
            "--package",
            "tests",
            "--test",
            target,
            "--",
        ]);
        command.args(["--exact", name, "--nocapture"]).env(FULL_SIZE, "1");
        if run(&mut command).is_err() {
            failed.push(test.as_str());
        }
    }
    println!("\n{} tests at full size, {} failed", tests.len(), failed.len());
    failed.iter().for_each(|test| println!("  failed: {test}"));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tests of a batch that measure and are written, by path, and those with one of the names.
fn selected(book: &Book, code: &Code, batch: u32, names: &[String]) -> Result<Vec<String>, String> {
    let checked = Checked { book, code, committed: None };
    let own = book.entries().filter(|(_, number, entry)| *number == batch && entry.is_perf());
    let written = own.filter_map(|(_, _, entry)| checked.test_of(entry).ok());
    let mut tests: Vec<String> = written.map(|test| test.path.clone()).collect();
    for name in names {
        match code.tests_by_name(name).as_slice() {
            [] => return Err(format!("there is no test `{name}`")),
            found => tests.extend(found.iter().map(|test| test.path.clone())),
        }
    }
    match tests.is_empty() {
        true => Err(format!("batch {batch} has no tests that measure")),
        false => Ok(tests),
    }
}

fn cargo_in(workspace: &Workspace) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(&workspace.root);
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|err| format!("cargo cannot be run: {err}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_batch_is_asked_for_by_its_number() {
        assert_eq!(number("batch27"), Some(27));
        for other in ["batch", "store", "batch-1", "27", "--rows"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
