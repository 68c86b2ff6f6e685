//! JetStream of accounts: which are to have it, enrolment with the engine, access to the API.

mod access;
mod enrolment;
mod host;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use js_engine::EnableError;
use types::{AccountLimits, ApiError};

use crate::{Account, Accounts};

pub use access::API_EXPORT;
pub(crate) use access::Access;
pub(crate) use enrolment::Enrolment;
pub use host::{AccountResolver, ClusterLink, JetStreamApi, JetStreamHost};

/// Limits by tier; the flat tier is named `""`.
pub type TierLimits = BTreeMap<String, AccountLimits>;

/// The limits of an account that has none: one flat tier without end
/// (`defaultJSAccountTiers` in `server/jetstream.go`).
pub fn default_tiers() -> TierLimits {
    BTreeMap::from([(String::new(), AccountLimits::UNLIMITED)])
}

/// Why JetStream of an account could not be switched as asked; texts of `server/jetstream.go`.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No server owns the account.
    #[error("jetstream account not registered")]
    NotRegistered,
    /// The system account has no JetStream.
    #[error("jetstream can not be enabled on the system account")]
    SystemAccount,
    /// The server has no system services: it stops, or has not started.
    #[error("server is not running")]
    NotRunning,
    /// An error that clients are told, too.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// The API cannot be imported.
    #[error("Error setting up jetstream service imports for account: {0}")]
    Imports(&'static str),
    /// What is stored cannot be read.
    #[error("{0}")]
    Engine(EnableError),
}

impl From<EnableError> for EnrolError {
    fn from(error: EnableError) -> Self {
        match error {
            EnableError::Limits(error) => EnrolError::Api(error),
            other => EnrolError::Engine(other),
        }
    }
}

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
