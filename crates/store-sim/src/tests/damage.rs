//! All damage that there is to a small store; `cargo xtask sim` does it to more of them.

use crate::damage_run::{Subject, Victim};
use crate::verdict::guarded;

#[test]
fn damage_after_a_stop_costs_what_is_damaged() {
    let victim = Victim::new(Subject::Stopped).unwrap();
    let all = victim.all_damage();
    assert!(all.len() > 10_000, "only {} pieces of damage", all.len());
    let mut wrong = Vec::new();
    for (file, damage) in all {
        wrong.extend(guarded(|| victim.damage(file, damage)).err());
    }
    let shown: Vec<&String> = wrong.iter().step_by(wrong.len() / 40 + 1).collect();
    assert!(wrong.is_empty(), "{} times: {shown:#?}", wrong.len());
}
