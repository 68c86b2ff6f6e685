//! A server in the test's own process that can start again on its store directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use config_validate::Options;
use serde_json::Value;
use server_lifecycle::Embedded;

use crate::{DEADLINE, Raw};

/// A server with JetStream in a directory of its own.
pub struct Basic {
    server: Option<Embedded>,
    dir: Arc<tempfile::TempDir>,
    config: String,
}

impl Basic {
    /// JetStream without limits, no users.
    pub fn start() -> Self {
        Basic::with_config("listen: \"127.0.0.1:-1\", jetstream { store_dir: \"$DIR\" }")
    }

    /// From the text of a config file; `$DIR` stands for the server's directory.
    pub fn with_config(config: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut basic = Basic { server: None, dir, config: config.to_owned() };
        basic.launch();
        basic
    }

    fn launch(&mut self) {
        let text = self.config.replace("$DIR", &self.dir.path().to_string_lossy());
        self.server = Some(Embedded::start(Options::from_text(&text).unwrap()).unwrap());
    }

    /// The running server.
    pub fn server(&self) -> &Embedded {
        self.server.as_ref().unwrap()
    }

    /// Directory that `$DIR` stands for.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The store directory as the server names it, with its last element `jetstream`.
    pub fn store_dir(&self) -> PathBuf {
        let config = self.server().server().jetstream_config();
        PathBuf::from(config.expect("JetStream is configured").store_dir)
    }

    pub fn port(&self) -> u16 {
        self.server().client_addr().port()
    }

    /// A client that the server took.
    pub fn client(&self) -> Raw {
        Raw::client_port(self.port(), "")
    }

    /// Stops in order and waits for the end.
    pub fn stop(&mut self) {
        drop(self.server.take());
    }

    /// Starts again after a stop.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        self.launch();
    }

    /// Stops, and starts on the same directory; clients are to connect anew.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// As [`restart`](Self::restart), under another config.
    pub fn restart_with(&mut self, config: &str) {
        self.config = config.to_owned();
        self.restart();
    }
}

impl Raw {
    /// As [`api`](Self::api); the reply must have no error. Null stands for an empty payload.
    #[track_caller]
    pub fn check_api(&mut self, subject: &str, payload: &Value) -> Value {
        let payload = if payload.is_null() { String::new() } else { payload.to_string() };
        let reply = self.api(subject, &payload);
        assert!(reply.get("error").is_none(), "{subject}: {reply}");
        reply
    }

    /// Publishes to a stream and waits until it is stored; answers its sequence.
    #[track_caller]
    pub fn check_stored(&mut self, subject: &str, payload: &str) -> u64 {
        let ack = self.api(subject, payload);
        assert!(ack.get("error").is_none(), "{subject}: {ack}");
        ack["seq"].as_u64().unwrap_or_else(|| panic!("no sequence in {ack}"))
    }

    /// Publishes `count` messages without waiting for each; all must be stored.
    #[track_caller]
    pub fn check_stored_many<S: AsRef<str>>(
        &mut self,
        count: u64,
        payload: &str,
        subject: impl Fn(u64) -> S,
    ) {
        /// Bytes of publishes that wait for their ack.
        const IN_FLIGHT: u64 = 16 << 20;
        let window = (IN_FLIGHT / (payload.len() as u64 + 1)).clamp(2, 4096);
        let mut text = String::from("SUB _ACKS.many 77\r\n");
        let mut acked = 0;
        for number in 0..count {
            let subject = subject(number);
            text.push_str(&format!(
                "PUB {} _ACKS.many {}\r\n{payload}\r\n",
                subject.as_ref(),
                payload.len()
            ));
            let full = number + 1 - acked == window || number + 1 == count;
            if text.len() >= 1 << 16 || full {
                self.send(&text);
                text.clear();
            }
            while full && (acked + window / 2 <= number || number + 1 == count) && acked < count {
                let ack = self.message().1;
                assert!(!ack.contains("\"error\"") && ack.contains("\"seq\""), "{ack}");
                acked += 1;
            }
        }
        self.send("UNSUB 77\r\n");
        assert_eq!(acked, count, "every publish is acknowledged");
    }

    /// Asks until the reply has what is wanted, and answers it; fails after a deadline.
    #[track_caller]
    pub fn expect_api(
        &mut self,
        subject: &str,
        payload: &Value,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let reply = self.check_api(subject, payload);
            if holds(&reply) {
                return reply;
            }
            assert!(Instant::now() < until, "{what} does not come: {reply}");
            std::thread::yield_now();
        }
    }
}
