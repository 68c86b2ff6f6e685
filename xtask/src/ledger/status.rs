//! `cargo xtask status`: the ledger as a table, as a page, and entry by entry.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use lexopt::{Arg, Parser, ValueExt as _};

use super::book::{Batch, Book};
use super::check::{Checked, MOST_AT_ONCE};
use super::code::Code;
use super::entry::{Entry, Kind, Status};
use super::name::rust_name;
use super::promote::plan;
use super::{code_of, page, readable_book};
use crate::table::{self, Align};
use crate::workspace::Workspace;

/// One line of the table: a group of features or a wave of tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Number of the batch.
    pub(crate) batch: u32,
    /// `features` or `tests`.
    pub(crate) kind: &'static str,
    /// Name of the group or wave.
    pub(crate) name: String,
    /// Entries that are verified, deferred, pending.
    pub(crate) counts: [usize; 3],
}

/// The rows of the table, and one with the sum per kind.
pub(crate) fn rows(book: &Book) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in &book.batches {
        let mut features: BTreeMap<u32, [usize; 3]> = BTreeMap::new();
        let mut tests: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        for (_, _, entry) in book.entries().filter(|(_, number, _)| *number == batch.number) {
            let counts = match &entry.kind {
                Kind::Feature { group, .. } => features.entry(*group).or_default(),
                Kind::Test { wave, .. } => tests.entry(wave).or_default(),
            };
            let [verified, deferred, pending] = counts;
            match entry.status {
                Status::Verified => *verified += 1,
                Status::Deferred => *deferred += 1,
                Status::Pending => *pending += 1,
            }
        }
        let row = |kind, name, counts| Row { batch: batch.number, kind, name, counts };
        let sum = |counts: &mut dyn Iterator<Item = &[usize; 3]>| {
            counts.fold([0; 3], |sum, it| [sum[0] + it[0], sum[1] + it[1], sum[2] + it[2]])
        };
        let all_features = sum(&mut features.values());
        let all_tests = sum(&mut tests.values());
        rows.extend(
            features
                .into_iter()
                .map(|(group, counts)| row("features", group_name(batch, group), counts)),
        );
        rows.push(row("features", "all".to_owned(), all_features));
        rows.extend(
            tests.into_iter().map(|(wave, counts)| row("tests", format!("wave {wave}"), counts)),
        );
        rows.push(row("tests", "all".to_owned(), all_tests));
    }
    rows
}

fn group_name(batch: &Batch, group: u32) -> String {
    let name = batch.groups.get(&group.to_string()).map_or("", String::as_str);
    format!("{group} {name}").trim_end().to_owned()
}

/// Ids of pending entries of which the sources have all that a promotion asks for.
pub(crate) fn ready(book: &Book, code: &Code) -> Vec<String> {
    let pending = book.entries().filter(|(_, _, entry)| entry.status == Status::Pending);
    let ready = pending.filter(|(_, _, entry)| missing(book, code, entry).is_empty());
    ready.map(|(_, _, entry)| entry.id.clone()).collect()
}

/// What a promotion of one entry would miss in the sources; for a verified one, what is missing.
fn missing(book: &Book, code: &Code, entry: &Entry) -> Vec<String> {
    let draft = match entry.status {
        Status::Verified => book.clone(),
        Status::Pending | Status::Deferred => {
            plan(book, code, std::slice::from_ref(&entry.id), &entry.changed)
        }
    };
    let checked = Checked { book: &draft, code, committed: None };
    let wrong = draft.entry(&entry.id).map(|it| checked.entry(it)).unwrap_or_default();
    wrong.into_iter().map(|(_, advice)| advice).collect()
}

/// Entry point of the command.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask status: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Vec<String>) -> Result<(), String> {
    let mut ids = Vec::new();
    let mut open = false;
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|err| err.to_string())? {
        match arg {
            Arg::Long("open") => open = true,
            Arg::Value(value) => ids.push(value.string().map_err(|err| err.to_string())?),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let workspace = Workspace::load()?;
    let book = readable_book(&workspace)?;
    if !ids.is_empty() {
        let code = code_of(&workspace);
        for id in &ids {
            let entry = book.entry(id).ok_or_else(|| format!("no ledger has an entry {id}"))?;
            print!("{}", detail(&book, &code, entry));
        }
        return Ok(());
    }
    print!("{}", text(&book));
    let file = workspace.target.join("ledger.html");
    std::fs::create_dir_all(&workspace.target)
        .and_then(|()| std::fs::write(&file, page::render(&book)))
        .map_err(|err| format!("{}: {err}", file.display()))?;
    let ready = ready(&book, &code_of(&workspace));
    for ids in ready.chunks(MOST_AT_ONCE) {
        println!("\nmarked and claimed: cargo xtask promote {}", ids.join(" "));
    }
    println!("\npage: {}", file.display());
    if open {
        let opened = Command::new("xdg-open").arg(&file).status();
        if !opened.is_ok_and(|status| status.success()) {
            return Err("no program opens the page: open it by hand".to_owned());
        }
    }
    Ok(())
}

/// The table as text.
pub(crate) fn text(book: &Book) -> String {
    let head = [
        ("batch", Align::Right),
        ("what", Align::Left),
        ("group or wave", Align::Left),
        ("verified", Align::Right),
        ("deferred", Align::Right),
        ("pending", Align::Right),
        ("of", Align::Right),
    ];
    let rows: Vec<Vec<String>> = rows(book)
        .into_iter()
        .map(|row| {
            let [verified, deferred, pending] = row.counts;
            let mut cells = vec![row.batch.to_string(), row.kind.to_owned(), row.name];
            let numbers = [verified, deferred, pending, verified + deferred + pending];
            cells.extend(numbers.map(|number| number.to_string()));
            cells
        })
        .collect();
    table::render(&head, &rows)
}

/// All that is known of one entry, and what a promotion would still miss in the sources.
pub(crate) fn detail(book: &Book, code: &Code, entry: &Entry) -> String {
    let mut lines = vec![format!(
        "{} {} ({}, lines {})",
        entry.id,
        entry.symbol,
        entry.status.text(),
        entry.lines
    )];
    match &entry.kind {
        Kind::Feature { moved, .. } => {
            let because = moved.iter().map(|it| format!(", because {}", it.because));
            lines.push(format!("crate     {}{}", entry.owner(), because.collect::<String>()));
            let marks = code.marks.iter().filter(|mark| mark.id == entry.id);
            lines.extend(marks.map(|mark| format!("mark      {}:{}", mark.file, mark.line)));
            let claims = code.claimants(&entry.id).into_iter();
            lines.extend(claims.map(|path| format!("evidence  {path}")));
        }
        Kind::Test { file, asserts, .. } => {
            lines.push(format!("from      {file}"));
            lines.push(format!("name      fn {}", rust_name(&entry.symbol)));
            lines.push(format!("asserts   {asserts}"));
            let checked = Checked { book, code, committed: None };
            if let Ok(test) = checked.test_of(entry) {
                lines.push(format!("here      {}:{} {}", test.file, test.line, test.path));
                let sites = test.sites;
                lines.push(format!(
                    "has       {} assertions, {} `.expect`",
                    sites.assertions, sites.demands
                ));
            }
        }
    }
    if !entry.blocker.is_empty() {
        lines.push(format!("blocker   {}", entry.blocker));
    }
    let missing = missing(book, code, entry).into_iter();
    lines.extend(missing.map(|text| format!("missing   {text}")));
    lines.push(String::new());
    lines.join("\n") + "\n"
}
