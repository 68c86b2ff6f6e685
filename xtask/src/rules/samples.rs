//! Runs every rule over its samples: the bad one must be caught line by line, the good one not.
//!
//! A sample is a Rust file with a first line `//@ key: value; ...` where it needs settings.
//! A line that the rule must report ends in `//~`.

use super::{RULES, Rule, Settings, Source, TestModules, apply_allows, mentions};
use crate::finding::Finding;

macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        &[$(
            (
                $name,
                include_str!(concat!("../../samples/", $name, ".bad.rs.txt")),
                include_str!(concat!("../../samples/", $name, ".good.rs.txt")),
            ),
        )*]
    };
}

/// Rule, bad sample, good sample.
const SAMPLES: &[(&str, &str, &str)] = samples![
    "stub-macro",
    "stub-text",
    "empty-function",
    "constant-function",
    "ignored-test",
    "test-without-assertion",
    "constant-assertion",
    "hollow-check",
    "sleep",
    "missing-purpose",
    "file-length",
    "pure-crate",
    "allow-comment",
    "machine-path",
    "registry-host",
];

/// What is wrong with the rules; empty when every rule catches its bad sample and only that.
/// The number is that of the samples looked at.
pub(crate) fn self_test() -> (usize, Vec<Finding>) {
    let mut findings = Vec::new();
    for rule in RULES {
        if !SAMPLES.iter().any(|(name, _, _)| *name == rule.name) {
            let advice = "write a bad and a good sample for it";
            findings.push(Finding::new("xtask/samples", 1, rule.name, advice));
        }
    }
    for (name, bad, good) in SAMPLES {
        let path = format!("xtask/samples/{name}.bad.rs.txt");
        let wanted = marked_lines(bad);
        if wanted.is_empty() {
            findings.push(Finding::new(&path, 1, *name, "mark the bad lines with `//~`"));
        }
        findings.extend(compare(&path, name, &wanted, &caught(name, bad)));
        let path = format!("xtask/samples/{name}.good.rs.txt");
        findings.extend(compare(&path, name, &[], &caught(name, good)));
    }
    (SAMPLES.len() * 2, findings)
}

fn marked_lines(text: &str) -> Vec<usize> {
    let marked = text.lines().enumerate().filter(|(_, line)| line.trim_end().ends_with("//~"));
    marked.map(|(i, _)| i + 1).collect()
}

fn compare(path: &str, name: &str, wanted: &[usize], got: &[usize]) -> Vec<Finding> {
    let missed = wanted.iter().filter(|line| !got.contains(line));
    let missed = missed.map(|line| Finding::new(path, *line, name, "the rule misses this line"));
    let wrong = got.iter().filter(|line| !wanted.contains(line));
    let wrong = wrong.map(|line| Finding::new(path, *line, name, "the rule reports a good line"));
    missed.chain(wrong).collect()
}

/// Lines that the rule `name` reports in a sample.
fn caught(name: &str, text: &str) -> Vec<usize> {
    let mut settings = Settings { max_lines: 800, ..Settings::default() };
    let mut path = "crates/sample/src/sample.rs".to_owned();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let head = first.strip_prefix("//@ ").map(without_mark);
    for (key, value) in
        head.iter().flat_map(|head| head.split(';')).filter_map(|part| part.split_once(':'))
    {
        let value = value.trim();
        match key.trim() {
            "path" => path = value.to_owned(),
            "max_lines" => settings.max_lines = value.parse().unwrap_or(0),
            "ratchet" => drop(settings.ratchet.insert(path.clone(), value.parse().unwrap_or(0))),
            "forbidden" => {
                settings.forbidden_names = value.split(", ").map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    // Samples write `⁄` for `/` and `·` for `.` where the real text would be found by the gates.
    // The first line keeps its number but is no part of the sample.
    let text = if head.is_some() { format!("\n{rest}") } else { text.to_owned() };
    let text = text.replace('⁄', "/").replace('·', ".");
    let text: String = text.lines().map(|line| without_mark(line) + "\n").collect();
    let found = match name {
        mentions::PATH | mentions::REGISTRY => mentions::check_text(&path, &text),
        _ => match Source::parse(&path, &text, &TestModules::default()) {
            Ok(source) => check(name, &source, &settings),
            Err(finding) => vec![*finding],
        },
    };
    let relevant = found.iter().filter(|f| f.rule == name || f.rule == "syntax");
    relevant.map(|finding| finding.line).collect()
}

fn without_mark(line: &str) -> String {
    line.trim_end().trim_end_matches("//~").trim_end().to_owned()
}

fn check(name: &str, source: &Source, settings: &Settings) -> Vec<Finding> {
    // Allow comments answer to all rules at once, as in the gate.
    let rules = RULES.iter().filter(|rule: &&Rule| name == "allow-comment" || rule.name == name);
    let found = rules.flat_map(|rule| (rule.check)(source, settings)).collect();
    let allows_matter =
        name == "allow-comment" || source.lines.iter().any(|l| l.contains("tidy: allow"));
    if allows_matter { apply_allows(source, found) } else { found }
}
