//! JetStream of an account: whether it is to have it, and being enrolled with the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use js_engine::{EnableError, Engine, JsAccount};
use types::{AccountLimits, ApiError};

use crate::{Account, Accounts};

impl Accounts {
    /// The accounts that are to have JetStream, with their limits: those that were given some, or
    /// the global account where nobody configured any (`server/jetstream.go`
    /// `enableJetStreamAccounts`). Never the system account.
    pub fn with_jetstream(&self) -> impl Iterator<Item = (&Arc<Account>, AccountLimits)> {
        let alone = self.global_only().then_some(AccountLimits::UNLIMITED);
        self.iter()
            .filter(|account| !self.is_system(account))
            .filter_map(move |account| Some((account, account.jetstream_limits().or(alone)?)))
    }
}

impl Account {
    /// Enables JetStream: recovers what is stored for the account and routes its subjects to the
    /// streams. Waits for all of that; of an account that is enabled only the limits change.
    ///
    /// # Errors
    /// See [`EnableError`]; nothing is enabled then.
    pub fn enable_jetstream(
        &self,
        engine: &Engine,
        limits: AccountLimits,
    ) -> Result<Arc<JsAccount>, EnableError> {
        let flat = BTreeMap::from([(String::new(), limits)]);
        engine.enable_account(self.name(), self.space(), &flat)
    }

    /// Disables JetStream: the streams stop, what is stored stays. Waits.
    ///
    /// # Errors
    /// 10039 where it is not enabled.
    pub fn disable_jetstream(&self, engine: &Engine) -> Result<(), ApiError> {
        engine.disable_account(self.name())
    }
}
