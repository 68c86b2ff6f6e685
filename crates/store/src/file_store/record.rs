//! The record: how one message, tombstone or erased sequence lies in a block.

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

use super::varint::{Reader, push_u};

/// Bytes before the subject.
pub(super) const HEAD: usize = 22;
/// Bytes of a record without subject and payload: head and checksum.
pub(super) const EMPTY: usize = 30;
/// Bytes of a witness.
pub(super) const WITNESS: usize = EMPTY + 8;
/// Largest record that the format allows.
pub(super) const MAX: usize = 32 << 20;
/// Bytes of the checksum that ends a record.
pub(super) const CHECKSUM: usize = 8;
const SEQ: usize = 4;
const SUBJECT_LEN: usize = 20;
const HAS_HEADERS: u32 = 1 << 31;
const ERASED: u64 = 1 << 63;
const TOMBSTONE: u64 = 1 << 62;
/// Highest sequence that fits beside the two flags.
pub(super) const MAX_SEQ: u64 = TOMBSTONE - 1;

/// Keyed HighwayHash-64 as the file store uses it: the key is the SHA-256 of a name.
#[derive(Clone, Debug)]
pub(super) struct Hasher {
    keyed: HighwayHasher,
}

impl Hasher {
    /// `name` is the stream, `STREAM/CONSUMER`, or `STREAM-N` for block N.
    pub(super) fn new(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut key = [0; 4];
        for (word, bytes) in key.iter_mut().zip(digest.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Hasher { keyed: HighwayHasher::new(Key(key)) }
    }

    /// The hash of a block's records.
    pub(super) fn of_block(stream: &str, index: u64) -> Self {
        Hasher::new(&format!("{stream}-{index}"))
    }

    /// Hash of the parts one after the other, as it is stored.
    pub(super) fn sum(&self, parts: &[&[u8]]) -> [u8; 8] {
        let mut hasher = self.keyed.clone();
        for part in parts {
            hasher.append(part);
        }
        hasher.finalize64().to_le_bytes()
    }
}

/// What a record says of its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Here is its message.
    Message,
    /// It is deleted.
    Tombstone,
    /// It was used, and nothing is left of it (or it was skipped).
    Erased,
    /// It is none: what the messages before say of their lengths. An erased record of sequence 0,
    /// which the reference skips.
    Witness,
}

/// A record, structurally sound; its checksum may still be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'b> {
    pub(super) kind: Kind,
    pub(super) seq: u64,
    pub(super) ts_ns: i64,
    pub(super) subject: &'b [u8],
    pub(super) headers: &'b [u8],
    pub(super) payload: &'b [u8],
    /// Length of the whole record.
    pub(super) len: usize,
    /// Sequence with flags, and time, as hashed.
    hashed_head: &'b [u8],
    checksum: [u8; 8],
}

/// Length of the record of a message.
pub(super) fn len_of(subject: usize, headers: usize, payload: usize) -> usize {
    let headers = if headers == 0 { 0 } else { headers + 4 };
    EMPTY + subject + headers + payload
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// Length of the record at offset `at`, if what says so is there.
pub(super) fn len_at(block: &[u8], at: usize) -> Option<usize> {
    Some((u32::from_le_bytes(word(block, at)?) & !HAS_HEADERS) as usize)
}

/// Where the parts of a message's record end, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) seq: u64,
    pub(super) subject: u16,
    /// 0 without headers.
    pub(super) headers: u32,
}

/// What the record at `at` says of its message's lengths, whether they fit or not; of an erased one
/// those that its message had. Nothing of another record.
pub(super) fn lengths_at(block: &[u8], at: usize) -> Option<Lengths> {
    let seq = u64::from_le_bytes(word(block, at + SEQ)?);
    match (seq & ERASED != 0, seq & TOMBSTONE != 0) {
        (false, false) => {}
        (true, false) => return erased_lengths(block, at, seq & MAX_SEQ),
        (_, true) => return None,
    }
    let subject = u16::from_le_bytes(word(block, at + SUBJECT_LEN)?);
    let headers = match u32::from_le_bytes(word(block, at)?) & HAS_HEADERS {
        0 => 0,
        _ => word(block, headers_len_at(at, subject)).map_or(u32::MAX, u32::from_le_bytes),
    };
    Some(Lengths { seq, subject, headers })
}

