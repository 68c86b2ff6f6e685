//! Accounts: configured, enabled, limited, disabled, with access to the API.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use account::{Account, JetStreamHost, default_tiers};
use types::{AccountLimits, Storage, StreamConfig};

use parking_lot::{Condvar, Mutex};

use super::harness::{Client, WAIT, account, accounts_of, changed, count, logged, logged_to};
use crate::Embedded;
use crate::jetstream::Control;
use crate::jetstream::accounts::remove_empty_accounts;
use crate::jetstream::stores::workers;

fn flat(change: impl FnOnce(&mut AccountLimits)) -> BTreeMap<String, AccountLimits> {
    let mut limits = AccountLimits::UNLIMITED;
    change(&mut limits);
    BTreeMap::from([(String::new(), limits)])
}

/// A with JetStream, B without.
fn two_accounts() -> Embedded {
    Embedded::temporary_with(|options| {
        options.jetstream.max_memory = Some(10_000);
        options.jetstream.max_store = Some(10_000);
        let text = "accounts {A: {jetstream: enabled, users: [{user: a, password: a}]}, \
                    B: {users: [{user: b, password: b}]}}";
        accounts_of(options, text);
    })
    .unwrap()
}

#[test]
fn errors_come_in_their_order_and_leave_traces_as_they_should() {
    mark::check!(F1401, F1416, F1417, F1445, F1402);
    let lonely = Account::new("X");
    assert!(!lonely.is_jetstream_configured() && !lonely.is_jetstream_enabled());
    let text = |e: account::EnrolError| e.to_string();
    assert_eq!(
        text(lonely.enable_jetstream(default_tiers()).unwrap_err()),
        "jetstream account not registered"
    );
    assert_eq!(
        text(lonely.update_jetstream_limits(&default_tiers()).unwrap_err()),
        "jetstream account not registered"
    );
    assert_eq!(text(lonely.disable_jetstream().unwrap_err()), "jetstream account not registered");
    assert_eq!(
        text(lonely.enable_all_jetstream_service_imports_and_mappings().unwrap_err()),
        "jetstream account not registered"
    );
    assert_eq!(lonely.check_for_jetstream().err().unwrap().err_code, 10039);
    let host = JetStreamHost::new();
    lonely.register(&host);
    assert_eq!(
        text(lonely.enable_jetstream(default_tiers()).unwrap_err()),
        "server is not running"
    );
    host.set_running(true);
    assert!(!lonely.is_jetstream_configured());
    assert_eq!(
        text(lonely.enable_jetstream(BTreeMap::new()).unwrap_err()),
        "JetStream not enabled (10076)"
    );
    assert!(lonely.is_jetstream_configured() && !lonely.is_jetstream_enabled());
    assert_eq!(
        text(lonely.update_jetstream_limits(&default_tiers()).unwrap_err()),
        "JetStream not enabled (10076)"
    );
    host.set_system(Some(Arc::clone(&lonely)));
    let refused = lonely.enable_jetstream(default_tiers()).unwrap_err();
    assert_eq!(text(refused), "jetstream can not be enabled on the system account");
    lonely.assign_jetstream_limits(BTreeMap::new());
    assert!(!lonely.is_jetstream_configured(), "an empty map is nothing");
    lonely.configure_jetstream(None);
    assert!(!lonely.is_jetstream_configured());
    lonely.assign_jetstream_limits(default_tiers());
    assert!(lonely.is_jetstream_configured() && !lonely.is_jetstream_enabled());
    let server = two_accounts();
    let (a, b) = (account(&server, "A"), account(&server, "B"));
    let (_, record) = a.check_for_jetstream().unwrap();
    assert_eq!(record.name(), "A");
    assert_eq!(b.check_for_jetstream().err().unwrap().err_code, 10039);
    assert_eq!(
        text(b.update_jetstream_limits(&default_tiers()).unwrap_err()),
        "JetStream not enabled for account (10039)"
    );
    let too_much = flat(|l| l.max_storage = 10_001);
    assert!(b.enable_jetstream(too_much).is_err());
    assert!(!b.is_jetstream_enabled(), "there is not so much");
    assert_eq!(server.server().jetstream_num_accounts(), 1);
}

