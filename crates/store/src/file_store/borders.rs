//! A checksum of what the records' own checksums leave out: where each message's subject ends.

use super::record;

/// Of the sequences and subject lengths of all messages in a block, gone ones included. The format
/// has no place for it: it is kept in `checkpoint.db`.
///
/// It is a sum, so that the difference to what it should be tells which length is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Borders(u64);

fn mix(seq: u64, subject_len: u16) -> u64 {
    // The finalizer of SplitMix64.
    let mut mixed = seq.rotate_left(16) ^ u64::from(subject_len);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Offset, sequence and subject length of each message; `None` if `content` is not made of records
/// from its start to its end.
fn messages(content: &[u8]) -> Option<Vec<(usize, u64, u16)>> {
    let mut messages = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let len = record::len_at(content, at).filter(|&len| len >= record::EMPTY)?;
        if let Some((seq, subject_len)) = record::border_at(content, at)? {
            messages.push((at, seq, subject_len));
        }
        at += len;
    }
    (at == content.len()).then_some(messages)
}

impl Borders {
    pub(super) fn from_bits(bits: u64) -> Self {
        Borders(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// Adds a message.
    pub(super) fn add(&mut self, seq: u64, subject_len: usize) {
        self.0 = self.0.wrapping_add(mix(seq, subject_len as u16));
    }

    /// Of a block's content; `None` if that is not made of records.
    pub(super) fn of(content: &[u8]) -> Option<Self> {
        let mut borders = Borders::default();
        for (_, seq, subject_len) in messages(content)? {
            borders.add(seq, subject_len.into());
        }
        Some(borders)
    }

    /// Puts the one bad bit in the subject lengths of `content` right, which should have these
    /// borders; false if there is none, or if that is not all that is wrong.
    pub(super) fn mend(self, content: &mut [u8]) -> bool {
        let Some(messages) = messages(content) else { return false };
        let sum =
            |sum: u64, message: &(usize, u64, u16)| sum.wrapping_add(mix(message.1, message.2));
        let off = self.0.wrapping_sub(messages.iter().fold(0, sum));
        if off == 0 {
            return false;
        }
        let bad = messages.iter().find_map(|&(at, seq, have)| {
            let fits = |&bit: &u32| mix(seq, have ^ (1 << bit)).wrapping_sub(mix(seq, have)) == off;
            (0..u16::BITS).find(fits).map(|bit| (at, have ^ (1 << bit)))
        });
        let Some((at, len)) = bad else { return false };
        record::put_subject_len(content, at, len);
        true
    }
}
