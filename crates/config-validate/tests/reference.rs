//! Compares what is said about config files with what nats-server says.
//!
//! Runs only when `NATS_SERVER_REFERENCE` names a nats-server 2.14 binary; otherwise every test
//! says so and passes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use config_validate::Options;

/// Texts on which both must agree to the letter; problems may come in any order.
const CORPUS: &[&str] = &[
    // the format
    "",
    "# nothing\n",
    "x",
    "x\n y ",
    "port: 4222\n",
    "port 4222 }",
    "{port: 4222, host: a}",
    "{\"port\": 4222, \"host\": \"a\"}}",
    "{port: 4222\n",
    "{port: 4222",
    "port: 4222;host: a",
    "server_tags: [a, \"b\"\n 'c' # d\n]",
    "server_tags: [a b]",
    "server_tags: [,]",
    "server_tags = [1k]\n",
    "a = [1\n",
    "m {",
    "m {a",
    "m {'a",
    "m {\"a",
    "m {= 1}",
    "m {]",
    "= 1",
    "m {a: ,}",
    "port = 1 2",
    "port =\n4222",
    "/x",
    "// x",
    "a = \"x",
    "a = 'x",
    "a = (\nx",
    "a = .5",
    "a = -.5",
    "a = -x",
    "a = 1.x",
    "a = 1.\n",
    "a = 201-5",
    "a = 2016-x",
    "a = 2016-05-04x",
    "a = 2016-13-04T18:53:41Z",
    "a = 2016-05-04T18:53:41Z",
    "a = \"\\q\"",
    "a = \"\\xg1\"",
    "a = \"\\x4\n\"",
    "server_name: \"a\\x41\\tb\"",
    "port = 9223372036854775808",
    "include [",
    "include {",
    "include (",
    "include 1",
    "include \\",
    "include \n",
    "include 'x",
    "include none.conf",
    "include inc.conf\n",
    "include ./bad.conf\n",
    "P = 4000\nport = $P\n",
    "port = $NOT_SET_ANYWHERE",
    "\nport = $NOT_SET_ANYWHERE",
    "server_name: (\nx\n)\nport: 1\n",
    "max_payload: 1kb, max_pending: 1Gib, max_control_line: 1k",
    "debug: on, trace: YES, logtime: False\n",
    "prof_port: 1\nPORT: 2\n",
    // keys of the top level
    "foo: 1",
    "port: 4222\n  foo {x: 1}\n",
    "port: x",
    "port: 1.5",
    "host: 1",
    "debug: 1",
    "host: {}",
    "listen: nohost",
    "listen: 'a:b:1'",
    "listen: '[a:1'",
    "listen: 'a:x'",
    "http: []",
    "listen: 0.0.0.0:-1",
    "max_payload: 2147483648",
    "MAX_PAYLOAD: 2147483648",
    "max_control_line: 2147483648",
    "max_sub_tokens: 256",
    "max_sub_tokens: 0",
    "max_payload: '1MB'",
    "ping_interval: 5",
    "ping_interval: x",
    "write_deadline: '5'",
    "write_deadline: 5y",
    "write_deadline: '1h2m'",
    "lame_duck_duration: '29.9s'",
    "lame_duck_duration: '30s'",
    "lame_duck_grace_period: '-1s'",
    "lame_duck_duration: 40",
    "write_timeout: never",
    "write_timeout: retry",
    "server_name: 'a b'",
    "server_metadata: 1",
    "server_metadata {k: v}",
    "feature_flags {f: 1}",
    "write_deadline: 5\nfoo: 1\nport: x\n",
    "system_account: 1",
    "no_auth_user: x",
    // JetStream
    "jetstream: true",
    "jetstream: Enabled",
    "jetstream: maybe",
    "jetstream: 1",
    "jetstream: []",
    "jetstream {}",
    "jetstream {foo: 1}",
    "jetstream {max_mem: \"1X\"}",
    "jetstream {max_mem: \"1k\"}",
    "jetstream {max_file: true}",
    "jetstream {max_file: xK}",
    "jetstream {max_mem: 1G, max_file: \"1G\", domain: d, store_dir: /x}",
    "jetstream {max_outstanding_catchup: x}",
    "jetstream {sync: x}",
    "jetstream {sync: 10}",
    "jetstream {sync_interval: always}",
    "jetstream {cipher: des}",
    "jetstream {max_buffered_msgs: x}",
    "jetstream {request_queue_limit: true}",
    "jetstream {meta_compact: -1}",
    "jetstream {meta_compact: x}",
    "jetstream {meta_compact_size: -5}",
    "jetstream {limits: 1}",
    "jetstream {limits {batch: 1}}",
    "jetstream {limits {foo: 1}}",
    "jetstream {limits {batch {foo: 1}}}",
    "jetstream {tpm: 1}",
    "jetstream {store: /a, store_dir: /b}",
    "jetstream {max_memory: 1}",
    "default_js_domain: 1",
    // authorization
    "authorization {user: a, password: b, timeout: 1.5}",
    "authorization {foo: 1}",
    "authorization {timeout: true}",
    "authorization {timeout: x}",
    "authorization {timeout: 100}",
    "authorization {timeout: '61s'}",
    "authorization {user: a, password: b, token: c}",
    "authorization {user: a, users: []}",
    "authorization {token: a, users: []}",
    "authorization {users: 1}",
    "authorization {users: [a]}",
    "authorization {users: [{pass: a}]}",
    "authorization {users: [{user: a, foo: 1}]}",
    "authorization {users: [{user: a}, {user: a}]}",
    "authorization {users: [{user: a, pass: $2a$11$abc}]}",
    "authorization {users: [{nkey: a}]}",
    "authorization {users: [{user: a, connection_types: [STANDARD, x, Y]}]}",
    "authorization {permissions: 1}",
    "authorization {permissions {foo: 1}}",
    "authorization {permissions {publish {foo: 1}}}",
    "authorization {permissions {publish {allow: [a, 'b c', 'd.>'], deny: e}}}",
    "authorization {permissions {publish {allow: 'a..b'}}}",
    "authorization {permissions {subscribe {allow: 'a..b q'}}}",
    "authorization {permissions {allow_responses: 1}}",
    "authorization {permissions {allow_responses: true}}",
    "authorization {permissions {allow_responses {max: 5, expires: '1m'}}}",
    "authorization {permissions {allow_responses {expires: 1}}}",
    "authorization {permissions {allow_responses {expires: x}}}",
    "authorization {permissions {allow_responses {foo: x}}}",
    "authorization {users: [{nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4}]}",
    // operators
    "operator: x",
    "operator: eyJx",
    "operator: 1",
    "operators: [x, y]",
    "trusted_keys: x",
    "trusted: [true]",
    "trusted: 1",
    "resolver: x",
    "resolver: 1",
    "resolver: MEMORY",
    "resolver {type: mem}",
    "resolver {type: x}",
    "resolver {type: full, dir: '/tmp', ttl: '1m'}",
    "resolver {type: full, dir: '/tmp', hard_delete: true}",
    "resolver {type: full, dir: '/tmp', interval: x}",
    "resolver {type: cache, dir: '/tmp', interval: '1m', allow_delete: true, hard_delete: true}",
    "resolver_preload: 1",
    "resolver_preload {A: x}",
    "resolver_preload {A: 1}",
    "resolver_pinned_accounts: 1",
    "resolver_pinned_accounts: [true]",
    // accounts
    "accounts: [A, B]",
    "accounts: [A, A]",
    "accounts: [$G]",
    "accounts {A: 1}",
    "accounts {$G {}}",
    "accounts {A {foo: 1}}",
    "accounts {A {users: [{user: a}]}, B {users: [{user: b}]}}",
    "accounts {A {nkey: x}}",
    "accounts {A {jetstream {foo: 1}}}",
    "accounts {A {jetstream {mem: \"1K\"}}}",
    "accounts {A {jetstream {max_bytes: 1}}}",
    "accounts {A {jetstream {cluster_traffic: x}}}",
    "accounts {A {jetstream {cluster_traffic: 1}}}",
    "accounts {A {jetstream {mem: 1K, disk: 2K}}}",
    "accounts {A {limits: 1}}",
    "accounts {A {limits {foo: 1}}}",
    "accounts {A {limits {max_conn: 1, max_subs: 2}}}",
    "accounts {P: secret, A {users: [{user: a, password: $P}]}}",
    "accounts {A {exports: 1}}",
    "accounts {A {imports: 1}}",
    "accounts {A {exports: [{service: 1}]}}",
    "accounts {A {exports: [{service: a, response: x}]}}",
    "accounts {A {exports: [{service: a, threshold: x}]}}",
    "accounts {A {exports: [{stream: a, accounts: [X]}]}}",
    "accounts {A {exports: [{service: a, latency {sampling: 101, subject: l}}]}}",
    "accounts {A {exports: [{service: a, latency {sampling: 5}}]}}",
    "accounts {A {exports: [{service: a, latency: '*'}]}}",
    "accounts {A {exports: [{stream: 'a.b', account_token_position: 2}]}}",
    "accounts {A {exports: [{stream: 'a.>'}, {service: q}]}, B {imports: [{stream {account: A, \
     subject: 'a.x'}, prefix: p}, {service {account: A, subject: q}, to: r}]}}",
    "accounts {A {exports: [{stream: 'a.*'}]}, B {imports: [{stream {account: A, subject: b}}]}}",
    "accounts {B {imports: [{stream {account: X, subject: b}}]}}",
    "accounts {B {imports: [{stream {account: X}}]}}",
    "accounts {B {imports: [{stream: X}]}}",
    "mappings {'a..b': c}",
    "mappings {a: 1}",
    "mappings {a {dest: b}}",
    "mappings {a {weight: 101}}",
    "mappings {a {weight: x}}",
    "mappings {a {foo: b}}",
    "mappings {a: [{dest: b, weight: 60}, {dest: c, weight: 41}]}",
    "mappings {'a.*': 'b.$2'}",
    "mappings {'a.*': 'b.$1'}",
    "accounts {A {msg_trace: 'a.*'}}",
    "accounts {A {msg_trace: 'a'}}",
    "accounts {A {msg_trace {dest: a, sampling: 0}}}",
    "accounts {A {msg_trace {sampling: 5}}}",
];

