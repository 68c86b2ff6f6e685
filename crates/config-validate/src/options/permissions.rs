//! What users may publish and subscribe to.
//!
//! Wire source: `parseUserPermissions` in `server/opts.go`.

use std::time::Duration;

use super::error::ConfigIssue;
use super::reader::{Findings, Key, each_key_saying, integer, issue};
use crate::conf::{Node, Value};
use crate::duration::parse_nanos;
use crate::quote::quoted;

/// What a user may publish and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Publishing; `None` is no restriction.
    pub publish: Option<SubjectPermission>,
    /// Subscribing; `None` is no restriction. Subjects may carry a queue group after a space.
    pub subscribe: Option<SubjectPermission>,
    /// Publishing to the reply subjects of received messages.
    pub allow_responses: Option<AllowResponses>,
}

/// Subjects that are allowed and denied; denial wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubjectPermission {
    /// Allowed subjects; `None` allows every subject, `Some` of nothing allows none.
    pub allow: Option<Vec<String>>,
    /// Denied subjects.
    pub deny: Vec<String>,
}

/// Permission to answer requests (`allow_responses`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowResponses {
    /// Most answers for one request; `None` is no limit.
    pub max: Option<u32>,
    /// Time after which the permission ends; `None` never.
    pub expires: Option<Duration>,
}

impl Default for AllowResponses {
    fn default() -> Self {
        AllowResponses { max: Some(1), expires: Some(Duration::from_secs(120)) }
    }
}

/// Reads a permissions block.
pub(super) fn parse_permissions(
    node: &Node,
    findings: &mut Findings,
) -> Result<Permissions, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let text = format!("Expected permissions to be a map/struct, got {}", node.value);
        return issue(node, text);
    };
    let mut permissions = Permissions::default();
    each_key_saying(block, findings, unknown_permission, |key, _, node, findings| {
        match key {
            "pub" | "publish" | "import" => {
                permissions.publish = subject_permission(node, findings)?;
            }
            "sub" | "subscribe" | "export" => {
                permissions.subscribe = subject_permission(node, findings)?;
            }
            "publish_allow_responses" | "allow_responses" => {
                permissions.allow_responses = allow_responses(node, findings)?;
            }
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    // Who may answer, but has no list of subjects, may publish nothing but answers.
    if permissions.allow_responses.is_some() {
        permissions.publish.get_or_insert_default().allow.get_or_insert_default();
    }
    Ok(permissions)
}

fn unknown_permission(key: &str) -> String {
    format!("Unknown field {} parsing permissions", quoted(key))
}

/// Reads subjects that are allowed, or a block with `allow` and `deny`.
fn subject_permission(
    node: &Node,
    findings: &mut Findings,
) -> Result<Option<SubjectPermission>, ConfigIssue> {
    let Value::Map(block) = &node.value else {
        let subjects = permission_subjects(node)?;
        return Ok(Some(SubjectPermission { allow: any(subjects), deny: Vec::new() }));
    };
    if block.is_empty() {
        return Ok(None);
    }
    let unknown = |key: &str| {
        format!(
            "Unknown field name {} parsing subject permissions, only 'allow' or 'deny' are \
             permitted",
            quoted(key)
        )
    };
    let mut permission = SubjectPermission::default();
    each_key_saying(block, findings, unknown, |key, _, node, _| {
        match key {
            "allow" => permission.allow = any(permission_subjects(node)?),
            "deny" => permission.deny = permission_subjects(node)?,
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    Ok(Some(permission))
}

/// An empty list of allowed subjects restricts nothing, as in the reference.
fn any(subjects: Vec<String>) -> Option<Vec<String>> {
    Some(subjects).filter(|subjects| !subjects.is_empty())
}

fn permission_subjects(node: &Node) -> Result<Vec<String>, ConfigIssue> {
    let subjects = match &node.value {
        Value::Str(subject) => vec![subject.to_string()],
        Value::Array(items) => {
            let mut subjects = Vec::with_capacity(items.len());
            for item in items.iter() {
                match &item.value {
                    Value::Str(subject) => subjects.push(subject.to_string()),
                    _ => {
                        return issue(
                            item,
                            "Subject in permissions array cannot be cast to string",
                        );
                    }
                }
            }
            subjects
        }
        other => {
            return issue(
                node,
                format!(
                    "Expected subject permissions to be a subject, or array of subjects, got {}",
                    other.type_name()
                ),
            );
        }
    };
    for subject in &subjects {
        if let Some(wrong) = invalid_subject(subject) {
            return issue(node, format!("subject {} is not a valid subject", quoted(wrong)));
        }
    }
    Ok(subjects)
}

/// The part of a permission subject that is wrong. A queue group may follow the subject.
fn invalid_subject(text: &str) -> Option<&str> {
    let valid = |subject: &str| subject::is_valid_pattern(subject.as_bytes());
    if valid(text) {
        return None;
    }
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(subject), Some(_queue), None) if valid(subject) => None,
        (Some(subject), Some(_queue), None) => Some(subject),
        _ => Some(text),
    }
}

fn allow_responses(
    node: &Node,
    findings: &mut Findings,
) -> Result<Option<AllowResponses>, ConfigIssue> {
    let block = match &node.value {
        Value::Bool(true) => return Ok(Some(AllowResponses::default())),
        Value::Bool(false) => return Ok(None),
        Value::Map(block) => block,
        _ => {
            return issue(node, "error parsing response permissions, expected a boolean or a map");
        }
    };
    let mut responses = AllowResponses::default();
    each_key_saying(block, findings, unknown_permission, |key, _, node, _| {
        match key {
            "max" | "max_msgs" | "max_messages" | "max_responses" => match integer(node)? {
                0 => {}
                number if number < 0 => responses.max = None,
                number => responses.max = Some(u32::try_from(number).unwrap_or(u32::MAX)),
            },
            "expires" | "expiration" | "ttl" => {
                let Value::Str(text) = &node.value else {
                    return issue(node, "error parsing expires, not a duration string");
                };
                match parse_nanos(text) {
                    Ok(0) => {}
                    Ok(nanos) => {
                        responses.expires = u64::try_from(nanos).ok().map(Duration::from_nanos);
                    }
                    Err(error) => return issue(node, format!("error parsing expires: {error}")),
                }
            }
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    Ok(Some(responses))
}
