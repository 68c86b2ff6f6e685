//! Names that a source goes by: in the headers of its messages, and as a consumer of its origin.

use sha2::{Digest as _, Sha256};
use types::StreamSource;

const ALL: &str = ">";
const HASH_LEN: usize = 8;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Eight characters that stand for a text (`server/events.go` `getHash`).
pub(crate) fn hash(text: &str) -> String {
    let digit = |byte: &u8| char::from(DIGITS.get(usize::from(byte % 62)).copied().unwrap_or(b'0'));
    Sha256::digest(text.as_bytes()).iter().take(HASH_LEN).map(digit).collect()
}

fn or_all(text: &str) -> &str {
    if text.is_empty() { ALL } else { text }
}

/// Name of a source within its stream: origin, filters, destinations
/// (`server/stream.go` `composeIName`).
pub(crate) fn index(source: &StreamSource) -> String {
    let mut name = source.name.clone();
    if let Some(external) = &source.external {
        name = format!("{name}:{}", hash(&external.api));
    }
    if source.subject_transforms.is_empty() {
        return format!("{name} {} {ALL}", or_all(&source.filter_subject));
    }
    let joined = |of: fn(&types::SubjectTransformConfig) -> &str| {
        let parts: Vec<&str> =
            source.subject_transforms.iter().map(|transform| or_all(of(transform))).collect();
        parts.join("\u{c}")
    };
    format!("{name} {} {}", joined(|t| &t.src), joined(|t| &t.dest))
}

/// What is the same for a stream's readers over restarts (`createStableConsumerHash`).
fn stable(stream: &str, account: &str, domain: &str) -> String {
    match domain {
        "" => hash(&format!("{stream} {account}")),
        domain => hash(&format!("{stream} {account} {domain}")),
    }
}

/// Name of the consumer that stands for a mirror at its origin.
pub(crate) fn mirror_reader(stream: &str, account: &str, domain: &str) -> String {
    format!("JS_MIRROR_{}", stable(stream, account, domain))
}

/// Name of the consumer that stands for a source at its origin (`createSourcingConsumerHash`).
pub(crate) fn source_reader(
    stream: &str,
    account: &str,
    domain: &str,
    source: &StreamSource,
    all: &[StreamSource],
) -> String {
    let mut id = stable(stream, account, domain);
    if all.iter().filter(|other| other.name == source.name).count() > 1 {
        id = format!("{id} {}", index(source));
    }
    format!("JS_SRC_{}", hash(&id))
}
