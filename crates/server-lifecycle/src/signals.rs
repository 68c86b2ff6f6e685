//! A server process: runs until a signal ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::{LogHandle, Reopened};
use crate::server::Server;

/// Serves until the process is told to stop, or the server stops by itself
/// (`server/signal.go` `handleSignals`): SIGINT and SIGTERM stop it, SIGUSR1 re-opens the log,
/// SIGUSR2 is lame duck mode, SIGHUP reloads the configuration. What came in `early` is heeded now.
///
/// # Errors
/// When signals cannot be listened to; the server runs on then.
pub async fn run_until_signalled(
    server: &Server,
    log: Option<&LogHandle>,
    early: EarlySignals,
) -> io::Result<()> {
    let mut signals = Signals::new(early)?;
    let mut lame_duck = LameDuck::No;
    // One and the same: a further signal must not start it again.
    let mut winding_down = std::pin::pin!(server.lame_duck());
    loop {
        // While in lame duck mode, only SIGINT is heeded at once; SIGTERM lets it finish.
        let trapped = tokio::select! {
            trapped = signals.next() => trapped,
            () = &mut winding_down, if lame_duck == LameDuck::Asked => return Ok(()),
            () = server.wait() => return Ok(()),
        };
        tracing::info!("Trapped {:?} signal", trapped.name());
        match trapped {
            Trapped::Interrupt => {
                server.shutdown().await;
                return Ok(());
            }
            Trapped::Terminate if lame_duck == LameDuck::No => {
                server.shutdown().await;
                return Ok(());
            }
            Trapped::Terminate => {}
            Trapped::Hangup => reload(server).await,
            Trapped::User1 => reopen(log),
            Trapped::User2 => lame_duck = LameDuck::Asked,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LameDuck {
    No,
    Asked,
}

async fn reload(server: &Server) {
    if let Err(error) = server.reload().await {
        tracing::error!("Failed to reload server configuration: {error}");
    }
}

fn reopen(log: Option<&LogHandle>) {
    match log.map(LogHandle::reopen) {
        None => tracing::info!("File log re-open ignored, no logger"),
        Some(Ok(Reopened::NotAFile)) => {
            tracing::info!("File log re-open ignored, not a file logger");
        }
        Some(Ok(Reopened::File)) => tracing::info!("File log re-opened"),
        Some(Err(error)) => tracing::error!("{error}"),
    }
}

/// Signals that are for a server that runs, and must not end one that is still starting: SIGHUP,
/// SIGUSR1, SIGUSR2.
pub struct EarlySignals {
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl EarlySignals {
    /// Listens to them from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        Ok(EarlySignals {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }
}

/// The signals that a server listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    early: EarlySignals,
}

#[derive(Clone, Copy)]
enum Trapped {
    Interrupt,
    Terminate,
    Hangup,
    User1,
    User2,
}

impl Trapped {
    fn name(self) -> &'static str {
        match self {
            Trapped::Interrupt => "interrupt",
            Trapped::Terminate => "terminated",
            Trapped::Hangup => "hangup",
            Trapped::User1 => "user defined signal 1",
            Trapped::User2 => "user defined signal 2",
        }
    }
}

impl Signals {
    fn new(early: EarlySignals) -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            early,
        })
    }

    async fn next(&mut self) -> Trapped {
        tokio::select! {
            _ = self.interrupt.recv() => Trapped::Interrupt,
            _ = self.terminate.recv() => Trapped::Terminate,
            _ = self.early.hangup.recv() => Trapped::Hangup,
            _ = self.early.user1.recv() => Trapped::User1,
            _ = self.early.user2.recv() => Trapped::User2,
        }
    }
}
