//! Exports and imports of accounts.

use std::time::Duration;

use super::accounts::AccountOptions;
use super::error::ConfigIssue;
use super::reader::{Findings, Key, array, each_key, flag, integer, issue, text};
use crate::conf::{Map, Node, Pos, Value};
use crate::duration::parse_nanos;
use crate::quote::quoted;

/// What an account offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// Messages others may subscribe to.
    Stream(StreamExport),
    /// Requests it answers.
    Service(ServiceExport),
}

/// A stream of messages on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamExport {
    /// Subject on offer.
    pub subject: String,
    /// Accounts that may import it; `None` is everybody.
    pub accounts: Option<Vec<String>>,
    /// Position of the wildcard token that must equal the importer's name; 0 is none.
    pub account_token_position: u32,
}

/// A service on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceExport {
    /// Subject of requests.
    pub subject: String,
    /// Accounts that may import it; `None` is everybody.
    pub accounts: Option<Vec<String>>,
    /// Position of the wildcard token that must equal the importer's name; 0 is none.
    pub account_token_position: u32,
    /// How a request is answered.
    pub response: ResponseKind,
    /// Time after which a missing answer is given up; `None` is the default.
    pub threshold: Option<Duration>,
    /// Latency measurements.
    pub latency: Option<ServiceLatency>,
    /// Tracing may cross into this account.
    pub allow_trace: bool,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseKind {
    /// By one message.
    #[default]
    Single,
    /// By a stream of messages.
    Stream,
    /// By one message in pieces.
    Chunked,
}

/// Latency measurements of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLatency {
    /// Share of requests measured, 1 to 100; `None` when a request's header decides.
    pub sampling: Option<u8>,
    /// Subject that receives the measurements.
    pub subject: String,
}

/// What an account takes from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// Messages.
    Stream(StreamImport),
    /// A service.
    Service(ServiceImport),
}

/// Messages of another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamImport {
    /// Exporting account.
    pub account: String,
    /// Subject there.
    pub subject: String,
    /// Subject here, when mapped.
    pub to: Option<String>,
    /// Prefix put in front here.
    pub prefix: Option<String>,
    /// Tracing may cross into this account.
    pub allow_trace: bool,
}

/// A service of another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImport {
    /// Exporting account.
    pub account: String,
    /// Subject there.
    pub subject: String,
    /// Subject here; equal to `subject` unless mapped.
    pub to: String,
    /// Tell the service who asks.
    pub share: bool,
}

/// Reads an `exports` array.
pub(super) fn parse_exports(
    node: &Node,
    findings: &mut Findings,
) -> Result<Vec<Export>, ConfigIssue> {
    let Value::Array(items) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("Exports should be an array, got {found}"));
    };
    Ok(items.iter().filter_map(|item| parse_export(item, findings)).collect())
}