#[test]
fn limits_change_under_way() {
    mark::check!(F1408);
    let server = two_accounts();
    let a = account(&server, "A");
    let mut client = Client::login(&server, "a");
    assert!(client.stream("S", "")["error"].is_null());
    let shown = |client: &mut Client| client.api("INFO", "")["limits"]["max_storage"].clone();
    a.update_jetstream_limits(&flat(|l| l.max_storage = 9_999)).unwrap();
    assert_eq!(shown(&mut client), 9_999);
    a.update_jetstream_limits(&flat(|l| l.max_storage = 10_000)).unwrap();
    assert_eq!(shown(&mut client), 10_000, "all there is");
    for (limits, code) in
        [(flat(|l| l.max_storage = 10_001), 10047), (flat(|l| l.max_memory = 10_001), 10028)]
    {
        let error = a.update_jetstream_limits(&limits).unwrap_err();
        assert!(matches!(error, account::EnrolError::Api(e) if e.err_code == code));
        assert_eq!(shown(&mut client), 10_000, "nothing changed");
    }
    assert!(client.request("s.a", "x").contains("\"seq\":1"));
    a.update_jetstream_limits(&flat(|l| l.max_storage = 1)).unwrap();
    let refused = client.request("s.a", "x");
    assert!(refused.contains("10002"), "{refused}");
    a.update_jetstream_limits(&BTreeMap::new()).unwrap();
    assert_eq!(shown(&mut client), -1);
    assert!(client.request("s.a", "x").contains("\"seq\":2"));
    let engine = server.server().jetstream_engine().unwrap();
    engine.usage().set_clustered();
    a.update_jetstream_limits(&flat(|l| l.max_storage = 1 << 40)).unwrap();
    assert_eq!(shown(&mut client), 1u64 << 40, "what a cluster has is not known here");
}

#[test]
fn streams_of_an_account_are_found() {
    mark::check!(F1404, F1405, F1406, F1407, F1412);
    let server = two_accounts();
    let (a, b) = (account(&server, "A"), account(&server, "B"));
    assert_eq!((b.num_streams(), b.streams().len(), b.filtered_streams("x").len()), (0, 0, 0));
    assert_eq!(b.lookup_stream("S").unwrap_err().err_code, 10039);
    assert_eq!(b.jetstream_usage(), types::AccountStats::default());
    assert_eq!(a.lookup_stream("S").unwrap_err().err_code, 10059);
    let mut client = Client::login(&server, "a");
    let create = |client: &mut Client, name: &str, subjects: &str| {
        let config = format!("{{\"name\":\"{name}\",\"subjects\":[{subjects}]}}");
        let answer = client.api(&format!("STREAM.CREATE.{name}"), &config);
        assert!(answer["error"].is_null(), "{answer}");
    };
    create(&mut client, "ONE", "\"foo.bar\",\"foo.baz\"");
    create(&mut client, "TWO", "\"other\"");
    create(&mut client, "DEEP", "\"deep.>\"");
    assert_eq!((a.num_streams(), a.streams().len()), (3, 3));
    let found = |filter: &str| {
        let names: Vec<String> = a.filtered_streams(filter).into_iter().map(|s| s.name).collect();
        names.join(" ")
    };
    assert_eq!(found("foo.*"), "ONE", "once, with two subjects");
    assert_eq!(found("deep.a.b"), "DEEP");
    assert_eq!(found(">"), "DEEP ONE TWO");
    assert_eq!(found(""), "DEEP ONE TWO");
    assert_eq!(found("none"), "");
    assert!(client.api("STREAM.DELETE.TWO", "")["error"].is_null());
    assert!(client.api("STREAM.DELETE.DEEP", "")["error"].is_null());
    assert!(client.api("STREAM.DELETE.ONE", "")["error"].is_null());
    let all = "{\"name\":\"ALL\",\"subjects\":[\">\"],\"no_ack\":true}";
    assert!(client.api("STREAM.CREATE.ALL", all)["error"].is_null());
    assert_eq!((found("foo.*").as_str(), found("a").as_str()), ("ALL", "ALL"));
    assert!(client.api("STREAM.DELETE.ALL", "")["error"].is_null());
    create(&mut client, "ONE", "\"foo.bar\",\"baz\"");
    create(&mut client, "TWO", "\"other\"");
    create(&mut client, "DEEP", "\"deep.>\"");
    assert_eq!(found("foo.*"), "ONE");
    assert_eq!(a.lookup_stream("TWO").unwrap().name, "TWO");
    assert_eq!(a.lookup_stream("two").unwrap_err().err_code, 10059);
    assert_eq!(client.api("STREAM.DELETE.TWO", "")["success"], true);
    assert_eq!(a.lookup_stream("TWO").unwrap_err().err_code, 10059);
    assert_eq!((a.num_streams(), a.streams().len()), (2, 2));
    let usage = a.jetstream_usage();
    assert_eq!((usage.totals.streams, usage.api.level), (2, types::API_LEVEL));
}

