//! Short runs of bytes.

use crate::piece::{Piece, Texts};

#[test]
fn all_lengths_keep_their_bytes() {
    assert_eq!(size_of::<Piece>(), 12);
    let mut texts = Texts::new();
    let bytes: Vec<u8> = (0..u8::MAX).cycle().take(70_000).collect();
    let lens = || (0..40).chain([4_000, 32_767, 32_768, 32_769, 70_000]);
    let pieces: Vec<Piece> = lens().map(|len| Piece::new(&bytes[..len], &mut texts)).collect();
    for (piece, len) in pieces.iter().zip(lens()) {
        assert_eq!(piece.bytes(&texts), &bytes[..len]);
        assert_eq!(piece.first(), bytes[..len].first().copied());
    }
    for piece in pieces {
        piece.free(&mut texts);
    }
    assert!(texts.is_sparse());
}
