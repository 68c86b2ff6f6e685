//! Users with tokens: let in, and looked at again when tokens of accounts change.

use std::collections::BTreeSet;
use std::sync::Arc;

use config_validate::options::{self as config, AccountLimits, ConnectionType};
use jwt::{AccountClaims, Admission, UnixSeconds, UserClaims};

use super::claims::{at_most, permissions_of};
use super::{Trust, now_unix_s};
use crate::users::{AuthError, Credentials, UserSession};
use crate::{Account, Accounts, Permissions};

/// A user that was let in by its token.
pub struct ClaimedUser {
    user: UserClaims,
    token: Box<str>,
    /// What its account's token said when it was last looked at.
    account: Arc<AccountClaims>,
    admission: Admission,
}

/// How a client that was let in by a token stands.
#[derive(Debug)]
pub enum Standing {
    /// Nothing changed for it.
    Stays,
    /// It may stay, as this.
    Changed(Arc<UserSession>),
    /// It may not stay.
    Ends(Ending),
}

/// Why a client that was let in by a token may not stay (`updateAccountClaimsWithRefresh` and
/// `removeCb` in `server/accounts.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its account revoked it.
    Revoked,
    /// Its account does not take bearers any more, or operator mode is over.
    Violation,
    /// The key that signed it is none of its account any more, or means something else. Nothing
    /// is said to it.
    SigningKey,
    /// Its account has gone, or its token has run out.
    Account,
}

/// Whose token ends a client's stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiring {
    /// The user's.
    User,
    /// The account's.
    Account,
}

impl ClaimedUser {
    /// Its token, unless that alone lets anybody in.
    pub fn shown_token(&self) -> Option<&str> {
        (!self.admission.limits.bearer_token).then_some(&self.token)
    }

    /// Its name for people; may be empty.
    pub fn name(&self) -> &str {
        &self.user.common.name
    }

    /// When its own token, or the time of day it may be there, ends.
    pub fn expires(&self) -> Option<UnixSeconds> {
        self.admission.until
    }

    /// What it may do, as it would be configured; `None` is everything.
    pub fn configured_permissions(&self) -> Option<config::Permissions> {
        let own = self.admission.permissions();
        permissions_of(own.unwrap_or(&self.account.nats.default_permissions))
    }

    /// The key that signed its token.
    pub fn issuer(&self) -> &str {
        &self.user.common.issuer
    }

    /// Its tags.
    pub fn tags(&self) -> &[String] {
        &self.user.tags
    }

    /// The name of its account for people; may be empty.
    pub fn account_name(&self) -> &str {
        &self.account.common.name
    }

    /// Limits of this user alone.
    pub fn limits(&self) -> AccountLimits {
        AccountLimits {
            max_connections: None,
            max_subscriptions: at_most(self.admission.limits.max_subscriptions),
            max_payload: at_most(self.admission.limits.max_payload),
            max_leafnodes: None,
        }
    }

    /// When its stay ends, and whose token does that.
    pub fn until(&self) -> Option<(UnixSeconds, Expiring)> {
        let own = self.admission.until.map(|time| (time, Expiring::User));
        let account = Some(self.account.common.expires).filter(|time| *time != 0);
        let account = account.map(|time| (time, Expiring::Account));
        own.into_iter().chain(account).min_by_key(|(time, _)| *time)
    }

    /// What it may do, of its own or its account's; `None` is everything.
    fn permissions(&self) -> Option<Arc<Permissions>> {
        Some(Arc::new(Permissions::new(&self.configured_permissions()?)))
    }

    fn session(self: &Arc<Self>, account: &Arc<Account>) -> Arc<UserSession> {
        Arc::new(UserSession {
            account: Arc::clone(account),
            user: Some(self.user.common.subject.as_str().into()),
            permissions: self.permissions(),
            claimed: Some(Arc::clone(self)),
        })
    }
}

