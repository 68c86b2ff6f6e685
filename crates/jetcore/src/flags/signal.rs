//! The value of `-sl`: which signal, and to whom.

use super::FlagError;

/// Signals for a server that runs (`server/const.go` `Command`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignalCommand {
    /// Kill it.
    Stop,
    /// Shut it down.
    Quit,
    /// Open the log file again.
    Reopen,
    /// Read the configuration again.
    Reload,
    /// Enter lame duck mode.
    Ldm,
    /// Shut it down and leave no trace.
    Term,
}

impl SignalCommand {
    /// The word for it on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SignalCommand::Stop => "stop",
            SignalCommand::Quit => "quit",
            SignalCommand::Reopen => "reopen",
            SignalCommand::Reload => "reload",
            SignalCommand::Ldm => "ldm",
            SignalCommand::Term => "term",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        const ALL: [SignalCommand; 6] = [
            SignalCommand::Stop,
            SignalCommand::Quit,
            SignalCommand::Reopen,
            SignalCommand::Reload,
            SignalCommand::Ldm,
            SignalCommand::Term,
        ];
        ALL.into_iter().find(|command| command.as_str() == word)
    }
}

/// A signal to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignalRequest {
    /// Which.
    pub(crate) command: SignalCommand,
    /// A process id, the start of several before a `*`, or the path of a file with one; empty for
    /// the only server that runs.
    pub(crate) target: String,
}

impl SignalRequest {
    /// Reads `signal` or `signal=target`.
    pub(super) fn parse(text: &str) -> Result<Self, FlagError> {
        let mut parts = text.split('=');
        let word = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = parts.collect();
        if !rest.is_empty() {
            return Err(FlagError::SignalParameters(rest.join(" ")));
        }
        let command =
            SignalCommand::parse(word).ok_or_else(|| FlagError::UnknownSignal(word.to_owned()))?;
        Ok(SignalRequest { command, target })
    }
}
