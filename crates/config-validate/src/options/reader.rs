//! Reads typed values out of the tree of a config file and collects what is wrong.

use std::time::Duration;

use super::Port;
use super::deferred::DeferredKey;
use super::error::ConfigIssue;
use crate::conf::{Array, Map, Node, Value};
use crate::duration;
use crate::quote::quoted;

/// What was found while reading a config.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<ConfigIssue>,
    pub(super) warnings: Vec<ConfigIssue>,
    pub(super) deferred: Vec<DeferredKey>,
}

impl Findings {
    pub(super) fn error(&mut self, node: &Node, text: impl Into<String>) {
        self.errors.push(ConfigIssue::at(&node.pos, text));
    }

    pub(super) fn warn_use(&mut self, node: &Node, field: &str, text: &str) {
        let text = format!("invalid use of field {}: {text}", quoted(field));
        self.warnings.push(ConfigIssue::at(&node.pos, text));
    }

    pub(super) fn defer(&mut self, node: &Node, name: impl Into<String>) {
        self.deferred.push(DeferredKey { name: name.into(), pos: node.pos.clone() });
    }

    /// Keeps an error and goes on without the value.
    pub(super) fn keep<T>(&mut self, result: Result<T, ConfigIssue>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(issue) => {
                self.errors.push(issue);
                None
            }
        }
    }
}

/// Whether a block has a key.
#[derive(PartialEq, Eq)]
pub(super) enum Key {
    Known,
    Unknown,
}

/// Visits the keys of a block, in lower case; unknown ones are errors unless a variable uses them.
pub(super) fn each_key(
    map: &Map,
    findings: &mut Findings,
    visit: impl FnMut(&str, &str, &Node, &mut Findings) -> Result<Key, ConfigIssue>,
) {
    each_key_saying(map, findings, |key| format!("unknown field {}", quoted(key)), visit);
}

/// Like [`each_key`], with the text for an unknown key.
pub(super) fn each_key_saying(
    map: &Map,
    findings: &mut Findings,
    unknown: impl Fn(&str) -> String,
    mut visit: impl FnMut(&str, &str, &Node, &mut Findings) -> Result<Key, ConfigIssue>,
) {
    for (key, node) in map.iter() {
        match visit(&key.to_lowercase(), key, node, findings) {
            Ok(Key::Known) => {}
            Ok(Key::Unknown) if node.used_as_variable => {}
            Ok(Key::Unknown) => findings.error(node, unknown(key)),
            Err(issue) => findings.errors.push(issue),
        }
    }
}

/// An error at a value.
pub(super) fn issue<T>(node: &Node, text: impl Into<String>) -> Result<T, ConfigIssue> {
    Err(ConfigIssue::at(&node.pos, text))
}

fn wrong_type<T>(node: &Node, wanted: &str) -> Result<T, ConfigIssue> {
    // The text by which the reference reports every value whose type no key checks.
    let found = node.value.type_name();
    issue(node, format!("interface conversion: interface {{}} is {found}, not {wanted}"))
}

pub(super) fn text(node: &Node) -> Result<String, ConfigIssue> {
    match &node.value {
        Value::Str(text) => Ok(text.to_string()),
        _ => wrong_type(node, "string"),
    }
}

/// Text, where an empty one means that nothing is set.
pub(super) fn optional_text(node: &Node) -> Result<Option<String>, ConfigIssue> {
    text(node).map(|text| Some(text).filter(|text| !text.is_empty()))
}

pub(super) fn flag(node: &Node) -> Result<bool, ConfigIssue> {
    match node.value {
        Value::Bool(flag) => Ok(flag),
        _ => wrong_type(node, "bool"),
    }
}

pub(super) fn integer(node: &Node) -> Result<i64, ConfigIssue> {
    match node.value {
        Value::Int(number) => Ok(number),
        _ => wrong_type(node, "int64"),
    }
}

pub(super) fn map(node: &Node) -> Result<&Map, ConfigIssue> {
    match &node.value {
        Value::Map(map) => Ok(map),
        _ => wrong_type(node, "map[string]interface {}"),
    }
}

pub(super) fn array(node: &Node) -> Result<&Array, ConfigIssue> {
    match &node.value {
        Value::Array(items) => Ok(items),
        _ => wrong_type(node, "[]interface {}"),
    }
}

/// A limit where nothing below 1 limits.
pub(super) fn limit(node: &Node) -> Result<Option<u64>, ConfigIssue> {
    integer(node).map(|number| u64::try_from(number).ok().filter(|number| *number > 0))
}

/// A whole number that cannot be negative.
pub(super) fn count(node: &Node, key: &str) -> Result<u64, ConfigIssue> {
    let number = integer(node)?;
    match u64::try_from(number) {
        Ok(number) => Ok(number),
        Err(_) => issue(node, format!("{key} value can not be negative")),
    }
}

/// A port: 0 is none, -1 any.
pub(super) fn port(node: &Node) -> Result<Option<Port>, ConfigIssue> {
    port_number(node, integer(node)?)
}

