//! What other servers report about an account.

use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// Connections of an account on another server (`server/events.go` `AccountNumConns`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteConnections {
    /// Clients.
    pub clients: u32,
    /// Leaf nodes.
    pub leaf_nodes: u32,
}

/// Connections on other servers, by server id. Each report is the whole of its server, so none
/// needs to arrive.
#[derive(Default)]
pub(crate) struct Elsewhere {
    servers: Mutex<HashMap<Box<str>, RemoteConnections, RandomState>>,
    clients: AtomicU64,
}

impl Elsewhere {
    pub(crate) fn connections(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    pub(crate) fn report(&self, server_id: &str, report: RemoteConnections) {
        let mut servers = self.servers.lock();
        servers.insert(server_id.into(), report);
        self.clients.store(total(&servers), Ordering::Relaxed);
    }

    pub(crate) fn forget(&self, server_id: &str) {
        let mut servers = self.servers.lock();
        servers.remove(server_id);
        self.clients.store(total(&servers), Ordering::Relaxed);
    }
}

fn total(servers: &HashMap<Box<str>, RemoteConnections, RandomState>) -> u64 {
    servers.values().map(|report| u64::from(report.clients)).sum()
}
