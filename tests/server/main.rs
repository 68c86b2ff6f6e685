//! Whole-server tests: the real binary on loopback.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod clients;
mod crash;
mod differential;
mod embedded;
mod encryption;
mod full_disk;
mod interop;
mod jetstream;
mod operator;
mod operator_life;
mod origins;
mod protocol;
mod signals;
mod snapshots;
