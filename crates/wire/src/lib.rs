//! The client protocol as bytes: parsing what clients send, encoding what the server sends, header
//! blocks, and the outbound queue of one client.
//!
//! What it does: [`Parser`] cuts a growing read buffer into borrowed [`Frame`]s, [`encode`] appends
//! server frames to a buffer, [`headers`] reads and edits `NATS/1.0` header blocks, [`Outbox`]
//! collects bytes for one client and hands them to its [`Transport`], [`err`] is the table of
//! every `-ERR` text, [`CloseReason`] the table of close reasons.
//!
//! State it owns: a parser's resume point, and a client's unsent bytes.
//!
//! What it must not know: tokio, sockets, TLS, accounts, subscriptions, permissions, JetStream,
//! JSON. CONNECT and INFO bodies are opaque bytes here.
//!
//! Entry points: [`Parser::next`], [`encode::msg`], [`headers::get`], [`Outbox::write`],
//! [`Outbox::flush`].
//!
//! Wire sources: `server/parser.go`, `server/client.go`, `server/errors.go`.

mod close;
pub mod encode;
pub mod err;
pub mod headers;
mod outbox;
mod parser;

pub use close::CloseReason;
pub use outbox::{FlushOutcome, Outbox, OutboxStats, Progress, Pushed, Transport};
pub use parser::{Frame, Gate, HeaderSupport, Limits, ParseError, Parser};

#[cfg(test)]
mod tests;
