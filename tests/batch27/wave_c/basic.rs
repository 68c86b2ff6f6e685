//! A server that is stopped and started on its directory, and a client whose calls must succeed.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use account::Account;
use config_validate::Options;
use serde_json::{Value, json};
use server_lifecycle::{Embedded, loopback};
use tests::Raw;

/// A server in this process, with JetStream in a fresh directory.
pub(crate) struct Basic {
    options: Options,
    running: Option<Embedded>,
    dir: tempfile::TempDir,
}

impl Basic {
    /// On free ports, without limits.
    pub(crate) fn start() -> Self {
        Basic::start_with(|_| {})
    }

    /// As [`start`](Self::start), with changes to the options.
    pub(crate) fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = loopback();
        options.jetstream.enabled = true;
        options.store_dir = Some(dir.path().to_owned());
        change(&mut options);
        let mut server = Basic { options, running: None, dir };
        server.start_again();
        server
    }

    /// By a configuration file; `$DIR` in the text stands for the server's directory.
    pub(crate) fn configured(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.conf");
        std::fs::write(&file, with_dir(text, dir.path())).unwrap();
        let options = Options::from_file(&file).unwrap();
        let mut server = Basic { options, running: None, dir };
        server.start_again();
        server
    }

    /// Writes the configuration file anew and lets the server read it.
    pub(crate) fn reconfigure(&self, text: &str) -> Result<(), String> {
        let file = self.dir.path().join("server.conf");
        std::fs::write(&file, with_dir(text, self.dir.path())).unwrap();
        self.reload().map_err(|error| error.to_string())
    }

    /// Stops it in an orderly way.
    pub(crate) fn stop(&mut self) {
        self.running.take().expect("it runs").shutdown();
    }

    /// Starts it again on its directory.
    pub(crate) fn start_again(&mut self) {
        assert!(self.running.is_none(), "it runs");
        self.running = Some(Embedded::start(self.options.clone()).unwrap());
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// JetStream's directory, also while the server is stopped.
    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("jetstream")
    }

    /// Directory of a stream of the global account.
    pub(crate) fn stream_dir(&self, stream: &str) -> PathBuf {
        self.store().join("$G/streams").join(stream)
    }

    /// A registered account.
    pub(crate) fn account(&self, name: &str) -> Arc<Account> {
        let accounts = self.server().context().accounts.load();
        Arc::clone(accounts.get(name).expect("an account of that name"))
    }

    /// A new client of the global account.
    pub(crate) fn client(&self) -> Client {
        self.login("")
    }

    /// A new client; the password is `pwd`.
    pub(crate) fn login(&self, user: &str) -> Client {
        let mut raw = Raw::connect_port(self.client_addr().port());
        let who = match user {
            "" => String::new(),
            user => format!(",\"user\":\"{user}\",\"pass\":\"pwd\""),
        };
        raw.send(format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true{who}}}\r\n"
        ));
        assert_eq!(raw.sync(), [""; 0], "it is let in");
        Client { raw }
    }
}

fn with_dir(text: &str, dir: &std::path::Path) -> String {
    text.replace("$DIR", &dir.to_string_lossy())
}

impl Deref for Basic {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        self.running.as_ref().expect("it runs")
    }
}

/// A client of JetStream.
pub(crate) struct Client {
    raw: Raw,
}

impl Deref for Client {
    type Target = Raw;

    fn deref(&self) -> &Raw {
        &self.raw
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Raw {
        &mut self.raw
    }
}

impl Client {
    /// A request to `$JS.API.<subject>`; null is an empty body.
    pub(crate) fn ask(&mut self, subject: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw.api(&format!("$JS.API.{subject}"), &body)
    }

    /// The answer, which must not be an error.
    #[track_caller]
    pub(crate) fn check_ok(&mut self, subject: &str, body: &Value) -> Value {
        let answer = self.ask(subject, body);
        assert!(answer.is_object() && answer.get("error").is_none(), "{subject} {body}: {answer}");
        answer
    }

    /// The answer must be this error.
    #[track_caller]
    pub(crate) fn check_refused(&mut self, subject: &str, body: &Value, err_code: u16) {
        let answer = self.ask(subject, body);
        assert_eq!(answer["error"]["err_code"], err_code, "{subject} {body}: {answer}");
    }

    /// Creates a stream of the name within `config`.
    #[track_caller]
    pub(crate) fn check_create(&mut self, config: &Value) -> Value {
        let name = config["name"].as_str().expect("a name");
        self.check_ok(&format!("STREAM.CREATE.{name}"), config)
    }

    /// The sequence that acknowledged a message.
    #[track_caller]
    pub(crate) fn check_publish(&mut self, subject: &str, payload: &str) -> u64 {
        let ack = self.raw.api(subject, payload);
        assert!(ack.get("error").is_none() && ack["seq"].is_u64(), "{subject}: {ack}");
        ack["seq"].as_u64().unwrap()
    }

    /// Publishes a message many times without waiting for each; every one must be acknowledged.
    /// `headers` is empty, or ends with an empty line.
    #[track_caller]
    pub(crate) fn check_publish_many(
        &mut self,
        subject: &str,
        headers: &str,
        payload: &str,
        count: usize,
    ) {
        let size = headers.len() + payload.len();
        let publish = match headers {
            "" => format!("PUB {subject} _M.ack {size}\r\n{payload}\r\n"),
            _ => {
                format!("HPUB {subject} _M.ack {} {size}\r\n{headers}{payload}\r\n", headers.len())
            }
        };
        self.send("SUB _M.ack many\r\n");
        let mut left = count;
        while left > 0 {
            let window = left.min((4 << 20) / publish.len() + 1).min(4000);
            self.send(publish.repeat(window));
            for _ in 0..window {
                let (_, body) = self.message();
                let ack: Value = serde_json::from_str(&body).unwrap();
                assert!(ack.get("error").is_none() && ack["seq"].is_u64(), "{subject}: {ack}");
            }
            left -= window;
        }
        self.send("UNSUB many\r\n");
        assert_eq!(self.sync(), [""; 0], "each is acknowledged once");
    }

    /// STREAM.INFO, which must succeed.
    #[track_caller]
    pub(crate) fn check_info(&mut self, stream: &str) -> Value {
        self.check_ok(&format!("STREAM.INFO.{stream}"), &Value::Null)
    }

    /// Messages, first and last sequence of a stream.
    #[track_caller]
    pub(crate) fn check_state(&mut self, stream: &str, messages: u64, first: u64, last: u64) {
        let info = self.check_info(stream);
        let state = &info["state"];
        let got = (&state["messages"], &state["first_seq"], &state["last_seq"]);
        assert_eq!(got, (&json!(messages), &json!(first), &json!(last)), "{stream}: {info}");
    }
}

/// Asks until the condition holds; fails when it does not in that time.
#[track_caller]
pub(crate) fn expect_within(time: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + time;
    while !condition() {
        assert!(Instant::now() < until, "{what}: not in time");
        // tidy: allow sleep: asked again until the deadline above
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lets so much time pass after `since`: what is tested depends on the age of stored messages.
pub(crate) fn wait_until_age(since: Instant, age: Duration) {
    // tidy: allow sleep: ages pass with the clock and tell nobody
    std::thread::sleep(age.saturating_sub(since.elapsed()));
}
