//! Why a publish or a control request is refused, as API errors.

use store::StoreError;
use types::api::PubAck;
use types::{ApiError, errors};

/// The body of a refused publish (`server/stream.go` `JSPubAckResponse`).
pub(crate) fn pub_refused(stream: &str, error: ApiError) -> Vec<u8> {
    let ack = PubAck { error: Some(error), stream: stream.to_owned(), ..PubAck::default() };
    serde_json::to_vec(&ack).unwrap_or_default()
}

/// 10077 with the store's own text.
pub(crate) fn store_failed(error: &StoreError) -> ApiError {
    errors::STREAM_STORE_FAILED.with(error)
}
