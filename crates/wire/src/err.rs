//! The table of every `-ERR` text a client can see.
//!
//! Texts stand without quotes: [`crate::encode::err`] adds them. Clients match on these words.

/// A failed CONNECT or wrong credentials (server/client.go `authViolation`).
pub const AUTHORIZATION_VIOLATION: &str = "Authorization Violation";
/// No CONNECT in time (server/client.go `authTimeout`).
pub const AUTHENTICATION_TIMEOUT: &str = "Authentication Timeout";
/// The user's credentials ran out (server/client.go `authExpired`).
pub const USER_AUTHENTICATION_EXPIRED: &str = "User Authentication Expired";
/// The account's credentials ran out (server/client.go `accountAuthExpired`).
pub const ACCOUNT_AUTHENTICATION_EXPIRED: &str = "Account Authentication Expired";
/// The user was revoked or removed by a reload (server/accounts.go).
pub const USER_AUTHENTICATION_REVOKED: &str = "User Authentication Revoked";
/// The account could not be joined (server/client.go `reportErrRegisterAccount`).
pub const FAILED_ACCOUNT_REGISTRATION: &str = "Failed Account Registration";
/// Too many PINGs unanswered (server/client.go `processPingTimer`).
pub const STALE_CONNECTION: &str = "Stale Connection";
/// The client does not read fast enough.
pub const SLOW_CONSUMER: &str = "Slow Consumer";
/// Bytes that are no protocol operation (server/parser.go `parse`).
pub const UNKNOWN_PROTOCOL_OPERATION: &str = "Unknown Protocol Operation";
/// A payload beyond `max_payload` (server/client.go `maxPayloadViolation`).
pub const MAXIMUM_PAYLOAD_VIOLATION: &str = "Maximum Payload Violation";
/// A control line beyond `max_control_line` (server/errors.go `ErrMaxControlLine`).
pub const MAXIMUM_CONTROL_LINE_EXCEEDED: &str = "maximum control line exceeded";
/// The server takes no more clients (server/errors.go `ErrTooManyConnections`).
pub const MAXIMUM_CONNECTIONS_EXCEEDED: &str = "maximum connections exceeded";
/// The account takes no more clients (server/errors.go `ErrTooManyAccountConnections`).
pub const MAXIMUM_ACCOUNT_CONNECTIONS_EXCEEDED: &str =
    "maximum account active connections exceeded";
/// No more subscriptions for this client (server/errors.go `ErrTooManySubs`).
pub const MAXIMUM_SUBSCRIPTIONS_EXCEEDED: &str = "maximum subscriptions exceeded";
/// CONNECT with an unknown `protocol` (server/errors.go `ErrBadClientProtocol`).
pub const INVALID_CLIENT_PROTOCOL: &str = "invalid client protocol";
/// CONNECT with `no_responders` but no `headers` (server/errors.go `ErrNoRespondersRequiresHeaders`).
pub const NO_RESPONDERS_REQUIRES_HEADERS: &str = "no responders requires headers support";
/// A malformed SUB subject; the connection stays open (server/client.go `processSubEx`).
pub const INVALID_SUBJECT: &str = "Invalid Subject";
/// A PUB subject with wildcards or empty tokens from a pedantic client; the connection stays open
/// (server/client.go `processPub`).
pub const INVALID_PUBLISH_SUBJECT: &str = "Invalid Publish Subject";
/// Plain text where TLS is required (server/server.go).
pub const TLS_REQUIRED: &str = "Secure Connection - TLS Required";
/// Too many handshakes at once (server/server.go `createClientEx`).
pub const CONNECTION_THROTTLING: &str = "Connection throttling is active. Please try again later.";

/// The client may not publish to `subject`; the connection stays open.
#[must_use]
pub fn publish_violation(subject: &[u8]) -> String {
    quoted("Permissions Violation for Publish to ", subject)
}

/// The client may not name `reply` as reply subject; the connection stays open.
#[must_use]
pub fn reply_violation(reply: &[u8]) -> String {
    quoted("Permissions Violation for Publish with Reply of ", reply)
}

/// The client may not subscribe to `subject`, in `queue` if given; the connection stays open.
#[must_use]
pub fn subscription_violation(subject: &[u8], queue: Option<&[u8]>) -> String {
    let mut text = quoted("Permissions Violation for Subscription to ", subject);
    if let Some(queue) = queue {
        text.push_str(" using queue ");
        quote_into(&mut text, queue);
    }
    text
}

/// The subject has more tokens than `max_subs` tokens allow (server/client.go
/// `maxTokensViolation`).
#[must_use]
pub fn too_many_tokens(subject: &[u8]) -> String {
    let mut text = quoted("Permissions Violation for Subscription to ", subject);
    text.push_str(", too many tokens");
    text
}

/// A reload took away the permission of an existing subscription (server/client.go
/// `processSubsOnConfigReload`).
#[must_use]
pub fn subscription_revoked(subject: &[u8], sid: &[u8]) -> String {
    let mut text = quoted("Permissions Violation for Subscription to ", subject);
    text.push_str(" (sid ");
    quote_into(&mut text, sid);
    text.push(')');
    text
}

fn quoted(words: &str, value: &[u8]) -> String {
    let mut text = String::with_capacity(words.len() + value.len() + 2);
    text.push_str(words);
    quote_into(&mut text, value);
    text
}

/// Appends `value` in double quotes, escaped so that it is one line of visible text: what clients
/// parse was written by Go's `%q`.
pub(crate) fn quote_into(text: &mut String, value: &[u8]) {
    text.push('"');
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{7}' => text.push_str("\\a"),
                '\u{8}' => text.push_str("\\b"),
                '\u{b}' => text.push_str("\\v"),
                '\u{c}' => text.push_str("\\f"),
                '\0'..=' ' | '\u{7f}' if c != ' ' => hex(text, "\\x", c as u32, 2),
                '\u{80}'..='\u{a0}' => hex(text, "\\u", c as u32, 4),
                c => text.push(c),
            }
        }
        for &byte in chunk.invalid() {
            hex(text, "\\x", u32::from(byte), 2);
        }
    }
    text.push('"');
}

fn hex(text: &mut String, escape: &str, value: u32, digits: u32) {
    text.push_str(escape);
    for at in (0..digits).rev() {
        text.push(char::from_digit((value >> (4 * at)) & 0xf, 16).unwrap_or('0'));
    }
}
