//! The gates that read files themselves: the rules' self-test, tidy, mentions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::layers::Layers;
use super::{Outcome, Scope};
use crate::finding::Finding;
use crate::progress::Progress;
use crate::rules::{self, RULES, Settings, Source, TestModules};

/// `xtask/tidy.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TidyConfig {
    max_lines: usize,
    #[serde(default)]
    ratchet: BTreeMap<String, usize>,
}

/// Every rule catches its bad sample, and nothing in its good one.
pub(crate) fn self_test(_scope: &Scope, _progress: &Progress) -> Result<Outcome, String> {
    let (samples, mut findings) = rules::self_test();
    let (graphs, more) = super::layers::self_test();
    findings.extend(more);
    let (ledgers, more) = crate::ledger::self_test();
    findings.extend(more);
    let note =
        format!("{samples} samples of source, {graphs} of crate graphs, {ledgers} of ledgers");
    Ok(Outcome { findings, note, ..Outcome::default() })
}

/// Every rule over every Rust file that git tracks or would track.
pub(crate) fn tidy(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let config = read(scope, "xtask/tidy.toml")?;
    let config: TidyConfig =
        toml::from_str(&config).map_err(|err| format!("xtask/tidy.toml: {err}"))?;
    let layers = Layers::load(scope)?;
    let mut files = Vec::new();
    let mut test_modules = TestModules::default();
    for path in scope.workspace.present_files()? {
        if path.ends_with(".rs") && scope.holds(&path) {
            let text = read(scope, &path)?;
            test_modules.extend(rules::test_modules(&path, &text));
            files.push((path, text));
        }
    }
    let mut findings = Vec::new();
    if scope.only_crate.is_none() {
        let gone = config.ratchet.keys().filter(|path| !files.iter().any(|(it, _)| it == *path));
        findings.extend(gone.map(|path| {
            Finding::new(
                "xtask/tidy.toml",
                1,
                "file-length",
                format!("`{path}` is gone: remove it"),
            )
        }));
    }
    for (path, text) in &files {
        progress.note(path);
        let settings = Settings {
            max_lines: config.max_lines,
            ratchet: config.ratchet.clone(),
            forbidden_names: layers.forbidden_names(&scope.workspace, path),
        };
        match Source::parse(path, text, &test_modules) {
            Ok(source) => {
                let found =
                    RULES.iter().flat_map(|rule| (rule.check)(&source, &settings)).collect();
                findings.extend(rules::apply_allows(&source, found));
            }
            Err(finding) => findings.push(*finding),
        }
    }
    let note = format!("{} files, {} rules", files.len(), RULES.len());
    Ok(Outcome { findings, note, ..Outcome::default() })
}

/// No tracked text file names this machine or a registry's host.
pub(crate) fn mentions(scope: &Scope, progress: &Progress) -> Result<Outcome, String> {
    let mut findings = Vec::new();
    let mut count = 0;
    for path in scope.workspace.tracked_files()? {
        if !scope.holds(&path) {
            continue;
        }
        progress.note(&path);
        let bytes = std::fs::read(scope.workspace.root.join(&path))
            .map_err(|err| format!("{path}: {err}"))?;
        // Binary fixtures are data of the reference server; only text can mention anything.
        if let Ok(text) = String::from_utf8(bytes) {
            count += 1;
            findings.extend(rules::check_mentions(&path, &text));
        }
    }
    Ok(Outcome { findings, note: format!("{count} tracked text files"), ..Outcome::default() })
}

/// Text of a file in the checkout.
pub(crate) fn read(scope: &Scope, path: &str) -> Result<String, String> {
    std::fs::read_to_string(scope.workspace.root.join(path)).map_err(|err| format!("{path}: {err}"))
}
