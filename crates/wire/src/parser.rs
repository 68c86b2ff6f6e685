//! The parser of what clients send: one pass, resumable, frames borrow from the read buffer.

mod args;
mod error;
mod frame;

use memchr::memchr;

pub use error::ParseError;
pub use frame::Frame;

use args::{is_blank, skip_blanks};

/// What a connection may send. Changing it applies from the next frame on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest control line in bytes, without its verb and line end (`max_control_line`).
    pub max_control_line: usize,
    /// The largest message, headers included, in bytes; `None` is unlimited (`max_payload`).
    pub max_payload: Option<usize>,
    /// Whether HPUB is understood.
    pub headers: HeaderSupport,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_control_line: 4096,
            max_payload: Some(1024 * 1024),
            headers: HeaderSupport::Enabled,
        }
    }
}

/// Whether messages may have headers: both sides must have said so in INFO and CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderSupport {
    /// HPUB is accepted.
    Enabled,
    /// HPUB is a protocol violation.
    Disabled,
}

/// Which operations are accepted at this point of the connection's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// Credentials are still awaited: anything but CONNECT is an authorization violation, from its
    /// first byte on.
    ConnectOnly,
    /// Everything.
    Open,
}

/// Cuts client input into frames (server/parser.go `parse`).
///
/// The reader keeps one growing buffer. It calls [`Parser::next`] with the unconsumed bytes; after
/// `None` it appends what it reads and calls again with the same start. A message that arrives in
/// pieces is scanned once: its control line is remembered.
///
/// Differences from the reference that no client relies on: a line feed directly after `PUB `
/// ends the line instead of starting the subject; runs of blanks and junk after PING also count
/// against `max_control_line` while their line is incomplete.
#[derive(Clone, Debug)]
pub struct Parser {
    limits: Limits,
    gate: Gate,
    /// Leading bytes of the current line known to hold no line feed.
    scanned: usize,
    pending: Option<Pending>,
}

/// A parsed PUB or HPUB line whose body is incomplete. Offsets are from the start of the frame.
#[derive(Clone, Copy, Debug)]
struct Pending {
    subject: Span,
    reply: Option<Span>,
    /// `None` for PUB.
    header_len: Option<usize>,
    body: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Where `part`, which was cut out of `whole`, lies in it.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        Self { start, end: start + part.len() }
    }

    fn of_buf(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start..self.end).unwrap_or_default()
    }
}

/// The operations a client may send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Connect,
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
    Info,
    Err,
    Ok,
}

/// What may follow a verb.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    /// At least one blank, then arguments.
    Blank,
    /// Arguments, with or without blanks before them.
    Arguments,
    /// Anything; it is ignored up to the line end.
    Anything,
}

const VERBS: [(&[u8], Verb, After); 10] = [
    (b"PUB", Verb::Pub, After::Blank),
    (b"HPUB", Verb::Hpub, After::Blank),
    (b"SUB", Verb::Sub, After::Blank),
    (b"UNSUB", Verb::Unsub, After::Blank),
    (b"PING", Verb::Ping, After::Anything),
    (b"PONG", Verb::Pong, After::Anything),
    (b"CONNECT", Verb::Connect, After::Arguments),
    (b"INFO", Verb::Info, After::Arguments),
    (b"-ERR", Verb::Err, After::Blank),
    (b"+OK", Verb::Ok, After::Anything),
];

impl Parser {
    /// A parser at the start of a connection, with an open gate.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, gate: Gate::Open, scanned: 0, pending: None }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes the limits, as CONNECT and reloads do.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Opens or closes the gate.
    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// The size of the incomplete frame when it is known (a PUB or HPUB whose line was read): the
    /// reader can make room for all of it.
    #[must_use]
    pub fn needed(&self) -> Option<usize> {
        self.pending.map(|pending| pending.end + 2)
    }

