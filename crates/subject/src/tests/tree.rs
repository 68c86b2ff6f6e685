//! The subject tree against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model;
use crate::{Flow, SubjectTree};

fn all<V: Clone>(tree: &SubjectTree<V>) -> Vec<(String, V)> {
    let mut found = Vec::new();
    tree.for_each(|subject, value| {
        found.push((String::from_utf8(subject.to_vec()).unwrap(), value.clone()));
    });
    found
}

fn matching<V: Clone>(tree: &SubjectTree<V>, pattern: &str) -> Vec<(String, V)> {
    let mut found = Vec::new();
    tree.match_pattern(pattern.as_bytes(), |subject, value| {
        found.push((String::from_utf8(subject.to_vec()).unwrap(), value.clone()));
    });
    found
}

fn tree(subjects: &[&str]) -> SubjectTree<usize> {
    let mut tree = SubjectTree::new();
    for (value, subject) in subjects.iter().enumerate() {
        assert_eq!(tree.insert(subject.as_bytes(), value), None);
    }
    tree
}

#[track_caller]
fn check(tree: &SubjectTree<usize>, pattern: &str, expected: &[&str]) {
    let found: Vec<String> =
        matching(tree, pattern).into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(found, expected, "{pattern}");
}

#[test]
fn wildcard_queries_come_in_order() {
    let tree = tree(&[
        "foo.bar.b",
        "foo.baz.a",
        "foo.bar.a",
        "foo.bar",
        "fo",
        "foo",
        "foo.baz.a.b",
        "x.bar.a",
    ]);
    check(
        &tree,
        ">",
        &["fo", "foo", "foo.bar", "foo.bar.a", "foo.bar.b", "foo.baz.a", "foo.baz.a.b", "x.bar.a"],
    );
    check(&tree, "foo.>", &["foo.bar", "foo.bar.a", "foo.bar.b", "foo.baz.a", "foo.baz.a.b"]);
    check(&tree, "foo.*", &["foo.bar"]);
    check(&tree, "*", &["fo", "foo"]);
    check(&tree, "*.bar.*", &["foo.bar.a", "foo.bar.b", "x.bar.a"]);
    check(&tree, "foo.*.a", &["foo.bar.a", "foo.baz.a"]);
    check(&tree, "foo.*.a.>", &["foo.baz.a.b"]);
    check(&tree, "*.*.*", &["foo.bar.a", "foo.bar.b", "foo.baz.a", "x.bar.a"]);
    check(&tree, "foo.bar.a", &["foo.bar.a"]);
    check(&tree, "foo.bar.c", &[]);
    check(&tree, "foo.ba", &[]);
    check(&tree, "foo.bar.a.*", &[]);
    check(&tree, "", &[]);
}

#[test]
fn replacing_and_changing() {
    let mut tree = tree(&["a", "a.b"]);
    assert_eq!(tree.insert(b"a.b", 7), Some(1));
    *tree.get_mut(b"a").unwrap() += 10;
    *tree.get_or_insert_with(b"a", || panic!("exists")) += 10;
    *tree.get_or_insert_with(b"c", || 1) += 1;
    assert_eq!(all(&tree), [("a".into(), 20), ("a.b".into(), 7), ("c".into(), 2)]);
    assert_eq!(tree.len(), 3);
    assert_eq!((tree.get(b"a."), tree.get(b""), tree.get(b"a.bc")), (None, None, None));
    tree.clear();
    assert!(tree.is_empty());
    assert_eq!(all(&tree), []);
    assert_eq!(tree.remove(b"a"), None);
}

