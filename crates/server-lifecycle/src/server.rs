//! One running server: its start, its addresses and its end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use account::Accounts;
use arc_swap::ArcSwap;
use config_validate::options::{self, Options, Overrides};
use connection::{ClientOptions, ServerCtx, ServerInfo, generate_server_id};
use monitor::Monitor;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{ListenError, StartError};
use crate::files::{self, PortsFile};
use crate::jetstream::{Control, config};
use crate::listener::{self, join};
use crate::log::LogHandle;
use crate::operator::OperatorMode;
use crate::reload::ReloadError;
use crate::system::{ReloadHook, SystemServices};
use crate::{identity, os};

/// Longest that clients may take to leave at a shutdown.
const CLIENTS_DEADLINE: Duration = Duration::from_secs(5);

/// A running server.
///
/// Several can run in one process; nothing is shared between them. It stops when it is
/// [shut down](Self::shutdown) or dropped; clones do not exist, share it in an `Arc`.
pub struct Server {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) ctx: Arc<ServerCtx>,
    pub(crate) options: Arc<ArcSwap<Options>>,
    pub(crate) jetstream: Arc<Control>,
    pub(crate) operator: Option<Arc<OperatorMode>>,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) client_addr: SocketAddr,
    monitor_addr: Option<SocketAddr>,
    pub(crate) running: Mutex<Running>,
    pub(crate) stage: watch::Sender<Stage>,
    /// What the command line said: it wins over the file at a reload, too.
    pub(crate) flags: Mutex<Overrides>,
    pub(crate) log: Mutex<Option<LogHandle>>,
    pub(crate) reloading: tokio::sync::Mutex<()>,
}

/// What is taken apart at the end.
#[derive(Default)]
pub(crate) struct Running {
    accepting: Option<JoinHandle<()>>,
    monitoring: Option<JoinHandle<()>>,
    pub(crate) services: Option<Arc<Mutex<SystemServices>>>,
    ports_file: Option<PortsFile>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in [&self.accepting, &self.monitoring].into_iter().flatten() {
            task.abort();
        }
    }
}

/// How far a server's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    LameDuck,
    Stopping,
    Stopped,
}

impl Server {
    /// Starts a server with these options and waits until clients can connect. Must be called
    /// within a tokio runtime, which then serves the clients.
    ///
    /// Logs through `tracing`, in nats-server's words; see [`crate::log`] for its layout.
    ///
    /// # Errors
    /// When the server cannot start as configured; nothing of it is left running then.
    pub async fn start(mut options: Options) -> Result<Server, StartError> {
        options::validate(&mut options)?;
        let options = Arc::new(options);
        let id = generate_server_id();
        let name = options.server_name.clone().filter(|name| !name.is_empty());
        let info = ServerInfo {
            server_name: name.unwrap_or_else(|| id.clone()),
            server_id: id,
            host: options.host.clone(),
            port: options.port.bind_number(),
            domain: options.jetstream.domain.clone().filter(|_| options.jetstream.enabled),
            ..ServerInfo::default()
        };
        log_start(&info, &options);
        let options_now = Arc::new(ArcSwap::new(Arc::clone(&options)));
        let (operator, accounts) = match options.operator.is_on() {
            true => {
                let (mode, accounts) = OperatorMode::start(&options_now)?;
                (Some(mode), accounts)
            }
            false => (None, Accounts::from_options(&options)),
        };
        let accounts = Arc::new(accounts);
        log_warnings(&options, &accounts);
        if let Some(path) = &options.pid_file {
            files::write_pid(path).map_err(|error| StartError::PidFile {
                path: path.clone(),
                cause: os::error_text(&error),
            })?;
        }
        let ctx = ServerCtx::new(info, ClientOptions::from(&*options), accounts);
        let mut running = Running::default();
        let (monitor, monitor_addr) = start_monitor(&ctx, &options, &mut running).await?;
        let (stage, staged) = watch::channel(Stage::Running);
        let jetstream = Control::new(&ctx, &options_now, &monitor, staged);
        if let Some(operator) = &operator {
            operator.attach(&ctx, &jetstream);
        }
        if options.jetstream.enabled {
            jetstream.enable(Some(config::at_start(&options))).await?;
        } else {
            jetstream.serve_elsewhere(&ctx.accounts.load());
        }
        let hook = Arc::new(ReloadHook::default());
        let services = SystemServices::serve(&ctx, &options, &monitor, &hook, operator.as_ref());
        let services = Arc::new(Mutex::new(services));
        if let Some(operator) = &operator {
            operator.attach_services(&services);
        }
        running.services = Some(services);
        let client_addr = start_clients(&ctx, &options, &mut running).await?;
        if let Some(dir) = &options.ports_file_dir {
            match PortsFile::write(dir, Some(client_addr), monitor_addr) {
                Ok(file) => running.ports_file = Some(file),
                Err(error) => {
                    let error = os::error_text(&error);
                    tracing::error!("Error writing ports file ({}): {error}", dir.display());
                }
            }
        }
        monitor.set_ready();
        tracing::info!("Server is ready");
        let running = Mutex::new(running);
        let inner = Arc::new(Inner {
            ctx,
            options: options_now,
            jetstream,
            operator,
            monitor,
            client_addr,
            monitor_addr,
            running,
            stage,
            flags: Mutex::default(),
            log: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        });
        let (server, runtime) = (Arc::downgrade(&inner), tokio::runtime::Handle::current());
        hook.set(Box::new(move || {
            let Some(server) = server.upgrade() else { return Ok(()) };
            runtime.block_on(server.reload()).map_err(|error| error.to_string())
        }));
        Ok(Server { inner })
    }

