//! Parameters of a request's URL.

use std::borrow::Cow;

/// A parameter that is not what it should be; the text is the body of the 400 answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(pub String);

/// The parameters of a request's URL (`server/monitor.go` `decodeBool` and its like).
pub(crate) struct Query<'a> {
    raw: &'a str,
}

impl<'a> Query<'a> {
    /// Reads `a=1&b=2`.
    pub(crate) fn new(raw: &'a str) -> Self {
        Query { raw }
    }

    /// The first value of that name, decoded; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.raw
            .split('&')
            // A pair with a semicolon is dropped, as Go does.
            .filter(|pair| !pair.contains(';'))
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| decode(key).is_some_and(|key| key == name))
            .and_then(|(_, value)| decode(value))
            .map(Cow::into_owned)
            .unwrap_or_default()
    }

    /// A yes or no; absent is no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, BadRequest> {
        let text = self.text(name);
        match &*text {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            _ => Err(bad("boolean", name, "ParseBool", &text, "invalid syntax")),
        }
    }

    /// A signed number; absent is 0.
    pub(crate) fn int(&self, name: &str) -> Result<i64, BadRequest> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|error: std::num::ParseIntError| {
            bad("int", name, "Atoi", &text, cause(&error))
        })
    }

    /// A number from 0; absent is 0.
    pub(crate) fn uint(&self, name: &str) -> Result<u64, BadRequest> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(0);
        }
        match text.parse() {
            // Go refuses the sign.
            Ok(value) if !text.starts_with('+') => Ok(value),
            Ok(_) => Err(bad("uint64", name, "ParseUint", &text, "invalid syntax")),
            Err(error) => Err(bad("uint64", name, "ParseUint", &text, cause(&error))),
        }
    }
}

fn cause(error: &std::num::ParseIntError) -> &'static str {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match error.kind() {
        PosOverflow | NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

fn bad(kind: &str, name: &str, function: &str, text: &str, cause: &str) -> BadRequest {
    BadRequest(format!(
        "Error decoding {kind} for '{name}': strconv.{function}: parsing {text:?}: {cause}"
    ))
}

/// Undoes URL encoding; `None` if it is broken.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
