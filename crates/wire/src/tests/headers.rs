//! Reading and editing header blocks, well formed and not.

use proptest::prelude::*;

use crate::headers::{self, HeaderBuilder, Status};

const BLOCK: &[u8] = b"NATS/1.0\r\nFoo: 1\r\nFoo-Bar:two \r\nfoo:   3\r\nEmpty:\r\nFoo: 4\r\n\r\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn lookup_is_case_sensitive_and_takes_the_first() {
    for (key, expected) in [
        ("Foo", Some("1")),
        ("foo", Some("3")),
        ("Foo-Bar", Some("two ")),
        ("Empty", Some("")),
        ("FOO", None),
        ("Fo", None),
        ("Bar", None),
        ("oo", None),
        ("NATS/1.0", None),
        ("", None),
    ] {
        assert_eq!(headers::get(BLOCK, key).map(text).as_deref(), expected, "{key}");
    }
    assert_eq!(headers::get(b"", "Foo"), None);
    assert_eq!(headers::get(b"Foo: 1\r\n\r\n", "Foo"), None, "the first line is the version");
    assert_eq!(headers::get(b"NATS/1.0\r\nFoo : 1\r\n\r\n", "Foo"), None);
    assert_eq!(headers::get(b"NATS/1.0\nFoo: 1\r\n\r\n", "Foo"), None, "lines end in CR LF");
    // A value that looks like a key, and one that is cut off.
    assert_eq!(headers::get(b"NATS/1.0\r\nA: B: 1\r\nB: 2\r\n\r\n", "B"), Some(b"2".as_slice()));
    assert_eq!(headers::get(b"NATS/1.0\r\nA: b\nc", "A"), Some(b"b\nc".as_slice()));
}

#[test]
fn all_headers_in_order() {
    let all: Vec<(String, String)> =
        headers::iter(BLOCK).map(|(key, value)| (text(key), text(value))).collect();
    let expected = [("Foo", "1"), ("Foo-Bar", "two"), ("foo", "3"), ("Empty", ""), ("Foo", "4")];
    assert_eq!(all, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(headers::iter(headers::EMPTY).count(), 0);
    assert_eq!(headers::iter(b"NATS/1.0\r\nno colon\r\n: no key\r\n\r\n").count(), 0);
}

#[test]
fn status_lines() {
    for (block, expected) in [
        ("NATS/1.0 503\r\n\r\n", Some((503, ""))),
        ("NATS/1.0 100 FlowControl Request\r\n\r\n", Some((100, "FlowControl Request"))),
        ("NATS/1.0 409  Consumer Deleted \r\nA: b\r\n\r\n", Some((409, "Consumer Deleted"))),
        ("NATS/1.0 404", Some((404, ""))),
        ("NATS/1.0\r\n\r\n", None),
        ("NATS/1.0 \r\n", None),
        ("NATS/1.0 50\r\n", None),
        ("NATS/1.0 5034\r\n", None),
        ("NATS/1.0 x03\r\n", None),
        ("HTTP/1.1 200\r\n", None),
        ("", None),
    ] {
        let expected = expected.map(|(code, words)| Status { code, description: words.as_bytes() });
        assert_eq!(headers::status(block.as_bytes()), expected, "{block:?}");
    }
}

#[track_caller]
fn edited(block: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut block = block.to_vec();
    edit(&mut block);
    text(&block)
}

#[test]
fn setting() {
    let set = |block: &[u8], value: &str| {
        edited(block, |block| headers::set(block, "K", value.as_bytes()))
    };
    assert_eq!(set(b"", "v"), "NATS/1.0\r\nK: v\r\n\r\n");
    assert_eq!(set(headers::EMPTY, "v"), "NATS/1.0\r\nK: v\r\n\r\n");
    assert_eq!(set(b"NATS/1.0 503 x\r\n\r\n", "v"), "NATS/1.0 503 x\r\nK: v\r\n\r\n");
    assert_eq!(set(b"NATS/1.0\r\nA: 1\r\n\r\n", "v"), "NATS/1.0\r\nA: 1\r\nK: v\r\n\r\n");
    let two = b"NATS/1.0\r\nK:  old\r\nA: 1\r\nK:x\r\n\r\n";
    assert_eq!(set(two, "longer"), "NATS/1.0\r\nK: longer\r\nA: 1\r\nK:x\r\n\r\n");
    assert_eq!(set(b"NATS/1.0\r\nK:old\r\n\r\n", ""), "NATS/1.0\r\nK:\r\n\r\n");
    assert_eq!(set(headers::EMPTY, "a\r\nEvil: 1"), "NATS/1.0\r\nK: a  Evil: 1\r\n\r\n");
    assert_eq!(set(b"NATS/1.0\r\nK: 1\r\n\r\n", "a\nb"), "NATS/1.0\r\nK: a b\r\n\r\n");
}

#[test]
fn removing() {
    assert_eq!(
        edited(BLOCK, |block| assert!(headers::remove(block, "Foo"))),
        "NATS/1.0\r\nFoo-Bar:two \r\nfoo:   3\r\nEmpty:\r\n\r\n"
    );
    assert_eq!(
        edited(BLOCK, |block| assert!(headers::remove_prefix(block, "Foo"))),
        "NATS/1.0\r\nfoo:   3\r\nEmpty:\r\n\r\n"
    );
    assert_eq!(edited(BLOCK, |block| assert!(!headers::remove(block, "Fo"))), text(BLOCK));
    assert_eq!(
        edited(BLOCK, |block| assert!(!headers::remove_prefix(block, "Nats-"))),
        text(BLOCK)
    );
    let one = b"NATS/1.0\r\nA: 1\r\n\r\n";
    assert_eq!(edited(one, |block| assert!(headers::remove(block, "A"))), "");
    let status = b"NATS/1.0 503\r\nA: 1\r\n\r\n";
    assert_eq!(
        edited(status, |block| assert!(headers::remove(block, "A"))),
        "NATS/1.0 503\r\n\r\n"
    );
    assert_eq!(edited(status, headers::remove_status), "NATS/1.0\r\nA: 1\r\n\r\n");
    assert_eq!(edited(b"NATS/1.0 503 No\r\n\r\n", headers::remove_status), "");
    assert_eq!(edited(one, headers::remove_status), text(one));
    assert_eq!(edited(b"x 1\r\n\r\n", headers::remove_status), "x 1\r\n\r\n");
    // The empty line at the end is no header: even the empty prefix leaves it.
    assert_eq!(
        edited(status, |block| assert!(headers::remove_prefix(block, ""))),
        "NATS/1.0 503\r\n\r\n"
    );
}

#[test]
fn building() {
    assert_eq!(HeaderBuilder::new().finish(), headers::EMPTY);
    let block = HeaderBuilder::with_status(409, "Batch Completed")
        .add_number("Nats-Pending-Messages", 0)
        .add("Nats-Pending-Bytes", u64::MAX.to_string())
        .add("Evil", "a\r\nb")
        .finish();
    assert_eq!(
        text(&block),
        "NATS/1.0 409 Batch Completed\r\nNats-Pending-Messages: 0\r\n\
         Nats-Pending-Bytes: 18446744073709551615\r\nEvil: a  b\r\n\r\n"
    );
    assert_eq!(text(&HeaderBuilder::with_status(503, "").finish()), "NATS/1.0 503\r\n\r\n");
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["A", "B", "AB", "Nats-X", "Nats-Y"])
}