    /// Reads the configuration file again and follows what changed in it, on the fly: clients,
    /// accounts and streams that are not concerned do not notice. Either all changes are followed,
    /// or none (`server/reload.go` `Reload`).
    ///
    /// # Errors
    /// When there is no file, it is not valid, or it changes what a running server cannot change.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        self.inner.reload().await
    }

    /// As [`reload`](Self::reload), with options that are in no file.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub async fn reload_options(&self, options: Options) -> Result<(), ReloadError> {
        self.inner.reload_options(options).await
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Remembers what the command line said: it wins over the file at every reload.
    pub fn keep_flags(&self, flags: Overrides) {
        *self.inner.flags.lock() = flags;
    }

    /// Lets reloads change the process's log.
    pub fn attach_log(&self, log: LogHandle) {
        *self.inner.log.lock() = Some(log);
    }

    /// Where clients connect, with the port that was really taken. An unspecified host is as
    /// configured.
    pub fn client_addr(&self) -> SocketAddr {
        self.inner.client_addr
    }

    /// A URL by which clients on this machine connect.
    pub fn client_url(&self) -> String {
        format!("nats://{}", reachable(self.inner.client_addr))
    }

    /// Where the monitoring endpoint listens, if there is one.
    pub fn monitor_addr(&self) -> Option<SocketAddr> {
        self.inner.monitor_addr.map(reachable)
    }

    /// Server id: a public server key.
    pub fn id(&self) -> String {
        self.inner.ctx.info.load().server_id.clone()
    }

    /// Server name.
    pub fn name(&self) -> String {
        self.inner.ctx.info.load().server_name.clone()
    }

    /// The options in effect.
    pub fn options(&self) -> Arc<Options> {
        self.inner.options.load_full()
    }

    /// What its connections share: counters, accounts, the connections themselves.
    pub fn context(&self) -> &Arc<ServerCtx> {
        &self.inner.ctx
    }

    /// Its monitoring, without HTTP in between.
    pub fn monitor(&self) -> &Arc<Monitor> {
        &self.inner.monitor
    }

    /// Stops it: no new clients, those there are get what is queued for them and are closed,
    /// streams are flushed and closed. Each step has a deadline. Waits for the end, also when
    /// somebody else stops it already.
    pub async fn shutdown(&self) {
        self.inner.shutdown().await;
    }

    /// Waits until it was stopped by whatever cause.
    pub async fn wait(&self) {
        let mut stage = self.inner.stage.subscribe();
        // The sender lives as long as this borrow.
        let _ = stage.wait_for(|stage| *stage == Stage::Stopped).await;
    }

    /// Tells clients to go elsewhere, closes them one by one over the configured time, then stops
    /// (`server/server.go` `lameDuckMode`). Returns when the server has stopped.
    pub async fn lame_duck(&self) {
        self.inner.lame_duck().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let inner = &self.inner;
        if !inner.enter(Stage::Stopping) {
            return;
        }
        inner.ctx.shut_down();
        let running = std::mem::take(&mut *inner.running.lock());
        drop(running);
        // Streams live in threads of their own, so this works without a runtime too.
        inner.jetstream.stop_now();
        inner.enter(Stage::Stopped);
    }
}

