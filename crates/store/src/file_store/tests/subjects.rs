//! What the index of subjects keeps of each.

use crate::file_store::subjects::{Bound, Entry};

#[test]
fn a_subject_with_one_message_costs_two_words() {
    assert_eq!(size_of::<Entry>(), 16);
    for seq in [0, 1, 2, 7, u64::MAX >> 1] {
        assert_eq!((Bound::loose(seq).seq(), Bound::loose(seq).is_exact()), (seq, false));
    }
    assert_eq!((Bound::exact(5).seq(), Bound::exact(5).is_exact()), (5, true));
}
