//! Subscriptions that reach into the accounts messages are imported from.

use std::sync::{Arc, Weak};

use crate::{Rewrite, StreamImport, SubjectSpace, Subscription};

/// What makes a subscription the image of another one, in an account that exports
/// (`server/client.go` `subscription.im`).
pub(crate) struct Shadow {
    /// The import that it belongs to.
    pub(crate) import: Arc<StreamImport>,
    /// The subscription that it is an image of; counts and limits are there.
    pub(crate) of: Weak<Subscription>,
    /// The account of that subscription.
    pub(crate) home: Weak<SubjectSpace>,
}

/// The pattern that a subscription to `pattern` has in the exporting account, if it takes part in
/// the import at all (`server/client.go` `addShadowSubscriptions`, `addShadowSub`).
pub(crate) fn pattern_in_exporter(import: &StreamImport, pattern: &[u8]) -> Option<Vec<u8>> {
    if pattern == &*import.to {
        return Some(import.from.to_vec());
    }
    if subject::is_subset(pattern, &import.to) {
        return Some(narrowed(import, pattern));
    }
    if !subject::has_wildcards(pattern) {
        return None;
    }
    if subject::is_subset(&import.to, pattern) {
        return Some(import.from.to_vec());
    }
    let both = overlap(pattern, &import.to);
    subject::is_subset(&both, &import.to).then(|| narrowed(import, &both))
}

/// A pattern within the import, as the exporting account has it.
fn narrowed(import: &StreamImport, pattern: &[u8]) -> Vec<u8> {
    match (&import.rewrite, &import.reverse) {
        (Rewrite::Same, _) => pattern.to_vec(),
        (_, Some(reverse)) => reverse.rewrite_pattern(pattern),
        (_, None) => import.from.to_vec(),
    }
}

/// `pattern` with its wildcards replaced by what the import says more exactly.
fn overlap(pattern: &[u8], import: &[u8]) -> Vec<u8> {
    let theirs: Vec<&[u8]> = import.split(|byte| *byte == b'.').collect();
    let mut tokens: Vec<&[u8]> = pattern.split(|byte| *byte == b'.').collect();
    let count = tokens.len();
    for (token, their) in tokens.iter_mut().zip(&theirs) {
        if *token == b"*" && *their != b">" {
            *token = their;
        }
    }
    if tokens.last() == Some(&b">".as_slice()) && theirs.len() >= count {
        tokens.pop();
        tokens.extend(theirs.get(count - 1..).unwrap_or_default());
    }
    tokens.join(&b'.')
}
