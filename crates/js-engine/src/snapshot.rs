//! Snapshots of streams: the archive is made on the caller's thread, block by block, while the
//! stream goes on.

use std::io::{self, Write};
use std::sync::Arc;

use store::{ArchiveFile, ArchiveWriter, ERRORS_FILE, IndexFit, SnapshotBlock, SnapshotPlan};
use stream::{Ctx, Effects, SnapshotConsumers, SnapshotStart, Stream};
use types::{ApiError, StreamConfig, StreamState, errors};

use crate::account::JsAccount;
use crate::registry::StreamEntry;
use crate::shard::{Input, TypedCall};

/// Whether every record is checked before the snapshot begins (`jsck`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotCheck {
    /// A damaged message refuses the snapshot.
    Before,
    /// Damaged blocks are sent as they are.
    None,
}

/// Why a snapshot ended early.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The stream or its disk; the archive says so in its last member.
    #[error("{0}")]
    Stream(String),
    /// Whoever takes the archive takes no more.
    #[error("{0}")]
    Output(io::Error),
}

/// A snapshot in progress. Ends with its drop.
pub struct StreamSnapshot {
    entry: Arc<StreamEntry>,
    /// Configuration of the stream.
    pub config: StreamConfig,
    /// Its content, as of the beginning.
    pub state: StreamState,
    plan: SnapshotPlan,
    consumers: Vec<ArchiveFile>,
    mtime: u64,
    ended: bool,
}

/// Does something on the stream's shard and waits for it.
fn ask<R: Send + 'static>(
    entry: &StreamEntry,
    work: impl FnOnce(&mut Stream, &Ctx<'_>, &mut Effects) -> Result<R, ApiError> + Send + 'static,
) -> Result<R, ApiError> {
    let (tx, rx) = crossbeam_channel::bounded(1);
    let call = Box::new(TypedCall::new(work, move |result| drop(tx.send(result))));
    entry.inbox().send(Input::Call { slot: entry.slot(), call });
    // A shard that has ended drops the question.
    rx.recv().unwrap_or_else(|_| Err(errors::NOT_ENABLED.err()))
}

impl JsAccount {
    /// Begins a snapshot. Waits for the stream's shard, and with [`SnapshotCheck::Before`] reads
    /// all blocks: not for a thread that must not block.
    ///
    /// # Errors
    /// 10059 no such stream, 10064 with the reason.
    pub fn begin_snapshot(
        &self,
        name: &str,
        consumers: SnapshotConsumers,
        check: SnapshotCheck,
    ) -> Result<StreamSnapshot, ApiError> {
        let entry = self.find(name)?;
        if check == SnapshotCheck::Before {
            let snapshot = self.begin(&entry, SnapshotConsumers::LeftOut)?;
            let bad = snapshot.count_bad().map_err(|e| errors::STREAM_SNAPSHOT.with(e))?;
            if bad > 0 {
                let text = format!("snapshot check detected {bad} bad messages");
                return Err(errors::STREAM_SNAPSHOT.with(text));
            }
        }
        self.begin(&entry, consumers)
    }

    fn begin(
        &self,
        entry: &Arc<StreamEntry>,
        consumers: SnapshotConsumers,
    ) -> Result<StreamSnapshot, ApiError> {
        let start = ask(entry, move |stream, ctx, fx| stream.begin_snapshot(ctx, consumers, fx))?;
        let SnapshotStart { config, state, plan, consumers } = start;
        let mtime = u64::try_from(self.now().unix_ns() / 1_000_000_000).unwrap_or(0);
        let entry = Arc::clone(entry);
        Ok(StreamSnapshot { entry, config, state, plan, consumers, mtime, ended: false })
    }
}

impl StreamSnapshot {
    fn block(&self, index: u64) -> Result<SnapshotBlock, SnapshotError> {
        ask(&self.entry, move |stream, _, _| stream.snapshot_block(index))
            .map_err(|error| SnapshotError::Stream(error.description))
    }

    fn read(&self, index: u64) -> Result<(String, Vec<u8>, usize), SnapshotError> {
        let block = self.block(index)?;
        let (bytes, bad) =
            block.read().map_err(|error| SnapshotError::Stream(error.to_string()))?;
        Ok((block.name, bytes, bad))
    }

    fn count_bad(&self) -> Result<u64, SnapshotError> {
        let mut bad = self.plan.lost;
        for &index in &self.plan.blocks {
            bad += self.read(index)?.2 as u64;
        }
        Ok(bad)
    }

    /// Writes the archive. Waits for the disk and for the output; holds one block at a time.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn write_to<W: Write>(mut self, out: W) -> Result<W, SnapshotError> {
        let mut archive = ArchiveWriter::new(out, self.mtime);
        match self.fill(&mut archive) {
            Ok(()) => archive.finish().map_err(SnapshotError::Output),
            Err(SnapshotError::Stream(text)) => {
                // Whoever keeps what was sent so far finds the reason in it.
                let told = archive.add(ERRORS_FILE, text.as_bytes());
                told.and_then(|()| archive.finish()).map_err(SnapshotError::Output)?;
                Err(SnapshotError::Stream(text))
            }
            Err(error) => Err(error),
        }
    }

    fn fill<W: Write>(&mut self, archive: &mut ArchiveWriter<W>) -> Result<(), SnapshotError> {
        let mut add =
            |name: &str, bytes: &[u8]| archive.add(name, bytes).map_err(SnapshotError::Output);
        for file in &self.plan.meta {
            add(&file.name, &file.bytes)?;
        }
        for &index in &self.plan.blocks {
            let (name, bytes, bad) = self.read(index)?;
            if bad > 0 {
                tracing::warn!(stream = self.config.name, name, bad, "a damaged block is sent");
            }
            add(&name, &bytes)?;
        }
        let fit = self.end()?;
        if let Some(index) = self.plan.index.take().filter(|_| fit == IndexFit::Exact) {
            add(&index.name, &index.bytes)?;
        }
        for file in &self.consumers {
            add(&file.name, &file.bytes)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<IndexFit, SnapshotError> {
        self.ended = true;
        ask(&self.entry, |stream, _, _| Ok(stream.end_snapshot()))
            .map_err(|error| SnapshotError::Stream(error.description))
    }
}

impl Drop for StreamSnapshot {
    fn drop(&mut self) {
        if !self.ended {
            // Where the stream is gone its snapshot is, too.
            let _ = self.end();
        }
    }
}
