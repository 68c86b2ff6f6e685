//! When schedules fire.

use types::Timestamp;

use super::pattern::seconds_text;
use super::{Next, Schedules, instant, of_headers};

use crate::headers::PublishHeaders;

fn ns(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().unix_ns()
}

/// What a schedule says from a time on, with the clock at `now`.
fn says(headers: &str, from: &str, now: &str) -> Result<Next, u16> {
    let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
    let found = PublishHeaders::read(block.as_bytes());
    of_headers(&found, ns(from), ns(now)).map_err(|row| row.err_code)
}

const FROM: &str = "2026-01-02T03:04:05.6Z";

#[track_caller]
fn again(pattern: &str, expected: &str) {
    let headers = format!("Nats-Schedule: {pattern}");
    assert_eq!(says(&headers, FROM, FROM), Ok(Next::Again(ns(expected))), "{pattern}");
}

#[track_caller]
fn refused(pattern: &str) {
    let headers = format!("Nats-Schedule: {pattern}");
    assert_eq!(says(&headers, FROM, FROM), Err(10189), "{pattern}");
}

#[test]
fn once() {
    let at = |text: &str| says(&format!("Nats-Schedule: @at {text}"), FROM, FROM);
    assert_eq!(at("2026-02-03T04:05:06Z"), Ok(Next::Once(ns("2026-02-03T04:05:06Z"))));
    // The past counts, and so do fractions and offsets.
    let past = "2000-02-03T06:05:06.125+02:00";
    assert_eq!(at(past), Ok(Next::Once(ns("2000-02-03T04:05:06.125Z"))));
    // Go's zero time is no schedule; what ns cannot count is as far as they go.
    assert_eq!(at("0001-01-01T00:00:00Z"), Ok(Next::Never));
    assert_eq!(at("9999-01-01T00:00:00Z"), Ok(Next::Once(i64::MAX)));
    for bad in [
        "",
        "now",
        "2026-02-03",
        "2026-02-03 04:05:06Z",
        "2026-02-03T04:05:06",
        "2026-02-03t04:05:06Z",
        "2026-02-03T04:05:60Z",
        "2026-02-30T04:05:06Z",
        "2026-02-03T04:05:06.Z",
        "2026-02-03T04:05:06+0200",
        " 2026-02-03T04:05:06Z",
    ] {
        assert_eq!(at(bad), Err(10189), "{bad:?}");
        assert_eq!(instant(bad), None);
    }
}

#[test]
fn at_an_interval() {
    again("@every 1s", "2026-01-02T03:04:07Z");
    again("@every 1h30m", "2026-01-02T04:34:06Z");
    again("@every 1.5s", "2026-01-02T03:04:07.5Z");
    for bad in ["@every 999ms", "@every", "@every ", "@every 1", "@every -5s", "@every x"] {
        refused(bad);
    }
    // What was missed is not made up for.
    let late = says("Nats-Schedule: @every 1m", FROM, "2026-01-02T05:00:00.4Z");
    assert_eq!(late, Ok(Next::Again(ns("2026-01-02T05:01:00Z"))));
}

