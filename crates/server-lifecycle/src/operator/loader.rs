//! How accounts that nobody needed before are found: for clients, for JetStream's directories, and
//! when permissions end.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use account::{Account, AccountResolver};
use connection::AccountLoader;

use super::{JetStream, OperatorMode};

/// Finds the accounts of clients.
pub(super) struct ForClients(pub(super) Weak<OperatorMode>);

impl AccountLoader for ForClients {
    fn load(&self, name: String) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let mode = self.0.upgrade();
        Box::pin(async move {
            let Some(mode) = mode else { return false };
            // It reads files, and recovers streams.
            let found = tokio::task::spawn_blocking(move || {
                let found = mode.lookup(&name);
                if let Err(error) = &found {
                    tracing::debug!("Account [{name}] fetch failed: {error}");
                }
                found.is_ok()
            });
            found.await.unwrap_or(false)
        })
    }
}

/// Finds the accounts of which JetStream has a directory.
pub(super) struct ForJetStream(pub(super) Weak<OperatorMode>);

impl AccountResolver for ForJetStream {
    fn fetch(&self, name: &str) -> Option<Arc<Account>> {
        match self.0.upgrade()?.load(name, JetStream::ByCaller) {
            Ok(account) => Some(account),
            Err(error) => {
                tracing::warn!("JetStream of account [{name}] is not there: {error}");
                None
            }
        }
    }
}
