//! Validity, wildcards, and the three comparisons.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::model;
use crate::grammar::{
    Kind, collide, has_wildcards, is_literal, is_subset, is_valid_literal, is_valid_pattern, kind,
    matches, token_at, token_count, tokens,
};

#[track_caller]
fn check_kind(subject: &str, expected: Option<Kind>) {
    assert_eq!(kind(subject.as_bytes()), expected, "{subject:?}");
    assert_eq!(is_valid_pattern(subject.as_bytes()), expected.is_some(), "{subject:?}");
    assert_eq!(
        is_valid_literal(subject.as_bytes()),
        expected == Some(Kind::Literal),
        "{subject:?}"
    );
}

#[test]
fn kinds() {
    use Kind::{Literal, Wildcard};
    for literal in
        ["a", "foo", "foo.bar", "a*", "*a", "a*b", "a>", ">a", "a.>b", "a.**", ">>.b", "$JS.API"]
    {
        check_kind(literal, Some(Literal));
    }
    for wildcard in [">", "*", "a.>", "a.*", "*.a", "*.*", "a.*.b", "*.>", "a.*.>"] {
        check_kind(wildcard, Some(Wildcard));
    }
    for invalid in [
        "", ".", ".a", "a.", "a..b", ">.a", "a.>.b", ">.>", "a b", " ", "a. ", "a.\t", "a\n",
        "a\rb", "a.b\x0c",
    ] {
        check_kind(invalid, None);
    }
    // Bytes that are not UTF-8, and control characters other than white space, are accepted.
    assert_eq!(kind(b"a.\xff\x01"), Some(Literal));
}

#[test]
fn wildcards_are_whole_tokens_anywhere() {
    for subject in ["*", ">", "a.*", "a.>.b", "*.a", ".*"] {
        assert!(has_wildcards(subject.as_bytes()), "{subject}");
        assert!(!is_literal(subject.as_bytes()), "{subject}");
    }
    for subject in ["a", "a*", "*a.b", "a.>b"] {
        assert!(!has_wildcards(subject.as_bytes()), "{subject}");
        assert!(is_literal(subject.as_bytes()), "{subject}");
    }
    // Not literal for another reason.
    for subject in ["", ".", "a.", "a..b"] {
        assert!(!has_wildcards(subject.as_bytes()), "{subject}");
        assert!(!is_literal(subject.as_bytes()), "{subject}");
    }
    // White space is the business of `is_valid_literal`.
    assert!(is_literal(b"a b"));
}

#[test]
fn cutting_tokens() {
    let all: Vec<&[u8]> = tokens(b"foo..bar").collect();
    assert_eq!(all, [b"foo".as_slice(), b"", b"bar"]);
    assert_eq!(tokens(b"").count(), 1);
    for (subject, count) in [("", 0), ("a", 1), ("a.b", 2), (".", 2), ("a.b.c.d", 4)] {
        assert_eq!(token_count(subject.as_bytes()), count, "{subject}");
    }
    for (index, token) in [(0, ""), (1, "foo"), (2, "bar"), (3, "baz"), (4, "")] {
        assert_eq!(token_at(b"foo.bar.baz", index), token.as_bytes(), "{index}");
    }
}

#[test]
fn literal_matches() {
    for (literal, pattern) in [
        ("foo", "foo"),
        ("foo", "*"),
        ("foo", ">"),
        ("foo.bar", "foo.bar"),
        ("foo.bar", "foo.*"),
        ("foo.bar", "*.bar"),
        ("foo.bar", "*.*"),
        ("foo.bar", ">"),
        ("foo.bar.baz", "foo.>"),
        ("foo.bar.baz", "*.*.>"),
        ("foo.*", "foo.*"),
        ("foo.>", "foo.*"),
        ("foo*", "foo*"),
        ("foo>", "foo>"),
    ] {
        assert!(matches(literal.as_bytes(), pattern.as_bytes()), "{literal} {pattern}");
    }
    for (literal, pattern) in [
        ("foo", "bar"),
        ("foo", "foo.>"),
        ("foo", "foo.*"),
        ("foo.bar", "*"),
        ("foo.bar", "foo"),
        ("foo.bar.baz", "foo.*"),
        ("foo", "fo"),
        ("fo", "foo"),
        ("foo", "foo*"),
        ("foo.bar", "foo.bar*"),
        ("foo.bar", "foo>"),
        ("", ""),
        ("", ">"),
        ("a.", "a.*"),
    ] {
        assert!(!matches(literal.as_bytes(), pattern.as_bytes()), "{literal} {pattern}");
    }
}

