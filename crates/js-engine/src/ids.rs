//! Unique ids of advisories, in the form of the reference's (`nuid`).

use std::sync::Arc;

use env::Rng;
use parking_lot::Mutex;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX_LEN: usize = 12;
const SEQUENCE_LEN: u32 = 10;
const SEQUENCES: u64 = 62u64.pow(SEQUENCE_LEN);

/// Makes ids of 22 characters: a random prefix and a sequence that climbs in random steps.
#[derive(Debug)]
pub struct Ids {
    rng: Arc<dyn Rng>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    prefix: [u8; PREFIX_LEN],
    sequence: u64,
    step: u64,
}

impl Ids {
    /// A maker of ids.
    pub fn new(rng: Arc<dyn Rng>) -> Self {
        let state = Mutex::new(fresh(&*rng));
        Ids { rng, state }
    }

    /// Eight random characters: the name of a consumer that nobody named
    /// (`server/consumer.go` `createConsumerName`).
    pub fn random_name(&self) -> String {
        let Ok(mut n) = self.rng.next_u64() else {
            return self.next_id().split_off(PREFIX_LEN + 2);
        };
        let mut name = String::with_capacity(8);
        for _ in 0..8 {
            name.push(digit(n));
            n /= 62;
        }
        name
    }

    /// The next id.
    pub fn next_id(&self) -> String {
        let mut state = self.state.lock();
        state.sequence += state.step;
        if state.sequence >= SEQUENCES {
            *state = fresh(&*self.rng);
        }
        let mut id = String::with_capacity(PREFIX_LEN + SEQUENCE_LEN as usize);
        id.extend(state.prefix.iter().map(|b| char::from(*b)));
        let sequence = state.sequence;
        id.extend((0..SEQUENCE_LEN).rev().map(|n| digit(sequence / 62u64.pow(n))));
        id
    }
}

fn digit(n: u64) -> char {
    char::from(DIGITS.get((n % 62) as usize).copied().unwrap_or(b'0'))
}

fn fresh(rng: &dyn Rng) -> State {
    // Without a random source ids are predictable, which harms nothing but their uniqueness
    // across servers.
    let draw = || rng.next_u64().unwrap_or(0x9e37_79b9_7f4a_7c15);
    let prefix = std::array::from_fn(|_| digit(draw()) as u8);
    State { prefix, sequence: draw() % SEQUENCES, step: 33 + draw() % 300 }
}
