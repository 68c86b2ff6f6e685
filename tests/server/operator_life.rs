//! Operator mode over a server's life: starts that are refused, reloads, restarts, permissions
//! that end, accounts brought by a program.

use std::time::{Duration, Instant};

use account::TierLimits;
use config_validate::Options;
use config_validate::options::ResolverOptions;
use nkeys::KeyPair;
use serde_json::{Value, json};
use server_lifecycle::Embedded;
use tests::{DEADLINE, Node, Operator, Raw, Setup, Tenant, reference, token, unix_s};

/// A config with the tokens of these accounts in memory.
fn config(operator: &Operator, system: &Tenant, accounts: &[&Tenant]) -> String {
    let accounts = std::iter::once(&system).chain(accounts);
    let preload: Vec<String> = accounts
        .map(|account| format!("{}: {}", account.public(), operator.sign(account)))
        .collect();
    format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}\n}}\n",
        operator.jwt(&json!({})),
        system.public(),
        preload.join("\n")
    )
}

#[test]
fn what_cannot_start() {
    let (operator, other) = (Operator::new(), Operator::new());
    let system = Tenant::new("SYS");
    let greedy = Tenant::with_limits("SYS", &json!({"mem_storage": 1, "disk_storage": 1}));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let with = |preload: String| {
        format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\n{preload}",
            operator.jwt(&json!({})),
            system.public()
        )
    };
    let preload = |token: String| format!("resolver_preload {{ {}: {token} }}", system.public());
    let store = format!("jetstream {{store_dir: '{}'}}\n", dir.path().display());
    for (text, wanted) in [
        (with(String::new()), "error resolving system account: account missing".to_owned()),
        (
            with(preload(other.sign(&system))),
            "error resolving system account: account validation failed".to_owned(),
        ),
        (
            store + &config(&operator, &greedy, &[]),
            "Not allowed to enable JetStream on the system account".to_owned(),
        ),
        (
            config(&operator, &system, &[]).replace(
                "resolver: MEMORY",
                &format!("resolver {{type: full, dir: '{}'}}", file.display()),
            ),
            format!("{}: file exists", file.display()),
        ),
    ] {
        let options = Options::from_text(&format!("listen: \"127.0.0.1:-1\"\n{text}")).unwrap();
        let error = Embedded::start(options).err().map(|error| error.to_string());
        assert_eq!(error, Some(wanted), "{text}");
    }
}

/// A server that trusts an operator, with JetStream and this system account.
fn trusting(operator: &Operator, system: &Tenant) -> Embedded {
    let server = Embedded::temporary_with(|options| {
        options.operator.trusted_keys = vec![operator.public()];
        options.operator.resolver = Some(ResolverOptions::Memory);
    });
    let server = server.unwrap();
    server.register_account_jwt(&operator.sign(system)).unwrap();
    server.set_system_account(&system.public()).unwrap();
    server
}

