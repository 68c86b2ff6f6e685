//! Operator mode of a running server: accounts are read from their tokens when they are needed,
//! and follow when these change.

mod loader;
mod requests;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use account::{Account, Accounts, Claimed, ClaimedOptions, Trust, now_unix_s};
use arc_swap::ArcSwap;
use config_validate::Options;
use config_validate::options::OptionError;
use connection::ServerCtx;
use jwt::{AccountClaims, AccountClaimsError, DecodeError, UnixSeconds};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error::StartError;
use crate::jetstream::Control;
use crate::system::SystemServices;

pub(crate) use requests::ClaimsAnswer;
pub use tokens::NoToken;

use loader::{ForClients, ForJetStream};
use tokens::Tokens;

/// What the accounts of a server are when their tokens say so.
///
/// Wire sources: `server/accounts.go` (`UpdateAccountClaims`, `DirAccResolver`), `server/server.go`
/// (`fetchAccount`, `updateAccountWithClaimJWT`).
pub(crate) struct OperatorMode {
    me: Weak<OperatorMode>,
    tokens: Tokens,
    options: Arc<ArcSwap<Options>>,
    /// Held while a token is kept and then followed.
    taking: Mutex<()>,
    /// Held while the registry is changed. Whoever holds it waits for neither clients nor streams
    /// that need it, see [`Self::load`].
    turn: tokio::sync::Mutex<()>,
    rest: OnceLock<Rest>,
    /// What runs when a permission to import ends.
    alarm: Mutex<Option<AbortHandle>>,
}

/// What is there when the server runs.
struct Rest {
    ctx: Arc<ServerCtx>,
    jetstream: Weak<Control>,
    runtime: Handle,
    services: OnceLock<Weak<Mutex<SystemServices>>>,
}

/// Why an account's token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// There is no operator mode.
    #[error("the server is not in operator mode")]
    Off,
    /// There is no token, or it cannot be read.
    #[error("{0}")]
    NoToken(#[from] NoToken),
    /// The token is not good enough.
    #[error("{0}")]
    Claims(#[from] AccountClaimsError),
    /// The token is none.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The token cannot be kept.
    #[error("{0}")]
    Store(String),
    /// There is a system account already (`ErrAccountExists`).
    #[error("account exists")]
    SystemAccountExists,
}

/// Who brings JetStream of an account in line with its token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JetStream {
    /// Whoever puts the account into the registry.
    Here,
    /// Whoever asked for the account: it holds the turn of switching JetStream.
    ByCaller,
}

/// Accounts to come, with what their tokens say, or to go.
type Changes = BTreeMap<String, Option<Claimed>>;

impl OperatorMode {
    /// Opens the place of the tokens, and builds the registry with the system account.
    ///
    /// # Errors
    /// When the place cannot be used, or the system account is not to be had.
    pub(crate) fn start(
        options: &Arc<ArcSwap<Options>>,
    ) -> Result<(Arc<OperatorMode>, Accounts), StartError> {
        let now = options.load_full();
        log_operators(&now);
        let tokens = Tokens::open(&now.operator)
            .map_err(|error| StartError::Operator(OperatorError::Store(error)))?;
        let mode = Arc::new_cyclic(|me| OperatorMode {
            me: Weak::clone(me),
            tokens,
            options: Arc::clone(options),
            taking: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            rest: OnceLock::new(),
            alarm: Mutex::default(),
        });
        let mut trust = Trust::new(&now.operator);
        if let Some(system) = &now.system_account {
            let claimed = mode.system_account(&trust, system).map_err(StartError::SystemAccount)?;
            if now.jetstream.enabled && claimed.tiers().is_some() {
                return Err(OptionError::JetStreamOnSystemAccount.into());
            }
            let mut changes = Changes::from([(system.clone(), Some(claimed))]);
            mode.add_exporters(&trust, &mut changes);
            trust = trust.with(changes);
        }
        let trust = Arc::new(trust);
        let ClaimedOptions { options: claimed, lines, .. } = trust.options(&now, now_unix_s());
        lines.iter().for_each(|line| tracing::error!("{line}"));
        let accounts = Accounts::from_claims(&claimed, trust);
        Ok((mode, accounts))
    }

