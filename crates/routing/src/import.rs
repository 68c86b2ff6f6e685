//! What an account takes from another: messages, and services.

use std::sync::{Arc, Weak};
use std::time::Duration;

use subject::Transform;

use crate::SubjectSpace;

/// How a subject on one side of an import reads on the other.
#[derive(Debug)]
pub enum Rewrite {
    /// As it is.
    Same,
    /// As this literal subject.
    Fixed(Box<[u8]>),
    /// By its tokens.
    Tokens(Transform),
}

impl Rewrite {
    /// The rewritten subject; `None` where it stays as it is.
    pub fn apply(&self, subject: &[u8]) -> Option<Vec<u8>> {
        match self {
            Rewrite::Same => None,
            Rewrite::Fixed(subject) => Some(subject.to_vec()),
            Rewrite::Tokens(transform) => Some(transform.rewrite_pattern(subject)),
        }
    }
}

/// Messages of another account (`server/accounts.go` `streamImport`).
#[derive(Debug)]
pub struct StreamImport {
    /// The account they come from.
    pub exporter: Weak<SubjectSpace>,
    /// Subject or pattern there.
    pub from: Box<[u8]>,
    /// Subject or pattern here.
    pub to: Box<[u8]>,
    /// From subjects there to subjects here.
    pub rewrite: Rewrite,
    /// From patterns here to patterns there, where tokens move.
    pub reverse: Option<Transform>,
}

/// A service on offer, as requests and their answers know it (`server/accounts.go`
/// `serviceExport`).
#[derive(Debug)]
pub struct ServiceExport {
    /// How a request is answered.
    pub answers: Answers,
    /// Time after which a missing answer is given up.
    pub threshold: Duration,
}

/// How a request is answered (`server/accounts.go` `ServiceRespType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// By one message.
    One,
    /// By any number of messages, of which an empty one is the last.
    Many,
}

/// A service of another account (`server/accounts.go` `serviceImport`).
#[derive(Debug)]
pub struct ServiceImport {
    /// The account that serves.
    pub exporter: Weak<SubjectSpace>,
    /// From subjects here to subjects there.
    pub rewrite: Rewrite,
    /// What is imported. Requests do not pass the same export twice.
    pub export: Arc<ServiceExport>,
    /// Tells the service who asks.
    pub share: Share,
}

/// How much a service learns of who asks (`server/client.go` `getClientInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Account and round trip time.
    Account,
    /// Also user, address, client and server.
    Details,
}

/// Describes the client that publishes, for services of other accounts.
pub trait Requester: Send + Sync {
    /// JSON for the header `Nats-Request-Info`. A request that already came through an import
    /// carries `previous`: that stays, and `via` is the account that passes it on.
    fn describe(&self, share: Share, previous: Option<&[u8]>, via: &str) -> Option<Vec<u8>>;
}
