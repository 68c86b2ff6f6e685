//! Whether the harness finds the planted bugs: each of them is switched on in turn.

use store::{Canary, plant};

use crate::crash_run::{CrashRun, WAYS_TO_FAIL, calls};
use crate::damage_run::{SUBJECTS, Victim};
use crate::model_run;
use crate::verdict::{Verdict, guarded};

/// How a planted bug was found.
#[derive(Clone, Debug)]
pub struct Catch {
    /// The bug.
    pub canary: Canary,
    /// Which check found it, and with which seed; none if it was missed.
    pub by: Option<String>,
    /// What it said.
    pub words: String,
}

/// Switches a bug on and looks for it.
#[must_use]
pub fn hunt(canary: Canary) -> Catch {
    plant(Some(canary));
    let found = search(canary);
    plant(None);
    match found {
        Some((by, words)) => Catch { canary, by: Some(by), words },
        None => Catch { canary, by: None, words: String::new() },
    }
}

fn search(canary: Canary) -> Option<(String, String)> {
    let mut found = None;
    let mut look = |by: String, check: &dyn Fn() -> Verdict| {
        if found.is_none() {
            found = guarded(check).err().map(|words| (by, words));
            if found.is_some() {
                // What is found without the bug as well is no catch.
                plant(None);
                if guarded(check).is_err() {
                    found = None;
                }
                plant(Some(canary));
            }
        }
        found.is_some()
    };
    for seed in 0..16 {
        if look(format!("model, seed {seed}"), &|| model_run::run(seed, model_run::Kind::of(seed)))
        {
            return found;
        }
    }
    for subject in SUBJECTS {
        let victim = match guarded(|| Victim::new(subject)) {
            Ok(victim) => victim,
            Err(words) => return Some((format!("damage, {subject:?}"), words)),
        };
        for (number, (file, damage)) in victim.sample(7, 400).into_iter().enumerate() {
            if look(format!("damage, {subject:?}, sample 7, piece {number}"), &|| {
                victim.damage(file, damage)
            }) {
                return found;
            }
        }
    }
    for seed in 0..60 {
        let (changes, reads) = match guarded(|| calls(seed)) {
            Ok(calls) => calls,
            Err(words) => return Some((format!("session, seed {seed}"), words)),
        };
        for call in (seed % 3..changes.max(reads)).step_by(3) {
            let how = (call as usize / 3) % WAYS_TO_FAIL;
            if look(format!("crash, seed {seed}, change {call}"), &|| {
                CrashRun::new(seed).crash_at(call, 1).map(|_| ())
            }) || look(format!("failure, seed {seed}, change {call}, way {how}"), &|| {
                CrashRun::new(seed).fail_at(call, how).map(|_| ())
            }) {
                return found;
            }
        }
    }
    None
}
