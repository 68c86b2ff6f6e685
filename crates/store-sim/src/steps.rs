//! Random configurations and random operations.

use std::sync::LazyLock;

use memchr::memchr_iter;
use store::{Erase, Filter, Purge};
use types::{Compression, Discard, Retention, StreamConfig};

use crate::dice::Dice;
use crate::model::{Model, ModelMsg};
use crate::world::{at, config};

/// One operation on the messages.
#[derive(Clone, Debug)]
pub enum Op {
    /// Its size is not known yet.
    Append(ModelMsg),
    /// The next message gets this sequence.
    Skip(u64),
    /// Of one message.
    Remove(u64, Erase),
    /// Of what is selected.
    Purge(Purge),
    /// Of what is due by now.
    Expire,
    /// Changed limits.
    Configure(Box<StreamConfig>),
}

impl Op {
    /// What it is, without contents.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Op::Append(msg) => format!("append {} of {}", msg.subject, msg.payload.len()),
            Op::Skip(next) => format!("skip to {next}"),
            Op::Remove(seq, erase) => format!("remove {seq} {erase:?}"),
            Op::Purge(purge) => format!("{purge:?}"),
            Op::Expire => "expire".to_owned(),
            Op::Configure(_) => "change limits".to_owned(),
        }
    }
}

/// How much is asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Some hundred messages.
    Usual,
    /// Few messages, so that each call of the disk counts.
    Small,
}

fn limit(dice: &mut Dice, chance: u64, low: u64, span: u64) -> i64 {
    if dice.once_in(chance) { (low + dice.below(span)) as i64 } else { -1 }
}

/// Sets limits that may change later on.
fn random_limits(dice: &mut Dice, config: &mut StreamConfig, scale: Scale) {
    let tenth = if scale == Scale::Small { 5 } else { 1 };
    config.max_msgs = limit(dice, 3, 5, 60 / tenth);
    config.max_bytes = limit(dice, 4, 2_000 / tenth, 20_000 / tenth);
    config.max_msgs_per_subject = limit(dice, 3, 1, 6);
    config.max_age_ns = if dice.once_in(3) { 40_000_000_000 } else { 0 };
    config.discard = Discard::Old;
    config.discard_new_per_subject = false;
    if dice.once_in(4) {
        config.discard = Discard::New;
        config.discard_new_per_subject = config.max_msgs_per_subject > 0 && dice.once_in(2);
    }
    config.compression = if dice.once_in(3) { Compression::S2 } else { Compression::None };
}

/// A random configuration.
#[must_use]
pub fn random_config(dice: &mut Dice, scale: Scale) -> StreamConfig {
    let mut config = config();
    random_limits(dice, &mut config, scale);
    config.allow_msg_ttl = dice.once_in(4);
    if dice.once_in(4) {
        config.first_seq = 1 + dice.below(5_000);
    }
    if dice.once_in(4) {
        config.retention = Retention::WorkQueue;
    }
    config
}

/// Whether calls are to be shown while they are made: `SIM_SHOW` is set.
#[must_use]
pub fn is_shown() -> bool {
    static IS_SHOWN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SIM_SHOW").is_some());
    *IS_SHOWN
}

/// Filters to compare with.
#[must_use]
pub fn filters() -> Vec<Filter> {
    vec![
        Filter::all(),
        Filter::any_of(["a.1"]),
        Filter::any_of(["a.*"]),
        Filter::any_of(["*.2", "b.>", "b.2"]),
        Filter::any_of(["none.*"]),
        Filter::any_of(["rare"]),
    ]
}

fn random_subject(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "rare".to_owned(),
        n if n < 6 => format!("a.{}", dice.below(5)),
        n if n < 10 => format!("b.{}", dice.below(9)),
        _ => format!("c.d.{}", dice.below(40)),
    }
}

fn random_msg(dice: &mut Dice, model: &Model, seconds: i64) -> ModelMsg {
    let ttl_seconds = match dice.below(5) {
        _ if !model.config.allow_msg_ttl => 0,
        0 => -1,
        1 => 1 + dice.below(60) as i64,
        _ => 0,
    };
    let headers = match ttl_seconds {
        0 if dice.once_in(3) => b"NATS/1.0\r\nA: b\r\n\r\n".to_vec(),
        0 => Vec::new(),
        -1 => b"NATS/1.0\r\nNats-TTL: never\r\n\r\n".to_vec(),
        ttl => format!("NATS/1.0\r\nNats-TTL: {ttl}s\r\n\r\n").into_bytes(),
    };
    let len = if dice.once_in(6) { dice.below(700) } else { dice.below(60) };
    // No two payloads are alike, so that one in the wrong place is noticed.
    let mut payload = format!("<{:016x}>", dice.roll()).into_bytes();
    payload.resize(payload.len() + len as usize, b'a' + dice.below(26) as u8);
    if dice.once_in(20) {
        payload.clear();
    }
    let subject = random_subject(dice).into();
    ModelMsg { subject, headers, payload, ts: at(seconds), ttl_seconds, size: 0 }
}

/// All places where bytes look like the start of a payload, up to their end.
pub fn payloads(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr_iter(b'<', bytes).filter_map(|at| bytes.get(at..)).filter(|rest| match rest.get(..18) {
        Some([b'<', number @ .., b'>']) => number.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    })
}

/// The next operation on a stream that holds what the model holds; may let time pass.
pub fn random_op(dice: &mut Dice, model: &Model, seconds: &mut i64, scale: Scale) -> Op {
    let first = model.msgs.keys().next().copied().unwrap_or(model.last_seq + 1);
    let span = (model.last_seq + 2).saturating_sub(first).max(1);
    match dice.below(28) {
        0 | 1 => {
            let erase = if dice.once_in(3) { Erase::Overwrite } else { Erase::Keep };
            Op::Remove(first + dice.below(span), erase)
        }
        2 if dice.once_in(3) => {
            let filter = dice.pick(&filters()).cloned().unwrap_or_default();
            let below_seq =
                if dice.once_in(2) { first + dice.below(span) + dice.below(3) } else { 0 };
            let keep = if dice.once_in(3) { dice.below(6) } else { 0 };
            Op::Purge(Purge { filter, below_seq, keep })
        }
        // Compaction: all below a sequence.
        3 if dice.once_in(2) => {
            let below_seq = first + dice.below(span / 2 + 1);
            Op::Purge(Purge { below_seq, ..Purge::default() })
        }
        4 => Op::Expire,
        // A work queue's consumer acks from the front.
        5 => Op::Remove(first, Erase::Keep),
        6 if dice.once_in(8) => {
            let mut changed = StreamConfig::clone(&model.config);
            random_limits(dice, &mut changed, scale);
            Op::Configure(Box::new(changed))
        }
        // A mirror leaves out what its origin does not have.
        7 if dice.once_in(3) => {
            let far = dice.once_in(12);
            Op::Skip(model.last_seq + 1 + dice.below(if far { 3_000 } else { 20 }))
        }
        _ => {
            *seconds += dice.below(4) as i64;
            Op::Append(random_msg(dice, model, *seconds))
        }
    }
}
