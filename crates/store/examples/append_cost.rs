//! Prints what appends, flushes and reads cost: `cargo run --release -p store --example append_cost
//! -- <directory>`. Numbers are for people; nothing is asserted.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::{
    Durability, FileStore, FileStoreOptions, Filter, MemStore, NewMsg, StreamStore, open_account,
};
use types::{StreamConfig, Timestamp};

const MESSAGES: u64 = 1_000_000;
const BATCH: u64 = 256;

fn config(name: &str, max_msgs_per_subject: i64) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![">".to_owned()],
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject,
        max_msg_size: -1,
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

struct Times {
    append: Duration,
    flush: Duration,
}

fn fill(store: &mut dyn StreamStore, subjects: u64, messages: u64, sync: Durability) -> Times {
    let payload = [b'x'; 128];
    let names: Vec<String> = (0..subjects).map(|n| format!("bench.subject.{n}")).collect();
    let mut times = Times { append: Duration::ZERO, flush: Duration::ZERO };
    let mut done = 0;
    while done < messages {
        let start = Instant::now();
        for number in done..done + BATCH {
            let name = &names[(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % subjects) as usize];
            let msg = NewMsg {
                subject: name.as_bytes(),
                headers: b"",
                payload: &payload,
                ts: Timestamp::from_unix_ns(1_700_000_000_000_000_000 + number as i64),
                ttl_seconds: 0,
            };
            if let Err(error) = store.append(msg, &mut |_| {}) {
                eprintln!("append: {error}");
                std::process::exit(1);
            }
        }
        let appended = Instant::now();
        times.append += appended - start;
        if let Err(error) = store.flush(sync) {
            eprintln!("flush: {error}");
            std::process::exit(1);
        }
        times.flush += appended.elapsed();
        done += BATCH;
    }
    times
}

fn report(what: &str, times: &Times, messages: u64) {
    println!(
        "{what:44} append {:6.0} ns/msg, flush {:7.0} ns/msg",
        times.append.as_nanos() as f64 / messages as f64,
        times.flush.as_nanos() as f64 / messages as f64
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: append_cost <directory>")?;
    let disk: Arc<dyn env::Disk> = Arc::new(env::OsDisk);
    let account = Path::new(&dir).join("jetstream/$G");
    let options = FileStoreOptions::default();
    let create = |config: &StreamConfig| {
        FileStore::create(Arc::clone(&disk), &account, Timestamp::ZERO, config, options)
    };
    println!("128-byte payloads, batches of {BATCH}");
    for (name, subjects, per_subject) in [
        ("ONE", 1, -1),
        ("THOUSAND", 1_000, -1),
        ("MILLION", 1_000_000, -1),
        ("KV", 10_000, 1),
        ("KV5", 10_000, 5),
    ] {
        let config = config(name, per_subject);
        let mut mem = MemStore::new(&config);
        let times = fill(&mut mem, subjects, MESSAGES, Durability::Written);
        report(&format!("memory, {name}"), &times, MESSAGES);
        drop(mem);
        let mut file = create(&config)?;
        let times = fill(&mut file, subjects, MESSAGES, Durability::Written);
        report(&format!("file, written, {name}"), &times, MESSAGES);
        if name == "ONE" {
            let synced = 40_000;
            let times = fill(&mut file, subjects, synced, Durability::Synced);
            report(&format!("file, synced, {name}"), &times, synced);
        }
        let start = Instant::now();
        let mut from = 0;
        let mut count: u64 = 0;
        while let Some(msg) = file.next_match(&Filter::all(), from)? {
            from = msg.seq + 1;
            count += 1;
        }
        println!(
            "{:44} {:6.0} ns/msg over {count}",
            format!("read through, {name}"),
            start.elapsed().as_nanos() as f64 / count as f64
        );
        let (first, last) = (file.totals().first_seq, file.totals().last_seq);
        let (gets, mut seed) = (2_000, 7_u64);
        let start = Instant::now();
        let mut held = 0;
        for _ in 0..gets {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            held += u64::from(file.get(first + (seed >> 33) % (last - first + 1))?.is_some());
        }
        println!(
            "{:44} {:6.0} ns/get, {held} held",
            format!("read at random, {name}"),
            start.elapsed().as_nanos() as f64 / gets as f64
        );
        file.stop()?;
    }
    let start = Instant::now();
    let opened = open_account(&disk, &account, options)?;
    println!("opening {} streams by index: {:?}", opened.len(), start.elapsed());
    drop(opened);
    for name in ["ONE", "MILLION"] {
        let index = account.join("streams").join(name).join("msgs/index.db");
        disk.unlink(&index)?;
    }
    let start = Instant::now();
    let opened = open_account(&disk, &account, options)?;
    println!("opening {} streams, two without index: {:?}", opened.len(), start.elapsed());
    Ok(())
}
