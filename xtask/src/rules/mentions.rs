//! Committed files name nothing of the machine they were written on.

use crate::finding::Finding;

/// Name of the rule about folders of one machine.
pub(crate) const PATH: &str = "machine-path";
/// Name of the rule about package registries.
pub(crate) const REGISTRY: &str = "registry-host";

// Written in two halves, so that this file passes its own rule.
const FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "ref")];
const HOSTS: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("registry.", "npmjs.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("pypi.", "org/simple"),
];
const LOCK_SOURCE: &str =
    concat!("source = \"registry+https://github.com/rust-lang/", "crates.io-index\"");

/// Findings in one text file of any kind.
pub(crate) fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let is_lock = path.ends_with("Cargo.lock");
    let mut findings = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if let Some(folder) = FOLDERS.iter().find(|folder| starts_a_path(line, folder)) {
            let advice = format!("`{folder}` is one machine's: name the thing, or a relative path");
            findings.push(Finding::new(path, i + 1, PATH, advice));
        }
        let foreign_source = is_lock && line.starts_with("source = ") && line.trim() != LOCK_SOURCE;
        if foreign_source || HOSTS.iter().any(|host| line.contains(host)) {
            let advice = "name the package, not the host it is fetched from";
            findings.push(Finding::new(path, i + 1, REGISTRY, advice));
        }
    }
    findings
}

/// Whether `folder` stands in `line` as the start of an absolute path.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|part| part.chars().next_back());
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '*' | '}'))
    })
}
