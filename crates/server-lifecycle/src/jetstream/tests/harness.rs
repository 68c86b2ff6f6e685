//! A client of raw bytes, a log that can be read, servers with options.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use account::Account;
use config_validate::Options;
use parking_lot::Mutex;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::Embedded;

pub(super) const WAIT: Duration = Duration::from_secs(30);

/// Waits for a condition that another thread brings about.
pub(super) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        // tidy: allow sleep: polls up to the deadline above
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn account(server: &Embedded, name: &str) -> Arc<Account> {
    Arc::clone(server.server().context().accounts.load().get(name).expect("an account"))
}

/// Takes accounts and their users from the text of a configuration.
pub(super) fn accounts_of(options: &mut Options, text: &str) {
    let read = Options::from_text(text).expect("a configuration");
    options.accounts = read.accounts;
    options.auth = read.auth;
    options.system_account = read.system_account;
}

/// The options in effect, changed.
pub(super) fn changed(server: &Embedded, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::clone(&server.server().options());
    change(&mut options);
    options
}

#[derive(Clone)]
pub(super) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    told: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What `work` logs on this thread and those that work for it, as level and text.
pub(super) fn logged<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    logged_to(|_| {}, work)
}

/// As [`logged`], where each line is told on the thread that logs it.
pub(super) fn logged_to<R>(
    told: impl Fn(&str) + Send + Sync + 'static,
    work: impl FnOnce() -> R,
) -> (R, Vec<String>) {
    let lines = Lines { lines: Arc::default(), told: Arc::new(told) };
    let result = tracing::subscriber::with_default(lines.clone(), work);
    let lines = lines.lines.lock().clone();
    (result, lines)
}

pub(super) fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        (self.told)(&text.0);
        self.lines.lock().push(text.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {value:?}").unwrap();
    }
}

pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub(super) info: Value,
}

impl Client {
    pub(super) fn connect(server: &Embedded) -> Self {
        Client::login(server, "")
    }

    /// As a user whose password is its name.
    pub(super) fn login(server: &Embedded, user: &str) -> Self {
        let stream = TcpStream::connect(server.client_addr()).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let mut client = Client { stream, buffer: Vec::new(), info: Value::Null };
        let line = client.line();
        client.info = serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap();
        let auth = match user {
            "" => String::new(),
            user => format!(",\"user\":\"{user}\",\"pass\":\"{user}\""),
        };
        client.send(&format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true{auth}}}\r\n"
        ));
        client.send("SUB reply.> 1\r\n");
        client.ping();
        client
    }

    pub(super) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn ping(&mut self) {
        self.send("PING\r\n");
        while self.line() != "PONG" {}
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8(self.buffer[..at].to_vec()).unwrap();
                self.buffer.drain(..at + 2);
                return line;
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        let mut chunk = [0; 4096];
        let n = self.stream.read(&mut chunk).unwrap();
        assert!(n > 0, "the server closed the connection");
        self.buffer.extend_from_slice(&chunk[..n]);
    }

    /// The next message: its subject, its headers and payload.
    pub(super) fn message(&mut self) -> (String, String) {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split(' ').collect();
            if !matches!(words[0], "MSG" | "HMSG") {
                continue;
            }
            let size: usize = words.last().unwrap().parse().unwrap();
            while self.buffer.len() < size + 2 {
                self.fill();
            }
            let body = String::from_utf8(self.buffer[..size].to_vec()).unwrap();
            self.buffer.drain(..size + 2);
            return (words[1].to_owned(), body);
        }
    }

    /// Sends a request; the answer's headers and payload.
    pub(super) fn request(&mut self, subject: &str, payload: &str) -> String {
        self.send(&format!("PUB {subject} reply.1 {}\r\n{payload}\r\n", payload.len()));
        self.message().1
    }

    /// A request of the API.
    pub(super) fn api(&mut self, subject: &str, payload: &str) -> Value {
        let answer = self.request(&format!("$JS.API.{subject}"), payload);
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{subject}: {answer:?}"))
    }

    pub(super) fn nobody_answers(&mut self, subject: &str) -> bool {
        self.request(subject, "").starts_with("NATS/1.0 503")
    }

    /// Creates a stream that listens on its name in lower case and below.
    pub(super) fn stream(&mut self, name: &str, more: &str) -> Value {
        let subject = name.to_lowercase();
        let config = format!("{{\"name\":\"{name}\",\"subjects\":[\"{subject}.>\"]{more}}}");
        self.api(&format!("STREAM.CREATE.{name}"), &config)
    }
}
