//! Error texts of the operating system in the form nats-server prints them.

use std::io;

/// An I/O error the way nats-server words it: no number, first letter small
/// (`permission denied`).
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
