//! A server in a program that has no tokio runtime of its own: one call starts it, dropping stops
//! it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use account::Account;
use config_validate::options::{MonitorOptions, Options, Port};
use monitor::JetStreamConfig;
use tokio::runtime::{Builder, Runtime};

use crate::error::StartError;
use crate::jetstream::JetStreamError;
use crate::operator::OperatorError;
use crate::reload::ReloadError;
use crate::server::Server;

/// Longest that a runtime's tasks may take to end.
const RUNTIME_DEADLINE: Duration = Duration::from_secs(10);

/// A server with a runtime of its own. Stops when it is dropped; must not be used from within
/// async code (there, use [`Server`]).
pub struct Embedded {
    // Taken only when it is stopped.
    parts: Option<(Server, Runtime)>,
    temporary: Option<TemporaryDir>,
}

impl Embedded {
    /// Starts a server and waits until clients can connect.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start(options: Options) -> Result<Embedded, StartError> {
        Self::launch(options, None)
    }

    /// Starts a server for a test: on a free port of the loopback, with a free monitoring port,
    /// and JetStream in a fresh directory that is removed when the server is dropped.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn temporary() -> Result<Embedded, StartError> {
        Self::temporary_with(|_| {})
    }

    /// As [`temporary`](Self::temporary), with changes to the options.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn temporary_with(change: impl FnOnce(&mut Options)) -> Result<Embedded, StartError> {
        let dir = TemporaryDir::new();
        let mut options = loopback();
        options.jetstream.enabled = true;
        options.store_dir = Some(dir.path.clone());
        change(&mut options);
        Self::launch(options, Some(dir))
    }

    fn launch(options: Options, temporary: Option<TemporaryDir>) -> Result<Embedded, StartError> {
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_name("nats")
            .build()
            .map_err(StartError::Runtime)?;
        let server = runtime.block_on(Server::start(options))?;
        Ok(Embedded { parts: Some((server, runtime)), temporary })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        match &self.parts {
            Some((server, _)) => server,
            None => unreachable!("parts are taken only by `stop`, which consumes or drops this"),
        }
    }

    /// Follows other options, as [`Server::reload_options`] does; waits.
    ///
    /// # Errors
    /// As [`Server::reload_options`].
    pub fn reload_options(&self, options: Options) -> Result<(), ReloadError> {
        match &self.parts {
            Some((server, runtime)) => runtime.block_on(server.reload_options(options)),
            None => Err(ReloadError::Stopping),
        }
    }

    /// Reads the configuration file again, as [`Server::reload`] does; waits.
    ///
    /// # Errors
    /// As [`Server::reload`].
    pub fn reload(&self) -> Result<(), ReloadError> {
        match &self.parts {
            Some((server, runtime)) => runtime.block_on(server.reload()),
            None => Err(ReloadError::Stopping),
        }
    }

    /// Takes an account's token, as [`Server::register_account_jwt`] does; waits.
    ///
    /// # Errors
    /// As [`Server::register_account_jwt`].
    pub fn register_account_jwt(&self, token: &str) -> Result<Arc<Account>, OperatorError> {
        match &self.parts {
            Some((server, runtime)) => runtime.block_on(server.register_account_jwt(token)),
            None => Err(OperatorError::Off),
        }
    }

    /// Makes an account the system account, as [`Server::set_system_account`] does; waits.
    ///
    /// # Errors
    /// As [`Server::set_system_account`].
    pub fn set_system_account(&self, name: &str) -> Result<(), OperatorError> {
        match &self.parts {
            Some((server, runtime)) => runtime.block_on(server.set_system_account(name)),
            None => Err(OperatorError::Off),
        }
    }

    /// Stops JetStream, as [`Server::disable_jetstream`] does; waits.
    pub fn disable_jetstream(&self) {
        if let Some((server, runtime)) = &self.parts {
            runtime.block_on(server.disable_jetstream());
        }
    }

    /// Switches JetStream on, as [`Server::enable_jetstream`] does; waits.
    ///
    /// # Errors
    /// As [`Server::enable_jetstream`].
    pub fn enable_jetstream(&self, config: Option<JetStreamConfig>) -> Result<(), JetStreamError> {
        match &self.parts {
            Some((server, runtime)) => runtime.block_on(server.enable_jetstream(config)),
            None => Ok(()),
        }
    }

    /// Switches JetStream on again, as [`Server::restart_jetstream`] does; waits.
    pub fn restart_jetstream(&self) {
        if let Some((server, runtime)) = &self.parts {
            runtime.block_on(server.restart_jetstream());
        }
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> SocketAddr {
        self.server().client_addr()
    }

    /// A URL by which clients on this machine connect.
    pub fn client_url(&self) -> String {
        self.server().client_url()
    }

    /// Where the monitoring endpoint listens, if there is one.
    pub fn monitor_addr(&self) -> Option<SocketAddr> {
        self.server().monitor_addr()
    }

    /// The directory that is removed with this, if it was started as temporary.
    pub fn temporary_dir(&self) -> Option<&Path> {
        self.temporary.as_ref().map(|dir| &*dir.path)
    }

    /// Stops it and waits for the end; the same as dropping it.
    pub fn shutdown(self) {
        drop(self);
    }

    /// Waits until it was stopped by whatever cause.
    pub fn wait(&self) {
        if let Some((server, runtime)) = &self.parts {
            runtime.block_on(server.wait());
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some((server, runtime)) = self.parts.take() {
            runtime.block_on(server.shutdown());
            drop(server);
            runtime.shutdown_timeout(RUNTIME_DEADLINE);
        }
    }
}

/// Options for a server that only this machine reaches, on free ports.
pub fn loopback() -> Options {
    let host = "127.0.0.1".to_owned();
    let monitor = MonitorOptions {
        host: Some(host.clone()),
        http_port: Some(Port::Random),
        base_path: "/".to_owned(),
    };
    Options { host, port: Port::Random, monitor, ..Options::default() }
}

/// A directory that goes when this does.
struct TemporaryDir {
    path: PathBuf,
}

impl TemporaryDir {
    /// A path that nobody uses; JetStream makes the directory.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let time = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        let name = format!("jetcore-{}-{time:x}-{n}", std::process::id());
        TemporaryDir { path: std::env::temp_dir().join(name) }
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
