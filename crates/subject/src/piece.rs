//! A short run of bytes that needs no memory of its own.

use crate::pool::Pool;

/// Bytes that fit in place; most pieces of subjects do.
const INLINE: usize = 8;
/// Of a longer one, the first bytes stand in place as well.
const HEAD: usize = 4;

/// The memory of pieces that do not fit in place.
pub(crate) type Texts = Pool<[u8; INLINE]>;

/// Part of a subject in twelve bytes; a long one has its bytes in [`Texts`].
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Piece {
    len: u32,
    /// The bytes, or the first ones and where all are.
    word: [u8; INLINE],
}

impl Piece {
    pub(crate) fn new(bytes: &[u8], texts: &mut Texts) -> Self {
        let len = u32::try_from(bytes.len()).expect("subjects are shorter than 4 GiB");
        let mut word = [0; INLINE];
        if let Some(place) = word.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            return Piece { len, word };
        }
        let at = texts.take(bytes.len().div_ceil(INLINE));
        let room = texts.run_mut(at, bytes.len().div_ceil(INLINE)).as_flattened_mut();
        if let Some(place) = room.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
        }
        let (head, rest) = word.split_at_mut(HEAD);
        head.copy_from_slice(bytes.get(..HEAD).unwrap_or_default());
        rest.copy_from_slice(&at.to_le_bytes());
        Piece { len, word }
    }

    fn at(&self) -> u32 {
        self.word.last_chunk().map_or(0, |at| u32::from_le_bytes(*at))
    }

    pub(crate) fn bytes<'p>(&'p self, texts: &'p Texts) -> &'p [u8] {
        let len = self.len as usize;
        let bytes = match len {
            ..=INLINE => &self.word,
            _ => texts.run(self.at(), len.div_ceil(INLINE)).as_flattened(),
        };
        bytes.get(..len).unwrap_or_default()
    }

    /// The first byte, if there is one.
    pub(crate) fn first(&self) -> Option<u8> {
        if self.len == 0 { None } else { self.word.first().copied() }
    }

    /// Gives its memory back.
    pub(crate) fn free(self, texts: &mut Texts) {
        let len = self.len as usize;
        if len > INLINE {
            texts.give_back(self.at(), len.div_ceil(INLINE));
        }
    }
}
