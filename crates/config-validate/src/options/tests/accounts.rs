//! Accounts, their limits, exports, imports and mappings.

use super::*;

fn account(block: &str) -> AccountOptions {
    options(&format!("accounts {{A {{{block}}}}}")).account("A").expect("there").clone()
}

#[test]
fn accounts_by_name_and_with_users() {
    let o = options("accounts: [A, B]");
    let names: Vec<&str> = o.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    let o = options(
        "accounts {A {users: [{user: a}], default_permissions {publish: x}}, \
         B {users: [{user: b, permissions {publish: y}}]}}",
    );
    let owners: Vec<_> =
        o.auth.users.iter().map(|u| (u.username.as_str(), u.account.as_deref())).collect();
    assert_eq!(owners, [("a", Some("A")), ("b", Some("B"))]);
    let allow = |at: usize| {
        let permissions: &Permissions = o.auth.users[at].permissions.as_ref().expect("given");
        permissions.publish.as_ref().and_then(|publish| publish.allow.clone())
    };
    assert_eq!((allow(0), allow(1)), (Some(vec!["x".into()]), Some(vec!["y".into()])));
    assert!(o.auth.is_required());
}

#[test]
fn the_system_account() {
    assert_eq!(options("system_account: S").effective_system_account(), Some("S"));
    assert_eq!(options("system: S").effective_system_account(), Some("S"));
    assert_eq!(options("no_sys_acc: true").effective_system_account(), None);
    let o = options("accounts {$SYS {users: [{user: s}]}}");
    assert_eq!(o.system_account.as_deref(), Some("$SYS"));
    // The only users are those of the system account: everybody else is in $G.
    assert!(o.auth.is_required() && o.admits_anonymous());
    assert!(!options("accounts {$SYS {users: [{user: s}]}, A {}}").admits_anonymous());
    assert!(!options("accounts {$SYS {users: [{user: s}]}}\nauthorization {}").admits_anonymous());
    assert!(!options("accounts {A {users: [{user: s}]}}").admits_anonymous());
    assert_eq!(error("system_account: 1"), "1:0: system account name must be a string");
}

#[test]
fn jetstream_of_an_account() {
    let unlimited = JetStreamAccountLimits::UNLIMITED;
    assert_eq!(account("").jetstream, None);
    assert_eq!(account("jetstream: false").jetstream, None);
    assert_eq!(account("jetstream: disabled").jetstream, None);
    for block in ["jetstream: true", "jetstream: enabled", "jetstream: Enable", "jetstream {}"] {
        assert_eq!(account(block).jetstream, Some(unlimited), "{block}");
    }
    let limits =
        |key: &str| account(&format!("jetstream {{{key}}}")).jetstream.expect("JetStream is on");
    for key in ["max_memory", "max_mem", "mem", "memory"] {
        assert_eq!(limits(&format!("{key}: 1KB")).max_memory, 1024, "{key}");
    }
    for key in ["max_store", "max_file", "max_disk", "store", "disk"] {
        assert_eq!(limits(&format!("{key}: 2k")).max_storage, 2000, "{key}");
    }
    let all = limits(
        "streams: 1, consumers: 2, max_ack_pending: 3, mem_max_stream_bytes: 4, \
         disk_max_stream_bytes: 5, max_bytes_required: true",
    );
    let wanted = JetStreamAccountLimits {
        max_streams: 1,
        max_consumers: 2,
        max_ack_pending: 3,
        memory_max_stream_bytes: 4,
        storage_max_stream_bytes: 5,
        max_bytes_required: true,
        ..unlimited
    };
    assert_eq!(all, wanted);
    assert_eq!(limits("max_streams: 0").max_streams, 0);
    assert_eq!(
        account("jetstream {cluster_traffic: owner}").cluster_traffic,
        ClusterTraffic::Owner
    );
    check_errors(&[
        (
            "accounts {A {jetstream {mem: \"1K\"}}}",
            "1:24: Expected a parseable size for \"mem\", got 1K",
        ),
        (
            "accounts {A {jetstream {max_bytes: 1}}}",
            "1:24: Expected a parseable bool for \"max_bytes\", got 1",
        ),
        (
            "accounts {A {jetstream {cluster_traffic: x}}}",
            "1:24: Expected 'system' or 'owner' string value for \"cluster_traffic\", got x",
        ),
        (
            "accounts {A {jetstream {cluster_traffic: 1}}}",
            "1:24: Expected either 'system' or 'owner' string value for \"cluster_traffic\", got 1",
        ),
        (
            "accounts {A {jetstream: x}}",
            "1:13: Expected 'enabled' or 'disabled' for string value, got 'x'",
        ),
        (
            "accounts {A {jetstream: 1}}",
            "1:13: Expected map, bool or string to define JetStream, got int64",
        ),
    ]);
}

