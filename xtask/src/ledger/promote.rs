//! `cargo xtask promote`: the one way in which a status changes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use lexopt::{Arg, Parser, ValueExt as _};

use super::book::{Book, FOLDER, Promotion};
use super::check::{Checked, MOST_AT_ONCE};
use super::code::Code;
use super::entry::{Entry, Kind, Status};
use super::runner::{Binaries, Ran, Selection};
use super::{code_of, committed_files, evidence, readable_book};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// What to do with the ids.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Make them verified; or only say whether they could be.
    Promote { dry_run: bool },
    /// Make them pending.
    Back,
    /// Make them deferred, for this reason.
    Defer(String),
    /// Look up paths and evidence of all verified ones anew.
    Refresh,
}

/// Parsed flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) ids: Vec<String>,
    pub(crate) action: Action,
}

impl Options {
    /// Reads `args`.
    pub(crate) fn parse(args: Vec<String>) -> Result<Self, String> {
        let mut ids = Vec::new();
        let (mut dry_run, mut back, mut defer, mut refresh, mut reason) =
            (false, false, false, false, None);
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|err| err.to_string())? {
            match arg {
                Arg::Long("dry-run") => dry_run = true,
                Arg::Long("back") => back = true,
                Arg::Long("defer") => defer = true,
                Arg::Long("refresh") => refresh = true,
                Arg::Long("because") => {
                    let value = parser.value().and_then(|value| value.string());
                    reason = Some(value.map_err(|err| err.to_string())?);
                }
                Arg::Value(value) => {
                    let text = value.string().map_err(|err| err.to_string())?;
                    ids.extend(text.split(',').filter(|id| !id.is_empty()).map(str::to_owned));
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let action = match (dry_run, back, defer, refresh, reason) {
            (dry_run, false, false, false, None) => Action::Promote { dry_run },
            (false, true, false, false, None) => Action::Back,
            (false, false, true, false, Some(reason)) if !reason.trim().is_empty() => {
                Action::Defer(reason)
            }
            (false, false, true, ..) => return Err("`--defer` needs `--because TEXT`".to_owned()),
            (false, false, false, true, None) if ids.is_empty() => Action::Refresh,
            _ => return Err("these flags do not go together".to_owned()),
        };
        if ids.is_empty() && action != Action::Refresh {
            return Err("name the ids, such as F1434 or T27-05".to_owned());
        }
        Ok(Self { ids, action })
    }
}

/// Entry point of the command.
pub(crate) fn main(args: Vec<String>) -> ExitCode {
    match Options::parse(args).and_then(|options| run(&options)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask promote: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let workspace = Workspace::load()?;
    let book = readable_book(&workspace)?;
    for id in &options.ids {
        if book.entry(id).is_none() {
            return Err(format!("no ledger has an entry {id}"));
        }
    }
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let mut draft = book.clone();
    match &options.action {
        Action::Promote { dry_run } => {
            return promote(&workspace, &book, &options.ids, &today, *dry_run);
        }
        Action::Back => {
            set_aside(&mut draft, &options.ids, Status::Pending, "", &today);
        }
        Action::Defer(reason) => {
            set_aside(&mut draft, &options.ids, Status::Deferred, reason.trim(), &today);
        }
        Action::Refresh => refresh(&mut draft, &code_of(&workspace)),
    }
    write(&workspace, &book, &draft)?;
    Ok(ExitCode::SUCCESS)
}

fn set_aside(draft: &mut Book, ids: &[String], status: Status, blocker: &str, today: &str) {
    for id in ids {
        if let Some((_, entry)) = draft.entry_mut(id) {
            entry.status = status;
            entry.blocker = blocker.to_owned();
            entry.changed = today.to_owned();
            entry.path.clear();
            entry.evidence.clear();
        }
    }
}

/// Paths and evidence of verified entries, as the code has them now.
pub(crate) fn refresh(draft: &mut Book, code: &Code) {
    let verified: Vec<String> = draft
        .entries()
        .filter(|(_, _, entry)| entry.status == Status::Verified)
        .map(|(_, _, entry)| entry.id.clone())
        .collect();
    for id in verified {
        fill_in(draft, code, &id);
    }
}

/// Fills in what the marks say: the path of a feature and its evidence, or a test's own path.
fn fill_in(draft: &mut Book, code: &Code, id: &str) {
    let marks: Vec<_> = code.marks.iter().filter(|it| it.id == id && !it.in_test).collect();
    let marked = match marks.as_slice() {
        [mark] => mark.function.clone(),
        _ => None,
    };
    let test = draft.entry(id).and_then(|entry| {
        let checked = Checked { book: draft, code, committed: None };
        checked.test_of(entry).ok().map(|test| test.path.clone()).or_else(|| {
            // Its file may have moved: then its name still finds it.
            let unnamed = Entry { path: String::new(), ..entry.clone() };
            checked.test_of(&unnamed).ok().map(|test| test.path.clone())
        })
    });
    let Some((_, entry)) = draft.entry_mut(id) else { return };
    match entry.kind {
        Kind::Feature { .. } => {
            entry.path = marked.unwrap_or_default();
            entry.evidence = code.claimants(id).into_iter().map(str::to_owned).collect();
        }
        Kind::Test { .. } => {
            entry.evidence = test.iter().cloned().collect();
            entry.path = test.unwrap_or_default();
        }
    }
}

/// What a promotion of `ids` would make of the ledger.
pub(crate) fn plan(book: &Book, code: &Code, ids: &[String], today: &str) -> Book {
    let mut draft = book.clone();
    let mut by_batch: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for id in ids {
        fill_in(&mut draft, code, id);
        if let Some((batch, entry)) = draft.entry_mut(id) {
            entry.status = Status::Verified;
            entry.blocker.clear();
            entry.changed = today.to_owned();
            by_batch.entry(batch).or_default().push(id.clone());
        }
    }
    for (batch, ids) in by_batch {
        let folder = draft.batches.iter().find(|it| it.number == batch).map(|it| it.folder.clone());
        let stem = format!(
            "{FOLDER}/{}/promotions/{today}-{}",
            folder.unwrap_or_default(),
            ids.first().map_or("", String::as_str)
        );
        let mut path = format!("{stem}.toml");
        let mut next = 2;
        while draft.promotions.contains_key(&path) {
            path = format!("{stem}-{next}.toml");
            next += 1;
        }
        draft.promotions.insert(path, Promotion { batch, date: today.to_owned(), ids });
    }
    draft
}

/// Why the ids cannot be promoted at all; nothing when they can, each by its own merits.
pub(crate) fn refusal(
    book: &Book,
    draft: &Book,
    ids: &[String],
    committed: &BTreeSet<String>,
) -> Option<String> {
    if ids.len() > MOST_AT_ONCE {
        return Some(format!("{} ids: at most {MOST_AT_ONCE} at a time", ids.len()));
    }
    let of = |id: &String| book.entry(id).map(|entry| entry.status);
    if let Some(id) = ids.iter().find(|id| of(id) == Some(Status::Verified)) {
        return Some(format!("{id} is verified already"));
    }
    if let Some(path) = book.promotions.keys().find(|path| !committed.contains(*path)) {
        return Some(format!("{path} is not committed: commit it before the next promotion"));
    }
    if draft.promotions.len() > book.promotions.len() + 1 {
        return Some("the ids are of several batches: one batch at a time".to_owned());
    }
    None
}

/// What is missing for each of `ids` according to the sources.
pub(crate) fn missing(draft: &Book, code: &Code, ids: &[String]) -> BTreeMap<String, Vec<String>> {
    let checked = Checked { book: draft, code, committed: None };
    let mut missing = BTreeMap::new();
    for (_, batch, entry) in draft.entries().filter(|(_, _, entry)| ids.contains(&entry.id)) {
        let mut texts: Vec<String> =
            checked.entry(entry).into_iter().map(|(_, advice)| advice).collect();
        let batch = draft.batches.iter().find(|it| it.number == batch);
        texts.extend(batch.into_iter().flat_map(|it| checked.batch(it)).map(|(_, advice)| advice));
        missing.insert(entry.id.clone(), texts);
    }
    missing
}

fn promote(
    workspace: &Workspace,
    book: &Book,
    ids: &[String],
    today: &str,
    dry_run: bool,
) -> Result<ExitCode, String> {
    let code = code_of(workspace);
    let draft = plan(book, &code, ids, today);
    if let Some(why) = refusal(book, &draft, ids, &committed_files(workspace)?) {
        return Err(why);
    }
    let mut missing = missing(&draft, &code, ids);
    let sound = |id: &str| missing.get(id).is_some_and(Vec::is_empty);
    let tests = evidence::needed(&draft, &|entry| ids.contains(&entry.id) && sound(&entry.id));
    let ran = run_tests(workspace, &tests)?;
    for id in ids {
        let complaints = missing.entry(id.clone()).or_default();
        if complaints.is_empty()
            && let Some(entry) = draft.entry(id)
        {
            complaints.extend(evidence::judge(entry, &ran).into_iter().map(|(_, advice)| advice));
        }
    }
    report(&draft, ids, &missing);
    let good: Vec<&str> = ids
        .iter()
        .filter(|id| missing.get(*id).is_some_and(Vec::is_empty))
        .map(String::as_str)
        .collect();
    if good.len() < ids.len() {
        println!(
            "\nnothing is written: {} of {} are not proved",
            ids.len() - good.len(),
            ids.len()
        );
        if !good.is_empty() {
            println!("for the others: cargo xtask promote {}", good.join(" "));
        }
        return Ok(ExitCode::FAILURE);
    }
    if dry_run {
        println!("\nall {} can be promoted; nothing is written", ids.len());
        return Ok(ExitCode::SUCCESS);
    }
    write(workspace, book, &draft)?;
    println!("\n{} promoted: commit {FOLDER}", ids.len());
    Ok(ExitCode::SUCCESS)
}

fn run_tests(
    workspace: &Workspace,
    tests: &BTreeSet<String>,
) -> Result<BTreeMap<String, Ran>, String> {
    if tests.is_empty() {
        return Ok(BTreeMap::new());
    }
    let progress = Progress::start("1/2", "build the tests");
    let note = |text: &str| progress.note(text);
    let binaries = Binaries::build(workspace, &Selection::of(workspace, tests), &note)?;
    progress.finish("[1/2] built");
    let progress = Progress::start("2/2", &format!("run {} tests, one by one", tests.len()));
    let ran = binaries.run(tests, &|text| progress.note(text))?;
    progress.finish("[2/2] ran");
    Ok(ran)
}

fn report(draft: &Book, ids: &[String], missing: &BTreeMap<String, Vec<String>>) {
    for id in ids {
        let Some(entry) = draft.entry(id) else { continue };
        let texts = missing.get(id).map_or(&[][..], Vec::as_slice);
        if texts.is_empty() {
            println!("{id} ok       {}", entry.path);
            entry.evidence.iter().for_each(|test| println!("                 by {test}"));
        } else {
            println!("{id} MISSING  {}", entry.symbol);
            texts.iter().for_each(|text| println!("                 {text}"));
        }
    }
}

/// Writes the files that differ.
fn write(workspace: &Workspace, book: &Book, draft: &Book) -> Result<(), String> {
    let save = |path: &str, text: String| {
        let file = workspace.root.join(path);
        let parent = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let done = parent.and_then(|()| std::fs::write(&file, text));
        done.map_err(|err| format!("{path}: {err}")).map(|()| println!("wrote {path}"))
    };
    for (path, sheet) in &draft.files {
        let text = sheet.render();
        if text != sheet.text {
            save(path, text)?;
        }
    }
    for (path, promotion) in &draft.promotions {
        if !book.promotions.contains_key(path) {
            save(path, promotion.render())?;
        }
    }
    Ok(())
}
