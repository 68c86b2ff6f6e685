//! Appending server frames to an outbound buffer, with no formatting machinery.

/// `PING\r\n`
pub const PING: &[u8] = b"PING\r\n";
/// `PONG\r\n`
pub const PONG: &[u8] = b"PONG\r\n";
/// `+OK\r\n`
pub const OK: &[u8] = b"+OK\r\n";
/// Ends every control line and payload.
pub const CRLF: &[u8] = b"\r\n";

/// Room for the fixed words, separators and two lengths of a message frame.
const OVERHEAD: usize = 64;

/// Appends `MSG <subject> <sid> [reply] <len>\r\n<payload>\r\n`.
#[inline]
pub fn msg(out: &mut Vec<u8>, subject: &[u8], sid: &[u8], reply: Option<&[u8]>, payload: &[u8]) {
    let reply_len = reply.map_or(0, <[u8]>::len);
    out.reserve(OVERHEAD + subject.len() + sid.len() + reply_len + payload.len());
    out.extend_from_slice(b"MSG ");
    address(out, subject, sid, reply);
    number(out, payload.len() as u64);
    out.extend_from_slice(CRLF);
    out.extend_from_slice(payload);
    out.extend_from_slice(CRLF);
}

/// Appends `HMSG <subject> <sid> [reply] <header len> <total len>\r\n<headers><payload>\r\n`.
/// `headers` is a whole block, with its closing empty line.
#[inline]
pub fn hmsg(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    headers: &[u8],
    payload: &[u8],
) {
    let reply_len = reply.map_or(0, <[u8]>::len);
    let body_len = headers.len() + payload.len();
    out.reserve(OVERHEAD + subject.len() + sid.len() + reply_len + body_len);
    out.extend_from_slice(b"HMSG ");
    address(out, subject, sid, reply);
    number(out, headers.len() as u64);
    out.push(b' ');
    number(out, body_len as u64);
    out.extend_from_slice(CRLF);
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(CRLF);
}

/// Appends an HMSG when there are headers, else a MSG.
#[inline]
pub fn message(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    headers: &[u8],
    payload: &[u8],
) {
    if headers.is_empty() {
        msg(out, subject, sid, reply, payload);
    } else {
        hmsg(out, subject, sid, reply, headers, payload);
    }
}

/// Appends `PING\r\n`.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(PING);
}

/// Appends `PONG\r\n`.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(PONG);
}

/// Appends `+OK\r\n`.
pub fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(OK);
}

/// Appends `-ERR '<text>'\r\n`; `text` comes from [`crate::err`].
pub fn err(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Appends `INFO <json>\r\n`. The reference leaves a blank between the object and the line end
/// (server/server.go `generateInfoJSON`), and so does this.
pub fn info(out: &mut Vec<u8>, json: &[u8]) {
    out.reserve(json.len() + 8);
    out.extend_from_slice(b"INFO ");
    out.extend_from_slice(json);
    out.extend_from_slice(b" \r\n");
}

/// Appends a number in decimal.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
fn address(out: &mut Vec<u8>, subject: &[u8], sid: &[u8], reply: Option<&[u8]>) {
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
}
