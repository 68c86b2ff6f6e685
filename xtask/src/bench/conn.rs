//! A client connection over a raw socket, blocking, with a large read buffer.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::frames::{self, Counter, Frame, Msg};

/// Bytes read at once; small enough to stay in a core's cache.
const READ_BUFFER: usize = 256 * 1024;

/// How long any answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connected client.
pub(crate) struct Conn {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// Bytes of `buffer` that were read and not yet used are `start..end`.
    start: usize,
    end: usize,
}

impl Conn {
    /// Connects and says hello.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let buffer = vec![0; READ_BUFFER].into_boxed_slice();
        let mut conn = Self { stream, buffer, start: 0, end: 0 };
        conn.write(
            b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\
              \"no_responders\":true,\"protocol\":1,\"lang\":\"rust\",\"version\":\"0\",\
              \"name\":\"bench\"}\r\n",
        )?;
        conn.flush()?;
        Ok(conn)
    }

    /// Sends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Subscribes and waits until the server knows.
    pub(crate) fn subscribe(&mut self, subject: &str, sid: u32) -> io::Result<()> {
        self.write(format!("SUB {subject} {sid}\r\n").as_bytes())?;
        self.flush()
    }

    /// Waits until the server has taken everything that was sent; messages that come are dropped.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.write(b"PING\r\n")?;
        let mut answered = false;
        while !answered {
            self.fill()?;
            self.frames(|frame| {
                answered |= frame == Frame::Pong;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// How long one read may take.
    pub(crate) fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(timeout))
    }

    /// Reads once, blocking.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        if room.is_empty() {
            return Err(io::Error::other("a frame is larger than the read buffer"));
        }
        match self.stream.read(room)? {
            0 => Err(io::Error::other("the server closed the connection")),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }

    /// Hands every complete frame that was read to `on_frame`; answers PINGs.
    pub(crate) fn frames(
        &mut self,
        mut on_frame: impl FnMut(Frame<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut pings = 0;
        while let Some((frame, len)) = frames::next(self.unread())? {
            match frame {
                Frame::Ping => pings += 1,
                Frame::Err(text) => return Err(io::Error::other(text.to_owned())),
                frame => on_frame(frame)?,
            }
            self.start += len;
        }
        for _ in 0..pings {
            self.write(b"PONG\r\n")?;
        }
        Ok(())
    }

    /// Like `frames`, for messages only.
    pub(crate) fn messages(
        &mut self,
        mut on_message: impl FnMut(Msg<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.frames(|frame| match frame {
            Frame::Msg(message) => on_message(message),
            _ => Ok(()),
        })
    }

    /// Counts the complete messages that were read.
    pub(crate) fn count(&mut self, counter: &mut Counter) -> io::Result<u64> {
        let (messages, used) = counter.count(self.unread())?;
        self.start += used;
        Ok(messages)
    }

    /// Sends a request on `subject` and returns the answer; no other subscription may be in use.
    pub(crate) fn request(&mut self, subject: &str, payload: &str) -> io::Result<String> {
        self.write(b"SUB _INBOX.ask.one 9999\r\nUNSUB 9999 1\r\n")?;
        let frame = format!("PUB {subject} _INBOX.ask.one {}\r\n{payload}\r\n", payload.len());
        self.write(frame.as_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answer = None;
            self.messages(|message| {
                let status = String::from_utf8_lossy(message.headers).into_owned();
                answer = Some(status + &String::from_utf8_lossy(message.payload));
                Ok(())
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("no answer to {subject}")));
            }
            self.fill()?;
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}
