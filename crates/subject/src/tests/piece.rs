//! Short runs of bytes.

use crate::piece::Piece;

#[test]
fn all_lengths_keep_their_bytes() {
    assert_eq!(size_of::<Piece>(), 16);
    for len in 0..40 {
        let bytes: Vec<u8> = (0..len).collect();
        assert_eq!(*Piece::from(&bytes[..]), bytes[..]);
        assert_eq!(*Piece::from(bytes.clone()), bytes[..]);
    }
}
