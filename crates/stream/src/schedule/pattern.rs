//! What a `Nats-Schedule` header says: once at a time, at an interval, or by a cron pattern
//! (`server/scheduler.go` `parseMsgSchedule`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::cron::Cron;

const SECOND: i64 = 1_000_000_000;
/// Go's zero time, in seconds: a schedule at that time is none.
const ZERO_SECOND: i64 = -62_135_596_800;

/// When a schedule fires, in ns since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is no schedule.
    Never,
    /// Then, and not again.
    Once(i64),
    /// Then, and again.
    Again(i64),
}

impl Next {
    /// The time.
    pub(crate) fn at_ns(self) -> Option<i64> {
        match self {
            Next::Never => None,
            Next::Once(at) | Next::Again(at) => Some(at),
        }
    }
}

/// When a schedule fires after `from_ns`; `None` if it cannot be read. A repeating one that would
/// have fired before `now_ns` goes on after it instead.
pub(super) fn next(text: &str, zone: Option<&TimeZone>, from_ns: i64, now_ns: i64) -> Option<Next> {
    if text.is_empty() {
        return Some(Next::Never);
    }
    if let Some(time) = text.strip_prefix("@at ") {
        let time = instant(time).filter(|_| zone.is_none())?;
        if time.as_second() == ZERO_SECOND && time.subsec_nanosecond() == 0 {
            return Some(Next::Never);
        }
        return Some(Next::Once(nanoseconds(time)));
    }
    if let Some(interval) = text.strip_prefix("@every ") {
        let every = crate::duration::parse(interval).filter(|_| zone.is_none())?;
        if every < SECOND {
            return None;
        }
        let next = rounded(from_ns).saturating_add(every);
        let next = if next < now_ns { rounded(now_ns).saturating_add(every) } else { next };
        return Some(Next::Again(next));
    }
    let cron = Cron::parse(text)?;
    let utc = TimeZone::UTC;
    let zone = zone.unwrap_or(&utc);
    let next = cron.next_after(from_ns, zone)?;
    let next = if next < now_ns { cron.next_after(rounded(now_ns), zone)? } else { next };
    Some(Next::Again(next))
}

/// An RFC 3339 time in the one notation that the reference takes.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let (head, tail) = text.as_bytes().split_at_checked(shape.len())?;
    let fits = head.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let fraction = match tail.strip_prefix(b".") {
        Some(digits) => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        None => 0,
    };
    let zone = tail.get(fraction..)?;
    let zone_fits = match zone {
        b"Z" => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    // There are no leap seconds here.
    let leap = head.ends_with(b"60");
    if !fits || fraction == 1 || !zone_fits || leap {
        return None;
    }
    text.parse().ok()
}

/// A time as the header `Nats-Schedule-Next` carries it: to the second, in the schedule's zone.
pub(crate) fn seconds_text(at_ns: i64, zone: Option<&TimeZone>) -> String {
    let second = Timestamp::from_second(at_ns.div_euclid(SECOND)).unwrap_or(Timestamp::MAX);
    match zone.map(|zone| zone.to_offset(second)).filter(|offset| !offset.is_zero()) {
        Some(offset) => second.display_with_offset(offset).to_string(),
        None => second.to_string(),
    }
}

/// Times beyond what ns can count are as far as they go.
fn nanoseconds(time: Timestamp) -> i64 {
    let ns = time.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns > 0 { i64::MAX } else { i64::MIN })
}

/// To the nearest second, halves upward.
fn rounded(ns: i64) -> i64 {
    ns.saturating_add(SECOND / 2).div_euclid(SECOND).saturating_mul(SECOND)
}
