//! The registry of accounts and users.

use std::sync::{Arc, OnceLock};

use config_validate::options::{
    ConnectionType, DEFAULT_SYSTEM_ACCOUNT, Export, GLOBAL_ACCOUNT, Options, Proof,
};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::users::{AuthError, Credentials, User, UserSession};
use crate::{Account, Ending, Permissions, Standing, Trust, passwords};

/// All accounts and users of a server, as the options have them. Immutable: a reload makes a new
/// one, which shares the accounts that stay.
pub struct Accounts {
    // In a fixed order: global, configured ones in file order, system.
    all: Vec<Arc<Account>>,
    /// Positions in `all`.
    index: HashMap<Box<str>, usize, RandomState>,
    global: Arc<Account>,
    system: Option<Arc<Account>>,
    /// The system account that was made because JetStream needs one.
    made: OnceLock<Arc<Account>>,
    users: HashMap<Box<str>, User, RandomState>,
    shared: Shared,
    auth_required: bool,
    no_auth_user: Option<Box<str>>,
    advertise_auth: bool,
    anyone: Arc<UserSession>,
    /// Operator mode.
    trust: Option<Arc<Trust>>,
    warnings: Vec<String>,
}

/// The secret that all clients share, if there is one.
#[derive(PartialEq)]
enum Shared {
    None,
    Token(Box<str>),
    User { name: Box<str>, password: Box<str> },
}

/// The user that stands in for clients without credentials when only the system account has
/// users (`server/server.go` `sysAccOnlyNoAuthUser`). A blank cannot be part of a real name.
const NOBODY: &str = " anonymous";

impl Accounts {
    /// Builds the registry, and [puts it to work](Self::apply).
    pub fn from_options(options: &Options) -> Self {
        let trust = options.operator.is_on().then(|| Arc::new(Trust::new(&options.operator)));
        let accounts = Self::build(options, trust, None);
        accounts.apply(options);
        accounts
    }

    /// Builds the registry of operator mode, and puts it to work; `options` has the
    /// [accounts](Trust::options) of the tokens.
    pub fn from_claims(options: &Options, trust: Arc<Trust>) -> Self {
        let accounts = Self::build(options, Some(trust), None);
        accounts.apply(options);
        accounts
    }

    /// Builds the registry for changed options; accounts of the same name live on, and so do
    /// users of whom nothing changed. Nothing happens yet: that is up to [`apply`](Self::apply).
    pub fn reload(&self, options: &Options) -> Self {
        Self::build(options, self.trust.clone(), Some(self))
    }

    /// As [`reload`](Self::reload), with the accounts of other tokens; `options` has these
    /// [accounts](Trust::options).
    pub fn reload_claims(&self, options: &Options, trust: Arc<Trust>) -> Self {
        Self::build(options, Some(trust), Some(self))
    }

