//! The flags of `cargo xtask bench`.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};

use super::rows::ROWS;

/// Parsed flags.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// `--reference`.
    pub(crate) reference: Option<PathBuf>,
    /// Not `--no-reference`.
    pub(crate) with_reference: bool,
    /// `--server`.
    pub(crate) server: Option<PathBuf>,
    /// Not `--no-server`.
    pub(crate) with_own: bool,
    /// `--seconds`.
    pub(crate) length: Duration,
    /// `--runs`.
    pub(crate) runs: u32,
    /// `--dir`.
    pub(crate) dir: Option<PathBuf>,
    /// `--rows list`.
    pub(crate) list_rows: bool,
    rows: Vec<String>,
}

impl Options {
    /// Reads `args`.
    pub(crate) fn parse(args: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            reference: None,
            with_reference: true,
            server: None,
            with_own: true,
            length: Duration::from_secs(3),
            runs: 3,
            dir: None,
            list_rows: false,
            rows: Vec::new(),
        };
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|err| err.to_string())? {
            match arg {
                Arg::Long("reference") => options.reference = Some(value(&mut parser)?.into()),
                Arg::Long("no-reference") => options.with_reference = false,
                Arg::Long("server") => options.server = Some(value(&mut parser)?.into()),
                Arg::Long("no-server") => options.with_own = false,
                Arg::Long("dir") => options.dir = Some(value(&mut parser)?.into()),
                Arg::Long("seconds") => options.length = seconds(&value(&mut parser)?)?,
                Arg::Long("runs") => {
                    let text = value(&mut parser)?;
                    let runs = text.parse().ok().filter(|runs| (1..=99).contains(runs));
                    options.runs = runs.ok_or(format!("--runs: 1 to 99, not `{text}`"))?;
                }
                Arg::Long("rows") => {
                    let list = value(&mut parser)?;
                    options.list_rows = list == "list";
                    options.rows = if options.list_rows { Vec::new() } else { names(&list)? };
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        Ok(options)
    }

    /// Whether a row is to run.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }
}

fn value(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(|err| err.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|it| (0.1..=600.0).contains(it));
    seconds.map(Duration::from_secs_f64).ok_or(format!("--seconds: 0.1 to 600, not `{text}`"))
}

fn names(list: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !ROWS.iter().any(|row| row.name == name.as_str())) {
        Some(name) => Err(format!("there is no row `{name}`; `--rows list` names them")),
        None => Ok(names),
    }
}
