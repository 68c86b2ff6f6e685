//! Operator mode and users with keys: who is let in, what they get, and how tokens change; where
//! the reference is there, it must say the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use sha2::Digest as _;
use tests::{Login, Node, Operator, Raw, Setup, Tenant, connect, reference, token, unix_s};

const REFUSED: &str = "-ERR 'Authorization Violation'\r\n";

/// Runs the same on this server, on which it must come out as expected, and on the reference,
/// which must agree.
#[track_caller]
fn check_both(what: &str, setup: &Setup, run: impl Fn(&Node) -> Vec<String>, expected: &[&str]) {
    assert_eq!(run(&setup.clone().start()), expected, "{what}");
    if let Some(binary) = reference(what) {
        let theirs = run(&setup.clone().binary(&binary).start());
        assert_eq!(theirs, expected, "the reference: {what}");
    }
}

/// A config with these tokens in memory.
fn in_memory(operator: &Operator, system: &Tenant, accounts: &[(&Tenant, String)]) -> String {
    let preload: Vec<String> =
        accounts.iter().map(|(account, token)| format!("{}: {token}", account.public())).collect();
    format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}\n{}\n}}\n",
        operator.jwt(&json!({})),
        system.public(),
        format_args!("{}: {}", system.public(), operator.sign(system)),
        preload.join("\n")
    )
}

/// A config with these tokens in a directory.
fn in_directory(operator: &Operator, system: &Tenant, accounts: &[&Tenant]) -> String {
    let signed: Vec<_> = accounts.iter().map(|a| (*a, operator.sign(a))).collect();
    let resolver = "resolver {type: full, dir: \"$DIR/jwts\", allow_delete: true, interval: '1h'}";
    in_memory(operator, system, &signed).replace("resolver: MEMORY", resolver)
}

