//! Headers of messages that come from another stream.

use crate::headers::number;

/// Says which source a message came from, and its sequence there (`JSStreamSource`).
const SOURCE: &[u8] = b"Nats-Stream-Source";
/// What a publisher asked of the origin; it was checked there.
const LEFT_OUT: [&[u8]; 3] = [b"Nats-Expected-", b"Nats-Batch-", b"Nats-Request-Info:"];

fn is_source(line: &[u8]) -> bool {
    line.strip_prefix(SOURCE).is_some_and(|rest| rest.first() == Some(&b':'))
}

/// Copies a header block into `out` up to its empty line, without the lines that do not go along;
/// nothing where no line is left.
fn copy(block: &[u8], out: &mut Vec<u8>, left_out: impl Fn(&[u8]) -> bool) {
    out.clear();
    let mut kept = 0;
    for (at, line) in block.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line == b"\r\n" {
            break;
        }
        if at > 0 && (left_out(line) || LEFT_OUT.iter().any(|prefix| line.starts_with(prefix))) {
            continue;
        }
        kept += 1;
        out.extend_from_slice(line);
    }
    // Of the version alone nothing is left, of a status there is.
    if kept == 1 && out.as_slice() == b"NATS/1.0\r\n" {
        out.clear();
    }
}

/// The headers that a mirror stores, in `out`, or as they are.
pub(crate) fn from_mirrored<'a>(block: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
    let as_it_is = block.is_empty()
        || !block
            .split_inclusive(|byte| *byte == b'\n')
            .any(|line| LEFT_OUT.iter().any(|prefix| line.starts_with(prefix)));
    if as_it_is {
        return block;
    }
    copy(block, out, |_| false);
    if !out.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The headers that a stream with sources stores, in `out`: those of the origin, and where the
/// message is from (`genSourceHeader`).
pub(crate) fn from_sourced(block: &[u8], index: &str, seq: u64, subject: &[u8], out: &mut Vec<u8>) {
    copy(block, out, is_source);
    if out.is_empty() {
        out.extend_from_slice(b"NATS/1.0\r\n");
    }
    let (name, rest) = index.split_once(' ').unwrap_or((index, ""));
    out.extend_from_slice(SOURCE);
    out.extend_from_slice(b": ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    out.push(b' ');
    out.extend_from_slice(rest.as_bytes());
    out.push(b' ');
    out.extend_from_slice(subject);
    out.extend_from_slice(b"\r\n\r\n");
}

/// Which source a stored message came from, and its sequence there (`streamAndSeq`).
pub(crate) struct Origin {
    /// The origin's name, with the mark of an external one.
    pub(crate) stream: String,
    /// The source's name within its stream; `None` in headers of old servers.
    pub(crate) index: Option<String>,
    pub(crate) seq: u64,
}

/// Reads where a stored message came from; `None` if it came from no source.
pub(crate) fn index_of(block: &[u8]) -> Option<Origin> {
    if block.is_empty() {
        return None;
    }
    let value = wire::headers::get(block, "Nats-Stream-Source")?;
    let value = std::str::from_utf8(value).ok()?;
    if value.starts_with("$JS.ACK.") {
        return from_ack_reply(value);
    }
    let mut fields = value.split(' ');
    let stream = fields.next()?.to_owned();
    let seq = number(fields.next()?.as_bytes())?;
    let index = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(_), None) => return None,
        (Some(filter), Some(dest)) => Some(format!("{stream} {filter} {dest}")),
    };
    Some(Origin { stream, index, seq })
}

/// Headers of the first servers with sources hold the reply of the delivery.
fn from_ack_reply(value: &str) -> Option<Origin> {
    let tokens: Vec<&str> = value.split('.').collect();
    let at = match tokens.len() {
        9 => 2,
        11.. => 4,
        _ => return None,
    };
    let seq = number(tokens.get(at + 3)?.as_bytes())?;
    Some(Origin { stream: (*tokens.get(at)?).to_owned(), index: None, seq })
}