    fn build(options: &Options, trust: Option<Arc<Trust>>, before: Option<&Accounts>) -> Self {
        let configured = |name: &str| {
            before.and_then(|b| b.get(name).cloned()).unwrap_or_else(|| Account::new(name))
        };
        let global = configured(GLOBAL_ACCOUNT);
        let mut all = vec![Arc::clone(&global)];
        let others = options.accounts.iter().filter(|account| account.name != GLOBAL_ACCOUNT);
        all.extend(others.map(|account| configured(&account.name)));
        // Nobody vouches for one that is made up.
        let system = match trust {
            Some(_) => options.system_account.as_deref(),
            None => options.effective_system_account(),
        };
        let system = system.map(|name| {
            if let Some(account) = all.iter().find(|account| account.name() == name) {
                return Arc::clone(account);
            }
            let account = configured(name);
            all.push(Arc::clone(&account));
            account
        });
        let auth = &options.auth;
        let mut accounts = Accounts {
            anyone: session(&global, None, None),
            global,
            system,
            made: OnceLock::new(),
            users: HashMap::default(),
            shared: match (&auth.token, &auth.user) {
                (Some(token), _) => Shared::Token(token.as_str().into()),
                (None, Some(name)) => Shared::User {
                    name: name.as_str().into(),
                    password: auth.password.as_deref().unwrap_or_default().into(),
                },
                (None, None) => Shared::None,
            },
            auth_required: auth.is_required() || trust.is_some(),
            no_auth_user: auth.no_auth_user.as_deref().map(Into::into),
            advertise_auth: true,
            warnings: warnings(options),
            index: all.iter().enumerate().map(|(at, a)| (a.name().into(), at)).collect(),
            all,
            trust,
        };
        if let Some(before) = before
            && accounts.shared == before.shared
            && accounts.auth_required == before.auth_required
        {
            accounts.anyone = Arc::clone(&before.anyone);
        }
        if let Some(made) = before.and_then(|before| before.made.get())
            && accounts.get(DEFAULT_SYSTEM_ACCOUNT).is_none()
            && accounts.system.is_none()
        {
            // It is not set yet.
            let _ = accounts.made.set(Arc::clone(made));
        }
        accounts.add_users(options, before);
        accounts.let_anonymous_in(options, before);
        accounts.advertise_auth = accounts.auth_required
            && accounts.no_auth_user.as_deref().is_none_or(|user| user == NOBODY);
        accounts
    }

    fn add_users(&mut self, options: &Options, before: Option<&Accounts>) {
        for user in &options.auth.users {
            let name = user.account.as_deref().unwrap_or(GLOBAL_ACCOUNT);
            let Some(account) = self.get(name).cloned() else {
                self.warnings.push(format!("user {:?} of unknown account {name:?}", user.username));
                continue;
            };
            let defaults = options.account(name).and_then(|a| a.default_permissions.as_ref());
            let permissions = user.permissions.as_ref().or(defaults);
            let granted = permissions.map(|config| Arc::new(Permissions::new(config)));
            let fresh = User {
                name: user.username.as_str().into(),
                proof: user.proof,
                password: user.password.as_str().into(),
                session: session(&account, Some(&user.username), granted),
                connection_types: user.allowed_connection_types.clone(),
                configured: permissions.cloned(),
            };
            self.add_user(fresh, before);
        }
    }

    /// A user of whom nothing changed keeps its session: clients that have it need no new look.
    fn add_user(&mut self, mut user: User, before: Option<&Accounts>) {
        if let Some(old) = before.and_then(|before| before.users.get(&*user.name))
            && old.is_like(&user)
        {
            user.session = Arc::clone(&old.session);
        }
        self.users.insert(user.name.clone(), user);
    }

    /// Users of the system account alone do not close the global account (`server/server.go`
    /// `configureAccounts`).
    fn let_anonymous_in(&mut self, options: &Options, before: Option<&Accounts>) {
        if !self.auth_required || self.trust.is_some() || !options.admits_anonymous() {
            return;
        }
        let user = User {
            name: NOBODY.into(),
            proof: Proof::Password,
            password: "".into(),
            session: session(&self.global, None, None),
            connection_types: Default::default(),
            configured: None,
        };
        self.add_user(user, before);
        self.no_auth_user = Some(NOBODY.into());
    }

    /// The account of clients that name none, `$G`.
    pub fn global(&self) -> &Arc<Account> {
        &self.global
    }

    /// The system account, unless there is none.
    pub fn system(&self) -> Option<&Arc<Account>> {
        self.system.as_ref().or(self.made.get())
    }

    /// The system account; where there is none, `$SYS` is made now, and stays over reloads.
    pub fn ensure_system(&self) -> &Arc<Account> {
        match &self.system {
            Some(system) => system,
            None => self.made.get_or_init(|| Account::new(DEFAULT_SYSTEM_ACCOUNT)),
        }
    }

