//! A set of subjects, some with a queue group, as one side of a permission.

use config_validate::options::SubjectPermission;
use subject::{MatchResult, Sublist};

/// Allowed or denied subjects.
pub(crate) struct Rules {
    list: Sublist<()>,
    // The same once more, to compare with patterns.
    all: Vec<Rule>,
}

struct Rule {
    subject: Box<[u8]>,
    queue: Option<Box<[u8]>>,
}

/// What a set of rules says about a subscription.
pub(crate) struct Verdict {
    /// A rule without queue group covers the subject.
    pub(crate) plain: bool,
    /// Rules with queue groups cover the subject: whether the wanted group is among them.
    pub(crate) queue: Option<bool>,
}

impl Rules {
    /// Rules for publishing: each a subject.
    pub(crate) fn subjects(patterns: &[String]) -> Self {
        let mut list = Sublist::new();
        for pattern in patterns {
            // Options have been checked; what is no subject can match nothing.
            let _ = list.insert(pattern.as_bytes(), None, ());
        }
        Rules { list, all: Vec::new() }
    }

    /// Rules for subscribing: each a subject, maybe followed by a queue group.
    pub(crate) fn subscriptions(patterns: &[String]) -> Self {
        let mut list = Sublist::new();
        let mut all = Vec::new();
        for pattern in patterns {
            let (subject, queue) = split_queue(pattern);
            if list.insert(subject.as_bytes(), queue.map(str::as_bytes), ()).is_ok() {
                let queue = queue.map(|queue| queue.as_bytes().into());
                all.push(Rule { subject: subject.as_bytes().into(), queue });
            }
        }
        Rules { list, all }
    }

    /// Whether a rule without queue group covers the subject.
    pub(crate) fn cover(&self, subject: &[u8]) -> bool {
        self.list.count_interest(subject).0 > 0
    }

    /// What the rules say about a subscription, all of whose messages must be covered.
    ///
    /// nats-server takes `>` for an ordinary token here, and so lets `foo.>` through where only
    /// `foo.*` is allowed; we do not.
    pub(crate) fn judge_whole(&self, subject: &[u8], queue: Option<&[u8]>) -> Verdict {
        if !subject::has_wildcards(subject) {
            return self.judge(subject, queue);
        }
        let covering = || self.all.iter().filter(|rule| subject::is_subset(subject, &rule.subject));
        let queues = || covering().filter_map(|rule| rule.queue.as_deref());
        let queue = queue
            .filter(|_| queues().next().is_some())
            .map(|queue| queues().any(|rule| covers_queue(rule, queue)));
        Verdict { plain: covering().any(|rule| rule.queue.is_none()), queue }
    }

    /// What the rules say about a subscription, taken as if it were a literal subject.
    pub(crate) fn judge(&self, subject: &[u8], queue: Option<&[u8]>) -> Verdict {
        let mut found = MatchResult::default();
        self.list.match_into(subject, &mut found);
        let queue = queue
            .filter(|_| !found.queues.is_empty())
            .map(|queue| found.queues.iter().any(|rule| covers_queue(&rule.name, queue)));
        Verdict { plain: !found.plain.is_empty(), queue }
    }
}

/// `*` and `>` are also good queue names, so equality is looked at first (`server/client.go`
/// `queueMatches`).
fn covers_queue(rule: &[u8], queue: &[u8]) -> bool {
    rule == queue || (subject::has_wildcards(rule) && subject::is_subset(queue, rule))
}

/// `foo.* workers` is the subject `foo.*` for queue group `workers`.
pub(crate) fn split_queue(pattern: &str) -> (&str, Option<&str>) {
    let mut words = pattern.split_whitespace();
    (words.next().unwrap_or_default(), words.next())
}

/// The patterns of `permission.deny` that have no queue group.
pub(crate) fn plain_denials(permission: &SubjectPermission) -> Vec<Box<[u8]>> {
    let plain = permission.deny.iter().filter_map(|pattern| match split_queue(pattern) {
        (subject, None) => Some(subject.as_bytes().into()),
        (_, Some(_)) => None,
    });
    plain.collect()
}
