//! Opening a stream's consumers.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, EntryKind, OpenMode};
use types::Retention;

use super::consumer_file::{ConsumerFile, UNFINISHED, sync_consumer};
use super::crypt::Origin;
use super::meta::{self, Hands, Read};
use super::meta_copy::{self, Standing};
use super::open::offline;
use super::{FileStore, OBS};
use crate::api::{ConsumerState, RecoveredConsumer, StoreError, StoreEvent};
use crate::error::io_error;

/// Where a process that stopped leaves a word for the next one, in the stream's directory: no
/// consumer's files wait to be synced. The reference ignores the file.
const STOPPED: &str = "stopped";
/// So many consumers are synced without asking whether that is needed, and in one thread.
const FEW: usize = 64;
/// Threads that sync at once: the disk takes their syncs together.
const HANDS: usize = 16;

fn error(error: io::Error) -> StoreError {
    io_error("opening the consumers", error)
}

impl FileStore {
    /// Reads all consumers; answers the highest sequence that the stream had by what they say.
    pub(super) fn open_consumers(&mut self) -> Result<u64, StoreError> {
        let obs = self.dir.join(OBS);
        if self.disk.info(&obs).map_err(error)?.is_none() {
            self.disk.create_dir_all(&obs).map_err(error)?;
            self.disk.sync_dir(&self.dir).map_err(error)?;
            return Ok(0);
        }
        drop_unfinished(&*self.disk, &obs).map_err(error)?;
        let names = consumer_names(&*self.disk, &obs).map_err(error)?;
        let stopped = self.take_stopped();
        if !stopped {
            // What a killed process left is served from here on: it must not go back.
            let dirs: Vec<PathBuf> = names.iter().map(|name| obs.join(name)).collect();
            sync_all(&*self.disk, &dirs).map_err(error)?;
            self.disk.sync_dir(&obs).map_err(error)?;
        }
        let mut delivered = 0;
        for name in &names {
            if let Some(consumer) = self.open_consumer(&obs, name, stopped)? {
                delivered = delivered.max(reached(&consumer));
                self.consumers.push(consumer);
            }
        }
        match self.offline_consumers.first() {
            Some(consumer) => {
                let what = format!("stopped - unsupported consumer {:?}", consumer.name);
                Err(StoreError::Damaged(what))
            }
            None => Ok(delivered),
        }
    }

    /// Leaves word that nothing of the consumers waits to be synced.
    pub(super) fn leave_stopped(&self) {
        let names = consumer_names(&*self.disk, &self.dir.join(OBS));
        if names.is_ok_and(|names| names.len() > FEW) {
            // Without it the next start only takes longer.
            let _ = self.disk.open(&self.dir.join(STOPPED), OpenMode::Truncate);
        }
    }

    /// Whether the last process left such a word, which is of no more use then.
    fn take_stopped(&self) -> bool {
        self.disk.unlink(&self.dir.join(STOPPED)).is_ok()
    }

    /// Reads a consumer; `None` if there is none, or it is not served.
    fn open_consumer(
        &mut self,
        obs: &Path,
        name: &str,
        stopped: bool,
    ) -> Result<Option<RecoveredConsumer>, StoreError> {
        let dir = obs.join(name);
        let hashed = format!("{}/{name}", self.config.name);
        let standing = meta_copy::restore(&*self.disk, &dir, &hashed).map_err(error)?;
        if let Standing::Restored(what) = &standing {
            self.events.push(StoreEvent::Repaired(what.clone()));
        }
        // Without its configuration there is no consumer; the files stay.
        if self.disk.info(&dir.join(meta::META)).map_err(error)?.is_none() {
            return Ok(None);
        }
        let vault = self.vault.as_deref();
        let read =
            meta::read_consumer(&*self.disk, &dir, &self.config.name, name, vault, Hands::On);
        let (meta, asset, origin) = match read {
            Read::Good(_, meta, asset, origin) => (meta, asset, origin),
            // It asks for more than this server has: the stream waits for one that has it. What
            // is damaged asks for nothing.
            Read::Refused(refusal) if refusal.known.is_some() && standing != Standing::Damaged => {
                self.offline_consumers.push(offline(name, refusal));
                return Ok(None);
            }
            // Where messages wait for their consumers, those of this one would be dropped.
            Read::Refused(refusal) if self.config.retention == Retention::Limits => {
                let what = format!("consumer {name:?} is not served: {}", refusal.reason);
                self.events.push(StoreEvent::Repaired(what));
                return Ok(None);
            }
            Read::Refused(refusal) => {
                return Err(StoreError::Damaged(format!("consumer {name:?}: {}", refusal.reason)));
            }
        };
        let mut file = ConsumerFile::new(Arc::clone(&self.disk), dir, &self.config.name, asset);
        file.drop_unfinished()?;
        let found = file.read_state(stopped)?;
        if let Some(damage) = found.damage {
            self.events.push(StoreEvent::Repaired(format!("consumer {name:?}: {damage}")));
        }
        let state = found.state;
        if origin == Origin::Damaged {
            let what = format!("consumer {name:?}: its key was damaged; it gets another");
            self.events.push(StoreEvent::Repaired(what));
        }
        if origin != Origin::Current
            && let Some(vault) = &self.vault
        {
            file.rekey(vault, name, state.as_ref())?;
        }
        Ok(Some(RecoveredConsumer { meta, state, store: Box::new(file) }))
    }
}

/// The highest sequence that the stream must have had by what a consumer says.
fn reached(consumer: &RecoveredConsumer) -> u64 {
    let Some(ConsumerState { delivered, .. }) = &consumer.state else { return 0 };
    // Where it is to start, the stream need not be yet.
    let waits = delivered.consumer == 0 && delivered.stream < consumer.meta.config.opt_start_seq;
    if waits { 0 } else { delivered.stream }
}

/// Directories in `obs`, in order; none where it is missing.
fn dirs_in(disk: &dyn Disk, obs: &Path) -> io::Result<Vec<String>> {
    if disk.info(obs)?.is_none() {
        return Ok(Vec::new());
    }
    let dirs = disk.list(obs)?.into_iter().filter(|entry| entry.kind == EntryKind::Dir);
    Ok(dirs.filter_map(|entry| entry.name.into_string().ok()).collect())
}

/// The consumers in `obs`, in order.
pub(super) fn consumer_names(disk: &dyn Disk, obs: &Path) -> io::Result<Vec<String>> {
    let mut names = dirs_in(disk, obs)?;
    names.retain(|name| !name.starts_with(UNFINISHED));
    Ok(names)
}

/// Removes consumers whose creation was cut short.
fn drop_unfinished(disk: &dyn Disk, obs: &Path) -> io::Result<()> {
    let dirs = dirs_in(disk, obs)?.into_iter();
    dirs.filter(|name| name.starts_with(UNFINISHED))
        .try_for_each(|name| disk.remove_dir_all(&obs.join(name)))
}

/// Makes the files of consumers durable.
fn sync_all(disk: &dyn Disk, dirs: &[PathBuf]) -> io::Result<()> {
    let sync = |dirs: &[PathBuf]| dirs.iter().try_for_each(|dir| sync_consumer(disk, dir));
    if dirs.len() <= FEW {
        return sync(dirs);
    }
    std::thread::scope(|scope| {
        let parts = dirs.chunks(dirs.len().div_ceil(HANDS));
        let hands: Vec<_> = parts.map(|part| scope.spawn(move || sync(part))).collect();
        let gone = |_| Err(io::Error::other("a thread that syncs is gone"));
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(gone))
    })
}