    /// Whether this is the system account.
    pub fn is_system(&self, account: &Account) -> bool {
        self.system().is_some_and(|system| std::ptr::eq(&**system, account))
    }

    /// The account of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Account>> {
        let made = || self.made.get().filter(|account| account.name() == name);
        self.index.get(name).and_then(|at| self.all.get(*at)).or_else(made)
    }

    /// Operator mode.
    pub fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    /// Whether clients are given something to sign.
    pub fn needs_nonce(&self) -> bool {
        self.trust.is_some() || self.users.values().any(|user| user.proof == Proof::Signature)
    }

    /// How a client that was let in by a token stands now.
    pub fn standing(&self, session: &Arc<UserSession>) -> Standing {
        match &self.trust {
            Some(trust) => trust.standing(session),
            None => Standing::Ends(Ending::Violation),
        }
    }

    /// All accounts: the global one, configured ones in file order, the system account last
    /// unless it is configured.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.all.iter().chain(self.made.get())
    }

    /// Whether only the global and the system account exist, none of them configured
    /// (`server/server.go` `globalAccountOnly`).
    pub fn global_only(&self) -> bool {
        self.trust.is_none()
            && self.iter().all(|account| {
                account.name() == GLOBAL_ACCOUNT
                    || self.is_system(account)
                    || account.name() == DEFAULT_SYSTEM_ACCOUNT
            })
    }

    /// Whether clients must send CONNECT before anything else.
    pub fn auth_required(&self) -> bool {
        self.auth_required
    }

    /// What INFO says in `auth_required`: not when a user stands in for clients without
    /// credentials.
    pub fn advertise_auth(&self) -> bool {
        self.advertise_auth
    }

    /// What the options ask for that has no effect, in words for the log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What a client without credentials becomes where clients must authenticate, if some user
    /// stands in for it (`no_auth_user`).
    pub fn stand_in(&self, via: ConnectionType) -> Option<Arc<UserSession>> {
        let user = self.users.get(self.no_auth_user.as_deref()?)?;
        user.check_type(via).ok()?;
        Some(Arc::clone(&user.session))
    }

    /// Whether what a client became still holds: nothing changed about its user.
    pub fn is_current(&self, session: &Arc<UserSession>) -> bool {
        let user = session.user.as_deref().or(self.no_auth_user.as_deref());
        Arc::ptr_eq(&self.anyone, session)
            || user
                .and_then(|name| self.users.get(name))
                .is_some_and(|user| Arc::ptr_eq(&user.session, session))
    }

    /// Whether a client of this user name belongs to another account than `account` now, or the
    /// user is gone (`server/reload.go` `clientHasMovedToDifferentAccount`).
    pub fn has_moved(&self, user: &str, account: &Account) -> bool {
        !user.is_empty()
            && !self.users.is_empty()
            && self.users.get(user).is_none_or(|user| user.session.account.name() != account.name())
    }

    /// Whether checking these credentials takes so long that it must not be done on an I/O
    /// thread.
    pub fn is_slow(&self, credentials: &Credentials<'_>) -> bool {
        if self.trust.is_some() {
            return true;
        }
        let secret = match &self.shared {
            Shared::Token(token) => Some(token),
            Shared::User { password, .. } => Some(password),
            Shared::None => self.users.get(credentials.user).map(|user| &user.password),
        };
        secret.is_some_and(|secret| passwords::is_bcrypt(secret))
    }

    /// Checks credentials (`server/auth.go` `processClientOrLeafAuthentication`).
    ///
    /// # Errors
    /// When the client must be turned away.
    pub fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        via: ConnectionType,
    ) -> Result<Arc<UserSession>, AuthError> {
        if !self.auth_required {
            return Ok(Arc::clone(&self.anyone));
        }
        if let Some(trust) = &self.trust {
            return trust.authenticate(self, credentials, via);
        }
        if !self.users.is_empty() {
            let stand_in = self.no_auth_user.as_deref().filter(|_| credentials.is_empty());
            let stand_in = stand_in
                .and_then(|name| self.users.get(name))
                .filter(|user| user.proof == Proof::Password || credentials.nkey.is_empty());
            if let Some(user) = stand_in {
                user.check_type(via)?;
                return Ok(Arc::clone(&user.session));
            }
            if !credentials.nkey.is_empty() && self.needs_nonce() {
                return self.authenticate_by_key(credentials, via);
            }
            if !credentials.user.is_empty() {
                let user = self.users.get(credentials.user);
                let user = user.filter(|user| user.proof == Proof::Password);
                let user = user.ok_or(AuthError::UnknownUser)?;
                user.check_type(via)?;
                return accept(passwords::matches(&user.password, credentials.password), || {
                    Arc::clone(&user.session)
                });
            }
        }
        let anyone = || Arc::clone(&self.anyone);
        match &self.shared {
            Shared::Token(token) => accept(passwords::matches(token, credentials.token), anyone),
            Shared::User { name, .. } if **name != *credentials.user => Err(AuthError::UnknownUser),
            Shared::User { password, .. } => {
                accept(passwords::matches(password, credentials.password), anyone)
            }
            Shared::None => Err(AuthError::MissingCredentials),
        }
    }
}

