//! An engine that runs alone answers what elsewhere a cluster's leader does.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use account::default_tiers;
use js_engine::{Engine, LeaderRequests};
use types::AccountLimits;

use super::harness::{Client, account, accounts_of, eventually};
use crate::Embedded;

/// A with JetStream; users of the system account.
fn with_system_users() -> Embedded {
    Embedded::temporary_with(|options| {
        let text = "accounts {A: {jetstream: enabled, users: [{user: a, password: a}]}, \
                    SYS: {users: [{user: s, password: s}]}}, system_account: SYS";
        options.jetstream.max_memory = Some(10_000);
        options.jetstream.max_store = Some(10_000);
        accounts_of(options, text);
    })
    .unwrap()
}

/// Counts how many listen.
#[derive(Default)]
struct Requests(Arc<AtomicUsize>);

struct Listening(Arc<AtomicUsize>);

impl LeaderRequests for Requests {
    fn listen(&self) -> Box<dyn Any + Send + Sync> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::new(Listening(Arc::clone(&self.0)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn alone_it_leads_and_listens_once() {
    mark::check!(F1390);
    let requests = Requests::default();
    let listening = || requests.0.load(Ordering::Relaxed);
    Engine::set_standalone(None, true, &requests);
    assert_eq!(listening(), 0, "nothing without an engine");
    let server = with_system_users();
    let engine = server.server().jetstream_engine().unwrap();
    assert!(engine.is_meta_leader() && server.server().jetstream_is_standalone());
    // What the start subscribed gives way; from here on it is counted.
    for (alone, listen) in [(false, 0), (false, 0), (true, 1), (true, 1), (false, 0)] {
        Engine::set_standalone(Some(&engine), alone, &requests);
        assert_eq!(listening(), listen, "{alone}");
        assert_eq!(engine.usage().is_standalone(), alone);
        assert!(engine.is_meta_leader(), "who led goes on to");
    }
    let a = account(&server, "A");
    let much = |limit| {
        let limits = AccountLimits { max_storage: limit, ..AccountLimits::UNLIMITED };
        std::collections::BTreeMap::from([(String::new(), limits)])
    };
    a.update_jetstream_limits(&much(1 << 40)).unwrap();
    a.update_jetstream_limits(&default_tiers()).unwrap();
    Engine::set_standalone(Some(&engine), true, &requests);
    assert!(a.update_jetstream_limits(&much(1 << 40)).is_err(), "alone it must have so much");
    server.disable_jetstream();
    assert_eq!(listening(), 0, "the engine's end is its end");
}

#[test]
fn an_account_is_purged_at_the_system_accounts_request() {
    mark::check!(F1390);
    let server = with_system_users();
    let mut a = Client::login(&server, "a");
    for stream in ["S", "T"] {
        assert!(a.stream(stream, "")["error"].is_null());
        let subject = format!("{}.x", stream.to_lowercase());
        assert!(a.request(&subject, "x").contains("\"seq\":1"));
    }
    let dir = Path::new(&server.server().store_dir()).join("A");
    std::fs::create_dir_all(dir.join("streams/LEFT")).unwrap();
    let ask = |client: &mut Client, account: &str| {
        client.request(&format!("$JS.API.ACCOUNT.PURGE.{account}"), "")
    };
    assert!(a.nobody_answers("$JS.API.ACCOUNT.PURGE.A"), "not for accounts themselves");
    let mut system = Client::login(&server, "s");
    let refused = ask(&mut system, "A/streams");
    assert!(refused.contains("\"err_code\":10051") && !refused.contains("initiated"), "{refused}");
    assert!(dir.join("streams/LEFT").is_dir(), "nothing is touched");
    assert_eq!(a.api("INFO", "")["streams"], 2);
    let done = "{\"type\":\"io.nats.jetstream.api.v1.account_purge_response\",\"initiated\":true}";
    assert_eq!(ask(&mut system, "A"), done);
    assert!(!dir.exists(), "with all that was there");
    let info = a.api("INFO", "");
    assert_eq!((&info["streams"], &info["storage"]), (&0.into(), &0.into()), "{info}");
    assert_eq!(ask(&mut system, "X"), done, "nothing of it is left, as nothing was there");
    assert!(a.stream("S", "")["error"].is_null(), "the account goes on");
    assert!(a.request("s.x", "x").contains("\"seq\":1"));

    let engine = server.server().jetstream_engine().unwrap();
    Engine::set_standalone(Some(&engine), false, &Requests::default());
    assert!(system.nobody_answers("$JS.API.ACCOUNT.PURGE.A"), "a cluster's leader would");
    server.disable_jetstream();
    drop(engine);
    server.restart_jetstream();
    eventually("it answers again", || !system.nobody_answers("$JS.API.ACCOUNT.PURGE.X"));
    assert!(dir.join("streams/S").is_dir());
    server.disable_jetstream();
    assert!(system.nobody_answers("$JS.API.ACCOUNT.PURGE.A"), "without JetStream nobody does");
}
