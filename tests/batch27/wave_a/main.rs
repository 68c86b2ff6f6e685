//! Wave A of batch 27: accounts, events, monitoring, API levels.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod accounts;
mod events;
mod monitor;
mod norace;
mod versioning;
