//! Sending signals to running servers: `-sl reload=PID`.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Name of the processes that are looked for when no process id is given.
const PROCESS_NAME: &str = "nats-server";

/// Why no signal was sent, or not all (`server/signal.go` `ProcessSignal`).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// The command is none of those known.
    #[error("unknown signal {0:?}")]
    Unknown(String),
    /// The process id is no number.
    #[error("invalid pid: {0}")]
    InvalidPid(String),
    /// No process id was given and there is no server.
    #[error("no {PROCESS_NAME} processes running")]
    NoProcess,
    /// No process id was given and there are several servers.
    #[error("multiple {PROCESS_NAME} processes running:{}", list(.0))]
    Several(Vec<i32>),
    /// The list of processes cannot be read.
    #[error("unable to resolve pid, try providing one")]
    Unresolved,
    /// Some processes did not take it; one line each.
    #[error("{0}")]
    Failed(String),
}

fn list(pids: &[i32]) -> String {
    pids.iter().map(|pid| format!("\n{pid}")).collect()
}

/// Sends the signal for `command` (`stop`, `quit`, `term`, `reopen`, `reload`, `ldm`) to a process
/// id, the id in a file, ids that begin with digits before a `*`, or with nothing given to the only
/// server that runs.
///
/// # Errors
/// When the command or the id is wrong, or a process cannot be signalled.
pub fn send(command: &str, target: &str) -> Result<(), SignalError> {
    let from_file = std::fs::read_to_string(Path::new(target));
    let target = from_file.as_deref().unwrap_or(target);
    let digits = target.strip_suffix('*').unwrap_or(target);
    let pattern = digits.len() != target.len();
    let given = match digits {
        "" => None,
        digits => match digits.parse::<i32>() {
            Ok(pid) => Some(pid),
            Err(_) => return Err(SignalError::InvalidPid(digits.to_owned())),
        },
    };
    let pids = match given {
        Some(pid) if !pattern => vec![pid],
        _ => running()?,
    };
    if pids.len() > 1 && !pattern {
        return Err(SignalError::Several(pids));
    }
    if pids.is_empty() {
        return Err(SignalError::NoProcess);
    }
    let signal = signal(command)?;
    let mut failed = String::new();
    for pid in pids.into_iter().filter(|pid| pid.to_string().starts_with(digits)) {
        let sent = match (pid > 0).then(|| Pid::from_raw(pid)).flatten() {
            Some(pid) => kill_process(pid, signal),
            None => Err(Errno::SRCH),
        };
        if let Err(error) = sent {
            let error = crate::os::error_text(&error.into());
            failed.push_str(&format!("\nsignal {command:?} {pid}: {error}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(SignalError::Failed(failed)) }
}

fn signal(command: &str) -> Result<Signal, SignalError> {
    Ok(match command {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return Err(SignalError::Unknown(command.to_owned())),
    })
}

/// Ids of the other servers on this machine, by their process name.
fn running() -> Result<Vec<i32>, SignalError> {
    let own = i32::try_from(std::process::id()).ok();
    let processes = std::fs::read_dir("/proc").map_err(|_| SignalError::Unresolved)?;
    let mut pids: Vec<i32> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| Some(*pid) != own && is_server(*pid))
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

fn is_server(pid: i32) -> bool {
    // The kernel cuts this name after 15 characters; ours is shorter.
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.trim_end().contains(PROCESS_NAME))
}
