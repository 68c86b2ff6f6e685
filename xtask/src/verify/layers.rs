//! The layers gate: crate edges from `cargo metadata` against `xtask/layers.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::source_gates::read;
use super::{Outcome, Scope};
use crate::finding::Finding;
use crate::progress::Progress;
use crate::workspace::{Dependency, DependencyKind, Package, Workspace};

/// Where the layers are written down.
const FILE: &str = "xtask/layers.toml";

/// `xtask/layers.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layers {
    crates: BTreeMap<String, Crate>,
    #[serde(default)]
    same_layer: Vec<SameLayer>,
    pure: Pure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crate {
    layer: u32,
    #[serde(default)]
    pure: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SameLayer {
    from: String,
    to: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pure {
    dependencies: Vec<String>,
    names: Vec<String>,
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    file: String,
    name: String,
    reason: String,
}

impl Layers {
    /// Reads the file.
    pub(crate) fn load(scope: &Scope) -> Result<Self, String> {
        Self::parse(&read(scope, FILE)?)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|err| format!("{FILE}: {err}"))
    }

    /// Names that a source file must not hold; none unless its crate is pure.
    pub(crate) fn forbidden_names(&self, workspace: &Workspace, path: &str) -> Vec<String> {
        let owner = workspace.packages.iter().find(|package| {
            path.strip_prefix(package.folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
        let is_pure = owner
            .and_then(|package| self.crates.get(&package.name))
            .is_some_and(|entry| entry.pure);
        let excepted = |name: &String| {
            self.pure.exception.iter().any(|it| it.file == path && it.name == *name)
        };
        let names = self.pure.names.iter().filter(|name| is_pure && !excepted(name));
        names.cloned().collect()
    }
}

/// Runs the gate.
pub(crate) fn gate(scope: &Scope, _progress: &Progress) -> Result<Outcome, String> {
    let layers = Layers::load(scope)?;
    let packages = &scope.workspace.packages;
    let mut findings = check(&layers, packages);
    for exception in &layers.pure.exception {
        if !scope.workspace.root.join(&exception.file).is_file() {
            let advice = format!("`{}` is gone: remove its exception", exception.file);
            findings.push(Finding::new(FILE, 1, "layers", advice));
        }
    }
    for finding in &mut findings {
        place(finding, scope);
    }
    findings.retain(|finding| scope.holds(&finding.path) || scope.only_crate.is_none());
    let own: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let edges = packages.iter().flat_map(|package| &package.dependencies);
    let edges = edges.filter(|edge| own.contains(edge.name.as_str())).count();
    let note = format!("{} crates, {edges} edges between them", packages.len());
    Ok(Outcome { findings, note, ..Outcome::default() })
}

/// Puts the line of the dependency, named in backquotes first in the advice, into the finding.
fn place(finding: &mut Finding, scope: &Scope) {
    let Some(name) = finding.advice.split('`').nth(1) else { return };
    let Ok(text) = read(scope, &finding.path) else { return };
    let line = text.lines().position(|line| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    });
    finding.line = line.map_or(1, |i| i + 1);
}

/// The rule itself: what is wrong with the edges of `packages`.
fn check(layers: &Layers, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for edge in &layers.same_layer {
        if edge.reason.trim().is_empty() {
            let advice = format!("say why `{}` may depend on `{}`", edge.from, edge.to);
            findings.push(Finding::new(FILE, 1, "layers", advice));
        }
    }
    for exception in layers.pure.exception.iter().filter(|it| it.reason.trim().is_empty()) {
        let advice = format!("say why `{}` may name `{}`", exception.file, exception.name);
        findings.push(Finding::new(FILE, 1, "layers", advice));
    }
    for name in layers.crates.keys() {
        if !packages.iter().any(|package| package.name == *name) {
            findings.push(Finding::new(
                FILE,
                1,
                "layers",
                format!("`{name}` is no crate: remove it"),
            ));
        }
    }
    for package in packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let Some(entry) = layers.crates.get(&package.name) else {
            let advice = format!("give the crate `{}` a layer in {FILE}", package.name);
            findings.push(Finding::new(manifest, 1, "layers", advice));
            continue;
        };
        for edge in &package.dependencies {
            if let Some(advice) = complaint(layers, package, entry, edge) {
                findings.push(Finding::new(manifest.as_str(), 1, "layers", advice));
            }
        }
    }
    findings.extend(cycle(packages));
    findings
}

fn complaint(layers: &Layers, from: &Package, own: &Crate, edge: &Dependency) -> Option<String> {
    let to = edge.name.as_str();
    if edge.kind == DependencyKind::Dev {
        return None;
    }
    if own.pure && layers.pure.dependencies.iter().any(|name| name == to) {
        return Some(format!(
            "`{to}` has no place in a pure crate: take a value, or return an effect"
        ));
    }
    let other = layers.crates.get(to)?;
    let listed = layers.same_layer.iter().any(|it| it.from == from.name && it.to == to);
    let fine = other.layer < own.layer || (other.layer == own.layer && listed);
    (!fine).then(|| {
        format!(
            "`{to}` is at layer {}, `{}` at {}: return an effect, or move the code down",
            other.layer, from.name, own.layer
        )
    })
}

/// A cycle over all kinds of edges. Cargo allows one through dev-dependencies; then a crate's
/// tests would build it twice, as two different crates.
fn cycle(packages: &[Package]) -> Option<Finding> {
    let edges: BTreeMap<&str, BTreeSet<&str>> = packages
        .iter()
        .map(|package| {
            let to = package.dependencies.iter().map(|edge| edge.name.as_str());
            (package.name.as_str(), to.collect())
        })
        .collect();
    // Crates from which no way leads back are removed until none is left, or only cycles are.
    let mut rest: BTreeSet<&str> = edges.keys().copied().collect();
    loop {
        let leaf = rest.iter().copied().find(|name| {
            edges.get(name).is_none_or(|to| to.iter().all(|name| !rest.contains(name)))
        });
        match leaf {
            Some(name) => drop(rest.remove(name)),
            None => break,
        }
    }
    let first = rest.first().copied()?;
    let mut way = vec![first];
    while let Some(next) = way.last().and_then(|at| edges.get(at)) {
        let next = next.iter().copied().find(|name| rest.contains(name))?;
        if let Some(start) = way.iter().position(|name| *name == next) {
            way.drain(..start);
            way.push(next);
            break;
        }
        way.push(next);
    }
    let first = way.first().copied()?;
    let folder =
        packages.iter().find(|package| package.name == first).map(|it| it.folder.as_str())?;
    let second = way.get(1).copied().unwrap_or(first);
    let advice = format!("`{second}` closes a cycle, tests included: {}", way.join(" -> "));
    Some(Finding::new(format!("{folder}/Cargo.toml"), 1, "layers", advice))
}

#[derive(Deserialize)]
struct Sample {
    layers: Layers,
    packages: BTreeMap<String, Vec<SampleEdge>>,
    /// A part of each complaint that must come, in order.
    wanted: Vec<String>,
}

#[derive(Deserialize)]
struct SampleEdge {
    to: String,
    kind: DependencyKind,
}

/// The rule over its sample graphs; returns how many there were and what went wrong.
pub(crate) fn self_test() -> (usize, Vec<Finding>) {
    const SAMPLES: &[(&str, &str)] = &[
        ("layers.bad.toml", include_str!("../../samples/layers.bad.toml")),
        ("layers-cycle.bad.toml", include_str!("../../samples/layers-cycle.bad.toml")),
        ("layers.good.toml", include_str!("../../samples/layers.good.toml")),
    ];
    let mut findings = Vec::new();
    for (name, text) in SAMPLES {
        let wrong = |advice| Finding::new(format!("xtask/samples/{name}"), 1, "layers", advice);
        let sample: Sample = match toml::from_str(text) {
            Ok(sample) => sample,
            Err(err) => {
                findings.push(wrong(format!("make it parse: {err}")));
                continue;
            }
        };
        let got: Vec<String> = sample.complaints();
        let hit = got.len() == sample.wanted.len()
            && got.iter().zip(&sample.wanted).all(|(got, wanted)| got.contains(wanted.as_str()));
        if !hit {
            findings.push(wrong(format!("wanted {:?}, the rule says {got:?}", sample.wanted)));
        }
    }
    (SAMPLES.len(), findings)
}

impl Sample {
    fn complaints(&self) -> Vec<String> {
        let packages: Vec<Package> = self
            .packages
            .iter()
            .map(|(name, edges)| Package {
                name: name.clone(),
                folder: format!("crates/{name}"),
                dependencies: edges
                    .iter()
                    .map(|edge| Dependency { name: edge.to.clone(), kind: edge.kind })
                    .collect(),
                targets: Vec::new(),
            })
            .collect();
        check(&self.layers, &packages).into_iter().map(|finding| finding.advice).collect()
    }
}
