//! The JetStream API in the accounts: who can ask, under which subjects.

use std::sync::Arc;

use account::{Account, Accounts};
use config_validate::Options;
use connection::ServerCtx;
use js_api::{Api, ApiSettings, Clients, INFO_SUBJECT, SUBJECTS};
use js_engine::Engine;
use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace};
use types::advisory::ClientInfo;

use crate::services::Services;

const PREFIX: &str = "$JS.API.";

/// The API in the accounts; it ends when this is dropped.
pub(super) struct ApiServices {
    api: Arc<Api>,
    clients: Arc<dyn Clients>,
    domain: Option<String>,
    served: Vec<Served>,
}

struct Served {
    account: Arc<Account>,
    whole: bool,
    _services: Services,
}

impl ApiServices {
    /// Makes the API; it is nowhere yet.
    pub(super) fn new(
        engine: &Arc<Engine>,
        accounts: &Accounts,
        options: &Options,
        ctx: &Arc<ServerCtx>,
    ) -> Self {
        let js = &options.jetstream;
        let defaults = ApiSettings::default();
        let settings = ApiSettings {
            strict: js.strict,
            request_limit: usize::try_from(js.request_queue_limit).unwrap_or(usize::MAX),
            system_account: match accounts.system() {
                Some(system) => system.name().to_owned(),
                None => defaults.system_account,
            },
            system_space: accounts.system().map(|system| Arc::clone(system.space())),
        };
        ApiServices {
            api: Api::new(Arc::clone(engine), settings),
            clients: Arc::new(ConnectedClients { ctx: Arc::clone(ctx) }),
            domain: js.domain.clone(),
            served: Vec::new(),
        }
    }

    /// Puts the API into every account but the system account: whole where the account has
    /// JetStream, otherwise only the subject that says it has not (`server/jetstream.go`
    /// `enableAllJetStreamServiceImportsAndMappings`, `enableJetStreamInfoServiceImportOnly`).
    /// Accounts that are gone, or have something else now, are left.
    pub(super) fn follow(&mut self, accounts: &Accounts) {
        let engine = Arc::clone(self.api.engine());
        let whole = |account: &Account| engine.account(account.name()).is_some();
        self.served.retain(|served| {
            accounts.iter().any(|account| Arc::ptr_eq(account, &served.account))
                && served.whole == whole(&served.account)
        });
        for account in accounts.iter().filter(|account| !accounts.is_system(account)) {
            if self.served.iter().any(|served| Arc::ptr_eq(&served.account, account)) {
                continue;
            }
            let whole = whole(account);
            let _services = self.serve(account, if whole { SUBJECTS } else { &[INFO_SUBJECT] });
            self.served.push(Served { account: Arc::clone(account), whole, _services });
        }
    }

    fn serve(&self, account: &Account, subjects: &[&str]) -> Services {
        let mut services = Services::default();
        let service = self.api.service(account.name(), Arc::clone(&self.clients));
        for subject in subjects {
            services.add(account.space(), subject, Arc::clone(&service));
        }
        if let Some(domain) = &self.domain {
            let prefix = format!("$JS.{domain}.API.");
            let service = Arc::new(DomainMapping { prefix_len: prefix.len() });
            services.add(account.space(), &format!("{prefix}>"), service);
        }
        services
    }
}

/// Looks up clients for the advisories that name them.
struct ConnectedClients {
    ctx: Arc<ServerCtx>,
}

impl Clients for ConnectedClients {
    fn client_info(&self, id: ConnId) -> Option<ClientInfo> {
        Some(self.ctx.connections.get(id)?.client_info(&self.ctx))
    }
}

/// Takes `$JS.<domain>.API.X` for `$JS.API.X` (`generateJSMappingTable`).
struct DomainMapping {
    prefix_len: usize,
}

impl Service for DomainMapping {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        let Some(rest) = msg.subject.get(self.prefix_len..) else { return };
        let subject = [PREFIX.as_bytes(), rest].concat();
        let mut route = RouteBatch::new();
        route.publish(space, &Msg { subject: &subject, ..*msg }, from);
        route.finish();
    }
}
