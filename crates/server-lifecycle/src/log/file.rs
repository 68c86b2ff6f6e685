//! A log file that rotates at a size (`logger/log.go` `fileLogger`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::LogError;
use super::line::{self, Label, Palette, Stamp};

const PERMISSIONS: u32 = 0o640;

/// A log file that rotates at a size.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: Option<u64>,
    max_files: Option<u64>,
    stamp: Stamp,
}

impl LogFile {
    /// Opens `path` for appending. At more than `limit` bytes the file becomes a backup; with
    /// `max_files`, only so many files stay, the current one included.
    pub(super) fn open(
        path: &Path,
        limit: Option<u64>,
        max_files: Option<u64>,
        stamp: Stamp,
    ) -> Result<Self, LogError> {
        let (file, size) = open(path)?;
        Ok(LogFile { path: path.to_owned(), file, size, limit, max_files, stamp })
    }

    pub(super) fn reopen(&mut self) -> Result<(), LogError> {
        (self.file, self.size) = open(&self.path)?;
        Ok(())
    }

    /// Appends one line; what cannot be written is dropped.
    pub(super) fn write(&mut self, line: &str) {
        self.append(line);
        if self.limit.is_some_and(|limit| self.size > limit) {
            self.rotate();
        }
    }

    fn append(&mut self, line: &str) {
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.size += line.len() as u64;
        }
    }

    fn rotate(&mut self) {
        let now = self.stamp.now();
        let backup = format!(
            "{}.{:04}.{:02}.{:02}.{:02}.{:02}.{:02}.{:09}",
            self.path.display(),
            now.year(),
            now.month(),
            now.day(),
            now.hour(),
            now.minute(),
            now.second(),
            now.subsec_nanosecond(),
        );
        match fs::rename(&self.path, &backup).map_err(|source| self.open_error(source)) {
            Ok(()) => match self.reopen() {
                Ok(()) => {
                    self.note(Label::Info, &format!("Rotated log, backup saved as {backup:?}"));
                }
                // The old file stays in use, under its new name.
                Err(error) => self.postpone(&error),
            },
            Err(error) => self.postpone(&error),
        }
        if let Some(max) = self.max_files {
            self.purge(max);
        }
    }

    /// Tries again only after as many bytes more, so that a failure is not repeated every line.
    fn postpone(&mut self, error: &LogError) {
        self.limit = self.limit.map(|limit| limit.saturating_mul(2));
        let text = format!("Unable to rotate logfile ({error}), will attempt next rotation later");
        self.note(Label::Error, &text);
    }

    fn note(&mut self, label: Label, text: &str) {
        let line = line::format(&self.stamp, Palette::Plain, label, text);
        self.append(&line);
    }

    /// Removes the oldest backups.
    fn purge(&mut self, max_files: u64) {
        let keep = usize::try_from(max_files.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut backups = match self.backups() {
            Ok(backups) => backups,
            Err(error) => {
                let text = format!("Unable to read the log's directory for log purge ({error})");
                return self.note(Label::Error, &text);
            }
        };
        backups.sort();
        let surplus = backups.len().saturating_sub(keep);
        for backup in backups.drain(..surplus) {
            let (label, text) = match fs::remove_file(&backup) {
                Ok(()) => (Label::Info, format!("Purged log file {backup:?}")),
                Err(error) => {
                    (Label::Error, format!("Unable to remove backup log file {backup:?} ({error})"))
                }
            };
            self.note(label, &text);
        }
    }

    fn backups(&self) -> io::Result<Vec<PathBuf>> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let Some(base) = self.path.file_name().and_then(|name| name.to_str()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let stamp = name
                .to_str()
                .and_then(|name| name.strip_prefix(base))
                .and_then(|rest| rest.strip_prefix('.'));
            if stamp.is_some_and(is_stamp) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn open_error(&self, source: io::Error) -> LogError {
        LogError::Open { path: self.path.clone(), source }
    }
}

/// Whether a text is the time that a backup's name ends in: seven groups of digits.
fn is_stamp(text: &str) -> bool {
    let lengths = [4, 2, 2, 2, 2, 2, 9];
    let mut groups = text.split('.');
    lengths.iter().all(|&length| {
        groups
            .next()
            .is_some_and(|group| group.len() == length && group.bytes().all(|b| b.is_ascii_digit()))
    }) && groups.next().is_none()
}

fn open(path: &Path) -> Result<(File, u64), LogError> {
    let opened =
        OpenOptions::new().append(true).create(true).mode(PERMISSIONS).open(path).and_then(
            |file| {
                let size = file.metadata()?.len();
                Ok((file, size))
            },
        );
    opened.map_err(|source| LogError::Open { path: path.to_owned(), source })
}
