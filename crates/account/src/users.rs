//! Users, what they present, and what they get for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use config_validate::options::{self as config, ConnectionType};

use crate::{Account, Permissions};

/// What a client presents in CONNECT; empty is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `user`
    pub user: &'a str,
    /// `pass`
    pub password: &'a str,
    /// `auth_token`
    pub token: &'a str,
}

impl Credentials<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.user.is_empty() && self.password.is_empty() && self.token.is_empty()
    }
}

/// One configured user.
pub struct User {
    /// Its name.
    pub name: Box<str>,
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
}

impl UserSession {
    /// Whether the user stands in the configuration, and may be shown.
    pub fn is_public(&self) -> bool {
        self.user.as_deref().is_some_and(|user| !user.starts_with(' '))
    }
}

/// The credentials are not good enough. The client is only told `Authorization Violation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
}
