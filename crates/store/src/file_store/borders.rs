//! A checksum of what the records' own checksums leave out: where each message's subject and
//! headers end.

use super::checkpoint::Seal;
use super::record::{self, Hasher, Kind, Lengths, Record};

/// Of the sequences and lengths of all messages in a block, gone ones included. It is kept in
/// `checkpoint.db`, and of what is newer in a record of its own, the witness.
///
/// It is a sum, so that the difference to what it should be tells which length is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Borders(u64);

/// The finalizer of SplitMix64, twice.
fn scatter(word: u64, salt: u64) -> u64 {
    let step = |word: u64| {
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    step(step(word) ^ salt)
}

fn mix(lengths: &Lengths) -> u64 {
    scatter(lengths.seq, u64::from(lengths.subject) << 32 | u64::from(lengths.headers))
}

/// Tells `each` about the records with their offsets and lengths; answers where no more follow.
pub(super) fn walk(content: &[u8], mut each: impl FnMut(usize, usize)) -> usize {
    let mut at = 0;
    while let Some(len) = record::len_at(content, at).filter(|&len| len >= record::EMPTY) {
        each(at, len);
        at += len;
    }
    at
}

/// Tells `each` about the messages with their offsets; false if `content` is not made of records
/// from its start to its end.
fn for_each(content: &[u8], mut each: impl FnMut(usize, Lengths)) -> bool {
    let end = walk(content, |at, _| {
        if let Some(lengths) = record::lengths_at(content, at) {
            each(at, lengths);
        }
    });
    end == content.len()
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

    /// Writes the witness of messages up to `last_seq` at this offset of their block; none if there
    /// are no messages.
    pub(super) fn push_witness(self, out: &mut Vec<u8>, at: u64, hasher: &Hasher, last_seq: u64) {
        if self != Borders::default() {
            record::push_witness(out, hasher, self.at(at), last_seq);
        }
    }

    /// What a witness at this offset says: nowhere else the same, as by its end a block is told
    /// from what it was before.
    fn at(self, at: u64) -> u64 {
        self.0.wrapping_add(scatter(at, 0))
    }

    /// What a witness at this offset speaks of that says this.
    fn said_at(at: u64, said: u64) -> Self {
        Borders(said.wrapping_sub(scatter(at, 0)))
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

/// The witness of all messages in `content`; empty if there are none.
fn witness_of(content: &[u8], hasher: &Hasher) -> Vec<u8> {
    let (mut borders, mut last_seq) = (Borders::default(), 0);
    for_each(content, |_, lengths| {
        borders.add(&lengths);
        last_seq = last_seq.max(lengths.seq);
    });
    let mut witness = Vec::new();
    borders.push_witness(&mut witness, content.len() as u64, hasher, last_seq);
    witness
}

/// Writes the witness of all messages in `content` behind them.
pub(super) fn push_witness(content: &mut Vec<u8>, hasher: &Hasher) {
    let witness = witness_of(content, hasher);
    content.extend_from_slice(&witness);
}

/// Whether what is at `at` is the start of something that was being written over a witness, of
/// which the end is still there; behind that nothing is.
pub(super) fn is_torn_witness(content: &[u8], at: usize, hasher: &Hasher) -> bool {
    let Some((before, rest)) = content.split_at_checked(at) else { return false };
    let Some((here, behind)) = rest.split_at_checked(record::WITNESS) else { return false };
    behind.iter().all(|&byte| byte == 0) && here.last() == witness_of(before, hasher).last()
}

/// What the last witness in `content` says, and where it is, if the messages before say otherwise.
fn contradiction(content: &[u8], hasher: &Hasher) -> Option<(usize, Borders)> {
    let (mut sum, mut said) = (Borders::default(), None);
    walk(content, |at, len| {
        if let Some(lengths) = record::lengths_at(content, at) {
            sum.add(&lengths);
        } else if len == record::WITNESS
            && let Some(record) = Record::parse(content, at)
            && let (Kind::Witness, Some(bits)) = (record.kind, record.payload.first_chunk())
            && record.is_intact(hasher)
        {
            let borders = Borders::said_at(at as u64, u64::from_le_bytes(*bits));
            said = Some((at, borders)).filter(|_| borders != sum);
        }
    });
    said
}

/// Puts the one bad bit in the lengths of a block's content right that its seal or the last witness
/// in it tells of; false if there is none.
pub(super) fn mend_borders(content: &mut [u8], seal: Option<&Seal>, hasher: &Hasher) -> bool {
    if seal.is_some_and(|seal| seal.mend(content)) {
        return true;
    }
    let Some((end, borders)) = contradiction(content, hasher) else { return false };
    content.get_mut(..end).is_some_and(|before| borders.mend(before))
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}
