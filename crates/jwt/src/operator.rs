//! Claims about an operator.

use serde::Deserialize;

use crate::Common;
use crate::token::{self, DecodeError, Kind};

/// Claims about an operator (`OperatorClaims`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorClaims {
    /// Who it is; signed by itself.
    pub common: Common,
    /// Keys that sign in its name.
    pub signing_keys: Vec<String>,
    /// Where a server of account tokens answers.
    pub account_server_url: String,
    /// Public key of the system account.
    pub system_account: String,
    /// The least version of servers.
    pub assert_server_version: String,
    /// Its own key signs nothing but itself.
    pub strict_signing_key_usage: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Nats {
    signing_keys: Vec<String>,
    account_server_url: String,
    system_account: String,
    assert_server_version: String,
    strict_signing_key_usage: bool,
}

impl OperatorClaims {
    /// Decodes an operator's token.
    ///
    /// # Errors
    /// When it is malformed, not signed by its issuer, or none of an operator about an operator.
    pub fn decode(token: &str) -> Result<OperatorClaims, DecodeError> {
        let decoded = token::decode::<Nats>(token, Kind::Operator, |nats, version| {
            if version == 1 {
                nats.remove("assert_server_version");
                nats.remove("strict_signing_key_usage");
            }
        })?;
        let nats = decoded.nats;
        Ok(OperatorClaims {
            common: decoded.common,
            signing_keys: nats.signing_keys,
            account_server_url: nats.account_server_url,
            system_account: nats.system_account,
            assert_server_version: nats.assert_server_version,
            strict_signing_key_usage: nats.strict_signing_key_usage,
        })
    }

    /// The least version of servers, as numbers (`ParseServerVersion`).
    ///
    /// # Errors
    /// When it is no version; in the reference's words.
    pub fn asserted_version(&self) -> Result<[i64; 3], String> {
        let text = &*self.assert_server_version;
        if text.is_empty() {
            return Ok([0; 3]);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [major, minor, update] = *parts else {
            let form = "<major>.<minor>.<update>";
            return Err(format!("asserted server version must be of the form {form}"));
        };
        let mut version = [0; 3];
        for (number, part) in version.iter_mut().zip([major, minor, update]) {
            *number = part
                .parse()
                .map_err(|_| format!("asserted server version cant parse {part} to int"))?;
        }
        if version.iter().any(|number| *number < 0) {
            return Err(format!("asserted server version can'b contain negative values: {text}"));
        }
        Ok(version)
    }
}
