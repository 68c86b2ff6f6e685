//! Users, what they present, and what they get for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use config_validate::options::{self as config, ConnectionType, Proof};

use crate::{Account, ClaimedUser, Permissions};

/// What a client presents in CONNECT, and what it was told before; empty is not given.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `user`
    pub user: &'a str,
    /// `pass`
    pub password: &'a str,
    /// `auth_token`
    pub token: &'a str,
    /// `nkey`: a public key.
    pub nkey: &'a str,
    /// `jwt`: a user's token.
    pub jwt: &'a str,
    /// `sig`: over the nonce.
    pub signature: &'a str,
    /// What it was given to sign.
    pub nonce: &'a str,
    /// Where it comes from.
    pub from: Option<IpAddr>,
}

impl Credentials<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.password.is_empty() && self.token.is_empty()
    }
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("nkey", &self.nkey)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// One configured user.
pub struct User {
    /// Its name; of a user with a key, that.
    pub name: Box<str>,
    pub(crate) proof: Proof,
    pub(crate) password: Box<str>,
    pub(crate) session: Arc<UserSession>,
    pub(crate) connection_types: BTreeSet<ConnectionType>,
    /// Its permissions as they were configured.
    pub(crate) configured: Option<Arc<config::Permissions>>,
}

impl User {
    /// Whether a client of the one may go on as a client of the other.
    pub(crate) fn is_like(&self, other: &User) -> bool {
        self.password == other.password
            && self.proof == other.proof
            && self.connection_types == other.connection_types
            && self.configured == other.configured
            && Arc::ptr_eq(&self.session.account, &other.session.account)
    }
}

/// What a client is after it has been let in; shared by all clients of the user.
#[derive(Clone, Debug)]
pub struct UserSession {
    /// The account it belongs to.
    pub account: Arc<Account>,
    /// Its name, when it is a configured user.
    pub user: Option<Box<str>>,
    /// What it may do; `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
    /// Its token, in operator mode.
    pub claimed: Option<Arc<ClaimedUser>>,
}

impl UserSession {
    /// Whether the user stands in the configuration, and may be shown.
    pub fn is_public(&self) -> bool {
        self.user.as_deref().is_some_and(|user| !user.starts_with(' '))
    }
}

/// The credentials are not good enough. The client is only told `Authorization Violation`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such user.
    #[error("unknown user")]
    UnknownUser,
    /// The user may not connect this way.
    #[error("connection type not allowed")]
    ConnectionType,
    /// Wrong password or token.
    #[error("wrong credentials")]
    WrongCredentials,
    /// None of what the server asks for was presented.
    #[error("missing credentials")]
    MissingCredentials,
    /// There is no token, or no good one.
    #[error("{0}")]
    Token(String),
    /// Nothing is known of the account of a token; holds its name.
    #[error("Account JWT lookup error: account {0} is not known")]
    UnknownAccount(String),
    /// The account is not among those that may be used.
    #[error("Account {0} not listed as operator pinned account")]
    NotPinned(String),
    /// The token does not let it in.
    #[error("{0}")]
    Refused(#[from] jwt::Refusal),
    /// The nonce is not signed as it should be.
    #[error("{0}")]
    Signature(&'static str),
}
