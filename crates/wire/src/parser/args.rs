//! The arguments of control lines.

use memchr::memchr2;

use super::{Frame, ParseError};

/// Sizes have at most this many digits (server/util.go `parseSize`).
const MAX_SIZE_DIGITS: usize = 9;

#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[inline]
pub(super) fn skip_blanks(bytes: &[u8]) -> &[u8] {
    match bytes.first() {
        Some(&byte) if is_blank(byte) => {
            let at = bytes.iter().position(|&b| !is_blank(b)).unwrap_or(bytes.len());
            bytes.get(at..).unwrap_or_default()
        }
        _ => bytes,
    }
}

/// A decimal number of 1 to 9 digits.
#[inline]
fn size(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |value, &byte| {
        byte.is_ascii_digit().then(|| value * 10 + usize::from(byte - b'0'))
    })
}

/// Up to `N` words; `None` when there are more. Unused places are empty.
fn words<const N: usize>(args: &[u8], split: fn(u8) -> bool) -> Option<([&[u8]; N], usize)> {
    let mut found = [&args[..0]; N];
    let mut count = 0;
    for word in args.split(|&byte| split(byte)).filter(|word| !word.is_empty()) {
        *found.get_mut(count)? = word;
        count += 1;
    }
    Some((found, count))
}

/// Subject, reply, header size, total size.
type PublishWithHeaders<'a> = (&'a [u8], Option<&'a [u8]>, usize, usize);

/// Subject, reply, size.
type Publish<'a> = (&'a [u8], Option<&'a [u8]>, usize);

/// `<subject> [reply] <size>` (server/client.go `processPub`).
#[inline]
pub(super) fn publish(args: &[u8]) -> Result<Publish<'_>, ParseError> {
    match publish_plain(args) {
        Some(publish) => Ok(publish),
        None => publish_any(args),
    }
}

/// The form every client library writes: single blanks, digits up to the end.
#[inline]
fn publish_plain(args: &[u8]) -> Option<Publish<'_>> {
    let digits = args.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, number) = args.split_at_checked(args.len() - digits)?;
    let size = size(number)?;
    let rest = rest.strip_suffix(b" ")?;
    match memchr2(b' ', b'\t', rest) {
        None if !rest.is_empty() => Some((rest, None, size)),
        None => None,
        Some(at) => {
            let (subject, reply) = rest.split_at_checked(at)?;
            let reply = reply.get(1..)?;
            let plain = !subject.is_empty() && !reply.is_empty();
            (plain && memchr2(b' ', b'\t', reply).is_none()).then_some((subject, Some(reply), size))
        }
    }
}

#[cold]
fn publish_any(args: &[u8]) -> Result<Publish<'_>, ParseError> {
    let (subject, reply, number) = match words::<3>(args, is_blank) {
        Some(([subject, number, _], 2)) => (subject, None, number),
        Some(([subject, reply, number], 3)) => (subject, Some(reply), number),
        _ => return Err(ParseError::pub_args(args)),
    };
    let size = size(number).ok_or_else(|| ParseError::pub_size(args))?;
    Ok((subject, reply, size))
}

/// `<subject> [reply] <header size> <total size>` (server/client.go `processHeaderPub`).
pub(super) fn publish_with_headers(args: &[u8]) -> Result<PublishWithHeaders<'_>, ParseError> {
    let (subject, reply, header, total) = match words::<4>(args, is_blank) {
        Some(([subject, header, total, _], 3)) => (subject, None, header, total),
        Some(([subject, reply, header, total], 4)) => (subject, Some(reply), header, total),
        _ => return Err(ParseError::hpub_args(args)),
    };
    let header = size(header).ok_or_else(|| ParseError::hpub_header_size(args))?;
    let total = size(total).ok_or_else(|| ParseError::hpub_total_size(args))?;
    if header > total {
        return Err(ParseError::hpub_header_larger(args));
    }
    Ok((subject, reply, header, total))
}

/// Blanks and stray carriage returns part the words of SUB and UNSUB (server/client.go `splitArg`).
fn is_split(byte: u8) -> bool {
    is_blank(byte) || byte == b'\r'
}

/// `<subject> [queue] <sid>` (server/client.go `parseSub`).
pub(super) fn subscribe(args: &[u8]) -> Result<Frame<'_>, ParseError> {
    match words::<3>(args, is_split) {
        Some(([subject, sid, _], 2)) => Ok(Frame::Sub { subject, queue: None, sid }),
        Some(([subject, queue, sid], 3)) => Ok(Frame::Sub { subject, queue: Some(queue), sid }),
        _ => Err(ParseError::sub_args(args)),
    }
}

/// `<sid> [max]` (server/client.go `processUnsub`).
pub(super) fn unsubscribe(args: &[u8]) -> Result<Frame<'_>, ParseError> {
    match words::<2>(args, is_split) {
        Some(([sid, _], 1)) => Ok(Frame::Unsub { sid, max: None }),
        Some(([sid, max], 2)) => {
            let max = size(max).filter(|&max| max > 0).map(|max| max as u64);
            Ok(Frame::Unsub { sid, max })
        }
        _ => Err(ParseError::unsub_args(args)),
    }
}
