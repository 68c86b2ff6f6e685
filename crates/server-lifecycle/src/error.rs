//! Why a server did not start.

use std::path::PathBuf;

use config_validate::options::OptionError;

use crate::jetstream::JetStreamError;
use crate::operator::OperatorError;

/// Why a server did not start; texts are those of nats-server's fatal log lines
/// (`server/server.go` `Start`).
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict each other.
    #[error("{0}")]
    Options(#[from] OptionError),
    /// The place of tokens cannot be used, in operator mode.
    #[error("{0}")]
    Operator(OperatorError),
    /// The system account of operator mode is not to be had.
    #[error("error resolving system account: {0}")]
    SystemAccount(OperatorError),
    /// The process id cannot be written.
    #[error("Could not write pidfile: open {path}: {cause}")]
    PidFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The monitoring port cannot be used.
    #[error("Can't start monitoring: can't listen to the monitor port: {0}")]
    Monitor(ListenError),
    /// JetStream cannot be started.
    #[error("Can't start JetStream: {0}")]
    JetStream(#[from] JetStreamError),
    /// The client port cannot be used.
    #[error("Error listening on port: {address}, {:?}", .cause.to_string())]
    Listen {
        /// Host and port as configured.
        address: String,
        /// What the system said.
        cause: ListenError,
    },
    /// What clients are to be told as the address is none.
    #[error("Error setting server INFO with ClientAdvertise value of {0}")]
    Advertise(String),
    /// The operating system gives no thread, for the blocking API.
    #[error("Could not start a runtime: {0}")]
    Runtime(std::io::Error),
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Its host has no address.
    #[error("listen tcp: lookup {0}: no such host")]
    Lookup(String),
    /// The system refuses it.
    #[error("listen tcp {address}: bind: {cause}")]
    Bind {
        /// Host and port.
        address: String,
        /// What the system said.
        cause: String,
    },
}
