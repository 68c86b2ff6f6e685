//! Header blocks: `NATS/1.0[ code description]`, then `key: value` lines, then an empty line.
//!
//! Keys are case sensitive. Nothing here fails on malformed blocks: what is not a header line is
//! not found.

use memchr::{memchr, memmem};

use crate::encode;

/// The version line that starts every block.
pub const VERSION: &[u8] = b"NATS/1.0";
/// A block without headers; the reference treats it as no block (server/client.go `emptyHdrLine`).
pub const EMPTY: &[u8] = b"NATS/1.0\r\n\r\n";

/// The status a server puts on the version line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status<'a> {
    /// Three digits, as in HTTP.
    pub code: u16,
    /// The words after it, trimmed; may be empty.
    pub description: &'a [u8],
}

/// One header line: `start..end` in the block, line end included, and its parts.
struct Line<'a> {
    start: usize,
    end: usize,
    text: &'a [u8],
}

/// The lines after the first, without line ends. The empty line at the end comes as empty text.
fn lines(block: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut at = line_end(block, 0).unwrap_or(block.len());
    std::iter::from_fn(move || {
        let rest = block.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let end = line_end(block, at).unwrap_or(block.len());
        at = end;
        let text = rest.get(..end - start)?;
        Some(Line { start, end, text: text.strip_suffix(b"\r\n").unwrap_or(text) })
    })
}

/// Where the line that starts at `from` ends, behind its CR LF.
fn line_end(block: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let feed = at + memchr(b'\n', block.get(at..)?)?;
        if feed > from && block.get(feed - 1) == Some(&b'\r') {
            return Some(feed + 1);
        }
        at = feed + 1;
    }
}

/// The part after `key:` when `line` has that key.
fn value_of<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(key)?.strip_prefix(b":")
}

/// The value of the first `key` header, without leading blanks (server/client.go `sliceHeader`).
#[must_use]
pub fn get<'a>(block: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let value = lines(block).find_map(|line| value_of(line.text, key.as_bytes()))?;
    let skip = value.iter().take_while(|&&byte| byte == b' ').count();
    value.get(skip..)
}

/// All headers in order, keys and values without blanks around them.
pub fn iter(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(block).filter_map(|line| {
        let colon = memchr(b':', line.text)?;
        let (key, value) = line.text.split_at_checked(colon)?;
        let key = key.trim_ascii();
        (!key.is_empty()).then(|| (key, value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// The status of a block, if its first line carries one.
#[must_use]
pub fn status(block: &[u8]) -> Option<Status<'_>> {
    let end = memmem::find(block, encode::CRLF).unwrap_or(block.len());
    let rest = block.get(..end)?.strip_prefix(VERSION)?.strip_prefix(b" ")?.trim_ascii();
    let (digits, description) = rest.split_at_checked(3)?;
    let code = digits.iter().try_fold(0u16, |code, &byte| {
        byte.is_ascii_digit().then(|| code * 10 + u16::from(byte - b'0'))
    })?;
    let apart = description.first().is_none_or(|&byte| byte == b' ');
    apart.then(|| Status { code, description: description.trim_ascii() })
}

/// Sets the first `key` header to `value`, or adds it at the end; makes a block out of nothing
/// (server/client.go `setHeader`). Line ends in `value` become blanks.
pub fn set(block: &mut Vec<u8>, key: &str, value: &[u8]) {
    let place = lines(block).find_map(|line| {
        let old = value_of(line.text, key.as_bytes())?;
        // One blank after the colon stays, as it was written.
        let old = old.strip_prefix(b" ").unwrap_or(old);
        let end = line.start + line.text.len();
        Some(end - old.len()..end)
    });
    match place {
        Some(range) => {
            block.splice(range, clean(value));
        }
        None => {
            if block.is_empty() {
                block.extend_from_slice(EMPTY);
            }
            if block.ends_with(b"\r\n\r\n") {
                block.truncate(block.len() - encode::CRLF.len());
            } else if !block.ends_with(encode::CRLF) {
                block.extend_from_slice(encode::CRLF);
            }
            push_line(block, key, value);
            block.extend_from_slice(encode::CRLF);
        }
    }
}

/// Removes all `key` headers; returns whether there were any. A block left without headers and
/// status becomes empty (server/client.go `removeHeaderIfPresent`).
pub fn remove(block: &mut Vec<u8>, key: &str) -> bool {
    remove_lines(block, |line| value_of(line, key.as_bytes()).is_some())
}

/// Removes all headers whose key starts with `prefix`; returns whether there were any
/// (server/client.go `removeHeaderIfPrefixPresent`).
pub fn remove_prefix(block: &mut Vec<u8>, prefix: &str) -> bool {
    remove_lines(block, |line| {
        !line.is_empty() && memchr(b':', line).is_some() && line.starts_with(prefix.as_bytes())
    })
}

/// Removes code and description from the version line (server/client.go
/// `removeHeaderStatusIfPresent`).
pub fn remove_status(block: &mut Vec<u8>) {
    if !block.starts_with(VERSION) {
        return;
    }
    if let Some(end) = memchr(b'\r', block).filter(|&end| end > VERSION.len()) {
        block.drain(VERSION.len()..end);
        if block.len() <= EMPTY.len() {
            block.clear();
        }
    }
}

fn remove_lines(block: &mut Vec<u8>, mut matches: impl FnMut(&[u8]) -> bool) -> bool {
    let gone: Vec<_> =
        lines(block).filter(|line| matches(line.text)).map(|line| line.start..line.end).collect();
    if gone.is_empty() {
        return false;
    }
    for range in gone.into_iter().rev() {
        block.drain(range);
    }
    if block.len() <= EMPTY.len() {
        block.clear();
    }
    true
}

fn clean(value: &[u8]) -> Vec<u8> {
    value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

fn push_line(block: &mut Vec<u8>, key: &str, value: &[u8]) {
    block.extend_from_slice(key.as_bytes());
    block.extend_from_slice(b": ");
    let start = block.len();
    block.extend_from_slice(value);
    for byte in block.iter_mut().skip(start) {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    block.extend_from_slice(encode::CRLF);
}

/// Builds a header block.
#[derive(Clone, Debug)]
pub struct HeaderBuilder {
    block: Vec<u8>,
}

impl Default for HeaderBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderBuilder {
    /// A block without status.
    #[must_use]
    pub fn new() -> Self {
        let mut block = Vec::with_capacity(64);
        block.extend_from_slice(VERSION);
        block.extend_from_slice(encode::CRLF);
        Self { block }
    }

    /// A block with `code` and, unless empty, `description` on its version line.
    #[must_use]
    pub fn with_status(code: u16, description: &str) -> Self {
        let mut block = Vec::with_capacity(64);
        block.extend_from_slice(VERSION);
        block.push(b' ');
        encode::number(&mut block, u64::from(code));
        if !description.is_empty() {
            block.push(b' ');
            block.extend_from_slice(&clean(description.as_bytes()));
        }
        block.extend_from_slice(encode::CRLF);
        Self { block }
    }

    /// Adds a header; line ends in `value` become blanks.
    #[must_use]
    pub fn add(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        push_line(&mut self.block, key, value.as_ref());
        self
    }

    /// Adds a header with a number.
    #[must_use]
    pub fn add_number(self, key: &str, value: u64) -> Self {
        self.add(key, itoa::Buffer::new().format(value))
    }

    /// The whole block, with its closing empty line.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.block.extend_from_slice(encode::CRLF);
        self.block
    }
}
