//! Subjects: their grammar, and the indexes that answer "who matches this subject?".
//!
//! What it does: checks subjects and patterns, compares them ([`grammar`]), indexes subscriptions
//! ([`Sublist`]) and stored subjects ([`SubjectTree`]), and rewrites subjects ([`Transform`]).
//!
//! State it owns: only the two indexes, which are plain values: no lock, no cache, no thread.
//! Whoever shares one wraps it.
//!
//! What it must not know: accounts, clients, messages, stores, time, I/O. A subscription is an
//! opaque clonable value here.
//!
//! Entry points: [`is_valid_literal`], [`is_valid_pattern`], [`matches()`], [`is_subset`],
//! [`collide`], [`Sublist::match_into`], [`SubjectTree::match_pattern`], [`Transform::apply`].
//!
//! Wire sources: `server/sublist.go`, `server/stree`, `server/subject_transform.go`.

pub mod grammar;
mod piece;
mod pool;
mod sublist;
mod transform;
mod tree;

pub use grammar::{
    Kind, Tokens, collide, has_wildcards, is_literal, is_subset, is_valid_literal,
    is_valid_pattern, kind, matches, token_at, token_count, tokens,
};
pub use sublist::{InvalidSubject, MatchResult, QueueMatch, Stats, Sublist};
pub use transform::{Transform, TransformError, number_wildcards, unnumber_wildcards};
pub use tree::{Flow, SubjectTree};

#[cfg(test)]
mod tests;
