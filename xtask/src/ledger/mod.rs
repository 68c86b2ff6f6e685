//! The ledger of features and tests: what it says, what the code says, what the evidence did.
//!
//! docs/ledger.md is the convention. `check` holds entries against sources, `evidence` against a
//! run by `runner`; `promote` changes statuses, `status` shows them.

mod book;
mod check;
mod code;
mod entry;
mod evidence;
mod name;
mod page;
mod promote;
mod runner;
mod samples;
mod status;

use std::collections::BTreeSet;
use std::process::Command;

use crate::finding::Finding;
use crate::workspace::{Workspace, output};

pub(crate) use book::{Book, FOLDER};
pub(crate) use check::Checked;
pub(crate) use code::Code;
pub(crate) use entry::{Entry, Status};
pub(crate) use evidence::{findings as evidence_findings, needed};
pub(crate) use promote::main as promote;
pub(crate) use runner::{Binaries, Ran, Selection};
pub(crate) use samples::self_test;
pub(crate) use status::main as status;

/// The ledger of a checkout; what is wrong with its files when they cannot be read.
pub(crate) fn book_of(workspace: &Workspace) -> Result<Result<Book, Vec<Finding>>, String> {
    Ok(Book::load(&workspace.root, &workspace.present_files()?))
}

/// The code of a checkout.
pub(crate) fn code_of(workspace: &Workspace) -> Code {
    Code::read(&workspace.packages, &|path| std::fs::read_to_string(workspace.root.join(path)).ok())
}

/// Files of the ledger in the commit that is checked out; none before the first commit.
pub(crate) fn committed_files(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new("git");
    command.current_dir(&workspace.root).args(["ls-tree", "-r", "--name-only", "HEAD", FOLDER]);
    Ok(output(&mut command)?.lines().map(str::to_owned).collect())
}

/// The ledger of a checkout, or its first problem as one text.
fn readable_book(workspace: &Workspace) -> Result<Book, String> {
    book_of(workspace)?
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests;
