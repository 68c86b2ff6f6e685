//! A checksum of what the records' own checksums leave out: where each message's subject and
//! headers end.

use super::record::{self, Lengths};

/// Of the sequences and lengths of all messages in a block, gone ones included. The format has no
/// place for it: it is kept in `checkpoint.db`.
///
/// It is a sum, so that the difference to what it should be tells which length is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Borders(u64);

fn mix(lengths: &Lengths) -> u64 {
    // The finalizer of SplitMix64, twice.
    let step = |word: u64| {
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    step(step(lengths.seq) ^ (u64::from(lengths.subject) << 32 | u64::from(lengths.headers)))
}

/// Tells `each` about the messages with their offsets; false if `content` is not made of records
/// from its start to its end.
fn for_each(content: &[u8], mut each: impl FnMut(usize, Lengths)) -> bool {
    let mut at = 0;
    while at < content.len() {
        let len = record::len_at(content, at).filter(|&len| len >= record::EMPTY);
        let Some(len) = len else { return false };
        if let Some(lengths) = record::lengths_at(content, at) {
            each(at, lengths);
        }
        at += len;
    }
    at == content.len()
}

impl Borders {
    pub(super) fn from_bits(bits: u64) -> Self {
        Borders(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// Adds a message.
    pub(super) fn add(&mut self, lengths: &Lengths) {
        self.0 = self.0.wrapping_add(mix(lengths));
    }

    /// Of a block's content; `None` if that is not made of records.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let mut borders = Borders::default();
        for_each(content, |_, lengths| borders.add(&lengths)).then_some(borders)
    }

    /// Puts the one bad bit in the lengths of `content` right, which should have these borders;
    /// false if there is none, or if that is not all that is wrong.
    pub(super) fn mend(self, content: &mut [u8]) -> bool {
        let (mut messages, mut sum) = (Vec::new(), Borders::default());
        let whole = for_each(content, |at, lengths| {
            sum.add(&lengths);
            messages.push((at, lengths));
        });
        let off = self.0.wrapping_sub(sum.0);
        if !whole || off == 0 {
            return false;
        }
        for (at, have) in messages {
            for place in record::length_places(at, &have).into_iter().flatten() {
                for bit in 0..8 {
                    flip(content, place, bit);
                    let now = record::lengths_at(content, at);
                    if now.is_some_and(|now| mix(&now).wrapping_sub(mix(&have)) == off) {
                        return true;
                    }
                    flip(content, place, bit);
                }
            }
        }
        false
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}
