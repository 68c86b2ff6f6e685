//! The engine with real shards, on a fresh directory, seen through its subjects.

mod capacity;
mod contention;
mod harness;
mod life;
mod limits;
mod messages;
mod origins;
