//! JetStream of one account: configured, enabled, limited, disabled.

use std::sync::{Arc, Weak};

use js_engine::JsAccount;
use types::{AccountStats, ApiError, Storage, StreamConfig, errors};

use super::{EnrolError, JetStreamHost, TierLimits, default_tiers};
use crate::Account;

/// How an account stands with JetStream.
#[derive(Default)]
pub(crate) struct Enrolment {
    /// The owning server.
    host: Option<Weak<JetStreamHost>>,
    /// What it is to have; `None` is no JetStream.
    configured: Option<Arc<TierLimits>>,
    /// What it has.
    record: Option<Arc<JsAccount>>,
}

impl Account {
    /// Registers the account with the server that owns it.
    pub fn register(&self, host: &Arc<JetStreamHost>) {
        self.enrolment.write().host = Some(Arc::downgrade(host));
    }

    pub(crate) fn host(&self) -> Option<Arc<JetStreamHost>> {
        self.enrolment.read().host.as_ref()?.upgrade()
    }

    pub(crate) fn record(&self) -> Option<Arc<JsAccount>> {
        self.enrolment.read().record.clone()
    }

    /// The configured limits by tier, if it is to have JetStream.
    pub fn configured_jetstream(&self) -> Option<Arc<TierLimits>> {
        self.enrolment.read().configured.clone()
    }

    /// Sets or takes away what the account is to have; nothing is enabled or disabled by it.
    pub fn configure_jetstream(&self, limits: Option<TierLimits>) {
        match limits {
            Some(limits) => self.assign_jetstream_limits(limits),
            None => self.enrolment.write().configured = None,
        }
    }

    /// Stores the limits as what the account is to have, from which on it counts as
    /// [configured](Self::is_jetstream_configured). They are not checked.
    ///
    /// Wire source: `assignJetStreamLimits` in `server/jetstream.go`.
    pub fn assign_jetstream_limits(&self, limits: TierLimits) {
        mark::hit!(F1401);
        self.enrolment.write().configured = Some(Arc::new(limits));
    }

    /// Whether the account is to have JetStream, with at least one tier, whatever this server
    /// does.
    ///
    /// Wire source: `jetStreamConfigured` in `server/jetstream.go`.
    pub fn is_jetstream_configured(&self) -> bool {
        mark::hit!(F1416);
        self.enrolment.read().configured.as_ref().is_some_and(|limits| !limits.is_empty())
    }

    /// Whether the account has JetStream on this server. Does not ask the engine.
    ///
    /// Wire source: `(*Account).JetStreamEnabled` in `server/jetstream.go`.
    pub fn is_jetstream_enabled(&self) -> bool {
        mark::hit!(F1417);
        self.enrolment.read().record.is_some()
    }

    /// Enables JetStream for the account and recovers what it has stored. Waits for all of that.
    /// No limits are limits without end. Of an account that is enabled nothing changes.
    ///
    /// From the fourth check on the account counts as configured, also when enabling fails.
    ///
    /// Wire source: `(*Account).EnableJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// See [`EnrolError`]: not registered, system account, no services, 10076 without an engine,
    /// 10028 or 10047 where the server has not so much.
    pub fn enable_jetstream(self: &Arc<Self>, limits: TierLimits) -> Result<(), EnrolError> {
        let host = self.host().ok_or(EnrolError::NotRegistered)?;
        if host.system().is_some_and(|system| Arc::ptr_eq(&system, self)) {
            return Err(EnrolError::SystemAccount);
        }
        if !host.is_running() {
            return Err(EnrolError::NotRunning);
        }
        let limits = if limits.is_empty() { default_tiers() } else { limits };
        self.assign_jetstream_limits(limits.clone());
        let engine = host.engine().ok_or_else(|| errors::NOT_ENABLED.err())?;
        mark::hit!(F1402);
        let name = self.name();
        let known = engine.account(name).is_some();
        if !known {
            tracing::debug!("Recovering JetStream state for account {name:?}");
        }
        let record = engine.enable_account(name, self.space(), &limits)?;
        if !known && let Some(link) = host.link() {
            record.usage().join_cluster(&link.node, link.messages);
        }
        self.enrolment.write().record = Some(record);
        self.enable_all_jetstream_service_imports_and_mappings()?;
        if !known {
            log_enabled(name, &limits);
            tracing::debug!("JetStream state for account {name:?} recovered");
        }
        Ok(())
    }

