//! A short run of bytes that needs no memory of its own.

use std::ops::Deref;

/// Bytes that fit in place; most pieces of subjects do.
const INLINE: usize = 14;

/// Part of a subject: sixteen bytes, and an allocation only for a long one.
#[derive(Clone, Debug)]
pub(crate) struct Piece(Form);

#[derive(Clone, Debug)]
enum Form {
    Inline { len: u8, bytes: [u8; INLINE] },
    // A thin pointer, so that the whole stays two words.
    Boxed(Box<Box<[u8]>>),
}

impl Default for Piece {
    fn default() -> Self {
        Piece(Form::Inline { len: 0, bytes: [0; INLINE] })
    }
}

impl From<&[u8]> for Piece {
    fn from(piece: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..piece.len()) {
            Some(place) => {
                place.copy_from_slice(piece);
                Piece(Form::Inline { len: piece.len() as u8, bytes })
            }
            None => Piece(Form::Boxed(Box::new(piece.into()))),
        }
    }
}

impl From<Vec<u8>> for Piece {
    fn from(piece: Vec<u8>) -> Self {
        Piece::from(&piece[..])
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Form::Boxed(bytes) => bytes,
        }
    }
}
