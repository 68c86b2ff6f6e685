//! Snapshots: what of a stream goes into one, at one moment.

use store::{ArchiveFile, ConsumerMeta, IndexFit, SnapshotBlock, SnapshotPlan, StoreError};
use types::advisory::Action;
use types::{ApiError, StreamConfig, StreamState, errors};

use super::{Stream, StreamParts};
use crate::ctx::Ctx;
use crate::effects::Effects;

/// Whether a snapshot takes the consumers along (`no_consumers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotConsumers {
    /// With their progress.
    Included,
    /// Only the messages.
    LeftOut,
}

/// The beginning of a snapshot.
#[derive(Debug)]
pub struct SnapshotStart {
    /// Configuration.
    pub config: StreamConfig,
    /// Content.
    pub state: StreamState,
    /// What the store gives.
    pub plan: SnapshotPlan,
    /// The consumers' members of the archive, as of the same moment.
    pub consumers: Vec<ArchiveFile>,
}

impl Stream {
    /// Begins a snapshot of everything so far, which is committed first. The stream goes on;
    /// what comes later is not in it. Ended by [`Stream::end_snapshot`].
    ///
    /// # Errors
    /// 10064 with the store's reason: memory streams have none, another one is in progress.
    pub fn begin_snapshot(
        &mut self,
        ctx: &Ctx<'_>,
        consumers: SnapshotConsumers,
        fx: &mut Effects,
    ) -> Result<SnapshotStart, ApiError> {
        // Acks that this releases are due anyway.
        self.commit(ctx, fx);
        let failed = |error: StoreError| errors::STREAM_SNAPSHOT.with(error);
        if self.failed {
            return Err(failed(StoreError::Poisoned("not committed".to_owned())));
        }
        let consumers = match consumers {
            SnapshotConsumers::Included => self.consumer_files().map_err(failed)?,
            SnapshotConsumers::LeftOut => Vec::new(),
        };
        let plan = self.store.begin_snapshot().map_err(failed)?;
        Ok(SnapshotStart { config: self.config.clone(), state: self.state(), plan, consumers })
    }

    fn consumer_files(&self) -> Result<Vec<ArchiveFile>, StoreError> {
        let mut files = Vec::new();
        for consumer in self.consumers.iter().filter(|c| !c.config.direct) {
            let meta = ConsumerMeta {
                name: consumer.name.clone(),
                created: consumer.created,
                config: consumer.config.clone(),
            };
            files.append(&mut store::consumer_files(&self.config.name, &meta, &consumer.state())?);
        }
        Ok(files)
    }

    /// A block of the snapshot in progress.
    ///
    /// # Errors
    /// 10064 where it could not be kept.
    pub fn snapshot_block(&mut self, index: u64) -> Result<SnapshotBlock, ApiError> {
        self.store.snapshot_block(index).map_err(|e| errors::STREAM_SNAPSHOT.with(e))
    }

    /// Ends the snapshot in progress, if there is one.
    pub fn end_snapshot(&mut self) -> IndexFit {
        self.store.end_snapshot()
    }

    /// A stream from a snapshot, new to this server: as [`Stream::recover`], but told to those
    /// who listen for new streams and consumers.
    ///
    /// # Errors
    /// As [`Stream::recover`].
    pub fn restore(ctx: &Ctx<'_>, parts: StreamParts, fx: &mut Effects) -> Result<Self, ApiError> {
        let stream = Stream::recover(ctx, parts, fx)?;
        stream.tell(Action::Create, fx);
        for slot in stream.consumers.slots() {
            stream.tell_consumer(slot, Action::Create, fx);
        }
        Ok(stream)
    }
}
