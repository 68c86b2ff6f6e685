//! One request on its way to its reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use js_engine::{Engine, JsAccount};
use serde::Serialize;
use types::ApiError;
use types::advisory::ClientInfo;

use crate::audit::{self, AUDIT_TYPE, Audit};
use crate::render;

/// Where a reply goes.
pub(crate) type Answer = Box<dyn FnOnce(Vec<u8>) + Send>;

/// Whether a reply is counted and audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Counted,
    /// Reads of messages are not.
    ErrorsOnly,
}

/// A request in progress; answered once. Dropped unanswered (its stream's shard has ended), it
/// only leaves the counts.
pub(crate) struct Call {
    kind: &'static str,
    engine: Arc<Engine>,
    account: Option<Arc<JsAccount>>,
    answer: Option<Answer>,
    audit: Option<AuditedRequest>,
    inflight: Arc<AtomicUsize>,
}

/// What an audit says of the request.
pub(crate) struct AuditedRequest {
    pub(crate) client: ClientInfo,
    pub(crate) subject: String,
    pub(crate) request: String,
}

impl Call {
    pub(crate) fn new(
        kind: &'static str,
        engine: Arc<Engine>,
        account: Option<Arc<JsAccount>>,
        answer: Answer,
        inflight: Arc<AtomicUsize>,
    ) -> Self {
        inflight.fetch_add(1, Ordering::Relaxed);
        engine.usage().api().started();
        if let Some(account) = &account {
            account.usage().api().started();
        }
        Call { kind, engine, account, answer: Some(answer), audit: None, inflight }
    }

    /// Remembers the request for an audit advisory.
    pub(crate) fn audited(&mut self, request: AuditedRequest) {
        self.audit = Some(request);
    }

    /// Answers with a body or an error.
    pub(crate) fn finish<T: Serialize>(self, outcome: Result<T, ApiError>) {
        self.finish_as(Track::Counted, outcome);
    }

    pub(crate) fn finish_as<T: Serialize>(mut self, track: Track, outcome: Result<T, ApiError>) {
        let Some(answer) = self.answer.take() else { return };
        let json = match &outcome {
            Ok(body) => render::done(self.kind, body),
            Err(error) => render::failed(self.kind, error),
        };
        let api = self.engine.usage().api();
        let account_api = self.account.as_ref().map(|a| a.usage().api());
        self.inflight.fetch_sub(1, Ordering::Relaxed);
        if track == Track::ErrorsOnly && outcome.is_ok() {
            api.dropped();
            account_api.into_iter().for_each(js_account::ApiCounters::dropped);
            return answer(json);
        }
        api.finished(&outcome);
        account_api.into_iter().for_each(|api| api.finished(&outcome));
        let response = self.audit.as_ref().map(|_| String::from_utf8_lossy(&json).into_owned());
        answer(json);
        if let (Some(audited), Some(account), Some(response)) =
            (&self.audit, &self.account, &response)
        {
            let settings = self.engine.settings();
            let advisory = Audit {
                kind: AUDIT_TYPE,
                id: self.engine.ids().next_id(),
                timestamp: self.engine.now(),
                server: &settings.server_name,
                client: &audited.client,
                subject: &audited.subject,
                request: &audited.request,
                response,
                domain: &settings.domain,
            };
            audit::publish_audit(account.space(), &advisory);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.answer.take().is_some() {
            self.inflight.fetch_sub(1, Ordering::Relaxed);
            self.engine.usage().api().dropped();
            if let Some(account) = &self.account {
                account.usage().api().dropped();
            }
        }
    }
}
