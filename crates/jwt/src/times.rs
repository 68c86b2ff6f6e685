//! Times of the day at which a user may be there.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::{UnixSeconds, UserLimits};

/// Whether a user may be there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// At any time.
    Always,
    /// For so long yet.
    For(Duration),
    /// Not now.
    Outside,
}

/// A time of the day, `15:04:05`.
pub(crate) fn parse(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |part: &str, digits: &[usize]| -> Option<i8> {
        let plain = digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok())?
    };
    let (hour, minute) = (number(hour, &[1, 2])?, number(minute, &[2])?);
    let time = Time::new(hour, minute, number(second, &[2])?, 0).ok()?;
    parts.next().is_none().then_some(time)
}

/// Whether a user may be there (`validateTimes` in `server/jwt.go`).
pub(crate) fn presence(limits: &UserLimits, now: UnixSeconds) -> Presence {
    if limits.times.is_empty() {
        return Presence::Always;
    }
    let zone = match limits.location.is_empty() {
        true => TimeZone::system(),
        false => match TimeZone::get(&limits.location) {
            Ok(zone) => zone,
            Err(_) => return Presence::Outside,
        },
    };
    let Ok(now) = Timestamp::from_second(now) else { return Presence::Outside };
    let mut longest = None;
    for range in &limits.times {
        let (Some(start), Some(end)) = (parse(&range.start), parse(&range.end)) else {
            return Presence::Outside;
        };
        longest = longest.max(left(start, end, now, &zone));
    }
    longest.map_or(Presence::Outside, Presence::For)
}

/// Time until the end of a range that is on now.
fn left(start: Time, end: Time, now: Timestamp, zone: &TimeZone) -> Option<Duration> {
    let today = now.to_zoned_datetime(zone.clone()).date();
    let at = |date: jiff::civil::Date, time: Time| -> Option<Timestamp> {
        zone.to_timestamp(date.to_datetime(time)).ok()
    };
    let until = |end: Timestamp| Duration::try_from(end.duration_since(now)).ok();
    let (start, today_end) = (at(today, start)?, at(today, end)?);
    if start < now && today_end > now {
        return until(today_end);
    }
    if start <= today_end {
        return None;
    }
    // It crosses midnight: either it began yesterday, or it ends tomorrow.
    if today_end > now {
        return until(today_end);
    }
    let tomorrow = today.checked_add(Span::new().days(1)).ok()?;
    let end = at(tomorrow, end)?;
    if start < now && end > now { until(end) } else { None }
}
