//! Who wrote last: where nats-server did, messages may be gone without a trace.

use super::borders;
use super::checkpoint::Seal;
use super::record::{Kind, Record};

/// Whether a block ends in messages that another server may have written after this one sealed
/// or indexed it: behind those of this one is a witness.
///
/// An end that is torn says nothing.
pub(super) fn is_foreign(content: &[u8], seal: Option<&Seal>) -> bool {
    let since = match seal {
        // Cut off.
        Some(seal) if seal.len > content.len() as u64 => return false,
        Some(seal) if seal.is_of(content) => seal.len as usize,
        _ => 0,
    };
    let Some(content) = content.get(since..) else { return false };
    let mut untold = false;
    let end = borders::walk(content, |at, _| {
        match Record::parse(content, at).map(|record| record.kind) {
            Some(Kind::Message) => untold = true,
            Some(Kind::Witness) => untold = false,
            Some(Kind::Tombstone | Kind::Erased) | None => {}
        }
    });
    untold && end == content.len()
}
