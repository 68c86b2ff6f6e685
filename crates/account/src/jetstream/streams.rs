//! The streams of an account as the rest of the server asks for them.

use js_engine::StreamView;
use types::{ApiError, errors};

use crate::Account;

impl Account {
    /// Streams registered on this server, offline ones included; 0 without JetStream.
    ///
    /// Wire source: `numStreams` in `server/jetstream.go`.
    pub fn num_streams(&self) -> usize {
        mark::hit!(F1404);
        self.record().map_or(0, |record| record.streams().len())
    }

    /// All streams on this server, offline ones included.
    ///
    /// Wire source: `(*Account).streams` in `server/jetstream.go`.
    pub fn streams(&self) -> Vec<StreamView> {
        mark::hit!(F1405);
        self.filtered_streams("")
    }

    /// Streams of which some subject may be one that `filter` means, too; with an empty filter
    /// all. A stream without subjects, such as a mirror, matches no filter.
    ///
    /// Wire source: `filteredStreams` in `server/jetstream.go`.
    pub fn filtered_streams(&self, filter: &str) -> Vec<StreamView> {
        let Some(record) = self.record() else { return Vec::new() };
        mark::hit!(F1406);
        let mut streams = record.streams();
        if !filter.is_empty() {
            let collides =
                |subject: &String| subject::collide(subject.as_bytes(), filter.as_bytes());
            streams.retain(|stream| stream.config.subjects.iter().any(collides));
        }
        streams
    }

    /// One stream by its exact name, offline ones included.
    ///
    /// Wire source: `lookupStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// 10039 without JetStream, 10059 where there is no such stream.
    pub fn lookup_stream(&self, name: &str) -> Result<StreamView, ApiError> {
        let record = self.record().ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())?;
        mark::hit!(F1407);
        record.lookup(name).ok_or_else(|| errors::STREAM_NOT_FOUND.err())
    }
}
