//! Encryption at rest of a simulated stream: which keys a number stands for, and how they change
//! from one opening to the next.

use store::{Encryption, MasterKey, StoreCipher};

use crate::dice::Dice;

/// The keys of a stream that is encrypted, or is going to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    cipher: StoreCipher,
    /// Of the key; 0 while the stream is plain.
    number: u64,
    /// The key before is configured as well.
    has_previous: bool,
    /// The stream was opened with them: all of it is under them.
    settled: bool,
}

impl Keys {
    /// What a number stands for; most are of a stream that stays plain.
    #[must_use]
    pub fn of(number: u64) -> Option<Keys> {
        let keys = |cipher, number| Keys { cipher, number, has_previous: false, settled: true };
        match number % 8 {
            2 => Some(keys(StoreCipher::Aes, 1)),
            5 => Some(keys(StoreCipher::ChaCha, 1)),
            6 if (number / 8).is_multiple_of(2) => Some(keys(StoreCipher::ChaCha, 0)),
            6 => Some(keys(StoreCipher::Aes, 0)),
            _ => None,
        }
    }

    /// What is configured.
    #[must_use]
    pub fn encryption(&self) -> Option<Encryption> {
        let key = |number: u64| MasterKey::new(format!("key {number}").as_bytes());
        let current = key(self.number).filter(|_| self.number > 0)?;
        let previous = key(self.number - 1).filter(|_| self.has_previous);
        Some(Encryption { cipher: self.cipher, key: current, previous })
    }

    /// Changes them now and then, before an opening. Until one succeeds they stay: what is not
    /// yet under the new ones needs the old.
    pub fn change(&mut self, dice: &mut Dice) {
        if !self.settled {
            return;
        }
        match dice.below(8) {
            0 | 1 => {
                self.has_previous = self.number > 0;
                self.number += 1;
                if self.has_previous && dice.once_in(2) {
                    self.change_cipher();
                }
            }
            2 if self.number > 0 => self.change_cipher(),
            3 => self.has_previous = false,
            _ => return,
        }
        self.settled = false;
    }

    /// An opening with them succeeded.
    pub fn settle(&mut self) {
        self.settled = true;
    }

    fn change_cipher(&mut self) {
        self.cipher = match self.cipher {
            StoreCipher::ChaCha => StoreCipher::Aes,
            StoreCipher::Aes => StoreCipher::ChaCha,
        };
    }
}
