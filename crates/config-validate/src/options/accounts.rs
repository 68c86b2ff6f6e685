//! The `accounts {}` block.

use std::sync::Arc;

use types::AccountLimits as JetStreamAccountLimits;

use super::auth::{User, apply_default_permissions, is_public_key, parse_users};
use super::error::ConfigIssue;
use super::exchange::{self, Export, Import};
use super::jetstream::{enabled_word, parseable};
use super::mappings::{SubjectMapping, parse_mappings};
use super::permissions::{Permissions, parse_permissions};
use super::reader::{Findings, Key, each_key, each_key_saying, integer, issue, text};
use super::{GLOBAL_ACCOUNT, Options};
use crate::conf::{Node, Pos, Value};
use crate::quote::quoted;

/// One configured account; its users are in `AuthOptions::users`.
///
/// Wire source: `parseAccounts` in `server/opts.go`.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountOptions {
    /// Name.
    pub name: String,
    /// Where it is defined.
    pub pos: Pos,
    /// Public key, when given.
    pub nkey: Option<String>,
    /// JetStream limits; `None` means JetStream is off for this account.
    pub jetstream: Option<JetStreamAccountLimits>,
    /// Which account carries the cluster traffic of its JetStream assets.
    pub cluster_traffic: ClusterTraffic,
    /// Connection limits.
    pub limits: AccountLimits,
    /// Permissions of users that have none of their own.
    pub default_permissions: Option<Arc<Permissions>>,
    /// What the account offers to others.
    pub exports: Vec<Export>,
    /// What it takes from others.
    pub imports: Vec<Import>,
    /// Subject mappings.
    pub mappings: Vec<SubjectMapping>,
    /// Message tracing.
    pub msg_trace: Option<MsgTrace>,
}

impl AccountOptions {
    /// An account that no file defines, with nothing in it.
    pub fn named(name: &str) -> Self {
        AccountOptions::new(name, &Pos { file: "".into(), line: 0, column: 0 })
    }

    pub(super) fn new(name: &str, pos: &Pos) -> Self {
        AccountOptions {
            name: name.to_owned(),
            pos: pos.clone(),
            nkey: None,
            jetstream: None,
            cluster_traffic: ClusterTraffic::System,
            limits: AccountLimits::default(),
            default_permissions: None,
            exports: Vec::new(),
            imports: Vec::new(),
            mappings: Vec::new(),
            msg_trace: None,
        }
    }
}

/// Account that carries replication traffic (`cluster_traffic`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterTraffic {
    /// The system account.
    #[default]
    System,
    /// The account itself.
    Owner,
}

/// Connection limits of an account; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountLimits {
    /// Client connections.
    pub max_connections: Option<u32>,
    /// Subscriptions of one connection.
    pub max_subscriptions: Option<u32>,
    /// Bytes of a payload.
    pub max_payload: Option<u32>,
    /// Leaf node connections.
    pub max_leafnodes: Option<u32>,
}

/// Message tracing of an account (`msg_trace`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsgTrace {
    /// Subject that receives the trace events.
    pub destination: String,
    /// Share of messages traced, 1 to 100.
    pub sampling: u8,
}

/// Reads the `accounts` value of the top level, and checks exports and imports against each other.
pub(super) fn parse_accounts(
    node: &Node,
    options: &mut Options,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    match &node.value {
        Value::Array(names) => {
            for item in names.iter() {
                let name = text(item)?;
                match check_name(item, &name, options) {
                    Ok(()) => options.accounts.push(AccountOptions::new(&name, &item.pos)),
                    Err(issue) => findings.errors.push(issue),
                }
            }
        }
        Value::Map(accounts) => {
            for (name, entry) in accounts.iter() {
                // Keys beside the accounts may be there for variables to refer to.
                if entry.used_as_variable {
                    continue;
                }
                let parsed = parse_account(name, entry, options, findings);
                findings.keep(parsed);
            }
        }
        other => {
            let found = other.type_name();
            return issue(node, format!("Expected a map or an array of accounts, got {found}"));
        }
    }
    if findings.errors.is_empty() {
        exchange::check(node, &options.accounts, findings);
    }
    Ok(())
}

fn check_name(at: &Node, name: &str, options: &Options) -> Result<(), ConfigIssue> {
    if name == GLOBAL_ACCOUNT {
        return issue(at, format!("{} is a Reserved Account", quoted(name)));
    }
    if options.account(name).is_some() {
        return issue(at, format!("Duplicate Account Entry: {name}"));
    }
    Ok(())
}

