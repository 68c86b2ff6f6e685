//! What an account's report says: flat and tiered, on one server and on several of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use account::{Account, ClusterLink};
use config_validate::options::Port;
use js_account::UPDATE_INTERVAL_NS;
use js_engine::Assignment;
use types::{AccountLimits, AccountStats, ConsumerConfig, Retention, Storage, StreamConfig};

use super::bus::Bus;
use super::harness::{Client, account, accounts_of};
use crate::{Clustering, Embedded, MetaGroup};

fn tiers(names: &[&str]) -> BTreeMap<String, AccountLimits> {
    let limits = AccountLimits { max_streams: 9, ..AccountLimits::UNLIMITED };
    names.iter().map(|name| ((*name).to_owned(), limits)).collect()
}

/// Switches JetStream of the account on with limits by tier.
fn enable_tiered(account: &Arc<Account>, names: &[&str]) {
    account.disable_jetstream().unwrap();
    account.enable_jetstream(tiers(names)).unwrap();
}

#[test]
fn a_flat_account_is_reported_as_a_whole() {
    mark::check!(F1412);
    let server = Embedded::temporary_with(|options| {
        let text = "accounts {A: {jetstream: {max_streams: 7, max_file: 102400}, \
                    users: [{user: a, password: a}]}, B: {users: [{user: b, password: b}]}}";
        accounts_of(options, text);
    })
    .unwrap();
    assert_eq!(account(&server, "B").jetstream_usage(), AccountStats::default());
    let mut client = Client::login(&server, "a");
    let info = client.api("INFO", "");
    assert_eq!(info["api"]["total"], 0, "the request is not yet counted: {info}");
    assert_eq!(info["api"]["level"], types::API_LEVEL);
    assert_eq!(
        (&info["limits"]["max_streams"], &info["limits"]["max_storage"]),
        (&7.into(), &102_400.into())
    );
    for absent in ["tiers", "domain"] {
        assert_eq!(info.get(absent), None, "{info}");
    }
    assert_eq!(info["api"].get("inflight"), None, "{info}");
    assert!(client.stream("S", ",\"max_bytes\":500")["error"].is_null());
    let a = account(&server, "A");
    assert_eq!(a.jetstream_usage().totals.reserved_storage, 500);
    let consumer =
        "{\"stream_name\":\"S\",\"config\":{\"ack_policy\":\"explicit\",\"durable_name\":\"c\"}}";
    assert!(client.api("CONSUMER.CREATE.S.c", consumer)["error"].is_null());
    let totals = a.jetstream_usage().totals;
    assert_eq!((totals.streams, totals.consumers), (1, 1));
    assert_eq!(client.api("STREAM.DELETE.S", "")["success"], true);
    let totals = a.jetstream_usage().totals;
    assert_eq!((totals.streams, totals.consumers, totals.reserved_storage), (0, 0, 0));
    // What was counted wrong is never shown as a huge number.
    let (_, record) = a.check_for_jetstream().unwrap();
    record.usage().update_usage("", Storage::File, -1);
    assert_eq!(a.jetstream_usage().totals.storage, 0);
}

#[test]
fn a_tiered_account_is_reported_by_tier() {
    mark::check!(F1412);
    let server = Embedded::temporary().unwrap();
    let global = account(&server, "$G");
    enable_tiered(&global, &["R1", "R3"]);
    let usage = global.jetstream_usage();
    assert_eq!(usage.totals, AccountStats::default().totals, "limits included");
    assert_eq!(usage.tiers.keys().collect::<Vec<_>>(), ["R1", "R3"]);
    for tier in usage.tiers.values() {
        assert_eq!(tier.limits.max_streams, 9);
        assert_eq!((tier.streams, tier.storage, tier.reserved_storage), (0, 0, 0));
    }
    let mut client = Client::connect(&server);
    assert!(client.stream("S", ",\"max_bytes\":500")["error"].is_null());
    // 22 bytes before and 8 after subject and payload, of 3 bytes each.
    assert!(client.request("s.a", "abc").contains("\"seq\":1"));
    let usage = global.jetstream_usage();
    let one = |tier: &str| &usage.tiers[tier];
    assert_eq!((usage.totals.storage, one("R1").storage, one("R3").storage), (36, 36, 0));
    assert_eq!((usage.totals.reserved_storage, one("R1").reserved_storage), (500, 500));
    assert_eq!((usage.totals.streams, one("R1").streams, one("R3").streams), (1, 1, 0));
    assert_eq!(usage.totals.limits.max_streams, 0, "no limits for all of it");
    let info = client.api("INFO", "");
    assert_eq!(info["tiers"]["R1"]["storage"], 36, "{info}");
    assert_eq!(client.api("STREAM.DELETE.S", "")["success"], true);
    assert_eq!(global.jetstream_usage().tiers["R1"].reserved_storage, 0);
}

/// A member of a cluster that shares a bus and what is assigned with the others.
struct Member {
    link: ClusterLink,
    assigned: Vec<Assignment>,
}

