//! Walking a subject index by a [`Filter`] of several patterns, each subject once.

use subject::{Flow, SubjectTree};

use crate::api::Filter;

/// Calls `visit` with every subject that matches, once, until it says stop. Byte order holds
/// within each pattern only.
pub(crate) fn each_match<V>(
    tree: &SubjectTree<V>,
    filter: &Filter,
    mut visit: impl FnMut(&[u8], &V) -> Flow,
) {
    if filter.is_all() {
        tree.for_each_until(visit);
        return;
    }
    let patterns = filter.patterns();
    for (at, pattern) in patterns.iter().enumerate() {
        let earlier = patterns.get(..at).unwrap_or_default();
        let flow = tree.match_until(pattern.as_bytes(), |literal, value| {
            if earlier.iter().any(|other| subject::matches(literal, other.as_bytes())) {
                return Flow::Continue;
            }
            visit(literal, value)
        });
        if flow == Flow::Stop {
            return;
        }
    }
}

/// Calls `visit` with every subject that matches, once, in byte order.
pub(crate) fn each_match_ordered<V>(
    tree: &SubjectTree<V>,
    filter: &Filter,
    mut visit: impl FnMut(&[u8], &V),
) {
    if filter.patterns().len() < 2 {
        each_match(tree, filter, |literal, value| {
            visit(literal, value);
            Flow::Continue
        });
        return;
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    each_match(tree, filter, |literal, _| {
        found.push(literal.to_vec());
        Flow::Continue
    });
    found.sort_unstable();
    for literal in &found {
        if let Some(value) = tree.get(literal) {
            visit(literal, value);
        }
    }
}

/// The one literal subject that the filter asks for, if it is that simple.
pub(crate) fn only_literal(filter: &Filter) -> Option<&[u8]> {
    match filter.patterns() {
        [only] if subject::is_literal(only.as_bytes()) => Some(only.as_bytes()),
        _ => None,
    }
}
