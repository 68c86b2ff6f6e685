//! Why client input cannot be parsed, and what the client is told.

use crate::{CloseReason, err};

/// A protocol error; the connection ends with it. `Display` is the server's log text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Something other than CONNECT while credentials are awaited.
    #[error("authentication error")]
    AuthorizationViolation,
    /// No known operation, or a payload that does not end where it should.
    #[error("Client parser ERROR, proto='{snippet}...'")]
    UnknownOperation {
        /// The first bytes of the offending input, quoted.
        snippet: String,
    },
    /// A control line beyond the limit.
    #[error("maximum control line exceeded")]
    MaxControlLine,
    /// A message beyond the limit.
    #[error("maximum payload exceeded: {size} vs {limit}")]
    MaxPayload {
        /// Announced size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// HPUB without header support.
    #[error("message headers not supported")]
    HeadersNotSupported,
    /// Arguments that are too few, too many, or no sizes.
    #[error("{problem}: {args}")]
    Arguments {
        /// Operation and what is wrong with it.
        problem: &'static str,
        /// The arguments, quoted.
        args: String,
    },
}

impl ParseError {
    /// The `-ERR` text to send before closing; the reference closes without a word where `None`.
    #[must_use]
    pub const fn wire_text(&self) -> Option<&'static str> {
        match self {
            Self::AuthorizationViolation => Some(err::AUTHORIZATION_VIOLATION),
            Self::UnknownOperation { .. } => Some(err::UNKNOWN_PROTOCOL_OPERATION),
            Self::MaxControlLine => Some(err::MAXIMUM_CONTROL_LINE_EXCEEDED),
            Self::MaxPayload { .. } => Some(err::MAXIMUM_PAYLOAD_VIOLATION),
            Self::HeadersNotSupported | Self::Arguments { .. } => None,
        }
    }

    /// How the connection's end is reported.
    #[must_use]
    pub const fn close_reason(&self) -> CloseReason {
        match self {
            Self::AuthorizationViolation => CloseReason::AuthenticationViolation,
            Self::MaxControlLine => CloseReason::MaxControlLineExceeded,
            Self::MaxPayload { .. } => CloseReason::MaxPayloadExceeded,
            Self::UnknownOperation { .. } | Self::HeadersNotSupported | Self::Arguments { .. } => {
                CloseReason::ProtocolViolation
            }
        }
    }

    /// How many bytes of bad input are shown in the log (server/const.go `PROTO_SNIPPET_SIZE`).
    const SNIPPET_LEN: usize = 32;

    #[cold]
    pub(super) fn unknown(input: &[u8]) -> Self {
        Self::UnknownOperation { snippet: quote(input, Self::SNIPPET_LEN) }
    }

    #[cold]
    pub(super) fn pub_args(args: &[u8]) -> Self {
        Self::arguments("processPub Parse Error", args)
    }

    #[cold]
    pub(super) fn pub_size(args: &[u8]) -> Self {
        Self::arguments("processPub Bad or Missing Size", args)
    }

    #[cold]
    pub(super) fn hpub_args(args: &[u8]) -> Self {
        Self::arguments("processHeaderPub Parse Error", args)
    }

    #[cold]
    pub(super) fn hpub_header_size(args: &[u8]) -> Self {
        Self::arguments("processHeaderPub Bad or Missing Header Size", args)
    }

    #[cold]
    pub(super) fn hpub_total_size(args: &[u8]) -> Self {
        Self::arguments("processHeaderPub Bad or Missing Total Size", args)
    }

    #[cold]
    pub(super) fn hpub_header_larger(args: &[u8]) -> Self {
        Self::arguments("processHeaderPub Header Size larger then TotalSize", args)
    }

    #[cold]
    pub(super) fn sub_args(args: &[u8]) -> Self {
        Self::arguments("processSub Parse Error", args)
    }

    #[cold]
    pub(super) fn unsub_args(args: &[u8]) -> Self {
        Self::arguments("processUnsub Parse Error", args)
    }

    fn arguments(problem: &'static str, args: &[u8]) -> Self {
        Self::Arguments { problem, args: quote(args, args.len()) }
    }
}

fn quote(bytes: &[u8], max_len: usize) -> String {
    let mut text = String::new();
    err::quote_into(&mut text, bytes.get(..max_len).unwrap_or(bytes));
    text
}
