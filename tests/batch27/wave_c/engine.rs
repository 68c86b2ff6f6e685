//! Enabling and disabling, accounts, domains, operator mode.
//!
//! Tests 37, 38, 40–45, 59 (jetstream_test.go) of the ledger.

use std::path::Path;

use account::{Account, EnrolError, TierLimits};
use config_validate::Options;
use monitor::HealthzOptions;
use serde_json::{Value, json};
use server_lifecycle::Embedded;
use types::errors;

use crate::basic::{Basic, Client};

const GIB: i64 = 1 << 30;

#[test]
fn jetstream_basic_nil_config() {
    let server = Basic::start_with(|options| options.jetstream.enabled = false);
    assert!(!server.server().jetstream_enabled(), "it is not asked for");
    assert!(server.server().jetstream_config().is_none());
    server.enable_jetstream(None).expect("it can be enabled without a configuration");
    assert!(server.server().jetstream_enabled());
    let accounts = server.server().context().accounts.load_full();
    assert!(accounts.system().is_some(), "there is a system account");
    let config = server.server().jetstream_config().expect("a configuration");
    let memory = std::env::var_os("GOMEMLIMIT").is_none().then(system_memory).flatten();
    if let Some(memory) = memory {
        assert_eq!(config.max_memory, memory / 4 * 3, "three quarters of the memory");
    }
    let dir = Path::new(&config.store_dir);
    // Without a configuration, also that of the directory does not count.
    assert_eq!(dir, std::env::temp_dir().join("nats").join("jetstream"));
    let info = std::fs::metadata(dir).expect("the directory is there");
    assert!(info.is_dir());
}

/// Bytes of memory that the machine has.
fn system_memory() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<i64>().unwrap() * 1024)
}

#[test]
fn jetstream_enable_and_disable_account() {
    let server = Basic::start();
    let global = server.account("$G");
    let count = || server.server().jetstream_num_accounts();
    assert!(global.is_jetstream_enabled());
    assert_eq!(count(), 1);
    global.disable_jetstream().expect("it is enabled");
    assert!(!global.is_jetstream_enabled());
    assert_eq!(count(), 0);
    let reserved = server.server().jetstream_reserved_resources();
    assert_eq!(reserved.expect("JetStream is on"), (0, 0));

    let foo = Account::new("$FOO");
    server.server().register_account(&foo);
    foo.enable_jetstream(TierLimits::new()).expect("it is registered");
    assert!(foo.is_jetstream_enabled());
    assert_eq!(count(), 1);
    foo.disable_jetstream().expect("it is enabled");
    assert_eq!(count(), 0);

    let bar = Account::new("$BAR");
    server.server().register_account(&bar);
    let refused = bar.disable_jetstream().expect_err("it is not enabled");
    assert_eq!(refused.to_string(), errors::NOT_ENABLED_FOR_ACCOUNT.err().to_string());
    let baz = Account::new("$BAZ");
    let refused = baz.enable_jetstream(TierLimits::new()).expect_err("nobody registered it");
    assert!(matches!(refused, EnrolError::NotRegistered), "{refused}");
    assert_eq!(refused.to_string(), "jetstream account not registered");
    assert_eq!(count(), 0);
}

#[test]
fn jetstream_can_not_enable_on_system_account() {
    let server = Basic::start();
    let accounts = server.server().context().accounts.load_full();
    let system = accounts.system().expect("there is a system account");
    let refused = system.enable_jetstream(TierLimits::new()).expect_err("the system account");
    assert_eq!(refused.to_string(), "jetstream can not be enabled on the system account");
    assert!(!system.is_jetstream_enabled());
}

