//! Sizes, durations, names and dynamic limits.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::bytes::friendly_bytes;
use crate::duration::{DurationError, format_nanos, parse_nanos};
use crate::limits::{
    Machine, Probe, ServerLimits, UNKNOWN_DISK, UNKNOWN_MEMORY, dynamic_config, server_limits,
};
use crate::name::is_valid_name;
use crate::options::JetStreamOptions;
use crate::repair::clear_mirror_duplicate_window;

#[test]
fn bytes_for_people() {
    mark::check!(F1446);
    for (bytes, text) in [
        (0.0, "0 B"),
        (1023.0, "1023 B"),
        (1024.0, "1.00 KB"),
        (1536.0, "1.50 KB"),
        (1_048_575.0, "1024.00 KB"),
        (1_048_576.0, "1.00 MB"),
        (268_435_456.0, "256.00 MB"),
        ((1_u64 << 30) as f64, "1.00 GB"),
        ((1_u64 << 40) as f64, "1.00 TB"),
        ((1_u64 << 50) as f64, "1.00 PB"),
        ((1_u64 << 60) as f64, "1.00 EB"),
        (i64::MAX as f64, "8.00 EB"),
        (u64::MAX as f64, "16.00 EB"),
        (-1.0, "-1 B"),
        (1.5, "1.5 B"),
        (-1_048_576.0, "-1.048576e+06 B"),
        (-999_999.0, "-999999 B"),
        // Here the reference crashes.
        (1024_f64.powi(7), "1024.00 EB"),
    ] {
        assert_eq!(friendly_bytes(bytes), text);
    }
    // Neither of these is a size, and neither may bring the server down.
    assert_eq!(friendly_bytes(f64::NAN), "NaN B");
    assert_eq!(friendly_bytes(f64::INFINITY), "inf EB");
}

#[test]
fn names_of_streams_consumers_and_domains() {
    mark::check!(F1447);
    for name in ["", "a.b", "a*b", "a>b", "a b", "\t", "a\r", "a\n", "a\u{c}"] {
        assert!(!is_valid_name(name), "{name:?}");
    }
    for name in ["a", "$", "a/b", "a\\b", "\u{b}", "\0", "é", "\u{a0}"] {
        assert!(is_valid_name(name), "{name:?}");
    }
    assert!(is_valid_name(&"x".repeat(300)));
}

#[test]
fn limits_that_are_set_hold_and_others_depend_on_the_machine() {
    let machine = Machine { memory: Some(1003), disk_available: Some(2007) };
    let estimate = ServerLimits { memory: 750, store: 1503 };
    let limits = |memory, store, machine| {
        let options =
            JetStreamOptions { max_memory: memory, max_store: store, ..Default::default() };
        server_limits(&options, machine)
    };
    let set = |memory, store| ServerLimits { memory, store };
    assert_eq!(limits(Some(77), Some(88), machine), set(77, 88));
    assert_eq!(limits(Some(0), Some(0), machine), set(0, 0));
    assert_eq!(limits(Some(-1), Some(-1), machine), estimate);
    assert_eq!(limits(None, None, machine), estimate);
    assert_eq!(limits(Some(77), None, machine), set(77, 1503));
    assert_eq!(limits(None, Some(88), machine), set(750, 88));
    let unknown = set(UNKNOWN_MEMORY, UNKNOWN_DISK);
    assert_eq!(limits(None, None, Machine::default()), unknown);
    assert_eq!((unknown.memory, unknown.store), (268_435_456, 1_099_511_627_776));
    let huge = Machine { memory: Some(u64::MAX), disk_available: Some(u64::MAX) };
    assert_eq!(limits(None, None, huge).memory, i64::MAX / 4 * 3);
}

#[test]
fn durations() {
    const SECOND: i64 = 1_000_000_000;
    for (text, nanos) in [
        ("0", 0),
        ("0s", 0),
        ("5s", 5 * SECOND),
        ("-5s", -5 * SECOND),
        ("+1.5h", 5400 * SECOND),
        ("1h2m3.5s", 3723 * SECOND + SECOND / 2),
        ("100ms", SECOND / 10),
        ("1us1µs1μs1ns", 3001),
        (".5s", SECOND / 2),
        ("1.s", SECOND),
        ("0.000000001s", 1),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
    ] {
        assert_eq!(parse_nanos(text), Ok(nanos), "{text}");
    }
    let invalid = |text: &str| DurationError::Invalid(text.to_owned());
    for text in ["", "-", "x", "s", ".s", "1s2", "9223372036854775808ns", "3000000h", "1s -2s"] {
        let wanted = if text == "1s2" {
            DurationError::MissingUnit(text.to_owned())
        } else if text == "1s -2s" {
            DurationError::UnknownUnit { unit: "s -".into(), text: text.into() }
        } else {
            invalid(text)
        };
        assert_eq!(parse_nanos(text), Err(wanted), "{text}");
    }
    assert_eq!(
        parse_nanos("5d").expect_err("unknown").to_string(),
        "time: unknown unit \"d\" in duration \"5d\""
    );
}