#[test]
fn who_is_let_in() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let signer = KeyPair::new_account();
    let scoped = KeyPair::new_account();
    let mut account = Tenant::new("A");
    let revoked = account.user();
    account.nats["signing_keys"] = json!([signer.public_key(), {
        "kind": "user_scope", "key": scoped.public_key(), "role": "r",
        "template": {"pub": {"allow": ["{{name()}}.>"]}, "allowed_connection_types": ["STANDARD"]}}]);
    account.nats["revocations"] = json!({revoked.public(): unix_s() + 5});
    let strict = Tenant::with_limits("STRICT", &json!({"disallow_bearer": true}));
    let foreign = Tenant::new("FOREIGN");
    let stranger = Tenant::new("STRANGER");
    let other = Operator::new();
    let config = in_memory(
        &operator,
        &system,
        &[
            (&account, operator.sign(&account)),
            (&strict, operator.sign(&strict)),
            (&foreign, other.sign(&foreign)),
        ],
    );
    let none = json!({});
    let with = |nats: Value| account.user_with(&account.key, &none, &nats);
    let bearer =
        |account: &Tenant| account.user_with(&account.key, &none, &json!({"bearer_token": true}));
    let now = unix_s();
    let logins: Vec<(&str, Login)> = vec![
        ("a user", account.user()),
        ("by a signing key", account.user_with(&signer, &none, &none)),
        ("by a scoped key", account.bare_user(&scoped, &none, &json!({"type": "user"}))),
        ("of a scope, with limits", account.user_with(&scoped, &none, &none)),
        ("by an unknown key", account.user_with(&KeyPair::new_account(), &none, &none)),
        ("revoked", revoked),
        ("expired", account.user_with(&account.key, &json!({"exp": now - 10}), &none)),
        ("not yet", account.user_with(&account.key, &json!({"nbf": now + 1000}), &none)),
        ("for others", with(json!({"allowed_connection_types": ["WEBSOCKET"]}))),
        ("for unknown kinds", with(json!({"allowed_connection_types": ["PIGEON"]}))),
        ("for this kind", with(json!({"allowed_connection_types": ["standard"]}))),
        ("from elsewhere", with(json!({"src": ["10.0.0.0/8"]}))),
        ("from here", with(json!({"src": ["10.0.0.0/8", "127.0.0.0/8"]}))),
        (
            "all day",
            with(json!({"times": [{"start": "00:00:00", "end": "23:59:59"},
            {"start": "12:00:00", "end": "11:59:59"}], "times_location": "Etc/UTC"})),
        ),
        ("a bearer", bearer(&account)),
        ("a bearer where none may be", bearer(&strict)),
        ("of an account of another operator", foreign.user()),
        ("of an unknown account", stranger.user()),
        ("of the system account", system.user()),
    ];
    let run = |node: &Node| {
        let mut said: Vec<String> = logins
            .iter()
            .map(|(what, login)| {
                let mut raw = login.dial(node.port());
                raw.try_send("PING\r\n");
                let line = raw.line();
                format!("{what}: {line}")
            })
            .collect();
        let mut info = Raw::connect(node);
        let nonce = info.info["nonce"].as_str().unwrap_or_default().to_owned();
        said.push(format!("{} {}", info.info["auth_required"], nonce.len()));
        let user = account.user();
        let bearer = bearer(&account);
        for fields in [
            "\"user\":\"a\",\"pass\":\"b\"".to_owned(),
            "\"jwt\":\"x.y.z\"".to_owned(),
            format!("\"jwt\":\"{}\"", user.jwt),
            format!("\"jwt\":\"{}\"", bearer.jwt),
            user.fields("another nonce"),
            user.fields(&nonce).replace("\"sig\":\"", "\"sig\":\"%"),
            format!("{},\"nkey\":\"{}\"", account.user().fields(&nonce), user.public()),
        ] {
            let mut raw = Raw::connect(node);
            raw.send(connect(&fields));
            raw.try_send("PING\r\n");
            said.push(raw.line());
        }
        info.send(connect(&user.fields(&nonce)));
        info.send("PING\r\n");
        said.push(info.line());
        said
    };
    let err = REFUSED.trim_end();
    let ok = |what: &str| format!("{what}: PONG");
    let no = |what: &str| format!("{what}: {err}");
    let expected = [
        ok("a user"),
        ok("by a signing key"),
        ok("by a scoped key"),
        no("of a scope, with limits"),
        no("by an unknown key"),
        no("revoked"),
        no("expired"),
        no("not yet"),
        no("for others"),
        no("for unknown kinds"),
        ok("for this kind"),
        no("from elsewhere"),
        ok("from here"),
        ok("all day"),
        ok("a bearer"),
        no("a bearer where none may be"),
        no("of an account of another operator"),
        no("of an unknown account"),
        ok("of the system account"),
        "true 15".to_owned(),
        err.to_owned(),
        err.to_owned(),
        err.to_owned(),
        "PONG".to_owned(),
        err.to_owned(),
        err.to_owned(),
        err.to_owned(),
        "PONG".to_owned(),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    // The last client's PONG comes behind the INFO that answers its CONNECT.
    let run = |node: &Node| run(node).into_iter().map(without_info).collect();
    check_both("who is let in", &Setup::core().config(&config), run, &expected);
}

/// A line that says INFO says no more than that a client was let in.
fn without_info(line: String) -> String {
    match line.find("INFO ") {
        Some(at) => format!("{}PONG", &line[..at]),
        None => line,
    }
}

