//! Stores on disk and in memory, as a server uses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Disk;
use parking_lot::Mutex;
use store::{
    FileStore, FileStoreOptions, MemStore, Opening, StoreError, StreamStore, open_stream,
    stream_names,
};
use types::{Storage, StreamConfig, Timestamp};

use crate::stores::{Found, Stores};

/// Most streams that are opened at the same time.
const OPENERS: usize = 8;

/// File streams under one directory; memory streams nowhere.
#[derive(Debug)]
pub struct FileStores {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    options: FileStoreOptions,
}

impl FileStores {
    /// Stores under `root` (`<store_dir>/jetstream`), one directory per account.
    pub fn new(disk: Arc<dyn Disk>, root: &Path, options: FileStoreOptions) -> Self {
        FileStores { disk, root: root.to_owned(), options }
    }

    fn open_one(&self, dir: &Path, name: String) -> Found {
        let opened = open_stream(&self.disk, dir, name, self.options);
        match opened.opening {
            Opening::Ready { created, config, store } => Found::Stream { config, created, store },
            Opening::Offline { config, reason } => {
                Found::Broken { name: opened.name, config, reason }
            }
        }
    }
}

impl Stores for FileStores {
    fn open_account(&self, account: &str) -> Result<Vec<Found>, StoreError> {
        let dir = self.root.join(account);
        let names = stream_names(&*self.disk, &dir).map_err(|source| StoreError::Io {
            context: "listing the streams of the account".to_owned(),
            source,
        })?;
        let openers = OPENERS.min(names.len());
        let left = Mutex::new(names.into_iter());
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..openers {
                scope.spawn(|| {
                    while let Some(name) = { left.lock().next() } {
                        let opened = self.open_one(&dir, name);
                        found.lock().push(opened);
                    }
                });
            }
        });
        Ok(found.into_inner())
    }

    fn create(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        match config.storage {
            Storage::Memory => Ok(Box::new(MemStore::new(config))),
            Storage::File => {
                let dir = self.root.join(account);
                let store =
                    FileStore::create(Arc::clone(&self.disk), &dir, created, config, self.options)?;
                Ok(Box::new(store))
            }
        }
    }
}
