//! Keys and tokens of an operator, its accounts and their users, made up for one test.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Map, Value, json};

use crate::Raw;

/// An operator: signs accounts.
pub struct Operator {
    pub key: KeyPair,
}

/// An account of the operator.
pub struct Tenant {
    pub key: KeyPair,
    /// What its token says, `nats` of it.
    pub nats: Value,
    pub name: &'static str,
    /// When its token was issued.
    pub issued_at: i64,
}

/// A user of an account: its token, and the key to sign with.
pub struct Login {
    pub key: KeyPair,
    pub jwt: String,
}

/// Seconds since 1970.
pub fn unix_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// An object with the fields of both; those of the second win.
pub fn merged(mut first: Value, second: &Value) -> Value {
    for (name, value) in second.as_object().unwrap() {
        first[name] = value.clone();
    }
    first
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("claims are an object, not {other}"),
    }
}

/// A signed token; fields of `top` besides subject and `nats`.
pub fn token(issuer: &KeyPair, subject: &str, top: &Value, nats: &Value) -> String {
    let claims = json!({"sub": subject, "iat": unix_s(), "jti": subject, "nats": nats});
    jwt::encode(fields(merged(claims, top)), issuer).unwrap()
}

impl Operator {
    pub fn new() -> Self {
        Operator { key: KeyPair::new_operator() }
    }

    pub fn public(&self) -> String {
        self.key.public_key()
    }

    /// Its own token, with more in `nats`.
    pub fn jwt(&self, nats: &Value) -> String {
        let nats = merged(json!({"type": "operator"}), nats);
        token(&self.key, &self.public(), &json!({"name": "O"}), &nats)
    }

    /// The token of an account.
    pub fn sign(&self, account: &Tenant) -> String {
        self.sign_with(&self.key, account, &json!({}))
    }

    /// The token of an account, signed by another key, or with more at the top.
    pub fn sign_with(&self, key: &KeyPair, account: &Tenant, top: &Value) -> String {
        let top = merged(json!({"name": account.name, "iat": account.issued_at}), top);
        token(key, &account.public(), &top, &account.nats)
    }
}

impl Default for Operator {
    fn default() -> Self {
        Operator::new()
    }
}

impl Tenant {
    /// Without limits, and without JetStream.
    pub fn new(name: &'static str) -> Self {
        Tenant::with_limits(name, &json!({}))
    }

    /// With these limits besides.
    pub fn with_limits(name: &'static str, limits: &Value) -> Self {
        let unlimited = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1});
        let nats = json!({"type": "account", "limits": merged(unlimited, limits)});
        Tenant { key: KeyPair::new_account(), nats, name, issued_at: unix_s() }
    }

    pub fn public(&self) -> String {
        self.key.public_key()
    }

    /// A user that may do everything.
    pub fn user(&self) -> Login {
        self.user_with(&self.key, &json!({}), &json!({}))
    }

    /// A user signed by a key, with more at the top and in `nats`.
    pub fn user_with(&self, signer: &KeyPair, top: &Value, nats: &Value) -> Login {
        let all = json!({"type": "user", "subs": -1, "data": -1, "payload": -1});
        self.bare_user(signer, top, &merged(all, nats))
    }

    /// A user of which `nats` says nothing else.
    pub fn bare_user(&self, signer: &KeyPair, top: &Value, nats: &Value) -> Login {
        let key = KeyPair::new_user();
        let mut nats = nats.clone();
        if signer.public_key() != self.public() {
            nats["issuer_account"] = self.public().into();
        }
        let jwt = token(signer, &key.public_key(), &merged(json!({"name": "U"}), top), &nats);
        Login { key, jwt }
    }
}

impl Login {
    pub fn public(&self) -> String {
        self.key.public_key()
    }

    /// The fields of CONNECT that answer a nonce.
    pub fn fields(&self, nonce: &str) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(nonce.as_bytes()).unwrap());
        format!("\"jwt\":\"{}\",\"sig\":\"{signature}\"", self.jwt)
    }

    /// Connects and says who it is; what the server thinks of it is not read.
    pub fn dial(&self, port: u16) -> Raw {
        let mut raw = Raw::connect_port(port);
        let nonce = raw.info["nonce"].as_str().unwrap_or_default().to_owned();
        raw.send(connect(&self.fields(&nonce)));
        raw
    }

    /// A client that was let in.
    #[track_caller]
    pub fn client(&self, port: u16) -> Raw {
        let mut raw = self.dial(port);
        let came = raw.sync();
        assert!(came.is_empty(), "it is let in: {came:?}");
        raw
    }

    /// What the server says to it before it closes.
    pub fn refused(&self, port: u16) -> String {
        let mut raw = self.dial(port);
        raw.try_send("PING\r\n");
        raw.rest()
    }
}

/// A quiet CONNECT with more fields.
pub fn connect(fields: &str) -> String {
    format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,{fields}}}\r\n"
    )
}