    /// The next frame of `buf` and the number of bytes it takes up, line end included; `None` when
    /// `buf` holds no whole frame. Never blocks, and allocates only for errors.
    ///
    /// # Errors
    /// The connection must be closed: see [`ParseError::wire_text`] for what to tell the client
    /// first. Errors are found as early as the reference finds them, without waiting for the line
    /// end or the payload.
    #[inline]
    pub fn next<'a>(&mut self, buf: &'a [u8]) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        if let Some(pending) = self.pending {
            return self.body(pending, buf);
        }
        let Some(line_len) = memchr(b'\n', buf.get(self.scanned..).unwrap_or_default()) else {
            return self.incomplete(buf);
        };
        let line_len = self.scanned + line_len;
        let line = buf.get(..line_len).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.scanned = 0;
        if let Some(args) = line.strip_prefix(b"PUB ")
            && self.gate == Gate::Open
        {
            return self.publish(buf, skip_blanks(args), line_len + 1);
        }
        self.line(buf, line, line_len + 1)
    }

    fn line<'a>(
        &mut self,
        buf: &'a [u8],
        line: &'a [u8],
        consumed: usize,
    ) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        self.check_gate(buf)?;
        let found = VERBS.iter().find_map(|&(word, verb, after)| {
            let (have, rest) = line.split_at_checked(word.len())?;
            let fits = after != After::Blank || rest.first().copied().is_some_and(is_blank);
            (have.eq_ignore_ascii_case(word) && fits).then_some((verb, after, skip_blanks(rest)))
        });
        let Some((verb, after, args)) = found else { return Err(ParseError::unknown(line)) };
        if after != After::Anything && args.len() > self.limits.max_control_line {
            return Err(ParseError::MaxControlLine);
        }
        let frame = match verb {
            Verb::Pub => return self.publish(buf, args, consumed),
            Verb::Hpub => return self.publish_with_headers(buf, args, consumed),
            Verb::Sub => args::subscribe(args)?,
            Verb::Unsub => args::unsubscribe(args)?,
            Verb::Connect => Frame::Connect(args),
            Verb::Ping => Frame::Ping,
            Verb::Pong => Frame::Pong,
            Verb::Info => Frame::Info(args),
            Verb::Err => Frame::Err(args),
            Verb::Ok => Frame::Ok,
        };
        Ok(Some((consumed, frame)))
    }

    #[inline]
    fn publish<'a>(
        &mut self,
        buf: &'a [u8],
        args: &'a [u8],
        consumed: usize,
    ) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        if args.len() > self.limits.max_control_line {
            return Err(ParseError::MaxControlLine);
        }
        let (subject, reply, size) = args::publish(args)?;
        self.check_payload(size)?;
        let end = consumed + size;
        // Whole messages, by far the most frequent case, need no remembered state.
        if let Some(payload) = buf.get(consumed..end)
            && buf.get(end..end + 2) == Some(b"\r\n")
        {
            return Ok(Some((end + 2, Frame::Pub { subject, reply, payload })));
        }
        self.wait(buf, subject, reply, None, consumed, end)
    }

    fn publish_with_headers<'a>(
        &mut self,
        buf: &'a [u8],
        args: &'a [u8],
        consumed: usize,
    ) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        if self.limits.headers == HeaderSupport::Disabled {
            return Err(ParseError::HeadersNotSupported);
        }
        let (subject, reply, header_len, size) = args::publish_with_headers(args)?;
        self.check_payload(size)?;
        self.wait(buf, subject, reply, Some(header_len), consumed, consumed + size)
    }

    fn wait<'a>(
        &mut self,
        buf: &'a [u8],
        subject: &[u8],
        reply: Option<&[u8]>,
        header_len: Option<usize>,
        body: usize,
        end: usize,
    ) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        let pending = Pending {
            subject: Span::of(subject, buf),
            reply: reply.map(|reply| Span::of(reply, buf)),
            header_len,
            body,
            end,
        };
        self.pending = Some(pending);
        self.body(pending, buf)
    }

    fn body<'a>(
        &mut self,
        pending: Pending,
        buf: &'a [u8],
    ) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        let line_end = buf.get(pending.end..).unwrap_or_default();
        match line_end {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => return Ok(None),
            other => return Err(ParseError::unknown(other)),
        }
        self.pending = None;
        let body = buf.get(pending.body..pending.end).unwrap_or_default();
        let subject = pending.subject.of_buf(buf);
        let reply = pending.reply.map(|reply| reply.of_buf(buf));
        let frame = match pending.header_len.and_then(|len| body.split_at_checked(len)) {
            Some((headers, payload)) => Frame::HPub { subject, reply, headers, payload },
            None => Frame::Pub { subject, reply, payload: body },
        };
        Ok(Some((pending.end + 2, frame)))
    }

    /// The start of a line: finds what is already wrong with it.
    fn incomplete<'a>(&mut self, buf: &'a [u8]) -> Result<Option<(usize, Frame<'a>)>, ParseError> {
        self.check_gate(buf)?;
        let possible = VERBS.iter().find_map(|&(word, _, after)| {
            let shared = word.len().min(buf.len());
            let (have, rest) = buf.split_at_checked(shared)?;
            let same = word.get(..shared)?.eq_ignore_ascii_case(have);
            let fits = after != After::Blank || rest.first().is_none_or(|&byte| is_blank(byte));
            (same && fits).then_some(rest)
        });
        let Some(rest) = possible else { return Err(ParseError::unknown(buf)) };
        let args = skip_blanks(rest);
        // A line of blanks is held in memory like any other.
        let held = if args.is_empty() { rest } else { args };
        let held = held.strip_suffix(b"\r").unwrap_or(held);
        if held.len() > self.limits.max_control_line {
            return Err(ParseError::MaxControlLine);
        }
        self.scanned = buf.len();
        Ok(None)
    }

    fn check_gate(&self, buf: &[u8]) -> Result<(), ParseError> {
        match (self.gate, buf.first()) {
            (Gate::ConnectOnly, first) if !matches!(first, None | Some(b'C' | b'c')) => {
                Err(ParseError::AuthorizationViolation)
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn check_payload(&self, size: usize) -> Result<(), ParseError> {
        match self.limits.max_payload {
            Some(limit) if size > limit => Err(ParseError::MaxPayload { size, limit }),
            _ => Ok(()),
        }
    }
}