#[test]
fn what_tokens_allow() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let mut account = Tenant::with_limits("A", &json!({"payload": 100, "subs": 3, "conn": 2}));
    account.nats["default_permissions"] = json!({"pub": {"deny": ["secret.>"]}});
    account.nats["mappings"] = json!({"old": [{"subject": "new"}]});
    let signed = operator.sign(&account);
    let config = in_memory(&operator, &system, &[(&account, signed)]);
    let run = |node: &Node| {
        let mut said = Vec::new();
        let none = json!({});
        let own = account.user_with(
            &account.key,
            &none,
            &json!({"payload": 10, "subs": 1, "pub": {"allow": ["a", "secret.b"]},
                    "sub": {"deny": ["q"]}}),
        );
        let mut first = own.client(node.port());
        let mut plain = account.user().client(node.port());
        said.push(account.user().refused(node.port()));
        // What the account gives to users that say nothing themselves.
        plain.send("SUB new 1\r\nPUB old 2\r\nhi\r\nPUB secret.x 0\r\n\r\n");
        said.extend(plain.sync());
        plain.send("SUB b 2\r\nSUB c 3\r\nSUB d 4\r\n");
        said.extend(plain.sync());
        first.send("SUB q 1\r\nSUB a 2\r\nSUB b 3\r\nPUB b 0\r\n\r\nPUB secret.b 0\r\n\r\n");
        said.extend(first.sync());
        first.try_send("PUB a 11\r\n01234567890\r\n");
        said.push(first.rest());
        plain.try_send(format!("PUB a 101\r\n{}\r\n", "x".repeat(101)));
        said.push(plain.rest());
        said
    };
    let expected = [
        "-ERR 'maximum account active connections exceeded'\r\n",
        "-ERR 'Permissions Violation for Publish to \"secret.x\"'",
        "MSG new 1 2",
        "hi",
        "-ERR 'maximum subscriptions exceeded'",
        "-ERR 'Permissions Violation for Subscription to \"q\"'",
        "-ERR 'maximum subscriptions exceeded'",
        "-ERR 'Permissions Violation for Publish to \"b\"'",
        "-ERR 'Maximum Payload Violation'\r\n",
        "-ERR 'Maximum Payload Violation'\r\n",
    ];
    // Errors go out at once, messages with their batch.
    let run = |node: &Node| {
        let mut said = run(node);
        said[1..4].sort();
        said
    };
    check_both("what tokens allow", &Setup::core().config(&config), run, &expected);
}

/// A client that was let in, unless its token had run out by then.
fn in_time(login: &Login, node: &Node) -> Option<Raw> {
    let mut raw = login.dial(node.port());
    raw.try_send("PING\r\n");
    let line = without_info(raw.line());
    (line == "PONG").then_some(raw)
}

/// What the server says until the end; in between it may look whether the client is there.
fn last_words(mut raw: Raw) -> String {
    raw.rest().replace("PING\r\n", "").replace("PONG\r\n", "")
}

#[test]
fn tokens_of_users_run_out() {
    let operator = Operator::new();
    let (system, account) = (Tenant::new("SYS"), Tenant::new("A"));
    let run = |node: &Node| {
        let mut stays = account.user().client(node.port());
        let leaves = (0..).find_map(|_| {
            let top = json!({"exp": unix_s() + 2});
            in_time(&account.user_with(&account.key, &top, &json!({})), node)
        });
        let said = leaves.map(last_words).unwrap_or_default();
        stays.send("PING\r\n");
        vec![said, stays.line()]
    };
    let config = in_memory(&operator, &system, &[(&account, operator.sign(&account))]);
    let expected = ["-ERR 'User Authentication Expired'\r\n", "PONG"];
    check_both("users run out", &Setup::core().config(&config), run, &expected);
}

#[test]
fn tokens_of_accounts_run_out() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let account = Tenant::new("A");
    let run = |node: &Node| {
        let mut sys = system.user().client(node.port());
        let user = account.user();
        let leaves = (0..).find_map(|_| {
            let top = json!({"exp": unix_s() + 2});
            let signed = operator.sign_with(&operator.key, &account, &top);
            let updated = answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &signed);
            assert!(updated.contains("jwt updated"), "{updated}");
            in_time(&user, node)
        });
        vec![leaves.map(last_words).unwrap_or_default(), user.refused(node.port())]
    };
    let config = in_directory(&operator, &system, &[&account]);
    let expected = ["-ERR 'Account Authentication Expired'\r\n", REFUSED];
    check_both("accounts run out", &Setup::core().config(&config), run, &expected);
}

/// An answer without the server's own part.
fn answer(client: &mut Raw, subject: &str, body: &str) -> String {
    let (_, body) = client.request(subject, body);
    match serde_json::from_str::<Value>(&body) {
        Ok(mut json) => {
            json.as_object_mut().unwrap().remove("server");
            json.to_string()
        }
        Err(_) => body,
    }
}

