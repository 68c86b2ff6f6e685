//! A client of raw bytes, for the protocol's edges.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{DEADLINE, Node};

/// A TCP connection that sends and expects exact bytes.
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The server's INFO.
    pub info: serde_json::Value,
}

impl Raw {
    /// Connects and reads INFO.
    pub fn connect(node: &Node) -> Self {
        Raw::connect_port(node.port())
    }

    pub fn connect_port(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Raw { stream, buffer: Vec::new(), info: serde_json::Value::Null };
        let line = raw.line();
        let json = line.strip_prefix("INFO ").unwrap_or_else(|| panic!("no INFO but {line:?}"));
        raw.info = serde_json::from_str(json).unwrap();
        raw
    }

    /// Connects with quiet options and waits until the server has taken them.
    pub fn client(node: &Node) -> Self {
        Raw::client_port(node.port(), "")
    }

    /// As [`client`](Self::client) by port, with more options: `"user":"me","pass":"pwd"`.
    pub fn client_port(port: u16, more: &str) -> Self {
        let mut raw = Raw::connect_port(port);
        let comma = if more.is_empty() { "" } else { "," };
        raw.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true{comma}{more}}}\r\n"
        ));
        raw.sync();
        raw
    }

    /// Nothing may come for so long; PINGs do not count.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            while self.buffer.starts_with(b"PING\r\n") {
                self.buffer.drain(..6);
                self.send("PONG\r\n");
            }
            let came = String::from_utf8_lossy(&self.buffer);
            assert!(came.is_empty() || "PING\r\n".starts_with(&*came), "nothing but {came:?}");
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the connection is closed"),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => panic!("{e}"),
            }
        }
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    }

    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).unwrap();
    }

    /// Sends bytes that the server may refuse by closing the connection.
    pub fn try_send(&mut self, text: impl AsRef<[u8]>) {
        let _refused = self.stream.write_all(text.as_ref());
    }

    /// PING, and everything before its PONG but INFO.
    pub fn sync(&mut self) -> Vec<String> {
        self.send("PING\r\n");
        let mut lines = Vec::new();
        loop {
            match self.line() {
                line if line == "PONG" => return lines,
                line if line == "PING" => self.send("PONG\r\n"),
                line if line.starts_with("INFO ") => {}
                line => lines.push(line),
            }
        }
    }

    /// One line, without its end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(
                self.fill(),
                "closed; what came before: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// Leaves out so many bytes.
    pub fn skip(&mut self, len: usize) {
        while self.buffer.len() < len && self.fill() {}
        self.buffer.drain(..len);
    }

    /// The next bytes must be exactly these.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        while self.buffer.len() < text.len() && self.fill() {}
        let got = String::from_utf8_lossy(&self.buffer).into_owned();
        assert!(got.starts_with(text), "expected {text:?}, got {got:?}");
        self.buffer.drain(..text.len());
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    fn fill(&mut self) -> bool {
        let mut chunk = [0; 65536];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                false
            }
            Err(e) => panic!("{e}; what came before: {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// A request with one reply: headers and payload.
    pub fn request(&mut self, subject: &str, payload: &str) -> (String, String) {
        self.ask(subject, payload.as_bytes())
    }

    /// A request with any bytes: the reply's payload.
    pub fn request_bytes(&mut self, subject: &str, payload: &[u8]) -> String {
        self.ask(subject, payload).1
    }

    fn ask(&mut self, subject: &str, payload: &[u8]) -> (String, String) {
        // Several clients may ask at once: each reply must find its own.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let inbox = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let size = payload.len();
        let mut bytes =
            format!("SUB _R.{inbox} 1\r\nPUB {subject} _R.{inbox} {size}\r\n").into_bytes();
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(b"\r\nUNSUB 1 1\r\n");
        self.send(bytes);
        self.message()
    }

    /// The reply to a request, as JSON.
    pub fn api(&mut self, subject: &str, payload: &str) -> serde_json::Value {
        let (_, body) = self.request(subject, payload);
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e} in {body:?}"))
    }

    /// The next message that has a reply subject: that, headers and payload.
    pub fn delivery(&mut self) -> Option<(String, String, String)> {
        let (words, headers, payload) = self.frame();
        let with_reply = if words[0] == "HMSG" { 6 } else { 5 };
        (words.len() == with_reply).then(|| (words[3].clone(), headers, payload))
    }

    /// The next MSG or HMSG: headers and payload.
    pub fn message(&mut self) -> (String, String) {
        let (_, headers, payload) = self.frame();
        (headers, payload)
    }

    fn frame(&mut self) -> (Vec<String>, String, String) {
        let line = loop {
            let line = self.line();
            match line.as_str() {
                "PING" => self.send("PONG\r\n"),
                "PONG" => {}
                line if line.starts_with("INFO ") => {}
                _ => break line,
            }
        };
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let sizes = |n: usize| words[words.len() - n].parse::<usize>().unwrap();
        let (headers, total) = match words[0].as_str() {
            "MSG" => (0, sizes(1)),
            "HMSG" => (sizes(2), sizes(1)),
            other => panic!("no message but {other:?} in {line:?}"),
        };
        while self.buffer.len() < total + 2 {
            assert!(self.fill(), "closed within a message");
        }
        let body: Vec<u8> = self.buffer.drain(..total + 2).take(total).collect();
        let text = String::from_utf8(body).unwrap();
        (words, text[..headers].to_owned(), text[headers..].to_owned())
    }
}
