//! Usage updates between servers: bytes, windows, timer, teardown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use types::{AccountLimits, ApiError, Storage, errors};

use super::{account, flat, server, stream};
use crate::{
    AccountUsage, Ends, MIN_UPDATE_GAP_NS, RemoteUsageError, SystemMessages, TakeMessage,
    UPDATE_INTERVAL_NS,
};

/// A wire between servers with a clock of its own.
#[derive(Default)]
struct Wire {
    sent: Mutex<Vec<(String, Vec<u8>)>>,
    now: AtomicU64,
    listening: Mutex<Vec<(String, TakeMessage)>>,
    timers: Mutex<Vec<(u64, Call)>>,
}

type Call = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Calls what is due.
    fn fire(&self) -> usize {
        let now = self.now_ns();
        let (due, later) = self.timers.lock().drain(..).partition::<Vec<_>, _>(|t| t.0 <= now);
        *self.timers.lock() = later;
        let count = due.len();
        due.into_iter().for_each(|(_, call)| call());
        count
    }

    fn pass(&self, ns: u64) {
        self.now.fetch_add(ns, Ordering::Relaxed);
    }

    fn take(&self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.sent.lock())
    }
}

impl SystemMessages for Wire {
    fn send(&self, subject: &str, payload: Vec<u8>) {
        self.sent.lock().push((subject.to_owned(), payload));
    }