#[test]
fn tokens_change() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let signer = KeyPair::new_account();
    let mut account = Tenant::new("A");
    account.nats["signing_keys"] = json!([signer.public_key()]);
    let unused = Tenant::new("U");
    let config = in_directory(&operator, &system, &[&account, &unused]);
    let accounts = [system.public(), account.public(), unused.public()];
    let run = |node: &Node| {
        let mut said = Vec::new();
        let mut account = Tenant {
            key: KeyPair::from_seed(&account.key.seed().unwrap()).unwrap(),
            nats: account.nats.clone(),
            name: "A",
            issued_at: unix_s(),
        };
        let mut sys = system.user().client(node.port());
        let of = |name: &str, what: &str| format!("$SYS.REQ.ACCOUNT.{name}.CLAIMS.{what}");
        let name = account.public();
        // All that are there, and one of them.
        let mut names: Value =
            serde_json::from_str(&answer(&mut sys, "$SYS.REQ.CLAIMS.LIST", "")).unwrap();
        names["data"].as_array_mut().unwrap().sort_by_key(|name| name.to_string());
        let mut known = accounts.clone();
        known.sort();
        said.push((names["data"] == json!(known)).to_string());
        let there = answer(&mut sys, &of(&name, "LOOKUP"), "");
        said.push((there == operator.sign(&account) || there.starts_with("eyJ")).to_string());
        // All of them at once, as tools fetch them.
        sys.send("SUB pack 7\r\nPUB $SYS.REQ.CLAIMS.PACK pack 0\r\n\r\n");
        let mut hash = [0; 32];
        let mut packed = 0;
        loop {
            let (_, line) = sys.message();
            let Some((_, token)) = line.split_once('|') else { break };
            let own = sha2::Sha256::digest(token.as_bytes());
            hash.iter_mut().zip(own).for_each(|(all, own)| *all ^= own);
            packed += 1;
        }
        said.push(packed.to_string());
        // Who has them all gets nothing else.
        sys.send("PUB $SYS.REQ.CLAIMS.PACK pack 32\r\n");
        sys.send(hash);
        sys.send("\r\n");
        said.push(sys.message().1);
        sys.send("UNSUB 7\r\n");
        let missing = KeyPair::new_account().public_key();
        said.push(answer(&mut sys, &of(&missing, "LOOKUP"), ""));
        // Refused updates change nothing.
        said.push(answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", "nonsense"));
        let body = operator.sign(&account);
        said.push(answer(&mut sys, &of(&missing, "UPDATE"), &body).replace(&missing, "X"));
        let mut wrong = Tenant::new("W");
        wrong.nats["limits"]["exports"] = 0.into();
        wrong.nats["exports"] = json!([{"subject": "a", "type": "stream"}]);
        let body = operator.sign(&wrong);
        let text = answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &body);
        said.push(text.replace(&wrong.public(), "W"));
        // A user is revoked; others stay.
        let (user, other) = (account.user(), account.user());
        let by_signer = account.user_with(&signer, &json!({}), &json!({}));
        let mut first = user.client(node.port());
        let mut second = other.client(node.port());
        let mut third = by_signer.client(node.port());
        account.nats["revocations"] = json!({user.public(): unix_s() + 5});
        account.issued_at += 1;
        let body = operator.sign(&account);
        said.push(answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &body).replace(&name, "A"));
        said.push(first.rest());
        said.push(user.refused(node.port()));
        said.extend(second.sync());
        said.extend(third.sync());
        // A signing key is taken away.
        account.nats["signing_keys"] = json!([]);
        account.issued_at += 1;
        let body = operator.sign(&account);
        said.push(answer(&mut sys, &of(&name, "UPDATE"), &body).replace(&name, "A"));
        said.push(third.rest());
        said.push(by_signer.refused(node.port()));
        said.extend(second.sync());
        // Fewer clients are allowed than there are: the newest go.
        let mut newest = other.client(node.port());
        account.nats["limits"]["conn"] = 1.into();
        account.issued_at += 1;
        let body = operator.sign(&account);
        said.push(answer(&mut sys, &of(&name, "UPDATE"), &body).replace(&name, "A"));
        said.push(newest.rest());
        said.extend(second.sync());
        // The account is deleted.
        let delete = |key: &KeyPair, names: Value| {
            token(
                key,
                &key.public_key(),
                &json!({}),
                &json!({"accounts": names, "type": "generic"}),
            )
        };
        let subject = "$SYS.REQ.CLAIMS.DELETE";
        let by_another = Operator::new();
        for (key, names) in [
            (&by_another.key, json!([name])),
            (&operator.key, json!(["x"])),
            (&operator.key, json!([system.public()])),
            (&operator.key, json!([name])),
        ] {
            let text = answer(&mut sys, subject, &delete(key, names));
            let text = text.replace(&by_another.public(), "X").replace(&operator.public(), "O");
            said.push(text);
        }
        said.push(second.rest());
        said.push(account.user().refused(node.port()));
        said.push(answer(&mut sys, &of(&name, "LOOKUP"), ""));
        said
    };
    let updated = r#"{"data":{"account":"A","code":200,"message":"jwt updated"}}"#;
    let expected = [
        "true",
        "true",
        "3",
        "",
        "",
        r#"{"error":{"account":"n/a","code":500,"description":"jwt update resulted in error - expected 3 chunks"}}"#,
        r#"{"error":{"account":"X","code":500,"description":"jwt update resulted in error - subject does not match jwt content"}}"#,
        r#"{"error":{"account":"W","code":500,"description":"jwt validation failed - validation errors: [the account contains more exports than allowed by the operator]"}}"#,
        updated,
        "-ERR 'User Authentication Revoked'\r\n",
        REFUSED,
        updated,
        "",
        REFUSED,
        updated,
        "-ERR 'maximum account active connections exceeded'\r\n",
        r#"{"error":{"code":500,"description":"delete accounts request by X failed - not trusted"}}"#,
        r#"{"error":{"code":500,"description":"delete accounts request by O failed - malformed request"}}"#,
        r#"{"error":{"code":500,"description":"delete accounts request by O failed - not allowed to delete system account"}}"#,
        r#"{"data":{"code":200,"message":"deleted 1 accounts"}}"#,
        "-ERR 'Account Authentication Expired'\r\n",
        REFUSED,
        "",
    ];
    check_both("tokens change", &Setup::core().config(&config), run, &expected);
}

