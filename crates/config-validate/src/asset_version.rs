//! The `_nats.*` metadata that says which API level an asset needs
//! (`server/jetstream_versioning.go`).

use std::collections::BTreeMap;

use types::{
    API_LEVEL, AckPolicy, COMPATIBLE_VERSION, ConsumerConfig, PersistMode, PriorityPolicy,
    StreamConfig,
};

/// Stored: the API level that the asset needs.
pub const REQUIRED_LEVEL: &str = "_nats.req.level";
/// Only in replies: the server's version.
pub const SERVER_VERSION: &str = "_nats.ver";
/// Only in replies: the server's API level.
pub const SERVER_LEVEL: &str = "_nats.level";

type Metadata = BTreeMap<String, String>;

/// Sets the level that the stream needs, and drops what only replies carry
/// (`setStaticStreamMetadata`).
pub fn mark_stream(config: &mut StreamConfig) {
    let mut level = 0;
    if config.allow_msg_ttl || config.subject_delete_marker_ttl_ns > 0 {
        level = 1;
    }
    if config.allow_msg_counter
        || config.allow_atomic
        || config.allow_msg_schedules
        || config.persist_mode == PersistMode::Async
    {
        level = 2;
    }
    if config.allow_batched {
        level = 4;
    }
    mark(&mut config.metadata, level);
}

/// Sets the level that the consumer needs, and drops what only replies carry
/// (`setStaticConsumerMetadata`).
pub fn mark_consumer(config: &mut ConsumerConfig) {
    let mut level = 0;
    if config.pause_until.is_some_and(|t| !t.is_zero())
        || config.priority_policy != PriorityPolicy::None
        || config.priority_timeout_ns != 0
        || !config.priority_groups.is_empty()
    {
        level = 1;
    }
    if config.ack_policy == AckPolicy::FlowControl {
        level = 4;
    }
    mark(&mut config.metadata, level);
}

fn mark(metadata: &mut Metadata, level: u32) {
    metadata.remove(SERVER_VERSION);
    metadata.remove(SERVER_LEVEL);
    metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

/// Adds what only replies carry (`setDynamicStreamMetadata`, `setDynamicConsumerMetadata`).
pub fn add_server(metadata: &mut Metadata) {
    metadata.insert(SERVER_VERSION.to_owned(), COMPATIBLE_VERSION.to_owned());
    metadata.insert(SERVER_LEVEL.to_owned(), API_LEVEL.to_string());
}

/// Takes the versioning keys over from `previous`, so that two configurations can be compared
/// without them (`copyStreamMetadata`, `copyConsumerMetadata`).
pub fn take_over(metadata: &mut Metadata, previous: &Metadata) {
    metadata.remove(SERVER_VERSION);
    metadata.remove(SERVER_LEVEL);
    match previous.get(REQUIRED_LEVEL) {
        Some(level) => metadata.insert(REQUIRED_LEVEL.to_owned(), level.clone()),
        None => metadata.remove(REQUIRED_LEVEL),
    };
}

/// Whether this server can run an asset with this metadata (`supportsRequiredApiLevel`).
pub fn is_supported(metadata: &Metadata) -> bool {
    match metadata.get(REQUIRED_LEVEL).filter(|level| !level.is_empty()) {
        Some(level) => level.parse::<i64>().is_ok_and(|level| level <= i64::from(API_LEVEL)),
        None => true,
    }
}

/// Whether the value of a `Nats-Required-Api-Level` header lets this server answer
/// (`errorOnRequiredApiLevel`); no header does.
pub fn request_allowed(header: Option<&[u8]>) -> bool {
    let Some(text) = header.filter(|h| !h.is_empty()) else { return true };
    let level = std::str::from_utf8(text).ok().and_then(|t| t.parse::<i64>().ok());
    level.is_some_and(|level| level <= i64::from(API_LEVEL))
}
