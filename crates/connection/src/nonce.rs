//! What a client is given to sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use env::{OsRng, Rng};

/// Random bytes of a nonce (`nonceRawLen` in `server/nkey.go`).
const RAW_LEN: usize = 11;

/// A new nonce; `None` where the system gives no randomness, so that nobody can sign it.
pub(crate) fn generate() -> Option<Box<str>> {
    let mut raw = [0; RAW_LEN];
    OsRng.fill(&mut raw).ok()?;
    Some(URL_SAFE_NO_PAD.encode(raw).into())
}
