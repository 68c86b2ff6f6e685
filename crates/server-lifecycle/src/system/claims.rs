//! Requests about tokens of accounts, and their answers.

use serde::Serialize;

use super::Shared;
use super::envelope::{Server, json};
use crate::operator::ClaimsAnswer;

/// Status of what was done (`http.StatusOK`), and of what was not.
const DONE: u16 = 200;
const FAILED: u16 = 500;

/// An answer in its envelope (`ServerAPIClaimUpdateResponse`).
#[derive(Serialize)]
struct Answer {
    server: Server,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Serialize)]
struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    code: u16,
    message: String,
}

#[derive(Serialize)]
struct Failure {
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    code: u16,
    description: String,
}

#[derive(Serialize)]
struct Names {
    server: Server,
    data: Vec<String>,
}

impl Shared {
    /// Answers a request about tokens; `None` where it is about something else, or there is
    /// nothing to say.
    pub(super) fn about_claims(&self, subject: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let server = || self.server();
        match self.operator.as_ref()?.answer(subject, payload)? {
            ClaimsAnswer::Token(token) => Some(token.into_bytes()),
            ClaimsAnswer::Names(data) => json(&Names { server: server(), data }),
            ClaimsAnswer::Done { account, message } => {
                let data = Some(Status { account, code: DONE, message });
                json(&Answer { server: server(), data, error: None })
            }
            ClaimsAnswer::Failed { account, description } => {
                let error = Some(Failure { account, code: FAILED, description });
                json(&Answer { server: server(), data: None, error })
            }
        }
    }
}
