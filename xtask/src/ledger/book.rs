//! The whole ledger as its files say it: batches, entries, promotions.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::entry::{Entry, EntryFile, quoted};
use crate::finding::Finding;

/// The folder of the ledger, relative to the workspace root.
pub(crate) const FOLDER: &str = "tests/ledger";
/// The file with the batches.
pub(crate) const BATCHES: &str = "tests/ledger/batches.toml";

/// Everything under [`FOLDER`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// The batches, in the order of the file.
    pub(crate) batches: Vec<Batch>,
    /// Files with entries, by path.
    pub(crate) files: BTreeMap<String, Sheet>,
    /// Promotions, by path.
    pub(crate) promotions: BTreeMap<String, Promotion>,
}

/// One file with entries.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    /// Number of its batch.
    pub(crate) batch: u32,
    /// Its text.
    pub(crate) text: String,
    /// What it holds.
    pub(crate) entries: Vec<Entry>,
}

/// One batch of work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Its number.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its folder under [`FOLDER`].
    pub(crate) folder: String,
    /// The file of the reference in which its features are.
    pub(crate) source: String,
    /// Numbers of the batches that must be complete before it is started.
    pub(crate) depends_on: Vec<u32>,
    /// Number of its features.
    pub(crate) features: usize,
    /// Number of its tests.
    pub(crate) tests: usize,
    /// Checksum over its facts.
    pub(crate) facts: String,
    /// Names of the groups of its features.
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, String>,
}

/// Ids that were promoted together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promotion {
    /// Number of the batch.
    pub(crate) batch: u32,
    /// When.
    pub(crate) date: String,
    /// What.
    pub(crate) ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchFile {
    #[serde(default)]
    batch: Vec<Batch>,
}

impl Promotion {
    /// As it is written.
    pub(crate) fn render(&self) -> String {
        let ids: Vec<String> = self.ids.iter().map(|id| format!("    {},\n", quoted(id))).collect();
        let (batch, date) = (self.batch, quoted(&self.date));
        format!("batch = {batch}\ndate = {date}\nids = [\n{}]\n", ids.concat())
    }
}

impl Book {
    /// Reads the ledger of the checkout at `root`; `paths` are its files.
    pub(crate) fn load(root: &Path, paths: &[String]) -> Result<Self, Vec<Finding>> {
        let mut texts = BTreeMap::new();
        for path in paths.iter().filter(|it| it.starts_with(FOLDER) && it.ends_with(".toml")) {
            let text = std::fs::read_to_string(root.join(path))
                .map_err(|err| vec![broken(path, err.to_string())])?;
            texts.insert(path.clone(), text);
        }
        Self::parse(&texts)
    }

    /// Reads the ledger from its texts, by path.
    pub(crate) fn parse(texts: &BTreeMap<String, String>) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let batches = texts.get(BATCHES).map_or("", String::as_str);
        let batches = match toml::from_str::<BatchFile>(batches) {
            Ok(file) => file.batch,
            Err(err) => return Err(vec![broken(BATCHES, err.to_string())]),
        };
        let mut book = Self { batches, ..Self::default() };
        for (path, text) in texts.iter().filter(|(path, _)| *path != BATCHES) {
            let folder = path.strip_prefix(FOLDER).and_then(|rest| rest.split('/').nth(1));
            let batch = book.batches.iter().find(|batch| Some(batch.folder.as_str()) == folder);
            let Some(batch) = batch.map(|batch| batch.number) else {
                let advice = "it is in the folder of no batch: add one to batches.toml";
                findings.push(broken(path, advice.to_owned()));
                continue;
            };
            if path.contains("/promotions/") {
                match toml::from_str::<Promotion>(text) {
                    Ok(promotion) => drop(book.promotions.insert(path.clone(), promotion)),
                    Err(err) => findings.push(broken(path, err.to_string())),
                }
            } else {
                match EntryFile::parse(text) {
                    Ok(entries) => {
                        let sheet = Sheet { batch, text: text.clone(), entries };
                        book.files.insert(path.clone(), sheet);
                    }
                    Err(err) => findings.push(broken(path, err)),
                }
            }
        }
        if findings.is_empty() { Ok(book) } else { Err(findings) }
    }

    /// All entries, each with the path of its file and its batch.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, u32, &Entry)> {
        self.files.iter().flat_map(|(path, sheet)| {
            sheet.entries.iter().map(move |entry| (path.as_str(), sheet.batch, entry))
        })
    }

    /// The entry called `id`.
    pub(crate) fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries().map(|(_, _, entry)| entry).find(|entry| entry.id == id)
    }

    /// The entry called `id`, to change it, with the number of its batch.
    pub(crate) fn entry_mut(&mut self, id: &str) -> Option<(u32, &mut Entry)> {
        self.files.values_mut().find_map(|sheet| {
            let batch = sheet.batch;
            let entry = sheet.entries.iter_mut().find(|entry| entry.id == id);
            entry.map(|entry| (batch, entry))
        })
    }

    /// Line of an entry in its file, from 1.
    pub(crate) fn line(&self, path: &str, id: &str) -> usize {
        let text = self.files.get(path).map_or("", |sheet| sheet.text.as_str());
        let wanted = format!("id = {}", quoted(id));
        text.lines().position(|line| line == wanted).map_or(1, |i| i + 1)
    }

    /// Checksum over what the entries of a batch say of the reference.
    pub(crate) fn facts(&self, batch: u32) -> String {
        let mut lines: Vec<String> = self
            .entries()
            .filter(|(_, number, _)| *number == batch)
            .map(|(_, _, entry)| entry.facts())
            .collect();
        lines.sort();
        // FNV-1a: it is to catch a quiet edit, not an attack.
        let hash = lines.concat().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

impl Sheet {
    /// The file as `promote` would write it.
    pub(crate) fn render(&self) -> String {
        let head: String = self
            .text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .map(|l| format!("{l}\n"))
            .collect();
        EntryFile::render(&head, &self.entries)
    }
}

fn broken(path: &str, message: String) -> Finding {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Finding::new(path, 1, "ledger-format", message)
}