    /// The system account's token; where a directory does not have it yet, the account is there
    /// without one, so that somebody can bring it.
    fn system_account(&self, trust: &Trust, name: &str) -> Result<Claimed, OperatorError> {
        match self.tokens.fetch(name) {
            Ok(token) => Ok(trust.read(name, token, now_unix_s())?),
            Err(NoToken::Missing) if self.tokens.directory().is_some() => {
                let options = self.options.load();
                let [operator] = &*options.operator.operators else {
                    return Err(NoToken::Missing.into());
                };
                tracing::info!("Using bootstrapping system account");
                let issuer = trust.keys().iter().next().unwrap_or_default();
                let issuer = match trust.keys().contains(&operator.common.issuer) {
                    true => &operator.common.issuer,
                    false => issuer,
                };
                Ok(Claimed::bootstrap(name, issuer))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives it the rest of the server. From then on accounts are found.
    pub(crate) fn attach(&self, ctx: &Arc<ServerCtx>, jetstream: &Arc<Control>) {
        let rest = Rest {
            ctx: Arc::clone(ctx),
            jetstream: Arc::downgrade(jetstream),
            runtime: Handle::current(),
            services: OnceLock::new(),
        };
        // It is attached to one server.
        let _ = self.rest.set(rest);
        ctx.set_loader(Arc::new(ForClients(Weak::clone(&self.me))));
        jetstream.set_resolver(Arc::new(ForJetStream(Weak::clone(&self.me))));
        let accounts = ctx.accounts.load_full();
        let claimed =
            accounts.trust().map(|trust| trust.options(&self.options.load(), now_unix_s()));
        self.set_alarm(claimed.and_then(|claimed| claimed.changes_at));
    }

    /// Gives it the system's services, which follow what accounts there are.
    pub(crate) fn attach_services(&self, services: &Arc<Mutex<SystemServices>>) {
        if let Some(rest) = self.rest.get() {
            // There is one set of services to one server.
            let _ = rest.services.set(Arc::downgrade(services));
        }
    }

    /// An account by its key, read from its token if nobody needed it before. Blocks, until its
    /// streams are recovered too.
    pub(crate) fn lookup(&self, name: &str) -> Result<Arc<Account>, OperatorError> {
        self.load(name, JetStream::Here)
    }

    /// Whoever is responsible for JetStream itself holds its turn, which is taken here only after
    /// the registry's was given back.
    fn load(&self, name: &str, jetstream: JetStream) -> Result<Arc<Account>, OperatorError> {
        let rest = self.rest.get().ok_or(OperatorError::Off)?;
        let turn = self.turn.blocking_lock();
        let accounts = rest.ctx.accounts.load_full();
        let trust = accounts.trust().ok_or(OperatorError::Off)?;
        if let Some(account) = accounts.get(name).filter(|_| trust.account(name).is_some()) {
            return Ok(Arc::clone(account));
        }
        let claimed = trust.read(name, self.tokens.fetch(name)?, now_unix_s())?;
        let mut changes = Changes::from([(name.to_owned(), Some(claimed))]);
        self.add_exporters(trust, &mut changes);
        let names: BTreeSet<String> = changes.keys().cloned().collect();
        let accounts = self.publish(rest, changes);
        rest.ctx.accounts.store(Arc::clone(&accounts));
        drop(turn);
        let account = accounts.get(name).cloned().ok_or(NoToken::Missing)?;
        for account in names.iter().filter_map(|name| accounts.get(name)) {
            if jetstream == JetStream::Here || account.name() != name {
                self.configure_jetstream(rest, account, jetstream);
            }
        }
        Ok(account)
    }

    fn configure_jetstream(&self, rest: &Rest, account: &Arc<Account>, by: JetStream) {
        let Some(control) = rest.jetstream.upgrade() else { return };
        match by {
            JetStream::Here => control.follow_claims(account),
            JetStream::ByCaller => control.follow_claims_in_turn(account),
        }
    }

    /// Adds the accounts that these import from, and so on, as far as they are to be had.
    fn add_exporters(&self, trust: &Trust, changes: &mut Changes) {
        let mut todo: Vec<String> = changes
            .values()
            .flatten()
            .flat_map(|claimed| claimed.exporters().map(str::to_owned))
            .collect();
        while let Some(name) = todo.pop() {
            if trust.account(&name).is_some() || changes.contains_key(&name) {
                continue;
            }
            let read = self.tokens.fetch(&name).map_err(|error| error.to_string());
            let read = read.and_then(|token| {
                trust.read(&name, token, now_unix_s()).map_err(|error| error.to_string())
            });
            match read {
                Ok(claimed) => {
                    todo.extend(claimed.exporters().map(str::to_owned));
                    changes.insert(name, Some(claimed));
                }
                Err(error) => tracing::debug!("Account [{name}] is not imported: {error}"),
            }
        }
    }

    /// Builds the registry with these changes, and puts it to work but for clients.
    fn publish(&self, rest: &Rest, changes: Changes) -> Arc<Accounts> {
        let before = rest.ctx.accounts.load_full();
        let concerned: BTreeSet<String> = changes.keys().cloned().collect();
        let old = before.trust().cloned();
        let new = match &old {
            Some(old) => old.with(changes),
            None => Trust::new(&self.options.load().operator).with(changes),
        };
        let importers = |trust: &Trust, name: &str| {
            trust
                .account(name)
                .is_some_and(|claimed| claimed.exporters().any(|name| concerned.contains(name)))
        };
        let new = Arc::new(new);
        let claimed = new.options(&self.options.load(), now_unix_s());
        claimed.lines.iter().for_each(|line| tracing::error!("{line}"));
        let accounts = Arc::new(before.reload_claims(&claimed.options, Arc::clone(&new)));
        accounts.apply_where(&claimed.options, |name| {
            concerned.contains(name) || importers(&new, name)
        });
        accounts.retire_from(&before);
        self.tell_services(rest, &accounts);
        if let Some(control) = rest.jetstream.upgrade() {
            control.adopt(&accounts);
        }
        self.set_alarm(claimed.changes_at);
        accounts
    }

    fn tell_services(&self, rest: &Rest, accounts: &Accounts) {
        let services = rest.services.get().and_then(Weak::upgrade);
        if let Some(services) = services {
            services.lock().follow(&self.options.load_full(), accounts);
        }
    }

    /// Takes a token for an account that is to be used from now on, whether it was known or not.
    /// Clients of the account follow. Blocks.
    ///
    /// # Errors
    /// When the token is not good enough; nothing changes.
    pub(crate) fn add(&self, token: &str) -> Result<Arc<Account>, OperatorError> {
        let rest = self.rest.get().ok_or(OperatorError::Off)?;
        let claims = AccountClaims::decode(token)?;
        let name = claims.common.subject;
        let trust = rest.ctx.accounts.load_full().trust().cloned().ok_or(OperatorError::Off)?;
        trust.read(&name, token.to_owned(), now_unix_s())?;
        self.tokens.save(&name, token).map_err(OperatorError::Store)?;
        self.update(&name, token)?;
        self.lookup(&name)
    }

    /// An account's token has changed: follows if the account is known, or another one imports
    /// from it. Blocks until its clients follow.
    ///
    /// # Errors
    /// When the token is not good enough; the account stays as it is.
    fn update(&self, name: &str, token: &str) -> Result<Update, OperatorError> {
        let rest = self.rest.get().ok_or(OperatorError::Off)?;
        let turn = self.turn.blocking_lock();
        let accounts = rest.ctx.accounts.load_full();
        let trust = accounts.trust().ok_or(OperatorError::Off)?;
        let known = trust.account(name);
        let wanted = trust.names().any(|importer| {
            trust.account(importer).is_some_and(|claimed| claimed.exporters().any(|e| e == name))
        });
        if known.is_none() && !wanted {
            return Ok(Update::Skipped);
        }
        if known.is_some_and(|known| known.token() == token) {
            return Ok(Update::Done);
        }
        let claimed = trust.read(name, token.to_owned(), now_unix_s())?;
        tracing::debug!("Updating account claims: {name}/{}", claimed.claims().common.name);
        let mut changes = Changes::from([(name.to_owned(), Some(claimed))]);
        self.add_exporters(trust, &mut changes);
        self.follow(rest, turn, changes);
        Ok(Update::Done)
    }

    /// Takes accounts out of use; their clients are closed. Blocks.
    fn remove(&self, names: &[String]) {
        let Some(rest) = self.rest.get() else { return };
        let turn = self.turn.blocking_lock();
        let accounts = rest.ctx.accounts.load_full();
        let known = |name: &&String| accounts.trust().is_some_and(|t| t.account(name).is_some());
        let changes: Changes =
            names.iter().filter(known).map(|name| (name.clone(), None)).collect();
        if changes.is_empty() {
            return;
        }
        for name in changes.keys() {
            tracing::debug!("Disable account {name} due to remove");
        }
        self.follow(rest, turn, changes);
    }

    /// Puts changes into force, for clients and streams, too.
    fn follow(&self, rest: &Rest, turn: tokio::sync::MutexGuard<'_, ()>, changes: Changes) {
        let names: BTreeSet<String> = changes.keys().cloned().collect();
        let before = rest.ctx.accounts.load_full();
        let accounts = self.publish(rest, changes);
        rest.runtime.block_on(rest.ctx.renew_accounts(Arc::clone(&accounts), &names));
        drop(turn);
        for name in &names {
            match (accounts.get(name), before.get(name), rest.jetstream.upgrade()) {
                (Some(account), _, _) => {
                    self.configure_jetstream(rest, account, JetStream::Here);
                }
                (None, Some(gone), Some(control)) => control.leave(gone),
                _ => {}
            }
        }
    }

    /// Keeps the registry as it is until what is returned is dropped.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Follows a reloaded configuration: what it says of tokens is put there, and the accounts
    /// that are known are read again. The caller [holds off](Self::hold) other changes, and tells
    /// clients.
    pub(crate) fn reload(&self, before: &Accounts) -> Option<(Accounts, Options)> {
        let old = before.trust()?;
        let options = self.options.load_full();
        self.tokens.forget();
        self.tokens.preload(&options.operator);
        let mut changes = Changes::new();
        for name in old.names() {
            let known = old.account(name)?;
            let fresh = match self.tokens.fetch(name) {
                Ok(token) if token == known.token() => continue,
                Ok(token) => old.read(name, token, now_unix_s()).map_err(|e| e.to_string()),
                // What is in a directory is looked after there.
                Err(_) if self.tokens.directory().is_some() => continue,
                Err(error) => Err(error.to_string()),
            };
            let fresh = match fresh {
                Ok(claimed) => Some(claimed),
                Err(error) => {
                    tracing::info!("Reloaded: deleting account [{error}]: {name:?}");
                    None
                }
            };
            changes.insert(name.to_owned(), fresh);
        }
        let trust = old.with_options(&options.operator);
        self.add_exporters(&trust, &mut changes);
        let trust = Arc::new(trust.with(changes));
        let claimed = trust.options(&options, now_unix_s());
        claimed.lines.iter().for_each(|line| tracing::error!("{line}"));
        let accounts = before.reload_claims(&claimed.options, trust);
        self.set_alarm(claimed.changes_at);
        Some((accounts, claimed.options))
    }

    /// Makes an account the system account. Blocks.
    ///
    /// # Errors
    /// When there is one, or its token is not good enough.
    pub(crate) fn set_system_account(&self, name: &str) -> Result<(), OperatorError> {
        let rest = self.rest.get().ok_or(OperatorError::Off)?;
        self.lookup(name)?;
        let _turn = self.turn.blocking_lock();
        if self.options.load().system_account.is_some() {
            return Err(OperatorError::SystemAccountExists);
        }
        let mut options = Options::clone(&self.options.load());
        options.system_account = Some(name.to_owned());
        self.options.store(Arc::new(options));
        let accounts = self.publish(rest, Changes::new());
        rest.ctx.accounts.store(accounts);
        Ok(())
    }

    /// Builds the registry anew when a permission to import ends.
    fn set_alarm(&self, changes_at: Option<UnixSeconds>) {
        let mut alarm = self.alarm.lock();
        if let Some(alarm) = alarm.take() {
            alarm.abort();
        }
        let Some(rest) = self.rest.get() else { return };
        let Some(at) = changes_at else { return };
        let wait = u64::try_from(at.saturating_sub(now_unix_s())).unwrap_or(0).saturating_add(1);
        let me = Weak::clone(&self.me);
        let task = rest.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            if let Some(mode) = me.upgrade() {
                // It runs on: that this task ends when the alarm is set anew must not end it.
                drop(tokio::task::spawn_blocking(move || mode.refresh()));
            }
        });
        *alarm = Some(task.abort_handle());
    }

    /// A permission to import has ended: what relied on it goes. Blocks.
    fn refresh(&self) {
        let Some(rest) = self.rest.get() else { return };
        let _turn = self.turn.blocking_lock();
        let accounts = rest.ctx.accounts.load_full();
        let Some(trust) = accounts.trust() else { return };
        let claimed = trust.options(&self.options.load(), now_unix_s());
        let fresh = Arc::new(accounts.reload_claims(&claimed.options, Arc::clone(trust)));
        fresh.apply_where(&claimed.options, |name| {
            trust.account(name).is_some_and(|claimed| claimed.exporters().next().is_some())
        });
        rest.ctx.accounts.store(fresh);
        self.set_alarm(claimed.changes_at);
    }
}

/// What became of a token for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Update {
    /// The account is as it says.
    Done,
    /// Nobody needs the account yet.
    Skipped,
}

fn log_operators(options: &Options) {
    let operators = &options.operator.operators;
    if !operators.is_empty() {
        tracing::info!("Trusted Operators");
    }
    for operator in operators {
        tracing::info!("  System  : {:?}", operator.common.audience);
        tracing::info!("  Operator: {:?}", operator.common.name);
    }
    if !operators.is_empty() && options.system_account.is_none() {
        tracing::warn!("Trusted Operators should utilize a System Account");
    }
    if options.operator.resolver.is_none() && !options.operator.preload.is_empty() {
        tracing::warn!("resolver_preload has no effect without a resolver");
    }
    for (name, token) in &options.operator.preload {
        let Ok(claims) = AccountClaims::decode(token) else { continue };
        let issues = claims.check(now_unix_s());
        if issues.are_blocking_now() {
            tracing::warn!("Account [{name}] has validation issues:");
            issues.iter().for_each(|text| tracing::warn!("  - {text}"));
        }
    }
}
