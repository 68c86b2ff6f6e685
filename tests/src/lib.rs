//! Harness of the whole-server tests: runs the real binary (or the reference), speaks raw bytes.
//!
//! Every server gets port 0 and a directory of its own, and dies with its [`Node`]. Waiting is
//! always for an event, with a deadline.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a harness fails by panicking, and its names say what they do"
)]

mod basic;
mod http;
mod node;
mod operator;
mod raw;
mod size;

pub use basic::Basic;
pub use http::{get, get_json};
pub use node::{Node, Setup};
pub use operator::{Login, Operator, Tenant, connect, merged, token, unix_s};
pub use raw::Raw;
pub use size::sized;

use std::path::PathBuf;
use std::time::Duration;

/// The longest that any single event may take on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The reference server named by the environment, or a visible line that says what is skipped.
pub fn reference(what: &str) -> Option<PathBuf> {
    match std::env::var_os("NATS_SERVER_REFERENCE") {
        Some(path) => Some(path.into()),
        None => {
            println!("SKIP: {what}: set NATS_SERVER_REFERENCE to a nats-server 2.14 binary");
            None
        }
    }
}

/// Copies a directory tree.
pub fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
