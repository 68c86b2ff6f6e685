//! Tests: calls in, the whole effect list out.

mod acks;
mod batches;
mod consumers;
mod direct;
mod faults;
mod harness;
mod markers;
mod model;
mod origins;
mod publish;
mod pull;
mod push;
mod recovery;
mod retention;
mod schedules;
mod units;
