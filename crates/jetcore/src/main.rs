//! The jetcore server: reads its command line and configuration, then serves until it is told to
//! stop.

mod flags;
mod startup;
mod store_cmd;

use std::process::ExitCode;
use std::time::Duration;

use config_validate::options::{Options, Overrides};
use server_lifecycle::log::{self, FATAL, LogHandle};
use server_lifecycle::{Server, Signals, StartError, run_until_signalled};
use startup::Startup;

/// Longest that tasks of the runtime may take to end.
const RUNTIME_DEADLINE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == store_cmd::WORD) {
        return store_cmd::run(std::env::args_os().skip(2));
    }
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match startup::prepare(args) {
        Startup::Exit(code) => code,
        Startup::Serve(options, flags) => serve(*options, *flags),
    }
}

fn serve(options: Options, flags: Overrides) -> ExitCode {
    let log = match log::install(&options.log) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("nats-server: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(target: FATAL, "Could not start a runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(options, flags, &log));
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
    code
}

async fn run(options: Options, flags: Overrides, log: &LogHandle) -> ExitCode {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(target: FATAL, "Could not listen to signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let started = tokio::select! {
        biased;
        started = Server::start(options) => started,
        // What it has read so far is on disk as it was.
        () = signals.told_to_stop() => return ExitCode::SUCCESS,
    };
    let server = match started {
        Ok(server) => server,
        Err(StartError::Options(error)) => {
            eprintln!("nats-server: {error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            tracing::error!(target: FATAL, "{error}");
            return ExitCode::FAILURE;
        }
    };
    server.keep_flags(flags);
    server.attach_log(log.clone());
    run_until_signalled(&server, Some(log), signals).await;
    ExitCode::SUCCESS
}
