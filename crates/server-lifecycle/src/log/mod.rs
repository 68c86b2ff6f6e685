//! Logging in nats-server's layout: a `tracing` subscriber that writes lines to standard error or a
//! file.
//!
//! The crates of the server log through `tracing`; who runs the program decides where the lines go
//! by [`install`]ing this once, or by any other subscriber. A server itself installs nothing, so
//! that several run in one process.

mod file;
mod line;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use config_validate::options::LogOptions;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use file::LogFile;
use line::{Label, Palette, Stamp};

/// Target of an event that ends the server: its label is `FTL` instead of `ERR`.
pub const FATAL: &str = "fatal";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be opened.
    #[error("error opening file: open {path}: {}", crate::os::error_text(.source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Syslog was asked for.
    #[error("logging to syslog is not supported yet by this server: use a log file instead")]
    Syslog,
    /// Something else in the process has claimed the process-wide subscriber.
    #[error("logging is already set up in this process")]
    Taken,
}

/// What re-opening the log came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    /// The file was opened anew.
    File,
    /// Lines go to standard error.
    NotAFile,
}

/// A handle on the log, kept by the program to re-open its file.
#[derive(Clone)]
pub struct LogHandle {
    out: Arc<Out>,
}

impl LogHandle {
    /// Closes the log file and opens its name again, for rotation from outside (`SIGUSR1`).
    ///
    /// # Errors
    /// When the file cannot be opened; the old one stays in use.
    pub fn reopen(&self) -> Result<Reopened, LogError> {
        match &mut self.out.target.lock().sink {
            Sink::Stderr => Ok(Reopened::NotAFile),
            Sink::File(file) => file.reopen().map(|()| Reopened::File),
        }
    }

    /// Logs by other options from now on (`server/log.go` `ConfigureLogger`).
    ///
    /// # Errors
    /// As [`subscriber`]; the log stays as it is then.
    pub fn reconfigure(&self, options: &LogOptions) -> Result<(), LogError> {
        let target = Target::open(options)?;
        *self.out.target.lock() = target;
        self.out.debug.store(options.debug, Ordering::Relaxed);
        self.out.trace.store(options.trace, Ordering::Relaxed);
        // What is switched off is remembered at each place that logs.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

/// Makes this process log by `options` (`server/log.go` `ConfigureLogger`).
///
/// # Errors
/// When the file cannot be opened, syslog was asked for, or the process has a subscriber.
pub fn install(options: &LogOptions) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = subscriber(options)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    Ok(handle)
}

/// A subscriber that logs by `options`, for a program that installs it itself.
///
/// # Errors
/// When the file cannot be opened, or syslog was asked for.
pub fn subscriber(options: &LogOptions) -> Result<(LogSubscriber, LogHandle), LogError> {
    let out = Arc::new(Out {
        target: Mutex::new(Target::open(options)?),
        debug: AtomicBool::new(options.debug),
        trace: AtomicBool::new(options.trace),
    });
    Ok((LogSubscriber { out: Arc::clone(&out) }, LogHandle { out }))
}

/// Writes events as lines `[PID] 2026/11/23 22:45:16.123456 [INF] text`.
pub struct LogSubscriber {
    out: Arc<Out>,
}

struct Out {
    target: Mutex<Target>,
    debug: AtomicBool,
    trace: AtomicBool,
}

/// Where lines go, and what they look like there.
struct Target {
    sink: Sink,
    stamp: Stamp,
    palette: Palette,
}

impl Target {
    fn open(options: &LogOptions) -> Result<Self, LogError> {
        if options.syslog || options.remote_syslog.is_some() {
            return Err(LogError::Syslog);
        }
        let stamp = Stamp::new(options.logtime, options.logtime_utc);
        let (sink, palette) = match &options.file {
            Some(path) => {
                let (limit, keep) = (options.size_limit, options.max_files);
                let file = LogFile::open(path, limit, keep, stamp.clone())?;
                (Sink::File(file), Palette::Plain)
            }
            None => (Sink::Stderr, Palette::of_stderr()),
        };
        Ok(Target { sink, stamp, palette })
    }
}

enum Sink {
    Stderr,
    File(LogFile),
}

impl Subscriber for LogSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        if metadata.is_span() {
            return false;
        }
        match *metadata.level() {
            Level::DEBUG => self.out.debug.load(Ordering::Relaxed),
            Level::TRACE => self.out.trace.load(Ordering::Relaxed),
            _ => true,
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let (trace, debug) = (&self.out.trace, &self.out.debug);
        Some(match (trace.load(Ordering::Relaxed), debug.load(Ordering::Relaxed)) {
            (true, _) => LevelFilter::TRACE,
            (false, true) => LevelFilter::DEBUG,
            (false, false) => LevelFilter::INFO,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let label = Label::of(metadata.level(), metadata.target() == FATAL);
        let mut target = self.out.target.lock();
        let line = line::format(&target.stamp, target.palette, label, &text.line);
        // A log that cannot be written must not stop the server.
        match &mut target.sink {
            Sink::Stderr => drop(std::io::stderr().lock().write_all(line.as_bytes())),
            Sink::File(file) => file.write(&line),
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        // Spans are switched off, as in the next ones.
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {
        // No spans.
    }

    fn enter(&self, _: &Id) {
        // No spans.
    }

    fn exit(&self, _: &Id) {
        // No spans.
    }
}

/// The text of an event: its message, then its other fields as `name=value`.
#[derive(Default)]
struct Text {
    line: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = if field.name() == "message" {
            let rest = std::mem::take(&mut self.line);
            write!(self.line, "{value:?}{rest}")
        } else {
            write!(self.line, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.line.insert_str(0, value);
        } else {
            self.record_debug(field, &value);
        }
    }
}