#[test]
fn offline_streams_are_listed_too() {
    mark::check!(F1404, F1405, F1406, F1407);
    let server = Embedded::temporary().unwrap();
    let mut client = Client::connect(&server);
    client.stream("S", "");
    client.stream("T", "");
    let dir = Path::new(&server.server().store_dir()).join("$G/streams/S");
    server.disable_jetstream();
    // Also what stands in for it.
    for entry in fs::read_dir(dir).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::write(entry.path(), "{}").unwrap();
    }
    server.restart_jetstream();
    let global = account(&server, "$G");
    assert_eq!((global.num_streams(), global.streams().len()), (2, 2));
    assert!(global.lookup_stream("S").unwrap().offline.is_some());
    assert!(global.lookup_stream("T").unwrap().offline.is_none());
    let names = |filter: &str| -> Vec<String> {
        global.filtered_streams(filter).into_iter().map(|stream| stream.name).collect()
    };
    // That whose configuration is lost has no subjects, as a mirror has none.
    assert_eq!(names(">"), ["T"]);
    assert_eq!(names(""), ["S", "T"]);
}

#[test]
fn an_account_asks_for_max_bytes() {
    mark::check!(F1403);
    let server = two_accounts();
    let (a, b) = (account(&server, "A"), account(&server, "B"));
    let config = |storage| StreamConfig { num_replicas: 1, storage, ..StreamConfig::default() };
    assert_eq!(b.max_bytes_limits(&config(Storage::File)), (false, 0));
    a.update_jetstream_limits(&flat(|l| {
        l.max_bytes_required = true;
        l.storage_max_stream_bytes = 100;
        l.memory_max_stream_bytes = 50;
    }))
    .unwrap();
    assert_eq!(a.max_bytes_limits(&config(Storage::File)), (true, 100));
    assert_eq!(a.max_bytes_limits(&config(Storage::Memory)), (true, 50));
    let mut client = Client::login(&server, "a");
    let code = |answer: serde_json::Value| answer["error"]["err_code"].clone();
    assert_eq!(code(client.stream("S", "")), 10113);
    assert_eq!(code(client.stream("S", ",\"max_bytes\":101")), 10122);
    assert!(code(client.stream("S", ",\"max_bytes\":100")).is_null());
    assert_eq!(code(client.stream("M", ",\"max_bytes\":51,\"storage\":\"memory\"")), 10122);
    a.update_jetstream_limits(&flat(|l| l.storage_max_stream_bytes = 100)).unwrap();
    assert!(code(client.stream("N", "")).is_null(), "unset is accepted");
    let tiers = BTreeMap::from([("R3".to_owned(), AccountLimits::UNLIMITED)]);
    b.enable_jetstream(tiers).unwrap();
    assert_eq!(b.max_bytes_limits(&config(Storage::File)), (false, 0), "no such tier");
}

