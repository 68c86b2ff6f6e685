//! Raw bytes in, exact replies out, over a listener of the test's own.

mod auth;
mod conversations;
mod crowd;
mod exchange;
mod harness;
mod info;
mod limits;

mod options;
mod output;
mod reference;
mod refused;
mod registry;
mod reload;
mod subscriptions;
mod timers;