#[test]
fn limits_of_an_account() {
    let limits = account("limits {max_conn: 1, max_subs: 2, max_pay: 0, max_leafs: -1}").limits;
    assert_eq!((limits.max_connections, limits.max_subscriptions), (Some(1), Some(2)));
    assert_eq!((limits.max_payload, limits.max_leafnodes), (Some(0), None));
    check_errors(&[
        ("accounts {A {limits: 1}}", "1:13: Expected account limits to be a map/struct, got 1"),
        ("accounts {A {limits {foo: 1}}}", "1:21: Unknown field \"foo\" parsing account limits"),
    ]);
}

#[test]
fn exports_and_imports() {
    let o = options(
        "accounts {
           A { exports: [
             {stream: 'a.>'}
             {stream: b, accounts: [B]}
             {service: 'q.*', response: stream, threshold: '1s', allow_trace: true
              latency {sampling: '50%', subject: lat}}
           ] }
           B { imports: [
             {stream {account: A, subject: 'a.x'}, prefix: p}
             {stream {account: A, subject: b}, to: c}
             {service {account: A, subject: 'q.1'}, to: r, share: true}
             {service {account: A, subject: 'q.2'}}
           ] }
         }",
    );
    let a = o.account("A").expect("there");
    let Export::Service(service) = &a.exports[2] else { panic!("{:?}", a.exports) };
    assert_eq!((service.response, service.allow_trace), (ResponseKind::Stream, true));
    assert_eq!(service.threshold, Some(Duration::from_secs(1)));
    let latency = ServiceLatency { sampling: Some(50), subject: "lat".into() };
    assert_eq!(service.latency, Some(latency));
    let Export::Stream(private) = &a.exports[1] else { panic!("{:?}", a.exports) };
    assert_eq!(private.accounts, Some(vec!["B".to_owned()]));
    let b = o.account("B").expect("there");
    let Import::Stream(stream) = &b.imports[0] else { panic!("{:?}", b.imports) };
    assert_eq!((stream.prefix.as_deref(), stream.to.as_deref()), (Some("p"), None));
    let Import::Service(service) = &b.imports[2] else { panic!("{:?}", b.imports) };
    assert_eq!((service.to.as_str(), service.share), ("r", true));
    let Import::Service(service) = &b.imports[3] else { panic!("{:?}", b.imports) };
    assert_eq!(service.to, "q.2");
    let deferred: Vec<&str> = o.deferred_keys.iter().map(|key| key.name.as_str()).collect();
    assert!(deferred.is_empty(), "{deferred:?}");
}

/// Account A offers what `exports` says, and B takes what `imports` says.
fn exchange_error(exports: &str, imports: &str) -> String {
    error(&format!("accounts {{A {{exports: [{exports}]}}, B {{imports: [{imports}]}}}}"))
        .split_once(": ")
        .map(|(_, text)| text.to_owned())
        .expect("a position")
}

#[test]
fn exports_that_contradict_themselves() {
    for (export, text) in [
        ("{stream: a, service: b}", "Detected service \"b\" but already saw a stream"),
        ("{service: a, stream: b}", "Detected stream \"b\" but already saw a service"),
        ("{stream: a, response: single}", "Detected response directive on non-service"),
        ("{latency: l, stream: a}", "Detected latency directive on non-service"),
        ("{stream: a, allow_trace: true}", "Detected allow_trace directive on non-service"),
        ("{service: a, response: x}", "Unknown response type: \"x\""),
        (
            "{service: a, response: single, response_type: single}",
            "Duplicate response type definition",
        ),
        (
            "{service: a, threshold: x}",
            "Expected response threshold to be a parseable time duration, got \"x\"",
        ),
        ("{service: 1}", "Expected service name to be string, got int64"),
        ("1", "Export Items should be a map with type entry, got int64"),
        ("{stream: a, foo: 1}", "unknown field \"foo\""),
        (
            "{service: a, latency {sampling: 101, subject: l}}",
            "bad sampling percentage, should be 1-100",
        ),
        ("{service: a, latency {sampling: 5}}", "Latency subject required, but missing"),
        (
            "{service: a, latency: '*'}",
            "Error adding service latency sampling for \"a\" on subject \"*\": invalid publish \
             subject",
        ),
        ("{stream: a, accounts: [X]}", "\"X\" account not defined for stream export"),
        (
            "{stream: 'a.b', account_token_position: 2}",
            "Error adding stream export \"a.b\": sublist: invalid subject",
        ),
    ] {
        assert_eq!(exchange_error(export, ""), text, "{export}");
    }
    check_errors(&[
        ("accounts {A {exports: 1}}", "1:13: Exports should be an array, got int64"),
        ("accounts {A {imports: 1}}", "1:13: Imports should be an array, got int64"),
    ]);
}