    fn now_ns(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn listen(&self, pattern: &str, take: TakeMessage) -> Ends {
        self.listening.lock().push((pattern.to_owned(), take));
        Box::new(())
    }

    fn call_at(&self, at_ns: u64, call: Box<dyn FnOnce() + Send>) -> Ends {
        self.timers.lock().push((at_ns, call));
        Box::new(())
    }
}

fn fresh() -> Arc<AccountUsage> {
    account(&server(-1, -1), AccountLimits::UNLIMITED)
}

fn clustered() -> (Arc<AccountUsage>, Arc<Wire>) {
    let (account, wire) = (fresh(), Arc::new(Wire::default()));
    account.join_cluster("N1", Arc::clone(&wire) as Arc<dyn SystemMessages>);
    (account, wire)
}

fn count_requests(account: &AccountUsage, total: u64, failed: u64) {
    for n in 0..total {
        account.api().started();
        let outcome =
            if n < failed { Err::<(), ApiError>(errors::BAD_REQUEST.err()) } else { Ok(()) };
        account.api().finished(&outcome);
    }
}

/// An update's bytes, by hand.
fn update(records: &[(&str, i64, i64)], api: (u64, u64), excess: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, (name, memory, storage)) in records.iter().enumerate() {
        bytes.extend(memory.to_le_bytes());
        bytes.extend(storage.to_le_bytes());
        if i == 0 {
            bytes.extend(api.0.to_le_bytes());
            bytes.extend(api.1.to_le_bytes());
            bytes.extend(excess.to_le_bytes());
        }
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn totals(account: &AccountUsage) -> (u64, u64) {
    account.storage_totals()
}

fn api(account: &AccountUsage) -> (u64, u64) {
    let stats = account.api().stats();
    (stats.total, stats.errors)
}

#[test]
fn updates_have_the_reference_bytes() {
    mark::check!(F1422);
    let (account, wire) = clustered();
    count_requests(&account, 7, 3);
    account.update_usage("", Storage::Memory, 1);
    wire.pass(MIN_UPDATE_GAP_NS);
    account.update_usage("", Storage::File, 2);
    let golden =
        hex("0100000000000000 0200000000000000 0700000000000000 0300000000000000 00000000 \
         0000000000000000");
    assert_eq!(wire.take().pop(), Some(("$JSC.ARU.A.N1".to_owned(), golden)));

    let tiers = ["R1", "R3"].map(|name| (name.to_owned(), AccountLimits::UNLIMITED));
    let tiered = server(-1, -1).enrol(&"A".into(), &tiers.into());
    count_requests(&tiered, 7, 3);
    tiered.update_usage("R3", Storage::Memory, -1);
    tiered.update_usage("R3", Storage::File, 0x0102_0304_0506_0708);
    let wire = Arc::new(Wire::default());
    tiered.join_cluster("N1", Arc::clone(&wire) as Arc<dyn SystemMessages>);
    tiered.send_usage_update();
    let golden =
        hex("ffffffffffffffff 0807060504030201 0700000000000000 0300000000000000 00000000 \
         0200000000000000 5233");
    assert_eq!(wire.take().pop().map(|(_, bytes)| bytes), Some(golden));
}

#[test]
fn two_tiers_are_one_update_and_decode_on_the_other_side() {
    mark::check!(F1418, F1422);
    let (here, wire) = clustered();
    count_requests(&here, 7, 3);
    for (tier, memory, storage) in [("R1", 10, 20), ("R3", 30, 40)] {
        here.update_usage(tier, Storage::Memory, memory);
        here.update_usage(tier, Storage::File, storage);
    }
    wire.take();
    wire.pass(MIN_UPDATE_GAP_NS);
    here.send_usage_update();
    let (subject, bytes) = wire.take().pop().expect("an update");
    assert_eq!(
        bytes,
        hex("0a00000000000000 1400000000000000 0700000000000000 0300000000000000 01000000 \
             0200000000000000 5231 1e00000000000000 2800000000000000 0200000000000000 5233")
    );
    let there = fresh();
    there.remote_update(&subject, &bytes).expect("sound");
    assert_eq!((totals(&there), api(&there)), ((40, 60), (7, 3)));
    // The other order says the same.
    let swapped = update(&[("R3", 30, 40), ("R1", 10, 20)], (7, 3), 1);
    there.remote_update(&subject, &swapped).expect("sound");
    assert_eq!((totals(&there), api(&there)), ((40, 60), (7, 3)));
}

#[test]
fn updates_are_sent_once_in_a_window() {
    mark::check!(F1422);
    let (account, wire) = clustered();
    account.send_usage_update();
    assert!(wire.take().is_empty(), "there is no usage yet");
    account.update_usage("", Storage::File, 5);
    assert!(wire.take().is_empty(), "the window was consumed");
    wire.pass(MIN_UPDATE_GAP_NS - 1);
    account.update_usage("", Storage::File, 1);
    assert!(wire.take().is_empty());
    wire.pass(1);
    account.update_usage("", Storage::File, 1);
    account.update_usage("", Storage::File, 1);
    let sent = wire.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.get(8..16), Some(&7i64.to_le_bytes()[..]));
    // A standalone server has nobody to tell, and no clock to ask.
    let alone = fresh();
    alone.update_usage("", Storage::File, 1);
    alone.send_usage_update();
    assert_eq!(alone.usage_timer(), None);
}

#[test]
fn charges_and_credits_of_streams_are_told() {
    let (account, wire) = clustered();
    let guard = account.reserve_stream(&stream(Storage::File, -1)).expect("fits");
    let quota = guard.quota();
    quota.charge(9).expect("fits");
    wire.pass(MIN_UPDATE_GAP_NS);
    quota.credit(4);
    let told: Vec<_> = wire.take().iter().map(|(_, b)| b[8]).collect();
    assert_eq!(told, [9, 5]);
}

#[test]
fn the_timer_goes_on_until_the_account_is_torn_down() {
    mark::check!(F1421, F1438);
    let (account, wire) = clustered();
    account.update_usage("", Storage::File, 5);
    wire.take();
    for round in 0..3 {
        wire.pass(UPDATE_INTERVAL_NS);
        let next = account.usage_timer();
        assert_eq!(next, Some(wire.now_ns() + UPDATE_INTERVAL_NS), "round {round}");
        assert_eq!(wire.take().len(), 1, "an idle account tells too");
    }
    let guards = ["S", "T"].map(|name| {
        let config = types::StreamConfig { name: name.into(), ..stream(Storage::File, 10) };
        account.adopt_stream(&config)
    });
    let quota = guards[0].quota();
    quota.charge(3).expect("fits");
    let mut stopped = Vec::new();
    account.tear_down(|name| {
        // A stream that stops calls back into accounting: no lock is held.
        quota.credit(quota.used());
        account.update_usage("", Storage::File, 0);
        assert_eq!(account.count_streams("", &stream(Storage::File, 0)), 1);
        stopped.push(name.to_owned());
    });
    assert_eq!(stopped, ["S", "T"]);
    wire.pass(UPDATE_INTERVAL_NS);
    assert_eq!(account.usage_timer(), None, "it is not armed again");
    account.update_usage("", Storage::File, 1);
    account.send_usage_update();
    assert!(wire.take().is_empty());
    drop(guards);
    account.tear_down(|name| panic!("{name} is gone already"));
}

#[test]
fn malformed_updates_are_dropped() {
    mark::check!(F1418);
    let account = fresh();
    let sound = update(&[("", 10, 20)], (5, 1), 0);
    let refused = [
        ("$JSC.ARU.A.N1", &sound[..31], RemoteUsageError::TooShort),
        ("nodot", &sound[..], RemoteUsageError::NoNode),
        (".N1", &sound[..], RemoteUsageError::NoNode),
        ("$JSC.ARU.A.", &sound[..], RemoteUsageError::NoNode),
    ];
    for (subject, payload, error) in refused {
        assert_eq!(account.remote_update(subject, payload), Err(error), "{subject}");
    }
    let mut long_first = update(&[("R1", 10, 20)], (5, 1), 0);
    for length in [3u64, u64::MAX, u64::MAX - 43, 1 << 63] {
        long_first[36..44].copy_from_slice(&length.to_le_bytes());
        let got = account.remote_update("a.N1", &long_first);
        assert_eq!(got, Err(RemoteUsageError::Corrupt), "{length}");
    }
    assert_eq!((totals(&account), api(&account)), ((0, 0), (0, 0)));
    // A broken further record keeps what stood before it; the API numbers wait.
    let mut excess = update(&[("R1", 1, 2), ("R3", 3, 4)], (5, 1), 1);
    let at = 44 + 2 + 16;
    for length in [3u64, u64::MAX, u64::MAX - 23] {
        excess[at..at + 8].copy_from_slice(&length.to_le_bytes());
        let got = account.remote_update("a.N1", &excess);
        assert_eq!(got, Err(RemoteUsageError::CorruptExcess), "{length}");
    }
    assert_eq!((totals(&account), api(&account)), ((1, 2), (0, 0)));
    let texts: Vec<_> = [
        RemoteUsageError::TooShort,
        RemoteUsageError::NoNode,
        RemoteUsageError::Corrupt,
        RemoteUsageError::CorruptExcess,
    ]
    .map(|error| error.to_string())
    .into();
    assert_eq!(
        texts,
        [
            "Ignoring remote usage update with size too short",
            "Received remote usage update with no remote node",
            "Received corrupt remote usage update",
            "Received corrupt remote usage update on excess record",
        ]
    );
}

#[test]
fn any_bytes_are_survived() {
    let account = fresh();
    let sound = update(&[("R1", 1, 2), ("R3", 3, 4)], (5, 1), 1);
    for cut in 0..sound.len() {
        let _ = account.remote_update("a.N1", &sound[..cut]);
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = sound.clone();
            changed[cut] = value;
            let _ = account.remote_update("a.N1", &changed);
        }
    }
    account.remote_update("a.N1", &sound).expect("sound");
    assert_eq!(account.known_tier("R3").expect("reported").total(Storage::File), 4);
}

