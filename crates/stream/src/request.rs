//! Requests that the reference reads leniently: unknown JSON fields are passed over, and so are
//! those that are null.

use serde::de::DeserializeOwned;

/// Reads JSON; where it fails, reads it again without the fields that nobody knows or that say
/// nothing.
///
/// Requests are rare next to messages, and the second reading only happens to odd ones.
pub(crate) fn lenient<T: DeserializeOwned>(
    json: &[u8],
    known: &[&str],
) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| {
        let Ok(serde_json::Value::Object(mut map)) = serde_json::from_slice(json) else {
            return Err(error);
        };
        let before = map.len();
        map.retain(|key, value| known.contains(&key.as_str()) && !value.is_null());
        if map.len() == before {
            return Err(error);
        }
        serde_json::from_value(serde_json::Value::Object(map))
    })
}

/// Fields of `CONSUMER.MSG.NEXT`.
pub(crate) const NEXT_FIELDS: &[&str] = &[
    "expires",
    "batch",
    "max_bytes",
    "no_wait",
    "idle_heartbeat",
    "group",
    "min_pending",
    "min_ack_pending",
    "id",
    "priority",
];

/// Fields of `DIRECT.GET`.
pub(crate) const GET_FIELDS: &[&str] = &[
    "seq",
    "last_by_subj",
    "next_by_subj",
    "batch",
    "max_bytes",
    "start_time",
    "multi_last",
    "up_to_seq",
    "up_to_time",
    "no_hdr",
];
