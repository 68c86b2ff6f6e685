//! Transforms: what is accepted, and what they make of subjects.

use proptest::prelude::*;

use super::model;
use crate::TransformError::{
    BadSubject, IndexOutOfRange, InvalidArgument, InvalidDestination, NotAllWildcards,
    NotEnoughArguments, NotReversible, TooManyArguments, UnknownFunction,
};
use crate::{Transform, TransformError};

#[track_caller]
fn refused(source: &str, destination: &str, expected: TransformError) {
    assert_eq!(Transform::new(source, destination), Err(expected), "{source} {destination}");
}

#[track_caller]
fn check(source: &str, destination: &str, subject: &str, expected: &str) {
    let transform = Transform::new(source, destination).unwrap();
    assert_eq!(transform.apply_str(subject).as_deref(), Some(expected), "{source} {destination}");
}

#[test]
fn refusals() {
    for (source, destination) in [
        ("foo..", "bar"),
        ("foo.*", "bar.*"),
        ("foo.*", "bar.$1.>"),
        ("foo.>", "bar.baz"),
        ("foo.>.a", "b.>"),
        ("foo", "a..b"),
    ] {
        refused(source, destination, BadSubject);
    }
    refused("foo.*", "bar.$2", IndexOutOfRange("$2: [2]".into()));
    refused("foo.*", "foo.{{wildcard(2)}}", IndexOutOfRange("{{wildcard(2)}}: [2]".into()));
    refused("foo", "bla.{{wildcard(1)}}", IndexOutOfRange("{{wildcard(1)}}".into()));
    refused("foo", "bla.$1", IndexOutOfRange("$1".into()));
    refused("foo.*", "foo.{{unimplemented(1)}}", UnknownFunction("{{unimplemented(1)}}".into()));
    refused("foo.*", "foo.{{ wildcard5) }}", UnknownFunction("{{ wildcard5) }}".into()));
    refused("foo.*", "foo.{{splitLeft(2,2}}", UnknownFunction("{{splitLeft(2,2}}".into()));
    refused("foo.*", "foo.{{PARTITION(2)}}", UnknownFunction("{{PARTITION(2)}}".into()));
    refused("foo.*", "foo.{{wildcard()}}", NotEnoughArguments("{{wildcard()}}".into()));
    refused("foo.*", "foo.{{left(1)}}", NotEnoughArguments("{{left(1)}}".into()));
    refused("foo.*", "foo.{{random(1,2)}}", NotEnoughArguments("{{random(1,2)}}".into()));
    refused("foo.*", "foo.{{wildcard(1,2)}}", TooManyArguments("{{wildcard(1,2)}}".into()));
    refused("foo.*", "foo.{{split(1,-,-)}}", TooManyArguments("{{split(1,-,-)}}".into()));
    for token in [
        "{{partition()}}",
        "{{random()}}",
        "{{wildcard(foo)}}",
        "{{partition(2147483648)}}",
        "{{random(2147483648)}}",
        "{{partition(1,x)}}",
        "{{split(1, - )}}",
        "{{left(x,1)}}",
    ] {
        refused("foo.*", &format!("foo.{token}"), InvalidArgument(token.into()));
    }
    assert_eq!(
        Transform::new("foo.*", "bar.$2").unwrap_err().to_string(),
        "invalid mapping destination: wildcard index out of range in $2: [2]"
    );
}

#[test]
fn reversible_transforms_use_every_wildcard_and_nothing_else() {
    let refused = |source, destination, expected| {
        assert_eq!(Transform::new_reversible(source, destination), Err(expected), "{destination}");
    };
    refused("foo.*.*", "bar.$2", NotAllWildcards("bar.$2".into()));
    refused("foo.*", "foo.$foo", NotAllWildcards("foo.$foo".into()));
    refused("foo.*", "bar.{{Partition(2,1)}}", NotReversible("{{Partition(2,1)}}".into()));
    assert_eq!(
        NotReversible("x".into()).to_string(),
        "invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in x"
    );
    let there = Transform::new_reversible("foo.*.x.*", "bar.{{wildcard(2)}}.$1").unwrap();
    let back = there.reverse().unwrap();
    assert_eq!((back.source(), back.destination()), ("bar.*.*", "foo.$2.x.$1"));
    assert_eq!(there.apply_str("foo.a.x.b").unwrap(), "bar.b.a");
    assert_eq!(back.apply_str("bar.b.a").unwrap(), "foo.a.x.b");
    let rest = Transform::new_reversible("a.>", "b.c.>").unwrap().reverse().unwrap();
    assert_eq!(rest.apply_str("b.c.d").unwrap(), "a.d");
    assert_eq!(Transform::new("a.*", "b").unwrap().reverse(), None);
}

#[test]
fn mappings_have_stricter_text_and_fewer_functions() {
    assert_eq!(Transform::validate_mapping("foo.*", ""), Ok(()));
    assert_eq!(Transform::validate_mapping("foo.*", "bar.{{split(1,-)}}"), Ok(()));
    for (destination, expected) in [
        ("bar.{{left(1,2)}}", UnknownFunction("{{left(1,2)}}".into())),
        ("bar.{{right(1,2)}}", UnknownFunction("{{right(1,2)}}".into())),
        ("bar..a", InvalidDestination("".into())),
        ("bar.a b", InvalidDestination("a b".into())),
        (">.b", InvalidDestination("b".into())),
        ("bar.>", BadSubject),
        ("bar.$2", IndexOutOfRange("$2: [2]".into())),
    ] {
        assert_eq!(
            Transform::validate_mapping("foo.*", destination),
            Err(expected),
            "{destination}"
        );
    }
}