fn parse_account(
    name: &str,
    entry: &Node,
    options: &mut Options,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let Value::Map(block) = &entry.value else {
        return issue(entry, "Expected map entries for accounts");
    };
    check_name(entry, name, options)?;
    let mut account = AccountOptions::new(name, &entry.pos);
    let mut users: Option<(&Node, Vec<User>)> = None;
    for (raw, node) in block.iter() {
        let defer = |findings: &mut Findings| {
            findings.defer(node, format!("accounts.{name}.{raw}"));
        };
        let read = match raw.to_lowercase().as_str() {
            "nkey" => account.read_nkey(node),
            "imports" => {
                exchange::parse_imports(node, findings).map(|imports| account.imports = imports)
            }
            "exports" => {
                exchange::parse_exports(node, findings).map(|exports| account.exports = exports)
            }
            "jetstream" => account.read_jetstream(node, findings),
            "users" => parse_users(node, findings).map(|list| users = Some((node, list))),
            "default_permissions" => parse_permissions(node, findings)
                .map(|permissions| account.default_permissions = Some(Arc::new(permissions))),
            "mappings" | "maps" => {
                parse_mappings(node, findings).map(|mappings| account.mappings = mappings)
            }
            "limits" => parse_account_limits(node, findings).map(|limits| account.limits = limits),
            "msg_trace" | "trace_dest" => {
                defer(findings);
                parse_msg_trace(node, raw, findings).map(|trace| account.msg_trace = trace)
            }
            _ if node.used_as_variable => Ok(()),
            _ => Err(ConfigIssue::unknown_field(&node.pos, raw)),
        };
        findings.keep(read);
    }
    if let Some((at, mut users)) = users {
        if !users.is_empty() && options.auth.user.is_some() {
            return issue(at, "Can not have a single user/pass and accounts");
        }
        if !users.is_empty() && options.auth.token.is_some() {
            return issue(at, "Can not have a token and accounts");
        }
        apply_default_permissions(&mut users, account.default_permissions.as_ref());
        for mut user in users {
            user.account = Some(name.to_owned());
            let added = options.auth.add_user(at, user);
            findings.keep(added);
        }
    }
    options.accounts.push(account);
    Ok(())
}

/// Reads the `mappings` of the top level, which belong to the global account.
pub(super) fn parse_global_mappings(
    node: &Node,
    options: &mut Options,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let mut account = AccountOptions::new(GLOBAL_ACCOUNT, &node.pos);
    account.mappings = parse_mappings(node, findings)?;
    options.accounts.push(account);
    Ok(())
}

impl AccountOptions {
    fn read_nkey(&mut self, node: &Node) -> Result<(), ConfigIssue> {
        match &node.value {
            Value::Str(key) if is_public_key(key, nkeys::KeyPairType::Account) => {
                self.nkey = Some(key.to_string());
                Ok(())
            }
            other => {
                let found = quoted(&other.to_string());
                issue(node, format!("Not a valid public nkey for an account: {found}"))
            }
        }
    }

    fn read_jetstream(&mut self, node: &Node, findings: &mut Findings) -> Result<(), ConfigIssue> {
        match &node.value {
            Value::Bool(true) => self.jetstream = Some(JetStreamAccountLimits::UNLIMITED),
            Value::Bool(false) => {}
            Value::Str(word) => {
                self.jetstream =
                    enabled_word(node, word)?.then_some(JetStreamAccountLimits::UNLIMITED);
            }
            Value::Map(block) => {
                let mut limits = JetStreamAccountLimits::UNLIMITED;
                let traffic = &mut self.cluster_traffic;
                each_key(block, findings, |key, raw, node, _| {
                    read_jetstream_key(&mut limits, traffic, key, raw, node)
                });
                self.jetstream = Some(limits);
            }
            other => {
                let found = other.type_name();
                return issue(
                    node,
                    format!("Expected map, bool or string to define JetStream, got {found}"),
                );
            }
        }
        Ok(())
    }
}

fn read_jetstream_key(
    limits: &mut JetStreamAccountLimits,
    traffic: &mut ClusterTraffic,
    key: &str,
    raw: &str,
    node: &Node,
) -> Result<Key, ConfigIssue> {
    match key {
        "max_memory" | "max_mem" | "mem" | "memory" => limits.max_memory = parseable(node, raw)?,
        "max_store" | "max_file" | "max_disk" | "store" | "disk" => {
            limits.max_storage = parseable(node, raw)?;
        }
        "max_streams" | "streams" => limits.max_streams = parseable(node, raw)?,
        "max_consumers" | "consumers" => limits.max_consumers = parseable(node, raw)?,
        "max_ack_pending" => limits.max_ack_pending = parseable(node, raw)?,
        "mem_max_stream_bytes" | "memory_max_stream_bytes" => {
            limits.memory_max_stream_bytes = parseable(node, raw)?;
        }
        "disk_max_stream_bytes" | "store_max_stream_bytes" => {
            limits.storage_max_stream_bytes = parseable(node, raw)?;
        }
        "max_bytes_required" | "max_stream_bytes" | "max_bytes" => match &node.value {
            Value::Bool(required) => limits.max_bytes_required = *required,
            other => {
                return issue(
                    node,
                    format!("Expected a parseable bool for {}, got {other}", quoted(raw)),
                );
            }
        },
        "cluster_traffic" => {
            *traffic = match &node.value {
                Value::Str(word) if matches!(&**word, "system" | "") => ClusterTraffic::System,
                Value::Str(word) if &**word == "owner" => ClusterTraffic::Owner,
                Value::Str(word) => {
                    return issue(
                        node,
                        format!(
                            "Expected 'system' or 'owner' string value for {}, got {word}",
                            quoted(raw)
                        ),
                    );
                }
                other => {
                    return issue(
                        node,
                        format!(
                            "Expected either 'system' or 'owner' string value for {}, got {other}",
                            quoted(raw)
                        ),
                    );
                }
            };
        }
        _ => return Ok(Key::Unknown),
    }
    Ok(Key::Known)
}

