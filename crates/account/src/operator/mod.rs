//! Operator mode: accounts and users that come from tokens.

mod claims;
mod login;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use config_validate::options::{self, OperatorOptions, Options};
use jwt::{AccountClaims, AccountClaimsError, TrustedKeys, UnixSeconds};

use crate::TierLimits;

pub use login::{ClaimedUser, Ending, Expiring, Standing};

/// Whom the server trusts, and the accounts it knows from tokens. Immutable: what changes makes a
/// new one.
pub struct Trust {
    keys: Arc<TrustedKeys>,
    /// The only accounts that users may belong to; none is all.
    pinned: BTreeSet<String>,
    /// The token of clients that present none.
    sentinel: Option<Arc<str>>,
    accounts: BTreeMap<String, Arc<Claimed>>,
}

/// An account that is known from its token.
#[derive(Debug)]
pub struct Claimed {
    /// The token; empty for the system account while there is none of it.
    token: String,
    claims: Arc<AccountClaims>,
}

impl Trust {
    /// Without any account yet.
    pub fn new(options: &OperatorOptions) -> Self {
        Trust {
            keys: Arc::new(options.keys()),
            pinned: options.pinned_accounts.clone().unwrap_or_default(),
            sentinel: options.default_sentinel.as_deref().map(Into::into),
            accounts: BTreeMap::new(),
        }
    }

    /// As it is with other options; accounts stay.
    pub fn with_options(&self, options: &OperatorOptions) -> Self {
        Trust { accounts: self.accounts.clone(), ..Trust::new(options) }
    }

    /// As it is with these accounts, or without them.
    pub fn with(&self, changes: impl IntoIterator<Item = (String, Option<Claimed>)>) -> Self {
        let mut accounts = self.accounts.clone();
        for (name, claimed) in changes {
            match claimed {
                Some(claimed) => drop(accounts.insert(name, Arc::new(claimed))),
                None => drop(accounts.remove(&name)),
            }
        }
        Trust {
            keys: Arc::clone(&self.keys),
            pinned: self.pinned.clone(),
            sentinel: self.sentinel.clone(),
            accounts,
        }
    }

    /// The keys it trusts.
    pub fn keys(&self) -> &TrustedKeys {
        &self.keys
    }

    /// What is known of an account.
    pub fn account(&self, name: &str) -> Option<&Arc<Claimed>> {
        self.accounts.get(name)
    }

    /// Names of the accounts that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// Reads an account's token.
    ///
    /// # Errors
    /// When it is not good enough at this time.
    pub fn read(
        &self,
        name: &str,
        token: String,
        now: UnixSeconds,
    ) -> Result<Claimed, AccountClaimsError> {
        let claims = self.keys.account(&token, name, now)?;
        Ok(Claimed { token, claims: Arc::new(claims) })
    }

    /// The options with the accounts of the tokens as if they were configured.
    pub fn options(&self, base: &Options, now: UnixSeconds) -> ClaimedOptions {
        let mut changes_at: Option<UnixSeconds> = None;
        let accounts = self.accounts.iter().map(|(name, claimed)| {
            let (options, until) = claims::options_of(self, name, &claimed.claims, now);
            changes_at = changes_at.into_iter().chain(until).min();
            options
        });
        let mut accounts: Vec<_> = accounts.collect();
        let lines = options::retain_usable_imports(&mut accounts);
        ClaimedOptions { options: Options { accounts, ..base.clone() }, lines, changes_at }
    }
}

/// Options with accounts from tokens.
pub struct ClaimedOptions {
    /// The options.
    pub options: Options,
    /// What is to be said about what of the tokens cannot be put to work.
    pub lines: Vec<String>,
    /// When they are to be made anew, as a permission to import ends.
    pub changes_at: Option<UnixSeconds>,
}

impl Claimed {
    /// The system account while nothing is known of its token but its name, with what an operator
    /// lets every account have: its own key signs its users, so that one of them can bring the
    /// token.
    pub fn bootstrap(name: &str, operator: &str) -> Self {
        let mut claims = AccountClaims { common: Default::default(), nats: Default::default() };
        claims.common.subject = name.to_owned();
        claims.common.issuer = operator.to_owned();
        let limits = &mut claims.nats.limits;
        for limit in [
            &mut limits.subs,
            &mut limits.data,
            &mut limits.payload,
            &mut limits.imports,
            &mut limits.exports,
            &mut limits.conn,
            &mut limits.leaf,
        ] {
            *limit = -1;
        }
        Claimed { token: String::new(), claims: Arc::new(claims) }
    }

    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What it says.
    pub fn claims(&self) -> &Arc<AccountClaims> {
        &self.claims
    }

    /// JetStream limits by tier, if the account has any.
    pub fn tiers(&self) -> Option<TierLimits> {
        claims::tiers(&self.claims)
    }

    /// Names of the accounts that it imports from.
    pub fn exporters(&self) -> impl Iterator<Item = &str> {
        self.claims.nats.imports.iter().map(|import| &*import.account)
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("accounts", &self.accounts.keys())
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

/// The time, as tokens have it.
pub fn now_unix_s() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
