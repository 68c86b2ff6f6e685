//! From the command line to checked options: what happens before a server starts.

use std::process::ExitCode;

use config_validate::options::{Options, Overrides, validate};

use crate::flags::{self, Command, Run};

/// Prefix of messages; scripts look for it, so it is the reference's name whatever the file's is.
const PROGRAM: &str = "nats-server";

/// What to do after the command line was read.
pub(crate) enum Startup {
    /// Start a server. What the command line said is in the options already, and wins at every
    /// reload.
    Serve(Box<Options>, Box<Overrides>),
    /// Everything asked for is done, or was refused.
    Exit(ExitCode),
}

/// Reads the command line and the configuration it names. Prints what was asked for, or what is
/// wrong.
pub(crate) fn prepare(args: impl IntoIterator<Item = String>) -> Startup {
    let command = match flags::parse(args) {
        Ok(command) => command,
        Err(error) => {
            if error.wants_usage() {
                eprintln!("{error}");
                println!("{}", flags::usage());
            } else {
                eprintln!("{PROGRAM}: {error}");
            }
            return Startup::Exit(ExitCode::FAILURE);
        }
    };
    match command {
        Command::Version => println!("{}", flags::version()),
        Command::Help => println!("{}", flags::usage()),
        Command::HelpTls => println!("{}", flags::TLS_HELP),
        Command::Signal(request) => {
            let sent = server_lifecycle::signal::send(request.command.as_str(), &request.target);
            if let Err(error) = sent {
                return fail(&error);
            }
        }
        Command::Run(run) => return configure(*run),
    }
    Startup::Exit(ExitCode::SUCCESS)
}

fn configure(run: Run) -> Startup {
    let mut options = match &run.config {
        None => Options::default(),
        Some(path) => match Options::from_file(path) {
            Ok(options) => options,
            Err(error) => return fail(&error),
        },
    };
    let warnings: String = options.warnings.iter().map(|warning| format!("{warning}\n")).collect();
    if run.check_only {
        return check(run, &options, &warnings);
    }
    eprint!("{warnings}");
    options.merge_flags(run.overrides.clone());
    match validate(&mut options) {
        Ok(()) => Startup::Serve(Box::new(options), Box::new(run.overrides)),
        Err(error) => fail(&error),
    }
}

/// `-t`: says whether the file is valid; warnings count as errors here.
fn check(run: Run, options: &Options, warnings: &str) -> Startup {
    if !warnings.is_empty() {
        return fail(&warnings);
    }
    let path = run.config.unwrap_or_default();
    let digest = options.config_digest.as_deref().unwrap_or_default();
    eprintln!("{PROGRAM}: configuration file {} is valid ({digest})", path.display());
    Startup::Exit(ExitCode::SUCCESS)
}

fn fail(error: &dyn std::fmt::Display) -> Startup {
    eprintln!("{PROGRAM}: {error}");
    Startup::Exit(ExitCode::FAILURE)
}