#[test]
fn rewriting() {
    check("", "prefix.>", "foo", "prefix.foo");
    check("foo", "", "foo", "foo");
    check("foo", "bar", "foo", "bar");
    check(">", ">", "foo.bar", "foo.bar");
    check("foo.*.bar.*.baz", "req.$2.$1", "foo.A.bar.B.baz", "req.B.A");
    check(
        "foo.*.bar.*.baz",
        "req.{{wildcard(2)}}.{{ Wildcard( 1 ) }}",
        "foo.A.bar.B.baz",
        "req.B.A",
    );
    check("baz.>", "my.pre.>", "baz.1.2.3", "my.pre.1.2.3");
    check("a.*.>", "$1.>", "a.b.c.d", "b.c.d");
    check("*", "foo.bar.$1", "foo", "foo.bar.foo");
    check("*", "$JS.$foo.$1", "x", "$JS.$foo.x");
    check("*", "{{splitfromleft(1,3)}}", "12345", "123.45");
    check("*", "{{SplitFromRight(1,3)}}", "12345", "12.345");
    check("*", "{{SliceFromLeft(1,3)}}", "1234567890", "123.456.789.0");
    check("*", "{{SliceFromLeft(1,3)}}", "123456", "123.456");
    check("*", "{{SliceFromRight(1,3)}}", "1234567890", "1.234.567.890");
    check("*", "{{SliceFromRight(1,3)}}", "123456", "123.456");
    check("*", "{{SliceFromRight(1,3)}}", "123", "123");
    check("*", "{{SliceFromLeft(1,0)}}", "123", "123");
    check("*", "{{SliceFromLeft(1,-1)}}", "123", "123");
    check("*", "{{split(1,-)}}", "-abc-def--ghi-", "abc.def.ghi");
    check("*", "{{split(1,-)}}", "abc-def--ghi-", "abc.def.ghi");
    check("*", "{{split(1,--)}}", "a--b-c", "a.b-c");
    check(
        "*.*",
        "{{split(2,-)}}.{{splitfromleft(1,2)}}",
        "foo.-abc-def--ghij-",
        "abc.def.ghij.fo.o",
    );
    for (function, expected) in [
        ("right(1,1)", "4"),
        ("right(1,3)", "234"),
        ("right(1,4)", "1234"),
        ("right(1,6)", "1234"),
        ("left(1,1)", "1"),
        ("left(1,3)", "123"),
        ("left(1,4)", "1234"),
        ("left(1,6)", "1234"),
    ] {
        check("*", &format!("{{{{{function}}}}}"), "1234", expected);
    }
}

/// The buckets are those every NATS server assigns.
#[test]
fn partitions() {
    check("*", "bar.{{partition(0)}}", "baz", "bar.0");
    check("*", "bar.{{partition(10, 0)}}", "foo", "bar.3");
    check("*.*", "bar.{{partition(10)}}", "foo.bar", "bar.6");
    check("*", "bar.{{partition(10)}}", "foo", "bar.3");
    check("*", "bar.{{partition(10,1)}}", "foo", "bar.3");
    check("*", "bar.{{partition(10)}}", "baz", "bar.0");
    check("*", "bar.{{partition(10)}}", "qux", "bar.9");
    check("foo.bar", "baz.{{partition(10)}}", "foo.bar", "baz.6");
    check("foo.baz", "qux.{{partition(10)}}", "foo.baz", "qux.4");
    check("test.subject", "result.{{partition(5)}}", "test.subject", "result.0");
}

#[test]
fn random_stays_below_its_ceiling() {
    let transform = Transform::new("*", "bar.{{random(6)}}").unwrap();
    let mut draws = [0u32, 2, 10, 12, u32::MAX].into_iter();
    let mut random = || draws.next().unwrap();
    for expected in ["bar.0", "bar.1", "bar.5", "bar.0", "bar.1"] {
        let have = transform.apply_with(b"qux", &mut random).unwrap();
        assert_eq!(String::from_utf8(have).unwrap(), expected);
    }
    let seen: std::collections::BTreeSet<String> =
        (0..500).map(|_| transform.apply_str("qux").unwrap()).collect();
    assert_eq!(seen.len(), 6, "{seen:?}");
    check("*", "bar.{{random(0)}}", "qux", "bar.0");
}

#[test]
fn what_does_not_match_is_left_alone() {
    let transform = Transform::new("foo.*", "bar.$1").unwrap();
    for subject in ["foo", "foo.a.b", "bar.a", "foo.", "foo.*", ""] {
        assert_eq!(transform.apply_str(subject), None, "{subject}");
    }
}

proptest! {
    #[test]
    fn never_panics_and_leaves_no_empty_tokens(
        source in model::pattern(),
        tokens in prop::collection::vec(prop::sample::select(vec![
            "$1", "$2", "$0", "x", "{{partition(3,1)}}", "{{partition(-3)}}", "{{split(1,a)}}", "{{left(2,1)}}",
            "{{SliceFromLeft(1,1)}}", "{{SplitFromRight(1,9)}}", "{{random(-2)}}", "{{wildcard(-9)}}", "{{split(1,)}}",
        ]), 1..4),
        subject in model::literal(),
    ) {
        let mut destination = tokens.join(".");
        if source.ends_with('>') {
            destination.push_str(".>");
        }
        if let Ok(transform) = Transform::new(&source, &destination) {
            let matched = crate::matches(subject.as_bytes(), source.as_bytes());
            match transform.apply_str(&subject) {
                // A token made of delimiters only leaves nothing.
                Some(have) if destination.contains("split(") => prop_assert!(!have.is_empty() || matched),
                Some(have) => prop_assert!(have.split('.').all(|token| !token.is_empty()), "{}", have),
                None => prop_assert!(!matched),
            }
        }
    }
}
