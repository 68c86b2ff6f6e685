//! On, off, on again.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use monitor::JetStreamConfig;

use super::harness::{Client, account, changed, count, logged};
use crate::jetstream::config;
use crate::{Embedded, loopback};

fn without_jetstream() -> Embedded {
    Embedded::temporary_with(|options| options.jetstream.enabled = false).unwrap()
}

#[test]
fn jetstream_leaves_and_comes_back_under_a_connected_client() {
    mark::check!(
        F1375, F1376, F1382, F1391, F1396, F1397, F1398, F1399, F1400, F1413, F1416, F1417
    );
    let server = Embedded::temporary_with(|options| {
        options.jetstream.unique_tag = Some("az".into());
        options.jetstream.max_memory = Some(1 << 20);
        options.jetstream.max_store = Some(1 << 20);
    })
    .unwrap();
    let js = server.server();
    let mut client = Client::connect(&server);
    assert_eq!(client.info["jetstream"], true);
    assert_eq!(js.jetstream_reserved_resources().unwrap(), (0, 0));
    assert!(client.stream("S", ",\"max_bytes\":1000")["error"].is_null());
    assert_eq!(js.jetstream_reserved_resources().unwrap(), (0, 1000));
    for n in 1..=3 {
        assert!(client.request("s.a", "x").contains(&format!("\"seq\":{n}")), "acknowledged");
    }
    let config = js.jetstream_config().unwrap();
    assert!(config.compress_ok && config.unique_tag == "az" && config.max_storage > 0);
    assert!(config.store_dir.ends_with("jetstream"));
    assert_eq!(js.store_dir(), config.store_dir);
    let mut copy = config.clone();
    copy.store_dir = "elsewhere".into();
    assert_eq!(js.jetstream_config().unwrap(), config, "the copy is the caller's own");
    assert_eq!(js.jetstream_num_accounts(), 1);
    let (global, engine) = (account(&server, "$G"), js.jetstream_engine().unwrap());
    assert!(global.is_jetstream_enabled() && global.is_jetstream_configured());

    server.disable_jetstream();
    server.disable_jetstream();
    assert!(!js.jetstream_enabled() && js.jetstream_config().is_none());
    assert_eq!((js.store_dir().as_str(), js.jetstream_num_accounts()), ("", 0));
    assert_eq!(js.jetstream_reserved_resources().unwrap_err().err_code, 10039);
    assert!(!global.is_jetstream_enabled() && global.is_jetstream_configured());
    assert!(js.jetstream_engine().is_none());
    assert!(engine.accounts().is_empty(), "whoever kept the engine finds nobody");
    assert_eq!(engine.usage().reserved(types::Storage::File), 0);
    let stale = engine.enable_account("$G", global.space(), &account::default_tiers());
    assert_eq!(stale.err().unwrap().to_string(), types::errors::NOT_ENABLED.err().to_string());
    assert_eq!(
        global.disable_jetstream().unwrap_err().to_string(),
        "JetStream not enabled for account (10039)"
    );
    assert!(Path::new(&config.store_dir).join("$G/streams/S/meta.inf").is_file());
    client.ping();
    assert!(client.nobody_answers("$JS.API.INFO") && client.nobody_answers("s.a"));
    assert!(Client::connect(&server).info["jetstream"].is_null());

    server.restart_jetstream();
    assert!(js.jetstream_enabled() && global.is_jetstream_enabled());
    let config = js.jetstream_config().unwrap();
    assert!(!config.compress_ok && config.unique_tag.is_empty());
    assert_eq!(client.api("INFO", "")["streams"], 1);
    assert_eq!(client.api("STREAM.INFO.S", "")["state"]["messages"], 3);
    assert!(client.request("s.a", "x").contains("\"seq\":4"));
    assert_eq!(js.jetstream_reserved_resources().unwrap(), (0, 1000));
    assert_eq!(Client::connect(&server).info["jetstream"], true);
    let running = js.jetstream_engine().unwrap();
    server.restart_jetstream();
    assert!(Arc::ptr_eq(&running, &js.jetstream_engine().unwrap()), "it goes on running");
    assert!(client.api("STREAM.DELETE.S", "")["success"] == true);
    assert_eq!(js.jetstream_reserved_resources().unwrap(), (0, 0));
    global.disable_jetstream().unwrap();
    assert_eq!(js.jetstream_num_accounts(), 0);
    assert_eq!(client.api("INFO", "")["error"]["err_code"], 10039);
}

#[test]
fn a_restart_that_fails_leaves_jetstream_off() {
    mark::check!(F1376);
    let server = without_jetstream();
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = changed(&server, |options| options.store_dir = Some(file.path().into()));
    server.server().inner().options.store(Arc::new(options));
    let ((), lines) = logged(|| server.restart_jetstream());
    assert_eq!(count(&lines, "Restarting JetStream"), 1);
    let warning = "WARN Can't start JetStream: storage directory is not a directory";
    assert_eq!(count(&lines, warning), 1, "{lines:?}");
    assert!(!server.server().jetstream_enabled());
    assert!(Client::connect(&server).info["jetstream"].is_null());
}