/// What the keys of one export say.
#[derive(Default)]
struct ExportDraft<'a> {
    stream: Option<String>,
    service: Option<String>,
    accounts: Option<Vec<String>>,
    position: u32,
    response: Option<(ResponseKind, &'a Pos)>,
    threshold: Option<(Option<Duration>, &'a Pos)>,
    latency: Option<(ServiceLatency, &'a Pos)>,
    allow_trace: Option<(bool, &'a Pos)>,
}

fn parse_export(item: &Node, findings: &mut Findings) -> Option<Export> {
    let Value::Map(block) = &item.value else {
        let found = item.value.type_name();
        findings.error(item, format!("Export Items should be a map with type entry, got {found}"));
        return None;
    };
    let mut draft = ExportDraft::default();
    let errors_before = findings.errors.len();
    // The closure of `each_key` cannot keep references to nodes, so this goes over the keys itself.
    for (raw, node) in block.iter() {
        match draft.read_key(&raw.to_lowercase(), node) {
            Ok(Key::Known) => {}
            Ok(Key::Unknown) if node.used_as_variable => {}
            Ok(Key::Unknown) => {
                findings.errors.push(ConfigIssue::unknown_field(&node.pos, raw));
            }
            Err(issue) => findings.errors.push(issue),
        }
    }
    let stream_only = |pos: &Pos, what: &str| {
        ConfigIssue::at(pos, format!("Detected {what} directive on non-service"))
    };
    if draft.stream.is_some() {
        let wrong = [
            draft.response.as_ref().map(|(_, pos)| stream_only(pos, "response")),
            draft.threshold.as_ref().map(|(_, pos)| stream_only(pos, "response")),
            draft.latency.as_ref().map(|(_, pos)| stream_only(pos, "latency")),
            draft.allow_trace.as_ref().map(|(_, pos)| stream_only(pos, "allow_trace")),
        ];
        findings.errors.extend(wrong.into_iter().flatten());
    }
    if findings.errors.len() > errors_before {
        return None;
    }
    let (accounts, account_token_position) = (draft.accounts, draft.position);
    match (draft.stream, draft.service) {
        (Some(subject), _) => {
            Some(Export::Stream(StreamExport { subject, accounts, account_token_position }))
        }
        (None, Some(subject)) => Some(Export::Service(ServiceExport {
            subject,
            accounts,
            account_token_position,
            response: draft.response.map(|(kind, _)| kind).unwrap_or_default(),
            threshold: draft.threshold.and_then(|(time, _)| time),
            latency: draft.latency.map(|(latency, _)| latency),
            allow_trace: draft.allow_trace.is_some_and(|(on, _)| on),
        })),
        (None, None) => None,
    }
}

impl<'a> ExportDraft<'a> {
    fn read_key(&mut self, key: &str, node: &'a Node) -> Result<Key, ConfigIssue> {
        match key {
            "stream" | "service" => self.read_subject(key, node)?,
            "response" | "response_type" => {
                if self.response.is_some() {
                    return issue(node, "Duplicate response type definition");
                }
                self.response = Some((response_kind(node)?, &node.pos));
            }
            "threshold" | "response_threshold" | "response_max_time" | "response_time" => {
                if self.threshold.is_some() {
                    return issue(node, "Duplicate response threshold detected");
                }
                self.threshold = Some((threshold(node)?, &node.pos));
            }
            "accounts" => {
                let names: Result<Vec<String>, ConfigIssue> =
                    array(node)?.iter().map(text).collect();
                // An empty list is no list.
                self.accounts = Some(names?).filter(|names| !names.is_empty());
            }
            "latency" => self.latency = Some((parse_latency(node)?, &node.pos)),
            "account_token_position" => {
                self.position = match u32::try_from(integer(node)?) {
                    Ok(position) => position,
                    Err(_) => return issue(node, "account_token_position is out of range"),
                };
            }
            "allow_trace" => self.allow_trace = Some((flag(node)?, &node.pos)),
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    }

    fn read_subject(&mut self, kind: &str, node: &Node) -> Result<(), ConfigIssue> {
        let (own, other, other_name) = if kind == "stream" {
            (&mut self.stream, &self.service, "service")
        } else {
            (&mut self.service, &self.stream, "stream")
        };
        let Value::Str(subject) = &node.value else {
            let found = node.value.type_name();
            return issue(node, format!("Expected {kind} name to be string, got {found}"));
        };
        if other.is_some() {
            let subject = quoted(subject);
            return issue(
                node,
                format!("Detected {kind} {subject} but already saw a {other_name}"),
            );
        }
        *own = Some(subject.to_string());
        Ok(())
    }
}

fn response_kind(node: &Node) -> Result<ResponseKind, ConfigIssue> {
    let Value::Str(word) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("Expected response type to be string, got {found}"));
    };
    match word.to_lowercase().as_str() {
        "single" | "singleton" => Ok(ResponseKind::Single),
        "stream" => Ok(ResponseKind::Stream),
        "chunk" | "chunked" => Ok(ResponseKind::Chunked),
        _ => issue(node, format!("Unknown response type: {}", quoted(word))),
    }
}

fn threshold(node: &Node) -> Result<Option<Duration>, ConfigIssue> {
    let wanted = "Expected response threshold to be a parseable time duration, got";
    let Value::Str(word) = &node.value else {
        return issue(node, format!("{wanted} {}", node.value.type_name()));
    };
    match parse_nanos(word).ok().map(u64::try_from) {
        Some(Ok(0)) => Ok(None),
        Some(Ok(nanos)) => Ok(Some(Duration::from_nanos(nanos))),
        _ => issue(node, format!("{wanted} {}", quoted(word))),
    }
}

fn parse_latency(node: &Node) -> Result<ServiceLatency, ConfigIssue> {
    let block = match &node.value {
        Value::Str(subject) => {
            return Ok(ServiceLatency { sampling: Some(100), subject: subject.to_string() });
        }
        Value::Map(block) => block,
        other => {
            let found = other.type_name();
            return issue(
                node,
                format!("Expected latency entry to be a map/struct or string, got {found}"),
            );
        }
    };
    let sampling = match block.get("sampling") {
        Some(sampling) => latency_sampling(sampling)?,
        None => Some(100),
    };
    let Some(subject) = block.get("subject") else {
        return issue(node, "Latency subject required, but missing");
    };
    match &subject.value {
        Value::Str(text) => Ok(ServiceLatency { sampling, subject: text.to_string() }),
        other => {
            let found = other.type_name();
            issue(subject, format!("Expected latency subject to be a string, got {found}"))
        }
    }
}

fn latency_sampling(node: &Node) -> Result<Option<u8>, ConfigIssue> {
    let number: i64 = match &node.value {
        Value::Int(number) => *number,
        Value::Str(text) if text.trim().eq_ignore_ascii_case("headers") => return Ok(None),
        Value::Str(text) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            match digits.parse() {
                Ok(number) => number,
                Err(_) => {
                    return issue(
                        node,
                        format!(
                            "Failed to parse latency sample: strconv.Atoi: parsing {}: invalid \
                             syntax",
                            quoted(digits)
                        ),
                    );
                }
            }
        }
        other => {
            let found = other.type_name();
            return issue(
                node,
                format!("Expected latency sample to be a string or map/struct, got {found}"),
            );
        }
    };
    match u8::try_from(number) {
        Ok(number @ 1..=100) => Ok(Some(number)),
        _ => issue(node, "bad sampling percentage, should be 1-100"),
    }
}

/// Reads an `imports` array.
pub(super) fn parse_imports(
    node: &Node,
    findings: &mut Findings,
) -> Result<Vec<Import>, ConfigIssue> {
    let Value::Array(items) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("Imports should be an array, got {found}"));
    };
    let mut imports: Vec<Import> = Vec::new();
    for item in items.iter() {
        let Some(import) = parse_import(item, findings) else { continue };
        if let Import::Service(service) = &import {
            let twin = imports.iter().find_map(|other| match other {
                Import::Service(other)
                    if other.to == service.to && other.account == service.account =>
                {
                    Some(other)
                }
                _ => None,
            });
            if let Some(twin) = twin {
                let text = format!(
                    "Duplicate service import subject {}, previously used in import for account \
                     {}, subject {}",
                    quoted(&service.to),
                    quoted(&twin.account),
                    quoted(&twin.subject)
                );
                findings.error(item, text);
                continue;
            }
        }
        imports.push(import);
    }
    Ok(imports)
}