#[test]
fn imports_need_an_export_that_grants_them() {
    let exports = "{stream: 'a.*'}, {stream: b, accounts: [A]}, {service: s}, \
                   {stream: 'p.*', account_token_position: 2}";
    for (import, text) in [
        (
            "{stream {account: A, subject: x}}",
            "Error adding stream import \"x\": stream import not authorized",
        ),
        (
            "{stream {account: A, subject: b}}",
            "Error adding stream import \"b\": stream import not authorized",
        ),
        (
            "{stream {account: A, subject: 'a.>'}}",
            "Error adding stream import \"a.>\": stream import not authorized",
        ),
        (
            "{stream {account: A, subject: 'p.A'}}",
            "Error adding stream import \"p.A\": stream import not authorized",
        ),
        (
            "{service {account: A, subject: 'a.x'}}",
            "Error adding service import \"a.x\": service import not authorized",
        ),
        ("{stream {account: X, subject: x}}", "\"X\" account not defined for stream import"),
        (
            "{stream {account: A, subject: 'a.x'}}, {stream {account: A, subject: 'a.x'}}",
            "Error adding stream import \"a.x\": stream import already exists",
        ),
        (
            "{service {account: A, subject: s}}, {service {account: A, subject: s}}",
            "Duplicate service import subject \"s\", previously used in import for account \"A\", \
             subject \"s\"",
        ),
        (
            "{stream {account: A, subject: 'a.x'}, prefix: 'p.>'}",
            "Error adding stream import \"a.x\": stream import prefix can not contain wildcard \
             tokens",
        ),
        (
            "{stream {account: A, subject: 'a.x'}, prefix: p, to: t}",
            "Stream import can not have a 'prefix' and a 'to' property",
        ),
        ("{stream {account: A}}", "Expect an account name and a subject"),
        ("{stream: A}", "Stream entry should be an account map, got string"),
        (
            "{service {account: A, subject: s}, allow_trace: true}",
            "Detected allow_trace directive on a non-stream",
        ),
    ] {
        assert_eq!(exchange_error(exports, import), text, "{import}");
    }
    options(&format!(
        "accounts {{A {{exports: [{exports}]}}, B {{imports: [{{stream {{account: A, subject: \
         'p.B'}}}}, {{stream {{account: A, subject: 'a.*'}}}}]}}}}"
    ));
}

#[test]
fn imports_must_not_lead_back() {
    let cycles = [
        // Services of three accounts in a ring.
        (
            "accounts {
               A { exports: [{service: help}], imports: [{service {account: C, subject: help}}] }
               B { exports: [{service: help}], imports: [{service {account: A, subject: help}}] }
               C { exports: [{service: help}], imports: [{service {account: B, subject: help}}] }
             }",
            "1:0: Error adding service import \"help\": import forms a cycle",
        ),
        // A wildcard meets a literal.
        (
            "accounts {
               A { exports: [{service: '*'}], imports: [{service {account: B, subject: help}}] }
               B { exports: [{service: help}], imports: [{service {account: A, subject: '*.a'}, to: help}] }
             }",
            "1:0: Error adding service import \"*.a\": service import not authorized",
        ),
        (
            "accounts {
               A { exports: [{service: '*'}], imports: [{service {account: B, subject: help}}] }
               B { exports: [{service: help}], imports: [{service {account: A, subject: '*'}}] }
             }",
            "1:0: Error adding service import \"*\": import forms a cycle",
        ),
        (
            "accounts {
               A { exports: [{stream: 's.>'}], imports: [{stream {account: B, subject: 's.>'}}] }
               B { exports: [{stream: 's.>'}], imports: [{stream {account: A, subject: 's.>'}}] }
             }",
            "1:0: Error adding stream import \"s.>\": import forms a cycle",
        ),
    ];
    for (text, wrong) in cycles {
        assert_eq!(error(text), wrong);
    }
    // The same accounts, but other subjects: no message can go around.
    options(
        "accounts {
           A { exports: [{service: a}], imports: [{service {account: B, subject: b}}] }
           B { exports: [{service: b}], imports: [{service {account: A, subject: a}}] }
         }",
    );
}

