//! Work for one stream that somebody waits for.

use std::sync::Arc;

use stream::{Ctx, Effects, Stream};
use types::ApiError;

use crate::registry::StreamEntry;

/// Runs after the round that made it: its changes are committed and its effects are out.
pub(crate) type Release = Box<dyn FnOnce() + Send>;

/// A closure for one stream together with whoever waits for its result.
pub(crate) trait Call: Send {
    /// Does the work. Not called where the stream is gone.
    fn run(&mut self, stream: &mut Stream, ctx: &Ctx<'_>, fx: &mut Effects);
    /// Gives the result to whoever waits; `refused` where the work was not done.
    fn release(self: Box<Self>, refused: Option<ApiError>);
}

pub(crate) struct TypedCall<F, R, P> {
    work: Option<F>,
    result: Option<Result<R, ApiError>>,
    reply: P,
}

impl<F, R, P> TypedCall<F, R, P> {
    pub(crate) fn new(work: F, reply: P) -> Self {
        TypedCall { work: Some(work), result: None, reply }
    }
}

impl<F, R, P> Call for TypedCall<F, R, P>
where
    F: FnOnce(&mut Stream, &Ctx<'_>, &mut Effects) -> Result<R, ApiError> + Send,
    R: Send,
    P: FnOnce(Result<R, ApiError>) + Send,
{
    fn run(&mut self, stream: &mut Stream, ctx: &Ctx<'_>, fx: &mut Effects) {
        if let Some(work) = self.work.take() {
            self.result = Some(work(stream, ctx, fx));
        }
    }

    fn release(self: Box<Self>, refused: Option<ApiError>) {
        let this = *self;
        let result = match (refused, this.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            (None, None) => Err(types::errors::STREAM_INVALID.err()),
        };
        (this.reply)(result);
    }
}

/// Makes a stream; runs on its shard, for it reads and writes files.
pub(crate) type Build = Box<dyn FnOnce(&Ctx<'_>, &mut Effects) -> Result<Stream, ApiError> + Send>;

/// What to do with the new stream before anyone else sees it, and who waits for it.
pub(crate) type Opened =
    Box<dyn FnOnce(Result<(&mut Stream, &Ctx<'_>, &mut Effects), ApiError>) -> Release + Send>;

/// A stream to take over.
pub(crate) struct Open {
    pub(crate) entry: Arc<StreamEntry>,
    pub(crate) build: Build,
    pub(crate) opened: Opened,
}

/// What becomes of a stream that its shard gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything is flushed and stays.
    Stop,
    /// Its files are deleted.
    Delete,
}

/// A stream to give up.
pub(crate) struct Close {
    pub(crate) slot: u32,
    pub(crate) ending: Ending,
    pub(crate) closed: Box<dyn FnOnce(Result<(), ApiError>) -> Release + Send>,
}
