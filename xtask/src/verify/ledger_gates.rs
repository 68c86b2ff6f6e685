//! The gates of the ledger: its entries against the sources, and their evidence against a run.

use std::collections::BTreeSet;

use super::{Outcome, Scope};
use crate::ledger::{self, Book, Checked, Code, Entry, Ran, Selection, Status};
use crate::progress::Progress;

/// The ledger against the sources.
pub(crate) fn ledger(scope: &Scope, _progress: &Progress) -> Result<Outcome, String> {
    let book = match ledger::book_of(&scope.workspace)? {
        Ok(book) => book,
        Err(findings) => return Ok(Outcome { findings, ..Outcome::default() }),
    };
    let code = ledger::code_of(&scope.workspace);
    let committed = ledger::committed_files(&scope.workspace)?;
    let checked = Checked { book: &book, code: &code, committed: Some(&committed) };
    let mut findings = checked.findings(&|entry| is_wanted(scope, entry));
    findings.retain(|it| it.path.starts_with(ledger::FOLDER) || scope.holds(&it.path));
    Ok(Outcome { findings, note: counts(scope, &book), ..Outcome::default() })
}

/// The evidence of every verified entry, run test by test.
pub(crate) fn evidence(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let Ok(book) = ledger::book_of(&scope.workspace)? else {
        return Err("the ledger cannot be read: see the gate `ledger`".to_owned());
    };
    let code = ledger::code_of(&scope.workspace);
    let wanted = |entry: &Entry| is_wanted(scope, entry);
    let all = ledger::needed(&book, &wanted);
    let (own, elsewhere): (BTreeSet<String>, BTreeSet<String>) =
        all.into_iter().partition(|test| is_own(scope, &code, test));
    let ran = if own.is_empty() {
        Default::default()
    } else {
        let what = match &scope.only_crate {
            Some(name) => Selection::Package(name.clone()),
            None => Selection::Workspace,
        };
        let note = |text: &str| progress.note(text);
        ledger::Binaries::build(&scope.workspace, &what, &note)?.run(&own, &note)?
    };
    let mut findings = ledger::evidence_findings(&book, &ran, &wanted);
    // What lies outside of the crate that was asked for is not judged, and the note says so.
    findings.retain(|it| !elsewhere.iter().any(|test| it.advice.contains(&format!("`{test}`"))));
    let passed = ran.values().filter(|it| matches!(it, Ran::Passed(_))).count();
    let unique =
        ran.iter().filter(|(test, it)| matches!(it, Ran::Passed(_)) && code.is_unique(test));
    let unique = unique.filter_map(|(test, _)| test.split_once("::"));
    scope.passed.borrow_mut().extend(unique.map(|(_, name)| name.to_owned()));
    let mut note = format!("{} tests, each in its own process", ran.len());
    if !elsewhere.is_empty() {
        note += &format!("; {} in other crates not run", elsewhere.len());
    }
    let tests = (passed as u64, (ran.len() - passed) as u64);
    Ok(Outcome { findings, note, tests: Some(tests), ..Outcome::default() })
}

fn is_wanted(scope: &Scope, entry: &Entry) -> bool {
    scope.only_crate.as_deref().is_none_or(|name| entry.owner() == name)
}

fn is_own(scope: &Scope, code: &Code, test: &str) -> bool {
    let Some(name) = &scope.only_crate else { return true };
    code.tests(test).any(|it| it.package == *name)
}

fn counts(scope: &Scope, book: &Book) -> String {
    let count = |is_feature: bool| {
        let own = book.entries().map(|(_, _, it)| it);
        let own: Vec<&Entry> =
            own.filter(|it| it.is_feature() == is_feature && is_wanted(scope, it)).collect();
        let of = |status: Status| own.iter().filter(|it| it.status == status).count();
        format!(
            "{} of {} verified, {} deferred",
            of(Status::Verified),
            own.len(),
            of(Status::Deferred)
        )
    };
    format!("features: {}; tests: {}", count(true), count(false))
}
