//! Durations and numbers as nats-server prints them.

use std::fmt::Write as _;

use serde::Serializer;

const SECOND_NS: u64 = 1_000_000_000;

/// A duration in whole seconds for people: `1d2h0m5s` (`server/monitor.go` `myUptime`).
pub(crate) fn uptime(ns: u64) -> String {
    let seconds = ns / SECOND_NS;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let mut text = String::new();
    let parts = [
        (years, years, 'y'),
        (days, days % 365, 'd'),
        (hours, hours % 24, 'h'),
        (minutes, minutes % 60, 'm'),
    ];
    for (whole, part, unit) in parts {
        if whole > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{part}{unit}");
        }
    }
    let _ = write!(text, "{}s", seconds % 60);
    text
}

/// A duration as Go prints `time.Duration`: `1.5ms`, `2m3s`, `0s`.
pub fn go_duration(ns: u64) -> String {
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(ns, 1_000)),
        1_000_000..SECOND_NS => format!("{}ms", decimal(ns, 1_000_000)),
        _ => {
            let minutes = ns / (60 * SECOND_NS);
            let seconds = decimal(ns % (60 * SECOND_NS), SECOND_NS);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value / unit` with as many decimals as are needed; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0digits$}").trim_end_matches('0'))
}

/// A float as Go writes it to JSON: without decimals when it is whole.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(crate) fn go_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        let whole = *value as i64;
        serializer.serialize_i64(whole)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// For `skip_serializing_if`: Go's `omitempty` on numbers and booleans.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
