//! The JetStream API: a request subject and JSON in, a call of the engine, a JSON reply out.
//!
//! Does: reads `$JS.API.*` subjects and bodies, runs them on the engine without ever blocking,
//! renders replies and errors as the reference does, counts requests, publishes audit
//! advisories. Owns only the count of requests in progress. It must not know how streams work,
//! sockets or users: the account and the client behind a request are given with it. Pulling,
//! acknowledging, direct gets and flow control are not here: they go straight to the streams.
//!
//! Entry points: [`Api::new`], [`Api::handle`], [`Api::service`] with [`SUBJECTS`].
//!
//! Wire sources: `server/jetstream_api.go`, `server/jetstream_events.go`.

mod account_purge;
mod api;
mod audit;
mod call;
mod consumers;
mod json;
mod operation;
mod render;
mod service;
mod streams;
mod transfer;

pub use account_purge::AccountPurge;
pub use api::{Api, ApiSettings, Request};
pub use service::{Clients, INFO_SUBJECT, SUBJECTS};

#[cfg(test)]
mod tests;
