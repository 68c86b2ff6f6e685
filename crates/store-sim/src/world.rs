//! A stream's directory on a simulated disk, and how it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, SimDisk};
use store::{FileStore, FileStoreOptions, Opening, StoreError, StreamStore, open_account};
use types::{Storage, StreamConfig, Timestamp};

use crate::dice::Dice;
use crate::keys::Keys;
use crate::steps::payloads;
use crate::verdict::Verdict;

/// The disk with the stream, and what it takes to open it again.
#[derive(Clone, Debug)]
pub struct World {
    /// The disk.
    pub disk: SimDisk,
    /// The account's directory.
    pub account: PathBuf,
    /// How the store may use the machine.
    pub options: FileStoreOptions,
    /// None: it stays plain.
    keys: Option<Keys>,
}

/// A stream that opened.
pub struct Opened {
    /// As it was stored.
    pub config: StreamConfig,
    /// Its messages.
    pub store: Box<dyn StreamStore>,
}

impl World {
    /// An empty disk; blocks of `block_bytes`, 0 for the usual size.
    #[must_use]
    pub fn new(block_bytes: u64) -> Self {
        let disk = SimDisk::new();
        let root = Path::new("/data");
        // Whoever starts a server has its directory already. A new disk refuses nothing.
        let _ = disk.create_dir_all(root).and_then(|()| disk.sync_dir(Path::new("/")));
        World {
            disk,
            account: root.join("jetstream/$G"),
            options: FileStoreOptions {
                cache_bytes: 16 << 10,
                block_bytes,
                ..FileStoreOptions::default()
            },
            keys: None,
        }
    }

    /// The same, encrypted with keys.
    #[must_use]
    pub fn with_keys(mut self, keys: Option<Keys>) -> Self {
        self.options.encryption = keys.as_ref().and_then(Keys::encryption);
        self.keys = keys;
        self
    }

    /// Before it is opened again: now and then with other keys, if it has any.
    pub fn change_keys(&mut self, dice: &mut Dice) {
        if let Some(keys) = &mut self.keys {
            keys.change(dice);
            self.options.encryption = keys.encryption();
        }
    }

    /// Whether what is written now is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.options.encryption.is_some()
    }

    /// Where encryption is asked for, no file holds what starts a message.
    ///
    /// # Errors
    /// Which file does.
    pub fn check_encrypted(&self) -> Verdict {
        if !self.is_encrypted() {
            return Ok(());
        }
        self.no_file(&self.account, |bytes| payloads(bytes).next().is_some())
            .map_err(|path| format!("a payload is readable in {path}"))
    }

    /// No file in a directory is such.
    ///
    /// # Errors
    /// Which one is.
    pub fn no_file(&self, dir: &Path, is_such: impl Fn(&[u8]) -> bool) -> Verdict {
        let mut found = None;
        self.disk.each_file(dir, |path, bytes| {
            if found.is_none() && is_such(bytes) {
                found = Some(path.display().to_string());
            }
        });
        found.map_or(Ok(()), Err)
    }

    /// Nobody who looks at the stream's files is told of damage; how many messages they see, where
    /// these are not encrypted.
    ///
    /// # Errors
    /// Of which.
    pub fn check_sound(&self) -> Verdict<Option<u64>> {
        let disk = self.dyn_disk();
        let mut seen = None;
        let places =
            store::find_streams(&*disk, &self.account).map_err(|error| error.to_string())?;
        for place in places {
            let report = store::inspect_stream(&*disk, &place, &mut |_| {})
                .map_err(|error| format!("it cannot be looked at: {error}"))?;
            if !report.is_sound() {
                return Err(format!("damage is seen where there is none: {:?}", report.findings));
            }
            seen = Some(report.msgs).filter(|_| !report.encrypted);
        }
        Ok(seen)
    }

    /// It was opened with the keys it has now.
    pub fn settle_keys(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.settle();
        }
    }

    /// The keys that it is opened with next.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref()
    }

    /// The same on a copy of the disk.
    #[must_use]
    pub fn fork(&self) -> World {
        World { disk: self.disk.fork(), ..self.clone() }
    }

    /// The disk as stores take it.
    #[must_use]
    pub fn dyn_disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    /// The stream's directory.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.account.join("streams/S")
    }

    /// Makes the stream.
    ///
    /// # Errors
    /// What the store says.
    pub fn create(&self, config: &StreamConfig) -> Result<Box<dyn StreamStore>, StoreError> {
        let disk = self.dyn_disk();
        let made = FileStore::create(disk, &self.account, at(0), config, self.options)?;
        Ok(Box::new(made))
    }

    /// Opens the only stream; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be served.
    pub fn open(&self) -> Verdict<Option<Opened>> {
        let mut opened = open_account(&self.dyn_disk(), &self.account, self.options)
            .map_err(|error| format!("the account cannot be listed: {error}"))?;
        match (opened.pop().map(|stream| stream.opening), opened.len()) {
            (None, _) => Ok(None),
            (Some(Opening::Ready { config, store, .. }), 0) => {
                Ok(Some(Opened { config: *config, store }))
            }
            (Some(Opening::Offline { reason, .. }), 0) => Err(format!("offline: {reason}")),
            (Some(_), more) => Err(format!("{more} streams that nobody made")),
        }
    }
}

/// A time some seconds after an arbitrary start.
#[must_use]
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_700_000_000_000_000_000 + seconds * 1_000_000_000)
}

/// A configuration as the server makes it, of stream `S`.
#[must_use]
pub fn config() -> StreamConfig {
    StreamConfig {
        name: "S".to_owned(),
        subjects: vec![">".to_owned()],
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        storage: Storage::File,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}
