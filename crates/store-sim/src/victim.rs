//! Small stores to damage, each made by a few steps that its seed says, and what they hold.

use std::path::PathBuf;
use std::sync::Arc;

use env::{Crash, Disk};
use store::{ConsumerMeta, ConsumerState, Durability, Erase, NewMsg, Purge, StreamStore};
use types::{AckPolicy, Compression, ConsumerConfig, SequencePair, StreamConfig};

use crate::dice::Dice;
use crate::keys::Keys;
use crate::model::{Model, ModelMsg};
use crate::verdict::{Verdict, ensure};
use crate::world::{World, at, config};

const HEADERS: &str = "NATS/1.0\r\nA: b\r\n\r\n";
/// Names that a length with a bad bit may leave of another, some of them known, some of nobody.
const NAMES: [&str; 7] = ["s", "s.1", "s.10", "s.100", "s.23", "st", "a.b.c"];

/// How a store was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Stopped cleanly.
    Stopped,
    /// Killed: the index is older than the blocks.
    Killed,
    /// Stopped, and its index removed.
    NoIndex,
    /// Stopped, with compressed blocks.
    Compressed,
    /// Stopped, and encrypted.
    Encrypted,
}

/// All of them.
pub const SUBJECTS: [Subject; 5] =
    [Subject::Stopped, Subject::Killed, Subject::NoIndex, Subject::Compressed, Subject::Encrypted];

