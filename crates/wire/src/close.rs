//! Why a client connection ended, as monitoring and events show it.

/// Why a connection was closed (server/client.go `ClosedState`, text in server/monitor.go).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseReason {
    /// The client hung up.
    ClientClosed,
    /// No CONNECT within the auth timeout.
    AuthenticationTimeout,
    /// Wrong or missing credentials.
    AuthenticationViolation,
    /// The TLS handshake failed.
    TlsHandshakeError,
    /// More unsent bytes than `max_pending`.
    SlowConsumerPendingBytes,
    /// No progress within `write_deadline`.
    SlowConsumerWriteDeadline,
    /// Writing failed.
    WriteError,
    /// Reading failed.
    ReadError,
    /// The client sent `-ERR`, or its CONNECT could not be used.
    ParseError,
    /// PINGs went unanswered.
    StaleConnection,
    /// The client broke the protocol.
    ProtocolViolation,
    /// CONNECT asked for an unknown protocol version.
    BadClientProtocolVersion,
    /// The connection came to a port for something else.
    WrongPort,
    /// The server is full.
    MaxConnectionsExceeded,
    /// The account is full.
    MaxAccountConnectionsExceeded,
    /// A message beyond `max_payload`.
    MaxPayloadExceeded,
    /// A control line beyond `max_control_line`.
    MaxControlLineExceeded,
    /// The account's subscription limit shrank below use.
    MaxSubscriptionsExceeded,
    /// The server is shutting down.
    ServerShutdown,
    /// The credentials expired.
    AuthenticationExpired,
    /// The account is gone.
    MissingAccount,
    /// The credentials were revoked.
    Revocation,
    /// `no_responders` without `headers` in CONNECT.
    NoRespondersRequiresHeaders,
    /// An operator closed it.
    Kicked,
    /// The proxy in front is not trusted.
    ProxyNotTrusted,
    /// A proxy is required and there was none.
    ProxyRequired,
}

impl CloseReason {
    /// The text in `/connz` and in disconnect events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientClosed => "Client Closed",
            Self::AuthenticationTimeout => "Authentication Timeout",
            Self::AuthenticationViolation => "Authentication Failure",
            Self::TlsHandshakeError => "TLS Handshake Failure",
            Self::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            Self::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            Self::WriteError => "Write Error",
            Self::ReadError => "Read Error",
            Self::ParseError => "Parse Error",
            Self::StaleConnection => "Stale Connection",
            Self::ProtocolViolation => "Protocol Violation",
            Self::BadClientProtocolVersion => "Bad Client Protocol Version",
            Self::WrongPort => "Incorrect Port",
            Self::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            Self::MaxAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
            Self::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            Self::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            Self::MaxSubscriptionsExceeded => "Maximum Subscriptions Exceeded",
            Self::ServerShutdown => "Server Shutdown",
            Self::AuthenticationExpired => "Authentication Expired",
            Self::MissingAccount => "Missing Account",
            Self::Revocation => "Credentials Revoked",
            Self::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            Self::Kicked => "Kicked",
            Self::ProxyNotTrusted => "Proxy Not Trusted",
            Self::ProxyRequired => "Proxy Required",
        }
    }

    /// Whether bytes that wait for the client are worth sending before the socket is closed.
    #[must_use]
    pub const fn drains(self) -> bool {
        !matches!(
            self,
            Self::ClientClosed
                | Self::SlowConsumerPendingBytes
                | Self::SlowConsumerWriteDeadline
                | Self::WriteError
                | Self::ReadError
                | Self::TlsHandshakeError
        )
    }
}
