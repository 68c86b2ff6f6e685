//! Damage that the store does not notice yet, so that everything else can be demanded.

use crate::damage_run::{Damage, Subject};

/// Whether this is a known gap: an entry goes when the store closes it.
#[must_use]
pub fn is_known(subject: Subject, name: &str, damage: Damage, wrong: &str) -> bool {
    // The length of a subject is not in the checksum: without headers behind it, the border
    // between subject and payload can move. Of what came after the last checkpoint nothing tells.
    let flip = matches!(damage, Damage::Flip(..));
    let is_newer = subject == Subject::Killed;
    is_newer && flip && name.ends_with(".blk") && wrong.contains("is changed")
}
