//! One line of the log.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tracing::Level;

/// The tag that says how much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Info,
    Warn,
    Error,
    Fatal,
    Debug,
    Trace,
}

impl Label {
    pub(super) fn of(level: &Level, fatal: bool) -> Self {
        match *level {
            Level::ERROR if fatal => Label::Fatal,
            Level::ERROR => Label::Error,
            Level::WARN => Label::Warn,
            Level::INFO => Label::Info,
            Level::DEBUG => Label::Debug,
            Level::TRACE => Label::Trace,
        }
    }

    /// The text and its terminal colour.
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Label::Info => ("INF", "32"),
            Label::Debug => ("DBG", "36"),
            Label::Warn => ("WRN", "0;93"),
            Label::Error => ("ERR", "31"),
            Label::Fatal => ("FTL", "31"),
            Label::Trace => ("TRC", "33"),
        }
    }
}

/// Whether labels are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Palette {
    Plain,
    Coloured,
}

impl Palette {
    /// Colours when standard error is a terminal.
    pub(super) fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() { Palette::Coloured } else { Palette::Plain }
    }
}

/// The time in front of a line, if any.
#[derive(Clone)]
pub(super) struct Stamp {
    zone: Option<TimeZone>,
}

impl Stamp {
    /// `logtime` turns it on, `utc` makes it UTC instead of local time.
    pub(super) fn new(logtime: bool, utc: bool) -> Self {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Stamp { zone: logtime.then_some(zone) }
    }

    /// The time as text with a space behind it, or nothing.
    pub(super) fn write(&self, line: &mut String) {
        let Some(zone) = &self.zone else { return };
        let now = zone.to_datetime(jiff::Timestamp::now());
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            "{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:06} ",
            now.year(),
            now.month(),
            now.day(),
            now.hour(),
            now.minute(),
            now.second(),
            now.subsec_nanosecond() / 1000,
        );
    }

    /// The current time in the stamp's zone, local time if it has none.
    pub(super) fn now(&self) -> DateTime {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        zone.to_datetime(jiff::Timestamp::now())
    }
}

/// A whole line with its line end.
pub(super) fn format(stamp: &Stamp, palette: Palette, label: Label, text: &str) -> String {
    let mut line = String::with_capacity(48 + text.len());
    let (tag, colour) = label.parts();
    // Writing to a String cannot fail.
    let _ = write!(line, "[{}] ", std::process::id());
    stamp.write(&mut line);
    let _ = match palette {
        Palette::Plain => write!(line, "[{tag}] "),
        Palette::Coloured => write!(line, "[\x1b[{colour}m{tag}\x1b[0m] "),
    };
    line.push_str(text);
    if !line.ends_with('\n') {
        line.push('\n');
    }
    line
}
