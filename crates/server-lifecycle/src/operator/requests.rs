//! Tokens of accounts that somebody brings, asks for, or takes away by way of the system account.
//!
//! Wire source: `(*DirAccResolver).Start`, `handleListRequest`, `handleDeleteRequest` in
//! `server/accounts.go`, `accountClaimUpdate` in `server/events.go`.

use account::now_unix_s;
use config_validate::options::{Deletion, is_account_key};
use jwt::{AccountClaims, GenericClaims};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tokens::Directory;
use super::{NoToken, OperatorMode, Update};

/// The answer to a request about tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClaimsAnswer {
    /// It is done.
    Done {
        /// The account it was about, if it was one.
        account: String,
        message: String,
    },
    /// It is not.
    Failed {
        /// The account it was about, if it was one.
        account: String,
        description: String,
    },
    /// The names of all accounts.
    Names(Vec<String>),
    /// A token, or nothing where there is none.
    Token(String),
    /// Names and tokens (`NAME|TOKEN`), each in a message of its own, and then an empty one.
    Pack(Vec<String>),
}

/// Subjects of requests that every operator mode serves, and those about a directory.
const SUBJECTS: [&str; 2] = ["$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.ACCOUNT.*.CLAIMS.UPDATE"];
const DIRECTORY_SUBJECTS: [&str; 5] = [
    "$SYS.REQ.CLAIMS.PACK",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.CLAIMS.LIST",
    "$SYS.REQ.CLAIMS.DELETE",
    "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP",
];

const UPDATE_FAILED: &str = "jwt update resulted in error";

impl ClaimsAnswer {
    fn done(account: &str, message: &str) -> Self {
        tracing::debug!("{message} - {account}");
        ClaimsAnswer::Done { account: account.to_owned(), message: message.to_owned() }
    }

    fn failed(account: &str, message: &str, error: &str) -> Self {
        tracing::error!("{message} - {account} - {error}");
        let description = format!("{message} - {error}");
        ClaimsAnswer::Failed { account: account.to_owned(), description }
    }
}

