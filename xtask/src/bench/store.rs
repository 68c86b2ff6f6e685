//! `cargo xtask bench store`: the store alone, in an optimised process of its own.

use std::process::{Command, ExitCode};

use crate::workspace::{Workspace, cargo};

/// Builds the store's bench and runs it with `args`; the store directory is below the target
/// directory unless they say where.
pub(super) fn main(args: &[String]) -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    println!("{}", super::machine::describe());
    let mut command = Command::new(cargo());
    command.current_dir(&workspace.root);
    command.args(["run", "--release", "--quiet", "--package", "store", "--example", "bench_store"]);
    command.arg("--");
    if !args.iter().any(|arg| arg == "--dir") {
        let dir = workspace.target.join("bench");
        std::fs::create_dir_all(&dir).map_err(|err| format!("{}: {err}", dir.display()))?;
        command.arg("--dir").arg(dir);
    }
    let status = command.args(args).status().map_err(|err| format!("cargo: {err}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