#[test]
fn accounts_brought_by_a_program() {
    let plain = Embedded::temporary().unwrap();
    let (operator, other) = (Operator::new(), Operator::new());
    let (system, mut account) = (Tenant::new("SYS"), Tenant::new("A"));
    let refused = |server: &Embedded, token: &str| {
        server.register_account_jwt(token).err().map(|error| error.to_string())
    };
    assert_eq!(
        refused(&plain, &operator.sign(&account)).as_deref(),
        Some("the server is not in operator mode")
    );
    let server = trusting(&operator, &system);
    let port = server.client_addr().port();
    assert_eq!(refused(&server, "x").as_deref(), Some("expected 3 chunks"));
    assert_eq!(
        refused(&server, &other.sign(&account)).as_deref(),
        Some("account validation failed")
    );
    assert!(account.user().refused(port).contains("Authorization Violation"));
    let again = server.set_system_account(&system.public()).err();
    assert_eq!(again.map(|error| error.to_string()).as_deref(), Some("account exists"));

    // It is there, and follows its token.
    let first = server.register_account_jwt(&operator.sign(&account)).unwrap();
    let user = account.user();
    let mut client = user.client(port);
    let without = client.api("$JS.API.INFO", "");
    assert_eq!(without["error"]["err_code"], 10039, "{without}");
    account.nats["limits"]["disk_storage"] = 1000.into();
    account.issued_at += 1;
    let second = server.register_account_jwt(&operator.sign(&account)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second), "the account is the same");
    let with = client.api("$JS.API.INFO", "");
    assert_eq!(with["limits"]["max_storage"], 1000, "{with}");
    // A reload of options that know nothing of it takes nothing away.
    let mut options = Options::clone(&server.server().options());
    options.system_account = None;
    server.reload_options(options).unwrap();
    assert_eq!(client.api("$JS.API.INFO", "")["limits"]["max_storage"], 1000);
    assert!(system.user().client(port).sync().is_empty());
    account.nats["limits"]["disk_storage"] = 2000.into();
    account.issued_at += 1;
    server.register_account_jwt(&operator.sign(&account)).unwrap();
    assert_eq!(client.api("$JS.API.INFO", "")["limits"]["max_storage"], 2000);
    account.nats["limits"]["disk_storage"] = 0.into();
    account.nats["revocations"] = json!({KeyPair::new_user().public_key(): unix_s()});
    account.issued_at += 1;
    server.register_account_jwt(&operator.sign(&account)).unwrap();
    assert_eq!(client.api("$JS.API.INFO", "")["error"]["err_code"], 10039);
    account.nats["revocations"] = json!({"*": unix_s() + 5});
    account.issued_at += 1;
    server.register_account_jwt(&operator.sign(&account)).unwrap();
    assert_eq!(client.rest(), "-ERR 'User Authentication Revoked'\r\n");
    // A program may grant what the token does not.
    second.enable_jetstream(TierLimits::new()).unwrap();
    assert!(second.is_jetstream_enabled());
}

#[test]
fn a_permission_to_import_ends() {
    let operator = Operator::new();
    let (system, mut exporter, mut importer) =
        (Tenant::new("SYS"), Tenant::new("E"), Tenant::new("I"));
    exporter.nats["exports"] = json!([{"subject": "e.>", "type": "stream", "token_req": true}]);
    let server = trusting(&operator, &system);
    let port = server.client_addr().port();
    server.register_account_jwt(&operator.sign(&exporter)).unwrap();
    let mut gives = exporter.user().client(port);
    let activation = |exp: i64| {
        token(
            &exporter.key,
            &importer.public(),
            &json!({"exp": exp}),
            &json!({"type": "activation", "subject": "e.>", "kind": "stream"}),
        )
    };
    let expires = unix_s() + 3;
    let activation = activation(expires);
    importer.nats["imports"] = json!([
        {"subject": "e.>", "account": exporter.public(), "type": "stream", "token": activation}]);
    server.register_account_jwt(&operator.sign(&importer)).unwrap();
    let mut takes = importer.user().client(port);
    takes.send("SUB e.> 1\r\n");
    assert!(takes.sync().is_empty());
    // What comes while the token is good ends with it.
    let until = Instant::now() + DEADLINE;
    loop {
        gives.send("PUB e.x 0\r\n\r\n");
        gives.sync();
        if takes.sync().is_empty() {
            break;
        }
        assert!(Instant::now() < until, "the permission does not end");
    }
    assert!(expires <= unix_s(), "it ended before its time");
}

