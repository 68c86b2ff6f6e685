//! Replies as JSON.

use serde::Serialize;
use types::ApiError;
use types::api::{Reply, reply_type};

/// A reply that says yes.
pub(crate) fn done(kind: &str, body: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Reply::ok(kind, body)).unwrap_or_default()
}

/// A reply that says no. Some replies show empty fields even then, because the reference's
/// reply types do.
pub(crate) fn failed(kind: &str, error: &ApiError) -> Vec<u8> {
    let mut json =
        serde_json::to_vec(&Reply::<()>::failed(kind, error.clone())).unwrap_or_default();
    let fields = match kind {
        reply_type::STREAM_INFO => r#","total":0,"offset":0,"limit":0}"#,
        reply_type::STREAM_NAMES => r#","total":0,"offset":0,"limit":0,"streams":null}"#,
        reply_type::STREAM_LIST => r#","total":0,"offset":0,"limit":0,"streams":[]}"#,
        reply_type::CONSUMER_NAMES | reply_type::CONSUMER_LIST => {
            r#","total":0,"offset":0,"limit":0,"consumers":[]}"#
        }
        reply_type::STREAM_PURGE => r#","purged":0}"#,
        reply_type::STREAM_RESTORE => r#","deliver_subject":""}"#,
        reply_type::CONSUMER_PAUSE => r#","paused":false,"pause_until":"0001-01-01T00:00:00Z"}"#,
        reply_type::CONSUMER_RESET => r#","reset_seq":0}"#,
        _ => return json,
    };
    if json.pop().is_some() {
        json.extend_from_slice(fields.as_bytes());
    }
    json
}