/// The lengths that [`erase`] left; none where the reference, or an older version, erased.
fn erased_lengths(block: &[u8], at: usize, seq: u64) -> Option<Lengths> {
    let body = block.get(at + HEAD..at + len_at(block, at)?.checked_sub(CHECKSUM)?)?;
    let mut reader = Reader::new(body);
    let subject = u16::try_from(reader.u()?).ok().filter(|&subject| seq > 0 && subject > 0)?;
    let headers = u32::try_from(reader.u().unwrap_or(0)).ok()?;
    (len_of(subject.into(), headers as usize, 0) <= EMPTY + body.len()).then_some(Lengths {
        seq,
        subject,
        headers,
    })
}

/// The places of these lengths in the block: that of the subject, and that of the headers.
pub(super) fn length_places(at: usize, lengths: &Lengths) -> [std::ops::Range<usize>; 2] {
    let headers = headers_len_at(at, lengths.subject);
    [at + SUBJECT_LEN..at + HEAD, headers..headers + 4]
}

fn headers_len_at(at: usize, subject: u16) -> usize {
    at + HEAD + usize::from(subject)
}

impl Record<'_> {
    pub(super) fn lengths(&self) -> Lengths {
        let (subject, headers) = (self.subject.len() as u16, self.headers.len() as u32);
        Lengths { seq: self.seq, subject, headers }
    }
}

impl Message<'_> {
    pub(super) fn lengths(&self) -> Lengths {
        let (subject, headers) = (self.subject.len() as u16, self.headers.len() as u32);
        Lengths { seq: self.seq, subject, headers }
    }
}

impl<'b> Record<'b> {
    /// Reads the record at offset `at`; `None` if it does not fit or its lengths contradict.
    pub(super) fn parse(block: &'b [u8], at: usize) -> Option<Self> {
        Record::parse_as(block, at, u32::from_le_bytes(word(block, at)?))
    }

    /// Reads the record at offset `at` as if it began with this word.
    fn parse_as(block: &'b [u8], at: usize, len_word: u32) -> Option<Self> {
        let rest = block.get(at..)?;
        let len = (len_word & !HAS_HEADERS) as usize;
        if !(EMPTY..=MAX).contains(&len) {
            return None;
        }
        let bytes = rest.get(..len)?;
        let seq_word = u64::from_le_bytes(word(bytes, 4)?);
        let ts_ns = i64::from_le_bytes(word(bytes, 12)?);
        let subject_len = u16::from_le_bytes(word(bytes, 20)?) as usize;
        let body = bytes.get(HEAD..len - CHECKSUM)?;
        let (subject, rest) = body.split_at_checked(subject_len)?;
        let (headers, payload) = if len_word & HAS_HEADERS != 0 {
            let headers_len = u32::from_le_bytes(word(rest, 0)?) as usize;
            rest.get(4..)?.split_at_checked(headers_len)?
        } else {
            (&[][..], rest)
        };
        let kind = match (seq_word & ERASED != 0, seq_word & TOMBSTONE != 0) {
            _ if seq_word == ERASED => Kind::Witness,
            (true, _) => Kind::Erased,
            (false, true) => Kind::Tombstone,
            (false, false) => Kind::Message,
        };
        Some(Record {
            kind,
            seq: seq_word & MAX_SEQ,
            ts_ns,
            subject,
            headers,
            payload,
            len,
            hashed_head: bytes.get(4..20)?,
            checksum: word(bytes, len - CHECKSUM)?,
        })
    }

    /// Whether it says that it has headers, and has none: nobody writes that.
    fn has_empty_headers(&self) -> bool {
        self.headers.is_empty() && self.len > EMPTY + self.subject.len() + self.payload.len()
    }

    /// Whether its last bytes were written.
    pub(super) fn has_end(&self) -> bool {
        self.checksum != [0; CHECKSUM]
    }

    /// Whether the checksum holds.
    pub(super) fn is_intact(&self, hasher: &Hasher) -> bool {
        if crate::canary::sings(crate::canary::Canary::SkipChecksum) {
            return true;
        }
        hasher.sum(&[self.hashed_head, self.subject, self.headers, self.payload]) == self.checksum
    }

