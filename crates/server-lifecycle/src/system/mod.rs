//! The server's services in the system account, and what other accounts may ask of it.
//!
//! Requests `$SYS.REQ.SERVER.PING.VARZ` and their like are answered with the same documents as the
//! monitoring endpoint's, in an envelope that says which server it is
//! (`server/events.go` `initEventTracking`).

mod claims;
mod envelope;
mod requests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use account::{Account, Accounts};
use arc_swap::ArcSwap;
use config_validate::Options;
use connection::ServerCtx;
use monitor::Monitor;
use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace};
use tokio::runtime::Handle;

use crate::operator::OperatorMode;
use crate::services::Services;
use requests::{ACCOUNT_KINDS, Asker, SERVER_KINDS};

/// Requests answered at the same time; more are dropped.
const MAX_INFLIGHT: usize = 1024;

/// The services in the accounts; they end when this is dropped.
pub(crate) struct SystemServices {
    shared: Arc<Shared>,
    served: HashMap<String, Served>,
}

/// An account with its services.
struct Served {
    account: Arc<Account>,
    is_system: bool,
    _services: Services,
}

/// What a request to reload the configuration calls; set once the server is there.
#[derive(Default)]
pub(crate) struct ReloadHook(OnceLock<Reload>);

type Reload = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

impl ReloadHook {
    pub(crate) fn set(&self, reload: Reload) {
        // There is one server to one hook.
        let _ = self.0.set(reload);
    }

    fn run(&self) -> Result<(), String> {
        self.0
            .get()
            .map_or_else(|| Err("the server is still starting".to_owned()), |reload| reload())
    }
}

impl SystemServices {
    /// Puts the services into all accounts. Must be called within a tokio runtime, whose blocking
    /// threads then do the work.
    pub(crate) fn serve(
        ctx: &Arc<ServerCtx>,
        options: &Arc<Options>,
        monitor: &Arc<Monitor>,
        reload: &Arc<ReloadHook>,
        operator: Option<&Arc<OperatorMode>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            ctx: Arc::clone(ctx),
            options: ArcSwap::new(Arc::clone(options)),
            monitor: Arc::clone(monitor),
            reload: Arc::clone(reload),
            operator: operator.cloned(),
            runtime: Handle::current(),
            sequence: AtomicU64::new(0),
            inflight: AtomicUsize::new(0),
        });
        let mut services = SystemServices { shared, served: HashMap::new() };
        services.follow(options, &ctx.accounts.load());
        services
    }

    /// Takes over changed options, serves accounts that are new, and leaves those that are gone.
    pub(crate) fn follow(&mut self, options: &Arc<Options>, accounts: &Accounts) {
        self.shared.options.store(Arc::clone(options));
        self.served.retain(|name, served| {
            accounts.get(name).is_some_and(|account| Arc::ptr_eq(account, &served.account))
                && served.is_system == accounts.is_system(&served.account)
        });
        for account in accounts.iter() {
            if !self.served.contains_key(account.name()) {
                let served = Served {
                    account: Arc::clone(account),
                    is_system: accounts.is_system(account),
                    _services: self.serve_account(account, accounts),
                };
                self.served.insert(account.name().to_owned(), served);
            }
        }
    }

    fn serve_account(&self, account: &Arc<Account>, accounts: &Accounts) -> Services {
        let shared = &self.shared;
        let mut services = Services::default();
        let asker = match accounts.is_system(account) {
            true => Asker::System,
            false => Asker::Account(account.name().to_owned()),
        };
        let id = shared.ctx.info.load().server_id.clone();
        let subjects = match asker {
            Asker::System => {
                let mut subjects = system_subjects(&id);
                let claims = shared.operator.iter().flat_map(|operator| operator.subjects());
                subjects.extend(claims.map(str::to_owned));
                subjects
            }
            Asker::Account(_) => account_subjects(),
        };
        let service: Arc<dyn Service> =
            Arc::new(SystemService { asker, shared: Arc::clone(shared) });
        for subject in subjects {
            services.add(account.space(), &subject, Arc::clone(&service));
        }
        services
    }
}

fn system_subjects(id: &str) -> Vec<String> {
    let mut subjects = vec![
        "$SYS.REQ.SERVER.PING".to_owned(),
        "$SYS.REQ.USER.INFO".to_owned(),
        format!("$SYS.REQ.SERVER.{id}.KICK"),
        format!("$SYS.REQ.SERVER.{id}.RELOAD"),
    ];
    for kind in SERVER_KINDS {
        subjects.push(format!("$SYS.REQ.SERVER.PING.{kind}"));
        subjects.push(format!("$SYS.REQ.SERVER.{id}.{kind}"));
    }
    for kind in ACCOUNT_KINDS {
        subjects.push(format!("$SYS.REQ.ACCOUNT.*.{kind}"));
    }
    subjects
}

/// What every account imports of the system account (`addSystemAccountExports` and its like).
fn account_subjects() -> Vec<String> {
    [
        "$SYS.REQ.USER.INFO",
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.PING.STATZ",
        "$SYS.REQ.SERVER.PING.CONNZ",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// What answers need.
pub(crate) struct Shared {
    ctx: Arc<ServerCtx>,
    options: ArcSwap<Options>,
    reload: Arc<ReloadHook>,
    operator: Option<Arc<OperatorMode>>,
    monitor: Arc<Monitor>,
    runtime: Handle,
    sequence: AtomicU64,
    inflight: AtomicUsize,
}

struct SystemService {
    asker: Asker,
    shared: Arc<Shared>,
}

impl Service for SystemService {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        let shared = Arc::clone(&self.shared);
        if shared.inflight.fetch_add(1, Ordering::Relaxed) >= MAX_INFLIGHT {
            shared.inflight.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let asker = self.asker.clone();
        let space = Arc::clone(space);
        let subject = String::from_utf8_lossy(msg.subject).into_owned();
        let (reply, payload) = (msg.reply.to_vec(), msg.payload.to_vec());
        // Answers may wait for shards and read files: not on the publisher's thread.
        self.shared.runtime.clone().spawn_blocking(move || {
            let answers = requests::answers(&shared, &asker, &subject, &payload, from);
            shared.inflight.fetch_sub(1, Ordering::Relaxed);
            if reply.is_empty() {
                return;
            }
            for payload in &answers {
                let mut route = RouteBatch::new();
                let msg = Msg { subject: &reply, reply: b"", headers: b"", payload };
                route.publish(&space, &msg, 0);
                route.finish();
            }
        });
    }
}
