//! The hash by which a server is known in JetStream.

use sha2::{Digest, Sha256};

/// Letters of a name hash (`server/events.go` `digits`).
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Length of a name hash (`sysHashLen`).
const HASH_LENGTH: usize = 8;

/// The hash of a server's name (`server/events.go` `getHash`).
pub(crate) fn name_hash(name: &str) -> String {
    Sha256::digest(name.as_bytes())
        .iter()
        .take(HASH_LENGTH)
        .filter_map(|&byte| DIGITS.get(usize::from(byte) % DIGITS.len()))
        .map(|&letter| char::from(letter))
        .collect()
}
