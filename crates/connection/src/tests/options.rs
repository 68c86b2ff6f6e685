//! What CONNECT says.

use crate::connect::{ConnectOptions, redacted};

#[test]
fn later_connects_keep_what_they_leave_out() {
    let mut options = ConnectOptions::default();
    options.merge(br#"{"verbose":false,"name":"n","protocol":1,"user":"u","pass":"p"}"#).unwrap();
    options.merge(br#"{"echo":false,"NAME":"m","user":null,"headers":true}"#).unwrap();
    let expected = ConnectOptions {
        verbose: false,
        echo: false,
        headers: true,
        protocol: 1,
        user: "u".to_owned(),
        password: "p".to_owned(),
        name: "m".to_owned(),
        ..ConnectOptions::default()
    };
    assert_eq!(options, expected);
}

#[test]
fn bad_fields_are_named() {
    let error = ConnectOptions::default().merge(br#"{"Pass":1}"#).unwrap_err();
    assert!(error.to_string().contains("\"Pass\""), "{error}");
    for body in ["{", "", "[]", "1", "\"x\"", r#"{"jwt":{}}"#, r#"{"protocol":"1"}"#] {
        assert!(ConnectOptions::default().merge(body.as_bytes()).is_err(), "{body}");
    }
    let deep = format!("{{\"x\":{}}}", "[".repeat(100_000));
    assert!(ConnectOptions::default().merge(deep.as_bytes()).is_err());
}

#[test]
fn secrets_do_not_reach_the_log() {
    let body =
        br#"{"user":"u","Pass":"S1","password":"S2","auth_token":"S3","sig":"S4","jwt":"S5"}"#;
    let text = redacted(body);
    assert!(text.contains("\"user\":\"u\""), "{text}");
    assert!((1..=5).all(|n| !text.contains(&format!("S{n}"))), "{text}");
    assert!(!redacted(b"{\"pass\":\"S6\"").contains("S6"));
}