fn parse_account_limits(
    node: &Node,
    findings: &mut Findings,
) -> Result<AccountLimits, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let text = format!("Expected account limits to be a map/struct, got {}", node.value);
        return issue(node, text);
    };
    let unknown = |key: &str| format!("Unknown field {} parsing account limits", quoted(key));
    let limit = |node: &Node| {
        // Nothing below 0 limits; 0 allows nothing.
        integer(node).map(|number| (number >= 0).then(|| u32::try_from(number).unwrap_or(u32::MAX)))
    };
    let mut limits = AccountLimits::default();
    each_key_saying(block, findings, unknown, |key, _, node, _| {
        match key {
            "max_connections" | "max_conn" => limits.max_connections = limit(node)?,
            "max_subscriptions" | "max_subs" => limits.max_subscriptions = limit(node)?,
            "max_payload" | "max_pay" => limits.max_payload = limit(node)?,
            "max_leafnodes" | "max_leafs" => limits.max_leafnodes = limit(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    Ok(limits)
}

fn parse_msg_trace(
    node: &Node,
    key: &str,
    findings: &mut Findings,
) -> Result<Option<MsgTrace>, ConfigIssue> {
    let (mut destination, mut sampling) = (None, None);
    match &node.value {
        Value::Str(_) => destination = Some(trace_destination(node, key)?),
        Value::Map(block) => {
            for (raw, node) in block.iter() {
                match raw.to_lowercase().as_str() {
                    "dest" => destination = Some(trace_destination(node, raw)?),
                    "sampling" => sampling = Some(trace_sampling(node, raw)?),
                    _ if node.used_as_variable => {}
                    _ => {
                        return issue(
                            node,
                            format!(
                                "Unknown field {} parsing account message trace map/struct {}",
                                quoted(raw),
                                quoted(key)
                            ),
                        );
                    }
                }
            }
        }
        other => {
            return issue(
                node,
                format!(
                    "Expected account message trace {} to be a string or a map/struct, got {}",
                    quoted(key),
                    other.type_name()
                ),
            );
        }
    }
    if sampling.is_some() && destination.is_none() {
        let text = "Trace destination sampling ignored since no destination was set";
        findings.warnings.push(ConfigIssue::at(&node.pos, text));
    }
    Ok(destination.map(|destination| MsgTrace { destination, sampling: sampling.unwrap_or(100) }))
}

fn trace_destination(node: &Node, key: &str) -> Result<String, ConfigIssue> {
    match &node.value {
        Value::Str(subject) if subject::is_valid_literal(subject.as_bytes()) => {
            Ok(subject.to_string())
        }
        Value::Str(subject) => {
            issue(node, format!("Trace destination {} is not valid", quoted(subject)))
        }
        other => {
            let found = other.type_name();
            issue(node, format!("Field {} should be a string, got {found}", quoted(key)))
        }
    }
}

fn trace_sampling(node: &Node, key: &str) -> Result<u8, ConfigIssue> {
    let number = match &node.value {
        Value::Int(number) => *number,
        Value::Str(text) => match text.strip_suffix('%').unwrap_or(text).parse() {
            Ok(number) => number,
            Err(_) => {
                return issue(
                    node,
                    format!("Invalid trace destination sampling value {}", quoted(text)),
                );
            }
        },
        other => {
            return issue(
                node,
                format!(
                    "Trace destination sampling field {} should be an integer or a percentage, \
                     got {}",
                    quoted(key),
                    other.type_name()
                ),
            );
        }
    };
    match u8::try_from(number) {
        Ok(number @ 1..=100) => Ok(number),
        _ => issue(
            node,
            format!("Ttrace destination sampling value {number} is invalid, needs to be [1..100]"),
        ),
    }
}
