//! Checks imports against the exports they refer to, in the order they are put to work.
//!
//! Wire sources: `parseAccounts` in `server/opts.go`; `addMappedStreamImportWithClaim`,
//! `addServiceImportWithClaim` and `checkServiceImportsForCycles` in `server/accounts.go`.

use std::collections::HashSet;

use subject::{Transform, number_wildcards, unnumber_wildcards};

use super::accounts::AccountOptions;
use super::error::ConfigIssue;
use super::exchange::{Export, Import, ServiceImport, StreamImport};
use crate::conf::Node;
use crate::quote::quoted;

/// Most accounts that imports are followed through (`MaxAccountCycleSearchDepth`).
const MAX_DEPTH: usize = 1024;

const CYCLE: &str = "import forms a cycle";
const TOO_DEEP: &str = "search cycle depth exhausted";

/// How a stream import's subject reads in the importing account (`server/accounts.go`
/// `addStreamImportWithClaim`): as `to`, or behind the prefix.
impl StreamImport {
    /// Subject in the importing account; wildcards may be `*` or numbered.
    pub fn local_subject(&self) -> String {
        match (&self.to, &self.prefix) {
            (Some(to), _) => to.clone(),
            (None, Some(prefix)) => {
                let dot = if prefix.ends_with('.') { "" } else { "." };
                format!("{prefix}{dot}{}", self.subject)
            }
            (None, None) => self.subject.clone(),
        }
    }

    /// What turns subjects there into subjects here, unless they are the same or there is only
    /// one.
    ///
    /// # Errors
    /// When the two do not fit; in the reference's words.
    pub fn transform(&self) -> Result<Option<Transform>, String> {
        let (from, to) = (&self.subject, self.local_subject());
        if !subject::has_wildcards(from.as_bytes()) || to == *from {
            return Ok(None);
        }
        Transform::new_reversible(from, &number_wildcards(&to)).map(Some).map_err(|error| {
            format!(
                "failed to create mapping transform for stream import subject from {} to {}: \
                 {error}",
                quoted(from),
                quoted(&to)
            )
        })
    }
}

impl ServiceImport {
    /// What turns subjects here into subjects there, unless they are the same or there is only
    /// one.
    ///
    /// # Errors
    /// When the two do not fit; in the reference's words.
    pub fn transform(&self) -> Result<Option<Transform>, String> {
        let (from, to) = (&self.to, &self.subject);
        if !subject::has_wildcards(to.as_bytes()) || to == from {
            return Ok(None);
        }
        let to = unnumber_wildcards(to);
        // In reverse, so that the numbers stand in the importer's subject.
        let made = Transform::new_reversible(&to, &number_wildcards(from));
        made.map(|transform| transform.reverse()).map_err(|error| {
            format!(
                "failed to create mapping transform for service import subject from {} to {}: \
                 {error}",
                quoted(from),
                quoted(&to)
            )
        })
    }

    /// The pattern that requests are published on in the importing account.
    pub fn local_pattern(&self) -> String {
        if subject::has_wildcards(self.subject.as_bytes()) && self.to != self.subject {
            unnumber_wildcards(&self.to)
        } else {
            self.to.clone()
        }
    }
}

/// An import that passed the checks.
struct Known<'a> {
    importer: &'a str,
    exporter: &'a str,
    /// Subject in the importing account.
    here: String,
    /// Subject in the exporting account.
    there: &'a str,
}

/// An import that cannot be put to work.
struct Rejected<'a> {
    /// Positions of the account and of its import.
    at: (usize, usize),
    /// `stream` or `service`.
    kind: &'static str,
    /// The exporting account, and the subject there.
    exporter: &'a str,
    subject: &'a str,
    /// Why; `None` where the account does not exist.
    why: Option<String>,
}

/// Checks all imports: streams of all accounts first, then services.
pub(super) fn check(
    at: &Node,
    accounts: &[AccountOptions],
    findings: &mut super::reader::Findings,
) {
    for Rejected { kind, exporter, subject, why, .. } in rejected(accounts) {
        let text = match why {
            None => format!("{} account not defined for {kind} import", quoted(exporter)),
            Some(wrong) => format!("Error adding {kind} import {}: {wrong}", quoted(subject)),
        };
        findings.errors.push(ConfigIssue::at(&at.pos, text));
    }
}