proptest! {
    #[test]
    fn edits_agree_with_a_list(
        steps in prop::collection::vec((0..4u8, key(), "[a-c:]{0,5}"), 0..20),
    ) {
        let mut block = Vec::new();
        let mut list: Vec<(String, String)> = Vec::new();
        for (step, key, value) in steps {
            match step {
                0 | 1 => {
                    headers::set(&mut block, key, value.as_bytes());
                    match list.iter_mut().find(|(have, _)| have == key) {
                        Some((_, have)) => *have = value,
                        None => list.push((key.into(), value)),
                    }
                }
                2 => {
                    let before = list.len();
                    list.retain(|(have, _)| have != key);
                    prop_assert_eq!(headers::remove(&mut block, key), list.len() < before);
                }
                _ => {
                    let before = list.len();
                    list.retain(|(have, _)| !have.starts_with("Nats-"));
                    prop_assert_eq!(headers::remove_prefix(&mut block, "Nats-"), list.len() < before);
                }
            }
            let have: Vec<(String, String)> =
                headers::iter(&block).map(|(key, value)| (text(key), text(value))).collect();
            prop_assert_eq!(&have, &list);
            prop_assert!(block.is_empty() || block.ends_with(b"\r\n\r\n") && block.starts_with(b"NATS/1.0\r\n"));
            for (key, _) in &list {
                let first = list.iter().find(|(have, _)| have == key).map(|(_, value)| value.clone());
                prop_assert_eq!(headers::get(&block, key).map(text), first);
            }
        }
    }

    #[test]
    fn garbage_never_panics(
        garbage in prop::collection::vec(prop::sample::select(b"NATS/1.0 A:\r\n5".to_vec()), 0..60),
        version in any::<bool>(),
    ) {
        let mut block = if version { b"NATS/1.0\r\n".to_vec() } else { Vec::new() };
        block.extend(garbage);
        let _ = (headers::get(&block, "A"), headers::status(&block), headers::iter(&block).count());
        for edit in [
            (|block| headers::set(block, "A", b"x")) as fn(&mut Vec<u8>),
            |block| _ = headers::remove(block, "A"),
            |block| _ = headers::remove_prefix(block, "A"),
            headers::remove_status,
        ] {
            edit(&mut block.clone());
        }
        headers::set(&mut block, "Key", b"value");
        prop_assert_eq!(headers::get(&block, "Key"), Some(b"value".as_slice()));
    }
}