/// Texts that both refuse, here with a better message: a place, or a value instead of a mistake.
const BETTER_HERE: &[&str] = &[
    "jetstream {strict: 1}",
    "accounts {A {jetstream: x}}",
    "accounts {A {jetstream: 1}}",
    "accounts {A {exports: [1]}}",
    "a {b: }",
    "a = [\"",
];

/// Texts whose message depends on the reference's walk through a map.
const WALKED_IN_ANY_ORDER: &[&str] = &["jetstream {store: /a, store_dir: /b}"];

fn reference() -> Option<PathBuf> {
    let found = std::env::var_os("NATS_SERVER_REFERENCE").map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: NATS_SERVER_REFERENCE names no nats-server to compare with");
    }
    found
}

/// What nats-server says with `-t`, line by line.
fn theirs_of(binary: &Path, dir: &Path) -> BTreeSet<String> {
    let output = Command::new(binary)
        .args(["-c", "c.conf", "-t"])
        .current_dir(dir)
        .output()
        .expect("the reference runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // After some errors it stumbles over its own unset values, and says so.
    lines(text.strip_prefix("nats-server: ").unwrap_or(&text), |line| {
        !line.contains("nil pointer dereference")
    })
}

/// What this crate makes of the same file.
fn ours(dir: &Path) -> BTreeSet<String> {
    let path = dir.join("c.conf");
    let text = match Options::from_file(&path) {
        Ok(options) if options.warnings.is_empty() => {
            let digest = options.config_digest.expect("read from a file");
            format!("configuration file c.conf is valid ({digest})")
        }
        Ok(options) => options.warnings.iter().map(|warning| format!("{warning}\n")).collect(),
        Err(error) => error.to_string(),
    };
    // The reference ran inside the directory and shows bare names.
    lines(&text.replace(&format!("{}/", dir.display()), ""), |_| true)
}

fn lines(text: &str, keep: impl Fn(&str) -> bool) -> BTreeSet<String> {
    text.lines().filter(|line| !line.is_empty() && keep(line)).map(str::to_owned).collect()
}

#[test]
fn verdicts_and_messages_are_those_of_the_reference() {
    let Some(binary) = reference() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("inc.conf"), "port: 4222\n").expect("written");
    std::fs::write(dir.path().join("bad.conf"), "port: 4222\n  bad: 1\n").expect("written");
    let mut differences = Vec::new();
    for text in CORPUS {
        std::fs::write(dir.path().join("c.conf"), text).expect("written");
        let ours = ours(dir.path());
        let mut theirs = theirs_of(&binary, dir.path());
        // The reference walks a map in random order: of two mistakes it may name the other one.
        for _ in 0..20 {
            if theirs == ours || !WALKED_IN_ANY_ORDER.contains(text) {
                break;
            }
            theirs = theirs_of(&binary, dir.path());
        }
        if theirs != ours {
            differences.push(format!("{text:?}\n  reference: {theirs:?}\n  here:      {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_is_said_better_here_is_refused_by_both() {
    let Some(binary) = reference() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    for text in BETTER_HERE {
        std::fs::write(dir.path().join("c.conf"), text).expect("written");
        let (theirs, ours) = (theirs_of(&binary, dir.path()), ours(dir.path()));
        let refused =
            |lines: &BTreeSet<String>| !lines.iter().any(|line| line.contains("is valid"));
        assert!(refused(&theirs) && refused(&ours), "{text:?}: {theirs:?} {ours:?}");
        assert_ne!(theirs, ours, "{text:?} belongs to the other list");
    }
}