    /// Whether this looks like something that a server wrote: cheap, to be asked before the
    /// checksum when looking for the next record after damage. Also catches a length outside the
    /// checksum that moved the border between two fields.
    pub(super) fn is_plausible(&self) -> bool {
        match self.kind {
            Kind::Tombstone => self.len == EMPTY && self.subject.is_empty(),
            Kind::Erased => self.subject.is_empty() && self.headers.is_empty(),
            Kind::Witness => self.len == WITNESS && self.subject.is_empty(),
            Kind::Message => {
                !self.subject.is_empty()
                    && subject::is_valid_literal(self.subject)
                    && !self.has_empty_headers()
                    && has_right_border(self.headers, self.payload)
            }
        }
    }
}

/// Whether a bad subject length explains a subject that nobody knows: with one bit of it put right
/// the subject is known. The checksum does not cover that length.
pub(super) fn has_moved_subject(record: &Record<'_>, known: impl Fn(&[u8]) -> bool) -> bool {
    if record.kind != Kind::Message || !record.headers.is_empty() || known(record.subject) {
        return false;
    }
    let text = [record.subject, record.payload].concat();
    (0..16).any(|bit| text.get(..record.subject.len() ^ (1 << bit)).is_some_and(&known))
}

/// Whether headers end where they say: their length is not covered by the checksum.
pub(super) fn has_right_border(headers: &[u8], payload: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    if !headers.starts_with(b"NATS/1.0") {
        // None, or a client's own idea of headers: nothing can be told.
        return true;
    }
    let end_in = |bytes: &[u8]| bytes.windows(END.len()).position(|window| window == END);
    match end_in(headers) {
        Some(at) => at + END.len() == headers.len(),
        // It would be behind the border, or across it.
        None => {
            let across = headers.len().saturating_sub(END.len() - 1);
            let near = headers.get(across..).unwrap_or_default();
            let near = [near, payload.get(..END.len() - 1).unwrap_or(payload)].concat();
            end_in(&near).is_none() && end_in(payload).is_none()
        }
    }
}

/// A message to write.
#[derive(Clone, Copy)]
pub(super) struct Message<'m> {
    pub(super) seq: u64,
    pub(super) ts_ns: i64,
    pub(super) subject: &'m [u8],
    pub(super) headers: &'m [u8],
    pub(super) payload: &'m [u8],
}

/// Writes a message's record. The caller has checked the lengths.
pub(super) fn push_message(out: &mut Vec<u8>, hasher: &Hasher, message: &Message<'_>) -> usize {
    let Message { seq, ts_ns, subject, headers, payload } = *message;
    let len = len_of(subject.len(), headers.len(), payload.len());
    out.reserve(len);
    let flag = if headers.is_empty() { 0 } else { HAS_HEADERS };
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&(len as u32 | flag).to_le_bytes());
    head[4..12].copy_from_slice(&seq.to_le_bytes());
    head[12..20].copy_from_slice(&ts_ns.to_le_bytes());
    head[20..].copy_from_slice(&(subject.len() as u16).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(subject);
    if !headers.is_empty() {
        out.extend_from_slice(&(headers.len() as u32).to_le_bytes());
        out.extend_from_slice(headers);
    }
    out.extend_from_slice(payload);
    let checksum = hasher.sum(&[&head[4..20], subject, headers, payload]);
    out.extend_from_slice(&checksum);
    len
}

/// Writes what the messages of a block say of their lengths, and the last sequence of them.
///
/// There must be one: the reference takes the stream's end from a first record without sequence.
pub(super) fn push_witness(out: &mut Vec<u8>, hasher: &Hasher, lengths: u64, last_seq: u64) {
    push_marker(out, hasher, ERASED, last_seq as i64, &lengths.to_le_bytes());
}

