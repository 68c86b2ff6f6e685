//! Reload of the configuration: what changed, may it, and then all of it at once.
//!
//! Wire source: `Reload`, `reloadOptions` and `applyOptions` in `server/reload.go`.

use std::path::Path;
use std::sync::Arc;

use config_validate::options::{
    self, Change, ConfigErrors, OptionError, Options, ReloadRefused, Running as RunningState,
};
use connection::ClientOptions;

use crate::server::{Inner, Stage, update_info};
use crate::{files, listener};

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The server was started without a file.
    #[error("can only reload config when a file is provided using -c or --config")]
    NoFile,
    /// The file cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The options contradict each other.
    #[error("{0}")]
    Options(#[from] OptionError),
    /// A running server cannot change that.
    #[error("{0}")]
    Refused(#[from] ReloadRefused),
    /// What clients are to be told as the address is none.
    #[error("invalid ClientAdvertise value of {0}")]
    Advertise(String),
    /// The server is about to stop.
    #[error("the server is shutting down")]
    Stopping,
}

impl Inner {
    /// Reads the configuration file again and follows it.
    pub(crate) async fn reload(&self) -> Result<(), ReloadError> {
        let file = self.options.load().config_file.clone().ok_or(ReloadError::NoFile)?;
        let options = self.read_again(&file)?;
        self.reload_options(options).await
    }

    fn read_again(&self, file: &Path) -> Result<Options, ReloadError> {
        let mut options = Options::from_file(file)?;
        for warning in &options.warnings {
            tracing::warn!("{warning}");
        }
        options.merge_flags(self.flags.lock().clone());
        Ok(options)
    }

    /// Follows other options. Either all that changed can be changed, or nothing is.
    pub(crate) async fn reload_options(&self, mut options: Options) -> Result<(), ReloadError> {
        // One at a time.
        let _turn = self.reloading.lock().await;
        if *self.stage.borrow() >= Stage::Stopping {
            return Err(ReloadError::Stopping);
        }
        options::validate(&mut options)?;
        let before = self.options.load_full();
        options.config_file = options.config_file.or_else(|| before.config_file.clone());
        if options.operator.is_on() {
            // A program may have named it.
            options.system_account =
                options.system_account.or_else(|| before.system_account.clone());
        }
        let state =
            RunningState { port: self.client_addr.port(), jetstream: self.jetstream.is_enabled() };
        let changes = before.reload_changes(&mut options, state)?;
        if let Some(advertised) = &options.client_advertise
            && listener::split(advertised, self.client_addr.port()).is_none()
        {
            return Err(ReloadError::Advertise(advertised.clone()));
        }
        let options = Arc::new(options);
        self.options.store(Arc::clone(&options));
        self.monitor.set_options(Arc::clone(&options));
        for change in &changes {
            self.apply(change, &options);
            change.log_line().iter().for_each(|line| tracing::info!("{line}"));
        }
        if changes.iter().any(Change::is_logging)
            && let Some(log) = &*self.log.lock()
            && let Err(error) = log.reconfigure(&options.log)
        {
            tracing::error!("{error}");
        }
        self.reload_accounts(&options).await;
        for change in &changes {
            if let Change::JetStream(on) = change {
                match on {
                    true => self.jetstream.restart().await,
                    false => self.jetstream.disable().await,
                }
            }
        }
        let digest = options.config_digest.as_ref();
        let digest = digest.map(|digest| format!("({digest})")).unwrap_or_default();
        tracing::info!("Reloaded server configuration {digest}");
        Ok(())
    }

    /// What a change asks for beyond the options that clients, accounts and the log read anew.
    fn apply(&self, change: &Change, options: &Options) {
        match change {
            Change::ClientAdvertise(advertised) => {
                let port = self.client_addr.port();
                let (host, port) = listener::split(advertised, port)
                    .unwrap_or_else(|| (options.host.clone(), port));
                update_info(&self.ctx, |info| {
                    info.host = host;
                    info.port = port;
                });
            }
            Change::PidFile(Some(path)) => {
                if let Err(error) = files::write_pid(path) {
                    let error = crate::os::error_text(&error);
                    tracing::error!("Failed to write pidfile: open {}: {error}", path.display());
                }
            }
            Change::PortsFileDir(dir) => self.move_ports_file(dir.as_deref()),
            Change::JetStreamLimits { max_memory, max_store } => {
                self.jetstream.raise_limits(*max_memory, *max_store);
            }
            _ => {}
        }
    }

    /// Accounts, users and what depends on them (`server/reload.go` `reloadAuthorization`).
    async fn reload_accounts(&self, options: &Arc<Options>) {
        let held = match &self.operator {
            Some(operator) => Some(operator.hold().await),
            None => None,
        };
        let before = self.ctx.accounts.load_full();
        let claimed = self.operator.as_ref().and_then(|operator| operator.reload(&before));
        let accounts = match claimed {
            Some((accounts, claimed)) => {
                accounts.apply(&claimed);
                Arc::new(accounts)
            }
            None => {
                let accounts = before.reload(options);
                accounts.apply(options);
                Arc::new(accounts)
            }
        };
        accounts.retire_from(&before);
        {
            let running = self.running.lock();
            if let Some(services) = &running.services {
                services.lock().follow(options, &accounts);
            }
        }
        self.ctx.reload(ClientOptions::from(&**options), Arc::clone(&accounts)).await;
        drop(held);
        let jetstream = Arc::clone(&self.jetstream);
        // Streams of new accounts are recovered from disk.
        let follow = tokio::task::spawn_blocking(move || jetstream.follow(&before));
        if let Err(error) = follow.await {
            tracing::error!("JetStream could not follow the reload: {error}");
        }
    }
}
