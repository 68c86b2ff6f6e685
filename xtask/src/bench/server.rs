//! Starts a server on a free port with a fresh directory, and ends it whatever happens.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::conn::Conn;

/// Which server, and how it syncs.
#[derive(Clone)]
pub(crate) struct Kind {
    /// The program.
    pub(crate) binary: PathBuf,
    /// Its sync policy.
    pub(crate) sync: Sync,
}

/// When files are synced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As the server does by itself.
    Default,
    /// `sync_interval: always`.
    Always,
}

/// A running server.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Starts a server in a new folder under `base`.
    pub(crate) fn start(kind: &Kind, base: &Path) -> io::Result<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = base.join(format!("server-{number}"));
        fs::create_dir_all(&folder)?;
        Self::start_in(kind.clone(), folder)
    }

    /// Whether the server syncs before each ack.
    pub(crate) fn sync(&self) -> Sync {
        self.kind.sync
    }

    /// Ends the server in good order and starts it again on the same files.
    pub(crate) fn restart(mut self, sync: Sync) -> io::Result<Self> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the server has no process id"))?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the server does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let kind = Kind { binary: self.kind.binary.clone(), sync };
        let folder = std::mem::take(&mut self.folder);
        Self::start_in(kind, folder)
    }

    fn start_in(kind: Kind, folder: PathBuf) -> io::Result<Self> {
        let address = free_address()?;
        let config = folder.join("server.conf");
        fs::write(&config, config_text(address, &folder.join("store"), kind.sync))?;
        let log = File::create(folder.join("server.log"))?;
        let child = Command::new(&kind.binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Self { kind, child, address, folder };
        match server.wait_until_ready() {
            Ok(()) => Ok(server),
            Err(err) => Err(io::Error::other(format!("{err}; its log ends: {}", server.log_end()))),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> io::Result<Conn> {
        Conn::open(self.address)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended: {status}")));
            }
            match self.connect().and_then(|mut conn| conn.request("$JS.API.INFO", "")) {
                Ok(answer) if answer.contains("\"memory\"") => return Ok(()),
                Ok(answer) if Instant::now() > deadline => {
                    return Err(io::Error::other(format!("no JetStream: {answer}")));
                }
                Err(err) if Instant::now() > deadline => return Err(err),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and its folder may have gone on to its next life.
        drop(self.child.kill());
        drop(self.child.wait());
        if !self.folder.as_os_str().is_empty() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

fn config_text(address: SocketAddr, store: &Path, sync: Sync) -> String {
    let sync = match sync {
        Sync::Default => "",
        Sync::Always => "  sync_interval: always\n",
    };
    format!(
        "listen: \"{address}\"\nserver_name: bench\njetstream {{\n  store_dir: \"{}\"\n  \
         max_mem: 2GB\n  max_file: 20GB\n{sync}}}\n",
        store.display()
    )
}

/// An address that nobody listens on: the system's choice, given back at once.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
