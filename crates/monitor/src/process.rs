//! What this process uses of the machine.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Shortest time over which processor use is measured.
const SAMPLE: Duration = Duration::from_millis(500);

/// Measures the processor use of this process between requests.
pub(crate) struct ProcessUse {
    last: Mutex<Sample>,
}

struct Sample {
    at: Instant,
    ticks: u64,
    percent: f64,
}

impl ProcessUse {
    /// Starts to measure.
    pub(crate) fn new() -> Self {
        let sample = Sample { at: Instant::now(), ticks: cpu_ticks(), percent: 0.0 };
        ProcessUse { last: Mutex::new(sample) }
    }

    /// Processor use in percent of one core, with one decimal, since it was last asked for; asked
    /// again too soon it repeats its answer (`server/pse`).
    pub(crate) fn cpu_percent(&self) -> f64 {
        let mut last = self.last.lock();
        let (now, ticks) = (Instant::now(), cpu_ticks());
        let passed = now.duration_since(last.at);
        if passed >= SAMPLE {
            let per_second = rustix::param::clock_ticks_per_second().max(1);
            #[expect(clippy::cast_precision_loss, reason = "one decimal is kept")]
            let busy = ticks.saturating_sub(last.ticks) as f64 / per_second as f64;
            let percent = (busy / passed.as_secs_f64() * 1000.0).round() / 10.0;
            *last = Sample { at: now, ticks, percent };
        }
        last.percent
    }
}

/// Resident memory in bytes; 0 where the system does not tell.
pub(crate) fn memory_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

/// Processors this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Clock ticks this process has run, in user and kernel mode.
fn cpu_ticks() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return 0 };
    // The second field is a name in parentheses that may hold anything; count from behind it.
    let Some((_, rest)) = text.rsplit_once(')') else { return 0 };
    let fields = rest.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}
