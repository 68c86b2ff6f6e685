//! Where streams keep their messages: the contract, a store in memory, and the file store in the
//! reference's on-disk format.
//!
//! Does: appends, finds, counts, removes and expires messages; recovers them after a stop, a
//! crash or damage; keeps consumers' configuration and progress. Owns the message blocks, the
//! per-subject index and the files of a stream's directory. It must not know who publishes or
//! consumes, accounts' limits, the network, or the time (it is passed in). One owner calls a
//! store; it has no locks and no threads.
//!
//! Entry points: [`StreamStore`], [`ConsumerStore`], [`MemStore`], [`FileStore`],
//! [`open_account`]; for people with a stopped or running server's directory [`find_streams`],
//! [`inspect_stream`], [`mend_stream`].
//!
//! Wire sources: `server/store.go`, `memstore.go`, `filestore.go`, `server/avl`, `server/thw`.

mod api;
mod canary;
mod error;
mod file_store;
mod filter_walk;
mod limits;
mod mem_store;
mod snapshot;
mod stream_state;
mod ttl;

pub use api::{
    ConsumerMeta, ConsumerState, ConsumerStore, CutBatch, Durability, Erase, Filter, MsgRef,
    NewMsg, OnRemoved, OriginMark, OwnedMsg, PendingAck, Purge, RecoveredConsumer, Removed,
    SavedOrigins, SavedSchedule, SavedSchedules, StoreError, StoreEvent, StreamStore, Totals,
    Upkeep,
};
#[cfg(feature = "canary")]
pub use canary::{Canary, plant};
pub use file_store::{
    BlockForm, BlockReport, BlockUsage, CacheUsage, ConsumerReport, Finding, IndexState, MendError,
    Mended, Severity, StreamPlace, StreamReport, block_bytes, find_streams, inspect_stream,
    mend_stream,
};
pub use file_store::{
    Encryption, FileStore, FileStoreOptions, MasterKey, OfflineConsumer, OpenedStream, Opening,
    SnapshotBlock, StoreCipher, configure_stream, consumer_files, open_account, open_restored,
    open_stream, remove_stream, stream_names,
};
pub use mem_store::{MemConsumer, MemStore};
pub use snapshot::{
    ArchiveFile, ArchiveWriter, ERRORS_FILE, IndexFit, RestoreError, SnapshotPlan, Staged, Staging,
};
pub use stream_state::{StreamState, StreamStateError};

#[cfg(test)]
mod tests;
