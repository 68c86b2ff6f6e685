//! Users, passwords, tokens and permissions.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::deferred::not_supported;
use super::error::ConfigIssue;
use super::permissions::{Permissions, parse_permissions};
use super::reader::{Findings, Key, each_key, flag, issue, map, optional_text, text, texts};
use crate::conf::{Map, Node, Value};
use crate::duration::parse_nanos;
use crate::quote::quoted;

/// Who may connect.
///
/// Wire source: `parseAuthorization` in `server/opts.go`.
#[derive(Clone, PartialEq)]
pub struct AuthOptions {
    /// The only user, when there is one name for everybody.
    pub user: Option<String>,
    /// That user's password, plain or as a bcrypt hash (`$2a$...`).
    pub password: Option<String>,
    /// The token everybody must present.
    pub token: Option<String>,
    /// Time a client has to authenticate.
    pub timeout: Duration,
    /// All users: of the authorization block (no account: they belong to `$G`) and of accounts.
    pub users: Vec<User>,
    /// An `authorization` block was given.
    pub block_defined: bool,
    /// User that a client without credentials becomes.
    pub no_auth_user: Option<String>,
    /// The names in `users`.
    usernames: HashSet<String>,
}

/// One user.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Name, unique over all accounts; of a user with a key, that.
    pub username: String,
    /// What the user presents: a password, or a signature with the key that is its name.
    pub proof: Proof,
    /// Password, plain or bcrypt; empty when none was given.
    pub password: String,
    /// What the user may do; `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
    /// Account that defines the user; `None` is the global account.
    pub account: Option<String>,
    /// Kinds of connection the user may use; empty is all.
    pub allowed_connection_types: BTreeSet<ConnectionType>,
}

/// How a user shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// By a password.
    #[default]
    Password,
    /// By a signature; its name is the public key (`nkey`).
    Signature,
}

/// Kinds of connection a user can be restricted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionType {
    /// A plain client (`STANDARD`).
    Standard,
    /// A WebSocket client.
    Websocket,
    /// A leaf node.
    Leafnode,
    /// A leaf node over WebSocket.
    LeafnodeWs,
    /// An MQTT client.
    Mqtt,
    /// An MQTT client over WebSocket.
    MqttWs,
    /// A client inside the server's process.
    InProcess,
}

impl ConnectionType {
    /// The kind of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_uppercase().as_str() {
            "STANDARD" => ConnectionType::Standard,
            "WEBSOCKET" => ConnectionType::Websocket,
            "LEAFNODE" => ConnectionType::Leafnode,
            "LEAFNODE_WS" => ConnectionType::LeafnodeWs,
            "MQTT" => ConnectionType::Mqtt,
            "MQTT_WS" => ConnectionType::MqttWs,
            "IN_PROCESS" => ConnectionType::InProcess,
            _ => return None,
        })
    }
}

impl Default for AuthOptions {
    fn default() -> Self {
        AuthOptions {
            user: None,
            password: None,
            token: None,
            timeout: Duration::from_secs(2),
            users: Vec::new(),
            block_defined: false,
            no_auth_user: None,
            usernames: HashSet::new(),
        }
    }
}

impl std::fmt::Debug for AuthOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthOptions")
            .field("user", &self.user)
            .field("timeout", &self.timeout)
            .field("users", &self.users)
            .field("no_auth_user", &self.no_auth_user)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("username", &self.username)
            .field("account", &self.account)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

/// Longest authentication time that earns no warning, seconds.
const LONG_TIMEOUT: f64 = 60.0;

