//! Publishes advisories in an account.

use std::sync::Arc;

use routing::{Msg, RouteBatch, SubjectSpace};
use types::Timestamp;
use types::advisory::Advisory;

use crate::ids::Ids;

/// Queues an advisory, if anybody listens.
pub(crate) fn publish(
    route: &mut RouteBatch,
    space: &Arc<SubjectSpace>,
    advisory: &Advisory,
    now: Timestamp,
    ids: &Ids,
) {
    let subject = advisory.subject();
    if !space.has_interest(subject.as_bytes()) {
        return;
    }
    let body = advisory.to_json(&ids.next_id(), now);
    let msg = Msg { subject: subject.as_bytes(), reply: b"", headers: b"", payload: &body };
    route.publish(space, &msg, 0);
}