#[test]
fn only_mirrors_lose_their_duplicate_window() {
    mark::check!(F1450);
    let stream = |mirror: bool, window| types::StreamConfig {
        mirror: mirror.then(types::StreamSource::default),
        duplicate_window_ns: window,
        ..types::StreamConfig::default()
    };
    for (mirror, window, after) in [(true, 120, 0), (true, 0, 0), (false, 120, 120)] {
        let mut config = stream(mirror, window);
        clear_mirror_duplicate_window(&mut config);
        assert_eq!(config, stream(mirror, after));
    }
}

proptest! {
    #[test]
    fn durations_are_read_back(nanos in any::<i64>()) {
        // The smallest number has no positive counterpart to print.
        prop_assume!(nanos != i64::MIN);
        prop_assert_eq!(parse_nanos(&format_nanos(nanos)), Ok(nanos));
    }

    #[test]
    fn no_duration_text_is_too_much(text in "[-+0-9.hmsnuµ]{0,40}") {
        // Whatever is accepted means the same when it is printed and read again.
        if let Ok(nanos) = parse_nanos(&text)
            && nanos != i64::MIN
        {
            prop_assert_eq!(parse_nanos(&format_nanos(nanos)), Ok(nanos));
        }
    }
}

/// A machine that says what it is told, and makes no directory but notes that it was asked to.
struct Told {
    memory: Option<u64>,
    limit: Option<u64>,
    asked: std::cell::RefCell<Vec<PathBuf>>,
}

impl Probe for Told {
    fn temp_dir(&self) -> PathBuf {
        "/tmp".into()
    }

    fn memory(&self) -> Option<u64> {
        self.memory
    }

    fn memory_limit(&self) -> Option<u64> {
        self.limit
    }

    fn disk_available(&self, dir: &Path) -> Option<u64> {
        self.asked.borrow_mut().push(dir.to_owned());
        Some(1003)
    }
}

#[test]
fn a_dynamic_configuration_takes_what_is_written_and_the_rest_from_the_machine() {
    mark::check!(F1444);
    let told = |memory, limit| Told { memory, limit, asked: Default::default() };
    let config = |memory, store, machine: &Told| {
        let options = JetStreamOptions {
            max_memory: memory,
            max_store: store,
            strict: false,
            ..JetStreamOptions::default()
        };
        dynamic_config(Some(Path::new("/d")), &options, machine)
    };
    let machine = told(Some(2007), None);
    let rows = [
        (Some(77), Some(88), (77, 88)),
        (Some(0), Some(0), (0, 0)),
        (Some(-1), Some(-1), (1503, 750)),
        (None, None, (1503, 750)),
    ];
    for (memory, store, (want_memory, want_store)) in rows {
        let limits = config(memory, store, &machine).limits;
        assert_eq!(limits, ServerLimits { memory: want_memory, store: want_store });
    }
    assert_eq!(*machine.asked.borrow(), [Path::new("/d/jetstream"); 2], "only where it decides");
    let found = config(None, None, &machine);
    assert!(!found.temporary && !found.strict && found.process_limit.is_none());
    assert_eq!(found.store_dir, Path::new("/d/jetstream"));
    let limited = config(None, None, &told(Some(2007), Some(1003)));
    assert_eq!((limited.limits.memory, limited.process_limit), (750, Some(1003)));
    let unlimited = config(None, None, &told(Some(2007), Some(2007)));
    assert_eq!((unlimited.limits.memory, unlimited.process_limit), (1503, None));
    assert_eq!(config(None, None, &told(None, Some(5))).limits.memory, UNKNOWN_MEMORY);
    let nowhere = dynamic_config(None, &JetStreamOptions::default(), &machine);
    assert!(nowhere.temporary && nowhere.strict);
    assert_eq!(nowhere.store_dir, Path::new("/tmp/nats/jetstream"));
}
