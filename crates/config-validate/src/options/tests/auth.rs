//! Users, passwords, tokens and permissions.

use super::*;

fn auth(block: &str) -> AuthOptions {
    options(&format!("authorization {{{block}}}")).auth
}

fn permissions(block: &str) -> Permissions {
    let users = auth(&format!("users: [{{user: u, permissions {{{block}}}}}]")).users;
    (**users[0].permissions.as_ref().expect("permissions")).clone()
}

fn subjects(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn one_user_or_a_token() {
    let o = auth("user: u, password: p, timeout: 1.5");
    assert_eq!((o.user.as_deref(), o.password.as_deref()), (Some("u"), Some("p")));
    assert_eq!(o.timeout, Duration::from_millis(1500));
    assert!(o.is_required() && o.block_defined);
    assert_eq!(auth("token: t").token.as_deref(), Some("t"));
    assert_eq!(auth("username: u, pass: $2a$11$abc").password.as_deref(), Some("$2a$11$abc"));
    assert!(!auth("").is_required() && auth("").block_defined);
    assert!(!auth("users: []").is_required());
    for (value, time) in [("3", 3000), ("'250ms'", 250), ("0", 2000)] {
        let found = auth(&format!("timeout: {value}")).timeout;
        assert_eq!(found, Duration::from_millis(time), "{value}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let o = auth("users: [{user: u, password: secret}]");
    assert!(!format!("{o:?}").contains("secret"));
    assert!(!format!("{:?}", auth("user: u, password: secret")).contains("secret"));
    assert!(!format!("{:?}", auth("token: secret")).contains("secret"));
}

#[test]
fn long_timeouts_earn_a_warning() {
    assert!(options("authorization {timeout: 60}").warnings.is_empty());
    let o = options("authorization {timeout: '61s'}");
    assert_eq!(
        o.warnings[0].to_string(),
        ":1:15: invalid use of field \"timeout\": timeout of 61s (61.000000 seconds) is high, \
         consider keeping it under 60 seconds. possibly caused by unquoted duration; use '1m' \
         instead of 1m, for example"
    );
}

#[test]
fn several_users() {
    let o = auth(
        "users: [{user: a, password: x}, {username: b, pass: y, \
         allowed_connection_types: [standard, MQTT]}]",
    );
    let names: Vec<&str> = o.users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(o.users.iter().all(|user| user.account.is_none() && user.permissions.is_none()));
    let types: Vec<_> = o.users[1].allowed_connection_types.iter().copied().collect();
    assert_eq!(types, [ConnectionType::Standard, ConnectionType::Mqtt]);
}

#[test]
fn users_with_keys() {
    let key = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let o = auth(&format!("users: [{{nkey: {key}, permissions {{publish: a}}}}, {{user: b}}]"));
    let users: Vec<_> = o.users.iter().map(|user| (&*user.username, user.proof)).collect();
    assert_eq!(users, [(key, Proof::Signature), ("b", Proof::Password)]);
    assert!(o.users[0].permissions.is_some());
    let a = options(&format!("accounts {{A {{users: [{{nkey: {key}}}]}}}}, no_auth_user: {key}"));
    assert_eq!(a.auth.users[0].account.as_deref(), Some("A"));
    assert_eq!(a.auth.no_auth_user.as_deref(), Some(key));
}

#[test]
fn default_permissions_fill_gaps_wherever_they_stand() {
    for block in [
        "default_permissions {publish: a}, users: [{user: x}, {user: y, permissions {publish: b}}]",
        "users: [{user: x}, {user: y, permissions {publish: b}}], permissions {publish: a}",
    ] {
        let users = auth(block).users;
        let allow = |at: usize| {
            let permissions = users[at].permissions.clone().expect("permissions");
            permissions.publish.clone().expect("publish").allow
        };
        assert_eq!((allow(0), allow(1)), (Some(subjects(&["a"])), Some(subjects(&["b"]))));
    }
}

#[test]
fn subjects_allowed_and_denied() {
    let p = permissions("publish: foo, subscribe: ['bar.*', 'work.> q1']");
    assert_eq!(p.publish.expect("publish").allow, Some(subjects(&["foo"])));
    assert_eq!(p.subscribe.expect("subscribe").allow, Some(subjects(&["bar.*", "work.> q1"])));
    let p = permissions("pub {deny: a}, sub {allow: [b, c], deny: [d]}");
    let publish = p.publish.expect("publish");
    assert_eq!((publish.allow, publish.deny), (None, subjects(&["a"])));
    let subscribe = p.subscribe.expect("subscribe");
    assert_eq!(subscribe.allow, Some(subjects(&["b", "c"])));
    assert_eq!(subscribe.deny, subjects(&["d"]));
    // As in the reference, an empty list allows everything, and an empty block is none.
    assert_eq!(permissions("publish: []").publish, Some(SubjectPermission::default()));
    assert_eq!(permissions("publish {}").publish, None);
}

#[test]
fn answers_to_requests() {
    let p = permissions("allow_responses: true");
    let once = AllowResponses { max: Some(1), expires: Some(Duration::from_secs(120)) };
    assert_eq!(p.allow_responses, Some(once));
    // Then nothing else may be published ...
    assert_eq!(p.publish.expect("publish").allow, Some(Vec::new()));
    // ... unless a list says so, wherever it stands.
    for block in ["allow_responses: true, publish: x", "publish: x, allow_responses: true"] {
        let publish = permissions(block).publish.expect("publish");
        assert_eq!(publish.allow, Some(subjects(&["x"])), "{block}");
    }
    let publish = permissions("allow_responses: true, publish {deny: x}").publish.expect("publish");
    assert_eq!((publish.allow, publish.deny), (Some(Vec::new()), subjects(&["x"])));
    assert_eq!(permissions("allow_responses: false").publish, None);
    let responses = |block: &str| {
        permissions(&format!("allow_responses {{{block}}}")).allow_responses.expect("given")
    };
    assert_eq!(responses("max: 5, expires: '1m'").max, Some(5));
    assert_eq!(responses("max: 5, ttl: '1m'").expires, Some(Duration::from_secs(60)));
    assert_eq!(responses("max: -1, expires: '-1s'"), AllowResponses { max: None, expires: None });
    assert_eq!(responses("max: 0, expires: '0s'"), once);
}

#[test]
fn contradictions() {
    check_errors(&[
        (
            "authorization {user: a, password: b, token: c}",
            "1:0: Cannot have a user/pass and token",
        ),
        (
            "authorization {user: a, users: []}",
            "1:0: Can not have a single user/pass and a users array",
        ),
        ("authorization {token: a, users: []}", "1:0: Can not have a token and a users array"),
        ("authorization {users: [{user: a}, {user: a}]}", "1:0: Duplicate user \"a\" detected"),
        (
            "accounts {A {users: [{user: a}]}}\nauthorization {users: [{user: a}]}",
            "2:1: Duplicate user \"a\" detected",
        ),
        (
            "accounts {A {users: [{user: a}]}}\nauthorization {user: b}",
            "2:1: Can not have a single user/pass and a users array",
        ),
        (
            "authorization {user: b}\naccounts {A {users: [{user: a}]}}",
            "2:14: Can not have a single user/pass and accounts",
        ),
        (
            "authorization {token: b}\naccounts {A {users: [{user: a}]}}",
            "2:14: Can not have a token and accounts",
        ),
    ]);
}

#[test]
fn what_each_key_refuses() {
    check_errors(&[
        (
            "authorization {timeout: true}",
            "1:15: error parsing authorization config, 'timeout' wrong type",
        ),
        (
            "authorization {timeout: x}",
            "1:15: error parsing authorization config, 'timeout' time: invalid duration \"x\"",
        ),
        ("authorization {users: 1}", "1:15: Expected users field to be an array, got 1"),
        ("authorization {users: [a]}", "1:23: Expected user entry to be a map/struct, got a"),
        ("authorization {users: [{pass: a}]}", "1:24: User entry requires a user"),
        ("authorization {users: [{nkey: a}]}", "1:24: Not a valid public nkey for a user"),
        (
            "authorization {users: [{nkey: \
             UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4, user: a}]}",
            "1:88: Nkey users do not take usernames or passwords",
        ),
        (
            "k: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4, authorization {users: \
             [{nkey: $k}, {nkey: $k}]}",
            "1:61: Duplicate nkey \"UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4\" \
             detected",
        ),
        (
            "authorization {users: [{user: a, connection_types: [STANDARD, x, Y]}]}",
            "1:33: invalid connection types [\"X\" \"Y\"]",
        ),
        ("authorization {permissions: 1}", "1:15: Expected permissions to be a map/struct, got 1"),
        ("authorization {permissions {foo: 1}}", "1:28: Unknown field \"foo\" parsing permissions"),
        (
            "authorization {permissions {publish {foo: 1}}}",
            "1:37: Unknown field name \"foo\" parsing subject permissions, only 'allow' or 'deny' \
             are permitted",
        ),
        (
            "authorization {permissions {publish: 1}}",
            "1:28: Expected subject permissions to be a subject, or array of subjects, got int64",
        ),
        (
            "authorization {permissions {publish: [1]}}",
            "1:38: Subject in permissions array cannot be cast to string",
        ),
        (
            "authorization {permissions {publish: 'a..b'}}",
            "1:28: subject \"a..b\" is not a valid subject",
        ),
        (
            "authorization {permissions {subscribe: 'a..b q'}}",
            "1:28: subject \"a..b\" is not a valid subject",
        ),
        (
            "authorization {permissions {allow_responses: 1}}",
            "1:28: error parsing response permissions, expected a boolean or a map",
        ),
        (
            "authorization {permissions {allow_responses {expires: 1}}}",
            "1:45: error parsing expires, not a duration string",
        ),
        (
            "authorization {permissions {allow_responses {expires: x}}}",
            "1:45: error parsing expires: time: invalid duration \"x\"",
        ),
    ]);
}
