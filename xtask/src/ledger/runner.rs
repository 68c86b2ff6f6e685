//! Builds test binaries and runs single tests, each alone in a process of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

use crate::process::{Ended, run_lines};
use crate::verify::{Tail, TestLog};
use crate::workspace::{Target, TargetKind, Workspace, cargo};

/// Variable that names the file for the marks; that of the crate `mark`.
const MARKS: &str = "JETCORE_MARKS";
/// A test or a compiler that prints nothing for this long hangs.
const SILENCE: Duration = Duration::from_secs(600);
/// The package of the whole-server tests, which run the binary that lies beside them.
const HARNESS: &str = "tests";
/// The package with that binary.
const SERVER: &str = "jetcore";
/// Tests that run side by side.
const AT_ONCE: usize = 2;

/// How a test ended that was run alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It passed, and these marks were reached.
    Passed(BTreeSet<String>),
    /// It says that it could not run here.
    Skipped(String),
    /// It failed, with this text.
    Failed(String),
    /// Its binary knows no such test, or there is no binary.
    Absent,
}

/// Which test binaries are built.
pub(crate) enum Selection {
    /// All.
    Workspace,
    /// Those of one package.
    Package(String),
    /// Those of single targets, with their packages.
    Targets(Vec<(String, Target)>),
}

impl Selection {
    /// The targets that hold `tests`.
    pub(crate) fn of(workspace: &Workspace, tests: &BTreeSet<String>) -> Self {
        let names: BTreeSet<&str> =
            tests.iter().filter_map(|test| test.split("::").next()).collect();
        let packages = workspace.packages.iter();
        let targets = packages.flat_map(|package| {
            package.targets.iter().map(|target| (package.name.clone(), target.clone()))
        });
        let all: Vec<(String, Target)> = targets.collect();
        let is_named = |(_, target): &&(String, Target)| names.contains(target.name.as_str());
        let mut chosen: Vec<(String, Target)> = all.iter().filter(is_named).cloned().collect();
        if chosen.iter().any(|(package, _)| package == HARNESS) {
            let makes_server = |(package, target): &&(String, Target)| {
                package == SERVER && target.kind == TargetKind::Test
            };
            chosen.extend(all.iter().filter(makes_server).cloned());
        }
        Self::Targets(chosen)
    }

    /// Whether the server's binary must be built by itself.
    fn lacks_server(&self) -> bool {
        match self {
            // The tests of the package that is the server make cargo build it.
            Self::Workspace => false,
            Self::Package(name) => name == HARNESS,
            Self::Targets(targets) => {
                let has = |package: &str| targets.iter().any(|(name, _)| name == package);
                has(HARNESS) && !has(SERVER)
            }
        }
    }

    fn args(&self) -> Vec<String> {
        match self {
            Self::Workspace => vec!["--workspace".to_owned()],
            Self::Package(name) => vec!["--package".to_owned(), name.clone()],
            Self::Targets(targets) => {
                let mut args = BTreeSet::new();
                for (package, target) in targets {
                    args.insert(format!("--package={package}"));
                    args.insert(match target.kind {
                        TargetKind::Library => "--lib".to_owned(),
                        TargetKind::Binary => "--bins".to_owned(),
                        TargetKind::Test => format!("--test={}", target.name),
                    });
                }
                args.into_iter().collect()
            }
        }
    }
}

/// Test binaries by target, as paths in the ledger begin.
pub(crate) struct Binaries(BTreeMap<String, Binary>);