impl OperatorMode {
    /// Subjects in the system account whose requests [`Self::answer`] takes.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &'static str> {
        let of_directory = self.tokens.directory().map(|_| DIRECTORY_SUBJECTS);
        SUBJECTS.into_iter().chain(of_directory.into_iter().flatten())
    }

    /// Answers a request; `None` where it is about nothing here. Blocks.
    pub(crate) fn answer(&self, subject: &str, payload: &[u8]) -> Option<ClaimsAnswer> {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let tokens: Vec<&str> = subject.split('.').collect();
        match *tokens {
            ["$SYS", "REQ", "ACCOUNT", name, "CLAIMS", "UPDATE"]
            | ["$SYS", "ACCOUNT", name, "CLAIMS", "UPDATE"] => Some(self.on_update(name, text)),
            ["$SYS", "REQ", "CLAIMS", "UPDATE"] => Some(self.on_any_update(text)),
            ["$SYS", "REQ", "ACCOUNT", name, "CLAIMS", "LOOKUP"] => self.on_lookup(name),
            ["$SYS", "REQ", "CLAIMS", "LIST"] => on_list(self.tokens.directory()?),
            ["$SYS", "REQ", "CLAIMS", "PACK"] => on_pack(self.tokens.directory()?, payload),
            ["$SYS", "REQ", "CLAIMS", "DELETE"] => {
                Some(self.on_delete(self.tokens.directory()?, text))
            }
            _ => None,
        }
    }

    fn on_update(&self, name: &str, token: &str) -> ClaimsAnswer {
        if token.is_empty() && self.tokens.directory().is_none() {
            return ClaimsAnswer::failed(name, "jwt update error", "request body is empty");
        }
        let claims = match AccountClaims::decode(token) {
            Ok(claims) => claims,
            Err(error) => {
                let about = if self.tokens.directory().is_some() { "n/a" } else { name };
                return ClaimsAnswer::failed(about, UPDATE_FAILED, &error.to_string());
            }
        };
        if self.tokens.directory().is_some()
            && let Some(wrong) = problems(&claims)
        {
            return ClaimsAnswer::failed(&claims.common.subject, "jwt validation failed", &wrong);
        }
        if claims.common.subject != name {
            let error = "subject does not match jwt content";
            return ClaimsAnswer::failed(name, UPDATE_FAILED, error);
        }
        self.take(&claims, token)
    }

    fn on_any_update(&self, token: &str) -> ClaimsAnswer {
        let claims = match AccountClaims::decode(token) {
            Ok(claims) => claims,
            Err(error) => {
                return ClaimsAnswer::failed("n/a", UPDATE_FAILED, &error.to_string());
            }
        };
        if let Some(wrong) = problems(&claims) {
            return ClaimsAnswer::failed(&claims.common.subject, "jwt validation failed", &wrong);
        }
        self.take(&claims, token)
    }

    /// Keeps a token, and follows it. What no trusted operator signed is not kept: it would take
    /// the place of what one did.
    fn take(&self, claims: &AccountClaims, token: &str) -> ClaimsAnswer {
        let name = &claims.common.subject;
        let failed = |error: &str| ClaimsAnswer::failed(name, UPDATE_FAILED, error);
        if let Some(error) = self.objection(claims) {
            return failed(error);
        }
        // A token is kept and followed before the next one is.
        let _turn = self.taking.lock();
        if self.tokens.directory().is_some()
            && let Err(error) = self.tokens.save(name, token)
        {
            return failed(&error);
        }
        match (self.update(name, token), self.tokens.directory()) {
            (Err(error), _) => failed(&error.to_string()),
            (Ok(Update::Skipped), None) => ClaimsAnswer::done(name, "jwt update skipped"),
            (Ok(_), _) => ClaimsAnswer::done(name, "jwt updated"),
        }
    }

    fn objection(&self, claims: &AccountClaims) -> Option<&'static str> {
        let options = self.options.load();
        let issuer = &claims.common.issuer;
        let strict = options
            .operator
            .operators
            .iter()
            .any(|op| op.strict_signing_key_usage && op.common.subject == *issuer);
        if strict {
            return Some("operator requires issuer to be a signing key");
        }
        (!options.operator.keys().contains(issuer)).then_some("account validation failed")
    }

    fn on_lookup(&self, name: &str) -> Option<ClaimsAnswer> {
        match self.tokens.fetch(name) {
            Ok(token) => Some(ClaimsAnswer::Token(token)),
            Err(NoToken::Missing) => Some(ClaimsAnswer::Token(String::new())),
            Err(error) => {
                tracing::error!("DirResolver - Error looking up account {name:?}: {error}");
                None
            }
        }
    }

    fn on_delete(&self, directory: &Directory, request: &str) -> ClaimsAnswer {
        let (by, names) = match self.accounts_to_delete(directory, request) {
            Ok(names) => names,
            Err((by, error)) => {
                let message = format!("delete accounts request by {by} failed");
                return ClaimsAnswer::failed("", &message, &error);
            }
        };
        tracing::debug!("delete accounts request by {by}");
        let _turn = self.taking.lock();
        let (mut gone, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match directory.delete(&name) {
                Ok(()) => gone.push(name),
                Err(error) => errors.push(error),
            }
        }
        self.remove(&gone);
        let count = gone.len();
        if errors.is_empty() {
            return ClaimsAnswer::done("", &format!("deleted {count} accounts"));
        }
        let message = format!("deleted {count} accounts, failed for {}", errors.len());
        ClaimsAnswer::failed("", &message, &errors.join("\n"))
    }

    /// Who asks, and for which accounts; or who asks, and why that may not be.
    fn accounts_to_delete(
        &self,
        directory: &Directory,
        request: &str,
    ) -> Result<(String, Vec<String>), (String, String)> {
        let claims = GenericClaims::decode(request);
        let claims = claims.map_err(|error| (String::new(), error.to_string()))?;
        let by = claims.common.subject.clone();
        let refuse = |error: &str| Err((by.clone(), error.to_owned()));
        let options = self.options.load();
        if directory.deletion() == Deletion::Refused {
            return refuse("delete must be enabled in server config");
        }
        if by != claims.common.issuer {
            return refuse("not self signed");
        }
        if !options.operator.keys().contains(&by) {
            return refuse("not trusted");
        }
        let Some(Value::Array(list)) = claims.nats.get("accounts") else {
            return refuse("malformed request");
        };
        let mut names = Vec::with_capacity(list.len());
        for name in list {
            match name.as_str() {
                Some(name) if Some(name) == options.system_account.as_deref() => {
                    return refuse("not allowed to delete system account");
                }
                Some(name) if is_account_key(name) => names.push(name.to_owned()),
                _ => return refuse("malformed request"),
            }
        }
        Ok((by, names))
    }
}

/// All tokens, unless whoever asks has the same already: it says so by a hash over them.
fn on_pack(directory: &Directory, their_hash: &[u8]) -> Option<ClaimsAnswer> {
    let tokens = match directory.current() {
        Ok(tokens) => tokens,
        Err(error) => {
            tracing::error!("DirResolver - Pack request error: {error}");
            return None;
        }
    };
    let mut hash = [0; 32];
    for (_, token) in &tokens {
        let own = Sha256::digest(token.as_bytes());
        hash.iter_mut().zip(own).for_each(|(all, own)| *all ^= own);
    }
    if their_hash == hash {
        return Some(ClaimsAnswer::Pack(Vec::new()));
    }
    let lines = tokens.into_iter().map(|(name, token)| format!("{name}|{token}"));
    Some(ClaimsAnswer::Pack(lines.collect()))
}

fn on_list(directory: &Directory) -> Option<ClaimsAnswer> {
    match directory.current() {
        Ok(tokens) => {
            let names = tokens.into_iter().map(|(name, _)| name);
            Some(ClaimsAnswer::Names(names.collect()))
        }
        Err(error) => {
            tracing::error!("list request error: {error}");
            None
        }
    }
}

/// What is wrong with claims whatever the time.
fn problems(claims: &AccountClaims) -> Option<String> {
    let issues = claims.check(now_unix_s());
    let errors: Vec<&str> = issues.errors().collect();
    (!errors.is_empty()).then(|| format!("validation errors: [{}]", errors.join(" ")))
}
