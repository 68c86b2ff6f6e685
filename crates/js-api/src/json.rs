//! Request bodies: strict JSON, with the reference's words for what is wrong.

use serde::de::DeserializeOwned;
use serde_json::Value;
use types::{ApiError, errors};

/// Whether fields that nobody knows are refused (`jetstream { strict }`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    Refused,
    Ignored,
}

/// Fields dropped from one request before it is refused after all.
const MAX_DROPPED: usize = 64;

/// Reads a body; an empty one is all defaults (`server/jetstream_api.go` `unmarshalRequest`).
/// Refused with 10025.
pub(crate) fn decode<T: DeserializeOwned + Default>(
    body: &[u8],
    unknown: UnknownFields,
) -> Result<T, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let error = match serde_json::from_slice(body) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    // Anything but a refused value is not made better by another look.
    if !error.is_data() {
        return Err(errors::INVALID_JSON.with(text(&error)));
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return Err(errors::INVALID_JSON.with(text(&error)));
    };
    drop_nulls(&mut value);
    let error = match T::deserialize(&value) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if unknown == UnknownFields::Ignored
        && let Some(value) = without_unknown(value)
    {
        return Ok(value);
    }
    Err(errors::INVALID_JSON.with(text(&error)))
}

/// Takes out fields that are null: they say nothing, as in Go. The parser has limited the depth.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// As [`decode`], where a body that is no object or array counts as none.
pub(crate) fn decode_optional<T: DeserializeOwned + Default>(
    body: &[u8],
    unknown: UnknownFields,
) -> Result<T, ApiError> {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => decode(body, unknown),
        _ => Ok(T::default()),
    }
}

/// Whether a body asks for nothing: absent, `{}`, or an object without fields.
pub(crate) fn is_empty(body: &[u8]) -> bool {
    if body.is_empty() || body == b"{}" {
        return true;
    }
    matches!(serde_json::from_slice(body), Ok(Value::Object(map)) if map.is_empty())
}

fn without_unknown<T: DeserializeOwned>(mut value: Value) -> Option<T> {
    for _ in 0..MAX_DROPPED {
        match T::deserialize(&value) {
            Ok(done) => return Some(done),
            Err(error) => {
                let field = unknown_field(&error.to_string())?.to_owned();
                drop_field(&mut value, &field, 8);
            }
        }
    }
    None
}

fn drop_field(value: &mut Value, field: &str, depth: usize) {
    match value {
        Value::Object(map) => {
            map.remove(field);
            if depth > 0 {
                map.values_mut().for_each(|v| drop_field(v, field, depth - 1));
            }
        }
        Value::Array(items) if depth > 0 => {
            items.iter_mut().for_each(|v| drop_field(v, field, depth - 1));
        }
        _ => {}
    }
}

fn unknown_field(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

fn text(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected EOF".to_owned();
    }
    let message = error.to_string();
    if let Some(field) = unknown_field(&message) {
        return format!("json: unknown field \"{field}\"");
    }
    if error.is_data() {
        // Without the position, which says nothing where the value was read twice.
        let message = message.split(" at line ").next().unwrap_or_default();
        return format!("json: cannot unmarshal: {message}");
    }
    message
}
