//! Runs the ledger's rules over a sound ledger and over one bad change to it after the other.
//!
//! Each case replaces text in one file of the sound sample and says which complaints must come:
//! exactly these, as `rule: part of the advice`. Every rule has a case.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::book::Book;
use super::check::{self, Checked};
use super::code::Code;
use super::evidence;
use super::runner::Ran;
use crate::finding::Finding;
use crate::workspace::{Package, Target, TargetKind};

/// The sound ledger.
const GOOD: (&str, &str) =
    ("xtask/samples/ledger.good.toml", include_str!("../../samples/ledger.good.toml"));
/// What is changed in it.
const BAD: (&str, &str) =
    ("xtask/samples/ledger.bad.toml", include_str!("../../samples/ledger.bad.toml"));

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    /// Files of the ledger and sources, by path.
    files: BTreeMap<String, String>,
    /// Package, target, root file.
    targets: Vec<(String, String, String)>,
    /// `passed F1 F2`, `failed`, `skipped`.
    ran: BTreeMap<String, String>,
    /// Promotion files that are committed.
    committed: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// File, what is replaced in it, by what; `ran` names the results of the run.
    replace: Vec<(String, String, String)>,
    /// Files that are added.
    #[serde(default)]
    add: BTreeMap<String, String>,
    wanted: Vec<String>,
}

/// The number of samples, and what is wrong with the rules.
pub(crate) fn self_test() -> (usize, Vec<Finding>) {
    let wrong = |path: &str, advice: String| Finding::new(path, 1, "ledger", advice);
    let good: Sample = match toml::from_str(GOOD.1) {
        Ok(sample) => sample,
        Err(err) => return (0, vec![wrong(GOOD.0, format!("make it parse: {err}"))]),
    };
    let cases: Cases = match toml::from_str(BAD.1) {
        Ok(cases) => cases,
        Err(err) => return (0, vec![wrong(BAD.0, format!("make it parse: {err}"))]),
    };
    let mut findings = Vec::new();
    let complaints = good.complaints();
    if !complaints.is_empty() {
        findings.push(wrong(GOOD.0, format!("the rules complain: {complaints:?}")));
    }
    for case in &cases.case {
        let got = match good.changed(case) {
            Ok(sample) => sample.complaints(),
            Err(message) => vec![message],
        };
        let hit = got.len() == case.wanted.len()
            && got.iter().zip(&case.wanted).all(|(got, wanted)| is_meant(got, wanted));
        if !hit {
            let advice = format!("{}: wanted {:?}, the rules say {got:?}", case.name, case.wanted);
            findings.push(wrong(BAD.0, advice));
        }
    }
    for rule in check::RULES.iter().chain(evidence::RULES) {
        let shown = |case: &Case| case.wanted.iter().any(|it| it.split(": ").next() == Some(rule));
        if !cases.case.iter().any(shown) {
            findings.push(wrong(BAD.0, format!("no case shows the rule `{rule}`")));
        }
    }
    (cases.case.len() + 1, findings)
}

/// `rule: part`: the rule must be the same, and the part in the advice.
fn is_meant(got: &str, wanted: &str) -> bool {
    let (Some(got), Some(wanted)) = (got.split_once(": "), wanted.split_once(": ")) else {
        return false;
    };
    got.0 == wanted.0 && got.1.contains(wanted.1)
}

impl Sample {
    fn changed(&self, case: &Case) -> Result<Self, String> {
        let mut sample = self.clone();
        sample.files.extend(case.add.clone());
        for (place, from, to) in &case.replace {
            let texts = if place == "ran" { &mut sample.ran } else { &mut sample.files };
            let key = if place == "ran" { from } else { place };
            let Some(text) = texts.get_mut(key) else {
                return Err(format!("the sample has no `{key}`"));
            };
            if place == "ran" {
                to.clone_into(text);
            } else if text.contains(from.as_str()) {
                *text = text.replacen(from.as_str(), to, 1);
            } else {
                return Err(format!("`{key}` does not hold `{from}`"));
            }
        }
        Ok(sample)
    }

    /// What the rules say, as `rule: advice`, in the order in which they say it.
    fn complaints(&self) -> Vec<String> {
        let is_ledger = |path: &str| path.starts_with(super::FOLDER);
        let ledger: BTreeMap<String, String> = self
            .files
            .iter()
            .filter(|(path, _)| is_ledger(path))
            .map(|(path, text)| (path.clone(), text.clone()))
            .collect();
        let text_of = |finding: &Finding| format!("{}: {}", finding.rule, finding.advice);
        let book = match Book::parse(&ledger) {
            Ok(book) => book,
            Err(findings) => return findings.iter().map(text_of).collect(),
        };
        let code = Code::read(&self.packages(), &|path| self.files.get(path).cloned());
        let checked = Checked { book: &book, code: &code, committed: Some(&self.committed) };
        let mut findings = checked.findings(&|_| true);
        findings.extend(evidence::findings(&book, &self.results(), &|_| true));
        findings.iter().map(text_of).collect()
    }

    fn packages(&self) -> Vec<Package> {
        let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
        for (package, name, root) in &self.targets {
            let entry = packages.entry(package).or_insert_with(|| Package {
                name: package.clone(),
                folder: String::new(),
                dependencies: Vec::new(),
                targets: Vec::new(),
            });
            let is_test = root.starts_with("tests/");
            let kind = if is_test { TargetKind::Test } else { TargetKind::Library };
            entry.targets.push(Target { name: name.clone(), root: root.clone(), kind });
        }
        packages.into_values().collect()
    }

    fn results(&self) -> BTreeMap<String, Ran> {
        let ran = self.ran.iter().map(|(test, text)| {
            let mut words = text.split(' ');
            let ran = match words.next() {
                Some("passed") => Ran::Passed(words.map(str::to_owned).collect()),
                Some("skipped") => Ran::Skipped("SKIP: no reference".to_owned()),
                Some("failed") => Ran::Failed("1 is not 2".to_owned()),
                _ => Ran::Absent,
            };
            (test.clone(), ran)
        });
        ran.collect()
    }
}