impl std::fmt::Debug for ClaimedUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClaimedUser")
            .field("user", &self.user.common.subject)
            .field("issuer", &self.user.common.issuer)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Checks a user's token, and that who presents it is the user
    /// (`processClientOrLeafAuthentication` in `server/auth.go`).
    pub(crate) fn authenticate(
        &self,
        accounts: &Accounts,
        credentials: &Credentials<'_>,
        via: ConnectionType,
    ) -> Result<Arc<UserSession>, AuthError> {
        let (user, token) = self.token_of(credentials)?;
        let name = user.account();
        if !self.pinned.is_empty() && !self.pinned.contains(name) {
            return Err(AuthError::NotPinned(name.to_owned()));
        }
        let issues = user.check(now_unix_s());
        if issues.are_blocking_now() {
            let texts: Vec<&str> = issues.iter().collect();
            return Err(jwt::Refusal::Invalid(texts.join("; ")).into());
        }
        let (Some(claimed), Some(account)) = (self.accounts.get(name), accounts.get(name)) else {
            return Err(AuthError::UnknownAccount(name.to_owned()));
        };
        let is_subject = |text: &str| subject::is_valid_pattern(text.as_bytes());
        let admission =
            self.keys.admit(&user, &claimed.claims, credentials.from, now_unix_s(), &is_subject)?;
        check_connection_type(&admission.limits.allowed_connection_types, via)?;
        if !admission.limits.bearer_token {
            jwt::verify_nonce(&user.common.subject, credentials.nonce, credentials.signature)
                .map_err(AuthError::Signature)?;
        }
        let account_claims = Arc::clone(&claimed.claims);
        let user = ClaimedUser { user, token, account: account_claims, admission };
        Ok(Arc::new(user).session(account))
    }

    fn token_of(&self, credentials: &Credentials<'_>) -> Result<(UserClaims, Box<str>), AuthError> {
        let wrong = |error: jwt::DecodeError| {
            AuthError::Token(match credentials.jwt.is_empty() {
                true => "Authentication requires a user JWT".to_owned(),
                false => format!("User JWT not valid: {error}"),
            })
        };
        match (UserClaims::decode(credentials.jwt), &self.sentinel) {
            (Ok(user), _) => Ok((user, credentials.jwt.into())),
            (Err(error), None) => Err(wrong(error)),
            (Err(_), Some(sentinel)) => {
                Ok((UserClaims::decode(sentinel).map_err(wrong)?, (&**sentinel).into()))
            }
        }
    }

    /// How a client stands after tokens of accounts changed.
    pub(crate) fn standing(&self, session: &Arc<UserSession>) -> Standing {
        let Some(user) = &session.claimed else { return Standing::Ends(Ending::Violation) };
        let Some(claimed) = self.accounts.get(session.account.name()) else {
            return Standing::Ends(Ending::Account);
        };
        let claims = &claimed.claims;
        if Arc::ptr_eq(claims, &user.account) {
            return Standing::Stays;
        }
        if claims.is_expired(now_unix_s()) {
            return Standing::Ends(Ending::Account);
        }
        let common = &user.user.common;
        if user.admission.limits.bearer_token && claims.nats.limits.disallow_bearer {
            return Standing::Ends(Ending::Violation);
        }
        if claims.is_revoked(&common.subject, common.issued_at) {
            return Standing::Ends(Ending::Revoked);
        }
        let signer = self.keys.signer(claims, &common.issuer);
        if signer.is_none() || signer != self.keys.signer(&user.account, &common.issuer) {
            return Standing::Ends(Ending::SigningKey);
        }
        let renewed = ClaimedUser {
            user: user.user.clone(),
            token: user.token.clone(),
            account: Arc::clone(claims),
            admission: user.admission.clone(),
        };
        Standing::Changed(Arc::new(renewed).session(&session.account))
    }
}

/// Kinds that this server does not know are no reason to let everybody in.
fn check_connection_type(allowed: &[String], via: ConnectionType) -> Result<(), AuthError> {
    if allowed.is_empty() {
        return Ok(());
    }
    let known: BTreeSet<ConnectionType> =
        allowed.iter().filter_map(|name| ConnectionType::from_name(name)).collect();
    if known.contains(&via) { Ok(()) } else { Err(AuthError::ConnectionType) }
}
