//! A cluster as JetStream sees it: through its traits.

use std::sync::Arc;
use std::time::Instant;

use config_validate::options::{LeafRemote, Port};
use parking_lot::Mutex;
use types::Storage;

use super::bus::Bus;
use super::harness::{Client, account, accounts_of, changed, count, logged};
use crate::jetstream::cluster::can_extend_other_domain;
use crate::{Clustering, Embedded, MetaGroup};

/// Writes down what is asked of it.
#[derive(Default)]
struct Group {
    leads: bool,
    current: bool,
    calls: Mutex<Vec<String>>,
}

struct Starter(Arc<Group>, Arc<Mutex<Vec<usize>>>, Mutex<Option<Box<dyn Fn() -> usize + Send>>>);

impl Clustering for Starter {
    fn start(&self) -> Result<Arc<dyn MetaGroup>, String> {
        let recovered = self.2.lock().as_ref().map_or(0, |count| count());
        self.1.lock().push(recovered);
        Ok(Arc::clone(&self.0) as Arc<dyn MetaGroup>)
    }

    fn link(&self) -> account::ClusterLink {
        account::ClusterLink { node: "ALONE".into(), messages: Bus::default().port("ALONE") }
    }
}

impl MetaGroup for Group {
    fn is_leader(&self) -> bool {
        self.leads
    }

    fn step_down(&self) {
        self.calls.lock().push("step down".into());
    }

    fn is_current(&self) -> bool {
        self.current
    }

    fn delete(&self) {
        self.calls.lock().push("delete".into());
    }

    fn stop_groups(&self) {
        self.calls.lock().push("stop".into());
    }

    fn assigned(&self, _: &str) -> Vec<js_engine::Assignment> {
        Vec::new()
    }

    fn interest_only(&self, account: &str) {
        self.calls.lock().push(format!("interest only {account}"));
    }
}

fn clustered(leads: bool, current: bool) -> (Embedded, Arc<Group>) {
    let server = Embedded::temporary_with(|options| {
        options.jetstream.enabled = false;
        options.server_name = Some("one".into());
        options.cluster.name = Some("C".into());
        options.cluster.port = Some(Port::Fixed(1));
    })
    .unwrap();
    let group = Arc::new(Group { leads, current, ..Group::default() });
    let global = account(&server, "$G");
    let count: Box<dyn Fn() -> usize + Send> =
        Box::new(move || usize::from(global.is_jetstream_enabled()));
    let started = Arc::default();
    let starter = Starter(Arc::clone(&group), Arc::clone(&started), Mutex::new(Some(count)));
    server.server().set_clustering(Some(Arc::new(starter)));
    server.restart_jetstream();
    assert_eq!(*started.lock(), [1], "accounts are there before the cluster starts");
    (server, group)
}

#[test]
fn a_meta_leader_hands_over_before_it_leaves() {
    mark::check!(F1373, F1382);
    let (server, group) = clustered(true, false);
    let js = server.server();
    assert!(!js.jetstream_is_standalone());
    assert!(js.jetstream_engine().unwrap().usage().is_clustered());
    let begun = Instant::now();
    let ((), lines) = logged(|| server.disable_jetstream());
    assert!(begun.elapsed().as_secs() >= 2, "time for another leader");
    assert_eq!(count(&lines, "WARN JetStream initiating meta leader transfer"), 1);
    assert_eq!(count(&lines, "WARN JetStream timeout waiting for meta leader transfer"), 1);
    assert_eq!(*group.calls.lock(), ["step down", "delete", "stop"]);
    assert!(Client::connect(&server).info["jetstream"].is_null());
    let (follower, group) = clustered(false, true);
    let begun = Instant::now();
    follower.disable_jetstream();
    assert!(begun.elapsed().as_secs() < 2);
    assert_eq!(*group.calls.lock(), ["delete", "stop"]);
}

