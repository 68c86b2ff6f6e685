//! Advisories about the API itself.

use routing::{Msg, RouteBatch, SubjectSpace};
use serde::Serialize;
use std::sync::Arc;
use types::Timestamp;
use types::advisory::ClientInfo;

const AUDIT_SUBJECT: &str = "$JS.EVENT.ADVISORY.API";
const LIMIT_SUBJECT: &str = "$JS.EVENT.ADVISORY.API.LIMIT_REACHED";

/// `JSAPIAudit`: one request and its reply.
#[derive(Serialize)]
pub(crate) struct Audit<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) server: &'a str,
    pub(crate) client: &'a ClientInfo,
    pub(crate) subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) request: &'a str,
    pub(crate) response: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) domain: &'a str,
}

/// Type of [`Audit`].
pub(crate) const AUDIT_TYPE: &str = "io.nats.jetstream.advisory.v1.api_audit";

/// `JSAPILimitReachedAdvisory`: requests were dropped.
#[derive(Serialize)]
pub(crate) struct LimitReached<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) server: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) domain: &'a str,
    pub(crate) dropped: u64,
}

/// Type of [`LimitReached`].
pub(crate) const LIMIT_TYPE: &str = "io.nats.jetstream.advisory.v1.api_limit_reached";

/// Whether anybody wants audits.
pub(crate) fn is_wanted(space: &SubjectSpace) -> bool {
    space.has_interest(AUDIT_SUBJECT.as_bytes())
}

pub(crate) fn publish_audit(space: &Arc<SubjectSpace>, audit: &Audit<'_>) {
    publish(space, AUDIT_SUBJECT, audit);
}

pub(crate) fn publish_limit(space: &Arc<SubjectSpace>, advisory: &LimitReached<'_>) {
    if space.has_interest(LIMIT_SUBJECT.as_bytes()) {
        publish(space, LIMIT_SUBJECT, advisory);
    }
}

fn publish(space: &Arc<SubjectSpace>, subject: &str, body: &impl Serialize) {
    let Ok(body) = serde_json::to_vec(body) else { return };
    let mut route = RouteBatch::new();
    let msg = Msg { subject: subject.as_bytes(), reply: b"", headers: b"", payload: &body };
    route.publish(space, &msg, 0);
    route.finish();
}
