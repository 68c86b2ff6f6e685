//! Comments that take findings back, with a reason.
//!
//! `// tidy: allow RULE: reason` speaks for its own line, or for the first line of code below it;
//! `// tidy: allow-file RULE: reason` for the whole file.

use super::{RULES, Source};
use crate::finding::Finding;

/// Name of the rule about allow comments themselves.
pub(crate) const ALLOW: &str = "allow-comment";

/// Lines that one comment speaks for.
#[derive(Clone, Copy)]
enum Reach {
    File,
    /// The comment's line, and the first below it that is no comment (the same line when code
    /// stands before the comment).
    Lines(usize, usize),
}

/// Removes findings that a comment allows; adds findings about comments that are wrong or idle.
pub(crate) fn apply_allows(source: &Source, mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut extra = Vec::new();
    for number in 1..=source.lines.len() {
        let Some((before, comment)) = source.line(number).split_once("// tidy: allow") else {
            continue;
        };
        if before.contains(['"', '`']) || before.contains("//") {
            continue; // it is quoted, in a text or in another comment
        }
        let (reach, comment) = match comment.strip_prefix("-file ") {
            Some(rest) => (Reach::File, rest),
            None => (Reach::Lines(number, code_line(source, number, before)), comment.trim_start()),
        };
        let (rule, reason) = comment.split_once(':').unwrap_or((comment, ""));
        let rule = rule.trim();
        if !RULES.iter().any(|known| known.name == rule) {
            extra.push(source.finding(number, ALLOW, format!("there is no rule `{rule}`")));
            continue;
        }
        if reason.trim().len() < 8 {
            extra.push(source.finding(number, ALLOW, "give a reason: `allow RULE: reason`"));
            continue;
        }
        let count = findings.len();
        findings.retain(|finding| {
            let reached = match reach {
                Reach::File => true,
                Reach::Lines(own, code) => [own, code].contains(&finding.line),
            };
            finding.rule != rule || !reached
        });
        if findings.len() == count {
            extra.push(source.finding(number, ALLOW, "it allows nothing: remove it"));
        }
    }
    findings.extend(extra);
    findings
}

fn code_line(source: &Source, number: usize, before: &str) -> usize {
    if !before.trim().is_empty() {
        return number;
    }
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    (number..=source.lines.len()).find(|line| !is_comment(source.line(*line))).unwrap_or(number)
}
