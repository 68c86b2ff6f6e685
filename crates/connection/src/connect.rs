//! CONNECT: who is it, and what does it want.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use account::{AuthError, Credentials, ReplyPermissions, UserSession};
use config_validate::options::ConnectionType;
use serde_json::Value;
use wire::{CloseReason, Gate, HeaderSupport};

use crate::info::PROTO_INFO;
use crate::session::{Publishing, Session, Stage};
use crate::stats::add;

/// What CONNECT said; fields it left out keep what they were before (`server/client.go`
/// `ClientOpts`, `defaultOpts`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectOptions {
    pub(crate) verbose: bool,
    pub(crate) pedantic: bool,
    pub(crate) echo: bool,
    pub(crate) headers: bool,
    pub(crate) no_responders: bool,
    pub(crate) protocol: i64,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) token: String,
    pub(crate) nkey: String,
    pub(crate) jwt: String,
    pub(crate) signature: String,
    pub(crate) name: String,
    pub(crate) lang: String,
    pub(crate) version: String,
    pub(crate) account: String,
    pub(crate) new_account: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            user: String::new(),
            password: String::new(),
            token: String::new(),
            nkey: String::new(),
            jwt: String::new(),
            signature: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            account: String::new(),
            new_account: false,
        }
    }
}

/// A CONNECT body that cannot be used; the connection ends without a word.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadConnect {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    #[error("json: cannot unmarshal CONNECT, which is no object")]
    NotAnObject,
    #[error("json: cannot unmarshal CONNECT field {0:?} into its type")]
    FieldType(String),
}

impl ConnectOptions {
    /// Takes over what a CONNECT body says. Field names match in any case, `null` says nothing,
    /// and unknown fields are skipped, as Go's decoder has it.
    pub(crate) fn merge(&mut self, body: &[u8]) -> Result<(), BadConnect> {
        let fields = match serde_json::from_slice(body)? {
            Value::Object(fields) => fields,
            Value::Null => return Ok(()),
            _ => return Err(BadConnect::NotAnObject),
        };
        for (name, value) in fields {
            if !self.set(&name.to_ascii_lowercase(), value) {
                return Err(BadConnect::FieldType(name));
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) -> bool {
        match name {
            "verbose" => flag(&mut self.verbose, &value),
            "pedantic" => flag(&mut self.pedantic, &value),
            "echo" => flag(&mut self.echo, &value),
            "headers" => flag(&mut self.headers, &value),
            "no_responders" => flag(&mut self.no_responders, &value),
            "new_account" => flag(&mut self.new_account, &value),
            "tls_required" => flag(&mut false, &value),
            "protocol" => match value {
                Value::Null => true,
                value => value.as_i64().map(|number| self.protocol = number).is_some(),
            },
            "user" => text(&mut self.user, value),
            "pass" => text(&mut self.password, value),
            "auth_token" => text(&mut self.token, value),
            "name" => text(&mut self.name, value),
            "lang" => text(&mut self.lang, value),
            "version" => text(&mut self.version, value),
            "account" => text(&mut self.account, value),
            "nkey" => text(&mut self.nkey, value),
            "jwt" => text(&mut self.jwt, value),
            "sig" => text(&mut self.signature, value),
            "proxy_sig" | "remote_account" => text(&mut String::new(), value),
            _ => true,
        }
    }

    /// What it presents; `told` is what it was told before, and `peer` where it comes from.
    fn credentials<'a>(&'a self, nonce: Option<&'a str>, peer: IpAddr) -> Credentials<'a> {
        Credentials {
            user: &self.user,
            password: &self.password,
            token: &self.token,
            nkey: &self.nkey,
            jwt: &self.jwt,
            signature: &self.signature,
            nonce: nonce.unwrap_or_default(),
            from: Some(peer),
        }
    }
}

/// A CONNECT body for the log, without its secrets.
pub(crate) fn redacted(body: &[u8]) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return "(no JSON object)".to_owned();
    };
    for (name, value) in &mut fields {
        let name = name.to_ascii_lowercase();
        let secret = name.starts_with("pass") || name.starts_with("auth_token");
        if secret || matches!(&*name, "nkey" | "sig" | "proxy_sig" | "jwt") {
            *value = Value::from("[REDACTED]");
        }
    }
    Value::Object(fields).to_string()
}

