//! Account and server statistics on the system account.
//!
//! Tests 5, 6 (events_test.go) of the ledger.

use std::time::Duration;

use account::TierLimits;
use config_validate::options::ResolverOptions;
use monitor::JetStreamConfig;
use serde_json::Value;
use server_lifecycle::Embedded;
use tests::{Operator, Raw, Tenant};

/// Time in which nothing may come.
const SILENCE: Duration = Duration::from_millis(200);

/// A server that trusts one operator, with JetStream in a fresh directory.
struct Trusted {
    server: Embedded,
    operator: Operator,
    _dir: tempfile::TempDir,
}

impl Trusted {
    /// With this account as its system account.
    fn start(system: &Tenant) -> Trusted {
        let operator = Operator::new();
        let mut options = server_lifecycle::loopback();
        options.operator.trusted_keys = vec![operator.public()];
        options.operator.resolver = Some(ResolverOptions::Memory);
        let server = Embedded::start(options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        server.register_account_jwt(&operator.sign(system)).expect("a good token");
        server.set_system_account(&system.public()).expect("it becomes the system account");
        let config = JetStreamConfig {
            store_dir: dir.path().to_string_lossy().into_owned(),
            ..JetStreamConfig::default()
        };
        server.enable_jetstream(Some(config)).expect("JetStream starts");
        Trusted { server, operator, _dir: dir }
    }

    fn port(&self) -> u16 {
        self.server.client_addr().port()
    }
}

/// The text must have all of these in it.
#[track_caller]
fn check_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// Asks, and the answer must have all of these in it.
#[track_caller]
fn check_answer(client: &mut Raw, subject: &str, body: &str, parts: &[&str]) -> String {
    let (_, answer) = client.request(subject, body);
    check_contains(&answer, parts);
    answer
}

#[test]
fn account_req_monitoring() {
    let (system, account, unused) = (Tenant::new("SYS"), Tenant::new("ACC"), Tenant::new("UNUSED"));
    let rig = Trusted::start(&system);
    rig.server.register_account_jwt(&rig.operator.sign(&unused)).expect("a good token");
    let token = rig.operator.sign(&account);
    let served = rig.server.register_account_jwt(&token).expect("a good token");
    served.enable_jetstream(TierLimits::new()).expect("JetStream of the account");
    let mut sys = system.user().client(rig.port());
    let mut nc = account.user().client(rig.port());
    let about = |account: &Tenant, what| format!("$SYS.REQ.ACCOUNT.{}.{what}", account.public());
    let acc = format!("\"acc\":\"{}\"", account.public());
    let of_system = format!("\"acc\":\"{}\"", system.public());
    let of_unused = format!("\"acc\":\"{}\"", unused.public());

    // Subscriptions.
    check_answer(&mut sys, &about(&account, "SUBSZ"), "", &["\"num_subscriptions\":5,"]);
    nc.send("SUB foo 9\r\n");
    assert!(nc.sync().is_empty());
    let subs = check_answer(&mut sys, &about(&account, "SUBSZ"), "", &["\"num_subscriptions\":6,"]);
    assert!(subs.contains("\"subject\":\"foo\""), "{subs}");

    assert!(served.is_jetstream_enabled());

    // Connections.
    let conns = check_answer(&mut sys, &about(&account, "CONNZ"), "", &["\"num_connections\":1,"]);
    assert!(conns.contains("\"total\":1,"), "{conns}");

    // JetStream.
    let js = check_answer(&mut sys, &about(&account, "JSZ"), "", &["\"memory\":0,"]);
    assert!(js.contains("\"storage\":0,"), "{js}");

    // Traffic.
    let generic = ["\"conns\":1,", "\"total_conns\":1", "\"slow_consumers\":0", "\"acc\":\""];
    let of_account = [
        "\"conns\":1,",
        "\"total_conns\":1",
        "\"slow_consumers\":0",
        "\"sent\":{\"msgs\":0,\"bytes\":0",
        "\"received\":{\"msgs\":0,\"bytes\":0",
        "\"num_subscriptions\":",
        &*acc,
    ];
    let stats = check_answer(&mut sys, &about(&account, "STATZ"), "", &of_account[..3]);
    assert!(stats.contains(of_account[3]), "sent: {stats}");
    assert!(stats.contains(of_account[4]), "received: {stats}");
    assert!(stats.contains(of_account[5]), "subscriptions: {stats}");
    assert!(stats.contains(&acc), "its name: {stats}");

    // All of them.
    let ping = "$SYS.REQ.ACCOUNT.PING.STATZ";
    let all = check_answer(&mut sys, ping, "", &generic);
    assert!(all.contains("\"num_subscriptions\":"), "{all}");
    assert!(all.contains(&acc), "the account: {all}");
    assert!(all.contains(&of_system), "the system account: {all}");
    let only = |account: &Tenant| format!("{{\"accounts\":[\"{}\"]}}", account.public());
    let of = check_answer(&mut sys, ping, &only(&system), &generic);
    assert!(of.contains("\"num_subscriptions\":"), "{of}");
    assert!(of.contains(&of_system), "{of}");
    assert!(!of.contains(&acc), "{of}");
    check_answer(&mut sys, ping, &only(&account), &of_account);

    // An account that nobody uses.
    let with_unused = format!("{{\"accounts\":[\"{}\"],\"include_unused\":true}}", unused.public());
    let silent = ["\"conns\":0,", "\"total_conns\":0", "\"slow_consumers\":0", &*of_unused];
    let direct = check_answer(&mut sys, &about(&unused, "STATZ"), &with_unused, &silent);
    let pinged = check_answer(&mut sys, ping, &with_unused, &silent);
    for text in [&direct, &pinged] {
        let json: Value = serde_json::from_str(text).expect("JSON");
        let stats = &json["data"]["account_statz"];
        assert_eq!(stats.as_array().map(Vec::len), Some(1), "{json}");
        assert_eq!(stats[0]["acc"], unused.public(), "{json}");
        assert_eq!(stats[0]["conns"], 0, "{json}");
        assert_eq!(stats[0]["total_conns"], 0, "{json}");
        assert_eq!(stats[0]["slow_consumers"], 0, "{json}");
    }
    let body = only(&unused);
    sys.send(format!("SUB no 8\r\nPUB {ping} no {}\r\n{body}\r\n", body.len()));
    assert!(sys.sync().is_empty(), "the request is taken");
    assert_eq!(rig.server.server().jetstream_num_accounts(), 1, "nobody else has JetStream");
    sys.expect_silence(SILENCE);

    // From inside the account.
    nc.send("PUB foo 0\r\n\r\n");
    assert_eq!(nc.sync(), ["MSG foo 9 0", ""], "its own message");
    nc.send(format!("SUB inbox 7\r\nPUB {ping} inbox 0\r\n\r\n"));
    let (_, own) = nc.message();
    check_contains(&own, &generic[..3]);
    assert!(own.contains("\"sent\":{\"msgs\":1,\"bytes\":0"), "{own}");
    let received = [1, 2].map(|msgs| format!("\"received\":{{\"msgs\":{msgs},\"bytes\":0"));
    assert!(received.iter().any(|part| own.contains(part)), "{own}");
    assert!(own.contains(&acc), "{own}");
    assert!(nc.sync().is_empty(), "one answer");
    nc.expect_silence(SILENCE);
}

#[test]
fn server_events_stats_z_jetstream_api_level() {
    let system = Tenant::new("SYS");
    let rig = Trusted::start(&system);
    assert!(rig.server.server().jetstream_enabled());
    let mut sys = system.user().client(rig.port());
    let (status, body) = sys.request("$SYS.REQ.SERVER.PING.STATSZ", "");
    assert_eq!(status, "", "it is served");
    let json: Value = serde_json::from_str(&body).expect("JSON");
    let level = &json["statsz"]["jetstream"]["stats"]["api"]["level"];
    assert!(level.is_u64(), "{json}");
    assert_eq!(*level, types::API_LEVEL, "{json}");
}
