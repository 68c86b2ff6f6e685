//! What all claims have in common.

use serde::Deserialize;

use crate::Issues;

/// A time as tokens have it: seconds since 1970.
pub type UnixSeconds = i64;

/// Who a token is about, who says so, and from when to when (`ClaimsData`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Common {
    /// Whom it is for.
    #[serde(rename = "aud")]
    pub audience: String,
    /// When it ends; 0 is never.
    #[serde(rename = "exp")]
    pub expires: UnixSeconds,
    /// Its id: a hash of these fields.
    #[serde(rename = "jti")]
    pub id: String,
    /// When it was issued.
    #[serde(rename = "iat")]
    pub issued_at: UnixSeconds,
    /// Public key of who issued it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// A name for people.
    pub name: String,
    /// When it begins; 0 is at once.
    #[serde(rename = "nbf")]
    pub not_before: UnixSeconds,
    /// Public key of whom it is about.
    #[serde(rename = "sub")]
    pub subject: String,
}

impl Common {
    /// Checks the times.
    pub(crate) fn check(&self, now: UnixSeconds, issues: &mut Issues) {
        if self.expires > 0 && now > self.expires {
            issues.time("claim is expired");
        }
        if self.not_before > 0 && self.not_before > now {
            issues.time("claim is not yet valid");
        }
    }
}
