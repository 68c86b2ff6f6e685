//! Cron patterns with six fields, seconds first (`server/cron.go`).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// A pattern that matches nothing within that many years is none.
const MOST_YEARS: i16 = 5;
/// Set where a field was left open: then both day fields must match, not just one.
const OPEN: u64 = 1 << 63;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
struct Bounds {
    min: u32,
    max: u32,
    /// Names of the values from `min` on.
    names: &'static [&'static str],
}

const SIXTY: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const MONTH_DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTH: Bounds = Bounds { min: 1, max: 12, names: &MONTHS };
const WEEK_DAYS: Bounds = Bounds { min: 0, max: 6, names: &DAYS };

/// A pattern: of each field the values that match, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    second: u64,
    minute: u64,
    hour: u64,
    month_day: u64,
    month: u64,
    week_day: u64,
}

impl Cron {
    /// Reads six fields, or one of the names for common ones.
    pub(super) fn parse(text: &str) -> Option<Cron> {
        let text = match text {
            "@yearly" | "@annually" => "0 0 0 1 1 *",
            "@monthly" => "0 0 0 1 * *",
            "@weekly" => "0 0 0 * * 0",
            "@daily" | "@midnight" => "0 0 0 * * *",
            "@hourly" => "0 0 * * * *",
            other => other,
        };
        let mut fields = text.split_whitespace();
        let cron = Cron {
            second: SIXTY.field(fields.next()?)?,
            minute: SIXTY.field(fields.next()?)?,
            hour: HOURS.field(fields.next()?)?,
            month_day: MONTH_DAYS.field(fields.next()?)?,
            month: MONTH.field(fields.next()?)?,
            week_day: WEEK_DAYS.field(fields.next()?)?,
        };
        fields.next().is_none().then_some(cron)
    }

    /// The first second after `from_ns` at which clocks in `zone` show a time that matches.
    pub(super) fn next_after(&self, from_ns: i64, zone: &TimeZone) -> Option<i64> {
        let start = from_ns.div_euclid(1_000_000_000).saturating_add(1);
        let mut at = Timestamp::from_second(start).ok()?.to_zoned_datetime(zone.clone());
        let last_year = at.year().saturating_add(MOST_YEARS);
        while at.year() <= last_year {
            let date = at.date();
            if !has(self.month, at.month()) {
                at = date.last_of_month().tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?;
            } else if !self.takes_day(&at) {
                at = date.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?;
            } else {
                let (minute, second) = (i64::from(at.minute()), i64::from(at.second()));
                let skip = if !has(self.hour, at.hour()) {
                    3600 - minute * 60 - second
                } else if !has(self.minute, at.minute()) {
                    60 - second
                } else if !has(self.second, at.second()) {
                    1
                } else {
                    return i64::try_from(at.timestamp().as_nanosecond()).ok();
                };
                at = at.checked_add(SignedDuration::from_secs(skip)).ok()?;
            }
        }
        None
    }

    fn takes_day(&self, at: &ZonedDateTime) -> bool {
        let of_month = has(self.month_day, at.day());
        let of_week = has(self.week_day, at.weekday().to_sunday_zero_offset());
        if (self.month_day | self.week_day) & OPEN != 0 {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits.checked_shr(value).unwrap_or(0) & 1 == 1)
}

impl Bounds {
    /// Ranges separated by commas.
    fn field(&self, text: &str) -> Option<u64> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        let bits = parts.map(|part| self.range(part)).try_fold(0, |bits, part| Some(bits | part?));
        // One that holds nothing never matches, and must not be searched for.
        bits.filter(|bits| *bits != 0)
    }

    /// `*`, `a`, `a-b`, each optionally with `/step`.
    fn range(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(number(step)?)),
            None => (text, None),
        };
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (low, Some(high)),
            None => (range, None),
        };
        let open = matches!(low, "*" | "?");
        let (first, mut last) = match (open, high) {
            (true, _) => (self.min, self.max),
            (false, Some(high)) => (self.value(low)?, self.value(high)?),
            (false, None) => (self.value(low)?, self.value(low)?),
        };
        if step.is_some() && high.is_none() {
            last = self.max;
        }
        let step = step.unwrap_or(1);
        if first < self.min || last > self.max || first > last || step == 0 {
            return None;
        }
        let every = usize::try_from(step).unwrap_or(usize::MAX);
        let bits = (first..=last).step_by(every).fold(0, |bits, value| bits | 1 << value);
        Some(if open && step == 1 { bits | OPEN } else { bits })
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        match named.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => Some(self.min + at),
            None => number(text),
        }
    }
}

/// A number without sign, or with a plus (Go `strconv.Atoi`).
fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}