#[test]
fn it_is_enabled_once_with_what_was_asked_for() {
    mark::check!(F1368, F1373, F1391, F1396, F1397);
    let server = without_jetstream();
    let js = server.server();
    assert!(!js.jetstream_enabled() && js.jetstream_config().is_none());
    assert_eq!((js.store_dir().as_str(), js.jetstream_num_accounts()), ("", 0));
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("a/b");
    let asked = JetStreamConfig {
        max_memory: 1000,
        max_storage: 2000,
        store_dir: store.to_str().unwrap().to_owned(),
        ..JetStreamConfig::default()
    };
    let (result, lines) = logged(|| server.enable_jetstream(Some(asked.clone())));
    result.unwrap();
    for text in [
        "INFO Starting JetStream",
        "to start JetStream",
        "  Max Memory:      1000 B",
        "  API Level:       ",
    ] {
        assert_eq!(count(&lines, text), 1, "{text:?} in {lines:?}");
    }
    assert_eq!(count(&lines, "Encryption:") + count(&lines, "Temporary"), 0);
    assert_eq!(asked.store_dir, store.to_str().unwrap(), "what was asked for is not changed");
    let config = js.jetstream_config().unwrap();
    assert_eq!(config.store_dir, store.join("jetstream").to_str().unwrap());
    assert_eq!((config.max_memory, config.max_storage), (1000, 2000));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(&config.store_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(js.max_catchup_bytes(), Some(64 << 20));
    assert!(js.jetstream_is_standalone());
    let engine = js.jetstream_engine().unwrap();
    let (again, lines) = logged(|| server.enable_jetstream(Some(asked.clone())));
    assert_eq!(again.unwrap_err().to_string(), "jetstream already enabled");
    assert!(lines.is_empty(), "{lines:?}");
    assert!(Arc::ptr_eq(&engine, &js.jetstream_engine().unwrap()));
    assert_eq!(Client::connect(&server).info["jetstream"], true);
}

#[test]
fn nothing_asked_for_takes_the_machine_and_makes_a_system_account() {
    mark::check!(F1368, F1373);
    let server = Embedded::start({
        let mut options = loopback();
        options.no_system_account = true;
        options
    })
    .unwrap();
    assert!(server.server().context().accounts.load().system().is_none());
    let (result, lines) = logged(|| server.enable_jetstream(None));
    result.unwrap();
    assert_eq!(account(&server, "$SYS").name(), "$SYS");
    let config = server.server().jetstream_config().unwrap();
    let info = rustix::system::sysinfo();
    let memory = info.totalram * u64::from(info.mem_unit.max(1));
    assert_eq!(config.max_memory, i64::try_from(memory / 4 * 3).unwrap());
    let temporary = std::env::temp_dir().join("nats/jetstream");
    assert_eq!(Path::new(&config.store_dir), temporary);
    assert_eq!(count(&lines, "WARN Temporary storage directory used"), 1);
    assert_eq!(count(&lines, "JetStream creating dynamic configuration"), 1);
}

#[test]
fn memory_that_was_asked_for_counts_where_storage_was_not() {
    mark::check!(F1444);
    let dir = tempfile::tempdir().unwrap();
    let options = config_validate::Options::default();
    let asked = JetStreamConfig {
        max_memory: 77,
        max_storage: 0,
        store_dir: dir.path().to_str().unwrap().to_owned(),
        domain: "D".into(),
        unique_tag: "t".into(),
        compress_ok: true,
        ..JetStreamConfig::default()
    };
    let resolved = config::resolve(Some(&asked), &options);
    assert_eq!(resolved.config.max_memory, 77);
    assert!(resolved.config.max_storage > 0 && resolved.dynamic && !resolved.temporary);
    assert!(!resolved.config.compress_ok && resolved.config.strict);
    assert_eq!((resolved.config.domain.as_str(), resolved.config.unique_tag.as_str()), ("D", "t"));
    assert!(dir.path().join("jetstream").is_dir());
    let explicit = JetStreamConfig { max_storage: 5, store_dir: String::new(), ..asked };
    let resolved = config::resolve(Some(&explicit), &options);
    let temp = std::env::temp_dir().join("jetstream");
    assert!(resolved.temporary && Path::new(&resolved.config.store_dir) == temp);
}

#[test]
fn a_start_that_fails_says_how_long_it_took_and_leaves_nothing() {
    mark::check!(F1368, F1373);
    let server = without_jetstream();
    let file = tempfile::NamedTempFile::new().unwrap();
    let asked = |dir: &Path| JetStreamConfig {
        max_memory: 1,
        max_storage: 1,
        store_dir: dir.to_str().unwrap().to_owned(),
        ..JetStreamConfig::default()
    };
    let (result, lines) = logged(|| server.enable_jetstream(Some(asked(file.path()))));
    assert_eq!(result.unwrap_err().to_string(), "storage directory is not a directory");
    assert_eq!(count(&lines, "Starting JetStream"), 1);
    assert_eq!(count(&lines, "to start JetStream"), 1);
    assert!(!server.server().jetstream_enabled());
    // Nobody can write there, whoever runs this.
    let closed = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/proc", closed.path().join("jetstream")).unwrap();
    let refused = server.enable_jetstream(Some(asked(closed.path())));
    assert_eq!(refused.unwrap_err().to_string(), "storage directory is not writable");
    let (result, lines) = logged(|| server.enable_jetstream(Some(asked(Path::new("")))));
    result.unwrap();
    assert_eq!(count(&lines, "WARN Temporary storage directory used"), 1);
    let temporary = std::env::temp_dir().join("jetstream");
    assert!(temporary.is_dir() && temporary == Path::new(&server.server().store_dir()));
}

#[test]
fn encryption_is_shown_by_its_cipher() {
    mark::check!(F1373);
    let server = Embedded::temporary_with(|options| {
        options.jetstream.enabled = false;
        options.jetstream.key = Some(config_validate::options::StoreKey("secret".into()));
    })
    .unwrap();
    let ((), lines) = logged(|| server.restart_jetstream());
    assert_eq!(count(&lines, "  Encryption:      ChaCha20-Poly1305"), 1, "{lines:?}");
}

#[test]
fn another_server_of_the_domain_counts() {
    mark::check!(F1392);
    let server = without_jetstream();
    let js = server.server();
    assert!(!js.jetstream_enabled_for_domain());
    js.note_server("AAAAAAAA", crate::KnownServer { jetstream: false, offline: false });
    assert!(!js.jetstream_enabled_for_domain());
    js.note_server("BBBBBBBB", crate::KnownServer { jetstream: true, offline: true });
    assert!(js.jetstream_enabled_for_domain());
    let own = Embedded::temporary().unwrap();
    assert!(own.server().jetstream_enabled_for_domain());
}

#[test]
fn old_stores_move_below_the_directory() {
    mark::check!(F1371);
    let layout = |names: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| fs::create_dir_all(dir.path().join(name)).unwrap());
        dir
    };
    let start = |dir: &Path, max: i64| {
        let server = without_jetstream();
        let asked = JetStreamConfig {
            max_memory: max,
            max_storage: max,
            store_dir: dir.to_str().unwrap().to_owned(),
            ..JetStreamConfig::default()
        };
        let (result, lines) = logged(|| server.enable_jetstream(Some(asked)));
        (result, count(&lines, "INFO JetStream relocated account \""))
    };
    let moved = |dir: &Path, name: &str| {
        dir.join("jetstream").join(name).is_dir() && !dir.join(name).exists()
    };
    let both = layout(&["$G/x", "$SYS/x"]);
    let (result, notices) = start(both.path(), 1000);
    result.unwrap();
    assert_eq!(notices, 2);
    assert!(moved(both.path(), "$G") && moved(both.path(), "$SYS"));
    let alone = layout(&["$G/x"]);
    assert_eq!(start(alone.path(), 1000).1, 0);
    assert!(!moved(alone.path(), "$G"));
    let dynamic = layout(&["$G/x"]);
    assert_eq!(start(dynamic.path(), 0).1, 1);
    assert!(moved(dynamic.path(), "$G"));
    let other = layout(&["$G/x", "NOPE/x"]);
    assert_eq!(start(other.path(), 1000).1, 1);
    assert!(moved(other.path(), "$G") && other.path().join("NOPE").is_dir());
    let used = layout(&["$G/x", "NOPE/x", "jetstream/$G/y"]);
    assert_eq!(start(used.path(), 1000).1, 0);
    assert!(used.path().join("$G/x").is_dir());
    let blocked = layout(&["$G/x"]);
    fs::write(blocked.path().join("jetstream"), "").unwrap();
    let (result, _) = start(blocked.path(), 1000);
    let error = result.unwrap_err().to_string();
    assert!(error.starts_with("rename ") && blocked.path().join("$G/x").is_dir(), "{error}");
    let key = "AAAACAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUPB776S";
    let resolved = layout(&[&format!("{key}/x"), "NOPE"]);
    let server = without_jetstream();
    server.server().inner().jetstream.host.set_resolver(Some(Arc::new(Nobody)));
    let asked = JetStreamConfig {
        max_memory: 1,
        max_storage: 1,
        store_dir: resolved.path().to_str().unwrap().to_owned(),
        ..JetStreamConfig::default()
    };
    server.enable_jetstream(Some(asked)).unwrap();
    assert!(moved(resolved.path(), key) && resolved.path().join("NOPE").is_dir());
}

struct Nobody;

impl account::AccountResolver for Nobody {
    fn fetch(&self, _: &str) -> Option<Arc<account::Account>> {
        None
    }
}
