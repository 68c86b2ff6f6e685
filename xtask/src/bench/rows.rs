//! The rows of the table.

use std::io;
use std::time::Duration;

use super::meter::Sample;
use super::server::Server;
use super::{core_rows, jet_rows};

/// One row: a kind of load.
pub(crate) struct Row {
    /// Short name, for `--rows`.
    pub(crate) name: &'static str,
    /// What the table calls it.
    pub(crate) title: &'static str,
    load: Load,
}

enum Load {
    /// Publishing that nobody listens to.
    Publish { size: usize },
    /// One publisher, several subscribers.
    Fan { size: usize, subscribers: usize },
    /// One requester, one responder, one request at a time.
    Request { size: usize },
    /// Publishing to a stream.
    Stream { storage: Storage, size: usize, in_flight: usize },
    /// Fetching from a file stream and acknowledging each message.
    Pull { size: usize, batch: usize },
}

/// Where a stream keeps its messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In files.
    File,
    /// In memory.
    Memory,
}

/// Every row, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row { name: "pub-16", title: "core publish 16 B", load: Load::Publish { size: 16 } },
    Row { name: "pub-128", title: "core publish 128 B", load: Load::Publish { size: 128 } },
    Row { name: "1to1-16", title: "core 1:1 16 B", load: Load::Fan { size: 16, subscribers: 1 } },
    Row {
        name: "1to1-128",
        title: "core 1:1 128 B",
        load: Load::Fan { size: 128, subscribers: 1 },
    },
    Row {
        name: "1to4-128",
        title: "core 1:4 128 B, deliveries",
        load: Load::Fan { size: 128, subscribers: 4 },
    },
    Row { name: "request", title: "request-reply 128 B", load: Load::Request { size: 128 } },
    Row {
        name: "file-sync",
        title: "file stream, one at a time",
        load: Load::Stream { storage: Storage::File, size: 128, in_flight: 1 },
    },
    Row {
        name: "file-1000",
        title: "file stream, 1,000 in flight",
        load: Load::Stream { storage: Storage::File, size: 128, in_flight: 1000 },
    },
    Row {
        name: "memory-1000",
        title: "memory stream, 1,000 in flight",
        load: Load::Stream { storage: Storage::Memory, size: 128, in_flight: 1000 },
    },
    Row {
        name: "pull-500",
        title: "pull 500 with acks, file stream",
        load: Load::Pull { size: 128, batch: 500 },
    },
];

impl Row {
    /// Whether the row writes to files, so that sync policies matter.
    pub(crate) fn writes_file(&self) -> bool {
        matches!(self.load, Load::Pull { .. } | Load::Stream { storage: Storage::File, .. })
    }

    /// Runs the load for about `length`.
    pub(crate) fn run(&self, server: Server, length: Duration) -> io::Result<Sample> {
        match self.load {
            Load::Publish { size } => core_rows::publish(&server, size, length),
            Load::Fan { size, subscribers } => core_rows::fan(&server, size, subscribers, length),
            Load::Request { size } => core_rows::request(&server, size, length),
            Load::Stream { storage, size, in_flight } => {
                jet_rows::publish(&server, storage, size, in_flight, length)
            }
            Load::Pull { size, batch } => jet_rows::pull(server, size, batch, length),
        }
    }
}
