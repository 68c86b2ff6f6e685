//! The command line: nats-server's flags in Go's flag syntax.
//!
//! `-js`, `--js`, `-p 4333`, `-p=4333` and `-D=false` all work. One table ([`table`]) holds every
//! flag: it drives the parser and the help text. Wire source: `ConfigureOptions` in
//! `server/opts.go`, Go's `flag` package.

mod number;
mod signal;
mod table;
mod usage;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use config_validate::options::{Overrides, Port};

pub(crate) use signal::SignalRequest;
pub(crate) use usage::{TLS_HELP, usage, version};

use number::NumberError;
use table::{FLAGS, Flag, Setter};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Start a server, or only check its configuration.
    Run(Box<Run>),
    /// Signal a server that runs.
    Signal(SignalRequest),
    /// Print the version.
    Version,
    /// Print the flags.
    Help,
    /// Print how TLS is configured.
    HelpTls,
}

/// How to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// `-c`, `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `-t`: check the configuration file and exit.
    pub(crate) check_only: bool,
    /// Everything that overrides the configuration file.
    pub(crate) overrides: Overrides,
}

/// A command line that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    NotDefined(String),
    /// More than two dashes, or a dash and `=`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// The value is missing.
    #[error("flag needs an argument: -{0}")]
    NeedsArgument(String),
    /// The value is no truth value.
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    Boolean {
        /// Flag as written.
        name: String,
        /// Value.
        value: String,
    },
    /// The value is no number, or one that is out of range.
    #[error("invalid value {value:?} for flag -{name}: {error}")]
    Number {
        /// Flag as written.
        name: String,
        /// Value.
        value: String,
        /// What is wrong.
        error: NumberError,
    },
    /// A flag of nats-server that this server does not know what to do with.
    #[error("flag -{0} is not supported yet by this server")]
    NotSupported(String),
    /// A word that is no flag.
    #[error("unrecognized command: {0:?}")]
    UnknownCommand(String),
    /// `-t` without `-c`.
    #[error("must specify [-c, --config] option to check configuration file syntax")]
    CheckWithoutConfig,
    /// Too many parts in the value of `-sl`.
    #[error("invalid signal parameters: [{0}]")]
    SignalParameters(String),
    /// A signal that does not exist.
    #[error("unknown signal {0:?}")]
    UnknownSignal(String),
}

impl FlagError {
    /// Whether the list of flags helps with this error.
    pub(crate) fn wants_usage(&self) -> bool {
        matches!(
            self,
            FlagError::NotDefined(_)
                | FlagError::Syntax(_)
                | FlagError::NeedsArgument(_)
                | FlagError::Boolean { .. }
                | FlagError::Number { .. }
        )
    }
}

/// Values of flags as they are read.
#[derive(Debug, Default)]
struct Draft {
    run: Run,
    signal: Option<String>,
    version: bool,
    help: bool,
    help_tls: bool,
    /// `-DV`, `-DVV` and `-VV` win over `-D` and `-V` wherever they stand.
    debug_trace: Option<bool>,
    debug_verbose: Option<bool>,
    verbose: Option<bool>,
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// The first flag or value that is wrong.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, FlagError> {
    let mut draft = Draft::default();
    let mut args = args.into_iter();
    let mut word = None;
    while let Some(arg) = args.next() {
        match arg.strip_prefix('-') {
            // A lone dash is a word, and two dashes end the flags.
            None | Some("") => word = Some(arg),
            Some("-") => word = args.next(),
            Some(_) => {
                set_flag(&mut draft, &arg, &mut args)?;
                continue;
            }
        }
        break;
    }
    draft.into_command(word)
}

fn set_flag(
    draft: &mut Draft,
    arg: &str,
    rest: &mut impl Iterator<Item = String>,
) -> Result<(), FlagError> {
    let body = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).unwrap_or(arg);
    if body.is_empty() || body.starts_with(['-', '=']) {
        return Err(FlagError::Syntax(arg.to_owned()));
    }
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (body, None),
    };
    let flag = find(name).ok_or_else(|| FlagError::NotDefined(name.to_owned()))?;
    if let Setter::Bool(set) = flag.setter {
        set(draft, truth(name, value)?);
        return Ok(());
    }
    if let Setter::UnsupportedBool = flag.setter {
        return if truth(name, value)? {
            Err(FlagError::NotSupported(name.to_owned()))
        } else {
            Ok(())
        };
    }
    let Some(value) = value.or_else(|| rest.next()) else {
        return Err(FlagError::NeedsArgument(name.to_owned()));
    };
    let number = |result: Result<i64, NumberError>| {
        result.map_err(|error| FlagError::Number {
            name: name.to_owned(),
            value: value.clone(),
            error,
        })
    };
    match flag.setter {
        Setter::Bool(_) | Setter::UnsupportedBool => {}
        Setter::Text(set) => set(draft, value),
        Setter::Int(set) => set(draft, number(number::parse(&value))?),
        Setter::Port(set) => {
            let port = number(number::parse(&value))?;
            set(
                draft,
                number_to_port(port).map_err(|error| FlagError::Number {
                    name: name.to_owned(),
                    value,
                    error,
                })?,
            );
        }
        // An empty value or 0 asks for nothing.
        Setter::Unsupported if value.is_empty() || value == "0" => {}
        Setter::Unsupported => return Err(FlagError::NotSupported(name.to_owned())),
    }
    Ok(())
}

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.names().any(|known| known == name))
}

fn truth(name: &str, value: Option<String>) -> Result<bool, FlagError> {
    match value.as_deref() {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => Err(FlagError::Boolean { name: name.to_owned(), value: value.to_owned() }),
    }
}

/// 0 is none, -1 any.
fn number_to_port(number: i64) -> Result<Option<Port>, NumberError> {
    match (number, u16::try_from(number)) {
        (0, _) => Ok(None),
        (-1, _) => Ok(Some(Port::Random)),
        (_, Ok(port)) => Ok(Some(Port::Fixed(port))),
        (_, Err(_)) => Err(NumberError::Range),
    }
}

impl Draft {
    fn into_command(mut self, word: Option<String>) -> Result<Command, FlagError> {
        if self.version {
            return Ok(Command::Version);
        }
        if self.help {
            return Ok(Command::Help);
        }
        if self.help_tls {
            return Ok(Command::HelpTls);
        }
        match word {
            None => {}
            Some(word) if word.eq_ignore_ascii_case("version") => return Ok(Command::Version),
            Some(word) if word.eq_ignore_ascii_case("help") => return Ok(Command::Help),
            Some(word) => return Err(FlagError::UnknownCommand(word)),
        }
        if let Some(signal) = self.signal.take().filter(|signal| !signal.is_empty()) {
            return SignalRequest::parse(&signal).map(Command::Signal);
        }
        if self.run.check_only && self.run.config.is_none() {
            return Err(FlagError::CheckWithoutConfig);
        }
        self.settle_logging();
        Ok(Command::Run(Box::new(self.run)))
    }

    fn settle_logging(&mut self) {
        let overrides = &mut self.run.overrides;
        if let Some(on) = self.debug_trace {
            overrides.debug = Some(on);
            overrides.trace = Some(on);
        }
        if let Some(on) = self.debug_verbose {
            overrides.debug = Some(on);
        }
        for on in [self.debug_verbose, self.verbose].into_iter().flatten() {
            overrides.trace = Some(on);
            overrides.trace_verbose = Some(on);
        }
    }
}