#[test]
fn an_account_stops_and_comes_back_with_what_it_has() {
    mark::check!(F1413, F1414, F1417);
    let server = two_accounts();
    let a = account(&server, "A");
    let mut client = Client::login(&server, "a");
    client.stream("S", ",\"max_bytes\":1000");
    assert!(client.request("s.a", "x").contains("\"seq\":1"));
    let reserved = || server.server().jetstream_reserved_resources().unwrap();
    assert_eq!(reserved(), (0, 1000));
    a.disable_jetstream().unwrap();
    assert!(!a.is_jetstream_enabled() && a.is_jetstream_configured());
    assert_eq!((server.server().jetstream_num_accounts(), reserved()), (0, (0, 0)));
    assert_eq!(client.api("STREAM.NAMES", "")["error"]["err_code"], 10039);
    assert!(client.nobody_answers("s.a"));
    assert!(Path::new(&server.server().store_dir()).join("A/streams/S").is_dir());
    assert_eq!(
        a.disable_jetstream().unwrap_err().to_string(),
        "JetStream not enabled for account (10039)"
    );
    let limits = BTreeMap::clone(&a.configured_jetstream().unwrap());
    a.enable_jetstream(limits.clone()).unwrap();
    assert_eq!(reserved(), (0, 1000), "not twice");
    assert_eq!(client.api("STREAM.INFO.S", "")["state"]["messages"], 1);
    a.enable_jetstream(flat(|l| l.max_storage = 5)).unwrap();
    assert_eq!(client.api("INFO", "")["limits"]["max_storage"], -1, "limits stay as they are");
    assert_eq!((a.num_streams(), reserved()), (1, (0, 1000)), "nothing came twice");
    server.disable_jetstream();
    assert_eq!(
        a.disable_jetstream().unwrap_err().to_string(),
        "JetStream not enabled for account (10039)"
    );
    assert!(!a.is_jetstream_enabled());
}

#[test]
fn reloads_enable_change_and_disable_accounts() {
    mark::check!(F1386, F1383, F1385);
    let server = two_accounts();
    let mut b = Client::login(&server, "b");
    assert_eq!(b.api("INFO", "")["error"]["err_code"], 10039);
    assert_eq!(b.api("INFO", "")["error"]["code"], 503);
    let with = |limits: Option<AccountLimits>| {
        let options = changed(&server, |options| options.accounts[1].jetstream = limits);
        server.reload_options(options).unwrap();
    };
    with(Some(AccountLimits::UNLIMITED));
    assert_eq!(b.api("INFO", "")["streams"], 0);
    assert!(b.stream("S", "")["error"].is_null());
    let mut limits = AccountLimits::UNLIMITED;
    limits.max_streams = 7;
    with(Some(limits));
    let info = b.api("INFO", "");
    assert_eq!((&info["streams"], &info["limits"]["max_streams"]), (&1.into(), &7.into()));
    with(None);
    assert_eq!(b.api("INFO", "")["error"]["err_code"], 10039);
    assert!(Path::new(&server.server().store_dir()).join("B/streams/S").is_dir());
    server.server().inner().jetstream.configure_account(None).unwrap();
    let global = account(&server, "$G");
    assert!(!global.is_jetstream_enabled(), "others are configured, it has no limits");
}

