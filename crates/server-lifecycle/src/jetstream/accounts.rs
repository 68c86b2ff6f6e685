//! Which accounts have JetStream: brought in line with what they are configured to have.

use std::path::Path;
use std::sync::Arc;

use account::{API_EXPORT, Account, Accounts, EnrolError, TierLimits, default_tiers};

use super::{Control, JetStreamError};

impl Control {
    /// Sees to it that the system account exports the API. Without one there is nothing to do.
    ///
    /// Wire source: `checkJetStreamExports` in `server/jetstream.go`.
    pub(super) fn check_jetstream_exports(&self) {
        mark::hit!(F1377);
        let system = self.host.system();
        if system.is_some_and(|system| !system.exports_service(API_EXPORT)) {
            self.setup_jetstream_exports();
        }
    }

    /// Exports the API from the system account, to all accounts. That it cannot be is logged.
    ///
    /// Wire source: `setupJetStreamExports` in `server/jetstream.go`.
    pub(super) fn setup_jetstream_exports(&self) {
        mark::hit!(F1378);
        let added = match self.host.system() {
            Some(system) => system.add_service_export(API_EXPORT).map_err(|e| e.to_string()),
            None => Err("account missing".to_owned()),
        };
        if let Err(error) = added {
            tracing::warn!("Error setting up jetstream service exports: {error}");
        }
    }

    /// Enables accounts and recovers their streams: the global one where nobody configured any,
    /// otherwise those with limits. An account's streams are read by so many threads as there
    /// are CPUs. Blocks.
    ///
    /// Wire source: `enableJetStreamAccounts` in `server/jetstream.go`.
    pub(super) fn enable_accounts(&self) -> Result<(), JetStreamError> {
        mark::hit!(F1383);
        let accounts = self.ctx.accounts.load_full();
        if !accounts.global_only() {
            return self.configure_all(&accounts).map_err(JetStreamError::Accounts);
        }
        let global = accounts.global();
        if !global.is_jetstream_configured() {
            global.assign_jetstream_limits(default_tiers());
        }
        self.check_jetstream_exports();
        self.configure_account(Some(global)).map_err(JetStreamError::Account)
    }

    /// Brings one account in line with its configured limits; nothing without an account. Blocks.
    ///
    /// Wire source: `configJetStream` in `server/jetstream.go`.
    pub(super) fn configure_account(
        &self,
        account: Option<&Arc<Account>>,
    ) -> Result<(), EnrolError> {
        let Some(account) = account else { return Ok(()) };
        mark::hit!(F1386);
        let Some(limits) = account.configured_jetstream() else {
            return self.without_jetstream(account);
        };
        if account.is_jetstream_enabled() {
            account.enable_all_jetstream_service_imports_and_mappings()?;
            return account.update_jetstream_limits(&limits);
        }
        account.enable_jetstream(TierLimits::clone(&limits))?;
        if let Some(meta) = &*self.meta.read() {
            meta.interest_only(account.name());
        }
        Ok(())
    }

    fn without_jetstream(&self, account: &Arc<Account>) -> Result<(), EnrolError> {
        let system = self.host.system();
        if system.is_some_and(|system| Arc::ptr_eq(&system, account)) {
            return Ok(());
        }
        if account.is_jetstream_enabled() {
            // What remains of it is told with the next error.
            let _ = account.disable_jetstream();
        }
        account.enable_jetstream_info_service_import_only()
    }

    /// Brings every account in line with its configured limits, and clears away the empty
    /// directories of accounts that have nothing stored. The first error ends it. Blocks.
    ///
    /// Wire source: `configAllJetStreamAccounts` in `server/jetstream.go`.
    pub(super) fn configure_all(&self, accounts: &Accounts) -> Result<(), EnrolError> {
        mark::hit!(F1387);
        self.check_jetstream_exports();
        if self.engine().is_none() {
            return Ok(());
        }
        let dir = self.store_dir();
        let system = accounts.system().map(|system| system.name().to_owned());
        remove_empty_accounts(Path::new(&dir), system.as_deref());
        for account in accounts.iter() {
            self.configure_account(Some(account))?;
        }
        for name in directories(Path::new(&dir)) {
            if accounts.get(&name).is_some() {
                continue;
            }
            if let Some(account) = self.host.resolve(&name)
                && !account.is_jetstream_enabled()
            {
                account.register(&self.host);
                self.configure_account(Some(&account))?;
            }
        }
        Ok(())
    }

    /// Follows reloaded accounts; an error is logged. Blocks.
    pub(crate) fn follow(&self, before: &Accounts) {
        let accounts = self.ctx.accounts.load_full();
        self.adopt(&accounts);
        let gone = before
            .iter()
            .filter(|old| !accounts.get(old.name()).is_some_and(|new| Arc::ptr_eq(new, old)));
        for account in gone {
            self.leave(account);
        }
        if !self.is_enabled() {
            return self.serve_elsewhere(&accounts);
        }
        if let Err(error) = self.enable_accounts() {
            tracing::error!("{error}");
        }
    }

    /// Brings an account in line with its token, which may be new; an error is logged. Blocks.
    pub(crate) fn follow_claims(&self, account: &Arc<Account>) {
        let _turn = self.turn.blocking_lock();
        self.follow_claims_in_turn(account);
    }

    /// As [`follow_claims`](Self::follow_claims), for whoever switches JetStream anyway.
    pub(crate) fn follow_claims_in_turn(&self, account: &Arc<Account>) {
        self.register(account);
        let outcome = if self.is_enabled() {
            self.check_jetstream_exports();
            self.configure_account(Some(account))
        } else if account.is_jetstream_configured() {
            self.check_jetstream_exports();
            account.enable_all_jetstream_service_imports_and_mappings()
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            let name = account.name();
            tracing::error!("Error configuring jetstream for account [{name}]: {error}");
        }
    }

    /// Takes JetStream from an account that is gone; what is stored stays. Blocks.
    pub(crate) fn leave(&self, account: &Account) {
        account.leave_jetstream_api();
        // It may not have had JetStream.
        let _ = account.disable_jetstream();
    }

    /// Lets the accounts of a server without JetStream reach that of other servers.
    pub(crate) fn serve_elsewhere(&self, accounts: &Accounts) {
        if !accounts.iter().any(|account| account.is_jetstream_configured()) {
            return;
        }
        self.check_jetstream_exports();
        for account in accounts.iter().filter(|account| !accounts.is_system(account)) {
            if let Err(error) = account.enable_all_jetstream_service_imports_and_mappings() {
                tracing::error!("{error}");
            }
        }
    }
}

/// Names of the directories in a directory.
fn directories(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let is_dir = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let names = entries.flatten().filter(is_dir);
    names.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Removes directories of accounts that hold nothing; files, and directories that hold anything,
/// stay.
pub(super) fn remove_empty_accounts(dir: &Path, system: Option<&str>) {
    for name in directories(dir).iter().filter(|name| Some(name.as_str()) != system) {
        let account = dir.join(name);
        // Both are refused where there is anything inside.
        let _ = std::fs::remove_dir(account.join("streams"));
        let _ = std::fs::remove_dir(&account);
    }
}
