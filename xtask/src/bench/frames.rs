//! Splits what a server sends into frames, and counts messages without looking at them twice.

use std::io;

/// One frame from a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// `MSG` or `HMSG`.
    Msg(Msg<'a>),
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `INFO` or `+OK`.
    Other,
    /// `-ERR` with its text.
    Err(&'a str),
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Msg<'a> {
    /// Where to answer, empty when no answer is asked for.
    pub(crate) reply: &'a [u8],
    /// The header block, empty for `MSG`.
    pub(crate) headers: &'a [u8],
    /// The payload.
    pub(crate) payload: &'a [u8],
}

/// The first frame of `bytes` and its length, `None` when it is not complete yet.
pub(crate) fn next(bytes: &[u8]) -> io::Result<Option<(Frame<'_>, usize)>> {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(None) };
    let line = bytes.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let start = end + 1;
    let frame = match line.first() {
        Some(b'M') => return message(bytes, start, line.get(4..), HeaderBlock::No),
        Some(b'H') => return message(bytes, start, line.get(5..), HeaderBlock::Yes),
        Some(b'P') if line == b"PING" => Frame::Ping,
        Some(b'P') if line == b"PONG" => Frame::Pong,
        Some(b'I' | b'+') => Frame::Other,
        Some(b'-') => Frame::Err(std::str::from_utf8(line).unwrap_or("-ERR not in UTF-8")),
        _ => return Err(bad(line)),
    };
    Ok(Some((frame, start)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HeaderBlock {
    Yes,
    No,
}

/// `subject sid [reply] [header bytes] total bytes`, then the bytes.
fn message<'a>(
    bytes: &'a [u8],
    start: usize,
    arguments: Option<&'a [u8]>,
    header_block: HeaderBlock,
) -> io::Result<Option<(Frame<'a>, usize)>> {
    let arguments = arguments.unwrap_or_default();
    let mut words = [&[][..]; 5];
    let mut count = 0;
    for word in arguments.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        *words.get_mut(count).ok_or_else(|| bad(arguments))? = word;
        count += 1;
    }
    let numbers = if header_block == HeaderBlock::Yes { 2 } else { 1 };
    let (reply, sizes) = match count.checked_sub(numbers) {
        Some(2) => (&[][..], words.get(2..count)),
        Some(3) => (words[2], words.get(3..count)),
        _ => return Err(bad(arguments)),
    };
    let number = |word: Option<&&[u8]>| word.and_then(|word| decimal(word));
    let total = number(sizes.and_then(<[_]>::last)).ok_or_else(|| bad(arguments))?;
    let header_len = match header_block {
        HeaderBlock::Yes => number(sizes.and_then(<[_]>::first)).ok_or_else(|| bad(arguments))?,
        HeaderBlock::No => 0,
    };
    let Some(body) = bytes.get(start..start + total + 2) else { return Ok(None) };
    let headers = body.get(..header_len).ok_or_else(|| bad(arguments))?;
    let payload = body.get(header_len..total).ok_or_else(|| bad(arguments))?;
    Ok(Some((Frame::Msg(Msg { reply, headers, payload }), start + total + 2)))
}

/// A number of at most nine digits.
fn decimal(word: &[u8]) -> Option<usize> {
    let fits = (1..=9).contains(&word.len());
    word.iter()
        .filter(|_| fits)
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + usize::from(byte - b'0')))
        .filter(|_| fits)
}

fn bad(line: &[u8]) -> io::Error {
    let line = String::from_utf8_lossy(line.get(..line.len().min(80)).unwrap_or_default());
    io::Error::other(format!("not a frame: `{line}`"))
}

/// Counts messages. Nearly all have the same first line as the one before, and then the same
/// length: comparing that line is all that is done with them.
#[derive(Default)]
pub(crate) struct Counter {
    line: Vec<u8>,
    frame_len: usize,
}

impl Counter {
    /// Messages in the whole frames of `bytes`, and the length of these frames.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> io::Result<(u64, usize)> {
        let mut messages = 0;
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            if self.frame_len > 0 && rest.len() >= self.frame_len && rest.starts_with(&self.line) {
                messages += 1;
                used += self.frame_len;
                continue;
            }
            match next(rest)? {
                None => break,
                Some((Frame::Err(text), _)) => return Err(io::Error::other(text.to_owned())),
                Some((Frame::Msg(message), len)) => {
                    messages += 1;
                    used += len;
                    let line_len = len - message.headers.len() - message.payload.len() - 2;
                    self.line = rest.get(..line_len).unwrap_or_default().to_vec();
                    self.frame_len = len;
                }
                Some((_, len)) => used += len,
            }
        }
        Ok((messages, used))
    }
}
