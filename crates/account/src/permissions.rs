//! What a user may publish and subscribe to.

use std::time::Duration;

use config_validate::options::{self as config, AllowResponses};
use routing::DenyList;

use crate::rules::{self, Rules};

/// What a user may publish and subscribe to, ready to be asked (`server/client.go`
/// `setPermissions`). Shared by all sessions of the user; denial wins over permission.
pub struct Permissions {
    publish: SubjectRules,
    subscribe: SubjectRules,
    denied: Vec<Box<[u8]>>,
    responses: Option<AllowResponses>,
}

/// Allowed subjects (`None` is all) and denied ones.
#[derive(Default)]
struct SubjectRules {
    allow: Option<Rules>,
    deny: Option<Rules>,
}

/// Whether a subscription is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribing {
    /// It is not.
    Denied,
    /// It is.
    Allowed,
    /// It is, but it covers denied subjects: the client needs [`Permissions::deny_list`].
    Filtered,
}

impl Permissions {
    /// Takes configured permissions.
    pub fn new(config: &config::Permissions) -> Self {
        let mut publish =
            config.publish.as_ref().map_or_else(SubjectRules::default, |rules| SubjectRules {
                allow: rules.allow.as_deref().map(Rules::subjects),
                deny: (!rules.deny.is_empty()).then(|| Rules::subjects(&rules.deny)),
            });
        if config.allow_responses.is_some() && publish.allow.is_none() {
            // Who may answer requests may publish nothing else unless told so
            // (`server/auth.go` `validateResponsePermissions`).
            publish.allow = Some(Rules::subjects(&[]));
        }
        let subscribe = config.subscribe.as_ref().map_or_else(SubjectRules::default, |rules| {
            let allow = rules.allow.as_deref().filter(|allow| !allow.is_empty());
            SubjectRules {
                // Unlike for publishing, an empty list is no restriction.
                allow: allow.map(Rules::subscriptions),
                deny: (!rules.deny.is_empty()).then(|| Rules::subscriptions(&rules.deny)),
            }
        });
        Permissions {
            publish,
            subscribe,
            denied: config.subscribe.as_ref().map(rules::plain_denials).unwrap_or_default(),
            responses: config.allow_responses,
        }
    }

    /// Whether anything about publishing is restricted.
    pub fn restricts_publish(&self) -> bool {
        self.publish.allow.is_some() || self.publish.deny.is_some()
    }

    /// Whether the user may publish to a subject at any time (`server/client.go`
    /// `pubAllowedFullCheck`); answers to requests are another matter.
    pub fn can_publish(&self, subject: &[u8]) -> bool {
        self.publish.allow.as_ref().is_none_or(|allow| allow.cover(subject))
            && !self.publish.deny.as_ref().is_some_and(|deny| deny.cover(subject))
    }

    /// Whether the user may subscribe (`server/client.go` `canSubscribe`):
    /// `foo` allows plain and queue subscriptions, `foo v1` only the queue group `v1`, and both
    /// together plain ones and the group `v1`.
    pub fn can_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> Subscribing {
        if let Some(allow) = &self.subscribe.allow {
            let verdict = allow.judge_whole(subject, queue);
            if !verdict.queue.unwrap_or(verdict.plain) {
                return Subscribing::Denied;
            }
        }
        if let Some(deny) = &self.subscribe.deny {
            let verdict = deny.judge(subject, queue);
            if verdict.plain || verdict.queue == Some(true) {
                return Subscribing::Denied;
            }
            if subject::has_wildcards(subject)
                && self.denied.iter().any(|denied| subject::collide(denied, subject))
            {
                return Subscribing::Filtered;
            }
        }
        Subscribing::Allowed
    }

    /// Subjects that a wildcard subscription must not deliver.
    pub fn deny_list(&self) -> DenyList {
        DenyList::new(self.denied.clone())
    }

    /// Whether and how often the user may answer requests.
    pub fn responses(&self) -> Option<AllowResponses> {
        self.responses
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permissions")
            .field("restricts_publish", &self.restricts_publish())
            .field("denied", &self.denied.len())
            .field("responses", &self.responses)
            .finish_non_exhaustive()
    }
}

/// Nanoseconds of a duration, as long as they fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
