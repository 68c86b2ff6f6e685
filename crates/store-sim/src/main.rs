//! The command line of the simulation; `cargo xtask sim` builds it optimised and starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    store_sim::cli::main(std::env::args().skip(1).collect())
}
