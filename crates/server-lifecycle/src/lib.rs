//! A whole server: start, run, stop; in a process of its own or inside another program.
//!
//! What it does: brings options, accounts, connections, JetStream and monitoring together in the
//! right order and takes them apart again ([`Server`], [`Embedded`]); logs in nats-server's layout
//! ([`log`]); heeds and sends signals ([`run_until_signalled`], [`signal`]).
//!
//! State it owns: the listening sockets, the tasks that accept, JetStream's configuration in
//! effect, the tokens of accounts in operator mode, the pid and ports files.
//!
//! What it must not know: the bytes of the protocol, how streams work, flags of a command line.
//!
//! Start: options are checked → accounts → pid file → monitoring listens → JetStream (store
//! directory, engine, recovery) → clients are accepted → ports file. Stop: no more accepting →
//! clients get what is queued and are closed → streams are flushed and closed → monitoring ends.
//!
//! Reload: the file is read and checked, compared with the options in effect, and refused as a whole
//! where something changed that a running server cannot change; then accounts, the system's
//! services, clients and JetStream follow, in this order.
//!
//! Operator mode: accounts are read from their tokens when they are first needed, and follow when
//! tokens change.
//!
//! Entry points: [`Server::start`], [`Server::reload`], [`Server::shutdown`],
//! [`Server::enable_jetstream`], [`Server::disable_jetstream`], [`Embedded::start`],
//! [`Embedded::temporary`].
//!
//! Wire sources: `server/server.go`, `server/jetstream.go` (`EnableJetStream`), `server/log.go`,
//! `server/signal.go`, `server/reload.go`.

mod embedded;
mod error;
mod files;
mod identity;
mod jetstream;
mod listener;
pub mod log;
mod operator;
mod os;
mod reload;
mod server;
mod server_jetstream;
mod server_operator;
mod services;
pub mod signal;
mod signals;
mod system;

#[cfg(test)]
mod tests;

pub use embedded::{Embedded, loopback};
pub use error::{ListenError, StartError};
pub use jetstream::{Clustering, JetStreamError, KnownServer, MetaGroup, StoreDirError};
pub use operator::{NoToken, OperatorError};
pub use reload::ReloadError;
pub use server::Server;
pub use signals::{Signals, run_until_signalled};