#[test]
fn updates_are_absolute_and_per_node() {
    mark::check!(F1418);
    let server = server(-1, -1);
    let account = server.enrol(&"A".into(), &flat(AccountLimits::UNLIMITED));
    let legacy = |memory: i64, storage: i64, total: u64, errors: u64| {
        update(&[("", memory, storage)], (total, errors), 0)[..32].to_vec()
    };
    account.remote_update("$JSC.ARU.A.N1", &legacy(10, 20, 5, 1)).expect("sound");
    assert_eq!((totals(&account), api(&account)), ((10, 20), (5, 1)));
    account.remote_update("$JSC.ARU.A.N1", &legacy(15, 25, 6, 2)).expect("sound");
    assert_eq!((totals(&account), api(&account)), ((15, 25), (6, 2)));
    account.remote_update("$JSC.ARU.A.N2", &legacy(1, 1, 1, 0)).expect("sound");
    assert_eq!((totals(&account), api(&account)), ((16, 26), (7, 2)));
    account.remote_update("$JSC.ARU.A.N1", &legacy(0, 0, 6, 2)).expect("sound");
    assert_eq!((totals(&account), api(&account)), ((1, 1), (7, 2)));
    // Fewer further records than announced are fine, more bytes than records too.
    let mut few = update(&[("", 2, 2), ("R3", 3, 4)], (0, 0), 5);
    few.extend([0; 23]);
    account.remote_update("$JSC.ARU.A.N2", &few).expect("sound");
    assert_eq!(totals(&account), (5, 6));
    let negative = legacy(-50, -50, 0, 0);
    account.remote_update("$JSC.ARU.A.N2", &negative).expect("sound");
    assert_eq!(totals(&account), (0, 0), "a negative sum is shown as 0");
    assert_eq!((server.used(Storage::Memory), server.used(Storage::File)), (0, 0));
    let own = account.known_tier("").expect("flat").own.of(Storage::File).get();
    assert_eq!(own, 0, "own usage is untouched");
}

