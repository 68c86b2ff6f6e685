//! Many consumers: made, stored, found again.

use std::path::Path;

use store::{ConsumerMeta, ConsumerState, Durability, PendingAck, StreamStore};
use types::{ConsumerConfig, SequencePair, Timestamp};

use crate::measure::{Outcome, Spent, Watch, show, thousands};
use crate::options::Options;
use crate::setup;

const NAME: &str = "CONSUMERS";

fn both(spent: Spent) -> String {
    format!("{} (CPU {})", show(spent.wall), show(spent.cpu))
}

pub(crate) fn run(options: &Options, base: &Path) -> Outcome<()> {
    println!("{} consumers of one stream", thousands(options.consumers as f64));
    let mut store = setup::create(base, &setup::config(NAME))?;
    setup::fill(&mut store, 0, 1_000, 10, Durability::Synced)?;
    let made = options.consumers.min(20);
    let watch = Watch::start();
    for number in 0..made {
        let name = format!("consumer{number}");
        let config = ConsumerConfig {
            durable_name: name.clone(),
            name: name.clone(),
            ..ConsumerConfig::default()
        };
        let meta = ConsumerMeta { name, created: Timestamp::ZERO, config };
        store.create_consumer(&meta, &ConsumerState::default())?;
    }
    println!(
        "  made, durably                              {} each",
        show(watch.stop().wall / made as u32)
    );
    store.stop()?;
    drop(store);
    // The others are copies: each made in earnest would wait for the disk several times.
    let obs = base.join("streams").join(NAME).join("obs");
    for number in made..options.consumers {
        let dir = obs.join(format!("consumer{number}"));
        std::fs::create_dir(&dir)?;
        for file in ["meta.inf", "meta.sum"] {
            std::fs::copy(obs.join("consumer0").join(file), dir.join(file))?;
        }
    }
    let mut store = setup::open(base, NAME)?;
    let mut stores: Vec<_> =
        store.take_recovered_consumers().into_iter().map(|found| found.store).collect();
    let pending =
        |seq| PendingAck { stream_seq: seq, consumer_seq: seq, delivered: setup::time_of(seq) };
    let state = |from: u64| ConsumerState {
        delivered: SequencePair { consumer: from + 9, stream: from + 9 },
        ack_floor: SequencePair { consumer: from, stream: from },
        pending: (from + 1..from + 10).map(pending).collect(),
        redelivered: Vec::new(),
    };
    let watch = Watch::start();
    for consumer in &mut stores {
        consumer.save(&state(3), Durability::Written)?;
    }
    println!("  all stored, unsynced                       {}", both(watch.stop()));
    let watch = Watch::start();
    let states: Vec<ConsumerState> = stores.iter().map(|_| state(5)).collect();
    for (consumer, state) in stores.iter_mut().zip(&states) {
        consumer.save(state, Durability::Written)?;
    }
    store.stop()?;
    println!("  stop with all changed                      {}", both(watch.stop()));
    drop((store, stores));
    let watch = Watch::start();
    let mut store = setup::open(base, NAME)?;
    let found = store.take_recovered_consumers().len();
    println!(
        "  start                                      {}, {found} consumers",
        both(watch.stop())
    );
    Ok(store.delete()?)
}
