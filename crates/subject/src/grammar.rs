//! The grammar of subjects: tokens separated by dots, with `*` and `>` as wildcards.
//!
//! A wildcard counts only when it is a whole token; `>` only matches when it is the last one.
//! Nothing here allocates. Subjects are bytes; a `&str` is passed with `as_bytes()`.

/// Separates the tokens of a subject.
pub const SEPARATOR: u8 = b'.';
/// The token that matches exactly one token.
pub const ONE: &[u8] = b"*";
/// The token that matches one or more trailing tokens.
pub const REST: &[u8] = b">";

/// What a well formed subject is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No wildcards: a message may be published to it.
    Literal,
    /// Holds at least one wildcard token.
    Wildcard,
}

/// The tokens of a subject, in order. Empty tokens are yielded as empty slices; an empty subject
/// yields one empty token.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Tokens<'a> {
    /// What follows the tokens already taken, or `None` after the last one.
    #[must_use]
    pub fn rest(&self) -> Option<&'a [u8]> {
        self.rest
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (token, rest) = split_token(self.rest?);
        self.rest = rest;
        Some(token)
    }
}

/// Cuts the first token off: `a.b.c` gives `a` and `Some(b.c)`.
#[inline]
pub(crate) fn split_token(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    match subject.iter().position(|&b| b == SEPARATOR) {
        Some(dot) => {
            let (token, rest) = subject.split_at(dot);
            (token, rest.get(1..))
        }
        None => (subject, None),
    }
}

/// Iterates over the tokens of `subject`.
#[inline]
#[must_use]
pub fn tokens(subject: &[u8]) -> Tokens<'_> {
    Tokens { rest: Some(subject) }
}

/// The number of tokens; 0 for an empty subject (server/sublist.go `numTokens`).
#[must_use]
pub fn token_count(subject: &[u8]) -> usize {
    if subject.is_empty() {
        return 0;
    }
    subject.iter().filter(|&&b| b == SEPARATOR).count() + 1
}

/// The token at `index`, counted from 1; empty when there is none (server/sublist.go `tokenAt`).
#[must_use]
pub fn token_at(subject: &[u8], index: usize) -> &[u8] {
    match index.checked_sub(1) {
        Some(skip) => tokens(subject).nth(skip).unwrap_or_default(),
        None => &[],
    }
}

/// The kind of `subject`, or `None` when it is not well formed: tokens must not be empty nor hold
/// space, tab, line feed, form feed or carriage return, and `>` may only be the last token
/// (server/sublist.go `IsValidSubject`).
#[must_use]
pub fn kind(subject: &[u8]) -> Option<Kind> {
    let mut kind = Kind::Literal;
    let mut token_len = 0usize;
    let mut previous = 0u8;
    for &byte in subject {
        match byte {
            SEPARATOR => {
                match (token_len, previous) {
                    (0, _) | (1, b'>') => return None,
                    (1, b'*') => kind = Kind::Wildcard,
                    _ => {}
                }
                token_len = 0;
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => return None,
            _ => token_len += 1,
        }
        previous = byte;
    }
    match (token_len, previous) {
        (0, _) => None,
        (1, b'>' | b'*') => Some(Kind::Wildcard),
        _ => Some(kind),
    }
}

/// Whether a message may be published to `subject` (server/sublist.go `IsValidPublishSubject`).
#[inline]
#[must_use]
pub fn is_valid_literal(subject: &[u8]) -> bool {
    kind(subject) == Some(Kind::Literal)
}

/// Whether `pattern` is a well formed subject, with or without wildcards
/// (server/sublist.go `IsValidSubject`).
#[inline]
#[must_use]
pub fn is_valid_pattern(pattern: &[u8]) -> bool {
    kind(pattern).is_some()
}

/// Whether any token of `subject` is a wildcard, wherever it stands; validity is not checked
/// (server/sublist.go `subjectHasWildcard`).
#[must_use]
pub fn has_wildcards(subject: &[u8]) -> bool {
    // Most subjects hold neither byte, and this scan is the cheap part.
    subject.iter().any(|&b| b == b'*' || b == b'>')
        && tokens(subject).any(|token| token == ONE || token == REST)
}

/// Whether the tokens are non-empty and none is a wildcard; white space is not looked for. This is
/// the check behind "Invalid Publish Subject" (server/sublist.go `IsValidLiteralSubject`).
#[must_use]
pub fn is_literal(subject: &[u8]) -> bool {
    let mut token_len = 0usize;
    let mut previous = 0u8;
    for &byte in subject {
        if byte == SEPARATOR {
            if token_len == 0 || (token_len == 1 && matches!(previous, b'*' | b'>')) {
                return false;
            }
            token_len = 0;
        } else {
            token_len += 1;
            previous = byte;
        }
    }
    !(token_len == 0 || (token_len == 1 && matches!(previous, b'*' | b'>')))
}

/// Whether the literal subject is matched by `pattern`. Wildcards in `literal` are ordinary tokens
/// (server/sublist.go `matchLiteral`).
#[must_use]
pub fn matches(literal: &[u8], pattern: &[u8]) -> bool {
    let (mut literal, mut pattern) = (literal, pattern);
    loop {
        if pattern == REST {
            return !literal.is_empty();
        }
        let (want, want_rest) = split_token(pattern);
        let (have, have_rest) = split_token(literal);
        if want != ONE && want != have || have.is_empty() {
            return false;
        }
        match (have_rest, want_rest) {
            (None, None) => return true,
            (Some(l), Some(p)) => (literal, pattern) = (l, p),
            _ => return false,
        }
    }
}

/// Whether everything `inner` matches is also matched by `outer`; both may hold wildcards
/// (server/sublist.go `subjectIsSubsetMatch`).
#[must_use]
pub fn is_subset(inner: &[u8], outer: &[u8]) -> bool {
    let (mut inner, mut outer) = (inner, outer);
    loop {
        if outer == REST {
            return !inner.is_empty();
        }
        if inner == REST {
            return false;
        }
        let (have, have_rest) = split_token(inner);
        let (want, want_rest) = split_token(outer);
        if want != ONE && want != have || have.is_empty() {
            return false;
        }
        match (have_rest, want_rest) {
            (None, None) => return true,
            (Some(i), Some(o)) => (inner, outer) = (i, o),
            _ => return false,
        }
    }
}

/// Whether some literal subject is matched by both (server/sublist.go `SubjectsCollide`).
#[must_use]
pub fn collide(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (a, b);
    loop {
        if a == REST || b == REST {
            return !a.is_empty() && !b.is_empty();
        }
        let (left, left_rest) = split_token(a);
        let (right, right_rest) = split_token(b);
        if left.is_empty() || right.is_empty() || left != right && left != ONE && right != ONE {
            return false;
        }
        match (left_rest, right_rest) {
            (None, None) => return true,
            (Some(l), Some(r)) => (a, b) = (l, r),
            _ => return false,
        }
    }
}
