//! A server without a cluster answers itself what elsewhere the meta leader does.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use types::{ApiError, errors};

use crate::engine::Engine;

/// Requests of the system account that the meta leader of a cluster answers.
pub trait LeaderRequests: Send + Sync {
    /// Listens for them until what this answers is dropped. Must not block.
    fn listen(&self) -> Box<dyn Any + Send + Sync>;
}

/// Whether the engine runs alone, and what follows from it.
#[derive(Default)]
pub(crate) struct Standing {
    leads: AtomicBool,
    listening: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

impl Engine {
    /// Says whether this engine runs alone: in no cluster, and extending no other domain. Alone it
    /// leads, and listens for [`LeaderRequests`], once however often that is said. Nothing happens
    /// without an engine.
    ///
    /// It decides whether accounts' limits are checked against the server's, and whether changed
    /// reservations are told to other servers.
    ///
    /// Wire source: `setJetStreamStandAlone` in `server/jetstream.go`.
    pub fn set_standalone(engine: Option<&Engine>, alone: bool, requests: &dyn LeaderRequests) {
        let Some(engine) = engine else { return };
        mark::hit!(F1390);
        let mut listening = engine.standing.listening.lock();
        engine.usage().set_standalone(alone);
        if !alone {
            // As in the reference, who led goes on to lead until a cluster says who does.
            *listening = None;
            return;
        }
        engine.standing.leads.store(true, Ordering::Release);
        if listening.is_none() {
            *listening = Some(requests.listen());
        }
    }

    /// Whether this server answers for all servers, as the only one there is.
    pub fn is_meta_leader(&self) -> bool {
        self.standing.leads.load(Ordering::Acquire)
    }

    /// Ends listening, as part of the engine's end.
    pub(crate) fn stop_listening(&self) {
        let listening = self.standing.listening.lock().take();
        // What it frees may look for locks of its own.
        drop(listening);
    }

    /// Deletes all streams of an account and everything else that is stored for it, whether it is
    /// enabled or not; `reply` comes when that is done.
    ///
    /// Wire source: `jsLeaderAccountPurgeRequest` in `server/jetstream_api.go`, without a cluster.
    ///
    /// Errors are 10050 where a stream cannot be deleted and 10051 where its directory cannot; what
    /// was deleted before that stays deleted.
    pub fn purge_account(
        self: &Arc<Self>,
        name: &str,
        reply: impl FnOnce(Result<(), ApiError>) + Send + 'static,
    ) {
        // It becomes the name of a directory that is removed.
        if name.contains(['/', '\\', '\0']) || matches!(name, "" | "." | "..") {
            return reply(Err(errors::STREAM_GENERAL_ERROR.with("invalid account name")));
        }
        let account = self.account(name);
        let streams = account.as_ref().map(|account| account.streams()).unwrap_or_default();
        tracing::info!(
            "Purge request for account {name} (streams: {}, hasAccount: {})",
            streams.len(),
            account.is_some()
        );
        let purge = Purge {
            engine: Arc::clone(self),
            account: name.to_owned(),
            left: streams.into_iter().map(|stream| stream.name).collect(),
            reply: Box::new(reply),
        };
        purge.go_on();
    }
}

/// A purge of an account on its way: one stream after the other, so that the first that cannot be
/// deleted ends it.
struct Purge {
    engine: Arc<Engine>,
    account: String,
    left: Vec<String>,
    reply: Box<dyn FnOnce(Result<(), ApiError>) + Send>,
}

impl Purge {
    fn go_on(mut self) {
        let next = self.engine.account(&self.account).zip(self.left.pop());
        let Some((account, stream)) = next else { return self.finish() };
        account.delete_stream(&stream, move |outcome| match outcome {
            Ok(()) => self.go_on(),
            // Somebody else deleted it.
            Err(error) if error.err_code == errors::STREAM_NOT_FOUND.err_code => self.go_on(),
            Err(error) => (self.reply)(Err(errors::STREAM_DELETE.with(error.description))),
        });
    }

    fn finish(self) {
        let discarded = self.engine.discard_account(&self.account);
        let outcome = discarded.map_err(|e| errors::STREAM_GENERAL_ERROR.with(e.to_string()));
        (self.reply)(outcome);
    }
}
