//! What a user may publish and subscribe to, as claims have it.

use serde::Deserialize;

use crate::{Issues, subjects};

/// What may be published and subscribed to (`Permissions`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Publishing.
    #[serde(rename = "pub")]
    pub publish: Permission,
    /// Subscribing; a queue group may follow a subject.
    #[serde(rename = "sub")]
    pub subscribe: Permission,
    /// Answering.
    #[serde(rename = "resp")]
    pub responses: Option<ResponsePermission>,
}

/// Subjects that are allowed and denied; nothing in both is no restriction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// Allowed subjects; none allows all.
    pub allow: Vec<String>,
    /// Denied ones.
    pub deny: Vec<String>,
}

/// Permission to answer requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResponsePermission {
    /// Most answers for a request; 0 is the default, less is no limit.
    pub max: i64,
    /// Nanoseconds after which the permission ends; 0 is the default, less is never.
    #[serde(rename = "ttl")]
    pub ttl_ns: i64,
}

impl Permissions {
    pub(crate) fn check(&self, issues: &mut Issues) {
        for subject in self.subscribe.allow.iter().chain(&self.subscribe.deny) {
            check_subject(subject, Queues::Allowed, issues);
        }
        for subject in self.publish.allow.iter().chain(&self.publish.deny) {
            check_subject(subject, Queues::Refused, issues);
        }
    }
}

#[derive(PartialEq, Eq)]
enum Queues {
    Allowed,
    Refused,
}

fn check_subject(text: &str, queues: Queues, issues: &mut Issues) {
    let words: Vec<&str> = text.split(' ').collect();
    match *words {
        [subject] => subjects::check(subject, issues),
        [subject, queue] => {
            subjects::check(subject, issues);
            subjects::check(queue, issues);
            if queues == Queues::Refused {
                issues.error(format!(
                    "Permission Subject \"{text}\" is not allowed to contain queue"
                ));
            }
        }
        _ => issues.error(format!("Permission Subject \"{text}\" contains too many spaces")),
    }
}
