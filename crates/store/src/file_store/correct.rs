//! Damaged records put right where only one bit of them is bad, or their length: then nothing is
//! lost.
//!
//! The checksum covers sequence, time, subject, headers and payload, one after the other, but
//! neither the record's length nor where one part ends and the next begins. It has 64 bits: if
//! it holds with one bit of the record changed back, that bit was it.

use super::record::{self, Damage, Hasher, Kind, Record};

const LEN: usize = 0;
const HAS_HEADERS: u32 = 1 << 31;
const SUBJECT_LEN: usize = 20;
/// In longer records no bad bit is looked for: that takes the square of the length.
const LARGEST: usize = 8 << 10;

/// Puts damaged records right; answers how many. `known` says whether a message of the
/// stream has this subject.
pub(super) fn mend(
    block: &mut [u8],
    hasher: &Hasher,
    damage: &[Damage],
    known: &dyn Fn(&[u8]) -> bool,
) -> usize {
    damage.iter().filter(|damage| mend_record(block, hasher, damage, known)).count()
}

/// Walks through a block and puts right what can be; answers how many records that are.
pub(super) fn mend_all(block: &mut [u8], hasher: &Hasher, known: &dyn Fn(&[u8]) -> bool) -> usize {
    let mut sound = Vec::new();
    let damage = record::scan(block, hasher, |at, _| sound.push(at));
    let strangers = sound.into_iter().filter(|&at| mend_stranger(block, at, known)).count();
    strangers + mend(block, hasher, &damage, known)
}

fn mend_record(
    block: &mut [u8],
    hasher: &Hasher,
    damage: &Damage,
    known: &dyn Fn(&[u8]) -> bool,
) -> bool {
    // Where nothing follows, zeros may be room that was made ahead, or the end of a checksum.
    let stretch = block.get(damage.from..damage.to).unwrap_or_default();
    let used = stretch.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let ends = match damage.to == block.len() {
        true => (used..=stretch.len().min(used + record::CHECKSUM)).rev().collect(),
        false => vec![stretch.len()],
    };
    for len in ends.into_iter().filter(|len| (record::EMPTY..=record::MAX).contains(len)) {
        let Some(bytes) = block.get_mut(damage.from..damage.from + len) else { continue };
        if mend_len(bytes, hasher) || mend_bit(bytes, hasher, known) {
            return true;
        }
    }
    false
}

/// Whether these bytes are one sound record.
fn is_whole(bytes: &[u8], hasher: &Hasher) -> bool {
    Record::parse(bytes, 0).is_some_and(|record| {
        record.len == bytes.len() && record.is_plausible() && record.is_intact(hasher)
    })
}

/// The bytes are a record, but for its length or the flag for headers in it.
fn mend_len(bytes: &mut [u8], hasher: &Hasher) -> bool {
    let Some(old) = bytes.first_chunk::<4>().copied() else { return false };
    let flag = u32::from_le_bytes(old) & HAS_HEADERS;
    for flag in [flag, flag ^ HAS_HEADERS] {
        put(bytes, LEN, &(bytes.len() as u32 | flag).to_le_bytes());
        if is_whole(bytes, hasher) {
            return true;
        }
    }
    put(bytes, LEN, &old);
    false
}

/// The bytes are a record, but for one bit: of the length of its subject, or any other. The
/// checksum says which.
fn mend_bit(bytes: &mut [u8], hasher: &Hasher, known: &dyn Fn(&[u8]) -> bool) -> bool {
    if bytes.len() > LARGEST {
        return false;
    }
    let mut borders: Vec<usize> = Vec::new();
    for bit in SUBJECT_LEN * 8..record::HEAD * 8 {
        flip(bytes, 0, bit);
        if is_whole(bytes, hasher) {
            borders.push(bit);
        }
        flip(bytes, 0, bit);
    }
    if borders.len() > 1 {
        // Without headers the border can be anywhere, for all that the checksum knows.
        borders.retain(|&bit| {
            flip(bytes, 0, bit);
            let fits = Record::parse(bytes, 0).is_some_and(|record| known(record.subject));
            flip(bytes, 0, bit);
            fits
        });
        return match borders.as_slice() {
            [bit] => {
                flip(bytes, 0, *bit);
                true
            }
            _ => false,
        };
    }
    let others = (0..SUBJECT_LEN * 8).chain(record::HEAD * 8..bytes.len() * 8);
    for bit in borders.into_iter().chain(others) {
        flip(bytes, 0, bit);
        if is_whole(bytes, hasher) {
            return true;
        }
        flip(bytes, 0, bit);
    }
    false
}

/// A subject that nobody knows, and its only known reading with one bit of its length put right:
/// puts that right in the record at `at`.
pub(super) fn mend_stranger(block: &mut [u8], at: usize, known: impl Fn(&[u8]) -> bool) -> bool {
    let Some(record) = Record::parse(block, at) else { return false };
    if record.kind != Kind::Message || !record.headers.is_empty() || known(record.subject) {
        return false;
    }
    let text = [record.subject, record.payload].concat();
    let fits = |bit: &usize| text.get(..record.subject.len() ^ (1 << bit)).is_some_and(&known);
    let mut bits = (0..16).filter(fits);
    let (Some(bit), None) = (bits.next(), bits.next()) else { return false };
    if let Some(bytes) = block.get_mut(at..) {
        flip(bytes, SUBJECT_LEN, bit);
    }
    true
}

fn put(bytes: &mut [u8], at: usize, new: &[u8; 4]) {
    if let Some(place) = bytes.get_mut(at..at + new.len()) {
        place.copy_from_slice(new);
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: usize) {
    if let Some(byte) = bytes.get_mut(at + bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}