/// As later versions of the reference do.
#[test]
fn default_permissions_change_for_clients_there_are() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let mut account = Tenant::new("A");
    let node = Setup::core().config(&in_directory(&operator, &system, &[&account])).start();
    let mut sys = system.user().client(node.port());
    let mut plain = account.user().client(node.port());
    let own = json!({"pub": {"allow": ["foo"]}});
    let mut own = account.user_with(&account.key, &json!({}), &own).client(node.port());
    plain.send("SUB foo 1\r\n");
    assert!(plain.sync().is_empty());
    account.nats["default_permissions"] = json!({"pub": {"allow": ["x"]}, "sub": {"allow": ["y"]}});
    let updated = answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &operator.sign(&account));
    assert!(updated.contains("jwt updated"), "{updated}");
    plain.send("PUB foo 0\r\n\r\n");
    assert_eq!(
        plain.sync(),
        [
            "-ERR 'Permissions Violation for Subscription to \"foo\" (sid \"1\")'",
            "-ERR 'Permissions Violation for Publish to \"foo\"'",
        ]
    );
    own.send("SUB z 1\r\nPUB foo 0\r\n\r\n");
    assert!(own.sync().is_empty(), "it has its own");
}

/// A token that no trusted operator signed does not take the place of one that is good.
#[test]
fn what_nobody_trusts_is_not_kept() {
    let (operator, other) = (Operator::new(), Operator::new());
    let (system, account) = (Tenant::new("SYS"), Tenant::new("A"));
    let node = Setup::core().config(&in_directory(&operator, &system, &[&account])).start();
    let mut sys = system.user().client(node.port());
    let text = answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &other.sign(&account));
    assert!(text.contains("jwt update resulted in error - account validation failed"), "{text}");
    let lookup = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP", account.public());
    assert_eq!(answer(&mut sys, &lookup, ""), operator.sign(&account));
    assert!(account.user().client(node.port()).sync().is_empty());
}

