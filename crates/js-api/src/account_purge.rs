//! `$JS.API.ACCOUNT.PURGE.*` in the system account.

use std::any::Any;
use std::sync::{Arc, Weak};

use js_engine::{Engine, LeaderRequests};
use routing::{ConnId, Msg, Service, SubjectSpace, Subscription, Target};
use serde::Serialize;
use types::ApiError;
use types::api::reply_type;

use crate::render;
use crate::service::answer;

const SUBJECT: &str = "$JS.API.ACCOUNT.PURGE.*";

/// `JSApiAccountPurgeResponse`.
#[derive(Serialize)]
struct Purged {
    initiated: bool,
}

/// What an engine that runs alone answers in the system account.
pub struct AccountPurge {
    engine: Weak<Engine>,
    space: Option<Arc<SubjectSpace>>,
}

impl AccountPurge {
    /// For the space of the system account; without one nobody can ask.
    pub fn new(engine: &Arc<Engine>, space: Option<Arc<SubjectSpace>>) -> Self {
        AccountPurge { engine: Arc::downgrade(engine), space }
    }
}

impl LeaderRequests for AccountPurge {
    fn listen(&self) -> Box<dyn Any + Send + Sync> {
        let listening = self.space.as_ref().and_then(|space| {
            let service = Arc::new(PurgeService { engine: Weak::clone(&self.engine) });
            let sub = Subscription::internal(SUBJECT.as_bytes(), Target::Service(service));
            // The subject is constant.
            space.subscribe(&sub).ok()?;
            Some(Listening { space: Arc::clone(space), sub })
        });
        Box::new(listening)
    }
}

/// The subscription; it ends when this is dropped.
struct Listening {
    space: Arc<SubjectSpace>,
    sub: Arc<Subscription>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.space.unsubscribe(&self.sub);
    }
}

struct PurgeService {
    engine: Weak<Engine>,
}

impl Service for PurgeService {
    fn call(&self, space: &Arc<SubjectSpace>, msg: &Msg<'_>, _: ConnId) {
        let engine = self.engine.upgrade().filter(|engine| Engine::is_enabled(Some(engine)));
        let Some(engine) = engine else { return };
        let account = String::from_utf8_lossy(subject::token_at(msg.subject, 5)).into_owned();
        let (space, reply) = (Arc::clone(space), msg.reply.to_vec());
        let api = engine.usage().api();
        api.started();
        let counted = Arc::clone(&engine);
        engine.purge_account(&account, move |outcome: Result<(), ApiError>| {
            counted.usage().api().finished(&outcome);
            let json = match outcome {
                Ok(()) => render::done(reply_type::ACCOUNT_PURGE, &Purged { initiated: true }),
                Err(error) => render::failed(reply_type::ACCOUNT_PURGE, &error),
            };
            answer(&space, &reply, &json);
        });
    }
}
