//! Streams to measure.

use std::path::Path;
use std::sync::Arc;

use env::{Disk, OsDisk};
use store::{Durability, FileStore, FileStoreOptions, NewMsg, Opening, StreamStore, open_stream};
use types::{StreamConfig, Timestamp};

use crate::measure::Outcome;

/// Messages between two flushes where nobody waits for one.
pub(crate) const BATCH: u64 = 256;
/// Regions that the subjects are spread over.
pub(crate) const REGIONS: u64 = 50;

pub(crate) fn config(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![">".to_owned()],
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

pub(crate) fn disk() -> Arc<dyn Disk> {
    Arc::new(OsDisk)
}

pub(crate) fn create(base: &Path, config: &StreamConfig) -> Outcome<FileStore> {
    let options = FileStoreOptions::default();
    Ok(FileStore::create(disk(), base, Timestamp::ZERO, config, options)?)
}

pub(crate) fn open(base: &Path, name: &str) -> Outcome<Box<dyn StreamStore>> {
    let options = FileStoreOptions::default();
    match open_stream(&disk(), base, name.to_owned(), options).opening {
        Opening::Ready { store, .. } => Ok(store),
        Opening::Offline { reason, .. } => Err(reason.into()),
    }
}

/// Subject number `n`, as a buffer that is written over.
pub(crate) fn subject(n: u64, out: &mut String) {
    use std::fmt::Write as _;
    out.clear();
    // Writing to a String cannot fail.
    let _ = write!(out, "orders.region{}.{n}", n % REGIONS);
}

pub(crate) fn time_of(number: u64) -> Timestamp {
    Timestamp::from_unix_ns(1_700_000_000_000_000_000 + (number * 1_000_000) as i64)
}

/// Appends messages number `from..to` of 128 bytes, spread over the subjects in mixed order.
pub(crate) fn fill(
    store: &mut dyn StreamStore,
    from: u64,
    to: u64,
    subjects: u64,
    durability: Durability,
) -> Outcome<()> {
    let payload = [b'x'; 128];
    let mut name = String::new();
    for number in from..to {
        subject(mix(number) % subjects, &mut name);
        let msg = NewMsg {
            subject: name.as_bytes(),
            headers: b"",
            payload: &payload,
            ts: time_of(number),
            ttl_seconds: 0,
        };
        store.append(msg, &mut |_| {})?;
        if (number + 1) % BATCH == 0 {
            store.flush(durability)?;
        }
    }
    Ok(store.flush(durability)?)
}

/// Spreads numbers: consecutive ones are different modulo any count without this prime in it.
pub(crate) fn mix(number: u64) -> u64 {
    number.wrapping_mul(611_953)
}
