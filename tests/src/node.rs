//! One running server process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::DEADLINE;

/// Where a server writes which features of the ledger it reached.
const MARKS: &str = "marks";

/// How a server is started.
#[derive(Clone)]
pub struct Setup {
    binary: PathBuf,
    args: Vec<String>,
    config: Option<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// Our binary, JetStream on.
    pub fn jetstream() -> Self {
        Setup::core().args(["-js"])
    }

    /// Our binary, without JetStream.
    pub fn core() -> Self {
        Setup { binary: jetcore(), args: Vec::new(), config: None, environment: Vec::new() }
    }

    /// Another server with the same flags.
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = path.to_owned();
        self
    }

    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of the server's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A config file with this text. `$DIR` stands for the node's directory.
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Starts it in a new directory.
    pub fn start(self) -> Node {
        self.start_in(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Starts it on a directory that is there.
    pub fn start_in(self, dir: Arc<tempfile::TempDir>) -> Node {
        let mut node = Node { setup: self, dir, child: None, log: Arc::default(), port: 0 };
        node.launch();
        node
    }

    /// The command line, for tests of servers that do not start.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["-a", "127.0.0.1", "-p", "-1"]);
        if self.args.iter().any(|arg| arg == "-js") {
            command.arg("-sd").arg(dir.join("store"));
        }
        if let Some(text) = &self.config {
            let path = dir.join("server.conf");
            std::fs::write(&path, text.replace("$DIR", &dir.to_string_lossy())).unwrap();
            command.arg("-c").arg(path);
        }
        command.args(&self.args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Path of the binary that cargo built beside the running test, or of the server named by
/// `SERVER_UNDER_TEST` (to hold the tests themselves against the reference).
pub(crate) fn jetcore() -> PathBuf {
    if let Some(path) = std::env::var_os("SERVER_UNDER_TEST") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("jetcore");
    assert!(path.exists(), "build it first: cargo build -p jetcore");
    path
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

/// A running server; killed when dropped.
pub struct Node {
    setup: Setup,
    dir: Arc<tempfile::TempDir>,
    child: Option<Child>,
    log: Arc<Log>,
    port: u16,
}

impl Node {
    fn launch(&mut self) {
        let mut command = self.setup.command(self.dir.path());
        let mut child = mark::record_child(&mut command, &self.dir.path().join(MARKS))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Log::default());
        self.log = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lines.lock().unwrap().0.push(line);
                log.grown.notify_all();
            }
            log.lines.lock().unwrap().1 = true;
            log.grown.notify_all();
        });
        self.child = Some(child);
        let listening = self.wait_log("Listening for client connections on ");
        self.port = listening.rsplit(':').next().unwrap().trim().parse().unwrap();
        self.wait_log("Server is ready");
    }

    /// The first log line that holds `text`, waited for.
    pub fn wait_log(&self, text: &str) -> String {
        self.wait_log_nth(text, 1)
    }

    /// The `nth` log line that holds `text`, waited for; 1 is the first.
    pub fn wait_log_nth(&self, text: &str, nth: usize) -> String {
        let until = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let found = lines.0.iter().filter(|line| line.contains(text)).nth(nth - 1);
            if let Some(line) = found {
                return line.clone();
            }
            assert!(!lines.1, "the server ended without logging {text:?}:\n{}", lines.0.join("\n"));
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in the log:\n{}", lines.0.join("\n"));
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The node's own directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The store directory that `-sd` names.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// The directory, to start another server on it after this one stopped.
    pub fn shared_dir(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.dir)
    }

    /// SIGKILL: nothing gets a chance to be written.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal, named as `kill` names it.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.take().unwrap().wait().unwrap()
    }

    /// Starts it again on its directory.
    pub fn restart(&mut self) {
        self.kill9();
        self.launch();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill9();
        let marks = self.dir.path().join(MARKS);
        mark::absorb(&marks);
        // Another node may go on in the same directory.
        let _ = std::fs::remove_file(marks);
    }
}