#[test]
fn used_up_resources_are_reported_now_and_then() {
    mark::check!(F1448);
    const SECOND: u64 = 1_000_000_000;
    let (server, group) = clustered(true, true);
    let control = Arc::clone(&server.server().inner().jetstream);
    let at = |kind, second: u64| logged(|| control.resources_exceeded_at(kind, second)).1;
    let line = |kind| vec![format!("ERROR JetStream {kind} resource limits exceeded for server")];
    assert_eq!(at(Storage::File, SECOND), line("file"));
    assert!(at(Storage::File, 2 * SECOND).is_empty());
    assert!(at(Storage::Memory, 11 * SECOND).is_empty(), "one throttle for both");
    assert_eq!(group.calls.lock().len(), 1, "with each report, no more");
    assert_eq!(at(Storage::Memory, 11 * SECOND + 1), line("memory"));
    assert_eq!(*group.calls.lock(), ["step down", "step down"]);
    let alone = Embedded::temporary_with(|options| options.jetstream.enabled = false).unwrap();
    let ((), lines) = logged(|| alone.server().resources_exceeded_error(Storage::File));
    assert_eq!(lines, line("file"), "without an engine, too");
}

#[test]
fn gateways_are_told_of_an_account_once() {
    mark::check!(F1386);
    let (server, group) = clustered(false, true);
    let options = changed(&server, |options| {
        accounts_of(options, "accounts {A: {jetstream: enabled}}");
    });
    server.reload_options(options.clone()).unwrap();
    server.reload_options(options).unwrap();
    assert_eq!(*group.calls.lock(), ["interest only A"]);
}

#[test]
fn the_first_remote_of_the_system_account_decides() {
    mark::check!(F1374);
    let remote = |account: &str, imports: &[&str], exports: &[&str]| LeafRemote {
        local_account: account.into(),
        deny_imports: imports.iter().map(|s| (*s).to_owned()).collect(),
        deny_exports: exports.iter().map(|s| (*s).to_owned()).collect(),
    };
    let rows = [
        (vec![], false),
        (vec![remote("A", &[], &[])], false),
        (vec![remote("$SYS", &[], &[])], true),
        (vec![remote("$SYS", &["$NRG.>"], &[])], false),
        (vec![remote("$SYS", &["$NRG.x"], &[])], false),
        (vec![remote("$SYS", &[">"], &[])], true),
        (vec![remote("$SYS", &["other"], &[])], true),
        (vec![remote("$SYS", &["$NRG.>"], &[]), remote("$SYS", &[], &[])], false),
        (vec![remote("$SYS", &[], &["$NRG.>"])], true),
    ];
    for (remotes, may) in rows {
        assert_eq!(can_extend_other_domain(&remotes, Some("$SYS")), may, "{remotes:?}");
        assert!(!can_extend_other_domain(&remotes, None), "no system account");
    }
}

#[test]
fn a_leaf_extends_a_domain_only_when_told_to() {
    mark::check!(F1373, F1374);
    let start = |hint: &str| {
        let server = Embedded::temporary_with(|options| {
            options.jetstream.enabled = false;
            options.jetstream.extension_hint = hint.into();
            options.leaf_remotes =
                vec![LeafRemote { local_account: "$SYS".into(), ..LeafRemote::default() }];
        })
        .unwrap();
        let group = Arc::new(Group::default());
        let started = Arc::default();
        let starter = Starter(group, Arc::clone(&started), Mutex::new(None));
        server.server().set_clustering(Some(Arc::new(starter)));
        let ((), lines) = logged(|| server.restart_jetstream());
        let notices = count(&lines, "do not support extending domains")
            + count(&lines, "\"extension_hint: will_extend\"");
        let starts = started.lock().len();
        (notices, starts, server.server().jetstream_is_standalone())
    };
    assert_eq!(start(""), (2, 0, true));
    assert_eq!(start("Will_Extend"), (2, 0, true), "case counts on a standalone server");
    assert_eq!(start("will_extend"), (0, 1, false));
}