#[test]
fn a_reload_of_the_tokens_in_memory() {
    let operator = Operator::new();
    let (system, mut kept, gone) = (Tenant::new("SYS"), Tenant::new("K"), Tenant::new("G"));
    let first = config(&operator, &system, &[&kept, &gone]);
    let (revoked, stays, lost) = (kept.user(), kept.user(), gone.user());
    kept.nats["revocations"] = json!({revoked.public(): unix_s() + 5});
    kept.issued_at += 1;
    let fresh = Tenant::new("F");
    let second = config(&operator, &system, &[&kept, &fresh]);
    let run = |node: &Node| {
        let mut clients: Vec<Raw> =
            [&revoked, &stays].iter().map(|login| login.client(node.port())).collect();
        let was_there = lost.client(node.port());
        std::fs::write(node.dir().join("server.conf"), &second).unwrap();
        node.signal("HUP");
        node.wait_log("Reloaded server configuration");
        let mut said = vec![clients.remove(0).rest()];
        said.extend(clients.remove(0).sync());
        said.push(fresh.user().client(node.port()).sync().join(""));
        said.push(lost.refused(node.port()));
        drop(was_there);
        said
    };
    let expected =
        ["-ERR 'User Authentication Revoked'\r\n", "", "-ERR 'Authorization Violation'\r\n"];
    let setup = Setup::core().config(&first);
    assert_eq!(run(&setup.clone().start()), expected);
    if let Some(binary) = reference("a reload of tokens") {
        assert_eq!(run(&setup.binary(&binary).start()), expected, "the reference");
    }
}

#[test]
fn who_users_with_tokens_are() {
    let operator = Operator::new();
    let (system, account) = (Tenant::new("SYS"), Tenant::new("A"));
    let user = account.user_with(
        &account.key,
        &json!({"name": "me"}),
        &json!({"tags": ["t:1"], "pub": {"allow": ["$SYS.REQ.>"]}, "resp": {"max": 2, "ttl": 5}}),
    );
    let bearer = account.user_with(&account.key, &json!({}), &json!({"bearer_token": true}));
    let names = [
        (account.public(), "ACCOUNT"),
        (operator.public(), "OPERATOR"),
        (user.public(), "USER"),
        (bearer.public(), "BEARER"),
        (user.jwt.clone(), "TOKEN"),
    ];
    let run = |node: &Node| {
        let mut client = user.client(node.port());
        let _bearer = bearer.client(node.port());
        let mut sys = system.user().client(node.port());
        let info = client.api("$SYS.REQ.USER.INFO", "");
        let mut said = vec![info["data"].clone()];
        let subject = format!("$SYS.REQ.ACCOUNT.{}.CONNZ", account.public());
        let connz = sys.api(&subject, "{\"auth\":true}");
        for conn in connz["data"]["connections"].as_array().unwrap() {
            let fields = ["authorized_user", "account", "issuer_key", "name_tag", "tags"];
            said.extend(fields.map(|field| conn[field].clone()));
            said.push((conn["jwt"].as_str() == Some(&user.jwt)).into());
        }
        let info = sys.api(&format!("$SYS.REQ.ACCOUNT.{}.INFO", account.public()), "");
        for field in ["account_name", "issuer_key", "name_tag", "expired", "jetstream_enabled"] {
            said.push(info["data"][field].clone());
        }
        said.push((info["data"]["jwt"] == operator.sign(&account)).into());
        let said: Vec<String> = said.iter().map(Value::to_string).collect();
        let named = |text: &String| {
            names.iter().fold(text.clone(), |text, (from, to)| text.replace(from, to))
        };
        said.iter().map(named).collect::<Vec<String>>()
    };
    let setup = Setup::core().config(&config(&operator, &system, &[&account]));
    let ours = run(&setup.clone().start());
    assert!(ours[0].contains("\"account_name\":\"A\",\"permissions\":{"), "{ours:?}");
    assert_eq!(
        ours[1..7],
        ["\"USER\"", "\"ACCOUNT\"", "\"ACCOUNT\"", "\"A\"", "[\"t:1\"]", "true"]
    );
    assert_eq!(ours[12], "false", "a bearer's token is not shown");
    if let Some(binary) = reference("who users are") {
        assert_eq!(run(&setup.binary(&binary).start()), ours, "the reference");
    }
}

