//! Message schedules: reading them from headers, and which one is due next
//! (`server/scheduler.go` `MsgScheduling`).

mod cron;
mod pattern;
mod table;

use jiff::tz::TimeZone;
use types::errors::{MESSAGE_SCHEDULES_PATTERN_INVALID, MESSAGE_SCHEDULES_TIME_ZONE_INVALID};

use crate::headers::PublishHeaders;

pub(crate) use pattern::{Next, instant};
pub(crate) use table::{Due, Schedules};

/// When the schedule in these headers fires next, as `Nats-Schedule-Next` says it.
pub(crate) fn next_text(found: &PublishHeaders<'_>, at_ns: i64) -> String {
    pattern::seconds_text(at_ns, found.schedule_zone.and_then(zone).as_ref())
}

/// When the schedule in these headers fires for the first time after `from_ns`
/// (`server/stream.go` `nextMessageSchedule`). Times before `now_ns` are left out.
pub(crate) fn of_headers(
    found: &PublishHeaders<'_>,
    from_ns: i64,
    now_ns: i64,
) -> Result<Next, types::ApiErrorDef> {
    let zone = match found.schedule_zone {
        None => None,
        Some(name) => Some(zone(name).ok_or(MESSAGE_SCHEDULES_TIME_ZONE_INVALID)?),
    };
    let Some(pattern) = found.schedule else { return Ok(Next::Never) };
    std::str::from_utf8(pattern)
        .ok()
        .and_then(|text| pattern::next(text, zone.as_ref(), from_ns, now_ns))
        .ok_or(MESSAGE_SCHEDULES_PATTERN_INVALID)
}

/// The time zone of this name, from the system's database.
fn zone(name: &[u8]) -> Option<TimeZone> {
    let name = std::str::from_utf8(name).ok()?;
    match name {
        "" => None,
        "UTC" => Some(TimeZone::UTC),
        "Local" => Some(TimeZone::system()),
        // A name is a path in the database: none that leaves it.
        _ if name.starts_with(['/', '\\']) || name.contains("..") => None,
        _ => TimeZone::get(name).ok(),
    }
}

#[cfg(test)]
mod tests;
