//! Random bytes.

use std::fmt::Debug;
use std::io;
use std::sync::Mutex;

/// Where randomness comes from.
pub trait Rng: Debug + Send + Sync {
    /// Fills `bytes`; secrets are made of them where the source is the operating system.
    ///
    /// # Errors
    /// Only what the operating system's source refuses.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;

    /// A random number.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    fn next_u64(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The operating system's source, fit for keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    fn fill(&self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let got = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty())?;
            bytes = bytes.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A reproducible source for tests (SplitMix64); never for secrets.
#[derive(Debug)]
pub struct SeededRng {
    state: Mutex<u64>,
}

impl SeededRng {
    /// The source that this seed gives.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        SeededRng { state: Mutex::new(seed) }
    }

    fn step(&self) -> u64 {
        let mut state = match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.step().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
        Ok(())
    }
}
