//! Takes requests in and gives each to its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use config_validate::asset_version;
use js_engine::{Engine, JsAccount};
use routing::SubjectSpace;
use types::advisory::ClientInfo;
use types::{ApiError, SYSTEM_ACCOUNT, api::reply_type, errors};

use crate::audit::{self, LIMIT_TYPE, LimitReached};
use crate::call::{Answer, AuditedRequest, Call};
use crate::json::UnknownFields;
use crate::operation::Operation;
use crate::transfer::Transfers;
use crate::{consumers, streams};

/// Header that names the API level a request needs.
const REQUIRED_LEVEL_HEADER: &str = "Nats-Required-Api-Level";

/// How the API behaves.
#[derive(Clone)]
pub struct ApiSettings {
    /// Refuse fields that nobody knows (`jetstream { strict }`, on unless switched off).
    pub strict: bool,
    /// Most requests in progress; more are dropped (`request_queue_limit`).
    pub request_limit: usize,
    /// Name of the system account, which has no JetStream.
    pub system_account: String,
    /// Where the server's own advisories are published.
    pub system_space: Option<Arc<SubjectSpace>>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        ApiSettings {
            strict: true,
            request_limit: 10_000,
            system_account: SYSTEM_ACCOUNT.to_owned(),
            system_space: None,
        }
    }
}

/// One request as it came in.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Account of the client.
    pub account: &'a str,
    /// The client, for audits; asked for only where somebody listens.
    pub client: &'a dyn Fn() -> ClientInfo,
    /// Subject.
    pub subject: &'a [u8],
    /// Header block, or empty.
    pub headers: &'a [u8],
    /// Body.
    pub payload: &'a [u8],
}

/// The JetStream API of one server.
pub struct Api {
    pub(crate) engine: Arc<Engine>,
    pub(crate) settings: ApiSettings,
    inflight: Arc<AtomicUsize>,
    transfers: Arc<Transfers>,
}

impl Api {
    /// The API in front of an engine.
    pub fn new(engine: Arc<Engine>, settings: ApiSettings) -> Arc<Self> {
        let (inflight, transfers) = (Arc::default(), Arc::default());
        Arc::new(Api { engine, settings, inflight, transfers })
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Runs a request. Never blocks: `answer` is called with the reply, now or later, on any
    /// thread; not at all for a subject that the API has nothing on, or where the request is
    /// dropped because too many are in progress or JetStream is being switched off.
    pub fn handle(&self, request: Request<'_>, answer: Answer) {
        let Some(operation) = Operation::parse(request.subject) else { return };
        if !Engine::is_enabled(Some(&self.engine)) {
            return;
        }
        if self.inflight.load(Ordering::Relaxed) >= self.settings.request_limit {
            return self.too_many();
        }
        let account = self.engine.account(request.account);
        let kind = match operation {
            Operation::Info => reply_type::ACCOUNT_INFO,
            _ if request.account == self.settings.system_account => reply_type::SYSTEM,
            operation => operation.reply_type(),
        };
        let mut call = Call::new(
            kind,
            Arc::clone(&self.engine),
            account.clone(),
            answer,
            Arc::clone(&self.inflight),
        );
        if account.as_ref().is_some_and(|a| audit::is_wanted(a.space())) {
            call.audited(AuditedRequest {
                client: (request.client)(),
                subject: String::from_utf8_lossy(request.subject).into_owned(),
                request: String::from_utf8_lossy(request.payload).into_owned(),
            });
        }
        if let Operation::Clustered(_) = operation {
            // Whatever else is wrong: alone it cannot be done.
            return call.finish::<()>(Err(errors::CLUSTER_REQUIRED.err()));
        }
        match check(&request, account) {
            Err(error) => call.finish::<()>(Err(error)),
            Ok(account) => {
                let unknown = if self.settings.strict {
                    UnknownFields::Refused
                } else {
                    UnknownFields::Ignored
                };
                let job = Job {
                    account,
                    body: request.payload,
                    unknown,
                    engine: &self.engine,
                    client: request.client,
                    transfers: &self.transfers,
                };
                run(operation, &job, call);
            }
        }
    }

    fn too_many(&self) {
        tracing::warn!(limit = self.settings.request_limit, "JetStream API request dropped");
        if let Some(space) = &self.settings.system_space {
            let settings = self.engine.settings();
            let advisory = LimitReached {
                kind: LIMIT_TYPE,
                id: self.engine.ids().next_id(),
                timestamp: self.engine.now(),
                server: &settings.server_name,
                domain: &settings.domain,
                dropped: 1,
            };
            audit::publish_limit(space, &advisory);
        }
    }
}

/// What a handler works with.
pub(crate) struct Job<'a> {
    pub(crate) account: Arc<JsAccount>,
    pub(crate) body: &'a [u8],
    pub(crate) unknown: UnknownFields,
    pub(crate) engine: &'a Arc<Engine>,
    /// The client, for advisories that name it.
    pub(crate) client: &'a dyn Fn() -> ClientInfo,
    pub(crate) transfers: &'a Arc<Transfers>,
}

/// What every request must pass.
fn check(
    request: &Request<'_>,
    account: Option<Arc<JsAccount>>,
) -> Result<Arc<JsAccount>, ApiError> {
    if !asset_version::request_allowed(wire::headers::get(request.headers, REQUIRED_LEVEL_HEADER)) {
        return Err(errors::REQUIRED_API_LEVEL.err());
    }
    account.ok_or_else(|| errors::NOT_ENABLED_FOR_ACCOUNT.err())
}

fn run(operation: Operation<'_>, job: &Job<'_>, call: Call) {
    match operation {
        Operation::Info => call.finish(Ok(job.account.stats())),
        Operation::StreamNames => streams::names(job, call),
        Operation::StreamList => streams::list(job, call),
        Operation::Stream(op, stream) => streams::run(op, stream, job, call),
        Operation::ConsumerNames(stream) => consumers::names(stream, job, call),
        Operation::ConsumerList(stream) => consumers::list(stream, job, call),
        Operation::ConsumerCreate(form) => consumers::create(form, job, call),
        Operation::Consumer(op, stream, consumer) => {
            consumers::run(op, stream, consumer, job, call);
        }
        Operation::Clustered(_) => call.finish::<()>(Err(errors::CLUSTER_REQUIRED.err())),
    }
}
