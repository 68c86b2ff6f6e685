//! Wave C of batch 27: the JetStream engine, end to end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod basic;
mod consumers;
mod encryption;
mod engine;
mod faults;
mod first_seq;
mod limits;
mod operator;
mod restart;
mod sources;
mod ttl;