fn accounts_config(a: &str, b: &str, c: &str) -> String {
    format!(
        "listen: \"127.0.0.1:-1\"
         jetstream {{ max_mem_store: 64GB, max_file_store: 10TB, store_dir: \"$DIR\" }}
         accounts {{
           A {{ jetstream: {a}, users: [{{user: ua, password: pwd}}] }}
           B {{ jetstream: {b}, users: [{{user: ub, password: pwd}}] }}
           C {{ {c} users: [{{user: uc, password: pwd}}] }}
         }}"
    )
}

/// Streams, consumers, memory and storage of an answer to INFO.
fn limits(info: &Value) -> [&Value; 4] {
    let limits = &info["limits"];
    ["max_streams", "max_consumers", "max_memory", "max_storage"].map(|name| &limits[name])
}

/// INFO must be answered with an error.
#[track_caller]
fn check_without_jetstream(client: &mut Client) {
    let answer = client.ask("INFO", &Value::Null);
    assert!(answer["error"].is_object(), "{answer}");
    assert_eq!(answer["error"]["err_code"], 10039, "{answer}");
}

#[test]
fn jetstream_multiple_accounts_basics() {
    let server = Basic::configured(&accounts_config(
        "enabled",
        "{ max_mem: 1GB, max_store: 1TB, max_streams: 10, max_consumers: 1k }",
        "",
    ));
    assert!(server.server().jetstream_enabled());
    let (mut ua, mut ub, mut uc) = (server.login("ua"), server.login("ub"), server.login("uc"));
    let info = ua.check_ok("INFO", &Value::Null);
    let [streams, consumers, memory, storage] = limits(&info);
    assert_eq!(streams, -1);
    assert_eq!(consumers, -1);
    assert_eq!(memory, -1);
    assert_eq!(storage, -1);
    let info = ub.check_ok("INFO", &Value::Null);
    let [streams, consumers, memory, storage] = limits(&info);
    assert_eq!(streams, 10);
    assert_eq!(consumers, 1000);
    assert_eq!(memory, GIB);
    assert_eq!(storage, 1024 * GIB);
    check_without_jetstream(&mut uc);

    let reloaded = server.reconfigure(&accounts_config(
        "disabled",
        "{ max_mem: 32GB, max_store: 512GB, max_streams: 100, max_consumers: 4k }",
        "jetstream: { max_mem: 1GB, max_store: 1TB, max_streams: 10, max_consumers: 1k },",
    ));
    assert_eq!(reloaded, Ok(()));
    check_without_jetstream(&mut ua);
    let info = ub.check_ok("INFO", &Value::Null);
    let [streams, consumers, memory, storage] = limits(&info);
    assert_eq!(streams, 100);
    assert_eq!(consumers, 4000);
    assert_eq!(memory, 32 * GIB);
    assert_eq!(storage, 512 * GIB);
    let info = uc.check_ok("INFO", &Value::Null);
    let [streams, consumers, memory, storage] = limits(&info);
    assert_eq!(streams, 10);
    assert_eq!(consumers, 1000);
    assert_eq!(memory, GIB);
    assert_eq!(storage, 1024 * GIB);
    // What INFO says is what holds.
    assert!(!server.account("A").is_jetstream_enabled());
    let config = |n: i32| json!({"name": format!("S{n}"), "storage": "memory"});
    for n in 0..10 {
        uc.check_create(&config(n));
    }
    uc.check_refused("STREAM.CREATE.S10", &config(10), 10027);
}

#[test]
fn jetstream_server_resources_config() {
    let server = Basic::configured(
        "listen: \"127.0.0.1:-1\"
         jetstream { max_mem_store: 2GB, max_file_store: 1TB, store_dir: \"$DIR\" }",
    );
    assert!(server.server().jetstream_enabled());
    let config = server.server().jetstream_config().expect("a configuration");
    assert_eq!(config.max_memory, 2 * GIB);
    assert_eq!(config.max_storage, 1024 * GIB);
}

#[test]
fn jetstream_server_domain_config() {
    let server = Basic::configured(
        "listen: \"127.0.0.1:-1\"\njetstream { domain: \"HUB\", store_dir: \"$DIR\" }",
    );
    assert!(server.server().jetstream_enabled());
    assert_eq!(server.server().jetstream_config().expect("a configuration").domain, "HUB");
    let info = server.client().ask("INFO", &Value::Null);
    assert_eq!(info["domain"], "HUB", "{info}");
}

#[test]
fn jetstream_server_domain_config_but_disabled() {
    let text = "listen: \"127.0.0.1:-1\"\njetstream { domain: \"HUB\", enabled: false }";
    let server = Embedded::start(Options::from_text(text).unwrap()).unwrap();
    assert!(!server.server().jetstream_enabled());
    assert!(server.server().jetstream_config().is_none());
    assert_eq!(server.server().options().jetstream.domain.as_deref(), Some("HUB"));
}

#[test]
fn jetstream_disabled_healthz() {
    let server = Basic::start();
    assert!(server.server().jetstream_enabled());
    let asked = HealthzOptions { js_enabled_only: true, ..HealthzOptions::default() };
    let health = || server.server().monitor().healthz(&asked);
    assert_eq!(health().status, "ok");
    server.disable_jetstream();
    assert!(!server.server().jetstream_enabled());
    let health = health();
    assert_eq!(health.status, "unavailable");
    assert_eq!(health.error, "JetStream not enabled (10076)");
    assert_eq!(health.status_code, 503);
}
