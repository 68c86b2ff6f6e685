//! A set of sequences as bitmaps, with the encoding that `index.db` uses.

use std::collections::BTreeMap;

const WORDS: usize = 32;
const SPAN: u64 = WORDS as u64 * 64;
const MAGIC: u8 = 0x16;
const VERSION: u8 = 2;
const HEAD: usize = 10;

/// Ascending set of sequences; a dense range costs a bit per sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqSet {
    nodes: BTreeMap<u64, Box<[u64; WORDS]>>,
    len: u64,
}

fn place(seq: u64) -> (u64, usize, u64) {
    let offset = seq % SPAN;
    (seq - offset, (offset / 64) as usize, 1 << (offset % 64))
}

impl SeqSet {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.len = 0;
    }

    pub(crate) fn contains(&self, seq: u64) -> bool {
        if self.len == 0 {
            return false;
        }
        let (base, word, bit) = place(seq);
        self.nodes.get(&base).is_some_and(|node| node[word] & bit != 0)
    }

    /// Puts `seq` in; false if it was in.
    pub(crate) fn insert(&mut self, seq: u64) -> bool {
        let (base, word, bit) = place(seq);
        let node = self.nodes.entry(base).or_insert_with(|| Box::new([0; WORDS]));
        let fresh = node[word] & bit == 0;
        node[word] |= bit;
        self.len += u64::from(fresh);
        fresh
    }

    /// Puts `from..to` in.
    pub(crate) fn insert_range(&mut self, from: u64, to: u64) {
        let mut seq = from;
        while seq < to {
            let (base, word, _) = place(seq);
            let low = seq % 64;
            let count = (64 - low).min(to - seq);
            let mask = if count == 64 { u64::MAX } else { ((1 << count) - 1) << low };
            let node = self.nodes.entry(base).or_insert_with(|| Box::new([0; WORDS]));
            self.len += u64::from((mask & !node[word]).count_ones());
            node[word] |= mask;
            seq += count;
        }
    }

    /// Takes `seq` out; false if it was not in.
    pub(crate) fn remove(&mut self, seq: u64) -> bool {
        if self.len == 0 {
            return false;
        }
        let (base, word, bit) = place(seq);
        let Some(node) = self.nodes.get_mut(&base) else { return false };
        if node[word] & bit == 0 {
            return false;
        }
        node[word] &= !bit;
        self.len -= 1;
        if node.iter().all(|&word| word == 0) {
            self.nodes.remove(&base);
        }
        true
    }

    /// Takes out everything at or above `from`.
    pub(crate) fn remove_from(&mut self, from: u64) {
        let above: Vec<u64> = self.iter_from(from).collect();
        for seq in above {
            self.remove(seq);
        }
    }

    /// The first sequence at or after `from` that is not in.
    pub(crate) fn next_absent(&self, from: u64) -> u64 {
        let mut seq = from;
        if self.len == 0 {
            return seq;
        }
        loop {
            let (base, word, _) = place(seq);
            let Some(node) = self.nodes.get(&base) else { return seq };
            let free = !node[word] & (u64::MAX << (seq % 64));
            if free != 0 {
                return (seq & !63) + u64::from(free.trailing_zeros());
            }
            seq = (seq & !63) + 64;
        }
    }

    /// The last sequence at or below `up_to` that is not in; `None` below 0.
    pub(crate) fn prev_absent(&self, up_to: u64) -> Option<u64> {
        let mut seq = up_to;
        if self.len == 0 {
            return Some(seq);
        }
        loop {
            let (base, word, _) = place(seq);
            let Some(node) = self.nodes.get(&base) else { return Some(seq) };
            let free = !node[word] & (u64::MAX >> (63 - seq % 64));
            if free != 0 {
                return Some((seq & !63) + u64::from(63 - free.leading_zeros()));
            }
            seq = (seq & !63).checked_sub(1)?;
        }
    }

    /// How many are in at or after `from`.
    pub(crate) fn count_from(&self, from: u64) -> u64 {
        if self.len == 0 {
            return 0;
        }
        let (base, first_word, _) = place(from);
        let mut count = 0;
        for (&at, node) in self.nodes.range(base..) {
            for (word, bits) in node.iter().enumerate() {
                let mask = match (at == base, word.cmp(&first_word)) {
                    (true, std::cmp::Ordering::Less) => 0,
                    (true, std::cmp::Ordering::Equal) => u64::MAX << (from % 64),
                    _ => u64::MAX,
                };
                count += u64::from((bits & mask).count_ones());
            }
        }
        count
    }

    pub(crate) fn iter_from(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let (base, _, _) = place(from);
        self.nodes
            .range(base..)
            .flat_map(|(&base, node)| {
                node.iter().enumerate().flat_map(move |(word, &bits)| {
                    let start = base + word as u64 * 64;
                    Bits(bits).map(move |bit| start + bit)
                })
            })
            .filter(move |&seq| seq >= from)
    }

    /// Bytes that [`encode`](Self::encode) adds.
    pub(crate) fn encoded_len(&self) -> usize {
        HEAD + self.nodes.len() * (8 + WORDS * 8 + 2)
    }

    /// Adds the reference's encoding (`server/avl` `SequenceSet.Encode`): the nodes of a balanced
    /// tree in pre-order.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[MAGIC, VERSION]);
        out.extend_from_slice(&(self.nodes.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.len as u32).to_le_bytes());
        let nodes: Vec<(u64, &[u64; WORDS])> =
            self.nodes.iter().map(|(&base, node)| (base, &**node)).collect();
        let mut todo = vec![&nodes[..]];
        while let Some(part) = todo.pop() {
            let (left, rest) = part.split_at(part.len() / 2);
            let Some((&(base, words), right)) = rest.split_first() else { continue };
            out.extend_from_slice(&base.to_le_bytes());
            for word in words {
                out.extend_from_slice(&word.to_le_bytes());
            }
            // A tree split at the middle is as high as its length has bits.
            let height = usize::BITS - part.len().leading_zeros();
            out.extend_from_slice(&(height as u16).to_le_bytes());
            todo.push(right);
            todo.push(left);
        }
    }

    /// Reads an encoded set of version 1 or 2; answers it with the bytes it took.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let words_per_node = match bytes.get(..2)? {
            [MAGIC, 1] => 64,
            [MAGIC, VERSION] => WORDS,
            _ => return None,
        };
        let nodes = u32::from_le_bytes(*bytes.get(2..)?.first_chunk()?) as usize;
        let size = u32::from_le_bytes(*bytes.get(6..)?.first_chunk()?);
        let node_len = 8 + words_per_node * 8 + 2;
        let end = nodes.checked_mul(node_len)?.checked_add(HEAD)?;
        let mut set = SeqSet::default();
        for node in bytes.get(HEAD..end)?.chunks_exact(node_len) {
            let base = u64::from_le_bytes(*node.first_chunk()?);
            let words = node.get(8..8 + words_per_node * 8)?;
            for (at, word) in words.chunks_exact(8).enumerate() {
                let start = base.checked_add(at as u64 * 64)?;
                let bits = u64::from_le_bytes(*word.first_chunk()?);
                if bits != 0 && start.checked_add(64)? >= 1 << 62 {
                    return None;
                }
                for bit in Bits(bits) {
                    set.insert(start + bit);
                }
            }
        }
        (set.len == u64::from(size)).then_some((set, end))
    }
}

/// The set bits of a word, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(u64::from(bit))
    }
}

impl FromIterator<u64> for SeqSet {
    fn from_iter<I: IntoIterator<Item = u64>>(seqs: I) -> Self {
        let mut set = SeqSet::default();
        for seq in seqs {
            set.insert(seq);
        }
        set
    }
}
