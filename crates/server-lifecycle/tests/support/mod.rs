//! A raw client and HTTP for the tests of this crate.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail by panicking, and each uses a part of this"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest that any single event may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A client that speaks the protocol by hand.
pub struct Client {
    stream: BufReader<TcpStream>,
    next_sid: u64,
    /// The first INFO.
    pub info: Value,
}

impl Client {
    /// Connects and waits until the server took it in.
    pub fn connect(address: SocketAddr, connect: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut client = Client { stream: BufReader::new(stream), next_sid: 1, info: Value::Null };
        let line = client.line();
        client.info = serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap();
        client.send(&format!("CONNECT {connect}\r\nPING\r\n"));
        client.wait_for("PONG");
        client
    }

    pub fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; empty at the end of the connection.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Reads on to a line that begins so.
    pub fn wait_for(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before {start:?}");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Waits until everything sent before is handled.
    pub fn flush(&mut self) {
        self.send("PING\r\n");
        self.wait_for("PONG");
    }

    /// Payload of the next message, without headers.
    pub fn payload(&mut self) -> Vec<u8> {
        let line = loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before a message");
            if line.starts_with("MSG ") || line.starts_with("HMSG ") {
                break line;
            }
        };
        let mut numbers = line.split(' ').rev().map(|n| n.parse::<usize>().unwrap_or(0));
        let total = numbers.next().unwrap();
        let headers = if line.starts_with("HMSG ") { numbers.next().unwrap() } else { 0 };
        let mut bytes = vec![0; total + 2];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes[headers..total].to_vec()
    }

    /// Publishes a request and waits for its answer.
    pub fn request(&mut self, subject: &str, payload: &str) -> Value {
        let sid = self.next_sid;
        self.next_sid += 1;
        let inbox = format!("_INBOX.{sid}");
        self.send(&format!(
            "SUB {inbox} {sid}\r\nUNSUB {sid} 1\r\nPUB {subject} {inbox} {}\r\n{payload}\r\n",
            payload.len()
        ));
        serde_json::from_slice(&self.payload()).unwrap_or(Value::Null)
    }
}

/// Status, head and body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// Body of a 200, as JSON.
pub fn get_json(address: SocketAddr, path: &str) -> Value {
    let (status, _, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}
