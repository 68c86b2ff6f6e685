//! Wave B of batch 27: the file store, consumers, heavier runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod consumer;
mod filestore;
mod many;
mod norace;
