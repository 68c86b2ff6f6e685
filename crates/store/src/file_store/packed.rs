//! Compressed blocks: a sealed block as an S2 stream (`server/store.go` `StoreCompression`,
//! `server/filestore.go` `CompressionInfo`).
//!
//! The last eight bytes stay plain, so that the file still ends with its last record's checksum.

use minlz::{crc, s2};

use super::varint::{Reader, push_u};

const MAGIC: &[u8] = b"cmp";
const PLAIN: u8 = 0;
const S2: u8 = 1;
/// What a stream starts with: chunk head and identifier.
const S2_STREAM: &[u8] = b"\xff\x06\x00\x00S2sTwO";
const TAIL: usize = 8;
const CHUNK: usize = 1 << 20;
/// Most that one chunk may unfold to.
const LARGEST_CHUNK: usize = 4 << 20;
/// Most that is filled up for chunks that cannot be read.
const LARGEST_BLOCK: u64 = 256 << 20;

/// Whether a block's file is compressed, from its first bytes.
pub(crate) fn is_packed(start: &[u8]) -> bool {
    // The reference once rewrote blocks without their head, and could not read them again; and a
    // head may be damaged.
    start.starts_with(MAGIC) || stream_in(start.get(..START).unwrap_or(start)).is_some()
}

/// Where the S2 stream starts.
fn stream_in(start: &[u8]) -> Option<usize> {
    start.windows(S2_STREAM.len()).position(|window| window == S2_STREAM)
}

/// Whether a compressed file lacks its head, from its first bytes.
pub(super) fn is_headless(start: &[u8]) -> bool {
    start.starts_with(S2_STREAM)
}

/// Length of the content of a compressed file, from its first bytes, if they say it.
pub(super) fn content_len(start: &[u8]) -> Option<u64> {
    let rest = start.strip_prefix(MAGIC)?.get(1..)?;
    Reader::new(rest).u()
}

/// Bytes that [`is_packed`] needs: a head, and the stream's identifier behind it.
pub(super) const START: usize = 20;

/// Compresses a block's content, which holds at least a record.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.push(S2);
    push_u(&mut out, plain.len() as u64);
    out.extend_from_slice(S2_STREAM);
    let (body, tail) = plain.split_at(plain.len().saturating_sub(TAIL));
    for chunk in body.chunks(CHUNK) {
        let block = s2::encode(chunk);
        let (kind, data) = if block.len() < chunk.len() { (0, &block[..]) } else { (1, chunk) };
        let len = (data.len() + 4) as u32;
        out.push(kind);
        out.extend_from_slice(len.to_le_bytes().get(..3).unwrap_or_default());
        out.extend_from_slice(&crc::crc(chunk).to_le_bytes());
        out.extend_from_slice(data);
    }
    out.extend_from_slice(tail);
    out
}

/// The content of a compressed file. Where a chunk cannot be read there are zeros of its length,
/// which make no sound record, so that the others keep their offsets; nothing if all is lost.
pub(super) fn unpack(file: &[u8]) -> Vec<u8> {
    let start = file.get(..START).unwrap_or(file);
    let size = content_len(start);
    let rest = match (file.strip_prefix(MAGIC), stream_in(start)) {
        (_, Some(at)) => file.get(at..).unwrap_or_default(),
        (Some([PLAIN, rest @ ..]), None) => {
            let mut read = Reader::new(rest);
            return read.u().map(|_| read.rest().to_vec()).unwrap_or_default();
        }
        // The stream's identifier is damaged, too: chunks may still be found behind the head.
        (Some([_, rest @ ..]), None) => {
            let mut read = Reader::new(rest);
            if read.u().is_none() {
                return Vec::new();
            }
            read.rest()
        }
        (_, None) => return Vec::new(),
    };
    let Some((mut stream, tail)) =
        rest.len().checked_sub(TAIL).and_then(|at| rest.split_at_checked(at))
    else {
        return Vec::new();
    };
    let mut plain = Vec::new();
    while let Some((head, after)) = stream.split_first_chunk::<4>() {
        let [kind, a, b, c] = *head;
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        let Some((data, after)) = after.split_at_checked(len) else { break };
        stream = after;
        let known = match kind {
            0 => unpack_chunk(data, &mut plain),
            1 => keep_chunk(data, &mut plain),
            0x80..=0xff => Some(()),
            _ => None,
        };
        if known.is_none() {
            break;
        }
    }
    if let Some(size) = size.filter(|&size| size <= LARGEST_BLOCK) {
        // Chunks whose heads are bad are missing at the end.
        let body = (size as usize).saturating_sub(TAIL);
        if plain.len() < body {
            plain.resize(body, 0);
        }
    }
    plain.extend_from_slice(tail);
    plain
}

/// A chunk that is not compressed; `None` if it is too short to be one.
fn keep_chunk(data: &[u8], plain: &mut Vec<u8>) -> Option<()> {
    let (sum, data) = data.split_first_chunk::<4>()?;
    if crc::crc(data).to_le_bytes() == *sum {
        plain.extend_from_slice(data);
    } else {
        plain.resize(plain.len() + data.len(), 0);
    }
    Some(())
}

/// A compressed chunk; `None` if its length is not known.
fn unpack_chunk(data: &[u8], plain: &mut Vec<u8>) -> Option<()> {
    let (sum, data) = data.split_first_chunk::<4>()?;
    let (len, _) = s2::decode_len(data).ok()?;
    if len > LARGEST_CHUNK {
        return None;
    }
    match s2::decode(data) {
        Ok(chunk) if crc::crc(&chunk).to_le_bytes() == *sum => plain.extend_from_slice(&chunk),
        _ => plain.resize(plain.len() + len, 0),
    }
    Some(())
}