#[test]
fn subsets() {
    for (inner, outer) in [
        ("foo.*", ">"),
        ("foo.*", "*.*"),
        ("foo.*", "foo.*"),
        ("foo.bar", "foo.*"),
        ("foo.>", ">"),
        ("foo.>", "*.>"),
        ("foo.>", "foo.>"),
        ("foo.bar.>", "foo.*.>"),
        (">", ">"),
        ("*", "*"),
        ("*", ">"),
    ] {
        assert!(is_subset(inner.as_bytes(), outer.as_bytes()), "{inner} {outer}");
    }
    for (inner, outer) in [
        ("foo.*", "foo.bar"),
        (">", "*"),
        (">", "*.>"),
        ("foo.>", "foo.*"),
        ("foo.>", "foo"),
        ("foo", "foo.>"),
        ("*.*", "*"),
        ("foo..bar", "foo.*.bar"),
    ] {
        assert!(!is_subset(inner.as_bytes(), outer.as_bytes()), "{inner} {outer}");
    }
}

#[test]
fn collisions() {
    for (a, b) in [
        ("foo.*", "foo.*.bar.>"),
        ("foo.*", "foo"),
        ("foo", "foo.>"),
        ("foo.*.bar", "foo.*.baz"),
        ("*.a", "*.b"),
    ] {
        assert!(!collide(a.as_bytes(), b.as_bytes()), "{a} {b}");
    }
    for (a, b) in [
        ("foo.*", "foo.*"),
        ("foo.*", "foo.bar"),
        ("foo.*.bar.>", "foo.>"),
        ("foo.*", "*.bar"),
        (">", "*"),
        ("foo.>", "*.bar.baz"),
        ("foo.bar", "foo.bar"),
    ] {
        assert!(collide(a.as_bytes(), b.as_bytes()), "{a} {b}");
        assert!(collide(b.as_bytes(), a.as_bytes()), "{b} {a}");
    }
}

static UNIVERSE: LazyLock<Vec<String>> = LazyLock::new(|| model::universe(5));

proptest! {
    #[test]
    fn kind_agrees_with_the_token_rules(subject in model::garbage()) {
        let parts = model::split(&subject);
        let valid = parts.iter().all(|t| !t.is_empty() && !t.contains([' ', '\r']))
            && parts.iter().rev().skip(1).all(|t| *t != ">");
        prop_assert_eq!(is_valid_pattern(subject.as_bytes()), valid);
        let wild = parts.iter().any(|t| *t == "*" || *t == ">");
        prop_assert_eq!(has_wildcards(subject.as_bytes()), wild);
        prop_assert_eq!(is_valid_literal(subject.as_bytes()), valid && !wild);
        prop_assert_eq!(
            is_literal(subject.as_bytes()),
            parts.iter().all(|t| !t.is_empty()) && !wild
        );
    }

    #[test]
    fn matching_agrees_with_recursion(literal in model::literal(), pattern in model::pattern()) {
        prop_assert_eq!(
            matches(literal.as_bytes(), pattern.as_bytes()),
            model::matches(&model::split(&literal), &model::split(&pattern))
        );
    }

    #[test]
    fn comparing_never_panics(a in model::garbage(), b in model::garbage()) {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        prop_assert_eq!(collide(a, b), collide(b, a));
        let _ = (matches(a, b), is_subset(a, b));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The definitions, over every literal of up to 5 tokens: as long as the longest pattern, which ends in `>`
    #[test]
    fn subset_and_collision_mean_what_they_say(a in model::pattern(), b in model::pattern()) {
        let (x, y) = (model::split(&a), model::split(&b));
        let (mut subset, mut collision) = (true, false);
        for literal in UNIVERSE.iter() {
            let tokens = model::split(literal);
            let (in_a, in_b) = (model::matches(&tokens, &x), model::matches(&tokens, &y));
            subset &= !in_a || in_b;
            collision |= in_a && in_b;
        }
        prop_assert_eq!(is_subset(a.as_bytes(), b.as_bytes()), subset);
        prop_assert_eq!(collide(a.as_bytes(), b.as_bytes()), collision);
    }
}
