//! When pings go out, and what silence means.

use std::time::Duration;

use super::{Due, Pings};

const SECOND: u64 = 1_000_000_000;

fn pings(seconds: u64, max: u32) -> Pings {
    Pings::new(Duration::from_secs(seconds), max, 0)
}

#[test]
fn first_ping_after_connect_comes_soon() {
    for id in 1..50 {
        let mut pings = pings(120, 2);
        assert_eq!(pings.due_ns(), 120 * SECOND);
        pings.connected(SECOND, id);
        let due = pings.due_ns();
        assert!((3 * SECOND..3 * SECOND + 2 * SECOND / 5).contains(&due), "{due}");
        assert_eq!(pings.due(due - 1), Due::Wait);
        assert_eq!(pings.due(due), Due::Ping);
        assert_eq!(pings.due_ns(), due + 120 * SECOND);
    }
}

#[test]
fn short_intervals_stay_short() {
    let mut pings = pings(1, 2);
    pings.connected(0, 7);
    assert!((SECOND..SECOND + SECOND / 5).contains(&pings.due_ns()));
}

#[test]
fn silence_is_stale_after_max_unanswered() {
    let mut pings = pings(10, 2);
    assert_eq!(pings.due(10 * SECOND), Due::Ping);
    assert_eq!(pings.due(20 * SECOND), Due::Ping);
    assert_eq!(pings.due(30 * SECOND), Due::Stale);
}

#[test]
fn pong_forgives() {
    let mut pings = pings(10, 1);
    assert_eq!(pings.pong(5), None, "nothing was asked");
    assert_eq!(pings.due(10 * SECOND), Due::Ping);
    assert_eq!(pings.pong(10 * SECOND), Some(1));
    assert_eq!(pings.due(20 * SECOND), Due::Ping);
    assert_eq!(pings.pong(20 * SECOND + 42), Some(42));
}

#[test]
fn busy_clients_are_not_pinged_but_measured_once_an_hour() {
    let mut pings = pings(10, 2);
    pings.heard(9 * SECOND);
    assert_eq!(pings.due(10 * SECOND), Due::Ping, "not measured yet");
    pings.pong(10 * SECOND);
    pings.heard(19 * SECOND);
    assert_eq!(pings.due(20 * SECOND), Due::Wait);
    pings.heard(20 * SECOND);
    assert_eq!(pings.due(30 * SECOND), Due::Ping, "heard exactly one interval ago");
    pings.pong(30 * SECOND);
    pings.heard(3629 * SECOND);
    assert_eq!(pings.due(3630 * SECOND), Due::Wait);
    pings.heard(3640 * SECOND);
    assert_eq!(pings.due(3641 * SECOND), Due::Ping);
}
