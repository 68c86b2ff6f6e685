//! Pure crates name no file system, network, clock or thread outside their tests.

use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule.
pub(crate) const PURE: &str = "pure-crate";

/// Paths that the settings forbid in this file.
pub(crate) fn forbidden_names(source: &Source, settings: &Settings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (line, path) in &source.facts.paths {
        let named = settings.forbidden_names.iter().find(|name| holds(path, name));
        if let Some(name) = named
            && !source.in_test(*line)
        {
            let advice = format!(
                "a pure crate does not name `{name}`: take it as a value, or return an effect"
            );
            findings.push(source.finding(*line, PURE, advice));
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Whether the parts of `name` stand side by side in `path`; a lone name must come first.
fn holds(path: &str, name: &str) -> bool {
    let path: Vec<&str> = path.split("::").collect();
    let name: Vec<&str> = name.split("::").collect();
    if name.len() == 1 {
        return path.first() == name.first();
    }
    path.windows(name.len()).any(|window| window == name.as_slice())
}
