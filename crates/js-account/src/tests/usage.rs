//! Usage, tiers and questions about limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use types::{AccountLimits, Storage, StreamConfig};

use super::{account, code, server, stream};
use crate::{
    AccountUsage, Drift, Exceeds, Placement, Recount, is_same_tier, message_size, tier_name,
};

const FILE: Storage = Storage::File;
const MEMORY: Storage = Storage::Memory;

fn named(name: &str, kind: Storage, max_bytes: i64, replicas: i64) -> StreamConfig {
    let config = stream(kind, max_bytes);
    StreamConfig { name: name.into(), num_replicas: replicas, ..config }
}

fn storage(max_storage: i64) -> AccountLimits {
    AccountLimits { max_storage, ..AccountLimits::UNLIMITED }
}

fn tiered(tiers: &[(&str, AccountLimits)]) -> Arc<AccountUsage> {
    let tiers = tiers.iter().map(|(name, limits)| ((*name).to_owned(), *limits)).collect();
    server(-1, -1).enrol(&"A".into(), &tiers)
}

fn at(kind: Storage, tier: &str, replicas: i64) -> Placement<'_> {
    Placement { kind, tier, replicas }
}

#[test]
fn tiers_are_named_after_replicas() {
    mark::check!(F1425);
    for (replicas, name) in [
        (0, "R1"),
        (1, "R1"),
        (3, "R3"),
        (5, "R5"),
        (-1, "R-1"),
        (i64::MIN, "R-9223372036854775808"),
    ] {
        assert_eq!(tier_name(replicas), name);
    }
}

#[test]
fn streams_of_one_tier_have_the_same_replicas_as_stored() {
    mark::check!(F1426);
    for (a, b, same) in [(3, 3, true), (1, 3, false), (0, 1, false), (0, 0, true)] {
        assert_eq!(is_same_tier(&named("A", FILE, 0, a), &named("B", MEMORY, 9, b)), same);
    }
}

#[test]
fn limits_are_selected_by_tier() {
    mark::check!(F1428);
    let flat = tiered(&[("", storage(1))]);
    for replicas in [-1, 0, 1, 3] {
        assert_eq!(flat.select_limits(replicas), Some((storage(1), String::new())));
    }
    let by_tier = tiered(&[("R1", storage(1)), ("R3", storage(3))]);
    for (replicas, want) in [(0, Some(1)), (1, Some(1)), (3, Some(3)), (2, None)] {
        let got = by_tier.select_limits(replicas);
        assert_eq!(got.as_ref().map(|(limits, _)| limits.max_storage), want, "{replicas}");
        assert_eq!(got.map(|(_, tier)| tier), want.map(|n| format!("R{n}")), "{replicas}");
    }
    assert_eq!(code(by_tier.reserve_stream(&named("S", FILE, 0, 2))), 10120);
    let both = tiered(&[("", storage(9)), ("R3", storage(3))]);
    assert_eq!(both.select_limits(3), Some((storage(9), String::new())));
}

#[test]
fn streams_are_counted_by_tier_and_not_twice() {
    mark::check!(F1429);
    let limits = |max_streams| AccountLimits { max_streams, ..AccountLimits::UNLIMITED };
    let one = tiered(&[("", limits(1))]);
    let held = one.reserve_stream(&named("A", FILE, 0, 1)).expect("the first");
    let again = one.reserve_stream(&named("A", FILE, 0, 1)).expect("not counted against itself");
    assert_eq!(code(one.reserve_stream(&named("B", FILE, 0, 1))), 10027);
    drop((held, again));
    one.reserve_stream(&named("B", FILE, 0, 1)).expect("there is room again");
    let by_tier = tiered(&[("R1", limits(1)), ("R3", limits(1))]);
    let _three = by_tier.reserve_stream(&named("A", FILE, 0, 3)).expect("the first of R3");
    let _single = by_tier.reserve_stream(&named("B", FILE, 0, 1)).expect("the first of R1");
    assert_eq!(by_tier.count_streams("R1", &named("C", FILE, 0, 1)), 1);
    assert_eq!(by_tier.count_streams("", &named("C", FILE, 0, 1)), 2);
    assert_eq!(code(by_tier.reserve_stream(&named("C", FILE, 0, 1))), 10027);
    for none in [0, -1] {
        let free = tiered(&[("", limits(none))]);
        let held: Vec<_> = (0..5)
            .map(|n| free.reserve_stream(&named(&n.to_string(), FILE, 0, 1)).expect("no limit"))
            .collect();
        assert_eq!(free.streams(), held.len() as u64);
    }
}

