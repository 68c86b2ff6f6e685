//! Damage that the store does not notice yet, so that everything else can be demanded.

use crate::damage_run::Damage;

/// Whether this is a known gap: an entry goes when the store closes it.
#[must_use]
pub fn is_known(name: &str, damage: Damage, wrong: &str) -> bool {
    let flip = matches!(damage, Damage::Flip(..));
    let consumers = wrong.contains("another consumer") || wrong.contains("another progress");
    // A consumer's `meta.inf` is not compared with its `meta.sum`, and `o.dat` has no checksum.
    let consumer = consumers && matches!(name, "meta.inf" | "o.dat");
    // Its deliveries are taken for how far the stream had come.
    let consumer = consumer || name == "o.dat" && wrong.contains("last_seq is");
    // The length of a subject is not in the checksum: without headers behind it, the border
    // between subject and payload can move.
    let border = flip && name.ends_with(".blk") && wrong.contains("is changed");
    consumer || border
}
