//! A client's socket as its outbox sees it.

use std::io;
use std::sync::Arc;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// The writing side of a client's socket, and the bell that wakes the client's task.
pub(crate) struct Socket {
    pub(crate) write: OwnedWriteHalf,
    pub(crate) bell: Notify,
}

/// Any thread may write to the socket without blocking.
pub(crate) struct SocketTransport(pub(crate) Arc<Socket>);

impl Socket {
    pub(crate) fn new(write: OwnedWriteHalf) -> Arc<Self> {
        Arc::new(Socket { write, bell: Notify::new() })
    }
}

impl wire::Transport for SocketTransport {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write.try_write(bytes)
    }

    fn wake(&self) {
        self.0.bell.notify_one();
    }
}