#[test]
fn max_bytes_of_registered_streams_add_up() {
    mark::check!(F1410);
    let account = tiered(&[("", AccountLimits::UNLIMITED)]);
    let mut guards: Vec<_> = [
        ("A", FILE, 500, 1),
        ("B", FILE, 700, 3),
        ("C", MEMORY, 100, 1),
        ("D", FILE, -1, 1),
        ("E", FILE, 0, 1),
    ]
    .map(|(name, kind, bytes, replicas)| account.adopt_stream(&named(name, kind, bytes, replicas)))
    .into();
    assert_eq!(account.reserved_storage(""), (100, 1200));
    assert_eq!(account.reserved_storage("R1"), (100, 500));
    assert_eq!(account.reserved_storage("R3"), (0, 700), "once per stream, by its own replicas");
    guards[0].change(600).expect("fits").keep();
    drop(guards[1].change(900).expect("fits"));
    assert_eq!(account.reserved_storage(""), (100, 1300), "a change that was kept");
    guards.clear();
    assert_eq!(account.reserved_storage(""), (0, 0));
}

#[test]
fn usage_is_added_to_tier_and_server() {
    mark::check!(F1420);
    let server = server(-1, -1);
    let account = account(&server, AccountLimits::UNLIMITED);
    account.remote_update("a.N1", &[50u64.to_le_bytes(); 4].concat()).expect("sound");
    account.update_usage("R1", FILE, 100);
    account.update_usage("R1", FILE, -40);
    let tier = account.known_tier("R1").expect("made by its first usage");
    assert_eq!((tier.own.of(FILE).get(), tier.total(FILE)), (60, 60));
    assert_eq!((server.used(FILE), server.used(MEMORY)), (60, 0));
    assert_eq!(account.used(FILE), 110, "what another server reported is preserved");
    account.update_usage("R5", MEMORY, 0);
    assert!(account.known_tier("R5").is_some_and(|tier| tier.is_touched()), "0 makes an entry");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..1000).for_each(|n| account.update_usage("R1", FILE, n % 7 - 2)));
        }
    });
    let sum: i64 = (0..1000).map(|n: i64| n % 7 - 2).sum();
    assert_eq!(tier.own.of(FILE).get(), 60 + 8 * sum);
    assert_eq!(server.used(FILE), u64::try_from(60 + 8 * sum).expect("positive"));
}

#[derive(Debug, Default)]
struct Requests(Mutex<Vec<(String, String, Storage)>>);

impl Recount for Requests {
    fn request(&self, account: &str, tier: &str, kind: Storage) {
        self.0.lock().push((account.to_owned(), tier.to_owned(), kind));
    }
}

#[test]
fn usage_below_zero_is_counted_again() {
    mark::check!(F1419, F1420);
    let server = server(-1, -1);
    let account = account(&server, AccountLimits::UNLIMITED);
    let requests = Arc::new(Requests::default());
    account.recount_by(Arc::clone(&requests) as Arc<dyn Recount>);
    let guard = account.reserve_stream(&stream(FILE, -1)).expect("fits");
    let quota = guard.quota();
    quota.charge(74).expect("fits");
    account.update_usage("", FILE, -1074);
    assert_eq!(*requests.0.lock(), [("A".to_owned(), String::new(), FILE)]);
    assert_eq!(server.used(FILE), 0, "nothing negative is shown");
    let run = account.begin_correction().expect("none runs");
    assert!(account.begin_correction().is_none(), "one at a time");
    assert_eq!(run.correct("", FILE, 74), Some(Drift { stored: 74, counted: -1000 }));
    assert_eq!((account.used(FILE), server.used(FILE)), (74, 74));
    assert_eq!(run.correct("", FILE, 74), None, "no drift");
    assert_eq!(run.correct("R7", FILE, 74), None, "no such tier");
    assert_eq!(account.used(MEMORY), 0, "only the kind that was asked for");
    drop(run);
    assert!(account.begin_correction().is_some());
    // With nobody to count, a drift just waits.
    let alone = tiered(&[("", AccountLimits::UNLIMITED)]);
    alone.update_usage("", MEMORY, -1);
    assert_eq!(alone.storage_totals(), (0, 0));
}

#[test]
fn totals_add_tiers_and_never_go_below_zero() {
    mark::check!(F1430);
    let account = tiered(&[("R1", AccountLimits::UNLIMITED), ("R3", AccountLimits::UNLIMITED)]);
    assert_eq!(account.storage_totals(), (0, 0));
    for (tier, memory, file) in [("R1", 10, 20), ("R3", 30, 40)] {
        account.update_usage(tier, MEMORY, memory);
        account.update_usage(tier, FILE, file);
    }
    assert_eq!(account.storage_totals(), (40, 60));
    account.update_usage("R1", MEMORY, -90);
    assert_eq!(account.storage_totals(), (0, 60), "the reference wraps around");
}

