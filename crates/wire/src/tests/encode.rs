//! The frames and `-ERR` texts, byte for byte.

use proptest::prelude::*;

use crate::{encode, err};

#[track_caller]
fn check(expected: &str, append: impl FnOnce(&mut Vec<u8>)) {
    // What is already there must stay.
    let mut out = b"x".to_vec();
    append(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("x{expected}"));
}

#[test]
fn frames() {
    check("MSG foo 1 5\r\nhello\r\n", |out| encode::msg(out, b"foo", b"1", None, b"hello"));
    check("MSG foo 1 _I.x 0\r\n\r\n", |out| encode::msg(out, b"foo", b"1", Some(b"_I.x"), b""));
    let headers = b"NATS/1.0\r\n\r\n";
    check("HMSG foo 9 12 14\r\nNATS/1.0\r\n\r\nok\r\n", |out| {
        encode::hmsg(out, b"foo", b"9", None, headers, b"ok");
    });
    check("HMSG foo 9 r 12 12\r\nNATS/1.0\r\n\r\n\r\n", |out| {
        encode::message(out, b"foo", b"9", Some(b"r"), headers, b"");
    });
    check("MSG foo 9 2\r\nok\r\n", |out| encode::message(out, b"foo", b"9", None, b"", b"ok"));
    check("PING\r\nPONG\r\n+OK\r\n", |out| {
        encode::ping(out);
        encode::pong(out);
        encode::ok(out);
    });
    check("-ERR 'Stale Connection'\r\n", |out| encode::err(out, err::STALE_CONNECTION));
    check("INFO {\"a\":1} \r\n", |out| encode::info(out, b"{\"a\":1}"));
}

#[test]
fn permission_texts() {
    assert_eq!(err::publish_violation(b"foo"), r#"Permissions Violation for Publish to "foo""#);
    assert_eq!(
        err::reply_violation(b"r"),
        r#"Permissions Violation for Publish with Reply of "r""#
    );
    assert_eq!(
        err::subscription_violation(b"foo.>", None),
        r#"Permissions Violation for Subscription to "foo.>""#
    );
    assert_eq!(
        err::subscription_violation(b"foo", Some(b"q")),
        r#"Permissions Violation for Subscription to "foo" using queue "q""#
    );
    assert_eq!(
        err::too_many_tokens(b"a.b"),
        r#"Permissions Violation for Subscription to "a.b", too many tokens"#
    );
    assert_eq!(
        err::subscription_revoked(b"foo", b"7"),
        r#"Permissions Violation for Subscription to "foo" (sid "7")"#
    );
}

#[test]
fn quoted_subjects_stay_on_one_line() {
    assert_eq!(
        err::publish_violation(b"a\"\\\r\n\t\x00\x07\x08\x0b\x0c\x1f\x7f\xff\xc3\xa9\xc2\x85 z"),
        r#"Permissions Violation for Publish to "a\"\\\r\n\t\x00\a\b\v\f\x1f\x7f\xffé\u0085 z""#
    );
}

proptest! {
    #[test]
    fn lengths_agree_with_formatting(
        headers in prop::collection::vec(any::<u8>(), 1..300),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        reply in prop::option::of("[a-z]{1,4}"),
    ) {
        let mut out = Vec::new();
        let reply_bytes = reply.as_deref().map(str::as_bytes);
        encode::hmsg(&mut out, b"s", b"12", reply_bytes, &headers, &payload);
        let reply = reply.map_or(String::new(), |reply| format!("{reply} "));
        let line = format!("HMSG s 12 {reply}{} {}\r\n", headers.len(), headers.len() + payload.len());
        prop_assert_eq!(out, [line.as_bytes(), &headers, &payload, b"\r\n"].concat());
    }
}
