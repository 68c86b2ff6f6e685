//! Texts, parameters, sorting, paging and health, without a server.

use proptest::prelude::*;

use crate::connz::{self, ConnInfo, ConnState, ConnzOptions};
use crate::healthz::{Health, HealthzOptions, StreamCondition, StreamHealth, judge};
use crate::jsz::JszOptions;
use crate::query::Query;
use crate::text::{go_duration, uptime};

#[test]
fn uptimes_read_like_the_reference() {
    const SECOND: u64 = 1_000_000_000;
    let cases = [
        (0, "0s"),
        (SECOND - 1, "0s"),
        (59 * SECOND, "59s"),
        (60 * SECOND, "1m0s"),
        (3_661 * SECOND, "1h1m1s"),
        (86_400 * SECOND, "1d0h0m0s"),
        (366 * 86_400 * SECOND, "1y1d0h0m0s"),
    ];
    for (ns, text) in cases {
        assert_eq!(uptime(ns), text);
    }
}

#[test]
fn durations_read_like_go() {
    let cases = [
        (0, "0s"),
        (999, "999ns"),
        (1_500, "1.5µs"),
        (1_000_000, "1ms"),
        (1_234_567, "1.234567ms"),
        (1_000_000_000, "1s"),
        (61_500_000_000, "1m1.5s"),
        (3_600_000_000_000, "1h0m0s"),
    ];
    for (ns, text) in cases {
        assert_eq!(go_duration(ns), text);
    }
}

#[test]
fn queries_refuse_what_the_reference_refuses() {
    let query = Query::new("a=1&b=x%20y&c=true&n=-5&bad=12q&e&big=99999999999999999999&plus=+1");
    assert_eq!(query.text("b"), "x y");
    assert_eq!(query.text("e"), "");
    assert_eq!(query.flag("c"), Ok(true));
    assert_eq!(query.flag("absent"), Ok(false));
    assert_eq!(query.int("n"), Ok(-5));
    assert_eq!(
        query.int("bad").unwrap_err().0,
        "Error decoding int for 'bad': strconv.Atoi: parsing \"12q\": invalid syntax"
    );
    assert_eq!(
        query.uint("n").unwrap_err().0,
        "Error decoding uint64 for 'n': strconv.ParseUint: parsing \"-5\": invalid syntax"
    );
    assert_eq!(
        query.uint("big").unwrap_err().0,
        "Error decoding uint64 for 'big': strconv.ParseUint: parsing \"99999999999999999999\": \
         value out of range"
    );
    assert_eq!(
        query.flag("b").unwrap_err().0,
        "Error decoding boolean for 'b': strconv.ParseBool: parsing \"x y\": invalid syntax"
    );
}

proptest! {
    #[test]
    fn numbers_are_read_or_refused(raw in "[ -~]{0,40}") {
        let query = Query::new(&raw);
        let text = query.text("a");
        let number = if text.is_empty() { Some(0) } else { text.parse::<i64>().ok() };
        prop_assert_eq!(query.int("a").ok(), number);
        // Whatever stands there, no other reading panics.
        let _ = (query.flag("a"), query.uint("a"));
    }
}

fn conn(cid: u64, in_msgs: u64) -> ConnInfo {
    ConnInfo { cid, in_msgs, ..ConnInfo::default() }
}

#[test]
fn connections_are_sorted_then_cut() {
    let options =
        ConnzOptions { sort: "msgs_from".into(), offset: 1, limit: 1, ..ConnzOptions::default() };
    let sort = connz::check(&options).unwrap();
    let picked = vec![conn(1, 5), conn(2, 9), conn(3, 7)];
    let page = connz::page("N", types::Timestamp::ZERO, &options, sort, 3, picked);
    let cids: Vec<u64> = page.connections.iter().map(|c| c.cid).collect();
    assert_eq!((page.total, page.num_connections, cids), (3, 1, vec![3]));
}

#[test]
fn sorting_by_stop_needs_closed_connections() {
    let mut options = ConnzOptions { sort: "stop".into(), ..ConnzOptions::default() };
    assert_eq!(
        connz::check(&options).unwrap_err().0,
        "sort by stop only valid on closed connections"
    );
    options.state = ConnState::Closed;
    assert!(connz::check(&options).is_ok());
    options.sort = "nonsense".into();
    assert_eq!(connz::check(&options).unwrap_err().0, "invalid sorting option: nonsense");
}