fn parse_import(item: &Node, findings: &mut Findings) -> Option<Import> {
    let Value::Map(block) = &item.value else {
        let found = item.value.type_name();
        findings.error(item, format!("Import Items should be a map with type entry, got {found}"));
        return None;
    };
    let errors_before = findings.errors.len();
    let (mut stream, mut service) = (None, None);
    let (mut prefix, mut to) = (None, None);
    let (mut share, mut allow_trace) = (false, None);
    each_key(block, findings, |key, _, node, findings| {
        match key {
            "stream" if service.is_some() => {
                return issue(node, "Detected stream but already saw a service");
            }
            "stream" => stream = Some(account_subject("Stream", node, findings)?),
            "service" if stream.is_some() => {
                return issue(node, "Detected service but already saw a stream");
            }
            "service" => service = Some(account_subject("Service", node, findings)?),
            "prefix" => prefix = Some(text(node)?).filter(|prefix| !prefix.is_empty()),
            "to" => to = Some((text(node)?, node.pos.clone())),
            "share" => share = flag(node)?,
            "allow_trace" => allow_trace = Some((flag(node)?, node.pos.clone())),
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    if let (Some(_), Some(_), Some((_, pos))) = (&stream, &prefix, &to) {
        let text = "Stream import can not have a 'prefix' and a 'to' property";
        findings.errors.push(ConfigIssue::at(pos, text));
    }
    if let (Some(_), Some((_, pos))) = (&service, &allow_trace) {
        let text = "Detected allow_trace directive on a non-stream";
        findings.errors.push(ConfigIssue::at(pos, text));
    }
    if findings.errors.len() > errors_before {
        return None;
    }
    let to = to.map(|(to, _)| to).filter(|to| !to.is_empty());
    match (stream, service) {
        (Some((account, subject)), _) => Some(Import::Stream(StreamImport {
            account,
            subject,
            to,
            prefix,
            allow_trace: allow_trace.is_some_and(|(on, _)| on),
        })),
        (None, Some((account, subject))) => {
            let to = to.unwrap_or_else(|| subject.clone());
            Some(Import::Service(ServiceImport { account, subject, to, share }))
        }
        (None, None) => None,
    }
}

/// Reads `{account: ..., subject: ...}`.
fn account_subject(
    kind: &str,
    node: &Node,
    findings: &mut Findings,
) -> Result<(String, String), ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let found = node.value.type_name();
        return issue(node, format!("{kind} entry should be an account map, got {found}"));
    };
    let (account, subject) = account_subject_keys(block, findings);
    if account.is_empty() || subject.is_empty() {
        return issue(node, "Expect an account name and a subject");
    }
    Ok((account, subject))
}

fn account_subject_keys(block: &Map, findings: &mut Findings) -> (String, String) {
    let (mut account, mut subject) = (String::new(), String::new());
    each_key(block, findings, |key, _, node, _| {
        match key {
            "account" => account = text(node)?,
            "subject" => subject = text(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    (account, subject)
}

/// Checks that every account named by exports and imports exists and grants what is imported, and
/// that no import leads back to where it starts.
pub(super) fn check(at: &Node, accounts: &[AccountOptions], findings: &mut Findings) {
    let find = |name: &str| accounts.iter().find(|account| account.name == name);
    for account in accounts {
        for export in &account.exports {
            let (kind, named, subject, position) = match export {
                Export::Stream(e) => ("stream", &e.accounts, &e.subject, e.account_token_position),
                Export::Service(e) => {
                    ("service", &e.accounts, &e.subject, e.account_token_position)
                }
            };
            for name in named.iter().flatten().filter(|name| find(name).is_none()) {
                let name = quoted(name);
                findings.error(at, format!("{name} account not defined for {kind} export"));
            }
            if let Export::Service(ServiceExport { latency: Some(latency), .. }) = export
                && !subject::is_valid_literal(latency.subject.as_bytes())
            {
                let (service, results) = (quoted(subject), quoted(&latency.subject));
                let text = format!(
                    "Error adding service latency sampling for {service} on subject {results}: \
                     invalid publish subject"
                );
                findings.error(at, text);
            }
            let token = subject::token_at(subject.as_bytes(), position as usize);
            if position > 0 && token != b"*" {
                let subject = quoted(subject);
                findings.error(
                    at,
                    format!("Error adding {kind} export {subject}: sublist: invalid subject"),
                );
            }
        }
    }
    super::imports::check(at, accounts, findings);
}
