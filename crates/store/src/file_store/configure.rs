//! A stream whose configuration is lost gets another one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use env::Disk;
use types::{StreamConfig, Timestamp};

use super::crypt::{Asset, Vault, read_key};
use super::files::read_if_there;
use super::meta::{self, META, SUM};
use super::open::{OpenedStream, open_stream};
use super::{FileStoreOptions, STREAMS};
use crate::api::StoreError;
use crate::error::io_error;

/// Gives a stream that lies in its directory without a configuration that anybody can read this
/// one, durably, and opens it: its messages and consumers are served again
/// (`server/filestore.go` `newFileStoreWithCreated`, which takes any directory as it is).
///
/// # Errors
/// `Damaged` where the stream has a configuration, or a key that is not ours; nothing is changed
/// then. What the disk refuses.
pub fn configure_stream(
    disk: &Arc<dyn Disk>,
    account_dir: &Path,
    created: Timestamp,
    config: &StreamConfig,
    options: FileStoreOptions,
) -> Result<OpenedStream, StoreError> {
    let name = &config.name;
    let dir = account_dir.join(STREAMS).join(name);
    let lost = is_lost(&**disk, &dir, name);
    if !lost.map_err(|error| io_error("looking for a configuration", error))? {
        return Err(StoreError::Damaged(format!("stream {name:?} has a configuration")));
    }
    let vault = options.encryption.map(|encryption| Vault::new(encryption, account_dir, name));
    let secret = read_key(&**disk, vault.as_ref(), &dir, name).map_err(StoreError::Damaged)?;
    meta::write_stream(&**disk, &dir, created, config, &Asset(secret))?;
    Ok(open_stream(disk, account_dir, name.clone(), options))
}

/// Whether there is no configuration, or one that its checksum does not fit.
fn is_lost(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<bool> {
    let read = |file| read_if_there(disk, &dir.join(file));
    let (Some(stored), Some(sum)) = (read(META)?, read(SUM)?) else { return Ok(true) };
    Ok(meta::checksum(name, &stored).as_bytes() != sum)
}
