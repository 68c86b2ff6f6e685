//! Whether a user may connect: the chain from operator to account to user.
//!
//! Wire sources: `processClientOrLeafAuthentication` in `server/auth.go`, `hasIssuer` and
//! `updateAccountClaimsWithRefresh` in `server/accounts.go`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::times::{self, Presence};
use crate::{
    AccountClaims, AccountClaimsError, ActivationClaims, Export, Import, OperatorClaims,
    Permissions, UnixSeconds, UserClaims, UserLimits, UserScope, template,
};

/// The keys whose signature makes an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys {
    all: BTreeSet<String>,
    /// Those whose accounts sign with signing keys only.
    strict: BTreeSet<String>,
}

/// What a user gets that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// What it may do: its own claims, or the template of its scope filled in.
    pub limits: UserLimits,
    /// It is signed with a signing key.
    pub signing_key: Option<String>,
    /// When its admission ends.
    pub until: Option<UnixSeconds>,
}

/// Why a user may not connect; texts are for the log. The client is told
/// `Authorization Violation`, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token has run out, or contradicts itself.
    #[error("User JWT no longer valid: {0}")]
    Invalid(String),
    /// No operator vouches for the account.
    #[error("Account JWT not signed by trusted operator")]
    UntrustedAccount,
    /// The account does not know who signed the user.
    #[error("User JWT issuer is not known")]
    UnknownIssuer,
    /// Users of a scope say nothing about permissions themselves.
    #[error("User JWT is not valid: scoped users require no permissions or limits set")]
    NotScoped,
    /// The scope's template cannot be filled in.
    #[error("User JWT generated invalid permissions")]
    Template,
    /// The account's token has run out.
    #[error("Account JWT has expired")]
    AccountExpired,
    /// The account wants users to sign.
    #[error("Account does not allow bearer tokens")]
    Bearer,
    /// The account turned the user away.
    #[error("User authentication revoked")]
    Revoked,
    /// It comes from elsewhere.
    #[error("Bad src Ip {0}")]
    Source(String),
    /// It is not the time.
    #[error("Outside connect times")]
    Time,
    /// Somebody else is to say whether it may, which this server does not ask.
    #[error("authorization callouts are not supported yet by this server")]
    Callout,
    /// It must come by way of a trusted proxy, which this server knows none of.
    #[error("proxy connection required")]
    Proxy,
}

impl TrustedKeys {
    /// Plain keys.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        TrustedKeys { all: keys.into_iter().collect(), strict: BTreeSet::new() }
    }

    /// The keys of operators.
    pub fn of_operators(operators: &[OperatorClaims]) -> Self {
        let mut keys = TrustedKeys::default();
        for operator in operators {
            if operator.strict_signing_key_usage {
                keys.strict.extend(operator.signing_keys.iter().cloned());
            } else {
                keys.all.insert(operator.common.subject.clone());
            }
            keys.all.extend(operator.signing_keys.iter().cloned());
        }
        keys
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(String::as_str)
    }

    /// Whether this key may sign accounts.
    pub fn contains(&self, key: &str) -> bool {
        self.all.contains(key)
    }

    /// Reads an account's token that is to be used (`verifyAccountClaims` in `server/server.go`).
    ///
    /// # Errors
    /// When it is not good enough at this time.
    pub fn account(
        &self,
        token: &str,
        name: &str,
        now: UnixSeconds,
    ) -> Result<AccountClaims, AccountClaimsError> {
        let claims = AccountClaims::decode(token)?;
        let good = self.contains(&claims.common.issuer)
            && claims.common.subject == name
            && !claims.check(now).are_blocking_now();
        if good { Ok(claims) } else { Err(AccountClaimsError::Validation) }
    }

    /// Whether a key signs in an account's name, and its scope if it has one.
    pub fn signer<'a>(
        &self,
        account: &'a AccountClaims,
        key: &str,
    ) -> Option<Option<&'a UserScope>> {
        if let Some(scope) = account.nats.signing_keys.get(key) {
            return Some(scope);
        }
        let strict = self.strict.contains(&account.common.issuer);
        (!strict && key == account.common.subject).then_some(None)
    }

    /// Whether a user of an account may be there, times aside that the caller knows better.
    ///
    /// Who presents the token has yet to prove that it is the user, but for
    /// [bearers](UserLimits::bearer_token): see [`verify_nonce`](crate::verify_nonce). Whether it
    /// may come this way is the caller's to ask.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(
        &self,
        user: &UserClaims,
        account: &AccountClaims,
        from: Option<IpAddr>,
        now: UnixSeconds,
        is_subject: &dyn Fn(&str) -> bool,
    ) -> Result<Admission, Refusal> {
        let issues = user.check(now);
        if issues.are_blocking_now() {
            let texts: Vec<&str> = issues.iter().collect();
            return Err(Refusal::Invalid(texts.join("; ")));
        }
        if !self.contains(&account.common.issuer) {
            return Err(Refusal::UntrustedAccount);
        }
        let issuer = &user.common.issuer;
        let limits = match self.signer(account, issuer).ok_or(Refusal::UnknownIssuer)? {
            None => user.limits.clone(),
            Some(_) if !user.limits.is_empty() => return Err(Refusal::NotScoped),
            Some(scope) => template::fill(&scope.template, user, account, is_subject)
                .ok_or(Refusal::Template)?,
        };
        if limits.proxy_required || user.limits.proxy_required {
            return Err(Refusal::Proxy);
        }
        let outside = &account.nats.authorization.auth_users;
        if !outside.is_empty() && !outside.contains(&user.common.subject) {
            return Err(Refusal::Callout);
        }
        if account.is_expired(now) {
            return Err(Refusal::AccountExpired);
        }
        if limits.bearer_token && account.nats.limits.disallow_bearer {
            return Err(Refusal::Bearer);
        }
        if account.is_revoked(&user.common.subject, user.common.issued_at) {
            return Err(Refusal::Revoked);
        }
        if !limits.allows_source(from) {
            return Err(Refusal::Source(from.map(|from| from.to_string()).unwrap_or_default()));
        }
        let present = match times::presence(&limits, now) {
            Presence::Always => None,
            Presence::Outside => return Err(Refusal::Time),
            Presence::For(time) => {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                Some(now.saturating_add(seconds))
            }
        };
        let expires = Some(user.common.expires).filter(|time| *time != 0);
        Ok(Admission {
            limits,
            signing_key: Some(issuer.clone()).filter(|_| !user.issuer_account.is_empty()),
            until: present.into_iter().chain(expires).min(),
        })
    }

    /// Whether an import that needs one has an activation token that the exporter honours
    /// (`checkActivation` in `server/accounts.go`).
    pub fn activates(
        &self,
        import: &Import,
        importer: &str,
        export: &Export,
        exporter: &AccountClaims,
        now: UnixSeconds,
    ) -> Option<ActivationClaims> {
        let token = import.activation(importer, now)?;
        let trusted = match token.issuer_account.is_empty() {
            true => token.common.issuer == exporter.common.subject,
            false => {
                token.issuer_account == exporter.common.subject
                    && self.signer(exporter, &token.common.issuer).is_some()
            }
        };
        let revoked = export.is_revoked(&token.common.subject, token.common.issued_at);
        (trusted && !revoked).then_some(token)
    }
}

impl Admission {
    /// What it may publish and subscribe to; `None` leaves that to the account's default.
    pub fn permissions(&self) -> Option<&Permissions> {
        let permissions = &self.limits.permissions;
        (*permissions != Permissions::default()).then_some(permissions)
    }
}