    /// Replaces the limits of an account that is enabled; the check against the server's and the
    /// change are one step. What is stored beyond a lower limit stays. What the account is
    /// configured to have stays as it is.
    ///
    /// Wire source: `UpdateJetStreamLimits` in `server/jetstream.go`.
    ///
    /// # Errors
    /// Not registered, 10076 without an engine, 10039 where it is not enabled; 10028 or 10047
    /// where the server has not so much, and nothing changes.
    pub fn update_jetstream_limits(&self, limits: &TierLimits) -> Result<(), EnrolError> {
        let host = self.host().ok_or(EnrolError::NotRegistered)?;
        let engine = host.engine().ok_or_else(|| errors::NOT_ENABLED.err())?;
        let enabled = self.record().and_then(|_| engine.account(self.name()));
        enabled.ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())?;
        mark::hit!(F1408);
        let default = default_tiers();
        let limits = if limits.is_empty() { &default } else { limits };
        Ok(engine.update_account_limits(self.name(), limits)?)
    }

    /// Usage and limits, the body of `$JS.API.INFO`; all zero without JetStream.
    ///
    /// Wire source: `JetStreamUsage` in `server/jetstream.go`.
    pub fn jetstream_usage(&self) -> AccountStats {
        let Some(record) = self.record() else { return AccountStats::default() };
        mark::hit!(F1412);
        record.stats()
    }

    /// Disables JetStream for this account; the streams stop, what is stored stays. Waits.
    ///
    /// Wire source: `(*Account).DisableJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// Not registered; 10039 where it is not enabled.
    pub fn disable_jetstream(&self) -> Result<(), EnrolError> {
        mark::hit!(F1413);
        self.remove_jetstream()
    }

    /// Wire source: `removeJetStream` in `server/jetstream.go`.
    fn remove_jetstream(&self) -> Result<(), EnrolError> {
        self.enrolment.write().record = None;
        let host = self.host().ok_or(EnrolError::NotRegistered)?;
        mark::hit!(F1414);
        let engine = host.engine().ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())?;
        Ok(engine.disable_account(self.name())?)
    }

    /// Forgets the account's record, for an engine that stops as a whole.
    pub fn detach_jetstream(&self) {
        self.enrolment.write().record = None;
    }

    /// The owning server and the account's record, as of one moment.
    ///
    /// Wire source: `checkForJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// 10039 where either is missing.
    pub fn check_for_jetstream(&self) -> Result<(Arc<JetStreamHost>, Arc<JsAccount>), ApiError> {
        mark::hit!(F1445);
        let held = self.enrolment.read();
        let host = held.host.as_ref().and_then(Weak::upgrade);
        host.zip(held.record.clone()).ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())
    }

    /// What the account asks of the `max_bytes` of such a stream: whether it must be set, and its
    /// upper limit in bytes, where not positive is none. `(false, 0)` without JetStream or limits.
    ///
    /// Wire source: `maxBytesLimits` in `server/jetstream.go`.
    pub fn max_bytes_limits(&self, config: &StreamConfig) -> (bool, i64) {
        mark::hit!(F1403);
        let selected = self.record().and_then(|r| r.usage().select_limits(config.num_replicas));
        let Some((limits, _)) = selected else { return (false, 0) };
        let limit = match config.storage {
            Storage::Memory => limits.memory_max_stream_bytes,
            Storage::File => limits.storage_max_stream_bytes,
        };
        (limits.max_bytes_required, limit)
    }
}

fn log_enabled(name: &str, limits: &TierLimits) {
    tracing::debug!("Enabled JetStream for account {name:?}");
    for (tier, limits) in limits {
        let indent = if tier.is_empty() { "  " } else { "    " };
        if !tier.is_empty() {
            tracing::debug!("  Tier: {tier}");
        }
        tracing::debug!("{indent}Max Memory:      {}", size(limits.max_memory));
        tracing::debug!("{indent}Max Storage:     {}", size(limits.max_storage));
    }
}

fn size(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are printed")]
    config_validate::bytes::friendly_bytes(bytes as f64)
}