/// A store to damage, and what it holds.
pub struct Victim {
    /// How it was left.
    pub subject: Subject,
    /// Its disk.
    pub world: World,
    /// Its messages.
    pub model: Model,
    /// What its stream is to do.
    pub config: StreamConfig,
    /// Its consumer.
    pub consumer: (ConsumerMeta, ConsumerState),
    /// The files that it left.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

enum Step {
    Put {
        subject: String,
        headers: String,
        payload: String,
    },
    Remove(u64, Erase),
    Purge(u64),
    Flush,
    /// Stopped and opened again.
    Reopen,
    /// Killed and opened again.
    Kill,
}

fn put(subject: &str, headers: &str, payload: String) -> Step {
    Step::Put { subject: subject.to_owned(), headers: headers.to_owned(), payload }
}

/// The steps of the first five, and what follows them where the store is killed.
fn plain() -> (Vec<Step>, Vec<Step>) {
    let numbered = |number: u64| {
        let headers = if number.is_multiple_of(3) { HEADERS } else { "" };
        let subject = match number {
            11 | 18 => "s".to_owned(),
            19 => "s.23".to_owned(),
            _ => format!("s.{}", number % 4),
        };
        [put(&subject, headers, format!("payload {number}")), Step::Flush]
    };
    let mut steps: Vec<Step> = (1..=16).flat_map(numbered).collect();
    steps.push(Step::Remove(3, Erase::Keep));
    steps.push(Step::Remove(8, Erase::Overwrite));
    steps.push(Step::Purge(2));
    let mut after: Vec<Step> = (17..=20).flat_map(numbered).collect();
    // Between others of its block, which the index knows as it was before.
    after.push(Step::Remove(6, Erase::Overwrite));
    (steps, after)
}

/// Random ones.
fn random(dice: &mut Dice) -> (Vec<Step>, Vec<Step>) {
    let (mut steps, mut last_seq) = (Vec::new(), 0);
    let count = 12 + dice.below(10);
    let more = count + dice.below(8);
    let mut before = 0;
    while last_seq < more {
        if last_seq >= count && before == 0 {
            before = steps.len();
        }
        let headers = match dice.below(8) {
            0 | 1 => HEADERS,
            2 => "of a client's own",
            _ => "",
        };
        let subject = dice.pick(&NAMES).copied().unwrap_or_default();
        let filling = "0".repeat(dice.below(20) as usize);
        last_seq += 1;
        steps.push(put(subject, headers, format!("{filling}{last_seq} of them")));
        if !dice.once_in(3) {
            steps.push(Step::Flush);
        }
        if dice.once_in(4) {
            let erase = if dice.once_in(2) { Erase::Overwrite } else { Erase::Keep };
            steps.push(Step::Remove(1 + dice.below(last_seq), erase));
        }
        match dice.below(24) {
            0 => steps.push(Step::Purge(1 + dice.below(last_seq / 2 + 1))),
            1 => steps.push(Step::Reopen),
            2 => steps.push(Step::Kill),
            _ => {}
        }
    }
    let after = steps.split_off(if before > 0 { before } else { steps.len() });
    (steps, after)
}

fn say(error: store::StoreError) -> String {
    error.to_string()
}

impl Victim {
    /// Makes the one of a seed: [`SUBJECTS`] one after the other.
    ///
    /// # Errors
    /// If the store does not do as the model without any damage.
    pub fn new(seed: u64) -> Verdict<Victim> {
        let subject = SUBJECTS[(seed % SUBJECTS.len() as u64) as usize];
        let mut dice = Dice::new(seed);
        let (block_bytes, (steps, after)) = match seed < SUBJECTS.len() as u64 {
            true => (330, plain()),
            false => (150 + dice.below(500), random(&mut dice)),
        };
        let keys = if subject == Subject::Encrypted { Keys::of(5) } else { None };
        let world = World::new(block_bytes).with_keys(keys);
        let mut config = config();
        if subject == Subject::Compressed {
            config.compression = Compression::S2;
        }
        if seed >= SUBJECTS.len() as u64 {
            // A start reads all messages where lifetimes may be among them.
            config.allow_msg_ttl = dice.once_in(4);
            if dice.once_in(4) {
                config.max_msgs_per_subject = 1 + dice.below(3) as i64;
            }
        }
        let mut store = world.create(&config).map_err(say)?;
        let mut model = Model::new(&config);
        for step in steps {
            store = take(step, &world, store, &mut model)?;
        }
        store.flush(Durability::Synced).map_err(say)?;
        let meta = ConsumerMeta {
            name: "c".to_owned(),
            created: at(3),
            config: ConsumerConfig {
                durable_name: "c".to_owned(),
                name: "c".to_owned(),
                ack_policy: AckPolicy::Explicit,
                ..ConsumerConfig::default()
            },
        };
        let state = ConsumerState {
            delivered: SequencePair { consumer: 7, stream: 9 },
            ack_floor: SequencePair { consumer: 7, stream: 9 },
            ..ConsumerState::default()
        };
        let mut consumer = store.create_consumer(&meta, &ConsumerState::default()).map_err(say)?;
        consumer.save(&state, Durability::Synced).map_err(say)?;
        if subject == Subject::Killed {
            for step in after {
                store = take(step, &world, store, &mut model)?;
            }
            store.flush(Durability::Synced).map_err(say)?;
        } else {
            store.stop().map_err(say)?;
        }
        drop((consumer, store));
        world.disk.crash(Crash::DropUnsynced);
        if subject == Subject::NoIndex {
            let msgs = world.dir().join("msgs");
            let gone = world.disk.unlink(&msgs.join("index.db"));
            gone.and_then(|()| world.disk.sync_dir(&msgs)).map_err(|error| error.to_string())?;
        }
        let files = world.disk.files(&world.dir());
        Ok(Victim { subject, world, model, config, consumer: (meta, state), files })
    }
}

/// Takes a step with the store and the model.
fn take(
    step: Step,
    world: &World,
    mut store: Box<dyn StreamStore>,
    model: &mut Model,
) -> Verdict<Box<dyn StreamStore>> {
    match step {
        Step::Put { subject, headers, payload } => {
            let msg = ModelMsg {
                subject: subject.into(),
                headers: headers.into_bytes(),
                payload: payload.into_bytes(),
                ts: at(model.last_seq as i64 + 1),
                ttl_seconds: 0,
                size: 0,
            };
            let new = NewMsg {
                subject: msg.subject.as_bytes(),
                headers: &msg.headers,
                payload: &msg.payload,
                ts: msg.ts,
                ttl_seconds: 0,
            };
            let size = store.size_of(new.subject.len(), new.headers.len(), new.payload.len());
            store.append(new, &mut |_| {}).map_err(say)?;
            model.append(Arc::new(ModelMsg { size, ..msg })).map_err(str::to_owned)?;
        }
        Step::Remove(seq, erase) => {
            let there = store.remove(seq, erase, &mut |_| {}).map_err(say)?;
            ensure!(model.remove(seq) == there, "{seq} there: {there}");
        }
        Step::Purge(below_seq) => {
            let purge = Purge { below_seq, ..Purge::default() };
            store.purge(&purge, &mut |_| {}).map_err(say)?;
            model.purge(&purge);
        }
        Step::Flush => store.flush(Durability::Synced).map_err(say)?,
        Step::Reopen | Step::Kill => {
            store.flush(Durability::Synced).map_err(say)?;
            if matches!(step, Step::Reopen) {
                store.stop().map_err(say)?;
            }
            drop(store);
            world.disk.crash(Crash::DropUnsynced);
            store = world.open()?.ok_or("no stream")?.store;
        }
    }
    Ok(store)
}
