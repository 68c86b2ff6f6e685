//! Publishes advisories in an account.

use std::sync::Arc;

use routing::{Msg, RouteBatch, SubjectSpace};
use types::Timestamp;
use types::advisory::Advisory;

use crate::ids::Ids;

/// Queues an advisory, if anybody listens; what the operator must hear of is logged as well.
pub(crate) fn publish(
    route: &mut RouteBatch,
    space: &Arc<SubjectSpace>,
    advisory: &Advisory,
    now: Timestamp,
    ids: &Ids,
) {
    log(space.name(), advisory);
    let subject = advisory.subject();
    if !space.has_interest(subject.as_bytes()) {
        return;
    }
    let body = advisory.to_json(&ids.next_id(), now);
    let msg = Msg { subject: subject.as_bytes(), reply: b"", headers: b"", payload: &body };
    route.publish(space, &msg, 0);
}

fn log(account: &str, advisory: &Advisory) {
    match advisory {
        Advisory::StreamDamage { stream, reason, lost: 0, bytes: 0, .. } => {
            tracing::warn!(account, stream, "damage repaired: {reason}");
        }
        Advisory::StreamDamage { stream, reason, lost, bytes, .. } => {
            tracing::error!(account, stream, lost, bytes, "messages lost: {reason}");
        }
        Advisory::StreamStore { stream, storing: false, error, .. } => {
            tracing::error!(account, stream, "the stream cannot store: {error}");
        }
        Advisory::StreamStore { stream, storing: true, .. } => {
            tracing::info!(account, stream, "the stream stores again");
        }
        _ => {}
    }
}
