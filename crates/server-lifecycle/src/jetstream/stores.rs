//! Where streams are stored: in memory, or below the store directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use env::{Disk, OsDisk};
use js_engine::{Found, Stores};
use monitor::go_duration;
use parking_lot::Mutex;
use store::{
    Encryption, FileStore, FileStoreOptions, MemStore, OfflineConsumer, OpenedStream, Opening,
    Staging, StoreError, StreamStore, configure_stream, open_restored, open_stream, remove_stream,
    stream_names,
};
use types::{Storage, StreamConfig, Timestamp};

/// The stores of a server with a disk.
pub(super) struct DiskStores {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: FileStoreOptions,
}

impl DiskStores {
    /// Stores below a directory that exists, each account in a directory of its name.
    pub(super) fn new(dir: &Path, encryption: Option<Encryption>) -> Self {
        DiskStores {
            disk: Arc::new(OsDisk),
            dir: dir.to_owned(),
            options: FileStoreOptions { encryption, ..FileStoreOptions::default() },
        }
    }

    /// Opens one stream and says so in the log.
    fn open(&self, account: &str, name: String) -> Found {
        tracing::info!("  Starting restore for stream '{account} > {name}'");
        let begun = Instant::now();
        let opened = open_stream(&self.disk, &self.dir.join(account), name, self.options);
        self.report(account, opened, begun)
    }

    /// Says in the log how opening a stream went.
    fn report(&self, account: &str, opened: OpenedStream, begun: Instant) -> Found {
        let OpenedStream { name, opening } = opened;
        match opening {
            Opening::Ready { created, config, store } => {
                let restored = thousands(store.totals().msgs);
                // Like the reference, to the millisecond.
                let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let took = go_duration(ms.saturating_mul(1_000_000));
                tracing::info!(
                    "  Restored {restored} messages for stream '{account} > {name}' in {took}"
                );
                let consumers = consumers_of(&self.dir.join(account).join("streams").join(&name));
                if consumers > 0 {
                    tracing::info!(
                        "  Recovering {consumers} consumers for stream - '{account} > {name}'"
                    );
                }
                if let Some(lost) = store.lost() {
                    tracing::warn!(
                        "  Stream '{account} > {name}' lost {} messages to damage",
                        lost.msgs.len()
                    );
                }
                Found::Stream { config, created, store }
            }
            Opening::Offline { config, reason, log, consumers } => {
                match log {
                    Some(line) => tracing::warn!("{line}"),
                    None => tracing::warn!(
                        "  Detected unsupported stream '{account} > {name}': {reason}"
                    ),
                }
                for OfflineConsumer { name: consumer, reason, log } in &consumers {
                    match log {
                        Some(line) => tracing::warn!("{line}"),
                        None => tracing::warn!(
                            "  Detected unsupported consumer '{account} > {name} > {consumer}': {reason}"
                        ),
                    }
                }
                Found::Broken { name, config, reason, consumers }
            }
        }
    }
}

impl Stores for DiskStores {
    fn open_account(&self, account: &str) -> Result<Vec<Found>, StoreError> {
        let dir = self.dir.join(account);
        let names = stream_names(&*self.disk, &dir).map_err(|source| StoreError::Io {
            context: format!("listing the streams of account {account:?}"),
            source,
        })?;
        let workers = workers().min(names.len());
        let log = tracing::dispatcher::get_default(Clone::clone);
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::with_capacity(names.len()));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&log, || {
                        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let opened = self.open(account, name.clone());
                            found.lock().push(opened);
                        }
                    });
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
                let dir = self.dir.join(account);
                let disk = Arc::clone(&self.disk);
                let store = FileStore::create(disk, &dir, created, config, self.options)?;
                Ok(Box::new(store))
            }
        }
    }

    fn configure(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        let begun = Instant::now();
        let dir = self.dir.join(account);
        let opened = configure_stream(&self.disk, &dir, created, config, self.options)?;
        match self.report(account, opened, begun) {
            Found::Stream { store, .. } => Ok(store),
            Found::Broken { reason, .. } => Err(StoreError::Damaged(reason)),
        }
    }

    fn stage(&self, account: &str, id: &str) -> Result<Staging, StoreError> {
        Staging::create(Arc::clone(&self.disk), &self.dir.join(account), id)
    }

    fn open_restored(&self, account: &str, name: &str) -> Found {
        let begun = Instant::now();
        let dir = self.dir.join(account);
        let opened = open_restored(&self.disk, &dir, name.to_owned(), self.options);
        self.report(account, opened, begun)
    }

    fn discard_account(&self, account: &str) -> Result<(), StoreError> {
        let io =
            |source| StoreError::Io { context: format!("removing account {account:?}"), source };
        let dir = self.dir.join(account);
        match self.disk.info(&dir).map_err(io)? {
            Some(_) => self.disk.remove_dir_all(&dir).map_err(io),
            None => Ok(()),
        }
    }

    fn discard(&self, account: &str, name: &str) -> Result<(), StoreError> {
        match remove_stream(&*self.disk, &self.dir.join(account), name) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Io { context: format!("removing stream {name:?}"), source })
            }
            _ => Ok(()),
        }
    }
}

/// Streams that are read at the same time: that is bound by the disk and by checksums
/// (`server/filestore.go` `dios`).
pub(super) fn workers() -> usize {
    /// So many reads a disk can take from few processors, too.
    const LEAST: usize = 4;
    std::thread::available_parallelism().map_or(LEAST, usize::from).max(LEAST)
}

/// How many consumers a stream's directory holds.
fn consumers_of(stream: &Path) -> usize {
    std::fs::read_dir(stream.join("obs")).map_or(0, |entries| entries.flatten().count())
}

/// A number with a comma between each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped_by_three() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(super::thousands(number), text);
        }
    }
}