/// Takes imports out that cannot be put to work, for accounts that nobody can ask to mend them;
/// what is to be said about each of these (`updateAccountClaimsWithRefresh` in
/// `server/accounts.go`).
pub fn retain_usable_imports(accounts: &mut [AccountOptions]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut gone: HashSet<(usize, usize)> = HashSet::new();
    for Rejected { at, kind, exporter, subject, why } in rejected(accounts) {
        gone.insert(at);
        let name = accounts.get(at.0).map_or("", |account| &account.name);
        lines.push(match why {
            None => {
                format!("Can't locate account [{exporter}] for import of [{subject}] {kind}")
            }
            Some(wrong) => format!("Error adding {kind} import to account [{name}]: {wrong}"),
        });
    }
    for (i, account) in accounts.iter_mut().enumerate() {
        let mut at = 0;
        account.imports.retain(|_| {
            at += 1;
            !gone.contains(&(i, at - 1))
        });
    }
    lines
}

fn rejected(accounts: &[AccountOptions]) -> Vec<Rejected<'_>> {
    let mut rejected = Vec::new();
    let mut streams: Vec<Known<'_>> = Vec::new();
    let mut services: Vec<Known<'_>> = Vec::new();
    for (at, importer, import) in all(accounts) {
        let Import::Stream(import) = import else { continue };
        let why = match check_stream(importer, import, accounts, &streams) {
            Ok(Some(known)) => {
                streams.push(known);
                continue;
            }
            Ok(None) => None,
            Err(wrong) => Some(wrong),
        };
        let (exporter, subject) = (&*import.account, &*import.subject);
        rejected.push(Rejected { at, kind: "stream", exporter, subject, why });
    }
    for (at, importer, import) in all(accounts) {
        let Import::Service(import) = import else { continue };
        let why = match check_service(importer, import, accounts, &services) {
            Ok(Some(known)) => {
                services.push(known);
                continue;
            }
            Ok(None) => None,
            Err(wrong) => Some(wrong),
        };
        let (exporter, subject) = (&*import.account, &*import.subject);
        rejected.push(Rejected { at, kind: "service", exporter, subject, why });
    }
    rejected
}

/// All imports, with the positions of their account and of themselves.
fn all(
    accounts: &[AccountOptions],
) -> impl Iterator<Item = ((usize, usize), &AccountOptions, &Import)> {
    accounts.iter().enumerate().flat_map(|(i, account)| {
        account.imports.iter().enumerate().map(move |(j, import)| ((i, j), account, import))
    })
}

fn find<'a>(accounts: &'a [AccountOptions], name: &str) -> Option<&'a AccountOptions> {
    accounts.iter().find(|account| account.name == name)
}

fn check_stream<'a>(
    importer: &'a AccountOptions,
    import: &'a StreamImport,
    accounts: &'a [AccountOptions],
    known: &[Known<'a>],
) -> Result<Option<Known<'a>>, String> {
    let Some(exporter) = find(accounts, &import.account) else { return Ok(None) };
    if !grants(exporter, Kind::Stream, &import.subject, &importer.name) {
        return Err("stream import not authorized".to_owned());
    }
    if import.prefix.as_ref().is_some_and(|prefix| subject::has_wildcards(prefix.as_bytes())) {
        return Err("stream import prefix can not contain wildcard tokens".to_owned());
    }
    let to = import.local_subject();
    for subject in [&to, &import.subject] {
        let visited = HashSet::from([importer.name.as_str()]);
        stream_cycle(exporter, subject, visited, accounts, known)?;
    }
    import.transform()?;
    let twin = known.iter().any(|other| {
        other.importer == importer.name
            && other.exporter == import.account
            && other.there == import.subject
    });
    if twin {
        return Err("stream import already exists".to_owned());
    }
    let here = match subject::has_wildcards(import.subject.as_bytes()) && to != import.subject {
        true => unnumber_wildcards(&to),
        false => to,
    };
    Ok(Some(Known {
        importer: &importer.name,
        exporter: &import.account,
        here,
        there: &import.subject,
    }))
}