#[test]
fn accounts_come_and_change_while_others_do() {
    let operator = Operator::new();
    let system = Tenant::new("SYS");
    let accounts: Vec<Tenant> = (0..12)
        .map(|_| {
            Tenant::with_limits("A", &json!({"disk_storage": -1, "streams": -1, "consumer": -1}))
        })
        .collect();
    let all: Vec<&Tenant> = accounts.iter().collect();
    let text = config(&operator, &system, &all)
        .replace("resolver: MEMORY", "resolver {type: full, dir: \"$DIR/jwts\"}");
    let node = Setup::jetstream().config(&text).start();
    let port = node.port();
    std::thread::scope(|scope| {
        for account in &accounts {
            scope.spawn(move || {
                for round in 1..=5 {
                    let mut client = account.user().client(port);
                    let body = json!({"name": "S", "subjects": ["s"]});
                    client.check_api("$JS.API.STREAM.CREATE.S", &body);
                    assert_eq!(client.check_stored("s", "x"), round);
                }
            });
        }
        let (operator, system, accounts) = (&operator, &system, &accounts);
        scope.spawn(move || {
            let mut sys = system.user().client(port);
            for round in 0..5 {
                for account in accounts {
                    let top = json!({"name": format!("round {round}")});
                    let body = operator.sign_with(&operator.key, account, &top);
                    let (_, updated) = sys.request("$SYS.REQ.CLAIMS.UPDATE", &body);
                    assert!(updated.contains("jwt updated"), "{updated}");
                }
            }
        });
    });
    let mut sys = system.user().client(port);
    let jsz = sys.api("$SYS.REQ.SERVER.PING.JSZ", "");
    assert_eq!(jsz["data"]["streams"], 12, "{jsz}");
    assert_eq!(jsz["data"]["messages"], 60, "{jsz}");
    let slow = node.log().into_iter().find(|line| line.contains("have not followed"));
    assert_eq!(slow, None, "nobody waits for anybody");
}

#[test]
fn accounts_of_a_directory_are_there_after_a_restart() {
    let operator = Operator::new();
    let (system, account) = (
        Tenant::new("SYS"),
        Tenant::with_limits("A", &json!({"disk_storage": -1, "streams": -1, "consumer": -1})),
    );
    let text = config(&operator, &system, &[]).replace(
        "resolver: MEMORY",
        "resolver {type: full, dir: \"$DIR/jwts\", hard_delete: true, allow_delete: true}",
    );
    let mut node = Setup::jetstream().config(&text).start();
    let mut sys = system.user().client(node.port());
    let (_, updated) = sys.request("$SYS.REQ.CLAIMS.UPDATE", &operator.sign(&account));
    assert!(updated.contains("jwt updated"), "{updated}");
    let mut client = account.user().client(node.port());
    client.check_api("$JS.API.STREAM.CREATE.S", &json!({"name": "S", "subjects": ["s"]}));
    assert_eq!(client.check_stored("s", "x"), 1);
    node.restart();
    let mut sys = system.user().client(node.port());
    let jsz = sys.api("$SYS.REQ.SERVER.PING.JSZ", "");
    assert_eq!(jsz["data"]["messages"], 1, "recovered before anybody came: {jsz}");
    let mut client = account.user().client(node.port());
    assert_eq!(client.check_stored("s", "x"), 2);
    let nats = json!({"type": "generic", "accounts": [account.public()]});
    let delete = token(&operator.key, &operator.public(), &json!({}), &nats);
    let (_, deleted) = sys.request("$SYS.REQ.CLAIMS.DELETE", &delete);
    assert!(deleted.contains("deleted 1 accounts"), "{deleted}");
    assert!(client.rest().contains("Account Authentication Expired"));
    let file = node.dir().join("jwts").join(format!("{}.jwt", account.public()));
    assert!(!file.exists());
    // What it stored waits for it.
    let (_, updated) = sys.request("$SYS.REQ.CLAIMS.UPDATE", &operator.sign(&account));
    assert!(updated.contains("jwt updated"), "{updated}");
    let mut client = account.user().client(node.port());
    assert_eq!(client.check_stored("s", "x"), 3);
    node.wait_log("Managing all jwt in exclusive directory");
    client.expect_silence(Duration::from_millis(1));
}
