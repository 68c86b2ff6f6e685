//! Operator mode: its keys, and what they contradict.

use std::collections::BTreeSet;
use std::path::Path;

use nkeys::KeyPair;
use serde_json::{Value, json};

use super::*;

fn token(issuer: &KeyPair, claims: Value) -> String {
    match claims {
        Value::Object(claims) => jwt::encode(claims, issuer).expect("signed"),
        _ => panic!("claims are an object"),
    }
}

fn operator_with(key: &KeyPair, extra: Value) -> String {
    let mut nats = json!({"type": "operator"});
    for (name, value) in extra.as_object().expect("an object") {
        nats[name] = value.clone();
    }
    token(key, json!({"sub": key.public_key(), "name": "O", "nats": nats}))
}

fn operator() -> String {
    operator_with(&KeyPair::new_operator(), json!({}))
}

/// What is wrong with options as a whole.
fn problem(text: &str) -> Option<String> {
    validate(&mut options(text)).err().map(|error| error.to_string())
}

#[test]
fn an_operator_in_the_text_or_in_a_file() {
    let key = KeyPair::new_operator();
    let account = KeyPair::new_account().public_key();
    let inline = operator_with(&key, json!({"system_account": account}));
    let o = options(&format!("operator: {inline}\nresolver: MEMORY"));
    assert!(o.operator.is_on() && o.operator.keys().contains(&key.public_key()));
    assert_eq!(o.operator.resolver, Some(ResolverOptions::Memory));
    assert_eq!(o.system_account.as_deref(), Some(&*account), "as the operator has it");
    assert_eq!(problem(&format!("operator: {inline}\nresolver: MEM")), None);

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("op.jwt");
    let decorated =
        format!("-----BEGIN NATS OPERATOR JWT-----\n{inline}\n------END NATS OPERATOR JWT------\n");
    std::fs::write(&file, decorated).expect("written");
    let o = options(&format!("operators: ['{}', {}]", file.display(), operator()));
    let names: Vec<_> = o.operator.operators.iter().map(|op| &*op.common.name).collect();
    assert_eq!(names, ["O", "O"]);
    assert_eq!(o.system_account, None, "of several none is the operator");
}

#[test]
fn tokens_are_not_printed() {
    let inline = operator();
    let printed = format!("{:?}", options(&format!("operator: {inline}")));
    assert!(!printed.contains(&inline), "{printed}");
}

#[test]
fn what_cannot_be_read() {
    check_errors(&[
        ("operator: x", "1:0: error parsing operator JWT: open x: no such file or directory"),
        ("operator: eyJx", "1:0: error parsing operator JWT: expected 3 chunks"),
        ("operator: 1", "1:0: error parsing operators: unsupported type int64"),
        ("trusted_keys: x", "1:0: trust key \"x\" required to be a valid public operator nkey"),
        ("trusted: 1", "1:0: error parsing trusted: unsupported type int64"),
        (
            "resolver: x",
            "1:0: error parsing account resolver, should be MEM or  URL(\"url\") or a map \
             containing dir and type state=[FULL|CACHE])",
        ),
        (
            "resolver: 'URL(http://localhost:1/x)'",
            "1:0: account resolvers of type URL are not supported yet by this server",
        ),
        ("resolver {type: full}", "1:0: dir has no value and needs to point to a directory"),
        ("resolver {type: full, dir: x, ttl: '1m'}", "1:0: FULL does not accept ttl"),
        (
            "resolver {type: full, dir: x, hard_delete: true}",
            "1:0: hard_delete has no effect without delete",
        ),
        ("resolver {type: cache, dir: x, interval: '1m'}", "1:0: CACHE does not accept sync"),
        ("resolver_preload: 1", "1:0: preload should be a map of account_public_key:account_jwt"),
        ("resolver_preload {A: x}", "1:18: invalid account JWT"),
        ("resolver_preload {A: 1}", "1:18: preload map value should be a string JWT"),
        (
            "resolver_pinned_accounts: 1",
            "1:0: error parsing resolver_pinned_accounts: unsupported type int64",
        ),
    ]);
}

#[test]
fn a_directory_of_tokens() {
    let o = options(
        "resolver {type: full, dir: /x/y, allow_delete: true, interval: '10s', limit: 1000, \
         timeout: '1.9s'}",
    );
    let wanted = DirectoryResolver {
        coverage: Coverage::Full,
        dir: Path::new("/x/y").to_owned(),
        deletion: Deletion::Renames,
        limit: Some(1000),
        interval: Some(Duration::from_secs(10)),
        ttl: None,
        timeout: Some(Duration::from_millis(1900)),
    };
    assert_eq!(o.operator.resolver, Some(ResolverOptions::Directory(wanted)));
}

#[test]
fn what_contradicts_itself() {
    let op = operator();
    let a = KeyPair::new_account().public_key();
    let with_system = operator_with(&KeyPair::new_operator(), json!({"system_account": a}));
    let with_url =
        operator_with(&KeyPair::new_operator(), json!({"account_server_url": "http://h/jwt"}));
    let future =
        operator_with(&KeyPair::new_operator(), json!({"assert_server_version": "99.0.0"}));
    let key = KeyPair::new_operator().public_key();
    for (text, wanted) in [
        (format!("operator: {op}"), "operators require an account resolver to be configured"),
        (
            format!("operator: {with_url}"),
            "operators require an account resolver to be configured, and those of type URL (the \
             operator's account_server_url) are not supported yet by this server",
        ),
        (
            format!("operator: {op}, resolver: MEM, accounts {{A {{}}}}"),
            "operators do not allow Accounts to be configured directly",
        ),
        (
            format!("operator: {op}, resolver: MEM, authorization {{users: [{{user: a}}]}}"),
            "operators do not allow users to be configured directly",
        ),
        (
            format!("operator: {op}, resolver: MEM, trusted_keys: {key}"),
            "conflicting options for 'TrustedKeys' and 'TrustedOperators'",
        ),
        (
            format!("operator: {with_system}, resolver: MEM, system_account: B"),
            "system_account in config and operator JWT must be identical",
        ),
        (
            format!("operator: {op}, resolver {{type: full, dir: x}}"),
            "using nats based account resolver - the system account needs to be specified in \
             configuration or the operator jwt",
        ),
        (
            format!("operator: {op}, resolver {{type: cache, dir: x}}"),
            "account resolvers of type CACHE are not supported yet by this server: there are no \
             other servers to ask",
        ),
        ("default_sentinel: x".to_owned(), "default sentinel requires operators and accounts"),
        (
            format!("operator: {op}, resolver: MEM, default_sentinel: x"),
            "default sentinel JWT not valid",
        ),
        (
            format!("operator: {op}, resolver: MEM, resolver_pinned_accounts: x"),
            "pinned account key \"x\" is not a valid public account nkey",
        ),
    ] {
        assert_eq!(problem(&text).as_deref(), Some(wanted), "{text}");
    }
    let text = problem(&format!("operator: {future}, resolver: MEM")).expect("refused");
    assert!(text.ends_with("expected major version 99 > server major version 2"), "{text}");
    let mut pinned = options(&format!(
        "operator: {with_system}, resolver: MEM, resolver_pinned_accounts: [{a}]"
    ));
    assert_eq!(validate(&mut pinned), Ok(()));
    assert_eq!(pinned.operator.pinned_accounts, Some(BTreeSet::from([a])));
}
