//! The load generator without a server, to show that it is not what is measured.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::core_rows::Block;
use super::frames::Counter;
use crate::table::thousands;

/// Length of each measurement.
const LENGTH: Duration = Duration::from_millis(500);

/// Its own limits: publishing into a socket that is only emptied, counting what a socket that is
/// only filled delivers.
pub(crate) fn alone() -> io::Result<String> {
    let block = Block::new("bench.a", 128);
    let frame = format!("MSG bench.a 1 128\r\n{}\r\n", "x".repeat(128)).into_bytes();
    let frames = frame.repeat(64 * 1024 / frame.len());
    let (written, seconds) = through(&block.bytes, |bytes| Ok(bytes.len() as u64))?;
    let frame_len = block.bytes.len() as u64 / block.messages;
    let publish_rate = written as f64 / frame_len as f64 / seconds;
    let mut counter = Counter::default();
    let mut rest = Vec::new();
    let (counted, seconds) = through(&frames, |bytes| {
        rest.extend_from_slice(bytes);
        let (messages, used) = counter.count(&rest)?;
        rest.drain(..used);
        Ok(messages)
    })?;
    Ok(format!(
        "generator   alone: publishes {}/s, counts {}/s (128 B)",
        thousands(publish_rate as u64),
        thousands((counted as f64 / seconds) as u64)
    ))
}

/// Writes `block` over and over into a loopback socket; sums what `on_bytes` makes of it.
fn through(
    block: &[u8],
    mut on_bytes: impl FnMut(&[u8]) -> io::Result<u64>,
) -> io::Result<(u64, f64)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || write_for(address, block));
        let (mut stream, _) = listener.accept()?;
        let started = Instant::now();
        let mut buffer = vec![0; 256 * 1024];
        let mut sum = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => break,
                count => sum += on_bytes(buffer.get(..count).unwrap_or_default())?,
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        writing.join().map_err(|_| io::Error::other("the writer panicked"))??;
        Ok((sum, seconds))
    })
}

fn write_for(address: SocketAddr, block: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let deadline = Instant::now() + LENGTH;
    while Instant::now() < deadline {
        stream.write_all(block)?;
    }
    Ok(())
}
