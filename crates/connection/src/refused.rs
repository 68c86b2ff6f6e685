//! Messages that a stream's shard had no room for.

use routing::{IngestKind, Msg};
use types::api::PubAck;

use crate::session::Session;

/// What a pull or direct get is told.
const TOO_MANY_REQUESTS: &[u8] = b"NATS/1.0 429 Too Many Requests\r\n\r\n";

impl Session {
    /// Tells those who wait for an answer that a full shard took nothing.
    pub(crate) fn answer_refused(&mut self) {
        let refused = self.batch.take_refused();
        if refused.is_empty() {
            return;
        }
        let error = Some(types::errors::STREAM_TOO_MANY_REQUESTS.into());
        let ack = serde_json::to_vec(&PubAck { error, ..PubAck::default() }).unwrap_or_default();
        for batch in &refused {
            for entry in batch.iter().filter(|entry| !entry.msg.reply.is_empty()) {
                let (headers, payload): (&[u8], &[u8]) = match entry.kind {
                    IngestKind::Publish => (b"", &ack),
                    IngestKind::Next | IngestKind::DirectGet => (TOO_MANY_REQUESTS, b""),
                    // The acker asks again by itself when no confirmation comes.
                    IngestKind::Ack | IngestKind::FlowControl => continue,
                };
                let msg = Msg { subject: entry.msg.reply, reply: b"", headers, payload };
                self.batch.publish(&self.space, &msg, 0);
            }
        }
        self.batch.finish();
        // An answer that is itself stored, and refused again, is given up.
        drop(self.batch.take_refused());
        self.log_error("Too many JetStream messages in flight, some were refused");
    }
}
