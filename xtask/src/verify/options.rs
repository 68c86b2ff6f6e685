//! The flags of `cargo xtask verify`.

use lexopt::{Arg, Parser, ValueExt as _};

/// Parsed flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `--crate`.
    pub(crate) only_crate: Option<String>,
    only: Vec<String>,
    skip: Vec<String>,
}

impl Options {
    /// Reads `args`; `gates` are the names that `--only` and `--skip` may hold.
    pub(crate) fn parse(args: Vec<String>, gates: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|err| err.to_string())? {
            match arg {
                Arg::Long("crate") => options.only_crate = Some(value(&mut parser)?),
                Arg::Long("only") => options.only = gate_names(&value(&mut parser)?, gates)?,
                Arg::Long("skip") => options.skip = gate_names(&value(&mut parser)?, gates)?,
                other => return Err(other.unexpected().to_string()),
            }
        }
        Ok(options)
    }

    /// Whether a gate is to run.
    pub(crate) fn wants(&self, gate: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == gate);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

fn gate_names(list: &str, gates: &[&str]) -> Result<Vec<String>, String> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !gates.contains(&name.as_str())) {
        Some(name) => Err(format!("there is no gate `{name}`; gates are {}", gates.join(", "))),
        None => Ok(names),
    }
}

fn value(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(|err| err.to_string())
}
