//! Message lifetimes: reading `Nats-TTL`, and which messages are due.

use std::collections::BTreeSet;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// The value of a header, without surrounding blanks; `None` if absent or empty.
pub(crate) fn header<'h>(headers: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    for line in headers.split(|&byte| byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(rest) = line.strip_prefix(name)
            && let Some(value) = rest.strip_prefix(b":")
        {
            let value = value.trim_ascii();
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

/// The `Nats-TTL` of a header block in seconds; -1 never expires, 0 has none (or none that can be
/// read).
pub(crate) fn of_headers(headers: &[u8]) -> i64 {
    header(headers, b"Nats-TTL").map_or(0, parse)
}

/// Whether a message comes with a schedule.
pub(crate) fn has_schedule(headers: &[u8]) -> bool {
    !headers.is_empty() && header(headers, b"Nats-Schedule").is_some()
}

fn parse(text: &[u8]) -> i64 {
    if text.eq_ignore_ascii_case(b"never") {
        return -1;
    }
    let Ok(text) = std::str::from_utf8(text) else { return 0 };
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().unwrap_or(0);
    }
    match go_duration_ns(text) {
        Some(ns) if ns >= NS_PER_SECOND => ns / NS_PER_SECOND,
        _ => 0,
    }
}

/// A Go duration text (`1h30m`, `1.5s`), as Go's `time.ParseDuration` takes it, in nanoseconds.
fn go_duration_ns(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let letters = after.bytes().take_while(|b| !b.is_ascii_digit() && *b != b'.').count();
        let (unit, after) = after.split_at(letters);
        let unit_ns: i64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NS_PER_SECOND,
            "m" => 60 * NS_PER_SECOND,
            "h" => 3600 * NS_PER_SECOND,
            _ => return None,
        };
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit_ns)?)?;
        let mut scale = unit_ns;
        for digit in fraction.bytes() {
            scale /= 10;
            total = total.checked_add(i64::from(digit - b'0') * scale)?;
        }
        rest = after;
    }
    Some(if negative { -total } else { total })
}

/// Which messages expire by their own lifetime, and which never do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetimes {
    due: BTreeSet<(i64, u64)>,
    never: BTreeSet<u64>,
}

/// When a message stored at `ts_ns` with this lifetime is due.
pub(crate) fn due_ns(ts_ns: i64, ttl_seconds: i64) -> i64 {
    ts_ns.saturating_add(ttl_seconds.saturating_mul(NS_PER_SECOND))
}

impl Lifetimes {
    pub(crate) fn add(&mut self, seq: u64, ts_ns: i64, ttl_seconds: i64) {
        if ttl_seconds > 0 {
            self.due.insert((due_ns(ts_ns, ttl_seconds), seq));
        } else if ttl_seconds < 0 {
            self.never.insert(seq);
        }
    }

    pub(crate) fn remove(&mut self, seq: u64, ts_ns: i64, ttl_seconds: i64) {
        if ttl_seconds > 0 {
            self.due.remove(&(due_ns(ts_ns, ttl_seconds), seq));
        } else if ttl_seconds < 0 {
            self.never.remove(&seq);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.due.is_empty() && self.never.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.due.clear();
        self.never.clear();
    }

    pub(crate) fn never_expires(&self, seq: u64) -> bool {
        !self.never.is_empty() && self.never.contains(&seq)
    }

    /// Takes out the next message that is due at `now_ns`.
    pub(crate) fn pop_due(&mut self, now_ns: i64) -> Option<u64> {
        let &(due, seq) = self.due.first()?;
        if due > now_ns {
            return None;
        }
        self.due.pop_first();
        Some(seq)
    }

    /// The next message that is due at `now_ns`.
    pub(crate) fn first_due(&self, now_ns: i64) -> Option<u64> {
        self.due.first().filter(|&&(due, _)| due <= now_ns).map(|&(_, seq)| seq)
    }

    pub(crate) fn next_due_ns(&self) -> Option<i64> {
        self.due.first().map(|&(due, _)| due)
    }

    /// All entries with a due time, soonest first.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (i64, u64)> + '_ {
        self.due.iter().copied()
    }
}
