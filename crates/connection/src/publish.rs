//! PUB and HPUB: may it, where does it go, and what if nobody is there.

use routing::Msg;

use crate::session::Session;

/// Subjects whose permission is remembered; beyond it, all are forgotten.
const MAX_KNOWN: usize = 1024;
/// Subjects of replicated groups; only the system account may publish there.
const GROUP_PREFIX: &[u8] = b"$NRG.";
/// What a reply that a gateway routes starts with.
const GATEWAY_PREFIX: &[u8] = b"_GR_.";
const SERVICE_REPLY_PREFIX: &[u8] = b"_R_.";
const ACK_PREFIX: &[u8] = b"$JS.ACK.";

impl Session {
    /// Handles one message (`server/client.go` `processInboundClientMsg`).
    pub(crate) fn publish(&mut self, subject: &[u8], reply: &[u8], headers: &[u8], payload: &[u8]) {
        if self.connect.pedantic && !subject::is_literal(subject) {
            self.send_err(wire::err::INVALID_PUBLISH_SUBJECT);
        }
        self.counts.msgs += 1;
        self.counts.bytes += (headers.len() + payload.len()) as u64;
        let mapped;
        let subject = if self.space.has_mappings() {
            mapped = self.batch.map_subject(&self.space, subject);
            // From here on, permissions included, there is only the subject it is mapped to.
            mapped.as_deref().unwrap_or(subject)
        } else {
            subject
        };
        if !self.may_publish(subject) {
            return self.on_publish_violation(subject);
        }
        if is_reserved_reply(reply) {
            return self.on_reply_violation(reply);
        }
        self.confirm();
        let msg = Msg { subject, reply, headers, payload };
        let delivered = self.batch.publish(&self.space, &msg, self.conn.id());
        if delivered == 0 && !reply.is_empty() && self.connect.no_responders {
            self.answer_no_responders(subject, reply);
        }
    }

    #[inline]
    fn may_publish(&mut self, subject: &[u8]) -> bool {
        if matches!(subject.first(), Some(b'$' | b'_')) && self.is_reserved(subject) {
            return false;
        }
        !self.publishing.restricted || self.is_permitted(subject)
    }

    fn is_reserved(&self, subject: &[u8]) -> bool {
        is_gateway_reply(subject)
            || subject.starts_with(GROUP_PREFIX)
                && !self.ctx.accounts.load().is_system(&self.account)
    }

    fn is_permitted(&mut self, subject: &[u8]) -> bool {
        let Some(permissions) = &self.permissions else { return true };
        let publishing = &mut self.publishing;
        let allowed = match publishing.known.get(subject) {
            Some(&allowed) => allowed,
            None => {
                let allowed = permissions.can_publish(subject);
                if publishing.known.len() >= MAX_KNOWN {
                    publishing.known.clear();
                }
                // With answers allowed, refused subjects are mostly inboxes: new each time.
                if allowed || publishing.replies.is_none() {
                    publishing.known.insert(subject.into(), allowed);
                }
                allowed
            }
        };
        allowed || publishing.replies.as_ref().is_some_and(|replies| replies.take(subject))
    }

    /// The 503 status, to the requester's own subscription for the reply.
    fn answer_no_responders(&mut self, subject: &[u8], reply: &[u8]) {
        let mut headers = std::mem::take(&mut self.scratch);
        headers.clear();
        headers.extend_from_slice(b"NATS/1.0 503\r\nNats-Subject: ");
        headers.extend_from_slice(subject);
        headers.extend_from_slice(b"\r\n\r\n");
        let msg = Msg { subject: reply, reply: b"", headers: &headers, payload: b"" };
        self.batch.publish_to(&self.space, &msg, &self.sink);
        self.scratch = headers;
    }

    #[cold]
    fn on_publish_violation(&mut self, subject: &[u8]) {
        self.send_err(&wire::err::publish_violation(subject));
        let subject = String::from_utf8_lossy(subject);
        self.log_error(&format!("Publish Violation - Subject {subject:?}"));
    }

    #[cold]
    fn on_reply_violation(&mut self, reply: &[u8]) {
        self.send_err(&wire::err::reply_violation(reply));
        let reply = String::from_utf8_lossy(reply);
        self.log_error(&format!("Publish Violation - Reply {reply:?}"));
    }
}

/// Whether a subject is a reply that a gateway routes (`server/gateway.go`
/// `hasGWRoutedReplyPrefix`).
fn is_gateway_reply(subject: &[u8]) -> bool {
    subject.starts_with(GATEWAY_PREFIX) && subject.len() > GATEWAY_PREFIX.len()
}

/// Whether a reply subject is one that only the server makes (`server/client.go`
/// `isReservedReply`).
#[inline]
fn is_reserved_reply(reply: &[u8]) -> bool {
    match reply.first() {
        Some(b'_') => reply.starts_with(SERVICE_REPLY_PREFIX) || is_gateway_reply(reply),
        Some(b'$') => reply.starts_with(ACK_PREFIX) && reply.len() > ACK_PREFIX.len(),
        _ => false,
    }
}
