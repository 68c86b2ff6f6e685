//! The flags.

use std::path::PathBuf;
use std::time::Duration;

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Device,
    Appends,
    Recovery,
    Searches,
    Consumers,
}

const PARTS: [(&str, Part); 5] = [
    ("device", Part::Device),
    ("appends", Part::Appends),
    ("recovery", Part::Recovery),
    ("searches", Part::Searches),
    ("consumers", Part::Consumers),
];

/// Parsed flags.
pub(crate) struct Options {
    pub(crate) dir: PathBuf,
    /// Messages of the large streams.
    pub(crate) messages: u64,
    /// Subjects of the stream with many.
    pub(crate) subjects: u64,
    pub(crate) consumers: u64,
    /// Length of one append run.
    pub(crate) length: Duration,
    parts: Vec<Part>,
}

impl Options {
    pub(crate) fn parse(args: Vec<String>) -> Result<Self, String> {
        let mut options = Options {
            dir: std::env::temp_dir(),
            messages: 1_000_000,
            subjects: 1_000_000,
            consumers: 10_000,
            length: Duration::from_millis(400),
            parts: Vec::new(),
        };
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let value = args.next().ok_or(format!("{flag} wants a value"))?;
            let number = || {
                let digits: String = value.chars().filter(|&c| c != '_' && c != ',').collect();
                let number = digits.parse::<u64>().ok().filter(|&number| number > 0);
                number.ok_or(format!("{flag}: not a count: `{value}`"))
            };
            match flag.as_str() {
                "--dir" => options.dir = value.into(),
                "--messages" => options.messages = number()?,
                "--subjects" => options.subjects = number()?,
                "--consumers" => options.consumers = number()?,
                "--millis" => options.length = Duration::from_millis(number()?),
                "--only" => options.parts = parts(&value)?,
                _ => return Err(format!("unknown flag `{flag}`")),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

fn parts(list: &str) -> Result<Vec<Part>, String> {
    let part = |name: &str| {
        let found = PARTS.iter().find(|(known, _)| *known == name).map(|&(_, part)| part);
        found.ok_or_else(|| {
            let known: Vec<&str> = PARTS.iter().map(|&(name, _)| name).collect();
            format!("there is no part `{name}`: {}", known.join(", "))
        })
    };
    list.split(',').map(|name| part(name.trim())).collect()
}