#[test]
fn accounts_import_from_each_other() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let (mut exporter, mut importer) = (Tenant::new("E"), Tenant::new("I"));
    exporter.nats["exports"] = json!([
        {"subject": "open.>", "type": "stream"},
        {"subject": "closed.>", "type": "stream", "token_req": true},
        {"subject": "own.*", "type": "stream", "account_token_position": 2},
        {"subject": "ask.*", "type": "service"},
    ]);
    let of = exporter.public();
    let activation = token(
        &exporter.key,
        &importer.public(),
        &json!({}),
        &json!({"type": "activation", "subject": "closed.a.>", "kind": "stream"}),
    );
    importer.nats["imports"] = json!([
        {"subject": "open.*.x", "account": of, "type": "stream", "local_subject": "from.$1"},
        {"subject": "closed.a.>", "account": of, "type": "stream", "token": activation},
        {"subject": "closed.b.>", "account": of, "type": "stream"},
        {"subject": format!("own.{}", importer.public()), "account": of, "type": "stream"},
        {"subject": "own.other", "account": of, "type": "stream"},
        {"subject": "ask.one", "account": of, "type": "service", "local_subject": "help"},
    ]);
    let config = in_memory(
        &operator,
        &system,
        &[(&exporter, operator.sign(&exporter)), (&importer, operator.sign(&importer))],
    );
    let me = importer.public();
    let run = |node: &Node| {
        let mut takes = importer.user().client(node.port());
        let mut gives = exporter.user().client(node.port());
        takes.send("SUB from.* 1\r\nSUB closed.> 2\r\nSUB own.* 3\r\nSUB answer 4\r\n");
        let mut said = takes.sync();
        gives.send("SUB ask.* 1\r\n");
        said.extend(gives.sync());
        gives.send(format!(
            "PUB open.q.x 1\r\n1\r\nPUB closed.a.c 1\r\n2\r\nPUB closed.b.c 1\r\n3\r\n\
             PUB own.{me} 1\r\n4\r\nPUB own.other 1\r\n5\r\n"
        ));
        said.extend(gives.sync());
        said.extend(takes.sync());
        takes.send("PUB help answer 4\r\nwhat\r\n");
        said.extend(takes.sync());
        let (reply, _, question) = gives.delivery().unwrap();
        gives.send(format!("PUB {reply} 4\r\nthis\r\n"));
        said.push(question);
        said.extend(gives.sync());
        said.extend(takes.sync());
        said.into_iter().map(|line| line.replace(&me, "ME")).collect()
    };
    let expected = [
        "MSG from.q 1 1",
        "1",
        "MSG closed.a.c 2 1",
        "2",
        "MSG own.ME 3 1",
        "4",
        "what",
        "MSG answer 4 4",
        "this",
    ];
    check_both("imports", &Setup::core().config(&config), run, &expected);
}

#[test]
fn jetstream_limits_of_tokens() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let flat = Tenant::with_limits(
        "FLAT",
        &json!({"mem_storage": 1000, "disk_storage": 100_000, "streams": 2, "consumer": 5,
                "max_ack_pending": 7, "disk_max_stream_bytes": 50_000, "max_bytes_required": true}),
    );
    let tiered = Tenant::with_limits(
        "TIERED",
        &json!({"tiered_limits": {"R1": {"disk_storage": 2000, "streams": 1, "consumer": -1},
                                  "R3": {"disk_storage": -1, "streams": -1, "consumer": -1}}}),
    );
    let none = Tenant::new("NONE");
    let signed = |account| (account, operator.sign(account));
    let config = in_memory(&operator, &system, &[signed(&flat), signed(&tiered), signed(&none)]);
    let run = |node: &Node| {
        let mut said = Vec::new();
        for account in [&flat, &tiered, &none] {
            let mut client = account.user().client(node.port());
            let info = client.api("$JS.API.INFO", "");
            let tiers = info["tiers"].as_object().cloned().unwrap_or_default();
            let tiers: Vec<String> =
                tiers.iter().map(|(tier, info)| format!("{tier}={}", info["limits"])).collect();
            said.push(format!("{} {}", info["limits"], tiers.join(" ")));
            let create = json!({"name": "S", "subjects": ["s"], "max_bytes": 60_000});
            let refused = client.api("$JS.API.STREAM.CREATE.S", &create.to_string());
            said.push(refused["error"].to_string());
            let create = json!({"name": "S", "subjects": ["s"], "max_bytes": 1500});
            let made = client.api("$JS.API.STREAM.CREATE.S", &create.to_string());
            said.push(made["error"]["err_code"].to_string());
        }
        said
    };
    let setup = Setup::jetstream().config(&config);
    let ours = run(&setup.clone().start());
    assert!(ours[0].contains("\"max_storage\":100000"), "{ours:?}");
    assert!(ours[1].contains("10122"), "larger than a stream may be: {ours:?}");
    assert_eq!(ours[2], "null");
    assert!(ours[3].contains("R1={") && ours[3].contains("\"max_storage\":2000"), "{ours:?}");
    assert_eq!(ours[8], "10039");
    if let Some(binary) = reference("JetStream limits of tokens") {
        assert_eq!(run(&setup.binary(&binary).start()), ours, "the reference");
    }
}