fn flag(field: &mut bool, value: &Value) -> bool {
    match value {
        Value::Null => true,
        value => value.as_bool().map(|on| *field = on).is_some(),
    }
}

fn text(field: &mut String, value: Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => {
            *field = text;
            true
        }
        _ => false,
    }
}

impl Session {
    /// Handles CONNECT (`server/client.go` `processConnect`). Waits only while a password hash is
    /// computed elsewhere.
    pub(crate) async fn connect(&mut self, body: &[u8]) -> Result<(), CloseReason> {
        self.auth_due_ns = None;
        let now_ns = self.now_ns;
        self.conn.last_activity_ns.store(now_ns, Ordering::Relaxed);
        self.conn.rtt_ns.store(now_ns.saturating_sub(self.conn.start_ns).max(1), Ordering::Relaxed);
        self.pings.connected(now_ns, self.conn.id());
        let again = self.stage != Stage::New;
        if let Err(error) = self.connect.merge(body) {
            self.log_error(&error.to_string());
            return Err(CloseReason::ProtocolViolation);
        }
        if !again {
            self.stage = Stage::Connected;
        }
        self.parser.set_gate(Gate::Open);
        self.sink.set_echo(self.connect.echo);
        let headers = match (self.options.headers, self.connect.headers) {
            (HeaderSupport::Enabled, true) => HeaderSupport::Enabled,
            _ => HeaderSupport::Disabled,
        };
        self.sink.set_headers(headers == HeaderSupport::Enabled);
        if again {
            // It may come back in another account.
            self.drop_subscriptions();
        }
        let named_account = self.connect.new_account || !self.connect.account.is_empty();
        match self.authenticate().await {
            Ok(user) if !named_account => self.become_user(&user, headers)?,
            Ok(_) => return Err(self.on_auth_violation()),
            Err(error) => {
                tracing::debug!("{} - {error}", self.label);
                return Err(self.on_auth_violation());
            }
        }
        if !(0..=PROTO_INFO).contains(&self.connect.protocol) {
            self.log_error(wire::err::INVALID_CLIENT_PROTOCOL);
            let reason = CloseReason::BadClientProtocolVersion;
            return Err(self.reject(wire::err::INVALID_CLIENT_PROTOCOL, reason));
        }
        if self.connect.no_responders && headers == HeaderSupport::Disabled {
            self.log_error(wire::err::NO_RESPONDERS_REQUIRES_HEADERS);
            let reason = CloseReason::NoRespondersRequiresHeaders;
            return Err(self.reject(wire::err::NO_RESPONDERS_REQUIRES_HEADERS, reason));
        }
        self.confirm();
        Ok(())
    }

    /// The client starts with something else than CONNECT: with a user that stands in for those
    /// without credentials it may (`server/parser.go` `parse`, state `OP_START`).
    pub(crate) fn admit_without_connect(&mut self) -> Result<(), CloseReason> {
        let accounts = self.ctx.accounts.load_full();
        let Some(user) = accounts.stand_in(ConnectionType::Standard) else {
            return Err(self.on_auth_violation());
        };
        self.auth_due_ns = None;
        self.stage = Stage::Connected;
        self.parser.set_gate(Gate::Open);
        self.become_user(&user, HeaderSupport::Disabled)
    }

    pub(crate) async fn authenticate(&self) -> Result<Arc<UserSession>, AuthError> {
        let outcome = self.check_credentials().await;
        if let Err(AuthError::UnknownAccount(name)) = &outcome
            && self.ctx.load_account(name.clone()).await
        {
            return self.check_credentials().await;
        }
        outcome
    }

    async fn check_credentials(&self) -> Result<Arc<UserSession>, AuthError> {
        let accounts = self.ctx.accounts.load_full();
        let peer = self.conn.peer.ip();
        let credentials = self.connect.credentials(self.nonce.as_deref(), peer);
        if !accounts.is_slow(&credentials) {
            return accounts.authenticate(&credentials, ConnectionType::Standard);
        }
        let (given, nonce) = (self.connect.clone(), self.nonce.clone());
        let check = move || {
            let credentials = given.credentials(nonce.as_deref(), peer);
            accounts.authenticate(&credentials, ConnectionType::Standard)
        };
        match tokio::task::spawn_blocking(check).await {
            Ok(outcome) => outcome,
            Err(_) => Err(AuthError::WrongCredentials),
        }
    }