impl Inner {
    /// Moves on to a stage; false if it is there, or beyond.
    fn enter(&self, stage: Stage) -> bool {
        self.stage.send_if_modified(|now| {
            let moves = *now < stage;
            if moves {
                *now = stage;
            }
            moves
        })
    }

    async fn shutdown(&self) {
        if !self.enter(Stage::Stopping) {
            // The sender lives as long as this borrow.
            let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Stopped).await;
            return;
        }
        tracing::info!("Initiating Shutdown...");
        // A reload holds JetStream for a while.
        let reload = tokio::time::timeout(CLIENTS_DEADLINE, self.reloading.lock()).await;
        let mut running = std::mem::take(&mut *self.running.lock());
        end(running.accepting.take()).await;
        self.ctx.shut_down();
        if tokio::time::timeout(CLIENTS_DEADLINE, self.ctx.connections.drained()).await.is_err() {
            tracing::warn!("{} clients did not close in time", self.ctx.connections.len());
        }
        self.jetstream.shut_down().await;
        end(running.monitoring.take()).await;
        drop(running);
        drop(reload);
        tracing::info!("Server Exiting..");
        self.enter(Stage::Stopped);
    }

    async fn lame_duck(&self) {
        if !self.enter(Stage::LameDuck) {
            return;
        }
        tracing::info!("Entering lame duck mode, stop accepting new clients");
        self.monitor.set_unready();
        let accepting = self.running.lock().accepting.take();
        end(accepting).await;
        let options = self.options.load_full();
        let grace = options.lame_duck_grace_period;
        let spread = options.lame_duck_duration.checked_sub(grace);
        let spread = spread.filter(|d| !d.is_zero()).unwrap_or(Duration::from_secs(1));
        self.ctx.enter_lame_duck();
        let mut stage = self.stage.subscribe();
        tokio::select! {
            () = self.close_gradually(grace, spread) => {}
            // Somebody is more in a hurry.
            _ = stage.wait_for(|stage| *stage >= Stage::Stopping) => {}
        }
        self.shutdown().await;
    }

    /// Writes the file of ports somewhere else, or nowhere.
    pub(crate) fn move_ports_file(&self, dir: Option<&Path>) {
        let mut running = self.running.lock();
        running.ports_file = None;
        let Some(dir) = dir else { return };
        match PortsFile::write(dir, Some(self.client_addr), self.monitor_addr) {
            Ok(file) => running.ports_file = Some(file),
            Err(error) => {
                let error = os::error_text(&error);
                tracing::error!("Error writing ports file ({}): {error}", dir.display());
            }
        }
    }

    async fn close_gradually(&self, grace: Duration, spread: Duration) {
        if self.ctx.connections.is_empty() {
            return;
        }
        tokio::time::sleep(grace).await;
        tracing::info!("Closing existing clients");
        let clients = self.ctx.connections.all();
        let count = u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1);
        let pause = (spread / count).min(Duration::from_secs(1));
        for client in clients {
            client.close(wire::CloseReason::ServerShutdown);
            tokio::time::sleep(pause).await;
        }
    }
}

/// Ends a task, and waits until what it held is free, its port above all.
async fn end(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        task.abort();
        // Its outcome is that it was aborted.
        let _ = task.await;
    }
}