/// Reads the `authorization` block of the top level.
pub(super) fn parse_authorization(
    node: &Node,
    auth: &mut AuthOptions,
    findings: &mut Findings,
) -> Result<(), ConfigIssue> {
    let block = map(node)?;
    let mut users = None;
    let mut default_permissions = None;
    auth.block_defined = true;
    let errors_before = findings.errors.len();
    each_key(block, findings, |key, raw, node, findings| {
        match key {
            "user" | "username" => auth.user = optional_text(node)?,
            "pass" | "password" => auth.password = optional_text(node)?,
            "token" => auth.token = optional_text(node)?,
            "timeout" => auth.timeout = timeout(node, raw, findings)?,
            "users" => users = Some(parse_users(node, findings)?),
            "default_permission" | "default_permissions" | "permissions" => {
                default_permissions = Some(Arc::new(parse_permissions(node, findings)?));
            }
            "auth_callout" | "auth_hook" => return issue(node, not_supported(raw)),
            "proxy_required" if flag(node)? => return issue(node, not_supported(raw)),
            "proxy_required" => {}
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    if findings.errors.len() > errors_before {
        return Ok(());
    }
    if (auth.user.is_some() || auth.password.is_some()) && auth.token.is_some() {
        return issue(node, "Cannot have a user/pass and token");
    }
    if users.is_some() || !auth.users.is_empty() {
        if auth.user.is_some() {
            return issue(node, "Can not have a single user/pass and a users array");
        }
        if auth.token.is_some() {
            return issue(node, "Can not have a token and a users array");
        }
    }
    let Some(mut users) = users else { return Ok(()) };
    apply_default_permissions(&mut users, default_permissions.as_ref());
    for user in users {
        auth.add_user(node, user)?;
    }
    Ok(())
}

impl AuthOptions {
    /// Whether clients must authenticate (`configureAuthorization` in `server/auth.go`).
    pub fn is_required(&self) -> bool {
        !self.users.is_empty() || self.user.is_some() || self.token.is_some()
    }

    /// Adds a user; names are unique over all accounts.
    pub(super) fn add_user(&mut self, at: &Node, user: User) -> Result<(), ConfigIssue> {
        if !self.usernames.insert(user.username.clone()) {
            let kind = match user.proof {
                Proof::Password => "user",
                Proof::Signature => "nkey",
            };
            return issue(at, format!("Duplicate {kind} {} detected", quoted(&user.username)));
        }
        self.users.push(user);
        Ok(())
    }
}

/// Gives users without permissions those of their block.
pub(super) fn apply_default_permissions(users: &mut [User], default: Option<&Arc<Permissions>>) {
    for user in users.iter_mut().filter(|user| user.permissions.is_none()) {
        user.permissions = default.cloned();
    }
}

fn timeout(node: &Node, key: &str, findings: &mut Findings) -> Result<Duration, ConfigIssue> {
    let seconds = match &node.value {
        Value::Int(seconds) => *seconds as f64,
        Value::Float(seconds) => *seconds,
        Value::Str(text) => match parse_nanos(text) {
            Ok(nanos) => nanos as f64 / 1e9,
            Err(error) => {
                return issue(
                    node,
                    format!("error parsing authorization config, 'timeout' {error}"),
                );
            }
        },
        _ => return issue(node, "error parsing authorization config, 'timeout' wrong type"),
    };
    if seconds > LONG_TIMEOUT {
        let text = format!(
            "timeout of {} ({seconds:.6} seconds) is high, consider keeping it under 60 seconds. \
             possibly caused by unquoted duration; use '1m' instead of 1m, for example",
            node.value
        );
        findings.warn_use(node, key, &text);
    }
    if seconds == 0.0 {
        return Ok(AuthOptions::default().timeout);
    }
    Duration::try_from_secs_f64(seconds)
        .or_else(|_| issue(node, "error parsing authorization config, 'timeout' is out of range"))
}

/// Reads a `users` array.
pub(super) fn parse_users(node: &Node, findings: &mut Findings) -> Result<Vec<User>, ConfigIssue> {
    let Value::Array(items) = &node.value else {
        return issue(node, format!("Expected users field to be an array, got {}", node.value));
    };
    let mut users = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Value::Map(entry) = &item.value else {
            let text = format!("Expected user entry to be a map/struct, got {}", item.value);
            findings.error(item, text);
            continue;
        };
        let errors_before = findings.errors.len();
        let (mut user, nkey) = parse_user(entry, findings);
        if findings.errors.len() > errors_before {
            continue;
        }
        let last = entry.iter().last().map_or(item, |(_, node)| node);
        match nkey.filter(|key| !key.is_empty()) {
            None if user.username.is_empty() => {
                return issue(last, "User entry requires a user");
            }
            None => {}
            Some(key) => {
                if !is_public_key(&key, nkeys::KeyPairType::User) {
                    return issue(last, "Not a valid public nkey for a user");
                }
                if !user.username.is_empty() || !user.password.is_empty() {
                    return issue(last, "Nkey users do not take usernames or passwords");
                }
                user.username = key;
                user.proof = Proof::Signature;
            }
        }
        users.push(user);
    }
    Ok(users)
}

/// A user, and its key if one is given.
fn parse_user(entry: &Map, findings: &mut Findings) -> (User, Option<String>) {
    let mut nkey = None;
    let mut user = User {
        username: String::new(),
        proof: Proof::Password,
        password: String::new(),
        permissions: None,
        account: None,
        allowed_connection_types: BTreeSet::new(),
    };
    each_key(entry, findings, |key, raw, node, findings| {
        match key {
            "nkey" => nkey = Some(text(node)?),
            "user" | "username" => user.username = text(node)?,
            "pass" | "password" => user.password = text(node)?,
            "permission" | "permissions" | "authorization" => {
                user.permissions = Some(Arc::new(parse_permissions(node, findings)?));
            }
            "allowed_connection_types" | "connection_types" | "clients" => {
                user.allowed_connection_types = connection_types(node, findings)?;
            }
            "proxy_required" if flag(node)? => return issue(node, not_supported(raw)),
            "proxy_required" => {}
            _ => return Ok(Key::Unknown),
        }
        Ok(Key::Known)
    });
    (user, nkey)
}

/// Whether a text is the public key of an account; only its form is looked at.
pub fn is_account_key(text: &str) -> bool {
    is_public_key(text, nkeys::KeyPairType::Account)
}

/// Whether a text is a public key of this kind.
pub(super) fn is_public_key(text: &str, kind: nkeys::KeyPairType) -> bool {
    nkeys::KeyPair::from_public_key(text).is_ok_and(|key| key.key_pair_type() == kind)
}

fn connection_types(
    node: &Node,
    findings: &mut Findings,
) -> Result<BTreeSet<ConnectionType>, ConfigIssue> {
    let mut known = BTreeSet::new();
    let mut unknown = Vec::new();
    for name in texts(node, "allowed connection types", findings)? {
        match ConnectionType::from_name(&name) {
            Some(kind) => drop(known.insert(kind)),
            None => unknown.push(quoted(&name.to_uppercase())),
        }
    }
    if unknown.is_empty() {
        Ok(known)
    } else {
        issue(node, format!("invalid connection types [{}]", unknown.join(" ")))
    }
}
