//! Messages that cross from one account into another.

use std::sync::Arc;

use wire::headers;

use crate::batch::{Out, RouteBatch};
use crate::{Answers, Msg, ServiceExport, ServiceImport, Share, SubjectSpace};

/// Header that tells a service who asks (`server/client.go` `ClientInfoHdr`).
const INFO_HEADER: &str = "Nats-Request-Info";
const ACK_PREFIX: &[u8] = b"$JS.ACK.";
/// Most imports that one message passes.
const MAX_CHAIN: usize = 64;

/// An import that a message is passing.
pub(crate) struct Link {
    export: Arc<ServiceExport>,
    share: Share,
}

impl RouteBatch {
    /// Publishes a request on in the account that serves (`server/client.go`
    /// `processServiceImport`).
    pub(crate) fn cross(
        &mut self,
        space: &Arc<SubjectSpace>,
        import: &Arc<ServiceImport>,
        out: Out<'_>,
    ) -> bool {
        let msg = out.msg;
        if self.is_passing(&import.export) {
            return false;
        }
        let Some(exporter) = import.exporter.upgrade() else { return false };
        let rewritten = import.rewrite.apply(msg.subject);
        let subject = rewritten.as_deref().unwrap_or(msg.subject);
        let mapped = self.map_subject(&exporter, subject);
        let subject = mapped.as_deref().unwrap_or(subject);
        let owed = owe(&exporter, space, msg.reply, &import.export);
        // Who passes a request on shares as much as who asked first.
        let share = self.chain.last().map_or(import.share, |link| link.share);
        let headers = self.with_info(space, share, msg.headers);
        let passed = Msg {
            subject,
            reply: owed.as_deref().unwrap_or(if is_ack(msg.reply) { msg.reply } else { b"" }),
            headers: headers.as_deref().unwrap_or(msg.headers),
            payload: msg.payload,
        };
        self.chain.push(Link { export: Arc::clone(&import.export), share });
        let shown = if out.shown == msg.subject { passed.subject } else { out.shown };
        let count = self
            .publish_out(&exporter, Out { msg: &passed, shown, from: out.from, imported: true });
        self.chain.pop();
        if count == 0
            && let Some(reply) = owed
        {
            exporter.settle_response(&reply);
        }
        count > 0
    }

    /// Leads an answer back to the account that asked (`server/accounts.go`
    /// `processServiceImportResponse`).
    pub(crate) fn respond(&mut self, space: &Arc<SubjectSpace>, out: Out<'_>) -> bool {
        let msg = out.msg;
        let Some(response) = space.response(msg.subject) else { return false };
        if self.is_passing(&response.export) {
            return false;
        }
        let Some(asker) = response.space.upgrade() else {
            space.settle_response(msg.subject);
            return false;
        };
        let owed = owe(&asker, space, msg.reply, &response.export);
        let mapped = self.map_subject(&asker, &response.to);
        let subject: &[u8] = mapped.as_deref().unwrap_or(&response.to);
        let passed = Msg {
            subject,
            reply: owed.as_deref().unwrap_or(if is_ack(msg.reply) { msg.reply } else { b"" }),
            headers: msg.headers,
            payload: msg.payload,
        };
        let shown = if out.shown == msg.subject { passed.subject } else { out.shown };
        self.chain.push(Link { export: Arc::clone(&response.export), share: Share::Account });
        let out = Out { msg: &passed, shown, from: out.from, imported: true };
        let delivered = self.publish_out(&asker, out) > 0;
        self.chain.pop();
        let last = match response.export.answers {
            Answers::One => true,
            Answers::Many => msg.headers.is_empty() && msg.payload.is_empty(),
        };
        if last || !delivered {
            space.settle_response(msg.subject);
        } else {
            space.touch_response(msg.subject);
        }
        if !delivered && let Some(reply) = owed {
            asker.settle_response(&reply);
        }
        delivered
    }

    /// Whether the message is on its way through this export already: then it goes in a circle.
    fn is_passing(&self, export: &Arc<ServiceExport>) -> bool {
        self.chain.len() >= MAX_CHAIN
            || self.chain.iter().any(|link| Arc::ptr_eq(&link.export, export))
    }

    /// The headers with a description of who asks; `None` leaves them as they are.
    fn with_info(&self, space: &SubjectSpace, share: Share, headers: &[u8]) -> Option<Vec<u8>> {
        let passed_on = !self.chain.is_empty();
        let previous = passed_on.then(|| headers::get(headers, INFO_HEADER)).flatten();
        let info = match &self.requester {
            Some(requester) => requester.describe(share, previous, space.name())?,
            None => account_only(space.name()),
        };
        let mut out = Vec::with_capacity(headers.len() + info.len() + 32);
        out.extend_from_slice(headers);
        headers::remove(&mut out, INFO_HEADER);
        headers::set(&mut out, INFO_HEADER, &info);
        Some(out)
    }
}

/// The reply subject in `server` that stands for `reply` in `asker`. Acks of messages go straight
/// to their stream.
fn owe(
    server: &Arc<SubjectSpace>,
    asker: &Arc<SubjectSpace>,
    reply: &[u8],
    export: &Arc<ServiceExport>,
) -> Option<Vec<u8>> {
    let needed = !reply.is_empty() && !is_ack(reply);
    needed.then(|| server.owe_response(asker, reply, export))
}

fn is_ack(reply: &[u8]) -> bool {
    reply.starts_with(ACK_PREFIX)
}

/// What is known of a message of the server's own.
fn account_only(name: &str) -> Vec<u8> {
    let mut json = br#"{"acc":""#.to_vec();
    for byte in name.bytes() {
        if matches!(byte, b'"' | b'\\') {
            json.push(b'\\');
        }
        json.push(byte);
    }
    json.extend_from_slice(br#""}"#);
    json
}