#[test]
fn imports_whose_wildcards_do_not_fit() {
    let stream = "accounts {
        A { exports: [{stream: 'a.*.*'}] }
        B { imports: [{stream {account: A, subject: 'a.*.*'}, to: 'b.$1'}] }
    }";
    assert!(error(stream).contains(
        "Error adding stream import \"a.*.*\": failed to create mapping transform for stream \
         import subject from \"a.*.*\" to \"b.$1\": invalid mapping destination: not using all of \
         the token wildcard(s) in b.$1"
    ));
    let service = "accounts {
        A { exports: [{service: 'a.*.*'}] }
        B { imports: [{service {account: A, subject: 'a.*.*'}, to: 'b.*'}] }
    }";
    assert!(error(service).contains(
        "Error adding service import \"a.*.*\": failed to create mapping transform for service \
         import subject from \"b.*\" to \"a.*.*\": invalid mapping destination: not using all of \
         the token wildcard(s) in b.$1"
    ));
}

#[test]
fn mappings() {
    let found = account(
        "mappings {a: b, 'c.*': {dest: 'd.$1', weight: '30%'}, \
         e: [{dest: f, weight: 60}, {dest: g, weight: 40, cluster: x}]}",
    )
    .mappings;
    let weights: Vec<_> = found
        .iter()
        .flat_map(|m| {
            m.destinations.iter().map(|d| (m.source.as_str(), d.subject.as_str(), d.weight))
        })
        .collect();
    assert_eq!(weights, [("a", "b", 100), ("c.*", "d.$1", 30), ("e", "f", 60), ("e", "g", 40)]);
    assert_eq!(options("mappings {a: b}").account("$G").expect("there").mappings.len(), 1);
    check_errors(&[
        ("mappings {'a..b': c}", "1:0: Subject \"a..b\" is not a valid subject"),
        ("mappings {a: 1}", "1:10: Expected an entry for the mapping destination"),
        ("mappings {a {dest: b}}", "1:10: Missing weight for mapping destination \"b\""),
        ("mappings {a {dest: b, weight: 101}}", "1:22: Invalid weight 101 for mapping destination"),
        ("mappings {a {dest: b, weight: x}}", "1:22: Invalid weight \"x\" for mapping destination"),
        ("mappings {a {foo: b}}", "1:13: Unknown field \"foo\" for mapping destination"),
        (
            "mappings {a: [{dest: b, weight: 60}, {dest: c, weight: 41}]}",
            "1:10: Error adding mapping for \"a\" : total weight needs to be <= 100",
        ),
        (
            "mappings {a: [{dest: b, weight: 1}, {dest: b, weight: 1}]}",
            "1:10: Error adding mapping for \"a\" : duplicate entry for \"b\"",
        ),
    ]);
    // A destination that uses a token the source does not have.
    assert!(error("mappings {'a.*': 'b.$2'}").contains("for \"a.*\" to \"b.$2\" : "));
}

#[test]
fn message_tracing() {
    let trace = account("msg_trace: t").msg_trace;
    assert_eq!(trace, Some(MsgTrace { destination: "t".into(), sampling: 100 }));
    let trace = account("msg_trace {dest: t, sampling: '5%'}").msg_trace;
    assert_eq!(trace, Some(MsgTrace { destination: "t".into(), sampling: 5 }));
    let o = options("accounts {A {msg_trace {sampling: 5}}}");
    assert_eq!(o.warnings.len(), 1);
    assert_eq!(o.accounts[0].msg_trace, None);
    check_errors(&[
        ("accounts {A {msg_trace: 'a.*'}}", "1:13: Trace destination \"a.*\" is not valid"),
        (
            "accounts {A {msg_trace {dest: a, sampling: 0}}}",
            "1:33: Ttrace destination sampling value 0 is invalid, needs to be [1..100]",
        ),
    ]);
}

#[test]
fn what_is_no_account() {
    check_errors(&[
        ("accounts {$G {}}", "1:10: \"$G\" is a Reserved Account"),
        ("accounts: [A, A]", "1:14: Duplicate Account Entry: A"),
        ("accounts {A: 1}", "1:10: Expected map entries for accounts"),
        (
            "accounts {A {users: [{user: a}]}, B {users: [{user: a}]}}",
            "1:37: Duplicate user \"a\" detected",
        ),
        ("accounts {A {nkey: x}}", "1:13: Not a valid public nkey for an account: \"x\""),
    ]);
    // A key that only serves as a variable is no account.
    let o = options("accounts {P: secret, A {users: [{user: a, password: $P}]}}");
    assert_eq!((o.accounts.len(), o.auth.users[0].password.as_str()), (1, "secret"));
}
