//! The engine with real shards, on a fresh directory, seen through its subjects.

mod capacity;
mod harness;
mod life;
mod limits;
mod messages;
mod origins;
