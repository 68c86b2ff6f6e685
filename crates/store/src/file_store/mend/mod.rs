//! Repairing a damaged stream on disk: what opening it does, written out, with everything that
//! changes kept aside.
//!
//! Limits are not enforced meanwhile: a repair takes nothing away because it is due.

mod keeper;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use env::Disk;

use super::consumer_file::STATE;
use super::inspect::{
    StreamPlace, StreamReport, has_bad_schedules, inspect_stream, metas, metas::Stored,
};
use super::meta::{self, Sync};
use super::open_consumers::consumer_names;
use super::schedules::SCHEDULES;
use super::{FileStore, FileStoreOptions, MSGS, OBS};
use crate::api::{Durability, Filter, StoreError, StreamStore};
use crate::limits::Limits;
use keeper::Keeper;

/// Why a stream could not be repaired. Its files are as they were, or what was changed is kept.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// Its configuration cannot be read, and nothing says what it was.
    #[error("its configuration cannot be read: {0}")]
    Config(String),
    /// Its files are encrypted.
    #[error("it is encrypted, and no key is given")]
    Encrypted,
    /// The disk refused, or the store could not open what is there.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The disk refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What a repair did.
#[derive(Clone, Debug)]
pub struct Mended {
    /// What was found before.
    pub before: StreamReport,
    /// What was done, in order, for people; nothing for a stream that was sound.
    pub actions: Vec<String>,
    /// What is found now.
    pub after: StreamReport,
}

/// Repairs one stream that no server has open. Every file that changes is first copied to its
/// name with `.bad-<mark>` behind it; nothing is removed without that.
///
/// # Errors
/// [`MendError`]; what was done until then is kept as described.
pub fn mend_stream(
    disk: &Arc<dyn Disk>,
    place: &StreamPlace,
    mark: &str,
    options: FileStoreOptions,
) -> Result<Mended, MendError> {
    let before = inspect_stream(&**disk, place, &mut |_| {})?;
    if before.is_sound() {
        return Ok(Mended { after: before.clone(), before, actions: Vec::new() });
    }
    if before.encrypted {
        return Err(MendError::Encrypted);
    }
    let keeper = Keeper::new(Arc::clone(disk), place.dir(), mark);
    mend_consumers(&keeper, place, &before)?;
    if has_bad_schedules(&keeper, &place.dir())? {
        keeper.move_aside(&place.dir().join(MSGS).join(SCHEDULES))?;
        keeper.did("the schedules are found in the messages at the next start");
    }
    let after = mend_messages(&keeper, place, Trust::Index, options)?;
    // What is damaged among deleted messages shows only where all records are read.
    let after = if after.is_sound() {
        after
    } else {
        mend_messages(&keeper, place, Trust::Records, options)?
    };
    Ok(Mended { before, actions: keeper.actions(), after })
}

/// What the state is taken from where both are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Index,
    Records,
}

fn mend_messages(
    keeper: &Keeper,
    place: &StreamPlace,
    trust: Trust,
    options: FileStoreOptions,
) -> Result<StreamReport, MendError> {
    let dir = place.dir();
    let (created, config) = match metas::stream(keeper, &dir, &place.name)? {
        Stored::Sound(created, config) | Stored::CutShort(created, config) => (created, config),
        Stored::BadSum(created, config) => {
            write_sum(keeper, &dir, &place.name)?;
            keeper.did("took meta.inf as it is: compare it with what the stream should be");
            (created, config)
        }
        Stored::Encrypted => return Err(MendError::Encrypted),
        Stored::Unreadable(reason) => return Err(MendError::Config(reason)),
    };
    let disk: Arc<dyn Disk> = Arc::new(keeper.clone());
    let mut store = FileStore::empty(disk, dir, created, &config, options, None);
    store.limits = Limits::none();
    store.distrust_index = trust == Trust::Records;
    store.open()?;
    let mut from = 0;
    while let Some(msg) = store.next_match(&Filter::all(), from)? {
        from = msg.seq + 1;
    }
    store.flush(Durability::Synced)?;
    store.stop()?;
    Ok(inspect_stream(keeper, place, &mut |_| {})?)
}

/// Consumers whose configuration cannot be read are moved out of the stream's way.
fn mend_consumers(
    keeper: &Keeper,
    place: &StreamPlace,
    before: &StreamReport,
) -> Result<(), MendError> {
    let obs = place.dir().join(OBS);
    for name in consumer_names(keeper, &obs)? {
        let dir = obs.join(&name);
        match metas::consumer(keeper, &dir, &place.name, &name)? {
            Stored::Unreadable(_) => {
                keeper.move_aside(&dir)?;
                continue;
            }
            Stored::BadSum(..) => write_sum(keeper, &dir, &format!("{}/{name}", place.name))?,
            Stored::Sound(..) | Stored::CutShort(..) | Stored::Encrypted => {}
        }
        let unread =
            before.consumers.iter().any(|found| found.name == name && found.state.is_none());
        let state = dir.join(STATE);
        if unread && keeper.info(&state)?.is_some() {
            keeper.move_aside(&state)?;
            keeper.did(&format!("consumer {name} starts again as its deliver policy says"));
        }
    }
    Ok(())
}

fn write_sum(keeper: &Keeper, dir: &std::path::Path, hashed: &str) -> Result<(), MendError> {
    let sum = meta::checksum(hashed, &keeper.read(&dir.join(meta::META))?);
    Ok(meta::replace_file(keeper, &dir.join(meta::SUM), sum.as_bytes(), Sync::Now)?)
}