#[test]
fn users_with_keys() {
    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let config = format!(
        "accounts {{
           A {{ users: [{{nkey: {}, permissions {{publish: a}}}}, {{user: u, password: p}}] }}
           B {{ users: [{{nkey: {}, allowed_connection_types: [WEBSOCKET]}}] }}
         }}",
        user.public_key(),
        other.public_key()
    );
    let run = |node: &Node| {
        let fields = |key: &KeyPair, signed: &str| {
            let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
            format!("\"nkey\":\"{}\",\"sig\":\"{signature}\"", key.public_key())
        };
        let attempt = |fields: &dyn Fn(&str) -> String| {
            let mut raw = Raw::connect(node);
            let nonce = raw.info["nonce"].as_str().unwrap().to_owned();
            raw.send(connect(&fields(&nonce)));
            raw.try_send("PUB a 0\r\n\r\nPUB b 0\r\n\r\nPING\r\n");
            raw.line()
        };
        let stranger = KeyPair::new_user();
        vec![
            attempt(&|nonce| fields(&user, nonce)),
            attempt(&|_| fields(&user, "something else")),
            attempt(&|_| format!("\"nkey\":\"{}\"", user.public_key())),
            attempt(&|nonce| fields(&stranger, nonce)),
            attempt(&|nonce| fields(&other, nonce)),
            attempt(&|_| "\"user\":\"u\",\"pass\":\"p\"".to_owned()),
            attempt(&|_| format!("\"user\":\"{}\",\"pass\":\"\"", user.public_key())),
        ]
    };
    let refused = REFUSED.trim_end();
    let expected = [
        "-ERR 'Permissions Violation for Publish to \"b\"'",
        refused,
        refused,
        refused,
        refused,
        "PONG",
        refused,
    ];
    let run = |node: &Node| run(node).into_iter().map(without_info).collect();
    check_both("users with keys", &Setup::core().config(&config), run, &expected);
}

#[test]
fn a_system_account_whose_token_is_brought_later() {
    let operator = Operator::new();
    let (system, account) = (Tenant::new("SYS"), Tenant::new("A"));
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver {{type: full, dir: \"$DIR/jwts\"}}\n",
        operator.jwt(&json!({})),
        system.public()
    );
    let run = |node: &Node| {
        let mut sys = system.user().client(node.port());
        let mut said = vec![account.user().refused(node.port())];
        for tenant in [&system, &account] {
            let text = answer(&mut sys, "$SYS.REQ.CLAIMS.UPDATE", &operator.sign(tenant));
            said.push(text.replace(&tenant.public(), "X"));
        }
        said.extend(account.user().client(node.port()).sync());
        let path = node.dir().join("jwts").join(format!("{}.jwt", account.public()));
        said.push(path.exists().to_string());
        said
    };
    let updated = r#"{"data":{"account":"X","code":200,"message":"jwt updated"}}"#;
    let expected = [REFUSED, updated, updated, "true"];
    check_both("bootstrapping", &Setup::core().config(&config), run, &expected);
}
