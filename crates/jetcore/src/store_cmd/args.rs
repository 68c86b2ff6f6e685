//! The words after `jetcore store`.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `jetcore store` takes.
pub(super) const HELP: &str = "\
Usage: jetcore store <command> [--json] DIR

DIR is a server's store directory, its `jetstream` directory, an account's, or a stream's.

Commands:
  verify DIR    check every record, checksum and file; changes nothing, also while a server runs
  inspect DIR   show streams, blocks, sequences, sizes, subjects and consumers; changes nothing
  repair DIR    repair what is damaged; every file that changes is kept under its name with
                `.bad-<seconds>` behind it. The server must be stopped.

Options:
  --json        print JSON (verify, inspect)

Exit code: 0 all is sound, 1 something is damaged, 2 the command could not be done.
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Verify,
    Inspect,
    Repair,
}

/// A command line that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) dir: PathBuf,
    pub(super) json: bool,
}

/// A command line that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgsError {
    #[error("a command is missing")]
    NoCommand,
    #[error("unknown command {0:?}")]
    UnknownCommand(String),
    #[error("unknown option {0:?}")]
    UnknownOption(String),
    #[error("a directory is missing")]
    NoDirectory,
    #[error("one directory only: {0:?} is too much")]
    TooMany(String),
    #[error("repair has no JSON output")]
    NoJson,
}

/// Reads the words; `None` asks for help.
pub(super) fn parse(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Option<Request>, ArgsError> {
    let mut args = args.into_iter();
    let command = args.next().ok_or(ArgsError::NoCommand)?;
    let action = match command.to_str() {
        Some("verify") => Action::Verify,
        Some("inspect") => Action::Inspect,
        Some("repair") => Action::Repair,
        Some("help" | "-h" | "--help" | "-help") => return Ok(None),
        _ => return Err(ArgsError::UnknownCommand(command.to_string_lossy().into_owned())),
    };
    let (mut dir, mut json, mut words_only) = (None, false, false);
    for arg in args {
        match arg.to_str() {
            Some("--") if !words_only => words_only = true,
            Some("--json" | "-json") if !words_only => json = true,
            Some("-h" | "--help" | "-help") if !words_only => return Ok(None),
            Some(option) if !words_only && option.len() > 1 && option.starts_with('-') => {
                return Err(ArgsError::UnknownOption(option.to_owned()));
            }
            _ if dir.is_some() => {
                return Err(ArgsError::TooMany(arg.to_string_lossy().into_owned()));
            }
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    if json && action == Action::Repair {
        return Err(ArgsError::NoJson);
    }
    let dir = dir.ok_or(ArgsError::NoDirectory)?;
    Ok(Some(Request { action, dir, json }))
}
