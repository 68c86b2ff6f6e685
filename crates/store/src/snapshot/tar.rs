//! The tar format as far as archives of streams need it: regular files.
//!
//! Written is plain ustar, with a PAX record for a name that does not fit. Read are ustar, PAX
//! and GNU long names; whatever else an archive holds is told by its kind.

use std::io::{self, Read};

use super::s2::read_or_end;

pub(super) const BLOCK: usize = 512;
const NAME: usize = 100;
const REGULAR: u8 = b'0';
const OLD_REGULAR: u8 = 0;
const PAX: u8 = b'x';
const PAX_GLOBAL: u8 = b'g';
const GNU_LONG_NAME: u8 = b'L';
/// Most bytes of an extended header.
const LARGEST_EXTENSION: u64 = 16 << 10;

/// What a header says of its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) regular: bool,
}

/// Bytes that fill up a member's last block.
pub(super) fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

/// The header of a regular file.
pub(super) fn header(name: &str, size: u64, mtime: u64) -> Vec<u8> {
    if name.len() <= NAME {
        return block(name, REGULAR, size, mtime).to_vec();
    }
    let record = pax_record("path", name);
    let mut out = block("PaxHeaders.0/member", PAX, record.len() as u64, mtime).to_vec();
    out.extend_from_slice(record.as_bytes());
    out.resize(out.len() + padding(record.len() as u64), 0);
    let cut = name.char_indices().map(|(at, _)| at).take_while(|&at| at <= NAME).last();
    let short = name.get(..cut.unwrap_or(0)).unwrap_or_default();
    out.extend_from_slice(&block(short, REGULAR, size, mtime));
    out
}

/// `<length> key=value\n`, where the length counts itself.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    format!("{len} {key}={value}\n")
}

fn block(name: &str, kind: u8, size: u64, mtime: u64) -> [u8; BLOCK] {
    let mut out = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (place, byte) in out.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{mtime:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(265, b"nats");
    put(297, b"nats");
    let sum: u32 = out.iter().map(|&byte| u32::from(byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (place, byte) in out.iter_mut().skip(148).zip(sum.as_bytes()) {
        *place = *byte;
    }
    out
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "archive/tar: invalid tar header")
}

/// A number in octal, or in the binary form of large ones.
fn number(field: &[u8]) -> io::Result<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let tail = field.last_chunk::<8>().ok_or_else(invalid)?;
        let high = field.get(1..field.len() - 8).unwrap_or_default();
        if high.iter().any(|&byte| byte != 0) || field.first() != Some(&0x80) {
            return Err(invalid());
        }
        return Ok(u64::from_be_bytes(*tail));
    }
    let text = std::str::from_utf8(field).map_err(|_| invalid())?;
    let text = text.trim_matches(|c| c == ' ' || c == '\0');
    if text.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(text, 8).map_err(|_| invalid())
}

fn text(field: &[u8]) -> io::Result<String> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let text = field.get(..end).unwrap_or_default();
    String::from_utf8(text.to_vec()).map_err(|_| invalid())
}

/// Reads the next member's header; `None` at the end of the archive. The input stands at the
/// member's content then.
///
/// An archive that just stops, without its end mark, is an error: part of it may be missing.
pub(super) fn read_header(input: &mut impl Read) -> io::Result<Option<Member>> {
    let (mut long_name, mut long_size) = (None, None);
    loop {
        let mut raw = [0; BLOCK];
        if !read_or_end(input, &mut raw)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if raw.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let field = |from: usize, len: usize| raw.get(from..from + len).unwrap_or_default();
        let sum = number(field(148, 8))?;
        let blanked = raw
            .iter()
            .enumerate()
            .map(|(at, &byte)| u64::from(if (148..156).contains(&at) { b' ' } else { byte }));
        if blanked.sum::<u64>() != sum {
            return Err(invalid());
        }
        let size = number(field(124, 12))?;
        let kind = raw.get(156).copied().unwrap_or_default();
        match kind {
            PAX => {
                let records = extension(input, size)?;
                for (key, value) in pax_records(&records)? {
                    match key {
                        "path" => long_name = Some(value.to_owned()),
                        "size" => long_size = Some(value.parse().map_err(|_| invalid())?),
                        // A sparse file is longer than it looks.
                        key if key.starts_with("GNU.sparse") => return Err(invalid()),
                        _ => {}
                    }
                }
            }
            PAX_GLOBAL => drop(extension(input, size)?),
            GNU_LONG_NAME => long_name = Some(text(&extension(input, size)?)?),
            kind => {
                let name = match long_name {
                    Some(name) => name,
                    None => {
                        let prefix = if field(257, 6) == b"ustar\0" {
                            text(field(345, 155))?
                        } else {
                            String::new()
                        };
                        let name = text(field(0, NAME))?;
                        if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
                    }
                };
                let regular = kind == REGULAR || kind == OLD_REGULAR;
                return Ok(Some(Member { name, size: long_size.unwrap_or(size), regular }));
            }
        }
    }
}

/// The content of an extended header.
fn extension(input: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > LARGEST_EXTENSION {
        return Err(invalid());
    }
    let mut content = vec![0; size as usize + padding(size)];
    input.read_exact(&mut content)?;
    content.truncate(size as usize);
    Ok(content)
}

fn pax_records(mut content: &[u8]) -> io::Result<Vec<(&str, &str)>> {
    let mut records = Vec::new();
    while !content.is_empty() {
        let blank = content.iter().position(|&byte| byte == b' ').ok_or_else(invalid)?;
        let len = content.get(..blank).and_then(|text| std::str::from_utf8(text).ok());
        let len: usize = len.and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
        let (record, rest) = content.split_at_checked(len).ok_or_else(invalid)?;
        let body = record.get(blank + 1..).ok_or_else(invalid)?;
        let body = body.strip_suffix(b"\n").ok_or_else(invalid)?;
        let body = std::str::from_utf8(body).map_err(|_| invalid())?;
        records.push(body.split_once('=').ok_or_else(invalid)?);
        content = rest;
    }
    Ok(records)
}
