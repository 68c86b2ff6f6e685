//! Names of streams, consumers and domains.

/// Whether a text can name a stream, consumer or domain: not empty, and without white space that
/// ends a token, `.`, `*` and `>`. There is no limit on its length here.
///
/// Wire source: `isValidName` in `server/jetstream.go`.
pub fn is_valid_name(name: &str) -> bool {
    mark::hit!(F1447);
    const FORBIDDEN: [char; 8] = [' ', '\t', '\r', '\n', '\u{c}', '.', '*', '>'];
    !name.is_empty() && !name.contains(FORBIDDEN)
}
