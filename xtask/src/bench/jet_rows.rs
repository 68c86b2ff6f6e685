//! Loads on a stream: publish with acks, fetch with acks.

use std::io;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::conn::{Conn, PATIENCE};
use super::core_rows::nanoseconds;
use super::frames::Msg;
use super::meter::{Meter, Sample, histogram};
use super::rows::Storage;
use super::server::{Server, Sync};

/// Messages that a pull run finds in its stream; a run that has taken all of them ends early.
const PRELOAD_MESSAGES: u64 = 600_000;
/// How long filling the stream may take.
const PRELOAD_TIME: Duration = Duration::from_secs(6);

/// Publishes to a stream, with at most `in_flight` acks outstanding.
pub(crate) fn publish(
    server: &Server,
    storage: Storage,
    size: usize,
    in_flight: usize,
    length: Duration,
) -> io::Result<Sample> {
    let mut conn = server.connect()?;
    create_stream(&mut conn, storage)?;
    let mut publisher = Publisher::new(conn, size, in_flight)?;
    if in_flight == 1 {
        let mut waits = histogram()?;
        let meter = Meter::start(server)?;
        let mut before = Instant::now();
        let deadline = before + length;
        while before < deadline {
            publisher.send(1)?;
            publisher.settle(0)?;
            let now = Instant::now();
            waits.saturating_record(nanoseconds(now - before));
            before = now;
        }
        return meter.stop(publisher.acked, before, Some(&waits));
    }
    let meter = Meter::start(server)?;
    publisher.run(u64::MAX, length)?;
    meter.stop(publisher.acked, Instant::now(), None)
}

/// Publishes with acks, and knows which are still to come.
struct Publisher {
    conn: Conn,
    /// One frame for each message that may be in flight, each with a reply subject of its own.
    frames: Vec<u8>,
    frame_len: usize,
    /// Where the eight digits of the reply subject stand in a frame.
    digits_at: usize,
    window: usize,
    sent: u64,
    acked: u64,
}

impl Publisher {
    fn new(mut conn: Conn, size: usize, window: usize) -> io::Result<Self> {
        conn.subscribe("_INBOX.bench.*", 1)?;
        let start = "PUB bench.js _INBOX.bench.";
        let mut frame = format!("{start}00000000 {size}\r\n").into_bytes();
        frame.resize(frame.len() + size, b'x');
        frame.extend_from_slice(b"\r\n");
        Ok(Self {
            conn,
            frame_len: frame.len(),
            frames: frame.repeat(window),
            digits_at: start.len(),
            window,
            sent: 0,
            acked: 0,
        })
    }

    /// Sends `count` messages, at most as many as the window holds.
    fn send(&mut self, count: usize) -> io::Result<()> {
        let mut number = self.sent;
        for frame in self.frames.chunks_exact_mut(self.frame_len).take(count) {
            number += 1;
            let digits = frame.get_mut(self.digits_at..self.digits_at + 8).unwrap_or_default();
            write_digits(digits, number);
        }
        self.sent = number;
        let bytes = self.frames.get(..count * self.frame_len).unwrap_or_default();
        self.conn.write(bytes)
    }

