//! What the disk itself can do: appends with a sync after each.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::core_rows::nanoseconds;
use super::meter::histogram;
use crate::table::thousands;

/// Bytes of one append, about a stored message of 128 bytes.
const APPEND_BYTES: usize = 200;

/// Measures for a second in `folder` and says what came out.
pub(crate) fn describe(folder: &Path) -> io::Result<String> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path)?;
    let mut waits = histogram()?;
    let started = Instant::now();
    let mut before = started;
    while before - started < Duration::from_secs(1) {
        file.write_all(&[b'x'; APPEND_BYTES])?;
        file.sync_data()?;
        let now = Instant::now();
        waits.saturating_record(nanoseconds(now - before));
        before = now;
    }
    let rate = waits.len() as f64 / (before - started).as_secs_f64();
    std::fs::remove_file(&path)?;
    let at = |quantile| waits.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(format!(
        "disk        append {APPEND_BYTES} B + fdatasync: {}/s, p50 {:.0} us, p99 {:.0} us",
        thousands(rate as u64),
        at(0.5),
        at(0.99)
    ))
}
