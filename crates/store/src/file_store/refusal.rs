//! Why a stored configuration is not served: what clients hear, and what the log says.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use types::{API_LEVEL, Timestamp};

use super::meta::Object;

/// Fields that nobody knows, taken out of one configuration to see the rest of it.
const MAX_DROPPED: usize = 64;
/// How deep they are looked for.
const MAX_DEPTH: usize = 8;
const LEVEL_KEY: &str = "_nats.req.level";

/// Why a configuration is not served; its files stay.
#[derive(Debug)]
pub(super) struct Refusal<T> {
    /// For clients: no paths.
    pub(super) reason: String,
    /// For the log: the reference's warning, with its indentation. `None` where all is sound and
    /// the asset asks for more than this server has.
    pub(super) log: Option<String>,
    /// What it says, as far as that could be read.
    pub(super) known: Option<Box<(Timestamp, T)>>,
}

impl<T> Refusal<T> {
    pub(super) fn new(reason: impl Into<String>, log: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), log: Some(log.into()), known: None }
    }

    /// The same for another configuration, of which nothing is known.
    pub(super) fn of<U>(self) -> Refusal<U> {
        Refusal { reason: self.reason, log: self.log, known: None }
    }
}

/// Decodes a configuration of this creation time, and says whether this server can serve it
/// (`server/jetstream.go` `EnableJetStream`, `server/jetstream_versioning.go`).
///
/// # Errors
/// Where a field is unknown, a value impossible, or a higher API level required.
pub(super) fn decode<T: DeserializeOwned>(
    created: Timestamp,
    object: Object,
    metadata: impl Fn(&T) -> &std::collections::BTreeMap<String, String>,
    unreadable: impl Fn(&str) -> String,
) -> Result<T, Refusal<T>> {
    let mut value = Value::Object(object);
    let (config, unknown) = match T::deserialize(&value) {
        Ok(config) => (config, None),
        Err(error) => match without_unknown(&mut value) {
            Some(config) => (config, Some(go_text(&error.to_string()))),
            None => {
                let text = go_text(&error.to_string());
                return Err(Refusal::new(format!("decoding error: {text}"), unreadable(&text)));
            }
        },
    };
    let level = required_level(metadata(&config));
    let (reason, log) = match (level, unknown) {
        (Ok(()), None) => return Ok(config),
        (Ok(()), Some(text)) => (format!("decoding error: {text}"), Some(unreadable(&text))),
        (Err(_), Some(text)) => {
            let text = text.strip_prefix("json: ").unwrap_or(&text);
            (format!("unsupported - config error: {text}"), None)
        }
        (Err(level), None) => (unsupported(&level), None),
    };
    Err(Refusal { reason, log, known: Some(Box::new((created, config))) })
}

/// As [`decode`] judges the required API level.
///
/// # Errors
/// The reason for clients.
pub(super) fn check_level(
    metadata: &std::collections::BTreeMap<String, String>,
) -> Result<(), String> {
    required_level(metadata).map_err(|level| unsupported(&level))
}

fn unsupported(level: &str) -> String {
    format!("unsupported - required API level: {level}, current API level: {API_LEVEL}")
}

/// No level, or an empty one, asks for nothing; anything that is no number for too much.
fn required_level(metadata: &std::collections::BTreeMap<String, String>) -> Result<(), String> {
    match metadata.get(LEVEL_KEY).filter(|level| !level.is_empty()) {
        Some(level) if !level.parse().is_ok_and(|level: i64| level <= API_LEVEL.into()) => {
            Err(level.clone())
        }
        _ => Ok(()),
    }
}

/// The warning that a file is missing or cannot be read.
pub(super) fn unread(
    missing: &str,
    unreadable: &str,
    path: &Path,
    error: &std::io::Error,
) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("{missing} {path:?}"),
        _ => format!("{unreadable} {path:?}: {error}"),
    }
}

fn without_unknown<T: DeserializeOwned>(value: &mut Value) -> Option<T> {
    for _ in 0..MAX_DROPPED {
        match T::deserialize(&*value) {
            Ok(config) => return Some(config),
            Err(error) => {
                let field = unknown_field(&error.to_string())?.to_owned();
                drop_field(value, &field, MAX_DEPTH);
            }
        }
    }
    None
}

fn drop_field(value: &mut Value, field: &str, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(map) => {
            map.remove(field);
            map.values_mut().for_each(|value| drop_field(value, field, depth));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_field(item, field, depth)),
        _ => {}
    }
}

/// The field that an error of the parser complains about.
fn unknown_field(text: &str) -> Option<&str> {
    text.strip_prefix("unknown field `")?.split('`').next()
}

/// What the reference's parser says of the same.
fn go_text(text: &str) -> String {
    match unknown_field(text) {
        Some(field) => format!("json: unknown field {field:?}"),
        None => text.to_owned(),
    }
}
