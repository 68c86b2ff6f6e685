//! The JetStream API in the accounts: who can ask, under which subjects.

use std::sync::Arc;

use account::Accounts;
use config_validate::Options;
use connection::ServerCtx;
use js_api::{Api, ApiSettings, Clients, INFO_SUBJECT, SUBJECTS};
use js_engine::Engine;
use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace};
use types::advisory::ClientInfo;

use crate::services::Services;

const PREFIX: &str = "$JS.API.";

/// Puts the API into every account but the system account: whole where the account has JetStream,
/// otherwise only the subject that says it has not (`server/jetstream.go`
/// `enableAllJetStreamServiceImportsAndMappings`, `enableJetStreamInfoServiceImportOnly`).
pub(super) fn serve(
    engine: &Arc<Engine>,
    accounts: &Accounts,
    options: &Options,
    ctx: &Arc<ServerCtx>,
) -> Services {
    let mut services = Services::default();
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
    let api = Api::new(Arc::clone(engine), settings);
    let clients: Arc<dyn Clients> = Arc::new(ConnectedClients { ctx: Arc::clone(ctx) });
    for account in accounts.iter().filter(|account| !accounts.is_system(account)) {
        let enabled = engine.account(account.name()).is_some();
        let subjects = if enabled { SUBJECTS } else { &[INFO_SUBJECT] };
        let service = api.service(account.name(), Arc::clone(&clients));
        for subject in subjects {
            services.add(account.space(), subject, Arc::clone(&service));
        }
        if let Some(domain) = &js.domain {
            let prefix = format!("$JS.{domain}.API.");
            let service = Arc::new(DomainMapping { prefix_len: prefix.len() });
            services.add(account.space(), &format!("{prefix}>"), service);
        }
    }
    services
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
