//! `// tidy: allow RULE: reason` takes one finding back, on its own line or the lines below it.

use super::{RULES, Source};
use crate::finding::Finding;

/// Name of the rule about allow comments themselves.
pub(crate) const ALLOW: &str = "allow-comment";

struct Allow<'a> {
    /// Line of the comment.
    line: usize,
    /// The first line below it that is no comment; the same line when code stands before it.
    code_line: usize,
    rule: &'a str,
}

/// Removes findings that a comment allows; adds findings about comments that are wrong or idle.
pub(crate) fn apply_allows(source: &Source, mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut extra = Vec::new();
    for number in 1..=source.lines.len() {
        let Some((before, comment)) = source.line(number).split_once("// tidy: allow ") else {
            continue;
        };
        if before.contains('"') || before.contains("//") {
            continue; // it is quoted, in a string or in another comment
        }
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
        let allow = Allow { line: number, code_line: code_line(source, number, before), rule };
        let count = findings.len();
        findings
            .retain(|f| !(f.rule == allow.rule && [allow.line, allow.code_line].contains(&f.line)));
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