#[test]
fn without_accounts_the_global_one_has_it_without_limits() {
    mark::check!(F1383);
    let server = Embedded::temporary().unwrap();
    let mut client = Client::connect(&server);
    assert_eq!(client.api("INFO", "")["limits"]["max_storage"], -1);
    server.disable_jetstream();
    let global = account(&server, "$G");
    global.assign_jetstream_limits(flat(|l| l.max_streams = 3));
    server.restart_jetstream();
    assert_eq!(client.api("INFO", "")["limits"]["max_streams"], 3, "configured limits stay");
    let several = two_accounts();
    several.disable_jetstream();
    let options = changed(&several, |o| {
        o.accounts[0].jetstream =
            Some(AccountLimits { max_storage: 10_001, ..AccountLimits::UNLIMITED });
    });
    several.reload_options(options).unwrap();
    let ((), lines) = logged(|| several.restart_jetstream());
    let text = "Error enabling jetstream on configured accounts: insufficient storage resources";
    assert_eq!(count(&lines, text), 1, "{lines:?}");
    assert!(!several.server().jetstream_enabled());
}

#[test]
fn the_domain_has_its_own_subjects() {
    mark::check!(F1384);
    let server = Embedded::temporary_with(|options| {
        options.jetstream.domain = Some("HUB".into());
        let text = "accounts {A: {jetstream: enabled, users: [{user: a, password: a}]}, \
                    B: {jetstream: enabled, users: [{user: b, password: b}], \
                    mappings: {\"$JS.HUB.API.INFO\": mine}}}";
        accounts_of(options, text);
    })
    .unwrap();
    let (a, b) = (account(&server, "A"), account(&server, "B"));
    a.enable_all_jetstream_service_imports_and_mappings().unwrap();
    let (imports, mapped) = a.jetstream_access();
    assert!(imports && mapped.len() == 9, "{mapped:?}");
    let mut client = Client::login(&server, "a");
    assert!(client.request("$JS.HUB.API.INFO", "").contains("account_info_response"));
    assert!(client.request("$JS.HUB.API.STREAM.NAMES", "").contains("stream_names_response"));
    assert!(client.nobody_answers("$JS.OTHER.API.INFO"));
    assert_eq!(b.jetstream_access().1.len(), 8, "its own mapping wins");
    assert!(Client::login(&server, "b").nobody_answers("$JS.HUB.API.INFO"));
}

#[test]
fn the_system_account_exports_the_api_once() {
    mark::check!(F1377, F1378);
    let server = Embedded::temporary_with(|options| options.jetstream.enabled = false).unwrap();
    let control = &server.server().inner().jetstream;
    let system = account(&server, "$SYS");
    assert!(system.service_exports().is_empty());
    control.check_jetstream_exports();
    control.check_jetstream_exports();
    control.setup_jetstream_exports();
    assert_eq!(system.service_exports(), ["$JS.API.>"]);
    assert!(system.exports_service("$JS.API.INFO") && !system.exports_service("$JS.ACK.>"));
    control.host.set_system(None);
    let ((), lines) = logged(|| control.check_jetstream_exports());
    assert!(lines.is_empty());
    let ((), lines) = logged(|| control.setup_jetstream_exports());
    assert_eq!(lines, ["WARN Error setting up jetstream service exports: account missing"]);
}

