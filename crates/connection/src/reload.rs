//! How a connected client follows a reload of the configuration.

use std::sync::atomic::Ordering;

use account::{Ending, Expiring, Permissions, Standing, Subscribing};
use routing::Subscription;
use wire::{CloseReason, HeaderSupport};

use crate::session::{Session, Stage};

impl Session {
    /// Looks at options, user and permissions anew where they were reloaded since the last look
    /// (`server/reload.go` `reloadAuthorization`). Waits only while a password hash is computed
    /// elsewhere.
    ///
    /// # Errors
    /// When the client may not stay.
    pub(crate) async fn follow_reload(&mut self) -> Result<(), CloseReason> {
        let turn = self.ctx.reload_turn();
        if turn == self.reload_turn {
            return Ok(());
        }
        self.reload_turn = turn;
        let outcome = self.look_anew().await;
        if let Err(reason) = outcome {
            // Whoever waits for this sees it closed.
            self.batch.finish();
            self.sink.outbox.close(reason);
        }
        self.conn.reload_turn.store(turn, Ordering::Release);
        self.ctx.reload_followed();
        outcome
    }

    async fn look_anew(&mut self) -> Result<(), CloseReason> {
        let options = self.ctx.options.load_full();
        let now_ns = self.ctx.now_ns();
        self.pings.set_rhythm(options.ping_interval, options.ping_max, now_ns);
        self.options = options;
        let accounts = self.ctx.accounts.load_full();
        match self.user.clone() {
            Some(user) if user.claimed.is_some() => match accounts.standing(&user) {
                Standing::Stays => {}
                Standing::Changed(user) => {
                    self.take_permissions(&user);
                    self.conn.details.lock().claimed.clone_from(&user.claimed);
                    self.drop_forbidden();
                }
                Standing::Ends(ending) => return Err(self.on_ending(ending)),
            },
            Some(ref user) if accounts.is_current(user) => {}
            // It has had its time to authenticate, or needed none until now.
            None if self.stage == Stage::New => {
                if accounts.auth_required() && self.auth_due_ns.is_none() {
                    return Err(self.on_auth_violation());
                }
            }
            _ => self.stay_as_user().await?,
        }
        let headers = match self.sink.headers() {
            true => HeaderSupport::Enabled,
            false => HeaderSupport::Disabled,
        };
        self.apply_limits(headers);
        self.check_subscriptions_left()
    }

    /// Its token does not let it stay.
    fn on_ending(&mut self, ending: Ending) -> CloseReason {
        match ending {
            Ending::Violation => self.on_auth_violation(),
            Ending::SigningKey => CloseReason::AuthenticationViolation,
            Ending::Account => self.on_expiry(Expiring::Account),
            Ending::Revoked => {
                let text = wire::err::USER_AUTHENTICATION_REVOKED;
                tracing::debug!("{} - {text}", self.label);
                self.reject(text, CloseReason::Revocation)
            }
        }
    }

    /// A client of an account whose token allows fewer subscriptions than it has cannot stay
    /// (`applyAccountLimits` in `server/client.go`).
    fn check_subscriptions_left(&mut self) -> Result<(), CloseReason> {
        let claimed = self.user.as_ref().is_some_and(|user| user.claimed.is_some());
        let Some(max) = self.max_subs.filter(|_| claimed) else { return Ok(()) };
        let details = self.conn.details.lock();
        let count = details.subs.values().filter(|sub| !sub.is_closed()).count();
        drop(details);
        if (count as u64) < max || count == 0 {
            return Ok(());
        }
        self.log_error(wire::err::MAXIMUM_SUBSCRIPTIONS_EXCEEDED);
        let text = wire::err::MAXIMUM_SUBSCRIPTIONS_EXCEEDED;
        Err(self.reject(text, CloseReason::MaxSubscriptionsExceeded))
    }

    /// Something about its user changed: it stays with other permissions, or not at all.
    async fn stay_as_user(&mut self) -> Result<(), CloseReason> {
        let accounts = self.ctx.accounts.load_full();
        // It comes back, and finds its new account.
        if accounts.has_moved(&self.connect.user, &self.account) {
            return Err(CloseReason::ClientClosed);
        }
        let Ok(user) = self.authenticate().await else { return Err(self.on_auth_violation()) };
        if user.account.name() != self.account.name() {
            return Err(CloseReason::ClientClosed);
        }
        self.take_permissions(&user);
        self.drop_forbidden();
        Ok(())
    }

    /// Ends subscriptions that are not permitted any more (`server/client.go`
    /// `processSubsOnConfigReload`).
    fn drop_forbidden(&mut self) {
        let Some(permissions) = self.permissions.clone() else {
            return self.sink.set_deny(None);
        };
        let all: Vec<_> = self.conn.details.lock().subs.values().cloned().collect();
        let mut filtered = false;
        for sub in all {
            match judge(&permissions, &sub) {
                Subscribing::Allowed => {}
                Subscribing::Filtered => filtered = true,
                Subscribing::Denied => {
                    self.space.unsubscribe(&sub);
                    self.conn.details.lock().subs.remove(&sub.sid);
                    let subject = String::from_utf8_lossy(&sub.pattern);
                    let sid = String::from_utf8_lossy(&sub.sid);
                    self.send_err(&wire::err::subscription_revoked(&sub.pattern, &sub.sid));
                    let who = &self.label;
                    tracing::info!(
                        "Removed sub {subject:?} (sid {sid:?}) for {who} - not authorized"
                    );
                }
            }
        }
        self.sink.set_deny(filtered.then(|| permissions.deny_list()));
    }
}

/// A subscription with a queue group may stay where a plain one might.
fn judge(permissions: &Permissions, sub: &Subscription) -> Subscribing {
    let plain = permissions.can_subscribe(&sub.pattern, None);
    let queue = sub.queue.as_deref().map(|q| permissions.can_subscribe(&sub.pattern, Some(q)));
    match (plain, queue) {
        (Subscribing::Denied, None) => Subscribing::Denied,
        (Subscribing::Denied, Some(queue)) => queue,
        (Subscribing::Filtered, _) | (_, Some(Subscribing::Filtered)) => Subscribing::Filtered,
        (Subscribing::Allowed, _) => Subscribing::Allowed,
    }
}
