//! The API as a service in an account's subject space.

use std::sync::Arc;

use routing::{ConnId, Msg, RouteBatch, Service, SubjectSpace};
use types::advisory::ClientInfo;

use crate::api::{Api, Request};

/// The one subject that accounts without JetStream have, too.
pub const INFO_SUBJECT: &str = "$JS.API.INFO";

/// What the API is subscribed to in an account with JetStream.
///
/// Subjects that belong to streams (pulls, direct gets) are left out: nobody listens there
/// unless the stream exists, so that a client hears at once that it does not.
pub const SUBJECTS: &[&str] = &[
    INFO_SUBJECT,
    "$JS.API.STREAM.>",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.>",
    "$JS.API.CONSUMER.NAMES.*",
    "$JS.API.CONSUMER.LIST.*",
    "$JS.API.CONSUMER.INFO.*.*",
    "$JS.API.CONSUMER.DELETE.*.*",
    "$JS.API.CONSUMER.PAUSE.*.*",
    "$JS.API.CONSUMER.UNPIN.*.*",
    "$JS.API.CONSUMER.RESET.*.*",
    "$JS.API.CONSUMER.LEADER.STEPDOWN.*.*",
];

/// Tells who is behind a connection.
pub trait Clients: Send + Sync {
    /// The client, as advisories show it; `None` where it has gone.
    fn client_info(&self, id: ConnId) -> Option<ClientInfo>;
}

struct ApiService {
    api: Arc<Api>,
    account: String,
    clients: Arc<dyn Clients>,
}

impl Api {
    /// The API for one account, to be subscribed to [`SUBJECTS`] in its space.
    pub fn service(self: &Arc<Self>, account: &str, clients: Arc<dyn Clients>) -> Arc<dyn Service> {
        Arc::new(ApiService { api: Arc::clone(self), account: account.to_owned(), clients })
    }
}

impl Service for ApiService {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, from: ConnId) {
        let client = || self.clients.client_info(from).unwrap_or_default();
        let request = Request {
            account: &self.account,
            client: &client,
            subject: msg.subject,
            headers: msg.headers,
            payload: msg.payload,
        };
        let reply = msg.reply.to_vec();
        let space = Arc::clone(space);
        self.api.handle(request, Box::new(move |json| answer(&space, &reply, &json)));
    }
}

/// Routes an answer to whoever waits for one.
pub(crate) fn answer(space: &Arc<SubjectSpace>, reply: &[u8], json: &[u8]) {
    if reply.is_empty() {
        return;
    }
    let mut route = RouteBatch::new();
    route.publish(space, &Msg { subject: reply, reply: b"", headers: b"", payload: json }, 0);
    route.finish();
}