fn check_service<'a>(
    importer: &'a AccountOptions,
    import: &'a ServiceImport,
    accounts: &'a [AccountOptions],
    known: &[Known<'a>],
) -> Result<Option<Known<'a>>, String> {
    let Some(exporter) = find(accounts, &import.account) else { return Ok(None) };
    let valid = |subject: &str| subject::is_valid_pattern(subject.as_bytes());
    if !valid(&import.to) || !valid(&import.subject) {
        return Err("invalid subject".to_owned());
    }
    if !grants(exporter, Kind::Service, &import.subject, &importer.name) {
        return Err("service import not authorized".to_owned());
    }
    let from = match subject::has_wildcards(import.subject.as_bytes()) {
        true => unnumber_wildcards(&import.to),
        false => import.to.clone(),
    };
    let visited = HashSet::from([importer.name.as_str()]);
    service_cycle(&exporter.name, &from, visited, known)?;
    import.transform()?;
    Ok(Some(Known {
        importer: &importer.name,
        exporter: &import.account,
        here: import.local_pattern(),
        there: &import.subject,
    }))
}

/// Follows imports of services from account to account; each is visited once, so that the work is
/// bounded by their number.
fn service_cycle<'a>(
    start: &'a str,
    from: &str,
    mut visited: HashSet<&'a str>,
    known: &[Known<'a>],
) -> Result<(), String> {
    let mut todo = vec![(start, from.to_owned())];
    let mut first = true;
    while let Some((account, from)) = todo.pop() {
        if visited.len() >= MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        if !std::mem::take(&mut first) && visited.contains(account) {
            return Err(CYCLE.to_owned());
        }
        for import in known.iter().filter(|import| import.importer == account) {
            if !subject::collide(from.as_bytes(), import.there.as_bytes()) {
                continue;
            }
            if visited.contains(import.exporter) {
                return Err(CYCLE.to_owned());
            }
            visited.insert(account);
            let narrower = subject::is_subset(import.here.as_bytes(), from.as_bytes());
            let next = if narrower { import.here.clone() } else { from.clone() };
            todo.push((import.exporter, next));
        }
    }
    Ok(())
}

fn stream_cycle<'a>(
    start: &'a AccountOptions,
    to: &str,
    mut visited: HashSet<&'a str>,
    accounts: &'a [AccountOptions],
    known: &[Known<'a>],
) -> Result<(), String> {
    let mut todo = vec![(start, to.to_owned())];
    let mut first = true;
    while let Some((account, to)) = todo.pop() {
        if visited.len() >= MAX_DEPTH {
            return Err(TOO_DEEP.to_owned());
        }
        if !std::mem::take(&mut first) && visited.contains(account.name.as_str()) {
            return Err(CYCLE.to_owned());
        }
        let offered = account.exports.iter().any(|export| match export {
            Export::Stream(export) => subject::is_subset(to.as_bytes(), export.subject.as_bytes()),
            Export::Service(_) => false,
        });
        if !offered {
            continue;
        }
        for import in known.iter().filter(|import| import.importer == account.name) {
            if !subject::collide(to.as_bytes(), import.here.as_bytes()) {
                continue;
            }
            if visited.contains(import.exporter) {
                return Err(CYCLE.to_owned());
            }
            visited.insert(&account.name);
            let narrower = subject::is_subset(import.here.as_bytes(), to.as_bytes());
            let next = if narrower { import.here.clone() } else { to.clone() };
            if let Some(exporter) = find(accounts, import.exporter) {
                todo.push((exporter, next));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Service,
}

/// Whether an account offers a subject to another: an export of exactly that subject decides, or
/// else the first one that covers it.
fn grants(exporter: &AccountOptions, kind: Kind, subject: &str, importer: &str) -> bool {
    if !subject::is_valid_pattern(subject.as_bytes()) {
        return false;
    }
    let offers = || {
        exporter.exports.iter().filter_map(|export| match export {
            Export::Stream(e) if kind == Kind::Stream => {
                Some((&e.subject, &e.accounts, e.account_token_position))
            }
            Export::Service(e) if kind == Kind::Service => {
                Some((&e.subject, &e.accounts, e.account_token_position))
            }
            _ => None,
        })
    };
    let allowed = |named: &Option<Vec<String>>, position: u32, exact: bool| {
        if position > 0 {
            let token = subject::token_at(subject.as_bytes(), position as usize);
            return !exact && token == importer.as_bytes();
        }
        named.as_ref().is_none_or(|named| named.iter().any(|name| name == importer))
    };
    if let Some((_, named, position)) = offers().find(|(offered, _, _)| *offered == subject) {
        return allowed(named, position, true);
    }
    offers()
        .find(|(offered, _, _)| subject::is_subset(subject.as_bytes(), offered.as_bytes()))
        .is_some_and(|(_, named, position)| allowed(named, position, false))
}