#[test]
fn by_cron() {
    again("* * * * * *", "2026-01-02T03:04:06Z");
    again("5 4 3 * * *", "2026-01-03T03:04:05Z");
    again("*/20 * * * * *", "2026-01-02T03:04:20Z");
    again("10/20 * * * * *", "2026-01-02T03:04:10Z");
    again("0 0 12 29 FEB ?", "2028-02-29T12:00:00Z");
    again("0 30 8-10 * * mon-Fri", "2026-01-02T08:30:00Z");
    again("0 0 0 * * sun,Tue", "2026-01-04T00:00:00Z");
    // With both day fields narrowed, either is enough.
    again("0 0 0 15 * 0", "2026-01-04T00:00:00Z");
    again("0 0 0 31 2,4,5 *", "2026-05-31T00:00:00Z");
    for (name, expected) in [
        ("@hourly", "2026-01-02T04:00:00Z"),
        ("@daily", "2026-01-03T00:00:00Z"),
        ("@midnight", "2026-01-03T00:00:00Z"),
        ("@weekly", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        again(name, expected);
    }
    for bad in [
        "* * * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 0 *",
        "* * * * 13 *",
        "* * * * * 7",
        "5-4 * * * * *",
        "1-2-3 * * * * *",
        "*/0 * * * * *",
        "1/2/3 * * * * *",
        "x * * * * *",
        "-1 * * * * *",
        "@never",
        "0 0 0 30 2 *",
        ", * * * * *",
    ] {
        refused(bad);
    }
    let late = says("Nats-Schedule: @daily", FROM, "2026-03-04T05:06:07Z");
    assert_eq!(late, Ok(Next::Again(ns("2026-03-05T00:00:00Z"))));
}

#[test]
fn in_a_time_zone() {
    let zone = |zone: &str, pattern: &str, from: &str| {
        says(&format!("Nats-Schedule: {pattern}\r\nNats-Schedule-Time-Zone: {zone}"), from, from)
    };
    assert_eq!(zone("UTC", "@daily", FROM), Ok(Next::Again(ns("2026-01-03T00:00:00Z"))));
    for bad in ["Mars/Olympus", "../UTC", "/etc/localtime", ""] {
        assert_eq!(zone(bad, "@daily", FROM), Err(10223), "{bad}");
    }
    assert_eq!(zone("UTC", "@every 1m", FROM), Err(10189));
    assert_eq!(zone("UTC", "@at 2026-02-03T04:05:06Z", FROM), Err(10189));
    // The zone is looked at even where there is nothing to schedule.
    assert_eq!(says("Nats-Schedule-Time-Zone: Mars", FROM, FROM), Err(10223));
    let Ok(Next::Again(_)) = zone("Europe/Berlin", "@daily", FROM) else {
        eprintln!("SKIP: this machine has no time zone database");
        return;
    };
    let berlin = |pattern, from| match zone("Europe/Berlin", pattern, from) {
        Ok(Next::Again(at)) => Timestamp::from_unix_ns(at).to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(berlin("@daily", FROM), "2026-01-02T23:00:00Z");
    // Half past two does not come on the day the clocks go forward, and twice when they go back.
    let half_past_two = "0 30 2 * * *";
    assert_eq!(berlin(half_past_two, "2026-03-28T12:00:00Z"), "2026-03-30T00:30:00Z");
    assert_eq!(berlin(half_past_two, "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
    assert_eq!(berlin(half_past_two, "2026-10-25T00:30:00Z"), "2026-10-25T01:30:00Z");
    assert_eq!(berlin(half_past_two, "2026-10-25T01:30:00Z"), "2026-10-26T01:30:00Z");
    let block = b"NATS/1.0\r\nNats-Schedule-Time-Zone: Europe/Berlin\r\n\r\n";
    let text = super::next_text(&PublishHeaders::read(block), ns("2026-03-30T00:30:00.9Z"));
    assert_eq!(text, "2026-03-30T02:30:00+02:00");
    assert_eq!(seconds_text(ns("2026-03-30T00:30:00.9Z"), None), "2026-03-30T00:30:00Z");
}

#[test]
fn a_subject_has_one_schedule() {
    let mut table = Schedules::default();
    table.set(b"a", 1, 10);
    table.set(b"b", 2, 5);
    table.set(b"a", 3, 7);
    let seqs =
        |table: &Schedules, now| table.due(now, 9).iter().map(|due| due.seq).collect::<Vec<_>>();
    assert_eq!(table.next_wake_ns(), Some(5));
    assert!(seqs(&table, 4).is_empty());
    assert_eq!(seqs(&table, 6), [2]);
    assert_eq!(seqs(&table, 10), [2, 3]);
    // The message that was replaced says nothing.
    table.removed(1, b"a");
    table.put_off(b"b", 20);
    table.set_due(b"c", 1);
    assert_eq!(seqs(&table, 19), [3]);
    assert_eq!(table.due(20, 9)[0].due_ns, 5);
    table.set_due(b"b", 30);
    table.removed(3, b"a");
    assert!(seqs(&table, 29).is_empty());
    assert_eq!(table.all().len(), 1);
}