#[derive(Clone)]
struct Binary {
    file: PathBuf,
    /// Folder of its package, in which cargo runs it.
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<MessageTarget>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Binaries {
    /// Builds test binaries; `note` hears what is being built.
    pub(crate) fn build(
        workspace: &Workspace,
        what: &Selection,
        note: &dyn Fn(&str),
    ) -> Result<Self, String> {
        let mut command = Command::new(cargo());
        command.current_dir(&workspace.root).env("CARGO_TERM_COLOR", "never");
        command.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
        command.args(what.args());
        if what.lacks_server() {
            let mut server = Command::new(cargo());
            server.current_dir(&workspace.root).args(["build", "--package", SERVER]);
            let built = run_lines(server, SILENCE, |line| note(line));
            if !matches!(built, Ok(Ended::Exited(status)) if status.success()) {
                return Err(format!("the package {SERVER} does not build"));
            }
        }
        let mut binaries = BTreeMap::new();
        let mut last_lines = Tail::default();
        let ended =
            run_lines(command, SILENCE, |line| match serde_json::from_str::<Message>(line) {
                Ok(message) => {
                    if let Some((name, binary)) = message.binary() {
                        note(&name);
                        binaries.insert(name, binary);
                    }
                }
                Err(_) => last_lines.push(line),
            });
        match ended {
            Ok(Ended::Exited(status)) if status.success() => Ok(Self(binaries)),
            Ok(Ended::Exited(_)) => Err(format!("the tests do not build: {}", last_lines.text())),
            Ok(Ended::Silent) => Err("cargo went silent and was killed".to_owned()),
            Err(err) => Err(format!("cargo does not start: {err}")),
        }
    }

    /// For the tests of this tool: one binary that is there already.
    #[cfg(test)]
    pub(crate) fn single(target: &str, file: PathBuf, folder: PathBuf) -> Self {
        Self(BTreeMap::from([(target.to_owned(), Binary { file, folder })]))
    }

    /// Runs `tests`, two at a time, each in its own process; `note` hears the names.
    pub(crate) fn run(
        &self,
        tests: &BTreeSet<String>,
        note: &(dyn Fn(&str) + Sync),
    ) -> Result<BTreeMap<String, Ran>, String> {
        let dir = tempfile::tempdir().map_err(|err| format!("no temporary directory: {err}"))?;
        let queue: Mutex<VecDeque<(usize, &String)>> =
            Mutex::new(tests.iter().enumerate().collect());
        let results = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some((i, test)) = locked(&queue).pop_front() {
                        note(test);
                        let ran = self.run_one(test, &dir.path().join(i.to_string()));
                        locked(&results).insert(test.clone(), ran);
                    }
                });
            }
        });
        Ok(results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn run_one(&self, test: &str, marks: &Path) -> Ran {
        let Some((target, name)) = test.split_once("::") else { return Ran::Absent };
        let Some(binary) = self.0.get(target) else { return Ran::Absent };
        let mut command = Command::new(&binary.file);
        command.current_dir(&binary.folder).env("CARGO_MANIFEST_DIR", &binary.folder);
        command.env(MARKS, marks).args(["--exact", name, "--show-output", "--test-threads=1"]);
        let mut log = TestLog::default();
        let mut last_lines = Tail::default();
        let ended = run_lines(command, SILENCE, |line| {
            last_lines.push(line);
            log.push(line);
        });
        log.finish();
        let reached = std::fs::read_to_string(marks).unwrap_or_default();
        match ended {
            Err(err) => Ran::Failed(format!("it does not start: {err}")),
            Ok(Ended::Silent) => Ran::Failed("it went silent and was killed".to_owned()),
            Ok(Ended::Exited(status)) => {
                verdict(&log, status.success(), &last_lines, reached.lines())
            }
        }
    }
}

/// What the output of a single test means.
fn verdict<'a>(
    log: &TestLog,
    success: bool,
    last_lines: &Tail,
    reached: impl Iterator<Item = &'a str>,
) -> Ran {
    if let Some(failure) = log.failures.first() {
        let finding = failure.finding();
        return Ran::Failed(format!("{}:{}: {}", finding.path, finding.line, finding.advice));
    }
    match (success, log.passed, log.failed, log.ignored, log.skips.first()) {
        (true, 0, 0, 0, _) => Ran::Absent,
        (true, 1, 0, 0, None) => Ran::Passed(reached.map(str::to_owned).collect()),
        (true, 1, 0, 0, Some(skip)) => Ran::Skipped(skip.clone()),
        _ => Ran::Failed(last_lines.text()),
    }
}

impl Message {
    fn binary(self) -> Option<(String, Binary)> {
        let is_test = self.reason == "compiler-artifact" && self.profile?.test;
        let folder = self.manifest_path?.parent()?.to_owned();
        let binary = Binary { file: self.executable?, folder };
        is_test.then_some((self.target?.name.replace('-', "_"), binary))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
