//! Appends per second, by size and by how many wait for one sync.

use std::path::Path;

use store::{Durability, NewMsg, StreamStore};

use crate::measure::{Outcome, Watch, thousands};
use crate::options::Options;
use crate::setup;

/// No run writes more than this.
const MOST_BYTES: u64 = 2 << 30;

pub(crate) fn run(options: &Options, base: &Path) -> Outcome<()> {
    println!(
        "appends                                appends/s     MiB/s   CPU ns/append   flushes/s"
    );
    for size in [128, 1024, 16 * 1024] {
        for (what, waiting, durability) in [
            ("synced, 1 waits", 1, Durability::Synced),
            ("synced, 64 wait", 64, Durability::Synced),
            ("synced, 4,096 wait", 4096, Durability::Synced),
            ("unsynced, flush of 256", 256, Durability::Written),
        ] {
            one(options, base, size, what, waiting, durability)?;
        }
    }
    Ok(())
}

fn one(
    options: &Options,
    base: &Path,
    size: usize,
    what: &str,
    waiting: u64,
    durability: Durability,
) -> Outcome<()> {
    let mut store = setup::create(base, &setup::config("APPENDS"))?;
    let payload = vec![b'x'; size];
    let mut number = 0;
    let append = |store: &mut dyn StreamStore, number: &mut u64, count: u64| -> Outcome<()> {
        for _ in 0..count {
            let msg = NewMsg {
                subject: b"orders.region7.new",
                headers: b"",
                payload: &payload,
                ts: setup::time_of(*number),
                ttl_seconds: 0,
            };
            store.append(msg, &mut |_| {})?;
            *number += 1;
        }
        Ok(store.flush(durability)?)
    };
    // The first appends to a file find it without room.
    append(&mut store, &mut number, 64)?;
    let watch = Watch::start();
    let (start, mut flushes) = (number, 0);
    while watch.stop().wall < options.length && number * (size as u64) < MOST_BYTES {
        append(&mut store, &mut number, waiting)?;
        flushes += 1;
    }
    let spent = watch.stop();
    let count = number - start;
    let rate = spent.per_second(count);
    println!(
        "  {size:>6} B, {what:24} {:>12} {:>9.0} {:>15.0} {:>11}",
        thousands(rate),
        rate * size as f64 / f64::from(1 << 20),
        spent.cpu_ns(count),
        thousands(spent.per_second(flushes)),
    );
    Ok(store.delete()?)
}