fn push_marker(out: &mut Vec<u8>, hasher: &Hasher, seq_word: u64, ts_ns: i64, body: &[u8]) {
    let len = EMPTY + body.len();
    out.extend_from_slice(&(len as u32).to_le_bytes());
    let mut head = [0; 16];
    head[..8].copy_from_slice(&seq_word.to_le_bytes());
    head[8..].copy_from_slice(&ts_ns.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(body);
    out.extend_from_slice(&hasher.sum(&[&head, body]));
}

/// Writes "this sequence is deleted".
pub(super) fn push_tombstone(out: &mut Vec<u8>, hasher: &Hasher, seq: u64, ts_ns: i64) {
    push_marker(out, hasher, seq | TOMBSTONE, ts_ns, &[]);
}

/// Writes "this sequence was used, and nothing is left of it", filled up with `body`.
pub(super) fn push_erased(out: &mut Vec<u8>, hasher: &Hasher, seq: u64, body: &[u8]) {
    push_marker(out, hasher, seq | ERASED, 0, body);
}

/// Writes what takes the place of a message's record: an erased one of its length, in which its
/// parts' lengths are all that is left, so that what is known of the whole block's stays true.
pub(super) fn erase(out: &mut Vec<u8>, hasher: &Hasher, message: &Record<'_>) {
    let len = message.len - EMPTY;
    let mut body = Vec::with_capacity(len);
    let lengths = message.lengths();
    push_u(&mut body, lengths.subject.into());
    push_u(&mut body, lengths.headers.into());
    body.resize(len, 0);
    push_erased(out, hasher, message.seq, &body);
}

/// A stretch of a block that holds no sound record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Where it starts.
    pub(super) from: usize,
    /// Where the next sound record starts; the block's length if there is none.
    pub(super) to: usize,
    /// Sequence of the last sound message (or erased) record before it; 0 if none.
    pub(super) after_seq: u64,
    /// Sequence of the first one behind it, or of what would have been that; 0 if none is known.
    pub(super) before_seq: u64,
}

impl Damage {
    /// Whether it is a witness that was hit: nobody misses it.
    pub(super) fn is_witness(&self, block: &[u8]) -> bool {
        Record::parse(block, self.from).is_some_and(|record| {
            record.kind == Kind::Witness && record.len == WITNESS && self.from + WITNESS == self.to
        })
    }
}

/// Walks a block: tells `each` about every sound record of a sequence with its offset, and answers
/// the damage.
///
/// Behind a bad record the walk goes on at its own length if a sound record is there, or if one bit
/// of it is all that is bad, otherwise at the next offset that has one.
pub(super) fn scan(
    block: &[u8],
    hasher: &Hasher,
    mut each: impl FnMut(usize, &Record<'_>),
) -> Vec<Damage> {
    let mut damage: Vec<Damage> = Vec::new();
    let mut last_seq = 0;
    let mut open = false;
    let mut at = 0;
    while at < block.len() {
        let record = Record::parse(block, at);
        if let Some(record) = record.filter(|record| is_sound(record, hasher)) {
            let before_seq = match record.kind {
                Kind::Tombstone => 0,
                Kind::Witness => record.ts_ns as u64 + 1,
                Kind::Message | Kind::Erased => record.seq,
            };
            if before_seq > 0 {
                if open && let Some(last) = damage.last_mut() {
                    last.before_seq = before_seq;
                }
                open = false;
            }
            if matches!(record.kind, Kind::Message | Kind::Erased) {
                last_seq = last_seq.max(record.seq);
            }
            if record.kind != Kind::Witness {
                each(at, &record);
            }
            at += record.len;
            continue;
        }
        let to = len_but_for_a_bit(block, at, hasher)
            .map(|len| at + len)
            .or_else(|| {
                let to = at + record?.len;
                sound_at(block, to, hasher, last_seq).then_some(to)
            })
            .or_else(|| {
                let last_start = block.len().saturating_sub(EMPTY - 1);
                (at + 1..last_start).find(|&to| sound_at(block, to, hasher, last_seq))
            })
            .unwrap_or(block.len());
        damage.push(Damage { from: at, to, after_seq: last_seq, before_seq: 0 });
        open = true;
        at = to;
    }
    damage
}

fn is_sound(record: &Record<'_>, hasher: &Hasher) -> bool {
    // The cheap one first: what is asked about is often nothing at all.
    record.is_plausible() && record.is_intact(hasher)
}

/// Length of the record at `at`, if it is sound but for one bit of that.
fn len_but_for_a_bit(block: &[u8], at: usize, hasher: &Hasher) -> Option<usize> {
    let bad = u32::from_le_bytes(word(block, at)?);
    (0..31).find_map(|bit| {
        let record = Record::parse_as(block, at, bad ^ 1 << bit)?;
        is_sound(&record, hasher).then_some(record.len)
    })
}

fn sound_at(block: &[u8], at: usize, hasher: &Hasher, after_seq: u64) -> bool {
    Record::parse(block, at).is_some_and(|record| {
        record.is_plausible()
            && (matches!(record.kind, Kind::Tombstone | Kind::Witness) || record.seq > after_seq)
            && record.is_intact(hasher)
    })
}
