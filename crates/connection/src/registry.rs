//! Live connections, and those that ended lately.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use routing::ConnId;
use tokio::sync::Notify;

use crate::Conn;
use crate::snapshot::ConnInfo;

/// A connection that ended.
pub type ClosedConn = Arc<ConnInfo>;

/// Live connections by id, and a bounded memory of those that ended.
#[derive(Default)]
pub struct Connections {
    live: RwLock<HashMap<ConnId, Arc<Conn>, RandomState>>,
    closed: Mutex<VecDeque<ClosedConn>>,
    total_closed: AtomicU64,
    last_id: AtomicU64,
    emptied: Notify,
}

/// The server takes no more clients (`server/errors.go` `ErrTooManyConnections`).
pub(crate) struct Full;

impl Connections {
    /// The id for the next connection; the first is 1.
    pub(crate) fn next_id(&self) -> ConnId {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes an id for something else than a client of this crate: ids are unique in a server.
    pub fn reserve_id(&self) -> ConnId {
        self.next_id()
    }

    /// Adds a connection unless there are `max` already.
    pub(crate) fn add(&self, conn: &Arc<Conn>, max: Option<u64>) -> Result<(), Full> {
        let mut live = self.live.write();
        if max.is_some_and(|max| live.len() as u64 >= max) {
            return Err(Full);
        }
        live.insert(conn.id(), Arc::clone(conn));
        Ok(())
    }

    /// Takes a connection out and remembers how it was, as one of at most `keep`.
    pub(crate) fn remove(&self, id: ConnId, closed: ConnInfo, keep: usize) {
        {
            let mut memory = self.closed.lock();
            memory.push_back(Arc::new(closed));
            while memory.len() > keep {
                memory.pop_front();
            }
        }
        self.total_closed.fetch_add(1, Ordering::Relaxed);
        let mut live = self.live.write();
        live.remove(&id);
        if live.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// The live connection of that id.
    pub fn get(&self, id: ConnId) -> Option<Arc<Conn>> {
        self.live.read().get(&id).cloned()
    }

    /// All live connections, by id.
    pub fn all(&self) -> Vec<Arc<Conn>> {
        let mut all: Vec<_> = self.live.read().values().cloned().collect();
        all.sort_unstable_by_key(|conn| conn.id());
        all
    }

    /// How many are live.
    pub fn len(&self) -> usize {
        self.live.read().len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.live.read().is_empty()
    }

    /// Those that ended lately, oldest first.
    pub fn closed(&self) -> Vec<ClosedConn> {
        self.closed.lock().iter().cloned().collect()
    }

    /// How many have ended since the server's start.
    pub fn total_closed(&self) -> u64 {
        self.total_closed.load(Ordering::Relaxed)
    }

    /// Waits until none is live.
    pub async fn drained(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("live", &self.len()).finish_non_exhaustive()
    }
}
