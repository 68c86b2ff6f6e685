//! Compiler messages in cargo's JSON output, turned into findings.

use serde::Deserialize;

use crate::finding::Finding;

#[derive(Deserialize)]
struct CargoMessage {
    reason: String,
    message: Option<CompilerMessage>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct CompilerMessage {
    message: String,
    code: Option<Code>,
    level: String,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Child>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    is_primary: bool,
}

#[derive(Deserialize)]
struct Child {
    message: String,
    level: String,
}

/// Which diagnostics count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Errors only.
    Errors,
    /// Errors and warnings.
    Warnings,
}

/// What one line of cargo's output is.
pub(crate) enum Line {
    /// Something that was found.
    Finding(Finding),
    /// A crate that is done.
    Built(String),
    /// A line of plain text.
    Text,
    /// Nothing of interest.
    Other,
}

/// Reads one line.
pub(crate) fn read_line(line: &str, level: Level) -> Line {
    if !line.starts_with('{') {
        return Line::Text;
    }
    let Ok(message) = serde_json::from_str::<CargoMessage>(line) else { return Line::Text };
    match (message.reason.as_str(), message.message) {
        ("compiler-message", Some(message)) => {
            finding(&message, level).map_or(Line::Other, Line::Finding)
        }
        ("compiler-artifact", _) => {
            Line::Built(message.target.map(|target| target.name).unwrap_or_default())
        }
        _ => Line::Other,
    }
}

fn finding(message: &CompilerMessage, level: Level) -> Option<Finding> {
    let counts = match message.level.as_str() {
        "error" | "error: internal compiler error" => true,
        "warning" => level == Level::Warnings,
        _ => false,
    };
    let first = message.message.lines().next().unwrap_or_default();
    // The closing lines of a run of errors repeat nothing but their number.
    let is_closing = first.starts_with("aborting due to")
        || first.ends_with("warning emitted")
        || first.ends_with("warnings emitted");
    if !counts || is_closing {
        return None;
    }
    let span = message.spans.iter().find(|span| span.is_primary);
    let (path, line) = span.map_or(("Cargo.toml", 1), |span| (&span.file_name, span.line_start));
    let rule = message.code.as_ref().map_or(message.level.as_str(), |code| code.code.as_str());
    let helps = message.children.iter().filter(|child| child.level == "help");
    // Links, and the way to switch a lint off, are no advice.
    let help = helps
        .map(|child| child.message.as_str())
        .find(|text| !text.contains("http") && !text.starts_with("to override"));
    let advice = match help {
        Some(help) => format!("{first}; {}", help.lines().next().unwrap_or_default()),
        None => first.to_owned(),
    };
    Some(Finding::new(path, line, rule, advice))
}
