//! What a config file can refer to outside of itself: environment variables and other files.

use std::io;
use std::path::Path;

/// Where variables and included files come from.
pub trait Environment {
    /// The environment variable of this name.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The environment and file system of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        // `var_os` refuses a name with `=` or NUL by answering `None`.
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Text for a file that could not be read, in the reference's words.
pub(crate) fn read_failure(path: &str, error: &io::Error) -> String {
    let (call, reason) = match error.kind() {
        io::ErrorKind::NotFound => ("open", "no such file or directory".to_owned()),
        io::ErrorKind::PermissionDenied => ("open", "permission denied".to_owned()),
        io::ErrorKind::IsADirectory => ("read", "is a directory".to_owned()),
        io::ErrorKind::NotADirectory => ("open", "not a directory".to_owned()),
        _ => ("read", error.to_string()),
    };
    format!("{call} {path}: {reason}")
}

/// The path of an included file: always below the directory of the including one, even when it
/// starts with a slash, and without `.` and inner `..` (Go's `filepath.Join`).
pub(super) fn include_path(including: &str, name: &str) -> String {
    let directory = including.rfind('/').map_or("", |at| including.get(..=at).unwrap_or_default());
    let joined = format!("{directory}/{name}");
    let absolute = directory.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}