    fn become_user(
        &mut self,
        user: &Arc<UserSession>,
        headers: HeaderSupport,
    ) -> Result<(), CloseReason> {
        let stays = self
            .membership
            .as_ref()
            .is_some_and(|membership| Arc::ptr_eq(membership.account(), &user.account));
        if !stays {
            self.membership = None;
            match user.account.join() {
                Ok(membership) => self.membership = Some(membership),
                Err(error) => {
                    self.log_error(&error.to_string());
                    let text = wire::err::MAXIMUM_ACCOUNT_CONNECTIONS_EXCEEDED;
                    return Err(self.reject(text, CloseReason::MaxAccountConnectionsExceeded));
                }
            }
        }
        self.account = Arc::clone(&user.account);
        self.space = Arc::clone(user.account.space());
        self.sink.set_deny(None);
        self.take_permissions(user);
        self.apply_limits(headers);
        let known = user.user.as_deref().filter(|_| user.is_public()).unwrap_or_default();
        let name = match (&self.connect.nkey, &self.connect.user, &self.connect.token) {
            (nkey, _, _) if !nkey.is_empty() => nkey.clone(),
            (_, user, _) if !user.is_empty() => user.clone(),
            _ if user.claimed.is_some() => known.to_owned(),
            (_, _, token) if !token.is_empty() => "[REDACTED]".to_owned(),
            _ => known.to_owned(),
        };
        self.relabel(&name);
        let mut details = self.conn.details.lock();
        details.account = Arc::clone(&self.account);
        details.user = name;
        details.claimed.clone_from(&user.claimed);
        details.name.clone_from(&self.connect.name);
        details.lang.clone_from(&self.connect.lang);
        details.version.clone_from(&self.connect.version);
        details.protocol = self.connect.protocol;
        Ok(())
    }

    /// From now on it is this user.
    pub(crate) fn take_permissions(&mut self, user: &Arc<UserSession>) {
        self.user = Some(Arc::clone(user));
        let until = user.claimed.as_ref().and_then(|claimed| claimed.until());
        self.expiry = until.map(|(time, whose)| (self.ctx.ns_of_wall(time), whose));
        self.permissions = user.permissions.clone();
        let replies = self.permissions.as_ref().and_then(ReplyPermissions::new);
        self.sink.set_reply_permits(replies.as_ref().map(|replies| replies.grants()));
        self.publishing = Publishing {
            restricted: self.permissions.as_ref().is_some_and(|p| p.restricts_publish()),
            known: Default::default(),
            replies,
        };
    }

    /// Makes the name that the log uses, as nats-server's log has it.
    fn relabel(&mut self, user: &str) {
        let mut about = String::new();
        if !self.connect.version.is_empty() {
            about = format!("v{}", self.connect.version);
        }
        for part in [&self.connect.lang, &self.connect.name] {
            if !part.is_empty() {
                let colon = if about.is_empty() { "" } else { ":" };
                about = format!("{about}{colon}{part}");
            }
        }
        self.label = format!("{} - cid:{}", self.conn.peer, self.conn.id());
        if !about.is_empty() {
            self.label.push_str(&format!(" - {about:?}"));
        }
        if !user.is_empty() {
            let claimed = self.user.as_ref().is_some_and(|user| user.claimed.is_some());
            let kind = if !self.connect.nkey.is_empty() || claimed {
                format!("nkey:{user}")
            } else if self.connect.user.is_empty() && user == "[REDACTED]" {
                "token".to_owned()
            } else {
                format!("user:{user}")
            };
            self.label.push_str(&format!(" - {:?}", format!("{}/{kind}", self.account.name())));
        }
    }

    /// The client is turned away (`server/client.go` `authViolation`).
    #[cold]
    pub(crate) fn on_auth_violation(&mut self) -> CloseReason {
        add(&self.ctx.stats.auth_errors, 1);
        let nkey = &self.connect.nkey;
        let who = match (&self.connect.user, &self.connect.token) {
            _ if !nkey.is_empty() => format!(" - Nkey {nkey:?}"),
            (user, _) if !user.is_empty() => format!(" - User {user:?}"),
            (_, token) if !token.is_empty() => " - Token \"[REDACTED]\"".to_owned(),
            _ => String::new(),
        };
        self.log_error(&format!("authentication error{who}"));
        self.reject(wire::err::AUTHORIZATION_VIOLATION, CloseReason::AuthenticationViolation)
    }
}
