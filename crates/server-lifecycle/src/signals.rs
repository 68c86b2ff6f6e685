//! A server process: runs until a signal ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::{LogHandle, Reopened};
use crate::server::Server;

/// Serves until the process is told to stop, or the server stops by itself
/// (`server/signal.go` `handleSignals`): SIGINT and SIGTERM stop it, SIGUSR1 re-opens the log,
/// SIGUSR2 is lame duck mode, SIGHUP reloads the configuration.
pub async fn run_until_signalled(server: &Server, log: Option<&LogHandle>, mut signals: Signals) {
    let mut lame_duck = LameDuck::No;
    // One and the same: a further signal must not start it again.
    let mut winding_down = std::pin::pin!(server.lame_duck());
    loop {
        // While in lame duck mode, only SIGINT is heeded at once; SIGTERM lets it finish.
        let trapped = tokio::select! {
            trapped = signals.next() => trapped,
            () = &mut winding_down, if lame_duck == LameDuck::Asked => return,
            () = server.wait() => return,
        };
        tracing::info!("Trapped {:?} signal", trapped.name());
        match trapped {
            Trapped::Interrupt => {
                server.shutdown().await;
                return;
            }
            Trapped::Terminate if lame_duck == LameDuck::No => {
                server.shutdown().await;
                return;
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

/// The signals that a server heeds, from before its start on: none of them ends the process
/// unasked.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
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
    /// Listens to them from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits until the process is told to stop, while the server still starts. Other signals wait
    /// for it.
    pub async fn told_to_stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn next(&mut self) -> Trapped {
        tokio::select! {
            _ = self.interrupt.recv() => Trapped::Interrupt,
            _ = self.terminate.recv() => Trapped::Terminate,
            _ = self.hangup.recv() => Trapped::Hangup,
            _ = self.user1.recv() => Trapped::User1,
            _ = self.user2.recv() => Trapped::User2,
        }
    }
}