#[test]
fn a_walk_can_stop() {
    let tree = tree(&["a", "b", "c"]);
    let mut seen = Vec::new();
    let end = tree.for_each_until(|subject, _| {
        seen.push(subject.to_vec());
        if subject == b"b" { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!((end, seen), (Flow::Stop, vec![b"a".to_vec(), b"b".to_vec()]));
    let mut count = 0;
    let end = tree.match_until(b"*", |_, _| {
        count += 1;
        Flow::Continue
    });
    assert_eq!((end, count), (Flow::Continue, 3));
}

#[test]
fn every_first_byte() {
    let mut tree = SubjectTree::new();
    for byte in 0..=255u8 {
        tree.insert(&[b'k', byte, b'x'], byte);
    }
    assert_eq!(tree.len(), 256);
    let mut last = None;
    tree.for_each(|subject, value| {
        assert_eq!(subject, [b'k', *value, b'x']);
        assert!(last.replace(*value) < Some(*value));
    });
    for byte in (0..=255u8).rev() {
        assert_eq!(tree.remove(&[b'k', byte, b'x']), Some(byte));
    }
    assert!(tree.is_empty());
}

#[test]
fn prefixes_of_each_other_do_not_overflow_the_stack() {
    let mut tree = SubjectTree::new();
    let long = vec![b'a'; 6_000];
    for len in 1..=long.len() {
        tree.insert(&long[..len], len);
    }
    let mut count = 0;
    tree.match_pattern(b"*", |subject, len| {
        assert_eq!(subject.len(), *len);
        count += 1;
    });
    assert_eq!(count, long.len());
    drop(tree);
}

#[test]
fn a_tree_that_lost_most_subjects_shrinks() {
    let mut tree = SubjectTree::new();
    let name = |n: usize| format!("orders.{}.{n}.and-a-long-end-of-it", n % 7);
    for n in 0..20_000 {
        tree.insert(name(n).as_bytes(), n);
    }
    for n in (0..20_000).filter(|n| n % 10 != 0) {
        assert_eq!(tree.remove(name(n).as_bytes()), Some(n));
    }
    let before = all(&tree);
    tree.shrink();
    assert_eq!(all(&tree), before);
    for n in (0..20_000).step_by(10) {
        assert_eq!(tree.remove(name(n).as_bytes()), Some(n));
    }
    assert!(tree.is_empty());
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(
        steps in prop::collection::vec((model::literal(), 0..5u8), 0..60),
        patterns in prop::collection::vec(model::pattern(), 1..6),
    ) {
        let mut tree = SubjectTree::new();
        let mut map = BTreeMap::new();
        for (at, (subject, step)) in steps.into_iter().enumerate() {
            let key = subject.as_bytes();
            match step {
                0 => prop_assert_eq!(tree.remove(key), map.remove(&subject)),
                1 => prop_assert_eq!(tree.insert(key, at), map.insert(subject, at)),
                2 => {
                    let value = *tree.get_or_insert_with(key, || at);
                    prop_assert_eq!(value, *map.entry(subject).or_insert(at));
                }
                3 => prop_assert_eq!(tree.get_mut(key), map.get_mut(&subject)),
                _ => tree.shrink(),
            }
            prop_assert_eq!(tree.len(), map.len());
        }
        let expected: Vec<(String, usize)> = map.clone().into_iter().collect();
        prop_assert_eq!(all(&tree), expected);
        for subject in map.keys() {
            prop_assert_eq!(tree.get(subject.as_bytes()), map.get(subject));
            // Literal "patterns" go the same way.
            prop_assert_eq!(matching(&tree, subject).len(), 1);
        }
        for pattern in patterns {
            let tokens = model::split(&pattern);
            let expected: Vec<(String, usize)> = map
                .iter()
                .filter(|(subject, _)| model::matches(&model::split(subject), &tokens))
                .map(|(subject, value)| (subject.clone(), *value))
                .collect();
            prop_assert_eq!(matching(&tree, &pattern), expected);
        }
        let keys: Vec<String> = map.keys().cloned().collect();
        for subject in keys {
            prop_assert_eq!(tree.remove(subject.as_bytes()), map.remove(&subject));
            let expected: Vec<(String, usize)> = map.clone().into_iter().collect();
            prop_assert_eq!(all(&tree), expected);
        }
        prop_assert!(tree.is_empty());
    }
}
