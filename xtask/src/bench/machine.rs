//! What the figures were measured beside: cores, load, versions.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A line on this machine.
pub(crate) fn describe() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "machine     {cores} cores ({}), Linux {}, load average {}",
        model.unwrap_or("unknown model"),
        kernel.trim(),
        load.join(" ")
    )
}

/// What a server says to `-v`.
pub(crate) fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("-v").output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    text.unwrap_or_else(|err| format!("version unknown: {err}"))
}

/// A program on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|it| it.is_file())
}
