//! A client's socket as its outbox sees it.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// The writing side of a client's socket, and the bell that wakes the client's task.
pub(crate) struct Socket {
    // Only one thread flushes at a time, so nobody waits here.
    write: Mutex<Option<Arc<OwnedWriteHalf>>>,
    pub(crate) bell: Notify,
}

/// Any thread may write to the socket without blocking.
pub(crate) struct SocketTransport(pub(crate) Arc<Socket>);

impl Socket {
    pub(crate) fn new(write: &Arc<OwnedWriteHalf>) -> Arc<Self> {
        Arc::new(Socket { write: Mutex::new(Some(Arc::clone(write))), bell: Notify::new() })
    }

    /// Lets go of the socket, so that it closes with the client's task: others may keep the
    /// client's outbox for long, such as in a cache of matches.
    pub(crate) fn release(&self) {
        self.write.lock().take();
    }
}

impl wire::Transport for SocketTransport {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.0.write.lock() {
            Some(write) => write.try_write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn wake(&self) {
        self.0.bell.notify_one();
    }
}
