//! The JetStream API as accounts import it.

use std::sync::Arc;

use account::{Account, JetStreamApi};
use config_validate::Options;
use connection::ServerCtx;
use js_api::{Api, ApiSettings, Clients, SUBJECTS};
use js_engine::Engine;
use routing::{ConnId, Service};
use types::advisory::ClientInfo;

/// The API of a running engine.
pub(super) struct ServedApi {
    api: Arc<Api>,
    clients: Arc<dyn Clients>,
}

impl ServedApi {
    /// Makes the API; accounts import it.
    pub(super) fn new(
        engine: &Arc<Engine>,
        system: Option<&Arc<Account>>,
        options: &Options,
        ctx: &Arc<ServerCtx>,
    ) -> Arc<Self> {
        let js = &options.jetstream;
        let defaults = ApiSettings::default();
        let settings = ApiSettings {
            strict: js.strict,
            request_limit: usize::try_from(js.request_queue_limit).unwrap_or(usize::MAX),
            system_account: system
                .map_or(defaults.system_account, |system| system.name().to_owned()),
            system_space: system.map(|system| Arc::clone(system.space())),
        };
        Arc::new(ServedApi {
            api: Api::new(Arc::clone(engine), settings),
            clients: Arc::new(ConnectedClients { ctx: Arc::clone(ctx) }),
        })
    }
}

impl JetStreamApi for ServedApi {
    fn subjects(&self) -> &'static [&'static str] {
        SUBJECTS
    }

    fn service(&self, account: &str) -> Arc<dyn Service> {
        self.api.service(account, Arc::clone(&self.clients))
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
