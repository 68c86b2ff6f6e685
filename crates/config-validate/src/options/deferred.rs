//! Keys of nats-server that this server accepts but does not act on, or cannot do without.

use crate::conf::Pos;

/// A key that was accepted and has no effect yet; the server warns once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredKey {
    /// Path of the key, such as `cluster` or `accounts.A.imports`.
    pub name: String,
    /// Where it stands.
    pub pos: Pos,
}

/// What a top-level key means that this server knows but does not implement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsupported {
    /// Leaving it out is safe: warn.
    Harmless,
    /// Running without it would drop a protection the user asked for: refuse.
    Protective,
}

/// Looks up a lower-case top-level key of nats-server that has no effect here.
pub(super) fn unsupported(key: &str) -> Option<Unsupported> {
    Some(match key {
        "cluster"
        | "gateway"
        | "leaf"
        | "leafnodes"
        | "websocket"
        | "ws"
        | "mqtt"
        | "prof_block_rate"
        | "connect_error_reports"
        | "reconnect_error_reports" => Unsupported::Harmless,
        "tls" | "ocsp" | "ocsp_cache" | "allow_non_tls" | "https" | "https_port"
        | "resolver_tls" | "proxies" | "proxy_protocol" => Unsupported::Protective,
        _ => return None,
    })
}

/// Text for a key in whose absence the server would be less safe than configured.
pub(super) fn not_supported(key: &str) -> String {
    format!("{} is not supported yet by this server", crate::quote::quoted(key))
}
