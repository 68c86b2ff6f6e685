//! The sublist against tables and against a list of all subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::model;
use crate::grammar::collide;
use crate::{InvalidSubject, MatchResult, Stats, Sublist};

type Ids = Vec<u32>;

/// Sorted plain matches and queue matches.
fn matching(list: &Sublist<u32>, subject: &str) -> (Ids, BTreeMap<String, Ids>) {
    let mut result = MatchResult::default();
    list.match_into(subject.as_bytes(), &mut result);
    result.plain.sort_unstable();
    let mut queues = BTreeMap::new();
    for mut queue in result.queues {
        queue.subs.sort_unstable();
        let name = String::from_utf8(queue.name.to_vec()).unwrap();
        assert!(queues.insert(name, queue.subs).is_none(), "a group comes once");
    }
    (result.plain, queues)
}

#[track_caller]
fn check(list: &Sublist<u32>, subject: &str, expected: &[u32]) {
    assert_eq!(matching(list, subject), (expected.to_vec(), BTreeMap::new()), "{subject}");
    assert_eq!(list.has_interest(subject.as_bytes()), !expected.is_empty(), "{subject}");
}

#[test]
fn wildcards_and_literals() {
    let mut list = Sublist::new();
    for (id, pattern) in ["foo", "foo.bar", "foo.*", "*.bar", "*.*", ">", "foo.>", "foo.*.baz", "*"]
        .iter()
        .enumerate()
    {
        list.insert(pattern.as_bytes(), None, id as u32).unwrap();
    }
    check(&list, "foo", &[0, 5, 8]);
    check(&list, "foo.bar", &[1, 2, 3, 4, 5, 6]);
    check(&list, "foo.bar.baz", &[5, 6, 7]);
    check(&list, "x", &[5, 8]);
    check(&list, "a.b", &[4, 5]);
    // A published wildcard is an ordinary token.
    check(&list, "foo.*", &[2, 4, 5, 6]);
    for nobody in ["", ".", "foo.", ".foo", "foo..bar"] {
        check(&list, nobody, &[]);
    }
}

#[test]
fn queue_groups_are_merged_across_patterns() {
    let mut list = Sublist::new();
    list.insert(b"foo", Some(b"q"), 1).unwrap();
    list.insert(b"foo", Some(b"q"), 2).unwrap();
    list.insert(b"*", Some(b"q"), 3).unwrap();
    list.insert(b">", Some(b"other"), 4).unwrap();
    list.insert(b"foo", None, 5).unwrap();
    let (plain, queues) = matching(&list, "foo");
    assert_eq!(plain, [5]);
    assert_eq!(queues, BTreeMap::from([("q".into(), vec![1, 2, 3]), ("other".into(), vec![4])]));
    assert_eq!(list.count_interest(b"foo"), (1, 4));
    assert_eq!(list.remove(b"foo", Some(b"q"), |id| *id == 3), None, "other pattern");
    assert_eq!(list.remove(b"foo", None, |id| *id == 1), None, "other group");
    assert_eq!(list.remove(b"foo", Some(b"q"), |id| *id == 1), Some(1));
    assert_eq!(list.remove(b"*", Some(b"q"), |id| *id == 3), Some(3));
    assert_eq!(matching(&list, "foo").1["q"], [2]);
}

#[test]
fn malformed_patterns_are_refused() {
    let mut list = Sublist::new();
    for pattern in ["", ".", "foo.", ".foo", "foo..bar", ">.foo", "foo.>.bar"] {
        assert_eq!(list.insert(pattern.as_bytes(), None, 1), Err(InvalidSubject), "{pattern}");
        assert_eq!(list.remove(pattern.as_bytes(), None, |_| true), None, "{pattern}");
    }
    assert!(list.is_empty());
    assert_eq!(list.stats(), Stats::default());
}

#[test]
fn counters() {
    let mut list = Sublist::new();
    list.insert(b"a", None, 1).unwrap();
    list.insert(b"a.*", None, 2).unwrap();
    assert_eq!(list.remove(b"a", None, |id| *id == 1), Some(1));
    assert_eq!(list.remove(b"a", None, |id| *id == 1), None);
    let expected = Stats { num_subscriptions: 1, num_inserts: 2, num_removes: 1 };
    assert_eq!(list.stats(), expected);
    assert_eq!(list.len(), 1);
}

#[test]
fn interest_in_a_pattern() {
    let mut list = Sublist::new();
    list.insert(b"foo.bar", None, 1).unwrap();
    list.insert(b"x.*.z", Some(b"q"), 2).unwrap();
    for pattern in ["foo.bar", "foo.*", "*.bar", ">", "x.y.z", "*.y.*", "x.>"] {
        assert!(list.has_interest_in_pattern(pattern.as_bytes()), "{pattern}");
    }
    for pattern in ["foo", "foo.baz", "*.baz", "foo.bar.>", "x.y", "x.*.y"] {
        assert!(!list.has_interest_in_pattern(pattern.as_bytes()), "{pattern}");
    }
}