#[test]
fn accounts_are_paged_and_one_can_be_named() {
    let names = ["A", "B", "C"];
    let options = |text: &str| JszOptions::from_query(&Query::new(text)).unwrap().complete();
    assert_eq!(options("").listed(&names), 0..0);
    assert_eq!(options("accounts=1").listed(&names), 0..3);
    assert_eq!(options("streams=1&offset=1&limit=1").listed(&names), 1..2);
    assert_eq!(options("accounts=1&offset=9").listed(&names), 3..3);
    assert_eq!(options("acc=B").listed(&names), 1..2);
    assert_eq!(options("acc=X&streams=1").listed(&names), 0..0);
}

fn sick() -> Health {
    let stream = |stream: &str, state| StreamHealth {
        account: "$G".into(),
        stream: stream.into(),
        state,
        lost: 0,
        consumers: vec!["c".into()],
    };
    Health::JetStream {
        accounts: vec![("$G".into(), true), ("gone".into(), false)],
        streams: vec![
            stream("good", StreamCondition::Good),
            stream("lost", StreamCondition::NotRecovered),
            stream("lost too", StreamCondition::NotRecovered),
        ],
    }
}

#[test]
fn health_names_the_first_problem_or_all() {
    let plain = judge(&HealthzOptions::default(), &sick());
    assert_eq!((plain.status_code, plain.status), (503, "unavailable"));
    assert_eq!(plain.error, "JetStream stream '$G > lost' could not be recovered");
    assert!(plain.errors.is_empty());
    let details = HealthzOptions { details: true, ..HealthzOptions::default() };
    let all = judge(&details, &sick());
    assert_eq!((all.status_code, all.status, all.errors.len()), (503, "error", 3));
    assert_eq!(all.error, "");
    let server_only = HealthzOptions { js_server_only: true, ..HealthzOptions::default() };
    assert_eq!(judge(&server_only, &sick()).status, "ok");
}

#[test]
fn health_names_streams_that_cannot_store_and_lists_losses() {
    let stream = |stream: &str, state, lost| StreamHealth {
        account: "$G".into(),
        stream: stream.into(),
        state,
        lost,
        consumers: Vec::new(),
    };
    let with = |streams| Health::JetStream { accounts: vec![("$G".into(), true)], streams };
    let details = HealthzOptions { details: true, ..HealthzOptions::default() };
    let lossy = with(vec![stream("lossy", StreamCondition::Good, 3)]);
    assert_eq!(judge(&HealthzOptions::default(), &lossy).status, "ok");
    let all = judge(&details, &lossy);
    assert_eq!((all.status_code, all.status, all.errors.len()), (200, "ok", 1));
    assert_eq!(all.errors[0].error, "JetStream stream '$G > lossy' lost 3 messages to damage");
    let full = with(vec![stream("full", StreamCondition::CannotStore("no space".into()), 0)]);
    let plain = judge(&HealthzOptions::default(), &full);
    assert_eq!((plain.status_code, plain.status), (503, "unavailable"));
    assert_eq!(plain.error, "JetStream stream '$G > full' cannot store: no space");
}

#[test]
fn health_of_one_asset_needs_its_owner_and_its_existence() {
    let ask = |account: &str, stream: &str, consumer: &str| {
        let options = HealthzOptions {
            account: account.into(),
            stream: stream.into(),
            consumer: consumer.into(),
            ..HealthzOptions::default()
        };
        let health = judge(&options, &sick());
        (health.status_code, health.error)
    };
    assert_eq!(ask("$G", "good", "c").0, 200);
    assert_eq!(
        ask("", "good", ""),
        (400, "\"account\" must not be empty when checking stream health".into())
    );
    assert_eq!(
        ask("$G", "", "c"),
        (400, "\"stream\" must not be empty when checking consumer health".into())
    );
    assert_eq!(ask("none", "", ""), (404, "JetStream account \"none\" not found".into()));
    assert_eq!(
        ask("$G", "none", ""),
        (404, "JetStream stream \"none\" not found on account \"$G\"".into())
    );
    assert_eq!(
        ask("$G", "good", "x"),
        (404, "JetStream consumer \"x\" not found for stream \"good\" on account \"$G\"".into())
    );
}

#[test]
fn health_follows_the_server() {
    let ask = |health| {
        let health = judge(&HealthzOptions::default(), &health);
        (health.status_code, health.status, health.error)
    };
    assert_eq!(ask(Health::NoJetStream).0, 200);
    assert_eq!(ask(Health::NotReady).0, 500);
    assert_eq!(
        ask(Health::JetStreamDown),
        (503, "unavailable", "JetStream not enabled (10076)".into())
    );
}
