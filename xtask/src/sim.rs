//! `cargo xtask sim`: builds the simulation of the store optimised, and starts it.

use std::process::{Command, ExitCode};

use crate::workspace::cargo;

/// Entry point of the command; `args` are the simulation's own.
pub(crate) fn main(args: &[String]) -> ExitCode {
    let mut command = Command::new(cargo());
    command.args(["run", "--quiet", "--release", "--package", "store-sim"]);
    if args.iter().any(|arg| arg == "--canary") {
        // Only then the planted bugs are in the program at all.
        command.args(["--features", "canary"]);
    }
    match command.arg("--").args(args).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask sim: cargo does not start: {error}");
            ExitCode::FAILURE
        }
    }
}
