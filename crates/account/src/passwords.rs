//! Comparing passwords and tokens.

use std::hint::black_box;

/// Whether a configured secret is a bcrypt hash (`server/auth.go` `isBcrypt`).
pub(crate) fn is_bcrypt(secret: &str) -> bool {
    match secret.as_bytes() {
        [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', tens, ones, b'$', ..] => {
            tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}

/// Whether `given` is the configured secret, plain or hashed (`server/auth.go`
/// `comparePasswords`). A hash costs tens of milliseconds or more.
pub(crate) fn matches(configured: &str, given: &str) -> bool {
    if is_bcrypt(configured) {
        return bcrypt::verify(given, configured).unwrap_or(false);
    }
    same(configured.as_bytes(), given.as_bytes())
}

/// Compares without telling by its duration where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let difference = a.iter().zip(b).fold(0, |acc, (x, y)| black_box(acc | (x ^ y)));
    black_box(difference) == 0
}
