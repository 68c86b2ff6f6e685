//! Public keys, signing keys of accounts and their scopes, signatures.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::Issues;
use crate::user::{UserLimits, unlimited_if_absent};

/// Whether a text is a public key of this kind.
pub fn is_key(text: &str, kind: KeyPairType) -> bool {
    KeyPair::from_public_key(text).is_ok_and(|key| key.key_pair_type() == kind)
}

/// Whether `signature` (base64, of either alphabet) is that of `key` over `nonce`.
///
/// # Errors
/// When it is not; the text is for the log.
pub fn verify_nonce(key: &str, nonce: &str, signature: &str) -> Result<(), &'static str> {
    if signature.is_empty() {
        return Err("Signature missing");
    }
    if nonce.is_empty() {
        // Nothing was given to sign: whatever this is, it is not an answer.
        return Err("Signature not verified");
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(signature)
        .or_else(|_| STANDARD.decode(signature))
        .map_err(|_| "Signature not valid base64")?;
    let key = KeyPair::from_public_key(key).map_err(|_| "User nkey not valid")?;
    key.verify(nonce.as_bytes(), &bytes).map_err(|_| "Signature not verified")
}

/// The keys that sign in an account's name, with the scope of those that have one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningKeys(BTreeMap<String, Option<UserScope>>);

/// What users signed with a key may do, whoever they are (`UserScope`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UserScope {
    /// The signing key.
    pub key: String,
    /// A name for people.
    pub role: String,
    /// What its users get.
    pub template: UserLimits,
}

impl SigningKeys {
    /// A signing key: whether it is one, and its scope if it has one.
    pub fn get(&self, key: &str) -> Option<Option<&UserScope>> {
        self.0.get(key).map(Option::as_ref)
    }

    pub(crate) fn check(&self, issues: &mut Issues) {
        for (key, scope) in &self.0 {
            match scope {
                Some(scope) if !is_key(&scope.key, KeyPairType::Account) => {
                    issues.error(format!("{} is not an account public key", scope.key));
                }
                None if !is_key(key, KeyPairType::Account) => {
                    issues.error(format!("{key:?} is not a valid account signing key"));
                }
                _ => {}
            }
        }
    }
}

impl<'de> Deserialize<'de> for SigningKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = BTreeMap::new();
        for entry in Vec::<Value>::deserialize(deserializer)? {
            match entry {
                Value::String(key) => drop(keys.insert(key, None)),
                Value::Object(mut scope) => {
                    if scope.get("kind").and_then(Value::as_str) != Some("user_scope") {
                        let found = scope.get("kind").unwrap_or(&Value::Null);
                        let text = format!("unknown signing key scope {found}");
                        return Err(de::Error::custom(text));
                    }
                    let template = scope
                        .entry("template")
                        .or_insert_with(|| Value::Object(Default::default()));
                    if let Value::Object(template) = template {
                        unlimited_if_absent(template);
                    }
                    let scope = UserScope::deserialize(Value::Object(scope));
                    let scope = scope.map_err(de::Error::custom)?;
                    keys.insert(scope.key.clone(), Some(scope));
                }
                // The reference skips what is neither.
                _ => {}
            }
        }
        Ok(SigningKeys(keys))
    }
}
