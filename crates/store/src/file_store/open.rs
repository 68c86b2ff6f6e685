//! Finding the streams of an account, and opening them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use env::{Disk, EntryKind};
use types::{StreamConfig, Timestamp};

use super::crypt::{Origin, Vault};
use super::meta::{self, Hands, Read};
use super::meta_copy::{self, Standing};
use super::open_consumers::consumer_names;
use super::refusal::Refusal;
use super::{FileStore, FileStoreOptions, MSGS, OBS, STREAMS, Witness};
use crate::api::{StoreError, StoreEvent, StreamStore};
use crate::snapshot::STAGING_DIR;

/// A stream found on disk.
pub struct OpenedStream {
    /// Its name, which is its directory's.
    pub name: String,
    /// Whether it can be served.
    pub opening: Opening,
}

/// How opening a stream went.
pub enum Opening {
    /// It can be served.
    Ready {
        /// Creation time.
        created: Timestamp,
        /// Configuration.
        config: Box<StreamConfig>,
        /// Its messages.
        store: Box<dyn StreamStore>,
    },
    /// It cannot; its files are as they were.
    Offline {
        /// The configuration, if that at least could be read.
        config: Option<Box<StreamConfig>>,
        /// Why, for clients.
        reason: String,
        /// Why, as the reference's log says it; `None` where it asks for more than this server has.
        log: Option<String>,
        /// Consumers that ask for more than this server has.
        consumers: Vec<OfflineConsumer>,
    },
}

/// A consumer that asks for more than this server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineConsumer {
    /// Its name.
    pub name: String,
    /// Why it is not served, for clients.
    pub reason: String,
    /// Why, as the reference's log says it; `None` where the API level is too high.
    pub log: Option<String>,
}

/// The names of an account's streams, in order; remains of deleted streams, and of restores that
/// were cut short, are removed.
///
/// # Errors
/// What the disk refuses; an account without a directory has no streams.
pub fn stream_names(disk: &dyn Disk, account_dir: &Path) -> io::Result<Vec<String>> {
    disk.remove_dir_all(&account_dir.join(STAGING_DIR))?;
    let streams = account_dir.join(STREAMS);
    if disk.info(&streams)?.is_none() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in disk.list(&streams)? {
        let Some(name) = entry.name.to_str().filter(|_| entry.kind == EntryKind::Dir) else {
            continue;
        };
        let dir = streams.join(name);
        if name.starts_with('.') {
            disk.remove_dir_all(&dir)?;
            continue;
        }
        // Where nothing but the directory was made there is no stream yet.
        let begun = [dir.join(meta::META), dir.join(MSGS), dir.join(OBS)];
        for part in begun {
            if disk.info(&part)?.is_some() {
                names.push(name.to_owned());
                break;
            }
        }
    }
    Ok(names)
}

/// Opens all streams of an account, one after the other.
///
/// # Errors
/// If the account's directory cannot be listed. A stream that cannot be opened is offline.
pub fn open_account(
    disk: &Arc<dyn Disk>,
    account_dir: &Path,
    options: FileStoreOptions,
) -> io::Result<Vec<OpenedStream>> {
    let names = stream_names(&**disk, account_dir)?;
    Ok(names.into_iter().map(|name| open_stream(disk, account_dir, name, options)).collect())
}

/// Opens one stream.
pub fn open_stream(
    disk: &Arc<dyn Disk>,
    account_dir: &Path,
    name: String,
    options: FileStoreOptions,
) -> OpenedStream {
    open_with(disk, account_dir, name, options, Witness::Heard)
}

/// Opens a stream that was just restored ([`crate::Staging`]). An index that does not fit its
/// blocks was made later than they were and proves nothing.
pub fn open_restored(
    disk: &Arc<dyn Disk>,
    account_dir: &Path,
    name: String,
    options: FileStoreOptions,
) -> OpenedStream {
    open_with(disk, account_dir, name, options, Witness::Dismissed)
}

