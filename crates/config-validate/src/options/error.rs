//! Problems found in a config file or in the options as a whole.

use std::fmt;

use crate::conf::{ConfError, Pos};

/// One problem, with its place in the config file when it has one.
///
/// Prints as the reference does: `file:line:col: text` (`configErr` in `server/errors.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigIssue {
    /// Where the value stands.
    pub pos: Option<Pos>,
    /// What is wrong.
    pub text: String,
}

impl ConfigIssue {
    pub(crate) fn at(pos: &Pos, text: impl Into<String>) -> Self {
        ConfigIssue { pos: Some(pos.clone()), text: text.into() }
    }

    pub(crate) fn unplaced(text: impl Into<String>) -> Self {
        ConfigIssue { pos: None, text: text.into() }
    }

    pub(crate) fn unknown_field(pos: &Pos, name: &str) -> Self {
        ConfigIssue::at(pos, format!("unknown field {}", crate::quote::quoted(name)))
    }
}

impl fmt::Display for ConfigIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pos {
            Some(pos) => write!(f, "{}:{}:{}: {}", pos.file, pos.line, pos.column, self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Why a config file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigErrors {
    /// The file could not be read, or its text is not in the config format.
    #[error("{0}")]
    Syntax(#[from] ConfError),
    /// The file is well formed, but says something that is not allowed. Prints every warning,
    /// then every error, each on a line of its own (`processConfigErr`).
    #[error("{}", lines(.warnings, .errors))]
    Content {
        /// Problems that alone would not stop the server.
        warnings: Vec<ConfigIssue>,
        /// Problems that do.
        errors: Vec<ConfigIssue>,
    },
}

fn lines(warnings: &[ConfigIssue], errors: &[ConfigIssue]) -> String {
    warnings.iter().chain(errors).map(|issue| format!("{issue}\n")).collect()
}

/// Options that are fine one by one, but not together (`validateOptions` in `server/server.go`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Lame duck mode would be over before it starts closing clients.
    #[error(
        "lame duck grace period ({grace}) should be strictly lower than lame duck duration ({duration})"
    )]
    LameDuck {
        /// The grace period, in the reference's notation.
        grace: String,
        /// The whole duration.
        duration: String,
    },
    /// A payload of the permitted size would not fit the outbound buffer.
    #[error("max_payload ({max_payload}) cannot be higher than max_pending ({max_pending})")]
    PayloadOverPending {
        /// `max_payload`, bytes.
        max_payload: u32,
        /// `max_pending`, bytes.
        max_pending: i64,
    },
    /// A default token where there are no operators.
    #[error("default sentinel requires operators and accounts")]
    SentinelWithoutOperators,
    /// The default token is none of a user.
    #[error("default sentinel JWT not valid")]
    SentinelInvalid,
    /// The default token would need a signature.
    #[error("default sentinel must be a bearer token")]
    SentinelNoBearer,
    /// Operators need a place for tokens.
    #[error("operators require an account resolver to be configured")]
    NoResolver,
    /// The operator names a server of tokens, and no other resolver is configured.
    #[error(
        "operators require an account resolver to be configured, and those of type URL (the operator's account_server_url) are not supported yet by this server"
    )]
    UrlResolver,
    /// A cache of tokens that other servers have.
    #[error(
        "account resolvers of type CACHE are not supported yet by this server: there are no other servers to ask"
    )]
    CacheResolver,
    /// Accounts beside operators.
    #[error("operators do not allow Accounts to be configured directly")]
    OperatorAndAccounts,
    /// Users beside operators.
    #[error("operators do not allow users to be configured directly")]
    OperatorAndUsers,
    /// Trusted keys beside operators.
    #[error("conflicting options for 'TrustedKeys' and 'TrustedOperators'")]
    OperatorAndTrustedKeys,
    /// The configured system account is not that of the operator.
    #[error("system_account in config and operator JWT must be identical")]
    OperatorSystemAccount,
    /// A directory of tokens is looked after by way of the system account.
    #[error(
        "using nats based account resolver - the system account needs to be specified in configuration or the operator jwt"
    )]
    ResolverSystemAccount,
    /// The operator wants another server; holds the whole text.
    #[error("{0}")]
    OperatorVersion(String),
    /// A trusted key is none of an operator.
    #[error("trusted Keys {} are required to be a valid public operator nkey", crate::quote::quoted(.0))]
    TrustedKey(String),
    /// A pinned account is no key.
    #[error("pinned account key {} is not a valid public account nkey", crate::quote::quoted(.0))]
    PinnedAccount(String),
    /// A server name with a space in it.
    #[error("server name cannot contain spaces")]
    ServerNameSpaces,
    /// `no_auth_user` without any user.
    #[error("no_auth_user: \"{0}\" present, but users/nkeys are not defined")]
    NoAuthUserWithoutUsers(String),
    /// `no_auth_user` names nobody.
    #[error(
        "no_auth_user: \"{0}\" not present as user or nkey in authorization block or account configuration"
    )]
    NoAuthUserUnknown(String),
    /// `system_account` names an account that does not exist.
    #[error("error resolving system account: account missing")]
    SystemAccountMissing,
    /// The system account cannot have JetStream.
    #[error("Not allowed to enable JetStream on the system account")]
    JetStreamOnSystemAccount,
    /// `default_js_domain` names an account that has its own JetStream.
    #[error("default_js_domain contains account name {} with enabled JetStream", crate::quote::quoted(.0))]
    DefaultDomainEnabledAccount(String),
    /// `default_js_domain` names an account by something else than its key.
    #[error("default_js_domain contains account name {}, which is not a valid public account nkey", crate::quote::quoted(.0))]
    DefaultDomainNoKey(String),
    /// `default_js_domain` names an account that does not exist.
    #[error("in non operator mode, `default_js_domain` references non existing account {}", crate::quote::quoted(.0))]
    DefaultDomainUnknownAccount(String),
    /// `default_js_domain` names the system account.
    #[error("system account {} can not be in default_js_domain", crate::quote::quoted(.0))]
    DefaultDomainSystemAccount(String),
    /// `default_js_domain` holds a name that cannot be a domain.
    #[error("default_js_domain contains account {} with invalid domain name {}", crate::quote::quoted(.account), crate::quote::quoted(.domain))]
    DefaultDomainInvalid {
        /// The account.
        account: String,
        /// Its domain.
        domain: String,
    },
    /// The own domain cannot be part of a subject.
    #[error("invalid domain name: derived {} is not a valid subject", crate::quote::quoted(.0))]
    DomainNotASubject(String),
    /// The own domain has a character that names cannot have.
    #[error("invalid domain name: may not contain ., * or >")]
    DomainCharacters,
    /// A JetStream cluster needs a name for each server.
    #[error("jetstream cluster requires `server_name` to be set")]
    ClusterServerName,
    /// A JetStream cluster needs a name.
    #[error("jetstream cluster requires `cluster.name` to be set")]
    ClusterName,
    /// `extension_hint` has an unknown value; holds it in lower case.
    #[error("expected 'no_extend' for string value, got '{0}'")]
    ExtensionHint(String),
    /// `max_outstanding_catchup` is negative.
    #[error("jetstream max catchup cannot be negative")]
    NegativeCatchup,
}
