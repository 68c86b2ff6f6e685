//! Permission to answer requests: reply subjects a client was given.

use std::sync::Arc;
use std::time::Instant;

use config_validate::options::AllowResponses;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use routing::ReplyPermits;

use crate::Permissions;
use crate::permissions::nanos;

/// Grants between two prunings (`server/client.go` `replyPermLimit`).
const PRUNE_GRANTS: usize = 4096;
/// Time between two prunings, ns (`server/client.go` `replyPruneTime`).
const PRUNE_NS: u64 = 1_000_000_000;

/// The reply subjects that one client may publish to because it was sent them
/// (`server/client.go` `replies`). Shared by those who deliver to the client and its reader.
pub struct ReplyPermissions {
    permissions: Arc<Permissions>,
    limits: AllowResponses,
    epoch: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    granted: HashMap<Box<[u8]>, Grant, RandomState>,
    since_prune: usize,
    pruned_ns: u64,
}

struct Grant {
    at_ns: u64,
    used: u32,
}

impl ReplyPermissions {
    /// None granted yet; `None` if the user has no such permission.
    pub fn new(permissions: &Arc<Permissions>) -> Option<Arc<Self>> {
        let limits = permissions.responses()?;
        Some(Arc::new(ReplyPermissions {
            permissions: Arc::clone(permissions),
            limits,
            epoch: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// The side that learns of reply subjects, for the client's sink.
    pub fn grants(self: &Arc<Self>) -> Box<dyn ReplyPermits> {
        Box::new(Grants(Arc::clone(self)))
    }

    /// Uses up one answer to `subject`; false if there is none left (`server/client.go`
    /// `responseAllowed`).
    pub fn take(&self, subject: &[u8]) -> bool {
        self.take_at(subject, self.now_ns())
    }

    pub(crate) fn take_at(&self, subject: &[u8], now_ns: u64) -> bool {
        let mut state = self.state.lock();
        let Some(grant) = state.granted.get_mut(subject) else { return false };
        grant.used = grant.used.saturating_add(1);
        let spent = self.limits.max.is_some_and(|max| grant.used > max);
        if spent || self.is_expired(grant, now_ns) {
            state.granted.remove(subject);
            return false;
        }
        true
    }

    pub(crate) fn grant_at(&self, reply: &[u8], now_ns: u64) {
        // What it may publish to anyway needs no grant.
        if self.permissions.can_publish(reply) {
            return;
        }
        let mut state = self.state.lock();
        state.granted.insert(reply.into(), Grant { at_ns: now_ns, used: 0 });
        state.since_prune += 1;
        if state.since_prune > PRUNE_GRANTS || now_ns.saturating_sub(state.pruned_ns) > PRUNE_NS {
            let max = self.limits.max.unwrap_or(u32::MAX);
            state.granted.retain(|_, grant| grant.used < max && !self.is_expired(grant, now_ns));
            state.since_prune = 0;
            state.pruned_ns = now_ns;
        }
    }

    fn is_expired(&self, grant: &Grant, now_ns: u64) -> bool {
        self.limits
            .expires
            .is_some_and(|expires| now_ns.saturating_sub(grant.at_ns) > nanos(expires))
    }

    fn now_ns(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.lock().granted.len()
    }
}

/// What whoever delivers to the client tells about reply subjects.
struct Grants(Arc<ReplyPermissions>);

impl ReplyPermits for Grants {
    fn granted(&self, reply: &[u8]) {
        self.0.grant_at(reply, self.0.now_ns());
    }
}
