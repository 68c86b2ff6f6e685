//! What cargo and git know about this checkout: its crates, their edges, its files.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The checkout that is looked at.
pub(crate) struct Workspace {
    /// Absolute path of the root.
    pub(crate) root: PathBuf,
    /// The member crates.
    pub(crate) packages: Vec<Package>,
    /// Absolute path of the target directory.
    pub(crate) target: PathBuf,
}

/// One member crate.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, relative to the root, with `/` between parts.
    pub(crate) folder: String,
    /// Its direct dependencies.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its libraries, binaries and test targets.
    pub(crate) targets: Vec<Target>,
}

/// One thing that is compiled on its own.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Its name, as code writes it: with `_`.
    pub(crate) name: String,
    /// Its root file, relative to the workspace root.
    pub(crate) root: String,
    /// What it is.
    pub(crate) kind: TargetKind,
}

/// What a target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TargetKind {
    /// A library.
    Library,
    /// A program.
    Binary,
    /// Compiled for tests only.
    Test,
}

/// One line of a `[dependencies]` table.
#[derive(Clone)]
pub(crate) struct Dependency {
    /// Name of the package that is depended on.
    pub(crate) name: String,
    /// When it is needed.
    pub(crate) kind: DependencyKind,
}

/// When a dependency is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DependencyKind {
    /// In the crate itself.
    Normal,
    /// In its build script.
    Build,
    /// In its tests.
    Dev,
}

#[derive(Deserialize)]
struct RawMetadata {
    packages: Vec<RawPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<RawDependency>,
    #[serde(default)]
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
struct RawTarget {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    kind: Option<DependencyKind>,
}

impl Workspace {
    /// Asks `cargo metadata`.
    pub(crate) fn load() -> Result<Self, String> {
        let text =
            output(Command::new(cargo()).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let raw: RawMetadata =
            serde_json::from_str(&text).map_err(|err| format!("cargo metadata: {err}"))?;
        let root = raw.workspace_root;
        let packages = raw.packages.into_iter().map(|package| package.relative_to(&root)).collect();
        Ok(Self { root, packages, target: raw.target_directory })
    }

    /// The member called `name`.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Files that git tracks, relative to the root.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>, String> {
        self.git_files(&["ls-files", "-z"])
    }

    /// Files that git tracks or would track (new and not ignored), relative to the root.
    pub(crate) fn present_files(&self) -> Result<Vec<String>, String> {
        self.git_files(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    }

    fn git_files(&self, args: &[&str]) -> Result<Vec<String>, String> {
        let text = output(Command::new("git").current_dir(&self.root).args(args))?;
        let mut files: Vec<String> = text
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

impl RawPackage {
    fn relative_to(self, root: &Path) -> Package {
        let folder = self.manifest_path.parent().unwrap_or(root);
        let folder = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
        let dependencies = self
            .dependencies
            .into_iter()
            .map(|raw| Dependency {
                name: raw.name,
                kind: raw.kind.unwrap_or(DependencyKind::Normal),
            })
            .collect();
        let targets = self.targets.into_iter().filter_map(|raw| raw.relative_to(root)).collect();
        Package { name: self.name, folder, dependencies, targets }
    }
}

impl RawTarget {
    /// Nothing for examples, benches and build scripts.
    fn relative_to(self, root: &Path) -> Option<Target> {
        let kind = self.kind.iter().find_map(|kind| match kind.as_str() {
            "lib" => Some(TargetKind::Library),
            "bin" => Some(TargetKind::Binary),
            "test" => Some(TargetKind::Test),
            _ => None,
        })?;
        let file = self.src_path.strip_prefix(root).unwrap_or(&self.src_path);
        let root = file.to_string_lossy().into_owned();
        Some(Target { name: self.name.replace('-', "_"), root, kind })
    }
}

/// The cargo that started us, else the one on PATH.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs `command` to its end and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let result = command.output().map_err(|err| format!("{name}: {err}"))?;
    if !result.status.success() {
        let text = String::from_utf8_lossy(&result.stderr);
        return Err(format!("{name}: {}: {}", result.status, text.trim()));
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}
