//! Runs a long command, hands over its output line by line, and ends it when it goes silent.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How a command ended.
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It printed nothing for the allowed time and was killed, with all it had started.
    Silent,
}

/// Runs `command`, standard output and error merged in order, and calls `on_line` for each line.
pub(crate) fn run_lines(
    mut command: Command,
    silence: Duration,
    mut on_line: impl FnMut(&str),
) -> io::Result<Ended> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    drop(command); // holds the pipe's writing ends; open, they would keep the reader waiting
    let (send, receive) = mpsc::channel();
    let pump = std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            if send.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
    let ended = loop {
        match receive.recv_timeout(silence) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => break Ended::Exited(child.wait()?),
            Err(RecvTimeoutError::Timeout) => {
                kill_tree(&mut child);
                break Ended::Silent;
            }
        }
    };
    drop(receive);
    if matches!(ended, Ended::Exited(_)) && pump.join().is_err() {
        return Err(io::Error::other("the thread that read the output ended badly"));
    }
    Ok(ended)
}

/// Kills a child and all its descendants; errors mean that they were gone already.
fn kill_tree(child: &mut Child) {
    let mut doomed = vec![child.id()];
    let mut next = 0;
    while let Some(parent) = doomed.get(next).copied() {
        doomed.extend(children_of(parent));
        next += 1;
    }
    for pid in doomed.into_iter().rev() {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    drop(child.wait());
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// The fourth field of `/proc/PID/stat`; the second may hold spaces, so count from its `)`.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}
