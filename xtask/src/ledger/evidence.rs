//! Holds what the evidence did in this run against what the ledger claims.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;
use super::entry::{Entry, Status};
use super::runner::Ran;
use crate::finding::Finding;

/// Evidence that did not run.
pub(crate) const NOT_RUN: &str = "evidence-not-run";
/// Evidence that failed.
pub(crate) const FAILED: &str = "evidence-failed";
/// Evidence that never reaches its feature.
pub(crate) const NOT_REACHED: &str = "evidence-not-reached";

/// All names, so that the self-test can ask for a sample of each.
pub(crate) const RULES: &[&str] = &[NOT_RUN, FAILED, NOT_REACHED];

/// The tests that must run for the verified ones of the entries that `wanted` holds.
pub(crate) fn needed(book: &Book, wanted: &dyn Fn(&Entry) -> bool) -> BTreeSet<String> {
    let verified = book.entries().map(|(_, _, entry)| entry);
    let verified = verified.filter(|entry| entry.status == Status::Verified && wanted(entry));
    verified.flat_map(|entry| entry.evidence.iter().cloned()).collect()
}

/// What is wrong with one entry after its evidence ran: rule and advice.
pub(crate) fn judge(entry: &Entry, ran: &BTreeMap<String, Ran>) -> Vec<(&'static str, String)> {
    let complaints = entry.evidence.iter().filter_map(|test| match ran.get(test) {
        None | Some(Ran::Absent) => Some((NOT_RUN, format!("`{test}` did not run"))),
        Some(Ran::Skipped(text)) => Some((NOT_RUN, format!("`{test}` skipped: {text}"))),
        Some(Ran::Failed(text)) => Some((FAILED, format!("`{test}` failed: {text}"))),
        Some(Ran::Passed(marks)) => (entry.is_feature() && !marks.contains(&entry.id)).then(|| {
            (NOT_REACHED, format!("`{test}` passed and never reached `hit!({})`", entry.id))
        }),
    });
    complaints.collect()
}

/// The same for all verified entries that `wanted` holds, as findings.
pub(crate) fn findings(
    book: &Book,
    ran: &BTreeMap<String, Ran>,
    wanted: &dyn Fn(&Entry) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _, entry) in book.entries() {
        if entry.status == Status::Verified && wanted(entry) {
            let line = book.line(path, &entry.id);
            findings.extend(judge(entry, ran).into_iter().map(|(rule, advice)| {
                Finding::new(path, line, rule, format!("{}: {advice}", entry.id))
            }));
        }
    }
    findings
}
