//! The proof of the store: random operations, crashes at every call of the disk, every failing
//! call, and damage to every bit, each judged against a plain model.
//!
//! Does: drives stores on a simulated disk and judges them, by a seed that can be run again
//! ([`model_run`], [`crash_run`], [`damage_run`]). Uses nothing of the store but what is public.
//! Owns no state beyond a run. It must not know how a store keeps its files: it judges what is
//! answered, and damages bytes without knowing their meaning. The command line is in `main.rs`,
//! which `cargo xtask sim` starts; the tests here run a small share of the same.

#[cfg(feature = "canary")]
pub mod canary;
pub mod cli;
pub mod crash_run;
pub mod damage_run;
pub mod dice;
pub mod judged;
pub mod keys;
pub mod model;
pub mod model_run;
pub mod oracle;
pub mod session;
pub mod steps;
pub mod verdict;
pub mod victim;
pub mod world;

#[cfg(test)]
mod tests;
