//! SUB and UNSUB.

use std::sync::Arc;

use account::Subscribing;
use routing::Subscription;

use crate::session::Session;

/// Queue group that only the server uses (`server/const.go` `sysGroup`).
const SYSTEM_QUEUE: &[u8] = b"_sys_";

impl Session {
    /// SUB (`server/client.go` `processSubEx`).
    pub(crate) fn subscribe(&mut self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        self.counts.subs += 1;
        let verdict = match &self.permissions {
            Some(permissions) => permissions.can_subscribe(subject, queue),
            None => Subscribing::Allowed,
        };
        if verdict == Subscribing::Denied || queue == Some(SYSTEM_QUEUE) {
            return self.on_subscribe_violation(subject, queue, sid);
        }
        if let Some(max) = self.options.max_sub_tokens
            && subject::tokens(subject).count() > usize::from(max)
        {
            self.send_err(&wire::err::too_many_tokens(subject));
            let subject = String::from_utf8_lossy(subject);
            let sid = String::from_utf8_lossy(sid);
            return self.log_error(&format!(
                "Subscription Violation Too Many Tokens - Subject {subject:?}, SID {sid}"
            ));
        }
        if self.is_at_limit() {
            self.log_error(wire::err::MAXIMUM_SUBSCRIPTIONS_EXCEEDED);
            return self.send_err(wire::err::MAXIMUM_SUBSCRIPTIONS_EXCEEDED);
        }
        if verdict == Subscribing::Filtered
            && let Some(permissions) = &self.permissions
        {
            self.sink.set_deny(Some(permissions.deny_list()));
        }
        let taken = self.conn.details.lock().subs.get(sid).is_some_and(|sub| !sub.is_closed());
        if !taken {
            let sub = Subscription::client(subject, queue, sid, Arc::clone(&self.sink));
            // Known to its owner before it is to others: it may end with its first message.
            self.conn.details.lock().subs.insert(sid.into(), Arc::clone(&sub));
            if self.space.subscribe(&sub).is_err() {
                self.conn.details.lock().subs.remove(sid);
                return self.send_err(wire::err::INVALID_SUBJECT);
            }
        }
        self.confirm();
    }

    /// UNSUB, at once or after `max` messages in all (`server/client.go` `processUnsub`).
    pub(crate) fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        self.counts.subs += 1;
        let found = self.conn.details.lock().subs.get(sid).cloned();
        if let Some(sub) = found {
            let over = max.is_none_or(|max| sub.limit(max));
            if over {
                self.space.unsubscribe(&sub);
                self.conn.details.lock().subs.remove(sid);
            }
        }
        self.confirm();
    }

    /// Whether there are as many subscriptions as may be. Those that ended by themselves are
    /// swept out now and then.
    fn is_at_limit(&mut self) -> bool {
        let max =
            self.max_subs.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let mut details = self.conn.details.lock();
        if details.subs.len() >= self.prune_subs_at.min(max) {
            details.subs.retain(|_, sub| !sub.is_closed());
            self.prune_subs_at = (details.subs.len() * 2).max(64);
        }
        details.subs.len() >= max
    }

    /// Gives up all subscriptions.
    pub(crate) fn drop_subscriptions(&mut self) {
        let subs = std::mem::take(&mut self.conn.details.lock().subs);
        self.space.unsubscribe_all(subs.values());
    }

    #[cold]
    fn on_subscribe_violation(&mut self, subject: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        self.send_err(&wire::err::subscription_violation(subject, queue));
        let subject = String::from_utf8_lossy(subject);
        let sid = String::from_utf8_lossy(sid);
        let queue = queue.map(String::from_utf8_lossy);
        let queue = queue.map(|queue| format!(", Queue: {queue:?}")).unwrap_or_default();
        self.log_error(&format!("Subscription Violation - Subject {subject:?}{queue}, SID {sid}"));
    }
}
