//! Claims that let an account import.

use nkeys::KeyPairType;
use serde::Deserialize;

use crate::token::{self, DecodeError, Kind};
use crate::{Common, ExportKind, Issues, is_key, subjects};

/// Permission to import, given by the exporting account (`ActivationClaims`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationClaims {
    /// The importer, and who permits it.
    pub common: Common,
    /// What may be imported.
    pub subject: String,
    /// Whether that is a stream or a service.
    pub kind: ExportKind,
    /// The account in whose name a signing key issued this; empty when the account itself did.
    pub issuer_account: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nats {
    subject: String,
    kind: ExportKind,
    issuer_account: String,
}

impl ActivationClaims {
    /// Decodes an activation token.
    ///
    /// # Errors
    /// When it is malformed, not signed by its issuer, or no activation.
    pub fn decode(token: &str) -> Result<ActivationClaims, DecodeError> {
        let decoded = token::decode::<Nats>(token, Kind::Activation, |nats, version| {
            // The kind of import gave way to the kind of claims.
            if version == 1
                && let Some(kind) = nats.remove("type")
            {
                nats.insert("kind".to_owned(), kind);
            }
        })?;
        let Nats { subject, kind, issuer_account } = decoded.nats;
        Ok(ActivationClaims { common: decoded.common, subject, kind, issuer_account })
    }

    /// What is wrong with it, times aside.
    pub(crate) fn check(&self, issues: &mut Issues) {
        if self.kind == ExportKind::Unknown {
            issues.error("invalid import type: \"unknown\"");
        }
        subjects::check(&self.subject, issues);
        if !self.issuer_account.is_empty() && !is_key(&self.issuer_account, KeyPairType::Account) {
            issues.error("account_id is not an account public key");
        }
    }
}