    /// Waits until at most `open` acks are outstanding.
    fn settle(&mut self, open: u64) -> io::Result<()> {
        while self.sent - self.acked > open {
            self.conn.fill()?;
            let acked = &mut self.acked;
            self.conn.messages(|message| {
                check_ack(&message)?;
                *acked += 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Keeps the window full until `most` messages are sent or the time is over, then waits for
    /// the last ack.
    fn run(&mut self, most: u64, length: Duration) -> io::Result<()> {
        let deadline = Instant::now() + length;
        // Refilling in small portions keeps the server from ever running dry.
        let portion = (self.window / 16).max(1);
        while self.sent < most && Instant::now() < deadline {
            self.settle((self.window - portion) as u64)?;
            let open = usize::try_from(self.sent - self.acked).unwrap_or(self.window);
            self.send(self.window - open)?;
        }
        self.settle(0)
    }
}

/// The last eight digits of a number.
pub(crate) fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// An ack that refuses, or that comes from nobody, ends the run.
fn check_ack(message: &Msg<'_>) -> io::Result<()> {
    let refused = memmem::find(message.payload, b"\"error\"").is_some();
    if refused || !message.headers.is_empty() || message.payload.is_empty() {
        let mut text = message.headers.to_vec();
        text.extend_from_slice(message.payload);
        let text = String::from_utf8_lossy(&text).into_owned();
        return Err(io::Error::other(format!("not stored: {}", text.trim())));
    }
    Ok(())
}

fn create_stream(conn: &mut Conn, storage: Storage) -> io::Result<()> {
    let storage = match storage {
        Storage::File => "file",
        Storage::Memory => "memory",
    };
    let config = format!(
        "{{\"name\":\"BENCH\",\"subjects\":[\"bench.js\"],\"storage\":\"{storage}\",\
         \"retention\":\"limits\",\"discard\":\"old\",\"num_replicas\":1,\"max_consumers\":-1,\
         \"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,\"max_msg_size\":-1}}"
    );
    check_answer(&conn.request("$JS.API.STREAM.CREATE.BENCH", &config)?)
}

fn check_answer(answer: &str) -> io::Result<()> {
    let refused = answer.contains("\"error\"") || !answer.trim_start().starts_with('{');
    if refused { Err(io::Error::other(answer.to_owned())) } else { Ok(()) }
}

/// Fetches `batch` messages at a time from a full stream, and acknowledges each.
pub(crate) fn pull(
    server: Server,
    size: usize,
    batch: usize,
    length: Duration,
) -> io::Result<Sample> {
    // Filling the stream is not what is measured: no sync policy may make it slow.
    let sync = server.sync();
    let server = if sync == Sync::Always { server.restart(Sync::Default)? } else { server };
    let stored = preload(&server, size)?;
    let server = if sync == Sync::Always { server.restart(sync)? } else { server };
    let mut conn = server.connect()?;
    let config = "{\"stream_name\":\"BENCH\",\"config\":{\"durable_name\":\"PULL\",\
                  \"name\":\"PULL\",\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\",\
                  \"replay_policy\":\"instant\",\"max_ack_pending\":20000}}";
    check_answer(&conn.request("$JS.API.CONSUMER.CREATE.BENCH.PULL", config)?)?;
    conn.subscribe("_INBOX.bench", 1)?;
    let mut control = server.connect()?;
    let meter = Meter::start(&server)?;
    let deadline = Instant::now() + length;
    let mut taken: u64 = 0;
    while taken < stored && Instant::now() < deadline {
        let wanted = stored.saturating_sub(taken).min(batch as u64);
        fetch(&mut conn, wanted)?;
        taken += wanted;
    }
    conn.flush()?;
    wait_for_acks(&mut control)?;
    meter.stop(taken, Instant::now(), None)
}

/// Fills the stream and returns how many messages it holds.
fn preload(server: &Server, size: usize) -> io::Result<u64> {
    let mut conn = server.connect()?;
    create_stream(&mut conn, Storage::File)?;
    let mut publisher = Publisher::new(conn, size, 4000)?;
    publisher.run(PRELOAD_MESSAGES, PRELOAD_TIME)?;
    Ok(publisher.acked)
}

/// One fetch: asks for `wanted` messages and acknowledges them as they come.
fn fetch(conn: &mut Conn, wanted: u64) -> io::Result<()> {
    let request = format!("{{\"batch\":{wanted},\"expires\":10000000000}}");
    let frame = format!(
        "PUB $JS.API.CONSUMER.MSG.NEXT.BENCH.PULL _INBOX.bench {}\r\n{request}\r\n",
        request.len()
    );
    conn.write(frame.as_bytes())?;
    let mut acks = Vec::new();
    let mut count = 0;
    while count < wanted {
        conn.fill()?;
        acks.clear();
        conn.messages(|message| {
            if message.reply.is_empty() || !message.headers.is_empty() {
                let status = String::from_utf8_lossy(message.headers).into_owned();
                return Err(io::Error::other(format!("the fetch ended: {}", status.trim())));
            }
            acks.extend_from_slice(b"PUB ");
            acks.extend_from_slice(message.reply);
            acks.extend_from_slice(b" 4\r\n+ACK\r\n");
            count += 1;
            Ok(())
        })?;
        conn.write(&acks)?;
    }
    Ok(())
}

/// Waits until the consumer has taken every ack.
fn wait_for_acks(conn: &mut Conn) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let info = conn.request("$JS.API.CONSUMER.INFO.BENCH.PULL", "")?;
        check_answer(&info)?;
        let compact: String = info.chars().filter(|c| !c.is_whitespace()).collect();
        if compact.contains("\"num_ack_pending\":0,") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("acks are missing: {info}")));
        }
    }
}
