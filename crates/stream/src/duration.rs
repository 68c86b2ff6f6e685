//! Durations in Go's notation, as clients write them and status texts show them.

/// Reads a Go duration such as `1.5h`, `300ms`, `-2m3s`; answers ns (Go `time.ParseDuration`).
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at_checked(digits)?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => {
                let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
                tail.split_at_checked(digits)?
            }
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_len = after.bytes().take_while(|b| *b != b'.' && !b.is_ascii_digit()).count();
        let (unit, tail) = after.split_at_checked(unit_len)?;
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()?.into() };
        total += whole * scale;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            total += i128::from(digit - b'0') * place;
        }
        if total > i128::from(i64::MAX) {
            return None;
        }
        rest = tail;
    }
    let total = i64::try_from(total).ok()?;
    Some(if negative { -total } else { total })
}

/// Shows ns as Go's `Duration.String` does.
pub(crate) fn show(ns: i64) -> String {
    if ns == 0 {
        return "0s".to_owned();
    }
    let sign = if ns < 0 { "-" } else { "" };
    let n = ns.unsigned_abs();
    let decimal = |n: u64, scale: u64, digits: usize, unit: &str| {
        let (whole, part) = (n / scale, n % scale);
        if part == 0 {
            return format!("{whole}{unit}");
        }
        let fraction = format!("{part:0digits$}");
        format!("{whole}.{}{unit}", fraction.trim_end_matches('0'))
    };
    let text = match n {
        0..1_000 => format!("{n}ns"),
        1_000..1_000_000 => decimal(n, 1_000, 3, "µs"),
        1_000_000..1_000_000_000 => decimal(n, 1_000_000, 6, "ms"),
        _ => {
            let (minutes, rest) = (n / 60_000_000_000, n % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000, 9, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, m) => format!("{m}m{seconds}"),
                (h, m) => format!("{h}h{m}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}
