//! Where streams get their stores from, as the engine sees it.

use store::{OfflineConsumer, Staging, StoreError, StreamStore};
use types::{StreamConfig, Timestamp};

/// Makes and finds the stores of streams.
pub trait Stores: Send + Sync {
    /// Everything stored for an account. Called once, before any of its streams is created.
    ///
    /// # Errors
    /// Where the account's directory cannot be read at all; a stream that cannot be opened is
    /// answered as [`Found::Broken`].
    fn open_account(&self, account: &str) -> Result<Vec<Found>, StoreError>;

    /// A store for a new stream; its configuration is durable when this returns.
    ///
    /// # Errors
    /// Where it cannot be made; nothing is left behind then.
    fn create(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError>;

    /// Gives a stream whose configuration is lost another one, and opens it.
    ///
    /// # Errors
    /// Where it has a configuration, or cannot be opened; then it is left as it is.
    fn configure(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        let _ = (account, created);
        Err(StoreError::Damaged(format!("nothing is stored of stream {:?}", config.name)))
    }

    /// Makes room for a restore to be unpacked; `id` is not used twice.
    ///
    /// # Errors
    /// Where it cannot be made, or there is no place for files.
    fn stage(&self, account: &str, id: &str) -> Result<Staging, StoreError> {
        // Where nothing is kept in files there is no place for an archive.
        let _ = (account, id);
        Err(StoreError::NoSnapshots)
    }

    /// Opens a stream that [`store::Staged::put_in_place`] has put there.
    fn open_restored(&self, account: &str, name: &str) -> Found {
        let reason = format!("{account} stores no restored streams");
        Found::Broken { name: name.to_owned(), config: None, reason, consumers: Vec::new() }
    }

    /// Removes everything stored for an account, of which no stream is served; nothing where there
    /// is nothing.
    ///
    /// # Errors
    /// What the disk refuses.
    fn discard_account(&self, account: &str) -> Result<(), StoreError> {
        // Where nothing is kept in files nothing is left of streams that were deleted.
        let _ = account;
        Ok(())
    }

    /// Removes what is stored of a stream that nobody serves; nothing where there is nothing.
    ///
    /// # Errors
    /// What the disk refuses.
    fn discard(&self, account: &str, name: &str) -> Result<(), StoreError> {
        // Where nothing can be restored nothing is left of a restore.
        let _ = (account, name);
        Err(StoreError::NoSnapshots)
    }
}

/// A stream found in an account's directory.
pub enum Found {
    /// It can go on.
    Stream {
        /// Its configuration, as stored.
        config: Box<StreamConfig>,
        /// When it was created.
        created: Timestamp,
        /// Its content.
        store: Box<dyn StreamStore>,
    },
    /// It is there but cannot be opened; it is left as it is.
    Broken {
        /// Stream name.
        name: String,
        /// Its configuration, if that could be read.
        config: Option<Box<StreamConfig>>,
        /// Why not.
        reason: String,
        /// Consumers that ask for more than this server has.
        consumers: Vec<OfflineConsumer>,
    },
}
