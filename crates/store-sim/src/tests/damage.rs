//! All damage that there is to small stores.

use crate::verdict::guarded;
use crate::victim::{Subject, Victim};

fn check_all_damage(subject: Subject) {
    let victim = Victim::new(subject as u64).unwrap();
    assert_eq!(victim.subject, subject);
    let all = victim.all_damage();
    assert!(all.len() > 10_000, "only {} pieces of damage", all.len());
    let mut wrong = Vec::new();
    for (file, damage) in all {
        wrong.extend(guarded(|| victim.damage(file, damage)).err());
    }
    let shown: Vec<&String> = wrong.iter().step_by(wrong.len() / 40 + 1).collect();
    assert!(wrong.is_empty(), "{} times: {shown:#?}", wrong.len());
}

#[test]
fn damage_after_a_stop_costs_what_is_damaged() {
    check_all_damage(Subject::Stopped);
}

#[test]
fn damage_after_a_kill_costs_what_is_damaged() {
    check_all_damage(Subject::Killed);
}

#[test]
fn damage_without_an_index_costs_what_is_damaged() {
    check_all_damage(Subject::NoIndex);
}

#[test]
fn damage_to_compressed_blocks_costs_what_they_held() {
    check_all_damage(Subject::Compressed);
}

#[test]
fn damage_to_an_encrypted_store_costs_what_is_damaged() {
    check_all_damage(Subject::Encrypted);
}

#[test]
fn some_damage_to_random_stores_costs_what_is_damaged() {
    let mut wrong = Vec::new();
    for seed in 5..45 {
        let victim = Victim::new(seed).unwrap();
        for (file, damage) in victim.sample(seed, 250) {
            let verdict = guarded(|| victim.damage(file, damage));
            wrong.extend(verdict.err().map(|words| format!("seed {seed}: {words}")));
        }
    }
    assert!(wrong.is_empty(), "{} times: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}