#[test]
fn a_record_knows_its_account_and_server() {
    mark::check!(F1427, F1437);
    let server = server(-1, -1);
    let name: Arc<str> = "A".into();
    let limits = BTreeMap::from([(String::new(), AccountLimits::UNLIMITED)]);
    let account = server.enrol(&name, &limits);
    assert!(Arc::ptr_eq(account.account(), &name));
    let (engine, clustered) = account.server_and_clustered();
    assert!(Arc::ptr_eq(engine, &server) && !clustered);
    server.remove("A");
    assert!(Arc::ptr_eq(account.account(), &name), "also when it is enrolled no more");
    server.set_clustered();
    assert!(account.server_and_clustered().1);
}

#[test]
fn would_exceed_table() {
    mark::check!(F1432);
    // A message of one byte of subject and nine of payload: 40 bytes in a file, 26 in memory.
    let (file, memory) = (message_size(FILE, 1, 0, 9), message_size(MEMORY, 1, 0, 9));
    assert_eq!((file, memory), (40, 26));
    assert_eq!((message_size(FILE, 1, 5, 9), message_size(MEMORY, 1, 5, 9)), (49, 31));
    let both = |limit| AccountLimits { max_memory: limit, ..storage(limit) };
    // (tier, limit, kind, replicas, size, refused)
    let rows = [
        ("", 120, FILE, 3, file, false),
        ("", 119, FILE, 3, file, true),
        ("R3", 40, FILE, 3, file, false),
        ("R3", 39, FILE, 3, file, true),
        ("R1", 26, MEMORY, 1, memory, false),
        ("R1", 25, MEMORY, 1, memory, true),
        ("R1", 26, MEMORY, 0, memory, false),
        ("", 0, FILE, 1, 1, true),
        ("", -1, FILE, 1, u64::MAX, false),
        ("R2", i64::MAX, FILE, 2, file, false),
        ("R2", i64::MAX, FILE, 2, u64::MAX, false),
    ];
    for (i, (tier, limit, kind, replicas, size, refused)) in rows.into_iter().enumerate() {
        let account = tiered(&[(tier, both(limit))]);
        let place = at(kind, tier, replicas);
        assert_eq!(
            account.would_exceed_limits(place, size),
            Exceeds::No,
            "row {i}: without usage nothing is checked"
        );
        account.update_usage(tier, kind, 0);
        assert_eq!(account.would_exceed_limits(place, size).is_refused(), refused, "row {i}");
        // What takes the room decides alike.
        let guard = account.adopt_stream(&named("S", kind, -1, replicas));
        let taken = guard.quota().charge(size.min(i64::MAX as u64));
        assert_eq!(code(taken), if refused { 10002 } else { 0 }, "row {i}");
    }
    let account = tiered(&[("R1", both(1))]);
    let Exceeds::Because(error) = account.would_exceed_limits(at(FILE, "R3", 3), 1) else {
        panic!("a tier without limits");
    };
    assert_eq!(error.err_code, 10120);
}

#[test]
fn the_limit_of_a_stream_holds_for_its_tier() {
    mark::check!(F1432);
    let limits = AccountLimits { storage_max_stream_bytes: 100, ..AccountLimits::UNLIMITED };
    let account = tiered(&[("", limits)]);
    let guards = ["A", "B"].map(|name| account.adopt_stream(&named(name, FILE, 50, 1)));
    let quotas = [guards[0].quota(), guards[1].quota()];
    quotas[0].charge(37).expect("fits");
    quotas[1].charge(37).expect("fits");
    for quota in &quotas {
        assert_eq!(code(quota.charge(37)), 10002);
    }
    assert_eq!(account.would_exceed_limits(at(FILE, "", 1), 37), Exceeds::Yes);
    assert_eq!(account.would_exceed_limits(at(FILE, "", 1), 26), Exceeds::No);
    for none in [0, -1] {
        let limits = AccountLimits { memory_max_stream_bytes: none, ..AccountLimits::UNLIMITED };
        let account = tiered(&[("", limits)]);
        account.update_usage("", MEMORY, i64::MAX - 1);
        assert_eq!(account.would_exceed_limits(at(MEMORY, "", 1), 1), Exceeds::No);
    }
}

#[test]
fn an_account_is_at_its_limit_where_an_empty_message_does_not_fit() {
    mark::check!(F1431);
    for (kind, last) in [(FILE, 70), (MEMORY, 84)] {
        let limits = AccountLimits { max_memory: 100, ..storage(100) };
        let account = tiered(&[("R1", limits)]);
        account.update_usage("R1", kind, last);
        assert!(!account.limits_exceeded(at(kind, "R1", 1)).is_refused());
        account.update_usage("R1", kind, 1);
        assert!(account.limits_exceeded(at(kind, "R1", 1)).is_refused());
        assert!(matches!(account.limits_exceeded(at(kind, "R3", 3)), Exceeds::Because(_)));
    }
}
