//! Wall time and CPU time around a run.

use std::fs;
use std::io;
use std::time::Instant;

use hdrhistogram::Histogram;

use super::server::Server;

/// Ticks per second in `/proc/PID/stat`: 100 on every Linux that matters (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run gave.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Messages that went through.
    pub(crate) messages: u64,
    /// How long that took.
    pub(crate) seconds: f64,
    /// CPU time of the server.
    pub(crate) server_cpu_seconds: f64,
    /// CPU time of this process.
    pub(crate) own_cpu_seconds: f64,
    /// Median and 99th percentile of the wait for an answer, in microseconds.
    pub(crate) latency_us: Option<(f64, f64)>,
}

impl Sample {
    /// Messages per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Microseconds of server CPU per message.
    pub(crate) fn server_us(&self) -> f64 {
        self.server_cpu_seconds * 1e6 / self.messages as f64
    }

    /// Microseconds of the load generator's CPU per message.
    pub(crate) fn own_us(&self) -> f64 {
        self.own_cpu_seconds * 1e6 / self.messages as f64
    }
}

/// A running measurement.
pub(crate) struct Meter<'a> {
    server: &'a Server,
    started: Instant,
    server_cpu: f64,
    own_cpu: f64,
}

impl<'a> Meter<'a> {
    /// Starts to measure.
    pub(crate) fn start(server: &'a Server) -> io::Result<Self> {
        let server_cpu = cpu_seconds(&server.pid().to_string())?;
        Ok(Self { server, started: Instant::now(), server_cpu, own_cpu: cpu_seconds("self")? })
    }

    /// Ends the measurement; the last message went through at `end`.
    pub(crate) fn stop(
        self,
        messages: u64,
        end: Instant,
        latency: Option<&Histogram<u64>>,
    ) -> io::Result<Sample> {
        if messages == 0 {
            return Err(io::Error::other("no message went through"));
        }
        Ok(Sample {
            messages,
            seconds: end.duration_since(self.started).as_secs_f64().max(1e-9),
            server_cpu_seconds: cpu_seconds(&self.server.pid().to_string())? - self.server_cpu,
            own_cpu_seconds: cpu_seconds("self")? - self.own_cpu,
            latency_us: latency.map(|it| {
                let at = |quantile| it.value_at_quantile(quantile) as f64 / 1000.0;
                (at(0.5), at(0.99))
            }),
        })
    }
}

/// User and system time of a process and its threads.
fn cpu_seconds(pid: &str) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    cpu_ticks(&stat)
        .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
        .ok_or_else(|| io::Error::other("/proc/PID/stat is not as proc(5) says"))
}

/// Fields 14 and 15; the second may hold spaces, so count from its `)`.
pub(crate) fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A histogram of nanoseconds up to a minute, three digits exact.
pub(crate) fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)
}

/// The run with the median rate; an error of any run is the result.
pub(crate) fn median(runs: Vec<Result<Sample, String>>) -> Result<Sample, String> {
    let mut samples = runs.into_iter().collect::<Result<Vec<Sample>, String>>()?;
    samples.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    let middle = samples.len() / 2;
    samples.into_iter().nth(middle).ok_or_else(|| "no run".to_owned())
}