async fn start_monitor(
    ctx: &Arc<ServerCtx>,
    options: &Arc<Options>,
    running: &mut Running,
) -> Result<(Arc<Monitor>, Option<SocketAddr>), StartError> {
    let new = |port| Monitor::new(Arc::clone(ctx), Arc::clone(options), port);
    let Some(port) = options.monitor.http_port else { return Ok((new(0), None)) };
    let host = options.monitor_host();
    let listening = listener::listen(host, port.bind_number()).await;
    let listener = listening.map_err(StartError::Monitor)?;
    let address = local_addr(&listener, host).map_err(StartError::Monitor)?;
    tracing::info!("Starting http monitor on {}", join(host, address.port()));
    let monitor = new(address.port());
    let serving = monitor::serve(listener, Arc::clone(&monitor));
    running.monitoring = Some(tokio::spawn(serving));
    Ok((monitor, Some(address)))
}

async fn start_clients(
    ctx: &Arc<ServerCtx>,
    options: &Options,
    running: &mut Running,
) -> Result<SocketAddr, StartError> {
    let (host, port) = (&*options.host, options.port.bind_number());
    let error = |cause| StartError::Listen { address: join(host, port), cause };
    let listener = listener::listen(host, port).await.map_err(error)?;
    let address = local_addr(&listener, host).map_err(error)?;
    let (told_host, told_port) = match &options.client_advertise {
        None => (options.host.clone(), address.port()),
        Some(advertised) => listener::split(advertised, address.port())
            .ok_or_else(|| StartError::Advertise(advertised.clone()))?,
    };
    update_info(ctx, |info| {
        info.host = told_host;
        info.port = told_port;
    });
    running.accepting = Some(tokio::spawn(listener::accept_clients(listener, Arc::clone(ctx))));
    tracing::info!("Listening for client connections on {}", join(host, address.port()));
    Ok(address)
}

/// The address that was bound; its host as configured where that is an address.
fn local_addr(listener: &tokio::net::TcpListener, host: &str) -> Result<SocketAddr, ListenError> {
    let bound = listener.local_addr().map_err(|error| ListenError::Bind {
        address: host.to_owned(),
        cause: os::error_text(&error),
    })?;
    Ok(SocketAddr::new(host.parse().unwrap_or(bound.ip()), bound.port()))
}

/// An address that leads to this machine where the host is unspecified.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

pub(crate) fn update_info(ctx: &ServerCtx, change: impl FnOnce(&mut ServerInfo)) {
    let mut info = ServerInfo::clone(&ctx.info.load());
    change(&mut info);
    ctx.info.store(Arc::new(info));
}

fn log_start(info: &ServerInfo, options: &Options) {
    tracing::info!("Starting nats-server");
    tracing::info!(
        "  Version:  {} (jetcore {})",
        connection::NATS_VERSION,
        connection::JETCORE_VERSION
    );
    tracing::info!("  Git:      [{}]", info.git_commit.as_deref().unwrap_or("not set"));
    if let Some(name) = &options.cluster.name {
        tracing::info!("  Cluster:  {name}");
    }
    tracing::info!("  Name:     {}", info.server_name);
    if options.jetstream.enabled {
        tracing::info!("  Node:     {}", identity::name_hash(&info.server_name));
    }
    tracing::info!("  ID:       {}", info.server_id);
}

fn log_warnings(options: &Options, accounts: &Accounts) {
    for warning in accounts.warnings() {
        tracing::warn!("{warning}");
    }
    for key in &options.deferred_keys {
        tracing::warn!("{} is configured but has no effect yet", key.name);
    }
    if let Some(file) = &options.config_file {
        let digest = options.config_digest.as_deref().unwrap_or_default();
        tracing::info!("Using configuration file: {} ({digest})", file.display());
    }
    if options.limits.max_payload.is_some_and(|max| max > MAX_PAYLOAD_ADVISED) {
        let text = config_validate::bytes::friendly_bytes(f64::from(MAX_PAYLOAD_ADVISED));
        tracing::warn!(
            "Maximum payloads over {text} are generally discouraged and could lead to poor \
             performance"
        );
    }
}

/// Largest payload that is not warned about (`MAX_PAYLOAD_MAX_SIZE`).
const MAX_PAYLOAD_ADVISED: u32 = 8 * 1024 * 1024;