#[test]
fn what_others_use_counts_against_the_limit() {
    let server = server(-1, -1);
    let limits = AccountLimits { max_storage: 100, ..AccountLimits::UNLIMITED };
    let account = account(&server, limits);
    account.remote_update("a.N1", &update(&[("", 0, 60)], (0, 0), 0)).expect("sound");
    let guard = account.adopt_stream(&stream(Storage::File, -1));
    let quota = guard.quota();
    assert!(quota.charge(41).is_err());
    quota.charge(40).expect("exactly full");
    assert_eq!((account.used(Storage::File), server.used(Storage::File)), (100, 40));
}

#[test]
fn a_clustered_account_listens_and_tells_by_itself() {
    mark::check!(F1418, F1421, F1422);
    let (here, wire) = clustered();
    let (there, other) = clustered();
    other.pass(UPDATE_INTERVAL_NS - 1);
    assert_eq!(other.fire(), 0, "not before its time");
    there.update_usage("R3", Storage::File, 36);
    let (subject, bytes) = other.take().pop().expect("told at once");
    assert_eq!(subject, "$JSC.ARU.A.N1");
    let (pattern, take) = wire.listening.lock().pop().expect("it listens");
    assert_eq!(pattern, "$JSC.ARU.A.*");
    take("$JSC.ARU.A.N2", &bytes).expect("sound");
    assert_eq!(take("$JSC.ARU.A.N2", &bytes[..31]), Err(RemoteUsageError::TooShort));
    assert_eq!((totals(&here), totals(&there)), ((0, 36), (0, 36)));
    for round in 0..3 {
        other.pass(UPDATE_INTERVAL_NS);
        assert_eq!(other.fire(), 1, "round {round}");
        assert_eq!(other.take().len(), 1, "an idle account tells, too");
    }
    there.tear_down(|_| {});
    other.pass(UPDATE_INTERVAL_NS);
    assert_eq!((other.fire(), other.fire()), (1, 0), "what was due finds nothing to do");
    assert!(other.take().is_empty());
    drop(here);
    take("$JSC.ARU.A.N2", &bytes).expect("nobody minds");
}
