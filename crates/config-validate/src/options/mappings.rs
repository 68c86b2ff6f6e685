//! Subject mappings of accounts.
//!
//! Wire source: `parseAccountMappings` in `server/opts.go`, `AddWeightedMappings` in
//! `server/accounts.go`.

use std::collections::{HashMap, HashSet};

use subject::Transform;

use super::error::ConfigIssue;
use super::reader::{Findings, issue, map, optional_text, text};
use crate::conf::{Node, Value};
use crate::quote::quoted;

/// Messages published to `source` go to one of the destinations instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectMapping {
    /// Subject published to; may have wildcards.
    pub source: String,
    /// Where messages go; weights are per destination set, in percent.
    pub destinations: Vec<MappingDestination>,
}

/// One destination of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingDestination {
    /// Subject template.
    pub subject: String,
    /// Share of messages, 0 to 100.
    pub weight: u8,
    /// Only on servers of this cluster.
    pub cluster: Option<String>,
}

/// Reads a `mappings` block.
pub(super) fn parse_mappings(
    node: &Node,
    findings: &mut Findings,
) -> Result<Vec<SubjectMapping>, ConfigIssue> {
    let mut mappings = Vec::new();
    for (source, entry) in map(node)?.iter() {
        if !subject::is_valid_pattern(source.as_bytes()) {
            findings.error(node, format!("Subject {} is not a valid subject", quoted(source)));
            continue;
        }
        let destinations = match &entry.value {
            Value::Str(subject) => {
                let subject = subject.to_string();
                vec![MappingDestination { subject, weight: 100, cluster: None }]
            }
            Value::Array(items) => items
                .iter()
                .filter_map(|item| findings.keep(parse_mapping_destination(item)))
                .collect(),
            _ => findings.keep(parse_mapping_destination(entry)).into_iter().collect(),
        };
        if let Err(wrong) = check(source, &destinations) {
            let to = match &entry.value {
                Value::Str(subject) => format!(" to {}", quoted(subject)),
                _ => String::new(),
            };
            let source = quoted(source);
            findings.error(entry, format!("Error adding mapping for {source}{to} : {wrong}"));
            continue;
        }
        mappings.push(SubjectMapping { source: source.to_owned(), destinations });
    }
    Ok(mappings)
}

impl SubjectMapping {
    /// Whether it can be put to work (`AddWeightedMappings` in `server/accounts.go`).
    pub fn is_valid(&self) -> bool {
        subject::is_valid_pattern(self.source.as_bytes())
            && check(&self.source, &self.destinations).is_ok()
    }
}

fn check(source: &str, destinations: &[MappingDestination]) -> Result<(), String> {
    let mut seen = HashSet::new();
    let mut totals: HashMap<Option<&str>, u32> = HashMap::new();
    for destination in destinations {
        if !seen.insert(&destination.subject) {
            return Err(format!("duplicate entry for {}", quoted(&destination.subject)));
        }
        let total = totals.entry(destination.cluster.as_deref()).or_default();
        *total += u32::from(destination.weight);
        if *total > 100 {
            return Err("total weight needs to be <= 100".to_owned());
        }
        Transform::validate_mapping(source, &destination.subject)
            .and_then(|()| Transform::new(source, &destination.subject))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn parse_mapping_destination(node: &Node) -> Result<MappingDestination, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        return issue(node, "Expected an entry for the mapping destination");
    };
    let mut destination = MappingDestination { subject: String::new(), weight: 0, cluster: None };
    let mut weighted = false;
    for (raw, node) in block.iter() {
        match raw.to_lowercase().as_str() {
            "dest" | "destination" => destination.subject = text(node)?,
            "weight" => {
                destination.weight = mapping_weight(node)?;
                weighted = true;
            }
            "cluster" => destination.cluster = optional_text(node)?,
            _ => {
                let key = quoted(raw);
                return issue(node, format!("Unknown field {key} for mapping destination"));
            }
        }
    }
    if !weighted {
        let subject = quoted(&destination.subject);
        return issue(node, format!("Missing weight for mapping destination {subject}"));
    }
    Ok(destination)
}

fn mapping_weight(node: &Node) -> Result<u8, ConfigIssue> {
    let number: i64 = match &node.value {
        Value::Int(number) => *number,
        Value::Str(text) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            match digits.parse() {
                Ok(number) => number,
                Err(_) => {
                    let digits = quoted(digits);
                    return issue(node, format!("Invalid weight {digits} for mapping destination"));
                }
            }
        }
        other => return issue(node, format!("Unknown entry type for weight of {other}")),
    };
    match u8::try_from(number) {
        Ok(weight @ 0..=100) => Ok(weight),
        _ => issue(node, format!("Invalid weight {number} for mapping destination")),
    }
}
