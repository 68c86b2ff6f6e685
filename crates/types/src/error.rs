//! One JetStream API error, as a client sees it.

use serde::{Deserialize, Serialize};

/// A row of the error table in [`crate::errors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiErrorDef {
    /// HTTP-like status.
    pub code: u16,
    /// Stable number that clients branch on.
    pub err_code: u16,
    /// Text, possibly with `{placeholders}`.
    pub description: &'static str,
}

impl ApiErrorDef {
    /// The error with its text as it stands.
    pub fn err(self) -> ApiError {
        ApiError { code: self.code, err_code: self.err_code, description: self.description.into() }
    }

    /// The error with its placeholder (whatever its name) replaced by `value`.
    pub fn with(self, value: impl std::fmt::Display) -> ApiError {
        self.with_all(&[&value])
    }

    /// The error with its placeholders replaced by `values`, in the order they stand in the text.
    pub fn with_all(self, values: &[&dyn std::fmt::Display]) -> ApiError {
        let mut text = String::with_capacity(self.description.len() + 32);
        let mut rest = self.description;
        for value in values {
            let (Some(open), Some(close)) = (rest.find('{'), rest.find('}')) else { break };
            text.push_str(rest.get(..open).unwrap_or_default());
            text.push_str(&value.to_string());
            rest = rest.get(close + 1..).unwrap_or_default();
        }
        text.push_str(rest);
        ApiError { code: self.code, err_code: self.err_code, description: text }
    }
}

impl From<ApiErrorDef> for ApiError {
    fn from(def: ApiErrorDef) -> Self {
        def.err()
    }
}

/// The `error` object of a JetStream API reply (`server/jetstream_errors.go` `ApiError`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub struct ApiError {
    /// HTTP-like status.
    pub code: u16,
    /// Stable number that clients branch on; 0 is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub err_code: u16,
    /// Text for people; empty is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl ApiError {
    /// Whether this is the error of that table row.
    pub fn is(&self, def: ApiErrorDef) -> bool {
        self.err_code == def.err_code
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &u16) -> bool {
    *n == 0
}
