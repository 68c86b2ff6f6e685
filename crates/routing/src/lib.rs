//! The data plane of an account: who subscribes to what, and how a message gets to them.
//!
//! A [`SubjectSpace`] owns an account's subscriptions. Whoever has messages to send (a
//! connection's reader, a shard) keeps one [`RouteBatch`], publishes into it any number of
//! messages, and calls [`RouteBatch::finish`] once: client output is flushed and streams get
//! what was published to them in one hand-over per shard.
//!
//! Accounts take messages and services from each other: a [`StreamImport`] puts images of the
//! importer's subscriptions into the exporter's space, a [`ServiceImport`] is a subscription that
//! publishes on in the exporter's space and leads the answers back. [`Mappings`] redirect what is
//! published.
//!
//! This crate must not know users, permissions to publish, configuration, JetStream's meaning
//! or sockets: a target is a byte queue, the inbox of a shard, a service, or
//! another space. Facts:
//! `server/client.go` (`processInboundClientMsg`, `deliverMsg`), `server/sublist.go`.

mod batch;
mod cross;
mod import;
mod ingest;
mod mappings;
mod match_cache;
mod responses;
mod shadow;
mod sink;
mod space;
mod subscription;

#[cfg(test)]
mod tests;

pub use batch::RouteBatch;
pub use import::{Answers, Requester, Rewrite, ServiceExport, ServiceImport, Share, StreamImport};
pub use ingest::{Ingest, IngestBatch, IngestKind, IngestSink, Pushed};
pub use mappings::{Destination, Mappings, Rest};
pub use sink::{ClientSink, DenyList, ReplyPermits};
pub use space::{InterestWatcher, SubjectSpace, WatchId};
pub use subscription::{Service, StreamTarget, Subscription, Target};

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Msg<'a> {
    /// Literal subject.
    pub subject: &'a [u8],
    /// Reply subject, or empty.
    pub reply: &'a [u8],
    /// Header block with its `NATS/1.0` line, or empty.
    pub headers: &'a [u8],
    /// Payload.
    pub payload: &'a [u8],
}

/// Id of the connection that published a message; 0 is the server itself.
pub type ConnId = u64;