fn port_number(node: &Node, number: i64) -> Result<Option<Port>, ConfigIssue> {
    match (number, u16::try_from(number)) {
        (0, _) => Ok(None),
        (-1, _) => Ok(Some(Port::Random)),
        (_, Ok(port)) => Ok(Some(Port::Fixed(port))),
        (_, Err(_)) => issue(node, format!("port {number} is out of range")),
    }
}

/// An address to listen on.
pub(super) struct Listen {
    pub(super) host: Option<String>,
    pub(super) port: Option<Port>,
}

/// Reads a port or `host:port` (`parseListen`).
pub(super) fn listen(node: &Node) -> Result<Listen, ConfigIssue> {
    match &node.value {
        Value::Int(number) => Ok(Listen { host: None, port: port_number(node, *number)? }),
        Value::Str(text) => {
            let Some((host, port)) = split_host_port(text) else {
                return issue(node, format!("could not parse address string {}", quoted(text)));
            };
            let Ok(number) = port.parse::<i64>() else {
                return issue(node, format!("could not parse port {}", quoted(port)));
            };
            let host = Some(host.to_owned()).filter(|host| !host.is_empty());
            Ok(Listen { host, port: port_number(node, number)? })
        }
        other => issue(node, format!("expected port or host:port, got {}", other.type_name())),
    }
}

/// Takes `host:port` or `[host]:port` apart.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    if port.contains(['[', ']']) {
        return None;
    }
    match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            (!inner.contains(['[', ']'])).then_some((inner, port))
        }
        None => (!host.contains([':', '[', ']'])).then_some((host, port)),
    }
}

/// A duration; a bare number means seconds and earns a warning (`parseDuration`). 0 is `None`.
pub(super) fn duration(
    node: &Node,
    key: &str,
    findings: &mut Findings,
) -> Result<Option<Duration>, ConfigIssue> {
    let nanos = match &node.value {
        Value::Str(text) => match duration::parse_nanos(text) {
            Ok(nanos) => nanos,
            Err(error) => return issue(node, format!("error parsing {key}: {error}")),
        },
        _ => {
            findings.warn_use(node, key, &format!("{key} should be converted to a duration"));
            let seconds = integer(node)?;
            match seconds.checked_mul(1_000_000_000) {
                Some(nanos) => nanos,
                None => return issue(node, format!("{key} value is too big")),
            }
        }
    };
    positive(node, key, nanos)
}

/// Refuses what would make a timer run in the past.
pub(super) fn positive(
    node: &Node,
    key: &str,
    nanos: i64,
) -> Result<Option<Duration>, ConfigIssue> {
    match u64::try_from(nanos) {
        Ok(0) => Ok(None),
        Ok(nanos) => Ok(Some(Duration::from_nanos(nanos))),
        Err(_) => issue(node, format!("invalid {key}, needs to be positive")),
    }
}

/// A duration that must be text.
pub(super) fn duration_text(node: &Node, prefix: &str) -> Result<i64, ConfigIssue> {
    duration::parse_nanos(&text(node)?).or_else(|error| issue(node, format!("{prefix}{error}")))
}

/// A size as a number, or as text with one upper-case suffix (`getStorageSize`).
pub(super) fn storage_size(value: &Value) -> Result<i64, String> {
    let text = match value {
        Value::Int(size) => return Ok(*size),
        Value::Str(text) if text.is_empty() => return Ok(0),
        Value::Str(text) => text,
        _ => return Err("must be int64 or string".to_owned()),
    };
    let (split, suffix) = text.char_indices().next_back().unwrap_or((0, ' '));
    let digits = text.get(..split).unwrap_or_default();
    let number = parse_int(digits)?;
    let shift = match suffix {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return Err("sizes defined as strings must end in K, M, G, T".to_owned()),
    };
    number.checked_mul(1 << shift).ok_or_else(|| out_of_range(digits))
}

/// A decimal number, with the errors of the reference's library.
fn parse_int(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
            out_of_range(text)
        }
        _ => format!("strconv.ParseInt: parsing {}: invalid syntax", quoted(text)),
    })
}

fn out_of_range(text: &str) -> String {
    format!("strconv.ParseInt: parsing {}: value out of range", quoted(text))
}

/// One text or an array of texts (`parseStringArray`).
pub(super) fn texts(
    node: &Node,
    what: &str,
    findings: &mut Findings,
) -> Result<Vec<String>, ConfigIssue> {
    match &node.value {
        Value::Str(text) => Ok(vec![text.to_string()]),
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items.iter() {
                match &item.value {
                    Value::Str(text) => out.push(text.to_string()),
                    other => findings.error(
                        item,
                        format!(
                            "error parsing {what}: unsupported type in array {}",
                            other.type_name()
                        ),
                    ),
                }
            }
            Ok(out)
        }
        other => {
            issue(node, format!("error parsing {what}: unsupported type {}", other.type_name()))
        }
    }
}

/// `max_payload` and its like: a size that must fit 31 bits.
pub(super) fn size31(node: &Node, key: &str) -> Result<i32, ConfigIssue> {
    let number = integer(node)?;
    match i32::try_from(number) {
        Ok(number) => Ok(number),
        Err(_) if number > 0 => issue(node, format!("{key} value is too big")),
        Err(_) => issue(node, format!("{key} value is too small")),
    }
}