#[test]
fn empty_directories_of_accounts_go_and_nothing_else() {
    mark::check!(F1387, F1391);
    let server = two_accounts();
    let store = server.server().store_dir();
    let store = Path::new(&store);
    for dir in ["SHELL/streams", "FULL/streams/S", "$SYS/streams"] {
        fs::create_dir_all(store.join(dir)).unwrap();
    }
    fs::write(store.join("stray"), "x").unwrap();
    server
        .server()
        .inner()
        .jetstream
        .host
        .set_resolver(Some(Arc::new(One(Arc::clone(&server.server().inner().jetstream)))));
    let mut client = Client::login(&server, "a");
    client.stream("S", "");
    server.disable_jetstream();
    copy(&store.join("A/streams/S"), &store.join("FOUND/streams/S"));
    server.restart_jetstream();
    let found = server.server().jetstream_engine().unwrap().account("FOUND").unwrap();
    assert_eq!(found.streams().iter().filter(|stream| stream.offline.is_none()).count(), 1);
    assert!(server.server().jetstream_enabled());
    assert!(!store.join("SHELL").exists());
    assert!(store.join("FULL/streams/S").is_dir() && store.join("$SYS/streams").is_dir());
    assert!(store.join("stray").is_file());
    assert!(server.server().jetstream_engine().unwrap().account("FOUND").is_some());
    assert_eq!(server.server().jetstream_num_accounts(), 2);
    fs::create_dir_all(store.join("ALSO/streams")).unwrap();
    remove_empty_accounts(store, Some("ALSO"));
    assert!(store.join("ALSO/streams").is_dir(), "the system account's");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Knows one account; asked while accounts are recovered.
struct One(Arc<Control>);

impl account::AccountResolver for One {
    fn fetch(&self, name: &str) -> Option<Arc<Account>> {
        assert!(self.0.is_enabled(), "on while it recovers");
        (name == "FOUND").then(|| {
            let account = Account::new(name);
            account.assign_jetstream_limits(default_tiers());
            account
        })
    }
}

#[test]
fn an_account_that_imports_the_api_of_another_gets_no_second_one() {
    mark::check!(F1385);
    let server = Embedded::temporary_with(|options| {
        let text = "accounts {A: {jetstream: enabled, users: [{user: a, password: a}], \
                    exports: [{service: \"$JS.API.>\"}]}, \
                    B: {users: [{user: b, password: b}], \
                    imports: [{service: {account: A, subject: \"$JS.API.>\"}}]}}";
        accounts_of(options, text);
    })
    .unwrap();
    let b = account(&server, "B");
    assert_eq!(b.jetstream_access(), (false, Vec::new()));
    b.enable_jetstream_info_service_import_only().unwrap();
    assert_eq!(b.jetstream_access(), (false, Vec::new()), "again without effect");
    Client::login(&server, "a").stream("S", "");
    let mut client = Client::login(&server, "b");
    assert_eq!(client.api("INFO", "")["streams"], 1, "that of A answers");
}

/// Keeps those that read a stream waiting until so many do, and counts them.
struct Readers {
    wanted: usize,
    /// Reading now, and most at a time.
    reading: Mutex<(usize, usize)>,
    came: Condvar,
}

impl Readers {
    fn on_line(&self, line: &str) {
        let mut reading = self.reading.lock();
        if line.contains("Starting restore for stream") {
            reading.0 += 1;
            reading.1 = reading.1.max(reading.0);
            self.came.notify_all();
            while reading.1 < self.wanted {
                let late = self.came.wait_for(&mut reading, WAIT);
                assert!(!late.timed_out(), "{} at a time", reading.1);
            }
        } else if line.contains("Restored ") {
            reading.0 -= 1;
        }
    }
}

#[test]
fn many_streams_are_recovered_in_parallel_and_not_all_at_once() {
    mark::check!(F1383);
    let server = Embedded::temporary().unwrap();
    let mut client = Client::connect(&server);
    let wanted = workers();
    let streams = 3 * wanted;
    for n in 0..streams {
        assert!(client.stream(&format!("S{n}"), "")["error"].is_null());
    }
    server.disable_jetstream();
    let reading = Mutex::default();
    let readers = Arc::new(Readers { wanted, reading, came: Condvar::default() });
    let told = Arc::clone(&readers);
    let ((), lines) = logged_to(move |line| told.on_line(line), || server.restart_jetstream());
    assert_eq!(count(&lines, "  Starting restore for stream '$G > S"), streams);
    assert_eq!(*readers.reading.lock(), (0, wanted), "so many at a time, and no more");
    assert_eq!(account(&server, "$G").num_streams(), streams);
}
