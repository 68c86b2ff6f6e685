//! `cargo xtask bench`: messages per second and server CPU per message, beside nats-server.
//!
//! The load comes over raw sockets from threads of this process. Each run has a fresh server with
//! a fresh directory; the servers take turns, and the median run of each counts.

mod batch;
mod conn;
mod core_rows;
mod disk;
mod frames;
mod generator;
mod jet_rows;
mod machine;
mod meter;
mod options;
mod report;
mod rows;
mod server;
mod store;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::process::{Ended, run_lines};
use crate::progress::Progress;
use crate::workspace::{Workspace, cargo};
use meter::Sample;
use options::Options;
use rows::{ROWS, Row};
use server::{Kind, Server, Sync};

/// What came of all runs of one row on one server.
pub(crate) struct Measured {
    /// The row.
    pub(crate) row: &'static Row,
    /// The server, as the table names it.
    pub(crate) server: String,
    /// Whose server it is.
    pub(crate) side: Side,
    /// The median run, or why there is none.
    pub(crate) result: Result<Sample, String>,
}

/// Whose server it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Ours.
    Own,
    /// The one that is compared with.
    Reference,
}

/// Entry point of the command.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    let batch = args.first().and_then(|first| batch::number(first));
    let outcome = match (args.split_first(), batch) {
        (Some((_, names)), Some(number)) => batch::main(number, names),
        (Some((first, rest)), None) if first == "store" => store::main(rest),
        // The load generator must be much faster than the servers.
        _ if cfg!(debug_assertions) => in_release(&args),
        _ => Options::parse(args).and_then(|options| run(&options)),
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask bench: {message}");
            ExitCode::from(2)
        }
    }
}

/// Runs this again as a release build.
fn in_release(args: &[String]) -> Result<ExitCode, String> {
    let status = Command::new(cargo())
        .args(["run", "--release", "--quiet", "--package", "xtask", "--", "bench"])
        .args(args)
        .status()
        .map_err(|err| format!("cargo does not start: {err}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Contender {
    label: &'static str,
    side: Side,
    binary: PathBuf,
}

fn run(options: &Options) -> Result<ExitCode, String> {
    if options.list_rows {
        ROWS.iter().for_each(|row| println!("{:<14}{}", row.name, row.title));
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::load()?;
    let contenders = contenders(options, &workspace)?;
    let base = options.dir.clone().unwrap_or_else(|| workspace.target.join("bench"));
    let base = base.join(std::process::id().to_string());
    std::fs::create_dir_all(&base).map_err(|err| format!("{}: {err}", base.display()))?;
    let measured = describe(&contenders, &base).map(|()| measure_all(options, &contenders, &base));
    // Left-overs of a failed run are only disk space, in a folder that is named after this run.
    drop(std::fs::remove_dir_all(&base));
    let measured = measured?;
    println!("\n{}", report::table(&measured));
    let failed = measured.iter().any(|it| it.result.is_err());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn contenders(options: &Options, workspace: &Workspace) -> Result<Vec<Contender>, String> {
    let mut contenders = Vec::new();
    if options.with_own {
        let binary = match &options.server {
            Some(path) => path.clone(),
            None => build(workspace)?,
        };
        contenders.push(Contender { label: "jetcore", side: Side::Own, binary });
    }
    let reference = options.reference.clone().or_else(|| machine::on_path("nats-server"));
    match reference.filter(|_| options.with_reference) {
        Some(binary) => {
            contenders.push(Contender { label: "nats-server", side: Side::Reference, binary });
        }
        None if options.with_reference => {
            println!("no nats-server on PATH and no --reference: nothing to compare with");
        }
        None => {}
    }
    match contenders.iter().find(|it| !it.binary.is_file()) {
        Some(missing) => Err(format!("{}: no such file", missing.binary.display())),
        None if contenders.is_empty() => Err("no server to measure".to_owned()),
        None => Ok(contenders),
    }
}

/// Builds the release binary.
fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let progress = Progress::start("build", "jetcore --release");
    let mut command = Command::new(cargo());
    command.current_dir(&workspace.root);
    command.args(["build", "--release", "--package", "jetcore", "--color", "never"]);
    let mut text = String::new();
    let ended = run_lines(command, Duration::from_secs(900), |line| {
        progress.note(line);
        text.push_str(line);
        text.push('\n');
    });
    match ended {
        Ok(Ended::Exited(status)) if status.success() => {
            progress.finish("built jetcore --release");
            Ok(workspace.target.join("release").join("jetcore"))
        }
        _ => Err(format!("jetcore does not build:\n{text}")),
    }
}

/// Says what the figures were measured on.
fn describe(contenders: &[Contender], base: &Path) -> Result<(), String> {
    println!("{}", machine::describe());
    for contender in contenders {
        println!("{:<12}{}", contender.label, machine::version(&contender.binary));
    }
    let alone = generator::alone().map_err(|err| format!("load generator: {err}"))?;
    println!("{alone}");
    let syncs = disk::describe(base).map_err(|err| format!("{}: {err}", base.display()))?;
    println!("{syncs}\n");
    Ok(())
}

fn measure_all(options: &Options, contenders: &[Contender], base: &Path) -> Vec<Measured> {
    let rows: Vec<&'static Row> = ROWS.iter().filter(|row| options.wants(row.name)).collect();
    let mut measured = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let kinds = kinds(row, contenders);
        let mut runs: Vec<Vec<Result<Sample, String>>> = kinds.iter().map(|_| Vec::new()).collect();
        for turn in 0..options.runs {
            for ((label, _, kind), results) in kinds.iter().zip(&mut runs) {
                let place = format!("{}/{}", i + 1, rows.len());
                let what = format!("{}, {label}, run {}/{}", row.title, turn + 1, options.runs);
                let progress = Progress::start(&place, &what);
                let result = one_run(row, kind, base, options.length);
                let line = match &result {
                    Ok(sample) => format!("[{place}] {what}: {:.0}/s", sample.per_second()),
                    Err(err) => format!("[{place}] {what}: {err}"),
                };
                progress.finish(&line);
                results.push(result);
            }
        }
        measured.extend(kinds.into_iter().zip(runs).map(|((server, side, _), results)| Measured {
            row,
            server,
            side,
            result: meter::median(results),
        }));
    }
    measured
}

/// The servers of one row: where a file is written, the reference runs with each sync policy.
fn kinds(row: &Row, contenders: &[Contender]) -> Vec<(String, Side, Kind)> {
    let mut kinds = Vec::new();
    for contender in contenders {
        let kind = |sync| Kind { binary: contender.binary.clone(), sync };
        let label = contender.label;
        match (contender.side, row.writes_file()) {
            (Side::Reference, true) => {
                let name = format!("{label} (acks before sync)");
                kinds.push((name, contender.side, kind(Sync::Default)));
                let name = format!("{label} (sync always)");
                kinds.push((name, contender.side, kind(Sync::Always)));
            }
            _ => kinds.push((label.to_owned(), contender.side, kind(Sync::Default))),
        }
    }
    kinds
}

fn one_run(row: &Row, kind: &Kind, base: &Path, length: Duration) -> Result<Sample, String> {
    let server = Server::start(kind, base).map_err(|err| err.to_string())?;
    row.run(server, length).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests;