/// Removes a stream's directory, whether it can be opened or not.
///
/// # Errors
/// What the disk refuses.
pub fn remove_stream(disk: &dyn Disk, account_dir: &Path, name: &str) -> io::Result<()> {
    remove_dir(disk, &account_dir.join(STREAMS), name)
}

pub(super) fn remove_dir(disk: &dyn Disk, streams: &Path, name: &str) -> io::Result<()> {
    // A name with a leading dot is removed at the next start, should this be cut short.
    let gone = streams.join(format!(".{name}"));
    disk.remove_dir_all(&gone)?;
    disk.rename(&streams.join(name), &gone)?;
    disk.sync_dir(streams)?;
    disk.remove_dir_all(&gone)
}

fn open_with(
    disk: &Arc<dyn Disk>,
    account_dir: &Path,
    name: String,
    options: FileStoreOptions,
    witness: Witness,
) -> OpenedStream {
    let dir = account_dir.join(STREAMS).join(&name);
    let vault =
        options.encryption.map(|encryption| Arc::new(Vault::new(encryption, account_dir, &name)));
    // What the disk refuses here, reading refuses as well, and says so.
    let standing = meta_copy::restore(&**disk, &dir, &name);
    let read = meta::read_stream(&**disk, &dir, &name, vault.as_deref());
    let (created, config, asset, origin) = match read {
        Read::Good(created, config, asset, origin) => (created, config, asset, origin),
        Read::Refused(Refusal { reason, log, known }) => {
            let consumers = offline_consumers(&**disk, &dir, &name, vault.as_deref());
            let config = known.map(|known| Box::new(known.1));
            let opening = Opening::Offline { config, reason, log, consumers };
            return OpenedStream { name, opening };
        }
    };
    let mut store = FileStore::empty(Arc::clone(disk), dir, created, &config, options, vault);
    (store.asset, store.asset_origin) = (asset, origin);
    if origin == Origin::Damaged {
        let what = "the key of the stream was damaged; it gets another".to_owned();
        store.events.push(StoreEvent::Repaired(what));
    }
    store.witness = witness;
    if let Ok(Standing::Restored(what)) = standing {
        store.events.push(StoreEvent::Repaired(what));
    }
    let config = Box::new(config);
    let opening = match store.open() {
        Ok(()) => Opening::Ready { created, config, store: Box::new(store) },
        Err(error) => {
            let consumers = std::mem::take(&mut store.offline_consumers);
            let log = match consumers.is_empty() {
                true => format!("  Error recreating stream {name:?}: {error}"),
                false => {
                    let account = account_dir.file_name().unwrap_or_default().to_string_lossy();
                    format!("  Stopping unsupported stream '{account} > {name}'")
                }
            };
            let (config, reason) = (Some(config), error.to_string());
            Opening::Offline { config, reason, log: Some(log), consumers }
        }
    };
    OpenedStream { name, opening }
}

/// The consumers of a stream that is not served, which would not be either.
fn offline_consumers(
    disk: &dyn Disk,
    dir: &Path,
    stream: &str,
    vault: Option<&Vault>,
) -> Vec<OfflineConsumer> {
    let obs = dir.join(OBS);
    let names = consumer_names(disk, &obs).unwrap_or_default();
    let offline = names.iter().filter_map(|name| {
        match meta::read_consumer(disk, &obs.join(name), stream, name, vault, Hands::Off) {
            Read::Refused(refusal) if refusal.known.is_some() => Some(offline(name, refusal)),
            Read::Refused(_) | Read::Good(..) => None,
        }
    });
    offline.collect()
}

pub(super) fn offline<T>(name: &str, refusal: Refusal<T>) -> OfflineConsumer {
    OfflineConsumer { name: name.to_owned(), reason: refusal.reason, log: refusal.log }
}

impl FileStore {
    pub(super) fn open(&mut self) -> Result<(), StoreError> {
        if let Some(vault) = &self.vault {
            vault.remember();
        }
        self.recover()?;
        let delivered = self.open_consumers()?;
        self.finish_recovery(delivered)?;
        self.convert()?;
        if let Some(vault) = &self.vault {
            vault.forget();
        }
        Ok(())
    }
}
