//! Loads without a stream: publish, fan-out, request-reply.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::conn::{Conn, PATIENCE};
use super::frames::Counter;
use super::meter::{Meter, Sample, histogram};
use super::server::Server;

/// Bytes written at once.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes that a publisher may be ahead of the slowest subscriber; far below the 64 MB at which
/// a server cuts a slow one off, far above what keeps everybody busy.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;

/// Publishes what nobody listens to.
pub(crate) fn publish(server: &Server, size: usize, length: Duration) -> io::Result<Sample> {
    let mut publisher = server.connect()?;
    let block = Block::new("bench.a", size);
    let meter = Meter::start(server)?;
    let deadline = Instant::now() + length;
    let mut sent = 0;
    while Instant::now() < deadline {
        publisher.write(&block.bytes)?;
        sent += block.messages;
    }
    publisher.flush()?;
    meter.stop(sent, Instant::now(), None)
}

/// The same frame many times over, to be written at once.
pub(crate) struct Block {
    /// All frames.
    pub(crate) bytes: Vec<u8>,
    /// Their number.
    pub(crate) messages: u64,
    frame_len: usize,
}

impl Block {
    /// Frames of a publish of `size` bytes.
    pub(crate) fn new(subject: &str, size: usize) -> Self {
        let mut frame = format!("PUB {subject} {size}\r\n").into_bytes();
        frame.resize(frame.len() + size, b'x');
        frame.extend_from_slice(b"\r\n");
        let messages = (BLOCK_BYTES / frame.len()).max(1);
        Self { bytes: frame.repeat(messages), messages: messages as u64, frame_len: frame.len() }
    }
}

/// What the threads of a fan-out tell each other.
struct Shared {
    /// Messages received, by subscriber.
    received: Vec<AtomicU64>,
    /// Messages sent in all, `u64::MAX` while more are coming.
    sent: AtomicU64,
}

/// One publisher, several subscribers; counts deliveries.
pub(crate) fn fan(
    server: &Server,
    size: usize,
    subscribers: usize,
    length: Duration,
) -> io::Result<Sample> {
    let mut readers = Vec::new();
    for _ in 0..subscribers {
        let mut reader = server.connect()?;
        reader.subscribe("bench.a", 1)?;
        readers.push(reader);
    }
    let mut publisher = server.connect()?;
    let shared = Shared {
        received: readers.iter().map(|_| AtomicU64::new(0)).collect(),
        sent: AtomicU64::new(u64::MAX),
    };
    let meter = Meter::start(server)?;
    let last = std::thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .zip(&shared.received)
            .map(|(reader, received)| scope.spawn(|| receive(reader, received, &shared.sent)))
            .collect();
        let sent = publish_ahead(&mut publisher, size, length, &shared);
        // Whatever went wrong, the subscribers must end too.
        shared.sent.store(*sent.as_ref().unwrap_or(&0), Ordering::Release);
        let mut last = Instant::now();
        for thread in threads {
            let end = thread.join().map_err(|_| io::Error::other("a subscriber panicked"))?;
            last = last.max(end?);
        }
        sent.map(|_| last)
    })?;
    let deliveries = shared.received.iter().map(|it| it.load(Ordering::Acquire)).sum();
    meter.stop(deliveries, last, None)
}

/// Publishes for `length`, never too far ahead of the slowest subscriber.
fn publish_ahead(
    publisher: &mut Conn,
    size: usize,
    length: Duration,
    shared: &Shared,
) -> io::Result<u64> {
    let block = Block::new("bench.a", size);
    let window = WINDOW_BYTES / block.frame_len as u64;
    let deadline = Instant::now() + length;
    let mut sent: u64 = 0;
    while Instant::now() < deadline {
        publisher.write(&block.bytes)?;
        sent += block.messages;
        loop {
            let received = shared.received.iter().map(|it| it.load(Ordering::Acquire)).min();
            if sent.saturating_sub(received.unwrap_or(sent)) < window {
                break;
            }
            if Instant::now() > deadline + PATIENCE {
                return Err(io::Error::other("a subscriber gets nothing any more"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    publisher.flush()?;
    Ok(sent)
}

/// Receives until everything that was sent has come; returns when the last of it came.
fn receive(mut reader: Conn, received: &AtomicU64, sent: &AtomicU64) -> io::Result<Instant> {
    reader.set_read_timeout(Duration::from_millis(100))?;
    let mut counter = Counter::default();
    let mut total = 0;
    let mut last = Instant::now();
    while total < sent.load(Ordering::Acquire) {
        match reader.fill() {
            Ok(()) => {
                total += reader.count(&mut counter)?;
                received.store(total, Ordering::Release);
                last = Instant::now();
            }
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if last.elapsed() > PATIENCE {
                    let sent = sent.load(Ordering::Acquire);
                    let text = format!("{total} of {sent} messages came");
                    return Err(io::Error::other(text));
                }
            }
            Err(err) => return Err(err),
        }
    }
    Ok(last)
}

/// One request at a time, answered by another client.
pub(crate) fn request(server: &Server, size: usize, length: Duration) -> io::Result<Sample> {
    let mut responder = server.connect()?;
    responder.subscribe("bench.service", 1)?;
    let mut requester = server.connect()?;
    requester.subscribe("_INBOX.bench", 1)?;
    let payload = "x".repeat(size);
    let frame = format!("PUB bench.service _INBOX.bench {size}\r\n{payload}\r\n").into_bytes();
    let mut waits = histogram()?;
    let meter = Meter::start(server)?;
    let count = std::thread::scope(|scope| {
        let answering = scope.spawn(move || answer(responder, &payload));
        let deadline = Instant::now() + length;
        let mut count: u64 = 0;
        let mut before = Instant::now();
        while before < deadline {
            requester.write(&frame)?;
            let mut answers = 0;
            while answers == 0 {
                requester.fill()?;
                requester.messages(|_| {
                    answers += 1;
                    Ok(())
                })?;
            }
            let now = Instant::now();
            waits.saturating_record(nanoseconds(now - before));
            before = now;
            count += 1;
        }
        // An empty request tells the responder to end.
        requester.write(b"PUB bench.service 0\r\n\r\n")?;
        answering.join().map_err(|_| io::Error::other("the responder panicked"))??;
        Ok::<u64, io::Error>(count)
    })?;
    meter.stop(count, Instant::now(), Some(&waits))
}

/// Answers requests until one without a reply subject comes.
fn answer(mut responder: Conn, payload: &str) -> io::Result<()> {
    let tail = format!(" {}\r\n{payload}\r\n", payload.len()).into_bytes();
    let mut out = Vec::new();
    let mut ended = false;
    while !ended {
        responder.fill()?;
        out.clear();
        responder.messages(|message| {
            if message.reply.is_empty() {
                ended = true;
            } else {
                out.extend_from_slice(b"PUB ");
                out.extend_from_slice(message.reply);
                out.extend_from_slice(&tail);
            }
            Ok(())
        })?;
        responder.write(&out)?;
    }
    Ok(())
}

/// A wait as the histogram counts it.
pub(crate) fn nanoseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)
}
