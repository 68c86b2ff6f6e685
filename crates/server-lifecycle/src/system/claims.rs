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
    /// Answers a request about tokens, by one message or several.
    pub(super) fn about_claims(&self, subject: &str, payload: &[u8]) -> Vec<Vec<u8>> {
        let answer = self.operator.as_ref().and_then(|mode| mode.answer(subject, payload));
        match answer {
            Some(ClaimsAnswer::Pack(lines)) => {
                let end = std::iter::once(Vec::new());
                lines.into_iter().map(String::into_bytes).chain(end).collect()
            }
            Some(answer) => self.claims_message(answer).into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn claims_message(&self, answer: ClaimsAnswer) -> Option<Vec<u8>> {
        let server = || self.server();
        match answer {
            ClaimsAnswer::Pack(_) => None,
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
