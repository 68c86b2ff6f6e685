//! What a client can say.

/// One client operation; borrows from the read buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// `CONNECT <json>`; the JSON is not checked, and may be empty.
    Connect(&'a [u8]),
    /// `PUB <subject> [reply] <size>` and its payload. Subjects are not checked.
    Pub {
        /// Where to.
        subject: &'a [u8],
        /// Where answers should go.
        reply: Option<&'a [u8]>,
        /// The message.
        payload: &'a [u8],
    },
    /// `HPUB <subject> [reply] <header size> <total size>` and its body.
    HPub {
        /// Where to.
        subject: &'a [u8],
        /// Where answers should go.
        reply: Option<&'a [u8]>,
        /// The header block, unchecked; empty when its size was given as 0, which means a message
        /// without headers.
        headers: &'a [u8],
        /// The message.
        payload: &'a [u8],
    },
    /// `SUB <subject> [queue] <sid>`. The subject is not checked.
    Sub {
        /// What to subscribe to.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// `UNSUB <sid> [max]`.
    Unsub {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Unsubscribe after this many messages in total, at least 1; `None` (also for zero and
        /// for what is no number) is at once.
        max: Option<u64>,
    },
    /// `PING`
    Ping,
    /// `PONG`
    Pong,
    /// `INFO <json>`; clients have no reason to send it, and the reference only checks its JSON.
    Info(&'a [u8]),
    /// `-ERR <text>`; the reference logs it and closes the connection as a parse error.
    Err(&'a [u8]),
    /// `+OK`
    Ok,
}