impl Clustering for Arc<Member> {
    fn start(&self) -> Result<Arc<dyn MetaGroup>, String> {
        Ok(Arc::new(Arc::clone(self)))
    }

    fn link(&self) -> ClusterLink {
        self.link.clone()
    }
}

impl MetaGroup for Arc<Member> {
    fn is_leader(&self) -> bool {
        false
    }

    fn step_down(&self) {
        panic!("nobody leads");
    }

    fn is_current(&self) -> bool {
        true
    }

    fn delete(&self) {
        assert!(!self.link.node.is_empty());
    }

    fn stop_groups(&self) {
        assert!(!self.link.node.is_empty());
    }

    fn assigned(&self, account: &str) -> Vec<Assignment> {
        if account == "$G" { self.assigned.clone() } else { Vec::new() }
    }

    fn interest_only(&self, account: &str) {
        assert_eq!(account, "$G");
    }
}

fn member(bus: &Bus, node: &str, assigned: &[Assignment]) -> Embedded {
    let server = Embedded::temporary_with(|options| {
        options.jetstream.enabled = false;
        options.server_name = Some(node.into());
        options.cluster.name = Some("C".into());
        options.cluster.port = Some(Port::Fixed(1));
    })
    .unwrap();
    let link = ClusterLink { node: node.to_owned(), messages: bus.port(node) };
    let member = Arc::new(Member { link, assigned: assigned.to_vec() });
    server.server().set_clustering(Some(Arc::new(member)));
    server.restart_jetstream();
    assert!(server.server().jetstream_engine().unwrap().usage().is_clustered());
    server
}

fn stream(name: &str, replicas: i64, max_bytes: i64) -> StreamConfig {
    StreamConfig { name: name.into(), num_replicas: replicas, max_bytes, ..Default::default() }
}

fn consumer(durable: &str, replicas: i64) -> ConsumerConfig {
    ConsumerConfig { durable_name: durable.into(), num_replicas: replicas, ..Default::default() }
}

#[test]
fn servers_of_a_cluster_add_up_and_count_what_is_assigned() {
    mark::check!(F1412, F1418, F1422, F1402);
    let on_interest = StreamConfig { retention: Retention::Interest, ..stream("I", 3, -1) };
    let assigned = [
        Assignment {
            stream: stream("S", 3, 1000),
            // The ephemeral one is on one server, one asks for as many, one for more than there are.
            consumers: vec![consumer("", 0), consumer("d", 0), consumer("e", 1), consumer("f", 5)],
        },
        Assignment { stream: on_interest, consumers: vec![consumer("", 0)] },
        Assignment { stream: stream("T", 1, 7), consumers: vec![] },
    ];
    let bus = Bus::default();
    let nodes = ["ONE", "TWO", "THREE"];
    let servers = nodes.map(|node| member(&bus, node, &assigned));
    let globals = servers.each_ref().map(|server| account(server, "$G"));
    let usages = || globals.each_ref().map(|global| global.jetstream_usage());
    assert_eq!(bus.held(), (3, 3), "each listens, and has its timer");
    for usage in usages() {
        assert!(usage.tiers.is_empty(), "flat");
        assert_eq!((usage.totals.streams, usage.totals.consumers), (3, 5));
        assert_eq!(usage.totals.reserved_storage, 1007, "once, not once per server");
    }
    for global in &globals {
        enable_tiered(global, &["R1", "R3"]);
    }
    assert_eq!(bus.held(), (3, 3), "what was before ended with it");
    // Each holds a copy of the stream with three.
    for global in &globals {
        let (_, record) = global.check_for_jetstream().unwrap();
        record.usage().update_usage("R3", Storage::File, 36);
    }
    assert!(bus.pass(0) >= 3);
    for usage in usages() {
        assert_eq!(usage.totals.storage, 3 * 36);
        assert_eq!((usage.tiers["R3"].storage, usage.tiers["R1"].storage), (3 * 36, 0));
        assert_eq!(usage.tiers["R3"].reserved_storage, 1000);
        assert_eq!(usage.tiers["R1"].reserved_storage, 7);
        let count = |tier: &str| (usage.tiers[tier].streams, usage.tiers[tier].consumers);
        assert_eq!(
            count("R3"),
            (2, 3),
            "of the consumers the durable, the large, that on interest"
        );
        assert_eq!(count("R1"), (1, 2), "the ephemeral one, and what asks for one");
        assert_eq!(usage.totals.limits.max_streams, 0);
    }
    // A message that is lost on the way is made good by the next update.
    let (_, record) = globals[0].check_for_jetstream().unwrap();
    record.usage().update_usage("R3", Storage::File, 4);
    bus.pass(UPDATE_INTERVAL_NS);
    bus.pass(UPDATE_INTERVAL_NS);
    assert!(usages().iter().all(|usage| usage.tiers["R3"].storage == 3 * 36 + 4));
    for server in &servers {
        server.disable_jetstream();
    }
    assert_eq!(bus.held(), (0, 0), "nothing goes on");
    assert_eq!(globals[0].jetstream_usage(), AccountStats::default());
}
