//! When a client is pinged, and what its silence means.

use std::time::Duration;

/// Longest wait before the first ping after CONNECT (`server/client.go`
/// `firstClientPingInterval`).
const FIRST_MAX: Duration = Duration::from_secs(2);
/// The round trip is measured anew after this time even if the client is busy
/// (`server/const.go` `DEFAULT_RTT_MEASUREMENT_INTERVAL`).
const MEASURE_AGAIN_NS: u64 = 3_600_000_000_000;

/// The ping state of one client; times are nanoseconds of the server's own clock.
pub(crate) struct Pings {
    interval_ns: u64,
    max: u32,
    /// Unanswered pings.
    out: u32,
    due_ns: u64,
    sent_ns: Option<u64>,
    last_in_ns: u64,
}

/// What to do when the timer is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Wait,
    /// Send PING.
    Ping,
    /// The client is gone without saying so.
    Stale,
}

impl Pings {
    /// The first ping is due after one interval, unless CONNECT comes.
    pub(crate) fn new(interval: Duration, max: u32, now_ns: u64) -> Self {
        let interval_ns = nanos(interval);
        Pings {
            interval_ns,
            max,
            out: 0,
            due_ns: now_ns.saturating_add(interval_ns),
            sent_ns: None,
            last_in_ns: now_ns,
        }
    }

    /// Takes another interval from now on.
    pub(crate) fn set_rhythm(&mut self, interval: Duration, max: u32, now_ns: u64) {
        self.max = max;
        let interval_ns = nanos(interval);
        if interval_ns != self.interval_ns {
            self.interval_ns = interval_ns;
            self.due_ns = self.due_ns.min(now_ns.saturating_add(interval_ns));
        }
    }

    /// CONNECT came: the first ping follows soon, spread by up to a fifth (`server/client.go`
    /// `setFirstPingTimer`). `salt` is any number that differs between connections.
    pub(crate) fn connected(&mut self, now_ns: u64, salt: u64) {
        let wait = self.interval_ns.min(nanos(FIRST_MAX));
        // Multiplying by a large odd number spreads consecutive ids well enough.
        let spread = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (wait / 5).max(1);
        self.due_ns = now_ns.saturating_add(wait).saturating_add(spread);
    }

    /// Data came, or a PING.
    pub(crate) fn heard(&mut self, now_ns: u64) {
        self.last_in_ns = now_ns;
    }

    /// When to call [`due`](Self::due).
    pub(crate) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// The timer is due (`server/client.go` `processPingTimer`).
    pub(crate) fn due(&mut self, now_ns: u64) -> Due {
        if now_ns < self.due_ns {
            return Due::Wait;
        }
        self.due_ns = now_ns.saturating_add(self.interval_ns);
        let measured = self.sent_ns.is_some_and(|at| now_ns.saturating_sub(at) <= MEASURE_AGAIN_NS);
        if now_ns.saturating_sub(self.last_in_ns) < self.interval_ns && measured {
            return Due::Wait;
        }
        if self.out >= self.max {
            return Due::Stale;
        }
        self.out += 1;
        self.sent_ns = Some(now_ns);
        Due::Ping
    }

    /// PONG came: the round trip time in ns, at least 1.
    pub(crate) fn pong(&mut self, now_ns: u64) -> Option<u64> {
        self.out = 0;
        self.sent_ns.map(|sent| now_ns.saturating_sub(sent).max(1))
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