#[test]
fn deep_patterns_neither_overflow_nor_linger() {
    let mut list = Sublist::new();
    let mut deep = "a.*.".repeat(30_000);
    deep.push('>');
    list.insert(deep.as_bytes(), None, 1).unwrap();
    let subject = "a.b.".repeat(30_000) + "c";
    assert!(list.has_interest(subject.as_bytes()));
    assert_eq!(list.remove(deep.as_bytes(), None, |_| true), Some(1));
    assert!(!list.has_interest(subject.as_bytes()));
    list.insert(deep.as_bytes(), None, 1).unwrap();
    drop(list);
}

#[test]
fn forks_beyond_the_inline_stack() {
    let mut list = Sublist::new();
    let mut expected = Vec::new();
    // Every combination of `a` and `*` in 12 places.
    for bits in 0..1u32 << 12 {
        let tokens: Vec<&str> =
            (0..12).map(|at| if bits >> at & 1 == 1 { "*" } else { "a" }).collect();
        list.insert(tokens.join(".").as_bytes(), None, bits).unwrap();
        expected.push(bits);
    }
    check(&list, &["a"; 12].join("."), &expected);
    check(&list, &["b"; 12].join("."), &[(1 << 12) - 1]);
}

#[test]
fn values_are_released() {
    let value = Arc::new(());
    let mut list = Sublist::new();
    for pattern in ["a", "a.*", "a.*.b", "a.>", "*.b.>"] {
        list.insert(pattern.as_bytes(), None, Arc::clone(&value)).unwrap();
        list.insert(pattern.as_bytes(), Some(b"q"), Arc::clone(&value)).unwrap();
    }
    list.remove(b"a.*", None, |have| Arc::ptr_eq(have, &value)).unwrap();
    assert_eq!(Arc::strong_count(&value), 10);
    drop(list);
    assert_eq!(Arc::strong_count(&value), 1);
}

fn queue() -> impl Strategy<Value = Option<&'static str>> {
    prop::sample::select(vec![None, None, Some("q"), Some("r")])
}

fn any_pattern() -> impl Strategy<Value = String> {
    prop_oneof![model::pattern(), model::literal()]
}

proptest! {
    #[test]
    fn agrees_with_a_list_of_subscriptions(
        inserts in prop::collection::vec((any_pattern(), queue()), 0..30),
        removals in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        subjects in prop::collection::vec(model::literal(), 1..12),
        pattern in model::pattern(),
    ) {
        let mut list = Sublist::new();
        let mut all: Vec<(String, Option<&str>, u32)> = Vec::new();
        for (id, (pattern, queue)) in inserts.into_iter().enumerate() {
            list.insert(pattern.as_bytes(), queue.map(str::as_bytes), id as u32).unwrap();
            all.push((pattern, queue, id as u32));
        }
        for removal in removals {
            let check = |list: &Sublist<u32>, all: &[(String, Option<&str>, u32)]| {
                for subject in &subjects {
                    let tokens = model::split(subject);
                    let hits = all.iter().filter(|(p, ..)| model::matches(&tokens, &model::split(p)));
                    let (mut plain, mut queues) = (Vec::new(), BTreeMap::<String, Ids>::new());
                    for (_, queue, id) in hits {
                        match queue {
                            None => plain.push(*id),
                            Some(name) => queues.entry((*name).into()).or_default().push(*id),
                        }
                    }
                    plain.sort_unstable();
                    queues.values_mut().for_each(|ids| ids.sort_unstable());
                    let interest = !plain.is_empty() || !queues.is_empty();
                    assert_eq!(list.has_interest(subject.as_bytes()), interest);
                    assert_eq!(matching(list, subject), (plain, queues));
                }
                let collides = all.iter().any(|(p, ..)| collide(p.as_bytes(), pattern.as_bytes()));
                assert_eq!(list.has_interest_in_pattern(pattern.as_bytes()), collides);
                let mut seen = Vec::new();
                list.for_each(|pattern, queue, id| {
                    seen.push((pattern.to_vec(), queue.map(<[u8]>::to_vec), *id));
                });
                seen.sort_by_key(|(.., id)| *id);
                let mut expected: Vec<_> = all
                    .iter()
                    .map(|(p, q, id)| (p.clone().into_bytes(), q.map(|q| q.as_bytes().to_vec()), *id))
                    .collect();
                expected.sort_by_key(|(.., id)| *id);
                assert_eq!(seen, expected);
                assert_eq!(list.len(), all.len());
            };
            check(&list, &all);
            if all.is_empty() {
                break;
            }
            let (pattern, queue, id) = all.swap_remove(removal.index(all.len()));
            let removed = list.remove(pattern.as_bytes(), queue.map(str::as_bytes), |have| *have == id);
            prop_assert_eq!(removed, Some(id));
        }
        for (pattern, queue, id) in all.drain(..) {
            prop_assert!(list.remove(pattern.as_bytes(), queue.map(str::as_bytes), |have| *have == id).is_some());
        }
        prop_assert!(list.holds_nothing(), "empty branches are pruned");
    }
}
