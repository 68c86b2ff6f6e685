//! Operator mode of a running server, for programs that embed it.

use std::sync::Arc;

use account::Account;

use crate::Server;
use crate::operator::{OperatorError, OperatorMode};

impl Server {
    /// Takes an account's token, keeps it where the resolver keeps them, and puts the account to
    /// work, or brings it in line with the token. Waits for its clients and streams.
    ///
    /// Wire source: `(*MemAccResolver).Store` and `LookupAccount` in `server/server.go`.
    ///
    /// # Errors
    /// Without operator mode, or where the token is not good enough; nothing changes.
    pub async fn register_account_jwt(&self, token: &str) -> Result<Arc<Account>, OperatorError> {
        let token = token.to_owned();
        self.in_operator_mode(move |mode| mode.add(&token)).await
    }

    /// An account by its key, read from its token if it was not needed before.
    ///
    /// Wire source: `LookupAccount` in `server/server.go`.
    ///
    /// # Errors
    /// Without operator mode, or where there is no token that is good enough.
    pub async fn lookup_account(&self, name: &str) -> Result<Arc<Account>, OperatorError> {
        let name = name.to_owned();
        self.in_operator_mode(move |mode| mode.lookup(&name)).await
    }

    /// Makes an account the system account.
    ///
    /// Wire source: `SetSystemAccount` in `server/server.go`.
    ///
    /// # Errors
    /// Without operator mode, where there is a system account, or no token that is good enough.
    pub async fn set_system_account(&self, name: &str) -> Result<(), OperatorError> {
        let name = name.to_owned();
        self.in_operator_mode(move |mode| mode.set_system_account(&name)).await
    }

    async fn in_operator_mode<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OperatorMode) -> Result<T, OperatorError> + Send + 'static,
    ) -> Result<T, OperatorError> {
        let mode = self.inner().operator.clone().ok_or(OperatorError::Off)?;
        // It reads files, and waits for streams.
        match tokio::task::spawn_blocking(move || work(&mode)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(OperatorError::Off),
        }
    }
}