impl Accounts {
    fn authenticate_by_key(
        &self,
        credentials: &Credentials<'_>,
        via: ConnectionType,
    ) -> Result<Arc<UserSession>, AuthError> {
        let user = self.users.get(credentials.nkey);
        let user = user.filter(|user| user.proof == Proof::Signature);
        let user = user.ok_or(AuthError::UnknownUser)?;
        user.check_type(via)?;
        if self.no_auth_user.as_deref() != Some(credentials.nkey) {
            jwt::verify_nonce(credentials.nkey, credentials.nonce, credentials.signature)
                .map_err(AuthError::Signature)?;
        }
        Ok(Arc::clone(&user.session))
    }
}

impl User {
    fn check_type(&self, via: ConnectionType) -> Result<(), AuthError> {
        if self.connection_types.is_empty() || self.connection_types.contains(&via) {
            Ok(())
        } else {
            Err(AuthError::ConnectionType)
        }
    }
}

fn accept(
    good: bool,
    session: impl FnOnce() -> Arc<UserSession>,
) -> Result<Arc<UserSession>, AuthError> {
    if good { Ok(session()) } else { Err(AuthError::WrongCredentials) }
}

fn session(
    account: &Arc<Account>,
    user: Option<&str>,
    permissions: Option<Arc<Permissions>>,
) -> Arc<UserSession> {
    let user = user.map(Into::into);
    Arc::new(UserSession { account: Arc::clone(account), user, permissions, claimed: None })
}

fn warnings(options: &Options) -> Vec<String> {
    let mut warnings = Vec::new();
    for account in &options.accounts {
        let ignored = [
            ("msg_trace", account.msg_trace.is_none()),
            ("latency of exports", account.exports.iter().all(|export| !is_measured(export))),
        ];
        for (key, _) in ignored.iter().filter(|(_, absent)| !absent) {
            warnings.push(format!(
                "account {:?}: {key} are configured but have no effect yet",
                account.name
            ));
        }
    }
    let plain = |secret: &str| !secret.is_empty() && !passwords::is_bcrypt(secret);
    let auth = &options.auth;
    if auth.password.as_deref().is_some_and(plain) || auth.users.iter().any(|u| plain(&u.password))
    {
        warnings.push("Plaintext passwords detected, use nkeys or bcrypt".to_owned());
    }
    warnings
}

fn is_measured(export: &Export) -> bool {
    matches!(export, Export::Service(service) if service.latency.is_some())
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts")
            .field("all", &self.all)
            .field("users", &self.users.len())
            .finish_non_exhaustive()
    }
}
