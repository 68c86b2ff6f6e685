//! The jetcore server: reads its command line and configuration, then serves until it is told to
//! stop.

mod flags;
mod startup;

use std::process::ExitCode;

use startup::Startup;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match startup::prepare(args) {
        Startup::Exit(code) => code,
        Startup::Serve(_options) => {
            eprintln!("nats-server: the network side is not part of this build");
            ExitCode::FAILURE
        }
    }
}
