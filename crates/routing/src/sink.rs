//! A connected client as the receiver of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use wire::Outbox;

use crate::{ConnId, Msg};

/// A connected client as the receiver of messages.
pub struct ClientSink {
    /// Connection id.
    pub id: ConnId,
    /// Its outbound queue.
    pub outbox: Outbox,
    echo: AtomicBool,
    headers: AtomicBool,
    deny: ArcSwapOption<DenyList>,
    replies: ArcSwapOption<Box<dyn ReplyPermits>>,
}

/// Subjects that a client must not get although its subscription covers them
/// (`server/client.go` `mperms`).
#[derive(Debug)]
pub struct DenyList {
    patterns: Vec<Box<[u8]>>,
}

impl DenyList {
    /// A list of denied patterns.
    pub fn new(patterns: Vec<Box<[u8]>>) -> Self {
        DenyList { patterns }
    }

    fn covers(&self, subject: &[u8]) -> bool {
        self.patterns.iter().any(|p| subject::matches(subject, p))
    }
}

/// Told about reply subjects that a client was given, so that it may publish to them
/// (`allow_responses`).
pub trait ReplyPermits: Send + Sync {
    /// The client was delivered a message with this reply subject.
    fn granted(&self, reply: &[u8]);
}

impl ClientSink {
    /// A client with its outbound queue; echo and headers are on until CONNECT says otherwise.
    pub fn new(id: ConnId, outbox: Outbox) -> Arc<Self> {
        Arc::new(ClientSink {
            id,
            outbox,
            echo: AtomicBool::new(true),
            headers: AtomicBool::new(true),
            deny: ArcSwapOption::empty(),
            replies: ArcSwapOption::empty(),
        })
    }

    /// Whether the client gets its own messages (`echo` of CONNECT).
    pub fn set_echo(&self, on: bool) {
        self.echo.store(on, Ordering::Relaxed);
    }

    /// Whether the client understands headers; otherwise they are cut off.
    pub fn set_headers(&self, on: bool) {
        self.headers.store(on, Ordering::Relaxed);
    }

    /// Whether the client understands headers.
    pub fn headers(&self) -> bool {
        self.headers.load(Ordering::Relaxed)
    }

    /// Sets the subjects it must not get.
    pub fn set_deny(&self, deny: Option<DenyList>) {
        self.deny.store(deny.map(Arc::new));
    }

    /// Sets who is told about reply subjects.
    pub fn set_reply_permits(&self, permits: Option<Box<dyn ReplyPermits>>) {
        self.replies.store(permits.map(Arc::new));
    }

    /// Whether a message on `subject` published by `from` may go to this client.
    pub(crate) fn accepts(&self, subject: &[u8], from: ConnId) -> bool {
        if from == self.id && !self.echo.load(Ordering::Relaxed) {
            return false;
        }
        // A null check without a reference count is all that most clients cost here.
        match &*self.deny.load() {
            None => true,
            Some(deny) => !deny.covers(subject),
        }
    }

    /// Queues one MSG or HMSG with `shown` as its subject.
    pub(crate) fn push(&self, sid: &[u8], msg: &Msg<'_>, shown: &[u8]) -> wire::Pushed {
        if !msg.reply.is_empty()
            && let Some(permits) = &*self.replies.load()
        {
            permits.granted(msg.reply);
        }
        let reply = (!msg.reply.is_empty()).then_some(msg.reply);
        let headers = if self.headers() { msg.headers } else { b"" };
        let size = headers.len() + msg.payload.len();
        self.outbox.write_msg(size, |out| {
            if headers.is_empty() {
                wire::encode::msg(out, shown, sid, reply, msg.payload);
            } else {
                wire::encode::hmsg(out, shown, sid, reply, headers, msg.payload);
            }
        })
    }
}
